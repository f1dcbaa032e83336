//! Time as a parameter: everything that asks for the time asks a [`Clock`], so that tests can move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, DurationRound, Utc};

/// Tells the time. Cheap to clone; all clones of an adjustable clock move together.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_microseconds: Option<Arc<AtomicI64>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// The system's clock plus an offset that [`Clock::advance`] moves; for tests.
    pub fn adjustable() -> Self {
        Self {
            offset_microseconds: Some(Arc::default()),
        }
    }

    /// Now, in whole microseconds: what PostgreSQL stores, so that a value read back equals the one written.
    pub fn now(&self) -> DateTime<Utc> {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the system's clock"
        )]
        let now = Utc::now();
        let offset = self
            .offset_microseconds
            .as_ref()
            .map_or(0, |offset| offset.load(Ordering::Relaxed));
        let moved = now + Duration::microseconds(offset);
        moved.duration_trunc(Duration::microseconds(1)).unwrap_or(moved)
    }

    /// Moves an adjustable clock; the system's clock stays where it is.
    pub fn advance(&self, by: Duration) {
        let microseconds = by.num_microseconds().unwrap_or(i64::MAX);
        if let Some(offset) = &self.offset_microseconds {
            offset.fetch_add(microseconds, Ordering::Relaxed);
        }
    }
}
