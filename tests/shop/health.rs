//! Health, metrics, and how a store stops.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{PASSWORD, Store, StoreProcess};

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

#[tokio::test]
async fn a_store_that_is_told_to_stop_answers_what_it_has_begun_and_exits_with_zero() {
    let mut store = StoreProcess::start().await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(store.address).await.unwrap();
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 25];
    connection.read_exact(&mut begun).await.unwrap();
    assert_eq!(begun, *b"HTTP/1.1 100 Continue\r\n\r\n");
    store.signal(libc::SIGTERM);
    while store.management("/readyz").await.status == 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    connection.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!(store.wait().code(), Some(0));
    assert!(
        !store.data_dir().join("database/data/postmaster.pid").exists(),
        "the database stops with the store"
    );
}

#[tokio::test]
async fn a_second_signal_ends_the_process_at_once_and_not_with_zero() {
    let mut store = StoreProcess::with([("server.drain_delay", "20s"), ("server.drain_timeout", "1s")]).await;
    store.signal(libc::SIGTERM);
    while store.management("/readyz").await.status == 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.signal(libc::SIGINT);
    assert_eq!(store.wait().code(), Some(1));
}

#[tokio::test]
async fn a_store_that_was_killed_starts_again_on_its_data() {
    let mut store = StoreProcess::start().await;
    let customer = store.customer().await;
    store.kill();
    store.start_again().await;
    let token = customer.sign_in()["access_token"].as_str().unwrap();
    let profile = store.anonymous().bearing(token).get("/me").await.expect(200);
    assert_eq!(profile["email"], customer.email());
    assert_eq!(store.findings().await, Vec::<String>::new());
}
