use std::io;
use std::path::{Path, PathBuf};

use super::binaries::{BINARIES_VARIABLE, OLDEST_VERSION};
use super::session::SessionError;

/// Why an embedded cluster could not be started. Each reads as one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No PostgreSQL binaries are on this machine, nor beside the data.
    #[error(
        "no PostgreSQL {OLDEST_VERSION} or newer found: start with `cargo xtask run`, which fetches it, or \
         `apt-get install postgresql`, or set database.url to a server of your own"
    )]
    NoBinaries,
    /// The directory that was named for the binaries cannot serve.
    #[error("{}, named for the PostgreSQL binaries by the settings or {BINARIES_VARIABLE}, {reason}", path.display())]
    UnusableBinaries {
        /// The directory as it was named.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        reason: String,
    },
    /// The cluster belongs to another major version of PostgreSQL than the binaries.
    #[error(
        "the database in {} was made by PostgreSQL {cluster}, but {} is version {found}: install PostgreSQL \
         {cluster}, or point {BINARIES_VARIABLE} at its bin directory, or dump the database with version {cluster} \
         (pg_dumpall) and restore it into a new data directory",
        data.display(), binaries.display()
    )]
    VersionMismatch {
        /// The cluster.
        data: PathBuf,
        /// The major version that made it.
        cluster: u32,
        /// The binaries that were found.
        binaries: PathBuf,
        /// Their major version.
        found: u32,
    },
    /// The path of the Unix socket does not fit into a socket address.
    #[error(
        "the data directory's path is too long for a Unix socket: {} has {} bytes, {longest} are possible; choose a \
         shorter data.dir", socket.display(), socket.as_os_str().len()
    )]
    SocketPathTooLong {
        /// The socket's path.
        socket: PathBuf,
        /// The longest possible path, in bytes.
        longest: usize,
    },
    /// The path of the data directory has a character that libpq or PostgreSQL would misread.
    #[error("the data directory {} cannot be used: its path {reason}; choose another data.dir", path.display())]
    UnusablePath {
        /// The data directory.
        path: PathBuf,
        /// What is wrong with it, as the rest of a sentence.
        reason: &'static str,
    },
    /// Root runs the server as another account, which may not enter a directory on the way.
    #[error(
        "PostgreSQL does not run as root, and the account `{account}` that it runs as here may not enter {}: choose \
         a data.dir and binaries outside of it, or `chmod o+x {}`", directory.display(), directory.display()
    )]
    NotTraversable {
        /// The directory that keeps the account out.
        directory: PathBuf,
        /// The account's name, or its number.
        account: String,
    },
    /// There is no account but root to run the server as.
    #[error("PostgreSQL does not run as root, and there is no account `postgres` or `nobody` to run it as: add one")]
    NoAccount,
    /// `initdb` failed.
    #[error("initdb could not make the database: {output}")]
    Initialise {
        /// Its last words.
        output: String,
    },
    /// The server ended while it started.
    #[error("PostgreSQL ended while it started, see {}: {output}", log.display())]
    Ended {
        /// Where the server's log is.
        log: PathBuf,
        /// The end of it.
        output: String,
    },
    /// The server runs but does not answer.
    #[error("PostgreSQL does not answer, see {}: {source}", log.display())]
    NotAnswering {
        /// Where the server's log is.
        log: PathBuf,
        /// What came instead of an answer.
        source: SessionError,
    },
    /// The server answers but refuses what the store needs.
    #[error("PostgreSQL refuses the store: {0}")]
    Refused(#[from] SessionError),
    /// The cluster was stopped while its server started.
    #[error("stopped while PostgreSQL started")]
    Stopped,
    /// A file or a process could not be used.
    #[error("could not {action} {}: {source}", path.display())]
    System {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl StartError {
    /// For `map_err`: says what was tried on which path.
    pub(super) fn system(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StartError {
        move |source| StartError::System {
            action,
            path: path.to_path_buf(),
            source,
        }
    }
}
