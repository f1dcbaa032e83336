//! Races: many at the same moment, and what must hold afterwards.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{PASSWORD, ReadyCart, Response, Store, manual, sandbox, unique, variant};

fn count(answers: &[Response], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_buyers_of_the_last_ten_make_exactly_ten_orders_and_nobody_else_pays() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 10).await;
    let anonymous = store.anonymous();
    let carts = join_all((0..100).map(|_| async { anonymous.ready_cart(&[(variant(&product), 1)]).await })).await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(sandbox("tok_ok")))).await;
    assert_eq!(
        count(&answers, 201),
        10,
        "{:?}",
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    );
    for answer in &answers {
        if answer.status != 201 {
            let code = answer.json["code"].as_str().unwrap();
            assert!(
                matches!(
                    (answer.status, code),
                    (409, "insufficient_stock") | (422, "cart_not_ready")
                ),
                "{}",
                answer.text
            );
        }
    }
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_equal_requests_with_one_key_make_one_order_and_all_end_with_its_answer() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 100).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let answers = join_all((0..50).map(|_| until_answered(&cart, "the-key"))).await;
    let first = answers[0].json.clone();
    for answer in &answers {
        assert_eq!(answer.status, 201, "{}", answer.text);
        assert_eq!(answer.json, first);
    }
    let fresh = answers
        .iter()
        .filter(|answer| answer.header("idempotent-replayed").is_empty())
        .count();
    assert_eq!(fresh, 1);
    let orders = store.admin().await.get("/admin/orders").await.expect(200);
    assert_eq!(orders["data"].as_array().unwrap().len(), 1);
    assert_eq!(store.findings().await, [""; 0]);
}

/// Sends the request until it is answered with something else than "in progress", as a client does that follows
/// `Retry-After`, only more eagerly.
async fn until_answered(cart: &ReadyCart, key: &str) -> Response {
    loop {
        let answer = cart
            .buyer
            .once(key)
            .post("/orders", cart.order(sandbox("tok_ok")))
            .await;
        if answer.json["code"] != "request_in_progress" {
            return answer;
        }
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cart_under_many_keys_is_one_order() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 100).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let answers = join_all((0..20).map(|_| cart.buy(manual()))).await;
    assert_eq!(count(&answers, 201), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let code = answer.json["code"].as_str().unwrap();
        assert!(
            answer.status == 409 && matches!(code, "cart_completed" | "cart_in_checkout" | "cart_changed"),
            "{}",
            answer.text
        );
    }
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carts_with_the_same_products_in_opposite_order_do_not_block_each_other() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let first = admin.product(1000, 1000).await;
    let second = admin.product(2000, 1000).await;
    let anonymous = store.anonymous();
    let (here, there) = (
        [(variant(&first), 1), (variant(&second), 1)],
        [(variant(&second), 1), (variant(&first), 1)],
    );
    let carts =
        join_all((0..40_u32).map(|number| anonymous.ready_cart(if number.is_multiple_of(2) { &here } else { &there })))
            .await;
    let answers = join_all(carts.iter().map(|cart| cart.buy(manual()))).await;
    assert_eq!(
        count(&answers, 201),
        40,
        "{:?}",
        answers.iter().map(|answer| &answer.text).collect::<Vec<_>>()
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_registrations_of_one_address_make_one_account() {
    let store = Store::with([("user.hashing_queue", "100")]).await;
    let email = format!("{}@example.com", unique("race"));
    let anonymous = store.anonymous();
    let register = |number: usize| {
        let written = if number.is_multiple_of(2) {
            email.clone()
        } else {
            email.to_uppercase()
        };
        let anonymous = anonymous.clone();
        async move {
            anonymous
                .post("/auth/register", json!({"email": written, "password": PASSWORD}))
                .await
        }
    };
    let answers = join_all((0..50).map(register)).await;
    assert_eq!(count(&answers, 201), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "email_taken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_and_a_cancellation_at_the_same_moment_end_in_one_of_the_two() {
    let store = Store::start().await;
    let product = store.admin().await.product(1000, 100).await;
    for _ in 0..5 {
        let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        let declined = cart.buy(sandbox("tok_declined")).await.problem(402, "payment_declined");
        let holder = store
            .anonymous()
            .with("Order-Secret", declined["secret"].as_str().unwrap());
        let path = format!("/orders/{}", declined["order_id"].as_str().unwrap());
        let payer = holder.once(unique("pay"));
        let (pay_path, cancel_path) = (format!("{path}/payments"), format!("{path}/cancel"));
        let pay = payer.post(&pay_path, sandbox("tok_ok"));
        let (paid, cancelled) = futures_util::join!(pay, holder.post(&cancel_path, Value::Null));
        let order = holder.get(&path).await.expect(200);
        match order["status"].as_str().unwrap() {
            "placed" => assert_eq!((paid.status, cancelled.status), (201, 409), "{}", order),
            "cancelled" => assert_eq!(cancelled.status, 200, "{} {}", paid.text, order),
            other => panic!("{other}"),
        }
    }
    let ask = || async { json!(store.findings().await) };
    super::support::eventually(ask, |findings| findings.as_array().is_some_and(Vec::is_empty)).await;
}
