//! A page of a list, collected in one pass over what matches.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use chrono::{Datelike, NaiveDate};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::schema::Field;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};
use uuid::Uuid;

use super::document::{Fields, column};
use crate::domain::filter::{Position, Sort};

/// How finely ranks are told apart; what differs by less is a tie, as sums of fractions depend on their order.
const RANKS: f32 = 1_000.0;

/// What was found: how many there are in all, and the first ones after a position, each with its own.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) total: i64,
    pub(crate) hits: Vec<(Uuid, Position)>,
}

/// Collects a page.
pub(super) struct PageCollector {
    pub(super) sort: Sort,
    pub(super) fields: Fields,
    pub(super) after: Option<Position>,
    pub(super) wanted: usize,
}

/// What a product is sorted by within a segment, made so that what comes first is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    value: u64,
    id: u128,
}

/// The ids of the products of a segment.
pub(super) struct Ids {
    high: Column<u64>,
    low: Column<u64>,
}

impl Ids {
    pub(super) fn of(segment: &SegmentReader) -> tantivy::Result<Self> {
        let columns = segment.fast_fields();
        Ok(Self {
            high: columns.u64(column::ID_HIGH)?,
            low: columns.u64(column::ID_LOW)?,
        })
    }

    pub(super) fn get(&self, doc: DocId) -> Uuid {
        let part = |column: &Column<u64>| column.first(doc).unwrap_or(0);
        Uuid::from_u64_pair(part(&self.high), part(&self.low))
    }
}

/// Where a segment's values come from.
enum Values {
    Scores,
    Numbers(Column<i64>),
    Titles(Option<StrColumn>),
}

/// Collects from one segment.
pub(super) struct SegmentPage {
    sort: Sort,
    values: Values,
    ids: Ids,
    after: Option<Key>,
    wanted: usize,
    total: i64,
    /// The last of those kept is on top.
    kept: BinaryHeap<Key>,
}

impl Collector for PageCollector {
    type Fruit = Found;
    type Child = SegmentPage;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentPage> {
        let columns = segment.fast_fields();
        let name = |field: Field| segment.schema().get_field_name(field);
        let values = match self.sort {
            Sort::Relevance => Values::Scores,
            Sort::Newest => Values::Numbers(columns.i64(column::RELEASED)?),
            Sort::PriceAscending | Sort::PriceDescending => Values::Numbers(columns.i64(name(self.fields.price_min))?),
            Sort::TitleAscending | Sort::TitleDescending => Values::Titles(columns.str(name(self.fields.title_order))?),
        };
        let after = match &self.after {
            None => None,
            Some(position) => Some(after_key(self.sort, &values, position)?),
        };
        Ok(SegmentPage {
            sort: self.sort,
            values,
            ids: Ids::of(segment)?,
            after,
            wanted: self.wanted,
            total: 0,
            kept: BinaryHeap::with_capacity(self.wanted + 1),
        })
    }

    fn requires_scoring(&self) -> bool {
        self.sort == Sort::Relevance
    }

    fn merge_fruits(&self, found: Vec<tantivy::Result<Found>>) -> tantivy::Result<Found> {
        let mut all = Found::default();
        for found in found {
            let found = found?;
            all.total += found.total;
            all.hits.extend(found.hits);
        }
        all.hits.sort_by(|(_, one), (_, other)| compare(self.sort, one, other));
        all.hits.truncate(self.wanted);
        Ok(all)
    }
}

impl SegmentCollector for SegmentPage {
    type Fruit = tantivy::Result<Found>;

    fn collect(&mut self, doc: DocId, score: Score) {
        let id = self.ids.get(doc);
        self.total += 1;
        let key = self.key(doc, score, id);
        if self.after.is_some_and(|after| key <= after) {
            return;
        }
        if self.kept.len() < self.wanted {
            self.kept.push(key);
        } else if let Some(mut last) = self.kept.peek_mut()
            && key < *last
        {
            *last = key;
        }
    }

    fn harvest(self) -> tantivy::Result<Found> {
        let hits = self.kept.iter().map(|key| self.hit(*key));
        Ok(Found {
            hits: hits.collect::<tantivy::Result<_>>()?,
            total: self.total,
        })
    }
}

impl SegmentPage {
    fn key(&self, doc: DocId, score: Score, id: Uuid) -> Key {
        let value = match &self.values {
            Values::Scores => rank(score),
            Values::Numbers(column) => number(column.first(doc).unwrap_or(absent(self.sort))),
            Values::Titles(column) => {
                let title = column.as_ref().and_then(|column| column.term_ords(doc).next());
                // Even numbers, so that there is room for a title in between that no product has.
                title.map_or(0, |title| 2 * title + 2)
            }
        };
        directed(self.sort, value, id)
    }

    fn hit(&self, key: Key) -> tantivy::Result<(Uuid, Position)> {
        let Key { value, id } = match is_descending(self.sort) {
            true => Key {
                value: !key.value,
                id: !key.id,
            },
            false => key,
        };
        let id = Uuid::from_u128(id);
        let position = match (&self.values, self.sort) {
            (Values::Scores, _) => Position::Rank(value, id),
            (Values::Numbers(_), Sort::Newest) => {
                let days = i32::try_from(amount(value)).unwrap_or(0);
                Position::Released(NaiveDate::from_num_days_from_ce_opt(days).unwrap_or_default(), id)
            }
            (Values::Numbers(_), _) => Position::Price(amount(value), id),
            (Values::Titles(column), _) => {
                let mut title = String::new();
                if let (Some(column), Some(place)) = (column, (value / 2).checked_sub(1)) {
                    column.ord_to_str(place, &mut title)?;
                }
                Position::Title(title, id)
            }
        };
        Ok((id, position))
    }
}

/// The key of a position that may belong to a product of another segment, or to one that is gone.
fn after_key(sort: Sort, values: &Values, position: &Position) -> tantivy::Result<Key> {
    let (value, id) = match position {
        Position::Rank(rank, id) => (*rank, *id),
        Position::Released(date, id) => (number(i64::from(date.num_days_from_ce())), *id),
        Position::Price(price, id) => (number(*price), *id),
        Position::Title(title, id) => (title_value(values, title)?, *id),
    };
    Ok(directed(sort, value, id))
}

fn title_value(values: &Values, title: &str) -> tantivy::Result<u64> {
    let Values::Titles(Some(column)) = values else {
        return Ok(0);
    };
    let titles = column.dictionary();
    if let Some(place) = titles.term_ord(title)? {
        return Ok(2 * place + 2);
    }
    // How many are less.
    let (mut low, mut high) = (0, titles.num_terms() as u64);
    let mut text = String::new();
    while low < high {
        let middle = low + (high - low) / 2;
        text.clear();
        column.ord_to_str(middle, &mut text)?;
        match text.as_str() < title {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    Ok(2 * low + 1)
}

fn is_descending(sort: Sort) -> bool {
    matches!(
        sort,
        Sort::Relevance | Sort::Newest | Sort::PriceDescending | Sort::TitleDescending
    )
}

/// What stands for a price where there is none: such products come last, whatever the direction.
fn absent(sort: Sort) -> i64 {
    match is_descending(sort) {
        true => i64::MIN,
        false => i64::MAX,
    }
}

fn directed(sort: Sort, value: u64, id: Uuid) -> Key {
    let id = id.as_u128();
    match is_descending(sort) {
        true => Key { value: !value, id: !id },
        false => Key { value, id },
    }
}

/// The order of two positions in a list.
fn compare(sort: Sort, one: &Position, other: &Position) -> Ordering {
    let ordering = match (one, other) {
        (Position::Rank(one, first), Position::Rank(other, second)) => (one, first).cmp(&(other, second)),
        (Position::Released(one, first), Position::Released(other, second)) => (one, first).cmp(&(other, second)),
        (Position::Price(one, first), Position::Price(other, second)) => (one, first).cmp(&(other, second)),
        (Position::Title(one, first), Position::Title(other, second)) => (one, first).cmp(&(other, second)),
        // All positions of one list are of one kind.
        _ => Ordering::Equal,
    };
    match is_descending(sort) {
        true => ordering.reverse(),
        false => ordering,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are small and never negative"
)]
fn rank(score: Score) -> u64 {
    (score.max(0.0) * RANKS).round() as u64
}

/// Numbers in their order, as they are kept in keys; [`amount`] is the way back.
fn number(amount: i64) -> u64 {
    amount.cast_unsigned() ^ (1 << 63)
}

fn amount(number: u64) -> i64 {
    (number ^ (1 << 63)).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_are_in_the_order_of_positions(one in any::<i64>(), other in any::<i64>(), first in any::<u128>(), second in any::<u128>()) {
            let (first, second) = (Uuid::from_u128(first), Uuid::from_u128(second));
            for sort in [Sort::PriceAscending, Sort::PriceDescending] {
                let keys = directed(sort, number(one), first).cmp(&directed(sort, number(other), second));
                let positions = compare(sort, &Position::Price(one, first), &Position::Price(other, second));
                prop_assert_eq!(keys, positions);
            }
            prop_assert_eq!(amount(number(one)), one);
        }
    }
}
