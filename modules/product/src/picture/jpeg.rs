//! Whether a JPEG is all there, told from its markers alone (ITU-T T.81, annex B).

const MARKER: u8 = 0xff;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;

/// Whether the end of the image comes after a scan. Whatever follows is passed over.
pub(super) fn is_whole(file: &[u8]) -> bool {
    // After the start of the image, which has told what the file is.
    let mut rest = file.get(2..).unwrap_or_default();
    let mut scanned = false;
    while let Some((marker, after)) = next_marker(rest) {
        match marker {
            END_OF_IMAGE => return scanned,
            // Restarts and such have nothing in them.
            0x01 | 0xd0..=0xd8 => rest = after,
            _ => {
                scanned |= marker == START_OF_SCAN;
                let length = after.first_chunk().map_or(0, |length| u16::from_be_bytes(*length));
                let Some(next) = after.get(usize::from(length)..) else {
                    return false;
                };
                rest = next;
            }
        }
    }
    false
}

/// The next marker, and what comes after it. Scans hold their own bytes of this value with a zero behind.
fn next_marker(file: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = file;
    loop {
        let start = rest.iter().position(|byte| *byte == MARKER)?;
        rest = rest.get(start + 1..)?;
        match rest.split_first()? {
            (0 | &MARKER, _) => (),
            (marker, after) => return Some((*marker, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use image::RgbImage;
    use image::codecs::jpeg::JpegEncoder;
    use proptest::prelude::*;

    use super::*;

    static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let image = RgbImage::from_fn(97, 61, |x, y| image::Rgb([(x * y) as u8, (x * 7) as u8, (y * 5) as u8]));
        let mut file = Vec::new();
        image.write_with_encoder(JpegEncoder::new(&mut file)).unwrap();
        file
    });

    proptest! {
        #[test]
        fn a_part_is_not_the_whole(part in 0.0..1.0_f64) {
            let length = (part * FILE.len() as f64) as usize;
            prop_assert!(!is_whole(&FILE[..length]));
        }

        #[test]
        fn what_follows_the_end_does_not_matter(tail: Vec<u8>) {
            prop_assert!(is_whole(&[FILE.as_slice(), tail.as_slice()].concat()));
        }

        #[test]
        fn anything_can_be_looked_at(bytes: Vec<u8>) {
            is_whole(&[&[0xff, 0xd8], bytes.as_slice()].concat());
        }
    }
}
