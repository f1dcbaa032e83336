//! The invoice of an order.

use cart_api::{LineTax, Pricing, TaxTotal};
use chrono::{DateTime, Utc};
use kernel::id::DocumentId;
use kernel::{Currency, Money};

use super::{
    Buyer, Document, DocumentKind, Note, Position, PositionTax, Seller, Tender, share, spread, subtotals, totals,
};
use crate::domain::{Content, Line, Order};

/// What an invoice says besides its order.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    pub(crate) id: DocumentId,
    pub(crate) number: String,
    pub(crate) issued_at: DateTime<Utc>,
    pub(crate) seller: Seller,
    pub(crate) footer: String,
}

/// How an order's taxes stand to its prices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taxation {
    /// Prices contain what is paid.
    Included,
    /// It comes onto them.
    Added,
    /// None is paid: what prices contain is taken off them.
    Relieved,
}

/// The invoice for all of `order`; `content` is what it took over.
pub(crate) fn bill(order: &Order, content: &Content, lines: &[Line], bill: Bill) -> Document {
    let currency = content.currency;
    let pricing = &content.pricing;
    let taxation = taxation(content);
    let mut positions: Vec<Position> = (1..)
        .zip(lines.iter().filter(|line| line.quantity > 0))
        .map(|(number, line)| line_position(number, line, pricing, taxation))
        .collect();
    positions.extend(shipping_position(content, &positions, taxation));
    let address = content.billing_address.as_ref().or(content.shipping_address.as_ref());
    Document {
        id: bill.id,
        kind: DocumentKind::Invoice,
        number: bill.number,
        issued_at: bill.issued_at,
        order_id: order.id,
        order_number: order.number.clone(),
        ordered_at: order.placed_at.unwrap_or(order.created_at),
        corrects: None,
        reason: None,
        locale: content.locale.clone(),
        currency,
        seller: bill.seller,
        buyer: Buyer {
            address: address.cloned(),
            tax_number: pricing.tax_number.clone(),
        },
        prices_include_tax: taxation != Taxation::Added,
        taxes: subtotals(currency, &positions),
        totals: totals(currency, &positions, content.totals.gift_cards.amount),
        positions,
        gift_cards: tenders(content),
        notes: notes(content),
        footer: bill.footer,
    }
}

fn taxation(content: &Content) -> Taxation {
    match (content.totals.tax_included.amount, content.totals.tax.amount) {
        (included, _) if included > 0 => Taxation::Included,
        (_, added) if added < 0 => Taxation::Relieved,
        _ => Taxation::Added,
    }
}

/// Net, tax and gross of something that costs `total` before what is added to it, and on which there is `tax`.
fn parts(total: i64, tax: i64, taxation: Taxation) -> (i64, i64, i64) {
    match taxation {
        Taxation::Included => (total - tax, tax, total),
        Taxation::Added => (total, tax, total + tax),
        Taxation::Relieved => (total + tax, 0, total + tax),
    }
}

fn line_position(position: i32, line: &Line, pricing: &Pricing, taxation: Taxation) -> Position {
    let currency = line.total.currency;
    let money = |amount| Money::new(amount, currency);
    let (net, tax, gross) = parts(line.total.amount, line.tax.amount, taxation);
    let net_unit_price = match taxation {
        Taxation::Added => line.unit_price.amount,
        Taxation::Included | Taxation::Relieved => share(line.unit_price.amount, net, line.total.amount),
    };
    Position {
        position,
        line_id: Some(line.id),
        sku: line.sku.clone(),
        title: line.title.clone(),
        variant_title: line.variant_title.clone(),
        quantity: Some(line.quantity),
        unit_price: line.unit_price,
        net_unit_price: money(net_unit_price),
        discount: Some(line.discount),
        taxes: line_taxes(line, net, tax, pricing),
        net: money(net),
        tax: money(tax),
        gross: money(gross),
    }
}

/// Shipping, where it costs something or is taxed.
fn shipping_position(content: &Content, lines: &[Position], taxation: Taxation) -> Option<Position> {
    let (currency, pricing) = (content.currency, &content.pricing);
    let money = |amount| Money::new(amount, currency);
    let shipping = content.totals.shipping;
    let taxed = pricing.shipping_tax.map_or(0, |tax| tax.amount);
    if shipping.amount == 0 && taxed == 0 {
        return None;
    }
    let (net, tax, gross) = parts(shipping.amount, taxed, taxation);
    let method = pricing.shipping_method.as_ref();
    Some(Position {
        position: i32::try_from(lines.len() + 1).unwrap_or(i32::MAX),
        line_id: None,
        sku: None,
        title: method.map(|method| method.name.clone()).unwrap_or_default(),
        variant_title: String::new(),
        quantity: Some(1),
        unit_price: shipping,
        net_unit_price: money(net),
        discount: Some(Money::zero(currency)),
        taxes: shipping_taxes(tax, lines, pricing, currency),
        net: money(net),
        tax: money(tax),
        gross: money(gross),
    })
}

/// The taxes on a line: its own, where it knows them.
fn line_taxes(line: &Line, net: i64, tax: i64, pricing: &Pricing) -> Vec<PositionTax> {
    let own: i64 = line.taxes.iter().map(|own| own.amount.amount).sum();
    if tax == 0 || own != tax || line.taxes.is_empty() {
        return taxes_of(net, tax, pricing, line.total.currency);
    }
    let known = |own: &LineTax| PositionTax {
        name: own.name.clone(),
        percent: own.percent.clone(),
        amount: own.amount,
    };
    line.taxes.iter().map(known).collect()
}

/// Which of an order's taxes are on a line that was sold before lines knew theirs, or on shipping. The order knows what each comes to over all lines: where there are
/// several, it is the one whose rate explains the line's tax best, or all of them side by side, as those of a state and a
/// city are paid.
fn taxes_of(net: i64, tax: i64, pricing: &Pricing, currency: Currency) -> Vec<PositionTax> {
    if tax == 0 {
        return Vec::new();
    }
    let known: Vec<PositionTax> = pricing.taxes.iter().map(position_tax).collect();
    let each = known.iter().map(|one| vec![one.clone()]);
    let all = std::iter::once(known.clone());
    let miss = |rates: &Vec<PositionTax>| {
        let percent: f64 = rates.iter().filter_map(|rate| rate.percent.parse::<f64>().ok()).sum();
        #[expect(
            clippy::cast_precision_loss,
            reason = "amounts have twelve digits; only the closest is looked for"
        )]
        let expected = net as f64 * percent / 100.0;
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let miss = (expected - tax as f64).abs();
        miss
    };
    let best = each.chain(all).min_by(|one, other| miss(one).total_cmp(&miss(other)));
    match best.filter(|rates| !rates.is_empty()) {
        Some(rates) => spread(tax, &rates, currency),
        // The order was placed before its taxes were told apart.
        None => vec![PositionTax {
            name: String::new(),
            percent: String::new(),
            amount: Money::new(tax, currency),
        }],
    }
}

/// What of each tax is left when the lines have theirs is on shipping.
fn shipping_taxes(tax: i64, lines: &[Position], pricing: &Pricing, currency: Currency) -> Vec<PositionTax> {
    if tax == 0 {
        return Vec::new();
    }
    let on_lines = |one: &TaxTotal| {
        let taxes = lines.iter().flat_map(|line| &line.taxes);
        let same = taxes.filter(|tax| tax.name == one.name && tax.percent == one.percent);
        same.map(|tax| tax.amount.amount).sum::<i64>()
    };
    let mut left: Vec<PositionTax> = Vec::new();
    for one in &pricing.taxes {
        let is_same = |known: &PositionTax| known.name == one.name && known.percent == one.percent;
        match left.iter_mut().find(|known| is_same(known)) {
            Some(known) => known.amount.amount += one.amount.amount,
            None => left.push(PositionTax {
                amount: Money::new(one.amount.amount - on_lines(one), currency),
                ..position_tax(one)
            }),
        }
    }
    left.retain(|one| one.amount.amount != 0);
    let fits =
        left.iter().all(|one| one.amount.amount > 0) && left.iter().map(|one| one.amount.amount).sum::<i64>() == tax;
    match fits {
        true => left,
        false => taxes_of(
            tax,
            tax,
            &Pricing {
                taxes: pricing.taxes.iter().take(1).cloned().collect(),
                ..Pricing::default()
            },
            currency,
        ),
    }
}

fn position_tax(total: &TaxTotal) -> PositionTax {
    PositionTax {
        name: total.name.clone(),
        percent: total.percent.clone(),
        amount: total.amount,
    }
}

fn tenders(content: &Content) -> Vec<Tender> {
    let paid = content.pricing.gift_cards.iter().filter(|card| card.amount.amount > 0);
    paid.map(|card| Tender {
        last_characters: card.last_characters.clone(),
        amount: card.amount,
    })
    .collect()
}

/// There are taxes where the goods go, and this buyer pays none.
fn notes(content: &Content) -> Vec<Note> {
    let pays = content.totals.tax.amount > 0 || content.totals.tax_included.amount > 0;
    let is_taxed = content.pricing.taxes.iter().any(|tax| tax.percent != "0");
    match (pays, is_taxed, &content.pricing.tax_number) {
        (false, true, Some(_)) => vec![Note::ReverseCharge],
        (false, true, None) => vec![Note::Exempt],
        _ => Vec::new(),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use cart_api::{ChosenMethod, GiftCardPayment, Totals};
    use kernel::id::{CartId, LineId, OrderId, ProductId, ShippingMethodId, VariantId};
    use proptest::prelude::*;

    use super::*;
    use crate::domain::fulfilment::FulfilmentStatus;
    use crate::domain::view::{Audience, OrderView};
    use crate::domain::{Status, WholeOrder};

    /// An order of lines of quantity, unit price, discount and rate, in the currency, with taxes in its prices or on them.
    pub(crate) fn order_of(
        currency: Currency,
        wanted: &[(i64, i64, i64, u8)],
        shipping: i64,
        is_included: bool,
        is_relieved: bool,
    ) -> (Order, Content, Vec<Line>) {
        let money = |amount| Money::new(amount, currency);
        let tax_on = |total: i64, rate: u8| match (is_included, is_relieved) {
            (true, false) => share(total, i64::from(rate), 100 + i64::from(rate)),
            (true, true) => -share(total, i64::from(rate), 100 + i64::from(rate)),
            (false, false) => share(total, i64::from(rate), 100),
            (false, true) => 0,
        };
        let line = |(quantity, unit, discount, rate): &(i64, i64, i64, u8)| {
            let total = quantity * unit - discount;
            Line {
                id: LineId::generate(),
                variant_id: VariantId::generate(),
                product_id: ProductId::generate(),
                sku: None,
                title: "Coffee".to_owned(),
                variant_title: String::new(),
                quantity: *quantity,
                unit_price: money(*unit),
                discount: money(*discount),
                tax: money(tax_on(total, *rate)),
                total: money(total),
                taxes: Vec::new(),
                fulfilled_quantity: 0,
                returned_quantity: 0,
                announced_quantity: 0,
                reservation: None,
            }
        };
        let lines: Vec<Line> = wanted.iter().map(line).collect();
        let first_rate = wanted.first().map_or(0, |line| line.3);
        let shipping_tax = tax_on(shipping, first_rate);
        let mut taxes: Vec<TaxTotal> = Vec::new();
        let on_lines = lines
            .iter()
            .zip(wanted)
            .map(|(line, wanted)| (line.tax.amount, wanted.3));
        for (amount, rate) in on_lines
            .chain([(shipping_tax, first_rate)])
            .filter(|(_, rate)| *rate > 0)
        {
            match taxes.iter_mut().find(|tax| tax.percent == rate.to_string()) {
                Some(tax) => tax.amount.amount += amount,
                None => taxes.push(TaxTotal {
                    name: "VAT".to_owned(),
                    percent: rate.to_string(),
                    base: money(0),
                    amount: money(amount),
                }),
            }
        }
        let tax: i64 = lines.iter().map(|line| line.tax.amount).sum::<i64>() + shipping_tax;
        let (added, included) = if is_included && !is_relieved {
            (0, tax)
        } else {
            (tax, 0)
        };
        let subtotal: i64 = lines.iter().map(|line| line.unit_price.amount * line.quantity).sum();
        let discount: i64 = lines.iter().map(|line| line.discount.amount).sum();
        let total = subtotal - discount + shipping + added;
        let gift_cards = total / 3;
        let content = Content {
            currency,
            locale: "en".parse().unwrap(),
            email: "ada@example.com".to_owned(),
            totals: Totals {
                subtotal: money(subtotal),
                discount: money(discount),
                shipping: money(shipping),
                tax: money(added),
                tax_included: money(included),
                total: money(total),
                gift_cards: money(gift_cards),
                amount_due: money(total - gift_cards),
            },
            shipping_address: None,
            billing_address: None,
            pricing: Pricing {
                shipping_method: Some(ChosenMethod {
                    id: ShippingMethodId::generate(),
                    name: "Parcel".to_owned(),
                    pick_up: false,
                    price: money(shipping),
                    min_days: None,
                    max_days: None,
                }),
                shipping_tax: Some(money(shipping_tax)),
                taxes,
                gift_cards: vec![GiftCardPayment {
                    gift_card_id: kernel::id::GiftCardId::generate(),
                    last_characters: Some("7F3K".to_owned()),
                    amount: money(gift_cards),
                }],
                ..Pricing::default()
            },
        };
        let order = Order {
            id: OrderId::generate(),
            number: "1001".to_owned(),
            status: Status::Placed,
            version: 2,
            user: None,
            cart: Some(CartId::generate()),
            granted: 0,
            content: Some(content.clone()),
            fulfilment_status: FulfilmentStatus::Unfulfilled,
            payment_due_at: None,
            placed_at: Some(DateTime::UNIX_EPOCH),
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        (order, content, lines)
    }

    /// The same order as it is shown, without payments.
    pub(crate) fn order_view(wanted: &[(i64, i64, i64, u8)], currency: &str) -> OrderView {
        let (order, _, lines) = order_of(currency.parse().unwrap(), wanted, 0, false, false);
        let whole = WholeOrder {
            order,
            lines,
            payments: Vec::new(),
            refunds: Vec::new(),
            fulfilments: Vec::new(),
            returns: Vec::new(),
            timeline: Vec::new(),
        };
        whole.view(Audience::Staff).unwrap()
    }

    pub(crate) fn invoice_of(order: &Order, content: &Content, lines: &[Line]) -> Document {
        let bill = Bill {
            id: DocumentId::generate(),
            number: "INV-1".to_owned(),
            issued_at: DateTime::UNIX_EPOCH,
            seller: Seller::default(),
            footer: String::new(),
        };
        super::bill(order, content, lines, bill)
    }

    pub(crate) fn any_currency() -> impl Strategy<Value = Currency> {
        prop::sample::select(vec!["USD", "EUR", "JPY", "KWD", "CLF"]).prop_map(|code| code.parse().unwrap())
    }

    /// Quantity, unit price, discount and rate; discounts are at most what the line costs.
    pub(crate) fn any_lines() -> impl Strategy<Value = Vec<(i64, i64, i64, u8)>> {
        let line = (
            1..50_i64,
            0..100_000_i64,
            0..=100_i64,
            prop::sample::select(vec![0_u8, 7, 19, 25]),
        );
        let discounted =
            line.prop_map(|(quantity, unit, percent, rate)| (quantity, unit, quantity * unit * percent / 100, rate));
        prop::collection::vec(discounted, 1..8)
    }

    /// Each of the sums that a document states, from its parts.
    pub(crate) fn assert_sums(document: &Document) {
        let sum = |part: fn(&Position) -> Money| -> i64 {
            document.positions.iter().map(|position| part(position).amount).sum()
        };
        let totals = &document.totals;
        assert_eq!(sum(|position| position.net), totals.net.amount);
        assert_eq!(sum(|position| position.tax), totals.tax.amount);
        assert_eq!(sum(|position| position.gross), totals.gross.amount);
        assert_eq!(totals.net.amount + totals.tax.amount, totals.gross.amount);
        assert_eq!(totals.gross.amount - totals.gift_cards.amount, totals.due.amount);
        let taxes: i64 = document.taxes.iter().map(|tax| tax.tax.amount).sum();
        assert_eq!(taxes, totals.tax.amount);
        for position in &document.positions {
            let taxes: i64 = position.taxes.iter().map(|tax| tax.amount.amount).sum();
            assert_eq!(taxes, position.tax.amount);
            assert_eq!(position.net.amount + position.tax.amount, position.gross.amount);
        }
    }

    proptest! {
        #[test]
        fn an_invoice_is_over_what_the_order_costs_and_sums_to_it(
            currency in any_currency(), lines in any_lines(), shipping in 0..5_000_i64,
            is_included in any::<bool>(), is_relieved in any::<bool>(),
        ) {
            let (order, content, lines) = order_of(currency, &lines, shipping, is_included, is_relieved);
            let invoice = invoice_of(&order, &content, &lines);
            assert_sums(&invoice);
            prop_assert_eq!(invoice.totals.gross, content.totals.total);
            prop_assert_eq!(invoice.totals.due, content.totals.amount_due);
            prop_assert!(!is_relieved || invoice.totals.tax.amount == 0);
        }
    }

    #[test]
    fn rates_are_told_apart() {
        let eur: Currency = "EUR".parse().unwrap();
        let (order, content, lines) = order_of(eur, &[(2, 1190, 0, 19), (1, 1070, 0, 7)], 595, true, false);
        let invoice = invoice_of(&order, &content, &lines);
        let taxes: Vec<(&str, i64, i64)> = invoice
            .taxes
            .iter()
            .map(|tax| (tax.percent.as_str(), tax.net.amount, tax.tax.amount))
            .collect();
        assert_eq!(taxes, [("19", 2500, 475), ("7", 1000, 70)]);
        assert_eq!(invoice.positions[0].net_unit_price.amount, 1000);
        assert_eq!(invoice.positions[2].title, "Parcel");
        assert!(invoice.prices_include_tax && invoice.notes.is_empty());
    }

    #[test]
    fn a_buyer_who_owes_the_tax_is_told_so() {
        let eur: Currency = "EUR".parse().unwrap();
        let (order, mut content, lines) = order_of(eur, &[(1, 1190, 0, 19)], 0, true, true);
        assert_eq!(invoice_of(&order, &content, &lines).notes, [Note::Exempt]);
        content.pricing.tax_number = Some("FR12345678901".to_owned());
        let invoice = invoice_of(&order, &content, &lines);
        assert_eq!(invoice.notes, [Note::ReverseCharge]);
        assert_eq!((invoice.totals.net.amount, invoice.totals.tax.amount), (1000, 0));
        assert_eq!(invoice.positions[0].net_unit_price.amount, 1000);
    }
}
