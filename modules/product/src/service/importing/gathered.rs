//! The rows of a file that are seen to in one transaction.

use std::time::{Duration, Instant};

use super::names::Names;
use crate::import::{ImportError, ImportedProduct, Products, Unread, WrongRow};

/// How many products are written at a time, and how many bytes of a file at most.
const BATCH: usize = 250;
const BATCH_BYTES: usize = 8 << 20;
/// How many wrong rows are noted at a time.
const WRONG: usize = 1000;
/// How long rows are read before those that there are are seen to: well within the lease, which is renewed then. Wrong rows
/// may be long, and take long to be read.
const LONGEST_READING: Duration = Duration::from_secs(2);

/// Rows that are seen to at a time.
#[derive(Default)]
pub(super) struct Gathered {
    /// Each with its number in the file.
    pub(super) products: Vec<(u64, ImportedProduct)>,
    pub(super) wrong: Vec<(u64, WrongRow)>,
    /// The number of the last of all.
    pub(super) last: u64,
}

impl Gathered {
    /// The rows after number `last`, and whether there are more.
    pub(super) fn next(products: &mut Products, names: &mut Names, last: u64) -> (Self, Result<bool, ImportError>) {
        Self::within(LONGEST_READING, products, names, last)
    }

    /// The same; after `patience` no further row is begun.
    fn within(
        patience: Duration,
        products: &mut Products,
        names: &mut Names,
        last: u64,
    ) -> (Self, Result<bool, ImportError>) {
        let mut gathered = Self {
            last,
            ..Self::default()
        };
        let started = Instant::now();
        let mut size = 0;
        while gathered.products.len() < BATCH && gathered.wrong.len() < WRONG && size < BATCH_BYTES {
            let row = match products.next() {
                None => return (gathered, Ok(false)),
                Some(Err(Unread::File(error))) => return (gathered, Err(error)),
                Some(Err(Unread::Row(wrong))) => Err(wrong),
                Some(Ok(product)) => match names.admit(&product) {
                    Ok(admitted) => admitted.map(|()| product),
                    Err(error) => return (gathered, Err(error)),
                },
            };
            gathered.last += 1;
            match row {
                Ok(product) => {
                    size += product.size;
                    gathered.products.push((gathered.last, product));
                }
                Err(wrong) => gathered.wrong.push((gathered.last, wrong)),
            }
            if started.elapsed() >= patience {
                break;
            }
        }
        (gathered, Ok(true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong_rows(count: u64) -> Products {
        let row = |line| Err(Unread::Row(WrongRow::new(line, "", "invalid_json", "no")));
        Box::new((1..=count).map(row))
    }

    #[test]
    fn rows_that_take_long_to_read_are_seen_to_before_all_of_them_are_read() {
        let (mut rows, mut names) = (wrong_rows(3), Names::default());
        let (few, more) = Gathered::within(Duration::ZERO, &mut rows, &mut names, 7);
        assert_eq!((few.wrong.len(), few.last, more.unwrap()), (1, 8, true));
        let (rest, more) = Gathered::within(Duration::MAX, &mut rows, &mut names, few.last);
        assert_eq!((rest.wrong.len(), rest.last, more.unwrap()), (2, 10, false));
    }
}
