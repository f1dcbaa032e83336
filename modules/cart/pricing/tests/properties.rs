//! What holds for every cart, whatever is in it and whatever is taken off it.

#![expect(clippy::unwrap_used, reason = "tests")]

mod made;

use cart_pricing::{Basket, Prices, StepKind, explain, price};
use proptest::prelude::*;

use made::{Made, made, promotion};

fn priced(made: &Made) -> Prices {
    price(&made.basket()).unwrap()
}

proptest! {
    #[test]
    fn the_parts_sum_to_the_whole_and_nothing_is_less_than_nothing(made in made()) {
        let basket = made.basket();
        let prices = price(&basket).unwrap();
        let totals = &prices.totals;
        prop_assert_eq!(prices.lines.len(), basket.lines.len());
        for (line, price) in basket.lines.iter().zip(&prices.lines) {
            let cost = line.unit_price * line.quantity;
            prop_assert!(price.discount.amount >= 0 && price.discount.amount <= cost);
            prop_assert_eq!(price.total.amount, cost - price.discount.amount);
        }
        let sum = |of: fn(&cart_pricing::LinePrice) -> i64| prices.lines.iter().map(of).sum::<i64>();
        prop_assert_eq!(sum(|line| line.discount.amount), totals.discount.amount);
        prop_assert_eq!(sum(|line| line.total.amount), totals.subtotal.amount - totals.discount.amount);
        let taxes = sum(|line| line.tax.amount) + prices.shipping_tax.amount;
        prop_assert_eq!(taxes, totals.tax.amount + totals.tax_included.amount);
        prop_assert_eq!(prices.taxes.iter().map(|rate| rate.amount).sum::<i64>(), taxes);
        prop_assert_eq!(
            totals.subtotal.amount - totals.discount.amount + totals.shipping.amount + totals.tax.amount,
            totals.total.amount
        );
        prop_assert!(totals.total.amount >= 0 && totals.shipping.amount >= 0);
        prop_assert!(totals.tax_included.amount <= totals.total.amount);
        prop_assert_eq!(prices.tenders.iter().sum::<i64>(), totals.gift_cards.amount);
        prop_assert!(totals.gift_cards.amount <= totals.total.amount);
        prop_assert_eq!(totals.total.amount - totals.gift_cards.amount, totals.amount_due.amount);
        for (tender, paid) in basket.tenders.iter().zip(&prices.tenders) {
            prop_assert!((0..=tender.balance).contains(paid));
        }
    }

    #[test]
    fn what_promotions_take_off_is_what_is_taken_off(made in made()) {
        let prices = priced(&made);
        for (index, line) in prices.lines.iter().enumerate() {
            prop_assert_eq!(prices.applied.iter().map(|applied| applied.lines[index]).sum::<i64>(), line.discount.amount);
        }
        let off_shipping: i64 = prices.applied.iter().map(|applied| applied.shipping).sum();
        prop_assert_eq!(prices.delivery.map_or(0, |price| price.amount) - off_shipping, prices.totals.shipping.amount);
        prop_assert_eq!(prices.promotions.len(), made.promotions.len());
        let told: i64 = prices.promotions.iter().filter_map(|outcome| outcome.result.ok()).sum();
        prop_assert_eq!(told, prices.totals.discount.amount + off_shipping);
        let applied: Vec<_> = prices.applied.iter().map(|applied| &made.promotions[applied.offered].promotion).collect();
        prop_assert!(applied.len() <= 1 || applied.iter().all(|promotion| !promotion.exclusive));
        for applied in &prices.applied {
            let offered = &made.promotions[applied.offered];
            let taken = applied.lines.iter().sum::<i64>() + applied.shipping;
            prop_assert!(taken > 0 && offered.allowance.budget_left.is_none_or(|left| taken <= left));
        }
    }

    #[test]
    fn every_price_is_explained_to_the_last_cent(made in made()) {
        let basket = made.basket();
        let prices = price(&basket).unwrap();
        let steps = explain(&basket, &prices);
        let is_tender = |kind: &StepKind| matches!(kind, StepKind::GiftCard { .. });
        let all: i64 = steps.iter().map(|step| step.amount.amount).sum();
        let tenders: i64 = steps.iter().filter(|step| is_tender(&step.kind)).map(|step| step.amount.amount).sum();
        prop_assert_eq!(all, prices.totals.amount_due.amount);
        prop_assert_eq!(all - tenders, prices.totals.total.amount);
    }

    #[test]
    fn a_cart_costs_the_same_in_whatever_order_it_was_filled(made in made(), seed in any::<u64>()) {
        let basket = made.basket();
        let prices = price(&basket).unwrap();
        let mut order: Vec<usize> = (0..basket.lines.len()).collect();
        order.sort_by_key(|index| (*index as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut other = made.clone();
        other.promotions.reverse();
        let mut turned = other.basket();
        turned.lines = order.iter().map(|index| basket.lines[*index].clone()).collect();
        let others = price(&turned).unwrap();
        prop_assert_eq!(&others.totals, &prices.totals);
        for (place, index) in order.iter().enumerate() {
            prop_assert_eq!(others.lines[place], prices.lines[*index]);
        }
        prop_assert_eq!(&others.promotions, &prices.promotions);
    }

    #[test]
    fn a_promotion_that_does_not_apply_changes_nothing(made in made(), added in promotion(900)) {
        let before = priced(&made);
        let mut with = made.clone();
        let mut added = added;
        added.allowance.is_used_up = true;
        with.promotions.push(added);
        let after = priced(&with);
        prop_assert_eq!(before.totals, after.totals);
        prop_assert_eq!(before.lines, after.lines);
        prop_assert_eq!(before.taxes, after.taxes);
    }

    #[test]
    fn whoever_pays_no_tax_pays_what_is_left_without_it(made in made()) {
        let mut relieved = made.clone();
        relieved.is_relieved = true;
        let (with, without) = (priced(&made), priced(&relieved));
        let net = |prices: &Prices| prices.totals.total.amount - prices.totals.tax.amount - prices.totals.tax_included.amount;
        if !made.is_relieved {
            prop_assert_eq!(without.totals.total.amount, net(&with));
            prop_assert_eq!(without.totals.tax_included.amount, 0);
            // Orders keep it so, too.
            prop_assert!(without.lines.iter().all(|line| line.tax.amount >= -line.total.amount));
        }
    }
}

#[test]
fn an_overflow_is_an_error_and_not_a_wrap() {
    let traits = product_api::Traits::default();
    let line = |quantity, unit_price| made::line(quantity, unit_price, 1, &traits);
    let cost = |lines: Vec<cart_pricing::Line<'_>>| {
        price(&Basket {
            lines,
            ..made::nothing()
        })
    };
    assert!(cost(vec![line(2, i64::MAX)]).is_err());
    assert!(cost(vec![line(1, i64::MAX), line(1, 1)]).is_err());
    assert!(cost(vec![line(1, 1)]).is_ok());
}
