//! Facts as any mail may have them, by which the templates of a shop are tried at its start.

use super::{DocumentFacts, Facts, FulfilmentFacts, LineFacts, OrderFacts, PaymentFacts, RefundFacts, ShopFacts};

/// With all that there can be, and with as little as there can be.
pub(in crate::mail) fn samples() -> Vec<Facts> {
    vec![whole(), bare()]
}

fn whole() -> Facts {
    let amount = || "12.50\u{a0}EUR".to_owned();
    let some = || Some(amount());
    Facts {
        shop: ShopFacts {
            name: "A shop".to_owned(),
        },
        locale: "en".to_owned(),
        order: OrderFacts {
            id: "order_01jd0000000000000000000000".to_owned(),
            number: "1001".to_owned(),
            status: "placed",
            email: "ada@example.com".to_owned(),
            placed_on: Some("30 November 2026".to_owned()),
            lines: vec![line("Coffee")],
            subtotal: amount(),
            discount: some(),
            shipping: some(),
            tax: some(),
            tax_included: some(),
            total: amount(),
            gift_cards: some(),
            amount_due: amount(),
            refunded: some(),
            shipping_method: Some("Parcel".to_owned()),
            shipping_address: vec!["Ada Lovelace".to_owned(), "12 St James's Square".to_owned()],
            billing_address: vec!["Ada Lovelace".to_owned()],
        },
        refund: Some(RefundFacts { amount: amount() }),
        fulfilment: Some(FulfilmentFacts {
            carrier: Some("Carrier".to_owned()),
            number: Some("1Z".to_owned()),
            url: Some("https://carrier.example/1Z".to_owned()),
        }),
        payment: Some(PaymentFacts {
            amount: amount(),
            link: Some("https://shop.example/pay".to_owned()),
        }),
        document: Some(DocumentFacts {
            kind: "credit_note",
            number: "CN-1".to_owned(),
            gross: amount(),
            corrects: Some("INV-1".to_owned()),
        }),
    }
}

/// What a template is about is always there; what may be nothing is nothing.
fn bare() -> Facts {
    let whole = whole();
    let line = LineFacts {
        variant: None,
        sku: None,
        discount: None,
        ..line("Coffee")
    };
    Facts {
        order: OrderFacts {
            placed_on: None,
            lines: vec![line],
            discount: None,
            shipping: None,
            tax: None,
            tax_included: None,
            gift_cards: None,
            refunded: None,
            shipping_method: None,
            shipping_address: Vec::new(),
            billing_address: Vec::new(),
            ..whole.order
        },
        fulfilment: Some(FulfilmentFacts::default()),
        payment: whole.payment.map(|payment| PaymentFacts { link: None, ..payment }),
        document: whole.document.map(|document| DocumentFacts {
            kind: "invoice",
            corrects: None,
            ..document
        }),
        ..whole
    }
}

fn line(title: &str) -> LineFacts {
    LineFacts {
        title: title.to_owned(),
        variant: Some("500 g".to_owned()),
        sku: Some("C-500".to_owned()),
        quantity: 2,
        unit_price: "6.50\u{a0}EUR".to_owned(),
        discount: Some("0.50\u{a0}EUR".to_owned()),
        total: "12.50\u{a0}EUR".to_owned(),
    }
}

/// An order of two lines.
#[cfg(test)]
pub(in crate::mail) fn long_sample() -> Facts {
    let mut facts = whole();
    facts.order.lines.push(line("Tea"));
    facts
}

/// An order of somebody who tries.
#[cfg(test)]
pub(in crate::mail) fn hostile_sample() -> Facts {
    let mut facts = whole();
    facts.order.lines = vec![line("<script>alert(1)</script> {{ 7 * 7 }} ${7*7} {% raw %}")];
    facts
}
