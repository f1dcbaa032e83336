//! Which locations serve an order: one where one can, else as few as possible, and of several choices the one that staff
//! put first. A line that no chosen location can serve by itself is split.

use std::collections::BTreeMap;

use product_api::Shortage;
use uuid::Uuid;

/// How many combinations of locations are tried in search of the fewest. Beyond that, the location that has most of what
/// is missing is taken, again and again: few parcels, though perhaps not the fewest.
const MAX_COMBINATIONS: usize = 500;

/// How many of a variant a location can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    pub(crate) variant: Uuid,
    pub(crate) location: Uuid,
    pub(crate) sellable: i64,
}

/// What an order takes of a variant from a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) variant: Uuid,
    pub(crate) location: Uuid,
    pub(crate) quantity: i64,
}

/// What locations have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Levels {
    /// In the order in which they are preferred.
    locations: Vec<Uuid>,
    sellable: BTreeMap<(Uuid, Uuid), i64>,
}

/// How many of each variant an order wants.
pub(crate) type Demands = BTreeMap<Uuid, i64>;

impl Levels {
    /// The levels of locations, which come in the order in which they are preferred. What is below zero counts as nothing.
    pub(crate) fn new(levels: impl IntoIterator<Item = Level>) -> Self {
        let mut this = Self::default();
        for level in levels {
            if !this.locations.contains(&level.location) {
                this.locations.push(level.location);
            }
            this.sellable
                .insert((level.variant, level.location), level.sellable.max(0));
        }
        this
    }

    /// The parts that an order takes, variants in key order; or what there is too little of, in all locations together.
    pub(crate) fn allocate(&self, demands: &Demands) -> Result<Vec<Part>, Vec<Shortage>> {
        let short = demands.iter().filter_map(|(variant, requested)| {
            let available = self.total(*variant, &self.locations);
            (available < *requested).then(|| Shortage {
                variant_id: (*variant).into(),
                requested: *requested,
                available,
            })
        });
        let short: Vec<Shortage> = short.collect();
        if !short.is_empty() {
            return Err(short);
        }
        let chosen = self.fewest(demands).unwrap_or_else(|| self.greedy(demands));
        let parts = demands
            .iter()
            .flat_map(|(variant, quantity)| self.serve(*variant, *quantity, &chosen));
        Ok(parts.collect())
    }

    /// Takes away what an order took, before the next one is served.
    pub(crate) fn take(&mut self, parts: &[Part]) {
        for part in parts {
            if let Some(left) = self.sellable.get_mut(&(part.variant, part.location)) {
                *left -= part.quantity;
            }
        }
    }

    fn of(&self, variant: Uuid, location: Uuid) -> i64 {
        self.sellable.get(&(variant, location)).copied().unwrap_or(0)
    }

    fn total(&self, variant: Uuid, locations: &[Uuid]) -> i64 {
        locations.iter().map(|location| self.of(variant, *location)).sum()
    }

    fn suffice(&self, demands: &Demands, locations: &[Uuid]) -> bool {
        demands
            .iter()
            .all(|(variant, quantity)| self.total(*variant, locations) >= *quantity)
    }

    /// The first of the smallest combinations of locations that have everything together; `None` where there are too many
    /// combinations to try.
    fn fewest(&self, demands: &Demands) -> Option<Vec<Uuid>> {
        let mut tried = 0;
        for size in 0..=self.locations.len() {
            let mut picks: Vec<usize> = (0..size).collect();
            loop {
                tried += 1;
                if tried > MAX_COMBINATIONS {
                    return None;
                }
                let chosen: Vec<Uuid> = picks.iter().map(|pick| self.locations[*pick]).collect();
                if self.suffice(demands, &chosen) {
                    return Some(chosen);
                }
                if !advance(&mut picks, self.locations.len()) {
                    break;
                }
            }
        }
        None
    }

    /// Locations that have everything together, each the one that had most of what was missing.
    fn greedy(&self, demands: &Demands) -> Vec<Uuid> {
        let mut chosen = Vec::new();
        while !self.suffice(demands, &chosen) {
            let gain = |location: &Uuid| -> i64 {
                let useful = demands.iter().map(|(variant, quantity)| {
                    let missing = (quantity - self.total(*variant, &chosen)).max(0);
                    self.of(*variant, *location).min(missing)
                });
                useful.sum()
            };
            let rest = self.locations.iter().filter(|location| !chosen.contains(*location));
            // Of equal ones the first: `max_by_key` answers the last.
            match rest.rev().max_by_key(|location| gain(location)).copied() {
                Some(best) => chosen.push(best),
                None => break,
            }
        }
        chosen
    }

    /// The parts of one line: all from the first location that has enough, else from those that have most.
    fn serve(&self, variant: Uuid, quantity: i64, chosen: &[Uuid]) -> Vec<Part> {
        let part = |location: Uuid, quantity: i64| Part {
            variant,
            location,
            quantity,
        };
        let preferred = self.locations.iter().filter(|location| chosen.contains(*location));
        if let Some(location) = preferred
            .clone()
            .find(|location| self.of(variant, **location) >= quantity)
        {
            return vec![part(*location, quantity)];
        }
        let mut sources: Vec<Uuid> = preferred.copied().collect();
        sources.sort_by_key(|location| std::cmp::Reverse(self.of(variant, *location)));
        let mut missing = quantity;
        let mut parts = Vec::new();
        for location in sources {
            let taken = self.of(variant, location).min(missing);
            if taken > 0 {
                parts.push(part(location, taken));
                missing -= taken;
            }
        }
        parts
    }
}

/// The next combination of `picks` out of `count`, in the order of the numbers; false after the last.
fn advance(picks: &mut [usize], count: usize) -> bool {
    let size = picks.len();
    let Some(place) = (0..size).rev().find(|place| picks[*place] < count - size + place) else {
        return false;
    };
    picks[place] += 1;
    for next in place + 1..size {
        picks[next] = picks[next - 1] + 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn id(number: usize) -> Uuid {
        Uuid::from_u128(number as u128 + 1)
    }

    /// `rows[location][variant]`, the preferred location first.
    fn levels(rows: &[Vec<i64>]) -> Levels {
        let level = |(location, row): (usize, &Vec<i64>)| {
            let level = move |(variant, sellable): (usize, &i64)| Level {
                variant: id(variant),
                location: id(100 + location),
                sellable: *sellable,
            };
            row.iter().enumerate().map(level).collect::<Vec<_>>()
        };
        Levels::new(rows.iter().enumerate().flat_map(level))
    }

    fn demands(quantities: &[i64]) -> Demands {
        let wanted = quantities.iter().enumerate().filter(|(_, quantity)| **quantity > 0);
        wanted.map(|(variant, quantity)| (id(variant), *quantity)).collect()
    }

    /// `(variant, location, quantity)`.
    fn parts(rows: &[Vec<i64>], quantities: &[i64]) -> Vec<(usize, usize, i64)> {
        let number = |id: Uuid| usize::try_from(id.as_u128() - 1).unwrap();
        let parts = levels(rows).allocate(&demands(quantities)).unwrap();
        let plain = |part: Part| (number(part.variant), number(part.location) - 100, part.quantity);
        parts.into_iter().map(plain).collect()
    }

    #[test]
    fn one_location_that_has_everything_is_preferred_to_better_ones_that_have_not() {
        let rows = [vec![5, 0], vec![5, 5], vec![5, 5]];
        assert_eq!(parts(&rows, &[2, 2]), [(0, 1, 2), (1, 1, 2)]);
    }

    #[test]
    fn of_equal_locations_the_preferred_one_serves() {
        assert_eq!(parts(&[vec![3], vec![9]], &[3]), [(0, 0, 3)]);
    }

    #[test]
    fn lines_are_divided_among_as_few_locations_as_possible() {
        // The first two have one line each, the others have two.
        let rows = [vec![9, 0, 0], vec![0, 9, 0], vec![0, 0, 9], vec![0, 9, 9]];
        assert_eq!(parts(&rows, &[1, 1, 1]), [(0, 0, 1), (1, 3, 1), (2, 3, 1)]);
    }

    #[test]
    fn a_line_that_no_location_has_is_split() {
        assert_eq!(parts(&[vec![2], vec![3], vec![1]], &[5]), [(0, 1, 3), (0, 0, 2)]);
        assert_eq!(
            parts(&[vec![2], vec![3], vec![1]], &[6]),
            [(0, 1, 3), (0, 0, 2), (0, 2, 1)]
        );
    }

    #[test]
    fn what_is_missing_everywhere_together_is_told() {
        let short = levels(&[vec![2, 1], vec![-4, 1]])
            .allocate(&demands(&[3, 2]))
            .unwrap_err();
        let expected = Shortage {
            variant_id: id(0).into(),
            requested: 3,
            available: 2,
        };
        assert_eq!(short, [expected]);
    }

    #[test]
    fn many_locations_are_not_tried_in_every_combination() {
        let rows = vec![vec![1]; 100];
        assert_eq!(parts(&rows, &[60]).len(), 60);
    }

    fn grid() -> impl Strategy<Value = Vec<Vec<i64>>> {
        (1_usize..6, 1_usize..5).prop_flat_map(|(locations, variants)| {
            proptest::collection::vec(proptest::collection::vec(-3_i64..8, variants), locations)
        })
    }

    proptest! {
        #[test]
        fn parts_sum_to_the_demand_and_no_location_gives_more_than_it_has(
            rows in grid(), quantities in proptest::collection::vec(0_i64..12, 4)
        ) {
            let quantities = &quantities[..rows[0].len()];
            let levels = levels(&rows);
            let wanted = demands(quantities);
            let is_enough = wanted.iter().all(|(variant, quantity)| levels.total(*variant, &levels.locations) >= *quantity);
            let parts = levels.allocate(&wanted);
            prop_assert_eq!(parts.is_ok(), is_enough);
            let Ok(parts) = parts else { return Ok(()) };
            let mut sums = Demands::new();
            let mut places = BTreeSet::new();
            for part in &parts {
                prop_assert!(part.quantity > 0 && part.quantity <= levels.of(part.variant, part.location));
                prop_assert!(places.insert((part.variant, part.location)), "one part per variant and location");
                *sums.entry(part.variant).or_default() += part.quantity;
            }
            prop_assert_eq!(sums, wanted);
        }

        #[test]
        fn no_smaller_set_of_locations_would_do(
            rows in grid(), quantities in proptest::collection::vec(0_i64..12, 4)
        ) {
            let levels = levels(&rows);
            let wanted = demands(&quantities[..rows[0].len()]);
            let Ok(parts) = levels.allocate(&wanted) else { return Ok(()) };
            let used: BTreeSet<Uuid> = parts.iter().map(|part| part.location).collect();
            for mask in 0_u32..1 << rows.len() {
                let set: Vec<Uuid> = levels.locations.iter().enumerate()
                    .filter(|(number, _)| mask & (1 << number) != 0).map(|(_, location)| *location).collect();
                prop_assert!(set.len() >= used.len() || !levels.suffice(&wanted, &set));
            }
        }

        #[test]
        fn without_trying_everything_the_parts_are_right_all_the_same(
            rows in grid(), quantities in proptest::collection::vec(0_i64..12, 4)
        ) {
            let levels = levels(&rows);
            let wanted = demands(&quantities[..rows[0].len()]);
            if levels.allocate(&wanted).is_ok() {
                let chosen = levels.greedy(&wanted);
                prop_assert!(levels.suffice(&wanted, &chosen));
            }
        }

        #[test]
        fn orders_one_after_the_other_never_take_more_than_there_is(
            rows in grid(), orders in proptest::collection::vec(proptest::collection::vec(0_i64..6, 4), 1..10)
        ) {
            let before = levels(&rows);
            let mut left = before.clone();
            for quantities in orders {
                if let Ok(parts) = left.allocate(&demands(&quantities[..rows[0].len()])) {
                    left.take(&parts);
                }
            }
            for (place, sellable) in &left.sellable {
                prop_assert!((0..=before.sellable[place]).contains(sellable));
            }
        }
    }
}
