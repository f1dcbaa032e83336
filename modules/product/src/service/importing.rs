//! Imports of product files. Products are written some hundred at a time; each batch is one transaction, so that what is
//! imported is whole, whatever happens next.

mod account;
mod batch;
mod bundles;
mod gathered;
mod known;
mod merge;
mod names;
mod refusal;

use std::collections::HashMap;

use diesel::connection::SimpleConnection;
use diesel::result::Error;
use diesel::{Connection, PgConnection};
use kernel::{Clock, Currency, Fault};
use uuid::Uuid;

use crate::domain::plan::Outcome;
use crate::import::{ImportError, ImportedProduct, Products, Progress, RowError, Unread, WrongRow};
use account::Entry;
use batch::Batch;
use gathered::Gathered;
use names::Names;
use refusal::{is_passing, is_refusal, refusal};

pub(crate) use account::{Account, Manner};
pub(crate) use names::Implied;

/// How often a batch is tried that lost a race for a lock.
const TRIES: usize = 3;
/// An import of at most so many products ends when they can be found. More are followed by their events, which takes
/// longer than anybody should wait.
const AWAITED: usize = 1_000;
/// After an import of as many products the database is asked to look at its tables anew.
const MANY: u64 = 500;

/// An import at work.
pub(crate) struct Importer {
    connection: PgConnection,
    clock: Clock,
    currency: Currency,
    manner: Manner,
    account: Account,
    names: Names,
    /// Ids of categories by their paths.
    categories: HashMap<Vec<String>, Uuid>,
    progress: Progress,
    changed: Vec<Uuid>,
    batches: u32,
}

/// How an attempt to write a batch ended.
enum End {
    Database(Error),
    Fault(Fault),
    /// Categories are no longer where they were: look again.
    Stale,
    /// Products are wrong in what shows only when they are written.
    Wrong(Vec<WrongRow>),
    /// Somebody else has the import now, or nobody.
    Lost,
    /// A dry run: this would have been done, and was undone.
    Undone(Box<Written>),
}

/// What was done with a batch.
#[derive(Default)]
struct Written {
    /// Products that are new or changed.
    changed: Vec<Uuid>,
    outcomes: Vec<Outcome>,
    refused: Vec<WrongRow>,
    /// Categories that were found or made on the way.
    categories: HashMap<Vec<String>, Uuid>,
    implied: Implied,
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
        manner: Manner,
        account: Account,
    ) -> Self {
        Self {
            connection,
            clock,
            currency,
            manner,
            account,
            names: Names::default(),
            categories: HashMap::new(),
            progress: Progress::default(),
            changed: Vec::new(),
            batches: 0,
        }
    }

    /// Goes on where another process stopped: reads its rows once more, for their names alone. `pause` is called after
    /// each, and ends that by an error.
    pub(crate) fn catch_up(
        &mut self,
        products: &mut Products,
        progress: Progress,
        implied: Implied,
        mut pause: impl FnMut() -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let rows = usize::try_from(progress.rows).unwrap_or(usize::MAX);
        // Rows were refused for names that others had got without saying so.
        self.names.learn(implied);
        for row in products.by_ref().take(rows) {
            match row {
                Ok(product) => drop(self.names.admit(&product)?),
                Err(Unread::Row(_)) => (),
                Err(Unread::File(error)) => return Err(error),
            }
            pause()?;
        }
        self.progress = progress;
        Ok(())
    }

    /// Imports the next rows of a file, some hundred of them; false at its end. What is wrong is reported and left out.
    pub(crate) fn step(&mut self, products: &mut Products) -> Result<bool, ImportError> {
        let (gathered, outcome) = Gathered::next(products, &mut self.names, self.progress.rows);
        if gathered.last > self.progress.rows {
            self.write(&gathered)?;
            self.teach_planner();
        }
        outcome
    }

    /// How far the import is.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// Products that are new or changed, for as long as they are few: [`AWAITED`] at most, none where there are more.
    pub(crate) fn changed(&self) -> &[Uuid] {
        match self.changed.len() <= AWAITED {
            true => &self.changed,
            false => &[],
        }
    }

    /// Writes some rows, without those whose products turn out to be wrong as they are written; where one is refused by the
    /// database, each by itself.
    fn write(&mut self, gathered: &Gathered) -> Result<(), ImportError> {
        let mut products: Vec<&ImportedProduct> = gathered.products.iter().map(|(_, product)| product).collect();
        let mut late: Vec<WrongRow> = Vec::new();
        loop {
            let known = gathered.wrong.iter().map(|(_, wrong)| wrong);
            let wrong: Vec<&WrongRow> = known.chain(&late).collect();
            match self.attempt(&products, &wrong) {
                Err(End::Wrong(rows)) => {
                    products.retain(|product| rows.iter().all(|row| row.line != product.line));
                    rows.iter().for_each(|row| self.names.leave_out(row));
                    late.extend(rows);
                }
                Err(End::Database(error)) if is_refusal(&error) => return self.write_each(gathered),
                Err(end) => return Err(end.into_error()),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn write_each(&mut self, gathered: &Gathered) -> Result<(), ImportError> {
        let mut wrong = gathered.wrong.iter().peekable();
        for (number, product) in &gathered.products {
            let mut before = Vec::new();
            while let Some((_, row)) = wrong.next_if(|(other, _)| other < number) {
                before.push(row);
            }
            let refused = match self.attempt(&[product], &before) {
                Err(End::Database(error)) if is_refusal(&error) => vec![refusal(product.line, &error)],
                Err(End::Wrong(wrong)) => wrong,
                Err(end) => return Err(end.into_error()),
                Ok(()) => continue,
            };
            before.extend(&refused);
            self.attempt(&[], &before).map_err(End::into_error)?;
            refused.iter().for_each(|row| self.names.leave_out(row));
        }
        let rest: Vec<&WrongRow> = wrong.map(|(_, row)| row).collect();
        match rest.is_empty() {
            true => Ok(()),
            false => self.attempt(&[], &rest).map_err(End::into_error),
        }
    }

    /// One transaction; tried again where it met another one half-way.
    fn attempt(&mut self, products: &[&ImportedProduct], wrong: &[&WrongRow]) -> Result<(), End> {
        let mut tries = 1;
        loop {
            match self.try_once(products, wrong) {
                Err(End::Stale) => self.categories.clear(),
                Err(End::Database(error)) if tries < TRIES && is_passing(&error) => tries += 1,
                end => return end,
            }
        }
    }

    fn try_once(&mut self, products: &[&ImportedProduct], wrong: &[&WrongRow]) -> Result<(), End> {
        let dry_run = self.manner.dry_run;
        let batch = Batch {
            now: self.clock.now(),
            currency: self.currency,
            actor: &self.manner.actor,
            categories: &self.categories,
            names: &self.names,
            locales: &self.manner.locales,
            dry_run,
        };
        let (account, before) = (&mut self.account, self.progress);
        let done = self.connection.transaction(|connection| {
            let written = match products.is_empty() {
                true => Written::default(),
                false => batch.write(connection, products)?,
            };
            if dry_run {
                return Err(End::Undone(Box::new(written)));
            }
            let errors = errors_of(&written, wrong);
            note(account, connection, &written.entry(before, wrong, &errors))?;
            Ok(written)
        });
        let written = match done {
            Ok(written) => written,
            Err(End::Undone(written)) => {
                let errors = errors_of(&written, wrong);
                let entry = written.entry(before, wrong, &errors);
                self.connection
                    .transaction(|connection| note(account, connection, &entry))?;
                *written
            }
            Err(end) => return Err(end),
        };
        let errors = errors_of(&written, wrong);
        let entry = written.entry(before, wrong, &errors);
        self.progress = entry.progress;
        account.settle(&entry);
        written.refused.iter().for_each(|row| self.names.leave_out(row));
        self.names.learn(written.implied);
        if !dry_run {
            if self.changed.len() <= AWAITED {
                self.changed.extend(written.changed);
            }
            self.categories.extend(written.categories);
        }
        Ok(())
    }

    /// The planner has no figures of a table that has just begun to grow, and would read all of it to find each row. Told
    /// after 1, 4, 16, .. batches, which costs next to nothing, it uses the indexes.
    fn teach_planner(&mut self) {
        self.batches += 1;
        let is_power_of_four = self.batches.is_power_of_two() && self.batches.trailing_zeros().is_multiple_of(2);
        if !is_power_of_four || self.manner.dry_run {
            return;
        }
        if let Err(error) = self
            .connection
            .batch_execute("ANALYZE products.products, products.variants")
        {
            tracing::warn!(%error, "the tables could not be analysed during an import");
        }
    }

    /// To be called after the last step. After many new rows the planner's statistics are wrong; the database would see to
    /// that by itself, some minutes from now. Takes minutes where the tables are large: whoever holds a lease gives it back
    /// before.
    pub(crate) fn tidy(mut self) {
        if self.manner.dry_run || self.progress.created + self.progress.updated < MANY {
            return;
        }
        let tables = "VACUUM (ANALYZE) products.products, products.variants, products.stock, products.categories";
        if let Err(error) = self.connection.batch_execute(tables) {
            tracing::warn!(%error, "the tables could not be tidied after an import");
        }
    }
}

impl Written {
    /// The entry of this batch after `before`.
    fn entry<'a>(&'a self, before: Progress, wrong: &[&WrongRow], errors: &'a [RowError]) -> Entry<'a> {
        let mut progress = before;
        for outcome in &self.outcomes {
            match outcome {
                Outcome::Created => progress.created += 1,
                Outcome::Updated => progress.updated += 1,
                Outcome::Unchanged => progress.unchanged += 1,
            }
        }
        progress.skipped += (wrong.len() + self.refused.len()) as u64;
        progress.rows = progress.created + progress.updated + progress.unchanged + progress.skipped;
        Entry {
            progress,
            errors,
            implied: &self.implied,
        }
    }
}

impl End {
    fn into_error(self) -> ImportError {
        match self {
            Self::Database(error) => database::failure::fault_of(&error).into(),
            Self::Fault(fault) => fault.into(),
            Self::Lost => ImportError::Interrupted,
            Self::Stale | Self::Wrong(_) | Self::Undone(_) => Fault::internal("a batch ended half-way").into(),
        }
    }
}

/// All that is wrong with some rows, in the order of their lines.
fn errors_of(written: &Written, wrong: &[&WrongRow]) -> Vec<RowError> {
    let mut rows: Vec<&WrongRow> = wrong.iter().copied().chain(&written.refused).collect();
    rows.sort_by_key(|row| row.line);
    rows.into_iter().flat_map(WrongRow::errors).cloned().collect()
}

fn note(account: &mut Account, connection: &mut PgConnection, entry: &Entry<'_>) -> Result<(), End> {
    match account.note(connection, entry)? {
        true => Ok(()),
        false => Err(End::Lost),
    }
}
