//! Shopify's product CSV. A product has several rows, which follow each other and share a handle: the first has what is
//! the product's own, each may have a variant, an image, or both.

use std::io::BufRead;

use csv::{ReaderBuilder, StringRecord, StringRecordsIntoIter, Terminator};
use kernel::{Currency, Text};

use super::decimal::minor_units;
use super::{ImportError, ImportedProduct, RowError, Unread};
use crate::domain::category::CategoryName;
use crate::domain::handle::Handle;
use crate::domain::image::{Image, ImageUrl};
use crate::domain::listing::{Description, ListedVariant, Name, Tag, Title};
use crate::domain::merchandising::{ImportedMerchandising, Seo, SeoDescription, SeoTitle};
use crate::domain::pairs::Pairs;
use crate::domain::product::Status;

type Source = Box<dyn BufRead + Send>;

/// The products of a file.
pub(super) fn read(
    source: Source,
    currency: Currency,
) -> Result<impl Iterator<Item = Result<ImportedProduct, Unread>> + Send, ImportError> {
    // Lines end with a line feed; a carriage return before it is trimmed with the field. Asked to look for both, the
    // reader would count lines wrongly.
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .terminator(Terminator::Any(b'\n'))
        .from_reader(source);
    let headers = reader.headers().map_err(unreadable)?.clone();
    let columns = Columns(headers);
    for needed in ["Handle", "Title", "Variant Price"] {
        if columns.position(needed).is_none() {
            return Err(ImportError::NotProducts(format!("there is no column `{needed}`")));
        }
    }
    Ok(Groups {
        records: reader.into_records(),
        columns,
        currency,
        ahead: None,
        broken: false,
    })
}

struct Columns(StringRecord);

impl Columns {
    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|header| header.trim() == name)
    }

    /// The trimmed value of a column; `None` where it is empty or missing.
    fn get<'a>(&self, record: &'a StringRecord, name: &str) -> Option<&'a str> {
        let value = record.get(self.position(name)?)?.trim();
        (!value.is_empty()).then_some(value)
    }
}

/// The rows of one product.
struct Group {
    handle: String,
    rows: Vec<(u64, StringRecord)>,
}

struct Groups {
    records: StringRecordsIntoIter<Source>,
    columns: Columns,
    currency: Currency,
    /// The first row of the next product.
    ahead: Option<(u64, StringRecord)>,
    broken: bool,
}

/// The most rows of one product: a few hundred variants and images, and then it is no product.
const MAX_ROWS: usize = 1000;

impl Iterator for Groups {
    type Item = Result<ImportedProduct, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        match self.next_group() {
            Ok(group) => {
                let group = group?;
                let line = group.rows.first().map_or(0, |(line, _)| *line);
                let product = self.convert(group);
                Some(product.map_err(|(at, reason)| {
                    let line = at.unwrap_or(line);
                    Unread::Row(RowError { line, reason })
                }))
            }
            Err(unread) => {
                self.broken = matches!(unread, Unread::File(_));
                Some(Err(unread))
            }
        }
    }
}

/// What is wrong, and on which line, where that is not the first one.
type Refusal = (Option<u64>, String);

impl Groups {
    fn next_group(&mut self) -> Result<Option<Group>, Unread> {
        let first = match self.ahead.take() {
            Some(first) => Some(first),
            None => self.next_record()?,
        };
        let Some(first) = first else { return Ok(None) };
        let Some(handle) = self.columns.get(&first.1, "Handle").map(str::to_owned) else {
            return Err(Unread::Row(RowError {
                line: first.0,
                reason: "Handle is empty".to_owned(),
            }));
        };
        let mut rows = vec![first];
        while let Some(next) = self.next_record()? {
            if self.columns.get(&next.1, "Handle") != Some(&handle) || rows.len() == MAX_ROWS {
                self.ahead = Some(next);
                break;
            }
            rows.push(next);
        }
        Ok(Some(Group { handle, rows }))
    }

    fn next_record(&mut self) -> Result<Option<(u64, StringRecord)>, Unread> {
        match self.records.next() {
            None => Ok(None),
            Some(Ok(record)) => Ok(Some((record.position().map_or(0, csv::Position::line), record))),
            Some(Err(error)) => match error.kind() {
                csv::ErrorKind::Utf8 { pos, .. } => Err(Unread::Row(RowError {
                    line: pos.as_ref().map_or(0, csv::Position::line),
                    reason: "not UTF-8".to_owned(),
                })),
                _ => Err(Unread::File(unreadable(error))),
            },
        }
    }

    fn convert(&self, group: Group) -> Result<ImportedProduct, Refusal> {
        let (line, first) = group.rows.first().ok_or_else(|| (None, "there is no row".to_owned()))?;
        let own = |name: &str| self.columns.get(first, name);
        let refuse = |column: &str, error: &dyn std::fmt::Display| (None, format!("{column}: {error}"));
        let title = Title::parse(own("Title").unwrap_or("")).map_err(|error| refuse("Title", &error))?;
        let description = own("Body (HTML)")
            .map(plain_text)
            .transpose()
            .map_err(|error| refuse("Body (HTML)", &error))?;
        let brand = own("Vendor")
            .map(Name::parse)
            .transpose()
            .map_err(|error| refuse("Vendor", &error))?;
        let category = own("Type")
            .map(CategoryName::parse_path)
            .transpose()
            .map_err(|error| refuse("Type", &error))?;
        let seo_title = own("SEO Title")
            .map(SeoTitle::parse)
            .transpose()
            .map_err(|error| refuse("SEO Title", &error))?;
        let seo_description = own("SEO Description")
            .map(SeoDescription::parse)
            .transpose()
            .map_err(|error| refuse("SEO Description", &error))?;
        let seo = Some(Seo {
            title: seo_title.map(String::from),
            description: seo_description.map(String::from),
        })
        .filter(|seo| !seo.is_empty());
        let mut variants = Vec::new();
        let mut images: Vec<(u32, Image)> = Vec::new();
        for (line, row) in &group.rows {
            let at = |error: String| (Some(*line), error);
            variants.extend(self.variant(first, row).map_err(at)?);
            images.extend(self.image(row).map_err(at)?);
        }
        if variants.is_empty() {
            return Err((None, "Variant Price: no row has one".to_owned()));
        }
        images.sort_by_key(|(position, _)| *position);
        let mut images: Vec<Image> = images.into_iter().map(|(_, image)| image).collect();
        images.dedup();
        Ok(ImportedProduct {
            line: *line,
            external_id: None,
            handle: Some(self.handle(&group.handle)?),
            title: title.into_string(),
            description,
            brand: brand.map(String::from),
            status: self.status(first).map_err(|error| (None, error))?,
            category,
            tags: own("Tags")
                .map(tags)
                .transpose()
                .map_err(|error| refuse("Tags", &error))?,
            attributes: None,
            images: (!images.is_empty()).then_some(images),
            options: Vec::new(),
            released_on: None,
            merchandising: ImportedMerchandising {
                seo,
                ..ImportedMerchandising::default()
            },
            variants,
        })
    }

    /// Shopify's handles may have letters that ours may not; they become what a title would.
    fn handle(&self, text: &str) -> Result<Handle, Refusal> {
        let cleaned = || Handle::candidates(text, "").into_iter().next();
        let handle = Handle::parse(text).ok().or_else(cleaned);
        handle.ok_or_else(|| (None, "Handle: cannot be used".to_owned()))
    }

    fn status(&self, row: &StringRecord) -> Result<Option<Status>, String> {
        let text = |name| self.columns.get(row, name).map(str::to_lowercase);
        match (text("Status").as_deref(), text("Published").as_deref()) {
            (Some("archived"), _) => Ok(Some(Status::Archived)),
            (Some("draft"), _) | (Some("active") | None, Some("false")) => Ok(Some(Status::Draft)),
            (Some("active"), _) | (None, Some("true")) => Ok(Some(Status::Active)),
            (None, None) => Ok(None),
            (Some(other), _) => Err(format!("Status: `{other}` is not active, draft or archived")),
            (None, Some(other)) => Err(format!("Published: `{other}` is not true or false")),
        }
    }

    /// The variant of a row; a row without price and values has none. Names of options stand in the first row only.
    fn variant(&self, first: &StringRecord, row: &StringRecord) -> Result<Option<ListedVariant>, String> {
        let get = |name: &str| self.columns.get(row, name);
        if get("Variant Price").is_none() && get("Option1 Value").is_none() {
            return Ok(None);
        }
        let price = get("Variant Price").ok_or("Variant Price is empty")?;
        let price = minor_units(price, self.currency).map_err(|error| format!("Variant Price: {error}"))?;
        let compare_at = get("Variant Compare At Price")
            .map(|text| minor_units(text, self.currency))
            .transpose();
        let named = |column: &str, text: Option<&str>| {
            let parsed = text.map(|text| Name::parse(text.trim_start_matches('\''))).transpose();
            parsed
                .map(|name| name.map(String::from))
                .map_err(|error| format!("{column}: {error}"))
        };
        Ok(Some(ListedVariant {
            id: None,
            sku: named("Variant SKU", get("Variant SKU"))?,
            barcode: named("Variant Barcode", get("Variant Barcode"))?,
            title: None,
            values: self.values(first, row)?,
            price,
            compare_at_price: compare_at.map_err(|error| format!("Variant Compare At Price: {error}"))?,
            stock: get("Variant Inventory Qty").map(quantity).transpose()?,
        }))
    }

    fn values(&self, first: &StringRecord, row: &StringRecord) -> Result<Pairs<String>, String> {
        const COLUMNS: [(&str, &str); 3] = [
            ("Option1 Name", "Option1 Value"),
            ("Option2 Name", "Option2 Value"),
            ("Option3 Name", "Option3 Value"),
        ];
        let mut values = Pairs::default();
        for (name_column, value_column) in COLUMNS {
            let name = self
                .columns
                .get(row, name_column)
                .or_else(|| self.columns.get(first, name_column));
            let (Some(name), Some(value)) = (name, self.columns.get(row, value_column)) else {
                continue;
            };
            // What Shopify writes for a product without options.
            if (name, value) == ("Title", "Default Title") {
                continue;
            }
            let name = Name::parse(name).map_err(|error| format!("{name_column}: {error}"))?;
            let value = Name::parse(value).map_err(|error| format!("{value_column}: {error}"))?;
            values.set(name.into_string(), value.into_string());
        }
        Ok(values)
    }

    fn image(&self, row: &StringRecord) -> Result<Option<(u32, Image)>, String> {
        let get = |name: &str| self.columns.get(row, name);
        let Some(url) = get("Image Src") else { return Ok(None) };
        let url = ImageUrl::parse(url).map_err(|error| format!("Image Src: {error}"))?;
        let alt = get("Image Alt Text")
            .map(Text::parse)
            .transpose()
            .map_err(|error| format!("Image Alt Text: {error}"))?;
        let position = get("Image Position")
            .and_then(|position| position.parse().ok())
            .unwrap_or(u32::MAX);
        Ok(Some((position, Image { url, alt })))
    }
}

/// How many there are; Shopify writes fewer than none for what is sold out and promised.
fn quantity(text: &str) -> Result<i64, String> {
    let quantity: i64 = text
        .parse()
        .map_err(|_| format!("Variant Inventory Qty: `{text}` is not a whole number"))?;
    Ok(quantity.max(0))
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

/// A description without its markup.
fn plain_text(html: &str) -> Result<String, String> {
    /// Lines are not to be broken: whoever shows the text knows how wide it may be.
    const WIDTH: usize = 100_000;
    let renderer = html2text::config::plain_no_decorate();
    let text = renderer
        .string_from_read(html.as_bytes(), WIDTH)
        .map_err(|error| error.to_string())?;
    Description::parse(text.trim())
        .map(String::from)
        .map_err(|error| error.to_string())
}

fn unreadable(error: csv::Error) -> ImportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ImportError::Unreadable(error),
        other => ImportError::NotProducts(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const HEADER: &str = "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,\
        Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src,Image Position,Image Alt Text";

    fn rows(lines: &[&str]) -> Vec<Result<ImportedProduct, RowError>> {
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
        let prices: Vec<(i64, Option<i64>)> = ring
            .variants
            .iter()
            .map(|one| (one.price, one.compare_at_price))
            .collect();
        assert_eq!(prices, [(4299, Some(4499)), (4300, None)]);
        assert_eq!(ring.variants[1].values.get("Size").map(String::as_str), Some("M"));
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
        assert_eq!((sofa.variants[0].stock, sofa.variants[0].values.0.len()), (Some(0), 0));
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
    fn a_file_without_the_columns_is_no_product_file() {
        let source: Source = Box::new(Cursor::new(b"name,price\na,1\n".to_vec()));
        assert!(matches!(
            read(source, "USD".parse().unwrap()),
            Err(ImportError::NotProducts(_))
        ));
    }
}
