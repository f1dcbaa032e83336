//! A request for a list as a query of the index.

use std::ops::Bound;

use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, Occur, PhraseQuery, Query,
    RangeQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Searcher, Term};

use super::Named;
use super::document::Fields;
use super::keys::{attribute_key, id_key, number_key};
use super::ranking::Ranking;
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
    conditions: Vec<(Option<Facet>, Box<dyn Query>)>,
}

/// The words of a question, understood.
struct Text {
    query: Box<dyn Query>,
    meant: Option<String>,
}

/// A word of the question, and what else it may be.
struct Asked {
    written: String,
    /// The name of a model in parts, as titles may have it.
    parts: Vec<String>,
    /// What it is a slip of, where nothing at all is written so.
    meant: Option<String>,
    alternatives: Vec<(String, f32)>,
}

impl Question {
    /// What `filter` shows; `named` is what it names, as ids.
    pub(super) fn new(
        searcher: &Searcher,
        fields: &Fields,
        tongue: Tongue,
        ranking: &Ranking,
        filter: &Filter,
        named: &Named,
    ) -> tantivy::Result<Self> {
        let text = match &filter.search {
            None => None,
            Some(search) => {
                let shown = shown(fields, filter);
                Some(Reader::new(searcher, fields, tongue, ranking, shown).read(search)?)
            }
        };
        Ok(Self {
            fields: *fields,
            text,
            conditions: conditions(fields, filter, named),
        })
    }

    /// The query, for a list (`None`), or for a facet, which is counted without its own condition so that the
    /// alternatives to what is already chosen are seen too.
    pub(super) fn query(&self, without: Option<&Facet>) -> Box<dyn Query> {
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for (facet, condition) in &self.conditions {
            let is_own = facet.as_ref().zip(without);
            if !is_own.is_some_and(|(narrowed, without)| without.is_counted_without(narrowed)) {
                let silent = ConstScoreQuery::new(condition.box_clone(), 0.0);
                clauses.push((Occur::Must, Box::new(silent)));
            }
        }
        match &self.text {
            Some(text) => clauses.push((Occur::Must, text.query.box_clone())),
            None if clauses.is_empty() => return Box::new(AllQuery),
            None => (),
        }
        Box::new(BooleanQuery::new(clauses))
    }

    /// The question with its slips corrected, where it has some.
    pub(crate) fn meant(&self) -> Option<&str> {
        self.text.as_ref()?.meant.as_deref()
    }
}

/// What the products have one of that the list's audience may see; none where it may see all.
fn shown(fields: &Fields, filter: &Filter) -> Vec<Term> {
    let statuses = match &filter.audience {
        Audience::Public => &[Status::Active][..],
        Audience::Staff(statuses) => statuses,
    };
    let term = |status: &Status| Term::from_field_text(fields.status, status.name());
    statuses.iter().map(term).collect()
}

fn conditions(fields: &Fields, filter: &Filter, named: &Named) -> Vec<(Option<Facet>, Box<dyn Query>)> {
    let mut conditions: Vec<(Option<Facet>, Box<dyn Query>)> = Vec::new();
    let any = |field: Field, texts: Vec<String>| -> Box<dyn Query> {
        let terms = texts.iter().map(|text| Term::from_field_text(field, text));
        Box::new(TermSetQuery::new(terms))
    };
    let statuses = shown(fields, filter);
    if !statuses.is_empty() {
        conditions.push((None, Box::new(TermSetQuery::new(statuses))));
    }
    if !filter.category_ids.is_empty() || !filter.category_handles.is_empty() {
        let keys = named.categories.iter().map(|id| id_key(*id)).collect();
        conditions.push((Some(Facet::Category), any(fields.category_id, keys)));
    }
    if !filter.collection_ids.is_empty() || !filter.collection_handles.is_empty() {
        let keys = named.collections.iter().map(|id| id_key(*id)).collect();
        conditions.push((None, any(fields.collection_id, keys)));
    }
    if !filter.brands.is_empty() {
        conditions.push((Some(Facet::Brand), any(fields.brand_name, filter.brands.clone())));
    }
    if let Some(in_stock) = filter.in_stock {
        conditions.push((None, any(fields.in_stock, vec![in_stock.to_string()])));
    }
    if !filter.tags.is_empty() {
        conditions.push((None, any(fields.tag_name, filter.tags.clone())));
    }
    // A product is in the range where one of its prices may be.
    if let Some(min) = filter.price_min {
        let from = Bound::Included(Term::from_field_i64(fields.price_max, min));
        conditions.push((Some(Facet::Price), Box::new(RangeQuery::new(from, Bound::Unbounded))));
    }
    if let Some(max) = filter.price_max {
        let to = Bound::Included(Term::from_field_i64(fields.price_min, max));
        conditions.push((Some(Facet::Price), Box::new(RangeQuery::new(Bound::Unbounded, to))));
    }
    for (name, values) in &filter.attributes {
        let meanings = values.iter().flat_map(|value| meanings(value));
        let keys = meanings.map(|value| attribute_key(name, &value)).collect();
        let mut alternatives = vec![any(fields.attribute, keys)];
        let ranges = values.iter().filter_map(|value| NumberRange::parse(value));
        alternatives.extend(ranges.map(|range| numbers(fields, name, range)));
        let condition: Box<dyn Query> = Box::new(BooleanQuery::union(alternatives));
        conditions.push((Some(Facet::Attribute(name.clone())), condition));
    }
    conditions
}

/// Products whose attribute is a number in a range.
fn numbers(fields: &Fields, name: &str, range: NumberRange) -> Box<dyn Query> {
    let end = |number| Bound::Included(Term::from_field_text(fields.number, &number_key(name, number)));
    Box::new(RangeQuery::new(end(range.from), end(range.to)))
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
    vocabulary: Vocabulary<'a>,
    stems: Stems,
    /// Those of fields that are the same in all languages, where they are other ones.
    shared_stems: Option<Stems>,
}

impl<'a> Reader<'a> {
    fn new(searcher: &'a Searcher, fields: &'a Fields, tongue: Tongue, ranking: &'a Ranking, shown: Vec<Term>) -> Self {
        Self {
            fields,
            ranking,
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
        let code = self.has_code(search);
        let asked = self.asked(search)?;
        if asked.is_empty() {
            return Ok(Text {
                query: Box::new(EmptyQuery),
                meant: None,
            });
        }
        let required = required(asked.len());
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for word in &asked {
            clauses.push((Occur::Should, self.word(word)));
        }
        let matching = BooleanQuery::with_minimum_required_clauses(clauses, required);
        let found: Box<dyn Query> = Box::new(BooleanQuery::union_with_minimum_required_clauses(
            vec![Box::new(matching), code],
            1,
        ));
        let mut all: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, found)];
        all.extend(self.signals(&asked).into_iter().map(|signal| (Occur::Should, signal)));
        let corrected: Vec<&str> = asked.iter().map(Asked::likeliest).collect();
        let is_corrected = asked.iter().any(|word| word.meant.is_some());
        Ok(Text {
            query: Box::new(BooleanQuery::new(all)),
            meant: is_corrected.then(|| corrected.join(" ")),
        })
    }

    /// The words of a question, each with what else it may be.
    fn asked(&mut self, search: &str) -> tantivy::Result<Vec<Asked>> {
        let mut asked: Vec<Asked> = Vec::new();
        for chunk in fold(search).split_whitespace() {
            for word in Asked::of(chunk) {
                if !asked.iter().any(|known| known.written == word.written) {
                    asked.push(word);
                }
            }
        }
        asked.truncate(MAX_WORDS);
        let ends_open = !search.ends_with(char::is_whitespace);
        let count = asked.len();
        for (number, word) in asked.iter_mut().enumerate() {
            self.widen(word, ends_open && number + 1 == count)?;
        }
        Ok(asked)
    }

    /// Adds beginnings to the last word, and corrections to one that nothing or next to nothing is written with.
    fn widen(&mut self, word: &mut Asked, is_last: bool) -> tantivy::Result<()> {
        // Whatever its ending: one that is only written in the singular is known in the plural.
        let known = Term::from_field_text(self.fields.words, &self.stems.of(&word.written));
        let count = self.vocabulary.count(&known)?;
        if is_last && word.written.chars().count() > 1 {
            let longer = self.vocabulary.beginning_with(&word.written)?;
            let beginnings = longer.into_iter().map(|meant| (meant.text, self.ranking.beginning));
            word.alternatives.extend(beginnings);
        }
        // Who has typed the beginning of a word has not slipped.
        if !word.alternatives.is_empty() && count == 0 {
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
        if !word.parts.is_empty() {
            let parts = word.parts.iter().map(|part| -> Box<dyn Query> {
                let found = self.in_fields(part, self.ranking.parts);
                Box::new(DisjunctionMaxQuery::new(found))
            });
            queries.push(Box::new(BooleanQuery::intersection(parts.collect())));
        }
        Box::new(DisjunctionMaxQuery::new(queries))
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

    /// What is said of the question as a whole.
    fn signals(&mut self, asked: &[Asked]) -> Vec<Box<dyn Query>> {
        let constant =
            |query: Box<dyn Query>, score: f32| -> Box<dyn Query> { Box::new(ConstScoreQuery::new(query, score)) };
        let each = asked.iter().map(|word| self.anywhere(word)).collect();
        let all = BooleanQuery::intersection(each);
        let mut signals = vec![constant(Box::new(all), self.ranking.all_words)];
        if asked.len() > 1 {
            let title = |word: &Asked| Term::from_field_text(self.fields.title, &self.stems.of(word.likeliest()));
            let phrase = PhraseQuery::new(asked.iter().map(title).collect());
            signals.push(constant(Box::new(phrase), self.ranking.phrase_in_title));
        }
        let stems: Vec<String> = asked.iter().map(|word| self.stems.of(word.likeliest())).collect();
        for (name, share) in names(&stems) {
            let term = Term::from_field_text(self.fields.kind, &name);
            let query = TermQuery::new(term, IndexRecordOption::Basic);
            signals.push(constant(Box::new(query), self.ranking.kind * share));
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
        }
    }

    /// The word, or what it is most likely a slip of.
    fn likeliest(&self) -> &str {
        self.meant.as_deref().unwrap_or(&self.written)
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
