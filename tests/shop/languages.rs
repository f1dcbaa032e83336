//! A shop that speaks several languages, as customers see it.

use serde_json::{Value, json};

use crate::support::{Admin, ReadyCart, Store, eventually, manual, variant};

/// A product that is called something else in German.
async fn translated(admin: &Admin, title: &str, german: &str) -> Value {
    let product = admin.product(900, 5).await;
    let path = format!("/admin/products/{}", product["id"].as_str().unwrap());
    let version = admin.get(&path).await.header("etag").to_owned();
    let renamed = admin
        .with("If-Match", version)
        .patch(&path, json!({"title": title}))
        .await;
    renamed.expect(200);
    say(admin, &product, json!({"title": german})).await;
    product
}

async fn say(admin: &Admin, product: &Value, texts: Value) {
    let path = format!("/admin/products/{}/translations", product["id"].as_str().unwrap());
    let version = admin.get(&path).await.header("etag").to_owned();
    let editor = admin.with("If-Match", version);
    editor.put(&format!("{path}/de"), texts).await.expect(200);
}

#[tokio::test]
async fn who_buys_in_german_reads_german_from_the_shelf_to_the_order() {
    let store = Store::with([("shop.locales", "en,de")]).await;
    let (admin, visitor) = (store.admin().await, store.anonymous());
    let mug = translated(&admin, "Mug", "Becher").await;
    let page = format!("/products/{}?locale=de", mug["id"].as_str().unwrap());
    let shown = || async { visitor.get(&page).await.expect(200) };
    eventually(shown, |shown| shown["title"] == "Becher").await;

    let items = json!([{"variant_id": variant(&mug), "quantity": 2}]);
    let cart = visitor
        .post("/carts", json!({"locale": "de", "items": items}))
        .await
        .expect(201);
    assert_eq!(
        (&cart["locale"], &cart["items"][0]["title"]),
        (&json!("de"), &json!("Becher"))
    );
    let buyer = visitor.with("Cart-Secret", cart["secret"].as_str().unwrap());
    let ready = ReadyCart::complete(buyer, &cart).await;
    let order = ready.buy(manual()).await.expect(201);
    assert_eq!(
        (&order["locale"], &order["lines"][0]["title"]),
        (&json!("de"), &json!("Becher"))
    );

    // What is said later is not what was bought.
    say(&admin, &mug, json!({"title": "Tasse"})).await;
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let kept = visitor.with("Order-Secret", order["secret"].as_str().unwrap());
    let kept = kept.get(&path).await.expect(200);
    assert_eq!(
        (&kept["locale"], &kept["lines"][0]["title"]),
        (&json!("de"), &json!("Becher"))
    );

    let plain = visitor.post("/carts", json!({"items": items})).await.expect(201);
    assert_eq!(
        (&plain["locale"], &plain["items"][0]["title"]),
        (&json!("en"), &json!("Mug"))
    );
    let refused = visitor.post("/carts", json!({"locale": "fr"})).await;
    refused.problem(422, "validation_failed");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn each_language_of_a_page_is_kept_by_itself_and_a_translation_is_seen_soon() {
    let store = Store::with([("shop.locales", "en,de"), ("gateway.cache_bytes", "33554432")]).await;
    let (admin, visitor) = (store.admin().await, store.anonymous());
    let mug = translated(&admin, "Mug", "Becher").await;
    let page = format!("/products/{}", mug["id"].as_str().unwrap());
    let german = format!("{page}?locale=de");
    let ask = async |path: &str| visitor.get(path).await.expect(200);
    for _ in 0..3 {
        eventually(|| ask(&german), |shown| shown["title"] == "Becher").await;
        eventually(|| ask(&page), |shown| shown["title"] == "Mug").await;
    }
    say(&admin, &mug, json!({"title": "Tasse"})).await;
    eventually(|| ask(&german), |shown| shown["title"] == "Tasse").await;
    assert_eq!(ask(&page).await["title"], "Mug");
    let answer = visitor.get(&german).await;
    assert_eq!(answer.header("content-language"), "de");
    visitor
        .get(&format!("{page}?locale=fr"))
        .await
        .problem(400, "invalid_query");
}
