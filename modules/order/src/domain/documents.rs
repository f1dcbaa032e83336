//! Invoices and credit notes: what they say, and how what they say follows from an order. The particulars are those of
//! article 226 of directive 2006/112/EC (the numbers in parentheses below), which most other countries' rules are content
//! with.
//!
//! A document is complete in itself: it is stored as it was issued and never made anew from its order.

mod bill;
mod credit;

use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{DocumentId, LineId, OrderId};
use kernel::{Currency, Locale, Money};
use serde::{Deserialize, Serialize};

pub(crate) use bill::{Bill, bill};
pub(crate) use credit::{Credit, CreditRefusal, Issue, Left, LineCredit, credit, note};

/// What kind of document it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DocumentKind {
    /// What is to be paid, or was.
    Invoice,
    /// What of an invoice is taken back.
    CreditNote,
}

impl DocumentKind {
    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Invoice => "invoice",
            Self::CreditNote => "credit_note",
        }
    }
}

/// An invoice or a credit note, as it was issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Document {
    pub(crate) id: DocumentId,
    pub(crate) kind: DocumentKind,
    /// Unique within its kind and without gaps within its series (2).
    #[schema(example = "INV-1")]
    pub(crate) number: String,
    /// The date of issue (1).
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) order_id: OrderId,
    /// The order's number, as people know it.
    #[schema(example = "1001")]
    pub(crate) order_number: String,
    /// When the order was placed.
    pub(crate) ordered_at: DateTime<Utc>,
    /// A credit note's: the invoice that it takes back a part of (article 219).
    pub(crate) corrects: Option<CorrectedInvoice>,
    /// A credit note's: why, in the shop's words.
    pub(crate) reason: Option<String>,
    /// The language in which it is told.
    pub(crate) locale: Locale,
    pub(crate) currency: Currency,
    /// Who sells (3, 5).
    pub(crate) seller: Seller,
    /// Who buys (4, 5).
    pub(crate) buyer: Buyer,
    /// Whether `unit_price` and `discount` contain the tax.
    pub(crate) prices_include_tax: bool,
    /// What is billed or credited (6, 8).
    pub(crate) positions: Vec<Position>,
    /// What each tax comes to (9, 10).
    pub(crate) taxes: Vec<TaxSubtotal>,
    pub(crate) totals: DocumentTotals,
    /// How gift cards and store credit paid for it: means of payment, which lower no tax.
    pub(crate) gift_cards: Vec<Tender>,
    /// What the law wants said: why no tax is paid (11, 11a).
    pub(crate) notes: Vec<Note>,
    /// What stands below.
    pub(crate) footer: String,
}

impl Document {
    /// What a file of it is called. What stands in a number and not in every file's name is left out.
    pub(crate) fn file_name(&self) -> String {
        let is_plain = |character: &char| character.is_ascii_alphanumeric() || "-_.".contains(*character);
        let plain: String = self.number.chars().filter(is_plain).collect();
        format!("{plain}.pdf")
    }
}

/// Who sells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Seller {
    pub(crate) name: String,
    /// The address, a line each.
    pub(crate) address: Vec<String>,
    /// By which a tax office knows the seller; empty where it does not.
    pub(crate) tax_number: String,
}

/// Who buys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Buyer {
    /// Where the bill goes; `null` where the order has no address.
    pub(crate) address: Option<Address>,
    /// By which a tax office knows the buyer.
    pub(crate) tax_number: Option<String>,
}

/// The invoice that a credit note refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct CorrectedInvoice {
    pub(crate) id: DocumentId,
    pub(crate) number: String,
    pub(crate) issued_at: DateTime<Utc>,
}

/// Something that is billed or credited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Position {
    /// From 1. A credit note has the positions of its invoice that it is about.
    pub(crate) position: i32,
    /// The order's line; `null` for shipping.
    pub(crate) line_id: Option<LineId>,
    pub(crate) sku: Option<String>,
    /// What it is; for shipping, what the method is called.
    pub(crate) title: String,
    pub(crate) variant_title: String,
    /// How many; `null` where a part of the amount is credited and no goods are.
    pub(crate) quantity: Option<i64>,
    /// What one costs, as it was offered.
    pub(crate) unit_price: Money,
    /// What one costs without tax and before what is taken off, to the nearest minor unit (8).
    pub(crate) net_unit_price: Money,
    /// What is taken off all of them; not told of what is credited.
    pub(crate) discount: Option<Money>,
    /// The taxes on it; their amounts sum to `tax`.
    pub(crate) taxes: Vec<PositionTax>,
    pub(crate) net: Money,
    pub(crate) tax: Money,
    pub(crate) gross: Money,
}

/// A tax on a position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct PositionTax {
    /// As it stands on a bill.
    #[schema(example = "VAT")]
    pub(crate) name: String,
    /// How many percent, as text.
    #[schema(example = "19")]
    pub(crate) percent: String,
    pub(crate) amount: Money,
}

/// What a tax comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct TaxSubtotal {
    /// `null` for what no tax is on.
    pub(crate) name: Option<String>,
    /// How many percent, as text; `0` for what no tax is on.
    pub(crate) percent: String,
    /// What it is reckoned on.
    pub(crate) net: Money,
    pub(crate) tax: Money,
}

/// What all of it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = DocumentTotals)]
pub(crate) struct DocumentTotals {
    pub(crate) net: Money,
    pub(crate) tax: Money,
    /// `net + tax`: the sum of the positions.
    pub(crate) gross: Money,
    /// What gift cards and store credit paid of it.
    pub(crate) gift_cards: Money,
    /// `gross - gift_cards`: what was left to pay.
    pub(crate) due: Money,
}

/// What a gift card, or store credit, paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Tender {
    /// The last characters of the card's code; `null` for store credit.
    pub(crate) last_characters: Option<String>,
    pub(crate) amount: Money,
}

/// Why no tax is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Note {
    /// The buyer owes it (article 226, 11a).
    ReverseCharge,
    /// The buyer is exempt (article 226, 11).
    Exempt,
}

/// The totals of `positions`, of which `gift_cards` paid a part.
fn totals(currency: Currency, positions: &[Position], gift_cards: i64) -> DocumentTotals {
    let sum = |part: fn(&Position) -> Money| positions.iter().map(|position| part(position).amount).sum::<i64>();
    let money = |amount| Money::new(amount, currency);
    let gross = sum(|position| position.gross);
    DocumentTotals {
        net: money(sum(|position| position.net)),
        tax: money(sum(|position| position.tax)),
        gross: money(gross),
        gift_cards: money(gift_cards),
        due: money(gross - gift_cards),
    }
}

/// What each tax on `positions` comes to, in the order in which they are met first; what no tax is on comes last.
fn subtotals(currency: Currency, positions: &[Position]) -> Vec<TaxSubtotal> {
    let mut subtotals: Vec<TaxSubtotal> = Vec::new();
    let mut untaxed = 0;
    for position in positions {
        if position.taxes.is_empty() {
            untaxed += position.net.amount;
        }
        for tax in &position.taxes {
            let is_same = |known: &&mut TaxSubtotal| {
                known.name.as_deref() == Some(tax.name.as_str()) && known.percent == tax.percent
            };
            match subtotals.iter_mut().find(is_same) {
                Some(known) => {
                    known.net.amount += position.net.amount;
                    known.tax.amount += tax.amount.amount;
                }
                None => subtotals.push(TaxSubtotal {
                    name: Some(tax.name.clone()),
                    percent: tax.percent.clone(),
                    net: position.net,
                    tax: tax.amount,
                }),
            }
        }
    }
    if untaxed != 0 {
        subtotals.push(TaxSubtotal {
            name: None,
            percent: "0".to_owned(),
            net: Money::new(untaxed, currency),
            tax: Money::zero(currency),
        });
    }
    subtotals
}

/// `amount * part / whole`, to the nearest minor unit, halves away from zero; nothing of nothing.
fn share(amount: i64, part: i64, whole: i64) -> i64 {
    if whole == 0 {
        return 0;
    }
    let (product, whole) = (i128::from(amount) * i128::from(part), i128::from(whole));
    let doubled = 2 * product.abs() + whole.abs();
    let rounded = doubled / (2 * whole.abs());
    let signed = if product.signum() * whole.signum() < 0 {
        -rounded
    } else {
        rounded
    };
    i64::try_from(signed).unwrap_or(if signed < 0 { i64::MIN } else { i64::MAX })
}

/// `amount` spread over `taxes` in proportion to what they come to.
fn spread(amount: i64, taxes: &[PositionTax], currency: Currency) -> Vec<PositionTax> {
    let weights: Vec<i64> = taxes.iter().map(|tax| tax.amount.amount.abs()).collect();
    // Weights are not negative, so that nothing is refused.
    let parts = Money::new(amount, currency).allocate(&weights).unwrap_or_default();
    let part = |(tax, amount): (&PositionTax, Money)| PositionTax { amount, ..tax.clone() };
    taxes.iter().zip(parts).map(part).collect()
}

#[cfg(test)]
pub(crate) use bill::tests as fixtures;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_half_away_from_zero() {
        for (amount, part, whole, expected) in [
            (10, 1, 4, 3),
            (-10, 1, 4, -3),
            (10, 1, 3, 3),
            (10, 0, 3, 0),
            (10, 3, 3, 10),
            (10, 1, 0, 0),
        ] {
            assert_eq!(share(amount, part, whole), expected, "{amount} * {part} / {whole}");
        }
    }
}
