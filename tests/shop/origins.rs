//! Browsers: pages of other origins.

use reqwest::Method;

use super::support::{Caller, Store};

const SHOP: &str = "https://shop.example";

async fn store() -> Store {
    Store::with([("cors.origins", "https://shop.example,http://localhost:3000")]).await
}

fn preflight(store: &Store, origin: &str, method: &str) -> Caller {
    let caller = store
        .anonymous()
        .with("Origin", origin)
        .with("Access-Control-Request-Method", method);
    caller.with(
        "Access-Control-Request-Headers",
        "authorization, content-type, idempotency-key, if-match, cart-secret, order-secret",
    )
}

#[tokio::test]
async fn a_page_of_a_known_origin_may_ask_and_read() {
    let store = store().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = preflight(&store, SHOP, method).send(Method::OPTIONS, "/me", None).await;
        assert!(matches!(answer.status, 200 | 204), "{}", answer.text);
        assert_eq!(answer.header("access-control-allow-origin"), SHOP);
        assert!(answer.header("access-control-allow-methods").contains(method));
        assert_eq!(answer.header("access-control-max-age"), "600");
    }
    let answer = store.anonymous().with("Origin", SHOP).get("/openapi.json").await;
    assert_eq!(answer.header("access-control-allow-origin"), SHOP);
    assert!(
        answer.header("vary").contains("Origin")
            || answer
                .headers
                .get_all("vary")
                .iter()
                .any(|value| value.to_str().unwrap().contains("Origin"))
    );
    let exposed = answer.header("access-control-expose-headers").to_lowercase();
    for name in [
        "etag",
        "location",
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "x-request-id",
        "idempotent-replayed",
    ] {
        assert!(exposed.contains(name), "{exposed}");
    }
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
}

#[tokio::test]
async fn a_page_of_a_known_origin_can_read_refusals_too() {
    let store = store().await;
    let page = store.anonymous().with("Origin", SHOP);
    for answer in [
        page.get("/me").await,
        page.bearing("expired").get("/me").await,
        page.get("/nowhere").await,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), SHOP, "{}", answer.text);
        answer.assert_sound_problem();
    }
}

#[tokio::test]
async fn a_page_of_any_other_origin_gets_no_leave() {
    let store = store().await;
    for origin in [
        "https://evil.example",
        "https://shop.example.evil.example",
        "http://shop.example",
        "null",
    ] {
        let refused = preflight(&store, origin, "POST")
            .send(Method::OPTIONS, "/me", None)
            .await;
        assert!(!refused.headers.contains_key("access-control-allow-origin"), "{origin}");
        assert!(refused.status >= 400, "{origin}");
        let answer = store.anonymous().with("Origin", origin).get("/openapi.json").await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
}
