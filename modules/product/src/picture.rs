//! Makes files of our own from an image that somebody sends: nothing of what was sent is kept but its pixels. What a file
//! says of itself is looked at before any memory is taken for it.

mod jpeg;

use std::io::Cursor;

use actix_web::http::StatusCode;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use kernel::{Fault, Problem};
use sha2::{Digest, Sha256};

use crate::domain::media::{Encoding, FileName};

/// The longest side, in pixels.
const MAX_SIDE: u32 = 16_384;
/// How many pixels there may be.
const MAX_PIXELS: u64 = 50_000_000;
/// The most memory that the pixels may take as they are decoded, in bytes: 50 million of four bytes each fit.
const MAX_DECODED: u64 = 200_000_000;
/// What a decoder may take besides, in bytes.
const MAX_WORKING: u64 = 64 << 20;
/// 1 to 100, of the usual scale.
const JPEG_QUALITY: u8 = 85;

/// An image in files of our own.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The file in full size.
    pub(crate) name: FileName,
    /// All of its files.
    pub(crate) files: Vec<(FileName, Vec<u8>)>,
}

/// Why no picture can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PictureError {
    /// It is none of the kinds that are taken.
    #[error("send a JPEG, PNG, WebP or GIF image")]
    Unsupported,
    /// It has too many pixels.
    #[error("an image has at most 50 million pixels, and at most {MAX_SIDE} on each side")]
    TooLarge,
    /// It is broken.
    #[error("the image is broken or not all there")]
    Unreadable,
    /// We have failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<PictureError> for Problem {
    fn from(error: PictureError) -> Self {
        let detail = error.to_string();
        let refused = |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        match error {
            PictureError::Unsupported => refused("unsupported_image"),
            PictureError::TooLarge => refused("image_too_large"),
            PictureError::Unreadable => refused("unreadable_image"),
            PictureError::Fault(fault) => fault.into(),
        }
    }
}

/// Makes a picture from what was sent; of an animation its first frame. Takes a second of a core for a large one.
pub(crate) fn make(sent: &[u8]) -> Result<Picture, PictureError> {
    let format = format_of(sent).ok_or(PictureError::Unsupported)?;
    let image = decode(sent, format)?;
    let is_transparent = is_transparent(&image);
    let mut image = match is_transparent {
        true => DynamicImage::from(image.into_rgba8()),
        false => DynamicImage::from(image.into_rgb8()),
    };
    // Drawings stay exact. JPEG knows no transparency.
    let encoding = match format {
        ImageFormat::Png | ImageFormat::Gif => Encoding::Png,
        _ if is_transparent => Encoding::Png,
        _ => Encoding::Jpeg,
    };
    let full = encode(&image, encoding)?;
    let name = FileName::new(&Sha256::digest(&full), image.width(), image.height(), encoding);
    let mut files = Vec::new();
    // Each from the next larger one, which takes a fraction of the time.
    for size in name.sizes().into_iter().rev() {
        image = image.resize_exact(size.width, size.height, FilterType::Lanczos3);
        files.push((size, encode(&image, encoding)?));
    }
    files.push((name.clone(), full));
    Ok(Picture { name, files })
}

/// What the first bytes say; what the sender calls it is not asked.
fn format_of(sent: &[u8]) -> Option<ImageFormat> {
    let taken = [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Gif];
    let format = image::guess_format(sent).ok()?;
    taken.contains(&format).then_some(format)
}

fn decode(sent: &[u8], format: ImageFormat) -> Result<DynamicImage, PictureError> {
    // Its decoder would make up what is missing.
    if format == ImageFormat::Jpeg && !jpeg::is_whole(sent) {
        return Err(PictureError::Unreadable);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED + MAX_WORKING);
    let mut reader = ImageReader::with_format(Cursor::new(sent), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let (width, height) = decoder.dimensions();
    let is_large = width.max(height) > MAX_SIDE || u64::from(width) * u64::from(height) > MAX_PIXELS;
    if is_large || decoder.total_bytes() > MAX_DECODED {
        return Err(PictureError::TooLarge);
    }
    // What cannot be read says nothing.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn refusal(error: ImageError) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooLarge,
        ImageError::Unsupported(_) => PictureError::Unsupported,
        _ => PictureError::Unreadable,
    }
}

fn is_transparent(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgba8(image) => image.pixels().any(|pixel| pixel.0[3] < u8::MAX),
        DynamicImage::ImageLumaA8(image) => image.pixels().any(|pixel| pixel.0[1] < u8::MAX),
        image => image.color().has_alpha(),
    }
}

fn encode(image: &DynamicImage, encoding: Encoding) -> Result<Vec<u8>, PictureError> {
    let mut file = Vec::new();
    let encoded = match encoding {
        Encoding::Jpeg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY)),
        Encoding::Png => image.write_with_encoder(PngEncoder::new(&mut file)),
    };
    match encoded {
        Ok(()) => Ok(file),
        Err(error) => Err(Fault::internal(format!("an image cannot be encoded: {error}")).into()),
    }
}
