//! What customers see of stock that lies at several locations, or is sold before it is there.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{Admin, Store, manual, variant};

/// Another location that serves orders, with some of a variant.
async fn location(admin: &Admin, name: &str, variant: &str, quantity: i64) {
    let body = json!({"name": name, "priority": 1});
    let location = admin.post("/admin/locations", body).await.expect(201);
    let delivery =
        json!({"variant_id": variant, "location_id": location["id"], "delta": quantity, "reason": "delivered"});
    admin.post("/admin/stock/adjustments", delivery).await.expect(201);
}

async fn shown(store: &Store, product: &Value) -> Value {
    // As staff see it: what everybody sees may be kept for a moment.
    let path = format!("/admin/products/{}", product["id"].as_str().unwrap());
    store.admin().await.get(&path).await.expect(200)["variants"][0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_larger_than_any_location_is_sold_as_one_order() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 3).await;
    location(&admin, "Store", variant(&product), 4).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 6)]).await;
    let order = cart.buy(manual()).await.expect(201);
    assert_eq!(order["lines"].as_array().unwrap().len(), 1);
    assert_eq!(order["lines"][0]["quantity"], 6);
    assert_eq!(shown(&store, &product).await["available"], 1);
    let path = format!("/admin/orders/{}", order["id"].as_str().unwrap());
    admin.post(&format!("{path}/cancel"), json!({})).await.expect(200);
    super::support::eventually(
        || async { shown(&store, &product).await["available"].clone() },
        |left| left == 7,
    )
    .await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backorder_can_be_bought_until_its_limit() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 1).await;
    let terms = format!("/admin/stock/{}", variant(&product));
    admin
        .with("If-Match", "*")
        .patch(&terms, json!({"backorder_limit": 2}))
        .await
        .expect(200);
    let carts = join_all((0..4).map(|_| async { store.anonymous().ready_cart(&[(variant(&product), 1)]).await })).await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(manual()))).await;
    let sold = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(sold, 3, "one that is there and two that are not");
    let seen = shown(&store, &product).await;
    assert_eq!((&seen["available"], &seen["in_stock"]), (&json!(0), &json!(false)));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buyers_of_the_last_ten_in_three_places_make_exactly_ten_orders() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 4).await;
    for name in ["Store", "Depot"] {
        location(&admin, name, variant(&product), 3).await;
    }
    let anonymous = store.anonymous();
    let carts = join_all((0..40).map(|_| async { anonymous.ready_cart(&[(variant(&product), 1)]).await })).await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(manual()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 10);
    assert_eq!(shown(&store, &product).await["available"], 0);
    assert_eq!(store.findings().await, [""; 0]);
}
