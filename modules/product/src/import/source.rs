//! The bytes of a file: unpacked where they are packed, and not without end.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::{ImportError, ImportFormat};

/// The most bytes of a file, unpacked. A few packed megabytes can hold any number.
const MAX_BYTES: u64 = 4 << 30;

/// Opens a file: gzip is unpacked, a byte order mark left out. A mark of another encoding than UTF-8 is refused.
pub(super) fn open(mut source: Box<dyn BufRead + Send>) -> Result<Box<dyn BufRead + Send>, ImportError> {
    let packed = source.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let unpacked: Box<dyn Read + Send> = match packed {
        true => Box::new(MultiGzDecoder::new(source)),
        false => Box::new(source),
    };
    let bounded = Bounded {
        source: unpacked,
        left: MAX_BYTES,
    };
    let mut reader = BufReader::with_capacity(1 << 16, bounded);
    match reader.fill_buf()? {
        [0xef, 0xbb, 0xbf, ..] => reader.consume(3),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(ImportError::Encoding("UTF-16")),
        _ => (),
    }
    Ok(Box::new(reader))
}

/// The format that a file looks like.
pub(super) fn guess(source: &mut dyn BufRead) -> io::Result<ImportFormat> {
    let start = source.fill_buf()?;
    let first = start.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(match first {
        Some(b'{') | None => ImportFormat::Ndjson,
        Some(_) => ImportFormat::ShopifyCsv,
    })
}

/// Fails instead of reading on for ever.
struct Bounded {
    source: Box<dyn Read + Send>,
    left: u64,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 4 GiB when unpacked"))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{Cursor, Write};

    fn text(bytes: Vec<u8>) -> String {
        let mut text = String::new();
        open(Box::new(Cursor::new(bytes)))
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn packed_and_plain_files_read_the_same_without_their_byte_order_mark() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all("\u{feff}{}".as_bytes()).unwrap();
        assert_eq!(text(encoder.finish().unwrap()), "{}");
        assert_eq!(text("\u{feff}{}".into()), "{}");
        assert_eq!(text(Vec::new()), "");
    }

    #[test]
    fn a_file_in_utf_16_is_refused_as_a_whole() {
        for bytes in [b"\xff\xfeH\0".to_vec(), b"\xfe\xff\0H".to_vec()] {
            assert!(matches!(
                open(Box::new(Cursor::new(bytes))),
                Err(ImportError::Encoding("UTF-16"))
            ));
        }
    }

    #[test]
    fn a_file_cut_in_the_middle_is_an_error() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&[b'x'; 10_000]).unwrap();
        let mut bytes = encoder.finish().unwrap();
        bytes.truncate(bytes.len() - 10);
        let mut reader = open(Box::new(Cursor::new(bytes))).unwrap();
        assert!(reader.read_to_end(&mut Vec::new()).is_err());
    }
}
