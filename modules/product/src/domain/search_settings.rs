//! What staff say of words: which mean the same, and which say nothing.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::id::SynonymsId;
use kernel::patch::{Patch, present};
use kernel::{FieldErrors, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most groups of synonyms of a shop, and stop words.
pub(crate) const MAX_GROUPS: i64 = 1_000;
const MAX_STOP_WORDS: usize = 500;
/// How many terms a group has at most, and words a term.
const MAX_TERMS: usize = 20;
const MAX_WORDS: usize = 8;

/// A word, or several in a row.
pub(crate) type Term = Text<1, 80>;

/// Words that mean the same to the search: whoever searches for one of `terms` finds what is written with another one, too.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Synonyms {
    pub(crate) id: SynonymsId,
    pub(crate) terms: Vec<String>,
    /// Where it is there: whoever searches for this finds what is written with one of `terms`, and not the other way round.
    pub(crate) one_way_from: Option<String>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A new group of synonyms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSynonyms {
    /// 2 to 20, with `one_way_from` 1 to 20; each of at most 8 words.
    #[schema(value_type = Vec<String>)]
    pub(crate) terms: Vec<Term>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) one_way_from: Option<Term>,
}

/// Changes of a group of synonyms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SynonymsPatch {
    /// All of them: others are removed.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>)]
    pub(crate) terms: Option<Vec<Term>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) one_way_from: Patch<Term>,
}

/// Words that say nothing: a search does not require them, unless it has no others.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct StopWords {
    /// In lower case and without accents, as the search takes them.
    pub(crate) words: Vec<String>,
    pub(crate) version: i64,
}

/// All stop words: others are removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewStopWords {
    /// At most 500, each a single word.
    #[schema(value_type = Vec<String>)]
    pub(crate) words: Vec<Term>,
}

impl Synonyms {
    /// A group as `new` has it.
    pub(crate) fn new(new: NewSynonyms, now: DateTime<Utc>) -> Self {
        Self {
            id: SynonymsId::generate(),
            terms: new.terms.into_iter().map(String::from).collect(),
            one_way_from: new.one_way_from.map(String::from),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The same with changes.
    pub(crate) fn patched(self, patch: SynonymsPatch, now: DateTime<Utc>) -> Self {
        let terms = |terms: Vec<Term>| terms.into_iter().map(String::from).collect();
        Self {
            terms: patch.terms.map_or(self.terms, terms),
            one_way_from: patch.one_way_from.map(String::from).apply(self.one_way_from),
            version: self.version + 1,
            updated_at: now,
            ..self
        }
    }

    /// Checks a group by itself; `words` are the words of a text, as they are compared.
    pub(crate) fn check(&self, words: impl Fn(&str) -> Vec<String>) -> Result<(), FieldErrors> {
        let fewest = if self.one_way_from.is_some() { 1 } else { 2 };
        let mut errors = FieldErrors::new();
        match self.terms.len() {
            count if count < fewest => errors.add("/terms", "too_few", format!("at least {fewest}")),
            count if count > MAX_TERMS => return Err(FieldErrors::one("/terms", "too_many", too_many(MAX_TERMS))),
            _ => (),
        }
        let from = self.one_way_from.iter();
        let from = from.map(|term| ("/one_way_from".to_owned(), term));
        let terms = self.terms.iter().enumerate();
        let terms = terms.map(|(index, term)| (format!("/terms/{index}"), term));
        let mut seen = HashSet::new();
        for (pointer, term) in from.chain(terms) {
            let words = words(term);
            match words.len() {
                0 => errors.add(pointer, "no_word", "has no word"),
                count if count > MAX_WORDS => errors.add(pointer, "too_many_words", too_many(MAX_WORDS)),
                _ if !seen.insert(words) => {
                    errors.add(pointer, "duplicate", "the search takes it for another one here")
                }
                _ => (),
            }
        }
        errors.into_result()
    }
}

impl NewStopWords {
    /// The words as they are kept; `words` are the words of a text.
    pub(crate) fn into_words(self, words: impl Fn(&str) -> Vec<String>) -> Result<Vec<String>, FieldErrors> {
        if self.words.len() > MAX_STOP_WORDS {
            return Err(FieldErrors::one("/words", "too_many", too_many(MAX_STOP_WORDS)));
        }
        let mut errors = FieldErrors::new();
        let mut kept: Vec<String> = Vec::with_capacity(self.words.len());
        let mut seen = HashSet::new();
        for (index, word) in self.words.iter().enumerate() {
            let pointer = format!("/words/{index}");
            match words(word).as_slice() {
                [word] if seen.insert(word.clone()) => kept.push(word.clone()),
                [_] => errors.add(pointer, "duplicate", "the search takes it for another one here"),
                [] => errors.add(pointer, "no_word", "has no word"),
                _ => errors.add(pointer, "too_many_words", "a stop word is a single word"),
            }
        }
        errors.into_result()?;
        Ok(kept)
    }
}

fn too_many(most: usize) -> String {
    format!("at most {most}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_lowercase).collect()
    }

    fn group(terms: &[&str], from: Option<&str>) -> Synonyms {
        let term = |text: &&str| Term::parse(*text).unwrap();
        let new = NewSynonyms {
            terms: terms.iter().map(term).collect(),
            one_way_from: from.as_ref().map(term),
        };
        Synonyms::new(new, DateTime::UNIX_EPOCH)
    }

    fn refusal(group: &Synonyms) -> (String, String) {
        let errors = group.check(words).unwrap_err();
        let error = &errors.as_slice()[0];
        (error.pointer.clone(), error.code.clone())
    }

    #[test]
    fn a_group_says_the_same_in_several_ways() {
        assert!(group(&["tv", "television"], None).check(words).is_ok());
        assert!(group(&["tablet"], Some("iPad")).check(words).is_ok());
        for (group, pointer, code) in [
            (group(&["tv"], None), "/terms", "too_few"),
            (group(&[], Some("tv")), "/terms", "too_few"),
            (group(&["tv"; 21], None), "/terms", "too_many"),
            (group(&["tv", "TV"], None), "/terms/1", "duplicate"),
            (group(&["tv", "ipad"], Some("TV")), "/terms/0", "duplicate"),
            (group(&["a b c d e f g h i", "tv"], None), "/terms/0", "too_many_words"),
        ] {
            assert_eq!(refusal(&group), (pointer.to_owned(), code.to_owned()), "{group:?}");
        }
    }

    #[test]
    fn a_stop_word_is_one_word() {
        let stop = |texts: &[&str]| {
            let words_of = texts.iter().map(|text| Term::parse(*text).unwrap());
            NewStopWords {
                words: words_of.collect(),
            }
            .into_words(words)
        };
        assert_eq!(stop(&["The", "for"]), Ok(vec!["the".to_owned(), "for".to_owned()]));
        assert!(stop(&["The", "the"]).is_err());
        assert!(stop(&["in the"]).is_err());
        assert!(stop(&["a"; 501]).is_err());
    }

    proptest! {
        #[test]
        fn what_a_patch_does_not_name_stays(terms in prop::collection::vec("[a-z]{1,5}", 2..5), from in prop::option::of("[a-z]{1,5}")) {
            let terms: Vec<&str> = terms.iter().map(String::as_str).collect();
            let before = group(&terms, from.as_deref());
            let nothing: SynonymsPatch = serde_json::from_str("{}").unwrap();
            let after = before.clone().patched(nothing, before.updated_at);
            prop_assert_eq!(after.version, 2);
            prop_assert_eq!(Synonyms { version: 1, ..after }, before);
        }
    }
}
