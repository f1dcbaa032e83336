//! Rows of a CSV file, those of one product together. Rows are read as bytes first: one in another encoding then still
//! says whose it is.

use std::fmt::Display;
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use csv::{ByteRecord, Reader, ReaderBuilder, StringRecord, Terminator};

use super::cell;
use super::columns::{Column, Columns};
use crate::import::{ImportError, MAX_BLANK, Unread, WrongRow};

pub(super) type Source = Box<dyn BufRead + Send>;

/// The most rows of one product: a few hundred variants and images, and then it is no product.
const MAX_ROWS: usize = 1000;
/// The most bytes of one row.
const MAX_ROW: usize = 1 << 20;
/// The most bytes of all rows of a product.
const MAX_SIZE: usize = 4 << 20;
/// How many bytes of a wrong product are passed over.
const MAX_PASSED: usize = 64 << 20;

/// The rows of one product.
pub(super) struct Group {
    pub(super) rows: Vec<Row>,
    /// How many bytes they have.
    pub(super) size: usize,
}

/// A row that can be read.
pub(super) struct Row {
    /// Where it begins in the file.
    pub(super) line: u64,
    record: StringRecord,
    columns: Arc<Columns>,
}

/// The products of a file, as groups of rows.
pub(super) struct Groups {
    reader: Reader<Patient>,
    budget: Arc<AtomicUsize>,
    columns: Arc<Columns>,
    /// The first row of the next product.
    ahead: Option<ByteRecord>,
    broken: bool,
}

impl Groups {
    /// Reads the names of the columns.
    pub(super) fn read(source: Source) -> Result<Self, ImportError> {
        let budget = Arc::new(AtomicUsize::new(MAX_ROW));
        let source = Patient {
            source,
            budget: Arc::clone(&budget),
        };
        // Lines end with a line feed; a carriage return before it is trimmed with the field. Asked to look for both, the
        // reader would count lines wrongly.
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .terminator(Terminator::Any(b'\n'))
            .from_reader(source);
        let headers = reader.byte_headers().map_err(|error| unreadable(error, 1))?;
        let columns =
            Columns::find(headers).map_err(|name| ImportError::NotProducts(format!("there is no column `{name}`")))?;
        Ok(Self {
            reader,
            budget,
            columns: Arc::new(columns),
            ahead: None,
            broken: false,
        })
    }

    fn next_group(&mut self) -> Result<Option<Group>, Unread> {
        let Some(first) = self.take_ahead()? else {
            return Ok(None);
        };
        let line = line_of(&first);
        let handle = self.handle(&first).to_vec();
        if handle.is_empty() {
            return Err(WrongRow::new(line, &pointer(Column::Handle), "required", "must not be empty").into());
        }
        let mut group = Group {
            rows: Vec::new(),
            size: 0,
        };
        let (mut wrong, mut passed) = (None, 0);
        let mut next = Some(first);
        while let Some(record) = next {
            if self.handle(&record) != handle {
                self.ahead = Some(record);
                break;
            }
            // All rows of a wrong product are passed over: what is left of it would be another one. Not without end, as
            // whoever reads has to say now and then that he lives.
            match wrong {
                None => wrong = group.add(record, &self.columns).err(),
                Some(_) => passed += size_of_row(&record),
            }
            if passed > MAX_PASSED {
                return Err(Unread::File(ImportError::EndlessProduct(line)));
            }
            next = self.next_record()?;
        }
        match wrong {
            Some(wrong) => Err(wrong.into()),
            None => Ok(Some(group)),
        }
    }

    fn take_ahead(&mut self) -> Result<Option<ByteRecord>, Unread> {
        match self.ahead.take() {
            Some(first) => Ok(Some(first)),
            None => self.next_record(),
        }
    }

    /// The next row with something in it. Spreadsheets leave others behind, of commas alone.
    fn next_record(&mut self) -> Result<Option<ByteRecord>, Unread> {
        let mut blank = 0;
        while blank <= MAX_BLANK {
            self.budget.store(MAX_ROW, Ordering::Relaxed);
            let line = self.reader.position().line();
            let mut record = ByteRecord::new();
            match self.reader.read_byte_record(&mut record) {
                Ok(true) if record.iter().all(|cell| cell.trim_ascii().is_empty()) => {
                    blank += size_of_row(&record) as u64
                }
                Ok(true) => return Ok(Some(record)),
                Ok(false) => return Ok(None),
                Err(error) => return Err(Unread::File(unreadable(error, line))),
            }
        }
        Err(Unread::File(ImportError::Blank(self.reader.position().line())))
    }

    fn handle<'a>(&self, record: &'a ByteRecord) -> &'a [u8] {
        let cell = self
            .columns
            .position(Column::Handle)
            .and_then(|index| record.get(index));
        cell.unwrap_or_default().trim_ascii()
    }
}

impl Iterator for Groups {
    type Item = Result<Group, Unread>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        let group = self.next_group();
        self.broken = matches!(group, Err(Unread::File(_)));
        group.transpose()
    }
}

impl Group {
    /// The row with what is the product's own.
    pub(super) fn first(&self) -> Result<&Row, WrongRow> {
        self.rows
            .first()
            .ok_or_else(|| WrongRow::new(0, "", "required", "there is no row"))
    }

    fn add(&mut self, record: ByteRecord, columns: &Arc<Columns>) -> Result<(), WrongRow> {
        let line = line_of(&record);
        self.size += record.as_slice().len();
        if self.rows.len() == MAX_ROWS || self.size > MAX_SIZE {
            let detail = format!("a product may have at most {MAX_ROWS} rows and {MAX_SIZE} bytes");
            return Err(WrongRow::new(line, "", "too_many_rows", detail));
        }
        let record = StringRecord::from_byte_record(record)
            .map_err(|_| WrongRow::new(line, "", "invalid_encoding", "not UTF-8"))?;
        self.rows.push(Row {
            line,
            record,
            columns: Arc::clone(columns),
        });
        Ok(())
    }
}

impl Row {
    /// The text of a column; `None` where it is empty or missing.
    pub(super) fn get(&self, column: Column) -> Option<&str> {
        self.cell(column).map(cell::text_of)
    }

    /// The SKU or barcode of a column.
    pub(super) fn get_code(&self, column: Column) -> Option<&str> {
        self.cell(column).map(cell::code_of)
    }

    /// The value of a column.
    pub(super) fn parsed<'a, T, E: Display>(
        &'a self,
        column: Column,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<Option<T>, WrongRow> {
        let parsed = self.get(column).map(parse).transpose();
        parsed.map_err(|error| self.refuse(column, error))
    }

    /// The row is wrong in this column; the message begins with its code.
    pub(super) fn refuse(&self, column: Column, message: impl Display) -> WrongRow {
        WrongRow::from_message(self.line, &pointer(column), message)
    }

    fn cell(&self, column: Column) -> Option<&str> {
        let cell = self.record.get(self.columns.position(column)?)?.trim();
        (!cell.is_empty()).then_some(cell)
    }
}

/// A JSON pointer into the row as an object by its columns.
fn pointer(column: Column) -> String {
    format!("/{}", column.name())
}

/// How many bytes of the file a row takes, more or less.
fn size_of_row(record: &ByteRecord) -> usize {
    record.as_slice().len() + record.len()
}

fn line_of(record: &ByteRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn unreadable(error: csv::Error, line: u64) -> ImportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::QuotaExceeded => ImportError::EndlessRow(line),
        csv::ErrorKind::Io(error) => error.into(),
        other => ImportError::NotProducts(format!("{other:?}")),
    }
}

/// A file that is read no further than a row can be long: where a quote is not closed, the row would be the whole file.
struct Patient {
    source: Source,
    budget: Arc<AtomicUsize>,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.load(Ordering::Relaxed);
        let wanted = buffer.len().min(left);
        if wanted == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let count = self.source.read(&mut buffer[..wanted])?;
        self.budget.store(left - count, Ordering::Relaxed);
        Ok(count)
    }
}
