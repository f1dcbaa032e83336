//! Shopify's product CSV. A product has several rows, which follow each other and share a handle: the first has what is
//! the product's own, each may have a variant, an image, or both.

mod cell;
mod columns;
mod html;
mod rows;
mod write;

use kernel::{Currency, Text};
use product_api::TaxClass;

use super::decimal::{grams, minor_units};
use super::{ImportError, ImportedProduct, Unread, WrongRow};
use crate::domain::category::CategoryName;
use crate::domain::code::Code;
use crate::domain::handle::Handle;
use crate::domain::image::{Image, ImageUrl};
use crate::domain::listing::{Choice, ListedVariant, Name, Tag, Title};
use crate::domain::merchandising::{ImportedMerchandising, Seo, SeoDescription, SeoTitle};
use crate::domain::pairs::Pairs;
use crate::domain::product::Status;
use crate::domain::tax_class::ImportedTaxClass;
use crate::domain::translation::Said;
use columns::{Column, OPTIONS};
use rows::{Group, Groups, Row, Source};

pub(super) use write::{write, write_head};

/// The products of a file.
pub(super) fn read(
    source: Source,
    currency: Currency,
) -> Result<impl Iterator<Item = Result<ImportedProduct, Unread>> + Send, ImportError> {
    let groups = Groups::read(source)?;
    Ok(groups.map(move |group| Ok(Reader { currency }.product(&group?)?)))
}

struct Reader {
    currency: Currency,
}

impl Reader {
    fn product(&self, group: &Group) -> Result<ImportedProduct, WrongRow> {
        let first = group.first()?;
        let title = first.parsed(Column::Title, Title::parse)?;
        let title = title.ok_or_else(|| first.refuse(Column::Title, "required: must not be empty"))?;
        let mut variants = Vec::new();
        let mut images: Vec<(u32, Image)> = Vec::new();
        for row in &group.rows {
            variants.extend(self.variant(first, row)?);
            images.extend(image(row)?);
        }
        images.sort_by_key(|(position, _)| *position);
        images.dedup();
        let images: Vec<Image> = images.into_iter().map(|(_, image)| image).collect();
        Ok(ImportedProduct {
            line: first.line,
            size: group.size,
            external_id: None,
            handle: Some(handle(first)?),
            title: title.into_string(),
            description: first.parsed(Column::Description, html::text_of)?,
            brand: first.parsed(Column::Vendor, Name::parse)?.map(String::from),
            status: status(first)?,
            category: first.parsed(Column::Type, CategoryName::parse_path)?,
            tags: first.parsed(Column::Tags, tags)?,
            attributes: None,
            images: (!images.is_empty()).then_some(images),
            options: Vec::new(),
            released_on: None,
            merchandising: ImportedMerchandising {
                seo: seo(first)?,
                tax_class: tax_class(group.rows.iter().find(|row| has_variant(row)).unwrap_or(first))?,
                ..ImportedMerchandising::default()
            },
            variants: (!variants.is_empty()).then_some(variants),
            translations: Said::new(),
        })
    }

    /// The variant of a row. Names of options stand in the first row only.
    fn variant(&self, first: &Row, row: &Row) -> Result<Option<ListedVariant>, WrongRow> {
        if !has_variant(row) {
            return Ok(None);
        }
        let amount = |text: &str| minor_units(text, self.currency);
        let price = row.parsed(Column::Price, amount)?;
        Ok(Some(ListedVariant {
            id: None,
            sku: code(row, Column::Sku)?,
            barcode: code(row, Column::Barcode)?,
            title: None,
            values: values(first, row)?,
            price: price.ok_or_else(|| row.refuse(Column::Price, "required: must not be empty"))?,
            compare_at_price: row.parsed(Column::CompareAtPrice, amount)?,
            prices: None,
            components: None,
            stock: row.parsed(Column::Quantity, quantity)?,
            stock_seen: row.parsed(Column::QuantitySeen, quantity)?,
            weight_grams: row.parsed(Column::Weight, grams)?,
            requires_shipping: row.parsed(Column::RequiresShipping, truth)?,
        }))
    }
}

/// Whether there is a variant in a row: not in one without price and values.
fn has_variant(row: &Row) -> bool {
    row.get(Column::Price).is_some() || row.get(OPTIONS[0].1).is_some()
}

/// How the variant of a row is taxed, which is taken for all of its product. Shopify knows that something is taxed without a
/// code for it; where it is not, the code means nothing.
fn tax_class(row: &Row) -> Result<ImportedTaxClass, WrongRow> {
    let is_taxed = row.parsed(Column::Taxable, truth)?;
    if is_taxed == Some(false) {
        return Ok(ImportedTaxClass::Named(TaxClass::untaxed()));
    }
    let class = row.parsed(Column::TaxCode, |code| TaxClass::parse(code.to_ascii_lowercase()))?;
    Ok(match (class, is_taxed) {
        (Some(class), _) => ImportedTaxClass::Named(class),
        (None, Some(_)) => ImportedTaxClass::Taxed,
        (None, None) => ImportedTaxClass::Unsaid,
    })
}

/// Shopify's handles may have letters that ours may not; they become what a title would.
fn handle(row: &Row) -> Result<Handle, WrongRow> {
    let text = row.get(Column::Handle).unwrap_or_default();
    let cleaned = || Handle::candidates(text, "").into_iter().next();
    let handle = Handle::parse(text).ok().or_else(cleaned);
    handle.ok_or_else(|| row.refuse(Column::Handle, "invalid_handle: cannot be used"))
}

fn status(row: &Row) -> Result<Option<Status>, WrongRow> {
    let text = |column| row.get(column).map(str::to_lowercase);
    match (text(Column::Status).as_deref(), text(Column::Published).as_deref()) {
        (Some("archived"), _) => Ok(Some(Status::Archived)),
        (Some("draft"), _) | (Some("active") | None, Some("false")) => Ok(Some(Status::Draft)),
        (Some("active"), _) | (None, Some("true")) => Ok(Some(Status::Active)),
        (None, None) => Ok(None),
        (Some(_), _) => Err(row.refuse(Column::Status, "unknown_value: must be active, draft or archived")),
        (None, Some(_)) => Err(row.refuse(Column::Published, "unknown_value: must be true or false")),
    }
}

/// What search engines are to read; nothing where both columns are empty.
fn seo(row: &Row) -> Result<Option<Seo>, WrongRow> {
    let seo = Seo {
        title: row.parsed(Column::SeoTitle, SeoTitle::parse)?.map(String::from),
        description: row
            .parsed(Column::SeoDescription, SeoDescription::parse)?
            .map(String::from),
    };
    Ok(Some(seo).filter(|seo| !seo.is_empty()))
}

/// A SKU or a barcode. Spreadsheets are kept from taking them for numbers by an apostrophe in front.
fn code(row: &Row, column: Column) -> Result<Option<String>, WrongRow> {
    let Some(text) = row.get_code(column) else {
        return Ok(None);
    };
    let code = Code::<1>::parse(text).map_err(|error| row.refuse(column, error))?;
    Ok(Some(code.into()))
}

fn values(first: &Row, row: &Row) -> Result<Pairs<String>, WrongRow> {
    let mut values = Pairs::default();
    for (name_column, value_column) in OPTIONS {
        let name = row.get(name_column).or_else(|| first.get(name_column));
        let (Some(name), Some(value)) = (name, row.get(value_column)) else {
            continue;
        };
        // What Shopify writes for a product without options.
        if (name, value) == (columns::NO_OPTION, columns::NO_VALUE) {
            continue;
        }
        let name = Choice::parse(name).map_err(|error| row.refuse(name_column, error))?;
        let value = Choice::parse(value).map_err(|error| row.refuse(value_column, error))?;
        values.set(name.into(), value.into());
    }
    Ok(values)
}

fn image(row: &Row) -> Result<Option<(u32, Image)>, WrongRow> {
    let Some(url) = row.parsed(Column::ImageUrl, ImageUrl::parse)? else {
        return Ok(None);
    };
    let alt = row.parsed(Column::ImageAlt, Text::parse)?;
    let position = row
        .get(Column::ImagePosition)
        .and_then(|position| position.parse().ok())
        .unwrap_or(u32::MAX);
    Ok(Some((position, Image { url, alt })))
}

fn truth(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("unknown_value: must be true or false"),
    }
}

/// How many there are: fewer than none where more were sold than there were.
fn quantity(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| format!("invalid_type: `{text}` is not a whole number"))
}

fn tags(text: &str) -> Result<Vec<String>, String> {
    let mut tags: Vec<String> = Vec::new();
    for tag in text.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
        let tag = Tag::parse(tag).map_err(|error| error.to_string())?.into_string();
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor, Read};

    use super::*;
    use crate::import::MAX_BLANK;

    const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,\
        Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src,Image Position,Image Alt Text";

    fn rows(lines: &[&str]) -> Vec<Result<ImportedProduct, WrongRow>> {
        let text = format!("{HEADER}\r\n{}\r\n", lines.join("\r\n"));
        let source: Source = Box::new(Cursor::new(text.into_bytes()));
        let rows = read(source, "USD".parse().unwrap()).unwrap();
        let rows = rows.map(|row| {
            row.map_err(|unread| match unread {
                Unread::Row(error) => error,
                Unread::File(error) => panic!("{error}"),
            })
        });
        rows.collect()
    }

    #[test]
    fn rows_of_one_handle_are_one_product() {
        let rows = rows(&[
            "ring,Gold Ring,<p>A <b>fine</b> ring &amp; box</p>,Us,Rings,\"Gold, Gem\",true,Size,S,,2,42.99,44.99,https://a.example/1.jpg,2,Ring",
            "ring,,,,,,,,M,,0,43,,https://a.example/2.jpg,1,",
            "ring,,,,,,,,,,,,,https://a.example/3.jpg,3,",
            "sofa,Sofa,,Us,,,false,Title,Default Title,,-1,300,,,,",
        ]);
        let [Ok(ring), Ok(sofa)] = &rows[..] else {
            panic!("{rows:?}")
        };
        assert_eq!(ring.description.as_deref(), Some("A fine ring & box"));
        assert_eq!(ring.tags.as_deref(), Some(&["Gold".to_owned(), "Gem".to_owned()][..]));
        let variants = ring.variants.as_ref().unwrap();
        let prices: Vec<(i64, Option<i64>)> = variants.iter().map(|one| (one.price, one.compare_at_price)).collect();
        assert_eq!(prices, [(4299, Some(4499)), (4300, None)]);
        assert_eq!(variants[1].values.get("Size").map(String::as_str), Some("M"));
        let images: Vec<&str> = ring.images.iter().flatten().map(|image| image.url.as_str()).collect();
        assert_eq!(
            images,
            [
                "https://a.example/2.jpg",
                "https://a.example/1.jpg",
                "https://a.example/3.jpg"
            ]
        );
        assert_eq!((sofa.status, sofa.line), (Some(Status::Draft), 5));
        let only = &sofa.variants.as_ref().unwrap()[0];
        assert_eq!((only.stock, only.values.0.len()), (Some(-1), 0));
    }

    #[test]
    fn a_wrong_row_is_named_and_the_next_product_is_read() {
        let rows = rows(&[
            "a,A,,,,,true,,,,1,1.999,,,,",
            "b,,,,,,true,,,,1,1.99,,,,",
            "c,C,,,,,true,Size,S,,1,1,,,,",
            "c,,,,,,,,M,,x,1,,,,",
            ",D,,,,,true,,,,1,1,,,,",
            "e,E,,,,,true,,,,1,1,,ftp://x,1,",
            "two,\"Two\nlines\",,,,,true,,,,1,1,,,,",
            "f,\"F, with \"\"quotes\"\"\",\"a description\nof two lines\",,,,true,,,,1,1.00,,,,",
        ]);
        let lines: Vec<u64> = rows.iter().filter_map(|row| Some(row.as_ref().err()?.line)).collect();
        assert_eq!(lines, [2, 3, 5, 6, 7, 8]);
        assert!(
            rows.last()
                .unwrap()
                .as_ref()
                .is_ok_and(|product| product.title.starts_with("F, with \"quotes\""))
        );
    }

    #[test]
    fn rows_with_nothing_in_them_are_passed_over_and_not_without_end() {
        let nothing = ["", ",,,,,,,,,,,,,,,", " ,\t,"];
        let found = rows(&[
            nothing[0],
            "a,A,,,,,true,Size,S,,1,1,,,,",
            nothing[1],
            nothing[2],
            "a,,,,,,,,M,,1,1,,,,",
            nothing[0],
            nothing[1],
        ]);
        let [Ok(product)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((product.line, product.variants.as_ref().unwrap().len()), (3, 2));
        let blank = format!("{}\n", nothing[1]).repeat(MAX_BLANK as usize / 16 + 1);
        let source = Cursor::new(format!("{HEADER}\nb,B,,,,,true,,,,1,1,,,,\n{blank}"));
        let mut rows = read(Box::new(source), "USD".parse().unwrap()).unwrap();
        // What comes after a product belongs to it or not: only then is it whole.
        assert!(matches!(rows.next(), Some(Err(Unread::File(ImportError::Blank(_))))));
        assert!(rows.next().is_none());
    }

    #[test]
    fn a_file_without_the_columns_is_no_product_file() {
        let source: Source = Box::new(Cursor::new(b"name,price\na,1\n".to_vec()));
        assert!(matches!(
            read(source, "USD".parse().unwrap()),
            Err(ImportError::NotProducts(_))
        ));
    }
    #[test]
    fn the_rows_of_a_wrong_product_are_not_passed_over_without_end() {
        let line = format!("a,,{},,,,true,,,,1,1,,,,\n", "x".repeat(1 << 19));
        let head = Cursor::new(format!("{HEADER}\nb,B,,,,,true,,,,1,1,,,,\n"));
        let rest = Cursor::new(line.into_bytes());
        let rest = (0..200).fold(Box::new(rest.clone()) as Box<dyn Read + Send>, |read, _| {
            Box::new(read.chain(rest.clone()))
        });
        let source: Source = Box::new(BufReader::new(head.chain(rest)));
        let mut rows = read(source, "USD".parse().unwrap()).unwrap();
        assert!(matches!(rows.next(), Some(Ok(_))));
        assert!(matches!(
            rows.next(),
            Some(Err(Unread::File(ImportError::EndlessProduct(3))))
        ));
        assert!(rows.next().is_none());
    }
}
