//! Measures the store: its start, its memory, and rows of load.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::load::{self, Visitor};
use crate::pgbench::Pgbench;
use crate::processes::{Usage, resident_bytes};
use crate::report::{Detail, Row};
use crate::store::{Home, Store};
use crate::{Outcome, statements, tell};

/// How often the store is started; the median counts.
const STARTS: usize = 3;
/// How long the store and its database are watched to tell whether they are idle.
const GLANCE: Duration = Duration::from_millis(250);
/// Up to which share of a core counts as idle. Jobs look for work now and then.
const IDLE: f64 = 0.1;
/// A longer wait for that is told.
const NOTABLE: Duration = Duration::from_secs(1);
/// How long to wait for it, at most.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is measured once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    /// `bodega migrate` on an empty directory: makes the database and all tables.
    pub(crate) migration: Option<Duration>,
    /// `bodega import`, from the start of the process to its end.
    pub(crate) import: Option<Duration>,
    /// From the start of the process until `/readyz` says 200, on a database that is there.
    pub(crate) warm_start: Option<Duration>,
    /// Bytes of memory of the store without its database, before the first request.
    pub(crate) resident_idle: Option<u64>,
    /// The same after all load.
    pub(crate) resident_after: Option<u64>,
    /// What `bodega verify` said after all load.
    pub(crate) verification: Option<String>,
}

impl Figures {
    pub(crate) fn print(&self) {
        let seconds =
            |took: Option<Duration>| took.map_or_else(String::new, |took| format!("{:.2} s", took.as_secs_f64()));
        let memory = |bytes: Option<u64>| bytes.map_or_else(String::new, |bytes| format!("{:.1} MB", megabytes(bytes)));
        println!("new database: {}", seconds(self.migration));
        println!("import: {}", seconds(self.import));
        println!("warm start to ready: {}", seconds(self.warm_start));
        println!("resident, idle: {}", memory(self.resident_idle));
        println!("resident, after the load: {}", memory(self.resident_after));
        println!("books: {}", self.verification.as_deref().unwrap_or_default().trim_end());
    }
}

/// Bytes as people count them.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Starts the store a few times, for the figures; the last one runs.
pub(crate) fn start(home: &Home, figures: &mut Figures) -> Outcome<Store> {
    tell("starting the store");
    let mut times = Vec::new();
    let (mut store, took) = home.start()?;
    times.push(took);
    while times.len() < STARTS {
        store.stop()?;
        let (next, took) = home.start()?;
        store = next;
        times.push(took);
    }
    times.sort_unstable();
    figures.warm_start = Some(times[STARTS / 2]);
    thread::sleep(Duration::from_secs(1));
    figures.resident_idle = Some(resident_bytes(store.process())?);
    Ok(store)
}

/// A running store under load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stage<'a> {
    /// Of the API.
    pub(crate) address: SocketAddr,
    /// Of each row.
    pub(crate) duration: Duration,
    store: u32,
    postmaster: u32,
    /// Where the statements are counted.
    watched: Option<&'a Pgbench>,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(home: &Home, store: &Store, duration: Duration, watched: Option<&'a Pgbench>) -> Outcome<Self> {
        Ok(Self {
            address: home.public(),
            duration,
            store: store.process(),
            postmaster: home.postmaster()?,
            watched,
        })
    }

    /// Lets the visitors loose on a store that has nothing else to do. The processor time counts until all that follows from
    /// their visits is done, too.
    pub(crate) async fn row<V: Visitor>(&self, name: &'static str, visitors: Vec<V>) -> Outcome<Row> {
        self.settle().await?;
        tell(name);
        self.watched.map(statements::forget).transpose()?;
        let before = self.usage()?;
        let timed = load::run(self.address, self.duration, visitors).await?;
        let meanwhile = self.usage()? - before;
        let afterwards = self.settle().await?;
        if afterwards > NOTABLE {
            println!("  what follows from it took {:.1} s more", afterwards.as_secs_f64());
        }
        let used = self.usage()? - before;
        if let Some(pgbench) = self.watched {
            statements::print(pgbench, timed.turns)?;
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / timed.turns as f64;
        Ok(Row {
            name,
            rate: timed.rate(),
            detail: Some(Detail {
                median: timed.percentile(0.5),
                slowest: timed.percentile(0.99),
                store: each(used.store),
                postgres: each(used.postgres),
                client: each(meanwhile.client),
                elsewhere: meanwhile.elsewhere().as_secs_f64() / meanwhile.machine.as_secs_f64(),
            }),
        })
    }

    /// Waits until the store and its database have nothing left to do; how long that took.
    async fn settle(&self) -> Outcome<Duration> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let before = self.usage()?;
            tokio::time::sleep(GLANCE).await;
            let used = self.usage()? - before;
            if (used.store + used.postgres).as_secs_f64() < IDLE * GLANCE.as_secs_f64() {
                return Ok(started.elapsed());
            }
        }
        println!("  the store is still busy after {} s; going on", PATIENCE.as_secs());
        Ok(PATIENCE)
    }

    fn usage(&self) -> Outcome<Usage> {
        Usage::now(self.store, self.postmaster)
    }
}
