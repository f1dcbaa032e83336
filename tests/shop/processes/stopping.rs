//! How a store stops, and starts again.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{LOG, PASSWORD, StoreProcess, eventually};

#[tokio::test]
async fn a_store_that_is_told_to_stop_answers_what_it_has_begun_and_exits_with_zero() {
    let mut store = StoreProcess::start().await;
    let body = json!({"email": "ada@example.com", "password": PASSWORD}).to_string();
    let head = format!(
        "POST /api/v1/auth/register HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(store.address()).await.unwrap();
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
    // What it did last is in its log.
    let log = async || json!(std::fs::read_to_string(store.data_dir().join(LOG)).unwrap());
    let line = "\"route\":\"/api/v1/auth/register\",\"status\":201";
    eventually(log, |log| log.as_str().unwrap().contains(line)).await;
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
