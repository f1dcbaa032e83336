//! The gateway's cache: what is everybody's is given from memory, what is somebody's never, and nothing that has changed.

mod gateway;
mod upstream;

use std::sync::atomic::Ordering;

use chrono::Duration;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Admin, Caller, Shop, Store, Topology, runtime, unique};
use gateway::Gateway;
use upstream::Upstream;

/// Enough for everything that a test asks for.
const CACHE: (&str, &str) = ("gateway.cache_bytes", "33554432");

/// A store that keeps things, with one process of each kind: what one of several knows, the others learn
/// later.
async fn one_gateway() -> Store {
    let topology = match Topology::chosen() {
        Topology::Replicated => Topology::Five,
        chosen => chosen,
    };
    Store::spread(topology, [CACHE]).await
}

/// Asks until the gateway hears of changes, and therefore keeps things.
async fn kept(caller: &Caller, path: &str) {
    let started = std::time::Instant::now();
    while caller.get(path).await.header("cache-status") != "bodega; hit" {
        assert!(started.elapsed().as_secs() < 30, "{path} is never kept");
        tokio::task::yield_now().await;
    }
}

/// Waits until the news of what the test has made are over: nothing is lost any more.
async fn quiet(caller: &Caller) {
    let quiet = || async {
        kept(caller, "/categories").await;
        tokio::time::sleep(std::time::Duration::from_secs(4)).await;
        caller.get("/categories").await.header("cache-status") == "bodega; hit"
    };
    while !quiet().await {}
}

/// Asks until what is shown is as it should be.
async fn shown(caller: &Caller, path: &str, wanted: impl Fn(&Value) -> bool) {
    let started = std::time::Instant::now();
    loop {
        let seen = caller.get(path).await.json;
        if wanted(&seen) {
            return;
        }
        assert!(started.elapsed().as_secs() < 30, "{path} never came true: {seen}");
        tokio::task::yield_now().await;
    }
}

async fn rename(admin: &Admin, product: &Value, title: &str) {
    let path = format!("/admin/products/{}", product["id"].as_str().unwrap());
    let version = admin.get(&path).await.header("etag").to_owned();
    let editor = admin.with("If-Match", version);
    editor.patch(&path, json!({"title": title})).await.expect(200);
}

fn path_of(product: &Value) -> String {
    format!("/products/{}", product["id"].as_str().unwrap())
}

#[tokio::test]
async fn the_second_visitor_gets_what_the_first_one_got() {
    let store = one_gateway().await;
    let product = store.admin().await.product(900, 5).await;
    let visitor = store.anonymous();
    quiet(&visitor).await;
    let path = path_of(&product);

    let first = visitor.get(&path).await;
    assert_eq!(first.header("cache-status"), "bodega; fwd=miss; stored");
    assert_eq!(first.header("age"), "");
    store.clock().advance(Duration::seconds(3));
    let second = visitor.get(&path).await;
    assert_eq!(second.header("cache-status"), "bodega; hit");
    assert_eq!(second.header("age"), "3");
    assert_eq!((second.status, &second.json), (200, &first.json));
    for name in ["content-type", "cache-control", "etag", "content-length", "vary"] {
        assert_eq!(second.header(name), first.header(name), "{name}");
    }
    assert!(second.header("cache-control").starts_with("public, max-age=5,"));
    assert_ne!(second.header("x-request-id"), first.header("x-request-id"));

    for tag in [
        first.header("etag"),
        first.header("etag").trim_start_matches("W/"),
        "\"x\", *",
    ] {
        let known = visitor.with("If-None-Match", tag).get(&path).await;
        assert_eq!((known.status, known.text.as_str()), (304, ""), "{tag}");
        assert_eq!(known.header("etag"), first.header("etag"));
        assert_eq!(known.header("cache-status"), "bodega; hit");
    }
    let unknown = visitor.with("If-None-Match", "\"other\"").get(&path).await;
    assert_eq!(unknown.status, 200);
    let head = visitor.send(reqwest::Method::HEAD, &path, None).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), first.header("content-length"));
    assert_eq!(head.header("cache-status"), "bodega; hit");

    let metrics = store.management("/metrics").await.text;
    assert!(
        metrics.contains("gateway_cache_requests_total{result=\"hit\"}"),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_is_kept_leaves_in_the_form_that_the_client_likes() {
    let store = one_gateway().await;
    let admin = store.admin().await;
    for _ in 0..20 {
        admin.product(900, 5).await;
    }
    quiet(&store.anonymous()).await;
    // A client that does not unpack by itself.
    let mut shop = store.behind_one_gateway();
    shop.client = reqwest::Client::builder().no_gzip().build().unwrap();
    let list = |coding: &'static str| {
        let caller = shop.anonymous().with("Accept-Encoding", coding);
        async move { caller.get("/products").await }
    };
    let plain = list("identity").await;
    assert_eq!(plain.header("content-encoding"), "");
    for (accepted, coding) in [("br, gzip", "br"), ("gzip", "gzip"), ("gzip;q=0.5, br;q=0.1", "gzip")] {
        let answer = list(accepted).await;
        assert_eq!(answer.header("cache-status"), "bodega; hit", "{accepted}");
        assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
        assert_eq!(answer.header("vary"), plain.header("vary"), "{accepted}");
        assert_eq!(answer.header("etag"), plain.header("etag"));
        assert_ne!(answer.text, plain.text);
    }
    // What is not kept in the one form that a client names leaves as it is.
    assert_eq!(list("deflate").await.text, plain.text);
    // The other one does.
    let unpacked = store.anonymous().get("/products").await;
    assert_eq!(
        (unpacked.header("cache-status"), &unpacked.json),
        ("bodega; hit", &plain.json)
    );
    // What is short is not worth it.
    let short = store.anonymous().with("Accept-Encoding", "br").get("/categories").await;
    assert_eq!(
        (short.header("cache-status"), short.header("content-encoding")),
        ("bodega; hit", "")
    );
}

#[tokio::test]
async fn whoever_shows_who_they_are_gets_an_answer_of_their_own() {
    let store = one_gateway().await;
    let product = store.admin().await.product(900, 5).await;
    let path = path_of(&product);
    kept(&store.anonymous(), &path).await;
    let (ada, bob) = (store.customer().await, store.customer().await);
    let anonymous = store.anonymous();
    let identified = [
        ada.with("X-Test", "1"),
        anonymous.with("Cookie", "session=1"),
        anonymous.with("Cart-Secret", "x"),
        anonymous.with("Order-Secret", "x"),
        anonymous.with("Range", "bytes=0-1"),
    ];
    for caller in identified {
        let answer = caller.get(&path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-status"), "bodega; fwd=bypass");
        assert_eq!(answer.header("age"), "");
    }
    for _ in 0..3 {
        for customer in [&ada, &bob] {
            let profile = customer.get("/me").await;
            assert_eq!(profile.header("cache-status"), "");
            assert_eq!(profile.expect(200)["email"], customer.email());
        }
    }
    // Deceptions: an extension makes nothing public.
    for path in ["/me/x.css", "/admin/products?x.js", "/admin/products"] {
        let answer = anonymous.get(path).await;
        assert!(!answer.header("cache-status").contains("stored"), "{path}");
        assert_eq!(answer.header("cache-control"), "private, no-store", "{path}");
    }
}

#[tokio::test]
async fn an_edit_through_the_same_gateway_is_seen_at_once() {
    let store = one_gateway().await;
    let admin = store.admin().await;
    let product = admin.product(900, 5).await;
    let visitor = store.anonymous();
    for path in [
        path_of(&product),
        "/products".to_owned(),
        "/products/suggest?q=renamed".to_owned(),
    ] {
        kept(&visitor, &path).await;
        let title = unique("Renamed");
        rename(&admin, &product, &title).await;
        let seen = visitor.get(&path).await.text;
        assert!(seen.contains(&title), "{path}: {seen}");
    }
    kept(&visitor, "/categories").await;
    admin
        .post("/admin/categories", json!({"name": "Cups"}))
        .await
        .expect(201);
    assert!(visitor.get("/categories").await.text.contains("Cups"));
    let sale = json!({"title": "Sale"});
    let sale = admin.post("/admin/collections", sale).await.expect(201);
    kept(&visitor, "/products?collection=sale").await;
    let chosen = format!("/admin/collections/{}/products", sale["id"].as_str().unwrap());
    let editor = admin.with("If-Match", "*");
    editor
        .put(&chosen, json!({"product_ids": [product["id"]]}))
        .await
        .expect(200);
    let seen = visitor.get("/products?collection=sale").await.text;
    assert!(seen.contains(product["id"].as_str().unwrap()), "{seen}");
    // A request that is refused changes nothing.
    quiet(&visitor).await;
    visitor
        .post("/admin/categories", json!({"name": "Cups"}))
        .await
        .problem(401, "unauthenticated");
    assert_eq!(visitor.get("/categories").await.header("cache-status"), "bodega; hit");
}

#[tokio::test]
async fn an_edit_by_another_process_on_the_same_database_is_seen_soon() {
    let store = Store::spread(Topology::One, [CACHE]).await;
    let admin = store.admin().await;
    let product = admin.product(900, 5).await;
    let other = store.start_beside([("run", "gateway,user,product,cart,order")]).await;
    let elsewhere = Shop::at(vec![other.public().unwrap()], vec![other.management()]);
    let (path, visitor) = (path_of(&product), elsewhere.anonymous());
    kept(&visitor, &path).await;
    rename(&admin, &product, "Renamed").await;
    shown(&visitor, &path, |seen| seen["title"] == "Renamed").await;
    kept(&visitor, "/categories").await;
    admin
        .post("/admin/categories", json!({"name": "Cups"}))
        .await
        .expect(201);
    shown(&visitor, "/categories", |seen| seen["data"][0]["name"] == "Cups").await;
    drop((visitor, elsewhere));
    runtime::run(other.stop()).await;
}

#[tokio::test]
async fn an_edit_is_seen_through_every_gateway() {
    let store = Store::spread(Topology::Replicated, [CACHE]).await;
    let gateways = store.behind_each_gateway();
    assert_eq!(gateways.len(), 2);
    let admin = store.admin().await;
    let product = admin.product(900, 5).await;
    let path = path_of(&product);
    let visitors: Vec<_> = gateways.iter().map(Shop::anonymous).collect();
    for round in 0..3 {
        for visitor in &visitors {
            kept(visitor, &path).await;
            kept(visitor, "/products").await;
            kept(visitor, "/categories").await;
        }
        let title = format!("Round {round}");
        rename(&admin, &product, &title).await;
        for visitor in &visitors {
            shown(visitor, &path, |seen| seen["title"] == title).await;
            shown(visitor, "/products", |seen| seen["data"][0]["title"] == title).await;
        }
        // By themselves these would be kept for a minute.
        let new = admin.post("/admin/categories", json!({"name": title}));
        new.await.expect(201);
        for visitor in &visitors {
            shown(visitor, "/categories", |seen| seen["data"].to_string().contains(&title)).await;
        }
    }
}

#[tokio::test]
async fn a_sale_shows_within_the_seconds_that_the_module_allows() {
    let store = one_gateway().await;
    let admin = store.admin().await;
    let product = admin.product(900, 1).await;
    let visitor = store.anonymous();
    kept(&visitor, &path_of(&product)).await;
    let variant = crate::support::variant(&product);
    let cart = visitor.ready_cart(&[(variant, 1)]).await;
    cart.buy(crate::support::sandbox("tok_ok")).await.expect(201);
    store.clock().advance(Duration::seconds(40));
    let fresh = visitor.get(&path_of(&product)).await;
    assert_eq!(fresh.json["variants"][0]["available"], 0);
}

#[tokio::test]
async fn without_memory_nothing_is_kept() {
    let store = Store::start().await;
    let product = store.admin().await.product(900, 5).await;
    for _ in 0..3 {
        let answer = store.anonymous().get(&path_of(&product)).await;
        assert_eq!((answer.status, answer.header("cache-status")), (200, ""));
    }
}

#[tokio::test]
async fn a_hundred_who_ask_at_once_cost_one_request() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/warm").await;
    for round in 0..3 {
        let path = format!("/products/slow?round={round}");
        let answers = join_all((0..100).map(|_| visitor.get(&path))).await;
        let bodies: Vec<Value> = answers.iter().map(|answer| answer.json["fetch"].clone()).collect();
        assert_eq!(bodies, vec![json!(1); 100]);
        assert_eq!(upstream.fetches(&path), 1);
    }
    // What has expired is fetched once as well, and nobody waits for it.
    gateway.clock().advance(Duration::seconds(70));
    let path = "/products/slow?round=0";
    let answers = join_all((0..100).map(|_| visitor.get(path))).await;
    assert!(
        answers
            .iter()
            .any(|answer| answer.header("cache-status").starts_with("bodega; hit; ttl=-1"))
    );
    shown(&visitor, path, |seen| seen["fetch"] == 2).await;
    assert_eq!(upstream.fetches(path), 2);
}

#[tokio::test]
async fn a_failure_is_not_multiplied_by_those_who_wait() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/warm").await;
    let answers = join_all((0..100).map(|_| visitor.get("/products/slow-failure"))).await;
    assert!(answers.iter().all(|answer| answer.status == 503));
    // A question that is answered 503 may be put to another process once.
    assert!(upstream.fetches("/products/slow-failure") <= 2);
}

#[tokio::test]
async fn an_answer_is_fetched_to_the_end_although_its_client_has_gone() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/warm").await;
    let hasty = visitor.with("Request-Timeout-Ms", 20).get("/products/slow").await;
    assert_eq!(hasty.status, 504);
    shown(&visitor, "/products/slow", |seen| seen["fetch"] == 1).await;
    assert_eq!(upstream.fetches("/products/slow"), 1);
}

#[tokio::test]
async fn an_old_answer_is_given_while_a_new_one_is_fetched() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/warm").await;
    assert_eq!(visitor.get("/products/plain").await.json["fetch"], 1);
    gateway.clock().advance(Duration::seconds(65));
    let old = visitor.get("/products/plain").await;
    assert_eq!((&old.json["fetch"], old.header("age")), (&json!(1), "65"));
    assert_eq!(old.header("cache-status"), "bodega; hit; ttl=-5");
    shown(&visitor, "/products/plain", |seen| seen["fetch"] == 2).await;
    let new = visitor.get("/products/plain").await;
    assert_eq!(
        (&new.json["fetch"], new.header("cache-status")),
        (&json!(2), "bodega; hit")
    );
    // Past that, the visitor waits for the new one.
    gateway.clock().advance(Duration::seconds(95));
    let fetched = visitor.get("/products/plain").await;
    assert_eq!(
        (&fetched.json["fetch"], fetched.header("cache-status")),
        (&json!(3), "bodega; fwd=stale; stored")
    );
}

#[tokio::test]
async fn an_old_answer_is_given_while_the_module_is_down() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/warm").await;
    assert_eq!(visitor.get("/products/plain").await.json["fetch"], 1);
    upstream.is_down().store(true, Ordering::Relaxed);
    gateway.clock().advance(Duration::seconds(100));
    let first = visitor.get("/products/plain").await;
    assert_eq!((first.status, &first.json["fetch"]), (200, &json!(1)));
    assert_eq!(first.header("cache-status"), "bodega; fwd=stale; detail=stale-if-error");
    assert_eq!(first.header("age"), "100");
    // Then nobody waits for it any more.
    let second = visitor.get("/products/plain").await;
    assert_eq!(second.header("cache-status"), "bodega; hit; ttl=-40");
    assert_eq!(visitor.get("/products/other").await.status, 503);
    gateway.clock().advance(Duration::seconds(300));
    assert_eq!(visitor.get("/products/plain").await.status, 503);
    upstream.is_down().store(false, Ordering::Relaxed);
    shown(&visitor, "/products/plain", |seen| seen["fetch"].as_u64() > Some(1)).await;
}

#[tokio::test]
async fn an_old_answer_is_given_when_nobody_is_there() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/plain").await;
    upstream.stop().await;
    // The events cannot be read either: sooner or later nothing counts as fresh any more, and still it is given.
    let started = std::time::Instant::now();
    loop {
        let answer = visitor.get("/products/plain").await;
        assert_eq!((answer.status, &answer.json["what"]), (200, &json!("plain")));
        if answer.header("cache-status") != "bodega; hit" {
            break;
        }
        assert!(started.elapsed().as_secs() < 30, "the silence is not noticed");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_is_not_everybodys_or_not_whole_is_never_kept() {
    for (what, status) in [
        ("cookie", 200),
        ("private", 200),
        ("unmarked", 200),
        ("expired", 200),
        ("vary-all", 200),
        ("vary-agent", 200),
        ("encoded", 200),
        ("huge", 200),
        ("chunked", 200),
        ("partial", 206),
        ("missing", 404),
        ("failing", 503),
        ("broken", 502),
    ] {
        // An upstream that fails is left alone for a while: each answer has its own.
        let upstream = Upstream::start().await;
        let gateway = Gateway::before(&upstream).await;
        let visitor = gateway.anonymous();
        kept(&visitor, "/products/warm").await;
        let path = format!("/products/{what}");
        for _ in 0..3 {
            let answer = visitor.get(&path).await;
            assert_eq!(answer.status, status, "{what}: {}", answer.text);
            let told = answer.header("cache-status");
            assert!(!told.contains("hit") && !told.contains("stored"), "{what}: {told}");
        }
        assert!(upstream.fetches(&path) >= 3, "{what}");
        if what == "huge" {
            assert!(visitor.get(&path).await.text.len() > 1 << 20, "it passes whole");
        }
    }
}

#[tokio::test]
async fn each_language_has_its_answer_where_the_module_says_so() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/warm").await;
    let ask = |what: &str, language: &str| {
        let caller = visitor.with("Accept-Language", language);
        let path = format!("/products/{what}");
        async move { caller.get(&path).await }
    };
    for _ in 0..2 {
        for language in ["de", "fr", ""] {
            assert_eq!(ask("language", language).await.json["language"], language);
        }
    }
    assert_eq!(ask("language", "fr").await.header("cache-status"), "bodega; hit");
    assert_eq!(upstream.fetches("/products/language"), 3);
    for language in ["de", "fr", ""] {
        assert_eq!(ask("plain", language).await.json["fetch"], 1);
    }
}

#[tokio::test]
async fn nothing_that_is_not_in_the_key_reaches_the_module() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::before(&upstream).await;
    let visitor = gateway.anonymous();
    kept(&visitor, "/products/warm").await;
    let poisoner = visitor
        .with("X-Forwarded-Host", "evil.example")
        .with("X-Forwarded-For", "6.6.6.6")
        .with("X-Original-Url", "/evil")
        .with("User-Agent", "evil")
        .with("Accept", "text/evil")
        .with("Origin", "https://evil.example")
        .with("X-Anything", "evil");
    let poisoned = poisoner.get("/products/plain").await.text;
    let seen = visitor.get("/products/plain").await;
    assert_eq!(seen.header("cache-status"), "bodega; hit");
    assert!(
        !seen.text.contains("evil") && !seen.text.contains("6.6.6.6"),
        "{}",
        seen.text
    );
    assert_eq!(poisoned, seen.text);
    // Each host has its own.
    let address = gateway.address();
    let elsewhere = gateway
        .raw("GET /api/v1/products/plain HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        elsewhere.contains("evil.example") && elsewhere.contains("fwd=miss"),
        "{elsewhere}"
    );
    let again = visitor.get("/products/plain").await;
    assert!(
        again.text.contains(&address.to_string()) && !again.text.contains("evil"),
        "{}",
        again.text
    );
}
