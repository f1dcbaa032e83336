//! Pages of A4, written from top to bottom.

use super::fonts::{Pen, Weight};

/// The size of a page and its margins, in points.
pub(super) const HEIGHT: f32 = 842.0;
pub(super) const LEFT: f32 = 50.0;
pub(super) const RIGHT: f32 = 545.0;
pub(super) const WIDTH: f32 = RIGHT - LEFT;
const TOP: f32 = 60.0;
/// Below are the footer and the number of the page.
pub(super) const BOTTOM: f32 = HEIGHT - 100.0;
/// The size of what stands below.
const FOOTER: f32 = 8.0;

/// Something on a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Mark {
    /// A line of text, where its baseline begins.
    Text(Text),
    /// A line across the page, at this height.
    Rule(f32),
}

/// A line of text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Text {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) size: f32,
    pub(super) weight: Weight,
    pub(super) text: String,
}

/// Pages that are written one after the other.
pub(super) struct Sheets<'a> {
    pen: &'a Pen<'a>,
    pages: Vec<Vec<Mark>>,
    page: Vec<Mark>,
    y: f32,
}

impl<'a> Sheets<'a> {
    pub(super) fn new(pen: &'a Pen<'a>) -> Self {
        Self {
            pen,
            pages: Vec::new(),
            page: Vec::new(),
            y: TOP,
        }
    }

    /// How far down the page it is.
    pub(super) fn position(&self) -> f32 {
        self.y
    }

    pub(super) fn go_to(&mut self, y: f32) {
        self.y = y;
    }

    pub(super) fn down(&mut self, by: f32) {
        self.y += by;
    }

    /// Begins another page where `height` has no room on this one; true where it did.
    pub(super) fn turn_page_for(&mut self, height: f32) -> bool {
        let is_full = self.y + height > BOTTOM;
        if is_full {
            self.pages.push(std::mem::take(&mut self.page));
            self.y = TOP;
        }
        is_full
    }

    /// Text that begins at `x`.
    pub(super) fn left(&mut self, x: f32, size: f32, weight: Weight, text: &str) {
        self.page.push(Mark::Text(Text {
            x,
            y: self.y,
            size,
            weight,
            text: text.to_owned(),
        }));
    }

    /// Text that ends at `end`, made smaller where it is wider than `width`.
    pub(super) fn right(&mut self, end: f32, width: f32, size: f32, weight: Weight, text: &str) {
        if !text.is_empty() {
            self.page
                .push(ending_at(self.pen, end, self.y, width, size, weight, text));
        }
    }

    /// A line across the page.
    pub(super) fn rule(&mut self) {
        self.page.push(Mark::Rule(self.y));
    }

    /// `text` in lines that are not wider than `width`.
    pub(super) fn wrapped(&self, text: &str, width: f32, size: f32, weight: Weight) -> Vec<String> {
        wrapped(self.pen, text, width, size, weight)
    }

    /// All pages.
    pub(super) fn finish(mut self) -> Vec<Vec<Mark>> {
        self.pages.push(self.page);
        self.pages
    }
}

/// What stands at the right end of a page's last line.
pub(super) fn right_mark(pen: &Pen<'_>, y: f32, text: &str) -> Mark {
    ending_at(pen, RIGHT, y, WIDTH, FOOTER, Weight::Regular, text)
}

/// A line of the footer.
pub(super) fn left_mark(y: f32, text: &str) -> Mark {
    Mark::Text(Text {
        x: LEFT,
        y,
        size: FOOTER,
        weight: Weight::Regular,
        text: text.to_owned(),
    })
}

fn ending_at(pen: &Pen<'_>, end: f32, y: f32, width: f32, size: f32, weight: Weight, text: &str) -> Mark {
    let natural = pen.width(text, weight);
    let size = if natural * size > width { width / natural } else { size };
    Mark::Text(Text {
        x: end - natural * size,
        y,
        size,
        weight,
        text: text.to_owned(),
    })
}

/// `text` in lines that are not wider than `width`, at least one. It is broken between words, and within one that is wider
/// than a line, as all are that are written without blanks.
pub(super) fn wrapped(pen: &Pen<'_>, text: &str, width: f32, size: f32, weight: Weight) -> Vec<String> {
    let fits = |line: &str| pen.width(line, weight) * size <= width;
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let longer = if line.is_empty() {
            word.to_owned()
        } else {
            format!("{line} {word}")
        };
        if fits(&longer) {
            line = longer;
            continue;
        }
        if !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        for character in word.chars() {
            line.push(character);
            if !fits(&line) && line.chars().count() > 1 {
                line.pop();
                lines.push(std::mem::replace(&mut line, character.to_string()));
            }
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fonts::Fonts;
    use super::*;

    proptest! {
        #[test]
        fn lines_are_no_wider_than_they_may_be_and_lose_nothing(text in "[a-zäß ]{0,80}") {
            let fonts = Fonts::new(&[]).unwrap();
            let pen = fonts.pen().unwrap();
            let lines = wrapped(&pen, &text, 60.0, 9.0, Weight::Regular);
            for line in &lines {
                prop_assert!(pen.width(line, Weight::Regular) * 9.0 <= 60.0, "{line}");
            }
            let bare = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(bare(&lines.concat()), bare(&text));
        }
    }

    #[test]
    fn what_is_too_wide_for_its_column_is_made_smaller() {
        let fonts = Fonts::new(&[]).unwrap();
        let pen = fonts.pen().unwrap();
        let mut sheets = Sheets::new(&pen);
        sheets.right(RIGHT, 20.0, 9.0, Weight::Regular, "9,999,999,999.99");
        let pages = sheets.finish();
        let Mark::Text(text) = &pages[0][0] else {
            unreachable!("a text was written")
        };
        assert!(text.size < 9.0 && (text.x - (RIGHT - 20.0)).abs() < 0.1, "{text:?}");
    }
}
