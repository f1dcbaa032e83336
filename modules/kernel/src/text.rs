//! The one text type: bounded, without NUL (PostgreSQL's text cannot hold it) and without other control
//! characters but line breaks and tabs.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// Text of `MIN` to `MAX` characters (Unicode scalar values, not bytes).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MIN: usize, const MAX: usize>(String);

impl<const MIN: usize, const MAX: usize> Text<MIN, MAX> {
    /// Checks `text` and takes it over unchanged: nothing is trimmed or folded.
    pub fn parse(text: impl Into<String>) -> Result<Self, TextError> {
        let text = text.into();
        if text.contains('\0') {
            return Err(TextError::Nul);
        }
        if text
            .chars()
            .any(|character| character.is_control() && !matches!(character, '\n' | '\r' | '\t'))
        {
            return Err(TextError::ControlCharacter);
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

/// Why a string is not acceptable text. Messages begin with the stable code of the field error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// U+0000.
    #[error("invalid_character: must not contain NUL")]
    Nul,
    /// A control character other than tab and line breaks.
    #[error("invalid_character: must not contain control characters")]
    ControlCharacter,
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

impl<const MIN: usize, const MAX: usize> Deref for Text<MIN, MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MIN: usize, const MAX: usize> fmt::Display for Text<MIN, MAX> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<const MIN: usize, const MAX: usize> From<Text<MIN, MAX>> for String {
    fn from(text: Text<MIN, MAX>) -> Self {
        text.0
    }
}

impl<'de, const MIN: usize, const MAX: usize> Deserialize<'de> for Text<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<const MIN: usize, const MAX: usize> utoipa::PartialSchema for Text<MIN, MAX> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(MIN))
            .max_length(Some(MAX))
            .into()
    }
}

impl<const MIN: usize, const MAX: usize> utoipa::ToSchema for Text<MIN, MAX> {
    fn name() -> Cow<'static, str> {
        format!("Text{MIN}To{MAX}").into()
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
        assert_eq!(Text::<0, 3>::parse("a\u{1b}"), Err(TextError::ControlCharacter));
        assert!(Text::<0, 3>::parse("a\nb").is_ok());
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
