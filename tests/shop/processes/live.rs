//! Orders that are watched through processes that stop or die.

use serde_json::{Value, json};

use crate::support::{Caller, Listener, StoreProcess, manual, variant};

async fn order(store: &StoreProcess) -> (Value, String) {
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let order = cart.buy(manual()).await.expect(201);
    let holder = holder(store, &order);
    let path = format!("/orders/{}/stream", order["id"].as_str().unwrap());
    let ticket = holder.post(&path, json!({})).await.expect(201);
    let url = ticket["url"].as_str().unwrap().to_owned();
    (order, url)
}

/// Whoever holds the order, in the store as it runs now.
fn holder(store: &StoreProcess, order: &Value) -> Caller {
    store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap())
}

#[tokio::test]
async fn after_a_crash_the_same_address_tells_what_was_missed() {
    let mut store = StoreProcess::start().await;
    let (order, url) = order(&store).await;
    let mut listener = Listener::open(&store, &url, None).await.unwrap();
    let first = listener.next().await.unwrap();
    assert_eq!(first.data["status"], "placed");
    store.kill();
    store.start_again().await;
    let cancel = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
    holder(&store, &order).post(&cancel, json!({})).await.expect(200);
    let mut back = Listener::open(&store, &url, Some(&first.id)).await.unwrap();
    let missed = back.next().await.unwrap();
    assert_eq!(missed.data["status"], "cancelled");
    assert!(missed.data["version"].as_i64() > first.data["version"].as_i64());
}

#[tokio::test]
async fn a_process_that_stops_ends_its_streams_as_they_should_and_does_not_wait_for_them() {
    // Longer than a test waits for the end of a process.
    let mut store = StoreProcess::with([("server.drain_timeout", "24s"), ("server.drain_delay", "1s")]).await;
    let (_, url) = order(&store).await;
    let mut listener = Listener::open(&store, &url, None).await.unwrap();
    assert_eq!(listener.next().await.unwrap().data["status"], "placed");
    store.signal(libc::SIGTERM);
    assert_eq!(listener.next().await, None, "the stream ends before its process does");
    assert_eq!(store.wait().code(), Some(0));
}
