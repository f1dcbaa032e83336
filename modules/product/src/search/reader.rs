//! Understands what somebody searches for.

use std::collections::{BTreeSet, HashMap};

use tantivy::Term;
use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, PhraseQuery, Query, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::document::Fields;
use super::ranking::Ranking;
use super::settings::{Expansion, Lexicon};
use super::statistics::doc_freq;
use super::text::{Stems, Tongue, fold, has_digit, runs, words};
use super::vocabulary::Vocabulary;
use super::wording::Understanding;

/// The most words of a question that are looked at.
const MAX_WORDS: usize = 16;

/// A question, understood.
pub(super) struct Read {
    /// Products that have each word, of which so many have to be there, or the question as a code.
    pub(super) words: Vec<Box<dyn Query>>,
    pub(super) required: usize,
    pub(super) code: Box<dyn Query>,
    /// What counts besides.
    pub(super) signals: Vec<Box<dyn Query>>,
    /// The question with its slips corrected, where it has some.
    pub(super) meant: Option<String>,
    /// How common words are at least.
    pub(super) at_least: HashMap<String, u64>,
    /// What staff have said of the words.
    pub(super) said: String,
    pub(super) asked: Vec<Asked>,
    /// What its words are brought to their stems by.
    pub(super) stems: Stems,
}

/// A word of the question, and what else it may be.
pub(super) struct Asked {
    pub(super) written: String,
    /// The name of a model in parts, as titles may have it.
    pub(super) parts: Vec<String>,
    /// What it is a slip of, where nothing at all is written so.
    pub(super) meant: Option<String>,
    /// What it may be a slip of, with what that counts.
    pub(super) corrections: Vec<(String, f32)>,
    /// Longer words that begin like it.
    pub(super) beginnings: Vec<String>,
    /// What means the same, each of one word or several, all of which have to be there.
    pub(super) synonyms: Vec<Vec<String>>,
    /// Whether it says nothing, beside others that do.
    pub(super) is_idle: bool,
    /// Whether it may be the beginning of another one: whoever asks has not typed on.
    pub(super) is_open: bool,
}

/// Understands what somebody searches for.
pub(super) struct Reader<'a> {
    fields: Fields,
    ranking: &'a Ranking,
    settings: &'a Lexicon,
    vocabulary: Vocabulary<'a>,
    stems: Stems,
    /// Those of fields that are the same in all languages, where they are other ones.
    shared_stems: Option<Stems>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(understanding: Understanding<'a>, tongue: Tongue, shown: Vec<Term>) -> Self {
        let Understanding {
            searcher,
            fields,
            ranking,
            settings,
            limit,
            ..
        } = understanding;
        Self {
            fields,
            ranking,
            settings,
            vocabulary: Vocabulary {
                searcher,
                field: fields.vocabulary,
                shown,
                limit,
            },
            stems: tongue.own,
            shared_stems: tongue.shared,
        }
    }

    /// What `search` asks for.
    pub(super) fn read(mut self, search: &str) -> tantivy::Result<Read> {
        let mut asked = self.asked(search);
        let expansions = self.expand(&mut asked)?;
        let telling: Vec<&Asked> = asked.iter().filter(|word| !word.is_idle).collect();
        let corrected: Vec<&str> = asked.iter().map(Asked::likeliest).collect();
        let is_corrected = asked.iter().any(|word| word.meant.is_some());
        Ok(Read {
            required: required(telling.len()),
            words: telling.iter().map(|word| self.word(word)).collect(),
            code: self.has_code(search),
            signals: match telling.is_empty() {
                true => Vec::new(),
                false => self.signals(&asked, &expansions),
            },
            meant: is_corrected.then(|| corrected.join(" ")),
            at_least: self.at_least(&asked, &expansions)?,
            said: said(&asked, &expansions),
            asked,
            stems: self.stems,
        })
    }

    /// The words of a question.
    fn asked(&mut self, search: &str) -> Vec<Asked> {
        let mut asked: Vec<Asked> = Vec::new();
        for chunk in fold(search).split_whitespace() {
            for word in Asked::of(chunk) {
                if !asked.iter().any(|known| known.written == word.written) {
                    asked.push(word);
                }
            }
        }
        asked.truncate(MAX_WORDS);
        if let Some(last) = asked.last_mut() {
            last.is_open = !search.ends_with(char::is_whitespace);
        }
        asked
    }

    /// Adds what else each word may be, and what staff have said of it: what they know is no slip. Answers the synonyms.
    fn expand(&mut self, asked: &mut [Asked]) -> tantivy::Result<Vec<Expansion>> {
        let stems: Vec<String> = asked.iter().map(|word| self.stems.of(&word.written)).collect();
        let are_idle: Vec<bool> = stems.iter().map(|stem| self.settings.is_stop_word(stem)).collect();
        let expansions = self.settings.expansions(&stems);
        if are_idle.contains(&false) {
            for (word, is_idle) in asked.iter_mut().zip(are_idle) {
                word.is_idle = is_idle;
            }
        }
        for Expansion { first, count, phrase } in &expansions {
            let pairs = phrase.words.iter().zip(&phrase.stems);
            let telling = pairs.filter(|(_, stem)| !self.settings.is_stop_word(stem));
            let telling: Vec<String> = telling.map(|(word, _)| word.clone()).collect();
            let words = if telling.is_empty() { &phrase.words } else { &telling };
            let meant = asked.iter_mut().skip(*first).take(*count);
            meant.for_each(|word| word.synonyms.push(words.clone()));
        }
        asked.iter_mut().try_for_each(|word| self.widen(word))?;
        Ok(expansions)
    }

    /// How common the words of synonyms are at least: as common as what they stand for, so that a rare synonym is worth no
    /// more than the word itself.
    fn at_least(&mut self, asked: &[Asked], expansions: &[Expansion]) -> tantivy::Result<HashMap<String, u64>> {
        let mut at_least: HashMap<String, u64> = HashMap::new();
        for Expansion { first, count, phrase } in expansions {
            let mut most = 0;
            for word in asked.iter().skip(*first).take(*count) {
                let term = Term::from_field_text(self.fields.words, &self.stems.of(&word.written));
                most = doc_freq(self.vocabulary.searcher, &term)?.max(most);
            }
            for stem in &phrase.stems {
                let known = at_least.entry(stem.clone()).or_default();
                *known = most.max(*known);
            }
        }
        for word in asked {
            at_least.remove(&self.stems.of(&word.written));
        }
        Ok(at_least)
    }

    /// Adds beginnings to the last word, and corrections to one that nothing or next to nothing is written with.
    fn widen(&mut self, word: &mut Asked) -> tantivy::Result<()> {
        if word.is_idle && !word.is_open {
            return Ok(());
        }
        // Whatever its ending: one that is only written in the singular is known in the plural.
        let known = Term::from_field_text(self.fields.words, &self.stems.of(&word.written));
        let count = self.vocabulary.count(&known)?;
        if word.is_open && word.written.chars().count() > 1 {
            let longer = self.vocabulary.beginning_with(&word.written)?;
            word.beginnings = longer.into_iter().map(|meant| meant.text).collect();
        }
        // Who has typed the beginning of a word has not slipped.
        if !word.beginnings.is_empty() && count == 0 {
            return Ok(());
        }
        if word.is_idle || !word.synonyms.is_empty() {
            return Ok(());
        }
        let corrections = self.vocabulary.slips_of(&word.written, count)?;
        if count == 0 {
            word.meant = corrections.first().map(|meant| meant.text.clone());
        }
        for meant in corrections {
            let weight = self.ranking.slips[meant.slips.clamp(1, 2) - 1];
            word.corrections.push((meant.text, weight));
        }
        Ok(())
    }

    /// Products that have a word, in any field; the best counts.
    fn word(&mut self, word: &Asked) -> Box<dyn Query> {
        let mut queries = self.in_fields(&word.written, 1.0);
        for (text, weight) in &word.corrections {
            queries.extend(self.in_fields(text, *weight));
        }
        if let Some(longer) = self.longer(word) {
            queries.push(longer);
        }
        for synonym in &word.synonyms {
            queries.push(self.together(synonym));
        }
        if !word.parts.is_empty() {
            let parts = word.parts.iter().map(|part| -> Box<dyn Query> {
                let found = self.in_fields(part, self.ranking.parts);
                Box::new(DisjunctionMaxQuery::new(found))
            });
            queries.push(Box::new(BooleanQuery::intersection(parts.collect())));
        }
        Box::new(DisjunctionMaxQuery::new(queries))
    }

    /// Products that have a word that begins like the last one, wherever: they may be many, and what is typed next decides.
    fn longer(&mut self, word: &Asked) -> Option<Box<dyn Query>> {
        let own = self.stems.of(&word.written);
        let stems: BTreeSet<String> = word.beginnings.iter().map(|longer| self.stems.of(longer)).collect();
        let others = stems.into_iter().filter(|stem| *stem != own);
        let mut terms = others
            .map(|stem| Term::from_field_text(self.fields.words, &stem))
            .peekable();
        terms.peek()?;
        let has = TermSetQuery::new(terms);
        Some(Box::new(ConstScoreQuery::new(Box::new(has), self.ranking.beginning)))
    }

    /// Products that have all words of a synonym, which together count as one word.
    fn together(&mut self, words: &[String]) -> Box<dyn Query> {
        let share = f32::from(u16::try_from(words.len()).unwrap_or(u16::MAX));
        let each = words.iter().map(|word| -> Box<dyn Query> {
            Box::new(DisjunctionMaxQuery::new(
                self.in_fields(word, self.ranking.synonym / share),
            ))
        });
        Box::new(BooleanQuery::intersection(each.collect()))
    }

    /// The same in the title, in a row.
    fn in_title(&self, stems: &[String]) -> Option<Box<dyn Query>> {
        let mut terms: Vec<Term> = stems
            .iter()
            .map(|stem| Term::from_field_text(self.fields.title, stem))
            .collect();
        match terms.len() {
            0 => None,
            1 => terms
                .pop()
                .map(|term| -> Box<dyn Query> { Box::new(TermQuery::new(term, IndexRecordOption::Basic)) }),
            _ => Some(Box::new(PhraseQuery::new(terms))),
        }
    }

    /// Products that have a word as it is written somewhere, or a synonym.
    fn anywhere_or_synonym(&mut self, word: &Asked) -> Box<dyn Query> {
        let mut ways = vec![self.anywhere(word)];
        for synonym in &word.synonyms {
            let has = synonym.iter().map(|word| -> Box<dyn Query> {
                let term = Term::from_field_text(self.fields.words, &self.stems.of(word));
                Box::new(TermQuery::new(term, IndexRecordOption::Basic))
            });
            ways.push(Box::new(BooleanQuery::intersection(has.collect())));
        }
        Box::new(BooleanQuery::union(ways))
    }

    /// Products that have a word as it is written somewhere, or the parts of a model's name.
    fn anywhere(&mut self, word: &Asked) -> Box<dyn Query> {
        let mut has = |word: &str| -> Box<dyn Query> {
            let term = Term::from_field_text(self.fields.words, &self.stems.of(word));
            Box::new(TermQuery::new(term, IndexRecordOption::Basic))
        };
        let whole = has(word.likeliest());
        if word.parts.is_empty() {
            return whole;
        }
        let parts = word.parts.iter().map(|part| has(part)).collect();
        Box::new(BooleanQuery::union(vec![
            whole,
            Box::new(BooleanQuery::intersection(parts)),
        ]))
    }

    fn in_fields(&mut self, word: &str, weight: f32) -> Vec<Box<dyn Query>> {
        let stem = self.stems.of(word);
        let shared = match &mut self.shared_stems {
            Some(stems) => stems.of(word),
            None => stem.clone(),
        };
        let (fields, ranking) = (self.fields, self.ranking);
        let weights = [
            (fields.title, &stem, ranking.title),
            (fields.brand, &shared, ranking.brand),
            (fields.codes, &shared, ranking.codes),
            (fields.tags, &shared, ranking.tags),
            (fields.category, &stem, ranking.category),
            (fields.attributes, &shared, ranking.attributes),
            (fields.description, &stem, ranking.description),
        ];
        let query = |(field, stem, boost): (Field, &String, f32)| -> Box<dyn Query> {
            let term = TermQuery::new(Term::from_field_text(field, stem), IndexRecordOption::WithFreqs);
            Box::new(BoostQuery::new(Box::new(term), boost * weight))
        };
        weights.into_iter().map(query).collect()
    }

    /// What is said of the question as a whole, as it is written and with its synonyms: of those what says most.
    fn signals(&mut self, asked: &[Asked], expansions: &[Expansion]) -> Vec<Box<dyn Query>> {
        let constant =
            |query: Box<dyn Query>, score: f32| -> Box<dyn Query> { Box::new(ConstScoreQuery::new(query, score)) };
        let ranking = self.ranking;
        let telling: Vec<&Asked> = asked.iter().filter(|word| !word.is_idle).collect();
        let each = telling.iter().map(|word| self.anywhere(word)).collect();
        let mut all = vec![constant(Box::new(BooleanQuery::intersection(each)), ranking.all_words)];
        if !expansions.is_empty() {
            let each = telling.iter().map(|word| self.anywhere_or_synonym(word)).collect();
            let meant = Box::new(BooleanQuery::intersection(each));
            all.push(constant(meant, ranking.all_words * ranking.synonym));
        }
        let mut signals = vec![best(all)];
        let stems: Vec<String> = asked.iter().map(|word| self.stems.of(word.likeliest())).collect();
        let ways = ways(stems, expansions);
        if asked.len() > 1 {
            let in_title = ways.iter().filter_map(|(stems, is_written)| {
                let weight = if *is_written { 1.0 } else { ranking.synonym };
                Some(constant(self.in_title(stems)?, ranking.phrase_in_title * weight))
            });
            signals.push(best(in_title.collect()));
        }
        // A product has one kind: what is written there already is no better with a synonym elsewhere.
        let mut seen = BTreeSet::new();
        for (stems, is_written) in ways {
            let weight = if is_written { 1.0 } else { ranking.synonym };
            for (name, share) in names(&stems) {
                let is_new = seen.insert(name.clone());
                if !is_new && !is_written {
                    continue;
                }
                let term = Term::from_field_text(self.fields.kind, &name);
                let query = TermQuery::new(term, IndexRecordOption::Basic);
                signals.push(constant(Box::new(query), ranking.kind * share * weight));
            }
        }
        if let Some(open) = asked.last().filter(|word| word.is_idle && word.is_open) {
            // It may be the beginning of another word.
            signals.push(self.word(open));
        }
        signals
    }

    /// Products one of whose codes is the whole question: who searches for a SKU or a barcode wants that.
    fn has_code(&self, search: &str) -> Box<dyn Query> {
        let term = Term::from_field_text(self.fields.code, fold(search).trim());
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        Box::new(ConstScoreQuery::new(Box::new(query), self.ranking.code))
    }
}

impl Asked {
    /// The words of what stands between two spaces. The name of a model is one, in whatever way it is written.
    fn of(chunk: &str) -> Vec<Self> {
        let found = words(chunk);
        let Some(last) = found.iter().map(|word| word.position).max() else {
            return Vec::new();
        };
        let written = (0..=last).filter_map(|place| found.iter().find(|word| word.position == place));
        let written: Vec<&str> = written.map(|word| word.text.as_str()).collect();
        match written.as_slice() {
            [word] => {
                let parts = runs(word);
                let is_whole = parts.iter().map(|part| part.len()).sum::<usize>() == word.len();
                vec![Self::new(word, if is_whole { &parts } else { &[] })]
            }
            parts if parts.iter().any(|part| has_digit(part)) => vec![Self::new(&parts.concat(), parts)],
            words => words.iter().map(|word| Self::new(word, &[])).collect(),
        }
    }

    fn new(word: &str, parts: &[&str]) -> Self {
        Self {
            written: word.to_owned(),
            parts: parts.iter().map(|part| (*part).to_owned()).collect(),
            meant: None,
            corrections: Vec::new(),
            beginnings: Vec::new(),
            synonyms: Vec::new(),
            is_idle: false,
            is_open: false,
        }
    }

    /// The word, or what it is most likely a slip of.
    fn likeliest(&self) -> &str {
        self.meant.as_deref().unwrap_or(&self.written)
    }
}

/// The words of a text as they are looked for.
pub(super) fn written(text: &str) -> Vec<String> {
    let folded = fold(text);
    let asked = folded.split_whitespace().flat_map(Asked::of);
    asked.map(|word| word.written).collect()
}

/// The stems of a question as it is written, and with each synonym in the place of what it stands for.
fn ways(stems: Vec<String>, expansions: &[Expansion]) -> Vec<(Vec<String>, bool)> {
    let otherwise = expansions.iter().map(|Expansion { first, count, phrase }| {
        let mut stems = stems.clone();
        stems.splice(*first..first + count, phrase.stems.iter().cloned());
        (stems, false)
    });
    let otherwise: Vec<_> = otherwise.collect();
    std::iter::once((stems, true)).chain(otherwise).collect()
}

/// What counts most.
fn best(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match queries.len() {
        1 => queries.swap_remove(0),
        _ => Box::new(DisjunctionMaxQuery::new(queries)),
    }
}

/// Names what staff have said of words.
fn said(asked: &[Asked], expansions: &[Expansion]) -> String {
    let idle: Vec<&str> = asked
        .iter()
        .filter(|word| word.is_idle)
        .map(|word| word.written.as_str())
        .collect();
    match idle.is_empty() && expansions.is_empty() {
        true => String::new(),
        false => format!("{idle:?}{expansions:?}"),
    }
}

/// How many of so many words a product must have: all of two, of more not all.
fn required(words: usize) -> usize {
    match words {
        0..=2 => words,
        3..=5 => words - 1,
        _ => (words * 7).div_ceil(10),
    }
}

/// The names that neighbouring words of a question make, and what part of the question each is.
fn names(stems: &[String]) -> Vec<(String, f32)> {
    let mut names = Vec::new();
    for length in 1..=stems.len().min(4) {
        for window in stems.windows(length) {
            let share = f32::from(u8::try_from(length).unwrap_or(u8::MAX))
                / f32::from(u8::try_from(stems.len()).unwrap_or(u8::MAX));
            names.push((window.join(" "), share));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_model_is_one_word_however_it_is_written() {
        let read = |chunk: &str| -> Vec<(String, Vec<String>)> {
            let asked = Asked::of(chunk).into_iter();
            asked.map(|word| (word.written, word.parts)).collect()
        };
        let parts = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        assert_eq!(read("xps-13"), [("xps13".to_owned(), parts(&["xps", "13"]))]);
        assert_eq!(read("xps13"), [("xps13".to_owned(), parts(&["xps", "13"]))]);
        assert_eq!(read("i5"), [("i5".to_owned(), parts(&[]))]);
        assert_eq!(
            read("ink/toner"),
            [("ink".to_owned(), parts(&[])), ("toner".to_owned(), parts(&[]))]
        );
        assert_eq!(read("%"), []);
    }

    #[test]
    fn of_many_words_not_all_are_required() {
        assert_eq!([1, 2, 3, 5, 6, 10].map(required), [1, 2, 2, 4, 5, 7]);
    }
}
