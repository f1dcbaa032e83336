//! Payments by Stripe, played by localstripe; what payment providers tell; and comparing books with them.

mod books;
mod cards;
mod lost;
mod sandbox;
mod webhooks;

use diesel::prelude::*;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::support::{Admin, Caller, LocalStripe, ReadyCart, Response, SECRET_KEY, Store, eventually, unique, variant};

/// With what Stripe signs events for the shop.
const WEBHOOK_SECRET: &str = "whsec_shop";
const PUBLISHABLE_KEY: &str = "pk_test_shop";

/// A card whose bank wants to speak with the buyer.
const ASKED_BACK: &str = "4000002500003155";

/// A store that takes cards by the Stripe at `api`, and further settings.
async fn store_at<const N: usize>(api: &str, changes: [(&str, &str); N]) -> Store {
    let own = [
        ("payments.stripe.enabled", "true"),
        ("payments.stripe.secret_key", SECRET_KEY),
        ("payments.stripe.webhook_secret", WEBHOOK_SECRET),
        ("payments.stripe.publishable_key", PUBLISHABLE_KEY),
        ("payments.stripe.api", api),
        ("order.lease", "5s"),
    ];
    Store::with_all(own.into_iter().chain(changes)).await
}

/// A guest's cart with one piece that costs ten dollars.
async fn cart(store: &Store, admin: &Admin) -> ReadyCart {
    let product = admin.product(1000, 100).await;
    store.anonymous().ready_cart(&[(variant(&product), 1)]).await
}

/// Stripe, with one of its payment methods.
fn stripe(method: &str) -> Value {
    json!({"provider": "stripe", "method": method})
}

/// A payment method of a card with this number.
async fn method(stripe: &LocalStripe, number: &str) -> String {
    let card = json!({"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2099, "cvc": "123"}});
    let (status, method) = stripe.post("/v1/payment_methods", card).await;
    assert_eq!(status, 200, "{method}");
    method["id"].as_str().unwrap().to_owned()
}

/// What Stripe has of a kind, e.g. `refunds`.
async fn all(stripe: &LocalStripe, kind: &str) -> Vec<Value> {
    stripe.get(&format!("/v1/{kind}?limit=100")).await["data"]
        .as_array()
        .unwrap()
        .clone()
}

/// The holder of an order.
fn holder(store: &Store, order: &Value) -> Caller {
    store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap())
}

fn path(order: &Value) -> String {
    format!(
        "/orders/{}",
        order["id"].as_str().or(order["order_id"].as_str()).unwrap()
    )
}

/// The order as its holder sees it once `wanted` holds.
async fn order_when(store: &Store, order: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let (holder, path) = (holder(store, order), path(order));
    eventually(|| async { holder.get(&path).await.expect(200) }, wanted).await
}

/// What staff ask about the payment of an order: `captures`, `voids`, `refunds`.
async fn operate(admin: &Admin, order: &Value, operation: &str) -> Response {
    let path = format!("/admin{}/{operation}", path(order));
    admin.once(unique(operation)).post(&path, json!({})).await
}

/// An event as Stripe publishes its shape.
fn event(kind: &str, object: Value) -> String {
    let event = json!({"id": unique("evt"), "object": "event", "api_version": "2025-10-29.clover", "created": 1_796_000_000,
        "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null},
        "type": kind, "data": {"object": object}});
    event.to_string()
}

/// The signature of a body.
fn signature(secret: &str, body: &str, time: i64) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{time}.{body}").as_bytes());
    let hex: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={time},v1={hex}")
}

/// Delivers an event of Stripe's, signed as it should be.
async fn tell(store: &Store, body: &str) -> Response {
    let now = store.clock().now().timestamp();
    tell_with(store, body, &signature(WEBHOOK_SECRET, body, now)).await
}

/// Delivers an event of Stripe's with a signature of the test's choice.
async fn tell_with(store: &Store, body: &str, signature: &str) -> Response {
    let sender = store.anonymous().with("Stripe-Signature", signature);
    let body = Some(("application/json; charset=utf-8", body.to_owned()));
    sender
        .send_text(reqwest::Method::POST, "/webhooks/payments/stripe", body)
        .await
}

/// The events that have come, newest first, once `wanted` holds for them.
async fn events_when(admin: &Admin, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let ask = || async { admin.get("/admin/payment-events?limit=100").await.expect(200)["data"].clone() };
    let seen = eventually(ask, |seen| wanted(seen.as_array().unwrap())).await;
    seen.as_array().unwrap().clone()
}

/// Whether none of some events waits any more.
fn all_done(events: &[Value]) -> bool {
    events
        .iter()
        .all(|event| event["state"] == "processed" || event["state"] == "ignored")
}

/// What kinds of things have happened to an order.
fn timeline(order: &Value) -> Vec<&str> {
    let entries = order["timeline"].as_array().unwrap().iter();
    entries.map(|entry| entry["kind"].as_str().unwrap()).collect()
}

/// How many rows a query of the test's own counts in the store's database.
async fn count(store: &Store, query: &'static str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        count: i64,
    }
    let url = store.database_url().to_owned();
    let counted = move || {
        let mut connection = PgConnection::establish(&url).unwrap();
        let row: Count = diesel::sql_query(query).get_result(&mut connection).unwrap();
        row.count
    };
    tokio::task::spawn_blocking(counted).await.unwrap()
}
