//! The one text type: bounded, without NUL (PostgreSQL's text cannot hold it) and other control characters. It is one
//! line, so that nobody can forge a second one in a mail, a label or a log; [`Prose`] may have line breaks and tabs.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// Text of `MIN` to `MAX` characters (Unicode scalar values, not bytes): one line, or any number where `LINES`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize, const LINES: bool = false>(String);

/// Text of `MIN` to `MAX` characters that may have line breaks and tabs: descriptions, notes.
pub type Prose<const MIN: usize, const MAX: usize> = Text<MIN, MAX, true>;

impl<const MIN: usize, const MAX: usize, const LINES: bool> Text<MIN, MAX, LINES> {
    /// Checks `text` and takes it over unchanged: nothing is trimmed or folded.
    pub fn parse(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        if text.contains('\0') {
            return Err(TextError::Nul);
        }
        let unwanted = |character: char| match character {
            '\n' | '\r' | '\t' | LINE_SEPARATOR | PARAGRAPH_SEPARATOR => !LINES,
            character => character.is_control(),
        };
        if text.chars().any(unwanted) {
            return Err(TextError::ControlCharacter { lines: LINES });
        }
        match text.chars().take(MAX + 1).count() {
            length if length < MIN => Err(TextError::TooShort(MIN)),
            length if length > MAX => Err(TextError::TooLong(MAX)),
            _ if MIN > 0 && text.trim().is_empty() => Err(TextError::Blank),
            _ => Ok(Self(text)),
        }
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

const LINE_SEPARATOR: char = '\u{2028}';
const PARAGRAPH_SEPARATOR: char = '\u{2029}';

/// Why a string is not acceptable text. Messages begin with the stable code of the field error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// U+0000.
    #[error("invalid_character: must not contain NUL")]
    Nul,
    /// A control character; line breaks and tabs count where `lines` is false.
    #[error("invalid_character: must not contain control characters{}", if *.lines { "" } else { ", line breaks or tabs" })]
    ControlCharacter {
        /// Whether the text may have several lines.
        lines: bool,
    },
    /// Fewer characters than the least.
    #[error("too_short: must have at least {0} character(s)")]
    TooShort(usize),
    /// More characters than the most.
    #[error("too_long: must have at most {0} characters")]
    TooLong(usize),
    /// White space only.
    #[error("blank: must not be blank")]
    Blank,
}

impl<const MIN: usize, const MAX: usize, const LINES: bool> Deref for Text<MIN, MAX, LINES> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize, const LINES: bool> fmt::Display for Text<MIN, MAX, LINES> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<const MIN: usize, const MAX: usize, const LINES: bool> From<Text<MIN, MAX, LINES>> for String {
    fn from(text: Text<MIN, MAX, LINES>) -> Self {
        text.0
    }
}

impl<'de, const MIN: usize, const MAX: usize, const LINES: bool> Deserialize<'de> for Text<MIN, MAX, LINES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<const MIN: usize, const MAX: usize, const LINES: bool> utoipa::PartialSchema for Text<MIN, MAX, LINES> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(MIN))
            .max_length(Some(MAX))
            .into()
    }
}

impl<const MIN: usize, const MAX: usize, const LINES: bool> utoipa::ToSchema for Text<MIN, MAX, LINES> {
    fn name() -> Cow<'static, str> {
        let kind = if LINES { "Prose" } else { "Text" };
        format!("{kind}{MIN}To{MAX}").into()
    }
}

/// An e-mail address as people type it: kept as written, compared by [`Email::canonical`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// Checks the shape `local@domain` (at most 254 characters, no white space or control characters; the domain has a
    /// dot and no empty label) and takes the address over unchanged.
    pub fn parse(text: impl Into<String>) -> Result<Self, EmailError> {
        let text = text.into();
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError)?;
        let labels_are_sound = domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .chars()
                    .all(|character| character.is_alphanumeric() || character == '-')
        });
        let local_is_sound = !local.is_empty()
            && local.len() <= 64
            && !local.chars().any(|character| {
                character.is_whitespace()
                    || character.is_control()
                    || matches!(character, '@' | '<' | '>' | ',' | ';' | ':' | '"' | '(' | ')' | '\\')
            });
        if text.len() > 254 || !domain.contains('.') || !labels_are_sound || !local_is_sound {
            return Err(EmailError);
        }
        Ok(Self(text))
    }

    /// The form under which an account is unique: lower case throughout. Nothing else is folded, so that `a+b@x.org`
    /// and `ab@x.org` stay two addresses.
    pub fn canonical(&self) -> String {
        self.0.to_lowercase()
    }

    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A string is not an e-mail address.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("invalid_email: not an e-mail address")]
pub struct EmailError;

impl<'de> Deserialize<'de> for Email {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(254))
            .examples(["ada@example.com"])
            .into()
    }
}

impl utoipa::ToSchema for Email {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_in_characters_and_holds_no_control_characters() {
        assert_eq!(Text::<1, 3>::parse("åäö").unwrap().as_str(), "åäö");
        assert_eq!(Text::<1, 3>::parse("abcd"), Err(TextError::TooLong(3)));
        assert_eq!(Text::<1, 3>::parse(""), Err(TextError::TooShort(1)));
        assert_eq!(Text::<1, 3>::parse("  "), Err(TextError::Blank));
        assert_eq!(Text::<0, 3>::parse("a\0"), Err(TextError::Nul));
    }

    #[test]
    fn text_is_one_line_and_prose_may_have_several() {
        let refused = |lines| TextError::ControlCharacter { lines };
        for line in ["a\nb", "a\r\nb", "a\rb", "a\tb", "a\u{2028}b", "a\u{2029}b"] {
            assert_eq!(Text::<0, 9>::parse(line), Err(refused(false)), "{line:?}");
            assert_eq!(Prose::<0, 9>::parse(line).unwrap().as_str(), line);
        }
        for control in ["a\u{1b}", "a\u{7f}", "a\u{85}", "a\u{b}b"] {
            assert_eq!(Text::<0, 9>::parse(control), Err(refused(false)), "{control:?}");
            assert_eq!(Prose::<0, 9>::parse(control), Err(refused(true)), "{control:?}");
        }
    }

    #[test]
    fn an_email_has_a_local_part_and_a_domain_with_a_dot() {
        for good in ["ada@example.com", "a.b+c@sub.example.co.uk", "ü@bücher.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "ada@example..com",
            "ada@-x.com",
            "a\r\nBcc: x@example.com",
            "<a@example.com>",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
    }
}
