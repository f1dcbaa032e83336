//! Stock: how many there are, how many are promised, and the sums of demands.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::id::{ProductId, VariantId};
use kernel::{FieldErrors, Text};
use product_api::Demand;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The most of one variant that the books take.
pub(crate) const MAX_STOCK: i64 = 1_000_000_000;

/// The stock of a variant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockLevel {
    pub(crate) variant_id: VariantId,
    pub(crate) product_id: ProductId,
    /// How many are in the house.
    pub(crate) on_hand: i64,
    /// How many of those are promised to orders that are being paid.
    pub(crate) reserved: i64,
    /// How many can be sold.
    pub(crate) available: i64,
    /// The latest changes of `on_hand`, newest first.
    pub(crate) movements: Vec<Movement>,
}

/// A change of the stock.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Movement {
    /// `initial`, `adjustment`, `import`, `sale` or `restock`.
    pub(crate) kind: String,
    pub(crate) delta: i64,
    pub(crate) reason: String,
    /// A user's id, `order` or `import`.
    pub(crate) actor: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// A correction of the stock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAdjustment {
    pub(crate) variant_id: VariantId,
    /// How many more there are; negative for fewer; not 0.
    pub(crate) delta: i64,
    /// Why, for the ledger.
    #[schema(value_type = String)]
    pub(crate) reason: Text<1, 200>,
}

impl NewAdjustment {
    /// Refuses what cannot be a correction.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        if self.delta == 0 || self.delta.unsigned_abs() > MAX_STOCK.unsigned_abs() {
            let detail = format!("must not be 0, and at most {MAX_STOCK} either way");
            return Err(FieldErrors::one("/delta", "out_of_range", detail));
        }
        Ok(())
    }
}

/// Demands summed per variant, in key order: the order in which rows are locked, so that no two orders wait for each
/// other in a circle.
pub(crate) fn sum(demands: &[Demand]) -> Result<BTreeMap<Uuid, i64>, FieldErrors> {
    let mut sums = BTreeMap::new();
    for (index, demand) in demands.iter().enumerate() {
        let refuse = || {
            let detail = format!("must be from 1 to {MAX_STOCK}, in all lines of a variant together");
            FieldErrors::one(format!("/demands/{index}/quantity"), "out_of_range", detail)
        };
        let sum = sums.entry(demand.variant.uuid()).or_insert(0_i64);
        let total = sum.checked_add(demand.quantity).filter(|total| *total <= MAX_STOCK);
        *sum = total.filter(|_| demand.quantity > 0).ok_or_else(refuse)?;
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn demand(variant: u128, quantity: i64) -> Demand {
        Demand {
            variant: Uuid::from_u128(variant).into(),
            quantity,
        }
    }

    #[test]
    fn demands_for_one_variant_are_summed_in_key_order() {
        let sums = sum(&[demand(2, 3), demand(1, 1), demand(2, 4)]).unwrap();
        let sums: Vec<(u128, i64)> = sums
            .into_iter()
            .map(|(id, quantity)| (id.as_u128(), quantity))
            .collect();
        assert_eq!(sums, [(1, 1), (2, 7)]);
    }

    #[test]
    fn quantities_that_cannot_be_are_refused() {
        for quantity in [0, -1, i64::MIN, i64::MAX, MAX_STOCK + 1] {
            assert!(sum(&[demand(1, quantity)]).is_err(), "{quantity}");
        }
        assert!(sum(&[demand(1, MAX_STOCK), demand(1, 1)]).is_err());
        assert!(sum(&[demand(1, MAX_STOCK), demand(2, 1)]).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_in_the_sum(lines in proptest::collection::vec((0_u128..5, 1_i64..1000), 0..50)) {
            let demands: Vec<Demand> = lines.iter().map(|(id, quantity)| demand(*id, *quantity)).collect();
            let sums = sum(&demands).unwrap();
            prop_assert_eq!(sums.values().sum::<i64>(), lines.iter().map(|line| line.1).sum::<i64>());
        }
    }
}
