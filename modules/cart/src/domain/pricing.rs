//! What a cart costs: one pure function over the lines as they were loaded.
//!
//! The order of the steps is part of the contract, because each builds on the ones before:
//!
//! 1. a line's subtotal is its quantity times its unit price;
//! 2. promotions take something off lines and off the whole;
//! 3. shipping is priced by what is left;
//! 4. tax comes onto, or is in, the discounted lines and shipping;
//! 5. the total is `subtotal - discount + shipping + tax`;
//! 6. gift cards pay a part of the total; the rest is due.
//!
//! The shop has no promotions, shipping methods, taxes and gift cards yet: steps 2, 3, 4 and 6 add nothing.

use cart_api::Totals;
use kernel::money::{MAX_AMOUNT, MoneyError};
use kernel::{Currency, Money};

use super::Item;

/// The price of a cart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prices {
    /// One for each item, in the items' order.
    pub(crate) lines: Vec<LinePrice>,
    pub(crate) totals: Totals,
}

/// The price of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinePrice {
    /// What is taken off the line.
    pub(crate) discount: Money,
    /// The tax in, or on, the line.
    pub(crate) tax: Money,
    /// What the line costs.
    pub(crate) total: Money,
}

/// Prices `items`, all of which must be in `currency`. Fails instead of wrapping around.
pub(crate) fn price(currency: Currency, items: &[Item]) -> Result<Prices, MoneyError> {
    let zero = Money::zero(currency);
    let subtotals: Vec<Money> = items
        .iter()
        .map(|item| item.unit_price.times(item.quantity))
        .collect::<Result<_, _>>()?;
    let subtotal = Money::sum(currency, subtotals.iter().copied())?;
    let lines = subtotals
        .into_iter()
        .map(|total| LinePrice {
            discount: zero,
            tax: zero,
            total,
        })
        .collect();
    let (discount, shipping, tax, gift_cards) = (zero, zero, zero, zero);
    let total = subtotal.minus(discount)?.plus(shipping)?.plus(tax)?;
    let totals = Totals {
        subtotal,
        discount,
        shipping,
        tax,
        total,
        gift_cards,
        amount_due: total.minus(gift_cards)?,
    };
    Ok(Prices { lines, totals })
}

/// Whether the shop can take so much money at once.
pub(crate) fn is_payable(totals: &Totals) -> bool {
    totals.total.amount <= MAX_AMOUNT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::samples::{item, usd};

    fn lines() -> impl Strategy<Value = Vec<Item>> {
        prop::collection::vec((1..=999_i64, 0..=MAX_AMOUNT), 0..=100).prop_map(|lines| {
            lines
                .into_iter()
                .map(|(quantity, price)| item(quantity, price))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn a_total_is_never_negative_and_the_parts_sum_to_it(items in lines()) {
            let prices = price(usd(), &items).unwrap();
            let totals = prices.totals;
            let sum: i64 = prices.lines.iter().map(|line| line.total.amount).sum();
            prop_assert!(totals.total.amount >= 0);
            prop_assert_eq!(prices.lines.len(), items.len());
            prop_assert_eq!(sum + totals.shipping.amount, totals.total.amount);
            prop_assert_eq!(
                totals.subtotal.amount - totals.discount.amount + totals.shipping.amount + totals.tax.amount,
                totals.total.amount
            );
            prop_assert_eq!(totals.total.amount - totals.gift_cards.amount, totals.amount_due.amount);
        }

        #[test]
        fn the_order_of_the_lines_does_not_matter(items in lines().prop_shuffle()) {
            let mut reversed = items.clone();
            reversed.reverse();
            prop_assert_eq!(price(usd(), &items).unwrap().totals, price(usd(), &reversed).unwrap().totals);
        }

        #[test]
        fn any_amounts_give_a_right_total_or_an_error(quantities in prop::collection::vec((any::<i32>().prop_map(i64::from), any::<i64>()), 0..5)) {
            let items: Vec<Item> = quantities.iter().map(|(quantity, price)| item(*quantity, *price)).collect();
            let exact: i128 = quantities.iter().map(|(quantity, price)| i128::from(*quantity) * i128::from(*price)).sum();
            if let Ok(prices) = price(usd(), &items) {
                prop_assert_eq!(i128::from(prices.totals.total.amount), exact);
            }
        }
    }

    #[test]
    fn an_overflow_is_an_error_not_a_wrap() {
        assert_eq!(price(usd(), &[item(2, i64::MAX)]), Err(MoneyError::Overflow));
        let large = [item(1, i64::MAX), item(1, 1)];
        assert_eq!(price(usd(), &large), Err(MoneyError::Overflow));
    }

    #[test]
    fn more_than_twelve_digits_cannot_be_paid_at_once() {
        let payable = |items: &[Item]| is_payable(&price(usd(), items).unwrap().totals);
        assert!(payable(&[item(1, MAX_AMOUNT)]));
        assert!(!payable(&[item(1, MAX_AMOUNT), item(1, 1)]));
    }
}
