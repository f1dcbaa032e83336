//! Several processes of which some are killed, slow, gone or started again: the shop goes on, and nothing confirmed is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::load::Load;
use crate::support::{
    FleetPlan, Interposer, ProcessFleet, ReadyCart, Store, Topology, Treatment, eventually, manual, unique, variant,
};

/// Waits until `bodega verify` finds nothing.
async fn books_come_in_order(fleet: &ProcessFleet) {
    let ask = || async { json!(fleet.findings().await) };
    eventually(ask, |findings| findings.as_array().is_some_and(Vec::is_empty)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_process_that_is_killed_under_load_costs_nobody_an_answer() {
    let mut fleet = ProcessFleet::start(FleetPlan::of([1, 2, 1, 1, 1])).await;
    let product = fleet.admin().await.product(1000, 1_000_000).await;
    let shop = (*fleet).clone();
    let load = Load::on(&shop, &product);
    for victim in ["product-0", "product-1", "product-0"] {
        load.goes_on_for(100).await;
        fleet.kill(victim);
        load.goes_on_for(100).await;
        fleet.start_again(&[victim.to_owned()]).await;
    }
    load.end().await.is_kept_by(&shop).await;
    books_come_in_order(&fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_product_process_that_stands_still_and_then_dies_costs_nobody_an_answer() {
    let mut fleet = ProcessFleet::start(FleetPlan::of([1, 2, 1, 1, 1])).await;
    let product = fleet.admin().await.product(1000, 1_000_000).await;
    let shop = (*fleet).clone();
    let load = Load::on(&shop, &product);
    load.goes_on_for(100).await;
    fleet.signal("product-0", libc::SIGSTOP);
    tokio::time::sleep(Duration::from_secs(2)).await;
    fleet.kill("product-0");
    load.goes_on_for(100).await;
    load.end().await.is_kept_by(&shop).await;
    books_come_in_order(&fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_carts_the_shop_can_still_be_looked_at_and_says_503_to_buyers() {
    let mut fleet = ProcessFleet::start(FleetPlan::of([1; 5])).await;
    let product = fleet.admin().await.product(1000, 10).await;
    let cart = fleet.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    fleet.kill("cart-0");
    for _ in 0..10 {
        let refused = fleet.anonymous().post("/carts", json!({})).await;
        assert!(!refused.header("retry-after").is_empty());
        refused.problem(503, "unavailable");
        cart.buy(manual()).await.problem(503, "unavailable");
        fleet.anonymous().get("/products").await.expect(200);
    }
    fleet.start_again(&["cart-0".to_owned()]).await;
    let buy = || async { json!(cart.buy(manual()).await.status) };
    eventually(buy, |status| *status == 201).await;
    books_come_in_order(&fleet).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_process_is_replaced_under_load_and_no_request_fails() {
    let mut plan = FleetPlan::of([2; 5]);
    plan.settings.push(("server.drain_delay", "3s".to_owned()));
    let mut fleet = ProcessFleet::start(plan).await;
    let product = fleet.admin().await.product(1000, 1_000_000).await;
    let shop = (*fleet).clone();
    let load = Load::on(&shop, &product);
    for number in 0..2 {
        // One of each service at a time; the gateways by themselves.
        let services = ["user", "product", "cart", "order"].map(|run| format!("{run}-{number}"));
        for names in [&services[..], &[format!("gateway-{number}")]] {
            load.goes_on_for(50).await;
            for status in fleet.stop(names).await {
                assert_eq!(status.code(), Some(0), "{names:?}");
            }
            fleet.start_again(names).await;
        }
    }
    load.goes_on_for(50).await;
    let seen = load.end().await;
    assert_eq!(seen.failures, [""; 0], "of {} requests", seen.requests);
    eprintln!("{} requests {} orders", seen.requests, seen.orders.len());
    seen.is_kept_by(&shop).await;
    books_come_in_order(&fleet).await;
}

/// Places the order of a cart under a key until it is answered for good.
async fn place_until_answered(cart: &ReadyCart, key: &str) -> Value {
    let buyer = cart.buyer.once(key);
    let place = || async {
        let answer = buyer
            .try_send(Method::POST, "/orders", Some(cart.order(manual())))
            .await;
        answer.map_or(
            Value::Null,
            |answer| json!({"status": answer.status, "body": answer.json}),
        )
    };
    let is_final = |answer: &Value| {
        let status = answer["status"].as_u64().unwrap_or(503);
        status < 500 && answer["body"]["code"] != "request_in_progress"
    };
    eventually(place, is_final).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_process_that_dies_between_two_steps_leaves_one_order_or_none() {
    let held: Arc<Mutex<Option<(&str, Treatment)>>> = Arc::default();
    let plan_of_calls = || {
        let held = Arc::clone(&held);
        move |path: &str| match *held.lock().unwrap() {
            Some((chosen, treatment)) if chosen == path => treatment,
            _ => Treatment::Pass,
        }
    };
    let mut plan = FleetPlan::of([1; 5]);
    plan.settings.push(("order.lease", "2s".to_owned()));
    let cart_way = Interposer::before(plan.address_of("cart-0"), plan_of_calls()).await;
    let product_way = Interposer::before(plan.address_of("product-0"), plan_of_calls()).await;
    plan.detours = vec![
        ("order", "cart", cart_way.url()),
        ("order", "product", product_way.url()),
    ];
    let mut fleet = ProcessFleet::start(plan).await;
    let product = fleet.admin().await.product(1000, 100).await;
    let steps = [
        ("/internal/cart/freeze", &cart_way),
        ("/internal/product/reserve", &product_way),
        ("/internal/product/commit-all", &product_way),
        ("/internal/cart/complete-all", &cart_way),
    ];
    for (path, way) in steps {
        for treatment in [Treatment::HeldBefore, Treatment::HeldAfter] {
            let cart = fleet.anonymous().ready_cart(&[(variant(&product), 1)]).await;
            let key = unique("order");
            *held.lock().unwrap() = Some((path, treatment));
            let (first, repeated) = (cart.clone(), key.clone());
            let order = cart.order(manual());
            let client = tokio::spawn(async move {
                let buyer = first.buyer.once(repeated);
                buyer.try_send(Method::POST, "/orders", Some(order)).await
            });
            way.held_once_more().await;
            fleet.kill("order-0");
            *held.lock().unwrap() = None;
            let first = client.await.unwrap().unwrap();
            fleet.start_again(&["order-0".to_owned()]).await;

            let answer = place_until_answered(&cart, &key).await;
            assert_eq!(answer["status"], 201, "{path} {treatment:?}: {answer:#}");
            assert_eq!(place_until_answered(&cart, &key).await, answer, "{path} {treatment:?}");
            if first.status == 201 {
                assert_eq!(first.json, answer["body"], "{path} {treatment:?}: one key, one answer");
            }
        }
    }
    books_come_in_order(&fleet).await;
    let path = format!("/products/{}", product["handle"].as_str().unwrap());
    let left = || async { fleet.anonymous().get(&path).await.expect(200)["variants"][0]["available"].clone() };
    eventually(left, |left| *left == 92).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_comes_and_goes_costs_hardly_anybody_an_answer() {
    let store = Store::spread(Topology::Five, []).await;
    let admin = store.admin().await;
    let product = admin.product(1000, 10).await;
    let path = format!("/products/{}", product["handle"].as_str().unwrap());
    let upstream = |module: &str| format!("http://{}", store.internal_of(module));
    let started = std::time::Instant::now();
    let comes_and_goes = move |_: &str| match started.elapsed().as_secs() % 2 {
        0 => Treatment::Pass,
        _ => Treatment::Refused,
    };
    let flapping = Interposer::before(store.internal_of("product"), comes_and_goes).await;
    let (user, cart, order) = (upstream("user"), upstream("cart"), upstream("order"));
    let gateway = store
        .start_beside([
            ("run", "gateway"),
            (
                "upstream.product",
                &format!("{},{}", upstream("product"), flapping.url()),
            ),
            ("upstream.user", &user),
            ("upstream.cart", &cart),
            ("upstream.order", &order),
        ])
        .await;
    let url = format!("http://{}/api/v1{path}", gateway.public().unwrap());
    let (mut requests, mut failures) = (0, 0);
    while started.elapsed() < Duration::from_secs(8) {
        requests += 1;
        failures += i32::from(store.client.get(&url).send().await.unwrap().status() != 200);
    }
    assert!(100 * failures <= requests, "{failures} of {requests}");
    crate::support::runtime::run(gateway.stop()).await;
}
