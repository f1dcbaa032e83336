//! What customers pay: in the currency of their cart, for as many as they take, as members, and while a sale goes on.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::support::{
    Admin, Caller, Customer, PASSWORD, ReadyCart, Shop, Store, eventually, manual, runtime, sandbox, unique, variant,
};

fn money(amount: i64, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

/// A product for 10 dollars and 9 euros, and from ten on for 7 euros.
async fn mug(admin: &Admin) -> Value {
    let prices = json!([{"price": money(900, "EUR")}, {"min_quantity": 10, "price": money(700, "EUR")}]);
    let product = json!({"title": "Mug", "handle": unique("mug"),
        "variants": [{"price": money(1000, "USD"), "stock": 100, "prices": prices}]});
    admin.post("/admin/products", product).await.expect(201)
}

/// A list with a price of a product's first variant.
async fn list(admin: &Admin, list: Value, product: &Value, price: Value) -> Value {
    let made = admin.post("/admin/price-lists", list).await.expect(201);
    let path = format!("/admin/price-lists/{}/prices", made["id"].as_str().unwrap());
    let prices = json!({"prices": [{"variant_id": variant(product), "price": price}]});
    let answer = admin.post(&path, prices).await.expect(200);
    assert_eq!(answer["results"][0]["status"], 200);
    made
}

/// Puts an account into a group of customers, or out of all.
async fn assign(admin: &Admin, customer: &Customer, group: &Value) {
    let path = format!("/admin/users/{}", customer.id());
    let change = json!({"customer_group_id": group});
    let seen = admin.with("If-Match", "*").patch(&path, change).await.expect(200);
    assert_eq!(&seen["customer_group_id"], group);
}

/// The customer with a new access token.
async fn signed_in_again(store: &Store, customer: &Customer) -> Caller {
    let body = json!({"email": customer.email(), "password": PASSWORD});
    let answer = store.anonymous().post("/auth/login", body).await.expect(200);
    store.anonymous().bearing(answer["access_token"].as_str().unwrap())
}

#[tokio::test]
async fn a_cart_its_order_and_its_payment_are_in_the_currency_of_the_cart() {
    let store = Store::with([("shop.currencies", "EUR,JPY")]).await;
    let admin = store.admin().await;
    let product = mug(&admin).await;
    let other = admin.product(500, 5).await;
    let anonymous = store.anonymous();
    let item = |product: &Value, quantity: i64| json!({"variant_id": variant(product), "quantity": quantity});

    let body = json!({"currency": "EUR", "items": [item(&product, 9)]});
    let cart = anonymous.post("/carts", body).await.expect(201);
    assert_eq!(cart["currency"], "EUR");
    assert_eq!(cart["totals"]["total"], money(8100, "EUR"));
    let buyer = anonymous.with("Cart-Secret", cart["secret"].as_str().unwrap());
    let items = format!("/carts/{}/items", cart["id"].as_str().unwrap());
    let refused = buyer.post(&items, item(&other, 1)).await;
    assert_eq!(refused.json["errors"][0]["code"], "currency_mismatch");
    assert_eq!(refused.wrong_fields(), ["/variant_id"]);
    let refused = anonymous.post("/carts", json!({"currency": "GBP"})).await;
    assert_eq!(refused.json["errors"][0]["code"], "unsupported_currency");
    let refused = anonymous
        .post("/carts", json!({"currency": "JPY", "items": [item(&product, 1)]}))
        .await;
    assert_eq!(refused.json["errors"][0]["code"], "currency_mismatch");

    // The tenth makes all ten cheaper, which is no news to who asked for it.
    let grown = buyer.post(&items, item(&product, 1)).await.expect(201);
    assert_eq!(grown["items"][0]["unit_price"], money(700, "EUR"));
    assert_eq!(grown["items"][0]["price_changed_from"], Value::Null);

    let ready = ReadyCart::complete(buyer, &grown).await;
    let mut wrong = ready.order(sandbox("tok_ok"));
    wrong["expected_total"] = money(7000, "USD");
    let refused = ready.buyer.once(unique("order")).post("/orders", wrong).await;
    refused.problem(409, "price_changed");
    let order = ready.buy(sandbox("tok_ok")).await.expect(201);
    assert_eq!(order["currency"], "EUR");
    assert_eq!(order["lines"][0]["unit_price"], money(700, "EUR"));
    assert_eq!(order["totals"]["total"], money(7000, "EUR"));
    assert_eq!(order["payments"][0]["amount"], money(7000, "EUR"));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn carts_in_two_currencies_are_not_merged() {
    let store = Store::with([("shop.currencies", "EUR")]).await;
    let product = mug(&store.admin().await).await;
    let items = json!([{"variant_id": variant(&product), "quantity": 1}]);
    let guest = json!({"currency": "EUR", "items": items});
    let guest = store.anonymous().post("/carts", guest).await.expect(201);
    let customer = store.customer().await;
    let mine = customer.post("/carts", json!({"items": items})).await.expect(201);
    let from = json!({"from": {"id": guest["id"], "secret": guest["secret"]}});
    let path = format!("/carts/{}/merge", mine["id"].as_str().unwrap());
    let refused = customer.post(&path, from.clone()).await;
    assert_eq!(refused.json["errors"][0]["code"], "currency_mismatch");
    let mine = customer.post("/carts", json!({"currency": "EUR"})).await.expect(201);
    let path = format!("/carts/{}/merge", mine["id"].as_str().unwrap());
    let merged = customer.post(&path, from).await.expect(200);
    assert_eq!(merged["totals"]["total"], money(900, "EUR"));
}

#[tokio::test]
async fn members_of_a_group_pay_its_prices_from_their_next_token_on() {
    let store = Store::with([("shop.currencies", "EUR")]).await;
    let admin = store.admin().await;
    let product = mug(&admin).await;
    let group = admin
        .post("/admin/customer-groups", json!({"name": "Gold"}))
        .await
        .expect(201);
    let gold = json!({"name": "Gold", "currency": "USD", "status": "active", "customer_group_id": group["id"]});
    list(&admin, gold, &product, money(800, "USD")).await;

    let customer = store.customer().await;
    let items = json!([{"variant_id": variant(&product), "quantity": 2}]);
    let cart = customer.post("/carts", json!({"items": items})).await.expect(201);
    let path = format!("/carts/{}", cart["id"].as_str().unwrap());
    assign(&admin, &customer, &group["id"]).await;
    assert_eq!(
        customer.get(&path).await.expect(200)["totals"]["total"],
        money(2000, "USD")
    );

    let member = signed_in_again(&store, &customer).await;
    let own = format!("/products/{}/prices", product["handle"].as_str().unwrap());
    assert_eq!(
        member.get(&own).await.expect(200)["data"][0]["price"],
        money(800, "USD")
    );
    assert_eq!(
        customer.get(&own).await.expect(200)["data"][0]["price"],
        money(1000, "USD")
    );
    store.anonymous().get(&own).await.problem(401, "unauthenticated");
    let seen = member.get(&path).await.expect(200);
    assert_eq!(seen["totals"]["total"], money(1600, "USD"));
    assert_eq!(seen["items"][0]["price_changed_from"], money(1000, "USD"));
    assert_eq!(
        member.get("/carts/current").await.expect(200)["totals"]["total"],
        money(1600, "USD")
    );

    let ready = ReadyCart::complete(member.clone(), &seen).await;
    let order = ready.buy(manual()).await.expect(201);
    assert_eq!(order["totals"]["total"], money(1600, "USD"));

    // A guest's cart is nobody's, whoever has its secret.
    let guest = store
        .anonymous()
        .post("/carts", json!({"items": items}))
        .await
        .expect(201);
    let path = format!("/carts/{}", guest["id"].as_str().unwrap());
    let held = member.with("Cart-Secret", guest["secret"].as_str().unwrap());
    assert_eq!(held.get(&path).await.expect(200)["totals"]["total"], money(2000, "USD"));

    // Who has left the group is charged what everybody is, and told so before.
    let cart = member.post("/carts", json!({"items": items})).await.expect(201);
    let ready = ReadyCart::complete(member, &cart).await;
    assert_eq!(ready.cart["totals"]["total"], money(1600, "USD"));
    assign(&admin, &customer, &Value::Null).await;
    let left = signed_in_again(&store, &customer).await;
    let refused = left.once(unique("order")).post("/orders", ready.order(manual())).await;
    let problem = refused.problem(409, "price_changed");
    assert_eq!(
        (&problem["old"], &problem["new"]),
        (&money(1600, "USD"), &money(2000, "USD"))
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_sale_that_is_over_is_told_before_anything_is_charged() {
    let store = Store::with([("shop.currencies", "EUR")]).await;
    let admin = store.admin().await;
    let product = mug(&admin).await;
    let now = store.clock().now();
    let sale = json!({"name": "Today", "currency": "USD", "status": "active", "ends_at": now + TimeDelta::hours(1)});
    list(&admin, sale, &product, money(600, "USD")).await;
    let path = format!("/products/{}", product["handle"].as_str().unwrap());
    let shown = async || store.anonymous().get(&path).await.expect(200)["variants"][0].clone();
    let seen = shown().await;
    assert_eq!(
        (&seen["price"], &seen["compare_at_price"]),
        (&money(600, "USD"), &money(1000, "USD"))
    );
    assert_eq!(seen["lowest_price_30_days"], money(1000, "USD"));

    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    assert_eq!(cart.cart["totals"]["total"], money(600, "USD"));
    store.clock().advance(TimeDelta::hours(1));
    eventually(shown, |seen| seen["price"] == money(1000, "USD")).await;
    let problem = cart.buy(manual()).await.problem(409, "price_changed");
    assert_eq!(
        (&problem["old"], &problem["new"]),
        (&money(600, "USD"), &money(1000, "USD"))
    );
    let now = cart.now().await;
    assert_eq!(now["items"][0]["price_changed_from"], money(600, "USD"));
    let cart = ReadyCart { cart: now, ..cart };
    assert_eq!(
        cart.buy(manual()).await.expect(201)["totals"]["total"],
        money(1000, "USD")
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_cart_in_a_currency_that_the_shop_has_given_up_cannot_be_bought() {
    let store = Store::with([("shop.currencies", "EUR")]).await;
    let product = mug(&store.admin().await).await;
    let items = json!([{"variant_id": variant(&product), "quantity": 1}]);
    let cart = json!({"currency": "EUR", "items": items});
    let cart = store.anonymous().post("/carts", cart).await.expect(201);
    let secret = cart["secret"].as_str().unwrap();
    let ready = ReadyCart::complete(store.anonymous().with("Cart-Secret", secret), &cart).await;
    assert_eq!(ready.cart["problems"], json!([]));

    let settings = [("run", "gateway,user,product,cart,order"), ("shop.currencies", "JPY")];
    let later = store.start_beside(settings).await;
    let elsewhere = Shop::at(vec![later.public().unwrap()], vec![later.management()]);
    let buyer = elsewhere.anonymous().with("Cart-Secret", secret);
    let ready = ReadyCart { buyer, ..ready };
    let refused = ready.buy(manual()).await;
    let problem = refused.problem(422, "cart_not_ready");
    assert_eq!(problem["problems"][0]["code"], "not_for_sale");
    assert_eq!(ready.now().await["problems"][0]["code"], "not_for_sale");
    runtime::run(later.stop()).await;
}
