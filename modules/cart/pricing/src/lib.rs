//! What a cart costs: one pure function over all that its price depends on.
//!
//! The order of the steps is part of the contract, because each builds on the ones before:
//!
//! 1. a line's subtotal is its quantity times its unit price;
//! 2. promotions on goods take something off lines, one after the other (`discounting`);
//! 3. shipping costs what the chosen method costs for the goods as they then are, less what promotions on shipping take off;
//! 4. tax comes onto, or is in, the discounted lines and shipping (`taxes`);
//! 5. the total is `subtotal - discount + shipping + tax`;
//! 6. gift cards pay a part of the total; the rest is due.
//!
//! Money is rounded in one place (`percent::share`): to the nearest minor unit, halves away from zero. What is taken off or
//! taxed as a whole is spread over the lines by largest remainder, so that the parts always sum to the whole. Lines are
//! reckoned in the order of their variants' ids: a cart costs the same in whatever order it was filled.

mod area;
mod basket;
mod discounting;
mod explanation;
mod percent;
mod promotion;
mod shipping;
mod taxes;

use kernel::Money;
use kernel::money::{MAX_AMOUNT, MoneyError};
use serde::{Deserialize, Serialize};

pub use area::{Area, Closeness, check_areas, closeness};
pub use basket::{Allowance, Basket, Buyer, Delivery, Line, Offered, PromotionOutcome, TaxRelief, Tender, WhyNot};
use cart_api::Totals;
pub use discounting::Applied;
pub use explanation::{Step, StepKind, explain};
pub use percent::{NotAPercent, Percent};
pub use promotion::{Action, Conditions, Promotion, Selection, Terms};
pub use shipping::{
    DeliveryEstimate, Parcel, ShippingMethod, ShippingPrice, ShippingTerms, ShippingZone, SubtotalStep, WeightStep,
};
use taxes::Taxable;
pub use taxes::{RateTotal, ShippingTax, TaxRate, TaxZone};

/// The price of a basket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    /// One for each line, in the basket's order.
    pub lines: Vec<LinePrice>,
    /// What shipping costs before promotions; `None` where nothing is chosen, or the goods are not sent so.
    pub delivery: Option<Money>,
    /// The tax in, or on, shipping.
    pub shipping_tax: Money,
    /// What each promotion took off, in the order in which they were applied; `lines` in the basket's order.
    pub applied: Vec<Applied>,
    /// What has become of each promotion.
    pub promotions: Vec<PromotionOutcome>,
    /// What each rate comes to.
    pub taxes: Vec<RateTotal>,
    /// For each line, in the basket's order, which of `taxes` are on it.
    pub line_taxes: Vec<Vec<usize>>,
    /// What each tender pays.
    pub tenders: Vec<i64>,
    /// What all of it comes to.
    pub totals: Totals,
}

/// The price of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinePrice {
    /// What is taken off the line.
    pub discount: Money,
    /// The tax in, or on, the line.
    pub tax: Money,
    /// What the line costs, less its discount. Tax that is added comes on top.
    pub total: Money,
}

/// Prices a basket. Fails instead of wrapping around.
pub fn price(basket: &Basket<'_>) -> Result<Prices, MoneyError> {
    let currency = basket.currency;
    let money = |amount| Money::new(amount, currency);
    let (order, lines, subtotals) = sorted(basket)?;
    let subtotal = Money::sum(currency, subtotals.iter().map(|amount| money(*amount)))?;

    let left = discounting::discount(basket, &lines, &subtotals)?;
    let discount = subtotals.iter().sum::<i64>() - left.lines.iter().sum::<i64>();
    let (things, shipping_from) = things(basket, &lines, &left)?;
    let taxes = taxes::tax(basket.tax, basket.buyer.relief, currency, &things)?;

    let total = subtotal
        .minus(money(discount))?
        .plus(money(left.shipping))?
        .plus(money(taxes.added))?;
    let tenders = tendered(basket.tenders, total.amount);
    let gift_cards = money(tenders.iter().sum());
    let told = |sorted: &[i64]| {
        let mut told = vec![0; order.len()];
        order
            .iter()
            .zip(sorted)
            .for_each(|(index, amount)| told[*index] = *amount);
        told
    };
    let (costs, lefts, line_taxes) = (told(&subtotals), told(&left.lines), told(&taxes.parts[..shipping_from]));
    let line = |index: usize| LinePrice {
        discount: money(costs[index] - lefts[index]),
        tax: money(line_taxes[index]),
        total: money(lefts[index]),
    };
    let mut on = vec![Vec::new(); order.len()];
    for (index, rates) in order.iter().zip(taxes.on) {
        on[*index] = rates;
    }
    let applied = left.applied.into_iter().map(|applied| Applied {
        lines: told(&applied.lines),
        ..applied
    });
    Ok(Prices {
        lines: (0..order.len()).map(line).collect(),
        delivery: left.delivery.map(money),
        shipping_tax: money(taxes.parts[shipping_from..].iter().sum()),
        applied: applied.collect(),
        promotions: left.outcomes,
        totals: Totals {
            subtotal,
            discount: money(discount),
            shipping: money(left.shipping),
            tax: money(taxes.added),
            tax_included: money(taxes.included),
            total,
            gift_cards,
            amount_due: total.minus(gift_cards)?,
        },
        taxes: taxes.rates,
        line_taxes: on,
        tenders,
    })
}

/// What is sent of a basket, whatever method is chosen: what each method's price goes by.
pub fn parcel(basket: &Basket<'_>) -> Result<Parcel, MoneyError> {
    let (_, lines, subtotals) = sorted(basket)?;
    discounting::parcel(basket, &lines, &subtotals)
}

/// Whether the shop can take so much money at once.
pub fn is_payable(totals: &Totals) -> bool {
    totals.total.amount <= MAX_AMOUNT
}

/// Places of the lines by their variants, the lines in that order, and what each costs.
type Sorted<'a> = (Vec<usize>, Vec<Line<'a>>, Vec<i64>);

/// Lines are reckoned by variant, and told as the basket has them.
fn sorted<'a>(basket: &Basket<'a>) -> Result<Sorted<'a>, MoneyError> {
    let mut order: Vec<usize> = (0..basket.lines.len()).collect();
    order.sort_by_key(|index| basket.lines[*index].variant);
    let lines: Vec<Line<'a>> = order.iter().map(|index| basket.lines[*index].clone()).collect();
    let cost = |line: &Line<'_>| line.unit_price.checked_mul(line.quantity).ok_or(MoneyError::Overflow);
    let subtotals = lines.iter().map(cost).collect::<Result<_, _>>()?;
    Ok((order, lines, subtotals))
}

/// All that is taxed: the lines, and from the place that is answered on what shipping is taxed as.
fn things<'a>(
    basket: &'a Basket<'_>,
    lines: &'a [Line<'_>],
    left: &discounting::Discounted,
) -> Result<(Vec<Taxable<'a>>, usize), MoneyError> {
    let goods = lines.iter().zip(&left.lines).map(|(line, amount)| Taxable {
        class: &line.traits.tax_class,
        amount: *amount,
    });
    let mut things: Vec<Taxable<'_>> = goods.collect();
    let shipping_from = things.len();
    match basket.tax.map(|zone| &zone.shipping) {
        None | Some(ShippingTax::None) => (),
        Some(ShippingTax::Class { tax_class }) => things.push(Taxable {
            class: tax_class,
            amount: left.shipping,
        }),
        Some(ShippingTax::AsGoods) => {
            let parts = Money::new(left.shipping, basket.currency).allocate(&weights(lines, &left.lines))?;
            let parts = lines.iter().zip(parts).map(|(line, part)| Taxable {
                class: &line.traits.tax_class,
                amount: part.amount,
            });
            things.extend(parts);
        }
    }
    Ok((things, shipping_from))
}

/// By what shipping is spread over lines: what those cost that are sent, or else how many pieces they are.
fn weights(lines: &[Line<'_>], left: &[i64]) -> Vec<i64> {
    let of_sent = |amounts: &dyn Fn(usize) -> i64| -> Vec<i64> {
        let sent = |(index, line): (usize, &Line<'_>)| {
            if line.traits.requires_shipping {
                amounts(index)
            } else {
                0
            }
        };
        lines.iter().enumerate().map(sent).collect()
    };
    let costs = of_sent(&|index| left[index]);
    match costs.iter().any(|cost| *cost > 0) {
        true => costs,
        false => of_sent(&|index| lines[index].quantity),
    }
}

/// What each tender pays of `total`.
fn tendered(tenders: &[Tender], total: i64) -> Vec<i64> {
    let mut due = total.max(0);
    let pay = |tender: &Tender| {
        let paid = tender.balance.clamp(0, due);
        due -= paid;
        paid
    };
    tenders.iter().map(pay).collect()
}
