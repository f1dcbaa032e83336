//! Which products of a segment have the words of a question, and how well they do. Segments never change, so what was found
//! once is kept as long as it is asked for: whoever searches goes on to another page, filter or order.

use std::sync::Arc;

use roaring::RoaringBitmap;
use tantivy::index::SegmentId;
use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocId, Score, SegmentReader};

use super::kept::Kept;
use super::matches::Source;
use super::page::Value;
use super::statistics::RoundFigures;
use super::wording::Wording;

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

/// What is kept, by the question's name.
pub(super) struct WordCache(Kept<(SegmentId, u128), Words>);

impl Default for WordCache {
    fn default() -> Self {
        let size =
            |_: &_, words: &Words| size_of_val(words.by_rank.as_slice()) + words.set.serialized_size() + OVERHEAD;
        Self(Kept::new(KEPT, size))
    }
}

impl WordCache {
    /// What has so many words of a question at least, by segment.
    pub(super) fn find(
        &self,
        source: Source<'_>,
        wording: &Wording,
        required: usize,
        statistics: &RoundFigures<'_>,
    ) -> tantivy::Result<Vec<Arc<Words>>> {
        let name = wording.name(required);
        let mut weight = None;
        let mut found = Vec::new();
        for segment in source.searcher.segment_readers() {
            let find = || {
                if weight.is_none() {
                    let scoring = EnableScoring::enabled_from_statistics_provider(statistics, source.searcher);
                    weight = Some(wording.query(required).weight(scoring)?);
                }
                let words = weight.as_deref().map(|weight| Words::find(weight, segment, source));
                words.unwrap_or_else(|| Ok(Words::default())).map(Arc::new)
            };
            found.push(self.0.get((segment.segment_id(), name), find)?);
        }
        Ok(found)
    }
}

impl Words {
    fn find(weight: &dyn Weight, segment: &SegmentReader, source: Source<'_>) -> tantivy::Result<Self> {
        let by_id = source.index.orders().of(segment, Value::Id)?;
        // Many have the same rank, and numbers are sorted sooner than ids.
        let mut found: Vec<u64> = Vec::new();
        let mut docs: Vec<DocId> = Vec::new();
        source
            .limit
            .each_scored(&mut *weight.scorer(segment, 1.0)?, |doc, score| {
                found.push(u64::from(rank(score)) << u32::BITS | u64::from(by_id.place(doc)));
                docs.push(doc);
            })?;
        source.limit.check()?;
        found.sort_unstable();
        let entry = |key: u64| (by_id.docs()[low(key) as usize], low(key >> u32::BITS));
        let by_rank = found.into_iter().map(entry).collect();
        let set = docs.into_iter().collect();
        Ok(Self { by_rank, set })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the other half is meant to go")]
fn low(key: u64) -> u32 {
    key as u32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks are small and never negative"
)]
fn rank(score: Score) -> u32 {
    (score.max(0.0) * RANKS).round() as u32
}
