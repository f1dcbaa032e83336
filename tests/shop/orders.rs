//! Orders: placing, paying, cancelling, and who may see them.

use serde_json::{Value, json};

use super::support::{ReadyCart, Store, address, eventually, manual, sandbox, unique, variant};

/// How many of the product's first variant can be sold.
async fn available(store: &Store, product: &Value) -> i64 {
    let path = format!("/products/{}", product["id"].as_str().unwrap());
    let shown = store.anonymous().get(&path).await.expect(200);
    shown["variants"][0]["available"].as_i64().unwrap()
}

/// The order as its holder sees it once `wanted` holds.
async fn order_when(cart: &ReadyCart, order: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!(
        "/orders/{}",
        order["id"].as_str().or(order["order_id"].as_str()).unwrap()
    );
    let holder = cart
        .buyer
        .with("Order-Secret", order["secret"].as_str().unwrap_or_default());
    let ask = || async { holder.get(&path).await.expect(200) };
    eventually(ask, wanted).await
}

#[tokio::test]
async fn a_guest_buys_with_the_provider_manual_and_gets_an_order_a_secret_and_a_mail() {
    let store = Store::start().await;
    let product = store.admin().await.product(1999, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;

    let answer = cart.buy(manual()).await;
    assert_eq!(
        answer.header("location"),
        format!("/api/v1/orders/{}", answer.json["id"].as_str().unwrap())
    );
    let order = answer.expect(201);
    assert_eq!(order["status"], "placed");
    assert_eq!(order["payment_status"], "authorized");
    assert_eq!(order["totals"]["total"], json!({"amount": 3998, "currency": "USD"}));
    assert_eq!(order["lines"][0]["quantity"], 2);
    assert_eq!(order["email"], "guest@example.com");

    let seen = order_when(&cart, &order, |_| true).await;
    assert_eq!(seen["number"], order["number"]);
    let cart_path = format!("/carts/{}", cart.id);
    let ask = || async { cart.buyer.get(&cart_path).await.expect(200) };
    let completed = eventually(ask, |cart| cart["status"] == "completed").await;
    assert_eq!(completed["order_id"], order["id"]);
    assert_eq!(available(&store, &product).await, 3);

    let mails = store.data_dir().join("mail");
    let read = || async {
        let files = std::fs::read_dir(&mails).into_iter().flatten().flatten();
        let whole = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "eml"));
        let texts: Vec<String> = whole
            .map(|file| std::fs::read_to_string(file.path()).unwrap())
            .collect();
        json!(texts)
    };
    let mails = eventually(read, |mails| mails.as_array().is_some_and(|mails| !mails.is_empty())).await;
    let mail = mails[0].as_str().unwrap();
    assert!(
        mail.contains("guest@example.com") && mail.contains(order["number"].as_str().unwrap()),
        "{mail}"
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn the_order_sets_what_the_cart_lacks() {
    let store = Store::start().await;
    let product = store.admin().await.product(500, 5).await;
    let anonymous = store.anonymous();
    let cart = anonymous
        .post(
            "/carts",
            json!({"items": [{"variant_id": variant(&product), "quantity": 1}]}),
        )
        .await
        .expect(201);
    let buyer = anonymous.with("Cart-Secret", cart["secret"].as_str().unwrap());
    let mut request = json!({"cart_id": cart["id"], "cart_version": cart["version"],
        "expected_total": cart["totals"]["total"], "payment": manual()});

    let refused = buyer
        .once(unique("order"))
        .post("/orders", request.clone())
        .await
        .problem(422, "cart_not_ready");
    let codes: Vec<&str> = refused["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["email_required", "shipping_address_required"]);

    request["email"] = json!("late@example.com");
    request["shipping_address"] = address();
    let order = buyer.once(unique("order")).post("/orders", request).await.expect(201);
    assert_eq!(order["email"], "late@example.com");
    assert_eq!(order["shipping_address"]["city"], "London");
}

#[tokio::test]
async fn every_token_of_the_sandbox_does_what_it_says() {
    let store = Store::with([("order.provider_timeout", "300ms")]).await;
    let product = store.admin().await.product(1000, 100).await;
    let cases = [
        ("tok_ok", 201, "placed", "captured"),
        ("tok_authorize_only", 201, "placed", "authorized"),
        ("tok_requires_action", 202, "pending_payment", "pending"),
        ("tok_timeout_after_charge", 202, "pending_payment", "unknown"),
        ("tok_slow", 202, "pending_payment", "unknown"),
        ("tok_error", 202, "pending_payment", "unknown"),
    ];
    for (token, status, order_status, payment_status) in cases {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        let order = cart.buy(sandbox(token)).await.expect(status);
        assert_eq!(order["status"], order_status, "{token}");
        assert_eq!(order["payment_status"], payment_status, "{token}");
        assert!(order["secret"].is_string(), "{token}");
    }
    for (token, code) in [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
    ] {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        let problem = cart.buy(sandbox(token)).await.problem(402, "payment_declined");
        assert_eq!(problem["decline_code"], code);
        assert!(problem["order_id"].is_string() && problem["secret"].is_string());
    }
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    assert_eq!(
        cart.buy(sandbox("tok_made_up")).await.wrong_fields(),
        ["/payment/method"]
    );
    assert_eq!(
        cart.buy(json!({"provider": "stripe"})).await.wrong_fields(),
        ["/payment/provider"]
    );
}

#[tokio::test]
async fn a_charge_whose_answer_got_lost_is_found_by_asking_the_provider() {
    let store = Store::with([("order.provider_timeout", "300ms")]).await;
    let product = store.admin().await.product(1000, 3).await;
    for token in ["tok_timeout_after_charge", "tok_slow"] {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        let order = cart.buy(sandbox(token)).await.expect(202);
        let placed = order_when(&cart, &order, |order| order["status"] == "placed").await;
        assert_eq!(placed["payment_status"], "captured", "{token}");
        assert_eq!(placed["payments"].as_array().unwrap().len(), 1, "{token}");
    }
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_charge_that_never_reached_the_provider_fails_and_leaves_the_order_to_be_paid() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 1).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let order = cart.buy(sandbox("tok_error")).await.expect(202);
    store.clock().advance(chrono::TimeDelta::seconds(60));
    let failed = order_when(&cart, &order, |order| order["payments"][0]["status"] == "failed").await;
    assert_eq!(failed["status"], "pending_payment");

    let holder = store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap());
    let path = format!("/orders/{}/payments", order["id"].as_str().unwrap());
    let paid = holder
        .once(unique("pay"))
        .post(&path, sandbox("tok_ok"))
        .await
        .expect(201);
    assert_eq!(paid["status"], "placed");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn after_a_decline_the_order_waits_with_its_stock_and_is_paid_by_another_try() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 1).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let declined = cart.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
    assert_eq!(available(&store, &product).await, 0, "the stock stays reserved");
    assert_eq!(cart.now().await["status"], "checkout");
    let refused = cart
        .buyer
        .post(
            &format!("/carts/{}/items", cart.id),
            json!({"variant_id": variant(&product), "quantity": 1}),
        )
        .await;
    assert_eq!(
        refused.problem(409, "cart_in_checkout")["order_id"],
        declined["order_id"]
    );

    let holder = store
        .anonymous()
        .with("Order-Secret", declined["secret"].as_str().unwrap());
    let path = format!("/orders/{}/payments", declined["order_id"].as_str().unwrap());
    holder
        .post(&path, sandbox("tok_ok"))
        .await
        .problem(400, "idempotency_key_required");
    holder
        .once("second")
        .post(&path, sandbox("tok_declined"))
        .await
        .problem(402, "payment_declined");
    let paid = holder.once("third").post(&path, sandbox("tok_ok")).await.expect(201);
    let again = holder.once("third").post(&path, sandbox("tok_ok")).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.expect(201)["version"], paid["version"]);
    holder
        .once("fourth")
        .post(&path, sandbox("tok_ok"))
        .await
        .problem(409, "wrong_state");
    assert_eq!(paid["payments"].as_array().unwrap().len(), 3);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_buyer_who_approves_the_challenge_has_bought_and_one_who_declines_may_try_again() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    for (approve, order_status, payment_status) in [(true, "placed", "captured"), (false, "pending_payment", "failed")]
    {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        let order = cart.buy(sandbox("tok_requires_action")).await.expect(202);
        let action = &order["payments"][0]["next_action"];
        assert_eq!(action["type"], "redirect");
        let url = action["url"].as_str().unwrap().trim_start_matches("/api/v1");
        let page = store.anonymous().get(url).await;
        assert!(page.text.contains("Approve"), "{}", page.text);
        store
            .anonymous()
            .post(url, json!({"approve": approve}))
            .await
            .expect(204);
        store
            .anonymous()
            .post(url, json!({"approve": true}))
            .await
            .problem(404, "not_found");
        let after = order_when(&cart, &order, |_| true).await;
        assert_eq!(
            (&after["status"], &after["payment_status"]),
            (&json!(order_status), &json!(payment_status))
        );
    }
}

#[tokio::test]
async fn a_buyer_who_leaves_the_challenge_can_pay_another_way() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let order = cart.buy(sandbox("tok_requires_action")).await.expect(202);
    let holder = store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap());
    let path = format!("/orders/{}/payments", order["id"].as_str().unwrap());
    let paid = holder.once("other").post(&path, manual()).await.expect(201);
    assert_eq!(paid["payments"][0]["status"], "voided");
    assert_eq!(paid["payments"][1]["status"], "authorized");
    let challenge = order["payments"][0]["next_action"]["url"]
        .as_str()
        .unwrap()
        .trim_start_matches("/api/v1");
    store
        .anonymous()
        .post(challenge, json!({"approve": true}))
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn one_key_is_one_order_and_one_answer() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let body = cart.order(sandbox("tok_ok"));
    cart.buyer
        .post("/orders", body.clone())
        .await
        .problem(400, "idempotency_key_required");
    for bad in ["", &"k".repeat(256), "schlüssel"] {
        cart.buyer
            .once(bad)
            .post("/orders", body.clone())
            .await
            .problem(400, "invalid_idempotency_key");
    }
    let first = cart.buyer.once("\"a-key\"").post("/orders", body.clone()).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let first = first.expect(201);
    let second = cart.buyer.once("a-key").post("/orders", body.clone()).await;
    assert_eq!(second.header("idempotent-replayed"), "true");
    assert_eq!(
        second.expect(201),
        first,
        "the secret is put back, and all the rest is the same"
    );
    let mut other = body.clone();
    other["payment"] = manual();
    cart.buyer
        .once("a-key")
        .post("/orders", other)
        .await
        .problem(422, "idempotency_key_reused");
    let late = cart
        .buyer
        .once("another-key")
        .post("/orders", body)
        .await
        .problem(409, "cart_completed");
    assert_eq!(late["order_id"], first["id"]);

    let stranger = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let own = stranger
        .buyer
        .once("a-key")
        .post("/orders", stranger.order(manual()))
        .await
        .expect(201);
    assert_ne!(own["id"], first["id"], "another buyer's key is another key");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_refusal_is_remembered_under_its_key_and_leaves_nothing_behind() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 1).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    let body = cart.order(manual());
    let refused = cart.buyer.once("key").post("/orders", body.clone()).await;
    let refused = refused.problem(409, "insufficient_stock");
    let expected = json!([{"variant_id": variant(&product), "requested": 2, "available": 1}]);
    assert_eq!(refused["lines"], expected);
    let again = cart.buyer.once("key").post("/orders", body).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.problem(409, "insufficient_stock")["lines"], refused["lines"]);
    assert_eq!(cart.now().await["status"], "open");
    assert_eq!(admin.get("/admin/orders").await.expect(200)["data"], json!([]));
    assert_eq!(available(&store, &product).await, 1);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_the_buyer_was_not_shown_is_not_bought() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let mut cheap = cart.order(manual());
    cheap["expected_total"]["amount"] = json!(1);
    let problem = cart
        .buyer
        .once(unique("k"))
        .post("/orders", cheap)
        .await
        .problem(409, "price_changed");
    assert_eq!(
        (&problem["old"]["amount"], &problem["new"]["amount"]),
        (&json!(1), &json!(1000))
    );
    let mut euros = cart.order(manual());
    euros["expected_total"]["currency"] = json!("EUR");
    cart.buyer
        .once(unique("k"))
        .post("/orders", euros)
        .await
        .problem(409, "price_changed");

    let variant_path = format!("/admin/variants/{}", variant(&product));
    let version = product["version"].to_string();
    let dearer = json!({"price": {"amount": 1500, "currency": "USD"}});
    admin
        .with("If-Match", format!("\"{version}\""))
        .patch(&variant_path, dearer)
        .await
        .expect(200);
    let problem = cart.buy(manual()).await.problem(409, "price_changed");
    assert_eq!(
        (&problem["old"]["amount"], &problem["new"]["amount"]),
        (&json!(1000), &json!(1500))
    );

    let shown = cart.now().await;
    assert_eq!(shown["items"][0]["price_changed_from"]["amount"], 1000);
    let problem = cart.buy(manual()).await.problem(409, "cart_changed");
    assert_eq!(problem["version"], shown["version"]);
    let agreed = ReadyCart { cart: shown, ..cart };
    let order = agreed.buy(manual()).await.expect(201);
    assert_eq!(order["totals"]["total"]["amount"], 1500);
}

#[tokio::test]
async fn prices_statuses_and_owners_cannot_be_sent() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    for (field, value) in [
        ("total", json!(1)),
        ("status", json!("placed")),
        ("user_id", json!("user_x")),
        ("lines", json!([])),
    ] {
        let mut body = cart.order(manual());
        body[field] = value;
        let wrong = cart.buyer.once(unique("k")).post("/orders", body).await.wrong_fields();
        assert_eq!(wrong, [format!("/{field}")]);
    }
    let order = cart.buy(manual()).await.expect(201);
    let holder = store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap());
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let answer = holder.patch(&path, json!({"status": "completed"})).await;
    answer.problem(405, "method_not_allowed");
}

#[tokio::test]
async fn an_order_is_seen_by_its_buyer_and_by_staff_alone() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 9).await;
    let customer = store.customer().await;
    let stranger = store.customer().await;
    let anonymous = store.anonymous();

    let body = json!({"items": [{"variant_id": variant(&product), "quantity": 1}]});
    let cart = customer.post("/carts", body).await.expect(201);
    let ready = ReadyCart::complete((**customer).clone(), &cart).await;
    let order = ready.buy(manual()).await.expect(201);
    assert!(order["secret"].is_null(), "a customer needs no secret");
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    customer.get(&path).await.expect(200);
    admin.get(&format!("/admin{path}")).await.expect(200);

    let guest_cart = anonymous.ready_cart(&[(variant(&product), 1)]).await;
    let guest_order = guest_cart.buy(manual()).await.expect(201);
    let guest_path = format!("/orders/{}", guest_order["id"].as_str().unwrap());
    let secret = guest_order["secret"].as_str().unwrap();

    let unknown = anonymous
        .get("/orders/order_01h2xcejqtf2nbrexx3vqjhp41")
        .await
        .problem(404, "not_found");
    for answer in [
        stranger.get(&path).await,
        anonymous.get(&path).await,
        admin.get(&path).await,
        anonymous.with("Order-Secret", secret).get(&path).await,
        anonymous.get(&guest_path).await,
        anonymous.with("Order-Secret", "").get(&guest_path).await,
        anonymous.with("Order-Secret", "null").get(&guest_path).await,
        customer.get(&guest_path).await,
        guest_cart.buyer.get(&guest_path).await,
        stranger.post(&format!("{path}/cancel"), Value::Null).await,
        stranger.once("k").post(&format!("{path}/payments"), manual()).await,
        anonymous.post(&format!("{guest_path}/cancel"), Value::Null).await,
    ] {
        assert_eq!(answer.problem(404, "not_found")["detail"], unknown["detail"]);
    }
    for path in [format!("/admin{path}"), "/admin/orders".to_owned()] {
        anonymous.get(&path).await.problem(401, "unauthenticated");
        customer.get(&path).await.problem(403, "forbidden");
    }
    customer.get(&path).await.expect(200);
    let mine = customer.get("/orders").await.expect(200);
    assert_eq!(mine["data"].as_array().unwrap().len(), 1);
    assert_eq!(stranger.get("/orders").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_cart_is_bought_by_who_holds_it() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 9).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let body = cart.order(manual());
    let customer = store.customer().await;
    store
        .anonymous()
        .once("k")
        .post("/orders", body.clone())
        .await
        .problem(404, "not_found");
    store
        .anonymous()
        .with("Cart-Secret", "x")
        .once("k")
        .post("/orders", body.clone())
        .await
        .problem(404, "not_found");
    customer
        .once("k")
        .post("/orders", body.clone())
        .await
        .problem(404, "not_found");
    assert_eq!(cart.now().await["status"], "open");
    cart.buyer.once("k").post("/orders", body).await.expect(201);
}

#[tokio::test]
async fn cancelling_gives_back_stock_money_and_an_unpaid_cart() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 9).await;
    let cases = [
        ("tok_declined", "failed", "open"),
        ("tok_requires_action", "voided", "open"),
        ("tok_authorize_only", "voided", "open"),
        ("tok_ok", "refunded", "open"),
    ];
    for (token, payment_status, cart_status) in cases {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 3)]).await;
        let answer = cart.buy(sandbox(token)).await.json;
        let id = answer["order_id"].as_str().or(answer["id"].as_str()).unwrap();
        let holder = store
            .anonymous()
            .with("Order-Secret", answer["secret"].as_str().unwrap());
        let before = available(&store, &product).await;
        assert_eq!(before, 6, "{token}");
        let cancelled = holder
            .post(&format!("/orders/{id}/cancel"), Value::Null)
            .await
            .expect(200);
        assert_eq!(cancelled["status"], "cancelled", "{token}");
        assert_eq!(cancelled["payment_status"], payment_status, "{token}");
        assert_eq!(available(&store, &product).await, 9, "{token}");
        let seen = cart.now().await;
        assert_eq!(seen["status"], cart_status, "{token}");
        let again = holder
            .post(&format!("/orders/{id}/cancel"), Value::Null)
            .await
            .expect(200);
        assert_eq!(
            again["version"], cancelled["version"],
            "cancelling twice is cancelling once"
        );
        assert_eq!(available(&store, &product).await, 9, "{token}");
        if cart_status == "open" {
            assert!(seen["version"].as_i64() > cart.cart["version"].as_i64());
            let reopened = ReadyCart { cart: seen, ..cart };
            let order = reopened.buy(manual()).await.expect(201);
            admin
                .post(
                    &format!("/admin/orders/{}/cancel", order["id"].as_str().unwrap()),
                    Value::Null,
                )
                .await
                .expect(200);
        }
    }
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn an_order_that_nobody_pays_ends_with_its_payment_window() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 2).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let declined = cart.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
    let waiting = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let challenged = waiting.buy(sandbox("tok_requires_action")).await.expect(202);
    assert_eq!(available(&store, &product).await, 0);
    store.clock().advance(chrono::TimeDelta::minutes(16));
    order_when(&cart, &declined, |order| order["status"] == "cancelled").await;
    let voided = order_when(&waiting, &challenged, |order| order["payment_status"] == "voided").await;
    assert_eq!(voided["status"], "cancelled");
    let ask = || async { json!(available(&store, &product).await) };
    eventually(ask, |available| *available == 2).await;
    let ask = || async { cart.now().await };
    eventually(ask, |cart| cart["status"] == "open").await;
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn staff_capture_void_and_refund_in_full_and_once() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 9).await;
    let place = async |payment: Value| {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        let order = cart.buy(payment).await.expect(201);
        format!("/admin/orders/{}", order["id"].as_str().unwrap())
    };
    for payment in [manual(), sandbox("tok_authorize_only")] {
        let path = place(payment.clone()).await;
        admin
            .post(&format!("{path}/captures"), json!({}))
            .await
            .problem(400, "idempotency_key_required");
        admin
            .once(unique("r"))
            .post(&format!("{path}/refunds"), json!({}))
            .await
            .problem(409, "no_suitable_payment");
        let captured = admin.once("capture").post(&format!("{path}/captures"), json!({})).await;
        let key_belongs_to_another_order = captured.status == 422;
        let captured = match key_belongs_to_another_order {
            true => admin
                .once(unique("c"))
                .post(&format!("{path}/captures"), json!({}))
                .await
                .expect(200),
            false => captured.expect(200),
        };
        assert_eq!(captured["payment_status"], "captured");
        admin
            .once(unique("c"))
            .post(&format!("{path}/captures"), json!({}))
            .await
            .problem(409, "no_suitable_payment");
        admin
            .post(&format!("{path}/voids"), json!({}))
            .await
            .problem(409, "no_suitable_payment");
        let refunded = admin
            .once(unique("r"))
            .post(&format!("{path}/refunds"), json!({}))
            .await
            .expect(200);
        assert_eq!(refunded["payment_status"], "refunded");
        assert_eq!(refunded["totals"]["refunded"]["amount"], 1000);
        admin
            .once(unique("r"))
            .post(&format!("{path}/refunds"), json!({}))
            .await
            .problem(409, "no_suitable_payment");

        let path = place(payment).await;
        let voided = admin.post(&format!("{path}/voids"), json!({})).await.expect(200);
        assert_eq!(voided["payment_status"], "voided");
        let kinds: Vec<&str> = voided["timeline"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["kind"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["created", "placed", "payment_voided"]);
    }
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn an_order_cancelled_the_moment_it_is_placed_leaves_no_cart_locked() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 50).await;
    for _ in 0..10 {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        let order = cart.buy(manual()).await.expect(201);
        let holder = store
            .anonymous()
            .with("Order-Secret", order["secret"].as_str().unwrap());
        let path = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
        holder.post(&path, Value::Null).await.expect(200);
        let ask = || async { cart.now().await };
        eventually(ask, |cart| cart["status"] == "open").await;
    }
    assert_eq!(available(&store, &product).await, 50);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn money_that_came_by_hand_goes_back_by_hand() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let order = cart.buy(manual()).await.expect(201);
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    admin
        .once("c")
        .post(&format!("/admin{path}/captures"), json!({}))
        .await
        .expect(200);
    let holder = store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap());
    holder
        .post(&format!("{path}/cancel"), Value::Null)
        .await
        .problem(409, "returned_by_hand");
    let cancelled = admin
        .post(&format!("/admin{path}/cancel"), Value::Null)
        .await
        .expect(200);
    assert_eq!(cancelled["payment_status"], "refunded");
    admin
        .once("d")
        .post(&format!("/admin{path}/captures"), json!({}))
        .await
        .problem(409, "no_suitable_payment");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn staff_who_have_nothing_to_add_need_no_body_and_replays_keep_their_headers() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let body = cart.order(manual());
    let first = cart.buyer.once("key").post("/orders", body.clone()).await;
    let again = cart.buyer.once("key").post("/orders", body).await;
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(again.header("etag"), first.header("etag"));
    let path = format!("/admin/orders/{}/captures", first.json["id"].as_str().unwrap());
    let captured = admin
        .once("c")
        .send(reqwest::Method::POST, &path, None)
        .await
        .expect(200);
    assert_eq!(captured["payment_status"], "captured");
    store
        .anonymous()
        .get("/products?attr.a%00b=x")
        .await
        .problem(400, "invalid_query");
}

#[tokio::test]
async fn cards_cannot_be_tested_on_a_waiting_order_without_end() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let declined = cart.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
    let holder = store
        .anonymous()
        .with("Order-Secret", declined["secret"].as_str().unwrap());
    let path = format!("/orders/{}/payments", declined["order_id"].as_str().unwrap());
    for _ in 1..10 {
        holder
            .once(unique("pay"))
            .post(&path, sandbox("tok_declined"))
            .await
            .problem(402, "payment_declined");
    }
    holder
        .once(unique("pay"))
        .post(&path, sandbox("tok_ok"))
        .await
        .problem(409, "too_many_attempts");
}

#[tokio::test]
async fn a_refusal_that_names_another_order_does_not_open_it() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    cart.buy(manual()).await.expect(201);
    let body = cart.order(manual());
    for _ in 0..2 {
        let problem = cart.buyer.once("late").post("/orders", body.clone()).await.json;
        assert!(
            problem["order_id"].is_string() && problem["secret"].is_null(),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn orders_are_listed_newest_first_page_by_page() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(100, 50).await;
    let mut numbers = Vec::new();
    for _ in 0..5 {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        numbers.insert(0, cart.buy(manual()).await.expect(201)["number"].clone());
    }
    let mut seen = Vec::new();
    let mut path = "/admin/orders?limit=2".to_owned();
    loop {
        let page = admin.get(&path).await.expect(200);
        seen.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|order| order["number"].clone()),
        );
        let Some(cursor) = page["page"]["next_cursor"].as_str() else {
            break;
        };
        path = format!("/admin/orders?limit=2&cursor={cursor}");
        admin
            .get(&format!("{path}&status=placed"))
            .await
            .problem(400, "invalid_query");
    }
    assert_eq!(seen, numbers);
    for bad in ["limit=0", "status=placing", "sort=number", "cursor=x"] {
        admin
            .get(&format!("/admin/orders?{bad}"))
            .await
            .problem(400, "invalid_query");
    }
}

#[tokio::test]
async fn the_shop_says_how_it_can_be_paid() {
    let with = Store::start().await;
    let names = |answer: Value| {
        answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(with.anonymous().get("/payment-providers").await.expect(200)),
        ["manual", "sandbox"]
    );
    let without = Store::with([("payments.sandbox.enabled", "false")]).await;
    assert_eq!(
        names(without.anonymous().get("/payment-providers").await.expect(200)),
        ["manual"]
    );
    without
        .anonymous()
        .get("/sandbox/authentications/x")
        .await
        .problem(404, "not_found");
}
