//! Long work that one process at a time holds by a lease, imports and exports alike: what it has done is noted in the
//! database as it goes on, so that another one goes on exactly there when it is gone.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::QueryResult;
use kernel::Fault;
use kernel::job::{Job, Round, Wake};

use super::Service;

/// How often something is begun without getting on.
pub(super) const ATTEMPTS: i32 = 10;
/// How often a process looks for work that others have left.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a round of work takes, about: a process that stops waits for no more.
const ROUND: Duration = Duration::from_millis(500);

/// What there is to do.
pub(super) enum Taken<W> {
    Nothing,
    /// Something that could only be ended.
    Ended,
    Work(W),
}

/// What a step of work has come to.
pub(super) enum Step<W> {
    Further(W),
    Ended(Round),
}

/// A job that does its rounds on threads that may wait for the database.
pub(super) fn job(
    service: &Service,
    name: &'static str,
    wake: &Wake,
    round: fn(&Service) -> Result<Round, Fault>,
) -> Job {
    let service = service.clone();
    Job::new(name, INTERVAL, wake.clone(), move || {
        let service = service.clone();
        async move {
            tokio::task::spawn_blocking(move || round(&service))
                .await
                .map_err(|error| Fault::internal(error.to_string()))?
        }
    })
}

/// One round: goes on with what this process is at, or takes something.
pub(super) fn work_for_a_while<W>(
    slot: &Mutex<Option<W>>,
    take: impl FnOnce() -> Result<Taken<W>, Fault>,
    mut step: impl FnMut(W) -> Result<Step<W>, Fault>,
) -> Result<Round, Fault> {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    // Taken out while it is worked at: what panics or fails is not touched again.
    let mut work = match slot.take() {
        Some(work) => work,
        None => match take()? {
            Taken::Nothing => return Ok(Round::Idle),
            Taken::Ended => return Ok(Round::More),
            Taken::Work(work) => work,
        },
    };
    let started = Instant::now();
    while started.elapsed() < ROUND {
        work = match step(work)? {
            Step::Further(work) => work,
            Step::Ended(round) => return Ok(round),
        };
    }
    *slot = Some(work);
    Ok(Round::More)
}

/// What was claimed; nothing where another process was faster.
pub(super) fn unless_raced<C>(claimed: QueryResult<Option<C>>) -> Result<Option<C>, Fault> {
    use diesel::result::{DatabaseErrorKind, Error};
    match claimed {
        Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(None),
        claimed => claimed.map_err(|error| database::failure::fault_of(&error)),
    }
}
