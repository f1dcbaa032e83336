//! Changes of a placed order: what is taken off it keeps the price at which it was bought, what is added to it is priced as
//! of today.

use cart_api::{LineTax, PricedDraft, Pricing, TaxTotal, Totals};
use kernel::id::{LineId, ReservationId, VariantId};
use kernel::money::MoneyError;
use kernel::{FieldErrors, Money};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Content, Line};

/// A line of which fewer are bought than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Reduction {
    pub(crate) line_id: LineId,
    /// How many are left of it; none takes it off the order.
    pub(crate) quantity: i64,
}

/// An order as it is after a change.
#[derive(Clone, Debug)]
pub(crate) struct Edited {
    pub(crate) content: Content,
    /// The lines that are other than before.
    pub(crate) changed: Vec<Line>,
    /// The lines that were not there before.
    pub(crate) added: Vec<Line>,
    /// What goes back into stock: of which reservation, what, and how many.
    pub(crate) freed: Vec<(Option<ReservationId>, VariantId, i64)>,
}

/// Why an order cannot be changed like this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditRefusal {
    /// Fields are wrong.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// Prices contain a tax, or do not, as they did not when the order was placed.
    #[error("prices contain tax in another way than when the order was placed")]
    OtherTaxes,
    /// Gift cards have paid more than the order would cost.
    #[error("gift cards have paid more than the order would then cost")]
    PaidByGiftCards,
    /// Sums are too large.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// Takes `reductions` off an order and adds the lines of `addition`, whose goods are of `reservation`. Shipping stays as it
/// was agreed upon.
pub(crate) fn apply(
    content: &Content,
    lines: &[Line],
    reductions: &[Reduction],
    addition: Option<(&PricedDraft, ReservationId)>,
) -> Result<Edited, EditRefusal> {
    check(lines, reductions)?;
    let mut content = content.clone();
    let mut changed = Vec::new();
    let mut freed = Vec::new();
    let discount_before = content.totals.discount.amount;
    let is_on_top = content.totals.tax.amount != 0 || addition.is_some_and(|(draft, _)| draft.totals.tax.amount != 0);
    for reduction in reductions {
        let Some(line) = lines.iter().find(|line| line.id == reduction.line_id) else {
            continue;
        };
        let reduced = reduce(line, reduction.quantity)?;
        shift(&mut content.pricing, line, -1)?;
        shift(&mut content.pricing, &reduced, 1)?;
        freed.push((line.reservation, line.variant_id, line.quantity - reduced.quantity));
        changed.push(reduced);
    }
    let added = match addition {
        Some((draft, reservation)) => add(&mut content, draft, reservation)?,
        None => Vec::new(),
    };
    let current = |line: &Line| changed.iter().find(|other| other.id == line.id).unwrap_or(line).clone();
    let all: Vec<Line> = lines.iter().map(current).chain(added.iter().cloned()).collect();
    content.totals = sum_up(&content, &all, is_on_top)?;
    spread_discount(&mut content, discount_before)?;
    if content.totals.amount_due.amount < 0 {
        return Err(EditRefusal::PaidByGiftCards);
    }
    Ok(Edited {
        content,
        changed,
        added,
        freed,
    })
}

fn check(lines: &[Line], reductions: &[Reduction]) -> Result<(), EditRefusal> {
    let mut errors = FieldErrors::default();
    for (index, reduction) in reductions.iter().enumerate() {
        let at = |field: &str| format!("/lines/{index}/{field}");
        let Some(line) = lines.iter().find(|line| line.id == reduction.line_id) else {
            errors.add(at("line_id"), "unknown", "the order has no such line");
            continue;
        };
        if reductions[..index]
            .iter()
            .any(|other| other.line_id == reduction.line_id)
        {
            errors.add(at("line_id"), "duplicate", "the line is named twice");
        }
        if reduction.quantity >= line.quantity {
            let detail = format!(
                "there are {} on the line: name fewer, and add what is to be added",
                line.quantity
            );
            errors.add(at("quantity"), "too_many", detail);
        }
        if reduction.quantity < line.fulfilled_quantity {
            let detail = format!("{} have been sent already", line.fulfilled_quantity);
            errors.add(at("quantity"), "fulfilled", detail);
        }
    }
    errors.into_result().map_err(EditRefusal::Invalid)
}

/// The line with fewer on it, each at what it cost before.
fn reduce(line: &Line, quantity: i64) -> Result<Line, MoneyError> {
    let part = |amount: Money| {
        let scaled = i128::from(amount.amount) * i128::from(quantity) / i128::from(line.quantity.max(1));
        let scaled = i64::try_from(scaled).map_err(|_| MoneyError::Overflow);
        scaled.map(|scaled| Money::new(scaled, amount.currency))
    };
    let subtotal = line.unit_price.times(quantity)?;
    let discount = part(line.discount)?;
    let tax = part(line.tax)?;
    let weights: Vec<i64> = line.taxes.iter().map(|tax| tax.amount.amount.abs()).collect();
    let parts = tax.allocate(&weights)?;
    let taxes = line
        .taxes
        .iter()
        .zip(parts)
        .map(|(tax, amount)| LineTax { amount, ..tax.clone() });
    Ok(Line {
        quantity,
        discount,
        tax,
        total: subtotal.minus(discount)?,
        taxes: taxes.collect(),
        ..line.clone()
    })
}

/// Adds a line to what each tax comes to, or takes it off (`sign`). Lines that do not know their taxes change nothing here.
fn shift(pricing: &mut Pricing, line: &Line, sign: i64) -> Result<(), MoneyError> {
    for tax in &line.taxes {
        let is_same = |total: &&mut TaxTotal| total.name == tax.name && total.percent == tax.percent;
        match pricing.taxes.iter_mut().find(is_same) {
            Some(total) => {
                total.base = total.base.plus(line.total.times(sign)?)?;
                total.amount = total.amount.plus(tax.amount.times(sign)?)?;
            }
            None => pricing.taxes.push(TaxTotal {
                name: tax.name.clone(),
                percent: tax.percent.clone(),
                base: line.total.times(sign)?,
                amount: tax.amount.times(sign)?,
            }),
        }
    }
    Ok(())
}

fn add(content: &mut Content, draft: &PricedDraft, reservation: ReservationId) -> Result<Vec<Line>, EditRefusal> {
    let is_on_top = |totals: &Totals| totals.tax.amount != 0;
    let is_inside = |totals: &Totals| totals.tax_included.amount != 0;
    let (now, then) = (&draft.totals, &content.totals);
    if (is_on_top(now) && is_inside(then)) || (is_inside(now) && is_on_top(then)) {
        return Err(EditRefusal::OtherTaxes);
    }
    let mut added = Vec::new();
    for priced in &draft.lines {
        let line = Line {
            id: LineId::generate(),
            variant_id: priced.variant,
            product_id: priced.product,
            sku: priced.sku.clone(),
            title: priced.title.clone(),
            variant_title: priced.variant_title.clone(),
            quantity: priced.quantity,
            unit_price: priced.unit_price,
            discount: priced.discount,
            tax: priced.tax,
            total: priced.total,
            taxes: priced.taxes.clone(),
            fulfilled_quantity: 0,
            returned_quantity: 0,
            announced_quantity: 0,
            reservation: Some(reservation),
        };
        shift(&mut content.pricing, &line, 1)?;
        added.push(line);
    }
    Ok(added)
}

/// The totals over `lines`, whose taxes are on top of prices or in them, with shipping and gift cards as they were.
fn sum_up(content: &Content, lines: &[Line], is_on_top: bool) -> Result<Totals, MoneyError> {
    let before = &content.totals;
    let zero = Money::zero(content.currency);
    let sum = |part: fn(&Line) -> Money| Money::sum(content.currency, lines.iter().map(part));
    let subtotals = lines.iter().map(|line| line.unit_price.times(line.quantity));
    let subtotal = Money::sum(content.currency, subtotals.collect::<Result<Vec<_>, _>>()?)?;
    let discount = sum(|line| line.discount)?;
    let taxes = sum(|line| line.tax)?.plus(content.pricing.shipping_tax.unwrap_or(zero))?;
    let (tax, tax_included) = match is_on_top {
        true => (taxes, zero),
        false => (zero, taxes),
    };
    let total = subtotal.minus(discount)?.plus(before.shipping)?.plus(tax)?;
    Ok(Totals {
        subtotal,
        discount,
        shipping: before.shipping,
        tax,
        tax_included,
        total,
        gift_cards: before.gift_cards,
        amount_due: total.minus(before.gift_cards)?,
    })
}

/// Has the promotions take off less where lines with a discount are fewer.
fn spread_discount(content: &mut Content, before: i64) -> Result<(), MoneyError> {
    let gone = before - content.totals.discount.amount;
    let weights: Vec<i64> = content
        .pricing
        .promotions
        .iter()
        .map(|given| given.amount.amount.max(0))
        .collect();
    if gone <= 0 || weights.iter().sum::<i64>() < gone {
        return Ok(());
    }
    let parts = Money::new(gone, content.currency).allocate(&weights)?;
    for (given, part) in content.pricing.promotions.iter_mut().zip(parts) {
        given.amount = given.amount.minus(part)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kernel::id::ProductId;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::returning::{paid_for, value_of};
    use crate::domain::totals_error;

    fn euros(amount: i64) -> Money {
        Money::new(amount, "EUR".parse().unwrap())
    }

    fn line(quantity: i64, unit_price: i64, discount: i64, tax: i64) -> Line {
        let total = unit_price * quantity - discount;
        Line {
            id: LineId::generate(),
            variant_id: VariantId::generate(),
            product_id: ProductId::generate(),
            sku: None,
            title: "Mug".to_owned(),
            variant_title: String::new(),
            quantity,
            unit_price: euros(unit_price),
            discount: euros(discount),
            tax: euros(tax),
            total: euros(total),
            taxes: vec![LineTax {
                name: "VAT".to_owned(),
                percent: "19".to_owned(),
                amount: euros(tax),
            }],
            fulfilled_quantity: 0,
            returned_quantity: 0,
            announced_quantity: 0,
            reservation: None,
        }
    }

    /// An order of `lines`, whose prices contain the tax or do not.
    fn order(lines: &[Line], shipping: i64, is_included: bool) -> Content {
        let zero = euros(0);
        let tax: i64 = lines.iter().map(|line| line.tax.amount).sum();
        let base: i64 = lines.iter().map(|line| line.total.amount).sum();
        let subtotal: i64 = lines.iter().map(|line| line.unit_price.amount * line.quantity).sum();
        let discount: i64 = lines.iter().map(|line| line.discount.amount).sum();
        let total = subtotal - discount + shipping + if is_included { 0 } else { tax };
        Content {
            currency: "EUR".parse().unwrap(),
            locale: "de".parse().unwrap(),
            email: "buyer@example.com".to_owned(),
            totals: Totals {
                subtotal: euros(subtotal),
                discount: euros(discount),
                shipping: euros(shipping),
                tax: if is_included { zero } else { euros(tax) },
                tax_included: if is_included { euros(tax) } else { zero },
                total: euros(total),
                gift_cards: zero,
                amount_due: euros(total),
            },
            shipping_address: None,
            billing_address: None,
            pricing: Pricing {
                taxes: vec![TaxTotal {
                    name: "VAT".to_owned(),
                    percent: "19".to_owned(),
                    base: euros(base),
                    amount: euros(tax),
                }],
                ..Pricing::default()
            },
        }
    }

    fn any_line() -> impl Strategy<Value = Line> {
        (1..20_i64, 0..5_000_i64, 0..=100_i64, 0..30_i64).prop_map(|(quantity, price, off, rate)| {
            let discount = price * quantity * off / 100;
            let tax = (price * quantity - discount) * rate / 100;
            line(quantity, price, discount, tax)
        })
    }

    proptest! {
        #[test]
        fn whatever_is_taken_off_or_added_the_parts_still_sum_to_the_totals(
            lines in prop::collection::vec(any_line(), 1..5),
            left in prop::collection::vec(0..19_i64, 5),
            more in prop::collection::vec(any_line(), 0..3),
            is_included: bool,
        ) {
            let content = order(&lines, 490, is_included);
            prop_assert_eq!(totals_error(&content, &lines), None);
            let reductions: Vec<Reduction> = lines.iter().zip(left).filter(|(line, quantity)| *quantity < line.quantity)
                .map(|(line, quantity)| Reduction { line_id: line.id, quantity }).collect();
            let priced = order(&more, 0, is_included);
            let draft = PricedDraft {
                lines: more.iter().map(|line| cart_api::PricedLine {
                    item: kernel::id::ItemId::generate(), variant: line.variant_id, product: line.product_id, sku: None,
                    title: line.title.clone(), variant_title: String::new(), quantity: line.quantity,
                    unit_price: line.unit_price, discount: line.discount, tax: line.tax, total: line.total,
                    taxes: line.taxes.clone(),
                }).collect(),
                totals: priced.totals, pricing: priced.pricing, problems: Vec::new(),
            };
            let edited = apply(&content, &lines, &reductions, Some((&draft, ReservationId::generate()))).unwrap();
            let after: Vec<Line> = lines.iter()
                .map(|line| edited.changed.iter().find(|other| other.id == line.id).unwrap_or(line).clone())
                .chain(edited.added.clone()).collect();
            prop_assert_eq!(totals_error(&edited.content, &after), None);
            let taxes: i64 = edited.content.pricing.taxes.iter().map(|tax| tax.amount.amount).sum();
            prop_assert_eq!(taxes, after.iter().map(|line| line.tax.amount).sum::<i64>());
            for line in &edited.changed {
                prop_assert_eq!(line.taxes.iter().map(|tax| tax.amount.amount).sum::<i64>(), line.tax.amount);
            }
            let freed: i64 = edited.freed.iter().map(|(.., count)| count).sum();
            let ordered = |lines: &[Line]| lines.iter().map(|line| line.quantity).sum::<i64>();
            prop_assert_eq!(ordered(&lines) + ordered(&edited.added) - freed, ordered(&after));
            if more.is_empty() {
                prop_assert!(edited.content.totals.total.amount <= content.totals.total.amount);
            }
        }

        #[test]
        fn a_line_that_comes_back_in_steps_is_worth_what_it_cost(
            line in any_line(), steps in prop::collection::vec(1..5_i64, 0..30), is_included: bool,
        ) {
            let content = order(std::slice::from_ref(&line), 0, is_included);
            let (mut before, mut sum) = (0, 0);
            for step in steps {
                let count = step.min(line.quantity - before);
                let value = value_of(&line, &content.totals, before, count);
                prop_assert!(value >= 0);
                (before, sum) = (before + count, sum + value);
            }
            sum += value_of(&line, &content.totals, before, line.quantity - before);
            prop_assert_eq!(sum, paid_for(&line, &content.totals));
        }
    }

    #[test]
    fn what_has_been_sent_stays_on_the_order_and_nothing_is_raised() {
        let mut sent = line(3, 1000, 0, 0);
        sent.fulfilled_quantity = 2;
        let lines = [sent.clone()];
        let content = order(&lines, 0, true);
        let with = |line_id, quantity| apply(&content, &lines, &[Reduction { line_id, quantity }], None);
        let codes = |outcome: Result<Edited, EditRefusal>| match outcome {
            Err(EditRefusal::Invalid(errors)) => serde_json::to_value(errors).unwrap()[0]["code"].clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(codes(with(sent.id, 1)), "fulfilled");
        assert_eq!(codes(with(sent.id, 3)), "too_many");
        assert_eq!(codes(with(LineId::generate(), 1)), "unknown");
        assert_eq!(with(sent.id, 2).unwrap().content.totals.total, euros(2000));
    }
}
