//! The listener for the other processes of the shop, reached past the gateway: AZ-12; and what opens neither door: AZ-10.

use kernel::Clock;
use kernel::keys::SecretKey;
use kernel::service_token::ServiceTokens;

use super::super::support::{Answer, Store, Wire};

/// A store two of whose modules are asked by others; the others are nowhere.
async fn store() -> Store {
    Store::with([
        ("run", "gateway,user,product"),
        ("server.internal", "127.0.0.1:0"),
        ("upstream.cart", "http://127.0.0.1:1"),
        ("upstream.order", "http://127.0.0.1:1"),
    ])
    .await
}

async fn ask(store: &Store, method: &str, path: &str, headers: &str) -> Answer {
    let mut wire = Wire::to(store.internal_of("user")).await;
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: 2\r\n\r\n{{}}");
    wire.send(request).await;
    wire.answer().await
}

#[tokio::test]
async fn a_module_reached_past_the_gateway_believes_nobody_without_a_service_token() {
    let store = store().await;
    let customer = store.customer().await;
    let token = customer.sign_in()["access_token"].as_str().unwrap();
    let strangers = ServiceTokens::new("gateway", &SecretKey::generate(), Clock::system());
    let foreign = strangers.token().unwrap();
    let headers = [
        String::new(),
        format!("Authorization: Bearer {token}\r\n"),
        format!("Service-Token: {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Service-Token: {foreign}\r\n"),
        "Service-Token: \r\n".to_owned(),
        "X-User-Id: user_1\r\nX-User-Role: admin\r\nX-Forwarded-User: admin\r\nRemote-User: admin\r\n".to_owned(),
        "X-Forwarded-For: 127.0.0.1\r\nX-Internal-Call: 1\r\n".to_owned(),
    ];
    let routes = [
        ("GET", "/api/v1/products"),
        ("GET", "/api/v1/me"),
        ("GET", "/api/v1/admin/users"),
        ("POST", "/api/v1/auth/login"),
        ("POST", "/internal/user/keys"),
        ("POST", "/internal/user/profile"),
        ("POST", "/internal/product/reserve"),
        ("GET", "/internal/product/openapi.json"),
        ("GET", "/internal/nothing"),
        ("GET", "/metrics"),
    ];
    for headers in &headers {
        for (method, path) in routes {
            let refused = ask(&store, method, path, headers).await;
            refused.problem(401, "service_token_required");
        }
    }
    // Whether a process is ready is no secret, but only at that very path.
    ask(&store, "GET", "/readyz", "").await.expect(200);
    for path in ["/readyz/", "/readyz/../internal/user/keys", "//readyz", "/readyz;x"] {
        let refused = ask(&store, "GET", path, "").await;
        assert!(matches!(refused.status, 400 | 401 | 404), "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn a_service_token_says_which_process_is_calling_and_nothing_of_a_user() {
    let store = store().await;
    let customer = store.customer().await;
    let access = customer.sign_in()["access_token"].as_str().unwrap();
    let service = format!(
        "Service-Token: {}\r\n",
        store.site_of("user").service_tokens().token().unwrap()
    );
    ask(&store, "POST", "/internal/user/keys", &service).await;
    let nobody = ask(&store, "GET", "/api/v1/me", &service).await;
    nobody.problem(401, "unauthenticated");
    let claimed = format!("{service}X-User-Id: {}\r\nX-User-Role: admin\r\n", customer.id());
    ask(&store, "GET", "/api/v1/me", &claimed)
        .await
        .problem(401, "unauthenticated");
    ask(&store, "GET", "/api/v1/admin/users", &claimed)
        .await
        .problem(401, "unauthenticated");
    let broken = format!("{service}Authorization: Bearer {access}x\r\n");
    assert_eq!(ask(&store, "GET", "/api/v1/me", &broken).await.status, 401);
    let whole = format!("{service}Authorization: Bearer {access}\r\n");
    assert_eq!(
        ask(&store, "GET", "/api/v1/me", &whole).await.expect(200)["id"],
        customer.id()
    );
    ask(&store, "GET", "/api/v1/admin/users", &whole)
        .await
        .problem(403, "forbidden");
    let twice = format!("{service}{service}");
    ask(&store, "GET", "/api/v1/products", &twice)
        .await
        .problem(401, "service_token_required");
}

#[tokio::test]
async fn a_service_token_opens_nothing_at_the_public_door() {
    let store = store().await;
    let service = store.site_of("user").service_tokens().token().unwrap();
    let caller = store.anonymous().with("Service-Token", &service);
    for path in [
        "//internal/user/keys",
        "//internal/product/openapi.json",
        "//readyz",
        "//metrics",
    ] {
        caller.get(path).await.problem(404, "not_found");
    }
    caller.get("/me").await.problem(401, "unauthenticated");
    caller.get("/admin/users").await.problem(401, "unauthenticated");
    store
        .anonymous()
        .bearing(&service)
        .get("/me")
        .await
        .problem(401, "invalid_token");
}
