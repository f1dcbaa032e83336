//! Carts in a Redis: what becomes of them when Redis, or a process, goes away in the midst of something. That everything else
//! is as ever is proven by the tests of carts, which are run with both stores.

use database::connection::{Limits, connect};
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use kernel::id::CartId;
use serde_json::{Value, json};

use crate::support::{ReadyCart, Redis, Store, StoreProcess, bodega, eventually, manual, sandbox, unique, variant};

const PREFIX: &str = "carts-of-a-test:";

/// A store in this process whose open carts are in `redis`.
async fn store_on(redis: &Redis) -> Store {
    Store::with([
        ("cart.store", "redis"),
        ("cart.redis_url", &redis.url()),
        ("cart.redis_prefix", PREFIX),
        ("cart.redis_timeout", "10s"),
    ])
    .await
}

/// The key of a cart in Redis.
fn key_of(cart: &str) -> String {
    let id: CartId = cart.parse().unwrap();
    format!("{PREFIX}cart:{}", id.uuid().simple())
}

/// Whether Redis has a cart.
fn has(redis: &Redis, cart: &str) -> bool {
    redis.tell(&format!("EXISTS {}", key_of(cart))) == ":1"
}

fn quantity(cart: &Value) -> i64 {
    let lines = cart["items"].as_array().unwrap();
    lines.iter().map(|line| line["quantity"].as_i64().unwrap()).sum()
}

/// Waits until the store says that it is ready, or not.
async fn until_ready(store: &StoreProcess, ready: bool) {
    let ask = || async { store.management("/readyz").await.json };
    eventually(ask, |told| told["ready"] == ready).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_killed_and_started_again_has_kept_the_carts_and_meanwhile_the_shop_goes_on() {
    let mut redis = Redis::durable();
    let url = redis.url();
    let store = StoreProcess::with([("cart.store", "redis"), ("cart.redis_url", &url)]).await;
    let product = store.admin().await.product(1000, 100).await;
    let anonymous = store.anonymous();
    let lines = [(variant(&product), 2)];
    let carts = join_all((0..10).map(|_| anonymous.ready_cart(&lines))).await;
    redis.kill();
    for cart in &carts {
        let refused = cart.buyer.get(&format!("/carts/{}", cart.id)).await;
        assert!(!refused.header("retry-after").is_empty());
        refused.problem(503, "unavailable");
        anonymous.post("/carts", json!({})).await.problem(503, "unavailable");
        cart.buy(manual()).await.problem(503, "unavailable");
        anonymous.get("/products").await.expect(200);
    }
    until_ready(&store, false).await;
    redis.start_again();
    until_ready(&store, true).await;
    for cart in &carts {
        assert_eq!(cart.now().await, cart.cart);
        cart.buy(manual()).await.expect(201);
    }
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_stands_still_is_not_waited_for() {
    let redis = Redis::start();
    let url = redis.url();
    let store = StoreProcess::with([("cart.store", "redis"), ("cart.redis_url", &url)]).await;
    let product = store.admin().await.product(1000, 100).await;
    let anonymous = store.anonymous();
    let cart = anonymous.ready_cart(&[(variant(&product), 1)]).await;
    redis.freeze(true);
    let path = format!("/carts/{}", cart.id);
    let (refused, shown) = futures_util::join!(
        join_all((0..20).map(|_| cart.buyer.get(&path))),
        join_all((0..20).map(|_| anonymous.get("/products"))),
    );
    for answer in refused {
        answer.problem(503, "unavailable");
    }
    for answer in shown {
        answer.expect(200);
    }
    redis.freeze(false);
    until_ready(&store, true).await;
    assert_eq!(cart.now().await, cart.cart);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_changes_at_once_from_two_tabs_lose_no_line() {
    let redis = Redis::start();
    let store = store_on(&redis).await;
    let admin = store.admin().await;
    let products = join_all((0..20).map(|_| admin.product(1000, 1000))).await;
    let customer = store.customer().await;
    let cart = customer.post("/carts", json!({})).await.expect(201);
    let path = format!("/carts/{}/items", cart["id"].as_str().unwrap());
    let line = |number: usize| json!({"variant_id": variant(&products[number % 20]), "quantity": 1});
    let added = join_all((0..40).map(|number| {
        let tab = customer.once(unique("tab"));
        let (path, line) = (&path, line(number));
        async move { tab.post(path, line).await }
    }));
    for answer in added.await {
        answer.expect(201);
    }
    let cart = customer.get("/carts/current").await.expect(200);
    assert_eq!((quantity(&cart), cart["items"].as_array().unwrap().len()), (40, 20));
    assert_eq!(cart["version"], 41);
}

#[tokio::test]
async fn a_call_whose_answer_could_not_be_remembered_is_not_carried_out_twice() {
    let redis = Redis::start();
    let store = store_on(&redis).await;
    let product = store.admin().await.product(1000, 100).await;
    let customer = store.customer().await.once("the-key");
    let line = json!({"variant_id": variant(&product), "quantity": 1});
    let create = json!({"items": [line]});
    let cart = customer.post("/carts", create.clone()).await.expect(201);
    let path = format!("/carts/{}/items", cart["id"].as_str().unwrap());
    customer.post(&path, line.clone()).await.expect(201);
    // As if the process had died right before it could commit.
    let mut database = connect(&store.database_url().to_owned().into(), &Limits::default()).unwrap();
    database.batch_execute("DELETE FROM carts.idempotency_keys").unwrap();
    let again = customer.post(&path, line).await.expect(201);
    assert_eq!((quantity(&again), &again["version"]), (2, &json!(2)));
    assert_eq!(customer.post("/carts", create).await.expect(201)["id"], cart["id"]);
}

#[tokio::test]
async fn a_cart_whose_process_dies_on_the_way_to_the_till_is_found_and_bought_once() {
    let redis = Redis::start();
    let store = store_on(&redis).await;
    let product = store.admin().await.product(1000, 100).await;
    let anonymous = store.anonymous();
    let cart = anonymous.ready_cart(&[(variant(&product), 2)]).await;
    let key = key_of(&cart.id);
    assert!(has(&redis, &cart.id));

    // Dead before it was inserted: whoever comes next carries it over.
    redis.tell(&format!("COPY {key} unsealed"));
    assert_eq!(redis.tell(&format!("HSET {key} moving 1")), ":1");
    redis.tell(&format!("COPY {key} sealed"));
    assert_eq!(cart.now().await, cart.cart);
    assert!(!has(&redis, &cart.id), "it is where orders are");

    // Dead before it was removed, or removed by a Redis that has forgotten that it was: what PostgreSQL has counts.
    for copy in ["sealed", "unsealed"] {
        redis.tell(&format!("COPY {copy} {key}"));
        assert!(has(&redis, &cart.id));
        assert_eq!(cart.now().await, cart.cart);
        assert!(!has(&redis, &cart.id));
    }
    let order = cart.buy(sandbox("tok_ok")).await.expect(201);
    redis.tell(&format!("COPY unsealed {key}"));
    cart.buy(sandbox("tok_ok")).await.problem(409, "cart_completed");
    let now = cart.now().await;
    assert_eq!((&now["status"], &now["order_id"]), (&json!("completed"), &order["id"]));
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn a_cart_that_an_order_has_given_back_is_merged_with_one_that_no_order_had() {
    let redis = Redis::start();
    let store = store_on(&redis).await;
    let admin = store.admin().await;
    let product = admin.product(1000, 100).await;
    let guest = store.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    let declined = guest
        .buy(sandbox("tok_declined"))
        .await
        .problem(402, "payment_declined");
    let holder = store
        .anonymous()
        .with("Order-Secret", declined["secret"].as_str().unwrap());
    let cancel = format!("/orders/{}/cancel", declined["order_id"].as_str().unwrap());
    holder.post(&cancel, Value::Null).await.expect(200);
    let given_back = || async { guest.now().await };
    eventually(given_back, |cart| cart["status"] == "open").await;
    assert!(!has(&redis, &guest.id));

    let customer = store.customer().await;
    let own = customer
        .post(
            "/carts",
            json!({"items": [{"variant_id": variant(&product), "quantity": 1}]}),
        )
        .await
        .expect(201);
    let own = own["id"].as_str().unwrap();
    assert!(has(&redis, own));
    let from = json!({"from": {"id": guest.id, "secret": guest.secret}});
    let merged = customer
        .once("m")
        .post(&format!("/carts/{own}/merge"), from)
        .await
        .expect(200);
    assert_eq!(quantity(&merged), 3);
    assert_eq!(guest.now().await["status"], "merged");
    assert_eq!(customer.get("/carts/current").await.expect(200)["id"], own);
    assert!(!has(&redis, own), "both are where they could be written at once");

    // Lists have what is here and what is there, newest first.
    let newest = customer.post("/carts", json!({})).await.expect(201);
    let ids = |page: &Value| {
        let carts = page["data"].as_array().unwrap().iter();
        carts
            .map(|cart| cart["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let newest = newest["id"].as_str().unwrap();
    assert_eq!(ids(&customer.get("/carts").await.expect(200)), [newest, own]);
    assert_eq!(
        ids(&admin.get("/admin/carts").await.expect(200)),
        [newest, own, guest.id.as_str()]
    );
    assert_eq!(
        ids(&admin.get("/admin/carts?status=merged").await.expect(200)),
        [guest.id.as_str()]
    );
    let first = admin.get("/admin/carts?status=open&limit=1").await.expect(200);
    assert_eq!(ids(&first), [newest]);
    let next = format!(
        "/admin/carts?status=open&limit=1&cursor={}",
        first["page"]["next_cursor"].as_str().unwrap()
    );
    assert_eq!(ids(&admin.get(&next).await.expect(200)), [own]);
}

/// Buyers whose store is killed while they buy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_killed_while_carts_are_ordered_loses_none_and_orders_none_twice() {
    let redis = Redis::durable();
    let url = redis.url();
    let settings = [
        ("cart.store", "redis"),
        ("cart.redis_url", url.as_str()),
        ("order.lease", "2s"),
    ];
    let mut store = StoreProcess::with(settings).await;
    let product = store.admin().await.product(1000, 10_000).await;
    let lines = [(variant(&product), 1)];
    let mut carts = Vec::new();
    for _ in 0..3 {
        let anonymous = store.anonymous();
        let round = join_all((0..16).map(|_| anonymous.ready_cart(&lines))).await;
        let buying = round.iter().map(|cart| {
            let (buyer, order) = (cart.buyer.once("once"), cart.order(manual()));
            let post = async move { buyer.try_send(reqwest::Method::POST, "/orders", Some(order)).await };
            tokio::spawn(post)
        });
        let mut buying: Vec<_> = buying.collect();
        let first = buying.swap_remove(0).await.unwrap();
        assert_eq!(first.unwrap().status, 201);
        store.kill();
        join_all(buying).await;
        store.start_again().await;
        carts.extend(round);
    }
    let anonymous = store.anonymous();
    for cart in &carts {
        let cart = ReadyCart {
            buyer: anonymous.with("Cart-Secret", &cart.secret),
            ..cart.clone()
        };
        let repeat = || async {
            let answer = cart.buyer.once("once").post("/orders", cart.order(manual())).await;
            json!({"status": answer.status, "body": answer.json})
        };
        let answer = eventually(repeat, |answer| {
            answer["status"] != 503 && answer["body"]["code"] != "request_in_progress"
        })
        .await;
        let order = match answer["status"].as_u64() {
            Some(201) => answer["body"].clone(),
            // The order has died with the process, and the cart was given back.
            _ => {
                assert_eq!(answer["body"]["code"], "cart_changed", "{answer}");
                let now = cart.now().await;
                assert_eq!((&now["status"], quantity(&now)), (&json!("open"), 1));
                let cart = ReadyCart {
                    cart: now,
                    ..cart.clone()
                };
                cart.buy(manual()).await.expect(201)
            }
        };
        assert_eq!(cart.now().await["order_id"], order["id"]);
    }
    let ask = || async { json!(store.findings().await) };
    eventually(ask, |findings| findings.as_array().is_some_and(Vec::is_empty)).await;
}

#[tokio::test]
async fn a_shop_whose_carts_are_to_be_in_redis_has_to_say_where_that_is() {
    let missing = bodega(&["config", "check"], &[("cart.store", "redis")]).await;
    assert_ne!(missing.code, 0);
    let refusal = "cart.redis_url is needed where cart.store is \"redis\"";
    assert!(missing.stderr.contains(refusal), "{missing:?}");
    let settings = [("cart.store", "redis"), ("cart.redis_url", "http://:canary@cache")];
    let wrong = bodega(&["config", "check"], &settings).await;
    assert_ne!(wrong.code, 0);
    assert!(
        wrong.stderr.contains("cart.redis_url: not an address like"),
        "{wrong:?}"
    );
    assert!(!wrong.stderr.contains("canary"), "{wrong:?}");
}
