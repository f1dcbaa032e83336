//! Health and metrics.

use super::support::Store;

#[tokio::test]
async fn a_store_that_has_just_started_lives_and_is_ready() {
    let store = Store::start().await;
    assert_eq!(store.management("/livez").await.expect(200)["alive"], true);
    let readiness = store.management("/readyz").await.expect(200);
    assert_eq!(readiness["ready"], true);
    assert_eq!(readiness["checks"]["user"], "ok");
    assert_eq!(readiness["checks"]["migrations"], "ok");
}

#[tokio::test]
async fn the_public_listener_knows_nothing_of_management_or_internal_routes() {
    let store = Store::start().await;
    for path in [
        "//livez",
        "//readyz",
        "//metrics",
        "//internal/product/quote",
        "//debug",
    ] {
        store.anonymous().get(path).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn metrics_count_requests_by_route_template_and_never_by_what_a_client_made_up() {
    let store = Store::start().await;
    store.anonymous().get("/me").await.problem(401, "unauthenticated");
    store
        .anonymous()
        .get("/made-up-by-a-client")
        .await
        .problem(404, "not_found");
    store
        .raw("BREW /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    let metrics = store.management("/metrics").await.text;
    assert!(
        metrics.contains("http_server_request_duration_seconds_bucket"),
        "{metrics}"
    );
    assert!(metrics.contains("http_route=\"/api/v1/me\""), "{metrics}");
    assert!(metrics.contains("le=\"0.005\""), "{metrics}");
    assert!(metrics.contains("build_info{version="), "{metrics}");
    assert!(metrics.contains("http_request_method=\"_OTHER\""), "{metrics}");
    assert!(!metrics.contains("made-up") && !metrics.contains("BREW"), "{metrics}");
}

#[tokio::test]
async fn a_store_whose_database_is_down_lives_is_not_ready_and_says_503() {
    let store = Store::with([("database.wait_timeout", "200ms")]).await;
    let customer = store.customer().await;
    store.cut_off_database().await;
    store.management("/livez").await.expect(200);
    assert_eq!(store.management("/readyz").await.expect(503)["ready"], false);
    let refused = customer.get("/me").await;
    refused.problem(503, "unavailable");
}
