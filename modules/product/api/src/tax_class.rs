//! Tax classes: which products are taxed alike. What a class means, whoever works out taxes decides.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// The tax class of whatever nobody has put into another one.
pub const STANDARD_TAX_CLASS: &str = "standard";

/// The longest name.
const MAX_LENGTH: usize = 50;
/// The class of what is not taxed, as far as files of other shops know that.
const UNTAXED: &str = "none";

/// The name of a class: `a` to `z`, digits, underscores and hyphens, 1 to 50 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct TaxClass(String);

/// A text names no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid_tax_class: 1 to {MAX_LENGTH} of the characters a to z, 0 to 9, _ and -")]
pub struct TaxClassError;

impl TaxClass {
    /// Checks a name that somebody chose.
    pub fn parse(text: impl Into<String>) -> Result<Self, TaxClassError> {
        let text = text.into();
        let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let is_sound = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(sound);
        if is_sound { Ok(Self(text)) } else { Err(TaxClassError) }
    }

    /// The class of what is not taxed, as far as files of other shops know that.
    pub fn untaxed() -> Self {
        Self(UNTAXED.to_owned())
    }

    /// Whether it is that one.
    pub fn is_untaxed(&self) -> bool {
        self.0 == UNTAXED
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TaxClass {
    fn default() -> Self {
        Self(STANDARD_TAX_CLASS.to_owned())
    }
}

impl<'de> Deserialize<'de> for TaxClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for TaxClass {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[a-z0-9_-]{1,50}$"))
            .examples([STANDARD_TAX_CLASS])
            .into()
    }
}

impl utoipa::ToSchema for TaxClass {
    fn name() -> Cow<'static, str> {
        "TaxClass".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_has_one_spelling() {
        for name in [
            "standard",
            "exempt",
            "pc040100",
            "a",
            "_",
            "reduced-2_b",
            &"x".repeat(50),
        ] {
            assert_eq!(TaxClass::parse(name).unwrap().as_str(), name);
        }
        for text in [
            "",
            " ",
            "Reduced",
            "reduced ",
            "a b",
            "a\n",
            "é",
            "a.b",
            &"x".repeat(51),
        ] {
            assert_eq!(TaxClass::parse(text), Err(TaxClassError), "{text:?}");
        }
    }
}
