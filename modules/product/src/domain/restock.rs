//! What comes back of an order that was sold.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::allocation::Part;

/// What an order has taken of a variant at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sold {
    pub(crate) variant: Uuid,
    pub(crate) location: Uuid,
    pub(crate) quantity: i64,
    /// How many of those have come back already.
    pub(crate) returned: i64,
}

impl Sold {
    fn is_out(&self) -> i64 {
        self.quantity - self.returned
    }
}

/// Where `demands` go back to: to where they were taken from, in the order of `sold`. Refused with the first variant of which
/// the order has taken fewer.
pub(crate) fn give_back(sold: &[Sold], demands: &BTreeMap<Uuid, i64>) -> Result<Vec<Part>, Uuid> {
    let mut parts = Vec::new();
    for (variant, quantity) in demands {
        let mut left = *quantity;
        for line in sold.iter().filter(|line| line.variant == *variant) {
            let quantity = left.min(line.is_out());
            if quantity > 0 {
                left -= quantity;
                parts.push(Part {
                    variant: *variant,
                    location: line.location,
                    quantity,
                });
            }
        }
        if left > 0 {
            return Err(*variant);
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_of_what_is_asked_for_goes_back_and_no_place_gets_more_than_it_gave(
            taken in prop::collection::vec((0..3_u128, 0..3_u128, 1..9_i64, 0..9_i64), 0..8),
            wanted in prop::collection::btree_map(0..3_u128, 1..20_i64, 0..3),
        ) {
            let mut places = BTreeMap::new();
            for (variant, location, quantity, returned) in taken {
                places.insert((Uuid::from_u128(variant), Uuid::from_u128(location)), (quantity, returned.min(quantity)));
            }
            let sold: Vec<Sold> = places.iter().map(|((variant, location), (quantity, returned))| Sold {
                variant: *variant, location: *location, quantity: *quantity, returned: *returned,
            }).collect();
            let wanted: BTreeMap<Uuid, i64> = wanted.into_iter().map(|(id, count)| (Uuid::from_u128(id), count)).collect();
            let out = |variant: &Uuid| sold.iter().filter(|line| line.variant == *variant).map(Sold::is_out).sum::<i64>();
            match give_back(&sold, &wanted) {
                Ok(parts) => {
                    for (variant, quantity) in &wanted {
                        let back: i64 = parts.iter().filter(|part| part.variant == *variant).map(|part| part.quantity).sum();
                        prop_assert_eq!(back, *quantity);
                    }
                    for part in parts {
                        let (quantity, returned) = places[&(part.variant, part.location)];
                        prop_assert!(part.quantity > 0 && part.quantity <= quantity - returned);
                    }
                }
                Err(variant) => prop_assert!(out(&variant) < wanted[&variant]),
            }
        }
    }
}
