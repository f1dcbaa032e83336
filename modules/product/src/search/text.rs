//! How texts and questions become words. Both go through the same functions, so that what was written is found.

use std::collections::HashMap;

use kernel::Locale;
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

/// Lower case, without accents and apostrophes; a sharp s is two.
pub(super) fn fold(text: &str) -> String {
    let folded: String = text
        .nfkd()
        .filter(|character| !is_combining_mark(*character) && !matches!(character, '\'' | '’' | '\0'))
        .flat_map(char::to_lowercase)
        .collect();
    match folded.contains('ß') {
        true => folded.replace('ß', "ss"),
        false => folded,
    }
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

/// Brings the words of a language to their stems: `headphones` and `headphone` are one in English. Where nobody knows how, a
/// word is its own stem.
#[derive(Clone)]
pub(super) struct Stems {
    analyzer: TextAnalyzer,
    known: HashMap<String, String>,
}

/// How many stems are remembered; texts have few different words.
const REMEMBERED: usize = 20_000;

/// The stems of a list's language.
pub(super) struct Tongue {
    pub(super) own: Stems,
    /// Those of what is the same in all languages, where they are other ones: the shop's own.
    pub(super) shared: Option<Stems>,
}

impl Stems {
    /// Those of a language, whatever its region.
    pub(super) fn of_language(locale: &Locale) -> Self {
        let whole = TextAnalyzer::builder(RawTokenizer::default());
        Self {
            analyzer: match language(locale) {
                Some(language) => whole.filter(Stemmer::new(language)).build(),
                None => whole.build(),
            },
            known: HashMap::new(),
        }
    }

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

/// The language by which words are brought to their stems.
fn language(locale: &Locale) -> Option<Language> {
    let tag = locale.as_str();
    Some(match tag.split_once('-').map_or(tag, |(language, _)| language) {
        "ar" => Language::Arabic,
        "da" => Language::Danish,
        "de" => Language::German,
        "el" => Language::Greek,
        "en" => Language::English,
        "es" => Language::Spanish,
        "fi" => Language::Finnish,
        "fr" => Language::French,
        "hu" => Language::Hungarian,
        "it" => Language::Italian,
        "nb" | "nn" | "no" => Language::Norwegian,
        "nl" => Language::Dutch,
        "pt" => Language::Portuguese,
        "ro" => Language::Romanian,
        "ru" => Language::Russian,
        "sv" => Language::Swedish,
        "ta" => Language::Tamil,
        "tr" => Language::Turkish,
        _ => return None,
    })
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
        assert_eq!(texts("Straße STRAẞE Strasse"), ["strasse", "strasse", "strasse"]);
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
        let mut stems = Stems::of_language(&"en-GB".parse().unwrap());
        assert_eq!(stems.of("headphones"), stems.of("headphone"));
        assert_eq!(stems.of("x200s"), "x200s");
    }

    #[test]
    fn each_language_has_stems_of_its_own_or_none() {
        for (locale, one, other) in [
            ("de", "Bücher", "Buch"),
            ("de-AT", "Schuhe", "Schuh"),
            ("fr", "chaussures", "chaussure"),
            ("es", "zapatos", "zapato"),
            ("nb", "bilene", "bilen"),
            ("ru", "книги", "книга"),
        ] {
            let mut stems = Stems::of_language(&locale.parse().unwrap());
            assert_eq!(stems.of(&fold(one)), stems.of(&fold(other)), "{locale}");
        }
        let mut stems = Stems::of_language(&"pl".parse().unwrap());
        assert_eq!(stems.of("ksiazki"), "ksiazki");
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
