//! Files of images: what they are called, and which there are of each image.

use std::fmt;

/// Where files are found by everybody.
pub(crate) const PATH: &str = "/api/v1/media/";

/// The widths that images are made smaller to, in pixels. None is ever made larger.
const WIDTHS: [u32; 3] = [320, 640, 1280];

/// How many characters of a digest are in a name.
const DIGEST: usize = 40;

/// The largest figure that a name can have.
const LARGEST: u32 = 99_999;

/// How a file is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Jpeg,
    Png,
}

/// The name of a file, e.g. `2fd4..-640x480.jpg`: the digest of the image that it shows, as that is in full size, and its own
/// width and height in pixels. What has this name never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileName {
    digest: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) encoding: Encoding,
}

impl Encoding {
    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }
}

impl FileName {
    /// The name of an image in full size. `sha256` is the digest of its file.
    pub(crate) fn new(sha256: &[u8], width: u32, height: u32, encoding: Encoding) -> Self {
        let mut digest: String = sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        digest.truncate(DIGEST);
        Self {
            digest,
            width,
            height,
            encoding,
        }
    }

    /// Reads a name; `None` for whatever is not written exactly as we write names.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (stem, extension) = text.rsplit_once('.')?;
        let encoding = [Encoding::Jpeg, Encoding::Png]
            .into_iter()
            .find(|encoding| encoding.extension() == extension)?;
        let (digest, size) = stem.split_once('-')?;
        let (width, height) = size.split_once('x')?;
        let is_digest = digest.len() == DIGEST && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let side = |text: &str| text.parse().ok().filter(|side| (1..=LARGEST).contains(side));
        let name = Self {
            digest: digest.to_owned(),
            width: side(width)?,
            height: side(height)?,
            encoding,
        };
        // Whoever writes `+5` or `005` for 5 has not got the name from us.
        (is_digest && name.to_string() == text).then_some(name)
    }

    /// The smaller files of an image in full size, the smallest first.
    pub(crate) fn sizes(&self) -> Vec<Self> {
        let widths = WIDTHS.into_iter().filter(|width| *width < self.width);
        let size = |width| Self {
            width,
            height: scaled(self.height, width, self.width),
            ..self.clone()
        };
        widths.map(size).collect()
    }

    /// Where everybody finds the file.
    pub(crate) fn url(&self) -> String {
        format!("{PATH}{self}")
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extension = self.encoding.extension();
        write!(formatter, "{}-{}x{}.{extension}", self.digest, self.width, self.height)
    }
}

/// `height` as many times smaller as `width` is than `full`, to the nearest pixel.
fn scaled(height: u32, width: u32, full: u32) -> u32 {
    let doubled = 2 * u64::from(height) * u64::from(width) + u64::from(full);
    let rounded = doubled / (2 * u64::from(full).max(1));
    u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(width: u32, height: u32) -> FileName {
        FileName::new(&[0xab; 32], width, height, Encoding::Jpeg)
    }

    #[test]
    fn an_image_has_smaller_files_of_the_same_shape() {
        let sizes = |width, height| -> Vec<(u32, u32)> {
            let sizes = name(width, height).sizes().into_iter();
            sizes.map(|size| (size.width, size.height)).collect()
        };
        assert_eq!(sizes(2000, 1500), [(320, 240), (640, 480), (1280, 960)]);
        assert_eq!(sizes(640, 481), [(320, 241)]);
        assert_eq!(sizes(320, 5000), []);
        assert_eq!(sizes(16_000, 10), [(320, 1), (640, 1), (1280, 1)]);
    }

    #[test]
    fn only_what_we_write_is_a_name() {
        let good = name(640, 480).to_string();
        assert_eq!(good, format!("{}-640x480.jpg", "ab".repeat(20)));
        assert!(FileName::parse(&good).is_some());
        for (from, to) in [
            ("640", "0640"),
            ("640", "+640"),
            ("640", "0"),
            ("640", "100000"),
            ("640", "99999999999999999999"),
            (".jpg", ".svg"),
            (".jpg", ".JPG"),
            (".jpg", ".jpg.png"),
            (".jpg", ""),
            ("ab", "AB"),
            ("ab", "../"),
            ("abab", ""),
            ("-", "/"),
            ("x", "-"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(FileName::parse(&bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_written(digest: [u8; 32], width in 1..=LARGEST, height in 1..=LARGEST, png: bool) {
            let encoding = if png { Encoding::Png } else { Encoding::Jpeg };
            let name = FileName::new(&digest, width, height, encoding);
            prop_assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }

        #[test]
        fn whatever_is_read_as_a_name_has_nothing_of_a_path_in_it(text in "[0-9a-f]{38,41}[-/.]{1,2}[0-9]{1,6}[x/.]{1,2}[0-9]{1,6}[.]{1,2}(jpg|png|/)") {
            if let Some(name) = FileName::parse(&text) {
                prop_assert_eq!(name.to_string(), text.clone());
                prop_assert!(!text.contains('/') && !text.contains(".."));
            }
        }

        #[test]
        fn smaller_files_are_smaller_and_keep_the_shape(width in 1..=16_384_u32, height in 1..=16_384_u32) {
            for size in name(width, height).sizes() {
                prop_assert!(size.width < width && size.height <= height && size.height >= 1);
                let exact = f64::from(height) * f64::from(size.width) / f64::from(width);
                prop_assert!((f64::from(size.height) - exact).abs() <= 0.5 || size.height == 1);
                prop_assert_eq!(&size.digest, &name(width, height).digest);
            }
        }
    }
}
