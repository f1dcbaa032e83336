//! Paying by card: at once, when staff say so, and when the buyer's bank wants to speak with the buyer.

use super::super::support::{Bridge, Message, Way, manual, money};
use super::*;

/// PAY-08
#[tokio::test]
async fn a_card_is_charged_what_the_order_costs_and_stripe_knows_what_for() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let cart = cart(&store, &admin).await;
    let order = cart.buy(stripe("pm_card_visa")).await.expect(201);
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&json!("placed"), &json!("captured"))
    );

    let intents = all(&stripe_is, "payment_intents").await;
    assert_eq!(intents.len(), 1);
    let intent = &intents[0];
    assert_eq!(
        (&intent["status"], &intent["amount"], &intent["currency"]),
        (&json!("succeeded"), &json!(1000), &json!("usd"))
    );
    assert_eq!(intent["metadata"]["bodega_payment"], order["payments"][0]["id"]);
    assert_eq!(intent["metadata"]["bodega_order"], order["id"]);
    assert_eq!(intent["capture_method"], "automatic");
    let again = cart.buyer.get("/payment-providers").await.expect(200);
    assert_eq!(
        again["data"],
        json!([{"name": "manual"}, {"name": "sandbox"}, {"name": "stripe"}])
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn money_is_promised_first_taken_when_staff_say_so_and_given_back() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), [("payments.stripe.capture", "manual")]).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    assert_eq!(order["payment_status"], "authorized");
    assert_eq!(
        all(&stripe_is, "payment_intents").await[0]["status"],
        "requires_capture"
    );

    let captured = operate(&admin, &order, "captures").await.expect(200);
    assert_eq!(captured["payment_status"], "captured");
    assert_eq!(all(&stripe_is, "payment_intents").await[0]["status"], "succeeded");
    operate(&admin, &order, "voids")
        .await
        .problem(409, "no_suitable_payment");
    assert_eq!(store.findings().await, [""; 0]);

    let refunded = operate(&admin, &order, "refunds").await.expect(200);
    assert_eq!(refunded["payment_status"], "refunded");
    let refunds = all(&stripe_is, "refunds").await;
    assert_eq!((refunds.len(), &refunds[0]["amount"]), (1, &json!(1000)));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_promise_is_given_back_when_its_order_is_cancelled() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), [("payments.stripe.capture", "manual")]).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin).await.buy(stripe("pm_card_visa")).await.expect(201);
    let cancelled = holder(&store, &order)
        .post(&format!("{}/cancel", path(&order)), json!({}))
        .await
        .expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    let voided = order_when(&store, &order, |order| order["payments"][0]["status"] == "voided").await;
    assert_eq!(voided["payment_status"], "voided");
    assert_eq!(all(&stripe_is, "payment_intents").await[0]["status"], "canceled");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_card_that_is_declined_leaves_the_order_to_be_paid_by_another() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let ready = cart(&store, &admin).await;
    for wrong in ["tok_ok", "pm_", "pm_card/../x", "card_1"] {
        let refused = ready.buy(stripe(wrong)).await;
        assert_eq!(refused.wrong_fields(), ["/payment/method"], "{wrong}");
    }
    let declined = ready
        .buy(stripe("pm_card_chargeCustomerFail"))
        .await
        .problem(402, "payment_declined");
    assert_eq!(declined["decline_code"], "card_declined");
    let pay = format!("{}/payments", path(&declined));
    let holder = holder(&store, &declined);
    let unknown = holder.once("unknown").post(&pay, stripe("pm_nobody")).await;
    assert_eq!(
        unknown.problem(402, "payment_declined")["decline_code"],
        "provider_refused"
    );
    let paid = holder.once("visa").post(&pay, stripe("pm_card_visa")).await.expect(201);
    let statuses: Vec<&Value> = paid["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|payment| &payment["status"])
        .collect();
    assert_eq!(statuses, ["failed", "failed", "captured"]);
    assert_eq!(store.findings().await, [""; 0]);
}

/// The secret is the browser's: it is told to the order's holder, and kept from everybody else.
#[tokio::test]
async fn a_bank_that_asks_back_is_answered_in_the_browser_with_a_secret_that_the_buyer_alone_sees() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    for approves in [true, false] {
        let ready = cart(&store, &admin).await;
        let body = ready.order(stripe(&method(&stripe_is, ASKED_BACK).await));
        let buyer = ready.buyer.once(format!("asked-{approves}"));
        let order = buyer.post("/orders", body.clone()).await.expect(202);
        let action = order["payments"][0]["next_action"].clone();
        assert_eq!(
            (&action["type"], &action["publishable_key"]),
            (&json!("confirm"), &json!(PUBLISHABLE_KEY))
        );
        let secret = action["client_secret"].as_str().unwrap();
        assert_eq!(
            buyer.post("/orders", body).await.expect(202),
            order,
            "a replay lets the buyer go on"
        );
        assert_eq!(
            order_when(&store, &order, |_| true).await["payments"][0]["next_action"],
            action
        );
        let seen = admin.get(&format!("/admin{}", path(&order))).await.expect(200);
        assert!(!seen.to_string().contains(secret), "{seen}");
        let kept = "SELECT count(*) FROM orders.idempotency_keys WHERE body::text LIKE '%\\_secret\\_%'";
        assert_eq!(count(&store, kept).await, 0);

        let intent = secret.split("_secret_").next().unwrap();
        let answer = json!({"key": PUBLISHABLE_KEY, "client_secret": secret, "success": approves});
        let (status, _) = stripe_is
            .post(&format!("/v1/payment_intents/{intent}/_authenticate"), answer)
            .await;
        assert_eq!(status, 200);
        // Nobody tells the shop: it asks.
        if approves {
            let placed = order_when(&store, &order, |order| order["status"] == "placed").await;
            assert_eq!(placed["payments"][0]["next_action"], Value::Null);
            continue;
        }
        let failed = order_when(&store, &order, |order| order["payments"][0]["status"] == "failed").await;
        assert_eq!(
            failed["payments"][0]["failure_code"],
            "payment_intent_authentication_failure"
        );
        let refused = stripe_is.get(&format!("/v1/payment_intents/{intent}")).await;
        assert_eq!(
            refused["status"], "canceled",
            "what has failed here cannot succeed there"
        );
        let pay = format!("{}/payments", path(&order));
        holder(&store, &order)
            .once("again")
            .post(&pay, stripe("pm_card_visa"))
            .await
            .expect(201);
    }
    assert_eq!(store.findings().await, [""; 0]);
}

/// localstripe leads nobody to a bank's page: in its place, the bridge takes the way back and tells the way there, in the
/// shape that Stripe documents.
#[tokio::test]
async fn a_bank_that_asks_back_is_answered_on_its_page_where_there_is_a_way_back() {
    async fn lead(mut request: Message, way: Way) -> Option<Message> {
        let body = String::from_utf8(request.body.clone()).unwrap();
        let fields = body.split('&').filter(|field| !field.starts_with("return_url="));
        request.body = fields.collect::<Vec<_>>().join("&").into_bytes();
        let mut answer = way.send(&request).await?;
        let mut json: Value = serde_json::from_slice(&answer.body).ok()?;
        if json["next_action"]["type"] == "use_stripe_sdk" {
            json["next_action"] = json!({"type": "redirect_to_url", "redirect_to_url":
                {"url": "https://hooks.stripe.com/redirect/authenticate/src_1", "return_url": "https://shop.example/thanks"}});
            answer.body = json.to_string().into_bytes();
        }
        Some(answer)
    }
    let stripe_is = LocalStripe::start().await;
    let bridge = Bridge::open(lead).await;
    bridge.lead_to(stripe_is.address());
    let store = store_at(&bridge.url(), []).await;
    let admin = store.admin().await;
    for approves in [true, false] {
        let mut payment = stripe(&method(&stripe_is, ASKED_BACK).await);
        payment["return_url"] = json!("https://shop.example/thanks");
        let order = cart(&store, &admin).await.buy(payment).await.expect(202);
        let action = &order["payments"][0]["next_action"];
        let expected = json!({"type": "redirect", "url": "https://hooks.stripe.com/redirect/authenticate/src_1",
            "return_url": "https://shop.example/thanks"});
        assert_eq!(*action, expected);
        let payment = &order["payments"][0]["id"];
        let intents = all(&stripe_is, "payment_intents").await;
        let intent = intents
            .iter()
            .find(|intent| intent["metadata"]["bodega_payment"] == *payment)
            .unwrap();
        let answer = json!({"client_secret": intent["client_secret"], "success": approves});
        let at = format!("/v1/payment_intents/{}/_authenticate", intent["id"].as_str().unwrap());
        assert_eq!(stripe_is.post(&at, answer).await.0, 200);
        let expected = if approves { "captured" } else { "failed" };
        order_when(&store, &order, |order| order["payments"][0]["status"] == expected).await;
    }
}

/// A card that is declined in the browser leaves the buyer there with the next one.
#[tokio::test]
async fn a_buyer_may_choose_how_to_pay_in_the_browser_and_try_several_cards() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    for (card, status, expected) in [
        ("pm_card_chargeCustomerFail", 402, "requires_action"),
        ("pm_card_visa", 200, "captured"),
    ] {
        let order = cart(&store, &admin)
            .await
            .buy(json!({"provider": "stripe"}))
            .await
            .expect(202);
        let action = &order["payments"][0]["next_action"];
        assert_eq!(action["type"], "confirm");
        let intent = action["client_secret"]
            .as_str()
            .unwrap()
            .split("_secret_")
            .next()
            .unwrap();
        let at = format!("/v1/payment_intents/{intent}");
        stripe_is.post(&at, json!({"payment_method": card})).await;
        let (answered, body) = stripe_is.post(&format!("{at}/confirm"), json!({})).await;
        assert_eq!(answered, status, "{body}");
        let told = event(
            "payment_intent.payment_failed",
            json!({"id": intent, "object": "payment_intent"}),
        );
        tell(&store, &told).await.expect(200);
        events_when(&admin, all_done).await;
        order_when(&store, &order, |order| order["payments"][0]["status"] == expected).await;
    }
}

#[tokio::test]
async fn a_buyer_who_leaves_the_browser_can_pay_another_way_and_the_first_way_is_closed() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), []).await;
    let admin = store.admin().await;
    let order = cart(&store, &admin)
        .await
        .buy(json!({"provider": "stripe"}))
        .await
        .expect(202);
    let pay = format!("{}/payments", path(&order));
    let paid = holder(&store, &order)
        .once("other")
        .post(&pay, manual())
        .await
        .expect(201);
    assert_eq!(paid["payments"][0]["status"], "voided");
    let intents = all(&stripe_is, "payment_intents").await;
    assert_eq!(intents[0]["status"], "canceled");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_stripe_cannot_charge_exactly_is_refused_before_anything_is_charged() {
    let stripe_is = LocalStripe::start().await;
    let store = store_at(&stripe_is.url(), [("shop.currency", "KWD")]).await;
    let admin = store.admin().await;
    for (price, expected) in [(5124, 422), (5120, 201)] {
        let variant = admin.article(money(price, "KWD"), json!({}), json!({})).await;
        let ready = store.anonymous().ready_cart(&[(variant.as_str(), 1)]).await;
        let answer = ready.buy(stripe("pm_card_visa")).await;
        if expected == 422 {
            assert_eq!(answer.wrong_fields(), ["/payment/provider"]);
            assert_eq!(ready.now().await["status"], "open", "the cart is the buyer's again");
            assert!(all(&stripe_is, "payment_intents").await.is_empty());
        } else {
            answer.expect(201);
            assert_eq!(all(&stripe_is, "payment_intents").await[0]["amount"], 5120);
        }
    }
}
