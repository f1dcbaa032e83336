//! One resource, one address: whatever could be read in two ways is refused at the edge (GW-05, GW-07, AZ-10, IN-02).

use super::support::Store;

async fn status_and_code(store: &Store, request: &str) -> (u16, String) {
    let answer = store.raw(request).await;
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or(0);
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    (status, problem["code"].as_str().unwrap_or_default().to_owned())
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn a_path_in_another_form_than_the_canonical_is_400() {
    let store = Store::start().await;
    for path in [
        "//api/v1/me",
        "/api//v1/me",
        "/api/v1/../v1/me",
        "/api/v1/./me",
        "/api/v1/%2e%2e/me",
        "/api/v1/public/..%2finternal",
        "/api%2fv1%2fme",
        "/api/v1/me%5c",
        "/api/v1/me%00",
        "/api/v1/me;x=1",
        "/api/v1/me%3bx",
        "/api/v1/%252e%252e/me",
        "/api/v1/me%",
        "/api/v1/me%zz",
        "/api/v1/%c0%ae",
        "/api/v1/%ff",
    ] {
        let (status, code) = status_and_code(&store, &get(path)).await;
        assert_eq!((status, code.as_str()), (400, "invalid_path"), "{path}");
    }
    for path in ["/internal", "/%69nternal", "/metrics", "/readyz?verbose", "/API/v1/me"] {
        assert_eq!(status_and_code(&store, &get(path)).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn an_address_that_is_too_long_is_414_and_headers_that_are_too_many_are_431() {
    let store = Store::start().await;
    let long = format!("/api/v1/me?x={}", "y".repeat(9000));
    assert_eq!(
        status_and_code(&store, &get(&long)).await,
        (414, "uri_too_long".to_owned())
    );
    let headers = (0..8).map(|number| format!("X-Padding-{number}: {}\r\n", "y".repeat(5000)));
    let request = format!(
        "GET /api/v1/me HTTP/1.1\r\nHost: x\r\n{}Connection: close\r\n\r\n",
        headers.collect::<String>()
    );
    assert_eq!(
        status_and_code(&store, &request).await,
        (431, "headers_too_large".to_owned())
    );
}

#[tokio::test]
async fn there_is_exactly_one_host() {
    let store = Store::start().await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let request = format!("GET /api/v1/openapi.json HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        assert_eq!(status_and_code(&store, &request).await.0, 400, "{hosts}");
    }
}

#[tokio::test]
async fn a_header_that_is_not_utf_8_is_400() {
    let store = Store::start().await;
    let mut request =
        b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nCart-Secret: \xff\xfe\r\nConnection: close\r\n\r\n".to_vec();
    let answer = store.raw(std::mem::take(&mut request)).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("invalid_header"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_message_whose_length_can_be_read_in_two_ways_is_400_and_never_a_second_request() {
    let store = Store::start().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 0x5\r\n",
        "Content-Length: 5, 5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
    ] {
        let request = format!("POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\n{framing}\r\n0\r\n\r\n{smuggled}");
        let answer = store.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{framing}: {answer}");
        assert!(!answer.contains("smuggled"), "{framing}: {answer}");
    }
}
