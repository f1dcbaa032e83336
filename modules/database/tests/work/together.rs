//! Work of several callers in one batch.

use std::sync::{Arc, Mutex};

use database::Together;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use futures_util::future::join_all;

use crate::support::Database;

/// A number to be doubled, and where the sizes of batches are noted.
#[derive(Clone)]
struct Number {
    value: i64,
    batches: Arc<Mutex<Vec<usize>>>,
}

/// Doubles numbers, slowly; chokes on 13.
fn double(connection: &mut PgConnection, numbers: &[Number]) -> QueryResult<Vec<i64>> {
    numbers[0].batches.lock().unwrap().push(numbers.len());
    connection.batch_execute("SELECT pg_sleep(0.01)")?;
    if numbers.iter().any(|number| number.value == 13) {
        connection.batch_execute("SELECT 1 / 0")?;
    }
    Ok(numbers.iter().map(|number| number.value * 2).collect())
}

async fn double_all(database: &Database, values: impl Iterator<Item = i64>) -> (Vec<Option<i64>>, Vec<usize>) {
    let doubling = Together::new(database.db.clone(), double);
    let batches = Arc::new(Mutex::new(Vec::new()));
    let number = |value| Number {
        value,
        batches: Arc::clone(&batches),
    };
    let outcomes = join_all(values.map(|value| doubling.run(number(value)))).await;
    let sizes = batches.lock().unwrap().clone();
    (outcomes.into_iter().map(Result::ok).collect(), sizes)
}

#[tokio::test]
async fn callers_at_the_same_moment_share_batches_and_get_their_own_answers() {
    let database = Database::open().await;
    let (answers, batches) = double_all(&database, 100..200).await;
    assert_eq!(answers, (100..200).map(|value| Some(value * 2)).collect::<Vec<_>>());
    assert!(batches.len() < 10, "{batches:?}");
    assert_eq!(batches.iter().sum::<usize>(), 100);
}

#[tokio::test]
async fn one_caller_alone_is_a_batch_alone() {
    let database = Database::open().await;
    assert_eq!(double_all(&database, 4..5).await, (vec![Some(8)], vec![1]));
}

#[tokio::test]
async fn whoever_fails_fails_alone() {
    let database = Database::open().await;
    let (answers, _) = double_all(&database, 10..20).await;
    let expected = (10..20).map(|value| (value != 13).then_some(value * 2));
    assert_eq!(answers, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn the_work_of_a_caller_who_has_gone_is_done_and_the_next_one_is_served() {
    let database = Database::open().await;
    let doubling = Together::new(database.db.clone(), double);
    let batches = Arc::new(Mutex::new(Vec::new()));
    let number = |value| Number {
        value,
        batches: Arc::clone(&batches),
    };
    let gone = tokio::spawn({
        let (doubling, number) = (doubling.clone(), number(1));
        async move { doubling.run(number).await }
    });
    tokio::task::yield_now().await;
    gone.abort();
    assert_eq!(doubling.run(number(2)).await.ok(), Some(4));
    assert_eq!(batches.lock().unwrap().iter().sum::<usize>(), 2);
}
