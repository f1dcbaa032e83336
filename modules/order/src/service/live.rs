//! Those who watch orders. One question per round tells all of them what has changed, however many they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::{self, Stream};
use kernel::Fault;
use kernel::id::OrderId;
use kernel::job::{Round, Wake};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::Service;
use crate::domain::live::{self, LiveStatus, TicketRefusal};
use crate::error::OrderError;
use crate::queries;

/// How many streams one process has at most.
const STREAMS: usize = 2000;
/// How many of them may be about one order.
const STREAMS_PER_ORDER: usize = 10;
/// How long a stream lasts at most.
const LIFETIME: Duration = Duration::from_secs(3600);
/// How often a stream says something, so that nobody on the way takes it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it comes back, in milliseconds.
const RETRY: u32 = 2000;

/// A line that says nothing.
const SILENCE: Bytes = Bytes::from_static(b":\n\n");

/// The orders that somebody watches through this process.
#[derive(Default)]
pub(super) struct Watched {
    orders: Mutex<HashMap<OrderId, Order>>,
    wake: Wake,
}

struct Order {
    watchers: usize,
    news: watch::Sender<Option<News>>,
}

/// How an order stood when it was looked at last.
#[derive(Clone, Debug)]
struct News {
    version: i64,
    event: Bytes,
}

/// Somebody who watches an order, until it is dropped.
struct Watcher {
    watched: Arc<Watched>,
    order: OrderId,
    news: watch::Receiver<Option<News>>,
}

impl Watched {
    /// Wakes the job that tells those who watch.
    pub(super) fn wake(&self) -> Wake {
        self.wake.clone()
    }

    fn orders(&self) -> MutexGuard<'_, HashMap<OrderId, Order>> {
        // Nothing that holds the lock can panic half-way.
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, order: OrderId) -> Result<Watcher, OrderError> {
        let mut orders = self.orders();
        let all: usize = orders.values().map(|order| order.watchers).sum();
        let watching = orders.get(&order).map_or(0, |order| order.watchers);
        if all >= STREAMS || watching >= STREAMS_PER_ORDER {
            return Err(OrderError::TooManyWatchers);
        }
        let joined = orders.entry(order).or_insert_with(|| Order {
            watchers: 0,
            news: watch::Sender::new(None),
        });
        joined.watchers += 1;
        metrics::gauge!("order_streams_open").increment(1);
        Ok(Watcher {
            watched: Arc::clone(self),
            order,
            news: joined.news.subscribe(),
        })
    }

    /// The orders that are watched, with the version that their watchers know.
    fn known(&self) -> HashMap<OrderId, i64> {
        let version = |order: &Order| order.news.borrow().as_ref().map_or(0, |news| news.version);
        self.orders().iter().map(|(id, order)| (*id, version(order))).collect()
    }

    /// Tells those who watch an order how it stands, unless they know.
    fn tell(&self, status: &LiveStatus) {
        let orders = self.orders();
        let Some(order) = orders.get(&status.id) else { return };
        order.news.send_if_modified(|news| {
            let is_new = news.as_ref().is_none_or(|known| known.version < status.version);
            if is_new {
                *news = Some(News {
                    version: status.version,
                    event: status.event().into(),
                });
            }
            is_new
        });
    }
}

impl Watcher {
    /// The next news after `version`.
    async fn after(&mut self, version: i64) -> Option<News> {
        let is_news = |news: &Option<News>| news.as_ref().is_some_and(|news| news.version > version);
        // The sender is there as long as somebody watches, and we do.
        self.news.wait_for(is_news).await.ok()?.clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut orders = self.watched.orders();
        if let Some(order) = orders.get_mut(&self.order) {
            order.watchers -= 1;
            if order.watchers == 0 {
                orders.remove(&self.order);
            }
        }
        metrics::gauge!("order_streams_open").decrement(1);
    }
}

/// The pieces of a stream, as they are sent.
pub(crate) type LiveStream = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, Fault>>>>;

impl Service {
    /// A ticket for whoever may watch an order, and until when it opens the stream.
    pub(crate) fn issue_ticket(&self, order: OrderId) -> (String, DateTime<Utc>) {
        let now = self.shared.clock.now();
        (live::issue(&self.shared.secret, order, now), now + live::TO_OPEN)
    }

    /// The events of an order for whoever has a ticket; of what has happened until `heard`, nothing.
    pub(crate) async fn watch(
        &self,
        order: OrderId,
        ticket: &str,
        heard: Option<i64>,
    ) -> Result<LiveStream, OrderError> {
        let now = self.shared.clock.now();
        live::check(&self.shared.secret, order, ticket, heard.is_some(), now).map_err(|refusal| match refusal {
            TicketRefusal::Foreign => OrderError::NotFound("order"),
            TicketRefusal::Expired => OrderError::TicketExpired,
        })?;
        // Whatever happens from now on is heard; what has happened until now is read afterwards.
        let watcher = self.shared.watched.join(order)?;
        let present = self.find_any(order).await?;
        self.shared.watched.tell(&LiveStatus::from(&present));
        // A version that there is not yet comes from before a restore: all that is known is news then.
        let heard = heard.filter(|heard| *heard <= present.version).unwrap_or(0);
        let begin = Playing {
            watcher,
            heard,
            end: Instant::now() + LIFETIME,
            greeting: Some(format!("retry: {RETRY}\n\n").into()),
        };
        Ok(Box::pin(stream::unfold(begin, Playing::next)))
    }

    /// One round of the job that tells those who watch.
    pub(crate) async fn tell_watchers(&self) -> Result<Round, Fault> {
        let known = self.shared.watched.known();
        if known.is_empty() {
            return Ok(Round::Idle);
        }
        let ids: Vec<Uuid> = known.keys().map(|order| order.uuid()).collect();
        let mut present = self
            .query(move |connection| queries::live::versions(connection, ids))
            .await?;
        present.retain(|(order, version)| known.get(order).is_some_and(|known| known < version));
        if present.is_empty() {
            return Ok(Round::Idle);
        }
        let changed = present.into_iter().map(|(order, _)| order).collect();
        for order in self.find_all(changed).await? {
            self.shared.watched.tell(&LiveStatus::from(&order));
        }
        Ok(Round::Idle)
    }
}

/// A stream that is open.
struct Playing {
    watcher: Watcher,
    /// The version that was sent last.
    heard: i64,
    end: Instant,
    /// What is said first, at once.
    greeting: Option<Bytes>,
}

impl Playing {
    /// The next piece; `None` at the end.
    async fn next(mut self) -> Option<(Result<Bytes, Fault>, Self)> {
        if let Some(greeting) = self.greeting.take() {
            return Some((Ok(greeting), self));
        }
        tokio::select! {
            biased;
            news = self.watcher.after(self.heard) => {
                let News { version, event } = news?;
                self.heard = version;
                Some((Ok(event), self))
            }
            () = sleep_until(self.end) => None,
            () = sleep(HEARTBEAT) => Some((Ok(SILENCE), self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use kernel::Clock;

    use super::*;
    use crate::domain::Status;
    use crate::domain::fulfilment::FulfilmentStatus;
    use crate::domain::payment::OrderPaymentStatus;

    fn status(order: OrderId, version: i64) -> LiveStatus {
        LiveStatus {
            id: order,
            status: Status::Placed,
            payment_status: OrderPaymentStatus::of(&[], 0),
            fulfilment_status: FulfilmentStatus::Unfulfilled,
            version,
            updated_at: Clock::system().now(),
        }
    }

    fn play(watched: &Arc<Watched>, order: OrderId, heard: i64) -> LiveStream {
        let begin = Playing {
            watcher: watched.join(order).unwrap(),
            heard,
            end: Instant::now() + LIFETIME,
            greeting: None,
        };
        Box::pin(stream::unfold(begin, Playing::next))
    }

    async fn text(stream: &mut LiveStream) -> Option<String> {
        let piece = stream.next().await?.unwrap();
        Some(String::from_utf8(piece.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn each_state_is_told_once_and_never_an_older_one() {
        let (watched, order) = (Arc::new(Watched::default()), OrderId::generate());
        let mut stream = play(&watched, order, 2);
        watched.tell(&status(order, 2));
        watched.tell(&status(order, 4));
        watched.tell(&status(order, 3));
        let event = text(&mut stream).await.unwrap();
        assert!(
            event.starts_with("id: 4\nevent: order\ndata: {") && event.ends_with("}\n\n"),
            "{event}"
        );
        assert_eq!(text(&mut stream).await.unwrap(), ":\n\n", "nothing else is new");
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_says_so_four_times_a_minute_and_ends_after_an_hour() {
        let watched = Arc::new(Watched::default());
        let stream = play(&watched, OrderId::generate(), 0);
        let pieces: Vec<_> = stream.collect().await;
        assert!((230..=240).contains(&pieces.len()), "{}", pieces.len());
        assert!(watched.known().is_empty(), "nobody watches any more");
    }

    #[test]
    fn so_many_watch_one_order_and_no_more_until_one_goes() {
        let (watched, order) = (Arc::new(Watched::default()), OrderId::generate());
        let mut watchers: Vec<Watcher> = (0..STREAMS_PER_ORDER).map(|_| watched.join(order).unwrap()).collect();
        assert!(watched.join(order).is_err());
        assert!(watched.join(OrderId::generate()).is_ok());
        watchers.pop();
        assert!(watched.join(order).is_ok());
    }
}
