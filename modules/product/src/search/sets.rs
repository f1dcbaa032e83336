//! Which products of a segment satisfy a condition. Segments never change, so what was found once is kept as long as it is
//! asked for; what several conditions leave is then told without looking at products.

use std::ops::Bound;
use std::sync::Arc;

use roaring::RoaringBitmap;
use tantivy::index::SegmentId;
use tantivy::query::{BooleanQuery, EnableScoring, Query, RangeQuery, TermQuery, TermSetQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Opstamp, Searcher, SegmentReader, Term};

use super::kept::Kept;
use super::limit::Limit;

/// How many bytes of sets are kept. One of a million products has 125,000 at most.
const KEPT: u64 = 32 << 20;
/// What a set costs besides its products, in bytes.
const OVERHEAD: usize = 256;

/// What a product must satisfy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Condition {
    /// The field has one of these texts.
    OneOf(Field, Vec<String>),
    /// The field has a text in an order between these, which are among them.
    Between(Field, String, String),
    AtLeast(Field, i64),
    AtMost(Field, i64),
    AnyOf(Vec<Condition>),
}

/// The sets that are kept.
pub(super) struct Sets(Kept<(SegmentId, Key), RoaringBitmap>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Satisfying(Condition),
    /// Deleted up to then.
    Gone(Option<Opstamp>),
}

impl Default for Sets {
    fn default() -> Self {
        Self(Kept::new(KEPT, |(_, key), set| {
            key.size() + set.serialized_size() + OVERHEAD
        }))
    }
}

impl Sets {
    /// The products of a segment that satisfy all `conditions`, and are among `others` where these are given.
    pub(super) fn satisfying<'a>(
        &self,
        searcher: &Searcher,
        segment: &SegmentReader,
        conditions: impl IntoIterator<Item = &'a Condition>,
        others: Option<&RoaringBitmap>,
        limit: Limit,
    ) -> tantivy::Result<RoaringBitmap> {
        let mut sets = Vec::new();
        for condition in conditions {
            let key = Key::Satisfying(condition.clone());
            sets.push(self.get(segment, key, || found(&*condition.query(), searcher, segment, limit))?);
        }
        // The smallest first, so that little is left to compare.
        sets.sort_by_key(|set| set.len());
        let mut left = others.cloned();
        for set in sets {
            left = Some(match left {
                None => RoaringBitmap::clone(&set),
                Some(left) => left & &*set,
            });
        }
        let mut left = match left {
            Some(left) => left,
            None => all(segment),
        };
        if segment.has_deletes() {
            left -= &*self.gone(segment)?;
        }
        Ok(left)
    }

    fn gone(&self, segment: &SegmentReader) -> tantivy::Result<Arc<RoaringBitmap>> {
        self.get(segment, Key::Gone(segment.delete_opstamp()), || {
            let is_gone = |doc: &u32| segment.is_deleted(*doc);
            Ok((0..segment.max_doc()).filter(is_gone).collect())
        })
    }

    fn get(
        &self,
        segment: &SegmentReader,
        key: Key,
        find: impl Fn() -> tantivy::Result<RoaringBitmap>,
    ) -> tantivy::Result<Arc<RoaringBitmap>> {
        self.0.get((segment.segment_id(), key), || find().map(Arc::new))
    }
}

impl Key {
    fn size(&self) -> usize {
        match self {
            Self::Satisfying(condition) => condition.size(),
            Self::Gone(_) => 0,
        }
    }
}

impl Condition {
    /// What it takes, in bytes: whoever asks chooses its texts.
    fn size(&self) -> usize {
        let texts = |texts: &[String]| texts.iter().map(|text| size_of::<String>() + text.len()).sum();
        let own = match self {
            Self::OneOf(_, all) => texts(all),
            Self::Between(_, first, last) => first.len() + last.len(),
            Self::AnyOf(conditions) => conditions.iter().map(Self::size).sum(),
            Self::AtLeast(..) | Self::AtMost(..) => 0,
        };
        size_of::<Self>() + own
    }

    fn query(&self) -> Box<dyn Query> {
        match self {
            Self::OneOf(field, texts) => {
                let mut terms = texts.iter().map(|text| Term::from_field_text(*field, text));
                match (terms.next(), terms.next()) {
                    (Some(term), None) => Box::new(TermQuery::new(term, IndexRecordOption::Basic)),
                    (first, second) => Box::new(TermSetQuery::new(first.into_iter().chain(second).chain(terms))),
                }
            }
            Self::Between(field, first, last) => {
                let end = |text: &str| Bound::Included(Term::from_field_text(*field, text));
                Box::new(RangeQuery::new(end(first), end(last)))
            }
            Self::AnyOf(conditions) => Box::new(BooleanQuery::union(conditions.iter().map(Self::query).collect())),
            Self::AtLeast(field, least) => {
                let from = Bound::Included(Term::from_field_i64(*field, *least));
                Box::new(RangeQuery::new(from, Bound::Unbounded))
            }
            Self::AtMost(field, most) => {
                let to = Bound::Included(Term::from_field_i64(*field, *most));
                Box::new(RangeQuery::new(Bound::Unbounded, to))
            }
        }
    }
}

fn all(segment: &SegmentReader) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..segment.max_doc());
    all
}

fn found(
    query: &dyn Query,
    searcher: &Searcher,
    segment: &SegmentReader,
    limit: Limit,
) -> tantivy::Result<RoaringBitmap> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let mut found = RoaringBitmap::new();
    limit.each(&mut *weight.scorer(segment, 1.0)?, |docs| found.extend(docs))?;
    Ok(found)
}
