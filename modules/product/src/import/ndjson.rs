//! NDJSON: one JSON object a line. Those of bundles come after all others.

mod postponed;

use std::io::{BufRead, Read};
use std::vec;

use kernel::{Currencies, FieldError};

use super::line::Line;
use super::{ImportError, ImportedProduct, MAX_BLANK, Unread, WrongRow};
use postponed::Postponed;

/// The longest line. The largest products have less, though they were put together by several requests.
const MAX_LINE: u64 = 16 << 20;
/// How many bytes of a line that is too long are passed over.
const MAX_PASSED: u64 = 64 << 20;

/// The products of a file.
pub(super) fn read(
    source: Box<dyn BufRead + Send>,
    currencies: Currencies,
) -> impl Iterator<Item = Result<ImportedProduct, Unread>> + Send {
    Lines {
        source,
        currencies,
        line: 0,
        buffer: Vec::new(),
        postponed: Postponed::default(),
        last: None,
    }
}

struct Lines {
    source: Box<dyn BufRead + Send>,
    currencies: Currencies,
    line: u64,
    buffer: Vec<u8>,
    postponed: Postponed,
    /// The rows that were postponed, once there are no others; none where the file cannot be read to its end.
    last: Option<vec::IntoIter<(u64, Vec<u8>)>>,
}

impl Iterator for Lines {
    type Item = Result<ImportedProduct, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.last.is_none() {
            match self.next_of_file() {
                Ok(Some(row)) => return Some(row.map_err(Unread::Row)),
                Ok(None) => self.last = Some(std::mem::take(&mut self.postponed).in_order()),
                Err(error) => {
                    self.last = Some(Vec::new().into_iter());
                    return Some(Err(Unread::File(error)));
                }
            }
        }
        let (line, text) = self.last.as_mut()?.next()?;
        Some(self.parse(line, &text).map_err(Unread::Row))
    }
}

impl Lines {
    /// The next row that has not to wait; `None` at the end of the file.
    fn next_of_file(&mut self) -> Result<Option<Result<ImportedProduct, WrongRow>>, ImportError> {
        while let Some(line) = self.next_line()? {
            let row = line.and_then(|()| self.parse(self.line, self.buffer.trim_ascii()));
            match row {
                Ok(product) if Postponed::has_to_wait(&product) => {
                    self.postponed.add(&product, self.buffer.trim_ascii())?;
                }
                row => return Ok(Some(row)),
            }
        }
        Ok(None)
    }

    /// Reads the next line that is not blank into the buffer; `None` at the end of the file. Ends after a bounded number of
    /// bytes, so that whoever reads can say now and then that he lives: some packed kilobytes may be gigabytes of nothing.
    fn next_line(&mut self) -> Result<Option<Result<(), WrongRow>>, ImportError> {
        let mut blank = 0;
        loop {
            self.buffer.clear();
            let count = self
                .source
                .by_ref()
                .take(MAX_LINE)
                .read_until(b'\n', &mut self.buffer)?;
            if count == 0 {
                return Ok(None);
            }
            self.line += 1;
            let whole = self.buffer.ends_with(b"\n") || (count as u64) < MAX_LINE;
            if !whole {
                self.skip_line()?;
                let detail = format!("a line may have at most {MAX_LINE} bytes");
                return Ok(Some(Err(WrongRow::new(self.line, "", "row_too_long", detail))));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(Ok(())));
            }
            blank += count as u64;
            if blank > MAX_BLANK {
                return Err(ImportError::Blank(self.line));
            }
        }
    }

    fn skip_line(&mut self) -> Result<(), ImportError> {
        let mut passed = 0;
        while passed <= MAX_PASSED {
            let available = self.source.fill_buf()?;
            let (count, found) = match available.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (available.len(), available.is_empty()),
            };
            self.source.consume(count);
            if found {
                return Ok(());
            }
            passed += count as u64;
        }
        Err(ImportError::EndlessLine(self.line))
    }

    fn parse(&self, line: u64, text: &[u8]) -> Result<ImportedProduct, WrongRow> {
        if std::str::from_utf8(text).is_err() {
            return Err(WrongRow::new(line, "", "invalid_encoding", "not UTF-8"));
        }
        let parsed = kernel::http::json::parse::<Line>(text).map_err(|problem| refuse(line, &problem))?;
        let mut product = parsed.into_product(line, &self.currencies)?;
        product.size = text.len();
        Ok(product)
    }
}

/// What a request with this body would be told.
fn refuse(line: u64, problem: &kernel::Problem) -> WrongRow {
    let mut told = problem.to_json();
    let fields = told
        .remove("errors")
        .and_then(|errors| serde_json::from_value(errors).ok());
    let fields: Vec<FieldError> = fields.unwrap_or_default();
    if fields.is_empty() {
        let detail = told
            .get("detail")
            .and_then(|detail| detail.as_str())
            .unwrap_or_default();
        return WrongRow::new(line, "", problem.code(), detail);
    }
    WrongRow::of(line, &fields.into())
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn rows(text: impl Into<Vec<u8>>) -> Vec<Result<ImportedProduct, WrongRow>> {
        let source = Box::new(io::Cursor::new(text.into()));
        let rows = read(source, Currencies::new("USD".parse().unwrap(), &[])).map(|row| {
            row.map_err(|unread| match unread {
                Unread::Row(error) => error,
                Unread::File(error) => panic!("{error}"),
            })
        });
        rows.collect()
    }

    #[test]
    fn a_plain_line_is_a_product_with_one_variant() {
        let line = r#"{"id": "1399", "handle": "hp-80", "title": "HP 80", "description": "Ink", "brand": "HP", "category": "Printing > Ink", "sku": "IC-1399", "barcode": "088", "price_minor": 12595, "currency": "USD", "stock": 174, "released_on": "2006-07-01", "image_url": "http://images.example/1.jpg", "attributes": {"width": 298.45}}"#;
        let product = rows(line).remove(0).unwrap();
        assert_eq!(product.external_id.as_deref(), Some("1399"));
        assert_eq!(product.category.unwrap().len(), 2);
        let variants = product.variants.unwrap();
        assert_eq!((variants[0].price, variants[0].stock), (12595, Some(174)));
        assert_eq!(product.images.unwrap()[0].url.as_str(), "http://images.example/1.jpg");
    }

    #[test]
    fn a_wrong_line_is_named_and_the_next_one_is_read() {
        let good = r#"{"handle":"a","title":"A","price_minor":1}"#;
        let text = format!(
            "{good}\n\nnot json\n{{\"handle\":\"b\",\"title\":\"B\"}}\n{{\"handle\":\"c\",\"title\":\"C\",\"price_minor\":\"1\"}}\n\
             {{\"title\":\"D\",\"price_minor\":1}}\n{{\"handle\":\"e\",\"title\":\"E\\u0000\",\"price_minor\":1}}\n{good}"
        );
        let rows = rows(text);
        let lines: Vec<u64> = rows.iter().filter_map(|row| Some(row.as_ref().err()?.line)).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7]);
        let told = |row: usize| {
            let [error] = rows[row].as_ref().unwrap_err().errors() else {
                panic!("{:?}", rows[row])
            };
            (error.pointer.as_str(), error.code.as_str())
        };
        assert_eq!(told(1), ("", "invalid_json"));
        assert_eq!(told(2), ("/price_minor", "required"));
        assert_eq!(told(3), ("/price_minor", "invalid_type"));
        assert_eq!(told(4), ("/handle", "required"));
        assert_eq!(told(5), ("/title", "invalid_character"));
        assert!(rows[0].is_ok() && rows[6].is_ok());
    }

    #[test]
    fn rows_with_bundles_come_last_and_keep_their_lines() {
        let bundle = r#"{"handle":"gift","title":"Gift","price_minor":1,"components":[{"sku":"A","quantity":2}]}"#;
        let other = r#"{"handle":"a","title":"A","sku":"A","price_minor":1,"components":[]}"#;
        let rows = rows(format!("{bundle}\nnot json\n{other}\n"));
        let lines: Vec<u64> = rows
            .iter()
            .map(|row| row.as_ref().map_or_else(|wrong| wrong.line, |row| row.line))
            .collect();
        assert_eq!(lines, [2, 3, 1]);
        let last = rows[2].as_ref().unwrap();
        assert_eq!(
            last.variants.as_ref().unwrap()[0].components.as_ref().unwrap()[0].quantity,
            2
        );
    }

    #[test]
    fn a_line_in_another_encoding_is_named_as_such() {
        let rows = rows(b"{\"handle\":\"a\",\"title\":\"Caf\xe9\",\"price_minor\":1}\r\n".to_vec());
        let [Err(row)] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!(row.errors()[0].code, "invalid_encoding");
    }

    #[test]
    fn the_longest_products_can_be_read() {
        let text = "\u{1f9e5}".repeat(10_000);
        let attributes: Vec<String> = (0..200).map(|number| format!(r#""{number}":"{text}""#)).collect();
        let line = format!(
            r#"{{"handle":"a","title":"A","price_minor":1,"attributes":{{{}}}}}"#,
            attributes.join(",")
        );
        let product = rows(line).remove(0).unwrap();
        assert_eq!(product.attributes.unwrap().0.len(), 200);
    }

    #[test]
    fn a_line_without_end_is_skipped() {
        let text = format!(
            "{}\n{{\"handle\":\"a\",\"title\":\"A\",\"price_minor\":1}}",
            "x".repeat(3 * MAX_LINE as usize)
        );
        let rows = rows(text);
        assert!(rows[0].is_err() && rows[1].is_ok() && rows.len() == 2);
        assert_eq!(rows[1].as_ref().unwrap().line, 2);
    }
    /// How a file ends, and how many rows are before.
    fn end(text: impl Read + Send + 'static) -> (usize, Option<ImportError>) {
        let source = Box::new(io::BufReader::new(text));
        let rows = read(source, Currencies::new("USD".parse().unwrap(), &[]));
        let mut before = 0;
        for row in rows {
            match row {
                Err(Unread::File(error)) => return (before, Some(error)),
                _ => before += 1,
            }
        }
        (before, None)
    }

    #[test]
    fn a_file_of_blank_lines_or_of_one_line_is_not_read_without_end() {
        let line = r#"{"handle":"a","title":"A","price_minor":1}"#;
        let blank = " \n".repeat(MAX_BLANK as usize / 2);
        let (rows, end) = end(io::Cursor::new(format!("{line}\n{blank}{line}\n{blank}{line}")));
        assert!(rows == 3 && end.is_none(), "{end:?}");
        let (rows, end) = self::end(io::Cursor::new(format!("{line}\n{blank}\n{line}")));
        assert!(rows == 1 && matches!(end, Some(ImportError::Blank(_))), "{end:?}");
        let (rows, end) = self::end(io::repeat(b'x').take(MAX_PASSED + 2 * MAX_LINE));
        assert!(rows == 0 && matches!(end, Some(ImportError::EndlessLine(1))), "{end:?}");
    }
}
