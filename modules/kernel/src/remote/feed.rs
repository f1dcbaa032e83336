//! Events across processes: `GET /internal/<module>/events?transaction=..&sequence=..&limit=..&wait_ms=..` answers what
//! comes after a position, and waits a while where nothing does.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, web};
use async_trait::async_trait;
use hyper::Method;
use serde::Deserialize;
use tokio::time::Instant;

use super::{Remote, Repeat};
use crate::event::{Event, Feed, Position};
use crate::{Fault, Problem};

/// How long a reader's request may wait for news.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How often a waiting request looks for news. Other replicas write into the same feed, so that there is nobody to tell.
const LOOK: Duration = Duration::from_millis(200);
/// The most events in one answer.
const LARGEST_BATCH: i64 = 500;

/// The feed of a module in other processes.
#[derive(Clone)]
pub struct RemoteFeed(Remote);

impl RemoteFeed {
    /// The events of the module that `remote` calls.
    pub fn new(remote: Remote) -> Self {
        Self(remote)
    }
}

#[async_trait]
impl Feed for RemoteFeed {
    async fn read(&self, after: Position, limit: i64) -> Result<Vec<(Position, Event)>, Fault> {
        self.next(after, limit, Duration::ZERO).await
    }

    async fn next(&self, after: Position, limit: i64, wait: Duration) -> Result<Vec<(Position, Event)>, Fault> {
        let wait = wait.min(LONGEST_WAIT);
        let target = format!(
            "/internal/{}/events?transaction={}&sequence={}&limit={limit}&wait_ms={}",
            self.0.upstream.name(),
            after.transaction,
            after.sequence,
            wait.as_millis()
        );
        let patience = super::PATIENCE + wait;
        let body = self
            .0
            .ask(Method::GET, &target, web::Bytes::new(), patience, Repeat::Yes)
            .await?;
        serde_json::from_slice(&body).map_err(|error| Fault::internal(format!("events: {error}")))
    }

    async fn end(&self) -> Result<Position, Fault> {
        self.0.fetch("events/end").await
    }
}

/// The other end: mounts the feed of `module`.
pub fn serve_feed(config: &mut web::ServiceConfig, module: &str, feed: Arc<dyn Feed>) {
    let end = Arc::clone(&feed);
    config
        .route(
            &format!("/internal/{module}/events"),
            web::get().to(move |asked: web::Query<Asked>| list_events(Arc::clone(&feed), asked.into_inner())),
        )
        .route(
            &format!("/internal/{module}/events/end"),
            web::get().to(move || {
                let feed = Arc::clone(&end);
                async move { Ok::<_, Problem>(HttpResponse::Ok().json(feed.end().await?)) }
            }),
        );
}

/// Whether a request for `path` may wait for something to happen.
pub fn waits_for_news(path: &str) -> bool {
    path.starts_with("/internal/") && path.ends_with("/events")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    transaction: i64,
    sequence: i64,
    limit: i64,
    wait_ms: u64,
}

async fn list_events(feed: Arc<dyn Feed>, asked: Asked) -> Result<HttpResponse, Problem> {
    let after = Position {
        transaction: asked.transaction,
        sequence: asked.sequence,
    };
    let wait = Duration::from_millis(asked.wait_ms).min(LONGEST_WAIT);
    let events = feed.next(after, asked.limit.clamp(1, LARGEST_BATCH), wait).await?;
    Ok(HttpResponse::Ok().json(events))
}

/// Waits for news by looking again and again: the default of [`Feed::next`].
pub(crate) async fn wait_for_news(
    feed: &(impl Feed + ?Sized),
    after: Position,
    limit: i64,
    wait: Duration,
) -> Result<Vec<(Position, Event)>, Fault> {
    let until = Instant::now() + wait;
    loop {
        let events = feed.read(after, limit).await?;
        if !events.is_empty() || Instant::now() + LOOK > until {
            return Ok(events);
        }
        tokio::time::sleep(LOOK).await;
    }
}
