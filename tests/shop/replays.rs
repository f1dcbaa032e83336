//! The same request under the same key: one effect, and the same answer again.

use serde_json::json;

use super::support::{Store, address, variant};

#[tokio::test]
async fn a_replay_has_the_headers_of_the_first_answer() {
    let store = Store::start().await;
    let (customer, admin) = (store.customer().await, store.admin().await);
    let price = json!({"amount": 1000, "currency": "USD"});
    let small = json!({"title": "A shirt", "options": [{"name": "Size", "values": ["S", "M"]}], "variants": [{"price": price, "options": {"Size": "S"}}]});
    let made = admin.post("/admin/products", small).await.expect(201);
    let variants = format!("/admin/products/{}/variants", made["id"].as_str().unwrap());
    let adjustment = json!({"variant_id": variant(&made), "delta": 1, "reason": "found"});
    let product = json!({"title": "A thing", "variants": [{"price": price}]});
    for (caller, path, body, made_at) in [
        (&**customer, "/me/addresses", address(), true),
        (&**customer, "/carts", json!({}), true),
        (&**admin, "/admin/products", product, true),
        (&**admin, "/admin/categories", json!({"name": "Things"}), true),
        (&**admin, "/admin/collections", json!({"title": "Things"}), true),
        (&**admin, "/admin/product-types", json!({"name": "Things"}), true),
        (
            &**admin,
            "/admin/search/synonyms",
            json!({"terms": ["tv", "television"]}),
            true,
        ),
        (
            &**admin,
            "/admin/search/rules",
            json!({"query": "tv", "match": "exact"}),
            true,
        ),
        (
            &**admin,
            &variants,
            json!({"price": price, "options": {"Size": "M"}}),
            true,
        ),
        (&**admin, "/admin/stock/adjustments", adjustment, false),
    ] {
        let caller = caller.once(format!("key of {path}"));
        let first = caller.post(path, body.clone()).await;
        assert_eq!(first.status, 201, "{path}: {}", first.text);
        let again = caller.post(path, body).await;
        assert_eq!((again.status, &again.json), (201, &first.json), "{path}");
        assert_eq!(again.header("idempotent-replayed"), "true", "{path}");
        assert_eq!(!first.header("location").is_empty(), made_at, "{path}");
        for header in ["location", "etag", "cache-control", "content-type"] {
            assert_eq!(again.header(header), first.header(header), "{header} of {path}");
        }
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_understood_does_not_use_up_its_key() {
    let store = Store::start().await;
    let customer = store.customer().await.once("a key");
    let mut wrong = address();
    wrong["city"] = json!(5);
    for _ in 0..2 {
        let refused = customer.post("/me/addresses", wrong.clone()).await;
        assert_eq!(refused.header("idempotent-replayed"), "");
        assert_eq!(refused.wrong_fields(), ["/city"]);
    }
    customer.post("/me/addresses", address()).await.expect(201);
}

#[tokio::test]
async fn a_refusal_by_a_rule_is_remembered_with_its_key() {
    let store = Store::start().await;
    let customer = store.customer().await.once("a key");
    let unknown = json!({"items": [{"variant_id": "variant_01h455vb4pex5vsknk084sn02q", "quantity": 1}]});
    let first = customer.post("/carts", unknown.clone()).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(first.wrong_fields(), ["/items/0/variant_id"]);
    let again = customer.post("/carts", unknown).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.wrong_fields(), ["/items/0/variant_id"]);
    customer
        .post("/carts", json!({}))
        .await
        .problem(422, "idempotency_key_reused");
}
