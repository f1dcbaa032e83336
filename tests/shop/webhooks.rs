//! Events told to places outside the shop: as Standard Webhooks 1.0 has it, to nobody inside, until they have arrived.

use chrono::TimeDelta;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use super::support::{Admin, Echo, Reply, Seen, Store, answer, eventually, manual, runtime, variant};

/// A store that may send to this machine.
async fn store() -> Store {
    Store::with([
        ("webhooks.allow_insecure", "true"),
        ("webhooks.allow_networks", "127.0.0.0/8"),
    ])
    .await
}

/// Takes everything.
fn taken(_: &Seen) -> Reply {
    Reply::Bytes(answer("200 OK", &[], "thanks"))
}

/// Refuses everything.
fn refused(_: &Seen) -> Reply {
    Reply::Bytes(answer("500 Internal Server Error", &[], "out of order"))
}

/// Has `echo` told of events; answers the endpoint with its secret.
async fn told(admin: &Admin, echo: &Echo, events: Value) -> Value {
    let new = json!({"url": format!("{}/hooks", echo.url()), "event_types": events});
    admin.post("/admin/webhook-endpoints", new).await.expect(201)
}

fn path(endpoint: &Value) -> String {
    format!("/admin/webhook-endpoints/{}", endpoint["id"].as_str().unwrap())
}

/// The deliveries to an endpoint once `wanted` holds of them.
async fn deliveries(admin: &Admin, endpoint: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let path = format!("{}/deliveries", path(endpoint));
    let ask = || async { admin.get(&path).await.expect(200)["data"].clone() };
    eventually(ask, wanted).await
}

/// What has come once it is as much as `count`.
async fn come(echo: &Echo, count: usize) -> Vec<Seen> {
    eventually(
        async || json!(echo.seen().len()),
        |seen| seen.as_u64() >= Some(count as u64),
    )
    .await;
    echo.seen()
}

fn message(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

/// Verifies a message with the standard's own library.
fn verifies(seen: &Seen, secret: &Value) -> bool {
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(HeaderName::from_static(name), seen.header(name).parse().unwrap());
    }
    let verifier = Webhook::new(secret.as_str().unwrap()).unwrap();
    verifier.verify(&seen.body, &headers).is_ok()
}

#[tokio::test]
async fn an_order_is_told_of_as_staff_see_it_signed_as_the_standard_has_it() {
    let (store, echo) = (store().await, Echo::start().await);
    echo.answers(taken);
    let admin = store.admin().await;
    let endpoint = told(&admin, &echo, json!(["order.placed", "order.cancelled"])).await;
    let product = admin.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    let order = cart.buy(manual()).await.expect(201);
    let placed = come(&echo, 1).await.remove(0);
    assert_eq!((placed.method.as_str(), placed.target.as_str()), ("POST", "/hooks"));
    assert_eq!(placed.header("content-type"), "application/json");
    assert!(verifies(&placed, &endpoint["secret"]));
    let other = json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=");
    assert!(!verifies(&placed, &other), "another secret verifies nothing");
    let told = message(&placed);
    assert_eq!(
        (&told["type"], &told["data"]["id"]),
        (&json!("order.placed"), &order["id"])
    );
    assert_eq!(told["data"]["lines"][0]["quantity"], 2);
    assert_eq!(told["data"]["totals"], order["totals"]);
    assert!(told["data"].get("secret").is_none(), "{told}");
    assert!(placed.header("webhook-id").starts_with("event_"));

    let holder = cart.buyer.with("Order-Secret", order["secret"].as_str().unwrap());
    let cancel = format!("/orders/{}/cancel", order["id"].as_str().unwrap());
    holder.post(&cancel, json!({})).await.expect(200);
    let cancelled = come(&echo, 2).await.remove(1);
    let then = message(&cancelled);
    assert_eq!(
        (&then["type"], &then["data"]["status"]),
        (&json!("order.cancelled"), &json!("cancelled"))
    );
    assert!(
        then["sequence"].as_i64() > told["sequence"].as_i64(),
        "{then} after {told}"
    );
    assert_ne!(cancelled.header("webhook-id"), placed.header("webhook-id"));
    assert!(verifies(&cancelled, &endpoint["secret"]));

    let list = deliveries(&admin, &endpoint, |list| {
        list.as_array().unwrap().iter().all(|one| one["state"] == "delivered")
    })
    .await;
    assert_eq!(list.as_array().unwrap().len(), 2, "each once: {list:#}");
    assert_eq!(list[1]["event_id"], placed.header("webhook-id"));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_siblings_publish_is_told_of_to_whoever_has_chosen_it_and_to_no_other() {
    let (store, catalogue, carts) = (store().await, Echo::start().await, Echo::start().await);
    catalogue.answers(taken);
    carts.answers(taken);
    let admin = store.admin().await;
    told(&admin, &catalogue, json!(["product.changed"])).await;
    told(&admin, &carts, json!(["cart.left"])).await;
    let product = admin.product(1000, 5).await;
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let changed = come(&catalogue, 1).await.remove(0);
    assert_eq!(message(&changed)["type"], "product.changed");
    assert_eq!(message(&changed)["data"]["product"], product["id"]);
    store.clock().advance(TimeDelta::hours(2));
    // Its jobs begin with a round each, which those of the others are not due for.
    let another = store.start_beside([("run", "gateway,user,product,cart,order")]).await;
    let left = come(&carts, 1).await.remove(0);
    assert_eq!(
        (&message(&left)["type"], &message(&left)["data"]["cart"]),
        (&json!("cart.left"), &json!(cart.id))
    );
    let types = |echo: &Echo| {
        echo.seen()
            .iter()
            .map(|seen| message(seen)["type"].clone())
            .collect::<Vec<_>>()
    };
    assert!(types(&catalogue).iter().all(|kind| kind == "product.changed"));
    assert!(types(&carts).iter().all(|kind| kind == "cart.left"));
    runtime::run(another.stop()).await;
}

#[tokio::test]
async fn what_is_not_taken_is_sent_again_later_under_the_same_id_with_the_same_bytes() {
    let (store, echo) = (store().await, Echo::start().await);
    echo.answers(refused);
    let admin = store.admin().await;
    let endpoint = told(&admin, &echo, Value::Null).await;
    admin
        .post(&format!("{}/test", path(&endpoint)), json!({}))
        .await
        .expect(202);
    let failed = deliveries(&admin, &endpoint, |list| list[0]["attempts"] == 1).await[0].clone();
    assert_eq!(
        (&failed["state"], &failed["event_type"]),
        (&json!("pending"), &json!("webhook.test"))
    );
    echo.answers(|_| Reply::Bytes(answer("503 Busy", &[("retry-after", "7200")], "")));
    store.clock().advance(TimeDelta::seconds(6));
    let paused = deliveries(&admin, &endpoint, |list| list[0]["attempts"] == 2).await[0].clone();
    let time = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    assert!(
        time(&paused["due_at"]) - time(&paused["updated_at"]) >= TimeDelta::hours(2),
        "two hours were asked for: {paused}"
    );
    echo.answers(taken);
    store.clock().advance(TimeDelta::hours(2));
    let admin = store.admin().await;
    let delivered = deliveries(&admin, &endpoint, |list| list[0]["state"] == "delivered").await[0].clone();
    assert_eq!(
        (&delivered["attempts"], &delivered["due_at"]),
        (&json!(3), &Value::Null)
    );
    let seen = echo.seen();
    assert_eq!(seen.len(), 3);
    assert!(
        seen.iter()
            .all(|one| one.header("webhook-id") == seen[0].header("webhook-id"))
    );
    assert!(seen.iter().all(|one| one.body == seen[0].body));
    let stamps: Vec<i64> = seen
        .iter()
        .map(|one| one.header("webhook-timestamp").parse().unwrap())
        .collect();
    assert!(
        stamps[0] < stamps[1] && stamps[1] < stamps[2],
        "each attempt is signed anew: {stamps:?}"
    );

    let one = format!("/admin/webhook-deliveries/{}", delivered["id"].as_str().unwrap());
    let whole = admin.get(&one).await.expect(200);
    let tries: Vec<(i64, &str)> = whole["tries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (attempt["status"].as_i64().unwrap(), attempt["answer"].as_str().unwrap()))
        .collect();
    assert_eq!(tries, [(500, "out of order"), (503, ""), (200, "thanks")]);
    assert_eq!(whole["body"], String::from_utf8(seen[0].body.clone()).unwrap());
    let again = admin.once("again").post(&format!("{one}/redeliver"), json!({})).await;
    assert_eq!(again.expect(202)["state"], "pending");
    let again = come(&echo, 4).await.remove(3);
    assert_eq!(
        (again.header("webhook-id"), &again.body),
        (seen[0].header("webhook-id"), &seen[0].body)
    );
    deliveries(&admin, &endpoint, |list| {
        list[0]["state"] == "delivered" && list[0]["attempts"] == 4
    })
    .await;
    let repeated = admin.once("again").post(&format!("{one}/redeliver"), json!({})).await;
    assert_eq!(repeated.header("idempotent-replayed"), "true");
    let pending = format!("{}/deliveries?state=pending", path(&endpoint));
    assert_eq!(admin.get(&pending).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_disabled_at_once_and_gets_what_was_pending_when_it_is_back() {
    let (store, echo) = (store().await, Echo::start().await);
    echo.answers(|_| Reply::Bytes(answer("410 Gone", &[], "")));
    let admin = store.admin().await;
    let endpoint = told(&admin, &echo, json!(["order.placed"])).await;
    let endpoint_path = path(&endpoint);
    admin
        .post(&format!("{endpoint_path}/test"), json!({}))
        .await
        .expect(202);
    let ask = || async { admin.get(&endpoint_path).await.expect(200) };
    let disabled = eventually(ask, |endpoint| endpoint["enabled"] == false).await;
    assert_eq!(
        (&disabled["disabled_reason"], &disabled["version"]),
        (&json!("gone"), &json!(2))
    );
    let refused = admin.post(&format!("{endpoint_path}/test"), json!({})).await;
    refused.problem(409, "endpoint_disabled");
    let one = deliveries(&admin, &endpoint, |list| list[0]["attempts"] == 1).await[0].clone();
    let redeliver = format!("/admin/webhook-deliveries/{}/redeliver", one["id"].as_str().unwrap());
    admin
        .post(&redeliver, json!({}))
        .await
        .problem(409, "endpoint_disabled");
    echo.answers(taken);
    let enable = json!({"enabled": true});
    admin
        .patch(&endpoint_path, enable.clone())
        .await
        .problem(428, "precondition_required");
    admin
        .with("If-Match", "\"1\"")
        .patch(&endpoint_path, enable.clone())
        .await
        .problem(412, "precondition_failed");
    let enabled = admin
        .with("If-Match", "\"2\"")
        .patch(&endpoint_path, enable)
        .await
        .expect(200);
    assert_eq!(
        (&enabled["disabled_reason"], &enabled["failing_since"]),
        (&Value::Null, &Value::Null)
    );
    store.clock().advance(TimeDelta::seconds(6));
    deliveries(&admin, &endpoint, |list| list[0]["state"] == "delivered").await;
    assert_eq!(echo.seen().len(), 2);
}

#[tokio::test]
async fn an_endpoint_where_nothing_succeeds_for_five_days_is_disabled() {
    let (store, echo) = (store().await, Echo::start().await);
    echo.answers(refused);
    let admin = store.admin().await;
    let endpoint = told(&admin, &echo, json!(["order.placed"])).await;
    admin
        .post(&format!("{}/test", path(&endpoint)), json!({}))
        .await
        .expect(202);
    deliveries(&admin, &endpoint, |list| list[0]["attempts"] == 1).await;
    let failing = admin.get(&path(&endpoint)).await.expect(200);
    assert_eq!(failing["enabled"], true);
    assert!(failing["failing_since"].is_string(), "{failing}");
    store.clock().advance(TimeDelta::hours(121));
    let admin = store.admin().await;
    let ask = || async { admin.get(&path(&endpoint)).await.expect(200) };
    let disabled = eventually(ask, |endpoint| endpoint["enabled"] == false).await;
    assert_eq!(disabled["disabled_reason"], "failing");
    assert_eq!(disabled["failing_since"], failing["failing_since"]);
}

#[tokio::test]
async fn a_secret_is_shown_once_and_the_one_before_holds_for_a_day() {
    let (store, echo) = (store().await, Echo::start().await);
    echo.answers(taken);
    let admin = store.admin().await;
    let new = json!({"url": echo.url(), "event_types": ["order.placed"], "description": "ERP"});
    let made = admin
        .once("new")
        .post("/admin/webhook-endpoints", new.clone())
        .await
        .expect(201);
    let again = admin.once("new").post("/admin/webhook-endpoints", new).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(
        again.expect(201),
        made,
        "whoever repeats the request gets the same answer"
    );
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let path = path(&made);
    let shown = admin.get(&path).await;
    assert_eq!(shown.header("etag"), "\"1\"");
    assert!(shown.expect(200).get("secret").is_none());
    let list = admin.get("/admin/webhook-endpoints").await;
    assert!(!list.text.contains("whsec_"), "{}", list.text);

    let rotated = admin.post(&format!("{path}/secret"), json!({})).await.expect(201);
    assert_ne!(rotated["secret"], made["secret"]);
    admin.post(&format!("{path}/test"), json!({})).await.expect(202);
    let seen = come(&echo, 1).await.remove(0);
    assert!(verifies(&seen, &made["secret"]) && verifies(&seen, &rotated["secret"]));
    store.clock().advance(TimeDelta::hours(25));
    let admin = store.admin().await;
    admin.post(&format!("{path}/test"), json!({})).await.expect(202);
    let seen = come(&echo, 2).await.remove(1);
    assert_eq!(seen.header("webhook-signature").split(' ').count(), 1);
}

#[tokio::test]
async fn addresses_inside_are_refused_when_they_are_typed_in_and_when_a_name_leads_there() {
    let (store, echo) = (Store::start().await, Echo::start().await);
    let admin = store.admin().await;
    let port = echo.url().rsplit(':').next().unwrap().to_owned();
    for (url, code) in [
        ("http://erp.example/", "insecure_url"),
        ("https://127.0.0.1/", "address_not_allowed"),
        ("https://[::1]/", "address_not_allowed"),
        ("https://169.254.169.254/latest/meta-data", "address_not_allowed"),
        ("https://erp.example:22/", "port_not_allowed"),
        ("https://ada:secret@erp.example/", "invalid_url"),
        ("file:///etc/passwd", "insecure_url"),
        ("erp.example", "invalid_url"),
    ] {
        let refused = admin.post("/admin/webhook-endpoints", json!({"url": url})).await;
        let problem = refused.problem(422, "validation_failed");
        assert_eq!(
            (&problem["errors"][0]["code"], &problem["errors"][0]["pointer"]),
            (&json!(code), &json!("/url"))
        );
    }
    let new = json!({"url": format!("https://localhost:{port}/")});
    let endpoint = admin.post("/admin/webhook-endpoints", new).await.expect(201);
    admin
        .post(&format!("{}/test", path(&endpoint)), json!({}))
        .await
        .expect(202);
    let failed = deliveries(&admin, &endpoint, |list| list[0]["attempts"] == 1).await[0].clone();
    let one = format!("/admin/webhook-deliveries/{}", failed["id"].as_str().unwrap());
    let whole = admin.get(&one).await.expect(200);
    assert_eq!(whole["tries"][0]["failure"], "address_not_allowed");
    assert_eq!((echo.seen().len(), echo.open()), (0, 0), "nobody was sent anything");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_delays_no_other() {
    let (store, slow, quick) = (store().await, Echo::start().await, Echo::start().await);
    slow.answers(|_| Reply::Stall(Vec::new()));
    quick.answers(taken);
    let admin = store.admin().await;
    let stuck = told(&admin, &slow, json!(["product.changed"])).await;
    told(&admin, &quick, json!(["product.changed"])).await;
    for _ in 0..12 {
        admin.product(1000, 5).await;
    }
    let ids = |echo: &Echo| {
        let mut ids: Vec<String> = echo
            .seen()
            .iter()
            .map(|seen| seen.header("webhook-id").to_owned())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        json!(ids.len())
    };
    eventually(async || ids(&quick), |ids| ids.as_u64() >= Some(12)).await;
    let waiting = format!("{}/deliveries?state=delivered", path(&stuck));
    assert_eq!(admin.get(&waiting).await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a_shop_has_so_many_endpoints_and_no_more_until_one_goes() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let new = json!({"url": "https://erp.example/"});
    let made =
        futures_util::future::join_all((0..24).map(|_| admin.post("/admin/webhook-endpoints", new.clone()))).await;
    let (fine, others): (Vec<_>, Vec<_>) = made.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((fine.len(), others.len()), (20, 4));
    for refused in others {
        let problem = refused.problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["code"], "too_many");
    }
    let first = admin.get("/admin/webhook-endpoints?limit=15").await.expect(200);
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let rest = admin
        .get(&format!("/admin/webhook-endpoints?limit=15&cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(
        (
            first["data"].as_array().unwrap().len(),
            rest["data"].as_array().unwrap().len()
        ),
        (15, 5)
    );
    let gone = path(&fine[0].json);
    admin.delete(&gone).await.problem(428, "precondition_required");
    assert_eq!(admin.with("If-Match", "\"1\"").delete(&gone).await.status, 204);
    admin.get(&gone).await.problem(404, "not_found");
    admin.get(&format!("{gone}/deliveries")).await.problem(404, "not_found");
    admin.post("/admin/webhook-endpoints", new).await.expect(201);
}

#[tokio::test]
async fn an_endpoint_is_told_of_events_that_there_are() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let url = "https://erp.example/";
    for events in [
        json!(["user.deleted"]),
        json!([]),
        json!(["webhook.test"]),
        json!("order.placed"),
    ] {
        let refused = admin
            .post("/admin/webhook-endpoints", json!({"url": url, "event_types": events}))
            .await;
        assert_eq!(refused.wrong_fields().len(), 1);
    }
    let made = admin
        .post("/admin/webhook-endpoints", json!({"url": url}))
        .await
        .expect(201);
    let chosen = json!({"event_types": ["stock.out", "stock.low"], "description": null});
    let patched = admin
        .with("If-Match", "*")
        .patch(&path(&made), chosen)
        .await
        .expect(200);
    assert_eq!(patched["event_types"], json!(["stock.low", "stock.out"]));
}
