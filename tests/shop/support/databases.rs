//! One PostgreSQL for all tests of this process, one migrated template on it, and a copy for each store.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bodega::modules::Site;
use bodega::settings::{self, Sources};
use database::connection::{Limits, connect};
use database::embedded::{self, Cluster, Durability};
use diesel::connection::SimpleConnection;
use kernel::Clock;
use tokio::sync::OnceCell;

use super::{runtime, unique};

/// Names a server to use instead of a throw-away one.
const SERVER_VARIABLE: &str = "BODEGA_TEST_DATABASE_URL";

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A database of one store; dropped with it.
pub(crate) struct TestDatabase {
    name: String,
    /// Its address.
    pub(crate) url: String,
}

struct Server {
    /// The address of a database that is always there; others differ in the name alone.
    url: String,
    template: String,
    _cluster: Option<(Cluster, Child)>,
}

impl TestDatabase {
    /// A fresh copy of the template: all migrations have run, nothing is in it.
    pub(crate) async fn create() -> TestDatabase {
        let server = SERVER.get_or_init(|| runtime::run(Server::start())).await;
        let name = unique("shop");
        let statement = format!("CREATE DATABASE \"{name}\" TEMPLATE \"{}\"", server.template);
        let url = server.url.clone();
        runtime::run(async move {
            tokio::task::spawn_blocking(move || execute(&url, &statement))
                .await
                .unwrap()
        })
        .await;
        TestDatabase {
            url: with_name(&server.url, &name),
            name,
        }
    }
}

impl TestDatabase {
    /// Throws everybody out and lets nobody in.
    pub(crate) async fn cut_off(&self) {
        let statement = format!(
            "ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false; \
             SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            name = self.name
        );
        let url = SERVER.get().unwrap().url.clone();
        runtime::run(async move {
            tokio::task::spawn_blocking(move || execute(&url, &statement))
                .await
                .unwrap()
        })
        .await;
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Some(server) = SERVER.get() {
            execute(
                &server.url,
                &format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name),
            );
        }
    }
}

impl Server {
    async fn start() -> Server {
        let (url, cluster) = match std::env::var(SERVER_VARIABLE) {
            Ok(url) => (url, None),
            Err(_) => {
                let (cluster, cleaner) = tokio::task::spawn_blocking(start_cluster).await.unwrap();
                (cluster.url(embedded::NAME), Some((cluster, cleaner)))
            }
        };
        let template = unique("template");
        let create = format!("CREATE DATABASE \"{template}\"");
        let server = Server {
            url,
            template,
            _cluster: cluster,
        };
        let url = server.url.clone();
        tokio::task::spawn_blocking(move || execute(&url, &create))
            .await
            .unwrap();
        migrate(&with_name(&server.url, &server.template)).await;
        server
    }
}

async fn migrate(url: &str) {
    let mut sources = Sources::default();
    sources.set("database.url", url);
    sources.set("database.connections", 1);
    sources.set("database.allow_unsafe_durability", true);
    let folder = super::store::keys_folder();
    for (key, value) in super::store::key_settings(folder.path()) {
        sources.set(&key, value);
    }
    let settings = settings::load(&sources, bodega::modules::COMPILED).unwrap().settings;
    let site = Site::open(settings, Clock::system()).await.unwrap();
    site.migrate().await.unwrap();
    site.close().await;
}

fn start_cluster() -> (Cluster, Child) {
    let data_dir = std::env::temp_dir().join(unique("bodega-shop"));
    fs::DirBuilder::new().mode(0o711).create(&data_dir).unwrap();
    let cleaner = clean_up_afterwards(&data_dir).unwrap();
    let options = embedded::Options {
        data_dir,
        durability: Durability::ThrowAway,
        binaries: None,
    };
    (Cluster::start(options).unwrap(), cleaner)
}

/// Values that live as long as the process are never dropped, so that somebody else must stop the server: a shell that
/// hears of the end of this process, however it ends, by the end of its input.
fn clean_up_afterwards(data_dir: &Path) -> io::Result<Child> {
    let script = r#"
        cat > /dev/null
        pid=$(head -n 1 "$1/database/data/postmaster.pid" 2> /dev/null)
        if [ -n "$pid" ]; then
            kill -INT "$pid"
            while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
        fi
        rm -rf "$1"
    "#;
    Command::new("sh")
        .args(["-c", script, "clean-up"])
        .arg(data_dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn execute(url: &str, statement: &str) {
    let limits = Limits {
        statement: std::time::Duration::from_secs(60),
        ..Limits::default()
    };
    connect(&url.to_owned().into(), &limits)
        .unwrap()
        .batch_execute(statement)
        .unwrap();
}

/// The address of another database on the same server.
fn with_name(url: &str, name: &str) -> String {
    let (address, parameters) = url
        .split_once('?')
        .map_or((url, None), |(address, rest)| (address, Some(rest)));
    let (server, _) = address.rsplit_once('/').unwrap();
    let parameters = parameters
        .map(|parameters| format!("?{parameters}"))
        .unwrap_or_default();
    format!("{server}/{name}{parameters}")
}
