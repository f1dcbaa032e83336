//! NDJSON: one JSON object a line.

use std::io::{self, BufRead, Read};

use kernel::Currency;

use super::line::Line;
use super::{ImportedProduct, RowError, Unread};

/// The longest line, as the longest body of a request.
const MAX_LINE: u64 = 1 << 20;

/// The products of a file.
pub(super) fn read(
    source: Box<dyn BufRead + Send>,
    currency: Currency,
) -> impl Iterator<Item = Result<ImportedProduct, Unread>> + Send {
    Lines {
        source,
        currency,
        line: 0,
        buffer: Vec::new(),
        broken: false,
    }
}

struct Lines {
    source: Box<dyn BufRead + Send>,
    currency: Currency,
    line: u64,
    buffer: Vec<u8>,
    broken: bool,
}

impl Iterator for Lines {
    type Item = Result<ImportedProduct, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        match self.next_line() {
            Ok(None) => None,
            Ok(Some(Err(reason))) => Some(Err(self.refuse(reason))),
            Ok(Some(Ok(()))) => Some(self.parse()),
            Err(error) => {
                self.broken = true;
                Some(Err(error.into()))
            }
        }
    }
}

impl Lines {
    /// Reads the next line that is not blank into the buffer; `None` at the end of the file.
    fn next_line(&mut self) -> io::Result<Option<Result<(), String>>> {
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
                return Ok(Some(Err(format!("a line may have at most {MAX_LINE} bytes"))));
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(Ok(())));
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.source.fill_buf()?;
            let (count, found) = match available.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (available.len(), available.is_empty()),
            };
            self.source.consume(count);
            if found {
                return Ok(());
            }
        }
    }

    fn parse(&self) -> Result<ImportedProduct, Unread> {
        let parsed = kernel::http::json::parse::<Line>(self.buffer.trim_ascii());
        let line = parsed.map_err(|problem| {
            let detail = problem.to_json().remove("detail");
            self.refuse(
                detail
                    .and_then(|detail| Some(detail.as_str()?.to_owned()))
                    .unwrap_or_default(),
            )
        })?;
        line.into_product(self.line, self.currency)
            .map_err(|reason| self.refuse(reason))
    }

    fn refuse(&self, reason: String) -> Unread {
        Unread::Row(RowError {
            line: self.line,
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Result<ImportedProduct, RowError>> {
        let source = Box::new(io::Cursor::new(text.to_owned().into_bytes()));
        let rows = read(source, "USD".parse().unwrap()).map(|row| {
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
        assert_eq!(
            (product.variants[0].price, product.variants[0].stock),
            (12595, Some(174))
        );
        assert_eq!(product.images.unwrap()[0].url.as_str(), "http://images.example/1.jpg");
    }

    #[test]
    fn a_wrong_line_is_named_and_the_next_one_is_read() {
        let good = r#"{"handle":"a","title":"A","price_minor":1}"#;
        let text = format!(
            "{good}\n\nnot json\n{{\"handle\":\"b\",\"title\":\"B\"}}\n{{\"handle\":\"c\",\"title\":\"C\",\"price_minor\":\"1\"}}\n\
             {{\"title\":\"D\",\"price_minor\":1}}\n{{\"handle\":\"e\",\"title\":\"E\\u0000\",\"price_minor\":1}}\n{good}"
        );
        let rows = rows(&text);
        let lines: Vec<u64> = rows.iter().filter_map(|row| Some(row.as_ref().err()?.line)).collect();
        assert_eq!(lines, [3, 4, 5, 6, 7]);
        assert!(
            rows[3]
                .as_ref()
                .is_err_and(|error| error.reason.contains("/price_minor"))
        );
        assert!(rows[0].is_ok() && rows[6].is_ok());
    }

    #[test]
    fn a_line_without_end_is_skipped() {
        let text = format!(
            "{}\n{{\"handle\":\"a\",\"title\":\"A\",\"price_minor\":1}}",
            "x".repeat(3 << 20)
        );
        let rows = rows(&text);
        assert!(rows[0].is_err() && rows[1].is_ok() && rows.len() == 2);
        assert_eq!(rows[1].as_ref().unwrap().line, 2);
    }
}
