//! How the products of a list spread over brands, categories, prices and attributes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use roaring::RoaringBitmap;
use tantivy::columnar::{StrColumn, TermOrdHit};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, DocSet, SegmentReader, TERMINATED};

use super::document::Fields;
use super::limit::Limit;
use super::matches::Source;
use crate::domain::facet::buckets;

/// The most values of one facet.
const MAX_VALUES: usize = 100;
/// Where more than one of so many products are counted, it is quicker to read which products have a value than which values
/// a product has.
const FEW: u64 = 8;
/// After how many products the clock is looked at.
const STRIDE: usize = 4_096;

/// A value and how many products have it.
pub(crate) type Count = (String, i64);

/// The lowest and the highest price of all products, and how many can be had for the prices of each bucket.
#[derive(Debug, PartialEq)]
pub(crate) struct Prices {
    pub(crate) min: i64,
    pub(crate) max: i64,
    /// First and last price, and how many.
    pub(crate) buckets: Vec<(i64, i64, i64)>,
}

/// The products that are counted, by segment.
pub(super) type Sets<'a> = [Cow<'a, RoaringBitmap>];

/// The values of `field` that begin with `prefix`, without it; those that most products have, equal ones by name.
pub(super) fn values(source: Source<'_>, sets: &Sets<'_>, field: Field, prefix: &str) -> tantivy::Result<Vec<Count>> {
    let mut counts = counts(source, sets, field, prefix)?;
    counts.sort_unstable_by(|(one, first), (other, second)| second.cmp(first).then_with(|| one.cmp(other)));
    counts.truncate(MAX_VALUES);
    Ok(counts)
}

/// As [`values`], but all of them, in no order.
pub(super) fn counts(source: Source<'_>, sets: &Sets<'_>, field: Field, prefix: &str) -> tantivy::Result<Vec<Count>> {
    let mut counts: HashMap<String, i64> = HashMap::new();
    let mut add = |value: &[u8], count: i64| {
        if let Some(rest) = value.strip_prefix(prefix.as_bytes())
            && let Ok(text) = str::from_utf8(rest)
        {
            *counts.entry(text.to_owned()).or_default() += count;
        }
    };
    for (segment, set) in source.searcher.segment_readers().iter().zip(sets) {
        if set.is_empty() {
            continue;
        }
        let few = set.len().saturating_mul(FEW) < u64::from(segment.max_doc());
        match few && segment.schema().get_field_entry(field).is_fast() {
            true => count_by_product(segment, set, field, prefix, source.limit, &mut add)?,
            false => count_by_value(segment, set, field, prefix, source.limit, &mut add)?,
        }
    }
    Ok(counts.into_iter().collect())
}

/// Reads which values each product has.
fn count_by_product(
    segment: &SegmentReader,
    set: &RoaringBitmap,
    field: Field,
    prefix: &str,
    limit: Limit,
    add: &mut impl FnMut(&[u8], i64),
) -> tantivy::Result<()> {
    let Some(column) = segment.fast_fields().str(segment.schema().get_field_name(field))? else {
        return Ok(());
    };
    let dictionary = column.dictionary();
    let Range { start, end } = ordinals(&column, prefix)?;
    let mut counts = vec![0_i64; usize::try_from(end - start).unwrap_or(0)];
    for (number, doc) in set.iter().enumerate() {
        for ordinal in column.term_ords(doc) {
            let place = ordinal.checked_sub(start).and_then(|place| usize::try_from(place).ok());
            if let Some(count) = place.and_then(|place| counts.get_mut(place)) {
                *count += 1;
            }
        }
        if number % STRIDE == 0 {
            limit.check()?;
        }
    }
    let (ordinals, found): (Vec<u64>, Vec<i64>) = (start..end).zip(counts).filter(|(_, count)| *count > 0).unzip();
    let mut found = found.into_iter();
    dictionary.sorted_ords_to_term_cb(&ordinals, |value| add(value, found.next().unwrap_or(0)))?;
    Ok(())
}

/// The places of the values that begin with `prefix`, which is ASCII where it ends.
fn ordinals(column: &StrColumn, prefix: &str) -> tantivy::Result<Range<u64>> {
    let dictionary = column.dictionary();
    let all = dictionary.num_terms() as u64;
    let place = |text: &[u8]| -> tantivy::Result<u64> {
        let (TermOrdHit::Exact(place) | TermOrdHit::Next(place)) = dictionary.term_ord_or_next(text)?;
        Ok(place.min(all))
    };
    let mut beyond = prefix.as_bytes().to_vec();
    let Some(last) = beyond.last_mut() else {
        return Ok(0..all);
    };
    *last += 1;
    Ok(place(prefix.as_bytes())?..place(&beyond)?)
}

/// Reads which products have each value.
fn count_by_value(
    segment: &SegmentReader,
    set: &RoaringBitmap,
    field: Field,
    prefix: &str,
    limit: Limit,
    add: &mut impl FnMut(&[u8], i64),
) -> tantivy::Result<()> {
    let index = segment.inverted_index(field)?;
    let mut terms = index.terms().range().ge(prefix).into_stream()?;
    while let Some((term, information)) = terms.next() {
        if !term.starts_with(prefix.as_bytes()) {
            break;
        }
        limit.check()?;
        let mut count = 0;
        let mut documents = index.read_postings_from_terminfo(information, IndexRecordOption::Basic)?;
        while documents.doc() != TERMINATED {
            count += i64::from(set.contains(documents.doc()));
            documents.advance();
        }
        if count > 0 {
            add(term, count);
        }
    }
    Ok(())
}

/// How the products spread over prices; `None` where there are none.
pub(super) fn prices(source: Source<'_>, sets: &Sets<'_>, fields: &Fields) -> tantivy::Result<Option<Prices>> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for (segment, set) in source.searcher.segment_readers().iter().zip(sets) {
        let column = |field: Field| segment.fast_fields().i64(segment.schema().get_field_name(field));
        let (lowest, highest) = (column(fields.price_min)?, column(fields.price_max)?);
        // What is not sold in the currency has no price.
        let range = |doc: DocId| lowest.first(doc).zip(highest.first(doc));
        ranges.extend(set.iter().filter_map(range));
        source.limit.check()?;
    }
    let min = ranges.iter().map(|(lowest, _)| *lowest).min();
    let max = ranges.iter().map(|(_, highest)| *highest).max();
    let (Some(min), Some(max)) = (min, max) else {
        return Ok(None);
    };
    let pieces = buckets(min, max);
    // How many more there are in each piece than in the one before.
    let mut changes = vec![0_i64; pieces.len() + 1];
    for (lowest, highest) in ranges {
        changes[pieces.partition_point(|(_, last)| *last < lowest)] += 1;
        changes[pieces.partition_point(|(first, _)| *first <= highest)] -= 1;
    }
    let mut inside = 0;
    let bucket = |((first, last), change): ((i64, i64), i64)| {
        inside += change;
        (first, last, inside)
    };
    Ok(Some(Prices {
        min,
        max,
        buckets: pieces.into_iter().zip(changes).map(bucket).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tantivy::schema::{STRING, Schema};
    use tantivy::{Index, TantivyDocument};

    use super::*;

    #[test]
    fn both_ways_of_counting_count_the_same() {
        const PRODUCTS: usize = 300;
        let mut schema = Schema::builder();
        let field = schema.add_text_field("attribute", STRING | tantivy::schema::FAST);
        let index = Index::create_in_ram(schema.build());
        let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
        for number in 0..PRODUCTS {
            let mut document = TantivyDocument::default();
            for value in 0..number % 4 {
                document.add_text(field, format!("colour\0{}", (number + value) % 7));
            }
            document.add_text(field, format!("colours\0{number}"));
            document.add_text(field, format!("size\0{}", number % 5));
            writer.add_document(document).unwrap();
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        let segment = searcher.segment_reader(0);
        for step in [1, 2, 7, 1_000] {
            let set: RoaringBitmap = (1..300).step_by(step).collect();
            for prefix in ["", "colour\0", "size\0", "weight\0", "z"] {
                let mut counted = [BTreeMap::new(), BTreeMap::new()];
                let [first, second] = &mut counted;
                let limit = Limit::from_now();
                let mut add = |value: &[u8], count| *first.entry(value.to_vec()).or_insert(0) += count;
                count_by_product(segment, &set, field, prefix, limit, &mut add).unwrap();
                let mut add = |value: &[u8], count| *second.entry(value.to_vec()).or_insert(0) += count;
                count_by_value(segment, &set, field, prefix, limit, &mut add).unwrap();
                assert_eq!(counted[0], counted[1], "{prefix} of every {step}");
                assert_eq!(counted[0].is_empty(), matches!(prefix, "weight\0" | "z"));
            }
        }
    }
}
