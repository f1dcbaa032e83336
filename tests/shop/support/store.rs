//! A store in this process.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use bodega::modules::{COMPILED, Site};
use bodega::server::{self, Running};
use bodega::settings::{self, Sources};
use kernel::Clock;
use kernel::keys::SecretKey;
use kernel::token::TokenSigner;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::databases::TestDatabase;
use super::{Admin, Anonymous, Customer, Response, runtime, unique};

/// What can be done with any store: where it is, and who may call it.
#[derive(Clone)]
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    pub(crate) management: SocketAddr,
    pub(crate) client: reqwest::Client,
}

/// A store in this process; stops when it is dropped.
pub(crate) struct Store {
    shop: Shop,
    clock: Clock,
    // In this order: the server stops, then its files and its database go.
    running: Option<Running>,
    folder: TempDir,
    database: TestDatabase,
}

impl Store {
    /// A store with an empty database.
    pub(crate) async fn start() -> Store {
        Store::with([]).await
    }

    /// A store with other settings: keys and values in the notation of the environment.
    pub(crate) async fn with<const N: usize>(changes: [(&str, &str); N]) -> Store {
        let database = TestDatabase::create().await;
        let folder = keys_folder();
        let mut sources = Sources::default();
        let own = [
            ("server.public", "127.0.0.1:0"),
            ("server.management", "127.0.0.1:0"),
            ("server.workers", "1"),
            ("server.drain_delay", "0s"),
            ("server.drain_timeout", "2s"),
            ("database.allow_unsafe_durability", "true"),
            ("database.connections", "4"),
            ("database.wait_timeout", "10s"),
            ("payments.sandbox.enabled", "true"),
            ("limits.enabled", "false"),
            // What a test reads is what there is now, through whichever gateway.
            ("gateway.cache_bytes", "0"),
        ];
        for (key, value) in own {
            sources.set(key, value);
        }
        sources.set("database.url", &database.url);
        sources.set("data.dir", folder.path().display());
        for (key, value) in key_settings(folder.path()) {
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
        Store {
            shop: Shop::at(running.public().unwrap(), running.management()),
            clock,
            running: Some(running),
            folder,
            database,
        }
    }

    /// An administrator, made as the command line makes one.
    pub(crate) async fn admin(&self) -> Admin {
        let email = format!("{}@staff.example", unique("admin"));
        let address = kernel::text::Email::parse(email.clone()).unwrap();
        let site = self.running.as_ref().unwrap().site();
        site.create_admin(address, super::PASSWORD.to_owned().into())
            .await
            .unwrap();
        Admin::signed_in(&self.shop, &email).await
    }

    /// The clock of the store, which stands for all its times: `store.clock().advance(..)`.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The parts of the store, for what has no route: `store.site().verify()`.
    pub(crate) fn site(&self) -> &Site {
        self.running.as_ref().unwrap().site()
    }

    /// Where the store keeps its files, e.g. `mail/`.
    pub(crate) fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// Where the store's database is.
    pub(crate) fn database_url(&self) -> &str {
        &self.database.url
    }

    /// What `bodega verify` finds, a line each.
    pub(crate) async fn findings(&self) -> Vec<String> {
        let found = self.site().verify().await.unwrap();
        found
            .iter()
            .map(|(module, finding)| format!("{module}: {finding:?}"))
            .collect()
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
        if let Some(running) = self.running.take() {
            // Connections that nobody uses any more would have to be waited for.
            self.shop.client = reqwest::Client::new();
            runtime::block_on(running.stop());
        }
    }
}

impl Shop {
    pub(crate) fn at(address: SocketAddr, management: SocketAddr) -> Shop {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .build();
        Shop {
            address,
            management,
            client: client.unwrap(),
        }
    }

    /// Somebody without an account.
    pub(crate) fn anonymous(&self) -> Anonymous {
        Anonymous::of(self)
    }

    /// Somebody with a new account.
    pub(crate) async fn customer(&self) -> Customer {
        Customer::registered(self).await
    }

    /// Asks the management listener.
    pub(crate) async fn management(&self, path: &str) -> Response {
        let url = format!("http://{}{path}", self.management);
        Response::of(self.client.get(url).send().await.unwrap()).await
    }

    /// Sends bytes as they are over a connection of its own and reads until the other side closes it.
    pub(crate) async fn raw(&self, request: impl Into<Vec<u8>>) -> String {
        let (address, request) = (self.address, request.into());
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
