//! Imports and exports of product files. Products are written some hundred at a time; each batch is one transaction, so
//! that what is imported is whole, whatever happens next.

mod batch;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Write;

use diesel::connection::SimpleConnection;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::{Connection, PgConnection};
use kernel::{Clock, Currency, Fault};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::domain::plan::Outcome;
use crate::import::{
    ImportError, ImportReport, ImportedProduct, MAX_ERRORS, Products, Progress, RowError, Unread, write_line,
};
use crate::queries::products;
use batch::Batch;

/// How many products are written at a time.
const BATCH: usize = 250;
/// How often a batch is tried that lost a race for a lock.
const TRIES: usize = 3;
/// After an import of as many products the database is asked to look at its tables anew.
const MANY: u64 = 500;

/// An import at work.
pub(crate) struct Importer {
    connection: PgConnection,
    clock: Clock,
    currency: Currency,
    dry_run: bool,
    actor: String,
    /// What products of this file are known by, and on which line they stand.
    seen: HashMap<u128, u64>,
    /// Ids of categories by their paths.
    categories: HashMap<Vec<String>, Uuid>,
    report: ImportReport,
    changed: Vec<Uuid>,
    line: u64,
    batches: u32,
}

/// What an import has done.
pub(crate) struct Imported {
    pub(crate) report: ImportReport,
    /// Products that are new or changed.
    pub(crate) changed: Vec<Uuid>,
}

/// How an attempt to write a batch ended.
enum End {
    Database(Error),
    Fault(Fault),
    /// Categories are no longer where they were: look again.
    Stale,
    /// A dry run: this would have been done, and was undone.
    Undone(Written),
}

/// What was done with a batch.
#[derive(Default)]
struct Written {
    /// Products that are new or changed.
    changed: Vec<Uuid>,
    outcomes: Vec<Outcome>,
    refused: Vec<RowError>,
    /// Categories that were found or made on the way.
    categories: HashMap<Vec<String>, Uuid>,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl Importer {
    /// An import over a connection of its own.
    pub(crate) fn new(
        connection: PgConnection,
        clock: Clock,
        currency: Currency,
        dry_run: bool,
        actor: String,
    ) -> Self {
        Self {
            connection,
            clock,
            currency,
            dry_run,
            actor,
            seen: HashMap::new(),
            categories: HashMap::new(),
            report: ImportReport::default(),
            changed: Vec::new(),
            line: 0,
            batches: 0,
        }
    }

    /// Imports all products of a file. What is wrong is reported and left out.
    pub(crate) fn run(
        mut self,
        products: Products,
        mut progress: impl FnMut(Progress),
    ) -> Result<Imported, ImportError> {
        let mut batch = Vec::with_capacity(BATCH);
        for product in products {
            match product {
                Ok(product) => {
                    self.line = product.line;
                    if let Some(product) = self.admit(product) {
                        batch.push(product);
                    }
                }
                Err(Unread::Row(error)) => self.report.skipped.push(error),
                Err(Unread::File(error)) => {
                    self.write(std::mem::take(&mut batch))?;
                    return Err(error);
                }
            }
            if self.report.skipped.len() > MAX_ERRORS {
                return Err(ImportError::TooManyErrors(self.report.skipped.swap_remove(0)));
            }
            if batch.len() == BATCH {
                self.write(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?;
                self.teach_planner();
                progress(self.progress());
            }
        }
        self.write(batch)?;
        progress(self.progress());
        self.tidy();
        self.report.skipped.sort_by_key(|error| error.line);
        Ok(Imported {
            report: self.report,
            changed: self.changed,
        })
    }

    /// How far the import is.
    fn progress(&self) -> Progress {
        Progress {
            line: self.line,
            created: self.report.created,
            updated: self.report.updated,
            unchanged: self.report.unchanged,
            skipped: self.report.skipped.len() as u64,
        }
    }

    /// Refuses what stands in the file already: the second row would undo the first.
    fn admit(&mut self, product: ImportedProduct) -> Option<ImportedProduct> {
        let skus = product.variants.iter().filter_map(|variant| variant.sku.as_deref());
        let names = [
            ("id", product.external_id.as_deref()),
            ("handle", product.handle.as_ref().map(|handle| handle.as_str())),
        ];
        let names = names.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
        let mut own = Vec::new();
        for (kind, name) in names.chain(skus.map(|sku| ("SKU", sku))) {
            let key = xxh3_128([kind, "\0", name].concat().as_bytes());
            if let Entry::Occupied(known) = self.seen.entry(key)
                && *known.get() != product.line
            {
                let reason = format!("the {kind} `{name}` stands on line {} already", known.get());
                self.report.skipped.push(RowError {
                    line: product.line,
                    reason,
                });
                return None;
            }
            own.push(key);
        }
        self.seen.extend(own.into_iter().map(|key| (key, product.line)));
        Some(product)
    }

    /// Writes a batch; where one of its products is refused by the database, each by itself.
    fn write(&mut self, batch: Vec<ImportedProduct>) -> Result<(), ImportError> {
        if batch.is_empty() {
            return Ok(());
        }
        match self.attempt(&batch) {
            Ok(written) => self.note(written),
            Err(Error::DatabaseError(kind, _)) if is_refusal(&kind) => {
                for product in &batch {
                    match self.attempt(std::slice::from_ref(product)) {
                        Ok(written) => self.note(written),
                        Err(Error::DatabaseError(kind, information)) if is_refusal(&kind) => {
                            let reason = match information.constraint_name() {
                                Some("products_handle_key") => "another product has this handle".to_owned(),
                                Some("products_external_id_key") => "another product has this id".to_owned(),
                                Some("variants_sku_key") => "another product has this SKU".to_owned(),
                                _ => format!("the database refuses it: {}", information.message()),
                            };
                            self.report.skipped.push(RowError {
                                line: product.line,
                                reason,
                            });
                        }
                        Err(error) => return Err(database::failure::fault_of(&error).into()),
                    }
                }
            }
            Err(error) => return Err(database::failure::fault_of(&error).into()),
        }
        Ok(())
    }

    /// One transaction; tried again where it met another one half-way.
    fn attempt(&mut self, products: &[ImportedProduct]) -> Result<Written, Error> {
        let mut tries = 1;
        loop {
            let dry_run = self.dry_run;
            let batch = Batch {
                now: self.clock.now(),
                currency: self.currency,
                actor: &self.actor,
                categories: &self.categories,
            };
            let result = self.connection.transaction(|connection| {
                let written = batch.write(connection, products)?;
                if dry_run {
                    Err(End::Undone(written))
                } else {
                    Ok(written)
                }
            });
            match result {
                Ok(written) | Err(End::Undone(written)) => return Ok(written),
                Err(End::Stale) => self.categories.clear(),
                Err(End::Fault(fault)) => return Err(Error::SerializationError(fault.to_string().into())),
                Err(End::Database(error)) if tries < TRIES && is_passing(&error) => tries += 1,
                Err(End::Database(error)) => return Err(error),
            }
        }
    }

    fn note(&mut self, written: Written) {
        for outcome in written.outcomes {
            match outcome {
                Outcome::Created => self.report.created += 1,
                Outcome::Updated => self.report.updated += 1,
                Outcome::Unchanged => self.report.unchanged += 1,
            }
        }
        self.report.skipped.extend(written.refused);
        if !self.dry_run {
            self.changed.extend(written.changed);
            self.categories.extend(written.categories);
        }
    }

    /// The planner has no figures of a table that has just begun to grow, and would read all of it to find each row. Told
    /// after 1, 4, 16, .. batches, which costs next to nothing, it uses the indexes.
    fn teach_planner(&mut self) {
        self.batches += 1;
        let is_power_of_four = self.batches.is_power_of_two() && self.batches.trailing_zeros().is_multiple_of(2);
        if !is_power_of_four || self.dry_run {
            return;
        }
        if let Err(error) = self
            .connection
            .batch_execute("ANALYZE products.products, products.variants")
        {
            tracing::warn!(%error, "the tables could not be analysed during an import");
        }
    }

    /// After many new rows the planner's statistics are wrong. The database would see to that by itself,
    /// some minutes from now.
    fn tidy(&mut self) {
        if self.dry_run || self.report.created + self.report.updated < MANY {
            return;
        }
        let tables = "VACUUM (ANALYZE) products.products, products.variants, products.stock, products.categories";
        if let Err(error) = self.connection.batch_execute(tables) {
            tracing::warn!(%error, "the tables could not be tidied after an import");
        }
    }
}

/// Whether the database says no to a row, as opposed to failing.
fn is_refusal(kind: &DatabaseErrorKind) -> bool {
    !matches!(
        kind,
        DatabaseErrorKind::ClosedConnection
            | DatabaseErrorKind::UnableToSendCommand
            | DatabaseErrorKind::SerializationFailure
            | DatabaseErrorKind::ReadOnlyTransaction
    )
}

fn is_passing(error: &Error) -> bool {
    matches!(database::failure::fault_of(error), Fault::Unavailable { .. })
}

/// Writes all products to `out`, in the form in which an import reads them back; answers how many.
pub(crate) fn export(connection: &mut PgConnection, out: &mut dyn Write) -> Result<u64, ImportError> {
    let fail = |error: Error| ImportError::Fault(database::failure::fault_of(&error));
    let mut count = 0;
    let mut after = Uuid::nil();
    loop {
        let page = products::next(connection, after, 250).map_err(fail)?;
        let Some((last, _)) = page.last() else { break };
        after = last.id;
        for (product, path) in &page {
            write_line(out, &product.listing, path)?;
            count += 1;
        }
    }
    out.flush()?;
    Ok(count)
}
