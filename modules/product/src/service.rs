//! The use cases of the catalogue, and what siblings may ask of it.

mod bulk;
mod bundles;
mod cache;
mod catalogue;
mod categories;
mod collections;
mod editing;
mod export_jobs;
mod export_worker;
mod exporting;
mod import_files;
mod import_jobs;
mod import_worker;
mod importing;
mod languages;
mod leases;
mod lists;
mod locations;
mod media;
mod misses;
mod price_history;
mod price_lists;
mod prices;
mod product_types;
mod publishing;
mod relations;
mod repricing;
mod reservations;
mod search_rules;
mod search_settings;
mod searching;
mod stock;
mod transfers;
mod translations;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use database::{Db, Together};
use kernel::http::IfMatch;
use kernel::job::Wake;
use kernel::module::{Context, Finding};
use kernel::page::Cursors;
use kernel::{Clock, Currencies, Currency, Fault, FieldErrors, Locales};
use product_api::{ProductError, Quote};

use crate::domain::SCHEMA;
use crate::queries;
use crate::queries::quotes::Enquiry;
use crate::queries::reserving::{Attempt, Wanted};
use crate::search::Search;
use cache::Cache;
use export_worker::Exporting;
use import_worker::Running;
use media::Media;
use misses::Misses;

pub(crate) use collections::job as collections;
pub(crate) use exporting::ExportPage;
pub(crate) use import_jobs::Upload;
pub(crate) use importing::Implied;
pub(crate) use lists::ProductList;
pub(crate) use media::NewImage;
pub(crate) use publishing::job as publishing;
pub(crate) use repricing::job as repricing;

/// The catalogue and its stock. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    db: Db,
    clock: Clock,
    currencies: Currencies,
    locales: Locales,
    cursors: Cursors,
    cache: Arc<Cache>,
    search: Search,
    misses: Arc<Misses>,
    /// Quotes and reservations of checkouts at the same moment.
    quotes: Together<Enquiry, Vec<Quote>>,
    reservations: Together<Wanted, Attempt>,
    /// The same where several locations serve orders.
    allocations: Together<Wanted, Attempt>,
    /// Whether several locations did when this was last asked. It decides what is tried first, nothing else.
    are_several: Arc<AtomicBool>,
    /// The uploaded file that this process is at.
    importing: Arc<Mutex<Option<Box<Running>>>>,
    /// For whoever waits for uploaded files.
    uploaded: Wake,
    /// The export that this process is at.
    exporting: Arc<Mutex<Option<Box<Exporting>>>>,
    /// For whoever waits for exports to make.
    export_asked: Wake,
    media: Media,
    /// For whoever carries over what price lists say.
    relisted: Wake,
}

impl Service {
    pub(crate) fn new(context: &Context, db: Db) -> Self {
        Self {
            search: Search::new(context, db.clone()),
            misses: Arc::default(),
            quotes: Together::new(db.clone(), queries::quotes::quote),
            reservations: Together::new(db.clone(), queries::reserving::reserve_at_default),
            allocations: Together::new(db.clone(), queries::reserving::reserve_at_several),
            are_several: Arc::default(),
            db,
            clock: context.clock.clone(),
            currencies: context.settings.shop.all_currencies(),
            locales: Locales::of(&context.settings.shop),
            cursors: Cursors::new(context.keys.secret.clone()),
            cache: Arc::default(),
            importing: Arc::default(),
            uploaded: Wake::default(),
            exporting: Arc::default(),
            export_asked: Wake::default(),
            media: Media::new(&context.settings),
            relisted: Wake::default(),
        }
    }

    /// The position in a cursor.
    fn opened<P: serde::de::DeserializeOwned>(
        &self,
        list: &str,
        cursor: Option<String>,
    ) -> Result<Option<P>, ProductError> {
        let opened = cursor.map(|cursor| self.cursors.open(list, &cursor)).transpose();
        opened.map_err(|error| ProductError::InvalidQuery(error.into()))
    }

    /// The further currency in which prices are to be shown; none where that is the shop's own.
    fn shown_in(&self, currency: Option<Currency>) -> Result<Option<Currency>, ProductError> {
        match currency {
            Some(currency) if !self.currencies.has(currency) => {
                let detail = format!("this shop sells in {}", self.currencies);
                let error = FieldErrors::one("currency", "unsupported_currency", detail);
                Err(ProductError::InvalidQuery(error))
            }
            other => Ok(other.filter(|currency| *currency != self.currencies.main())),
        }
    }

    /// Whether there is no product at all.
    pub(crate) async fn is_empty(&self) -> Result<bool, Fault> {
        self.db
            .run(|connection| Ok(!queries::products::exist(connection)?))
            .await
    }

    /// Everything that is wrong in the books, and in the indexes on this machine.
    pub(crate) async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        // Not on the pool: this reads everything, which takes longer than a request may.
        let service = self.clone();
        let work = move || {
            let mut connection = service.patient_connection()?;
            let now = service.clock.now();
            let mut findings = queries::verification::findings(&mut connection, now)
                .map_err(|error| database::failure::fault_of(&error))?;
            findings.extend(service.search.findings(&mut connection)?);
            Ok(findings)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }

    /// What lists are found by.
    pub(crate) fn search(&self) -> &Search {
        &self.search
    }

    /// A connection of its own whose statements may take long.
    pub(crate) fn patient_connection(&self) -> Result<diesel::PgConnection, Fault> {
        use diesel::connection::SimpleConnection;
        let mut connection = self.db.connect()?;
        let patience = "SET statement_timeout = '10min'; SET lock_timeout = '30s'; \
            SET idle_in_transaction_session_timeout = '1min'";
        connection
            .batch_execute(patience)
            .map_err(|error| database::failure::fault_of(&error))?;
        Ok(connection)
    }
}

/// Refuses a change of another version than the one that was read.
fn allow(condition: &IfMatch, version: i64) -> Result<(), database::Failure<ProductError>> {
    match condition.allows(version) {
        true => Ok(()),
        false => database::refuse(ProductError::VersionMismatch(version)),
    }
}

/// Names the field whose value belongs to another object.
fn refuse_duplicates(error: diesel::result::Error) -> database::Failure<ProductError> {
    use diesel::result::Error;
    let Error::DatabaseError(_, information) = &error else {
        return error.into();
    };
    let what = match information.constraint_name() {
        Some("products_handle_key" | "products_translated_handle") => "product (by its handle)",
        Some("product_translations_handle_key" | "product_translations_base_handle") => "product (by its handle)",
        Some("products_external_id_key") => "product (by its external_id)",
        Some("variants_sku_key") => "variant (by its sku)",
        Some("variants_options_key") => "variant (by its options)",
        Some("categories_handle_key" | "categories_translated_handle") => "category (by its handle)",
        Some("category_translations_handle_key" | "category_translations_base_handle") => "category (by its handle)",
        Some("product_types_handle_key") => "product type (by its handle)",
        Some("collections_handle_key" | "collections_translated_handle") => "collection (by its handle)",
        Some("collection_translations_handle_key" | "collection_translations_base_handle") => {
            "collection (by its handle)"
        }
        Some("locations_handle_key") => "location (by its handle)",
        Some("categories_name_key") => "category (by its name and parent)",
        // Where the product is written by many operations, each is asked for this before: see `bundles`.
        Some("bundle_components_component_fkey") => {
            return database::Failure::Refused(ProductError::InUse("a bundle consists of it".to_owned()));
        }
        _ => return error.into(),
    };
    database::Failure::Refused(ProductError::Taken(what.to_owned()))
}

/// The tables of this module.
pub(crate) fn schema(migrations: diesel_migrations::EmbeddedMigrations) -> database::Schema {
    database::Schema {
        name: SCHEMA,
        migrations,
    }
}
