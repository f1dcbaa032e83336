//! How long a caller waits. A deadline travels with a request as the time that is left, so that clocks need not agree, and
//! ends the work that nobody waits for any more.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// The request header in which a caller says how many milliseconds it still waits.
pub const HEADER: &str = "request-timeout-ms";

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Nobody waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct Passed;

/// Runs `work` for at most `limit`, and no longer than whoever called us waits. What it calls knows the deadline.
///
/// # Errors
///
/// [`Passed`] where the work did not end in time; it is dropped where it stands.
pub async fn within<F: Future>(limit: Duration, work: F) -> Result<F::Output, Passed> {
    let own = Instant::now() + limit;
    let deadline = DEADLINE.try_with(|outer| own.min(*outer)).unwrap_or(own);
    timeout_at(deadline, DEADLINE.scope(deadline, work))
        .await
        .map_err(|_| Passed)
}

/// How long the caller still waits, at most `limit`.
pub fn remaining(limit: Duration) -> Duration {
    let left = |deadline: &Instant| deadline.saturating_duration_since(Instant::now());
    DEADLINE.try_with(left).map_or(limit, |remaining| remaining.min(limit))
}

/// The limit that a request states, where it states one that can be meant.
pub fn stated(value: Option<&str>) -> Option<Duration> {
    let milliseconds = value?.parse().ok().filter(|milliseconds| *milliseconds > 0)?;
    Some(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_inner_limit_never_reaches_beyond_the_outer_one() {
        let outer = Duration::from_secs(2);
        let inner = within(outer, async {
            assert_eq!(remaining(Duration::from_secs(9)), outer);
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(remaining(Duration::from_secs(9)), Duration::from_secs(1));
            within(Duration::from_secs(60), std::future::pending::<()>()).await
        });
        assert_eq!(inner.await, Ok(Err(Passed)));
    }

    #[tokio::test]
    async fn without_a_deadline_the_own_limit_counts() {
        assert_eq!(remaining(Duration::from_secs(3)), Duration::from_secs(3));
    }

    #[test]
    fn only_a_positive_number_of_milliseconds_is_a_limit() {
        assert_eq!(stated(Some("250")), Some(Duration::from_millis(250)));
        for nonsense in [None, Some(""), Some("0"), Some("-1"), Some("1s"), Some("1.5")] {
            assert_eq!(stated(nonsense), None, "{nonsense:?}");
        }
    }
}
