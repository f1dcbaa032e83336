//! A request for a list as a query of the index.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tantivy::query::{
    BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery, Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};
use xxhash_rust::xxh3::xxh3_64;

use super::Named;
use super::document::Fields;
use super::highlight::Marks;
use super::keys::{attribute_key, id_key, number_key};
use super::places::Places;
use super::ranking::Ranking;
use super::sets::Condition;
use super::settings::{Expansion, Lexicon};
use super::text::{Stems, Tongue, fold, has_digit, runs, words};
use super::vocabulary::Vocabulary;
use crate::domain::attributes::AttributeValue;
use crate::domain::facet::Facet;
use crate::domain::filter::{Audience, Filter};
use crate::domain::number::NumberRange;
use crate::domain::product::Status;

/// The most words of a question that are looked at.
const MAX_WORDS: usize = 16;

/// What a list is to show, ready to be asked of an index.
pub(crate) struct Question {
    /// The fields that it goes by.
    pub(super) fields: Fields,
    text: Option<Text>,
    conditions: Vec<(Option<Facet>, Condition)>,
    /// Where staff have put products.
    places: Arc<Places>,
}

/// What a question is understood by.
#[derive(Clone, Copy)]
pub(super) struct Understanding<'a> {
    pub(super) searcher: &'a Searcher,
    pub(super) fields: &'a Fields,
    pub(super) ranking: &'a Ranking,
    pub(super) settings: &'a Lexicon,
}

/// The words of a question, understood.
struct Text {
    /// Products that have each word, of which so many have to be there, or the question as a code.
    words: Vec<Box<dyn Query>>,
    required: usize,
    code: Box<dyn Query>,
    /// What counts besides.
    signals: Vec<Box<dyn Query>>,
    meant: Option<String>,
    /// What its words are brought to their stems by.
    stems: Stems,
    /// How common words are at least.
    at_least: HashMap<String, u64>,
    /// What staff have said of them.
    said: String,
    asked: Vec<Asked>,
}

/// A word of the question, and what else it may be.
struct Asked {
    written: String,
    /// The name of a model in parts, as titles may have it.
    parts: Vec<String>,
    /// What it is a slip of, where nothing at all is written so.
    meant: Option<String>,
    alternatives: Vec<(String, f32)>,
    /// What means the same, each of one word or several, all of which have to be there.
    synonyms: Vec<Vec<String>>,
    /// Whether it says nothing, beside others that do.
    is_idle: bool,
    /// Whether it may be the beginning of another one: whoever asks has not typed on.
    is_open: bool,
}

impl Question {
    /// What `filter` shows; `named` is what it names, as ids.
    pub(super) fn new(
        understanding: Understanding<'_>,
        mut tongue: Tongue,
        filter: &Filter,
        named: &Named,
    ) -> tantivy::Result<Self> {
        let fields = understanding.fields;
        let places = match &filter.search {
            None => Places::default(),
            Some(search) => understanding.settings.places(search, &mut tongue.own),
        };
        let text = match &filter.search {
            None => None,
            Some(search) => {
                let shown = shown(filter).into_iter();
                let shown = shown
                    .map(|status| Term::from_field_text(fields.status, &status))
                    .collect();
                Some(Reader::new(understanding, tongue, shown).read(search)?)
            }
        };
        Ok(Self {
            fields: *fields,
            text,
            conditions: conditions(fields, filter, named),
            places: Arc::new(places),
        })
    }

    /// The words, where there are any.
    pub(super) fn text(&self) -> Option<Box<dyn Query>> {
        self.text.as_ref().map(Text::query)
    }

    /// What else products must satisfy, and of which facet each condition is.
    pub(super) fn conditions(&self) -> &[(Option<Facet>, Condition)] {
        &self.conditions
    }

    /// The question with its slips corrected, where it has some.
    pub(crate) fn meant(&self) -> Option<&str> {
        self.text.as_ref()?.meant.as_deref()
    }

    /// Names what staff have said of the question; empty where that is nothing.
    pub(crate) fn said(&self) -> String {
        let of_words = self.text.as_ref().map_or("", |text| text.said.as_str());
        match of_words.is_empty() && self.places.is_empty() {
            true => String::new(),
            false => format!("{:016x}", xxh3_64(format!("{of_words}{:?}", self.places).as_bytes())),
        }
    }

    /// What it marks in the texts of what it finds.
    pub(crate) fn marks(&self) -> Option<Marks> {
        let text = self.text.as_ref()?;
        let mut marks = Marks::of_language(text.stems.clone());
        for word in text.asked.iter().filter(|word| !word.is_idle) {
            let alternatives = word.alternatives.iter().map(|(text, _)| text);
            let also = alternatives.chain(&word.parts).chain(word.synonyms.iter().flatten());
            let words = std::iter::once(&word.written).chain(also);
            words.for_each(|word| marks.add(word));
            if word.is_open && word.written.chars().count() > 1 {
                marks.beginning = Some(word.written.clone());
            }
        }
        Some(marks)
    }

    /// Where products stand by relevance.
    pub(super) fn places(&self) -> Arc<Places> {
        Arc::clone(&self.places)
    }

    /// Has it find what has any of its words; `false` where that changes nothing.
    pub(crate) fn relax(&mut self) -> bool {
        match &mut self.text {
            Some(text) if text.required > 1 => {
                text.required = 1;
                true
            }
            _ => false,
        }
    }

    /// How common words are at least when products are ranked, by their stems.
    pub(super) fn at_least(&self) -> Option<&HashMap<String, u64>> {
        self.text.as_ref().map(|text| &text.at_least)
    }
}

impl Text {
    fn query(&self) -> Box<dyn Query> {
        if self.words.is_empty() {
            return Box::new(EmptyQuery);
        }
        let should = |query: &dyn Query| (Occur::Should, query.box_clone());
        let words = self.words.iter().map(|word| should(&**word)).collect();
        let matching = BooleanQuery::with_minimum_required_clauses(words, self.required);
        let ways: Vec<Box<dyn Query>> = vec![Box::new(matching), self.code.box_clone()];
        let found = BooleanQuery::union_with_minimum_required_clauses(ways, 1);
        let mut all: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, Box::new(found))];
        all.extend(self.signals.iter().map(|signal| should(&**signal)));
        Box::new(BooleanQuery::new(all))
    }
}

/// What the products have one of that the list's audience may see; none where it may see all.
fn shown(filter: &Filter) -> Vec<String> {
    let statuses = match &filter.audience {
        Audience::Public => &[Status::Active][..],
        Audience::Staff(statuses) => statuses,
    };
    statuses.iter().map(|status| status.name().to_owned()).collect()
}

fn conditions(fields: &Fields, filter: &Filter, named: &Named) -> Vec<(Option<Facet>, Condition)> {
    let mut conditions = Vec::new();
    let statuses = shown(filter);
    if !statuses.is_empty() {
        conditions.push((None, Condition::OneOf(fields.status, statuses)));
    }
    if !filter.category_ids.is_empty() || !filter.category_handles.is_empty() {
        let keys = named.categories.iter().map(|id| id_key(*id)).collect();
        conditions.push((Some(Facet::Category), Condition::OneOf(fields.category_id, keys)));
    }
    if !filter.collection_ids.is_empty() || !filter.collection_handles.is_empty() {
        let keys = named.collections.iter().map(|id| id_key(*id)).collect();
        conditions.push((None, Condition::OneOf(fields.collection_id, keys)));
    }
    if !filter.brands.is_empty() {
        let brands = Condition::OneOf(fields.brand_name, filter.brands.clone());
        conditions.push((Some(Facet::Brand), brands));
    }
    if let Some(in_stock) = filter.in_stock {
        conditions.push((None, Condition::OneOf(fields.in_stock, vec![in_stock.to_string()])));
    }
    if !filter.tags.is_empty() {
        conditions.push((None, Condition::OneOf(fields.tag_name, filter.tags.clone())));
    }
    // A product is in the range where one of its prices may be.
    if let Some(min) = filter.price_min {
        conditions.push((Some(Facet::Price), Condition::AtLeast(fields.price_max, min)));
    }
    if let Some(max) = filter.price_max {
        conditions.push((Some(Facet::Price), Condition::AtMost(fields.price_min, max)));
    }
    for (name, values) in &filter.attributes {
        let meanings = values.iter().flat_map(|value| meanings(value));
        let keys = meanings.map(|value| attribute_key(name, &value)).collect();
        let mut alternatives = vec![Condition::OneOf(fields.attribute, keys)];
        let ranges = values.iter().filter_map(|value| NumberRange::parse(value));
        let key = |number| number_key(name, number);
        alternatives.extend(ranges.map(|range| Condition::Between(fields.number, key(range.from), key(range.to))));
        let condition = Condition::AnyOf(alternatives);
        conditions.push((Some(Facet::Attribute(name.clone())), condition));
    }
    conditions
}

/// What `text`, as it stands in a query, may mean as an attribute's value: `8` is a number or a text.
fn meanings(text: &str) -> Vec<AttributeValue> {
    let mut meanings = vec![AttributeValue::Text(text.to_owned())];
    if let Ok(other) = serde_json::from_str::<AttributeValue>(text)
        && !matches!(other, AttributeValue::Text(_))
    {
        meanings.push(other);
    }
    meanings
}

/// Understands what somebody searches for.
struct Reader<'a> {
    fields: &'a Fields,
    ranking: &'a Ranking,
    settings: &'a Lexicon,
    vocabulary: Vocabulary<'a>,
    stems: Stems,
    /// Those of fields that are the same in all languages, where they are other ones.
    shared_stems: Option<Stems>,
}

impl<'a> Reader<'a> {
    fn new(understanding: Understanding<'a>, tongue: Tongue, shown: Vec<Term>) -> Self {
        let Understanding {
            searcher,
            fields,
            ranking,
            settings,
        } = understanding;
        Self {
            fields,
            ranking,
            settings,
            vocabulary: Vocabulary {
                searcher,
                field: fields.vocabulary,
                shown,
            },
            stems: tongue.own,
            shared_stems: tongue.shared,
        }
    }

    fn read(mut self, search: &str) -> tantivy::Result<Text> {
        let mut asked = self.asked(search);
        let expansions = self.expand(&mut asked)?;
        let telling: Vec<&Asked> = asked.iter().filter(|word| !word.is_idle).collect();
        let corrected: Vec<&str> = asked.iter().map(Asked::likeliest).collect();
        let is_corrected = asked.iter().any(|word| word.meant.is_some());
        Ok(Text {
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
                most = self.vocabulary.searcher.doc_freq(&term)?.max(most);
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
            let beginnings = longer.into_iter().map(|meant| (meant.text, self.ranking.beginning));
            word.alternatives.extend(beginnings);
        }
        // Who has typed the beginning of a word has not slipped.
        if !word.alternatives.is_empty() && count == 0 {
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
            word.alternatives.push((meant.text, weight));
        }
        Ok(())
    }

    /// Products that have a word, in any field; the best counts.
    fn word(&mut self, word: &Asked) -> Box<dyn Query> {
        let mut queries = self.in_fields(&word.written, 1.0);
        for (text, weight) in &word.alternatives {
            queries.extend(self.in_fields(text, *weight));
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
            alternatives: Vec::new(),
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
    fn the_text_of_a_query_may_mean_a_number_or_a_truth_value() {
        let texts = |text: &str| -> Vec<String> {
            let meanings = meanings(text);
            meanings
                .iter()
                .map(|value| serde_json::to_string(value).unwrap())
                .collect()
        };
        assert_eq!(texts("8"), [r#""8""#, "8"]);
        assert_eq!(texts("true"), [r#""true""#, "true"]);
        assert_eq!(texts("Black"), [r#""Black""#]);
        assert_eq!(texts("null"), [r#""null""#]);
        assert_eq!(texts(r#"a"b"#), [r#""a\"b""#]);
    }

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
