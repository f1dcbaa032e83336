//! Orders as rows for a spreadsheet: one row for each line, and what is true of the order on each of them, as in Shopify's
//! export of orders. README.md tells what the columns mean.

use chrono::{DateTime, SecondsFormat, Utc};
use kernel::Money;
use kernel::address::Address;

use super::view::OrderView;

/// The names of the columns, in their order.
pub(crate) const COLUMNS: [&str; 40] = [
    "order_id",
    "number",
    "status",
    "payment_status",
    "fulfilment_status",
    "placed_at",
    "created_at",
    "email",
    "locale",
    "currency",
    "subtotal",
    "discount",
    "shipping",
    "tax",
    "tax_included",
    "total",
    "gift_cards",
    "amount_due",
    "refunded",
    "promotion_codes",
    "shipping_method",
    "billing_name",
    "billing_company",
    "billing_line1",
    "billing_city",
    "billing_postal_code",
    "billing_country",
    "tax_number",
    "shipping_name",
    "shipping_line1",
    "shipping_city",
    "shipping_country",
    "line_id",
    "line_sku",
    "line_title",
    "line_variant",
    "line_quantity",
    "line_unit_price",
    "line_discount",
    "line_total",
];

/// The rows of an order: one for each of its lines.
pub(crate) fn rows(order: &OrderView) -> Vec<Vec<String>> {
    let of_order = order_cells(order);
    let row = |line: &super::Line| {
        let mut row = of_order.clone();
        row.extend([
            line.id.to_string(),
            text(line.sku.as_deref().unwrap_or_default()),
            text(&line.title),
            text(&line.variant_title),
            line.quantity.to_string(),
            amount(line.unit_price),
            amount(line.discount),
            amount(line.total),
        ]);
        row
    };
    order.lines.iter().map(row).collect()
}

fn order_cells(order: &OrderView) -> Vec<String> {
    let totals = &order.totals;
    let pricing = &order.pricing;
    let codes: Vec<&str> = pricing
        .promotions
        .iter()
        .filter_map(|promotion| promotion.code.as_deref())
        .collect();
    let method = pricing
        .shipping_method
        .as_ref()
        .map_or("", |method| method.name.as_str());
    let mut cells = vec![
        order.id.to_string(),
        text(&order.number),
        order.status.name().to_owned(),
        order.payment_status.name().to_owned(),
        order.fulfilment_status.name().to_owned(),
        order.placed_at.map(time).unwrap_or_default(),
        time(order.created_at),
        text(&order.email),
        order.locale.to_string(),
        order.currency.to_string(),
        amount(totals.subtotal),
        amount(totals.discount),
        amount(totals.shipping),
        amount(totals.tax),
        amount(totals.tax_included),
        amount(totals.total),
        amount(totals.gift_cards),
        amount(totals.amount_due),
        amount(totals.refunded),
        text(&codes.join(" ")),
        text(method),
    ];
    cells.extend(billing_cells(
        order.billing_address.as_ref().or(order.shipping_address.as_ref()),
    ));
    cells.push(text(pricing.tax_number.as_deref().unwrap_or_default()));
    cells.extend(shipping_cells(order.shipping_address.as_ref()));
    cells
}

fn billing_cells(address: Option<&Address>) -> [String; 6] {
    let Some(address) = address else {
        return Default::default();
    };
    [
        text(&address.name),
        text(address.company.as_deref().unwrap_or_default()),
        text(&address.line1),
        text(&address.city),
        text(&address.postal_code),
        address.country.code().into_owned(),
    ]
}

fn shipping_cells(address: Option<&Address>) -> [String; 4] {
    let Some(address) = address else {
        return Default::default();
    };
    [
        text(&address.name),
        text(&address.line1),
        text(&address.city),
        address.country.code().into_owned(),
    ]
}

/// The amount with the currency's own decimals, and without the currency, so that it is a number to a spreadsheet.
fn amount(amount: Money) -> String {
    let written = amount.to_string();
    match written.split_once(' ') {
        Some((number, _)) => number.to_owned(),
        None => written,
    }
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A text as a cell that is a text to every spreadsheet: one that would be a formula has an apostrophe in front, as the OWASP
/// Application Security Verification Standard asks for (1.2.10). Some spreadsheets drop blanks before they look.
fn text(text: &str) -> String {
    match text.starts_with(|first: char| matches!(first, '=' | '+' | '-' | '@' | '\0') || first.is_whitespace()) {
        true => format!("'{text}"),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::documents::fixtures::order_view;
    use super::*;

    #[test]
    fn an_order_has_a_row_for_each_line_with_a_cell_for_each_column() {
        let order = order_view(&[(2, 1190, 0, 19), (1, 500, 100, 7)], "USD");
        let rows = rows(&order);
        assert_eq!(rows.len(), 2);
        let cell = |row: usize, name: &str| {
            let column = COLUMNS.iter().position(|column| *column == name).unwrap();
            rows[row][column].as_str()
        };
        for row in &rows {
            assert_eq!(row.len(), COLUMNS.len());
        }
        assert_eq!((cell(0, "line_quantity"), cell(0, "line_unit_price")), ("2", "11.90"));
        assert_eq!((cell(1, "line_discount"), cell(1, "line_total")), ("1.00", "4.00"));
        assert_eq!(cell(0, "number"), cell(1, "number"));
        assert_eq!(cell(0, "placed_at"), "1970-01-01T00:00:00Z");
        assert_eq!(cell(0, "status"), "placed");
    }

    #[test]
    fn what_would_be_a_formula_is_a_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"] {
            assert_eq!(text(formula), format!("'{formula}"));
        }
        for plain in ["", "a=1", "1-2", "Ada"] {
            assert_eq!(text(plain), plain);
        }
    }

    proptest! {
        #[test]
        fn no_text_begins_as_a_formula(written in ".{0,8}") {
            prop_assert!(!text(&written).starts_with(['=', '+', '-', '@', '\t', '\r']));
        }
    }
}
