//! What promotions take off, one after the other.

use kernel::Money;
use kernel::money::MoneyError;

use crate::basket::{Basket, Line, Offered, PromotionOutcome, WhyNot};
use crate::percent::{Percent, share};
use crate::promotion::{Action, Promotion, Selection, amount_in};
use crate::shipping::Parcel;

/// What is left to pay of lines and shipping, and how that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Discounted {
    /// Of each line, in the lines' order.
    pub(crate) lines: Vec<i64>,
    /// Of shipping.
    pub(crate) shipping: i64,
    /// What shipping costs before promotions; `None` where nothing is chosen, or the goods are not sent so.
    pub(crate) delivery: Option<i64>,
    /// What each promotion took off each line, and off shipping, in the order in which they were applied.
    pub(crate) applied: Vec<Applied>,
    /// All that were offered, by their order.
    pub(crate) outcomes: Vec<PromotionOutcome>,
}

/// What a promotion took off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Which one of those that were offered.
    pub offered: usize,
    /// Off each line.
    pub lines: Vec<i64>,
    /// Off shipping.
    pub shipping: i64,
}

impl Applied {
    /// All of it.
    pub fn amount(&self) -> i64 {
        self.lines.iter().sum::<i64>() + self.shipping
    }
}

/// Applies the promotions of `basket` to lines that cost `subtotals`, each to what the ones before have left: first those on
/// goods, then those on shipping, which costs what it costs for the goods as they then are; of each kind those with a higher
/// priority first. `lines` are in an order that does not depend on when they were added.
pub(crate) fn discount(basket: &Basket<'_>, lines: &[Line<'_>], subtotals: &[i64]) -> Result<Discounted, MoneyError> {
    let mut left = Discounted {
        lines: subtotals.to_vec(),
        shipping: 0,
        delivery: None,
        applied: Vec::new(),
        outcomes: Vec::with_capacity(basket.promotions.len()),
    };
    let mut order: Vec<usize> = (0..basket.promotions.len()).collect();
    order.sort_by_key(|index| {
        let promotion = &basket.promotions[*index].promotion;
        (-i64::from(promotion.priority), promotion.id)
    });
    let (of_goods, of_shipping): (Vec<usize>, Vec<usize>) = order
        .into_iter()
        .partition(|index| basket.promotions[*index].promotion.terms.action.is_for_lines());
    apply(basket, lines, subtotals, &of_goods, &mut left)?;
    left.delivery = delivery(basket, lines, &left.lines);
    left.shipping = left.delivery.unwrap_or(0);
    apply(basket, lines, subtotals, &of_shipping, &mut left)?;
    Ok(left)
}

/// What is sent, once promotions on goods have taken off what they do; no carrier was asked.
pub(crate) fn parcel(basket: &Basket<'_>, lines: &[Line<'_>], subtotals: &[i64]) -> Result<Parcel, MoneyError> {
    let without_delivery = Basket {
        delivery: None,
        ..basket.clone()
    };
    let left = discount(&without_delivery, lines, subtotals)?;
    Ok(parcel_of(basket, lines, &left.lines))
}

fn delivery(basket: &Basket<'_>, lines: &[Line<'_>], left: &[i64]) -> Option<i64> {
    let delivery = basket.delivery.as_ref()?;
    let quoted = delivery.quoted;
    let parcel = parcel_of(basket, lines, left);
    delivery.method.terms.price(Parcel { quoted, ..parcel })
}

fn parcel_of(basket: &Basket<'_>, lines: &[Line<'_>], left: &[i64]) -> Parcel {
    let sent = lines.iter().zip(left).filter(|(line, _)| line.traits.requires_shipping);
    let (grams, subtotal) = sent.fold((0_i64, 0_i64), |(grams, subtotal), (line, left)| {
        let weight = line.traits.weight_grams.saturating_mul(line.quantity);
        (grams.saturating_add(weight), subtotal + left)
    });
    Parcel {
        currency: basket.currency,
        subtotal,
        grams,
        quoted: None,
    }
}

fn apply(
    basket: &Basket<'_>,
    lines: &[Line<'_>],
    subtotals: &[i64],
    order: &[usize],
    left: &mut Discounted,
) -> Result<(), MoneyError> {
    for index in order {
        let offered = &basket.promotions[*index];
        let round = Round {
            basket,
            lines,
            subtotals,
            left,
        };
        let result = match round.is_combined(offered) {
            Ok(()) => round.applied(*index, offered)?,
            Err(why) => Err(why),
        };
        left.outcomes.push(PromotionOutcome {
            promotion: offered.promotion.id,
            result: result.as_ref().map(Applied::amount).map_err(|why| *why),
        });
        if let Ok(applied) = result {
            for (left, taken) in left.lines.iter_mut().zip(&applied.lines) {
                *left -= taken;
            }
            left.shipping -= applied.shipping;
            left.applied.push(applied);
        }
    }
    Ok(())
}

/// The state in which one promotion is looked at.
struct Round<'a> {
    basket: &'a Basket<'a>,
    lines: &'a [Line<'a>],
    subtotals: &'a [i64],
    left: &'a Discounted,
}

impl Round<'_> {
    fn is_combined(&self, offered: &Offered) -> Result<(), WhyNot> {
        let mut before = self
            .left
            .applied
            .iter()
            .map(|applied| &self.basket.promotions[applied.offered].promotion);
        match before.next() {
            None => Ok(()),
            // One that is not combined is alone.
            Some(other) if other.exclusive => Err(WhyNot::ExcludedByOther),
            Some(_) if offered.promotion.exclusive => Err(WhyNot::Exclusive),
            Some(_) => Ok(()),
        }
    }

    /// What a promotion takes off, or why it takes off nothing.
    fn applied(&self, index: usize, offered: &Offered) -> Result<Result<Applied, WhyNot>, MoneyError> {
        let promotion = &offered.promotion;
        let chosen = match self.chosen(offered) {
            Ok(chosen) => chosen,
            Err(why) => return Ok(Err(why)),
        };
        let mut lines = vec![0; self.lines.len()];
        let mut shipping = 0;
        let outcome = match promotion.terms.action.is_for_lines() {
            true => self.off_lines(promotion, &chosen, &mut lines)?,
            false => self.off_shipping(promotion).map(|amount| shipping = amount),
        };
        let applied = Applied {
            offered: index,
            lines,
            shipping,
        };
        Ok(match outcome {
            Err(why) => Err(why),
            Ok(()) if applied.amount() == 0 => Err(WhyNot::NothingToTakeOff),
            Ok(())
                if offered
                    .allowance
                    .budget_left
                    .is_some_and(|left| left < applied.amount()) =>
            {
                Err(WhyNot::BudgetSpent)
            }
            Ok(()) => Ok(applied),
        })
    }

    /// The selected lines, where all conditions hold.
    fn chosen(&self, offered: &Offered) -> Result<Vec<usize>, WhyNot> {
        let Promotion {
            starts_at,
            ends_at,
            terms,
            ..
        } = &*offered.promotion;
        let (conditions, basket) = (&terms.conditions, self.basket);
        let require = |holds: bool, why: WhyNot| if holds { Ok(()) } else { Err(why) };
        require(starts_at.is_none_or(|start| start <= basket.now), WhyNot::NotYet)?;
        require(ends_at.is_none_or(|end| basket.now < end), WhyNot::NoLonger)?;
        require(!offered.allowance.is_used_up, WhyNot::UsedUp)?;
        require(!offered.allowance.is_used_up_by_buyer, WhyNot::UsedUpByBuyer)?;
        let is_of_group =
            |groups: &[_]| groups.is_empty() || basket.buyer.group.is_some_and(|own| groups.contains(&own));
        require(is_of_group(&conditions.customer_groups), WhyNot::OtherGroup)?;
        let is_first = basket.buyer.is_signed_in && !basket.buyer.has_ordered;
        require(!conditions.first_order || is_first, WhyNot::NotFirstOrder)?;
        let countries = &conditions.countries;
        let goes_there = countries.is_empty() || basket.country.is_some_and(|country| countries.contains(&country));
        require(goes_there, WhyNot::OtherCountry)?;
        let chosen = self.selected(&terms.items);
        require(!chosen.is_empty(), WhyNot::NoSuchItems)?;
        if !conditions.subtotal_at_least.is_empty() {
            let least = amount_in(&conditions.subtotal_at_least, basket.currency).ok_or(WhyNot::OtherCurrency)?;
            let subtotal: i64 = chosen.iter().map(|line| self.subtotals[*line]).sum();
            require(subtotal >= least, WhyNot::SubtotalTooLow)?;
        }
        let pieces: i64 = chosen.iter().map(|line| self.lines[*line].quantity).sum();
        require(
            conditions.quantity_at_least.is_none_or(|least| pieces >= least),
            WhyNot::TooFewPieces,
        )?;
        Ok(chosen)
    }

    fn selected(&self, selection: &Selection) -> Vec<usize> {
        let lines = self.lines.iter().enumerate();
        lines
            .filter(|(_, line)| selection.has(line))
            .map(|(index, _)| index)
            .collect()
    }

    fn off_shipping(&self, promotion: &Promotion) -> Result<i64, WhyNot> {
        let Action::FreeShipping { at_most } = &promotion.terms.action else {
            return Ok(0);
        };
        let most = self.limit(at_most)?;
        Ok(most.map_or(self.left.shipping, |most| self.left.shipping.min(most)))
    }

    /// The largest amount in the basket's currency; `None` where there is no limit at all.
    fn limit(&self, at_most: &[Money]) -> Result<Option<i64>, WhyNot> {
        match at_most {
            [] => Ok(None),
            amounts => self.amount(amounts).map(Some),
        }
    }

    fn amount(&self, amounts: &[Money]) -> Result<i64, WhyNot> {
        amount_in(amounts, self.basket.currency).ok_or(WhyNot::OtherCurrency)
    }

    fn off_lines(
        &self,
        promotion: &Promotion,
        chosen: &[usize],
        off: &mut [i64],
    ) -> Result<Result<(), WhyNot>, MoneyError> {
        let together: i64 = chosen.iter().map(|line| self.left.lines[*line]).sum();
        let spread = |amount: i64, off: &mut [i64]| self.spread(amount.min(together), chosen, off);
        let each = |amount_off: &dyn Fn(usize) -> i64, off: &mut [i64]| {
            for line in chosen {
                off[*line] = amount_off(*line).clamp(0, self.left.lines[*line]);
            }
        };
        let quantity = |line: usize| self.lines[line].quantity;
        match &promotion.terms.action {
            Action::Percentage { percent, at_most } => match self.limit(at_most) {
                Ok(most) => {
                    let amount = percent.of(together);
                    spread(most.map_or(amount, |most| amount.min(most)), off)?;
                }
                Err(why) => return Ok(Err(why)),
            },
            Action::FixedAmount { amounts } => match self.amount(amounts) {
                Ok(amount) => spread(amount, off)?,
                Err(why) => return Ok(Err(why)),
            },
            Action::FixedAmountEach { amounts } => match self.amount(amounts) {
                Ok(amount) => each(&|line| amount.saturating_mul(quantity(line)), off),
                Err(why) => return Ok(Err(why)),
            },
            Action::FixedPrice { amounts } => match self.amount(amounts) {
                Ok(price) => each(
                    &|line| self.left.lines[line] - price.saturating_mul(quantity(line)),
                    off,
                ),
                Err(why) => return Ok(Err(why)),
            },
            Action::FreeShipping { .. } => (),
            Action::BuyGet {
                buy,
                get,
                of,
                percent,
                times,
            } => {
                let offer = BuyGet {
                    buy: *buy,
                    get: *get,
                    times: *times,
                };
                let got = of.as_ref().map_or_else(|| chosen.to_vec(), |of| self.selected(of));
                let Some(pieces) = self.got(&offer, chosen, &got) else {
                    return Ok(Err(WhyNot::TooFewPieces));
                };
                for (line, count) in pieces {
                    off[line] = self.part_of_line(line, count, *percent);
                }
            }
        }
        Ok(Ok(()))
    }

    /// Spreads an amount over lines in proportion to what is left of them.
    fn spread(&self, amount: i64, chosen: &[usize], off: &mut [i64]) -> Result<(), MoneyError> {
        let weights: Vec<i64> = chosen.iter().map(|line| self.left.lines[*line]).collect();
        let parts = Money::new(amount, self.basket.currency).allocate(&weights)?;
        for (line, part) in chosen.iter().zip(parts) {
            off[*line] = part.amount;
        }
        Ok(())
    }

    /// So many percent of what so many pieces of a line still cost, rounded once.
    fn part_of_line(&self, line: usize, count: i64, percent: Percent) -> i64 {
        let whole = self.lines[line].quantity * Percent::WHOLE.millionths();
        share(self.left.lines[line], count * percent.millionths(), whole)
    }

    /// How many pieces of which lines are got; `None` where too few are bought.
    fn got(&self, offer: &BuyGet, bought: &[usize], got: &[usize]) -> Option<Vec<(usize, i64)>> {
        let quantity = |line: &usize| self.lines[*line].quantity;
        let is_both = |line: &usize| bought.contains(line) && got.contains(line);
        let only_bought: i64 = bought.iter().filter(|line| !is_both(line)).map(quantity).sum();
        let only_got: i64 = got.iter().filter(|line| !is_both(line)).map(quantity).sum();
        let both: i64 = bought.iter().filter(|line| is_both(line)).map(quantity).sum();
        let times = offer.times(only_bought, only_got, both);
        if times == 0 {
            return None;
        }
        let mut wanted = times * offer.get;
        // The others of those that can be both are needed to be bought.
        let mut of_both = both - (times * offer.buy - only_bought).max(0);
        let mut lines = got.to_vec();
        // By what one still costs: a fraction each, compared crosswise.
        lines.sort_by(|one, other| {
            let cost = |line: usize, by: usize| i128::from(self.left.lines[line]) * i128::from(self.lines[by].quantity);
            cost(*one, *other).cmp(&cost(*other, *one)).then(one.cmp(other))
        });
        let mut pieces = Vec::new();
        for line in lines {
            let mut count = quantity(&line).min(wanted);
            if is_both(&line) {
                count = count.min(of_both);
                of_both -= count;
            }
            if count > 0 {
                wanted -= count;
                pieces.push((line, count));
            }
        }
        Some(pieces)
    }
}

struct BuyGet {
    buy: i64,
    get: i64,
    times: Option<i64>,
}

impl BuyGet {
    /// How many times it is given where so many pieces can only be bought, only be got, or either.
    fn times(&self, only_bought: i64, only_got: i64, both: i64) -> i64 {
        let is_enough = |times: i64| {
            let taken = (times * self.get - only_got).max(0);
            taken <= both && times * self.buy <= only_bought + both - taken
        };
        // More cannot be: each time needs a piece that is bought.
        let (mut few, mut many) = (0, only_bought + both + 1);
        while many - few > 1 {
            let middle = few + (many - few) / 2;
            if is_enough(middle) { few = middle } else { many = middle }
        }
        self.times.map_or(few, |most| few.min(most))
    }
}
