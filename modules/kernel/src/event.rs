//! Events: facts that a module publishes. The envelope follows CloudEvents 1.0
//! (<https://github.com/cloudevents/spec>); payload types live in the producer's api crate.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Fault;
use crate::id::EventId;
use crate::remote::wait_for_news;

/// The payload of one type of event.
pub trait Payload: Serialize + DeserializeOwned {
    /// The type's name, e.g. `order.placed`. Never changes; an incompatible payload gets a new name.
    const TYPE: &'static str;

    /// The id of what the event is about.
    fn subject(&self) -> String;
}

/// One published event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Unique; consumers that act outside their database use it to act once.
    pub id: EventId,
    /// Names the payload, e.g. `order.placed`.
    pub r#type: String,
    /// What it is about: an id.
    pub subject: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// The payload.
    pub data: Value,
    /// Counts the events of its module; 0 as long as it is not published. Of two events about the same thing, whose changes
    /// waited for each other, the later one has the greater number. What comes later in a feed may have a smaller one.
    #[serde(default)]
    pub sequence: i64,
}

impl Event {
    /// An event of `payload` that happens at `time`.
    pub fn of<P: Payload>(payload: &P, time: DateTime<Utc>) -> Result<Self, Fault> {
        let data = serde_json::to_value(payload).map_err(|error| Fault::internal(error.to_string()))?;
        Ok(Self {
            id: EventId::generate(),
            r#type: P::TYPE.to_owned(),
            subject: payload.subject(),
            time,
            data,
            sequence: 0,
        })
    }

    /// The payload, where the event is of type `P`.
    pub fn payload<P: Payload>(&self) -> Option<Result<P, serde_json::Error>> {
        (self.r#type == P::TYPE).then(|| P::deserialize(&self.data))
    }
}

/// How far a consumer has read a feed. Totally ordered in the order in which events become visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The transaction that wrote the event.
    pub transaction: i64,
    /// The event within all of the feed.
    pub sequence: i64,
}

/// The events of one module, in a commit-safe order: what comes after a position once, always comes after it.
#[async_trait]
pub trait Feed: Send + Sync {
    /// At most `limit` events after `after`, each with its position; empty where there are none (yet).
    async fn read(&self, after: Position, limit: i64) -> Result<Vec<(Position, Event)>, Fault>;

    /// The same, but where there are none, waits up to `wait` for some.
    async fn next(&self, after: Position, limit: i64, wait: Duration) -> Result<Vec<(Position, Event)>, Fault> {
        wait_for_news(self, after, limit, wait).await
    }

    /// The position of the newest event there is: where a reader begins that only wants news.
    async fn end(&self) -> Result<Position, Fault>;
}
