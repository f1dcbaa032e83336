//! The words that products are written with: for beginnings and slips.

use tantivy::query::FuzzyTermQuery;
use tantivy::schema::Field;
use tantivy::{Searcher, Term};

/// How many words of a beginning are looked at, and how many are taken.
const LOOKED_AT: usize = 2_000;
const BEGINNINGS: usize = 12;
/// How many words a slip is taken for.
const CORRECTIONS: usize = 3;
/// A word that is known is taken for a slip where another is so many times as common.
const FAR_MORE_COMMON: u64 = 50;

/// A word that might be meant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Meant {
    pub(super) text: String,
    /// How many products have it.
    pub(super) count: u64,
    /// By how many slips it differs.
    pub(super) slips: usize,
}

/// Words of `field` that begin with `prefix` and are longer, the most common first.
pub(super) fn beginning_with(searcher: &Searcher, field: Field, prefix: &str) -> tantivy::Result<Vec<Meant>> {
    let mut found: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
    for segment in searcher.segment_readers() {
        let index = segment.inverted_index(field)?;
        let mut stream = index.terms().range().gt(prefix).into_stream()?;
        let mut looked_at = 0;
        while let Some((term, info)) = stream.next() {
            looked_at += 1;
            if !term.starts_with(prefix.as_bytes()) || looked_at > LOOKED_AT {
                break;
            }
            if let Ok(text) = str::from_utf8(term) {
                *found.entry(text.to_owned()).or_default() += u64::from(info.doc_freq);
            }
        }
    }
    let meant = found.into_iter().map(|(text, count)| Meant { text, count, slips: 0 });
    Ok(best(meant.collect(), BEGINNINGS))
}

/// Words of `field` that `word` may be a slip of, which itself is in `count` products: with fewest slips first, then the
/// most common. Two letters that have changed places are one slip.
pub(super) fn slips_of(searcher: &Searcher, field: Field, word: &str, count: u64) -> tantivy::Result<Vec<Meant>> {
    let most = match word.chars().count() {
        0..=3 => return Ok(Vec::new()),
        4..=7 => 1,
        _ => 2,
    };
    for slips in 1..=most {
        let found = within(searcher, field, word, slips)?;
        let common = |meant: &Meant| meant.count > count.saturating_mul(FAR_MORE_COMMON);
        let found: Vec<Meant> = found.into_iter().filter(common).collect();
        if !found.is_empty() {
            return Ok(best(found, CORRECTIONS));
        }
    }
    Ok(Vec::new())
}

fn within(searcher: &Searcher, field: Field, word: &str, slips: u8) -> tantivy::Result<Vec<Meant>> {
    let query = FuzzyTermQuery::new(Term::from_field_text(field, word), slips, true);
    let mut found: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
    for segment in searcher.segment_readers() {
        let index = segment.inverted_index(field)?;
        let mut stream = index.terms().search(query.automaton()?).into_stream()?;
        while let Some((term, info)) = stream.next() {
            if let Ok(text) = str::from_utf8(term)
                && text != word
                && text.bytes().any(|byte| byte.is_ascii_digit()) == word.bytes().any(|byte| byte.is_ascii_digit())
            {
                *found.entry(text.to_owned()).or_default() += u64::from(info.doc_freq);
            }
        }
    }
    let slips = usize::from(slips);
    Ok(found
        .into_iter()
        .map(|(text, count)| Meant { text, count, slips })
        .collect())
}

fn best(mut found: Vec<Meant>, most: usize) -> Vec<Meant> {
    found.sort_unstable_by(|one, other| other.count.cmp(&one.count).then_with(|| one.text.cmp(&other.text)));
    found.truncate(most);
    found
}
