//! Promotions and their codes, from the staff who arrange them to the orders that use them.

use chrono::TimeDelta;
use database::connection::{Limits, connect};
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{Admin, Anonymous, Caller, ReadyCart, Response, Store, eventually, manual, sandbox, variant};

fn dollars(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

fn fields(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors
        .map(|error| (error["pointer"].as_str().unwrap(), error["code"].as_str().unwrap()))
        .collect()
}

/// A promotion that takes `percent` off everything, with more `fields`.
async fn percentage(admin: &Admin, percent: &str, fields: Value) -> Value {
    let mut body = json!({"name": "Sale", "needs_code": false,
        "terms": {"action": {"kind": "percentage", "percent": percent}}});
    for (field, value) in fields.as_object().unwrap() {
        body[field] = value.clone();
    }
    admin.post("/admin/promotions", body).await.expect(201)
}

fn path(promotion: &Value) -> String {
    format!("/admin/promotions/{}", promotion["id"].as_str().unwrap())
}

async fn code(admin: &Admin, promotion: &Value, body: Value) -> String {
    let made = admin
        .post(&format!("{}/codes", path(promotion)), body)
        .await
        .expect(201);
    made["codes"][0].as_str().unwrap().to_owned()
}

/// A promotion as staff see it now.
async fn now(admin: &Admin, promotion: &Value) -> Value {
    admin.get(&path(promotion)).await.expect(200)
}

/// A guest's cart with one piece, for `email`, with the codes.
async fn cart_of(guest: &Anonymous, product: &Value, email: &str, codes: &[&str]) -> ReadyCart {
    let mut cart = guest.ready_cart(&[(variant(product), 1)]).await;
    let path = format!("/carts/{}", cart.id);
    cart.cart = cart.buyer.patch(&path, json!({"email": email})).await.expect(200);
    for code in codes {
        cart.cart = give(&cart, code).await.expect(201);
    }
    cart
}

async fn give(cart: &ReadyCart, code: &str) -> Response {
    let path = format!("/carts/{}/promotions", cart.id);
    cart.buyer.post(&path, json!({"code": code})).await
}

fn holder(store: &Store, order: &Value) -> Caller {
    let secret = order["secret"].as_str().unwrap();
    store.anonymous().with("Order-Secret", secret)
}

#[tokio::test]
async fn staff_arrange_promotions_and_each_change_names_its_version() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let made = percentage(&admin, "12.5", json!({"priority": 5, "usage_limit": 3})).await;
    let expected = json!({"enabled": true, "exclusive": false, "priority": 5, "usage_limit": 3, "uses": 0, "spent": [],
        "usage_limit_per_customer": null, "budget": null, "starts_at": null, "ends_at": null, "version": 1});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    assert_eq!(
        made["terms"]["action"],
        json!({"kind": "percentage", "percent": "12.5"})
    );
    let second = percentage(&admin, "1", json!({"enabled": false})).await;
    let first_page = admin.get("/admin/promotions?limit=1").await.expect(200);
    // A list does not count what orders use of promotions without limits.
    let listed = |promotion: &Value, uses: Value| {
        let mut listed = promotion.clone();
        (listed["uses"], listed["spent"]) = (uses, Value::Null);
        listed
    };
    assert_eq!(first_page["data"], json!([listed(&made, json!(0))]));
    let next = first_page["page"]["next_cursor"].as_str().unwrap();
    let rest = admin.get(&format!("/admin/promotions?cursor={next}")).await.expect(200);
    assert_eq!(rest["data"], json!([listed(&second, Value::Null)]));
    admin
        .get("/admin/promotions?cursor=x")
        .await
        .problem(400, "invalid_query");

    let path = path(&made);
    let patch = json!({"name": "Half price", "usage_limit": null, "budget": dollars(5000),
        "ends_at": "2030-01-01T00:00:00Z", "terms": {"action": {"kind": "percentage", "percent": "50"}}});
    admin
        .patch(&path, patch.clone())
        .await
        .problem(428, "precondition_required");
    let changed = admin.with("If-Match", "\"1\"").patch(&path, patch.clone()).await;
    assert_eq!(changed.header("etag"), "\"2\"");
    let changed = changed.expect(200);
    assert_eq!(changed["spent"], json!([dollars(0)]));
    assert_eq!(changed["ends_at"], "2030-01-01T00:00:00Z");
    assert_eq!(now(&admin, &made).await, changed);
    let stale = admin.with("If-Match", "\"1\"");
    stale.patch(&path, patch).await.problem(412, "precondition_failed");
    admin.delete(&path).await.problem(428, "precondition_required");
    stale.delete(&path).await.problem(412, "precondition_failed");
    admin.with("If-Match", "\"2\"").delete(&path).await.expect(204);
    admin.get(&path).await.problem(404, "not_found");

    let customer = store.customer().await;
    customer.get("/admin/promotions").await.problem(403, "forbidden");
    store
        .anonymous()
        .get("/admin/promotions")
        .await
        .problem(401, "unauthenticated");
}

#[tokio::test]
async fn what_no_promotion_can_be_is_refused_by_its_field() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let terms = json!({"action": {"kind": "fixed_amount", "amounts": [dollars(100)]}});
    let cases = [
        (json!({"priority": 1001}), "/priority", "out_of_range"),
        (json!({"usage_limit": 0}), "/usage_limit", "out_of_range"),
        (
            json!({"usage_limit_per_customer": 0}),
            "/usage_limit_per_customer",
            "out_of_range",
        ),
        (json!({"budget": dollars(0)}), "/budget/amount", "out_of_range"),
        (
            json!({"budget": {"amount": 1, "currency": "SEK"}}),
            "/budget/currency",
            "unsupported_currency",
        ),
        (
            json!({"starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}),
            "/ends_at",
            "out_of_range",
        ),
        (
            json!({"terms": {"action": {"kind": "fixed_amount", "amounts": []}}}),
            "/terms/action/amounts",
            "required",
        ),
        (json!({"colour": "red"}), "/colour", "unknown_field"),
        (json!({"name": ""}), "/name", "too_short"),
    ];
    for (change, pointer, code) in cases {
        let mut body = json!({"name": "Sale", "needs_code": false, "terms": terms});
        for (field, value) in change.as_object().unwrap() {
            body[field] = value.clone();
        }
        let problem = admin
            .post("/admin/promotions", body)
            .await
            .problem(422, "validation_failed");
        assert_eq!(fields(&problem), [(pointer, code)]);
    }
    let kept = admin.get("/admin/promotions").await.expect(200);
    assert_eq!(kept["data"], json!([]));
}

/// What no request would write.
fn write_by_hand(store: &Store, statements: &str) {
    let mut connection = connect(&store.database_url().to_owned().into(), &Limits::default()).unwrap();
    connection.batch_execute(statements).unwrap();
}

#[tokio::test]
async fn a_shop_has_at_most_a_thousand_promotions_that_are_enabled() {
    let store = Store::start().await;
    let admin = store.admin().await;
    write_by_hand(
        &store,
        "INSERT INTO carts.promotions \
            (id, name, needs_code, enabled, priority, exclusive, terms, version, created_at, updated_at) \
         SELECT gen_random_uuid(), 'Sale', true, true, 0, false, \
            '{\"action\":{\"kind\":\"percentage\",\"percent\":\"1\"}}', 1, now(), now() FROM generate_series(1, 999)",
    );
    let last = percentage(&admin, "10", json!({})).await;
    let body = json!({"name": "Sale", "needs_code": false, "terms": last["terms"]});
    let problem = admin
        .post("/admin/promotions", body)
        .await
        .problem(422, "validation_failed");
    assert_eq!(fields(&problem), [("/enabled", "too_many")]);
    let spare = percentage(&admin, "10", json!({"enabled": false})).await;
    let any = admin.with("If-Match", "*");
    let problem = any
        .patch(&path(&spare), json!({"enabled": true}))
        .await
        .problem(422, "validation_failed");
    assert_eq!(fields(&problem), [("/enabled", "too_many")]);
    any.patch(&path(&last), json!({"priority": 3})).await.expect(200);
    any.patch(&path(&last), json!({"enabled": false})).await.expect(200);
    any.patch(&path(&spare), json!({"enabled": true})).await.expect(200);
}

#[tokio::test]
async fn whoever_verifies_finds_what_is_kept_and_is_not_what_orders_use() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 10).await;
    let limits = json!({"needs_code": true, "usage_limit": 9, "budget": dollars(9000)});
    let promotion = percentage(&admin, "50", limits).await;
    code(&admin, &promotion, json!({"code": "TEN", "usage_limit": 10})).await;
    let card = json!({"amount": dollars(300)});
    let card = admin.post("/admin/gift-cards", card).await.expect(201);
    let mut cart = cart_of(&store.anonymous(), &product, "ada@example.com", &["TEN"]).await;
    let gift_cards = format!("/carts/{}/gift-cards", cart.id);
    cart.cart = cart
        .buyer
        .post(&gift_cards, json!({"code": card["code"]}))
        .await
        .expect(201);
    cart.buy(manual()).await.expect(201);
    let ask = || async { cart.now().await };
    eventually(ask, |cart| cart["status"] == "completed").await;
    assert_eq!(store.findings().await, [""; 0]);

    write_by_hand(
        &store,
        "UPDATE carts.promotions SET uses = 3, spent_minor = 7; UPDATE carts.promotion_codes SET uses = 4; \
         UPDATE carts.promotion_customers SET uses = 0; UPDATE carts.gift_cards SET balance_minor = 1; \
         UPDATE carts.carts SET order_id = gen_random_uuid()",
    );
    let findings = store.findings().await.join("\n");
    for (rule, detail) in [
        ("uses_of_promotion_are_counted", "kept 3, counted 1"),
        ("spent_budget_is_counted", "kept 7, counted 1000"),
        ("uses_of_code_are_counted", "kept 4, counted 1"),
        ("uses_of_customers_are_counted", "kept 0, counted 1"),
        ("balance_is_the_sum_of_entries", "kept 1, counted 0"),
        ("promotion_is_used_with_a_cart", "kept 1, counted 0"),
        ("gift_card_is_spent_with_a_cart", "kept 300, counted 0"),
    ] {
        let told = findings.lines().find(|line| line.contains(rule)).unwrap_or_default();
        assert!(told.contains(detail), "{rule}: {findings}");
    }
    let named = promotion["id"].as_str().unwrap();
    assert!(findings.contains(named), "{findings}");
}

#[tokio::test]
async fn codes_are_given_generated_listed_and_removed() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let promotion = percentage(&admin, "10", json!({"needs_code": true})).await;
    let other = percentage(&admin, "10", json!({"needs_code": true})).await;
    let automatic = percentage(&admin, "1", json!({})).await;
    let codes = format!("{}/codes", path(&promotion));
    assert_eq!(
        code(&admin, &promotion, json!({"code": " summer-26 "})).await,
        "SUMMER-26"
    );
    for promotion in [&promotion, &other] {
        let again = admin
            .post(&format!("{}/codes", path(promotion)), json!({"code": "Summer-26"}))
            .await
            .problem(422, "validation_failed");
        assert_eq!(fields(&again), [("/code", "taken")]);
    }
    let none = admin
        .post(&format!("{}/codes", path(&automatic)), json!({"code": "ABC"}))
        .await
        .problem(422, "validation_failed");
    assert_eq!(fields(&none), [("", "promotion_without_codes")]);
    for (body, pointer, code) in [
        (json!({}), "/code", "required"),
        (json!({"code": "a b c"}), "/code", "invalid_code"),
        (json!({"generate": {"count": 10001}}), "/generate/count", "out_of_range"),
    ] {
        let problem = admin.post(&codes, body).await.problem(422, "validation_failed");
        assert_eq!(fields(&problem), [(pointer, code)]);
    }

    let batch = json!({"generate": {"count": 10_000, "prefix": "vip-", "length": 6}});
    let made = admin.once("batch").post(&codes, batch.clone()).await.expect(201);
    let repeat = admin.once("batch").post(&codes, batch).await.expect(201);
    assert_eq!(made, repeat);
    assert_eq!(made["codes"].as_array().unwrap().len(), 10_000);
    let page = admin.get(&format!("{codes}?limit=2")).await.expect(200);
    assert_eq!(page["data"][0]["code"], "SUMMER-26");
    assert_eq!(page["data"][0]["usage_limit"], Value::Null);
    assert_eq!(page["data"][1]["code"], made["codes"][0]);
    assert_eq!(page["data"][1]["usage_limit"], 1);
    let next = page["page"]["next_cursor"].as_str().unwrap();
    let rest = admin.get(&format!("{codes}?limit=1&cursor={next}")).await.expect(200);
    assert_eq!(rest["data"][0]["code"], made["codes"][1]);
    let foreign = format!("{}/codes?cursor={next}", path(&other));
    admin.get(&foreign).await.problem(400, "invalid_query");

    let elsewhere = format!("{}/codes/SUMMER-26", path(&other));
    admin.delete(&elsewhere).await.problem(404, "not_found");
    admin.delete(&format!("{codes}/summer-26")).await.expect(204);
    admin
        .delete(&format!("{codes}/summer-26"))
        .await
        .problem(404, "not_found");
    assert_eq!(
        code(&admin, &other, json!({"code": "SUMMER-26"})).await,
        "SUMMER-26",
        "it is free again"
    );
    admin
        .with("If-Match", "\"1\"")
        .delete(&path(&promotion))
        .await
        .expect(204);
    admin.get(&codes).await.problem(404, "not_found");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_cart_gets_automatic_promotions_and_those_of_its_codes() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 10).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    assert_eq!(cart.cart["totals"]["total"], dollars(4000));
    let automatic = percentage(&admin, "10", json!({"priority": 10})).await;
    let by_code = percentage(&admin, "50", json!({"needs_code": true, "name": "Half"})).await;
    let half = code(&admin, &by_code, json!({"code": "half"})).await;
    let seen = cart.now().await;
    assert_eq!(seen["totals"]["total"], dollars(3600));
    assert_eq!(seen["promotions"][0]["promotion_id"], automatic["id"]);
    let seen = give(&cart, "Half ").await.expect(201);
    assert_eq!(seen["promotion_codes"], json!([half]));
    assert_eq!(seen["promotions"][1]["code"], "HALF");
    assert_eq!(seen["totals"]["total"], dollars(1800));

    let disabled = json!({"enabled": false});
    let changed = admin
        .with("If-Match", "\"1\"")
        .patch(&path(&automatic), disabled)
        .await
        .expect(200);
    assert_eq!(changed["enabled"], false);
    let seen = cart.now().await;
    assert_eq!(seen["totals"]["total"], dollars(2000));
    admin
        .delete(&format!("{}/codes/HALF", path(&by_code)))
        .await
        .expect(204);
    let seen = cart.now().await;
    assert_eq!(seen["totals"]["total"], dollars(4000));
    assert_eq!(seen["refused_codes"][0]["reason"], "unknown_code");
    let unknown = give(&cart, "nothing").await.problem(422, "validation_failed");
    assert_eq!(fields(&unknown), [("/code", "unknown_code")]);
}

#[tokio::test]
async fn a_code_whose_condition_is_not_met_is_kept_and_tells_why() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 10).await;
    let terms = json!({"conditions": {"subtotal_at_least": [dollars(5000)]},
        "action": {"kind": "fixed_amount", "amounts": [dollars(1000)]}});
    let promotion = percentage(&admin, "1", json!({"needs_code": true, "terms": terms})).await;
    code(&admin, &promotion, json!({"code": "TENOFF"})).await;
    let cart = cart_of(&store.anonymous(), &product, "a@example.com", &["TENOFF"]).await;
    assert_eq!(cart.cart["promotion_codes"], json!(["TENOFF"]));
    assert_eq!(cart.cart["refused_codes"][0]["code"], "TENOFF");
    assert_eq!(cart.cart["refused_codes"][0]["reason"], "subtotal_too_low");
    assert_eq!(cart.cart["totals"]["total"], dollars(2000));
    let more = json!({"variant_id": variant(&product), "quantity": 2});
    let seen = cart
        .buyer
        .post(&format!("/carts/{}/items", cart.id), more)
        .await
        .expect(201);
    assert_eq!(seen["refused_codes"], json!([]));
    assert_eq!(seen["totals"]["total"], dollars(5000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_guests_with_one_single_use_code_exactly_one_gets_it_and_nobody_else_pays() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let promotion = percentage(&admin, "50", json!({"needs_code": true, "usage_limit_per_customer": 1})).await;
    code(&admin, &promotion, json!({"code": "ONCE", "usage_limit": 1})).await;
    let guest = store.anonymous();
    let carts = (0..100).map(|number| {
        let (guest, product) = (&guest, &product);
        async move { cart_of(guest, product, &format!("guest{number}@example.com"), &["ONCE"]).await }
    });
    let carts = join_all(carts).await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(sandbox("tok_ok")))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(won.len(), 1);
    for answer in lost {
        let problem = answer.problem(409, "price_changed");
        assert_eq!((&problem["old"], &problem["new"]), (&dollars(1000), &dollars(2000)));
    }
    let orders = admin.get("/admin/orders").await.expect(200);
    assert_eq!(orders["data"].as_array().unwrap().len(), 1);
    let codes = admin.get(&format!("{}/codes", path(&promotion))).await.expect(200);
    assert_eq!(codes["data"][0]["uses"], 1);
    let used = now(&admin, &promotion).await;
    assert_eq!((&used["uses"], &used["spent"]), (&json!(1), &json!([dollars(1000)])));
    let late = cart_of(&guest, &product, "late@example.com", &[]).await;
    let refused = give(&late, "ONCE").await.problem(422, "validation_failed");
    assert_eq!(fields(&refused), [("/code", "used_up")]);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_customer_uses_a_promotion_no_more_often_than_anybody_may() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let promotion = percentage(&admin, "50", json!({"usage_limit_per_customer": 1})).await;
    let guest = store.anonymous();
    let first = cart_of(&guest, &product, "Ada@example.com", &[]).await;
    let second = cart_of(&guest, &product, "ada@example.com", &[]).await;
    let other = cart_of(&guest, &product, "bob@example.com", &[]).await;
    first.buy(manual()).await.expect(201);
    let problem = second.buy(manual()).await.problem(409, "price_changed");
    assert_eq!(problem["new"], dollars(2000));
    assert_eq!(second.now().await["totals"]["total"], dollars(2000));
    other.buy(manual()).await.expect(201);
    assert_eq!(now(&admin, &promotion).await["uses"], 2);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_never_overdrawn() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let promotion = percentage(&admin, "50", json!({"budget": dollars(3500)})).await;
    let guest = store.anonymous();
    let carts = (0..10).map(|number| {
        let (guest, product) = (&guest, &product);
        async move { cart_of(guest, product, &format!("guest{number}@example.com"), &[]).await }
    });
    let carts = join_all(carts).await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(sandbox("tok_ok")))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!(won.len(), 3);
    for answer in lost {
        assert_eq!(answer.problem(409, "price_changed")["new"], dollars(2000));
    }
    let used = now(&admin, &promotion).await;
    assert_eq!((&used["uses"], &used["spent"]), (&json!(3), &json!([dollars(3000)])));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_limit_that_is_set_later_counts_what_orders_use_already() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let promotion = percentage(&admin, "50", json!({})).await;
    let guest = store.anonymous();
    let mut orders = Vec::new();
    for _ in 0..2 {
        let cart = cart_of(&guest, &product, "ada@example.com", &[]).await;
        orders.push(cart.buy(manual()).await.expect(201));
    }
    let used = now(&admin, &promotion).await;
    assert_eq!((&used["uses"], &used["spent"]), (&json!(2), &json!([dollars(2000)])));
    let any = admin.with("If-Match", "*");
    let limits = json!({"usage_limit": 3, "budget": dollars(2500)});
    let limited = any.patch(&path(&promotion), limits).await.expect(200);
    assert_eq!(
        (&limited["uses"], &limited["spent"]),
        (&json!(2), &json!([dollars(2000)]))
    );
    let cart = cart_of(&guest, &product, "ada@example.com", &[]).await;
    assert_eq!(cart.cart["totals"]["total"], dollars(2000), "only 500 are left");
    let more = json!({"budget": {"amount": 9000}});
    any.patch(&path(&promotion), more).await.expect(200);
    assert_eq!(cart.now().await["totals"]["total"], dollars(1000));

    let cancel = format!("/admin/orders/{}/cancel", orders[0]["id"].as_str().unwrap());
    let cancelled = admin.post(&cancel, Value::Null).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    let ask = || async { now(&admin, &promotion).await };
    let returned = eventually(ask, |promotion| promotion["uses"] == 1).await;
    assert_eq!(returned["spent"], json!([dollars(1000)]));
    any.patch(&path(&promotion), json!({"usage_limit": null, "budget": null}))
        .await
        .expect(200);
    any.delete(&path(&promotion)).await.problem(409, "promotion_in_use");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn an_order_that_dies_gives_its_code_back() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let promotion = percentage(
        &admin,
        "50",
        json!({"needs_code": true, "usage_limit": 1, "usage_limit_per_customer": 1}),
    )
    .await;
    code(&admin, &promotion, json!({"code": "ONCE", "usage_limit": 1})).await;
    let guest = store.anonymous();
    let cart = cart_of(&guest, &product, "ada@example.com", &["ONCE"]).await;
    let other = cart_of(&guest, &product, "bob@example.com", &["ONCE"]).await;

    // It is not paid for in time.
    cart.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
    assert_eq!(now(&admin, &promotion).await["uses"], 1);
    other.buy(manual()).await.problem(409, "price_changed");
    store.clock().advance(TimeDelta::minutes(16));
    // The sign-in of before has expired as well.
    let admin = store.admin().await;
    let uses = || async { now(&admin, &promotion).await["uses"].clone() };
    eventually(uses, |uses| *uses == 0).await;
    let ask = || async { cart.now().await };
    let reopened = eventually(ask, |cart| cart["status"] == "open").await;
    assert_eq!(reopened["totals"]["total"], dollars(1000));

    // It is cancelled.
    let shown = other.now().await;
    let other = ReadyCart { cart: shown, ..other };
    let order = other.buy(sandbox("tok_ok")).await.expect(201);
    assert_eq!(uses().await, 1);
    let cancel = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
    holder(&store, &order).post(&cancel, Value::Null).await.expect(200);
    eventually(uses, |uses| *uses == 0).await;
    let reopened = ReadyCart { cart: reopened, ..cart };
    reopened.buy(manual()).await.expect(201);
    assert_eq!(uses().await, 1);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_code_that_is_made_again_is_another_one_than_that_of_orders_before() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let promotion = percentage(&admin, "50", json!({"needs_code": true})).await;
    let once = json!({"code": "ONCE", "usage_limit": 1});
    code(&admin, &promotion, once.clone()).await;
    let cart = cart_of(&store.anonymous(), &product, "ada@example.com", &["ONCE"]).await;
    let order = cart.buy(sandbox("tok_ok")).await.expect(201);
    let codes = format!("{}/codes", path(&promotion));
    admin.delete(&format!("{codes}/ONCE")).await.expect(204);
    code(&admin, &promotion, once).await;
    let unused = admin.get(&codes).await.expect(200);
    assert_eq!(unused["data"][0]["uses"], 0);
    let cancel = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
    holder(&store, &order).post(&cancel, Value::Null).await.expect(200);
    let ask = || async { cart.now().await };
    eventually(ask, |cart| cart["status"] == "open").await;
    let unused = admin.get(&codes).await.expect(200);
    assert_eq!(unused["data"][0]["uses"], 0);
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn the_first_order_of_an_account_has_its_own_promotion_and_may_cost_nothing() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let first_order = json!({"name": "Welcome", "needs_code": false, "terms": {
        "conditions": {"first_order": true}, "action": {"kind": "percentage", "percent": "100"}}});
    admin.post("/admin/promotions", first_order).await.expect(201);
    let customer = store.customer().await;
    let cart_of_customer = async || {
        let items = json!({"items": [{"variant_id": variant(&product), "quantity": 1}]});
        let cart = customer.post("/carts", items).await.expect(201);
        ReadyCart::complete((**customer).clone(), &cart).await
    };
    let guest = cart_of(&store.anonymous(), &product, "guest@example.com", &[]).await;
    assert_eq!(
        guest.cart["totals"]["total"],
        dollars(2000),
        "nobody knows what a guest has ordered before"
    );

    // Two carts: the first order is whichever comes first.
    let (first, second) = (cart_of_customer().await, cart_of_customer().await);
    assert_eq!(first.cart["totals"]["total"], dollars(0));
    let order = first.buy(manual()).await.expect(201);
    assert_eq!(
        (&order["status"], &order["payment_status"]),
        (&json!("placed"), &json!("captured"))
    );
    assert_eq!(
        (&order["payments"], &order["totals"]["discount"]),
        (&json!([]), &dollars(2000))
    );
    let problem = second.buy(manual()).await.problem(409, "price_changed");
    assert_eq!((&problem["old"], &problem["new"]), (&dollars(0), &dollars(2000)));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_first_orders_at_the_same_moment_one_is_the_first() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let product = admin.product(2000, 100).await;
    let first_order = json!({"name": "Welcome", "needs_code": false, "terms": {
        "conditions": {"first_order": true}, "action": {"kind": "percentage", "percent": "50"}}});
    admin.post("/admin/promotions", first_order).await.expect(201);
    let customer = store.customer().await;
    let carts = (0..8).map(|_| async {
        let items = json!({"items": [{"variant_id": variant(&product), "quantity": 1}]});
        let cart = customer.post("/carts", items).await.expect(201);
        ReadyCart::complete((**customer).clone(), &cart).await
    });
    let carts = join_all(carts).await;
    // They wait for their payment: until it fails for good, each of them may be the first.
    let answers = join_all(carts.iter().map(|cart| cart.buy(sandbox("tok_requires_action")))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 202);
    assert_eq!(won.len(), 1);
    for answer in lost {
        let problem = answer.problem(409, "price_changed");
        assert_eq!((&problem["old"], &problem["new"]), (&dollars(1000), &dollars(2000)));
    }
    assert_eq!(store.findings().await, [""; 0]);
}
