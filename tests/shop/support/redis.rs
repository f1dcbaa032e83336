//! A Redis of a test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::addresses::own_address;
use super::process::send;

/// A Redis does not take this long to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Names the store of the carts of all stores of a test process.
const STORE_VARIABLE: &str = "BODEGA_TEST_CART_STORE";

static OF_CARTS: OnceLock<Redis> = OnceLock::new();

/// A Redis; gone with the value.
pub(crate) struct Redis {
    address: SocketAddr,
    server: Child,
    folder: TempDir,
    /// How it keeps what it knows.
    keeping: &'static [&'static str],
}

/// Keeps nothing on disk.
const FORGETFUL: &[&str] = &["--save", "", "--appendonly", "no"];
/// Loses no more than a second, as carts want it.
const DURABLE: &[&str] = &["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];

impl Redis {
    /// A Redis at a port of its own, which keeps nothing on disk.
    pub(crate) fn start() -> Redis {
        Redis::keeping(FORGETFUL)
    }

    /// A Redis at a port of its own, which keeps on disk what it knows.
    pub(crate) fn durable() -> Redis {
        Redis::keeping(DURABLE)
    }

    fn keeping(keeping: &'static [&'static str]) -> Redis {
        let (address, folder) = (own_address(), tempfile::tempdir().unwrap());
        let server = serve(command(), address, &folder, keeping);
        Redis {
            address,
            server,
            folder,
            keeping,
        }
    }

    /// The Redis in which all stores of this test process keep their carts, where the test run wants that.
    pub(super) fn of_carts() -> Option<&'static Redis> {
        match std::env::var(STORE_VARIABLE).as_deref() {
            Err(_) | Ok("" | "postgres") => None,
            Ok("redis") => Some(OF_CARTS.get_or_init(|| {
                let (address, folder) = (own_address(), tempfile::tempdir().unwrap());
                let server = serve(cleaned_up_afterwards(&folder), address, &folder, FORGETFUL);
                Redis {
                    address,
                    server,
                    folder,
                    keeping: FORGETFUL,
                }
            })),
            Ok(other) => panic!("{STORE_VARIABLE} is postgres or redis, not {other}"),
        }
    }

    /// Where it is, as a setting says it.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Has it carry out a command, in words without spaces; answers the first line of what it says.
    pub(crate) fn tell(&self, command: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Kills it. Whatever it knew is gone, but for what is on disk.
    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.server = serve(command(), self.address, &self.folder, self.keeping);
    }

    /// Has it stop in its tracks, or go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        send(self.server.id(), if frozen { libc::SIGSTOP } else { libc::SIGCONT });
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn command() -> Command {
    let mut command = Command::new("redis-server");
    command.stdin(Stdio::null());
    command
}

/// Values that live as long as the process are never dropped: a shell ends the server when it hears of the end of this
/// process, however it ends, by the end of its input.
fn cleaned_up_afterwards(folder: &TempDir) -> Command {
    let script = r#"
        folder=$1
        shift
        redis-server "$@" &
        cat > /dev/null
        kill -KILL $!
        rm -rf "$folder"
    "#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "redis"]).arg(folder.path());
    command.stdin(Stdio::piped()).process_group(0);
    command
}

fn serve(mut command: Command, address: SocketAddr, folder: &TempDir, keeping: &[&str]) -> Child {
    let server = command
        .args([
            "--bind",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
        ])
        .args(keeping)
        .args(["--daemonize", "no"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let server = server.unwrap_or_else(|error| {
        panic!("redis-server cannot be run ({error}): install the package `redis-server`, as `cargo xtask test` does as root")
    });
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < PATIENCE, "Redis does not start");
        thread::sleep(Duration::from_millis(10));
    }
    server
}
