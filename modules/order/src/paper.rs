//! Documents as PDF: made from what is stored, so that the same document is the same file each time.

mod fonts;
mod labels;
mod sheet;

use krilla::Document as Pdf;
use krilla::color::luma;
use krilla::geom::{PathBuilder, Point};
use krilla::metadata::{DateTime as PdfTime, Metadata};
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke};
use krilla::text::TextDirection;

use chrono::{DateTime, Datelike, Timelike, Utc};
use kernel::{Fault, Money};

pub(crate) use self::fonts::Fonts;
use self::fonts::{Pen, Weight};
use self::labels::Labels;
use self::sheet::{HEIGHT, LEFT, Mark, RIGHT, Sheets, WIDTH};
use crate::domain::documents::{Document, DocumentKind, Note, Position, PositionTax};
use crate::domain::wording;

/// Where the columns of the table end, in points from the left, and how wide they may be at most; the first one is text.
const TITLE_WIDTH: f32 = 172.0;
const COLUMNS: [(f32, f32); 6] = [
    (250.0, 24.0),
    (310.0, 58.0),
    (362.0, 50.0),
    (412.0, 48.0),
    (480.0, 66.0),
    (RIGHT, 63.0),
];
/// Where the names of the sums begin.
const SUMS: f32 = 300.0;
const SMALL: f32 = 8.0;
const NORMAL: f32 = 9.0;
const LARGE: f32 = 16.0;
/// How many lines of the footer are printed on each page.
const FOOTER_LINES: usize = 4;

/// The document as a PDF file, in its own language where there are words and glyphs for it, else in English.
pub(crate) fn render(document: &Document, fonts: &Fonts) -> Result<Vec<u8>, Fault> {
    let pen = fonts.pen()?;
    let labels = labels::of(&document.locale, &pen);
    let writer = Writer {
        document,
        labels,
        sheets: Sheets::new(&pen),
    };
    let pages = writer.write();
    print(document, labels, &pen, &pages)
}

struct Writer<'a> {
    document: &'a Document,
    labels: &'static Labels,
    sheets: Sheets<'a>,
}

impl Writer<'_> {
    fn write(mut self) -> Vec<Vec<Mark>> {
        self.head();
        self.table_head();
        let document = self.document;
        for position in &document.positions {
            self.position(position);
        }
        self.sums();
        self.notes();
        self.sheets.finish()
    }

    /// Seller to the right, buyer to the left, and below them what kind of document it is.
    fn head(&mut self) {
        let document = self.document;
        let top = self.sheets.position();
        let seller = &document.seller;
        let half = WIDTH / 2.0 - 10.0;
        self.sheets.right(RIGHT, half, NORMAL + 1.0, Weight::Bold, &seller.name);
        for line in &seller.address {
            self.sheets.down(NORMAL * 1.4);
            self.sheets.right(RIGHT, half, SMALL, Weight::Regular, line);
        }
        if !seller.tax_number.is_empty() {
            self.sheets.down(NORMAL * 1.4);
            let text = format!("{}: {}", self.labels.tax_number, seller.tax_number);
            self.sheets.right(RIGHT, half, SMALL, Weight::Regular, &text);
        }
        let below_seller = self.sheets.position();
        self.sheets.go_to(top);
        for line in self.buyer() {
            for part in self.sheets.wrapped(&line, half, NORMAL, Weight::Regular) {
                self.sheets.left(LEFT, NORMAL, Weight::Regular, &part);
                self.sheets.down(NORMAL * 1.4);
            }
        }
        let lowest = self.sheets.position().max(below_seller);
        self.sheets.go_to(lowest + 36.0);
        let title = match document.kind {
            DocumentKind::Invoice => self.labels.invoice,
            DocumentKind::CreditNote => self.labels.credit_note,
        };
        self.sheets
            .left(LEFT, LARGE, Weight::Bold, &format!("{title} {}", document.number));
        self.sheets.down(20.0);
        for (name, value) in self.particulars() {
            self.sheets.left(LEFT, NORMAL, Weight::Regular, name);
            for part in self.sheets.wrapped(&value, WIDTH - 130.0, NORMAL, Weight::Regular) {
                self.sheets.left(LEFT + 130.0, NORMAL, Weight::Regular, &part);
                self.sheets.down(NORMAL * 1.4);
            }
        }
        self.sheets.down(12.0);
    }

    fn buyer(&self) -> Vec<String> {
        let buyer = &self.document.buyer;
        let mut lines = Vec::new();
        if let Some(address) = &buyer.address {
            lines.extend(address.company.as_ref().map(ToString::to_string));
            lines.push(address.name.to_string());
            lines.push(address.line1.to_string());
            lines.extend(address.line2.as_ref().map(ToString::to_string));
            lines.push(format!("{} {}", address.postal_code, address.city));
            lines.extend(address.region.as_ref().map(ToString::to_string));
            lines.push(address.country.code().into_owned());
        }
        let number = |number: &String| format!("{}: {number}", self.labels.tax_number);
        lines.extend(buyer.tax_number.as_ref().map(number));
        lines
    }

    fn particulars(&self) -> Vec<(&'static str, String)> {
        let (document, labels) = (self.document, self.labels);
        let day = |time| wording::day(time, &document.locale);
        let mut particulars = vec![
            (labels.date, day(document.issued_at)),
            (labels.order, document.order_number.clone()),
            (labels.order_date, day(document.ordered_at)),
        ];
        if let Some(invoice) = &document.corrects {
            let text = format!("{} ({})", invoice.number, day(invoice.issued_at));
            particulars.push((labels.corrects, text));
        }
        if let Some(reason) = &document.reason {
            particulars.push((labels.reason, reason.clone()));
        }
        particulars
    }

    fn table_head(&mut self) {
        let labels = self.labels;
        let net = format!("{} {}", labels.net, self.document.currency);
        let gross = format!("{} {}", labels.gross, self.document.currency);
        let names = [
            labels.quantity,
            labels.unit_price,
            labels.discount,
            labels.tax,
            &net,
            &gross,
        ];
        self.sheets.left(LEFT, SMALL, Weight::Bold, labels.description);
        for ((end, width), name) in COLUMNS.into_iter().zip(names) {
            self.sheets.right(end, width, SMALL, Weight::Bold, name);
        }
        self.sheets.down(5.0);
        self.sheets.rule();
        self.sheets.down(12.0);
    }

    fn position(&mut self, position: &Position) {
        let mut title = match (position.line_id, position.title.as_str()) {
            (None, "") => self.labels.shipping.to_owned(),
            (None, method) => format!("{}: {method}", self.labels.shipping),
            (Some(_), title) => title.to_owned(),
        };
        if !position.variant_title.is_empty() {
            title = format!("{title} ({})", position.variant_title);
        }
        if let Some(sku) = &position.sku {
            title = format!("{title} · {sku}");
        }
        let lines = self.sheets.wrapped(&title, TITLE_WIDTH, SMALL, Weight::Regular);
        let is_told_net = position.net_unit_price != position.unit_price && position.quantity.is_some();
        let rows = lines.len().max(if is_told_net { 2 } else { 1 });
        self.room_for(rows);
        let locale = &self.document.locale;
        let number = |amount: Money| wording::number(amount, locale);
        let cells = [
            position
                .quantity
                .map(|quantity| quantity.to_string())
                .unwrap_or_default(),
            position
                .quantity
                .map(|_| number(position.unit_price))
                .unwrap_or_default(),
            position
                .discount
                .filter(|discount| discount.amount != 0)
                .map(number)
                .unwrap_or_default(),
            rates(&position.taxes, locale),
            number(position.net),
            number(position.gross),
        ];
        let net_unit = format!("{} {}", self.labels.net, number(position.net_unit_price));
        for ((end, width), cell) in COLUMNS.into_iter().zip(&cells) {
            self.sheets.right(end, width, SMALL, Weight::Regular, cell);
        }
        for row in 0..rows {
            if let Some(line) = lines.get(row) {
                self.sheets.left(LEFT, SMALL, Weight::Regular, line);
            }
            if row == 1 && is_told_net {
                let (end, width) = COLUMNS[1];
                self.sheets.right(end, width, SMALL - 1.5, Weight::Regular, &net_unit);
            }
            self.sheets.down(SMALL * 1.4);
        }
        self.sheets.down(3.0);
    }

    /// Goes on on another page, under the names of the columns, where these rows have no room on this one.
    fn room_for(&mut self, rows: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a title has a few lines")]
        let height = rows as f32 * SMALL * 1.4 + 3.0;
        if self.sheets.turn_page_for(height) {
            self.table_head();
        }
    }

    fn sums(&mut self) {
        let (document, labels) = (self.document, self.labels);
        let locale = &document.locale;
        let money = |amount: Money| wording::money(amount, locale);
        let totals = &document.totals;
        let mut sums = vec![(labels.net.to_owned(), money(totals.net), Weight::Regular)];
        for tax in &document.taxes {
            let name = tax
                .name
                .as_deref()
                .filter(|name| !name.is_empty())
                .unwrap_or(labels.tax);
            let rate = match tax.percent.as_str() {
                "" => String::new(),
                percent => format!(" {}", wording::percent(percent, locale)),
            };
            let text = format!("{name}{rate} ({} {})", labels.on, money(tax.net));
            sums.push((text, money(tax.tax), Weight::Regular));
        }
        sums.push((labels.total.to_owned(), money(totals.gross), Weight::Bold));
        for card in &document.gift_cards {
            let name = match &card.last_characters {
                Some(characters) => format!("{} …{characters}", labels.gift_card),
                None => labels.store_credit.to_owned(),
            };
            let taken = Money::new(-card.amount.amount, card.amount.currency);
            sums.push((name, money(taken), Weight::Regular));
        }
        if totals.gift_cards.amount != 0 {
            sums.push((labels.due.to_owned(), money(totals.due), Weight::Bold));
        }
        self.sheets.turn_page_for(30.0);
        self.sheets.rule();
        self.sheets.down(16.0);
        for (name, amount, weight) in sums {
            self.sheets.turn_page_for(NORMAL * 1.6);
            let wrapped = self.sheets.wrapped(&name, COLUMNS[4].0 - 20.0 - SUMS, NORMAL, weight);
            self.sheets.right(RIGHT, 85.0, NORMAL, weight, &amount);
            for line in wrapped {
                self.sheets.left(SUMS, NORMAL, weight, &line);
                self.sheets.down(NORMAL * 1.6);
            }
        }
    }

    fn notes(&mut self) {
        let (document, labels) = (self.document, self.labels);
        let law = document.notes.iter().map(|note| match note {
            Note::ReverseCharge => labels.reverse_charge,
            Note::Exempt => labels.exempt,
        });
        let included = (document.prices_include_tax && document.totals.tax.amount != 0).then_some(labels.includes_tax);
        self.sheets.down(10.0);
        for text in law.chain(included) {
            for line in self.sheets.wrapped(text, WIDTH, NORMAL, Weight::Regular) {
                self.sheets.turn_page_for(NORMAL * 1.4);
                self.sheets.left(LEFT, NORMAL, Weight::Regular, &line);
                self.sheets.down(NORMAL * 1.4);
            }
        }
    }
}

/// `19 %`, or `5 % + 2 %` where taxes are paid side by side.
fn rates(taxes: &[PositionTax], locale: &kernel::Locale) -> String {
    let known = taxes.iter().filter(|tax| !tax.percent.is_empty());
    let rates: Vec<String> = known.map(|tax| wording::percent(&tax.percent, locale)).collect();
    rates.join(" + ")
}

/// Puts the pages down, each with the footer and its number.
fn print(document: &Document, labels: &Labels, pen: &Pen<'_>, pages: &[Vec<Mark>]) -> Result<Vec<u8>, Fault> {
    let mut pdf = Pdf::new();
    let settings = PageSettings::from_wh(RIGHT + LEFT, HEIGHT).ok_or_else(|| Fault::internal("a page has no size"))?;
    for (number, page) in (1..).zip(pages) {
        let mut sheet = pdf.start_page_with(settings.clone());
        let mut surface = sheet.surface();
        let mut marks = footer(document, pen);
        marks.push(sheet::right_mark(pen, HEIGHT - 36.0, &labels.page(number, pages.len())));
        for mark in page.iter().chain(&marks) {
            match mark {
                Mark::Text(text) => {
                    surface.set_stroke(None);
                    surface.set_fill(Some(Fill {
                        paint: luma::Color::black().into(),
                        ..Fill::default()
                    }));
                    let mut x = text.x;
                    for run in pen.runs(&text.text, text.weight) {
                        let place = Point::from_xy(x, text.y);
                        let direction = TextDirection::Auto;
                        surface.draw_text(place, pen.font(run.face), text.size, &run.text, false, direction);
                        x += run.width * text.size;
                    }
                }
                Mark::Rule(y) => {
                    let mut path = PathBuilder::new();
                    path.move_to(LEFT, *y);
                    path.line_to(RIGHT, *y);
                    let stroke = Stroke {
                        paint: luma::Color::new(128).into(),
                        width: 0.5,
                        ..Stroke::default()
                    };
                    surface.set_fill(None);
                    surface.set_stroke(Some(stroke));
                    if let Some(path) = path.finish() {
                        surface.draw_path(&path);
                    }
                }
            }
        }
        surface.finish();
        sheet.finish();
    }
    let title = match document.kind {
        DocumentKind::Invoice => labels.invoice,
        DocumentKind::CreditNote => labels.credit_note,
    };
    let metadata = Metadata::new()
        .title(format!("{title} {}", document.number))
        .authors(vec![document.seller.name.clone()])
        .language(labels.language.to_owned())
        .creation_date(pdf_time(document.issued_at))
        .document_id(document.id.to_string());
    pdf.set_metadata(metadata);
    pdf.finish()
        .map_err(|error| Fault::internal(format!("document {}: {error:?}", document.id)))
}

fn footer(document: &Document, pen: &Pen<'_>) -> Vec<Mark> {
    let lines = document.footer.lines();
    let wrapped = lines.flat_map(|line| sheet::wrapped(pen, line, WIDTH, SMALL, Weight::Regular));
    let mut marks = vec![Mark::Rule(sheet::BOTTOM + 8.0)];
    let mut y = sheet::BOTTOM + 20.0;
    for line in wrapped.take(FOOTER_LINES) {
        marks.push(sheet::left_mark(y, &line));
        y += SMALL * 1.3;
    }
    marks
}

fn pdf_time(time: DateTime<Utc>) -> PdfTime {
    let small = |number: u32| u8::try_from(number).unwrap_or_default();
    PdfTime::new(u16::try_from(time.year()).unwrap_or_default())
        .month(small(time.month()))
        .day(small(time.day()))
        .hour(small(time.hour()))
        .minute(small(time.minute()))
        .second(small(time.second()))
        .utc_offset_hour(0)
        .utc_offset_minute(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::documents::fixtures::{invoice_of, order_of};

    #[test]
    fn the_same_document_is_the_same_file_in_every_currency() {
        let fonts = Fonts::new(&[]).unwrap();
        for code in ["EUR", "JPY", "KWD", "CLF"] {
            let wanted = [(2, 1190, 100, 19), (999, 100_000_000, 0, 7)];
            let (order, content, lines) = order_of(code.parse().unwrap(), &wanted, 590, true, false);
            let mut invoice = invoice_of(&order, &content, &lines);
            invoice.footer = "A footer\n".repeat(9);
            invoice.seller.address = vec!["An address that is as long as nobody has one ".repeat(6)];
            let file = render(&invoice, &fonts).unwrap();
            assert!(file.starts_with(b"%PDF-"));
            assert_eq!(render(&invoice, &fonts).unwrap(), file);
        }
    }

    #[test]
    fn taxes_side_by_side_are_told_together() {
        let usd = "USD".parse().unwrap();
        let tax = |percent: &str| PositionTax {
            name: "Tax".to_owned(),
            percent: percent.to_owned(),
            amount: Money::zero(usd),
        };
        let locale = "de".parse().unwrap();
        assert_eq!(rates(&[tax("5"), tax("2.25")], &locale), "5\u{a0}% + 2,25\u{a0}%");
        assert_eq!(rates(&[], &locale), "");
    }
}
