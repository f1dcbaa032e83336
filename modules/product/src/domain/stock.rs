//! Stock: how many there are, how many are promised, and the sums of demands.

use std::collections::{BTreeMap, HashSet};

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

/// How many of a variant there are to be by a file, in all active locations together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) variant: Uuid,
    pub(crate) product: Uuid,
    /// Which variant of its product it is.
    pub(crate) position: i32,
    pub(crate) stock: i64,
    /// How many there were when somebody decided that; a file need not say so.
    pub(crate) seen: Option<i64>,
}

/// Why the stock of a variant cannot become what a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unbooked {
    #[error("stock_changed: {wanted} was decided on when there were {seen}; there are {on_hand} by now")]
    Changed { wanted: i64, seen: i64, on_hand: i64 },
    #[error(
        "insufficient_stock: {wanted} was wanted; of {on_hand} at least {least} stay, which are promised, owed or elsewhere"
    )]
    TooFew { wanted: i64, least: i64, on_hand: i64 },
    #[error("out_of_range: {wanted} was wanted, and a location may have at most {MAX_STOCK}")]
    TooMany { wanted: i64 },
}

/// How many there are to be by a file that says `stock`, and perhaps what its writer saw, where there are `on_hand`. Fewer
/// than none, as Shopify's files have it, then means that none are left: what others have sold is not owed here, and what is
/// owed here is not forgotten.
pub(crate) fn wanted(stock: i64, seen: Option<i64>, on_hand: i64) -> i64 {
    match seen {
        None if stock < 0 => on_hand.min(0),
        _ => stock,
    }
}

/// The change that makes the stock of a variant, whose rows are `held`, what a file says; `None` where it is that already.
/// It is booked at the default location, which is never left with fewer than are promised there.
pub(crate) fn change_to(target: &Target, held: &[Held]) -> Result<Option<Delta>, Unbooked> {
    let Some(default) = held.iter().find(|row| row.location == DEFAULT_LOCATION) else {
        return Ok(None);
    };
    let elsewhere = held.iter().filter(|row| row.active && row.location != DEFAULT_LOCATION);
    let on_hand = default.on_hand + elsewhere.map(|row| row.on_hand).sum::<i64>();
    let wanted = wanted(target.stock, target.seen, on_hand);
    let delta = wanted - on_hand;
    if delta == 0 {
        return Ok(None);
    }
    if let Some(seen) = target.seen.filter(|seen| *seen != on_hand) {
        return Err(Unbooked::Changed { wanted, seen, on_hand });
    }
    // Where more is promised than there is, as with backorders, that stays as it is.
    let least = on_hand - default.on_hand + default.on_hand.min(default.reserved);
    if wanted < least {
        return Err(Unbooked::TooFew { wanted, least, on_hand });
    }
    if delta > 0 && default.on_hand + delta > MAX_STOCK {
        return Err(Unbooked::TooMany { wanted });
    }
    Ok(Some(Delta {
        variant: default.variant,
        location: default.location,
        delta,
    }))
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

    /// What is booked by a file that says `stock`, which was decided on when there were `seen`.
    fn booked(held: &[Held], stock: i64, seen: Option<i64>) -> Result<i64, Unbooked> {
        let target = Target {
            variant: held[0].variant,
            product: Uuid::nil(),
            position: 0,
            stock,
            seen,
        };
        change_to(&target, held).map(|delta| delta.map_or(0, |delta| delta.delta))
    }

    #[test]
    fn a_figure_of_a_file_is_what_all_locations_have_together() {
        let other = Uuid::from_u128(7);
        let rows = [
            held(1, DEFAULT_LOCATION, 4, 1),
            held(1, other, 6, 0),
            held(1, Uuid::max(), 9, 0),
        ];
        assert_eq!(booked(&rows, 10, None), Ok(0));
        assert_eq!(booked(&rows, 12, None), Ok(2));
        assert_eq!(
            booked(&rows, 7, None),
            Ok(-3),
            "one of the default location is promised"
        );
        let (wanted, least, on_hand) = (6, 7, 10);
        assert_eq!(booked(&rows, 6, None), Err(Unbooked::TooFew { wanted, least, on_hand }));
        let wanted = MAX_STOCK + 7;
        assert_eq!(booked(&rows, wanted - 1, None), Ok(MAX_STOCK - 4));
        assert_eq!(booked(&rows, wanted, None), Err(Unbooked::TooMany { wanted }));
    }

    #[test]
    fn a_file_does_not_make_up_what_was_sold_before_it_came() {
        let promised = [held(1, DEFAULT_LOCATION, 0, 3)];
        assert_eq!((booked(&promised, 0, None), booked(&promised, 2, None)), (Ok(0), Ok(2)));
        let owed = [held(1, DEFAULT_LOCATION, -3, 0)];
        let seen = Some(-3);
        assert_eq!((booked(&owed, -3, seen), booked(&owed, -1, seen)), (Ok(0), Ok(2)));
        let (wanted, least, on_hand) = (-4, -3, -3);
        assert_eq!(
            booked(&owed, -4, seen),
            Err(Unbooked::TooFew { wanted, least, on_hand })
        );
    }

    #[test]
    fn fewer_than_none_means_that_none_are_left_where_nobody_saw_how_many_there_were() {
        for (on_hand, delta) in [(5, -5), (0, 0), (-3, 0)] {
            assert_eq!(booked(&[held(1, DEFAULT_LOCATION, on_hand, 0)], -1, None), Ok(delta));
        }
    }

    #[test]
    fn a_figure_counts_only_where_there_is_what_somebody_saw_and_once() {
        let rows = |on_hand| [held(1, DEFAULT_LOCATION, on_hand, 0)];
        assert_eq!(booked(&rows(10), 12, Some(10)), Ok(2));
        assert_eq!(booked(&rows(12), 12, Some(10)), Ok(0), "it is booked already");
        let (wanted, seen, on_hand) = (12, 10, 6);
        assert_eq!(
            booked(&rows(6), 12, Some(10)),
            Err(Unbooked::Changed { wanted, seen, on_hand })
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
