//! How the products of a list spread over brands, categories, prices and attributes.

use std::collections::HashMap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, Score, Searcher, SegmentOrdinal, SegmentReader, TERMINATED};

use super::document::Fields;
use super::limit::Limit;
use crate::domain::facet::buckets;

/// The most values of one facet.
const MAX_VALUES: usize = 100;

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

/// The products of a list, by segment.
pub(super) struct Matches(Vec<BitSet>);

/// Collects [`Matches`].
pub(super) struct MatchCollector;

/// Collects from one segment.
pub(super) struct SegmentMatches {
    number: SegmentOrdinal,
    found: BitSet,
}

impl Collector for MatchCollector {
    type Fruit = Matches;
    type Child = SegmentMatches;

    fn for_segment(&self, number: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentMatches> {
        Ok(SegmentMatches {
            number,
            found: BitSet::with_max_value(segment.max_doc()),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, mut found: Vec<(SegmentOrdinal, BitSet)>) -> tantivy::Result<Matches> {
        found.sort_by_key(|(number, _)| *number);
        Ok(Matches(found.into_iter().map(|(_, found)| found).collect()))
    }
}

impl SegmentCollector for SegmentMatches {
    type Fruit = (SegmentOrdinal, BitSet);

    fn collect(&mut self, doc: DocId, _: Score) {
        self.found.insert(doc);
    }

    fn harvest(self) -> (SegmentOrdinal, BitSet) {
        (self.number, self.found)
    }
}

impl Matches {
    /// The values of `field` that begin with `prefix`, without it; those that most products have, equal ones by name.
    pub(super) fn values(
        &self,
        searcher: &Searcher,
        field: Field,
        prefix: &str,
        limit: Limit,
    ) -> tantivy::Result<Vec<Count>> {
        let mut counts = self.counts(searcher, field, prefix, limit)?;
        counts.sort_unstable_by(|(one, first), (other, second)| second.cmp(first).then_with(|| one.cmp(other)));
        counts.truncate(MAX_VALUES);
        Ok(counts)
    }

    /// As [`Matches::values`], but all of them, in no order.
    pub(super) fn counts(
        &self,
        searcher: &Searcher,
        field: Field,
        prefix: &str,
        limit: Limit,
    ) -> tantivy::Result<Vec<Count>> {
        let mut counts: HashMap<String, i64> = HashMap::new();
        for (segment, found) in searcher.segment_readers().iter().zip(&self.0) {
            if found.len() == 0 {
                continue;
            }
            let index = segment.inverted_index(field)?;
            let mut terms = index.terms().range().ge(prefix).into_stream()?;
            while let Some((term, information)) = terms.next() {
                let Some(rest) = term.strip_prefix(prefix.as_bytes()) else {
                    break;
                };
                limit.check()?;
                let mut count = 0;
                let mut documents = index.read_postings_from_terminfo(information, IndexRecordOption::Basic)?;
                while documents.doc() != TERMINATED {
                    count += i64::from(found.contains(documents.doc()));
                    documents.advance();
                }
                if count > 0
                    && let Ok(text) = str::from_utf8(rest)
                {
                    *counts.entry(text.to_owned()).or_default() += count;
                }
            }
        }
        Ok(counts.into_iter().collect())
    }

    /// How the products spread over prices; `None` where there are none. What has no price in the currency is not counted.
    pub(super) fn prices(&self, searcher: &Searcher, fields: &Fields) -> tantivy::Result<Option<Prices>> {
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for (segment, found) in searcher.segment_readers().iter().zip(&self.0) {
            let name = |field: Field| segment.schema().get_field_name(field);
            let lowest = segment.fast_fields().i64(name(fields.price_min))?;
            let highest = segment.fast_fields().i64(name(fields.price_max))?;
            let documents = (0..segment.max_doc()).filter(|doc| found.contains(*doc));
            let range = |doc: DocId| Some((lowest.first(doc)?, highest.first(doc)?));
            ranges.extend(documents.filter_map(range));
        }
        let min = ranges.iter().map(|(lowest, _)| *lowest).min();
        let max = ranges.iter().map(|(_, highest)| *highest).max();
        let (Some(min), Some(max)) = (min, max) else {
            return Ok(None);
        };
        let bucket = |(first, last): (i64, i64)| {
            let inside = ranges
                .iter()
                .filter(|(lowest, highest)| *lowest <= last && *highest >= first);
            (first, last, i64::try_from(inside.count()).unwrap_or(i64::MAX))
        };
        Ok(Some(Prices {
            min,
            max,
            buckets: buckets(min, max).into_iter().map(bucket).collect(),
        }))
    }
}
