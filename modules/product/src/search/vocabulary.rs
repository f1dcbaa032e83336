//! The words that products are written with: for beginnings and slips.

use std::collections::HashMap;

use tantivy::query::FuzzyTermQuery;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocSet, Searcher, TERMINATED, Term};

use super::limit::{Limit, STRIDE};
use super::statistics::{alive, doc_freq, rounded};

/// How many words of a beginning are looked at, and how many are taken.
const LOOKED_AT: usize = 2_000;
const BEGINNINGS: usize = 12;
/// How many words a slip is taken for.
const CORRECTIONS: usize = 3;
/// A word that is known is taken for a slip where another is so many times as common.
const FAR_MORE_COMMON: u64 = 50;
/// A word that so many products have is no slip, however common another one is. To look for others takes a while.
const WELL_KNOWN: u64 = 128;

/// A word that might be meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meant {
    pub(super) text: String,
    /// How many products have it, about.
    pub(super) count: u64,
    /// By how many slips it differs.
    pub(super) slips: usize,
}

/// The words that the products are written with which somebody may see. The words of others, and of products that are gone,
/// are in the index too, and would tell of these.
pub(super) struct Vocabulary<'a> {
    pub(super) searcher: &'a Searcher,
    pub(super) field: Field,
    /// What all those products have one of; none where all may be seen.
    pub(super) shown: Vec<Term>,
    pub(super) limit: Limit,
}

impl Vocabulary<'_> {
    /// In how many products there is a word, roughly; 0 where none of them may be seen.
    pub(super) fn count(&self, word: &Term) -> tantivy::Result<u64> {
        match self.is_shown(word)? {
            true => doc_freq(self.searcher, word),
            false => Ok(0),
        }
    }

    /// Words that begin with `prefix` and are longer, the most common first.
    pub(super) fn beginning_with(&self, prefix: &str) -> tantivy::Result<Vec<Meant>> {
        let mut found: HashMap<String, u64> = HashMap::new();
        for segment in self.searcher.segment_readers() {
            self.limit.check()?;
            let index = segment.inverted_index(self.field)?;
            let mut stream = index.terms().range().gt(prefix).into_stream()?;
            let mut looked_at = 0;
            while let Some((term, info)) = stream.next() {
                looked_at += 1;
                if !term.starts_with(prefix.as_bytes()) || looked_at > LOOKED_AT {
                    break;
                }
                if let Ok(text) = str::from_utf8(term) {
                    *found.entry(text.to_owned()).or_default() += alive(segment, info.doc_freq);
                }
            }
        }
        let meant = found.into_iter().map(|(text, count)| Meant { text, count, slips: 0 });
        self.best(meant.collect(), BEGINNINGS)
    }

    /// Words that `word` may be a slip of, which itself is in `count` products: with fewest slips first, then the most
    /// common. Two letters that have changed places are one slip.
    pub(super) fn slips_of(&self, word: &str, count: u64) -> tantivy::Result<Vec<Meant>> {
        if count >= WELL_KNOWN {
            return Ok(Vec::new());
        }
        let most = match word.chars().count() {
            0..=3 => return Ok(Vec::new()),
            4..=7 => 1,
            _ => 2,
        };
        for slips in 1..=most {
            let mut found = self.within(word, slips)?;
            found.retain(|meant| rounded(meant.count) > rounded(count).saturating_mul(FAR_MORE_COMMON));
            let best = self.best(found, CORRECTIONS)?;
            if !best.is_empty() {
                return Ok(best);
            }
        }
        Ok(Vec::new())
    }

    fn within(&self, word: &str, slips: u8) -> tantivy::Result<Vec<Meant>> {
        let query = FuzzyTermQuery::new(Term::from_field_text(self.field, word), slips, true);
        let automaton = query.automaton()?;
        let mut found: HashMap<String, u64> = HashMap::new();
        for segment in self.searcher.segment_readers() {
            self.limit.check()?;
            let index = segment.inverted_index(self.field)?;
            let mut stream = index.terms().search(&automaton).into_stream()?;
            while let Some((term, info)) = stream.next() {
                if let Ok(text) = str::from_utf8(term)
                    && text != word
                    && text.bytes().any(|byte| byte.is_ascii_digit()) == word.bytes().any(|byte| byte.is_ascii_digit())
                {
                    *found.entry(text.to_owned()).or_default() += alive(segment, info.doc_freq);
                }
            }
        }
        let slips = usize::from(slips);
        Ok(found
            .into_iter()
            .map(|(text, count)| Meant { text, count, slips })
            .collect())
    }

    /// The most common ones that may be told. How common they are counts in round figures, so that the same ones are chosen
    /// while products come and go.
    fn best(&self, mut found: Vec<Meant>, most: usize) -> tantivy::Result<Vec<Meant>> {
        let order = |one: &Meant, other: &Meant| {
            let commoner = rounded(other.count).cmp(&rounded(one.count));
            commoner.then_with(|| one.text.cmp(&other.text))
        };
        found.sort_unstable_by(order);
        let mut best = Vec::new();
        for meant in found {
            if best.len() == most {
                break;
            }
            if self.is_shown(&Term::from_field_text(self.field, &meant.text))? {
                best.push(meant);
            }
        }
        Ok(best)
    }

    /// Whether a product that may be seen has the word. The first one decides, so that common words cost next to nothing.
    fn is_shown(&self, word: &Term) -> tantivy::Result<bool> {
        for segment in self.searcher.segment_readers() {
            self.limit.check()?;
            let read = |term: &Term| {
                let index = segment.inverted_index(term.field())?;
                Ok::<_, tantivy::TantivyError>(index.read_postings(term, IndexRecordOption::Basic)?)
            };
            let Some(mut products) = read(word)? else { continue };
            let mut shown = Vec::new();
            for term in &self.shown {
                shown.extend(read(term)?);
            }
            let mut looked_at = 0;
            while products.doc() != TERMINATED {
                looked_at += 1;
                if looked_at % STRIDE == 0 {
                    self.limit.check()?;
                }
                let doc = products.doc();
                let is_among = |list: &mut tantivy::postings::SegmentPostings| {
                    (list.doc() < doc && list.seek(doc) == doc) || list.doc() == doc
                };
                if !segment.is_deleted(doc) && (self.shown.is_empty() || shown.iter_mut().any(is_among)) {
                    return Ok(true);
                }
                products.advance();
            }
        }
        Ok(false)
    }
}
