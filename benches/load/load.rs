//! A closed loop: each visitor waits for its answer before it asks again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::Outcome;
use crate::client::Connection;

/// How long visitors run before anything is timed.
const WARM_UP: Duration = Duration::from_secs(1);

/// Somebody who uses the store over one connection.
pub(crate) trait Visitor: 'static {
    /// Does the thing that is measured, once.
    async fn take_turn(&mut self, connection: &mut Connection) -> Outcome<Turn>;
}

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It was done.
    Taken,
    /// What was prepared for it is used up.
    NothingLeft,
}

/// What was timed.
#[derive(Debug)]
pub(crate) struct Timed {
    /// How long each turn took that ended in time, shortest first.
    latencies: Vec<Duration>,
    /// How long turns were timed.
    duration: Duration,
    /// All turns, with those of the warm-up.
    pub(crate) turns: usize,
}

impl Timed {
    /// Turns per second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.duration.as_secs_f64()
    }

    /// The time within which this share of all turns was done, in milliseconds.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.latencies
            .get(index)
            .map_or(f64::NAN, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// Lets each visitor take turns over a connection of its own for `duration`, after a second of warm-up; or until nothing is
/// left for one of them.
pub(crate) async fn run<V: Visitor>(address: SocketAddr, duration: Duration, visitors: Vec<V>) -> Outcome<Timed> {
    let begin = Instant::now() + WARM_UP;
    let end = begin + duration;
    let mut tasks = JoinSet::new();
    for visitor in visitors {
        tasks.spawn_local(visit(address, visitor, begin, end));
    }
    let mut timed = Timed {
        latencies: Vec::new(),
        duration,
        turns: 0,
    };
    let mut stopped = end;
    while let Some(visit) = tasks.join_next().await {
        let visit = visit??;
        timed.turns += visit.turns;
        timed.latencies.extend(visit.latencies);
        stopped = stopped.min(visit.stopped);
    }
    timed.duration = stopped.saturating_duration_since(begin);
    if timed.latencies.is_empty() || timed.duration.is_zero() {
        return Err("not one turn was timed: too little was prepared, or the time is too short".into());
    }
    timed.latencies.sort_unstable();
    Ok(timed)
}

#[derive(Debug)]
struct Visit {
    latencies: Vec<Duration>,
    turns: usize,
    /// The end, or when nothing was left.
    stopped: Instant,
}

async fn visit<V: Visitor>(address: SocketAddr, mut visitor: V, begin: Instant, end: Instant) -> Outcome<Visit> {
    let mut connection = Connection::open(address).await?;
    let mut visit = Visit {
        latencies: Vec::new(),
        turns: 0,
        stopped: end,
    };
    let mut started = Instant::now();
    while started < end {
        if visitor.take_turn(&mut connection).await? == Turn::NothingLeft {
            visit.stopped = started;
            break;
        }
        let ended = Instant::now();
        visit.turns += 1;
        if ended >= begin && ended <= end {
            visit.latencies.push(ended - started);
        }
        started = ended;
    }
    Ok(visit)
}
