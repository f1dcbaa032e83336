//! Images to send, good and bad.

use std::io::Write;

use flate2::Compression;
use flate2::Crc;
use flate2::write::ZlibEncoder;
use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// A picture that is different everywhere, in any format.
pub(crate) fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, y: u32| Rgb([(x % 251) as u8, (y % 241) as u8, ((x + y) % 239) as u8]);
    encoded(RgbImage::from_fn(width, height, pixel).into(), format)
}

/// A picture of which a half is transparent.
pub(crate) fn transparent(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let pixel = |x: u32, _| Rgba([200, 10, 10, if x < width / 2 { 0 } else { 255 }]);
    encoded(RgbaImage::from_fn(width, height, pixel).into(), format)
}

/// A JPEG that is red on the left and blue on the right, and whose camera says that it was held upright and where it was.
pub(crate) fn photograph(width: u32, height: u32) -> Vec<u8> {
    // One field: orientation, a short, 6 (to be turned clockwise).
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(b"GPS 48.8584 N 2.2945 E");
    photograph_that_says(width, height, &[&exif])
}

/// A JPEG that is red on the left and blue on the right, with what cameras write of it.
pub(crate) fn photograph_that_says(width: u32, height: u32, exif: &[&[u8]]) -> Vec<u8> {
    let pixel = |x: u32, _| {
        if x < width / 2 {
            Rgb([255, 0, 0])
        } else {
            Rgb([0, 0, 255])
        }
    };
    let plain = encoded(RgbImage::from_fn(width, height, pixel).into(), ImageFormat::Jpeg);
    let segment = |exif: &&[u8]| {
        let length = u16::try_from(exif.len() + 8).unwrap().to_be_bytes();
        [&[0xff, 0xe1], &length[..], b"Exif\0\0", exif].concat()
    };
    let segments: Vec<u8> = exif.iter().flat_map(segment).collect();
    [&plain[..2], &segments, &plain[2..]].concat()
}

/// An animation that begins green and goes on white.
pub(crate) fn animation(frames: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut file, 30);
    for number in 0..frames {
        let colour = if number == 0 {
            Rgba([0, 255, 0, 255])
        } else {
            Rgba([255, 255, 255, 255])
        };
        encoder
            .encode_frame(Frame::new(RgbaImage::from_pixel(8, 8, colour)))
            .unwrap();
    }
    drop(encoder);
    file
}

/// A PNG of a few kilobytes that says it has so many pixels.
pub(crate) fn png_that_claims(width: u32, height: u32) -> Vec<u8> {
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat();
    let mut zeros = ZlibEncoder::new(Vec::new(), Compression::best());
    zeros.write_all(&vec![0; 4 << 20]).unwrap();
    let chunks = [
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &zeros.finish().unwrap()),
        chunk(b"IEND", &[]),
    ];
    [b"\x89PNG\r\n\x1a\n", chunks.concat().as_slice()].concat()
}

/// A GIF whose header says that it has so many pixels.
pub(crate) fn gif_that_claims(width: u16, height: u16) -> Vec<u8> {
    let mut file = animation(1);
    file[6..8].copy_from_slice(&width.to_le_bytes());
    file[8..10].copy_from_slice(&height.to_le_bytes());
    file
}

fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut sum = Crc::new();
    sum.update(kind);
    sum.update(content);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&length, &kind[..], content, &sum.sum().to_be_bytes()].concat()
}
