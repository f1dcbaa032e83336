//! The job that keeps the foundation's tables small.

use std::time::Duration;

use chrono::TimeDelta;
use kernel::job::{Job, Round, Wake};
use kernel::{Clock, Fault};

use crate::{Db, idempotency, outbox};

/// How long an idempotency key is remembered.
const KEY_RETENTION: TimeDelta = TimeDelta::hours(24);
/// How long a published event can be read at least.
const EVENT_RETENTION: TimeDelta = TimeDelta::days(7);

/// A job that removes outlived idempotency keys and events from `schema`.
pub fn job(db: Db, schema: &'static str, clock: Clock) -> Job {
    Job::new("housekeeping", Duration::from_secs(600), Wake::default(), move || {
        let (db, now) = (db.clone(), clock.now());
        async move {
            db.run(move |connection| {
                idempotency::prune(connection, schema, now - KEY_RETENTION)?;
                outbox::prune(connection, schema, now - EVENT_RETENTION)?;
                Ok::<_, crate::Failure<Fault>>(())
            })
            .await?;
            Ok(Round::Idle)
        }
    })
}
