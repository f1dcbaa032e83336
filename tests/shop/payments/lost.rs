//! Answers of Stripe that get lost: nothing is charged, taken or given back twice, and nothing is given up that was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::support::Bridge;
use super::*;

/// A bridge that loses the first answer to a POST whose path ends like this.
pub(super) async fn losing(stripe_is: &LocalStripe, ending: &'static str) -> Bridge {
    let lost = Arc::new(AtomicBool::new(false));
    let bridge = Bridge::open(move |request, way| {
        let lost = Arc::clone(&lost);
        async move {
            let (method, path) = request.target();
            let loses = method == "POST" && path.ends_with(ending) && !lost.swap(true, Ordering::SeqCst);
            let answer = way.send(&request).await;
            answer.filter(|_| !loses)
        }
    })
    .await;
    bridge.lead_to(stripe_is.address());
    bridge
}

/// PAY-13
#[tokio::test]
async fn a_charge_whose_answer_was_lost_is_found_and_not_made_again() {
    let stripe_is = LocalStripe::start().await;
    let bridge = losing(&stripe_is, "/confirm").await;
    let store = store_at(&bridge.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(202);
    assert_eq!(order["payment_status"], "unknown");
    let placed = order_when(&store, &order, |order| order["status"] == "placed").await;
    assert_eq!(placed["payments"].as_array().unwrap().len(), 1);
    assert_eq!(all(&stripe_is, "charges").await.len(), 1);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn an_intent_whose_name_was_lost_is_never_confirmed_and_the_order_can_be_paid() {
    let stripe_is = LocalStripe::start().await;
    let bridge = losing(&stripe_is, "/v1/payment_intents").await;
    let store = store_at(&bridge.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(202);
    store.clock().advance(chrono::TimeDelta::seconds(60));
    order_when(&store, &order, |order| order["payments"][0]["status"] == "failed").await;
    let pay = format!("{}/payments", path(&order));
    holder(&store, &order)
        .once("again")
        .post(&pay, stripe("pm_card_visa"))
        .await
        .expect(201);
    assert_eq!(all(&stripe_is, "payment_intents").await.len(), 2);
    assert_eq!(all(&stripe_is, "charges").await.len(), 1);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn money_is_taken_once_though_the_answer_was_lost() {
    let stripe_is = LocalStripe::start().await;
    let bridge = losing(&stripe_is, "/capture").await;
    let store = store_at(&bridge.url(), [("payments.stripe.capture", "manual")]).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    operate(&admin, &order, "captures").await.expect(202);
    let captured = order_when(&store, &order, |order| order["payment_status"] == "captured").await;
    assert_eq!(
        timeline(&captured)
            .iter()
            .filter(|kind| **kind == "payment_captured")
            .count(),
        1
    );
    assert_eq!(store.findings().await, [""; 0]);
}

/// localstripe knows no idempotency keys: a refund that is asked for twice would be made twice.
#[tokio::test]
async fn money_is_given_back_once_though_the_answer_was_lost() {
    let stripe_is = LocalStripe::start().await;
    let bridge = losing(&stripe_is, "/v1/refunds").await;
    let store = store_at(&bridge.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    operate(&admin, &order, "refunds").await.expect(202);
    order_when(&store, &order, |order| order["payment_status"] == "refunded").await;
    assert_eq!(all(&stripe_is, "refunds").await.len(), 1);
    assert_eq!(store.findings().await, [""; 0]);
}

/// PAY-24
#[tokio::test]
async fn a_promise_that_has_run_out_at_the_bank_is_not_taken() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), [("payments.stripe.capture", "manual")]).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    let intent = all(&stripe_is, "payment_intents").await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (status, _) = stripe_is
        .post(&format!("/v1/payment_intents/{intent}/cancel"), json!({}))
        .await;
    assert_eq!(status, 200);
    let told = event(
        "payment_intent.canceled",
        json!({"id": intent, "object": "payment_intent", "status": "canceled"}),
    );
    tell(&store, &told).await.expect(200);
    order_when(&store, &order, |order| order["payments"][0]["status"] == "voided").await;
    operate(&admin, &order, "captures")
        .await
        .problem(409, "no_suitable_payment");
}
