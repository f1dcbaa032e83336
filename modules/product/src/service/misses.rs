//! Searches without a result that are not written down yet: a request only counts.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use kernel::job::Wake;

use crate::domain::searching::{SearchMiss, noted};

/// How many different ones wait at most; more are not counted.
const CAPACITY: usize = 1_000;
/// From so many on they are written down at once.
const MANY: usize = CAPACITY / 2;

/// What was searched for since the last time that it was written down. Up to some seconds of it are lost with the process.
#[derive(Default)]
pub(super) struct Misses {
    waiting: Mutex<HashMap<String, SearchMiss>>,
    wake: Wake,
}

impl Misses {
    /// Counts a search, unless it may not be noted or there are too many.
    pub(super) fn note(&self, search: &str, now: DateTime<Utc>) {
        if let Some(query) = noted(search) {
            self.add(SearchMiss {
                query,
                count: 1,
                last_seen_at: now,
            });
        }
    }

    /// All that waits; nothing waits any more.
    pub(super) fn take(&self) -> Vec<SearchMiss> {
        std::mem::take(&mut *self.waiting()).into_values().collect()
    }

    /// What was taken but could not be written down.
    pub(super) fn put_back(&self, misses: Vec<SearchMiss>) {
        misses.into_iter().for_each(|miss| self.add(miss));
    }

    /// Wakes whoever writes them down.
    pub(super) fn wake(&self) -> &Wake {
        &self.wake
    }

    fn add(&self, miss: SearchMiss) {
        let mut waiting = self.waiting();
        if let Some(known) = waiting.get_mut(&miss.query) {
            known.count += miss.count;
            known.last_seen_at = known.last_seen_at.max(miss.last_seen_at);
            return;
        }
        if waiting.len() < CAPACITY {
            waiting.insert(miss.query.clone(), miss);
        }
        if waiting.len() == MANY {
            self.wake.wake();
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, SearchMiss>> {
        // Nothing that holds the lock can panic half-way.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_searches_are_counted_together_and_too_many_are_not_kept() {
        let misses = Misses::default();
        let now = DateTime::<Utc>::UNIX_EPOCH;
        misses.note("Unobtainium", now);
        misses.note(" unobtainium ", now);
        let taken = misses.take();
        assert_eq!(taken.len(), 1);
        assert_eq!((taken[0].query.as_str(), taken[0].count), ("unobtainium", 2));
        misses.put_back(taken);
        misses.note("unobtainium", now);
        assert_eq!(misses.take()[0].count, 3);
        for number in 0..CAPACITY + 10 {
            misses.note(&format!("word {number}"), now);
        }
        assert_eq!(misses.take().len(), CAPACITY);
        assert!(misses.take().is_empty());
    }
}
