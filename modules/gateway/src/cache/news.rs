//! What a module tells about itself: whether anything that it shows has changed.
//!
//! Each gateway reads the module's events, and any of them voids all of the module's answers: lists change with what is
//! in them, and asking again is cheap. It looks for the newest event only, so that an import of a million products costs
//! it a few looks per second, and as many losses. Some time after the last news all is voided once more, because a process
//! of the module that had not heard yet may have been asked in between.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kernel::Fault;
use kernel::event::{Feed, Position};
use kernel::job::{Job, Round, Wake};
use tokio::time::{Instant, timeout};

/// How long one look waits for news. Short, because the process does not stop before it is over.
const WAIT: Duration = Duration::from_millis(1_500);
/// How long a look may take in all.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// The pause after news, and after a look that failed: answers are lost at most four times a second.
const PAUSE: Duration = Duration::from_millis(250);
/// For so long after a change some of the module's processes may show what was before: they keep figures for two seconds.
const SETTLING: Duration = Duration::from_secs(3);
/// After so long without an answer nobody knows any more what has changed.
const DEAF_AFTER: Duration = Duration::from_secs(2);

/// A module whose answers are kept.
pub(super) struct Source {
    name: String,
    feed: Arc<dyn Feed>,
    /// How often something has changed.
    changes: AtomicU64,
    /// How often listening has begun or ended; odd while we listen.
    listening: AtomicU64,
    heard: Mutex<Option<Heard>>,
}

/// How far the events have been read.
#[derive(Clone, Copy)]
struct Heard {
    position: Position,
    at: Instant,
    /// When the last change came, as long as what was asked for since may be behind it.
    unsettled: Option<Instant>,
}

/// What was known of a module at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) changes: u64,
    listening: u64,
}

/// What a module's news make of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing has changed since it was asked for.
    Holds,
    /// It is not known whether something has changed.
    Doubted,
    /// Something has.
    Void,
}

impl Source {
    /// The module that publishes `feed`.
    pub(super) fn new(name: &str, feed: Arc<dyn Feed>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            feed,
            changes: AtomicU64::new(0),
            listening: AtomicU64::new(0),
            heard: Mutex::default(),
        })
    }

    /// What is known now. Taken before the module is asked, so that a change in between voids the answer.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            changes: self.changes.load(Ordering::Acquire),
            listening: self.listening.load(Ordering::Acquire),
        }
    }

    /// What has become of an answer that was asked for at `mark`.
    pub(super) fn standing(&self, mark: Mark) -> Standing {
        let now = self.mark();
        if mark.changes != now.changes {
            return Standing::Void;
        }
        let is_listening = now.listening % 2 == 1;
        match is_listening && mark.listening == now.listening {
            true => Standing::Holds,
            false => Standing::Doubted,
        }
    }

    /// Something has changed.
    pub(super) fn change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The job that listens.
    pub(super) fn listener(self: &Arc<Self>) -> Job {
        let source = Arc::clone(self);
        Job::new("cache-news", PAUSE, Wake::default(), move || {
            let source = Arc::clone(&source);
            async move { Ok(source.listen().await) }
        })
    }

    async fn listen(&self) -> Round {
        let look = timeout(PATIENCE, self.look()).await;
        match look.unwrap_or_else(|_| Err(Fault::timeout("no answer"))) {
            Ok(round) => round,
            Err(fault) => {
                self.did_not_hear(&fault);
                Round::Idle
            }
        }
    }

    async fn look(&self) -> Result<Round, Fault> {
        let Some(heard) = *self.heard() else {
            let end = self.feed.end().await?;
            self.hears(end, None);
            return Ok(Round::More);
        };
        self.feed.next(heard.position, 1, WAIT).await?;
        // One look further: over all that has come since, and back where a restored database has lost some.
        let end = self.feed.end().await?;
        if end != heard.position {
            self.hears(end, Some(Instant::now()));
            self.change();
            return Ok(Round::Idle);
        }
        let has_settled = heard.unsettled.is_some_and(|since| since.elapsed() >= SETTLING);
        self.hears(end, heard.unsettled.filter(|_| !has_settled));
        if has_settled {
            self.change();
        }
        Ok(Round::More)
    }

    fn hears(&self, position: Position, unsettled: Option<Instant>) {
        let heard = Heard {
            position,
            at: Instant::now(),
            unsettled,
        };
        if self.heard().replace(heard).is_none() {
            self.listening.fetch_add(1, Ordering::AcqRel);
            tracing::info!(module = self.name, "the module's answers are kept");
        }
    }

    fn did_not_hear(&self, fault: &Fault) {
        let mut heard = self.heard();
        if heard.is_some_and(|heard| heard.at.elapsed() >= DEAF_AFTER) {
            *heard = None;
            self.listening.fetch_add(1, Ordering::AcqRel);
            tracing::warn!(module = self.name, %fault, "the module's events cannot be read; its answers are asked for anew");
        }
    }

    fn heard(&self) -> MutexGuard<'_, Option<Heard>> {
        // Nothing that holds the lock can panic half-way.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use kernel::event::Event;

    use super::*;

    /// A feed of which only the end matters; negative: it fails.
    #[derive(Default)]
    struct Script(Mutex<i64>);

    impl Script {
        fn set(&self, end: i64) {
            *self.0.lock().unwrap() = end;
        }
    }

    #[async_trait]
    impl Feed for Script {
        async fn read(&self, _: Position, _: i64) -> Result<Vec<(Position, Event)>, Fault> {
            self.end().await.map(|_| Vec::new())
        }

        async fn end(&self) -> Result<Position, Fault> {
            match *self.0.lock().unwrap() {
                sequence if sequence < 0 => Err(Fault::unavailable("down")),
                sequence => Ok(Position {
                    transaction: 1,
                    sequence,
                }),
            }
        }
    }

    async fn listening() -> (Arc<Script>, Arc<Source>) {
        let script = Arc::new(Script::default());
        let source = Source::new("product", Arc::clone(&script) as Arc<dyn Feed>);
        assert_eq!(source.standing(source.mark()), Standing::Doubted);
        source.listen().await;
        (script, source)
    }

    #[tokio::test(start_paused = true)]
    async fn any_news_voids_all_answers_once() {
        let (script, source) = listening().await;
        let before = source.mark();
        assert_eq!(source.listen().await, Round::More);
        assert_eq!(source.standing(before), Standing::Holds);
        script.set(500);
        // The pause that follows is what keeps a flood from being more than a few losses a second.
        assert_eq!(source.listen().await, Round::Idle);
        assert_eq!(source.standing(before), Standing::Void);
        let after = source.mark();
        assert_eq!(source.listen().await, Round::More);
        assert_eq!(source.standing(after), Standing::Holds);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_soon_after_a_change_is_asked_for_once_more() {
        let (script, source) = listening().await;
        script.set(1);
        source.listen().await;
        let soon = source.mark();
        source.listen().await;
        assert_eq!(source.standing(soon), Standing::Holds);
        tokio::time::sleep(SETTLING).await;
        source.listen().await;
        assert_eq!(source.standing(soon), Standing::Void);
        let later = source.mark();
        tokio::time::sleep(SETTLING).await;
        source.listen().await;
        assert_eq!(source.standing(later), Standing::Holds);
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_goes_back_is_news_too() {
        let (script, source) = listening().await;
        script.set(5);
        source.listen().await;
        let before = source.mark();
        script.set(3);
        source.listen().await;
        assert_eq!(source.standing(before), Standing::Void);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_kept_is_doubted_when_the_events_cannot_be_read() {
        let (script, source) = listening().await;
        let before = source.mark();
        script.set(-1);
        source.listen().await;
        assert_eq!(source.standing(before), Standing::Holds, "a hiccup is no silence");
        tokio::time::sleep(DEAF_AFTER).await;
        source.listen().await;
        assert_eq!(source.standing(before), Standing::Doubted);
        script.set(0);
        source.listen().await;
        assert_eq!(
            source.standing(before),
            Standing::Doubted,
            "nobody knows what was missed"
        );
        assert_eq!(source.standing(source.mark()), Standing::Holds);
    }

    #[tokio::test]
    async fn a_change_that_we_hear_of_ourselves_counts_at_once() {
        let (_, source) = listening().await;
        let before = source.mark();
        source.change();
        assert_eq!(source.standing(before), Standing::Void);
    }
}
