//! Descriptions: ours are plain text, Shopify's are HTML.

use std::borrow::Cow;

use crate::domain::listing::Description;

/// What encloses a text whose line breaks and blanks would not survive otherwise. Browsers show it as it is, and an import
/// takes it back to the letter.
const OPENING: &str = r#"<div style="white-space: pre-wrap">"#;
const CLOSING: &str = "</div>";

/// The text of a description, without its markup.
pub(super) fn text_of(html: &str) -> Result<String, String> {
    let text = match verbatim(html) {
        Some(text) => text,
        None => rendered(html)?,
    };
    Description::parse(text)
        .map(String::from)
        .map_err(|error| error.to_string())
}

/// A text as HTML that [`text_of`] turns into the very same text.
pub(super) fn html_of(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let is_plain = text_of(&escaped).is_ok_and(|read| read == text);
    if is_plain {
        escaped
    } else {
        format!("{OPENING}{escaped}{CLOSING}")
    }
}

/// What stands between our own marks.
fn verbatim(html: &str) -> Option<String> {
    let escaped = html.strip_prefix(OPENING)?.strip_suffix(CLOSING)?;
    let text = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    (!escaped.contains('<')).then_some(text)
}

fn rendered(html: &str) -> Result<String, String> {
    /// Lines are not to be broken: whoever shows the text knows how wide it may be.
    const WIDTH: usize = 100_000;
    // Markup is rare, and costly to look for.
    let is_plain = |character: char| character.is_alphanumeric() || matches!(character, '.' | ',' | ':' | '-');
    let mut words = html.split(' ');
    if html.len() < WIDTH && words.all(|word| !word.is_empty() && word.chars().all(is_plain)) {
        return Ok(html.to_owned());
    }
    let renderer = html2text::config::plain_no_decorate();
    let text = renderer
        .string_from_read(html.as_bytes(), WIDTH)
        .map_err(|error| format!("invalid_html: {error}"))?;
    let text: Cow<'_, str> = text.trim().into();
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_is_left_out() {
        assert_eq!(
            text_of("<p>A <b>fine</b> ring &amp; box</p>").unwrap(),
            "A fine ring & box"
        );
        assert_eq!(text_of("plain words, two").unwrap(), "plain words, two");
    }

    #[test]
    fn a_text_of_one_line_is_written_as_it_is() {
        assert_eq!(html_of("A fine ring"), "A fine ring");
        assert_eq!(html_of("a < b"), "a &lt; b");
        assert!(html_of("two\nlines").starts_with(OPENING));
    }

    proptest! {
        #[test]
        fn every_text_comes_back_as_it_was(text in "[a-c<>&;/ \n\t\r'\"]{0,40}", marks in any::<bool>()) {
            let text = if marks { format!("{OPENING}{text}&lt;{CLOSING}") } else { text };
            prop_assert_eq!(text_of(&html_of(&text)).unwrap(), text);
        }
    }
}
