//! What a question finds. Its words are looked up once; pages, totals and facets are then told from sets.

use std::borrow::Cow;

use roaring::RoaringBitmap;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocId, Score, Searcher, SegmentOrdinal, SegmentReader};

use super::document::Fields;
use super::index::Index;
use super::limit::{Limit, Limited};
use super::question::Question;
use super::sets::Condition;
use super::statistics::RoundFigures;
use crate::domain::facet::Facet;
use crate::domain::filter::Sort;

/// The products that a question finds, by segment.
pub(crate) struct Matches {
    pub(super) sort: Sort,
    pub(super) fields: Fields,
    conditions: Vec<(Option<Facet>, Condition)>,
    segments: Vec<SegmentMatches>,
}

/// Of one segment.
pub(super) struct SegmentMatches {
    /// Those that have the question's words, with their scores where these matter.
    pub(super) ranked: Vec<(DocId, Score)>,
    /// The same, where there are words.
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
        let worded = match question.text() {
            Some(text) => {
                let collector = Limited {
                    collector: WordCollector {
                        with_scores: sort == Sort::Relevance,
                    },
                    limit: source.limit,
                };
                let statistics = RoundFigures {
                    searcher: source.searcher,
                    words: question.fields.words,
                };
                let found = source
                    .searcher
                    .search_with_statistics_provider(text, &collector, &statistics)?;
                found.into_iter().map(Some).collect()
            }
            None => vec![None; source.searcher.segment_readers().len()],
        };
        let conditions = question.conditions().to_vec();
        let mut segments = Vec::new();
        for (segment, ranked) in source.searcher.segment_readers().iter().zip(worded) {
            let worded = ranked
                .as_ref()
                .map(|ranked| ranked.iter().map(|(doc, _)| *doc).collect());
            let all = conditions.iter().map(|(_, condition)| condition);
            segments.push(SegmentMatches {
                all: source.satisfying(segment, all, worded.as_ref())?,
                ranked: ranked.unwrap_or_default(),
                worded,
            });
        }
        Ok(Self {
            sort,
            fields: question.fields,
            conditions,
            segments,
        })
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
}

/// Collects the products that have words.
struct WordCollector {
    with_scores: bool,
}

struct SegmentWords(Vec<(DocId, Score)>);

impl Collector for WordCollector {
    /// By segment, in the order of their numbers.
    type Fruit = Vec<Vec<(DocId, Score)>>;
    type Child = SegmentWords;

    fn for_segment(&self, _: SegmentOrdinal, _: &SegmentReader) -> tantivy::Result<SegmentWords> {
        Ok(SegmentWords(Vec::new()))
    }

    fn requires_scoring(&self) -> bool {
        self.with_scores
    }

    /// The index is asked by one thread, segment after segment.
    fn merge_fruits(&self, found: Vec<Vec<(DocId, Score)>>) -> tantivy::Result<Self::Fruit> {
        Ok(found)
    }
}

impl SegmentCollector for SegmentWords {
    type Fruit = Vec<(DocId, Score)>;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.0.push((doc, score));
    }

    fn harvest(self) -> Vec<(DocId, Score)> {
        self.0
    }
}
