//! The store as its operator runs it: the release binary in a process of its own, on a data directory and a database of its
//! own.

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Outcome, settings};

/// How often a store that starts is asked whether it is ready.
const POLL: Duration = Duration::from_millis(2);
/// How long it may take, at most, to be ready: the first index of a large catalogue is made meanwhile.
const START: Duration = Duration::from_secs(600);
/// The same to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A data directory, and where its store listens. Removed with all that is in it when dropped.
#[derive(Debug)]
pub(crate) struct Home {
    directory: TempDir,
    public: SocketAddr,
    internal: SocketAddr,
    management: SocketAddr,
}

impl Home {
    /// An empty one. Not in `/tmp`, which is in memory on some machines, where no commit would ever wait for a disk.
    pub(crate) fn new() -> Outcome<Self> {
        let directory = tempfile::Builder::new()
            .prefix("bodega-bench-")
            // The account that runs PostgreSQL for root must be able to pass through.
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in(settings::directory())?;
        let [public, internal, management] = free_addresses()?;
        Ok(Self {
            directory,
            public,
            internal,
            management,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where the API is while the store runs.
    pub(crate) fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where a process of the store is reached by the others.
    pub(crate) fn internal(&self) -> SocketAddr {
        self.internal
    }

    /// Where the store tells how it is.
    pub(crate) fn management(&self) -> SocketAddr {
        self.management
    }

    /// The directory of the database's socket.
    pub(crate) fn socket_directory(&self) -> PathBuf {
        self.path().join("database/socket")
    }

    /// The directory of the programs that made the database.
    pub(crate) fn database_programs(&self) -> Outcome<PathBuf> {
        let text = fs::read_to_string(self.path().join("database/binaries"))?;
        Ok(PathBuf::from(text.trim_end()))
    }

    /// The process of the database's postmaster.
    pub(crate) fn postmaster(&self) -> Outcome<u32> {
        let text = fs::read_to_string(self.path().join("database/data/postmaster.pid"))?;
        Ok(text.lines().next().unwrap_or_default().parse()?)
    }

    /// Runs a command of the store to its end; how long it took, and what it printed.
    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome<(Duration, String)> {
        let started = Instant::now();
        let output = self.command(arguments).output()?;
        let took = started.elapsed();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok((took, printed));
        }
        let logged = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "bodega {} ended with {}\n{printed}{logged}",
            arguments.join(" "),
            output.status
        )
        .into())
    }

    /// Starts the store and waits until it is ready; how long that took.
    pub(crate) fn start(&self) -> Outcome<(Store, Duration)> {
        self.start_part("store", self.management, &[])
    }

    /// Starts a process of the store with other settings than the store's own, `name` for its log.
    pub(crate) fn start_part(
        &self,
        name: &str,
        management: SocketAddr,
        settings: &[(&str, String)],
    ) -> Outcome<(Store, Duration)> {
        let log = self.path().join(format!("{name}.log"));
        let started = Instant::now();
        let mut command = self.command(&["serve"]);
        command.env("BODEGA__SERVER__MANAGEMENT", management.to_string());
        for (key, value) in settings {
            command.env(format!("BODEGA__{}", key.replace('.', "__").to_uppercase()), value);
        }
        let process = command.stderr(File::create(&log)?).spawn()?;
        let mut store = Store { process };
        while !is_ready(management) {
            if let Some(status) = store.process.try_wait()? {
                return Err(format!("the store ended with {status}\n{}", fs::read_to_string(&log)?).into());
            }
            if started.elapsed() > START {
                return Err(format!("the store does not get ready\n{}", fs::read_to_string(&log)?).into());
            }
            thread::sleep(POLL);
        }
        Ok((store, started.elapsed()))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bodega"));
        command
            .args(arguments)
            .env("BODEGA__DATA__DIR", self.path())
            .env("BODEGA__SERVER__PUBLIC", self.public.to_string())
            .env("BODEGA__SERVER__INTERNAL", self.internal.to_string())
            .env("BODEGA__SERVER__MANAGEMENT", self.management.to_string())
            .env("BODEGA__SERVER__DRAIN_DELAY", "0s")
            .env("BODEGA__LIMITS__ENABLED", "false")
            // What the store does is measured, not what it remembers; the cache has a row of its own.
            .env("BODEGA__GATEWAY__CACHE_BYTES", "0")
            // Only the embedded database is known to be on this machine, and to be nobody else's.
            .env_remove("BODEGA__DATABASE__URL")
            .env_remove("BODEGA__DATABASE__URL_FILE");
        command
    }
}

/// A running store; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Store {
    process: Child,
}

impl Store {
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Tells the store to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        let status = self.end()?;
        match status.success() {
            true => Ok(()),
            false => Err(format!("the store ended with {status}").into()),
        }
    }

    fn end(&mut self) -> Outcome<ExitStatus> {
        if let Some(status) = self.process.try_wait()? {
            return Ok(status);
        }
        terminate(&self.process);
        let told = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            if told.elapsed() > PATIENCE {
                self.process.kill()?;
                return Ok(self.process.wait()?);
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("could not stop the store: {error}");
        }
    }
}

/// Asks a process to end, as its operator would. (`Child::kill` leaves it no time to stop its database.)
pub(crate) fn terminate(process: &Child) {
    let Ok(id) = libc::pid_t::try_from(process.id()) else {
        return;
    };
    #[expect(unsafe_code, reason = "the standard library has no other signal than SIGKILL")]
    // SAFETY: a system call without pointers. The process was not waited for, so that its id is still its own.
    unsafe {
        libc::kill(id, libc::SIGTERM);
    }
}

/// Addresses that were free a moment ago; each is another one.
pub(crate) fn free_addresses<const COUNT: usize>() -> Outcome<[SocketAddr; COUNT]> {
    let mut sockets = Vec::new();
    let mut addresses = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); COUNT];
    for address in &mut addresses {
        let socket = TcpListener::bind(*address)?;
        *address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(addresses)
}

/// Whether `/readyz` answers 200.
fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
}
