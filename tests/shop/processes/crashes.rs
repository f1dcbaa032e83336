//! Crashes: a store that is killed in the middle of its work, or loses its database, owes nobody anything afterwards.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::{Anonymous, ReadyCart, StoreProcess, eventually, manual, sandbox, variant};

/// What a crash hits.
#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Store,
    Database,
}

/// A buyer who buys one cart after the other, and notes the orders that were confirmed.
async fn shop_until_it_fails(
    anonymous: Anonymous,
    carts: Vec<ReadyCart>,
    confirmed: Arc<AtomicUsize>,
    enough: Arc<Notify>,
) -> Vec<Value> {
    let mut orders = Vec::new();
    for (number, cart) in carts.iter().enumerate() {
        let payment = match number % 3 {
            0 => manual(),
            1 => sandbox("tok_ok"),
            _ => sandbox("tok_declined"),
        };
        let url = format!("http://{}/api/v1/orders", anonymous.shop.address());
        let request = anonymous
            .shop
            .client
            .post(url)
            .json(&cart.order(payment))
            .header("Idempotency-Key", "once");
        let request = request.header("Cart-Secret", &cart.secret);
        let Ok(answer) = request.send().await else { break };
        let status = answer.status().as_u16();
        let Ok(body) = answer.json::<Value>().await else { break };
        if status == 201 {
            orders.push(body);
            if confirmed.fetch_add(1, Ordering::Relaxed) == 15 {
                enough.notify_one();
            }
        }
    }
    enough.notify_one();
    orders
}

async fn survives(victim: Victim) {
    let mut store = StoreProcess::with([("order.lease", "2s")]).await;
    let product = store.admin().await.product(1000, 10_000).await;
    let anonymous = store.anonymous();
    let carts = join_all((0..8).map(|_| async {
        let mut carts = Vec::new();
        for _ in 0..12 {
            carts.push(anonymous.ready_cart(&[(variant(&product), 1)]).await);
        }
        carts
    }))
    .await;
    let (confirmed, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let buyers: Vec<_> = carts
        .iter()
        .map(|carts| {
            tokio::spawn(shop_until_it_fails(
                anonymous.clone(),
                carts.clone(),
                Arc::clone(&confirmed),
                Arc::clone(&enough),
            ))
        })
        .collect();
    enough.notified().await;
    match victim {
        Victim::Store => store.kill(),
        Victim::Database => store.kill_postmaster(),
    }
    let mut orders = Vec::new();
    for buyer in buyers {
        orders.extend(buyer.await.unwrap());
    }
    assert!(orders.len() > 15, "the burst was under way");
    if victim == Victim::Store {
        store.start_again().await;
    }
    let ask = || async { store.management("/readyz").await.json };
    eventually(ask, |readiness| readiness["ready"] == true).await;
    let anonymous = store.anonymous();
    for order in &orders {
        let path = format!("/orders/{}", order["id"].as_str().unwrap());
        let holder = anonymous.with("Order-Secret", order["secret"].as_str().unwrap());
        let seen = holder.get(&path).await.expect(200);
        assert_eq!(seen["status"], "placed");
        assert_eq!(seen["number"], order["number"]);
    }
    // Whoever got no answer repeats the request with the same key, and gets one order.
    let mut numbers: HashSet<String> = orders
        .iter()
        .map(|order| order["id"].as_str().unwrap().to_owned())
        .collect();
    for cart in carts.iter().flatten() {
        let cart = ReadyCart {
            buyer: anonymous.with("Cart-Secret", &cart.secret),
            ..cart.clone()
        };
        let body = cart.order(sandbox("tok_ok"));
        let repeat = || async {
            let answer = cart.buyer.once("once").post("/orders", body.clone()).await;
            json!({"status": answer.status, "body": answer.json})
        };
        let answer = eventually(repeat, |answer| {
            answer["status"] != 503 && answer["body"]["code"] != "request_in_progress"
        })
        .await;
        if answer["status"] == 201 {
            numbers.insert(answer["body"]["id"].as_str().unwrap().to_owned());
        } else {
            // Another payment than the one that was sent first, or declined back then.
            assert!(matches!(answer["status"].as_u64(), Some(402 | 409 | 422)), "{answer}");
        }
    }
    assert!(numbers.len() >= orders.len());
    let ask = || async { json!(store.findings().await) };
    eventually(ask, |findings| findings.as_array().is_some_and(Vec::is_empty)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_in_a_burst_of_orders_keeps_every_order_it_confirmed() {
    survives(Victim::Store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_whose_database_is_killed_in_a_burst_of_orders_keeps_every_order_it_confirmed() {
    survives(Victim::Database).await;
}
