//! Pictures of products. Only their addresses are kept; nothing is ever fetched.

use std::borrow::Cow;
use std::fmt;

use kernel::Text;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// A picture of a product.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    pub(crate) url: ImageUrl,
    /// What it shows, in words.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) alt: Option<Text<0, 500>>,
}

/// The address of a picture: `http` or `https`, at most 2048 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct ImageUrl(String);

impl ImageUrl {
    /// Checks an address; nothing is fetched.
    pub(crate) fn parse(text: impl Into<String>) -> Result<Self, ImageUrlError> {
        let text = text.into();
        let rest = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"))
            .unwrap_or("");
        let host = rest.split(['/', '?', '#']).next().unwrap_or("");
        let unwanted = |character: char| {
            character.is_whitespace() || character.is_control() || matches!(character, '<' | '>' | '"' | '\\')
        };
        if host.is_empty() || text.chars().count() > 2048 || text.chars().any(unwanted) {
            return Err(ImageUrlError);
        }
        Ok(Self(text))
    }

    /// The address itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text is no address of a picture.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("invalid_url: an http or https address of at most 2048 characters")]
pub(crate) struct ImageUrlError;

impl fmt::Display for ImageUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ImageUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for ImageUrl {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .max_length(Some(2048))
            .pattern(Some("^https?://"))
            .into()
    }
}

impl ToSchema for ImageUrl {
    fn name() -> Cow<'static, str> {
        "ImageUrl".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_web_addresses() {
        for good in ["https://a.example/x.jpg?v=1", "http://a"] {
            assert!(ImageUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ftp://a",
            "https://",
            "https:///x",
            "javascript:alert(1)",
            "https://a b",
            "//a",
            "https://a\0",
        ] {
            assert!(ImageUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(ImageUrl::parse(format!("https://a/{}", "x".repeat(2048))).is_err());
    }
}
