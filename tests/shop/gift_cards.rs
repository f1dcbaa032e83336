//! Gift cards and store credit: money that is granted, spent by orders, and given back.

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{Admin, Caller, ReadyCart, Response, Store, address, eventually, manual, sandbox, variant};

fn dollars(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

fn fields(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect()
}

async fn issued(admin: &Admin, amount: i64) -> Value {
    admin
        .post("/admin/gift-cards", json!({"amount": dollars(amount)}))
        .await
        .expect(201)
}

fn path(card: &Value) -> String {
    format!("/admin/gift-cards/{}", card["id"].as_str().unwrap())
}

async fn balance(admin: &Admin, card: &Value) -> Value {
    admin.get(&path(card)).await.expect(200)["balance"]["amount"].clone()
}

/// The kinds and amounts of a card's entries.
async fn entries(admin: &Admin, card: &Value) -> Vec<(String, i64)> {
    let list = admin.get(&format!("{}/entries", path(card))).await.expect(200);
    let entries = list["data"].as_array().unwrap().iter();
    let entry = |entry: &Value| {
        let kind = entry["kind"].as_str().unwrap().to_owned();
        (kind, entry["amount"]["amount"].as_i64().unwrap())
    };
    entries.map(entry).collect()
}

async fn pay_with(cart: &ReadyCart, card: &Value) -> Response {
    let path = format!("/carts/{}/gift-cards", cart.id);
    cart.buyer.post(&path, json!({"code": card["code"]})).await
}

/// A guest's cart with one piece, that pays with the card.
async fn cart_with(store: &Store, product: &Value, card: &Value) -> ReadyCart {
    let mut cart = store.anonymous().ready_cart(&[(variant(product), 1)]).await;
    cart.cart = pay_with(&cart, card).await.expect(201);
    cart
}

fn holder(store: &Store, order: &Value) -> Caller {
    let secret = order["secret"].as_str().unwrap();
    store.anonymous().with("Order-Secret", secret)
}

async fn cancel(store: &Store, order: &Value) -> Value {
    let path = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
    holder(store, order).post(&path, Value::Null).await.expect(200)
}

#[tokio::test]
async fn the_code_of_a_card_is_shown_once_and_kept_nowhere() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let request = json!({"amount": dollars(5000), "expires_at": "2030-01-01T00:00:00Z", "reason": "a prize"});
    let answer = admin.once("card").post("/admin/gift-cards", request.clone()).await;
    let location = answer.header("location").to_owned();
    let made = answer.expect(201);
    assert_eq!(location, format!("/api/v1{}", path(&made)));
    let code = made["code"].as_str().unwrap();
    assert_eq!(code.len(), 19);
    assert_eq!(made["last_characters"], code[15..]);
    let repeat = admin.once("card").post("/admin/gift-cards", request).await.expect(201);
    assert_eq!(repeat["id"], made["id"]);
    assert!(repeat.get("code").is_none(), "{repeat}");
    let shown = admin.get(&path(&made)).await.expect(200);
    assert_eq!(shown, repeat);
    let expected = json!({"balance": dollars(5000), "enabled": true, "expires_at": "2030-01-01T00:00:00Z",
        "user_id": null, "version": 1});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&shown[field], value, "{field}");
    }
    let ledger = admin.get(&format!("{}/entries", path(&made))).await.expect(200);
    assert_eq!(ledger["data"][0]["reason"], "a prize");
    assert_eq!(ledger["data"][0]["staff_id"], admin.id());
    let second = issued(&admin, 100).await;
    let list = admin.get("/admin/gift-cards?limit=1").await.expect(200);
    assert_eq!(list["data"][0]["id"], second["id"], "newest first");
    let next = list["page"]["next_cursor"].as_str().unwrap();
    let rest = admin.get(&format!("/admin/gift-cards?cursor={next}")).await.expect(200);
    assert_eq!(rest["data"], json!([shown]));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn staff_change_cards_and_move_money_but_never_below_nothing() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let card = issued(&admin, 1000).await;
    let adjustments = format!("{}/adjustments", path(&card));
    let adjust = |amount: Value| {
        let body = json!({"amount": amount, "reason": "a mistake"});
        admin.post(&adjustments, body)
    };
    let problem = adjust(dollars(-1001)).await.problem(409, "insufficient_balance");
    assert_eq!(problem["balance"], dollars(1000));
    assert_eq!(adjust(dollars(-1000)).await.expect(201)["balance"], dollars(0));
    assert_eq!(adjust(dollars(250)).await.expect(201)["balance"], dollars(250));
    let euros = json!({"amount": 1, "currency": "EUR"});
    for (amount, pointer, code) in [
        (dollars(0), "/amount/amount", "out_of_range"),
        (dollars(1_000_000_000_000), "/amount/amount", "out_of_range"),
        (dollars(999_999_999_999), "/amount/amount", "out_of_range"),
        (euros, "/amount/currency", "currency_mismatch"),
    ] {
        let problem = adjust(amount).await.problem(422, "validation_failed");
        assert_eq!(fields(&problem), [(pointer, code)]);
    }
    let once = admin.once("a-key");
    let body = json!({"amount": dollars(50), "reason": "a gift"});
    once.post(&adjustments, body.clone()).await.expect(201);
    once.post(&adjustments, body).await.expect(201);
    let expected = [
        ("issued", 1000),
        ("adjusted", -1000),
        ("adjusted", 250),
        ("adjusted", 50),
    ];
    let expected: Vec<(String, i64)> = expected
        .into_iter()
        .map(|(kind, amount)| (kind.to_owned(), amount))
        .collect();
    assert_eq!(entries(&admin, &card).await, expected);

    let disable = json!({"enabled": false});
    admin
        .patch(&path(&card), disable.clone())
        .await
        .problem(428, "precondition_required");
    let first = admin.with("If-Match", "\"1\"");
    let disabled = first.patch(&path(&card), disable.clone()).await.expect(200);
    assert_eq!((&disabled["enabled"], &disabled["version"]), (&json!(false), &json!(2)));
    first
        .patch(&path(&card), disable)
        .await
        .problem(412, "precondition_failed");
    let product = admin.product(2000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let refused = pay_with(&cart, &card).await.problem(422, "validation_failed");
    assert_eq!(fields(&refused), [("/code", "unknown_gift_card")]);

    for (body, pointer, code) in [
        (json!({"amount": dollars(0)}), "/amount/amount", "out_of_range"),
        (
            json!({"amount": {"amount": 5, "currency": "SEK"}}),
            "/amount/currency",
            "unsupported_currency",
        ),
        (
            json!({"amount": dollars(5), "expires_at": "2001-01-01T00:00:00Z"}),
            "/expires_at",
            "out_of_range",
        ),
    ] {
        let problem = admin
            .post("/admin/gift-cards", body)
            .await
            .problem(422, "validation_failed");
        assert_eq!(fields(&problem), [(pointer, code)]);
    }
    let customer = store.customer().await;
    customer.get(&path(&card)).await.problem(403, "forbidden");
    let missing = "/admin/gift-cards/giftcard_01h455vb4pex5vsknk084sn02q";
    admin.get(missing).await.problem(404, "not_found");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_and_buyers_take_no_more_off_a_card_than_there_is() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(200, 100).await;
    let card = issued(&admin, 1000).await;
    let carts = join_all((0..8).map(|_| cart_with(&store, &product, &card))).await;
    let adjustments = format!("{}/adjustments", path(&card));
    let taken = (0..8).map(|_| {
        let body = json!({"amount": dollars(-150), "reason": "taken back"});
        admin.post(&adjustments, body)
    });
    let orders = carts.iter().map(|cart| cart.buy(sandbox("tok_ok")));
    let (taken, orders) = futures_util::future::join(join_all(taken), join_all(orders)).await;
    let mut left = 1000;
    for answer in taken {
        match answer.status {
            201 => left -= 150,
            _ => drop(answer.problem(409, "insufficient_balance")),
        }
    }
    for answer in orders {
        match answer.status {
            201 => left -= 200,
            _ => drop(answer.problem(409, "gift_cards_changed")),
        }
    }
    assert!((0..150).contains(&left), "{left}");
    assert_eq!(balance(&admin, &card).await, left);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_card_pays_a_part_and_gets_it_back_from_an_order_that_dies() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 10).await;
    let card = issued(&admin, 500).await;
    let mut cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let typed = card["code"].as_str().unwrap().to_lowercase().replace('-', " ");
    let gift_cards = format!("/carts/{}/gift-cards", cart.id);
    cart.cart = cart.buyer.post(&gift_cards, json!({"code": typed})).await.expect(201);
    assert_eq!(cart.cart["totals"]["total"], dollars(2000));
    assert_eq!(cart.cart["totals"]["amount_due"], dollars(1500));
    assert_eq!(cart.cart["gift_cards"][0]["amount"], dollars(500));
    assert_eq!(
        balance(&admin, &card).await,
        500,
        "nothing is taken off before the order"
    );
    let order = cart.buy(sandbox("tok_ok")).await.expect(201);
    assert_eq!(order["totals"]["amount_due"], dollars(1500));
    assert_eq!(order["payments"][0]["amount"], dollars(1500));
    assert_eq!(balance(&admin, &card).await, 0);
    assert_eq!(cancel(&store, &order).await["payment_status"], "refunded");
    let ask = || async { balance(&admin, &card).await };
    eventually(ask, |balance| *balance == 500).await;

    // An order that nobody pays, and the sign-in of before expires as well.
    let next = cart_with(&store, &product, &card).await;
    next.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
    assert_eq!(balance(&admin, &card).await, 0);
    store.clock().advance(TimeDelta::minutes(16));
    let admin = store.admin().await;
    let ask = || async { balance(&admin, &card).await };
    eventually(ask, |balance| *balance == 500).await;
    let kinds: Vec<String> = entries(&admin, &card).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["issued", "spent", "returned", "spent", "returned"]);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_in_many_carts_is_spent_once_and_the_others_hear_of_it() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let card = issued(&admin, 5000).await;
    let carts = join_all((0..10).map(|_| cart_with(&store, &product, &card))).await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(sandbox("tok_ok")))).await;
    let (won, lost): (Vec<_>, Vec<_>) = carts.iter().zip(answers).partition(|(_, answer)| answer.status == 201);
    assert_eq!(
        won.len(),
        2,
        "each takes 2000 of 5000, and the rest was promised to nobody"
    );
    let loser = lost[0].0.clone();
    for (_, answer) in lost {
        let problem = answer.problem(409, "gift_cards_changed");
        assert_eq!(problem["old"], dollars(2000));
    }
    assert_eq!(balance(&admin, &card).await, 1000);
    let cart = ReadyCart {
        cart: loser.now().await,
        ..loser
    };
    assert_eq!(cart.cart["totals"]["amount_due"], dollars(1000));
    cart.buy(sandbox("tok_ok")).await.expect(201);
    assert_eq!(balance(&admin, &card).await, 0);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_card_that_is_gone_is_told_of_whatever_else_the_order_says() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 10).await;
    let card = issued(&admin, 2000).await;
    let mut cart = cart_with(&store, &product, &card).await;
    let price = |amount: i64| json!({"kind": "flat", "amounts": [dollars(amount)]});
    let methods = json!([{"name": "Express", "terms": {"price": price(1000)}}]);
    let zone = json!({"name": "World", "areas": [], "methods": methods});
    let zone = admin.post("/admin/shipping/zones", zone).await.expect(201);
    cart.cart = cart.now().await;
    assert_eq!(cart.cart["totals"]["amount_due"], dollars(0));
    let adjustment = json!({"amount": dollars(-2000), "reason": "It was stolen."});
    admin
        .post(&format!("{}/adjustments", path(&card)), adjustment)
        .await
        .expect(201);
    let mut order = cart.order(sandbox("tok_ok"));
    order["shipping_method"] = zone["methods"][0]["id"].clone();
    order["expected_total"] = dollars(3000);
    let refused = cart.buyer.once("an order").post("/orders", order).await;
    let problem = refused.problem(409, "gift_cards_changed");
    assert_eq!((&problem["old"], &problem["new"]), (&dollars(2000), &dollars(0)));
}

#[tokio::test]
async fn a_cart_that_cards_pay_wholly_is_placed_without_a_payment() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 10).await;
    let (small, large) = (issued(&admin, 700).await, issued(&admin, 5000).await);
    let mut cart = cart_with(&store, &product, &small).await;
    cart.cart = pay_with(&cart, &large).await.expect(201);
    assert_eq!(cart.cart["totals"]["amount_due"], dollars(0));
    let order = cart.buy(sandbox("tok_declined")).await.expect(201);
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&json!("placed"), &json!("captured"))
    );
    assert_eq!(order["payments"], json!([]));
    assert_eq!(balance(&admin, &small).await, 0);
    assert_eq!(balance(&admin, &large).await, 3700);
    cancel(&store, &order).await;
    let ask = || async { balance(&admin, &large).await };
    eventually(ask, |balance| *balance == 5000).await;
    assert_eq!(balance(&admin, &small).await, 700);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_card_that_expires_pays_nothing_any_more() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 10).await;
    let end = store.clock().now() + TimeDelta::hours(1);
    let request = json!({"amount": dollars(500), "expires_at": end});
    let card = admin.post("/admin/gift-cards", request).await.expect(201);
    let cart = cart_with(&store, &product, &card).await;
    assert_eq!(cart.cart["totals"]["amount_due"], dollars(1500));
    store.clock().advance(TimeDelta::hours(1));
    let problem = cart.buy(manual()).await.problem(409, "gift_cards_changed");
    assert_eq!(problem["new"], dollars(0));
    assert_eq!(cart.now().await["totals"]["amount_due"], dollars(2000));
    let admin = store.admin().await;
    assert_eq!(balance(&admin, &card).await, 500);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn store_credit_is_granted_by_currency_and_pays_where_its_user_says_so() {
    let store = Store::with([("shop.currencies", "EUR")]).await;
    let (admin, customer) = (store.admin().await, store.customer().await);
    let product = admin.product(2000, 10).await;
    assert_eq!(customer.get("/store-credit").await.expect(200)["items"], json!([]));
    let grant = |user: &str, amount: Value| {
        let body = json!({"user_id": user, "amount": amount, "reason": "sorry"});
        admin.post("/admin/store-credit", body)
    };
    let account = grant(customer.id(), dollars(300)).await.expect(201);
    assert_eq!(
        (&account["user_id"], &account["last_characters"]),
        (&json!(customer.id()), &Value::Null)
    );
    let more = grant(customer.id(), dollars(400)).await.expect(201);
    assert_eq!((&more["id"], &more["balance"]), (&account["id"], &dollars(700)));
    let euros = json!({"amount": 50, "currency": "EUR"});
    grant(customer.id(), euros.clone()).await.expect(201);
    let credit = customer.get("/store-credit").await.expect(200);
    let expected = json!([{"balance": euros, "expires_at": null}, {"balance": dollars(700), "expires_at": null}]);
    assert_eq!(credit["items"], expected);
    let own = format!("/admin/gift-cards?user_id={}", customer.id());
    let accounts = admin.get(&own).await.expect(200);
    assert_eq!(accounts["data"].as_array().unwrap().len(), 2);

    let cart = json!({"items": [{"variant_id": variant(&product), "quantity": 1}]});
    let cart = customer.post("/carts", cart).await.expect(201);
    let mut cart = ReadyCart::complete(Caller::clone(&customer), &cart).await;
    assert_eq!(cart.cart["totals"]["amount_due"], dollars(2000));
    let path = format!("/carts/{}", cart.id);
    let details = json!({"uses_store_credit": true, "shipping_address": address()});
    cart.cart = customer.patch(&path, details).await.expect(200);
    assert_eq!(cart.cart["totals"]["amount_due"], dollars(1300));
    cart.buy(sandbox("tok_ok")).await.expect(201);
    let credit = customer.get("/store-credit").await.expect(200);
    assert_eq!(credit["items"][1]["balance"], dollars(0));

    let nobody = grant("user_01h455vb4pex5vsknk084sn02q", dollars(1)).await;
    assert_eq!(
        fields(&nobody.problem(422, "validation_failed")),
        [("/user_id", "not_found")]
    );
    for (amount, pointer) in [
        (dollars(0), "/amount/amount"),
        (dollars(-5), "/amount/amount"),
        (dollars(999_999_999_999), "/amount/amount"),
        (json!({"amount": 1, "currency": "SEK"}), "/amount/currency"),
    ] {
        let problem = grant(customer.id(), amount).await.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
    store
        .anonymous()
        .get("/store-credit")
        .await
        .problem(401, "unauthenticated");
    customer
        .post("/admin/store-credit", json!({}))
        .await
        .problem(403, "forbidden");
    assert_eq!(store.findings().await, [""; 0]);
}
