//! Product files: what they are, how they are read, and how they are written. What is done with their rows is for
//! `service::importing`.

mod decimal;
mod error;
mod job;
mod line;
mod ndjson;
mod report;
mod shopify;
mod source;

use std::collections::BTreeMap;
use std::io::BufRead;

use kernel::{Currencies, Locale};

use crate::domain::attributes::Attributes;
use crate::domain::category::CategoryName;
use crate::domain::handle::Handle;
use crate::domain::image::Image;
use crate::domain::listing::{ListedVariant, Listing, ProductOption};
use crate::domain::merchandising::ImportedMerchandising;
use crate::domain::product::Status;
use crate::domain::translation::{ProductTranslation, Said};

pub use error::ImportError;
pub use report::{ImportReport, Progress, RowError};

pub(crate) use error::Unread;
pub(crate) use job::{ImportFailure, ImportJob, ImportState};
pub(crate) use report::WrongRow;

/// How many wrong fields of a file are kept; more are counted.
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

/// How a catalogue is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExportFormat {
    /// One JSON object a line, with everything that is known of a product.
    #[default]
    Ndjson,
    /// The product CSV of Shopify, which has no place for attributes, external ids, days of release and of publishing, types
    /// and other languages.
    ShopifyCsv,
}

/// A product of a file. What the file does not say stays as it is.
#[derive(Clone, Debug)]
pub(crate) struct ImportedProduct {
    /// Where it begins in the file.
    pub(crate) line: u64,
    /// How many bytes of the file it takes, more or less.
    pub(crate) size: usize,
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
    pub(crate) variants: Option<Vec<ListedVariant>>,
    /// Languages that are not among them stay as they are.
    pub(crate) translations: Said,
}

/// The products of a file, one after the other; memory is needed for one only.
pub(crate) type Products = Box<dyn Iterator<Item = Result<ImportedProduct, Unread>> + Send>;

/// Begins to read a file.
pub(crate) fn read(
    source: Box<dyn BufRead + Send>,
    format: ImportFormat,
    currencies: Currencies,
) -> Result<Products, ImportError> {
    let mut source = source::open(source)?;
    let format = match format {
        ImportFormat::Auto => source::guess(&mut source)?,
        known => known,
    };
    Ok(match format {
        ImportFormat::ShopifyCsv => Box::new(shopify::read(source, currencies.main())?),
        ImportFormat::Auto | ImportFormat::Ndjson => Box::new(ndjson::read(source, currencies)),
    })
}

/// What a file begins with before its first product.
pub(crate) fn write_head(out: &mut Vec<u8>, format: ExportFormat) -> std::io::Result<()> {
    match format {
        ExportFormat::Ndjson => Ok(()),
        ExportFormat::ShopifyCsv => shopify::write_head(out),
    }
}

/// What stands beside a product in a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Beside<'a> {
    /// The path of its category.
    pub(crate) category: &'a [String],
    /// The handle of its type.
    pub(crate) product_type: Option<&'a str>,
    /// What is said of it in other languages.
    pub(crate) translations: Option<&'a BTreeMap<Locale, ProductTranslation>>,
}

/// Writes a product in the form in which an import reads it back.
pub(crate) fn write(
    out: &mut Vec<u8>,
    format: ExportFormat,
    listing: &Listing,
    beside: Beside<'_>,
) -> std::io::Result<()> {
    match format {
        ExportFormat::Ndjson => line::write(out, listing, beside),
        ExportFormat::ShopifyCsv => shopify::write(out, listing, beside.category),
    }
}
