//! Marks in a text the words that a question has found it by.

use std::collections::HashSet;
use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::text::{LONGEST, Stems, fold, has_digit, runs};
use crate::domain::product::{Highlights, Product};

/// How much of a description is shown, in characters; how much of that is in front of what was found, and how far an end is
/// moved to the end of a word.
const SNIPPET: usize = 200;
const BEFORE: usize = 40;
const SLACK: usize = 24;
/// How much of a description is looked at, in characters.
const LOOKED_AT: usize = 10_000;

/// The words that are marked.
pub(crate) struct Marks {
    /// Brings words to their stems, by which they are compared.
    reader: Stems,
    stems: HashSet<String>,
    /// Words that begin so are marked too.
    pub(super) beginning: Option<String>,
}

/// Where a word is in a text, and the word itself as it is compared.
#[derive(Debug)]
struct Marked {
    place: Range<usize>,
    word: String,
}

impl Marks {
    /// None, of a language whose words `reader` brings to their stems.
    pub(super) fn of_language(reader: Stems) -> Self {
        Self {
            reader,
            stems: HashSet::new(),
            beginning: None,
        }
    }

    /// Has a word marked, whatever its ending.
    pub(super) fn add(&mut self, word: &str) {
        self.stems.insert(self.reader.of(word));
    }

    /// Marks words in products, as they are told.
    pub(crate) fn highlight<'a>(&mut self, products: impl Iterator<Item = &'a mut Product>) {
        for product in products {
            product.highlights = Some(Highlights {
                title: self.whole(&product.title),
                description: self.snippet(&product.description),
            });
        }
    }

    /// All of a text, as HTML.
    fn whole(&mut self, text: &str) -> String {
        render(text, 0..text.len(), &self.find(text))
    }

    /// The part of a text that has most of what is marked, as HTML; its beginning where it has nothing.
    fn snippet(&mut self, text: &str) -> String {
        let looked_at = text.char_indices().nth(LOOKED_AT).map_or(text.len(), |(end, _)| end);
        let found = self.find(&text[..looked_at]);
        let shown = best(text, &found);
        let (before, after) = (shown.start > 0, shown.end < text.len());
        let html = render(text, shown, &found);
        let dots = |is_cut: bool| if is_cut { "…" } else { "" };
        [dots(before), &html, dots(after)].concat()
    }

    /// What is to be marked, in its order. Words that stand together may be the name of a model, as a whole.
    fn find(&mut self, text: &str) -> Vec<Marked> {
        let mut found = Vec::new();
        for chunk in chunks(text) {
            let whole: String = chunk.iter().map(|part| part.word.as_str()).collect();
            let is_model = (2..=4).contains(&chunk.len()) && chunk.iter().any(|part| has_digit(&part.word));
            if let [first, .., last] = chunk.as_slice()
                && is_model
                && self.is_marked(&whole)
            {
                found.push(Marked {
                    place: first.place.start..last.place.end,
                    word: whole,
                });
                continue;
            }
            found.extend(chunk.into_iter().filter(|part| self.has(&part.word)));
        }
        found
    }

    fn has(&mut self, word: &str) -> bool {
        if word.len() > LONGEST {
            return false;
        }
        let begins = |beginning: &String| word.starts_with(beginning.as_str());
        self.beginning.as_ref().is_some_and(begins)
            || self.is_marked(word)
            || runs(word).into_iter().any(|run| self.is_marked(run))
    }

    fn is_marked(&mut self, word: &str) -> bool {
        self.stems.contains(&self.reader.of(word))
    }
}

/// The words of a text, by what stands between two spaces.
fn chunks(text: &str) -> Vec<Vec<Marked>> {
    let mut chunks: Vec<Vec<Marked>> = vec![Vec::new()];
    let mut is_inside = false;
    for (start, character) in text.char_indices() {
        if character.is_whitespace() {
            is_inside = false;
            chunks.push(Vec::new());
            continue;
        }
        let folded = fold(character.encode_utf8(&mut [0; 4]));
        let end = start + character.len_utf8();
        let Some(chunk) = chunks.last_mut() else { continue };
        match chunk.last_mut() {
            // An accent belongs to its letter; an apostrophe to the word only where it goes on.
            Some(word) if is_inside && folded.is_empty() => {
                if is_combining_mark(character) {
                    word.place.end = end;
                }
            }
            Some(word) if is_inside && folded.chars().all(char::is_alphanumeric) => {
                word.place.end = end;
                word.word.push_str(&folded);
            }
            _ => {
                is_inside = !folded.is_empty() && folded.chars().all(char::is_alphanumeric);
                if is_inside {
                    chunk.push(Marked {
                        place: start..end,
                        word: folded,
                    });
                }
            }
        }
    }
    chunks
}

/// The part of a text to be shown: all of a short one, else around the most different words that are marked.
fn best(text: &str, found: &[Marked]) -> Range<usize> {
    let mut offsets: Vec<usize> = text.char_indices().map(|(offset, _)| offset).collect();
    offsets.push(text.len());
    let length = offsets.len() - 1;
    if length <= SNIPPET {
        return 0..text.len();
    }
    let number = |offset: usize| offsets.partition_point(|known| *known < offset);
    let mut first = 0;
    let mut most = 0;
    for (index, marked) in found.iter().enumerate() {
        let from = number(marked.place.start);
        let reach = offsets.get(from + SNIPPET - BEFORE).copied().unwrap_or(text.len());
        let near = found.iter().skip(index).take_while(|other| other.place.end <= reach);
        let words: HashSet<&str> = near.map(|other| other.word.as_str()).collect();
        if words.len() > most {
            (first, most) = (from, words.len());
        }
    }
    let start = first.saturating_sub(BEFORE).min(length - SNIPPET);
    let end = start + SNIPPET;
    let character = |number: usize| text.get(offsets[number]..).and_then(|rest| rest.chars().next());
    let is_space = |number: usize| character(number).is_some_and(char::is_whitespace);
    // Ends of words are looked for outwards of what is to be seen.
    let start = match start {
        0 => 0,
        start => (start..start + SLACK)
            .find(|number| is_space(*number))
            .filter(|number| *number < first)
            .map_or(start, |number| number + 1),
    };
    let end = match end == length {
        true => length,
        false => (end - SLACK..=end)
            .rev()
            .find(|number| is_space(*number))
            .unwrap_or(end),
    };
    let is_accent = |number: &usize| character(*number).is_some_and(is_combining_mark);
    let start = (start..end).find(|number| !is_accent(number)).unwrap_or(start);
    let end = (start..=end).rev().find(|number| !is_accent(number)).unwrap_or(end);
    offsets[start]..offsets[end]
}

/// A part of a text as HTML, with what is wholly in it marked.
fn render(text: &str, shown: Range<usize>, found: &[Marked]) -> String {
    let mut html = String::with_capacity(shown.len() + 64);
    let mut at = shown.start;
    for Marked { place, .. } in found {
        if place.start < shown.start || place.end > shown.end {
            continue;
        }
        escape(&text[at..place.start], &mut html);
        html.push_str("<mark>");
        escape(&text[place.clone()], &mut html);
        html.push_str("</mark>");
        at = place.end;
    }
    escape(&text[at..shown.end], &mut html);
    html
}

fn escape(text: &str, html: &mut String) {
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            character => html.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks(words: &[&str], beginning: Option<&str>) -> Marks {
        let mut marks = Marks::of_language(Stems::of_language(&"en".parse().unwrap()));
        words.iter().for_each(|word| marks.add(word));
        marks.beginning = beginning.map(str::to_owned);
        marks
    }

    fn plain(html: &str) -> String {
        let text = html.replace("<mark>", "").replace("</mark>", "");
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
        text.replace("&#39;", "'").replace("&amp;", "&")
    }

    #[test]
    fn whole_words_are_marked_whatever_their_form() {
        let mut found = marks(&["shoe", "cafe", "mens", "xps13", "518"], None);
        for (text, html) in [
            ("Red SHOES", "Red <mark>SHOES</mark>"),
            ("Shoehorn", "Shoehorn"),
            ("Café, cafe\u{301}s", "<mark>Café</mark>, <mark>cafe\u{301}s</mark>"),
            ("Men's 'shoe'", "<mark>Men&#39;s</mark> &#39;<mark>shoe</mark>&#39;"),
            ("Dell XPS-13.", "Dell <mark>XPS-13</mark>."),
            ("MX518 & more", "<mark>MX518</mark> &amp; more"),
            ("<b>shoe</b>", "&lt;b&gt;<mark>shoe</mark>&lt;/b&gt;"),
        ] {
            assert_eq!(found.whole(text), html);
        }
        assert_eq!(marks(&[], Some("hea")).whole("Headphones"), "<mark>Headphones</mark>");
    }

    #[test]
    fn of_a_long_text_the_part_is_shown_that_has_most() {
        let text = format!(
            "A shoe. {}Here are red shoes, and laces. {}",
            "Some words. ".repeat(60),
            "More words. ".repeat(60)
        );
        let shown = marks(&["shoe", "red", "lace"], None).snippet(&text);
        assert!(shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert!(
            shown.contains("<mark>red</mark> <mark>shoes</mark>, and <mark>laces</mark>"),
            "{shown}"
        );
        assert!(!shown.contains("A <mark>"), "{shown}");
        let nothing = marks(&["lamp"], None).snippet(&text);
        assert!(nothing.starts_with("A shoe.") && nothing.ends_with('…'), "{nothing}");
        assert_eq!(marks(&["lamp"], None).snippet(""), "");
    }

    proptest! {
        #[test]
        fn without_marks_the_text_is_as_it_was(text in "\\PC{0,300}", words in prop::collection::vec("[a-z]{1,3}", 0..4), beginning in prop::option::of("[a-z]")) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let html = marks(&words, beginning.as_deref()).whole(&text);
            prop_assert_eq!(plain(&html), text);
            prop_assert_eq!(html.matches("<mark>").count(), html.matches("</mark>").count());
        }

        #[test]
        fn a_snippet_is_a_short_piece_of_the_text(text in "([a-c<&'é\u{301}1]{1,9}[ -]){0,120}", words in prop::collection::vec("[a-c1]{1,3}", 0..4)) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let shown = plain(&marks(&words, None).snippet(&text));
            let shown = shown.trim_matches('…');
            prop_assert!(text.contains(shown));
            prop_assert!(shown.chars().count() <= SNIPPET);
            prop_assert!(text.chars().count() <= SNIPPET || shown.chars().count() > SNIPPET - 2 * SLACK - BEFORE);
        }

        #[test]
        fn what_is_marked_is_a_word_of_the_question(text in "[a-zA-Zé\u{301}' -]{0,80}", word in "[a-z]{2,4}") {
            let html = marks(&[&word], None).whole(&text);
            let mut stems = Stems::of_language(&"en".parse().unwrap());
            for marked in html.split("<mark>").skip(1) {
                let marked = plain(marked.split("</mark>").next().unwrap_or_default());
                prop_assert_eq!(stems.of(&fold(&marked)), stems.of(&word));
            }
        }
    }
}
