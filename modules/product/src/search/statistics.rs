//! How common words are, in round figures.

use std::collections::HashMap;

use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

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

impl Bm25StatisticsProvider for RoundFigures<'_> {
    fn total_num_tokens(&self, _: Field) -> tantivy::Result<u64> {
        Ok(self.total_num_docs()?.saturating_mul(USUAL_LENGTH))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        let count = self.searcher.total_num_docs()?.max(FEWEST_PRODUCTS).next_power_of_two();
        // A power of four.
        Ok(count << (count.trailing_zeros() % 2))
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        let count = match term.value().as_str() {
            Some(word) => {
                let count = self.searcher.doc_freq(&Term::from_field_text(self.words, word))?;
                let least = self.at_least.and_then(|known| known.get(word).copied());
                least.unwrap_or_default().max(count)
            }
            None => self.searcher.doc_freq(term)?,
        };
        // Less than there are products in any case.
        Ok(1 << count.max(FEWEST_WITH_WORD).ilog2())
    }
}
