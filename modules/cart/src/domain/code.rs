//! Codes of promotions, as buyers type and staff write them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// A code in capitals: 3 to 40 of `A` to `Z`, digits, `_` and `-`. Small letters and spaces around it do not matter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct PromotionCode(String);

impl PromotionCode {
    /// The code that somebody has written; `None` where it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let code = text.trim().to_ascii_uppercase();
        let is_written = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        ((3..=40).contains(&code.len()) && code.bytes().all(is_written)).then_some(Self(code))
    }

    /// As it is compared.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for PromotionCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom("invalid_code: 3 to 40 letters of the Latin alphabet, digits, `_` and `-`")
        })
    }
}

impl utoipa::PartialSchema for PromotionCode {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Za-z0-9_-]{3,40}$"))
            .examples(["SUMMER-26"])
            .into()
    }
}

impl utoipa::ToSchema for PromotionCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_in_capitals_and_without_spaces_around_them() {
        assert_eq!(PromotionCode::parse(" summer-26 ").unwrap().as_str(), "SUMMER-26");
        for bad in ["", "ab", "a b c", "né-e", "'; --", &"A".repeat(41)] {
            assert_eq!(PromotionCode::parse(bad), None, "{bad}");
        }
    }
}
