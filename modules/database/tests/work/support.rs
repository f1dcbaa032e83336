//! A database with the tables that every schema has.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use database::embedded::{Cluster, Durability, NAME, Options};
use database::{Db, Options as PoolOptions, Schema};
use diesel_migrations::embed_migrations;
use kernel::id::EventId;

/// The schema of the tests.
pub(crate) const SCHEMA: &str = "shop";

/// The foundation comes by itself; a module of nothing else has nothing to add.
const MODULE: Schema = Schema {
    name: SCHEMA,
    migrations: embed_migrations!("../../migrations/foundation"),
};

/// Dropped in the order of its fields, so that the server stops before its folder goes.
pub(crate) struct Database {
    pub(crate) db: Db,
    _cluster: Cluster,
    _folder: Folder,
}

impl Database {
    pub(crate) async fn open() -> Self {
        let folder = Folder::new();
        let options = Options {
            data_dir: folder.0.clone(),
            durability: Durability::ThrowAway,
            binaries: None,
        };
        let cluster = Cluster::start(options).unwrap();
        let db = Db::open(cluster.url(NAME).into(), PoolOptions::default());
        let migrated = db.clone();
        tokio::task::spawn_blocking(move || MODULE.migrate(&migrated).unwrap())
            .await
            .unwrap();
        Self {
            db,
            _cluster: cluster,
            _folder: folder,
        }
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("bodega-work-{}", EventId::generate().uuid().simple()));
        fs::DirBuilder::new().mode(0o711).create(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
