//! A store in this process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bodega::modules::Site;
use bodega::server::Running;
use bodega::settings::Sources;
use kernel::Clock;
use kernel::keys::SecretKey;
use kernel::token::TokenSigner;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::databases::TestDatabase;
use super::fleet::{self, Fleet, Topology};
use super::{Admin, Anonymous, Customer, Redis, Response, runtime, unique};

/// What can be done with any store: where it is, and who may call it.
#[derive(Clone)]
pub(crate) struct Shop {
    gateways: Arc<RwLock<Vec<SocketAddr>>>,
    /// The gateway that is asked next.
    next: Arc<AtomicUsize>,
    managements: Arc<[SocketAddr]>,
    pub(crate) client: reqwest::Client,
}

/// A store in this process, in the topology of the test run; stops when it is dropped.
pub(crate) struct Store {
    shop: Shop,
    sources: Sources,
    clock: Clock,
    // In this order: the servers stop, then their files and their database go.
    fleet: Option<Fleet>,
    folder: TempDir,
    database: TestDatabase,
}

impl Store {
    /// A store with an empty database.
    pub(crate) async fn start() -> Store {
        Store::with([]).await
    }

    /// A store with other settings: keys and values in the notation of the environment. With `run` among them it is one
    /// process, whatever the topology.
    pub(crate) async fn with<const N: usize>(changes: [(&str, &str); N]) -> Store {
        Store::with_all(changes).await
    }

    /// The same for settings that are put together.
    pub(crate) async fn with_all<'a>(changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Store {
        Store::spread(Topology::chosen(), changes).await
    }

    /// A store in a topology of the test's own choice.
    pub(crate) async fn spread<'a>(topology: Topology, changes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Store {
        let database = TestDatabase::create().await;
        let folder = keys_folder();
        let mut sources = Sources::default();
        let own = [
            ("server.public", "127.0.0.1:0"),
            ("server.internal", "127.0.0.1:0"),
            ("server.management", "127.0.0.1:0"),
            ("server.workers", "1"),
            // Long enough that connections which the other processes have closed are gone: no worker waits for them then.
            (
                "server.drain_delay",
                if topology == Topology::One { "0s" } else { "20ms" },
            ),
            ("server.drain_timeout", "2s"),
            ("database.allow_unsafe_durability", "true"),
            (
                "database.connections",
                if topology == Topology::One { "4" } else { "2" },
            ),
            ("database.wait_timeout", "10s"),
            ("payments.sandbox.enabled", "true"),
            ("limits.enabled", "false"),
            // What a test reads is what there is now, through whichever gateway.
            ("gateway.cache_bytes", "0"),
        ];
        for (key, value) in own {
            sources.set(key, value);
        }
        if let Some(redis) = Redis::of_carts() {
            sources.set("cart.store", "redis");
            sources.set("cart.redis_url", redis.url());
            sources.set("cart.redis_prefix", format!("{}:", unique("store")));
            // Machines that run tests are busy.
            sources.set("cart.redis_timeout", "10s");
        }
        sources.set("database.url", &database.url);
        sources.set("data.dir", folder.path().display());
        for (key, value) in key_settings(folder.path()) {
            sources.set(&key, value);
        }
        for (key, value) in changes {
            sources.set(key, value);
        }
        let clock = Clock::adjustable();
        let fleet = runtime::run(Fleet::start(topology, sources.clone(), clock.clone())).await;
        Store {
            shop: Shop::at(fleet.gateways(), fleet.managements()),
            sources,
            clock,
            fleet: Some(fleet),
            folder,
            database,
        }
    }

    /// An administrator, made as the command line makes one.
    pub(crate) async fn admin(&self) -> Admin {
        let email = format!("{}@staff.example", unique("admin"));
        let address = kernel::text::Email::parse(email.clone()).unwrap();
        let made = self
            .site_of("user")
            .create_admin(address, super::PASSWORD.to_owned().into());
        made.await.unwrap();
        Admin::signed_in(&self.shop, &email).await
    }

    /// The clock of the store, which stands for all its times: `store.clock().advance(..)`.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Starts one more process of the store, with more settings; `run` is among them. It is stopped by whoever has it.
    pub(crate) async fn start_beside<const N: usize>(&self, changes: [(&str, &str); N]) -> Running {
        let mut sources = self.sources.clone();
        for (key, value) in changes {
            sources.set(key, value);
        }
        runtime::run(fleet::start(sources, self.clock.clone())).await
    }

    /// Stops a process that runs `module`.
    pub(crate) async fn stop_process_of(&mut self, module: &str) {
        let process = self.fleet.as_mut().unwrap().take(module);
        runtime::run(process.stop()).await;
    }

    /// Where the other processes of the store reach one that runs `module`.
    pub(crate) fn internal_of(&self, module: &str) -> SocketAddr {
        self.fleet.as_ref().unwrap().internal_of(module)
    }

    /// The address of the store's database.
    pub(crate) fn database_url(&self) -> &str {
        &self.database.url
    }

    /// The parts of a process that runs `module`, for what has no route.
    pub(crate) fn site_of(&self, module: &str) -> &Site {
        self.fleet.as_ref().unwrap().site_of(module)
    }

    /// Where the store keeps its files, e.g. `mail/`.
    pub(crate) fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// What `bodega verify` finds, a line each.
    pub(crate) async fn findings(&self) -> Vec<String> {
        self.fleet.as_ref().unwrap().findings().await
    }

    /// Makes the database as good as gone: nobody gets in any more, and whoever was in is thrown out.
    pub(crate) async fn cut_off_database(&self) {
        self.database.cut_off().await;
    }
}

impl Deref for Store {
    type Target = Shop;

    fn deref(&self) -> &Shop {
        &self.shop
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(fleet) = self.fleet.take() {
            // Connections that nobody uses any more would have to be waited for.
            self.shop.client = reqwest::Client::new();
            runtime::block_on(fleet.stop());
        }
    }
}

impl Shop {
    pub(crate) fn at(gateways: Vec<SocketAddr>, managements: Vec<SocketAddr>) -> Shop {
        // The store's own client of buckets brings TLS without choosing whose.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .build();
        Shop {
            gateways: Arc::new(RwLock::new(gateways)),
            next: Arc::default(),
            managements: managements.into(),
            client: client.unwrap(),
        }
    }

    /// Where the store is: of several gateways another one each time.
    pub(crate) fn address(&self) -> SocketAddr {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let gateways = self.gateways.read().unwrap();
        gateways[next % gateways.len()]
    }

    /// From now on a gateway is not asked any more: what a load balancer does when it is not ready.
    pub(super) fn take_out(&self, gateway: SocketAddr) {
        self.gateways.write().unwrap().retain(|address| *address != gateway);
    }

    /// From now on a gateway is asked again.
    pub(super) fn put_in(&self, gateway: SocketAddr) {
        self.take_out(gateway);
        self.gateways.write().unwrap().push(gateway);
    }

    /// The store behind one gateway: for what each gateway counts or remembers by itself.
    pub(crate) fn behind_one_gateway(&self) -> Shop {
        Shop {
            gateways: Arc::new(RwLock::new(vec![self.address()])),
            ..self.clone()
        }
    }

    /// The same for each of its gateways.
    pub(crate) fn behind_each_gateway(&self) -> Vec<Shop> {
        let gateways = self.gateways.read().unwrap();
        let behind = |gateway: &SocketAddr| Shop {
            gateways: Arc::new(RwLock::new(vec![*gateway])),
            ..self.clone()
        };
        gateways.iter().map(behind).collect()
    }

    /// Somebody without an account.
    pub(crate) fn anonymous(&self) -> Anonymous {
        Anonymous::of(self)
    }

    /// Somebody with a new account.
    pub(crate) async fn customer(&self) -> Customer {
        Customer::registered(self).await
    }

    /// Where the first process of the store tells how it is.
    pub(crate) fn management_address(&self) -> SocketAddr {
        self.managements[0]
    }

    /// Asks the management listener of every process; answers the first that does not say 200, else what the first says.
    pub(crate) async fn management(&self, path: &str) -> Response {
        let mut first = None;
        for management in self.managements.iter() {
            let url = format!("http://{management}{path}");
            let answer = Response::of(self.client.get(url).send().await.unwrap()).await;
            if answer.status != 200 {
                return answer;
            }
            first.get_or_insert(answer);
        }
        first.unwrap()
    }

    /// Sends bytes as they are over a connection of its own and reads until the other side closes it.
    pub(crate) async fn raw(&self, request: impl Into<Vec<u8>>) -> String {
        let (address, request) = (self.address(), request.into());
        let exchange = move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            stream.write_all(&request).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            // A connection that is reset has said what it had to say before.
            let _ = stream.read_to_end(&mut answer);
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }
}

/// A folder with keys of its own.
pub(crate) fn keys_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = std::fs::OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(folder.path().join(name));
        file.unwrap().write_all(text.as_bytes()).unwrap();
    };
    write("token.pem", TokenSigner::generate_key().expose_secret());
    write("service.key", &SecretKey::generate().encode());
    write("secret.key", &SecretKey::generate().encode());
    folder
}

/// The settings that name the keys in a folder.
pub(crate) fn key_settings(folder: &Path) -> Vec<(String, String)> {
    [
        ("token", "token.pem"),
        ("service", "service.key"),
        ("secret", "secret.key"),
    ]
    .map(|(key, file)| (format!("keys.{key}_file"), folder.join(file).display().to_string()))
    .to_vec()
}
