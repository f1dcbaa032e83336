use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::mem::offset_of;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use super::account;
use super::error::StartError;

/// Names the socket, since no port of the network is used: `.s.PGSQL.5432`.
pub(super) const PORT: u16 = 5432;

const NEW_DATA: &str = "data.new";
const REMEMBERED: &str = "binaries";

/// Where the store keeps its data when the settings name no directory: `/var/lib/bodega` for root, else
/// `$XDG_DATA_HOME/bodega`, else `~/.local/share/bodega`. `None` when not even a home directory is known.
///
/// Root does not use its home, because the account that runs PostgreSQL for root may not enter it.
pub fn default_data_dir() -> Option<PathBuf> {
    if account::is_root() {
        return Some(PathBuf::from("/var/lib/bodega"));
    }
    let absolute = |variable| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))?;
    Some(base.join("bodega"))
}

/// The files of one cluster, under `<data dir>/database`.
#[derive(Debug)]
pub(super) struct Directory {
    base: PathBuf,
    socket_dir: String,
}

impl Directory {
    /// Makes the directory if there is none, and refuses one whose path cannot hold a socket.
    pub(super) fn prepare(data_dir: &Path) -> Result<Directory, StartError> {
        let wanted = std::path::absolute(data_dir).map_err(StartError::system("find", data_dir))?;
        let wanted = wanted.join("database");
        // The length is checked before anything is made, so that a refusal leaves nothing behind.
        socket_dir_of(&wanted)?;
        // The account that runs the server for root must be able to pass through, but not to list.
        let mode = if account::is_root() { 0o711 } else { 0o700 };
        let made = DirBuilder::new().recursive(true).mode(mode).create(&wanted);
        made.map_err(StartError::system("create", &wanted))?;
        let base = wanted.canonicalize().map_err(StartError::system("find", &wanted))?;
        let socket_dir = socket_dir_of(&base)?;
        Ok(Directory { base, socket_dir })
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// The store's data directory, of which this is a part.
    pub(super) fn data_dir(&self) -> &Path {
        self.base.parent().unwrap_or(&self.base)
    }

    /// The cluster itself, in PostgreSQL's own layout.
    pub(super) fn data(&self) -> PathBuf {
        self.base.join("data")
    }

    /// Where this process makes a cluster before it is renamed to [`Directory::data`].
    ///
    /// Named after the process, because an `initdb` whose store was killed lives on for a moment.
    pub(super) fn new_data(&self) -> PathBuf {
        self.base.join(format!("{NEW_DATA}.{}", process::id()))
    }

    /// Removes what attempts to make a cluster have left behind when they were killed.
    pub(super) fn remove_abandoned(&self) {
        let Ok(entries) = fs::read_dir(&self.base) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.file_stem().is_none_or(|name| name != NEW_DATA) {
                continue;
            }
            // What cannot be removed now, as its orphaned `initdb` still writes there, only costs space.
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, path = %path.display(), "could not remove an abandoned cluster");
            }
        }
    }

    /// The directory of the socket. It is text, because it becomes part of a URL.
    pub(super) fn socket_dir(&self) -> &str {
        &self.socket_dir
    }

    pub(super) fn socket(&self) -> PathBuf {
        Path::new(&self.socket_dir).join(format!(".s.PGSQL.{PORT}"))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.base.join("postgres.log")
    }

    /// The major version of PostgreSQL that made the cluster; `None` when there is no cluster yet.
    pub(super) fn version(&self) -> Option<u32> {
        version_of(&self.base)
    }

    /// Notes which binaries made the cluster, for the next start.
    pub(super) fn remember_binaries(&self, binaries: &Path) -> Result<(), StartError> {
        let path = self.base.join(REMEMBERED);
        fs::write(&path, format!("{}\n", binaries.display())).map_err(StartError::system("write", &path))
    }

    /// Held while the server is started or stopped, so that only one process does.
    pub(super) fn lock_for_starting(&self) -> Result<File, StartError> {
        let path = self.base.join("start.lock");
        let file = open_lock(&path)?;
        file.lock().map_err(StartError::system("lock", &path))?;
        Ok(file)
    }

    /// Held as long as this process uses the server. The caller holds the lock for starting.
    ///
    /// A second file, because a lock is not downgraded in one step: with one file, a process that waits to start
    /// would wait as long as the first one lives.
    pub(super) fn join_users(&self) -> Result<File, StartError> {
        let path = self.users_lock();
        let file = open_lock(&path)?;
        file.lock_shared().map_err(StartError::system("lock", &path))?;
        Ok(file)
    }

    /// Whether no process uses the server. The caller holds the lock for starting.
    pub(super) fn is_unused(&self) -> Result<bool, StartError> {
        let path = self.users_lock();
        match open_lock(&path)?.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => Err(StartError::System {
                action: "lock",
                path,
                source,
            }),
        }
    }

    fn users_lock(&self) -> PathBuf {
        self.base.join("users.lock")
    }
}

/// The major version of the cluster under the store's data directory, if there is one.
pub(super) fn cluster_version(data_dir: &Path) -> Option<u32> {
    version_of(&data_dir.join("database"))
}

/// The binaries that made the cluster under the store's data directory, if there is one that knows.
pub(super) fn remembered_binaries(data_dir: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(data_dir.join("database").join(REMEMBERED)).ok()?;
    Some(PathBuf::from(text.trim_end()))
}

fn version_of(base: &Path) -> Option<u32> {
    fs::read_to_string(base.join("data/PG_VERSION"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn open_lock(path: &Path) -> Result<File, StartError> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    opened.map_err(StartError::system("open", path))
}

fn socket_dir_of(base: &Path) -> Result<String, StartError> {
    let refused = |reason| StartError::UnusablePath {
        path: base.to_path_buf(),
        reason,
    };
    let directory = base.join("socket");
    let Some(text) = directory.to_str() else {
        return Err(refused("is not UTF-8"));
    };
    if text.contains(',') {
        return Err(refused("has a comma, which libpq takes for the end of a host"));
    }
    if text.contains(['"', '\n']) {
        return Err(refused("has a quote or a line break"));
    }
    let socket = directory.join(format!(".s.PGSQL.{PORT}"));
    // The path of a socket address ends with a zero byte: 107 bytes are left on Linux, 103 on macOS.
    let longest = size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;
    if socket.as_os_str().len() > longest {
        return Err(StartError::SocketPathTooLong { socket, longest });
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_libpq_would_split_is_refused() {
        let error = socket_dir_of(Path::new("/srv/a,b/database")).unwrap_err();
        assert!(error.to_string().contains("comma"), "{error}");
    }

    #[test]
    fn a_path_that_fits_into_a_socket_address_is_taken_and_one_byte_more_is_not() {
        let fixed = "/database/socket/.s.PGSQL.5432".len();
        let longest = if cfg!(target_os = "linux") { 107 } else { 103 };
        let path = |length: usize| Path::new("/").join("d".repeat(length - 1)).join("database");
        assert!(socket_dir_of(&path(longest - fixed)).is_ok());
        assert!(socket_dir_of(&path(longest - fixed + 1)).is_err());
    }
}
