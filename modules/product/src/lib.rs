//! The product module: the catalogue, prices, stock and search. See `README.md`.

mod domain;
mod files;
mod http;
mod import;
mod picture;
mod queries;
mod schema;
mod search;
mod service;

use std::io::{BufRead, Cursor, Seek, Write};
use std::sync::Arc;

use actix_web::web;
use async_trait::async_trait;
use database::outbox::OutboxFeed;
use database::{Db, housekeeping};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use kernel::Fault;
use kernel::event::Feed;
use kernel::job::Job;
use kernel::module::{Context, Finding};
use product_api::ProductApi;
use utoipa_actix_web::service_config::ServiceConfig;

use domain::SCHEMA;
use service::Service;

pub use import::{ExportFormat, ImportError, ImportFormat, ImportReport, Progress, RowError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/product");

/// A catalogue of our own, for `bodega serve --demo`.
const DEMO: &[u8] = include_bytes!("../demo.ndjson");

/// Who stands in the ledger of stock for what the command line imports.
const ACTOR: &str = "import";

/// The product module, ready to be served.
#[derive(Clone)]
pub struct Module {
    service: web::Data<Service>,
    database: Db,
    context: Context,
}

impl Module {
    /// The module over `database`.
    pub fn new(context: &Context, database: Db) -> Self {
        Self {
            service: web::Data::new(Service::new(context, database.clone())),
            database,
            context: context.clone(),
        }
    }

    /// What siblings may ask.
    pub fn service(&self) -> Arc<dyn ProductApi> {
        self.service.clone().into_inner()
    }

    /// Whether there is no product at all.
    pub async fn is_empty(&self) -> Result<bool, Fault> {
        self.service.is_empty().await
    }

    /// Imports a product file, packed with gzip or not. Products are matched by their id, else by their handle; wrong rows
    /// are reported and left out. With `dry_run` everything is tried and nothing kept. An import of the same file that was
    /// cut short less than a day ago is gone on with. `progress` is called every few hundred products, on another thread.
    pub async fn import(
        &self,
        source: impl BufRead + Seek + Send + 'static,
        format: ImportFormat,
        dry_run: bool,
        progress: impl FnMut(Progress) + Send + 'static,
    ) -> Result<ImportReport, ImportError> {
        let service = self.service.clone();
        let work = move || service.import(source, format, dry_run, ACTOR.to_owned(), progress);
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }

    /// Imports the demo catalogue where there is no product yet; `None` where there is.
    pub async fn import_demo(&self) -> Result<Option<ImportReport>, ImportError> {
        if !self.is_empty().await? {
            return Ok(None);
        }
        // Its prices are round enough to do for any currency.
        let demo = String::from_utf8_lossy(DEMO).replace(r#""currency":"USD","#, "");
        let source = Cursor::new(demo.into_bytes());
        match self.import(source, ImportFormat::Ndjson, false, |_| ()).await {
            // Another process has begun at the same time, and goes on with it.
            Err(ImportError::Interrupted) => Ok(None),
            imported => imported.map(Some),
        }
    }

    /// Writes all products in a form that [`Module::import`] reads back; answers how many.
    pub async fn export(&self, format: ExportFormat, mut writer: Box<dyn Write + Send>) -> Result<u64, ImportError> {
        let service = self.service.clone();
        let work = move || service.export(format, &mut writer);
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }
}

#[async_trait]
impl kernel::module::Module for Module {
    fn name(&self) -> &'static str {
        "product"
    }

    fn prefixes(&self) -> &'static [&'static str] {
        product_api::PREFIXES
    }

    fn routes(&self, config: &mut ServiceConfig<'_>) {
        http::routes(&self.service, config);
    }

    fn internal_routes(&self, config: &mut web::ServiceConfig) {
        product_api::remote::serve(config, &self.service());
    }

    fn feed(&self) -> Arc<dyn Feed> {
        Arc::new(OutboxFeed::new(self.database.clone(), SCHEMA))
    }

    fn jobs(&self) -> Vec<Job> {
        vec![
            housekeeping::job(self.database.clone(), SCHEMA, self.context.clock.clone()),
            self.service.search().job(),
            self.service.misses_job(),
            self.service.import_job(),
            self.service.export_job(),
            self.service.media_job(),
            service::publishing(&self.service),
            service::repricing(&self.service),
            service::collections(&self.service),
        ]
    }

    async fn migrate(&self) -> Result<Vec<String>, Fault> {
        let database = self.database.clone();
        let work = move || service::schema(MIGRATIONS).migrate(&database);
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, Fault> {
        self.database
            .run(|connection| Ok(service::schema(MIGRATIONS).pending(connection)?))
            .await
    }

    async fn ready(&self) -> Result<(), Fault> {
        self.database.ping().await?;
        self.service.search().ready().await
    }

    async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        self.service.verify().await
    }
}
