//! Limits that several gateways share, and what is left of them when what they share is gone: GW-20, LOAD-13.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;

use super::super::support::{Answer, Echo, Edge, Redis, Reply, answer, eventually};

/// Two gateways that count in `redis` and believe what tests say about where they come from.
async fn gateways(echo: &Echo, redis: &Redis, patience: &str) -> [Edge; 2] {
    let url = redis.url();
    let settings = [
        ("limits.enabled", "true"),
        ("limits.general_per_minute", "10"),
        ("limits.login_per_minute", "3"),
        ("limits.trusted_proxies", "127.0.0.1"),
        ("limits.redis_url", url.as_str()),
        ("limits.redis_timeout", patience),
    ];
    [Edge::with(echo, settings).await, Edge::with(echo, settings).await]
}

/// An address that nobody else in this test process asks from.
fn client() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "10.1.{}.{}",
        COUNT.load(Ordering::Relaxed) / 250,
        COUNT.fetch_add(1, Ordering::Relaxed) % 250
    )
}

async fn ask(edge: &Edge, client: &str) -> Answer {
    edge.exchange(format!(
        "GET /api/v1/products HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n\r\n"
    ))
    .await
}

async fn sign_in(edge: &Edge, client: &str) -> Answer {
    let head = format!("POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {client}\r\n");
    edge.exchange(format!("{head}Content-Length: 2\r\n\r\n{{}}")).await
}

/// What the general policy leaves, as an answer tells it.
fn left(answer: &Answer) -> u32 {
    let told = answer.header("ratelimit");
    let left = told
        .strip_prefix("\"general\";r=")
        .and_then(|rest| rest.split(';').next());
    left.unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
}

#[tokio::test]
async fn two_gateways_count_together_and_tell_it_as_one_would() {
    let (echo, redis) = (Echo::start().await, Redis::start());
    let [one, other] = gateways(&echo, &redis, "20s").await;
    let client = client();
    let mut taken = 0;
    for number in 0..20 {
        let edge = if number % 2 == 0 { &one } else { &other };
        let answer = ask(edge, &client).await;
        assert_eq!(answer.header("ratelimit-policy"), "\"general\";q=10;w=60");
        if answer.status == 200 {
            taken += 1;
            continue;
        }
        answer.problem(429, "rate_limited");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=6).contains(&wait), "{answer:?}");
        assert_eq!(answer.header("ratelimit"), format!("\"general\";r=0;t={wait}"));
    }
    // One more may have come back while a slow machine was counting.
    assert!((10..=12).contains(&taken), "{taken} were taken");
    assert!(left(&ask(&other, &self::client()).await) == 9, "others have their own");
}

/// IN-21
#[tokio::test]
async fn what_counts_as_several_requests_is_missing_at_all_gateways() {
    let (echo, redis) = (Echo::start().await, Redis::start());
    let [one, other] = gateways(&echo, &redis, "20s").await;
    let client = client();
    echo.answers(|_| Reply::Bytes(answer("200 OK", &[("bodega-cost", "7")], "{}")));
    let first = ask(&one, &client).await;
    assert_eq!(
        (left(&first), first.header("bodega-cost")),
        (2, ""),
        "one, and seven more"
    );
    // There are no seven more: what there is goes, and nothing is owed.
    assert_eq!(left(&ask(&other, &client).await), 0);
    echo.answers(|_| Reply::Echo);
    let refused = ask(&one, &client).await;
    refused.problem(429, "rate_limited");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=6).contains(&wait), "{refused:?}");
    assert_eq!(left(&ask(&one, &self::client()).await), 9, "others have their own");
}

#[tokio::test]
async fn signing_in_is_limited_over_all_gateways_too() {
    let (echo, redis) = (Echo::start().await, Redis::start());
    let [one, other] = gateways(&echo, &redis, "20s").await;
    let client = client();
    for edge in [&one, &other, &one] {
        assert_eq!(sign_in(edge, &client).await.status, 200);
    }
    sign_in(&other, &client).await.problem(429, "rate_limited");
    assert_eq!(ask(&other, &client).await.status, 200, "the general limit is another");
}

#[tokio::test]
async fn without_the_shared_store_each_gateway_limits_by_itself_and_afterwards_they_count_together_again() {
    let (echo, mut redis) = (Echo::start().await, Redis::start());
    let [one, other] = gateways(&echo, &redis, "2s").await;
    counting_together(&one, &other).await;
    redis.kill();
    let (buyer, guesser) = (client(), client());
    for edge in [&one, &other] {
        let mut taken = 0;
        for _ in 0..15 {
            let answer = ask(edge, &buyer).await;
            assert!(matches!(answer.status, 200 | 429), "{answer:?}");
            assert_eq!(answer.header("ratelimit-policy"), "\"general\";q=10;w=60");
            taken += u32::from(answer.status == 200);
        }
        assert!((10..=12).contains(&taken), "{taken} were taken");
        let mut tries = 0;
        while sign_in(edge, &guesser).await.status == 200 {
            tries += 1;
        }
        assert!((3..=4).contains(&tries), "{tries} sign-ins were tried");
    }
    redis.start_again();
    counting_together(&one, &other).await;
}

#[tokio::test]
async fn a_shared_store_that_says_nothing_is_not_waited_for() {
    let (echo, redis) = (Echo::start().await, Redis::start());
    let [one, other] = gateways(&echo, &redis, "100ms").await;
    counting_together(&one, &other).await;
    redis.freeze(true);
    let client = client();
    for _ in 0..8 {
        ask(&one, &client).await.expect(200);
    }
    redis.freeze(false);
    counting_together(&one, &other).await;
}

/// Waits until what one gateway takes is missing at the other.
async fn counting_together(one: &Edge, other: &Edge) {
    let both = async || {
        let client = client();
        json!([left(&ask(one, &client).await), left(&ask(other, &client).await)])
    };
    eventually(both, |left| *left == json!([9, 8])).await;
}
