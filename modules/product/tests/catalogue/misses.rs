//! Searches without a result on a day that has as many as are kept.

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl};
use serde_json::Value;

use crate::support::Shop;

#[derive(QueryableByName)]
struct Kept {
    #[diesel(sql_type = Text)]
    query: String,
}

/// Fills the day that has one search with others, of which number 1 is the oldest, and the first 1,000 were seen once.
const FILL: &str = "INSERT INTO products.search_misses (day, query, count, last_seen_at) \
    SELECT day, 'filler ' || number, CASE WHEN number <= 1000 THEN 1 ELSE 2 END, \
        last_seen_at - interval '1 hour' + number * interval '1 second' \
    FROM products.search_misses, generate_series(1, 1999) AS number";

#[actix_web::test]
async fn on_a_full_day_a_new_search_takes_the_place_of_the_oldest_that_was_seen_once() {
    let shop = Shop::open().await;
    let mut connection = shop.database.connect().unwrap();
    shop.get("/products?q=first").await;
    shop.run_jobs().await;
    connection.batch_execute(FILL).unwrap();
    // The oldest of all is seen again, and so is not among those that yield.
    for query in ["anew", "bnew", "bnew", "filler%201"] {
        shop.get(&format!("/products?q={query}")).await;
    }
    shop.run_jobs().await;
    let kept: Vec<Kept> = diesel::sql_query("SELECT query FROM products.search_misses")
        .load(&mut connection)
        .unwrap();
    let has = |query: &str| kept.iter().any(|row| row.query == query);
    assert_eq!(kept.len(), 2_000);
    assert!(has("anew") && has("bnew") && has("first") && has("filler 1"));
    assert!(!has("filler 2") && !has("filler 3") && has("filler 4") && has("filler 1001"));
}

#[actix_web::test]
async fn searches_that_were_seen_more_than_once_keep_their_places() {
    let shop = Shop::open().await;
    let mut connection = shop.database.connect().unwrap();
    shop.get("/products?q=first").await;
    shop.run_jobs().await;
    connection.batch_execute(FILL).unwrap();
    connection
        .batch_execute("UPDATE products.search_misses SET count = 2")
        .unwrap();
    shop.get("/products?q=anew").await;
    shop.run_jobs().await;
    let page = shop
        .admin(Method::GET, "/admin/search/misses?limit=100", Value::Null)
        .await;
    assert!(!page.text.contains("anew"), "{}", page.text);
    let kept: Vec<Kept> = diesel::sql_query("SELECT query FROM products.search_misses")
        .load(&mut connection)
        .unwrap();
    assert!(kept.len() == 2_000 && kept.iter().all(|row| row.query != "anew"));
}
