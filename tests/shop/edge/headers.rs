//! What senders may say of themselves and of their connection, and what answers may tell: GW-04, GW-05, GW-06, GW-19, GW-22,
//! AZ-11.

use super::super::support::{Echo, Edge, Reply, answer};

fn with(headers: &str) -> String {
    format!("GET /api/v1/products HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n")
}

#[tokio::test]
async fn what_belongs_to_the_connection_ends_with_it() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let headers = "Connection: keep-alive, X-Mine, Cart-Secret\r\nKeep-Alive: timeout=5\r\nProxy-Connection: close\r\n\
         Proxy-Authorization: Basic x\r\nProxy-Authenticate: x\r\nTE: trailers\r\nX-Mine: 1\r\nCart-Secret: s\r\n\
         Order-Secret: kept\r\n";
    edge.exchange(with(headers)).await.expect(200);
    let seen = echo.take_seen().remove(0);
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "proxy-authenticate",
        "te",
        "x-mine",
        "cart-secret",
    ] {
        assert_eq!(seen.header(name), "", "{seen:?}");
    }
    assert_eq!(seen.header("order-secret"), "kept");
}

#[tokio::test]
async fn nobody_can_have_what_the_gateway_says_taken_away() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let ours = "Service-Token, X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Forwarded, X-Request-Id, traceparent, \
         Host, Content-Length";
    edge.exchange(with(&format!("Connection: {ours}\r\n")))
        .await
        .expect(200);
    let seen = echo.take_seen().remove(0);
    for name in ours
        .split(", ")
        .map(str::to_lowercase)
        .filter(|name| name != "content-length")
    {
        assert_ne!(seen.header(&name), "", "{name} is missing: {seen:?}");
    }
    // Whoever takes away their own token is nobody.
    let token = edge.token();
    let bare = format!("Authorization: Bearer {token}\r\nConnection: Authorization\r\n");
    edge.exchange(with(&bare)).await.expect(200);
    assert_eq!(echo.take_seen()[0].header("authorization"), "");
}

#[tokio::test]
async fn an_identity_is_an_access_token_and_nothing_else() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let claims = [
        "X-User-Id",
        "x-user-id",
        "X-User-Role",
        "x_user_id",
        "X_User-Id",
        "X-Forwarded-User",
        "X-Forwarded-Email",
        "X-Forwarded-Groups",
        "X-Forwarded-Client-Cert",
        "X-Auth-Request-User",
        "X-Authenticated-User",
        "X-Remote-User",
        "Remote-User",
        "Remote_User",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "X-Internal-Call",
        "X-Original-URL",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "x_forwarded_for",
        "Service_Token",
        "Authorization_",
    ];
    let headers: String = claims
        .iter()
        .map(|name| format!("{name}: mallory\r\n{name}: mallory\r\n"))
        .collect();
    let own = "Service-Token: mallory\r\nForwarded: for=mallory\r\nX-Forwarded-Host: mallory\r\n";
    let timeout = "Request-Timeout-Ms: 999999999\r\nBodega-Route: mallory\r\n";
    edge.exchange(with(&format!("{headers}{own}{timeout}")))
        .await
        .expect(200);
    let seen = echo.take_seen().remove(0);
    let told = seen.headers.iter().any(|(_, value)| value.contains("mallory"));
    assert!(!told, "{seen:?}");
    assert!(
        seen.header("request-timeout-ms").parse::<u64>().unwrap() <= 60_000,
        "{seen:?}"
    );
    assert!(!seen.header("service-token").is_empty());
    assert_eq!(seen.header("x-forwarded-host"), "shop.example");
}

#[tokio::test]
async fn a_token_that_does_not_hold_reaches_nobody() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    for value in ["Bearer x.y.z", "Bearer", "Basic YTpi", "bearer  ", "Bearer a, Bearer b"] {
        let refused = edge.exchange(with(&format!("Authorization: {value}\r\n"))).await;
        assert_eq!(refused.status, 401, "{value}: {refused:?}");
    }
    let token = edge.token();
    let twice = format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n");
    let refused = edge.exchange(with(&twice)).await;
    assert!(matches!(refused.status, 400 | 401), "{refused:?}");
    assert_eq!(echo.take_seen().len(), 0);
    edge.exchange(with(&format!("Authorization: Bearer {token}\r\n")))
        .await
        .expect(200);
    assert_eq!(echo.take_seen()[0].header("authorization"), format!("Bearer {token}"));
}

#[tokio::test]
async fn there_is_one_host_and_it_is_that_of_the_address() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let path = "/api/v1/products";
    for request in [
        format!("GET {path} HTTP/1.1\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a, b\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a b\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a@b\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a:80:80\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a:x\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: a\"b\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost:\r\n\r\n"),
        format!("GET http://evil.example{path} HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
        format!("GET http://user@shop.example{path} HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
        format!("GET ftp://shop.example{path} HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
    ] {
        let refused = edge.exchange(&request).await;
        assert_eq!(refused.status, 400, "{request:?}: {refused:?}");
    }
    assert_eq!(echo.take_seen().len(), 0);
    let absolute = format!("GET http://Shop.example{path}?q=1 HTTP/1.1\r\nHost: shop.example\r\n\r\n");
    assert_eq!(
        edge.exchange(absolute).await.expect(200)["target"],
        format!("{path}?q=1")
    );
    for host in ["shop.example:8080", "[2001:db8::1]:8080", "192.0.2.1"] {
        edge.exchange(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
            .await
            .expect(200);
        let seen = echo.take_seen().pop().unwrap();
        assert_eq!(seen.header("x-forwarded-host"), host);
        assert_eq!(
            seen.header("host"),
            echo.url().trim_start_matches("http://"),
            "the upstream's own"
        );
    }
}

#[tokio::test]
async fn where_a_request_comes_from_is_the_peers_address_whatever_it_says() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let many = vec!["192.0.2.1"; 1000].join(", ");
    for said in ["1.2.3.4", "fe80::1%eth0", "unknown", "127.0.0.1", "\"[::1]\"", &many] {
        let headers = format!("X-Forwarded-For: {said}\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\n");
        edge.exchange(with(&headers)).await.expect(200);
        let seen = echo.take_seen().remove(0);
        assert_eq!(seen.header("x-forwarded-for"), "127.0.0.1", "{said:.30}");
        assert_eq!(seen.header("x-forwarded-proto"), "http");
        assert_eq!(
            seen.header("forwarded"),
            "for=127.0.0.1;host=\"shop.example\";proto=http"
        );
    }
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_about_the_last_hop_that_is_none() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("limits.trusted_proxies", "127.0.0.1,10.0.0.0/8")]).await;
    for (said, origin) in [
        ("192.0.2.1", "192.0.2.1"),
        ("1.2.3.4, 192.0.2.1, 10.1.1.1", "192.0.2.1"),
        ("192.0.2.1, fe80::1%eth0", "127.0.0.1"),
        ("192.0.2.1:1234", "127.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
    ] {
        let headers = format!("X-Forwarded-For: {said}\r\nX-Forwarded-Proto: https\r\n");
        let told = edge.exchange(with(&headers)).await;
        told.expect(200);
        assert_eq!(told.header("strict-transport-security"), "max-age=31536000");
        let seen = echo.take_seen().remove(0);
        assert_eq!(seen.header("x-forwarded-for"), origin, "{said}");
        assert_eq!(seen.header("x-forwarded-proto"), "https");
    }
    let plain = edge.exchange(with("X-Forwarded-For: 192.0.2.1\r\n")).await;
    assert_eq!(plain.header("strict-transport-security"), "");
}

#[tokio::test]
async fn too_much_of_an_address_or_of_headers_is_refused_before_anybody_is_asked() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let long = |length: usize| "x".repeat(length);
    let refused = edge.get(&format!("/api/v1/products?q={}", long(16 << 10))).await;
    refused.problem(414, "uri_too_long");
    let refused = edge.exchange(with(&format!("X-Long: {}\r\n", long(33 << 10)))).await;
    refused.problem(431, "headers_too_large");
    let many = |count: usize| {
        (0..count)
            .map(|number| format!("X-{number}: {}\r\n", long(700)))
            .collect::<String>()
    };
    edge.exchange(with(&many(90))).await.problem(431, "headers_too_large");
    for headers in [many(500), (0..500).map(|number| format!("X-{number}: 1\r\n")).collect()] {
        let refused = edge.exchange(with(&headers)).await;
        assert!(matches!(refused.status, 400 | 431), "{refused:?}");
    }
    // Without an end in sight, the library itself gives up.
    let refused = edge
        .exchange(format!("GET /api/v1/products HTTP/1.1\r\nX: {}", long(200 << 10)))
        .await;
    assert!(matches!(refused.status, 400 | 431), "{refused:?}");
    assert_eq!(echo.take_seen().len(), 0);
    edge.exchange(with(&format!("X-Long: {}\r\n", long(16 << 10))))
        .await
        .expect(200);
    edge.get(&format!("/api/v1/products?q={}", long(7 << 10)))
        .await
        .expect(200);
}

#[tokio::test]
async fn an_answer_tells_nothing_of_the_machinery_and_keeps_its_connection_to_itself() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    echo.answers(|_| {
        let headers = [
            ("server", "actix/4"),
            ("x-powered-by", "rust 1.89"),
            ("via", "1.1 internal"),
            ("connection", "x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("bodega-route", "/api/v1/products"),
            ("service-token", "secret"),
            ("date", "Tue, 24 Nov 2026 00:00:00 GMT"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("etag", "\"1\""),
        ];
        Reply::Bytes(answer("200 OK", &headers, "{}"))
    });
    let told = edge.get("/api/v1/products").await;
    told.expect(200);
    for name in [
        "server",
        "x-powered-by",
        "via",
        "x-mine",
        "keep-alive",
        "proxy-authenticate",
        "bodega-route",
        "service-token",
    ] {
        assert_eq!(told.header(name), "", "{told:?}");
    }
    assert_eq!(told.header("x-content-type-options"), "nosniff");
    assert_eq!(told.header("etag"), "\"1\"");
    assert_ne!(told.header("date"), "");
    let cookies = told.headers.iter().filter(|(name, _)| name == "set-cookie");
    assert_eq!(
        cookies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
        ["a=1", "b=2"]
    );
}

#[tokio::test]
async fn an_answer_leads_nobody_to_an_address_inside() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let inside = echo.url();
    for (told, passed_on) in [
        (format!("{inside}/api/v1/orders/x?y=1"), "/api/v1/orders/x?y=1"),
        (inside.clone(), "/"),
        ("/api/v1/orders/x".to_owned(), "/api/v1/orders/x"),
        ("https://pay.example/session".to_owned(), "https://pay.example/session"),
    ] {
        echo.answers(move |_| {
            Reply::Bytes(answer(
                "201 Created",
                &[("location", &told), ("content-location", &told)],
                "{}",
            ))
        });
        let told = edge.get("/api/v1/orders").await;
        told.expect(201);
        assert_eq!(
            (told.header("location"), told.header("content-location")),
            (passed_on, passed_on)
        );
    }
}

#[tokio::test]
async fn a_trace_goes_through_and_a_request_has_one_id_everywhere() {
    let echo = Echo::start().await;
    let edge = Edge::before(&echo).await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let told = edge
        .exchange(with(&format!("traceparent: {trace}\r\nX-Request-Id: abc\r\n")))
        .await;
    let seen = echo.take_seen().remove(0);
    assert_eq!(
        (seen.header("traceparent"), seen.header("x-request-id")),
        (trace, "abc")
    );
    assert_eq!(
        (told.header("traceparent"), told.header("x-request-id")),
        (trace, "abc")
    );
    let told = edge
        .exchange(with("traceparent: nonsense\r\nX-Request-Id: a b\r\n"))
        .await;
    let seen = echo.take_seen().remove(0);
    assert_eq!(seen.header("traceparent"), told.header("traceparent"));
    assert_eq!(seen.header("x-request-id"), told.header("x-request-id"));
    assert_ne!(seen.header("x-request-id"), "a b");
}
