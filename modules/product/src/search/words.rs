//! Which products of a segment have the words of a question, and how well they do. Segments never change, so what was found
//! once is kept as long as it is asked for: whoever searches goes on to another page, filter or order.

use std::sync::Arc;

use moka::sync::Cache;
use roaring::RoaringBitmap;
use tantivy::index::SegmentId;
use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query, Weight};
use tantivy::{DocId, Score, Searcher, SegmentReader, TantivyError, Term};
use xxhash_rust::xxh3::xxh3_128;

use super::limit::Limit;
use super::page::Ids;
use super::statistics::RoundFigures;

/// How many bytes of products with words are kept: eight for each product that a question finds, and what names them as a set.
const KEPT: u64 = 64 << 20;
/// What one costs besides its products, in bytes.
const OVERHEAD: usize = 256;
/// How finely ranks are told apart; what differs by less is a tie, as sums of fractions depend on their order.
const RANKS: f32 = 1_000.0;

/// The products of a segment that have the words of a question; deleted ones are among them.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// With their ranks, in thousandths, by ascending ranks and ids.
    pub(super) by_rank: Vec<(DocId, u32)>,
    pub(super) set: RoaringBitmap,
}

/// What is kept, by the question's fingerprint.
pub(super) struct WordCache(Cache<(SegmentId, u128), Arc<Words>>);

impl Default for WordCache {
    fn default() -> Self {
        let weight = |_: &(SegmentId, u128), words: &Arc<Words>| {
            let size = size_of_val(words.by_rank.as_slice()) + words.set.serialized_size() + OVERHEAD;
            u32::try_from(size).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(KEPT).weigher(weight).build())
    }
}

impl WordCache {
    /// What the words of a question find, by segment.
    pub(super) fn find(
        &self,
        searcher: &Searcher,
        query: &dyn Query,
        statistics: &RoundFigures<'_>,
        limit: Limit,
    ) -> tantivy::Result<Vec<Arc<Words>>> {
        let name = fingerprint(query, statistics)?;
        let mut weight = None;
        let mut found = Vec::new();
        for segment in searcher.segment_readers() {
            let key = (segment.segment_id(), name);
            let find = || {
                if weight.is_none() {
                    let scoring = EnableScoring::enabled_from_statistics_provider(statistics, searcher);
                    weight = Some(query.weight(scoring)?);
                }
                let words = weight.as_deref().map(|weight| Words::find(weight, segment, limit));
                words.unwrap_or_else(|| Ok(Words::default())).map(Arc::new)
            };
            let words = self.0.try_get_with(key, find);
            found.push(words.map_err(|error: Arc<TantivyError>| TantivyError::clone(&error))?);
        }
        Ok(found)
    }
}

impl Words {
    fn find(weight: &dyn Weight, segment: &SegmentReader, limit: Limit) -> tantivy::Result<Self> {
        let mut by_rank = Vec::new();
        limit.each_scored(&mut *weight.scorer(segment, 1.0)?, |doc, score| {
            by_rank.push((doc, rank(score)))
        })?;
        let set = by_rank.iter().map(|(doc, _)| *doc).collect();
        let ids = Ids::of(segment)?;
        let order = |(one, first): &(DocId, u32), (other, second): &(DocId, u32)| {
            first.cmp(second).then_with(|| ids.get(*one).cmp(&ids.get(*other)))
        };
        by_rank.sort_unstable_by(order);
        Ok(Self { by_rank, set })
    }
}

/// Names what a question's words come to: the same as long as they find the same products with the same ranks in a segment.
/// How common its words are belongs to that.
fn fingerprint(query: &dyn Query, statistics: &RoundFigures<'_>) -> tantivy::Result<u128> {
    let mut terms: Vec<Term> = Vec::new();
    query.query_terms(&mut |term, _| terms.push(term.clone()));
    let mut name = format!("{query:?}/{}", statistics.total_num_docs()?);
    for term in terms {
        name.push_str(&format!("/{}", statistics.doc_freq(&term)?));
    }
    Ok(xxh3_128(name.as_bytes()))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are small and never negative"
)]
fn rank(score: Score) -> u32 {
    (score.max(0.0) * RANKS).round() as u32
}
