//! Pictures of products. Of those that are elsewhere only the addresses are kept, and nothing is ever fetched; those that
//! staff have uploaded are files of ours.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use kernel::Text;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use super::media::{self, FileName};

/// A picture of a product: a link, or one that was uploaded, by the `url` that the answer to the upload gave it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    pub(crate) url: ImageUrl,
    /// What it shows, in words.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) alt: Option<Text<0, 500>>,
}

/// A picture of a product as everybody sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProductImage)]
pub(crate) struct ShownImage {
    url: ImageUrl,
    /// What it shows, in words.
    #[schema(value_type = Option<String>)]
    alt: Option<String>,
    /// In pixels. Links to other hosts have neither this nor the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    width: Option<u32>,
    /// In pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    height: Option<u32>,
    /// The same picture in smaller files, the smallest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    sizes: Option<Vec<ImageSize>>,
}

/// A picture in a smaller file.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ImageSize {
    url: String,
    /// In pixels.
    width: u32,
    /// In pixels.
    height: u32,
}

/// A picture as it was stored for everybody to see, of which we read back what somebody has chosen.
#[derive(Deserialize)]
pub(crate) struct StoredImage {
    url: ImageUrl,
    alt: Option<Text<0, 500>>,
}

impl Image {
    /// As everybody sees it.
    pub(crate) fn shown(&self) -> ShownImage {
        let file = self.url.file();
        let size = |file: &FileName| ImageSize {
            url: file.url(),
            width: file.width,
            height: file.height,
        };
        ShownImage {
            url: self.url.clone(),
            alt: self.alt.as_ref().map(ToString::to_string),
            width: file.as_ref().map(|file| file.width),
            height: file.as_ref().map(|file| file.height),
            sizes: file.map(|file| file.sizes().iter().map(size).collect()),
        }
    }
}

/// The names of those that are files of ours.
pub(crate) fn files(images: &[Image]) -> BTreeSet<String> {
    let files = images.iter().filter_map(|image| image.url.file());
    files.map(|file| file.to_string()).collect()
}

impl From<StoredImage> for Image {
    fn from(stored: StoredImage) -> Self {
        Self {
            url: stored.url,
            alt: stored.alt,
        }
    }
}

/// The address of a picture: `http` or `https`, at most 2048 characters, or where a file of ours is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct ImageUrl(String);

impl ImageUrl {
    /// Checks an address; nothing is fetched.
    pub(crate) fn parse(text: impl Into<String>) -> Result<Self, ImageUrlError> {
        let text = text.into();
        if let Some(name) = text.strip_prefix(media::PATH) {
            return FileName::parse(name).map(|_| Self(text)).ok_or(ImageUrlError);
        }
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

    /// The address of a file of ours.
    pub(crate) fn of_file(name: &FileName) -> Self {
        Self(name.url())
    }

    /// The file of ours that it leads to; `None` where it leads elsewhere.
    pub(crate) fn file(&self) -> Option<FileName> {
        self.0.strip_prefix(media::PATH).and_then(FileName::parse)
    }

    /// The address itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text is no address of a picture.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("invalid_url: an http or https address of at most 2048 characters, or the url of an uploaded image")]
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
            .pattern(Some("^(https?://|/api/v1/media/)"))
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
            "/api/v1/media/",
            "/api/v1/media/../products",
            "/api/v1/products",
        ] {
            assert!(ImageUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(ImageUrl::parse(format!("https://a/{}", "x".repeat(2048))).is_err());
    }

    #[test]
    fn what_is_shown_of_an_image_reads_back_as_the_image() {
        let ours = format!("{}{}-700x350.png", media::PATH, "0f".repeat(20));
        for (url, sizes) in [(ours.as_str(), 2), ("https://a.example/x.jpg", 0)] {
            let image = Image {
                url: ImageUrl::parse(url).unwrap(),
                alt: Some(Text::parse("a cup").unwrap()),
            };
            let shown = serde_json::to_value(image.shown()).unwrap();
            assert_eq!(shown["sizes"].as_array().map_or(0, Vec::len), sizes, "{shown}");
            let stored: StoredImage = serde_json::from_value(shown).unwrap();
            assert_eq!(Image::from(stored), image);
        }
        let link = ImageUrl::parse("https://a.example/api/v1/media/x.png").unwrap();
        assert_eq!(link.file(), None);
    }
}
