//! How to import, and the account of an import.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::{PgConnection, QueryResult};
use kernel::Locales;

use super::Implied;
use crate::import::{MAX_ERRORS, Progress, RowError};
use crate::queries::import_work::{self, Claim};

/// How to import.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// Whether nothing is kept.
    pub(crate) dry_run: bool,
    /// Who stands in the ledger of stock.
    pub(crate) actor: String,
    /// The languages that products are translated into.
    pub(crate) locales: Locales,
}

/// The account of an import, which another process may go on with.
pub(crate) struct Account {
    pub(crate) claim: Claim,
    pub(crate) errors: u64,
    /// How many bytes of the file have been read.
    pub(crate) read: Arc<AtomicU64>,
}

/// What some rows came to.
pub(crate) struct Entry<'a> {
    /// How far the import is with them.
    pub(crate) progress: Progress,
    /// What is wrong with them.
    pub(crate) errors: &'a [RowError],
    /// Names that they have got and lost.
    pub(crate) implied: &'a Implied,
}

impl Account {
    /// Notes how far the import is now, within the transaction of the rows in question; with a dry run in one of its own.
    /// False where the import is no longer ours: then nothing of these rows may stay.
    pub(super) fn note(&mut self, connection: &mut PgConnection, entry: &Entry<'_>) -> QueryResult<bool> {
        let (id, read) = (self.claim.id, self.read.load(Ordering::Relaxed));
        let found = entry.errors.len();
        let errors = self.errors + found as u64;
        if !import_work::advance(connection, &self.claim, &entry.progress, read, errors)? {
            return Ok(false);
        }
        let room = (MAX_ERRORS as u64).saturating_sub(self.errors);
        let kept = usize::try_from(room).map_or(found, |room| found.min(room));
        import_work::keep_errors(connection, id, self.errors + 1, &entry.errors[..kept])?;
        import_work::keep_names(connection, id, entry.implied)?;
        if self.claim.dry_run {
            import_work::keep_left_out(connection, id, entry.errors.iter().map(|error| error.line).collect())?;
        }
        Ok(true)
    }

    /// What the last entry said has been committed.
    pub(super) fn settle(&mut self, entry: &Entry<'_>) {
        self.errors += entry.errors.len() as u64;
    }
}
