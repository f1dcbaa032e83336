//! Events of payment providers: how far the work on each is, and how long it waits. Pure: no I/O, no clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kernel::id::{EventId, PaymentId};
use serde::Serialize;

/// How far the work on an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = PaymentEventState)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventState {
    /// It is there, and nobody has worked on it to its end.
    Received,
    /// It is about a charge that nobody here knows yet; it may have been faster than our own commit.
    Parked,
    /// What follows from it is done.
    Processed,
    /// Nothing follows from it.
    Ignored,
    /// Nobody has come to know the charge.
    Unmatched,
    /// It could not be worked on, again and again.
    Failed,
}

impl EventState {
    const ALL: [Self; 6] = [
        Self::Received,
        Self::Parked,
        Self::Processed,
        Self::Ignored,
        Self::Unmatched,
        Self::Failed,
    ];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Parked => "parked",
            Self::Processed => "processed",
            Self::Ignored => "ignored",
            Self::Unmatched => "unmatched",
            Self::Failed => "failed",
        }
    }

    /// The state with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredEvent {
    pub(crate) id: EventId,
    pub(crate) provider: String,
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) state: EventState,
    pub(crate) attempts: i32,
    pub(crate) failure: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) payment: Option<PaymentId>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) processed_at: Option<DateTime<Utc>>,
}

/// How often a charge is looked for that nobody knows: for a bit more than an hour.
const SEARCHES: i32 = 12;
/// How often something is tried that fails: for more than a day.
const TRIES: i32 = 110;
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// How long to wait after the charge of an event was looked for `attempts` times in vain; `None` where that is enough.
pub(crate) fn pause_of_search(attempts: i32) -> Option<Duration> {
    (attempts < SEARCHES).then(|| pause(attempts))
}

/// How long to wait after the work on an event has failed `attempts` times; `None` where that is enough.
pub(crate) fn pause_of_failure(attempts: i32) -> Option<Duration> {
    (attempts < TRIES).then(|| pause(attempts))
}

/// One second after the first time, and then twice as long each time.
fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    Duration::from_secs(1 << doublings).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour_and_end() {
        let pauses: Vec<u64> = (1..5).map(|attempts| pause(attempts).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8]);
        assert_eq!(pause(100), LONGEST_PAUSE);
        assert!(pause_of_search(11).is_some() && pause_of_search(12).is_none());
        let searching: Duration = (1..).map_while(pause_of_search).sum();
        assert!(searching > Duration::from_secs(1800), "{searching:?}");
        let trying: Duration = (1..).map_while(pause_of_failure).sum();
        assert!(trying > Duration::from_secs(86_400), "{trying:?}");
    }

    #[test]
    fn every_state_has_a_name_of_its_own() {
        for state in EventState::ALL {
            assert_eq!(EventState::named(state.name()), Some(state));
        }
    }
}
