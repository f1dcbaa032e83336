//! Product files: what they are, how they are read, and how they are written. What is done with their rows is for
//! `service::importing`.

mod decimal;
mod error;
mod job;
mod line;
mod ndjson;
mod packing;
mod report;
mod shopify;
mod source;

use std::collections::BTreeMap;
use std::io::BufRead;

use kernel::{Currencies, Locale};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::attributes::Attributes;
use crate::domain::bundle::VariantName;
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
pub(crate) use job::{ExportJob, ImportJob, JobFailure, JobState};
pub(crate) use packing::{pack, unpack};
pub(crate) use report::WrongRow;

/// How many wrong fields of a file are kept; more are counted.
pub(crate) const MAX_ERRORS: usize = 10_000;

/// The most bytes between two rows with nothing in them.
const MAX_BLANK: u64 = 1 << 20;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// One JSON object a line, with everything that is known of a product.
    #[default]
    Ndjson,
    /// The product CSV of Shopify, which has no place for attributes, external ids, days of release and of publishing, types
    /// and other languages.
    #[serde(rename = "shopify")]
    ShopifyCsv,
}

impl ExportFormat {
    /// All of them, by their names.
    pub(crate) const NAMES: [(&str, Self); 2] = [("ndjson", Self::Ndjson), ("shopify", Self::ShopifyCsv)];

    /// The name, also in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::ShopifyCsv => "shopify",
        }
    }

    /// The format of a name; the database has no others.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "shopify" => Self::ShopifyCsv,
            _ => Self::Ndjson,
        }
    }
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

impl ImportedProduct {
    /// What bundles may name a variant by, as far as the row says so.
    pub(crate) fn names_of(&self, variant: &ListedVariant) -> impl Iterator<Item = VariantName> {
        let values = variant.values.0.iter().cloned().collect();
        let handle = self.handle.as_ref().map(Handle::to_string);
        let by_options = handle.map(|handle| VariantName::Options(handle, values));
        variant.sku.clone().map(VariantName::Sku).into_iter().chain(by_options)
    }
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

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    const FORMATS: [ImportFormat; 3] = [ImportFormat::Auto, ImportFormat::Ndjson, ImportFormat::ShopifyCsv];

    /// Files with all that they may have, to be damaged.
    const LINES: &str = concat!(
        "\u{feff}",
        r#"{"id":"1","handle":"ink","title":"Ink","category":"Printing > Ink","sku":"I-1","price_minor":125,"currency":"USD","stock":1,"released_on":"2006-07-01","image_url":"http://a.example/1.jpg","attributes":{"z":1.5,"a":"x"},"seo":{"title":"S"},"tax_class":"books","weight_grams":1,"requires_shipping":false,"translations":{"de":{"title":"Tinte"}}}"#,
        "\r\n\n",
        r#"{"id":"2","title":"Shirt","options":[{"name":"Size","values":["S"]}],"variants":[{"options":{"Size":"S"},"price_minor":1,"prices":[{"currency":"EUR","price_minor":2}]}],"publish_at":"2030-01-01T00:00:00Z"}"#,
        "\n",
        r#"{"id":"3","title":"Gift","price_minor":9,"stock":0,"components":[{"sku":"I-1","quantity":2},{"handle":"shirt","options":{"Size":"S"},"quantity":1}]}"#,
        "\n",
    );
    const SHEET: &str = "\u{feff}Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,\
        Variant Inventory Qty,Variant Price,Image Src,Image Position,Variant Taxable,Variant Tax Code,Variant Grams,\
        Variant Requires Shipping\r\n\
        ring,Ring,\"<p>Fine &amp; <b>\"\"old\"\"</b><ul><li>1</li></ul></p>\",Us,Rings,\"Gold, Gem\",true,Size,S,'=1,2,42.99,https://a.example/1.jpg,1,TRUE,P1,2.5,FALSE\r\n\
        ring,,,,,,,,M,,1,43,,\r\n\
        cup,Cup,,,,,false,,,,,1,,\r\n";

    /// Reads a file to its end: how many rows it has, and whether it has an end that can be told.
    fn rows(file: &[u8], format: ImportFormat) -> usize {
        let currencies = Currencies::new("USD".parse().unwrap(), &["EUR".parse().unwrap()]);
        let Ok(products) = read(Box::new(Cursor::new(file.to_vec())), format, currencies) else {
            return 0;
        };
        products
            .map(|row| match row {
                Ok(product) => assert!(product.line > 0 && !product.title.is_empty()),
                Err(Unread::Row(wrong)) => {
                    assert!(
                        wrong
                            .errors()
                            .iter()
                            .all(|error| error.line == wrong.line && !error.code.is_empty())
                    );
                    assert!(!wrong.errors().is_empty());
                }
                Err(Unread::File(error)) => assert!(!error.code().is_empty() && !error.told().is_empty()),
            })
            .count()
    }

    fn packed(file: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(file).unwrap();
        encoder.finish().unwrap()
    }

    /// What becomes of a file on its way: bytes are lost, doubled or changed, and some come from elsewhere.
    fn damaged(mut file: Vec<u8>, damages: &[(u8, Index, u8)]) -> Vec<u8> {
        for (kind, place, byte) in damages {
            let place = place.index(file.len().max(1)).min(file.len().saturating_sub(1));
            match kind % 4 {
                _ if file.is_empty() => (),
                0 => drop(file.remove(place)),
                1 => file.insert(place, *byte),
                2 => file[place] = *byte,
                _ => file.truncate(place),
            }
        }
        file
    }

    #[test]
    fn the_files_that_are_damaged_are_whole_before() {
        assert_eq!(
            (
                rows(LINES.as_bytes(), ImportFormat::Auto),
                rows(SHEET.as_bytes(), ImportFormat::Auto)
            ),
            (3, 2)
        );
    }

    proptest! {
        /// IN-11
        #[test]
        fn any_bytes_are_rows_or_a_reason(file: Vec<u8>) {
            for format in FORMATS {
                prop_assert!(rows(&file, format) <= file.len() + 1);
                rows(&packed(&file), format);
                rows(&[&[0x1f, 0x8b], file.as_slice()].concat(), format);
                // Past the names of the columns.
                rows(&[b"Handle,Title,Variant Price\n", file.as_slice()].concat(), format);
            }
        }

        /// IN-11
        #[test]
        fn a_damaged_file_is_rows_or_a_reason(
            damages in proptest::collection::vec(any::<(u8, Index, u8)>(), 1..12),
            other in "[\\[\\]{}\",:\\\\\n\r\0<>&;='a-z0-9 é\u{301}\u{2028}]{0,40}",
            place: Index,
        ) {
            for file in [LINES, SHEET] {
                let mut file = damaged(file.as_bytes().to_vec(), &damages);
                let place = place.index(file.len() + 1);
                file.splice(place..place, other.bytes());
                for format in FORMATS {
                    rows(&file, format);
                }
                rows(&damaged(packed(&file), &damages), ImportFormat::Auto);
            }
        }
    }
}
