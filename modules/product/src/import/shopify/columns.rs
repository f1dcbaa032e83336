//! The columns of the format. Shopify has renamed them all; files with the former names are about, and read as well.

use csv::ByteRecord;

/// A column that means something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Title,
    Handle,
    Description,
    Vendor,
    Type,
    Tags,
    Published,
    Status,
    Sku,
    Barcode,
    FirstName,
    FirstValue,
    SecondName,
    SecondValue,
    ThirdName,
    ThirdValue,
    Price,
    CompareAtPrice,
    Taxable,
    TaxCode,
    Tracker,
    Quantity,
    Oversold,
    /// In grams, whatever the unit beside it says.
    Weight,
    /// How Shopify shows the weight.
    WeightUnit,
    RequiresShipping,
    ImageUrl,
    ImagePosition,
    ImageAlt,
    SeoTitle,
    SeoDescription,
    /// Our own: what the quantity was when the file was written.
    QuantitySeen,
}

/// How many they are.
const COUNT: usize = 32;

/// Each with its present name and its former one, in the order in which they are written.
pub(super) const NAMES: [(Column, &str, &str); COUNT] = [
    (Column::Title, "Title", "Title"),
    (Column::Handle, "URL handle", "Handle"),
    (Column::Description, "Description", "Body (HTML)"),
    (Column::Vendor, "Vendor", "Vendor"),
    (Column::Type, "Type", "Type"),
    (Column::Tags, "Tags", "Tags"),
    (Column::Published, "Published on online store", "Published"),
    (Column::Status, "Status", "Status"),
    (Column::Sku, "SKU", "Variant SKU"),
    (Column::Barcode, "Barcode", "Variant Barcode"),
    (Column::FirstName, "Option1 name", "Option1 Name"),
    (Column::FirstValue, "Option1 value", "Option1 Value"),
    (Column::SecondName, "Option2 name", "Option2 Name"),
    (Column::SecondValue, "Option2 value", "Option2 Value"),
    (Column::ThirdName, "Option3 name", "Option3 Name"),
    (Column::ThirdValue, "Option3 value", "Option3 Value"),
    (Column::Price, "Price", "Variant Price"),
    (Column::CompareAtPrice, "Compare-at price", "Variant Compare At Price"),
    (Column::Taxable, "Charge tax", "Variant Taxable"),
    (Column::TaxCode, "Tax code", "Variant Tax Code"),
    (Column::Tracker, "Inventory tracker", "Variant Inventory Tracker"),
    (Column::Quantity, "Inventory quantity", "Variant Inventory Qty"),
    (
        Column::Oversold,
        "Continue selling when out of stock",
        "Variant Inventory Policy",
    ),
    (Column::Weight, "Weight value (grams)", "Variant Grams"),
    (Column::WeightUnit, "Weight unit for display", "Variant Weight Unit"),
    (
        Column::RequiresShipping,
        "Requires shipping",
        "Variant Requires Shipping",
    ),
    (Column::ImageUrl, "Product image URL", "Image Src"),
    (Column::ImagePosition, "Image position", "Image Position"),
    (Column::ImageAlt, "Image alt text", "Image Alt Text"),
    (Column::SeoTitle, "SEO title", "SEO Title"),
    (Column::SeoDescription, "SEO description", "SEO Description"),
    (
        Column::QuantitySeen,
        "Inventory quantity seen",
        "Variant Inventory Qty Seen",
    ),
];

/// Names and values of the options.
pub(super) const OPTIONS: [(Column, Column); 3] = [
    (Column::FirstName, Column::FirstValue),
    (Column::SecondName, Column::SecondValue),
    (Column::ThirdName, Column::ThirdValue),
];

/// What stands for the option, and for its value, of a product that has none.
pub(super) const NO_OPTION: &str = "Title";
pub(super) const NO_VALUE: &str = "Default Title";

/// Without these a file is no product file.
const NEEDED: [Column; 3] = [Column::Handle, Column::Title, Column::Price];

/// Where the columns of a file are.
#[derive(Clone, Debug)]
pub(super) struct Columns([Option<usize>; COUNT]);

impl Columns {
    /// Finds the columns in the first record of a file; `Err` names one that is needed and missing.
    pub(super) fn find(headers: &ByteRecord) -> Result<Self, &'static str> {
        let position = |wanted: &str| {
            headers
                .iter()
                .position(|header| header.trim_ascii() == wanted.as_bytes())
        };
        let columns = Self(NAMES.map(|(_, name, former)| position(name).or_else(|| position(former))));
        match NEEDED.iter().find(|needed| columns.position(**needed).is_none()) {
            Some(missing) => Err(missing.name()),
            None => Ok(columns),
        }
    }

    /// Where a column is, where it is there.
    pub(super) fn position(&self, column: Column) -> Option<usize> {
        self.0[column as usize]
    }
}

impl Column {
    /// Its present name.
    pub(super) fn name(self) -> &'static str {
        NAMES[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_where_its_number_says() {
        for (index, (column, ..)) in NAMES.iter().enumerate() {
            assert_eq!(*column as usize, index);
        }
    }
}
