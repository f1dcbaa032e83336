//! How goods are sent, and what that costs.

use kernel::id::{ShippingMethodId, ShippingZoneId};
use kernel::money::MAX_AMOUNT;
use kernel::{Currency, FieldErrors, Money, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::area::Area;
use crate::promotion::{amount_in, check_amounts};

/// The most steps of a table of prices.
const MAX_STEPS: usize = 100;
/// The heaviest parcel of all, in grams.
const MAX_GRAMS: i64 = 1_000_000_000;
/// The longest delivery, in days.
const MAX_DAYS: u16 = 365;

/// A part of the world to which goods are sent in the same ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippingZone {
    /// The zone.
    pub id: ShippingZoneId,
    /// For staff.
    pub name: String,
    /// Where it is; everywhere where there are none.
    pub areas: Vec<Area>,
    /// In the order in which they are shown.
    pub methods: Vec<ShippingMethod>,
}

/// A way in which goods are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShippingMethod {
    /// The method.
    pub id: ShippingMethodId,
    /// For buyers.
    pub name: String,
    /// What it costs, for which parcels, and how long it takes.
    pub terms: ShippingTerms,
}

/// What a method costs, for which parcels, and how long it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShippingTerms {
    /// Whether the buyer fetches the goods: then no address is needed.
    #[serde(default)]
    pub pick_up: bool,
    /// What it costs.
    pub price: ShippingPrice,
    /// Nothing from this price of the goods on, after promotions; always something where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub free_from: Vec<Money>,
    /// The heaviest parcel, in grams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_grams: Option<i64>,
    /// How long it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<DeliveryEstimate>,
}

/// How long a delivery takes, in working days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryEstimate {
    /// At least.
    pub min_days: u16,
    /// At most.
    pub max_days: u16,
}

/// What a method costs. Amounts are given in each currency in which it is offered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ShippingPrice {
    /// The same for all.
    Flat {
        /// How much.
        amounts: Vec<Money>,
    },
    /// By what the parcel weighs.
    ByWeight {
        /// By ascending weights; heavier parcels than the last one says are not sent.
        steps: Vec<WeightStep>,
    },
    /// By what the goods cost, after promotions.
    BySubtotal {
        /// By ascending prices; the last one that the goods reach counts.
        steps: Vec<SubtotalStep>,
    },
    /// What a carrier says, by its service.
    Carrier {
        /// The carrier's name in the settings, and its service.
        #[schema(value_type = String)]
        service: Text<1, 120>,
        /// What it costs while the carrier does not answer; it is not offered then where it is empty.
        #[serde(default)]
        fallback: Vec<Money>,
    },
}

/// What parcels cost up to a weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightStep {
    /// The heaviest parcel, in grams.
    pub up_to_grams: i64,
    /// How much.
    pub amounts: Vec<Money>,
}

/// What goods cost to send from a price on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubtotalStep {
    /// From what they cost on.
    pub from: Money,
    /// How much, in the same currency.
    pub amount: Money,
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parcel {
    /// In which prices are asked for.
    pub currency: Currency,
    /// What all of it costs, after promotions.
    pub subtotal: i64,
    /// What all of it weighs.
    pub grams: i64,
    /// What a carrier says, where one was asked.
    pub quoted: Option<i64>,
}

impl ShippingTerms {
    /// What a parcel costs; `None` where it is not sent so, or not in its currency.
    pub fn price(&self, parcel: Parcel) -> Option<i64> {
        if self.max_grams.is_some_and(|most| parcel.grams > most) {
            return None;
        }
        let price = match &self.price {
            ShippingPrice::Flat { amounts } => amount_in(amounts, parcel.currency)?,
            ShippingPrice::ByWeight { steps } => {
                let step = steps.iter().find(|step| parcel.grams <= step.up_to_grams)?;
                amount_in(&step.amounts, parcel.currency)?
            }
            ShippingPrice::BySubtotal { steps } => {
                let mut own = steps.iter().filter(|step| step.from.currency == parcel.currency);
                own.rfind(|step| step.from.amount <= parcel.subtotal)?.amount.amount
            }
            ShippingPrice::Carrier { fallback, .. } => {
                parcel.quoted.or_else(|| amount_in(fallback, parcel.currency))?
            }
        };
        let is_free = amount_in(&self.free_from, parcel.currency).is_some_and(|from| parcel.subtotal >= from);
        Some(if is_free { 0 } else { price })
    }

    /// Checks what the types cannot say; errors are told below `pointer`.
    pub fn check(&self, pointer: &str) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        check_amounts(&self.free_from, &format!("{pointer}/free_from"), &mut errors);
        if self.max_grams.is_some_and(|most| !(1..=MAX_GRAMS).contains(&most)) {
            errors.add(
                format!("{pointer}/max_grams"),
                "out_of_range",
                format!("from 1 to {MAX_GRAMS}"),
            );
        }
        if let Some(DeliveryEstimate { min_days, max_days }) = self.estimate
            && (min_days > max_days || max_days > MAX_DAYS)
        {
            let detail = format!("from `min_days` to {MAX_DAYS}");
            errors.add(format!("{pointer}/estimate/max_days"), "out_of_range", detail);
        }
        self.price.check(&format!("{pointer}/price"), &mut errors);
        errors.into_result()
    }
}

impl ShippingPrice {
    fn check(&self, pointer: &str, errors: &mut FieldErrors) {
        let count = match self {
            Self::Flat { amounts } => {
                check_amounts(amounts, &format!("{pointer}/amounts"), errors);
                amounts.len()
            }
            Self::ByWeight { steps } => {
                for (index, step) in steps.iter().enumerate() {
                    let pointer = format!("{pointer}/steps/{index}");
                    let least = index.checked_sub(1).map_or(0, |before| steps[before].up_to_grams + 1);
                    if !(least..=MAX_GRAMS).contains(&step.up_to_grams) {
                        let detail = format!("from {least}, as steps ascend, to {MAX_GRAMS}");
                        errors.add(format!("{pointer}/up_to_grams"), "out_of_range", detail);
                    }
                    if step.amounts.is_empty() {
                        errors.add(format!("{pointer}/amounts"), "required", "there is no price");
                    }
                    check_amounts(&step.amounts, &format!("{pointer}/amounts"), errors);
                }
                steps.len()
            }
            Self::BySubtotal { steps } => {
                for (index, step) in steps.iter().enumerate() {
                    let pointer = format!("{pointer}/steps/{index}");
                    let own = steps[..index]
                        .iter()
                        .rev()
                        .find(|before| before.from.currency == step.from.currency);
                    let least = own.map_or(0, |before| before.from.amount + 1);
                    if !(least..=MAX_AMOUNT).contains(&step.from.amount) {
                        let detail = format!("from {least}, as steps of a currency ascend");
                        errors.add(format!("{pointer}/from/amount"), "out_of_range", detail);
                    }
                    if step.amount.currency != step.from.currency {
                        errors.add(
                            format!("{pointer}/amount/currency"),
                            "currency_mismatch",
                            "the same as in `from`",
                        );
                    }
                    check_amounts(&[step.amount], &format!("{pointer}/amount"), errors);
                }
                steps.len()
            }
            Self::Carrier { fallback, .. } => {
                check_amounts(fallback, &format!("{pointer}/fallback"), errors);
                1
            }
        };
        match count {
            0 => errors.add(pointer, "required", "there is no price"),
            count if count > MAX_STEPS => errors.add(pointer, "too_many", format!("at most {MAX_STEPS}")),
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn euros(amount: i64) -> Money {
        Money::new(amount, "EUR".parse().unwrap())
    }

    fn price(terms: &ShippingTerms, subtotal: i64, grams: i64) -> Option<i64> {
        let currency = "EUR".parse().unwrap();
        terms.price(Parcel {
            currency,
            subtotal,
            grams,
            quoted: None,
        })
    }

    fn terms(price: ShippingPrice) -> ShippingTerms {
        ShippingTerms {
            pick_up: false,
            price,
            free_from: Vec::new(),
            max_grams: None,
            estimate: None,
        }
    }

    #[test]
    fn a_parcel_costs_what_its_weight_costs_up_to_the_heaviest() {
        let step = |up_to_grams, amount| WeightStep {
            up_to_grams,
            amounts: vec![euros(amount)],
        };
        let terms = terms(ShippingPrice::ByWeight {
            steps: vec![step(1_000, 490), step(5_000, 990)],
        });
        let prices = [0, 1_000, 1_001, 5_000, 5_001].map(|grams| price(&terms, 100, grams));
        assert_eq!(prices, [Some(490), Some(490), Some(990), Some(990), None]);
        assert!(terms.check("").is_ok());
    }

    #[test]
    fn a_parcel_costs_what_its_price_costs_and_nothing_from_some_price_on() {
        let step = |from, amount| SubtotalStep {
            from: euros(from),
            amount: euros(amount),
        };
        let mut terms = terms(ShippingPrice::BySubtotal {
            steps: vec![step(0, 690), step(5_000, 390)],
        });
        terms.free_from = vec![euros(10_000)];
        let prices = [0, 4_999, 5_000, 9_999, 10_000].map(|subtotal| price(&terms, subtotal, 0));
        assert_eq!(prices, [Some(690), Some(690), Some(390), Some(390), Some(0)]);
        terms.max_grams = Some(10);
        assert_eq!(price(&terms, 0, 11), None);
    }

    #[test]
    fn a_carrier_is_asked_and_has_a_fallback() {
        let mut terms = terms(ShippingPrice::Carrier {
            service: Text::parse("parcel/express").unwrap(),
            fallback: vec![euros(1_290)],
        });
        assert_eq!(price(&terms, 0, 0), Some(1_290));
        let quoted = Parcel {
            currency: "EUR".parse().unwrap(),
            subtotal: 0,
            grams: 0,
            quoted: Some(817),
        };
        assert_eq!(terms.price(quoted), Some(817));
        terms.price = ShippingPrice::Carrier {
            service: Text::parse("parcel/express").unwrap(),
            fallback: Vec::new(),
        };
        assert_eq!(price(&terms, 0, 0), None);
    }

    #[test]
    fn prices_without_sense_are_refused() {
        let refused = |terms: &ShippingTerms| {
            let errors = terms.check("/terms").unwrap_err();
            let told = errors
                .as_slice()
                .iter()
                .map(|error| (error.pointer.clone(), error.code.clone()));
            told.collect::<Vec<_>>()
        };
        let told = |pointer: &str, code: &str| vec![(pointer.to_owned(), code.to_owned())];
        let none = terms(ShippingPrice::Flat { amounts: Vec::new() });
        assert_eq!(refused(&none), told("/terms/price", "required"));
        let step = |up_to_grams| WeightStep {
            up_to_grams,
            amounts: vec![euros(1)],
        };
        let descending = terms(ShippingPrice::ByWeight {
            steps: vec![step(10), step(10)],
        });
        assert_eq!(
            refused(&descending),
            told("/terms/price/steps/1/up_to_grams", "out_of_range")
        );
        let mut free = step(10);
        free.amounts.clear();
        let without = terms(ShippingPrice::ByWeight { steps: vec![free] });
        assert_eq!(refused(&without), told("/terms/price/steps/0/amounts", "required"));
        let mut late = terms(ShippingPrice::Flat {
            amounts: vec![euros(1)],
        });
        late.estimate = Some(DeliveryEstimate {
            min_days: 3,
            max_days: 2,
        });
        assert_eq!(refused(&late), told("/terms/estimate/max_days", "out_of_range"));
    }
}
