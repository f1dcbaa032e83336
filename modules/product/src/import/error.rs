//! How an import ends early.

use std::io;

use kernel::Fault;

use super::WrongRow;

/// Why an import ends early. What was imported until then stays.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read to its end.
    #[error("the file cannot be read: {0}")]
    Unreadable(io::Error),
    /// The file is no product file at all.
    #[error("not a product file: {0}")]
    NotProducts(String),
    /// The file is not written in UTF-8.
    #[error("the file is written in {0}; save it as UTF-8")]
    Encoding(&'static str),
    /// A row does not end: most likely a quote is not closed.
    #[error("the row that begins on line {0} has more than 1 MiB: is a quote not closed?")]
    EndlessRow(u64),
    /// A line does not end.
    #[error("line {0} has more than 64 MiB: is there one product a line?")]
    EndlessLine(u64),
    /// A product of many rows does not end.
    #[error("the rows of the product that begins on line {0} have more than 64 MiB")]
    EndlessProduct(u64),
    /// There is nothing in the file for a long while.
    #[error("before line {0} there is more than 1 MiB of blank lines")]
    Blank(u64),
    /// The file names more products than can be compared with each other.
    #[error("a file may have at most {0} ids, handles and SKUs; cut it into several")]
    TooLarge(usize),
    /// There are more rows with bundles than can wait for the others.
    #[error("the rows with bundles up to line {0} have more than 64 MiB; cut the file into several")]
    ManyBundles(u64),
    /// Whoever begins it does not get on with it.
    #[error("the import was begun {0} times and got nowhere; what was imported until then stays")]
    Stuck(i32),
    /// Somebody has cancelled the import, or another process goes on with it.
    #[error("the import has been taken away")]
    Interrupted,
    /// The database failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl ImportError {
    /// Stable and machine-readable.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(error) if error.kind() == io::ErrorKind::FileTooLarge => "file_too_large",
            Self::Unreadable(_) => "unreadable_file",
            Self::NotProducts(_) => "not_a_product_file",
            Self::Encoding(_) => "unsupported_encoding",
            Self::EndlessRow(_) | Self::EndlessLine(_) => "row_too_long",
            Self::EndlessProduct(_) | Self::TooLarge(_) | Self::ManyBundles(_) => "too_many_rows",
            Self::Blank(_) => "blank_lines",
            Self::Stuck(_) => "stuck",
            Self::Interrupted => "interrupted",
            Self::Fault(_) => "internal",
        }
    }

    /// What staff are told: technical details are for the log.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Fault(_) => "something went wrong on our side; what was imported until then stays".to_owned(),
            other => other.to_string(),
        }
    }
}

/// A file may come out of the database, whose failures are not the file's.
impl From<io::Error> for ImportError {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Fault>()) {
            Some(fault) => Self::Fault(fault.clone()),
            None => Self::Unreadable(error),
        }
    }
}

/// Why there is no next row.
#[derive(Debug)]
pub(crate) enum Unread {
    /// This row is wrong; there may be others.
    Row(WrongRow),
    /// Nothing more can be read.
    File(ImportError),
}

impl From<WrongRow> for Unread {
    fn from(row: WrongRow) -> Self {
        Self::Row(row)
    }
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::File(error.into())
    }
}
