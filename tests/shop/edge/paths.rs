//! One path, one method, for everybody that reads them: GW-07, GW-08, AZ-10.

use super::super::support::{Echo, Edge, Reply, answer};

#[tokio::test]
async fn a_path_that_could_be_read_in_two_ways_is_refused() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    for path in [
        "/api/v1/products/../carts",
        "/api/v1/products/./x",
        "/api/v1/products/%2e%2e/carts",
        "/api/v1/products/%2E%2e/carts",
        "/api/v1/products/.%2e/carts",
        "/api/v1/products%2fx",
        "/api/v1/products%5cx",
        "/api/v1/products\\x",
        "/api/v1//products",
        "//api/v1/products",
        "/api/v1/products;x=1",
        "/api/v1/products/x;jsessionid=1",
        "/api/v1/products%3bx",
        "/api/v1/products/%00",
        "/api/v1/products/x%0d%0aX: y",
        "/api/v1/products/%0a",
        "/api/v1/products/%252e%252e",
        "/api/v1/products/%c0%ae%c0%ae",
        "/api/v1/products/%e0%80%af",
        "/api/v1/products/%ff",
        "/api/v1/products/%",
        "/api/v1/products/%1",
        "/api/v1/products/%zz",
        "api/v1/products",
        "/api/v1/products/..",
        "/api/v1/products/\u{7f}",
    ] {
        let answer = edge.get(path).await;
        assert_eq!(answer.status, 400, "{path:?}: {answer:?}");
        assert_eq!(echo.take_seen().len(), 0, "{path:?}");
    }
}

#[tokio::test]
async fn what_is_taken_reaches_the_upstream_letter_by_letter() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    for target in [
        "/api/v1/products",
        "/api/v1/products/",
        "/api/v1/products/x.css",
        "/api/v1/products/...",
        "/api/v1/products/caf%C3%A9",
        "/api/v1/products/caf%c3%a9",
        "/api/v1/products/a%20b",
        "/api/v1/products/a+b",
        "/api/v1/products/~a!$&'()*,=:@",
        "/api/v1/products/%41",
        "/api/v1/products?",
        "/api/v1/products?q=1&q=2&a[]=3",
        "/api/v1/products?q=%2e%2e%2f//../;%00",
        "/api/v1/products?q=a?b/c",
    ] {
        let answer = edge.get(target).await;
        match answer.status {
            200 => assert_eq!(echo.take_seen().remove(0).target, target),
            status => panic!("{target}: {status} {answer:?}"),
        }
    }
    // What is after a `#` is nobody's but the browser's.
    edge.get("/api/v1/products/x#/../../carts").await.expect(200);
    assert_eq!(echo.take_seen().remove(0).target, "/api/v1/products/x");
}

#[tokio::test]
async fn only_what_the_modules_have_is_reached_and_nothing_of_theirs_or_ours_besides() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let token = edge.token();
    for path in [
        "/internal/user/keys",
        "/internal/cart/freeze",
        "/internal",
        "/api/v1/internal/user/keys",
        "/api/v1/../internal/user/keys",
        "//internal/user/keys",
        "/%69nternal/user/keys",
        "/Internal/user/keys",
        "/public/..%2finternal",
        "/internal;x",
        "/internal%2fuser",
        "/readyz",
        "/readyz?verbose",
        "/livez",
        "/metrics",
        "/debug",
        "/api/v1/metrics",
        "/api/v1/readyz",
        "/api/v1",
        "/api/v1/",
        "/api/v2/products",
        "/API/v1/products",
        "/api/v1/Products",
        "/api/v1/productsx",
        "/api/v1/admin",
        "/api/v1/admin/",
        "/api/v1/admin/internal",
        "/api/v1/admin/admin/products",
        "/products",
        "/favicon.ico",
        "/.env",
        "*",
    ] {
        for method in ["GET", "POST"] {
            let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n");
            let answer = edge.exchange(format!("{head}Content-Length: 0\r\n\r\n")).await;
            assert!(matches!(answer.status, 400 | 404), "{method} {path}: {answer:?}");
            assert_eq!(
                answer.header("content-type"),
                "application/problem+json",
                "{method} {path}"
            );
            assert_eq!(echo.take_seen().len(), 0, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_method_is_what_the_request_line_says() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let overridden = "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\nX-HTTP-Method: DELETE\r\n";
    let request =
        format!("POST /api/v1/carts?_method=DELETE HTTP/1.1\r\nHost: x\r\n{overridden}Content-Length: 0\r\n\r\n");
    assert_eq!(edge.exchange(request).await.expect(200)["method"], "POST");
    for name in ["x-http-method-override", "x-method-override", "x-http-method"] {
        assert_eq!(echo.seen()[0].header(name), "");
    }
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        let request = format!("{method} /api/v1/carts HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(edge.exchange(request).await.expect(200)["method"], method);
    }
    // The module knows what its resource takes, and says so; the edge makes nothing else of it.
    echo.answers(|seen| match seen.method.as_str() {
        "GET" => Reply::Echo,
        _ => Reply::Bytes(answer(
            "405 Method Not Allowed",
            &[("allow", "GET, HEAD, OPTIONS")],
            "no",
        )),
    });
    for method in ["TRACE", "PROPFIND", "get", "DEBUG"] {
        let refused = edge
            .exchange(format!("{method} /api/v1/carts HTTP/1.1\r\nHost: x\r\n\r\n"))
            .await;
        refused.problem(405, "method_not_allowed");
        assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
    }
}

#[tokio::test]
async fn head_is_the_head_of_get() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let mut wire = edge.connect().await;
    wire.send("HEAD /api/v1/products HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let head = wire.answer_to_head().await;
    wire.send("GET /api/v1/products HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let get = wire.answer().await;
    get.expect(200);
    assert_eq!(head.status, 200);
    for name in ["content-type", "content-length", "cache-control", "vary"] {
        assert_eq!(head.header(name), get.header(name), "{name}: {head:?}");
    }
    assert_eq!(echo.seen()[0].method, "GET");
}

#[tokio::test]
async fn a_preflight_is_answered_at_the_edge() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("cors.origins", "https://shop.example")]).await;
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /api/v1/carts HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: POST\r\n\r\n"
        )
    };
    let allowed = edge.exchange(preflight("https://shop.example")).await;
    assert_eq!(
        (allowed.status, allowed.header("access-control-allow-origin")),
        (200, "https://shop.example")
    );
    let refused = edge.exchange(preflight("https://evil.example")).await;
    assert_eq!(
        (refused.status, refused.header("access-control-allow-origin")),
        (400, "")
    );
    assert_eq!(echo.take_seen().len(), 0);
}
