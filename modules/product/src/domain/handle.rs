//! Handles: the names that stand in addresses of pages.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// The longest handle.
const MAX_LENGTH: usize = 120;
/// What a handle made from a title is cut to, so that a suffix still fits.
const MAX_STEM: usize = 100;
/// `GET /products/suggest` is another route.
const RESERVED: &str = "suggest";

/// `a` to `z`, digits and hyphens, 1 to 120 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub(crate) struct Handle(String);

/// A text is no handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HandleError {
    #[error("invalid_handle: 1 to {MAX_LENGTH} of the characters a to z, 0 to 9 and -")]
    Shape,
    #[error("reserved_handle: this handle is the name of a route")]
    Reserved,
}

impl Handle {
    /// Checks a handle that somebody chose.
    pub(crate) fn parse(text: impl Into<String>) -> Result<Self, HandleError> {
        let text = text.into();
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=MAX_LENGTH).contains(&text.len()) || !text.bytes().all(sound) {
            return Err(HandleError::Shape);
        }
        if text == RESERVED {
            return Err(HandleError::Reserved);
        }
        Ok(Self(text))
    }

    /// Handles for a `title`, the nicest first; `otherwise` is unique and makes the last one unique too.
    pub(crate) fn candidates(title: &str, otherwise: &str) -> Vec<Self> {
        let stem = slug(title).unwrap_or_else(|| "item".to_owned());
        let numbered = (2..=9).map(|number| format!("{stem}-{number}"));
        let last = format!("{stem}-{}", slug(otherwise).unwrap_or_default());
        let all = std::iter::once(stem.clone()).chain(numbered).chain([last]);
        all.filter_map(|text| Self::parse(text).ok()).collect()
    }

    /// The handle itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// `Café "Größe" 5` becomes `cafe-gro-e-5`; `None` where no letter or digit is left.
fn slug(text: &str) -> Option<String> {
    let mut slug = String::new();
    for character in text.nfkd().filter(|character| !is_combining(*character)) {
        if slug.len() == MAX_STEM {
            break;
        }
        if character.is_ascii_alphanumeric() {
            slug.push(character.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let trimmed = slug.trim_end_matches('-');
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

fn is_combining(character: char) -> bool {
    unicode_normalization::char::is_combining_mark(character)
}

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<Handle> for String {
    fn from(handle: Handle) -> Self {
        handle.0
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Handle {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z0-9-]{1,120}$"))
            .examples(["classic-varsity-top"])
            .into()
    }
}

impl utoipa::ToSchema for Handle {
    fn name() -> Cow<'static, str> {
        "Handle".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_becomes_a_handle_that_people_can_read() {
        let first = |title: &str| Handle::candidates(title, "7")[0].to_string();
        assert_eq!(first("Classic Varsity Top"), "classic-varsity-top");
        assert_eq!(first("  Café — 5 kg! "), "cafe-5-kg");
        assert_eq!(first("你好"), "item");
        assert_eq!(first("Suggest"), "suggest-2");
    }

    #[test]
    fn only_small_letters_digits_and_hyphens_make_a_handle() {
        for bad in ["", "A", "a b", "a_b", "ä", "a/b", "suggest", &"a".repeat(121)] {
            assert!(Handle::parse(bad).is_err(), "{bad}");
        }
        assert!(Handle::parse("a".repeat(120)).is_ok());
    }

    proptest! {
        #[test]
        fn every_title_has_candidates_and_each_is_a_handle(title in ".{0,400}", otherwise in "[a-z0-9]{8}") {
            let candidates = Handle::candidates(&title, &otherwise);
            prop_assert!(candidates.len() >= 9);
            for candidate in &candidates {
                prop_assert!(Handle::parse(candidate.as_str()).is_ok());
            }
            prop_assert!(candidates[candidates.len() - 1].as_str().ends_with(&otherwise));
        }
    }
}
