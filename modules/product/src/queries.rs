//! Every query of the module. Row structs stay in here and become domain types before they leave.
//!
//! Products are read and written by statements of constant text: one list of columns for details, pages and edits, and
//! for writing one statement per table, whatever the number of rows.

pub(crate) mod arranged;
pub(crate) mod bundles;
pub(crate) mod categories;
pub(crate) mod collections;
pub(crate) mod exports;
pub(crate) mod import_work;
pub(crate) mod imports;
pub(crate) mod levels;
pub(crate) mod lists;
pub(crate) mod locations;
pub(crate) mod media;
pub(crate) mod membership;
pub(crate) mod misses;
pub(crate) mod offers;
pub(crate) mod price_history;
pub(crate) mod price_lists;
pub(crate) mod prices;
pub(crate) mod product_types;
pub(crate) mod products;
pub(crate) mod quotes;
pub(crate) mod relations;
pub(crate) mod repricing;
pub(crate) mod reservations;
pub(crate) mod reserving;
pub(crate) mod restocking;
pub(crate) mod search;
pub(crate) mod search_rules;
pub(crate) mod search_settings;
mod select;
pub(crate) mod stock;
pub(crate) mod suggestions;
pub(crate) mod transfers;
pub(crate) mod translations;
pub(crate) mod verification;
pub(crate) mod writing;
