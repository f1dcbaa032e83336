//! What Stripe tells: who is believed, and what comes of it, late, early, twice and in any order.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::super::support::Bridge;
use super::lost::losing;
use super::*;

fn intent_event(kind: &str, intent: &str) -> String {
    event(
        kind,
        json!({"id": intent, "object": "payment_intent", "status": "succeeded"}),
    )
}

/// The intent of an order that its buyer pays in the browser.
fn intent_of(order: &Value) -> String {
    let secret = order["payments"][0]["next_action"]["client_secret"].as_str().unwrap();
    secret.split("_secret_").next().unwrap().to_owned()
}

/// What a buyer's browser does with an intent.
async fn pay_in_browser(stripe_is: &LocalStripe, intent: &str) {
    let at = format!("/v1/payment_intents/{intent}");
    stripe_is.post(&at, json!({"payment_method": "pm_card_visa"})).await;
    let (status, body) = stripe_is.post(&format!("{at}/confirm"), json!({})).await;
    assert_eq!(status, 200, "{body}");
}

/// PAY-14
#[tokio::test]
async fn what_stripe_itself_tells_is_believed_and_worked_on() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), [("order.lease", "10m")]).await;
    let admin = store.admin().await;
    let url = format!("http://{}/api/v1/webhooks/payments/stripe", store.address());
    let (status, _) = stripe_is
        .post("/_config/webhooks/shop", json!({"url": url, "secret": WEBHOOK_SECRET}))
        .await;
    assert_eq!(status, 200);
    let order = cart(&store, &admin)
        .await
        .buy(json!({"provider": "stripe"}))
        .await
        .expect(202);
    pay_in_browser(&stripe_is, &intent_of(&order)).await;
    let placed = order_when(&store, &order, |order| order["status"] == "placed").await;
    let events = events_when(&admin, |events| events.len() == 1 && all_done(events)).await;
    assert_eq!(events[0]["type"], "payment_intent.succeeded");
    assert_eq!(events[0]["payment_id"], placed["payments"][0]["id"]);
    let shown = admin
        .get(&format!("/admin/payment-events/{}", events[0]["id"].as_str().unwrap()))
        .await
        .expect(200);
    assert_eq!(shown["body"]["data"]["object"]["id"], json!(intent_of(&order)));
    assert!(!shown.to_string().contains("_secret_"), "{shown}");
    assert_eq!(store.findings().await, [""; 0]);
}

/// PAY-17
#[tokio::test]
async fn what_is_not_signed_by_stripe_just_now_and_for_this_shop_leaves_no_trace() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let body = intent_event("payment_intent.succeeded", "pi_1");
    let now = store.clock().now().timestamp();
    let sound = signature(WEBHOOK_SECRET, &body, now);
    for (text, signature) in [
        (&body, String::new()),
        (&body, signature("whsec_other", &body, now)),
        (&body, signature(WEBHOOK_SECRET, &body, now - 301)),
        (&body, signature(WEBHOOK_SECRET, &body, now + 400)),
        (&body, sound.replace("v1=", "v0=")),
        (&body.replace(':', ": "), sound.clone()),
        (&body.replace("pi_1", "pi_2"), sound.clone()),
    ] {
        tell_with(&store, text, &signature)
            .await
            .problem(400, "invalid_signature");
    }
    let unsigned = Some(("application/json", body.clone()));
    let sender = store.anonymous();
    sender
        .send_text(reqwest::Method::POST, "/webhooks/payments/stripe", unsigned)
        .await
        .problem(400, "invalid_signature");
    let live = body.replace("\"livemode\":false", "\"livemode\":true");
    tell(&store, &live).await.problem(400, "wrong_mode");
    for unreadable in ["", "{}", "[1]", "no JSON"] {
        tell(&store, unreadable).await.problem(400, "unreadable_event");
    }
    let large = format!("{}{}", body, " ".repeat(256 * 1024));
    tell(&store, &large).await.problem(413, "payload_too_large");
    for provider in ["manual", "nobody"] {
        let path = format!("/webhooks/payments/{provider}");
        sender.post(&path, json!({})).await.problem(404, "not_found");
    }
    assert_eq!(count(&store, "SELECT count(*) FROM orders.payment_events").await, 0);
    // And what is right is taken.
    tell_with(
        &store,
        &body,
        &format!(
            "{},v1={}",
            signature("whsec_old", &body, now),
            &sound[sound.len() - 64..]
        ),
    )
    .await
    .expect(200);
    assert_eq!(count(&store, "SELECT count(*) FROM orders.payment_events").await, 1);
    let customer = store.customer().await;
    customer.get("/admin/payment-events").await.problem(403, "forbidden");
    assert_eq!(admin.get("/admin/payment-events?state=lost").await.status, 400);
}

/// PAY-15
#[tokio::test]
async fn ten_deliveries_of_one_event_at_once_are_one() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin)
        .await
        .buy(json!({"provider": "stripe"}))
        .await
        .expect(202);
    let intent = intent_of(&order);
    pay_in_browser(&stripe_is, &intent).await;
    let body = intent_event("payment_intent.succeeded", &intent);
    for answer in join_all((0..10).map(|_| tell(&store, &body))).await {
        answer.expect(200);
    }
    let events = events_when(&admin, all_done).await;
    assert_eq!((events.len(), &events[0]["state"]), (1, &json!("processed")));
    let placed = order_when(&store, &order, |order| order["status"] == "placed").await;
    assert_eq!(timeline(&placed).iter().filter(|kind| **kind == "placed").count(), 1);
    assert_eq!(placed["payments"].as_array().unwrap().len(), 1);
    assert_eq!(store.findings().await, [""; 0]);
}

/// PAY-16
#[tokio::test]
async fn events_in_any_order_and_events_that_lie_change_nothing_but_what_is_so() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin)
        .await
        .buy(json!({"provider": "stripe"}))
        .await
        .expect(202);
    let intent = intent_of(&order);
    // Nothing was paid, whatever is said.
    for kind in ["payment_intent.succeeded", "payment_intent.amount_capturable_updated"] {
        tell(&store, &intent_event(kind, &intent)).await.expect(200);
    }
    let charge =
        json!({"id": "ch_1", "object": "charge", "payment_intent": intent, "amount_refunded": 1000, "refunded": true});
    tell(&store, &event("charge.refunded", charge.clone()))
        .await
        .expect(200);
    events_when(&admin, |events| events.len() == 3 && all_done(events)).await;
    assert_eq!(order_when(&store, &order, |_| true).await["status"], "pending_payment");

    pay_in_browser(&stripe_is, &intent).await;
    for kind in [
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.processing",
    ] {
        tell(&store, &intent_event(kind, &intent)).await.expect(200);
    }
    tell(&store, &event("charge.refunded", charge)).await.expect(200);
    events_when(&admin, |events| events.len() == 7 && all_done(events)).await;
    let placed = order_when(&store, &order, |order| order["status"] == "placed").await;
    assert_eq!(placed["payment_status"], "captured");
    assert_eq!(store.findings().await, [""; 0]);
}

/// PAY-18
#[tokio::test]
async fn an_event_that_is_faster_than_our_own_commit_waits_for_it() {
    let stripe_is = LocalStripe::start().await;
    let release = Arc::new(Notify::new());
    let holding = Arc::clone(&release);
    let bridge = Bridge::open(move |request, way| {
        let release = Arc::clone(&holding);
        async move {
            let answer = way.send(&request).await;
            if request.target() == ("POST", "/v1/payment_intents") {
                release.notified().await;
            }
            answer
        }
    })
    .await;
    bridge.lead_to(stripe_is.address());
    let store = store_at(
        &bridge.url(),
        [("order.provider_timeout", "20s"), ("order.lease", "60s")],
    )
    .await;
    let admin = store.admin().await;
    let ready = cart(&store, &admin).await;
    let buying = tokio::spawn(async move { ready.buy(stripe("pm_card_visa")).await });
    let made = || async { json!(all(&stripe_is, "payment_intents").await) };
    let intents = eventually(made, |intents| !intents.as_array().unwrap().is_empty()).await;
    let intent = intents[0]["id"].as_str().unwrap();
    // Without our own name for it, as events about refunds and disputes are.
    let charge = json!({"id": "ch_1", "object": "charge", "payment_intent": intent});
    tell(&store, &event("charge.updated", charge.clone())).await.expect(200);
    tell(&store, &event("charge.succeeded", charge)).await.expect(200);
    events_when(&admin, |events| events.iter().any(|event| event["state"] == "parked")).await;
    release.notify_one();
    buying.await.unwrap().expect(201);
    let events = events_when(&admin, |events| events.len() == 2 && all_done(events)).await;
    let states: Vec<&Value> = events.iter().map(|event| &event["state"]).collect();
    assert_eq!(states, ["processed", "ignored"]);
}

#[tokio::test]
async fn an_event_about_a_charge_that_nobody_knows_is_kept_and_can_be_worked_on_again() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    tell(&store, &intent_event("payment_intent.succeeded", "pi_nobody"))
        .await
        .expect(200);
    tell(
        &store,
        &event("customer.created", json!({"id": "cus_1", "object": "customer"})),
    )
    .await
    .expect(200);
    let events = events_when(&admin, |events| {
        events.iter().any(|event| event["state"] == "parked") && events.iter().any(|event| event["state"] == "ignored")
    })
    .await;
    let parked = events.iter().find(|event| event["state"] == "parked").unwrap();
    assert_eq!(parked["reference"], "pi_nobody");
    let list = admin
        .get("/admin/payment-events?state=parked&provider=stripe&limit=1")
        .await
        .expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    let elsewhere = admin.get("/admin/payment-events?provider=sandbox").await.expect(200);
    assert_eq!(elsewhere["data"], json!([]));

    let ignored = events.iter().find(|event| event["state"] == "ignored").unwrap();
    let replay = format!("/admin/payment-events/{}/replay", ignored["id"].as_str().unwrap());
    let begun = admin.once("replay").post(&replay, json!({})).await.expect(202);
    assert_eq!((&begun["state"], &begun["attempts"]), (&json!("received"), &json!(0)));
    let again = admin.once("replay").post(&replay, json!({})).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    events_when(&admin, |events| events.iter().any(|event| event["state"] == "ignored")).await;
    let unknown = "/admin/payment-events/event_01h2xcejqtf2nbrexx3vqjhp41";
    admin.get(unknown).await.problem(404, "not_found");
    admin
        .post(&format!("{unknown}/replay"), json!({}))
        .await
        .problem(404, "not_found");
    let customer = store.customer().await;
    customer.post(&replay, json!({})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn disputes_and_refunds_that_fail_stand_in_the_orders_timeline_once() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    let intent = all(&stripe_is, "payment_intents").await[0]["id"].clone();
    let dispute = |status: &str| {
        json!({"id": "dp_1", "object": "dispute", "amount": 1000, "charge": "ch_1", "currency": "usd", "payment_intent": intent,
            "reason": "fraudulent", "status": status, "metadata": {}})
    };
    let opened = event("charge.dispute.created", dispute("needs_response"));
    let lost = event("charge.dispute.closed", dispute("lost"));
    let refund = json!({"id": "re_1", "object": "refund", "amount": 1000, "charge": "ch_1", "payment_intent": intent,
        "status": "failed", "failure_reason": "expired_or_canceled_card"});
    let failed = event("refund.failed", refund.clone());
    let also = event("charge.refund.updated", refund);
    for body in [&opened, &opened, &lost, &failed, &also, &lost] {
        tell(&store, body).await.expect(200);
    }
    events_when(&admin, |events| events.len() == 4 && all_done(events)).await;
    let seen = order_when(&store, &order, |_| true).await;
    for kind in ["payment_disputed", "payment_dispute_lost", "payment_refund_failed"] {
        assert_eq!(
            timeline(&seen).iter().filter(|entry| **entry == kind).count(),
            1,
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_refund_whose_answer_was_lost_is_resolved_by_what_stripe_tells() {
    let stripe_is = LocalStripe::start().await;
    let bridge = Bridge::open(|request, way| async move {
        let answer = way.send(&request).await;
        answer.filter(|_| request.target() != ("POST", "/v1/refunds"))
    })
    .await;
    bridge.lead_to(stripe_is.address());
    let store = store_at(&bridge.url(), [("order.lease", "10m")]).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    operate(&admin, &order, "refunds").await.expect(202);
    let refunds = all(&stripe_is, "refunds").await;
    assert_eq!(refunds.len(), 1);
    tell(&store, &event("refund.created", refunds[0].clone()))
        .await
        .expect(200);
    order_when(&store, &order, |order| order["payment_status"] == "refunded").await;
    assert_eq!(all(&stripe_is, "refunds").await.len(), 1);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_capture_whose_answer_was_lost_counts_once_though_stripe_tells_of_it_first() {
    let stripe_is = LocalStripe::start().await;
    let bridge = losing(&stripe_is, "/capture").await;
    let settings = [("order.lease", "10m"), ("payments.stripe.capture", "manual")];
    let store = store_at(&bridge.url(), settings).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    operate(&admin, &order, "captures").await.expect(202);
    let intents = all(&stripe_is, "payment_intents").await;
    tell(&store, &event("payment_intent.succeeded", intents[0].clone()))
        .await
        .expect(200);
    order_when(&store, &order, |order| order["payment_status"] == "captured").await;
    // Nothing is on its way any more: the money can go back.
    let path = format!("/admin/orders/{}", order["id"].as_str().unwrap());
    let give_back = || async {
        let answer = operate(&admin, &order, "refunds").await;
        json!({"status": answer.status, "order": answer.json})
    };
    let given = eventually(give_back, |answer| answer["status"] == 200).await;
    assert_eq!(given["order"]["totals"]["refunded"], given["order"]["totals"]["total"]);
    let seen = admin.get(&path).await.expect(200);
    assert_eq!(seen["totals"]["paid"]["amount"], 0);
    assert_eq!(store.findings().await, [""; 0]);
}
