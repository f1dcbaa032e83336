//! The use cases of the catalogue, and what siblings may ask of it.

mod availability;
mod cache;
mod catalogue;
mod categories;
mod editing;
mod importing;
mod jobs;
mod lists;
mod reservations;
mod stock;

use std::sync::Arc;

use database::{Db, Together};
use kernel::module::{Context, Finding};
use kernel::page::Cursors;
use kernel::{Clock, Currency, Fault};
use product_api::{ProductError, Quote};
use tokio::sync::Semaphore;

use crate::domain::SCHEMA;
use crate::queries;
use crate::queries::reservations::Wanted;
use crate::queries::stock::Enquiry;
use crate::search::Search;
use availability::Availability;
use cache::Cache;

pub(crate) use importing::{Importer, export};
pub(crate) use jobs::Upload;
pub(crate) use lists::ProductList;

/// The catalogue and its stock. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    db: Db,
    clock: Clock,
    currency: Currency,
    cursors: Cursors,
    cache: Arc<Cache>,
    search: Search,
    availability: Arc<Availability>,
    /// Quotes and reservations of checkouts at the same moment.
    quotes: Together<Enquiry, Vec<Quote>>,
    reservations: Together<Wanted, bool>,
    /// One uploaded file at a time: an import takes what a core and a disk have to give.
    importing: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(context: &Context, db: Db) -> Self {
        Self {
            search: Search::new(context, db.clone()),
            availability: Arc::default(),
            quotes: Together::new(db.clone(), queries::stock::quote),
            reservations: Together::new(db.clone(), queries::reservations::reserve_all),
            db,
            clock: context.clock.clone(),
            currency: context.settings.shop.currency,
            cursors: Cursors::new(context.keys.secret.clone()),
            cache: Arc::default(),
            importing: Arc::new(Semaphore::new(1)),
        }
    }

    /// Whether there is no product at all.
    pub(crate) async fn is_empty(&self) -> Result<bool, Fault> {
        self.db
            .run(|connection| Ok(!queries::products::exist(connection)?))
            .await
    }

    /// Everything that is wrong in the books.
    pub(crate) async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        // Not on the pool: this reads everything, which takes longer than a request may.
        let service = self.clone();
        let work = move || {
            let mut connection = service.patient_connection()?;
            queries::verification::findings(&mut connection).map_err(|error| database::failure::fault_of(&error))
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }

    /// What lists are found by.
    pub(crate) fn search(&self) -> &Search {
        &self.search
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
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

/// Names the field whose value belongs to another object.
fn refuse_duplicates(error: diesel::result::Error) -> database::Failure<ProductError> {
    use diesel::result::Error;
    let Error::DatabaseError(_, information) = &error else {
        return error.into();
    };
    let what = match information.constraint_name() {
        Some("products_handle_key") => "product (by its handle)",
        Some("products_external_id_key") => "product (by its external_id)",
        Some("variants_sku_key") => "variant (by its sku)",
        Some("variants_options_key") => "variant (by its options)",
        Some("categories_handle_key") => "category (by its handle)",
        Some("categories_name_key") => "category (by its name and parent)",
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
