//! Import files: what they are, and how they are read. What is done with their rows is for `service::importing`.

mod decimal;
mod line;
mod ndjson;
mod shopify;
mod source;

use std::io::{self, BufRead};

use chrono::{DateTime, Utc};
use kernel::id::ImportId;
use kernel::{Currency, Fault};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::attributes::Attributes;
use crate::domain::category::CategoryName;
use crate::domain::handle::Handle;
use crate::domain::image::Image;
use crate::domain::listing::{ListedVariant, ProductOption};
use crate::domain::merchandising::ImportedMerchandising;
use crate::domain::product::Status;

pub(crate) use line::write as write_line;

/// More wrong rows than this, and it is not the file that was meant.
pub(crate) const MAX_ERRORS: usize = 10_000;

/// How the rows of a file are written. Gzip is noticed by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportFormat {
    /// Whatever the file looks like: NDJSON begins with `{`.
    #[default]
    Auto,
    /// One JSON object a line.
    Ndjson,
    /// The product CSV of Shopify: several rows per product.
    ShopifyCsv,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The line that was read last.
    pub line: u64,
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
    pub skipped: Vec<RowError>,
}

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowError {
    /// Its line in the file, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why an import ends early. What was imported until then stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read to its end.
    #[error("the file cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// The file is no product file at all.
    #[error("not a product file: {0}")]
    NotProducts(String),
    /// So many rows are wrong that it must be the wrong file.
    #[error("more than {MAX_ERRORS} rows are wrong; the first is line {}: {}", .0.line, .0.reason)]
    TooManyErrors(RowError),
    /// The database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An import that runs in the background.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportJob {
    pub(crate) id: ImportId,
    pub(crate) state: ImportState,
    pub(crate) dry_run: bool,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    /// How many rows were wrong.
    pub(crate) skipped: u64,
    /// The first thousand of them.
    pub(crate) errors: Vec<RowError>,
    /// Why it has failed.
    pub(crate) failure: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// How far a background import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportState {
    Running,
    Succeeded,
    Failed,
}

/// A product of a file. What the file does not say stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct ImportedProduct {
    /// Where it begins in the file.
    pub(crate) line: u64,
    pub(crate) external_id: Option<String>,
    pub(crate) handle: Option<Handle>,
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) brand: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) category: Option<Vec<CategoryName>>,
    pub(crate) tags: Option<Vec<String>>,
    pub(crate) attributes: Option<Attributes>,
    pub(crate) images: Option<Vec<Image>>,
    /// Taken from the variants where there are none.
    pub(crate) options: Vec<ProductOption>,
    pub(crate) released_on: Option<chrono::NaiveDate>,
    pub(crate) merchandising: ImportedMerchandising,
    /// All of them: others are removed.
    pub(crate) variants: Vec<ListedVariant>,
}

/// Why there is no next row.
#[derive(Debug)]
pub(crate) enum Unread {
    /// This row is wrong; there may be others.
    Row(RowError),
    /// Nothing more can be read.
    File(ImportError),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::File(error.into())
    }
}

/// The products of a file, one after the other; memory is needed for one only.
pub(crate) type Products = Box<dyn Iterator<Item = Result<ImportedProduct, Unread>> + Send>;

/// Begins to read a file.
pub(crate) fn read(
    source: Box<dyn BufRead + Send>,
    format: ImportFormat,
    currency: Currency,
) -> Result<Products, ImportError> {
    let mut source = source::open(source)?;
    let format = match format {
        ImportFormat::Auto => source::guess(&mut source)?,
        known => known,
    };
    Ok(match format {
        ImportFormat::ShopifyCsv => Box::new(shopify::read(source, currency)?),
        ImportFormat::Auto | ImportFormat::Ndjson => Box::new(ndjson::read(source, currency)),
    })
}
