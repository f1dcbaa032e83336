//! Events of the order module, for what a test cannot bring about.

use database::connection::{Limits, connect};
use diesel::sql_types::{Jsonb, Text, Uuid};
use diesel::{RunQueryDsl, sql_query};
use kernel::id::EventId;
use serde_json::Value;

use super::Store;

/// Publishes an event as the module does.
pub(crate) async fn publish(store: &Store, event: &str, subject: &str, data: Value) {
    let url = store.database_url().to_owned();
    let (event, subject) = (event.to_owned(), subject.to_owned());
    let insert = move || {
        let mut connection = connect(&url.into(), &Limits::default()).unwrap();
        sql_query("INSERT INTO orders.outbox (id, type, subject, time, data) VALUES ($1, $2, $3, now(), $4)")
            .bind::<Uuid, _>(EventId::generate().uuid())
            .bind::<Text, _>(event)
            .bind::<Text, _>(subject)
            .bind::<Jsonb, _>(data)
            .execute(&mut connection)
            .unwrap();
    };
    tokio::task::spawn_blocking(insert).await.unwrap();
}
