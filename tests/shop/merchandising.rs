//! What merchants arrange, as customers see it.

use serde_json::{Value, json};

use super::support::{Store, eventually};

fn titles(list: &Value) -> Vec<&str> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_catalogue_is_filled_by_one_request_and_its_collections_follow() {
    let store = Store::start().await;
    let (admin, visitor) = (store.admin().await, store.anonymous());
    let rule = json!({"match": "all", "conditions": [{"tag": ["sale"]}, {"price": {"max": 1000}}]});
    admin
        .post("/admin/collections", json!({"title": "Sale", "rule": rule}))
        .await
        .expect(201);
    let create = |title: &str, price: i64| {
        let variant = json!({"price": {"amount": price, "currency": "USD"}, "stock": 5});
        json!({"op": "create", "product": {"title": title, "tags": ["sale"], "variants": [variant]}})
    };
    let operations = json!([create("Mug", 900), create("Lamp", 5000), {"op": "delete"}]);
    let done = admin
        .post("/admin/products/bulk", json!({"operations": operations}))
        .await
        .expect(200);
    let statuses: Vec<i64> = (0..3)
        .filter_map(|place| done["results"][place]["status"].as_i64())
        .collect();
    assert_eq!(statuses, [201, 201, 422]);
    let sale = "/products?collection=sale&sort=title";
    let on_sale = || async { visitor.get(sale).await.expect(200) };
    eventually(on_sale, |list| titles(list) == ["Mug"]).await;

    // Half the price, and the lamp is on sale too.
    let lamp = visitor.get("/products/lamp").await.expect(200);
    let price = json!({"variant_id": lamp["variants"][0]["id"], "price": {"amount": 1000, "currency": "USD"}});
    let priced = admin
        .post("/admin/prices/bulk", json!({"prices": [price]}))
        .await
        .expect(200);
    assert_eq!(priced["results"][0]["version"], 2);
    eventually(on_sale, |list| titles(list) == ["Lamp", "Mug"]).await;

    let related = json!({"related": [{"kind": "cross_sell", "product_id": lamp["id"]}]});
    let mug = &done["results"][0]["id"].as_str().unwrap();
    admin
        .with("If-Match", "\"1\"")
        .put(&format!("/admin/products/{mug}/related"), related)
        .await
        .expect(200);
    let beside = || async { visitor.get("/products/mug/related").await.expect(200) };
    eventually(beside, |shown| shown["data"][0]["product"]["handle"] == "lamp").await;
}
