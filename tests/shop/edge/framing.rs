//! Where a request begins and ends: GW-01, GW-02, GW-24.

use super::super::support::{Echo, Edge, Wire, get};

const NEXT: &str = "GET /api/v1/products/next HTTP/1.1\r\nHost: shop.example\r\n\r\n";

/// A POST to a module with these headers and bytes after them.
fn post(headers: &str, rest: &str) -> String {
    format!("POST /api/v1/carts HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n{rest}")
}

fn targets(echo: &Echo) -> Vec<String> {
    echo.seen().into_iter().map(|seen| seen.target).collect()
}

#[tokio::test]
async fn a_request_that_could_end_in_two_places_is_refused_and_what_follows_is_not_read() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let headers = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 0\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: -5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 5.\r\n",
        "Content-Length:\r\n",
        "Content-Length: \"5\"\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Content-Length : 5\r\n",
        "Content-Length\t: 5\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked;q=1\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: \x0bchunked\r\n",
        "Transfer-Encoding: chunked\x0c\r\n",
        "Transfer-Encoding:\r\n",
        "X: 1\r\n Transfer-Encoding: chunked\r\n",
        "X: 1\r\n\tfolded\r\n",
        "X: a\rTransfer-Encoding: chunked\r\n",
        "X: a\0b\r\n",
        "No colon here\r\n",
        ": no name\r\n",
        "Na me: x\r\n",
        "Na\u{e9}me: x\r\n",
    ];
    for headers in headers {
        let mut wire = edge.connect().await;
        wire.send(post(headers, &format!("0\r\n\r\n{NEXT}"))).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, 400, "{headers:?}: {answer:?}");
        assert_eq!(wire.rest().await, b"", "{headers:?}");
        assert_eq!(targets(&echo), [""; 0], "{headers:?}");
    }
}

#[tokio::test]
async fn a_body_in_broken_pieces_ends_the_connection_and_never_becomes_a_request() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let bodies = [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "g\r\n",
        "\r\n",
        ";\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5\nhello\n0\n\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
    ];
    for body in bodies {
        let mut wire = edge.connect().await;
        wire.send(post("Transfer-Encoding: chunked\r\n", &format!("{body}{NEXT}")))
            .await;
        let answer = wire.answer().await;
        assert!(matches!(answer.status, 0 | 400 | 502), "{body:?}: {answer:?}");
        wire.rest().await;
        let seen = echo.take_seen();
        assert!(
            seen.iter().all(|seen| seen.method == "POST" && !seen.whole),
            "{body:?}: {seen:?}"
        );
    }
}

#[tokio::test]
async fn lines_that_end_in_a_bare_line_feed_make_no_second_request_and_are_written_anew() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    wire.send("POST /api/v1/carts HTTP/1.1\nHost: shop.example\nContent-Length: 5\n\nhello")
        .await;
    let answer = wire.answer().await;
    assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    // The upstream itself insists on whole line ends.
    let seen = echo.take_seen();
    assert!(
        seen.len() <= 1 && seen.iter().all(|seen| seen.body == b"hello"),
        "{seen:?}"
    );

    // A header whose value hides a line feed must not become two headers, or two requests.
    let mut wire = edge.connect().await;
    wire.send(post(
        "X: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        &format!("0\r\n\r\n{NEXT}"),
    ))
    .await;
    assert_eq!(wire.answer().await.status, 400);
    assert_eq!(wire.rest().await, b"");
    assert_eq!(targets(&echo), [""; 0]);
}

#[tokio::test]
async fn what_is_framed_as_it_should_be_reaches_the_upstream_as_it_is() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let cases = [
        ("Content-Length: 5\r\n", "hello"),
        ("Content-Length: 005\r\n", "hello"),
        ("content-length:5\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("transfer-encoding:CHUNKED\r\n", "2\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\t \r\n", "5\r\nhello\r\n0\r\n\r\n"),
        (
            "Transfer-Encoding: chunked\r\n",
            "5;name=\"value\"\r\nhello\r\n0\r\n\r\n",
        ),
    ];
    for (headers, body) in cases {
        let mut wire = edge.connect().await;
        wire.send(post(headers, &format!("{body}{NEXT}"))).await;
        assert_eq!(wire.answer().await.expect(200)["body"], "hello", "{headers:?} {body:?}");
        assert_eq!(wire.answer().await.expect(200)["target"], "/api/v1/products/next");
        let seen = echo.take_seen();
        assert_eq!(seen.len(), 2, "{headers:?}: {seen:?}");
        assert_eq!(seen[0].body, b"hello", "{headers:?}: {seen:?}");
    }
}

#[tokio::test]
async fn a_get_with_a_body_is_one_request_here_and_further_in() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    let inner = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let head = "GET /api/v1/products HTTP/1.1\r\nHost: shop.example\r\nContent-Length";
    wire.send(format!("{head}: {}\r\n\r\n{inner}{NEXT}", inner.len())).await;
    assert_eq!(wire.answer().await.expect(200)["body"], inner);
    assert_eq!(wire.answer().await.expect(200)["target"], "/api/v1/products/next");
    assert_eq!(targets(&echo), ["/api/v1/products", "/api/v1/products/next"]);
}

#[tokio::test]
async fn requests_in_one_packet_are_answered_one_by_one_in_order() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    let paths: Vec<String> = (0..12).map(|number| format!("/api/v1/products/{number}")).collect();
    wire.send(paths.iter().map(|path| get(path)).collect::<String>()).await;
    for path in &paths {
        assert_eq!(wire.answer().await.expect(200)["target"], *path);
    }
    assert_eq!(targets(&echo), paths);
}

#[tokio::test]
async fn trailers_end_at_the_edge() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    let body = "5\r\nhello\r\n0\r\nX-User-Id: user_1\r\nAuthorization: Bearer x\r\n\r\n";
    wire.send(post("Transfer-Encoding: chunked\r\nTrailer: X-User-Id\r\n", body))
        .await;
    let answer = wire.answer().await;
    assert!(matches!(answer.status, 200 | 400), "{answer:?}");
    for seen in echo.take_seen() {
        assert_eq!(
            (
                seen.header("trailer"),
                seen.header("x-user-id"),
                seen.header("authorization")
            ),
            ("", "", "")
        );
    }
}

#[tokio::test]
async fn the_older_protocol_knows_no_pieces_and_the_newer_is_not_mistaken_for_it() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    for request in [
        "POST /api/v1/carts HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "POST /api/v1/carts HTTP/1.0\r\nHost: x\r\n\r\nhello".to_owned(),
        "GET /api/v1/products HTTP/2.0\r\nHost: x\r\n\r\n".to_owned(),
        "GET /api/v1/products HTTP/0.9\r\nHost: x\r\n\r\n".to_owned(),
        "GET /api/v1/products\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}".to_owned(),
    ] {
        let mut wire = edge.connect().await;
        wire.send(format!("{request}{NEXT}")).await;
        let answer = wire.answer().await;
        assert_eq!(answer.status, 400, "{request:?}: {answer:?}");
        assert_eq!(wire.rest().await, b"", "{request:?}");
    }
    assert_eq!(targets(&echo), [""; 0]);
    let old = edge.exchange("GET /api/v1/products HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.expect(200)["target"], "/api/v1/products");
}

#[tokio::test]
async fn another_protocol_is_refused_and_never_begun_half_way() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    for request in [
        "GET /api/v1/products HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n",
        "GET /api/v1/products HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
        "POST /api/v1/carts HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\nContent-Length: 5\r\n\r\nhello",
        "CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n",
        "CONNECT /api/v1/products HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut wire = edge.connect().await;
        wire.send(format!("{request}{NEXT}")).await;
        wire.answer().await.problem(501, "not_implemented");
        assert_eq!(wire.rest().await, b"", "{request:?}");
        assert_eq!(targets(&echo), [""; 0], "{request:?}");
    }
}

#[tokio::test]
async fn an_offer_to_change_to_http_2_is_passed_over() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    let offer = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    wire.send(format!("GET /api/v1/products HTTP/1.1\r\nHost: x\r\n{offer}\r\n{NEXT}"))
        .await;
    wire.answer().await.expect(200);
    let seen = echo.take_seen();
    for name in ["upgrade", "http2-settings", "connection"] {
        assert_eq!(seen[0].header(name), "", "{seen:?}");
    }
}

#[tokio::test]
async fn who_asks_whether_to_go_on_is_told_so_and_its_body_arrives() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    wire.send(post("Expect: 100-continue\r\nContent-Length: 5\r\n", ""))
        .await;
    assert_eq!(wire.answer().await.status, 100);
    wire.send("hello").await;
    assert_eq!(wire.answer().await.expect(200)["body"], "hello");
    assert_eq!(echo.take_seen()[0].header("expect"), "");
}

#[tokio::test]
async fn who_is_refused_is_not_asked_for_the_body() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    let head = "POST /internal/cart/freeze HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n";
    wire.send(format!("{head}{NEXT}")).await;
    wire.answer().await.problem(404, "not_found");
    // What was read of the body is no request; the rest never comes.
    assert_eq!(wire.rest().await, b"");
    assert_eq!(targets(&echo), [""; 0]);
}

#[tokio::test]
async fn a_body_in_many_packets_is_one_request() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    for byte in post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n").bytes() {
        wire.send([byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(wire.answer().await.expect(200)["body"], "hello");
    assert_eq!(echo.take_seen().len(), 1);
    let mut other = Wire::to(edge.address()).await;
    other.send("\r\n\r\n").await;
    other.send(NEXT).await;
    assert!(matches!(other.answer().await.status, 200 | 400));
}
