//! The fonts of documents: the built-in ones first, then those that the shop names for what they have no glyphs for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kernel::Fault;
use krilla::text::Font;
use rustybuzz::{Face, UnicodeBuffer};

const REGULAR: &[u8] = include_bytes!("../../fonts/DejaVuSansCondensed.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSansCondensed-Bold.ttf");
/// The largest font file, in bytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// For what no font has a glyph for.
const REPLACEMENT: char = '\u{fffd}';

/// How heavy letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    Bold,
}

/// The fonts of a shop. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Fonts {
    /// Regular, bold, then the shop's own.
    files: Arc<[File]>,
}

struct File {
    data: Data,
    font: Font,
}

#[derive(Clone)]
enum Data {
    BuiltIn(&'static [u8]),
    Read(Arc<Vec<u8>>),
}

impl Data {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::BuiltIn(bytes) => bytes,
            Self::Read(bytes) => bytes,
        }
    }
}

impl Fonts {
    /// The built-in fonts and those in `paths`.
    ///
    /// # Errors
    ///
    /// Where one of the files cannot be read or is no font.
    pub(crate) fn new(paths: &[PathBuf]) -> Result<Self, Fault> {
        let built_in = [REGULAR, BOLD].map(|bytes| Ok::<_, Fault>(Data::BuiltIn(bytes)));
        let read = paths.iter().map(|path| {
            let data = read(path).map_err(|error| unusable(path, &error))?;
            Ok(Data::Read(Arc::new(data)))
        });
        let name = |index: usize| index.checked_sub(2).and_then(|index| paths.get(index));
        let files: Result<Vec<File>, Fault> = built_in
            .into_iter()
            .chain(read)
            .enumerate()
            .map(|(index, data)| {
                let no_font = || {
                    unusable(
                        name(index).map_or(Path::new("built-in"), PathBuf::as_path),
                        "is no font",
                    )
                };
                File::of(data?).ok_or_else(no_font)
            })
            .collect();
        Ok(Self { files: files?.into() })
    }

    /// The fonts, ready to measure and to write.
    pub(super) fn pen(&self) -> Result<Pen<'_>, Fault> {
        let gone = || Fault::internal("a font cannot be read any more");
        let mut faces = Vec::with_capacity(self.files.len());
        for file in self.files.iter() {
            let face = Face::from_slice(file.data.bytes(), 0).ok_or_else(gone)?;
            faces.push((face, file.font.clone()));
        }
        Ok(Pen { faces })
    }
}

impl File {
    fn of(data: Data) -> Option<Self> {
        Face::from_slice(data.bytes(), 0)?;
        let font = match &data {
            Data::BuiltIn(bytes) => Font::new((*bytes).into(), 0),
            Data::Read(bytes) => Font::new(Arc::clone(bytes).into(), 0),
        };
        Some(Self { font: font?, data })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_FILE {
        return Err(format!("has more than {MAX_FILE} bytes"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

fn unusable(path: &Path, why: &str) -> Fault {
    Fault::internal(format!("order.invoices.fonts: {}: {why}", path.display()))
}

/// Measures text, and knows which font writes which part of it.
pub(super) struct Pen<'a> {
    faces: Vec<(Face<'a>, Font)>,
}

/// A part of a text that one font writes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) face: usize,
    pub(super) text: String,
    /// Of the text at a size of one point.
    pub(super) width: f32,
}

impl Pen<'_> {
    /// `text` in parts by font. What no font has is replaced; control characters are left out.
    pub(super) fn runs(&self, text: &str, weight: Weight) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for character in text.chars().filter(|character| !character.is_control()) {
            let face = self.face_for(character, weight);
            let (face, character) = match face {
                Some(face) => (face, character),
                None => (self.face_for(REPLACEMENT, weight).unwrap_or_default(), REPLACEMENT),
            };
            match runs.last_mut() {
                Some(run) if run.face == face => run.text.push(character),
                _ => runs.push(Run {
                    face,
                    text: character.to_string(),
                    width: 0.0,
                }),
            }
        }
        for run in &mut runs {
            run.width = self.measure(run.face, &run.text);
        }
        runs
    }

    /// The width of `text` at a size of one point.
    pub(super) fn width(&self, text: &str, weight: Weight) -> f32 {
        self.runs(text, weight).iter().map(|run| run.width).sum()
    }

    /// Whether there is a glyph for each character of `text`.
    pub(super) fn has_all(&self, text: &str) -> bool {
        text.chars()
            .all(|character| self.face_for(character, Weight::Regular).is_some())
    }

    /// The font of a face.
    pub(super) fn font(&self, face: usize) -> Font {
        // Faces come out of `runs`, which has them from here.
        self.faces[face.min(self.faces.len() - 1)].1.clone()
    }

    fn face_for(&self, character: char, weight: Weight) -> Option<usize> {
        let first = match weight {
            Weight::Regular => 0,
            Weight::Bold => 1,
        };
        let in_order = std::iter::once(first).chain(2..self.faces.len());
        let has = |face: &usize| self.faces[*face].0.glyph_index(character).is_some();
        in_order.into_iter().find(has)
    }

    fn measure(&self, face: usize, text: &str) -> f32 {
        let face = &self.faces[face].0;
        let mut buffer = UnicodeBuffer::new();
        buffer.push_str(text);
        buffer.guess_segment_properties();
        let shaped = rustybuzz::shape(face, &[], buffer);
        let advance: i32 = shaped.glyph_positions().iter().map(|glyph| glyph.x_advance).sum();
        #[expect(clippy::cast_precision_loss, reason = "a line of text, measured to be laid out")]
        let advance = advance as f32;
        #[expect(clippy::cast_precision_loss, reason = "an em has a few thousand units")]
        let em = face.units_per_em() as f32;
        advance / em
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_font_has_latin_greek_and_cyrillic_letters() {
        let fonts = Fonts::new(&[]).unwrap();
        let pen = fonts.pen().unwrap();
        for text in [
            "Größe, cœur, žluťoučký, İstanbul, Đà Nẵng",
            "Ελλάδα άέήί",
            "Москва, Київ, Ђорђе",
            "€ £ ¥ ₴ ₽ – “”",
        ] {
            assert!(pen.has_all(text), "{text}");
        }
        assert!(!pen.has_all("日本"));
        let runs = pen.runs("日a\u{7}", Weight::Bold);
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].text, "\u{fffd}a");
        assert!(pen.width("iiii", Weight::Regular) < pen.width("WWWW", Weight::Regular));
    }

    #[test]
    fn what_is_no_font_is_refused_by_name() {
        let folder = std::env::temp_dir().join(format!("bodega-fonts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("no.ttf");
        std::fs::write(&path, b"no font").unwrap();
        let refused = Fonts::new(std::slice::from_ref(&path)).err().unwrap();
        assert!(refused.to_string().contains("no.ttf"), "{refused}");
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(Fonts::new(&[path]).is_err());
    }
}
