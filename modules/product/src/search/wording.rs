//! The words of questions as the search understands them, kept until the index or what staff say of words changes: whoever
//! searches goes on to another page, filter or order.

use std::sync::Arc;

use kernel::Locale;
use tantivy::query::{Bm25StatisticsProvider, BooleanQuery, EmptyQuery, Occur, Query};
use tantivy::{Searcher, Term};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::at_least::AtLeast;
use super::document::Fields;
use super::kept::Kept;
use super::layout::Layout;
use super::limit::Limit;
use super::places::Places;
use super::ranking::Ranking;
use super::reader::{Read, Reader};
use super::settings::{Lexicon, Settings};
use super::statistics::RoundFigures;
use crate::domain::filter::Filter;

/// How many bytes of questions are kept.
const KEPT: u64 = 32 << 20;
/// What a question costs, and each term that it looks for, in bytes.
const OVERHEAD: usize = 2_048;
const TERM: usize = 384;

/// The words of a question.
pub(super) struct Wording {
    pub(super) read: Read,
    /// Where staff have put products.
    pub(super) places: Arc<Places>,
    /// Names what staff have said of the question; empty where that is nothing.
    pub(super) said: String,
    fingerprint: u128,
    /// How many terms are looked for.
    terms: usize,
}

/// What a question is understood by.
#[derive(Clone, Copy)]
pub(super) struct Understanding<'a> {
    pub(super) searcher: &'a Searcher,
    pub(super) fields: Fields,
    pub(super) ranking: &'a Ranking,
    pub(super) settings: &'a Lexicon,
    pub(super) limit: Limit,
    layout: &'a Layout,
    filter: &'a Filter,
    known: &'a Wordings,
    /// Counts the changes of what staff have said.
    revision: i64,
}

/// The questions that are kept.
pub(super) struct Wordings(Kept<Name, Wording>);

/// What a question's meaning depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Name {
    generation: u64,
    revision: i64,
    search: String,
    shown: Vec<String>,
    locale: Option<Locale>,
}

impl Default for Wordings {
    fn default() -> Self {
        Self(Kept::new(KEPT, |_, wording| OVERHEAD + wording.terms * TERM))
    }
}

impl<'a> Understanding<'a> {
    /// Of a list that shows what `filter` says.
    pub(super) fn new(
        searcher: &'a Searcher,
        layout: &'a Layout,
        ranking: &'a Ranking,
        settings: &'a Settings,
        known: &'a Wordings,
        filter: &'a Filter,
        limit: Limit,
    ) -> Self {
        Self {
            limit,
            searcher,
            fields: layout.fields_of(filter),
            ranking,
            settings: settings.lexicon(filter.locale.as_ref()),
            layout,
            filter,
            known,
            revision: settings.revision,
        }
    }

    /// The words of a question, which go by what the products have one of that are `shown`; all where that is nothing.
    pub(super) fn wording(self, search: &str, shown: Vec<String>) -> tantivy::Result<Arc<Wording>> {
        let name = Name {
            generation: self.searcher.generation().generation_id(),
            revision: self.revision,
            search: search.to_owned(),
            shown: shown.clone(),
            locale: self.filter.locale.clone(),
        };
        self.known.0.get(name, || self.read(search, &shown).map(Arc::new))
    }

    fn read(self, search: &str, shown: &[String]) -> tantivy::Result<Wording> {
        let mut tongue = self.layout.tongue_of(self.filter);
        let places = self.settings.places(search, &mut tongue.own);
        let term = |status: &String| Term::from_field_text(self.fields.status, status);
        let read = Reader::new(self, tongue, shown.iter().map(term).collect()).read(search)?;
        Wording::new(read, places, self)
    }
}

impl Wording {
    fn new(read: Read, places: Places, understanding: Understanding<'_>) -> tantivy::Result<Self> {
        let said = match read.said.is_empty() && places.is_empty() {
            true => String::new(),
            false => format!("{:016x}", xxh3_64(format!("{}{places:?}", read.said).as_bytes())),
        };
        let mut wording = Self {
            read,
            places: Arc::new(places),
            said,
            fingerprint: 0,
            terms: 0,
        };
        let statistics = RoundFigures {
            searcher: understanding.searcher,
            words: understanding.fields.words,
            at_least: Some(&wording.read.at_least),
        };
        let query = wording.query(wording.read.required);
        let mut terms: Vec<Term> = Vec::new();
        query.query_terms(&mut |term, _| terms.push(term.clone()));
        let mut name = format!("{query:?}/{}", statistics.total_num_docs()?);
        for term in &terms {
            name.push_str(&format!("/{}", statistics.doc_freq(term)?));
        }
        (wording.fingerprint, wording.terms) = (xxh3_128(name.as_bytes()), terms.len());
        Ok(wording)
    }

    /// The query for products that have so many of the words at least.
    pub(super) fn query(&self, required: usize) -> Box<dyn Query> {
        if self.read.words.is_empty() {
            return Box::new(EmptyQuery);
        }
        let should = |query: &dyn Query| (Occur::Should, query.box_clone());
        let matching = AtLeast {
            queries: self.read.words.iter().map(|word| word.box_clone()).collect(),
            required,
        };
        let ways: Vec<Box<dyn Query>> = vec![Box::new(matching), self.read.code.box_clone()];
        let found = BooleanQuery::union_with_minimum_required_clauses(ways, 1);
        let mut all: Vec<(Occur, Box<dyn Query>)> = vec![(Occur::Must, Box::new(found))];
        all.extend(self.read.signals.iter().map(|signal| should(&**signal)));
        Box::new(BooleanQuery::new(all))
    }

    /// Names that query: what has the same name finds the same products of a segment with the same ranks. How common the words
    /// are belongs to that.
    pub(super) fn name(&self, required: usize) -> u128 {
        xxh3_128(format!("{:x}/{required}", self.fingerprint).as_bytes())
    }
}
