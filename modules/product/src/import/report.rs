//! What an import says of what it did.

use std::fmt::Display;

use kernel::{FieldError, FieldErrors};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many wrong fields of one row are told.
const MAX_FIELDS: usize = 20;
/// The longest pointer and the longest detail that are kept, in characters: both may quote the file.
const MAX_POINTER: usize = 200;
const MAX_DETAIL: usize = 500;

/// How far an import is. A row is a product, or what stands in a product's place; in a CSV file it may have many lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows that have been seen to: the sum of all others.
    pub rows: u64,
    /// Products that are new.
    pub created: u64,
    /// Products that are changed.
    pub updated: u64,
    /// Products that are as the file says already.
    pub unchanged: u64,
    /// Rows that are wrong.
    pub skipped: u64,
}

/// What an import has done; with `dry_run`: what it would have done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Products that are new.
    pub created: u64,
    /// Products that were changed.
    pub updated: u64,
    /// Products that were as the file says already.
    pub unchanged: u64,
    /// Rows that were wrong. Everything else was imported all the same.
    pub skipped: u64,
    /// What was wrong with them, in the order of their lines: the first ten thousand.
    pub errors: Vec<RowError>,
}

/// What is wrong with a field of a row that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowError {
    /// Its line in the file, from 1.
    pub line: u64,
    /// JSON pointer into the line's object, or `/` and the name of the column; into the product as the API has it where no
    /// single field tells; empty where it is the whole row.
    pub pointer: String,
    /// Stable and machine-readable, e.g. `too_long`.
    pub code: String,
    /// For people.
    pub detail: String,
}

/// A row that is left out, and all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WrongRow {
    pub(crate) line: u64,
    errors: Vec<RowError>,
}

impl WrongRow {
    /// A row with one mistake.
    pub(crate) fn new(line: u64, pointer: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::of(line, &FieldError::new(pointer, code, detail).into())
    }

    /// A row with one mistake whose message begins with its code, as those of [`kernel::text`] do.
    pub(crate) fn from_message(line: u64, pointer: &str, message: impl Display) -> Self {
        Self::of(line, &FieldError::from_message(pointer, message).into())
    }

    /// A row with these mistakes.
    pub(crate) fn of(line: u64, errors: &FieldErrors) -> Self {
        let shown = |error: &FieldError| RowError {
            line,
            pointer: shortened(&error.pointer, MAX_POINTER),
            code: error.code.clone(),
            detail: shortened(&error.detail, MAX_DETAIL),
        };
        let errors = errors.as_slice().iter().take(MAX_FIELDS).map(shown).collect();
        Self { line, errors }
    }

    /// What is wrong with it: at least one thing.
    pub(crate) fn errors(&self) -> &[RowError] {
        &self.errors
    }
}

/// Text of a file as it can be kept and shown: without control characters, and not without end.
fn shortened(text: &str, longest: usize) -> String {
    let shown = |character: char| match character.is_control() {
        true => '\u{fffd}',
        false => character,
    };
    text.chars().take(longest).map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says_can_be_kept_whatever_it_is() {
        let row = WrongRow::new(7, "/a\0", "unknown_field", format!("no\n{}", "x".repeat(1000)));
        let [error] = row.errors() else { panic!("{row:?}") };
        assert_eq!((error.line, error.pointer.as_str()), (7, "/a\u{fffd}"));
        assert!(error.detail.starts_with("no\u{fffd}x") && error.detail.len() < 600);
    }
}
