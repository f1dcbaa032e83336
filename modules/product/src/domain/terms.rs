//! What may be sold of a variant beyond what there is, and what customers are told of it.

use chrono::{Datelike, NaiveDate};
use kernel::patch::present;
use kernel::{FieldErrors, Patch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stock::MAX_STOCK;

/// The terms on which a variant is sold beyond its stock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Terms {
    /// How many may be sold that are not there; 0 for none.
    pub(crate) backorder_limit: i64,
    /// Before its day a variant is sold against this limit instead.
    pub(crate) preorder: Option<Preorder>,
    /// `stock.low` is told when no more than this are left; `null` for never.
    pub(crate) low_stock_threshold: Option<i64>,
}

/// A variant that is sold before it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Preorder {
    /// The day from which it ships: the last day of the pre-order is the one before (UTC).
    pub(crate) ships_on: NaiveDate,
    /// How many may be sold before that day.
    pub(crate) limit: i64,
}

/// Changes of the terms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TermsPatch {
    #[serde(default, deserialize_with = "present")]
    pub(crate) backorder_limit: Option<i64>,
    /// Merged; a new one needs both fields.
    #[serde(default)]
    #[schema(value_type = Option<PreorderPatch>)]
    pub(crate) preorder: Patch<PreorderPatch>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    pub(crate) low_stock_threshold: Patch<i64>,
}

/// Changes of a pre-order.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreorderPatch {
    #[serde(default, deserialize_with = "present")]
    pub(crate) ships_on: Option<NaiveDate>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) limit: Option<i64>,
}

/// What customers are told of a variant's stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// How many are there to be sold.
    pub(crate) available: i64,
    /// Whether it can be bought.
    pub(crate) in_stock: bool,
    /// Whether what is bought now is not there yet.
    pub(crate) backorder: bool,
    /// From when it ships, where it is sold before it is there.
    pub(crate) ships_on: Option<NaiveDate>,
}

impl Terms {
    /// How far below zero the variant may be sold on a day.
    pub(crate) fn oversell(&self, today: NaiveDate) -> i64 {
        self.open_preorder(today)
            .map_or(self.backorder_limit, |preorder| preorder.limit)
    }

    /// How far below zero it may be sold on any day.
    pub(crate) fn largest_oversell(&self) -> i64 {
        self.backorder_limit
            .max(self.preorder.map_or(0, |preorder| preorder.limit))
    }

    /// What customers are told where `available` are not promised.
    pub(crate) fn offer(&self, available: i64, today: NaiveDate) -> Offer {
        let in_stock = available + self.oversell(today) > 0;
        let preorder = self.open_preorder(today);
        Offer {
            available: available.max(0),
            in_stock,
            backorder: in_stock && available <= 0 && preorder.is_none(),
            ships_on: preorder.map(|preorder| preorder.ships_on),
        }
    }

    fn open_preorder(&self, today: NaiveDate) -> Option<Preorder> {
        self.preorder.filter(|preorder| today < preorder.ships_on)
    }
}

impl TermsPatch {
    /// The terms as they are to be.
    pub(crate) fn apply(self, before: Terms) -> Result<Terms, FieldErrors> {
        let mut errors = FieldErrors::new();
        let preorder = self.preorder.merge(before.preorder, PreorderPatch::apply)?;
        let after = Terms {
            backorder_limit: self.backorder_limit.unwrap_or(before.backorder_limit),
            preorder,
            low_stock_threshold: self.low_stock_threshold.apply(before.low_stock_threshold),
        };
        let mut check = |pointer: &str, value: Option<i64>, least: i64| {
            if value.is_some_and(|value| !(least..=MAX_STOCK).contains(&value)) {
                errors.add(pointer, "out_of_range", format!("must be from {least} to {MAX_STOCK}"));
            }
        };
        check("/backorder_limit", Some(after.backorder_limit), 0);
        check("/preorder/limit", preorder.map(|preorder| preorder.limit), 0);
        check("/low_stock_threshold", after.low_stock_threshold, 1);
        if preorder.is_some_and(|preorder| !(1..=9999).contains(&preorder.ships_on.year())) {
            errors.add("/preorder/ships_on", "out_of_range", "must be a year from 1 to 9999");
        }
        errors.into_result()?;
        Ok(after)
    }
}

impl PreorderPatch {
    fn apply(self, before: Option<Preorder>) -> Result<Preorder, FieldErrors> {
        let missing = |field: &str| FieldErrors::one(format!("/preorder/{field}"), "required", "is missing");
        let ships_on = self.ships_on.or(before.map(|before| before.ships_on));
        let limit = self.limit.or(before.map(|before| before.limit));
        Ok(Preorder {
            ships_on: ships_on.ok_or_else(|| missing("ships_on"))?,
            limit: limit.ok_or_else(|| missing("limit"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 12, number).unwrap()
    }

    fn terms(backorder_limit: i64, preorder: Option<(u32, i64)>) -> Terms {
        Terms {
            backorder_limit,
            preorder: preorder.map(|(number, limit)| Preorder {
                ships_on: day(number),
                limit,
            }),
            low_stock_threshold: None,
        }
    }

    #[test]
    fn a_backorder_is_offered_when_nothing_is_left_and_until_the_limit() {
        let terms = terms(2, None);
        let offer = |available| {
            let offer = terms.offer(available, day(1));
            (offer.available, offer.in_stock, offer.backorder)
        };
        assert_eq!(offer(1), (1, true, false));
        assert_eq!(offer(0), (0, true, true));
        assert_eq!(offer(-1), (0, true, true));
        assert_eq!(offer(-2), (0, false, false));
    }

    #[test]
    fn before_its_day_a_variant_is_sold_against_the_limit_of_the_pre_order() {
        let terms = terms(1, Some((10, 5)));
        assert_eq!((terms.oversell(day(9)), terms.oversell(day(10))), (5, 1));
        assert_eq!(terms.largest_oversell(), 5);
        assert_eq!(terms.offer(0, day(9)).ships_on, Some(day(10)));
        assert!(!terms.offer(0, day(9)).backorder);
        assert_eq!(terms.offer(-4, day(10)).ships_on, None);
        assert!(!terms.offer(-4, day(10)).in_stock);
    }

    fn patch(json: &str) -> TermsPatch {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_new_pre_order_has_a_day_and_a_limit() {
        let refused = patch(r#"{"preorder":{"limit":3}}"#)
            .apply(Terms::default())
            .unwrap_err();
        assert_eq!(refused.as_slice()[0].pointer, "/preorder/ships_on");
        let before = terms(0, Some((10, 5)));
        let after = patch(r#"{"preorder":{"limit":3}}"#).apply(before.clone()).unwrap();
        assert_eq!(after, terms(0, Some((10, 3))));
        assert_eq!(patch(r#"{"preorder":null}"#).apply(before).unwrap(), terms(0, None));
    }

    proptest! {
        #[test]
        fn limits_are_bounded(limit in -5_i64..=5, threshold in -5_i64..=5) {
            let json = format!(r#"{{"backorder_limit":{limit},"low_stock_threshold":{threshold}}}"#);
            prop_assert_eq!(patch(&json).apply(Terms::default()).is_ok(), limit >= 0 && threshold >= 1);
        }

        #[test]
        fn what_is_offered_can_be_sold(available in -9_i64..9, limit in 0_i64..9, number in 1_u32..20) {
            let terms = terms(limit, Some((10, limit / 2)));
            let offer = terms.offer(available, day(number));
            prop_assert_eq!(offer.in_stock, available + terms.oversell(day(number)) > 0);
            prop_assert!(offer.available >= 0);
        }
    }
}
