//! GW-24: server-sent events through the gateway: neither buffered nor compressed nor cut short, in places of their own.

use serde_json::json;

use super::super::support::{Echo, Edge, Reply, answer, eventually, get};

const STREAM: &str = "/api/v1/orders/x/stream";

/// Begins a stream where one is asked for, and never ends it; everything at `/silent` begins and then stops.
fn streams(echo: &Echo) {
    let chunk =
        "text/event-stream\r\ncontent-encoding: identity\r\ntransfer-encoding: chunked\r\n\r\n6\r\n: hi\n\n\r\n";
    echo.answers(move |seen| match seen.target.as_str() {
        STREAM => Reply::Stall(format!("HTTP/1.1 200 OK\r\ncontent-type: {chunk}").into_bytes()),
        "/api/v1/orders/silent" => Reply::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nx".to_vec()),
        _ => Reply::Bytes(answer("200 OK", &[], "fine")),
    });
}

#[tokio::test]
async fn a_stream_reaches_its_client_piece_by_piece_and_may_be_silent() {
    let echo = Echo::start().await;
    streams(&echo);
    let edge = Edge::with(&echo, [("gateway.first_byte_timeout", "300ms")]).await;
    let mut wire = edge.connect().await;
    wire.send(format!(
        "GET {STREAM} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, br\r\n\r\n"
    ))
    .await;
    let begun = wire.until(": hi").await.to_lowercase();
    assert!(begun.contains("content-type: text/event-stream"), "{begun}");
    assert!(!begun.contains("content-encoding"), "{begun}");
    // Any other answer breaks off that is silent for so long, which the stream has been for longer by then.
    tokio::select! {
        biased;
        _ = wire.rest() => panic!("the stream was cut short"),
        broken = edge.get("/api/v1/orders/silent") => assert_eq!((broken.status, broken.whole), (200, false)),
    }
}

#[tokio::test]
async fn streams_take_places_of_their_own_and_none_of_others() {
    let echo = Echo::start().await;
    streams(&echo);
    let edge = Edge::with(
        &echo,
        [
            ("gateway.streams", "2"),
            ("gateway.upstream_requests", "1"),
            ("gateway.upstream_queue", "1"),
            ("limits.in_flight", "1"),
        ],
    )
    .await;
    let mut wires = Vec::new();
    for _ in 0..2 {
        let mut wire = edge.connect().await;
        wire.send(get(STREAM)).await;
        wire.until(": hi").await;
        wires.push(wire);
    }
    assert_eq!(edge.get("/api/v1/orders/y").await.expect(200), json!(null));
    let refused = edge.get(STREAM).await;
    assert!(!refused.header("retry-after").is_empty());
    refused.problem(503, "overloaded");
    eventually(async || json!(echo.stalled()), |stalled| *stalled == 2).await;
}

#[tokio::test]
async fn what_is_asked_by_head_of_a_stream_ends_at_once() {
    let echo = Echo::start().await;
    streams(&echo);
    let edge = Edge::with(&echo, [("gateway.streams", "1")]).await;
    for _ in 0..3 {
        let mut wire = edge.connect().await;
        wire.send(format!("HEAD {STREAM} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        let head = wire.answer_to_head().await;
        assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    }
    eventually(async || json!(echo.stalled()), |stalled| *stalled == 0).await;
}
