//! What the sandbox tells, and that it does once what it is asked for twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::super::support::{Bridge, sandbox};
use super::*;

const SECRET: &str = "a secret of the sandbox";

/// A store whose sandbox tells over the bridge what has happened.
async fn store_over<const N: usize>(bridge: &Bridge, changes: [(&str, &str); N]) -> Store {
    let url = format!("{}/api/v1/webhooks/payments/sandbox", bridge.url());
    let own = [
        ("payments.sandbox.webhook_url", url.as_str()),
        ("payments.sandbox.webhook_secret", SECRET),
    ];
    let store = Store::with_all(own.into_iter().chain(changes)).await;
    bridge.lead_to(store.address());
    store
}

#[tokio::test]
async fn what_the_sandbox_tells_twice_is_there_once_and_settles_what_was_open() {
    let bridge = Bridge::open(|request, way| async move {
        way.send(&request).await?;
        way.send(&request).await
    })
    .await;
    let store = store_over(&bridge, [("order.provider_timeout", "300ms"), ("order.lease", "10m")]).await;
    let admin = store.admin().await;
    let answer = cart(&store, &admin)
        .await
        .buy(sandbox("tok_timeout_after_charge"))
        .await;
    // What is told may be faster than the shop's patience with the answer that never comes.
    assert!(matches!(answer.status, 201 | 202), "{}", answer.text);
    let order = answer.json;
    order_when(&store, &order, |order| order["status"] == "placed").await;
    operate(&admin, &order, "refunds").await;
    order_when(&store, &order, |order| order["payment_status"] == "refunded").await;
    let events = events_when(&admin, |events| events.len() == 2 && all_done(events)).await;
    let kinds: Vec<&Value> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(kinds, ["charge.refunded", "charge.captured"]);
    let delivered = "SELECT count(*) FROM sandbox.events WHERE delivered_at IS NOT NULL";
    let all_delivered = || async { json!(count(&store, delivered).await) };
    eventually(all_delivered, |delivered| *delivered == 2).await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_the_sandbox_tells_out_of_order_ends_the_same() {
    let (number, second) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let bridge = Bridge::open(move |request, way| {
        let (number, second) = (number.fetch_add(1, Ordering::SeqCst), Arc::clone(&second));
        async move {
            if number == 0 {
                second.notified().await;
                return way.send(&request).await;
            }
            let answer = way.send(&request).await;
            second.notify_one();
            answer
        }
    })
    .await;
    let store = store_over(&bridge, []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin)
        .await
        .buy(sandbox("tok_authorize_only"))
        .await
        .expect(201);
    operate(&admin, &order, "captures").await.expect(200);
    let events = events_when(&admin, |events| events.len() == 2 && all_done(events)).await;
    assert_eq!(
        events.iter().filter(|event| event["type"] == "charge.captured").count(),
        1
    );
    let seen = order_when(&store, &order, |_| true).await;
    assert_eq!(seen["payment_status"], "captured");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_is_not_signed_by_the_sandbox_is_refused() {
    let store = Store::with([("payments.sandbox.webhook_secret", SECRET)]).await;
    let body = json!({"id": "sbxevt_1", "type": "charge.captured", "created": "2026-11-30T00:00:00Z",
        "data": {"reference": "sbx_1", "payment": "payment_01h2xcejqtf2nbrexx3vqjhp41"}})
    .to_string();
    let now = store.clock().now().timestamp();
    for (secret, status) in [(SECRET, 200), ("another", 400), ("", 400)] {
        let sender = store
            .anonymous()
            .with("Sandbox-Signature", signature(secret, &body, now));
        let answer = sender
            .send_text(
                reqwest::Method::POST,
                "/webhooks/payments/sandbox",
                Some(("application/json", body.clone())),
            )
            .await;
        assert_eq!(answer.status, status, "{secret}: {}", answer.text);
    }
    // A shop without a secret believes nobody, least of all who signs with none.
    let silent = Store::start().await;
    let sender = silent.anonymous().with("Sandbox-Signature", signature("", &body, now));
    sender
        .send_text(
            reqwest::Method::POST,
            "/webhooks/payments/sandbox",
            Some(("application/json", body)),
        )
        .await
        .problem(400, "invalid_signature");
}

#[tokio::test]
async fn what_the_sandbox_is_asked_for_under_one_key_it_does_once() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let ready = cart(&store, &admin).await;
    let body = ready.order(sandbox("tok_ok"));
    let buyer = ready.buyer.once("one-key");
    let answers = join_all((0..10).map(|_| buyer.post("/orders", body.clone()))).await;
    assert!(answers.iter().all(|answer| matches!(answer.status, 201 | 409)));
    let order = buyer.post("/orders", body).await.expect(201);
    assert_eq!(count(&store, "SELECT count(*) FROM sandbox.charges").await, 1);
    let path = format!("/admin{}/refunds", path(&order));
    let refunder = admin.once("one-refund");
    join_all((0..5).map(|_| refunder.post(&path, json!({})))).await;
    refunder.post(&path, json!({})).await.expect(200);
    assert_eq!(count(&store, "SELECT count(*) FROM sandbox.refunds").await, 1);
    assert_eq!(store.findings().await, [""; 0]);
}
