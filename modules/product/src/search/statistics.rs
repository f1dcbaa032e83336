//! How common words are, in round figures.

use std::collections::HashMap;

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Searcher, SegmentReader, Term};

/// How many words a text has usually. An assumption, as the true figure changes with every product; one for all fields, so
/// that a word in a short text counts the same whichever field that is.
const USUAL_LENGTH: u64 = 16;
/// Figures below these say little, and change much.
const FEWEST_PRODUCTS: u64 = 4_096;
const FEWEST_WITH_WORD: u64 = 16;

/// Figures of an index, so round that they seldom change: the rank of a product then stays as it is while others come and
/// go, and a list that is walked through page by page stays in order.
///
/// How common a word is counts over all fields: one that is in most descriptions is no more telling where a title has it.
pub(super) struct RoundFigures<'a> {
    pub(super) searcher: &'a Searcher,
    /// The field that has the words of all others.
    pub(super) words: Field,
    /// How common words are at least, by their stems: a synonym is no more telling than the word that it stands for.
    pub(super) at_least: Option<&'a HashMap<String, u64>>,
}

/// In how many products of an index a term is, about: deleted ones are in its segments until these are merged, each process's
/// when it is time, and are taken off as if they were like the others.
pub(super) fn doc_freq(searcher: &Searcher, term: &Term) -> tantivy::Result<u64> {
    let mut count = 0;
    for segment in searcher.segment_readers() {
        count += alive(segment, segment.inverted_index(term.field())?.doc_freq(term)?);
    }
    Ok(count)
}

/// A figure that seldom changes while the count does: the power of two below it, or 0.
pub(super) fn rounded(count: u64) -> u64 {
    count.checked_ilog2().map_or(0, |exponent| 1 << exponent)
}

/// How many of so many products of a segment are not deleted, about.
pub(super) fn alive(segment: &SegmentReader, count: u32) -> u64 {
    let (alive, all) = (u64::from(segment.num_docs()), u64::from(segment.max_doc()));
    (u64::from(count) * alive).div_ceil(all.max(1))
}

impl Bm25StatisticsProvider for RoundFigures<'_> {
    fn total_num_tokens(&self, _: Field) -> tantivy::Result<u64> {
        Ok(self.total_num_docs()?.saturating_mul(USUAL_LENGTH))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        let count = self.searcher.num_docs().max(FEWEST_PRODUCTS).next_power_of_two();
        // A power of four.
        Ok(count << (count.trailing_zeros() % 2))
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        let count = match term.value().as_str() {
            Some(word) => {
                let count = doc_freq(self.searcher, &Term::from_field_text(self.words, word))?;
                let least = self.at_least.and_then(|known| known.get(word).copied());
                least.unwrap_or_default().max(count)
            }
            None => doc_freq(self.searcher, term)?,
        };
        // Less than there are products in any case.
        Ok(rounded(count.max(FEWEST_WITH_WORD)))
    }
}
