//! Prices of a variant beyond its own: in other currencies of the shop, and from larger quantities on.

use std::collections::HashSet;

use kernel::money::MAX_AMOUNT;
use kernel::{Currencies, Currency, FieldErrors, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::pricing::Price;

/// The largest quantity of a line of a cart: no price needs to begin beyond it.
pub(crate) const MAX_QUANTITY: i64 = 999;
/// The most prices of a variant beyond its own.
const MAX_PRICES: usize = 100;

/// A further price, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FurtherPrice {
    pub(crate) currency: Currency,
    pub(crate) min_quantity: i64,
    /// Minor units.
    pub(crate) amount: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) compare_at: Option<i64>,
}

/// A price in another currency of the shop, or from a larger quantity on, as staff write and see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenPrice {
    /// From how many on it holds; 1 where it is not given.
    #[serde(default = "one")]
    #[schema(required = false, minimum = 1, maximum = 999)]
    pub(crate) min_quantity: i64,
    pub(crate) price: Money,
    /// The former or recommended price; only beside a price of one.
    #[serde(default)]
    pub(crate) compare_at_price: Option<Money>,
}

/// The quantity that is meant where none is given.
pub(crate) fn one() -> i64 {
    1
}

impl WrittenPrice {
    /// Checks the currencies, and what a single price has to be; errors are told below `pointer`.
    pub(crate) fn check(&self, currencies: &Currencies, errors: &mut FieldErrors, pointer: &str) {
        if !currencies.has(self.price.currency) {
            let detail = format!("this shop sells in {currencies}");
            errors.add(format!("{pointer}/price/currency"), "unsupported_currency", detail);
        }
        let compared = self.compare_at_price.map(|price| price.currency);
        if compared.is_some_and(|currency| currency != self.price.currency) {
            let detail = format!("must be {}, as the price is", self.price.currency);
            let pointer = format!("{pointer}/compare_at_price/currency");
            errors.add(pointer, "unsupported_currency", detail);
        }
        let amounts = [
            ("price", Some(self.price.amount)),
            ("compare_at_price", self.compare_at_price.map(|price| price.amount)),
        ];
        for (field, amount) in amounts {
            if amount.is_some_and(|amount| !(0..=MAX_AMOUNT).contains(&amount)) {
                let detail = format!("must be from 0 to {MAX_AMOUNT}");
                errors.add(format!("{pointer}/{field}/amount"), "out_of_range", detail);
            }
        }
        if !(1..=MAX_QUANTITY).contains(&self.min_quantity) {
            let detail = format!("must be from 1 to {MAX_QUANTITY}");
            errors.add(format!("{pointer}/min_quantity"), "out_of_range", detail);
        }
        if self.min_quantity > 1 && self.compare_at_price.is_some() {
            let detail = "only a price of one is compared";
            errors.add(format!("{pointer}/compare_at_price"), "not_allowed", detail);
        }
    }
}

impl From<&WrittenPrice> for FurtherPrice {
    fn from(written: &WrittenPrice) -> Self {
        Self {
            currency: written.price.currency,
            min_quantity: written.min_quantity,
            amount: written.price.amount,
            compare_at: written.compare_at_price.map(|price| price.amount),
        }
    }
}

impl From<&FurtherPrice> for WrittenPrice {
    fn from(kept: &FurtherPrice) -> Self {
        let money = |amount| Money::new(amount, kept.currency);
        Self {
            min_quantity: kept.min_quantity,
            price: money(kept.amount),
            compare_at_price: kept.compare_at.map(money),
        }
    }
}

impl FurtherPrice {
    /// The price without its currency.
    pub(crate) fn price(&self) -> Price {
        Price {
            min_quantity: self.min_quantity,
            amount: self.amount,
            compare_at: self.compare_at,
        }
    }
}

/// The prices in the order in which they are kept, so that the same prices are equal however they were written; wrong ones
/// are told below `pointer`.
pub(crate) fn further(
    written: &[WrittenPrice],
    currencies: &Currencies,
    errors: &mut FieldErrors,
    pointer: &str,
) -> Vec<FurtherPrice> {
    for (index, price) in written.iter().enumerate() {
        price.check(currencies, errors, &format!("{pointer}/{index}"));
    }
    in_order(written.iter().map(FurtherPrice::from).collect())
}

/// Sorts prices by currency and quantity.
pub(crate) fn in_order(mut prices: Vec<FurtherPrice>) -> Vec<FurtherPrice> {
    prices.sort_by_key(|price| (price.currency.code(), price.min_quantity));
    prices
}

/// Checks prices beside each other, of a variant whose own price is in `own`: at most one for each currency and quantity,
/// and steps only where there is a price of one.
pub(crate) fn check(prices: &[FurtherPrice], own: Currency, errors: &mut FieldErrors, pointer: &str) {
    if prices.len() > MAX_PRICES {
        errors.add(pointer, "too_many", format!("at most {MAX_PRICES}"));
    }
    let mut seen = HashSet::from([(own, 1)]);
    for price in prices {
        if !seen.insert((price.currency, price.min_quantity)) {
            let detail = match (price.currency == own, price.min_quantity) {
                (true, 1) => format!("the price of one in {own} is the variant's own"),
                _ => format!(
                    "there are two prices in {} from {} on",
                    price.currency, price.min_quantity
                ),
            };
            errors.add(pointer, "duplicate", detail);
        }
    }
    for price in prices {
        if seen.insert((price.currency, 1)) {
            let detail = format!("the price of one in {} is missing", price.currency);
            errors.add(pointer, "required", detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(prices: &[(&str, i64)]) -> Vec<String> {
        let price = |(currency, min_quantity): &(&str, i64)| FurtherPrice {
            currency: currency.parse().unwrap(),
            min_quantity: *min_quantity,
            amount: 1,
            compare_at: None,
        };
        let prices: Vec<FurtherPrice> = prices.iter().map(price).collect();
        let mut errors = FieldErrors::new();
        check(&prices, "USD".parse().unwrap(), &mut errors, "/prices");
        errors.as_slice().iter().map(|error| error.code.clone()).collect()
    }

    #[test]
    fn each_currency_and_quantity_has_one_price_and_steps_begin_at_one() {
        assert!(codes(&[("EUR", 1), ("EUR", 10), ("USD", 10)]).is_empty());
        assert_eq!(codes(&[("USD", 1)]), ["duplicate"]);
        assert_eq!(codes(&[("EUR", 1), ("EUR", 1)]), ["duplicate"]);
        assert_eq!(codes(&[("EUR", 10), ("EUR", 20)]), ["required"]);
        assert!(codes(&[]).is_empty());
    }

    #[test]
    fn wrong_prices_are_told_where_they_stand() {
        let currencies = Currencies::new("USD".parse().unwrap(), &["EUR".parse().unwrap()]);
        let written: Vec<WrittenPrice> = serde_json::from_str(
            r#"[{"price":{"amount":5,"currency":"JPY"}},
                {"price":{"amount":-1,"currency":"EUR"},"compare_at_price":{"amount":9,"currency":"USD"}},
                {"min_quantity":1000,"price":{"amount":5,"currency":"EUR"},"compare_at_price":{"amount":9,"currency":"EUR"}}]"#,
        )
        .unwrap();
        let mut errors = FieldErrors::new();
        further(&written, &currencies, &mut errors, "/prices");
        let told: Vec<(&str, &str)> = errors
            .as_slice()
            .iter()
            .map(|error| (error.pointer.as_str(), error.code.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("/prices/0/price/currency", "unsupported_currency"),
                ("/prices/1/compare_at_price/currency", "unsupported_currency"),
                ("/prices/1/price/amount", "out_of_range"),
                ("/prices/2/min_quantity", "out_of_range"),
                ("/prices/2/compare_at_price", "not_allowed"),
            ]
        );
    }
}
