//! How texts and questions become words. Both go through the same functions, so that what was written is found.

use std::collections::HashMap;

use tantivy::tokenizer::{Language, PreTokenizedString, RawTokenizer, Stemmer, TextAnalyzer, Token};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest word that is looked at, in bytes; what is longer is no word.
pub(super) const LONGEST: usize = 80;

/// A word in lower case and without accents, and where it stands: words of one text are counted, and what is written
/// together in a word such as `mx518` or `XPS-13` stands where its first part does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) position: usize,
}

/// The words of a text. Besides those that are written, the names of models have their parts, or are put together:
/// `XPS-13` is `xps`, `13` and `xps13`; `mx518` is also `mx` and `518`.
pub(super) fn words(text: &str) -> Vec<Word> {
    let folded = fold(text);
    let mut words = Vec::new();
    let mut position = 0;
    for chunk in folded.split_whitespace() {
        let parts: Vec<&str> = chunk
            .split(|character: char| !character.is_alphanumeric())
            .filter(|part| !part.is_empty() && part.len() <= LONGEST)
            .collect();
        let first = position;
        for part in &parts {
            push(&mut words, part, position);
            for run in runs(part) {
                push(&mut words, run, position);
            }
            position += 1;
        }
        if let [_, _, ..] = parts.as_slice()
            && parts.len() <= 4
            && parts.iter().any(|part| has_digit(part))
        {
            push(&mut words, &parts.concat(), first);
        }
    }
    // The index wants words in the order in which they stand.
    words.sort_by_key(|word| word.position);
    words
}

/// Lower case, without accents and apostrophes.
pub(super) fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|character| !is_combining_mark(*character) && !matches!(character, '\'' | '’' | '\0'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether there is a digit in a word, as in names of models.
pub(super) fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
}

/// The letters and the digits of a word that has both, unless they are too short to tell anything.
pub(super) fn runs(word: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut rest = word;
    while let Some(first) = rest.chars().next() {
        let is_same = |character: char| character.is_numeric() == first.is_numeric();
        let end = rest.find(|character| !is_same(character)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        runs.push(run);
        rest = after;
    }
    match runs.len() {
        0 | 1 => Vec::new(),
        _ => runs.into_iter().filter(|run| run.len() > 1).collect(),
    }
}

fn push(words: &mut Vec<Word>, text: &str, position: usize) {
    if text.len() <= LONGEST {
        words.push(Word {
            text: text.to_owned(),
            position,
        });
    }
}

/// Brings English words to their stems: `headphones` and `headphone` are one.
pub(super) struct Stems {
    analyzer: TextAnalyzer,
    known: HashMap<String, String>,
}

/// How many stems are remembered; texts have few different words.
const REMEMBERED: usize = 20_000;

impl Default for Stems {
    fn default() -> Self {
        Self {
            analyzer: TextAnalyzer::builder(RawTokenizer::default())
                .filter(Stemmer::new(Language::English))
                .build(),
            known: HashMap::new(),
        }
    }
}

impl Stems {
    /// The stem of a word, which is in lower case. Names of models have none.
    pub(super) fn of(&mut self, word: &str) -> String {
        if has_digit(word) {
            return word.to_owned();
        }
        if let Some(stem) = self.known.get(word) {
            return stem.clone();
        }
        let mut stream = self.analyzer.token_stream(word);
        let stem = match stream.next() {
            Some(token) if !token.text.is_empty() => token.text.clone(),
            _ => word.to_owned(),
        };
        drop(stream);
        if self.known.len() < REMEMBERED {
            self.known.insert(word.to_owned(), stem.clone());
        }
        stem
    }

    /// The stems of the words of a text, as the index takes them.
    pub(super) fn tokens(&mut self, words: &[Word]) -> PreTokenizedString {
        let tokens = words.iter().map(|word| Token {
            text: self.of(&word.text),
            position: word.position,
            ..Token::default()
        });
        PreTokenizedString {
            tokens: tokens.collect(),
            text: String::new(),
        }
    }

    /// The stems of a name in the order in which they stand, without parts of words: what names are compared by.
    pub(super) fn name(&mut self, text: &str) -> Vec<String> {
        let folded = fold(text);
        let words = folded.split(|character: char| !character.is_alphanumeric());
        words
            .filter(|word| !word.is_empty() && word.len() <= LONGEST)
            .map(|word| self.of(word))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_have_no_case_and_no_accents() {
        assert_eq!(texts("Café CRÈME, Ärmel"), ["cafe", "creme", "armel"]);
        assert_eq!(texts("men's"), ["mens"]);
        assert_eq!(texts("%:*&"), Vec::<String>::new());
    }

    #[test]
    fn names_of_models_are_found_together_and_apart() {
        assert_eq!(texts("XPS-13"), ["xps", "xps13", "13"]);
        assert_eq!(texts("mx518"), ["mx518", "mx", "518"]);
        assert_eq!(texts("i5-2410M"), ["i5", "i52410m", "2410m", "2410"]);
        assert_eq!(texts("well-known"), ["well", "known"]);
    }

    #[test]
    fn singular_and_plural_have_one_stem() {
        let mut stems = Stems::default();
        assert_eq!(stems.of("headphones"), stems.of("headphone"));
        assert_eq!(stems.of("x200s"), "x200s");
    }

    proptest! {
        #[test]
        fn any_text_becomes_words_without_fail(text in ".{0,200}") {
            let found = words(&text);
            prop_assert!(found.iter().all(|word| !word.text.is_empty() && word.text.len() <= LONGEST));
            prop_assert!(found.windows(2).all(|pair| pair[0].position <= pair[1].position));
        }

        #[test]
        fn the_runs_of_a_word_stand_in_it_in_order(word in "[a-z0-9]{1,20}") {
            let mut rest = word.as_str();
            for run in runs(&word) {
                let start = rest.find(run);
                prop_assert!(start.is_some());
                rest = &rest[start.unwrap_or(0) + run.len()..];
            }
        }
    }
}
