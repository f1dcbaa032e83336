//! The store as its operator runs it, with the catalogue of the benchmark.

use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::Outcome;

/// How long the store may take to be ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running store; it ends when this is dropped.
pub(crate) struct Store {
    process: Child,
    public: String,
    client: reqwest::Client,
    home: TempDir,
}

impl Store {
    /// Imports the catalogue into a store of its own, and runs it.
    pub(crate) fn start(catalogue: &Path) -> Outcome<Self> {
        // The account that runs PostgreSQL for root must be able to pass through.
        let home = tempfile::Builder::new()
            .prefix("bodega-relevance-")
            .permissions(Permissions::from_mode(0o711))
            .tempdir()?;
        // The store's own client of buckets brings TLS without choosing whose.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let [public, internal, management] = addresses()?;
        let command = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_bodega"));
            command
                .args(arguments)
                .env("BODEGA__DATA__DIR", home.path())
                .env("BODEGA__SERVER__PUBLIC", &public)
                .env("BODEGA__SERVER__INTERNAL", &internal)
                .env("BODEGA__SERVER__MANAGEMENT", &management)
                .env("BODEGA__LIMITS__ENABLED", "false")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command
        };
        let path = catalogue.to_str().ok_or("the path of the catalogue is not UTF-8")?;
        if !command(&["import", path]).status()?.success() {
            return Err("the catalogue cannot be imported".into());
        }
        let process = command(&["serve"]).spawn()?;
        let store = Self {
            process,
            public: format!("http://{public}/api/v1"),
            client: reqwest::Client::new(),
            home,
        };
        store.await_ready(&management)?;
        Ok(store)
    }

    /// The SKUs of the first products for `query`.
    pub(crate) async fn search(&self, query: &str, limit: usize) -> Outcome<Vec<String>> {
        let limit = limit.to_string();
        let url = reqwest::Url::parse_with_params(
            &format!("{}/products", self.public),
            [("q", query), ("limit", limit.as_str())],
        )?;
        let answer: Value = self.client.get(url).send().await?.error_for_status()?.json().await?;
        let rows = answer["data"].as_array().ok_or("no list")?;
        let sku = |row: &Value| row["variants"][0]["sku"].as_str().map(str::to_owned);
        Ok(rows.iter().filter_map(sku).collect())
    }

    /// Where its database listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.home.path().join("database/socket")
    }

    fn await_ready(&self, management: &str) -> Outcome<()> {
        let until = Instant::now() + PATIENCE;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        while Instant::now() < until {
            let asked = self.client.get(format!("http://{management}/readyz")).send();
            if runtime.block_on(asked).is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("the store does not become ready".into())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The embedded database has to be stopped by the store itself.
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

fn addresses() -> Outcome<[String; 3]> {
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
    }
    let mut addresses = Vec::new();
    for listener in &listeners {
        addresses.push(listener.local_addr()?.to_string());
    }
    addresses.try_into().map_err(|_| "three addresses".into())
}
