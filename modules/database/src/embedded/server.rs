use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::account::Account;
use super::binaries::Binaries;
use super::directory::{Directory, remembered_binaries};
use super::error::StartError;
use super::initialise::initialise;
use super::launch::Attempt;
use super::postmaster::Postmaster;
use super::session::{Session, SessionError};
use super::{Durability, NAME, Options};

/// How often the state of a server that starts or stops is looked at.
const PAUSE: Duration = Duration::from_millis(20);

/// How long to wait before the server is launched again after remains of its predecessor stood in the way.
const PAUSE_BETWEEN_ATTEMPTS: Duration = Duration::from_millis(200);

/// How long remains of a killed server may stand in the way: a zombie until it is reaped, or old sessions that
/// have not noticed yet that their postmaster is gone.
const REMAINS_GO_WITHIN: Duration = Duration::from_secs(30);

/// How long a server that lives may take until it answers. Recovery after a crash reads at most about a gigabyte.
const READY_WITHIN: Duration = Duration::from_secs(300);

/// How long a server may take to stop in an orderly way.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// The server of one cluster, whether it runs or not, and whoever started it.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) directory: Directory,
    binaries: Binaries,
    account: Account,
    durability: Durability,
    /// Set when this process leaves the server, to break off a start.
    leaving: AtomicBool,
}

impl Server {
    /// Finds the binaries and the account, and makes the cluster when there is none. The caller holds the lock
    /// for starting.
    pub(super) fn prepare(directory: Directory, options: &Options) -> Result<Server, StartError> {
        let data = directory.data();
        let account = Account::for_cluster(&data)?;
        account.check_can_enter(directory.base())?;
        let binaries = Binaries::find(directory.data_dir(), options.binaries.as_deref())?;
        account.check_can_enter(&binaries.directory)?;
        match directory.version() {
            None => {
                tracing::info!(data = %data.display(), version = binaries.version, "making a PostgreSQL cluster");
                initialise(&directory, &binaries, &account, options.durability)?;
            }
            Some(cluster) if cluster != binaries.version => {
                let (found, binaries) = (binaries.version, binaries.directory);
                return Err(StartError::VersionMismatch {
                    data,
                    cluster,
                    binaries,
                    found,
                });
            }
            Some(_) if remembered_binaries(directory.data_dir()).is_none_or(|known| !known.is_dir()) => {
                directory.remember_binaries(&binaries.directory)?;
            }
            Some(_) => {}
        }
        let server = Server {
            directory,
            binaries,
            account,
            durability: options.durability,
            leaving: false.into(),
        };
        server.make_socket_dir()?;
        Ok(server)
    }

    /// Sees to it that the server answers and has the store's database. The caller holds the lock for starting.
    pub(super) fn bring_up(&self) -> Result<(), StartError> {
        self.ensure_running()?;
        self.create_database_if_missing(NAME)?;
        Ok(())
    }

    /// Starts the server again after it died, unless another process was faster.
    pub(super) fn revive(&self) -> Result<(), StartError> {
        let _starting = self.directory.lock_for_starting()?;
        self.ensure_running()
    }

    pub(super) fn create_database_if_missing(&self, database: &str) -> Result<(), SessionError> {
        const NO_SUCH_DATABASE: &str = "3D000";
        const DUPLICATE_DATABASE: &str = "42P04";
        match Session::open(&self.directory.socket(), NAME, database) {
            Err(error) if error.is(NO_SUCH_DATABASE) => {}
            outcome => return outcome.map(|_| ()),
        }
        let identifier = database.replace('"', "\"\"");
        match self
            .open_session()?
            .execute(&format!("CREATE DATABASE \"{identifier}\""))
        {
            // Another process was faster.
            Err(error) if error.is(DUPLICATE_DATABASE) => Ok(()),
            outcome => outcome,
        }
    }

    /// Whether there is a process of the server. It may be starting, stopping or stuck all the same.
    pub(super) fn is_alive(&self) -> bool {
        Postmaster::of(&self.directory.data()).is_some()
    }

    /// Breaks off a start that is under way in another thread.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Stops the server and waits until it is gone. The caller holds the lock for starting.
    pub(super) fn stop(&self) {
        let Some(postmaster) = Postmaster::of(&self.directory.data()) else {
            return;
        };
        postmaster.stop_in_order();
        if postmaster.is_gone_within(STOPS_WITHIN) {
            return;
        }
        tracing::warn!("PostgreSQL did not stop in time; it is stopped at once and recovers at the next start");
        postmaster.stop_at_once();
        postmaster.is_gone_within(STOPS_WITHIN);
    }

    /// Adopts the server that answers, waits for the one that starts, or starts one: whichever it takes.
    fn ensure_running(&self) -> Result<(), StartError> {
        let begun = Instant::now();
        let mut attempt: Option<Attempt> = None;
        loop {
            let source = match self.open_session() {
                Ok(_) => return Ok(()),
                Err(error) if error.is_final() => return Err(error.into()),
                Err(error) => error,
            };
            if self.leaving.load(Ordering::Relaxed) {
                return Err(StartError::Stopped);
            }
            if begun.elapsed() > READY_WITHIN {
                return Err(StartError::NotAnswering {
                    log: self.directory.log(),
                    source,
                });
            }
            match &attempt {
                Some(running) if running.has_ended() => {
                    if !running.met_remains() || begun.elapsed() > REMAINS_GO_WITHIN {
                        return Err(StartError::Ended {
                            log: self.directory.log(),
                            output: running.last_words(),
                        });
                    }
                    attempt = None;
                    thread::sleep(PAUSE_BETWEEN_ATTEMPTS);
                }
                Some(_) => {}
                None if self.is_alive() => {}
                None => attempt = Some(self.launch()?),
            }
            thread::sleep(PAUSE);
        }
    }

    fn launch(&self) -> Result<Attempt, StartError> {
        Attempt::launch(&self.directory, &self.binaries, &self.account, self.durability)
    }

    fn open_session(&self) -> Result<Session, SessionError> {
        Session::open(&self.directory.socket(), NAME, "postgres")
    }

    fn make_socket_dir(&self) -> Result<(), StartError> {
        let path = PathBuf::from(self.directory.socket_dir());
        if !path.is_dir() {
            DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .map_err(StartError::system("create", &path))?;
        }
        self.account.give(&path)
    }
}
