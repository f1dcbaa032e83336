//! Every query of the module. Row structs stay in here and become domain types before they leave.
//!
//! Products are read and written by statements of constant text: one list of columns for details, pages and edits, and
//! for writing one statement per table, whatever the number of rows.

pub(crate) mod categories;
pub(crate) mod imports;
pub(crate) mod lists;
pub(crate) mod products;
pub(crate) mod reservations;
pub(crate) mod search;
mod select;
pub(crate) mod stock;
pub(crate) mod suggestions;
pub(crate) mod verification;
pub(crate) mod writing;
