//! A page of a list: the first products after a position, in the list's order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;

use chrono::{Datelike, NaiveDate};
use roaring::RoaringBitmap;
use tantivy::columnar::{Column, StrColumn};
use tantivy::schema::Field;
use tantivy::{DocId, SegmentReader};
use uuid::Uuid;

use super::document::{Fields, column};
use super::orders::Orders;
use super::places::Places;
use super::words::Words;
use crate::domain::filter::{Position, Sort};

/// What was found: how many there are in all, and the first ones after a position, each with its own.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) total: i64,
    pub(crate) hits: Vec<(Uuid, Position)>,
}

/// What a list can be sorted by besides rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    /// By nothing else than the id, which decides between equal ones in all orders.
    Id,
    Released,
    /// With what stands for a price where there is none.
    Price(Field, i64),
    Title(Field),
}

/// Which page is wanted.
pub(super) struct Page {
    pub(super) sort: Sort,
    pub(super) fields: Fields,
    pub(super) after: Option<Position>,
    pub(super) wanted: usize,
}

/// What a product is sorted by within a segment, lower ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    value: u64,
    id: u128,
}

/// The ids of the products of a segment.
pub(super) struct Ids {
    high: Column<u64>,
    low: Column<u64>,
}

/// The keys of the products of a segment.
pub(super) struct Keys {
    values: Values,
    ids: Ids,
}

enum Values {
    None,
    Days(Column<i64>),
    Prices(Column<i64>, i64),
    Titles(Option<StrColumn>),
}

impl Page {
    /// The products of a segment on the page, as far as they may be: other segments have some, too.
    pub(super) fn of_segment(
        &self,
        segment: &SegmentReader,
        set: &RoaringBitmap,
        words: &Words,
        places: &Places,
        orders: &Orders,
    ) -> tantivy::Result<Vec<(Uuid, Position)>> {
        let Some(value) = self.value() else {
            return self.by_rank(segment, set, words, places);
        };
        let keys = Keys::of(segment, value)?;
        let after = self
            .after
            .as_ref()
            .map(|position| keys.of_position(position))
            .transpose()?;
        let key = |doc: &DocId| keys.get(*doc);
        let chosen = match self.are_many(set.len(), segment.max_doc()) {
            true => {
                let order = orders.of(segment, value)?;
                let among = self.places_after(order.docs(), key, after);
                let docs = order.first(set, among, is_descending(self.sort), self.wanted);
                docs.iter().map(key).collect()
            }
            false => self.first(set.iter(), |doc| keys.value(*doc), key, after),
        };
        chosen.into_iter().map(|key| keys.hit(key)).collect()
    }

    fn by_rank(
        &self,
        segment: &SegmentReader,
        set: &RoaringBitmap,
        words: &Words,
        places: &Places,
    ) -> tantivy::Result<Vec<(Uuid, Position)>> {
        let ids = Ids::of(segment)?;
        let key = |(doc, rank): &(DocId, u32)| {
            let id = ids.get(*doc);
            Key::new(places.rank(id, u64::from(*rank)), id)
        };
        let belongs = |(doc, _): &(DocId, u32)| set.contains(*doc);
        let after = match &self.after {
            Some(Position::Rank(rank, id)) => Some(Key::new(*rank, *id)),
            _ => None,
        };
        let chosen = match places.is_empty() {
            true => {
                let before = &words.by_rank[self.places_after(&words.by_rank, key, after)];
                let met = before.iter().rev().filter(|entry| belongs(entry)).take(self.wanted);
                met.map(key).collect()
            }
            false => {
                // What staff have put somewhere is elsewhere than where its words have it, or has none.
                let wordless = (set - &words.set).into_iter().map(|doc| (doc, 0));
                let all = words.by_rank.iter().copied().filter(belongs).chain(wordless);
                self.first(all, |entry| key(entry).value, key, after)
            }
        };
        let hit = |found: Key| (found.id(), Position::Rank(found.value, found.id()));
        Ok(chosen.into_iter().map(hit).collect())
    }

    /// What is sorted by; `None` by rank. What has no price in a currency comes last, whatever the direction.
    fn value(&self) -> Option<Value> {
        match self.sort {
            Sort::Relevance => None,
            Sort::Newest => Some(Value::Released),
            Sort::PriceAscending => Some(Value::Price(self.fields.price_min, i64::MAX)),
            Sort::PriceDescending => Some(Value::Price(self.fields.price_min, i64::MIN)),
            Sort::TitleAscending | Sort::TitleDescending => Some(Value::Title(self.fields.title_order)),
        }
    }

    /// All that was found in several segments together.
    pub(super) fn merge(&self, mut hits: Vec<(Uuid, Position)>) -> Vec<(Uuid, Position)> {
        hits.sort_by(|(_, one), (_, other)| compare(self.sort, one, other));
        hits.truncate(self.wanted);
        hits
    }

    /// Whether so many match that a page is met sooner along an order of `all` than by looking at what they are sorted by.
    fn are_many(&self, matching: u64, all: DocId) -> bool {
        let passed_by = (self.wanted as u64).saturating_mul(all.into());
        matching.saturating_mul(matching) > passed_by
    }

    /// The places of an order, by ascending keys, that the list goes on with.
    fn places_after<T>(&self, order: &[T], key: impl Fn(&T) -> Key, after: Option<Key>) -> Range<usize> {
        match (after, is_descending(self.sort)) {
            (None, _) => 0..order.len(),
            (Some(after), true) => 0..order.partition_point(|entry| key(entry) < after),
            (Some(after), false) => order.partition_point(|entry| key(entry) <= after)..order.len(),
        }
    }

    /// The first of `entries`. Most are passed by for their values, without a look at their ids.
    fn first<T>(
        &self,
        entries: impl Iterator<Item = T>,
        value: impl Fn(&T) -> u64,
        key: impl Fn(&T) -> Key,
        after: Option<Key>,
    ) -> Vec<Key> {
        let is_descending = is_descending(self.sort);
        let turned = |key: Key| if is_descending { key.turned() } else { key };
        let after = after.map(turned);
        // The last of those kept is on top.
        let mut kept: BinaryHeap<Key> = BinaryHeap::with_capacity(self.wanted + 1);
        for entry in entries {
            let value = if is_descending { !value(&entry) } else { value(&entry) };
            let is_full = kept.len() == self.wanted;
            let is_later = is_full && kept.peek().is_none_or(|last| value > last.value);
            if is_later || after.is_some_and(|after| value < after.value) {
                continue;
            }
            let key = turned(key(&entry));
            if after.is_some_and(|after| key <= after) {
                continue;
            }
            if !is_full {
                kept.push(key);
            } else if let Some(mut last) = kept.peek_mut()
                && key < *last
            {
                *last = key;
            }
        }
        kept.into_iter().map(turned).collect()
    }
}

impl Key {
    fn new(value: u64, id: Uuid) -> Self {
        Self {
            value,
            id: id.as_u128(),
        }
    }

    fn id(self) -> Uuid {
        Uuid::from_u128(self.id)
    }

    /// Of two keys the one that was lower is the higher then.
    fn turned(self) -> Self {
        Self {
            value: !self.value,
            id: !self.id,
        }
    }
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

impl Keys {
    pub(super) fn of(segment: &SegmentReader, value: Value) -> tantivy::Result<Self> {
        let columns = segment.fast_fields();
        let name = |field: Field| segment.schema().get_field_name(field);
        Ok(Self {
            values: match value {
                Value::Id => Values::None,
                Value::Released => Values::Days(columns.i64(column::RELEASED)?),
                Value::Price(field, none) => Values::Prices(columns.i64(name(field))?, none),
                Value::Title(field) => Values::Titles(columns.str(name(field))?),
            },
            ids: Ids::of(segment)?,
        })
    }

    pub(super) fn get(&self, doc: DocId) -> Key {
        Key::new(self.value(doc), self.ids.get(doc))
    }

    fn value(&self, doc: DocId) -> u64 {
        match &self.values {
            Values::None => 0,
            Values::Days(column) => number(column.first(doc).unwrap_or(0)),
            Values::Prices(column, none) => number(column.first(doc).unwrap_or(*none)),
            Values::Titles(column) => {
                let title = column.as_ref().and_then(|column| column.term_ords(doc).next());
                // Even numbers, so that there is room for a title in between that no product has.
                title.map_or(0, |title| 2 * title + 2)
            }
        }
    }

    /// The key of a position that may belong to a product of another segment, or to one that is gone.
    fn of_position(&self, position: &Position) -> tantivy::Result<Key> {
        Ok(match position {
            Position::Rank(rank, id) => Key::new(*rank, *id),
            Position::Released(date, id) => Key::new(number(i64::from(date.num_days_from_ce())), *id),
            Position::Price(price, id) => Key::new(number(*price), *id),
            Position::Title(title, id) => Key::new(title_value(&self.values, title)?, *id),
        })
    }

    fn hit(&self, key: Key) -> tantivy::Result<(Uuid, Position)> {
        let id = key.id();
        let position = match &self.values {
            Values::None => Position::Rank(key.value, id),
            Values::Days(_) => {
                let days = i32::try_from(amount(key.value)).unwrap_or(0);
                Position::Released(NaiveDate::from_num_days_from_ce_opt(days).unwrap_or_default(), id)
            }
            Values::Prices(..) => Position::Price(amount(key.value), id),
            Values::Titles(column) => {
                let mut title = String::new();
                if let (Some(column), Some(place)) = (column, (key.value / 2).checked_sub(1)) {
                    column.ord_to_str(place, &mut title)?;
                }
                Position::Title(title, id)
            }
        };
        Ok((id, position))
    }
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
    use tantivy::schema::Schema;

    use super::super::orders::Order;
    use super::*;

    proptest! {
        #[test]
        fn an_order_leads_to_the_same_page_as_looking_at_all(
            values in prop::collection::vec(0..20_u64, 1..200), chosen in any::<[u64; 4]>(), wanted in 1..10_usize,
            after in prop::option::of((0..20_u64, 0..200_u128)),
        ) {
            let ids = values.iter().zip(1_u128..);
            let keys: Vec<Key> = ids.map(|(value, id)| Key::new(*value, Uuid::from_u128(id * 7 % 211))).collect();
            let key = |doc: &DocId| keys[*doc as usize];
            let all: Vec<DocId> = (0..).take(keys.len()).collect();
            let is_chosen = |doc: &DocId| chosen[*doc as usize / 64] >> (doc % 64) & 1 == 1;
            let set: RoaringBitmap = all.iter().copied().filter(is_chosen).collect();
            let mut docs = all.clone();
            docs.sort_by_key(key);
            let order = Order::new(docs);
            let after = after.map(|(value, id)| Key::new(value, Uuid::from_u128(id)));
            let fields = Fields::add_to(&mut Schema::builder());
            for sort in [Sort::PriceAscending, Sort::PriceDescending] {
                let page = Page { sort, fields, after: None, wanted };
                let mut looked_at = page.first(set.iter(), |doc| key(doc).value, key, after);
                looked_at.sort_unstable();
                let among = page.places_after(order.docs(), key, after);
                let found = order.first(&set, among, is_descending(sort), wanted);
                let mut found: Vec<Key> = found.iter().map(key).collect();
                found.sort_unstable();
                prop_assert_eq!(found, looked_at);
            }
        }

        #[test]
        fn keys_are_in_the_order_of_positions(one in any::<i64>(), other in any::<i64>(), first in any::<u128>(), second in any::<u128>()) {
            let (first, second) = (Uuid::from_u128(first), Uuid::from_u128(second));
            for sort in [Sort::PriceAscending, Sort::PriceDescending] {
                let turned = |key: Key| if is_descending(sort) { key.turned() } else { key };
                let (key, next) = (Key::new(number(one), first), Key::new(number(other), second));
                let keys = turned(key).cmp(&turned(next));
                let positions = compare(sort, &Position::Price(one, first), &Position::Price(other, second));
                prop_assert_eq!(keys, positions);
            }
            prop_assert_eq!(amount(number(one)), one);
        }
    }
}
