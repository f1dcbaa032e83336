//! Upstreams over real sockets: who is asked, what is tried again, and what is refused at once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method};
use kernel::deadline;
use kernel::upstream::{Body, Client, Limits, Outgoing, Upstream, UpstreamError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";

/// What an endpoint does with each request.
#[derive(Clone, Copy)]
enum Does {
    /// Answers this.
    Answers(&'static str),
    /// Reads the request and ends the connection.
    BreaksOff,
    /// Reads the request and says nothing.
    Waits,
}

/// A server that counts the requests it has read.
struct Server {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    async fn that(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, does, Arc::clone(&counted)));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Serves one connection. Requests have no body, so that each ends with an empty line.
async fn serve(mut stream: TcpStream, does: Does, requests: Arc<AtomicUsize>) {
    let mut read = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        read.push(byte);
        if !read.ends_with(b"\r\n\r\n") {
            continue;
        }
        read.clear();
        requests.fetch_add(1, Ordering::SeqCst);
        match does {
            Does::Answers(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
            Does::BreaksOff => return,
            Does::Waits => std::future::pending().await,
        }
    }
}

/// An address at which nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn upstream(addresses: &[&str], limits: Limits) -> Arc<Upstream> {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Upstream::new("cart", &addresses, limits).unwrap()
}

fn request(repeatable: bool) -> Outgoing {
    Outgoing {
        method: Method::GET,
        target: PathAndQuery::from_static("/"),
        headers: HeaderMap::new(),
        body: Body::empty(),
        patience: Duration::from_secs(10),
        repeatable,
    }
}

async fn status(upstream: &Upstream, request: &Outgoing) -> Result<u16, UpstreamError> {
    let answer = upstream.send(&Client::default(), request).await?;
    Ok(answer.status().as_u16())
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_costs_nobody_an_answer() {
    let well = Server::that(Does::Answers(OK)).await;
    let upstream = upstream(&[&nowhere().await, &well.address], Limits::default());
    for _ in 0..20 {
        assert_eq!(status(&upstream, &request(false)).await, Ok(200));
    }
    assert_eq!(well.requests(), 20);
}

#[tokio::test]
async fn what_may_have_been_carried_out_is_sent_again_only_where_it_is_repeatable() {
    let broken = Server::that(Does::BreaksOff).await;
    let upstream = upstream(&[&broken.address], Limits::default());
    let outcome = status(&upstream, &request(false)).await;
    assert!(matches!(outcome, Err(UpstreamError::BrokenOff(..))), "{outcome:?}");
    assert_eq!(broken.requests(), 1);
    let outcome = status(&upstream, &request(true)).await;
    assert!(matches!(outcome, Err(UpstreamError::BrokenOff(..))), "{outcome:?}");
    assert_eq!(broken.requests(), 3);
}

#[tokio::test]
async fn retries_stay_within_a_fifth_of_the_requests() {
    let (first, second) = (
        Server::that(Does::Answers(BUSY)).await,
        Server::that(Does::Answers(BUSY)).await,
    );
    let upstream = upstream(&[&first.address, &second.address], Limits::default());
    let asked = 200;
    let answered = {
        let mut answered = 0;
        for _ in 0..asked {
            answered += usize::from(status(&upstream, &request(true)).await == Ok(503));
        }
        answered
    };
    let received = first.requests() + second.requests();
    assert!(answered > 0);
    assert!(received <= asked + asked / 5 + 3, "{received} requests for {asked}");
}

#[tokio::test]
async fn a_lone_endpoint_that_fails_is_left_alone_for_a_moment() {
    let waits = Server::that(Does::Waits).await;
    let upstream = upstream(&[&waits.address], Limits::default());
    let impatient = Outgoing {
        patience: Duration::from_millis(20),
        ..request(true)
    };
    for _ in 0..5 {
        let outcome = status(&upstream, &impatient).await;
        assert!(matches!(outcome, Err(UpstreamError::TimedOut(_))), "{outcome:?}");
    }
    let outcome = status(&upstream, &impatient).await;
    assert!(matches!(outcome, Err(UpstreamError::Unreachable(..))), "{outcome:?}");
    assert_eq!(waits.requests(), 5);
}

#[tokio::test]
async fn an_endpoint_gets_no_more_at_a_time_than_it_may_and_the_queue_is_short() {
    let waits = Server::that(Does::Waits).await;
    let upstream = upstream(&[&waits.address], Limits { in_flight: 2, queue: 1 });
    let patience = Duration::from_millis(400);
    let asked = (0..8).map(|_| {
        let upstream = Arc::clone(&upstream);
        async move { deadline::within(patience, status(&upstream, &request(false))).await }
    });
    let outcomes = futures_util::future::join_all(asked).await;
    let busy = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Err(UpstreamError::Busy(_)))))
        .count();
    assert!(busy >= 5, "{outcomes:?}");
    assert_eq!(waits.requests(), 2);
}

#[tokio::test]
async fn the_deadline_of_the_caller_goes_with_the_request_and_does_not_count_as_a_failure() {
    let waits = Server::that(Does::Waits).await;
    let upstream = upstream(&[&waits.address], Limits::default());
    // Were they counted, those after the fifth would be refused at once.
    for _ in 0..9 {
        let outcome = deadline::within(Duration::from_millis(20), status(&upstream, &request(true))).await;
        assert!(
            matches!(outcome, Err(deadline::Passed) | Ok(Err(UpstreamError::TimedOut(_)))),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_where_it_comes_from_is_no_fault_of_the_endpoint() {
    let waits = Server::that(Does::Waits).await;
    let upstream = upstream(&[&waits.address], Limits::default());
    // Were they counted, those after the fifth would be refused at once.
    for _ in 0..9 {
        let pieces = [
            Ok(Frame::data(Bytes::from_static(b"half"))),
            Err("the client has gone".into()),
        ];
        let broken = Outgoing {
            method: Method::POST,
            body: Body::stream(StreamBody::new(futures_util::stream::iter(pieces))),
            ..request(true)
        };
        let outcome = status(&upstream, &broken).await;
        assert!(matches!(outcome, Err(UpstreamError::Unfinished(_))), "{outcome:?}");
    }
}

#[test]
fn an_address_is_plain_http_with_a_host_and_nothing_else() {
    for wrong in [
        "",
        "10.0.0.7:8081",
        "https://a:1",
        "http://a:1/path",
        "http://u:p@a:1",
        "http://",
        "ftp://a",
    ] {
        let error = Upstream::new("cart", &[wrong.to_owned()], Limits::default())
            .err()
            .unwrap();
        assert!(error.starts_with("upstream.cart: "), "{error}");
    }
    assert!(Upstream::new("cart", &[], Limits::default()).is_err());
    assert!(Upstream::new("cart", &["http://10.0.0.7:8081".to_owned()], Limits::default()).is_ok());
}
