//! How to import, and where the account of an import is kept.

use diesel::{PgConnection, QueryResult};
use kernel::Locales;

use super::Implied;
use crate::import::{MAX_ERRORS, Progress, RowError};

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

/// Where the account of an import is kept.
pub(crate) trait Account: Send {
    /// Notes how far the import is now, within the transaction of the rows in question; with a dry run in one of its own.
    /// False where the import is no longer ours: then nothing of these rows may stay.
    fn note(&mut self, connection: &mut PgConnection, entry: &Entry<'_>) -> QueryResult<bool>;

    /// What the last entry said has been committed.
    fn settle(&mut self, entry: &Entry<'_>);
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

/// The account of an import that nobody else asks for: the errors, as many as are kept.
#[derive(Default)]
pub(crate) struct InMemory(pub(super) Vec<RowError>);

impl Account for InMemory {
    fn note(&mut self, _: &mut PgConnection, _: &Entry<'_>) -> QueryResult<bool> {
        Ok(true)
    }

    fn settle(&mut self, entry: &Entry<'_>) {
        let room = MAX_ERRORS.saturating_sub(self.0.len());
        self.0.extend(entry.errors.iter().take(room).cloned());
    }
}
