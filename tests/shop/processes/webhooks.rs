//! Webhooks whose process dies.

use serde_json::json;

use crate::support::{Echo, Reply, StoreProcess, answer, eventually, manual, variant};

#[tokio::test]
async fn what_was_being_sent_when_the_process_was_killed_arrives_under_the_same_id() {
    let mut store = StoreProcess::with([
        ("webhooks.allow_insecure", "true"),
        ("webhooks.allow_networks", "127.0.0.0/8"),
    ])
    .await;
    let echo = Echo::start().await;
    echo.answers(|_| Reply::Stall(Vec::new()));
    let admin = store.admin().await;
    let new = json!({"url": echo.url(), "event_types": ["order.placed"]});
    let endpoint = admin.post("/admin/webhook-endpoints", new).await.expect(201);
    let product = admin.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let order = cart.buy(manual()).await.expect(201);
    eventually(async || json!(echo.seen().len()), |seen| *seen == 1).await;
    store.kill();
    echo.answers(|_| Reply::Bytes(answer("204 No Content", &[], "")));
    store.start_again().await;
    // As soon as the lease of the process that has died is over.
    eventually(async || json!(echo.seen().len()), |seen| *seen == 2).await;
    let seen = echo.seen();
    assert_eq!(seen[0].header("webhook-id"), seen[1].header("webhook-id"));
    assert_eq!(seen[0].body, seen[1].body);
    assert!(String::from_utf8_lossy(&seen[0].body).contains(order["id"].as_str().unwrap()));
    let path = format!(
        "/admin/webhook-endpoints/{}/deliveries",
        endpoint["id"].as_str().unwrap()
    );
    let admin = store.admin().await;
    let ask = || async { admin.get(&path).await.expect(200)["data"].clone() };
    let list = eventually(ask, |list| list[0]["state"] == "delivered").await;
    assert_eq!(list.as_array().unwrap().len(), 1, "one event is one delivery");
    assert_eq!(store.findings().await, [""; 0]);
}
