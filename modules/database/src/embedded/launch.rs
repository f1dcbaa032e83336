use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::Durability;
use super::account::Account;
use super::binaries::Binaries;
use super::directory::{Directory, PORT};
use super::error::StartError;

/// A log longer than this is put aside before the server writes on, in bytes.
const LONGEST_LOG: u64 = 16 << 20;

/// How much of the log an error shows, in lines.
const LAST_LINES: usize = 5;

/// A server that was launched by this process.
pub(super) struct Attempt {
    ended: Arc<AtomicBool>,
    log: PathBuf,
    /// Where in the log this server begins to write.
    log_start: u64,
}

impl Attempt {
    pub(super) fn launch(
        directory: &Directory,
        binaries: &Binaries,
        account: &Account,
        durability: Durability,
    ) -> Result<Attempt, StartError> {
        let postgres = binaries.program("postgres");
        let log = directory.log();
        let file = open_log(&log).map_err(StartError::system("open", &log))?;
        let log_start = file.metadata().map_err(StartError::system("look at", &log))?.len();
        let mut command = account.command(&postgres);
        command.current_dir(directory.base()).arg("-D").arg(directory.data());
        for setting in settings(directory.socket_dir(), durability) {
            command.arg("-c").arg(setting);
        }
        command
            .stdout(file.try_clone().map_err(StartError::system("open", &log))?)
            .stderr(file);
        // In a group of its own, so that Ctrl-C reaches the store alone, which then stops the server in order. It
        // does not die with its parent on purpose: another process may use it, and the next start adopts it.
        command.process_group(0);
        tracing::info!(program = %postgres.display(), log = %log.display(), "starting PostgreSQL");
        let mut child = command.spawn().map_err(StartError::system("run", &postgres))?;
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        // Whoever launched the server must reap it at once, even while waiting for a lock: as a zombie it would keep
        // its successor, perhaps that of another process, from starting.
        let reaper = thread::Builder::new()
            .name("postgres-reaper".to_owned())
            .spawn(move || {
                let outcome = child.wait();
                tracing::debug!(?outcome, "PostgreSQL ended");
                seen.store(true, Ordering::Release);
            });
        reaper.map_err(StartError::system("watch", &postgres))?;
        Ok(Attempt { ended, log, log_start })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether the server did not start because something of its predecessor is still there and will soon be gone.
    pub(super) fn met_remains(&self) -> bool {
        let output = self.output();
        // A zombie that nobody has reaped yet, or sessions that have not noticed that their postmaster is gone.
        output.contains("lock file \"postmaster.pid\" already exists")
            || output.contains("pre-existing shared memory block")
    }

    /// The end of what the server has said, in one line.
    pub(super) fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("; ")
    }

    fn output(&self) -> String {
        let mut output = Vec::new();
        let outcome = File::open(&self.log).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.log_start))?;
            file.read_to_end(&mut output)
        });
        if let Err(error) = outcome {
            return format!("its log cannot be read: {error}");
        }
        String::from_utf8_lossy(&output).into_owned()
    }
}

/// What the store relies on, so no file may say otherwise.
fn settings(socket_dir: &str, durability: Durability) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("port={PORT}"),
        format!("unix_socket_directories=\"{socket_dir}\""),
        "unix_socket_permissions=0700".to_owned(),
    ];
    let durability: &[&str] = match durability {
        Durability::Durable => &["fsync=on", "synchronous_commit=on", "full_page_writes=on"],
        // Tests run many stores at once, each with a pool of its own, and nobody replicates them.
        Durability::ThrowAway => &[
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "wal_level=minimal",
            "max_wal_senders=0",
            "max_connections=400",
        ],
    };
    settings.extend(durability.iter().map(|setting| (*setting).to_owned()));
    settings
}

fn open_log(path: &Path) -> std::io::Result<File> {
    if fs::metadata(path).is_ok_and(|found| found.len() > LONGEST_LOG) {
        fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
