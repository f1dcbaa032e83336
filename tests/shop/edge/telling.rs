//! What the gateway tells operators: metrics for each upstream and route, and a line for each request, of which nobody can
//! make as many kinds as they like: OPS-15; and nothing that was secret: OPS-12.

use serde_json::{Value, json};

use super::super::support::{Echo, EdgeProcess, Reply, Wire, answer, eventually, get};

/// What somebody made up, and must not become a name of anything.
const MADE_UP: &str = "zq7canary";

async fn send(edge: &EdgeProcess, request: String) -> u16 {
    let mut wire = Wire::to(edge.address()).await;
    wire.send(request).await;
    wire.answer().await.status
}

async fn metrics(edge: &EdgeProcess) -> String {
    edge.management("/metrics").await.text
}

/// The lines about requests.
fn requests(log: &[Value]) -> Vec<&Value> {
    log.iter().filter(|line| line["target"] == "access").collect()
}

#[tokio::test]
async fn each_upstream_is_measured_by_what_came_of_asking_it() {
    let echo = Echo::start().await;
    let edge = EdgeProcess::before(&echo).await;
    echo.answers(|seen| match seen.target.rsplit('/').next().unwrap_or_default() {
        "missing" => Reply::Bytes(answer("404 Not Found", &[], "")),
        "broken" => Reply::Last(Vec::new()),
        _ => Reply::Echo,
    });
    for (path, status) in [("products", 200), ("products/missing", 404), ("carts/broken", 502)] {
        assert_eq!(send(&edge, get(&format!("/api/v1/{path}"))).await, status);
    }
    let told = metrics(&edge).await;
    for series in [
        "gateway_upstream_request_duration_seconds_count{upstream=\"product\",outcome=\"2xx\"} 1",
        "gateway_upstream_request_duration_seconds_count{upstream=\"product\",outcome=\"4xx\"} 1",
        // It was asked twice.
        "gateway_upstream_request_duration_seconds_count{upstream=\"cart\",outcome=\"broken_off\"} 2",
        "gateway_upstream_retries_total{upstream=\"cart\"} 1",
        "gateway_upstream_requests_in_flight{upstream=\"product\"} 0",
        "gateway_requests_in_flight 0",
    ] {
        assert!(told.contains(series), "no {series} in\n{told}");
    }
    eventually(
        async || json!(metrics(&edge).await.matches("gateway_upstream_ready{").count()),
        |count| *count == 4,
    )
    .await;
}

#[tokio::test]
async fn a_forwarded_request_goes_by_the_route_that_its_module_names() {
    let echo = Echo::start().await;
    let edge = EdgeProcess::before(&echo).await;
    echo.answers(|seen| match seen.target.split('?').next().unwrap_or_default() {
        "/api/v1/products/x" => Reply::Bytes(answer("200 OK", &[("bodega-route", "/api/v1/products/{id}")], "{}")),
        _ => Reply::Last(Vec::new()),
    });
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let head = format!("GET /api/v1/products/x?secret={MADE_UP} HTTP/1.1\r\nHost: x\r\ntraceparent: {trace}\r\n");
    assert_eq!(
        send(
            &edge,
            format!("{head}X-Request-Id: r-1\r\nCart-Secret: {MADE_UP}\r\n\r\n")
        )
        .await,
        200
    );
    let post = "POST /api/v1/admin/stock/adjustments HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(send(&edge, post.to_owned()).await, 502);
    let log = eventually(
        async || json!(edge.log()),
        |log| requests(log.as_array().unwrap()).len() >= 2,
    )
    .await;
    let log = log.as_array().unwrap();
    let lines = requests(log);
    assert_eq!(lines[0]["route"], "/api/v1/products/{id}", "{lines:#?}");
    assert_eq!(lines[0]["upstream"], "product", "{lines:#?}");
    assert_eq!(lines[0]["request_id"], "r-1", "{lines:#?}");
    assert_eq!(lines[0]["trace_id"], "0af7651916cd43dd8448eb211c80319c", "{lines:#?}");
    // Where the module does not say, it goes by what the gateway knows.
    assert_eq!(lines[1]["route"], "/api/v1/admin/stock/*", "{lines:#?}");
    assert_eq!(
        (&lines[1]["status"], &lines[1]["upstream"]),
        (&json!(502), &json!("product"))
    );
    assert!(!json!(log).to_string().contains(MADE_UP), "{log:#?}");
    let told = metrics(&edge).await;
    assert!(told.contains("http_route=\"/api/v1/products/{id}\""), "{told}");
}

#[tokio::test]
async fn nobody_can_make_up_names_in_metrics_and_logs() {
    let echo = Echo::start().await;
    let edge = EdgeProcess::before(&echo).await;
    let once = |number: usize| {
        let made_up = format!("{MADE_UP}{number}");
        [
            get(&format!("/{made_up}")),
            get(&format!("/api/v1/{made_up}")),
            get(&format!("/api/v1/products/{made_up}?{made_up}={made_up}")),
            get(&format!("/api/v1/products/../{made_up}")),
            get(&format!("/api/v1/admin/{made_up}")),
            format!("{} /api/v1/carts HTTP/1.1\r\nHost: x\r\n\r\n", made_up.to_uppercase()),
            format!(
                "GET /api/v1/carts HTTP/1.1\r\nHost: {made_up}\r\nX-Request-Id: {number}\r\nX-{made_up}: 1\r\n\r\n"
            ),
            format!("GET /api/v1/carts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {made_up}\r\n\r\n"),
            format!("OPTIONS /api/v1/{made_up} HTTP/1.1\r\nHost: x\r\nOrigin: http://{made_up}\r\n\r\n"),
            format!("CONNECT {made_up}:443 HTTP/1.1\r\nHost: x\r\n\r\n"),
            format!("GET /{made_up} HTTP/9.9\r\n\r\n"),
        ]
    };
    for request in once(0) {
        send(&edge, request).await;
    }
    let kinds = series(&metrics(&edge).await);
    for number in 1..20 {
        for request in once(number) {
            send(&edge, request).await;
        }
    }
    let told = metrics(&edge).await;
    assert!(!told.to_lowercase().contains(MADE_UP), "{told}");
    assert_eq!(series(&told), kinds);
    let log = eventually(
        async || json!(edge.log()),
        |log| requests(log.as_array().unwrap()).len() >= 200,
    )
    .await;
    let text = log.to_string().to_lowercase();
    assert!(
        !text.contains(MADE_UP),
        "{}",
        &text[text.find(MADE_UP).unwrap_or_default()..][..300]
    );
}

/// The series of requests, without their values.
fn series(metrics: &str) -> Vec<String> {
    let lines = metrics
        .lines()
        .filter(|line| line.starts_with("http_server_") || line.starts_with("gateway_upstream_r"));
    let mut series: Vec<String> = lines
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect();
    series.sort();
    series
}
