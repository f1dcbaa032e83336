//! A private PostgreSQL server, started and supervised by the store itself.
//!
//! A shop that sets no `database.url` still runs on a real PostgreSQL: [`Cluster::start`] initialises one under
//! the data directory at the first start, and adopts or starts it at every later one. It listens on a Unix socket
//! only, is started again when it dies, and is stopped by the last process that uses it.
//!
//! Files under `<data dir>/database`:
//!
//! | name | what it is |
//! |---|---|
//! | `data` | the cluster; appears whole, by a rename, once `initdb` is done |
//! | `socket` | the directory of the Unix socket, open to the server's account only |
//! | `binaries` | the directory of the PostgreSQL binaries that made the cluster |
//! | `postgres.log` | what the server says |
//! | `start.lock` | held, exclusively, while a process starts or stops the server |
//! | `users.lock` | held, shared, as long as a process uses the server |

mod account;
mod binaries;
mod directory;
mod error;
mod initialise;
mod launch;
mod postmaster;
mod server;
mod session;
mod supervisor;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use self::directory::{Directory, PORT};
use self::server::Server;
use self::supervisor::Supervisor;

pub use self::binaries::{BINARIES_VARIABLE, OLDEST_VERSION, find_binaries};
pub use self::directory::default_data_dir;
pub use self::error::StartError;
pub use self::session::SessionError;

/// The superuser of an embedded cluster, and the name of the database that every cluster has.
///
/// There is no password: the socket lies in a directory that only the server's own account and root may enter.
pub const NAME: &str = "bodega";

/// What [`Cluster::start`] needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store's data directory, made when missing. The cluster lies in its folder `database`.
    pub data_dir: PathBuf,
    /// What a crash may cost.
    pub durability: Durability,
    /// The directory of the PostgreSQL binaries, where the settings name one; see [`find_binaries`].
    pub binaries: Option<PathBuf>,
}

/// What a crash may cost. A crash of the store alone costs nothing in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Every commit is on disk before it is answered: for shops.
    Durable,
    /// Nothing is waited for: a crash of PostgreSQL may lose the last commits, one of the machine ruins the cluster.
    /// For tests.
    ThrowAway,
}

/// A running PostgreSQL server, shared with every other process that started it from the same data directory.
///
/// While this value lives, a thread watches the server and starts it again when it dies. Dropping it, like
/// [`Cluster::stop`], stops the server unless another process or another `Cluster` still uses it.
#[derive(Debug)]
pub struct Cluster {
    server: Arc<Server>,
    users: Option<File>,
    supervisor: Option<Supervisor>,
}

impl Cluster {
    /// Makes the cluster if there is none, sees to it that its server answers and that the database [`NAME`]
    /// exists.
    ///
    /// Blocks until then: about a second the first time, a tenth of one later, as long as recovery takes after a
    /// crash. Several processes may call this at once: one starts the server, the others adopt it.
    ///
    /// # Errors
    ///
    /// Every [`StartError`] reads as one line for the operator, who has to change something before trying again.
    pub fn start(options: Options) -> Result<Cluster, StartError> {
        let directory = Directory::prepare(&options.data_dir)?;
        let starting = directory.lock_for_starting()?;
        let users = directory.join_users()?;
        let server = Arc::new(Server::prepare(directory, &options)?);
        let mut cluster = Cluster {
            server,
            users: Some(users),
            supervisor: None,
        };
        let outcome = cluster.server.bring_up();
        // Dropping a cluster that failed takes this lock too, so it must be free by then.
        drop(starting);
        outcome?;
        cluster.supervisor = Some(Supervisor::start(Arc::clone(&cluster.server))?);
        Ok(cluster)
    }

    /// The address of a database of this cluster for libpq, as its superuser. The database need not exist.
    pub fn url(&self, database: &str) -> String {
        let database = percent_encoded(database);
        let host = percent_encoded(self.server.directory.socket_dir());
        // libpq would take a port that is not given from the environment.
        format!("postgresql://{NAME}@/{database}?host={host}&port={PORT}")
    }

    /// Creates an empty database unless there is one of that name.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or refuses the name.
    pub fn create_database_if_missing(&self, database: &str) -> Result<(), SessionError> {
        self.server.create_database_if_missing(database)
    }

    /// Stops the server if this was its last user, and waits until it is gone: well under a second as a rule.
    ///
    /// Sessions still open then, in any process, are cut off; what they committed stays.
    pub fn stop(mut self) {
        self.leave();
    }

    fn leave(&mut self) {
        let Some(users) = self.users.take() else { return };
        if let Some(supervisor) = self.supervisor.take() {
            supervisor.stop();
        }
        let directory = &self.server.directory;
        let outcome = directory.lock_for_starting().and_then(|_starting| {
            drop(users);
            if directory.is_unused()? {
                self.server.stop();
            }
            Ok(())
        });
        if let Err(error) = outcome {
            tracing::warn!(%error, "could not stop PostgreSQL; the next start adopts it");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A part of a URL, with every byte escaped that could mean something there.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
