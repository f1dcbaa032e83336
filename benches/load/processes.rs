//! What processes have used, as Linux tells it under `/proc`.

use std::fs;
use std::ops::Sub;
use std::time::Duration;

use crate::Outcome;

/// Linux counts time for programs in hundredths of a second, whatever it does inside.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time that was used since some beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// By the store's own process.
    pub(crate) store: Duration,
    /// By the postmaster and every process that it started.
    pub(crate) postgres: Duration,
    /// By this program.
    pub(crate) client: Duration,
    /// By everything on the machine.
    pub(crate) machine: Duration,
}

impl Usage {
    pub(crate) fn now(store: u32, postmaster: u32) -> Outcome<Self> {
        Ok(Self {
            store: Times::of(store)?.own,
            postgres: server_time(postmaster)?,
            client: Times::of(std::process::id())?.own,
            machine: machine_time()?,
        })
    }

    /// By whoever else is on the machine, and by the kernel on nobody's account.
    pub(crate) fn elsewhere(&self) -> Duration {
        self.machine.saturating_sub(self.store + self.postgres + self.client)
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            store: self.store.saturating_sub(earlier.store),
            postgres: self.postgres.saturating_sub(earlier.postgres),
            client: self.client.saturating_sub(earlier.client),
            machine: self.machine.saturating_sub(earlier.machine),
        }
    }
}

/// The processor time that a process has used, with its children.
pub(crate) fn time_with_children(process: u32) -> Outcome<Duration> {
    server_time(process)
}

/// How many bytes of memory a process has for itself and shares with others.
pub(crate) fn resident_bytes(process: u32) -> Outcome<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("a process without memory")?;
    Ok(kilobytes.parse::<u64>()? * 1024)
}

/// The time of a process and of its children that have ended and were waited for.
#[derive(Clone, Copy, Debug)]
struct Times {
    parent: u32,
    own: Duration,
    ended_children: Duration,
}

impl Times {
    fn of(process: u32) -> Outcome<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        // The name before may hold spaces and brackets; what follows is numbers but for the state.
        let (_, rest) = stat.rsplit_once(')').ok_or("a process without a name")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |index: usize| -> Outcome<u64> { Ok(fields.get(index).ok_or("too few fields")?.parse()?) };
        Ok(Self {
            parent: u32::try_from(number(1)?)?,
            own: ticks(number(11)? + number(12)?),
            ended_children: ticks(number(13)? + number(14)?),
        })
    }
}

/// The time of a server and its children, of PostgreSQL say. What a session used counts as its own while it lives, and as the postmaster's children's
/// once it has ended.
fn server_time(postmaster: u32) -> Outcome<Duration> {
    let times = Times::of(postmaster)?;
    let mut total = times.own + times.ended_children;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end while it is looked at.
        if let Ok(times) = Times::of(process)
            && times.parent == postmaster
        {
            total += times.own;
        }
    }
    Ok(total)
}

fn machine_time() -> Outcome<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    let [
        user,
        nice,
        system,
        _idle,
        _waiting,
        interrupts,
        soft_interrupts,
        stolen,
        ..,
    ] = fields[..]
    else {
        return Err("/proc/stat is not what it was".into());
    };
    Ok(ticks(user + nice + system + interrupts + soft_interrupts + stolen))
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / TICKS_PER_SECOND)
}
