//! A Redis of a test's own.

use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::addresses::own_address;
use super::process::send;

/// A Redis does not take this long to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis that keeps nothing on disk; gone with the value.
pub(crate) struct Redis {
    address: SocketAddr,
    server: Child,
    folder: TempDir,
}

impl Redis {
    /// A Redis at a port of its own.
    pub(crate) fn start() -> Redis {
        let address = own_address();
        let folder = tempfile::tempdir().unwrap();
        Redis {
            address,
            server: serve(address, &folder),
            folder,
        }
    }

    /// Where it is, as a setting says it.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    /// Kills it. Whatever it knew is gone.
    pub(crate) fn kill(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    /// Starts it again where it was.
    pub(crate) fn start_again(&mut self) {
        self.server = serve(self.address, &self.folder);
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

fn serve(address: SocketAddr, folder: &TempDir) -> Child {
    let server = Command::new("redis-server")
        .args([
            "--bind",
            &address.ip().to_string(),
            "--port",
            &address.port().to_string(),
        ])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
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
