//! How often one client may ask. Each gateway counts by itself, so that these tests ask one.

use serde_json::json;

use super::support::{PASSWORD, Response, Shop, Store};

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back() {
    let store = Store::with([("limits.enabled", "true"), ("limits.general_per_minute", "3")]).await;
    let gateway = store.behind_one_gateway();
    for left in [2, 1, 0] {
        let answer = gateway.anonymous().get("/openapi.json").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), "\"general\";q=3;w=60");
        assert!(
            answer
                .header("ratelimit")
                .starts_with(&format!("\"general\";r={left};t=")),
            "{:?}",
            answer.headers
        );
    }
    let answer = gateway.anonymous().get("/openapi.json").await;
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(answer.header("ratelimit"), format!("\"general\";r=0;t={wait}"));
    answer.problem(429, "rate_limited");
}

/// IN-21
#[tokio::test]
async fn what_is_done_in_bulk_counts_by_how_much_it_is() {
    let store = Store::with([("limits.enabled", "true"), ("limits.general_per_minute", "100")]).await;
    let admin = store.admin().await;
    let token = admin.sign_in()["access_token"].as_str().unwrap();
    let admin = store.behind_one_gateway().anonymous().bearing(token);
    let left = |answer: &Response| -> u32 {
        let told = answer.header("ratelimit");
        let left = told
            .strip_prefix("\"general\";r=")
            .and_then(|rest| rest.split(';').next());
        left.unwrap_or_else(|| panic!("{:?}", answer.headers)).parse().unwrap()
    };
    let before = left(&admin.get("/admin/locations").await);
    for (count, cost) in [(49, 1), (50, 2), (250, 6)] {
        let operations = vec![json!({"op": "delete", "id": "product_01h2xcejqtf2nbrexx3vqjhp41"}); count];
        let before = left(&admin.get("/admin/locations").await);
        let answer = admin
            .post("/admin/products/bulk", json!({"operations": operations}))
            .await;
        assert_eq!(
            (answer.status, answer.header("bodega-cost")),
            (200, ""),
            "{}",
            answer.text
        );
        let taken = before - left(&answer);
        // A slow machine has some back by then.
        assert!((cost - 1..=cost).contains(&taken), "{count}: {taken}");
    }
    assert!(before > left(&admin.get("/admin/locations").await));
}

#[tokio::test]
async fn signing_in_has_stricter_limits_of_its_own() {
    let store = Store::with([("limits.enabled", "true")]).await;
    let gateway = store.behind_one_gateway();
    let attempt = json!({"email": "nobody@example.com", "password": PASSWORD});
    for (path, body, allowed) in [
        ("/auth/login", attempt.clone(), 5),
        ("/auth/register", json!({}), 3),
        ("/auth/refresh", json!({"refresh_token": "none"}), 10),
    ] {
        for _ in 0..allowed {
            assert_ne!(gateway.anonymous().post(path, body.clone()).await.status, 429, "{path}");
        }
        let refused = gateway.anonymous().post(path, body).await;
        let policy = path.rsplit('/').next().unwrap();
        assert!(
            refused.header("ratelimit-policy").contains(&format!("\"{policy}\"")),
            "{:?}",
            refused.headers
        );
        refused.problem(429, "rate_limited");
    }
    gateway.anonymous().get("/openapi.json").await.expect(200);
}

#[tokio::test]
async fn all_workers_count_together() {
    let store = Store::with([
        ("limits.enabled", "true"),
        ("limits.general_per_minute", "10"),
        ("server.workers", "4"),
    ])
    .await;
    let gateway = store.behind_one_gateway();
    let mut taken = 0;
    for _ in 0..20 {
        // A connection of its own each time, so that all workers get some.
        let answer = gateway
            .raw("GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await;
        taken += usize::from(answer.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(taken, 10);
}

#[tokio::test]
async fn a_stranger_cannot_pass_for_somebody_else_but_a_trusted_proxy_speaks_for_its_clients() {
    let limits = [("limits.enabled", "true"), ("limits.general_per_minute", "1")];
    let store = Store::with(limits).await;
    let gateway = store.behind_one_gateway();
    let said = |gateway: &Shop, hops: &str| gateway.anonymous().with("X-Forwarded-For", hops);
    said(&gateway, "192.0.2.1").get("/openapi.json").await.expect(200);
    said(&gateway, "192.0.2.2")
        .get("/openapi.json")
        .await
        .problem(429, "rate_limited");

    let [enabled, general] = limits;
    let trusting = Store::with([enabled, general, ("limits.trusted_proxies", "127.0.0.1")]).await;
    let behind_proxy = trusting.behind_one_gateway();
    said(&behind_proxy, "192.0.2.1").get("/openapi.json").await.expect(200);
    said(&behind_proxy, "192.0.2.2").get("/openapi.json").await.expect(200);
    said(&behind_proxy, "192.0.2.9, 192.0.2.1")
        .get("/openapi.json")
        .await
        .problem(429, "rate_limited");
    said(&behind_proxy, "2001:db8::1")
        .get("/openapi.json")
        .await
        .expect(200);
    said(&behind_proxy, "2001:db8::2")
        .get("/openapi.json")
        .await
        .problem(429, "rate_limited");
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let store = Store::with([("limits.enabled", "false"), ("limits.general_per_minute", "1")]).await;
    for _ in 0..5 {
        let answer = store.anonymous().get("/openapi.json").await;
        assert_eq!(answer.status, 200);
        assert!(!answer.headers.contains_key("ratelimit"));
    }
}
