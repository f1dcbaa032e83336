//! Which products are sold out: for the filter `in_stock` and its counts. The rows of a page are looked at once more.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use diesel::prelude::*;

use crate::queries::search;
use crate::search::SoldOut;

/// For how long what was read counts at least.
const LIFETIME: Duration = Duration::from_secs(1);
/// It counts for so many times as long as it takes to read, so that reading it never takes more than a small share.
const SHARE: u32 = 20;

/// Products that are sold out, read when somebody asks for them and kept for a moment.
#[derive(Default)]
pub(super) struct Availability {
    known: Mutex<Option<Known>>,
}

struct Known {
    sold_out: SoldOut,
    /// Of which day: what is sold before it comes ends.
    day: NaiveDate,
    until: Instant,
}

impl Availability {
    /// Products that cannot be bought `today`: at most a second old, or somewhat more where there are very many products.
    pub(super) fn sold_out(&self, connection: &mut PgConnection, today: NaiveDate) -> QueryResult<SoldOut> {
        // Whoever comes while it is read waits for that instead of reading it too.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some(known) = known.as_ref().filter(|known| known.until > now && known.day == today) {
            return Ok(Arc::clone(&known.sold_out));
        }
        let read: HashSet<_> = search::sold_out(connection, today)?.into_iter().collect();
        let sold_out = Arc::new(read);
        let lifetime = LIFETIME.max(now.elapsed() * SHARE);
        *known = Some(Known {
            sold_out: Arc::clone(&sold_out),
            day: today,
            until: Instant::now() + lifetime,
        });
        Ok(sold_out)
    }

    /// Call after this process has changed stock or products: the next one to ask reads anew.
    pub(super) fn outdate(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
