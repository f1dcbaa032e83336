//! What staff say of the search, as customers find it wherever they ask.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::support::{Admin, Store, eventually};

/// How long the news may take to every process, and to what the gateways have kept.
const SOON: Duration = Duration::from_secs(10);

async fn named(admin: &Admin, title: &str) -> Value {
    let variant = json!({"price": {"amount": 900, "currency": "USD"}, "stock": 5});
    let product = json!({"title": title, "variants": [variant]});
    admin.post("/admin/products", product).await.expect(201)
}

fn titles(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn synonyms_and_pins_written_anywhere_are_soon_obeyed_everywhere() {
    let store = Store::start().await;
    let (admin, visitor) = (store.admin().await, store.anonymous());
    named(&admin, "Flat television").await;
    let lamp = named(&admin, "Reading lamp").await;
    // Each search by another address, so that no answer is kept from before, and each gateway and replica is asked.
    let mut number = 0;
    let mut ask = async || {
        number += 1;
        let path = format!("/products?q=telly&limit={}", 1 + number % 100);
        visitor.get(&path).await.expect(200)
    };
    let list = || async { visitor.get("/products?q=telly&limit=100").await.expect(200) };
    eventually(list, |list| list["total"]["value"] == 0).await;
    let synonyms = json!({"terms": ["telly", "television"]});
    admin.post("/admin/search/synonyms", synonyms).await.expect(201);
    eventually(list, |list| titles(list) == ["Flat television"]).await;
    let rule = json!({"query": "telly", "match": "exact", "pins": [lamp["id"]]});
    admin.post("/admin/search/rules", rule).await.expect(201);
    eventually(list, |list| titles(list) == ["Reading lamp", "Flat television"]).await;
    // And so it stays, whoever answers.
    let until = Instant::now() + SOON;
    let mut in_a_row = 0;
    while in_a_row < 20 {
        let list = ask().await;
        let is_right = list["total"]["value"] == 2 && list["data"][0]["title"] == "Reading lamp";
        in_a_row = if is_right { in_a_row + 1 } else { 0 };
        assert!(Instant::now() < until, "{list}");
    }
}
