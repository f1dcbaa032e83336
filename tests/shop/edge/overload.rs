//! Clients that take their time, send too much or read too little, and modules that cannot keep up: LOAD-01 to 05, 07, 08
//! and 10.

use std::time::Duration;

use database::connection::{Limits, connect};
use diesel::connection::SimpleConnection;
use futures_util::future::{join_all, select_all};
use serde_json::{Value, json};

use super::super::support::{Answer, Echo, Edge, Reply, Store, Wire, answer, eventually, get};

/// What goes well keeps the breaker closed, where that is not what a test is about.
const WELL: &str = "/api/v1/products/well";

fn head(method: &str, path: &str, headers: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

/// Never answers anybody but who asks for [`WELL`].
fn never(echo: &Echo) {
    echo.answers(|seen| match seen.target.as_str() {
        WELL => Reply::Echo,
        _ => Reply::Stall(Vec::new()),
    });
}

#[tokio::test]
async fn who_does_not_finish_the_head_of_a_request_is_sent_away_and_others_are_served_meanwhile() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("limits.head_timeout", "2s")]).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut wire = edge.connect().await;
        wire.send("GET /api/v1/products HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
        slow.push(wire);
    }
    for _ in 0..20 {
        edge.get("/api/v1/products").await.expect(200);
    }
    let answers = join_all(
        slow.iter_mut()
            .map(async |wire| (wire.answer().await.status, wire.rest().await)),
    );
    assert!(answers.await.into_iter().all(|answer| answer == (408, Vec::new())));
}

#[tokio::test]
async fn a_later_head_may_not_take_for_ever_either() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("limits.idle_timeout", "1s"), ("limits.head_timeout", "500ms")]).await;
    let after_an_answer = async |begun: &str| {
        let mut wire = edge.connect().await;
        wire.send(get("/api/v1/products")).await;
        wire.answer().await.expect(200);
        wire.send(begun).await;
        wire
    };
    let begun = "GET /api/v1/products HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    let (mut slow, mut stuck, mut silent) =
        tokio::join!(after_an_answer(begun), after_an_answer(begun), after_an_answer(""));
    let came = tokio::join!(slow.trickle(), stuck.rest(), silent.rest());
    assert_eq!(came, (Vec::new(), Vec::new(), Vec::new()));
    assert_eq!(echo.seen().len(), 3);
}

#[tokio::test]
async fn who_waits_for_a_slow_module_is_not_taken_for_idle() {
    let echo = Echo::start().await;
    let changes = [
        ("limits.idle_timeout", "200ms"),
        ("limits.head_timeout", "200ms"),
        ("gateway.first_byte_timeout", "2s"),
    ];
    let edge = Edge::with(&echo, changes).await;
    never(&echo);
    for _ in 0..2 {
        let mut wire = edge.connect().await;
        wire.send(get(WELL)).await;
        wire.answer().await.expect(200);
        wire.send(get("/api/v1/products")).await;
        wire.answer().await.problem(504, "timeout");
    }
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_cut_off_on_its_way_to_a_module() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("limits.body_timeout", "500ms")]).await;
    for (headers, begun) in [
        ("Content-Length: 100\r\n", "part"),
        ("Content-Length: 1000000\r\n", "part"),
        ("Content-Length: 100\r\n", ""),
        ("Transfer-Encoding: chunked\r\n", "4\r\npart\r\n"),
        ("Transfer-Encoding: chunked\r\n", "4"),
    ] {
        let mut wire = edge.connect().await;
        wire.send(format!("{}{begun}", head("POST", "/api/v1/imports", headers)))
            .await;
        wire.answer().await.problem(408, "request_timeout");
        assert_eq!(wire.rest().await, b"", "{headers:?}");
    }
    assert!(echo.seen().iter().all(|seen| !seen.whole), "{:?}", echo.seen());
    edge.get("/api/v1/imports").await.expect(200);
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_cut_off_in_the_process_of_its_module_too() {
    let store = Store::with([("limits.body_timeout", "500ms")]).await;
    let admin = store.admin().await;
    let token = admin.sign_in()["access_token"].as_str().unwrap();
    let staff = format!("Authorization: Bearer {token}\r\n");
    for (path, headers) in [
        (
            "/api/v1/auth/login",
            "Content-Type: application/json\r\nContent-Length: 100\r\n".to_owned(),
        ),
        (
            "/api/v1/auth/login",
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n".to_owned(),
        ),
        (
            "/api/v1/admin/imports",
            format!("{staff}Content-Type: text/csv\r\nContent-Length: 100\r\n"),
        ),
        (
            "/api/v1/admin/imports",
            format!("{staff}Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n"),
        ),
    ] {
        let mut wire = Wire::to(store.address()).await;
        wire.send(format!("{}4\r\npart\r\n", head("POST", path, &headers)))
            .await;
        wire.answer().await.problem(408, "request_timeout");
        assert_eq!(wire.rest().await, b"", "{path} {headers:?}");
    }
}

#[tokio::test]
async fn who_does_not_read_the_answer_is_disconnected_and_so_is_the_module() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("limits.write_timeout", "1s")]).await;
    echo.answers(|_| Reply::Bytes(answer("200 OK", &[], vec![b'x'; 64 << 20])));
    let mut wire = edge.connect().await;
    wire.send(get("/api/v1/products")).await;
    eventually(async || json!(echo.seen().len()), |seen| *seen == 1).await;
    eventually(async || json!(echo.open()), |open| *open == 0).await;
    let told = wire.answer().await;
    assert!(!told.whole && told.body.len() < 32 << 20, "{} bytes", told.body.len());
    // Who reads gets all of it.
    assert_eq!(edge.get("/api/v1/products").await.body.len(), 64 << 20);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_length_or_where_it_becomes_so() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("limits.upload_bytes", "1000000")]).await;
    let ten_gibibytes = format!("Content-Length: {}\r\n", 10_u64 << 30);
    for headers in [
        ten_gibibytes.as_str(),
        "Content-Length: 1000001\r\n",
        "Content-Length: 18446744073709551615\r\n",
    ] {
        let mut wire = edge.connect().await;
        wire.send(head("POST", "/api/v1/imports", headers)).await;
        wire.answer().await.problem(413, "payload_too_large");
    }
    assert_eq!(echo.take_seen().len(), 0);
    let mut wire = edge.connect().await;
    wire.send(head("POST", "/api/v1/imports", "Transfer-Encoding: chunked\r\n"))
        .await;
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..17 {
        wire.send(&piece).await;
    }
    wire.answer().await.problem(413, "payload_too_large");
    assert!(echo.take_seen().iter().all(|seen| !seen.whole));
}

#[tokio::test]
async fn a_module_that_does_not_read_is_sent_no_more_than_fits_between() {
    let echo = Echo::start().await;
    let edge = Edge::with(
        &echo,
        [("limits.body_timeout", "1s"), ("limits.upload_bytes", "10000000000")],
    )
    .await;
    echo.reads_bodies(false);
    let mut wire = edge.connect().await;
    wire.send(head("POST", "/api/v1/imports", "Transfer-Encoding: chunked\r\n"))
        .await;
    let piece = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let sent = wire.send_while_taken(piece.as_bytes()).await;
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    let told = wire.answer().await;
    assert!(matches!(told.status, 0 | 400 | 408 | 502 | 504), "{told:?}");
    // Should it ever read on, it finds out that this was not all.
    echo.reads_bodies(true);
    eventually(async || json!(echo.being_read()), |reading| *reading == 0).await;
    assert!(echo.take_seen().iter().all(|seen| !seen.whole));
}

#[tokio::test]
async fn what_is_large_or_deep_is_refused_without_much_ado() {
    let store = Store::start().await;
    let deep = format!("{{\"items\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let many = format!("{{\"items\": [{}]}}", vec!["1"; 400_000].join(","));
    let lines = format!(
        "{{\"items\": [{}]}}",
        vec![r#"{"variant_id":"x","quantity":1}"#; 20_000].join(",")
    );
    let keys: Vec<String> = (0..60_000).map(|number| format!("\"k{number}\": 1")).collect();
    let keys = format!("{{{}}}", keys.join(","));
    let long = json!({"items": [], "currency": "x".repeat(10 << 20)}).to_string();
    for (body, statuses) in [
        (deep, [400, 422]),
        (many, [422, 413]),
        (lines, [422, 413]),
        (keys, [422, 413]),
        (long, [413, 413]),
    ] {
        let refused = store
            .anonymous()
            .send_text(
                reqwest::Method::POST,
                "/carts",
                Some(("application/json", body.clone())),
            )
            .await;
        assert!(
            statuses.contains(&refused.status),
            "{:.80}: {:.300}",
            body,
            refused.text
        );
        refused.assert_sound_problem();
    }
    store.anonymous().post("/carts", json!({})).await.expect(201);
}

#[tokio::test]
async fn with_all_places_taken_the_gateway_refuses_at_once_and_checkouts_last() {
    let echo = Echo::start().await;
    let edge = Edge::with(&echo, [("limits.in_flight", "5"), ("gateway.first_byte_timeout", "5s")]).await;
    never(&echo);
    let mut waiting = Vec::new();
    for number in 0..4 {
        let mut wire = edge.connect().await;
        wire.send(get("/api/v1/products")).await;
        waiting.push(wire);
        eventually(async || json!(echo.stalled()), |stalled| *stalled == number + 1).await;
    }
    let refused = edge.get(WELL).await;
    refused.problem(503, "overloaded");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    let mut buyer = edge.connect().await;
    buyer
        .send(head("POST", "/api/v1/orders", "Content-Length: 0\r\n"))
        .await;
    eventually(async || json!(echo.stalled()), |stalled| *stalled == 5).await;
    edge.exchange(head("POST", "/api/v1/orders", "Content-Length: 0\r\n"))
        .await
        .problem(503, "overloaded");
    edge.management("/livez").await.expect(200);
    edge.management("/readyz").await.expect(200);
    let told = edge.management("/metrics").await.text;
    assert!(told.contains("gateway_shed_total{priority=\"checkout\"}"), "{told}");
    assert!(told.contains("gateway_requests_in_flight"), "{told}");
    // Each place is free again when its request is over.
    for wire in &mut waiting {
        wire.answer().await.problem(504, "timeout");
    }
    edge.get(WELL).await.expect(200);
}

#[tokio::test]
async fn a_module_that_is_slow_costs_its_own_callers_alone_and_soon_no_time_any_more() {
    let (echo, slow) = (Echo::start().await, Echo::start().await);
    let edge = Edge::with(
        &echo,
        [
            ("upstream.product", &slow.url()),
            ("gateway.first_byte_timeout", "300ms"),
        ],
    )
    .await;
    never(&slow);
    let mut told: Vec<u16> = Vec::new();
    while !told.contains(&503) {
        told.push(edge.get("/api/v1/products").await.status);
        edge.get("/api/v1/carts").await.expect(200);
        assert!(
            told.len() < 20 && told.iter().all(|status| matches!(status, 503 | 504)),
            "{told:?}"
        );
    }
    // The breaker is open: nobody asks the module, but for a trial now and then.
    slow.take_seen();
    let callers: Vec<Answer> = join_all((0..50).map(async |_| edge.get("/api/v1/products").await)).await;
    assert!(callers.iter().all(|told| matches!(told.status, 503 | 504)));
    assert!(slow.take_seen().len() <= 2, "{:?}", slow.seen());
    slow.answers(|_| Reply::Echo);
    eventually(
        async || json!(edge.get("/api/v1/products").await.status),
        |status| *status == 200,
    )
    .await;
}

#[tokio::test]
async fn retries_add_a_fifth_to_a_load_that_is_too_much_already_and_no_more() {
    let (one, other) = (Echo::start().await, Echo::start().await);
    let both = format!("{},{}", one.url(), other.url());
    let edge = Edge::with(&one, [("upstream.product", &both)]).await;
    for echo in [&one, &other] {
        echo.answers(|seen| match seen.target.as_str() {
            WELL => Reply::Echo,
            _ => Reply::Bytes(answer("503 Service Unavailable", &[("retry-after", "1")], "")),
        });
    }
    let asked = 300;
    for number in 0..asked {
        let target = if number % 2 == 0 { WELL } else { "/api/v1/products" };
        edge.get(target).await;
    }
    let sent = one.seen().len() + other.seen().len();
    // A few are free, or a quiet shop could never repeat anything.
    assert!(sent * 10 <= asked * 12 + 50, "{sent} requests were made of {asked}");
    assert!(sent > asked, "some were repeated");
    for echo in [&one, &other] {
        echo.take_seen();
        echo.answers(|_| Reply::Bytes(answer("503 Service Unavailable", &[("retry-after", "1")], "")));
    }
    let refused: Vec<Answer> = join_all((0..asked).map(async |_| edge.get("/api/v1/products").await)).await;
    assert!(refused.iter().all(|refused| refused.status == 503));
    let sent = one.seen().len() + other.seen().len();
    assert!(sent * 10 <= asked * 12 + 50, "{sent} requests were made of {asked}");
}

#[tokio::test]
async fn with_every_connection_to_the_database_busy_the_answer_is_503_soon_and_health_is_told() {
    let store = Store::with([
        ("database.connections", "2"),
        ("database.wait_timeout", "300ms"),
        ("database.lock_timeout", "20s"),
        ("database.statement_timeout", "20s"),
    ])
    .await;
    let limits = Limits {
        statement: Duration::from_secs(60),
        ..Limits::default()
    };
    let mut holder = connect(&store.database_url().to_owned().into(), &limits).unwrap();
    holder
        .batch_execute("BEGIN; LOCK TABLE carts.carts IN ACCESS EXCLUSIVE MODE")
        .unwrap();
    let waiting = (0..12).map(|_| {
        let caller = store.anonymous();
        tokio::spawn(async move { caller.post("/carts", json!({})).await })
    });
    // Two wait for the lock, and all others for one of the two.
    let (first, _, others) = select_all(waiting).await;
    first.unwrap().problem(503, "unavailable");
    store.management("/livez").await.expect(200);
    let told: Value = store.management("/readyz").await.json;
    assert!(told["ready"].is_boolean(), "{told}");
    holder.batch_execute("ROLLBACK").unwrap();
    for answer in join_all(others).await {
        let answer = answer.unwrap();
        if answer.status != 201 {
            answer.problem(503, "unavailable");
        }
    }
    store.anonymous().post("/carts", json!({})).await.expect(201);
}
