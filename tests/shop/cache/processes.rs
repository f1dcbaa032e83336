//! Stores of several processes, each of which is a site of this process.

use std::net::SocketAddr;
use std::path::Path;

use bodega::modules::{COMPILED, Site};
use bodega::server::{self, Running};
use bodega::settings::{self, Sources};
use kernel::Clock;
use kernel::text::Email;
use tempfile::TempDir;

use super::CACHE;
use super::upstream::Upstream;
use crate::support::{Admin, PASSWORD, Shop, Store, TestDatabase, key_settings, keys_folder, runtime, unique};

/// One process of a store; stops when it is dropped.
pub(super) struct Process {
    shop: Option<Shop>,
    clock: Clock,
    running: Option<Running>,
    /// Its keys, where they are its own.
    folder: Option<TempDir>,
}

impl Process {
    /// A process that is only a gateway, in front of `upstream`.
    pub(super) async fn before(upstream: &Upstream) -> Process {
        let folder = keys_folder();
        let mut process = Process::gateway(upstream.address(), folder.path()).await;
        process.folder = Some(folder);
        process
    }

    /// Another process like `store`, with its database and its keys.
    pub(super) async fn beside(store: &Store) -> Process {
        let url = [("database.url", store.database_url().to_owned())];
        Process::start(store.data_dir(), &url).await
    }

    async fn gateway(upstream: SocketAddr, keys: &Path) -> Process {
        let elsewhere = ["user", "product", "cart", "order"];
        let elsewhere = elsewhere.map(|module| (format!("upstream.{module}"), format!("http://{upstream}")));
        let mut changes = vec![("run", "gateway".to_owned())];
        changes.extend(elsewhere.iter().map(|(key, address)| (key.as_str(), address.clone())));
        Process::start(keys, &changes).await
    }

    async fn start(keys: &Path, changes: &[(&str, String)]) -> Process {
        let mut sources = Sources::default();
        let own = [
            ("server.public", "127.0.0.1:0"),
            ("server.internal", "127.0.0.1:0"),
            ("server.management", "127.0.0.1:0"),
            ("server.workers", "2"),
            ("server.drain_delay", "0s"),
            ("server.drain_timeout", "2s"),
            ("database.allow_unsafe_durability", "true"),
            ("database.connections", "4"),
            ("database.wait_timeout", "10s"),
            ("payments.sandbox.enabled", "true"),
            ("limits.enabled", "false"),
            CACHE,
        ];
        for (key, value) in own {
            sources.set(key, value);
        }
        sources.set("data.dir", keys.display());
        for (key, value) in key_settings(keys) {
            sources.set(&key, value);
        }
        for (key, value) in changes {
            sources.set(key, value);
        }
        let settings = settings::load(&sources, COMPILED).unwrap().settings;
        let clock = Clock::adjustable();
        let running = {
            let clock = clock.clone();
            runtime::run(async move {
                let site = Site::open(settings, clock).await.unwrap();
                server::start(site).await.unwrap()
            })
            .await
        };
        Process {
            shop: running.public().map(|public| Shop::at(public, running.management())),
            clock,
            running: Some(running),
            folder: None,
        }
    }

    pub(super) fn shop(&self) -> &Shop {
        self.shop.as_ref().unwrap()
    }

    /// The clock by which answers grow old.
    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            // Connections that nobody uses any more would have to be waited for.
            self.shop = None;
            runtime::block_on(running.stop());
            self.folder = None;
        }
    }
}

/// A store of three processes: all modules, and two gateways in front of them.
pub(super) struct Processes {
    // In this order: the gateways stop, then the modules, then their files and their database go.
    gateways: [Process; 2],
    modules: Process,
    _folder: TempDir,
    _database: TestDatabase,
}

impl Processes {
    pub(super) async fn start() -> Processes {
        let (database, folder) = (TestDatabase::create().await, keys_folder());
        let changes = [
            ("run", "user,product,cart,order".to_owned()),
            ("database.url", database.url.clone()),
        ];
        let modules = Process::start(folder.path(), &changes).await;
        let internal = modules.running.as_ref().unwrap().internal().unwrap();
        Processes {
            gateways: [
                Process::gateway(internal, folder.path()).await,
                Process::gateway(internal, folder.path()).await,
            ],
            modules,
            _folder: folder,
            _database: database,
        }
    }

    pub(super) fn gateways(&self) -> impl Iterator<Item = &Shop> {
        self.gateways.iter().map(Process::shop)
    }

    /// An administrator at the first gateway.
    pub(super) async fn admin(&self) -> Admin {
        let email = format!("{}@staff.example", unique("admin"));
        let address = Email::parse(email.clone()).unwrap();
        let site = self.modules.running.as_ref().unwrap().site();
        site.create_admin(address, PASSWORD.to_owned().into()).await.unwrap();
        Admin::signed_in(self.gateways[0].shop(), &email).await
    }
}
