//! Live status: an order that is watched while it lives.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::support::{Caller, Listener, Shop, Store, manual, sandbox, variant};

/// An order of a guest, and the guest with its secret.
async fn order(store: &Store, payment: Value) -> (Value, Caller) {
    let product = store.admin().await.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let order = cart.buy(payment).await.json;
    let holder = store
        .anonymous()
        .with("Order-Secret", order["secret"].as_str().unwrap());
    (order, holder)
}

fn path(order: &Value) -> String {
    format!("/orders/{}", order["id"].as_str().unwrap())
}

/// Where the stream is for whoever holds the order.
async fn stream(holder: &Caller, order: &Value) -> String {
    let ticket = holder
        .post(&format!("{}/stream", path(order)), json!({}))
        .await
        .expect(201);
    assert!(
        ticket["url"]
            .as_str()
            .unwrap()
            .ends_with(ticket["ticket"].as_str().unwrap())
    );
    ticket["url"].as_str().unwrap().to_owned()
}

async fn open(shop: &Shop, url: &str) -> Listener {
    Listener::open(shop, url, None).await.unwrap()
}

#[tokio::test]
async fn whoever_watches_an_order_sees_it_placed_and_cancelled() {
    let store = Store::with([("cors.origins", "https://shop.example")]).await;
    let (order, holder) = order(&store, sandbox("tok_requires_action")).await;
    let mut listener = open(&store, &stream(&holder, &order).await).await;
    assert_eq!(listener.header("access-control-allow-origin"), "https://shop.example");
    let first = listener.next().await.unwrap();
    assert_eq!(first.event, "order");
    assert_eq!(
        (&first.data["id"], &first.data["status"]),
        (&order["id"], &json!("pending_payment"))
    );
    assert_eq!(first.id, first.data["version"].to_string());

    let challenge = order["payments"][0]["next_action"]["url"].as_str().unwrap();
    let challenge = challenge.trim_start_matches("/api/v1");
    store
        .anonymous()
        .post(challenge, json!({"approve": true}))
        .await
        .expect(204);
    let placed = listener.until(|data| data["status"] == "placed").await;
    assert_eq!(placed.data["payment_status"], "captured");
    holder
        .post(&format!("{}/cancel", path(&order)), json!({}))
        .await
        .expect(200);
    let cancelled = listener.until(|data| data["status"] == "cancelled").await;
    let refunded = listener_until_refunded(&mut listener, cancelled.data).await;
    let shown = holder.get(&path(&order)).await.expect(200);
    assert!(refunded["version"].as_i64() <= shown["version"].as_i64());
    for member in ["status", "fulfilment_status"] {
        assert_eq!(refunded[member], shown[member]);
    }
}

/// The state in which the money is back.
async fn listener_until_refunded(listener: &mut Listener, mut seen: Value) -> Value {
    while seen["payment_status"] != "refunded" {
        seen = listener.next().await.unwrap().data;
    }
    seen
}

#[tokio::test]
async fn whoever_comes_back_hears_what_has_changed_meanwhile_and_nothing_else() {
    let store = Store::start().await;
    let (order, holder) = order(&store, manual()).await;
    let url = stream(&holder, &order).await;
    let mut listener = open(&store, &url).await;
    let first = listener.next().await.unwrap();
    assert_eq!(first.data["status"], "placed");
    drop(listener);
    let mut back = Listener::open(&store, &url, Some(&first.id)).await.unwrap();
    holder
        .post(&format!("{}/cancel", path(&order)), json!({}))
        .await
        .expect(200);
    let next = back.next().await.unwrap();
    assert_eq!(next.data["status"], "cancelled", "what was heard is not told again");
    drop(back);
    let mut again = Listener::open(&store, &url, Some(&first.id)).await.unwrap();
    assert_eq!(again.next().await.unwrap().data["status"], "cancelled");
    // A version that there never was.
    let mut ahead = Listener::open(&store, &url, Some("4711")).await.unwrap();
    assert_eq!(ahead.next().await.unwrap().data["status"], "cancelled");
    let nonsense = Listener::open(&store, &url, Some("x")).await.err().unwrap();
    nonsense.problem(400, "invalid_last_event_id");
}

#[tokio::test]
async fn a_ticket_is_for_whoever_holds_the_order_and_opens_no_other() {
    let store = Store::start().await;
    let (order, holder) = order(&store, manual()).await;
    let stream_path = format!("{}/stream", path(&order));
    store
        .anonymous()
        .post(&stream_path, json!({}))
        .await
        .problem(404, "not_found");
    store
        .customer()
        .await
        .post(&stream_path, json!({}))
        .await
        .problem(404, "not_found");
    let staff = store
        .admin()
        .await
        .post(&format!("/admin{stream_path}"), json!({}))
        .await
        .expect(201);
    open(&store, staff["url"].as_str().unwrap()).await;

    let url = stream(&holder, &order).await;
    let (other, _) = self::order(&store, manual()).await;
    let foreign = url.replace(order["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let refused = |url: String| {
        let shop = (*store).clone();
        async move { Listener::open(&shop, &url, None).await.err().unwrap() }
    };
    refused(foreign).await.problem(404, "not_found");
    refused(format!("{url}A")).await.problem(404, "not_found");
    refused(format!("/api/v1{stream_path}"))
        .await
        .problem(401, "ticket_required");
    store.clock().advance(TimeDelta::seconds(62));
    refused(url.clone()).await.problem(401, "ticket_expired");
    let mut back = Listener::open(&store, &url, Some("0")).await.unwrap();
    assert_eq!(back.next().await.unwrap().data["id"], order["id"]);
    store.clock().advance(TimeDelta::hours(1));
    let late = Listener::open(&store, &url, Some("0")).await.err().unwrap();
    late.problem(401, "ticket_expired");
}

#[tokio::test]
async fn so_many_may_watch_an_order_in_one_process_and_no_more() {
    // Of two processes each counts for itself.
    let store = Store::with([("run", "gateway,user,product,cart,order")]).await;
    let (order, holder) = order(&store, manual()).await;
    let url = stream(&holder, &order).await;
    let mut listeners = Vec::new();
    for _ in 0..10 {
        listeners.push(open(&store, &url).await);
    }
    let refused = Listener::open(&store, &url, None).await.err().unwrap();
    refused.problem(429, "too_many_watchers");
    assert_eq!(holder.get(&path(&order)).await.status, 200);
}
