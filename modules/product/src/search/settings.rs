//! What staff have said of the search, in memory: one value that never changes, and gives way to another one as a whole.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use database::Failure;
use diesel::{PgConnection, QueryResult};
use kernel::id::ProductId;
use kernel::{Fault, Locale};
use uuid::Uuid;

use super::places::{Place, Places};
use super::reader::written;
use super::text::Stems;
use super::{Search, Shape, Shared};
use crate::domain::search_rule::{Match, SearchRule};
use crate::domain::search_settings::Synonyms;
use crate::queries::{search_rules, search_settings as queries};

/// How much the alternatives of one question may cost: the words of each, as often as it stands for a word.
const MAX_COST: usize = 48;
/// How many rules one question obeys at most.
const MAX_RULES: usize = 10;
/// How many groups of synonyms, and rules, are read at a time.
const PAGE: i64 = 1_000;

/// What the search goes by, beside the index.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Counts the changes; 0 where nothing has been read yet.
    pub(super) revision: i64,
    own: Lexicon,
    /// The same in further languages, whose words have other stems.
    further: Vec<(Locale, Lexicon)>,
}

/// What staff have said of words, by their stems in a language.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    stop_words: HashSet<String>,
    /// What is looked for beside a term, by the stems of its words.
    synonyms: HashMap<Vec<String>, Vec<Arc<Phrase>>>,
    /// The most words of a term.
    longest: usize,
    /// Rules by the stems of their queries.
    rules: HashMap<Vec<String>, Vec<Rule>>,
    /// The most words of a rule.
    longest_rule: usize,
}

/// A rule of staff.
#[derive(Debug)]
struct Rule {
    /// Counts the rules in the order in which they were made.
    number: usize,
    is_exact: bool,
    pins: Vec<Uuid>,
    boosts: Vec<Uuid>,
    buries: Vec<Uuid>,
}

/// Some words in a row: as they are written, and their stems.
#[derive(Debug, PartialEq)]
pub(super) struct Phrase {
    pub(super) words: Vec<String>,
    pub(super) stems: Vec<String>,
}

/// Words of a question that are looked for in another form, too.
#[derive(Debug)]
pub(super) struct Expansion {
    /// Which words these are: the first, and how many.
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) phrase: Arc<Phrase>,
}

impl Settings {
    /// As they are stored: all of it at one moment.
    fn read(connection: &mut PgConnection, shape: &Shape) -> Result<Self, Failure<Fault>> {
        let revision = queries::hold_to_read(connection)?;
        let stop_words = queries::stop_words(connection)?.words;
        let groups = all(connection, queries::page, |group| group.id.uuid())?;
        let rules = all(connection, search_rules::page_as_stored, |rule| rule.id.uuid())?;
        let lexicon = |locale: &Locale| Lexicon::new(&mut Stems::of_language(locale), &stop_words, &groups, &rules);
        let further = shape.languages.iter().map(|language| &language.locale);
        Ok(Self {
            revision,
            own: lexicon(&shape.locale),
            further: further.map(|locale| (locale.clone(), lexicon(locale))).collect(),
        })
    }

    /// What is said in a language, the shop's own where none is given.
    pub(super) fn lexicon(&self, locale: Option<&Locale>) -> &Lexicon {
        let mut further = self.further.iter();
        let found = further.find(|(known, _)| Some(known) == locale);
        found.map_or(&self.own, |(_, lexicon)| lexicon)
    }
}

impl Lexicon {
    fn new(stems: &mut Stems, stop_words: &[String], groups: &[Synonyms], rules: &[SearchRule]) -> Self {
        let mut lexicon = Self {
            stop_words: stop_words.iter().map(|word| stems.of(word)).collect(),
            ..Self::default()
        };
        for group in groups {
            let terms: Vec<Arc<Phrase>> = group
                .terms
                .iter()
                .map(|term| Arc::new(Phrase::of(term, stems)))
                .collect();
            match &group.one_way_from {
                Some(from) => lexicon.add(&Phrase::of(from, stems), &terms),
                None => terms.iter().for_each(|from| lexicon.add(from, &terms)),
            }
        }
        for (number, rule) in rules.iter().enumerate() {
            let query = Phrase::of(&rule.query, stems).stems;
            lexicon.longest_rule = lexicon.longest_rule.max(query.len());
            let known = lexicon.rules.entry(query).or_default();
            known.push(Rule::new(number, rule));
        }
        lexicon
    }

    fn add(&mut self, from: &Phrase, terms: &[Arc<Phrase>]) {
        self.longest = self.longest.max(from.stems.len());
        let known = self.synonyms.entry(from.stems.clone()).or_default();
        for term in terms {
            if term.stems != from.stems && !known.contains(term) {
                known.push(Arc::clone(term));
            }
        }
    }

    /// Whether a word says nothing, by its stem.
    pub(super) fn is_stop_word(&self, stem: &str) -> bool {
        self.stop_words.contains(stem)
    }

    /// What is looked for beside the words of a question, by their stems: as much as may be, from its beginning. What
    /// synonyms have for synonyms is not.
    pub(super) fn expansions(&self, stems: &[String]) -> Vec<Expansion> {
        let mut expansions = Vec::new();
        let mut cost = 0;
        for first in 0..stems.len() {
            for count in 1..=self.longest.min(stems.len() - first) {
                let known = stems
                    .get(first..first + count)
                    .and_then(|words| self.synonyms.get(words));
                for phrase in known.into_iter().flatten() {
                    cost += count * phrase.words.len();
                    if cost > MAX_COST {
                        return expansions;
                    }
                    expansions.push(Expansion {
                        first,
                        count,
                        phrase: Arc::clone(phrase),
                    });
                }
            }
        }
        expansions
    }
}

impl Lexicon {
    /// Where the rules for a question put products.
    pub(super) fn places(&self, search: &str, stems: &mut Stems) -> Places {
        if self.rules.is_empty() {
            return Places::default();
        }
        let stems = Phrase::of(search, stems).stems;
        // In the order in which they hold: exact ones, then the longest.
        let mut holding: BTreeMap<(bool, Reverse<usize>, usize), &Rule> = BTreeMap::new();
        for first in 0..stems.len() {
            for count in 1..=self.longest_rule.min(stems.len() - first) {
                let known = stems.get(first..first + count).and_then(|words| self.rules.get(words));
                let is_whole = count == stems.len();
                let rules = known.into_iter().flatten().filter(|rule| is_whole || !rule.is_exact);
                holding.extend(rules.map(|rule| ((!rule.is_exact, Reverse(count), rule.number), rule)));
            }
        }
        let rules: Vec<&Rule> = holding.into_values().take(MAX_RULES).collect();
        let mut pins = 0;
        Places::new(rules.into_iter().flat_map(|rule| rule.places(&mut pins)))
    }
}

impl Rule {
    fn new(number: usize, rule: &SearchRule) -> Self {
        let ids = |products: &[ProductId]| products.iter().map(|product| product.uuid()).collect();
        Self {
            number,
            is_exact: rule.r#match == Match::Exact,
            pins: ids(&rule.pins),
            boosts: ids(&rule.boosts),
            buries: ids(&rule.buries),
        }
    }

    /// Where it puts products; its pins come after as many others.
    fn places(&self, pins: &mut u64) -> Vec<(Uuid, Place)> {
        let pinned = self.pins.iter().map(|id| {
            *pins += 1;
            (*id, Place::Pinned(*pins))
        });
        let mut places: Vec<(Uuid, Place)> = pinned.collect();
        places.extend(self.boosts.iter().map(|id| (*id, Place::Boosted)));
        places.extend(self.buries.iter().map(|id| (*id, Place::Buried)));
        places
    }
}

/// All that there is of something that is read by pages.
fn all<T>(
    connection: &mut PgConnection,
    page: impl Fn(&mut PgConnection, Uuid, i64) -> QueryResult<Vec<T>>,
    id: impl Fn(&T) -> Uuid,
) -> QueryResult<Vec<T>> {
    let mut found: Vec<T> = Vec::new();
    loop {
        let read = page(connection, found.last().map(&id).unwrap_or_default(), PAGE)?;
        let is_last = read.len() < usize::try_from(PAGE).unwrap_or(0);
        found.extend(read);
        if is_last {
            return Ok(found);
        }
    }
}

impl Phrase {
    fn of(text: &str, stems: &mut Stems) -> Self {
        let words = written(text);
        Self {
            stems: words.iter().map(|word| stems.of(word)).collect(),
            words,
        }
    }
}

impl Search {
    /// The stems of the words of a text in the shop's own language: equal ones are one to the search.
    pub(crate) fn stems_of(&self, text: &str) -> Vec<String> {
        Phrase::of(text, &mut Stems::of_language(&self.shared.shape.locale)).stems
    }

    /// Has searches of this process go by what staff have just written.
    pub(crate) async fn take_settings(&self) {
        if let Err(error) = self.shared.read_settings().await {
            // It is written all the same, and an event tells of it.
            tracing::warn!(%error, "what searches go by is taken over a moment later");
        }
    }
}

impl Shared {
    /// Takes over what staff have said in other processes. Events tell of it too, but come in their order: behind a large
    /// import they would come late.
    pub(super) async fn follow_settings(&self) -> Result<(), Fault> {
        let known = self.settings.borrow().revision;
        let stored = self
            .db
            .run(|connection| Ok::<_, Failure<Fault>>(queries::revision(connection)?));
        match stored.await? != known {
            true => self.read_settings().await,
            false => Ok(()),
        }
    }

    /// Reads what staff have said, and takes it over where it is not what is known. That may be newer than what was read by
    /// now, or come from a database that has been restored since: whatever is wrong then is right a moment later.
    async fn read_settings(&self) -> Result<(), Fault> {
        let shape = Arc::clone(&self.shape);
        let read = self
            .db
            .transaction(move |connection| Settings::read(connection, &shape));
        let read = Arc::new(read.await?);
        self.settings.send_if_modified(|known| {
            let is_other = read.revision != known.revision;
            if is_other {
                *known = read;
            }
            is_other
        });
        Ok(())
    }
}

/// The words of a text as the search takes them.
pub(crate) fn words_of(text: &str) -> Vec<String> {
    written(text)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use kernel::id::{SearchRuleId, SynonymsId};
    use proptest::prelude::*;

    use super::*;

    fn group(terms: &[&str], from: Option<&str>) -> Synonyms {
        Synonyms {
            id: SynonymsId::generate(),
            terms: terms.iter().map(|term| (*term).to_owned()).collect(),
            one_way_from: from.map(str::to_owned),
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    fn lexicon(stop_words: &[String], groups: &[Synonyms], rules: Vec<SearchRule>) -> Lexicon {
        Lexicon::new(&mut english(), stop_words, groups, &rules)
    }

    fn english() -> Stems {
        Stems::of_language(&"en".parse().unwrap())
    }

    fn stems_of(text: &str) -> Vec<String> {
        Phrase::of(text, &mut english()).stems
    }

    fn expanded(lexicon: &Lexicon, question: &str) -> Vec<(usize, usize, String)> {
        let found = lexicon.expansions(&stems_of(question)).into_iter();
        found
            .map(|expansion| (expansion.first, expansion.count, expansion.phrase.words.join(" ")))
            .collect()
    }

    #[test]
    fn terms_are_found_anywhere_in_whatever_form_and_are_not_chained() {
        let groups = [
            group(&["TV", "Télévision"], None),
            group(&["flash drives", "USB stick"], None),
            group(&["tablet"], Some("iPad")),
            group(&["slate"], Some("tablet")),
        ];
        let known = lexicon(&[], &groups, Vec::new());
        assert_eq!(expanded(&known, "cheap TV"), [(1, 1, "television".to_owned())]);
        assert_eq!(expanded(&known, "usb sticks 64gb"), [(0, 2, "flash drives".to_owned())]);
        assert_eq!(expanded(&known, "big flash drive"), [(1, 2, "usb stick".to_owned())]);
        assert_eq!(expanded(&known, "ipad"), [(0, 1, "tablet".to_owned())]);
        assert_eq!(expanded(&known, "stick usb"), []);
        assert_eq!(expanded(&known, "slate"), []);
    }

    #[test]
    fn stop_words_are_known_in_whatever_form() {
        let known = lexicon(&["for".to_owned(), "things".to_owned()], &[], Vec::new());
        let is_stop = |word: &str| known.is_stop_word(&stems_of(word)[0]);
        assert!(is_stop("FOR") && is_stop("thing") && !is_stop("four"));
    }

    fn rule(query: &str, r#match: Match, pins: &[u128], buries: &[u128]) -> SearchRule {
        let ids = |numbers: &[u128]| numbers.iter().map(|number| Uuid::from_u128(*number).into()).collect();
        SearchRule {
            id: SearchRuleId::generate(),
            query: query.to_owned(),
            r#match,
            pins: ids(pins),
            boosts: Vec::new(),
            buries: ids(buries),
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn exact_rules_hold_before_longer_before_shorter_ones() {
        let rules = vec![
            rule("shoes", Match::Contains, &[1, 2], &[5]),
            rule("red shoe", Match::Contains, &[3], &[]),
            rule("Red Shoes sale", Match::Exact, &[4, 5, 2], &[]),
            rule("shoes", Match::Exact, &[6], &[]),
        ];
        let known = lexicon(&[], &[], rules);
        let order = |question: &str| {
            let places = known.places(question, &mut english());
            let mut pinned: Vec<Uuid> = places.pinned().collect();
            pinned.sort_by_key(|id| Reverse(places.rank(*id, 0)));
            pinned.into_iter().map(|id| id.as_u128()).collect::<Vec<_>>()
        };
        assert_eq!(order("red shoe sales"), [4, 5, 2, 3, 1]);
        assert_eq!(order("my red shoes"), [3, 1, 2]);
        assert_eq!(order("shoe"), [6, 1, 2]);
        assert_eq!(order("shoes shoes"), [1, 2]);
        assert!(known.places("socks", &mut english()).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_looked_for_besides_is_bounded(sizes in prop::collection::vec(2..20_usize, 0..10), words in prop::collection::vec(0..200_usize, 0..16)) {
            let name = |number: usize| format!("w{}", (b'a' + u8::try_from(number % 26).unwrap()) as char).repeat(1 + number / 26);
            let mut next = 0;
            let groups: Vec<Synonyms> = sizes.iter().map(|size| {
                let terms: Vec<String> = (next..next + size).map(name).collect();
                next += size;
                group(&terms.iter().map(String::as_str).collect::<Vec<_>>(), None)
            }).collect();
            let known = lexicon(&[], &groups, Vec::new());
            let stems: Vec<String> = words.into_iter().flat_map(|number| stems_of(&name(number))).collect();
            let found = known.expansions(&stems);
            prop_assert!(found.iter().map(|found| found.count * found.phrase.words.len()).sum::<usize>() <= MAX_COST);
            prop_assert!(found.iter().all(|found| found.phrase.stems[..] != stems[found.first..found.first + found.count]));
        }
    }
}
