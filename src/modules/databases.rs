//! The databases of the modules that run here: one pool for each distinct address, and the embedded server where a module
//! has no other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use database::connection::{self, Limits};
use database::embedded::{self, Cluster, Durability, NAME};
use database::{Db, Options};
use kernel::Fault;
use kernel::settings::Settings;
use secrecy::{ExposeSecret, SecretString};

use super::StartError;

/// Modules that have a database.
const MODULES: [&str; 4] = ["user", "product", "cart", "order"];

/// An address where nothing is: for a store that only tells what it would serve.
const NOWHERE: &str = "host=/nonexistent dbname=none";

pub(super) struct Databases {
    // In this order: where a start fails, the pools go before their server does.
    pools: BTreeMap<String, Db>,
    cluster: Option<Cluster>,
    address_of: BTreeMap<&'static str, String>,
    allow_unsafe_durability: bool,
}

impl Databases {
    /// Opens a pool for each address. Blocks as long as the embedded server takes to start; other servers may be down.
    pub(super) async fn open(settings: &Arc<Settings>) -> Result<Self, StartError> {
        check_transport(settings)?;
        let embedded = running(settings).any(|module| settings.database.url_of(module).expose_secret().is_empty());
        let cluster = match embedded {
            true => Some(start_cluster(settings).await?),
            false => None,
        };
        let own = cluster.as_ref().map(|cluster| cluster.url(NAME)).unwrap_or_default();
        let address = |module: &str| match settings.database.url_of(module).expose_secret() {
            "" => own.clone(),
            configured => configured.to_owned(),
        };
        let pools = Self::pools(settings, address);
        Ok(Self { cluster, ..pools })
    }

    /// Pools that lead nowhere.
    pub(super) fn offline(settings: &Settings) -> Self {
        let mut settings = settings.clone();
        settings.database.connections = 1;
        Self::pools(&settings, |_| NOWHERE.to_owned())
    }

    fn pools(settings: &Settings, address: impl Fn(&str) -> String) -> Self {
        let mut pools = BTreeMap::new();
        let mut address_of = BTreeMap::new();
        for module in running(settings) {
            let address = address(module);
            let open = || Db::open(SecretString::from(address.as_str()), options(settings));
            pools.entry(address.clone()).or_insert_with(open);
            address_of.insert(module, address);
        }
        Self {
            pools,
            cluster: None,
            address_of,
            allow_unsafe_durability: settings.database.allow_unsafe_durability,
        }
    }

    /// The database of a module that runs here.
    pub(super) fn of(&self, module: &str) -> Db {
        self.pools[&self.address_of[module]].clone()
    }

    /// Whether the embedded server is among them.
    pub(super) fn are_embedded(&self) -> bool {
        self.cluster.is_some()
    }

    /// Refuses servers that may lose what they have confirmed; the embedded one does not by its own settings.
    pub(super) async fn check_durability(&self) -> Result<(), Fault> {
        if self.allow_unsafe_durability {
            return Ok(());
        }
        for db in self.pools.values() {
            let db = db.clone();
            let checked = tokio::task::spawn_blocking(move || connection::check_durability(&mut db.connect()?));
            checked.await.map_err(|error| Fault::internal(error.to_string()))??;
        }
        Ok(())
    }

    /// Closes the pools, and stops the embedded server unless another process uses it.
    pub(super) async fn close(self) {
        drop(self.pools);
        if let Some(cluster) = self.cluster {
            // Nothing is left to be done where the thread could not be waited for.
            let _ = tokio::task::spawn_blocking(move || cluster.stop()).await;
        }
    }
}

/// The data directory: the settings', or the system's usual one.
pub(super) fn data_dir(settings: &Settings) -> Result<PathBuf, StartError> {
    if !settings.data.dir.as_os_str().is_empty() {
        return Ok(settings.data.dir.clone());
    }
    let refusal = "data.dir is not set, and there is no home directory to put the data into";
    embedded::default_data_dir().ok_or_else(|| StartError::Refused(refusal.to_owned()))
}

/// Refuses addresses that would send orders in plain text without anybody having said so.
pub(super) fn check_transport(settings: &Settings) -> Result<(), StartError> {
    for module in running(settings) {
        let url = settings.database.url_of(module);
        if !url.expose_secret().is_empty() {
            connection::check_transport(url).map_err(StartError::Refused)?;
        }
    }
    Ok(())
}

async fn start_cluster(settings: &Settings) -> Result<Cluster, StartError> {
    let options = embedded::Options {
        data_dir: settings.data.dir.clone(),
        durability: Durability::Durable,
        binaries: Some(settings.database.binaries.clone()).filter(|path| !path.as_os_str().is_empty()),
    };
    let started = tokio::task::spawn_blocking(move || Cluster::start(options)).await;
    let started = started.map_err(|error| StartError::Refused(format!("the start of PostgreSQL failed: {error}")))?;
    Ok(started?)
}

fn running(settings: &Settings) -> impl Iterator<Item = &'static str> {
    MODULES
        .into_iter()
        .filter(|module| settings.run.iter().any(|name| name == module))
}

fn options(settings: &Settings) -> Options {
    let connections = match settings.database.connections {
        0 => {
            let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
            u32::try_from(4 * cores).unwrap_or(u32::MAX).clamp(4, 16)
        }
        chosen => chosen,
    };
    Options {
        connections,
        wait: settings.database.wait_timeout,
        limits: Limits {
            statement: settings.database.statement_timeout,
            lock: settings.database.lock_timeout,
            ..Limits::default()
        },
    }
}
