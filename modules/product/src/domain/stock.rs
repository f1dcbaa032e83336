//! Stock: how many there are, how many are promised, and the sums of demands.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};
use kernel::http::{FromQuery, QueryParameters};
use kernel::id::{LocationId, ProductId, TransferId, VariantId};
use kernel::page::{MAX_LIMIT, PageInfo};
use kernel::{FieldErrors, Text};
use product_api::Demand;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::location::DEFAULT_LOCATION;
use super::terms::Terms;

/// The most of one variant at a location that staff may book. What orders give back comes on top of it: the database takes
/// twice as many.
pub(crate) const MAX_STOCK: i64 = 1_000_000_000;

/// The most lines of a transfer or a count.
pub(crate) const MAX_LINES: usize = 500;

/// How many movements are shown with a variant's stock where the client does not say.
pub(crate) const SHOWN_MOVEMENTS: i64 = 50;

/// Why stock is changed, for the ledger.
pub(crate) type Reason = Text<1, 200>;

/// The stock of a variant. Sums are over the active locations.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StockLevel {
    pub(crate) variant_id: VariantId,
    pub(crate) product_id: ProductId,
    /// How many are in the house. Below zero where more were sold than there were.
    pub(crate) on_hand: i64,
    /// How many of those are promised to orders that are being paid.
    pub(crate) reserved: i64,
    /// How many are not promised: `on_hand` less `reserved`.
    pub(crate) available: i64,
    /// How many orders of the shop can have now: what is available where orders are served from, and what may be sold
    /// beyond it.
    pub(crate) sellable: i64,
    #[serde(flatten)]
    pub(crate) terms: Terms,
    /// The edit version of the terms.
    pub(crate) version: i64,
    /// The preferred ones first. A location that is deleted is shown as long as something lies there.
    pub(crate) locations: Vec<LocationLevel>,
    /// The latest changes of `on_hand`, newest first.
    pub(crate) movements: Vec<Movement>,
    /// Where the movements go on.
    pub(crate) page: PageInfo,
}

/// The stock of a variant at a location.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LocationLevel {
    pub(crate) location_id: LocationId,
    pub(crate) name: String,
    /// Whether it counts in the sums.
    pub(crate) active: bool,
    /// Whether orders of the shop are served from here.
    pub(crate) fulfils_online: bool,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) available: i64,
}

/// A change of the stock.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Movement {
    /// `initial`, `adjustment`, `import`, `sale`, `restock`, `transfer` or `count`.
    pub(crate) kind: String,
    pub(crate) location_id: LocationId,
    pub(crate) delta: i64,
    pub(crate) reason: String,
    /// A user's id, `order` or `import`.
    pub(crate) actor: String,
    /// The transfer that it is a side of.
    pub(crate) transfer_id: Option<TransferId>,
    pub(crate) created_at: DateTime<Utc>,
}

/// Which movements are shown with the stock of a variant.
#[derive(Clone, Debug)]
pub(crate) struct MovementQuery {
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl FromQuery for MovementQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            limit: parameters.integer("limit", 1..=MAX_LIMIT).unwrap_or(SHOWN_MOVEMENTS),
            cursor: parameters.cursor(),
        }
    }
}

/// A row of the books, held until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) variant: Uuid,
    pub(crate) location: Uuid,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    /// Whether the location counts in sums.
    pub(crate) active: bool,
    /// Whether orders are served from the location.
    pub(crate) sells: bool,
    /// Whether the variant is a bundle, whose rows stay empty.
    pub(crate) is_bundle: bool,
}

/// A change of a row of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delta {
    pub(crate) variant: Uuid,
    pub(crate) location: Uuid,
    pub(crate) delta: i64,
}

/// The changes that make the stock of variants, in all active locations together, what a file says. They are booked at
/// the default location, which is never left with fewer than are promised there.
pub(crate) fn targets(held: &[Held], levels: &[(Uuid, i64)]) -> Vec<Delta> {
    let mut elsewhere: HashMap<Uuid, i64> = HashMap::new();
    for row in held.iter().filter(|row| row.active && row.location != DEFAULT_LOCATION) {
        *elsewhere.entry(row.variant).or_default() += row.on_hand;
    }
    let targets: HashMap<Uuid, i64> = levels.iter().copied().collect();
    let delta = |row: &Held| {
        let target = targets.get(&row.variant)? - elsewhere.get(&row.variant).unwrap_or(&0);
        // Where more is promised than there is, as with backorders, that stays as it is.
        let least = row.on_hand.min(row.reserved);
        let delta = target.max(least) - row.on_hand;
        (delta != 0).then_some(Delta {
            variant: row.variant,
            location: row.location,
            delta,
        })
    };
    let defaults = held.iter().filter(|row| row.location == DEFAULT_LOCATION);
    defaults.filter_map(delta).collect()
}

/// A correction of the stock.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAdjustment {
    pub(crate) variant_id: VariantId,
    /// The default location where it is not given.
    #[serde(default)]
    pub(crate) location_id: Option<LocationId>,
    /// How many more there are; negative for fewer; not 0.
    pub(crate) delta: i64,
    /// Why, for the ledger.
    #[schema(value_type = String)]
    pub(crate) reason: Reason,
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

/// Refuses lists of lines that are empty, too long, or name a variant twice.
pub(crate) fn check_lines(errors: &mut FieldErrors, variants: impl ExactSizeIterator<Item = VariantId>) {
    if !(1..=MAX_LINES).contains(&variants.len()) {
        errors.add("/lines", "out_of_range", format!("from 1 to {MAX_LINES} lines"));
        return;
    }
    let mut seen = HashSet::new();
    for (index, variant) in variants.enumerate() {
        if !seen.insert(variant) {
            let pointer = format!("/lines/{index}/variant_id");
            errors.add(pointer, "duplicate", "another line has the same variant");
        }
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

    fn held(variant: u128, location: Uuid, on_hand: i64, reserved: i64) -> Held {
        Held {
            variant: Uuid::from_u128(variant),
            location,
            on_hand,
            reserved,
            active: location != Uuid::max(),
            sells: true,
            is_bundle: false,
        }
    }

    fn targets_of(held: &[Held], target: i64) -> Vec<i64> {
        let deltas = targets(held, &[(Uuid::from_u128(1), target)]);
        deltas.iter().map(|delta| delta.delta).collect()
    }

    #[test]
    fn a_figure_of_a_file_is_what_all_locations_have_together() {
        let other = Uuid::from_u128(7);
        let rows = [
            held(1, DEFAULT_LOCATION, 4, 1),
            held(1, other, 6, 0),
            held(1, Uuid::max(), 9, 0),
        ];
        assert_eq!(targets_of(&rows, 10), [0; 0]);
        assert_eq!(targets_of(&rows, 12), [2]);
        assert_eq!(targets_of(&rows, 0), [-3], "one of the default location is promised");
    }

    #[test]
    fn a_file_does_not_make_up_what_was_sold_before_it_came() {
        assert_eq!(targets_of(&[held(1, DEFAULT_LOCATION, 0, 3)], 0), [0; 0]);
        assert_eq!(targets_of(&[held(1, DEFAULT_LOCATION, 0, 3)], 2), [2]);
        assert_eq!(
            targets_of(&[held(2, DEFAULT_LOCATION, 0, 3)], 2),
            [0; 0],
            "of another variant"
        );
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
