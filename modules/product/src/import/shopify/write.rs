//! The format as it is written.

use std::io;

use csv::{QuoteStyle, Terminator, WriterBuilder};

use super::cell::{guarded, guarded_code};
use super::columns::{Column, NAMES, NO_OPTION, NO_VALUE, OPTIONS};
use super::html::html_of;
use crate::domain::category::SEPARATOR;
use crate::domain::image::Image;
use crate::domain::listing::{ListedVariant, Listing};
use crate::domain::product::Status;
use crate::import::decimal::amount_of;

/// Writes the names of the columns.
pub(in crate::import) fn write_head(out: &mut Vec<u8>) -> io::Result<()> {
    record(out, NAMES.map(|(_, name, _)| name.to_owned()))
}

/// Writes the rows of a product. What has no place in the format is left out, and an import leaves it as it is.
pub(in crate::import) fn write(out: &mut Vec<u8>, listing: &Listing, category: &[String]) -> io::Result<()> {
    let count = listing.variants.len().max(listing.images.len()).max(1);
    for index in 0..count {
        let mut row = Row::default();
        row.set(Column::Handle, listing.handle.as_str());
        if index == 0 {
            row.product(listing, category);
        }
        if let Some(variant) = listing.variants.get(index) {
            row.variant(listing, variant);
        }
        if let Some(image) = listing.images.get(index) {
            row.image(image, index + 1);
        }
        record(out, row.0)?;
    }
    Ok(())
}

/// The cells of a row, in the order of the columns.
#[derive(Default)]
struct Row([String; NAMES.len()]);

impl Row {
    fn set(&mut self, column: Column, text: &str) {
        self.0[column as usize] = guarded(text);
    }

    fn product(&mut self, listing: &Listing, category: &[String]) {
        let (status, published) = match listing.status {
            Status::Active => ("Active", "TRUE"),
            Status::Draft => ("Draft", "FALSE"),
            Status::Archived => ("Archived", "FALSE"),
        };
        self.set(Column::Title, &listing.title);
        self.set(Column::Description, &html_of(&listing.description));
        self.set(Column::Vendor, listing.brand.as_deref().unwrap_or_default());
        self.set(Column::Type, &category.join(SEPARATOR));
        self.set(Column::Published, published);
        self.set(Column::Status, status);
        let seo = &listing.merchandising.seo;
        self.set(Column::SeoTitle, seo.title.as_deref().unwrap_or_default());
        self.set(Column::SeoDescription, seo.description.as_deref().unwrap_or_default());
        // A comma within a tag would make two of it.
        let can_be_joined = |tag: &String| !tag.contains(',') && tag.trim() == tag;
        if listing.tags.iter().all(can_be_joined) {
            self.set(Column::Tags, &listing.tags.join(", "));
        }
        match listing.options.is_empty() {
            true if !listing.variants.is_empty() => self.set(Column::FirstName, NO_OPTION),
            _ => {
                for (option, (name, _)) in listing.options.iter().zip(OPTIONS) {
                    self.set(name, &option.name);
                }
            }
        }
    }

    fn variant(&mut self, listing: &Listing, variant: &ListedVariant) {
        let amount = |amount| amount_of(amount, listing.currency);
        if listing.options.is_empty() {
            self.set(Column::FirstValue, NO_VALUE);
        }
        for (value, (_, column)) in listing.values_of(variant).iter().zip(OPTIONS) {
            self.set(column, value);
        }
        let codes = [(Column::Sku, &variant.sku), (Column::Barcode, &variant.barcode)];
        for (column, code) in codes {
            self.0[column as usize] = guarded_code(code.as_deref().unwrap_or_default());
        }
        self.set(Column::Price, &amount(variant.price));
        self.set(
            Column::CompareAtPrice,
            &variant.compare_at_price.map(amount).unwrap_or_default(),
        );
        let class = &listing.merchandising.tax_class;
        self.set(Column::Taxable, truth(!class.is_untaxed()));
        if !class.is_untaxed() {
            self.set(Column::TaxCode, class.as_str());
        }
        self.set(Column::Tracker, "shopify");
        self.set(Column::Oversold, "DENY");
        if let Some(weight) = variant.weight_grams {
            self.set(Column::Weight, &weight.to_string());
            self.set(Column::WeightUnit, "g");
        }
        if let Some(requires_shipping) = variant.requires_shipping {
            self.set(Column::RequiresShipping, truth(requires_shipping));
        }
        // A number is no formula, also where it is negative, and to Shopify a guarded one is no number.
        let quantity = variant.stock.map(|stock| stock.to_string()).unwrap_or_default();
        for column in [Column::Quantity, Column::QuantitySeen] {
            self.0[column as usize].clone_from(&quantity);
        }
    }

    fn image(&mut self, image: &Image, position: usize) {
        self.set(Column::ImageUrl, image.url.as_str());
        self.set(Column::ImagePosition, &position.to_string());
        self.set(
            Column::ImageAlt,
            image.alt.as_ref().map(|alt| alt.as_str()).unwrap_or_default(),
        );
    }
}

fn truth(is_true: bool) -> &'static str {
    if is_true { "TRUE" } else { "FALSE" }
}

fn record<const N: usize>(out: &mut Vec<u8>, cells: [String; N]) -> io::Result<()> {
    // RFC 4180: lines end with both characters, and what has one of them, a comma or a quote is quoted.
    let mut writer = WriterBuilder::new()
        .terminator(Terminator::CRLF)
        .quote_style(QuoteStyle::Necessary)
        .from_writer(out);
    writer.write_record(cells).map_err(io::Error::other)?;
    writer.flush()
}
