//! Numbers without gaps, of a store that is killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::sync::Notify;

use crate::order_numbers::counted;
use crate::support::{StoreProcess, eventually, manual, sandbox, variant};

#[tokio::test]
async fn a_process_that_is_killed_loses_no_number() {
    let mut store = StoreProcess::with([("order.numbers", "gap_free"), ("order.lease", "2s")]).await;
    let product = store.admin().await.product(1000, 10_000).await;
    let anonymous = store.anonymous();
    let (confirmed, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let mut buyers = Vec::new();
    for _ in 0..6 {
        let mut carts = Vec::new();
        for _ in 0..10 {
            carts.push(anonymous.ready_cart(&[(variant(&product), 1)]).await);
        }
        let (confirmed, enough) = (Arc::clone(&confirmed), Arc::clone(&enough));
        buyers.push(tokio::spawn(async move {
            for (index, cart) in carts.iter().enumerate() {
                let payment = if index % 2 == 0 { manual() } else { sandbox("tok_ok") };
                let buyer = cart.buyer.once("once");
                let answer = buyer
                    .try_send(reqwest::Method::POST, "/orders", Some(cart.order(payment)))
                    .await;
                match answer {
                    Ok(answer) if answer.status == 201 && confirmed.fetch_add(1, Ordering::Relaxed) == 12 => {
                        enough.notify_one();
                    }
                    Ok(_) => (),
                    Err(_) => break,
                }
            }
            enough.notify_one();
        }));
    }
    enough.notified().await;
    store.kill();
    for buyer in buyers {
        buyer.await.unwrap();
    }
    store.start_again().await;
    let ask = || async { store.management("/readyz").await.json };
    eventually(ask, |readiness| readiness["ready"] == true).await;
    let ask = || async { json!(store.findings().await) };
    eventually(ask, |findings| *findings == json!([])).await;
    let admin = store.admin().await;
    let page = admin.get("/admin/orders?limit=100").await.expect(200);
    let orders = page["data"].as_array().unwrap();
    let end = 1000 + u64::try_from(orders.len()).unwrap();
    assert!(orders.len() > 12, "the burst was under way");
    assert_eq!(counted(orders, ""), (1001..=end).collect::<Vec<u64>>());
}
