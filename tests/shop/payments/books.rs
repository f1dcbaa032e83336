//! Comparing Stripe's books with ours: money that nobody knows, money that nobody should have, money that is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;

use super::super::support::{Bridge, sandbox};
use super::*;

/// What was found, once `wanted` holds: a day later, when the books have been compared again.
async fn found_when(store: &Store, query: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    store.clock().advance(TimeDelta::hours(25));
    // Nobody stays signed in for a day without doing anything.
    let admin = store.admin().await;
    let path = format!("/admin/payment-discrepancies?{query}");
    let ask = || async { admin.get(&path).await.expect(200)["data"].clone() };
    let seen = eventually(ask, |seen| wanted(seen.as_array().unwrap())).await;
    seen.as_array().unwrap().clone()
}

async fn charge_by_hand(stripe_is: &LocalStripe, amount: i64) -> Value {
    let intent = json!({"amount": amount, "currency": "usd", "payment_method": "pm_card_visa", "confirm": true});
    let (status, intent) = stripe_is.post("/v1/payment_intents", intent).await;
    assert_eq!(status, 200, "{intent}");
    intent
}

#[tokio::test]
async fn money_that_no_payment_knows_is_found_reported_and_struck_off_when_it_is_given_back() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    let orphan = charge_by_hand(&stripe_is, 777).await;
    let found = found_when(&store, "open=true", |found| !found.is_empty()).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["kind"], &found[0]["provider"]),
        (&json!("unknown_charge"), &json!("stripe"))
    );
    assert_eq!(
        (&found[0]["reference"], &found[0]["payment_id"]),
        (&orphan["id"], &Value::Null)
    );
    let findings = store.findings().await;
    assert!(
        findings.len() == 1 && findings[0].contains("provider_agrees"),
        "{findings:?}"
    );

    // A day later it is still the same one.
    let again = found_when(&store, "provider=stripe", |found| {
        found[0]["last_seen"] != found[0]["first_seen"]
    })
    .await;
    assert_eq!(again.len(), 1);
    let (status, _) = stripe_is
        .post("/v1/refunds", json!({"payment_intent": orphan["id"]}))
        .await;
    assert_eq!(status, 200);
    let over = found_when(&store, "open=false", |found| !found.is_empty()).await;
    assert_eq!(over[0]["reference"], orphan["id"]);
    assert_eq!(store.findings().await, [""; 0]);
}

/// The shop was told that the charge had failed, and it had not.
#[tokio::test]
async fn money_for_an_attempt_that_has_failed_here_is_found_and_given_back() {
    let stripe_is = LocalStripe::start().await;
    let lies = Arc::new(AtomicBool::new(true));
    let lying = Arc::clone(&lies);
    let bridge = Bridge::open(move |request, way| {
        let lies = lying.load(Ordering::SeqCst);
        async move {
            let mut answer = way.send(&request).await?;
            let (method, path) = request.target();
            if lies && path.ends_with("/confirm") {
                answer.start = "HTTP/1.1 400 Bad Request".to_owned();
                answer.body = br#"{"error": {"type": "invalid_request_error", "code": "parameter_missing"}}"#.to_vec();
            } else if lies && method == "GET" && path.starts_with("/v1/payment_intents/") {
                let mut intent: Value = serde_json::from_slice(&answer.body).ok()?;
                intent["status"] = json!("requires_confirmation");
                answer.body = intent.to_string().into_bytes();
            }
            Some(answer)
        }
    })
    .await;
    bridge.lead_to(stripe_is.address());
    let store = store_at(&bridge.url(), []).await;
    let admin = store.admin().await;
    let declined = cart(&store, &admin)
        .await
        .buy(stripe("pm_card_visa"))
        .await
        .problem(402, "payment_declined");
    assert_eq!(declined["decline_code"], "provider_refused");
    let pay = format!("{}/payments", path(&declined));
    holder(&store, &declined)
        .once("another")
        .post(&pay, sandbox("tok_ok"))
        .await
        .expect(201);

    // Of two captures the order keeps the first, as it always does.
    lies.store(false, Ordering::SeqCst);
    store.clock().advance(TimeDelta::hours(25));
    let returned = order_when(&store, &declined, |order| order["totals"]["refunded"]["amount"] == 1000).await;
    assert_eq!(returned["status"], "placed");
    let given_back = all(&stripe_is, "refunds").await.len();
    assert_eq!(
        (given_back, count(&store, "SELECT count(*) FROM sandbox.refunds").await),
        (0, 1)
    );
    assert_eq!(store.findings().await, [""; 0]);
}

/// PAY-07, PAY-08
#[tokio::test]
async fn a_charge_over_another_amount_places_no_order_and_is_found() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin)
        .await
        .buy(json!({"provider": "stripe"}))
        .await
        .expect(202);
    let secret = order["payments"][0]["next_action"]["client_secret"].as_str().unwrap();
    let intent = secret.split("_secret_").next().unwrap();
    let at = format!("/v1/payment_intents/{intent}");
    stripe_is
        .post(&at, json!({"payment_method": "pm_card_visa", "amount": 1}))
        .await;
    assert_eq!(stripe_is.post(&format!("{at}/confirm"), json!({})).await.0, 200);
    let told = event(
        "payment_intent.succeeded",
        json!({"id": intent, "object": "payment_intent", "amount": 1000}),
    );
    tell(&store, &told).await.expect(200);
    events_when(&admin, |events| events.len() == 1 && all_done(events)).await;
    assert_eq!(order_when(&store, &order, |_| true).await["status"], "pending_payment");
    let found = found_when(&store, "", |found| !found.is_empty()).await;
    assert_eq!(
        (&found[0]["kind"], &found[0]["payment_id"]),
        (&json!("amount_differs"), &order["payments"][0]["id"])
    );
}

#[tokio::test]
async fn a_list_of_discrepancies_is_for_staff() {
    let store = Store::start().await;
    let path = "/admin/payment-discrepancies";
    store.anonymous().get(path).await.problem(401, "unauthenticated");
    store.customer().await.get(path).await.problem(403, "forbidden");
    let admin = store.admin().await;
    assert_eq!(admin.get(path).await.expect(200)["data"], json!([]));
    assert_eq!(admin.get(&format!("{path}?open=perhaps")).await.status, 400);
}
