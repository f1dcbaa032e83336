//! What templates may use: everything as people read it, in the language of the template. Nothing of it is ever looked at as
//! a template itself.

pub(super) mod samples;

use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::FulfilmentId;
use kernel::{Locale, Money};
use serde::Serialize;

use super::Notice;
use crate::domain::Line;
use crate::domain::documents::Document;
use crate::domain::view::OrderView;
use crate::domain::wording;

/// The longest text of a buyer or of the catalogue that a mail repeats, in characters.
const MAX_TEXT: usize = 300;

/// All that a template may use.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    pub(super) shop: ShopFacts,
    /// The language of the template.
    pub(super) locale: String,
    pub(super) order: OrderFacts,
    /// What was given back; `none` but in a mail about that, as are those that follow.
    pub(super) refund: Option<RefundFacts>,
    pub(super) fulfilment: Option<FulfilmentFacts>,
    pub(super) payment: Option<PaymentFacts>,
    pub(super) document: Option<DocumentFacts>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ShopFacts {
    pub(super) name: String,
}

/// Amounts are texts; those that are often nothing are `none` then.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OrderFacts {
    id: String,
    number: String,
    status: &'static str,
    email: String,
    placed_on: Option<String>,
    lines: Vec<LineFacts>,
    subtotal: String,
    discount: Option<String>,
    shipping: Option<String>,
    tax: Option<String>,
    tax_included: Option<String>,
    total: String,
    gift_cards: Option<String>,
    amount_due: String,
    refunded: Option<String>,
    shipping_method: Option<String>,
    /// A line each; none where there is no address.
    shipping_address: Vec<String>,
    billing_address: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct LineFacts {
    title: String,
    variant: Option<String>,
    sku: Option<String>,
    quantity: i64,
    unit_price: String,
    discount: Option<String>,
    total: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct RefundFacts {
    pub(super) amount: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct FulfilmentFacts {
    pub(super) carrier: Option<String>,
    /// By which the carrier knows the parcel.
    pub(super) number: Option<String>,
    /// Where it can be followed: http or https.
    pub(super) url: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct PaymentFacts {
    pub(super) amount: String,
    /// Where it is paid.
    pub(super) link: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct DocumentFacts {
    /// `invoice` or `credit_note`.
    pub(super) kind: &'static str,
    pub(super) number: String,
    pub(super) gross: String,
    /// The number of the invoice that a credit note is about.
    pub(super) corrects: Option<String>,
}

/// What a mail is about besides its order.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) notice: &'a Notice,
    pub(super) document: Option<&'a Document>,
    /// Where the order is paid, where the shop has such a place.
    pub(super) payment_link: Option<&'a str>,
}

impl Facts {
    /// The facts of a mail about `order`, for a template in `locale`.
    pub(super) fn of(shop: &str, order: &OrderView, about: About<'_>, locale: &Locale) -> Self {
        let money = |amount: Money| wording::money(amount, locale);
        let document = about.document.map(|document| DocumentFacts {
            kind: document.kind.name(),
            number: document.number.clone(),
            gross: money(document.totals.gross),
            corrects: document.corrects.as_ref().map(|invoice| invoice.number.clone()),
        });
        Self {
            shop: ShopFacts { name: plain(shop) },
            locale: locale.to_string(),
            order: OrderFacts::of(order, locale),
            refund: about
                .notice
                .refunded
                .map(|amount| RefundFacts { amount: money(amount) }),
            fulfilment: about.notice.fulfilment.map(|id| FulfilmentFacts::of(order, id)),
            payment: about.notice.requested.map(|amount| PaymentFacts {
                amount: money(amount),
                link: about.payment_link.map(str::to_owned),
            }),
            document,
        }
    }
}

impl OrderFacts {
    fn of(order: &OrderView, locale: &Locale) -> Self {
        let money = |amount: Money| wording::money(amount, locale);
        let unless_nothing = |amount: Money| (amount.amount != 0).then(|| money(amount));
        let totals = &order.totals;
        let line = |line: &Line| LineFacts {
            title: plain(&line.title),
            variant: Some(plain(&line.variant_title)).filter(|variant| !variant.is_empty()),
            sku: line.sku.as_deref().map(plain),
            quantity: line.quantity,
            unit_price: money(line.unit_price),
            discount: unless_nothing(line.discount),
            total: money(line.total),
        };
        Self {
            id: order.id.to_string(),
            number: order.number.clone(),
            status: order.status.name(),
            email: order.email.clone(),
            placed_on: order.placed_at.map(|time: DateTime<Utc>| wording::day(time, locale)),
            lines: order.lines.iter().map(line).collect(),
            subtotal: money(totals.subtotal),
            discount: unless_nothing(totals.discount),
            shipping: unless_nothing(totals.shipping),
            tax: unless_nothing(totals.tax),
            tax_included: unless_nothing(totals.tax_included),
            total: money(totals.total),
            gift_cards: unless_nothing(totals.gift_cards),
            amount_due: money(totals.amount_due),
            refunded: unless_nothing(totals.refunded),
            shipping_method: order.pricing.shipping_method.as_ref().map(|method| plain(&method.name)),
            shipping_address: address_lines(order.shipping_address.as_ref()),
            billing_address: address_lines(order.billing_address.as_ref()),
        }
    }
}

impl FulfilmentFacts {
    /// How a parcel of the order can be followed.
    fn of(order: &OrderView, id: FulfilmentId) -> Self {
        let Some(parcel) = order.fulfilments.iter().find(|parcel| parcel.id == id) else {
            return Self::default();
        };
        let text = |text: &Option<String>| text.as_deref().map(plain).filter(|text| !text.is_empty());
        Self {
            carrier: text(&parcel.carrier),
            number: text(&parcel.tracking_number),
            url: text(&parcel.tracking_url).filter(|url| url.starts_with("https://") || url.starts_with("http://")),
        }
    }
}

fn address_lines(address: Option<&Address>) -> Vec<String> {
    let Some(address) = address else { return Vec::new() };
    let place = format!("{} {}", address.postal_code, address.city);
    let country = address.country.code();
    let lines = [
        address.company.as_deref().unwrap_or_default(),
        &address.name,
        &address.line1,
        address.line2.as_deref().unwrap_or_default(),
        &place,
        address.region.as_deref().unwrap_or_default(),
        &country,
    ];
    lines.into_iter().filter(|line| !line.is_empty()).map(plain).collect()
}

/// One line without what would make it look like another: no control characters, none that turn the direction of writing, and
/// no more than a mail bears.
pub(super) fn plain(text: &str) -> String {
    let turns = |character: char| matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    text.chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .filter(|character| !turns(*character))
        .take(MAX_TEXT)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_buyers_are_one_line_in_one_direction() {
        assert_eq!(plain("Ada\r\nBcc: eve@example.com"), "Ada  Bcc: eve@example.com");
        assert_eq!(plain("a\u{202e}b\u{2066}c\u{2028}d"), "abcd");
        assert_eq!(plain("{{ 7 * 7 }}"), "{{ 7 * 7 }}");
        assert_eq!(plain(&"x".repeat(10_000)).len(), MAX_TEXT);
    }
}
