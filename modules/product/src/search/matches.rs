//! What a question finds. Its words are looked up once; pages, totals and facets are then told from sets.

use std::borrow::Cow;
use std::sync::Arc;

use roaring::RoaringBitmap;
use tantivy::postings::SegmentPostings;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, DocSet, Searcher, SegmentReader, TERMINATED};
use uuid::Uuid;

use super::document::Fields;
use super::index::Index;
use super::limit::Limit;
use super::places::Places;
use super::question::Question;
use super::sets::Condition;
use super::statistics::RoundFigures;
use super::words::Words;
use crate::domain::facet::Facet;
use crate::domain::filter::Sort;

/// The products that a question finds, by segment.
pub(crate) struct Matches {
    pub(super) sort: Sort,
    pub(super) fields: Fields,
    /// Where staff have put products.
    pub(super) places: Arc<Places>,
    conditions: Vec<(Option<Facet>, Condition)>,
    segments: Vec<SegmentMatches>,
}

/// Of one segment.
pub(super) struct SegmentMatches {
    /// Those that have the question's words.
    pub(super) words: Arc<Words>,
    /// The same with those that staff have pinned to it, where there are words.
    worded: Option<RoaringBitmap>,
    /// Those that satisfy all conditions besides.
    pub(super) all: RoaringBitmap,
}

/// Where sets come from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) searcher: &'a Searcher,
    pub(super) index: &'a Index,
    pub(super) limit: Limit,
}

impl Matches {
    /// Looks up a question for a list in an order.
    pub(super) fn find(source: Source<'_>, question: &Question, sort: Sort) -> tantivy::Result<Self> {
        let words = match question.wording() {
            Some(wording) => {
                let statistics = RoundFigures {
                    searcher: source.searcher,
                    words: question.fields.words,
                    at_least: Some(&wording.read.at_least),
                };
                let cache = source.index.words();
                let found = cache.find(source, wording, question.required(), &statistics)?;
                found.into_iter().map(Some).collect()
            }
            None => vec![None; source.searcher.segment_readers().len()],
        };
        let conditions = question.conditions().to_vec();
        let places = question.wording().map(|wording| Arc::clone(&wording.places));
        let places = places.unwrap_or_default();
        let mut segments = Vec::new();
        for (segment, words) in source.searcher.segment_readers().iter().zip(words) {
            let pinned = source.products(segment, places.pinned())?;
            let worded = words.as_ref().map(|words| &words.set | &pinned);
            let all = conditions.iter().map(|(_, condition)| condition);
            segments.push(SegmentMatches {
                all: source.satisfying(segment, all, worded.as_ref())?,
                words: words.unwrap_or_default(),
                worded,
            });
        }
        Ok(Self {
            sort,
            fields: question.fields,
            places,
            conditions,
            segments,
        })
    }

    /// Whether nothing is found.
    pub(crate) fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// How many there are.
    pub(super) fn total(&self) -> u64 {
        self.segments.iter().map(|segment| segment.all.len()).sum()
    }

    pub(super) fn segments(&self) -> &[SegmentMatches] {
        &self.segments
    }

    /// The products over which a facet is counted, by segment: without its own condition, so that the alternatives to what is
    /// already chosen are seen, too.
    pub(super) fn over(&self, source: Source<'_>, facet: &Facet) -> tantivy::Result<Vec<Cow<'_, RoaringBitmap>>> {
        let is_own = |narrowed: &Option<Facet>| {
            narrowed
                .as_ref()
                .is_some_and(|narrowed| facet.is_counted_without(narrowed))
        };
        if !self.conditions.iter().any(|(condition, _)| is_own(condition)) {
            return Ok(self
                .segments
                .iter()
                .map(|segment| Cow::Borrowed(&segment.all))
                .collect());
        }
        let mut sets = Vec::new();
        for (segment, matches) in source.searcher.segment_readers().iter().zip(&self.segments) {
            let others = self.conditions.iter().filter(|(condition, _)| !is_own(condition));
            let others = others.map(|(_, condition)| condition);
            sets.push(Cow::Owned(source.satisfying(
                segment,
                others,
                matches.worded.as_ref(),
            )?));
        }
        Ok(sets)
    }
}

impl Source<'_> {
    fn satisfying<'a>(
        self,
        segment: &SegmentReader,
        conditions: impl IntoIterator<Item = &'a Condition>,
        others: Option<&RoaringBitmap>,
    ) -> tantivy::Result<RoaringBitmap> {
        let sets = self.index.sets();
        sets.satisfying(self.searcher, segment, conditions, others, self.limit)
    }

    /// Those of some products that are in a segment.
    fn products(self, segment: &SegmentReader, ids: impl Iterator<Item = Uuid>) -> tantivy::Result<RoaringBitmap> {
        let mut found = RoaringBitmap::new();
        let fields = self.index.fields();
        let index = segment.inverted_index(fields.id)?;
        for id in ids {
            if let Some(postings) = index.read_postings(&fields.id_term(id), IndexRecordOption::Basic)? {
                found.extend(docs(postings));
            }
        }
        Ok(found)
    }
}

fn docs(mut postings: SegmentPostings) -> impl Iterator<Item = DocId> {
    std::iter::from_fn(move || {
        let doc = postings.doc();
        postings.advance();
        (doc != TERMINATED).then_some(doc)
    })
}
