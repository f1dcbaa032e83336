//! Where staff have put products of a list that is sorted by relevance.

use uuid::Uuid;

/// Ranks of products that staff have put nowhere are less than this, by far.
const BAND: u64 = 1 << 48;

/// Where a product stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Before all others; 0 is the first.
    Pinned(u64),
    /// Before those that staff have put nowhere.
    Boosted,
    /// After all others.
    Buried,
}

/// The products of a list that staff have put somewhere, by their ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Places(Vec<(Uuid, Place)>);

impl Places {
    /// Each product once: what is said of it first counts. Pinned ones are in their order.
    pub(super) fn new(places: impl IntoIterator<Item = (Uuid, Place)>) -> Self {
        let mut kept: Vec<(Uuid, Place)> = places.into_iter().collect();
        // Stable: of equal ids the first stays first.
        kept.sort_by_key(|(id, _)| *id);
        kept.dedup_by_key(|(id, _)| *id);
        Self(kept)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Products that are shown whatever they say.
    pub(super) fn pinned(&self) -> impl Iterator<Item = Uuid> {
        let pinned = self.0.iter().filter(|(_, place)| matches!(place, Place::Pinned(_)));
        pinned.map(|(id, _)| *id)
    }

    /// The rank of a product within the list, by what its text makes of it: more is earlier.
    pub(super) fn rank(&self, id: Uuid, rank: u64) -> u64 {
        if self.is_empty() {
            return rank;
        }
        let rank = rank.min(BAND - 1);
        let known = self.0.binary_search_by_key(&id, |(id, _)| *id);
        match known.ok().and_then(|index| self.0.get(index)) {
            Some((_, Place::Pinned(number))) => 4 * BAND - 1 - number.min(&(BAND - 1)),
            Some((_, Place::Boosted)) => 2 * BAND + rank,
            None => BAND + rank,
            Some((_, Place::Buried)) => rank,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_first_of_a_product_counts() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let places = [(other, Place::Buried), (one, Place::Pinned(0)), (other, Place::Boosted)];
        let places = Places::new(places);
        assert_eq!(places.pinned().collect::<Vec<_>>(), [one]);
        assert_eq!(places.rank(other, 7), 7);
    }

    proptest! {
        #[test]
        fn pinned_come_before_boosted_before_others_before_buried(ranks in prop::array::uniform5(0..u64::MAX / 2)) {
            let id = Uuid::from_u128;
            let places = Places::new([
                (id(1), Place::Pinned(0)),
                (id(2), Place::Pinned(1)),
                (id(3), Place::Boosted),
                (id(5), Place::Buried),
            ]);
            let ranked: Vec<u64> = (1..6).zip(ranks).map(|(number, rank)| places.rank(id(number), rank)).collect();
            prop_assert!(ranked.windows(2).all(|pair| pair[0] > pair[1]), "{ranked:?}");
        }

        #[test]
        fn where_nothing_is_said_ranks_are_as_they_were(rank: u64, id: u128) {
            prop_assert_eq!(Places::default().rank(Uuid::from_u128(id), rank), rank);
        }
    }
}
