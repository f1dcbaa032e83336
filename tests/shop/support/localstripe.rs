//! A Stripe of a test's own: localstripe, which keeps intents, charges and refunds in its memory. What it does not do, the
//! tests that need it do in its place: it knows no idempotency keys, leads nobody to a bank's page, and tells of few events.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tempfile::TempDir;

use super::addresses::own_address;

/// A Python program does not take this long to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// The secret key of the shop there; any is taken that begins like this.
pub(crate) const SECRET_KEY: &str = "sk_test_shop";

/// A Stripe; gone with the value.
pub(crate) struct LocalStripe {
    address: SocketAddr,
    server: Child,
    client: reqwest::Client,
    _folder: TempDir,
}

impl LocalStripe {
    /// A Stripe at a port of its own, which knows nothing yet.
    pub(crate) async fn start() -> LocalStripe {
        let started = tokio::task::spawn_blocking(|| {
            let (address, folder) = (own_address(), tempfile::tempdir().unwrap());
            let server = serve(address.port(), &folder);
            (address, folder, server)
        });
        let (address, folder, server) = started.await.unwrap();
        let _ = rustls::crypto::ring::default_provider().install_default();
        LocalStripe {
            address,
            server,
            client: reqwest::Client::new(),
            _folder: folder,
        }
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it is, as a setting says it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Reads an object or a list.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let request = self.client.get(format!("{}{path}", self.url()));
        let answer = request.bearer_auth(SECRET_KEY).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Makes or changes an object; the status, and what it answers.
    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.client.request(Method::POST, format!("{}{path}", self.url()));
        let answer = request.bearer_auth(SECRET_KEY).json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (
            status,
            serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default(),
        )
    }
}

impl Drop for LocalStripe {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Where `cargo xtask localstripe` has put its Python.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    target.join("localstripe/bin/python")
}

fn serve(port: u16, folder: &TempDir) -> Child {
    let python = python();
    let server = Command::new(&python)
        .args(["-m", "localstripe", "--from-scratch", "--port", &port.to_string()])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = server.unwrap_or_else(|error| {
        panic!(
            "localstripe cannot be run by {} ({error}): `cargo xtask localstripe` installs it, as `cargo xtask test` does; \
             it needs python3 with venv and pip",
            python.display()
        )
    });
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let started = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(started.elapsed() < PATIENCE, "localstripe does not start");
        thread::sleep(Duration::from_millis(10));
    }
    server
}
