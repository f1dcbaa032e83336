//! Rows with bundles, which come after all others of a file: what a bundle consists of may stand anywhere in it.

use std::collections::HashMap;
use std::vec;

use crate::domain::bundle::VariantName;
use crate::import::{ImportError, ImportedProduct};

/// The most bytes of all such rows of a file. A bundle takes some hundred.
const MAX_SIZE: usize = 64 << 20;

/// Rows that wait for the end of the file.
#[derive(Default)]
pub(super) struct Postponed {
    rows: Vec<Row>,
    size: usize,
}

/// A row as it stands in the file, where, and how it belongs to others.
struct Row {
    line: u64,
    text: Vec<u8>,
    /// What its variants are known by that bundles may consist of.
    offered: Vec<VariantName>,
    /// What components are known by.
    wanted: Vec<VariantName>,
}

impl Postponed {
    /// Whether a row has to wait.
    pub(super) fn has_to_wait(product: &ImportedProduct) -> bool {
        product.variants.iter().flatten().any(|variant| variant.is_bundle())
    }

    /// Keeps a row, of which the text is, until the end of the file.
    pub(super) fn add(&mut self, product: &ImportedProduct, text: &[u8]) -> Result<(), ImportError> {
        self.size += text.len();
        if self.size > MAX_SIZE {
            return Err(ImportError::ManyBundles(product.line));
        }
        let (bundles, others): (Vec<_>, Vec<_>) = product
            .variants
            .iter()
            .flatten()
            .partition(|variant| variant.is_bundle());
        let components = bundles
            .into_iter()
            .flat_map(|bundle| bundle.components.iter().flatten());
        self.rows.push(Row {
            line: product.line,
            text: text.to_vec(),
            offered: others
                .into_iter()
                .flat_map(|variant| product.names_of(variant))
                .collect(),
            wanted: components.map(|component| component.variant.clone()).collect(),
        });
        Ok(())
    }

    /// The lines and texts of all rows, each after those that it wants something of, but for circles.
    pub(super) fn in_order(self) -> vec::IntoIter<(u64, Vec<u8>)> {
        let order = order(&self.rows);
        let mut rows: Vec<Option<Row>> = self.rows.into_iter().map(Some).collect();
        let ordered = order.into_iter().filter_map(|number| rows[number].take());
        let ordered: Vec<_> = ordered.map(|row| (row.line, row.text)).collect();
        ordered.into_iter()
    }
}

/// The numbers of rows in the order in which they can be seen to.
fn order(rows: &[Row]) -> Vec<usize> {
    let offers = rows
        .iter()
        .enumerate()
        .flat_map(|(number, row)| row.offered.iter().map(move |name| (name, number)));
    let owners: HashMap<&VariantName, usize> = offers.collect();
    let mut order = Vec::with_capacity(rows.len());
    let mut is_begun = vec![false; rows.len()];
    for first in 0..rows.len() {
        // The way from a row to one that it needs in the end: each with how many of its wants have been looked at.
        let mut way = Vec::new();
        if !std::mem::replace(&mut is_begun[first], true) {
            way.push((first, 0));
        }
        while let Some((number, seen)) = way.last_mut() {
            let Some(name) = rows[*number].wanted.get(*seen) else {
                order.push(*number);
                way.pop();
                continue;
            };
            *seen += 1;
            if let Some(owner) = owners.get(name)
                && !std::mem::replace(&mut is_begun[*owner], true)
            {
                way.push((*owner, 0));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A row that offers the SKU of its own number and wants those of others.
    fn row(number: usize, wanted: &[usize]) -> Row {
        let name = |number: &usize| VariantName::Sku(number.to_string());
        Row {
            line: number as u64,
            text: Vec::new(),
            offered: vec![name(&number)],
            wanted: wanted.iter().map(name).collect(),
        }
    }

    #[test]
    fn a_row_comes_after_what_it_wants_and_else_where_it_stood() {
        let rows = [row(0, &[3]), row(1, &[]), row(2, &[9]), row(3, &[1]), row(4, &[4])];
        assert_eq!(order(&rows), [1, 3, 0, 2, 4]);
    }

    #[test]
    fn rows_in_a_long_line_or_a_circle_all_come() {
        let long: Vec<Row> = (0..50_000).map(|number| row(number, &[number + 1])).collect();
        assert!(order(&long).into_iter().eq((0..50_000).rev()));
        let circle = [row(0, &[1]), row(1, &[2]), row(2, &[0])];
        assert_eq!(order(&circle), [2, 1, 0]);
    }

    proptest! {
        #[test]
        fn every_row_comes_once_and_after_those_that_it_wants(
            wants in proptest::collection::vec(proptest::collection::vec(0.0..1.0_f64, 0..4), 1..40),
            places in proptest::collection::vec(any::<u32>(), 40),
        ) {
            // Each wants some of those before it, so that there are no circles; then they are put anywhere.
            let mut rows: Vec<Row> = wants.iter().enumerate().map(|(number, wants)| {
                let wanted: Vec<usize> = wants.iter().filter(|_| number > 0).map(|part| (part * number as f64) as usize).collect();
                row(number, &wanted)
            }).collect();
            rows.sort_by_key(|row| places[row.line as usize]);
            let order = order(&rows);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert!(sorted.into_iter().eq(0..rows.len()));
            let mut come: Vec<&VariantName> = Vec::new();
            for number in order {
                prop_assert!(rows[number].wanted.iter().all(|sku| come.contains(&sku)));
                come.push(&rows[number].offered[0]);
            }
        }
    }
}
