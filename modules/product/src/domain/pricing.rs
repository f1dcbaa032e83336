//! What a variant costs: the lowest of all prices that hold for the currency, the quantity, the buyer's group and the time.
//!
//! The lowest, and not the one of some list that has priority: a buyer who is a member, buys in a sale and takes ten pays
//! what is best of the three, nobody has to keep an order of lists, and no answer depends on one. Lists therefore only ever
//! lower prices, and a variant is sold in a currency only where it has a price of its own in it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How far back the lowest price is looked for that is told beside a reduction.
pub(crate) const LOOK_BACK: TimeDelta = TimeDelta::days(30);

/// How long it is kept what something cost before: long enough for all that is told by it, and for questions about that.
pub(crate) const REMEMBERED: TimeDelta = TimeDelta::days(90);

/// A price that somebody wrote down: what one costs where at least `min_quantity` are bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Price {
    /// 1 to 999.
    pub(crate) min_quantity: i64,
    /// Minor units.
    pub(crate) amount: i64,
    /// The former or recommended price, of one.
    pub(crate) compare_at: Option<i64>,
}

/// When a price list holds: from the first end on until before the second; an end that is not there is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Window {
    pub(crate) starts_at: Option<DateTime<Utc>>,
    pub(crate) ends_at: Option<DateTime<Utc>>,
}

/// What one costs from so many on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) min_quantity: i64,
    /// Minor units.
    pub(crate) amount: i64,
}

/// What everybody is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What one costs.
    pub(crate) price: i64,
    /// What it is told to have cost before, or to cost elsewhere.
    pub(crate) compare_at: Option<i64>,
    /// What one costs from larger quantities on: each step is of a larger quantity, and cheaper.
    pub(crate) steps: Vec<Step>,
}

/// An offer and its past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) offer: Offer,
    /// The lowest price of the 30 days before the present reduction began, where there was one.
    pub(crate) lowest: Option<i64>,
    /// Since when one costs this.
    pub(crate) since: DateTime<Utc>,
}

impl Window {
    /// Whether the list holds at `now`.
    pub(crate) fn holds(&self, now: DateTime<Utc>) -> bool {
        self.starts_at.is_none_or(|start| start <= now) && self.ends_at.is_none_or(|end| now < end)
    }

    /// The next end after `now`, at which the list begins or ceases to hold.
    pub(crate) fn next_end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let ends = [self.starts_at, self.ends_at].into_iter().flatten();
        ends.filter(|end| *end > now).min()
    }
}

impl Offer {
    /// The offer of a variant that was given the prices `own`, while those of `lists` hold besides; none where it has no
    /// price of its own for a single one.
    pub(crate) fn of(own: &[Price], lists: &[Price]) -> Option<Self> {
        let base = own.iter().find(|price| price.min_quantity == 1)?;
        let reduced = lists
            .iter()
            .filter(|price| price.min_quantity == 1 && price.amount < base.amount);
        // Of two lists with the same price, the one that claims less.
        let compare_at = |price: &Price| price.compare_at.unwrap_or(base.amount);
        let best = reduced.min_by_key(|price| (price.amount, compare_at(price)));
        let (price, compare_at) = match best {
            Some(best) => (best.amount, Some(compare_at(best))),
            None => (base.amount, base.compare_at),
        };
        let mut steps = steps(own.iter().chain(lists).map(Price::step));
        steps.retain(|step| step.min_quantity > 1);
        Some(Self {
            price,
            compare_at,
            steps,
        })
    }

    /// Whether the price is told to be lower than it was.
    pub(crate) fn is_reduced(&self) -> bool {
        self.compare_at.is_some_and(|before| before > self.price)
    }

    /// What one costs from each quantity on, to somebody for whom `lists` hold besides.
    pub(crate) fn ladder(&self, lists: &[Price]) -> Vec<Step> {
        let first = Step {
            min_quantity: 1,
            amount: self.price,
        };
        steps(
            std::iter::once(first)
                .chain(self.steps.iter().copied())
                .chain(lists.iter().map(Price::step)),
        )
    }
}

impl Price {
    /// What it says of larger quantities.
    pub(crate) fn step(&self) -> Step {
        Step {
            min_quantity: self.min_quantity,
            amount: self.amount,
        }
    }
}

impl Standing {
    /// What becomes of `before` when `offer` is made at `now`; `low` is the lowest price that ended within the last 30 days.
    /// While a reduction goes on, also where it becomes a larger one, what was lowest before it began stays. One that follows
    /// a larger one is another reduction, and what was charged in the larger one was before it.
    pub(crate) fn next(before: Option<&Self>, offer: Offer, low: Option<i64>, now: DateTime<Utc>) -> Self {
        let lowest = match before {
            _ if !offer.is_reduced() => None,
            Some(before) if before.is_continued_by(&offer) => before.lowest,
            before => {
                // What was written and replaced in the same moment has never been anybody's price.
                let held = before.filter(|before| before.since < now);
                low.into_iter().chain(held.map(|before| before.offer.price)).min()
            }
        };
        let since = match before {
            None => now,
            Some(before) if before.offer.price == offer.price => before.since,
            // Two processes may disagree by a moment about what time it is.
            Some(before) => now.max(before.since),
        };
        Self { offer, lowest, since }
    }

    /// Whether the reduction goes on with `offer`, and what is told beside it with it. What was reduced when it was new had no
    /// price before, but has one when it is reduced further.
    fn is_continued_by(&self, offer: &Offer) -> bool {
        let has_past = self.lowest.is_some() || offer.price == self.offer.price;
        self.offer.is_reduced() && offer.price <= self.offer.price && has_past
    }
}

/// The lowest price of each quantity, as steps that go down: none where a smaller quantity costs as little.
pub(crate) fn steps(prices: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut lowest: BTreeMap<i64, i64> = BTreeMap::new();
    for price in prices {
        let amount = lowest.entry(price.min_quantity).or_insert(price.amount);
        *amount = (*amount).min(price.amount);
    }
    let mut steps: Vec<Step> = Vec::with_capacity(lowest.len());
    for (min_quantity, amount) in lowest {
        if steps.last().is_none_or(|last| amount < last.amount) {
            steps.push(Step { min_quantity, amount });
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn price(min_quantity: i64, amount: i64) -> Price {
        Price {
            min_quantity,
            amount,
            compare_at: None,
        }
    }

    fn prices() -> impl Strategy<Value = Vec<Price>> {
        let price = (1..=12_i64, 0..=50_i64, proptest::option::of(0..=80_i64));
        let price = price.prop_map(|(min_quantity, amount, compare_at)| Price {
            min_quantity,
            amount,
            compare_at: compare_at.filter(|_| min_quantity == 1),
        });
        proptest::collection::vec(price, 0..12)
    }

    /// What a buyer of `quantity` pays for one.
    fn paid(steps: &[Step], quantity: i64) -> Option<i64> {
        let held = steps.iter().filter(|step| step.min_quantity <= quantity);
        held.max_by_key(|step| step.min_quantity).map(|step| step.amount)
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn offer(price: i64, compare_at: Option<i64>) -> Offer {
        Offer {
            price,
            compare_at,
            steps: Vec::new(),
        }
    }

    proptest! {
        #[test]
        fn a_buyer_pays_the_lowest_price_that_holds(base in 0..=50_i64, own in prices(), lists in prices(), group in prices(), quantity in 1..=15_i64) {
            let mut own: Vec<Price> = own.into_iter().filter(|price| price.min_quantity > 1).collect();
            own.push(price(1, base));
            let offer = Offer::of(&own, &lists).unwrap();
            let all = own.iter().chain(&lists).chain(&group);
            let lowest = all.filter(|price| price.min_quantity <= quantity).map(|price| price.amount).min();
            prop_assert_eq!(paid(&offer.ladder(&group), quantity), lowest);
            prop_assert_eq!(Some(offer.price), paid(&offer.ladder(&[]), 1));
        }

        #[test]
        fn the_order_of_lists_does_not_matter(own in prices(), lists in prices()) {
            let mut turned = lists.clone();
            turned.reverse();
            prop_assert_eq!(Offer::of(&own[..own.len().min(1)], &lists), Offer::of(&own[..own.len().min(1)], &turned));
        }

        #[test]
        fn buying_more_never_costs_more_apiece(prices in prices()) {
            let steps = steps(prices.iter().map(Price::step));
            prop_assert!(steps.windows(2).all(|pair| pair[0].min_quantity < pair[1].min_quantity && pair[0].amount > pair[1].amount));
        }

        #[test]
        fn what_lists_offer_is_never_dearer_and_never_sold_without_a_price_of_its_own(base in 0..=50_i64, lists in prices()) {
            prop_assert_eq!(Offer::of(&[], &lists), None);
            let offer = Offer::of(&[price(1, base)], &lists).unwrap();
            prop_assert!(offer.price <= base);
            prop_assert!(offer.price == base || offer.compare_at.is_some());
        }

        #[test]
        fn a_window_holds_between_its_ends(start in proptest::option::of(0..20_i64), length in 1..20_i64, now in 0..60_i64) {
            let window = Window { starts_at: start.map(at), ends_at: Some(at(start.unwrap_or(0) + length)) };
            let begins = start.unwrap_or(i64::MIN);
            prop_assert_eq!(window.holds(at(now)), begins <= now && now < start.unwrap_or(0) + length);
            if let Some(end) = window.next_end(at(now)) {
                prop_assert_ne!(window.holds(end), window.holds(end - TimeDelta::seconds(1)));
            }
        }

        #[test]
        fn the_lowest_price_is_what_a_look_at_all_prices_of_before_tells(
            changes in proptest::collection::vec((1..20_i64, 1..=4_i64, proptest::option::of(1..=5_i64)), 1..12),
        ) {
            let (mut now, mut made, mut ended) = (at(0), Vec::new(), Vec::new());
            let mut standing: Option<Standing> = None;
            for (days, price, compare_at) in changes {
                now += TimeDelta::days(days);
                let late = ended.iter().filter(|(_, until)| *until > now - LOOK_BACK);
                let low = late.map(|(price, _)| *price).min();
                let next = Standing::next(standing.as_ref(), offer(price, compare_at), low, now);
                if let Some(before) = standing.filter(|before| before.offer.price != price) {
                    ended.push((before.offer.price, now));
                }
                made.push((now, offer(price, compare_at)));
                prop_assert_eq!(next.lowest, lowest_before(&made), "{:?}", made);
                standing = Some(next);
            }
        }
    }

    /// What is to be told beside the last of these offers: the lowest of all prices that held in the 30 days before its
    /// reduction began, or was first made a larger one where there had been no price before.
    fn lowest_before(made: &[(DateTime<Utc>, Offer)]) -> Option<i64> {
        let is_begun_before =
            |pair: &[(DateTime<Utc>, Offer)]| pair[0].1.is_reduced() && pair[1].1.price <= pair[0].1.price;
        if !made.last()?.1.is_reduced() {
            return None;
        }
        let begun = made
            .windows(2)
            .rposition(|pair| !is_begun_before(pair))
            .map_or(0, |place| place + 1);
        let is_lowered = |place: &usize| *place == begun || made[*place].1.price < made[*place - 1].1.price;
        let low = |place: usize| {
            let held = made[..=place]
                .windows(2)
                .filter(|pair| pair[1].0 > made[place].0 - LOOK_BACK);
            held.map(|pair| pair[0].1.price).min()
        };
        (begun..made.len()).filter(is_lowered).find_map(low)
    }

    #[test]
    fn a_sale_is_compared_with_the_price_before_unless_it_says_otherwise() {
        let own = [Price {
            compare_at: Some(1500),
            ..price(1, 1000)
        }];
        assert_eq!(Offer::of(&own, &[price(1, 800)]), Some(offer(800, Some(1000))));
        let claimed = Price {
            compare_at: Some(1200),
            ..price(1, 800)
        };
        assert_eq!(Offer::of(&own, &[claimed]), Some(offer(800, Some(1200))));
        assert_eq!(Offer::of(&own, &[claimed, price(1, 800)]), Some(offer(800, Some(1000))));
        assert_eq!(Offer::of(&own, &[price(1, 1000)]), Some(offer(1000, Some(1500))));
    }

    #[test]
    fn the_lowest_price_is_that_of_before_the_reduction_began_and_stays_while_it_goes_on() {
        let first = Standing::next(None, offer(1000, None), None, at(0));
        assert_eq!((first.lowest, first.since), (None, at(0)));
        let reduced = Standing::next(Some(&first), offer(800, Some(1000)), Some(900), at(5));
        assert_eq!((reduced.lowest, reduced.since), (Some(900), at(5)));
        let further = Standing::next(Some(&reduced), offer(700, Some(1000)), Some(800), at(6));
        assert_eq!((further.lowest, further.since), (Some(900), at(6)));
        let same = Standing::next(Some(&further), offer(700, Some(1100)), None, at(7));
        assert_eq!((same.lowest, same.since), (Some(900), at(6)));
        let over = Standing::next(Some(&same), offer(1000, None), Some(700), at(8));
        assert_eq!(over.lowest, None);
        let again = Standing::next(Some(&over), offer(950, Some(1000)), Some(700), at(9));
        assert_eq!(again.lowest, Some(700));
        let announced = Standing::next(Some(&first), offer(1000, Some(1200)), None, at(9));
        assert_eq!((announced.lowest, announced.since), (Some(1000), at(0)));
    }

    #[test]
    fn a_reduction_that_follows_a_larger_one_is_compared_with_that() {
        let first = Standing::next(None, offer(1000, None), None, at(0));
        let large = Standing::next(Some(&first), offer(600, Some(1000)), None, at(5));
        let small = Standing::next(Some(&large), offer(900, Some(1000)), Some(1000), at(6));
        assert_eq!((large.lowest, small.lowest), (Some(1000), Some(600)));
    }

    #[test]
    fn what_was_reduced_when_it_was_new_has_a_lowest_price_once_it_is_reduced_further() {
        let new = Standing::next(None, offer(800, Some(1000)), None, at(0));
        let same = Standing::next(Some(&new), offer(800, Some(1100)), None, at(5));
        assert_eq!((new.lowest, same.lowest), (None, None));
        let sale = Standing::next(Some(&same), offer(600, Some(800)), None, at(6));
        assert_eq!((sale.lowest, sale.since), (Some(800), at(6)));
    }
}
