use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often a server that stops is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// The first process of a running server, whoever started it.
pub(super) struct Postmaster {
    id: libc::pid_t,
    data: PathBuf,
}

impl Postmaster {
    /// The postmaster that its pid file names, if that process is there and is one.
    pub(super) fn of(data: &Path) -> Option<Postmaster> {
        let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let id = text.lines().next()?.trim().parse().ok().filter(|id| *id > 1)?;
        let postmaster = Postmaster {
            id,
            data: data.to_path_buf(),
        };
        postmaster.is_alive().then_some(postmaster)
    }

    /// Cuts off all sessions and has everything written, so that the next start needs no recovery.
    pub(super) fn stop_in_order(&self) {
        self.send(libc::SIGINT);
    }

    /// Leaves the writing to the recovery of the next start. Nothing committed is lost.
    pub(super) fn stop_at_once(&self) {
        self.send(libc::SIGQUIT);
    }

    /// Waits until the process is gone; false when it still is there after that time.
    pub(super) fn is_gone_within(&self, time: Duration) -> bool {
        let begun = Instant::now();
        while self.is_alive() {
            if begun.elapsed() > time {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    }

    /// Whether the process is there, and not as a zombie, nor another program that was given the same id.
    #[cfg(target_os = "linux")]
    fn is_alive(&self) -> bool {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/stat", self.id)) else {
            return false;
        };
        if !is_living_postgres(&status) {
            return false;
        }
        // A postmaster works in its data directory. Root in a container may not be allowed to look.
        fs::read_link(format!("/proc/{}/cwd", self.id)).map_or(true, |directory| directory == self.data)
    }

    #[cfg(not(target_os = "linux"))]
    fn is_alive(&self) -> bool {
        self.data.is_dir() && self.send(0)
    }

    #[expect(
        unsafe_code,
        reason = "the standard library signals only its own children, and only to kill them"
    )]
    fn send(&self, signal: libc::c_int) -> bool {
        // SAFETY: kill has no preconditions; the id is above 1, so it names one process and no group.
        unsafe { libc::kill(self.id, signal) == 0 }
    }
}

/// Reads Linux's `/proc/<id>/stat`: the id, the program's name in brackets, the state, and more.
#[cfg(target_os = "linux")]
fn is_living_postgres(status: &str) -> bool {
    let Some((head, tail)) = status.rsplit_once(") ") else {
        return false;
    };
    head.ends_with("(postgres") && !tail.starts_with(['Z', 'X'])
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_a_postgres_that_is_no_zombie_counts_as_alive() {
        assert!(is_living_postgres("4242 (postgres) S 1 4242 4242 0"));
        assert!(!is_living_postgres("4242 (postgres) Z 1 4242 4242 0"));
        assert!(!is_living_postgres("4242 (bodega) S 1 4242 4242 0"));
        assert!(!is_living_postgres(""));
    }
}
