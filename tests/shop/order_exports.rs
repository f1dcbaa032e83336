//! Orders as a file for spreadsheets.

use chrono::TimeDelta;
use serde_json::json;

use super::support::{ReadyCart, Store, address, manual, sandbox, variant};

/// The file as rows of cells, by the names of their columns.
fn rows(file: &str) -> Vec<std::collections::HashMap<String, String>> {
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    reader.deserialize().map(|row| row.unwrap()).collect()
}

async fn buy(store: &Store, lines: &[(&str, i64)], name: &str) -> serde_json::Value {
    let mut cart: ReadyCart = store.anonymous().ready_cart(lines).await;
    let mut to = address();
    to["name"] = json!(name);
    let path = format!("/carts/{}", cart.id);
    cart.cart = cart
        .buyer
        .patch(&path, json!({"shipping_address": to}))
        .await
        .expect(200);
    cart.buy(manual()).await.expect(201)
}

#[tokio::test]
async fn each_line_of_an_order_is_a_row_and_no_cell_is_a_formula() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let (one, other) = (admin.product(1999, 50).await, admin.product(500, 50).await);
    let first = buy(
        &store,
        &[(variant(&one), 2), (variant(&other), 1)],
        "=HYPERLINK(\"http://evil.example\")",
    )
    .await;
    let second = buy(&store, &[(variant(&other), 3)], "@SUM(A1)").await;
    let waiting = store.anonymous().ready_cart(&[(variant(&other), 1)]).await;
    waiting.buy(sandbox("tok_requires_action")).await.expect(202);

    let answer = admin.get("/admin/orders/export?status=placed").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let rows = rows(&answer.text);
    let cells: Vec<(&str, &str, &str, &str)> = rows
        .iter()
        .map(|row| {
            let cell = |name: &str| row[name].as_str();
            (
                cell("number"),
                cell("line_quantity"),
                cell("line_unit_price"),
                cell("total"),
            )
        })
        .collect();
    let (first, second) = (first["number"].as_str().unwrap(), second["number"].as_str().unwrap());
    let expected = [
        (first, "2", "19.99", "44.98"),
        (first, "1", "5.00", "44.98"),
        (second, "3", "5.00", "15.00"),
    ];
    assert_eq!(cells, expected);
    assert_eq!(rows[0]["shipping_name"], "'=HYPERLINK(\"http://evil.example\")");
    assert_eq!(rows[2]["shipping_name"], "'@SUM(A1)");
    let all = admin.get("/admin/orders/export").await;
    assert_eq!(all.text.lines().count(), 5);
}

#[tokio::test]
async fn an_export_is_of_the_time_that_was_asked_for() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(500, 50).await;
    buy(&store, &[(variant(&product), 1)], "Ada").await;
    store.clock().advance(TimeDelta::minutes(2));
    let noon = store.clock().now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    store.clock().advance(TimeDelta::minutes(2));
    let later = buy(&store, &[(variant(&product), 1)], "Ada").await;
    let after = admin.get(&format!("/admin/orders/export?placed_after={noon}")).await;
    let numbers: Vec<String> = rows(&after.text).iter().map(|row| row["number"].clone()).collect();
    assert_eq!(numbers, [later["number"].as_str().unwrap()]);
    let before = admin.get(&format!("/admin/orders/export?placed_before={noon}")).await;
    assert_eq!(rows(&before.text).len(), 1);
    admin
        .get("/admin/orders/export?placed_after=yesterday")
        .await
        .problem(400, "invalid_query");
    admin
        .get("/admin/orders/export?status=placing")
        .await
        .problem(400, "invalid_query");
    store
        .customer()
        .await
        .get("/admin/orders/export")
        .await
        .problem(403, "forbidden");
    store
        .anonymous()
        .get("/admin/orders/export")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_long_export_has_every_order_once() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(500, 1000).await;
    let lines = [(variant(&product), 1)];
    let mut bought = Vec::new();
    for _ in 0..21 {
        let some = (0..10).map(|_| buy(&store, &lines, "Ada"));
        bought.extend(futures_util::future::join_all(some).await);
    }
    let mut expected: Vec<&str> = bought.iter().map(|order| order["number"].as_str().unwrap()).collect();
    expected.sort_unstable();
    let answer = admin.get("/admin/orders/export").await;
    let rows = rows(&answer.text);
    let mut numbers: Vec<&str> = rows.iter().map(|row| row["number"].as_str()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, expected);
}
