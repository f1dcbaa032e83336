//! What becomes of rules where nothing but prices changes.

use super::{Condition, Quantifier, Rule};

/// What a rule says of a product that costs something else than before, and is as it was otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The same as before, whatever that was.
    None,
    /// It holds now.
    Holds,
    /// It does not hold any more.
    Fails,
    /// Its other conditions decide.
    Open,
}

impl Rule {
    /// What the rule says where the lowest and the highest price were `before` and are `after`. Its conditions about prices
    /// are all that is looked at.
    pub(crate) fn turn(&self, before: (i64, i64), after: (i64, i64)) -> Turn {
        let says = |prices| {
            let mut held = self.conditions.iter().filter_map(|condition| match condition {
                Condition::Price(range) => Some(range.holds(prices)),
                _ => None,
            });
            match self.quantifier {
                Quantifier::All => held.all(|holds| holds),
                Quantifier::Any => held.any(|holds| holds),
            }
        };
        match (says(before), says(after), self.quantifier) {
            (before, after, _) if before == after => Turn::None,
            (_, true, Quantifier::Any) => Turn::Holds,
            (_, false, Quantifier::All) => Turn::Fails,
            _ => Turn::Open,
        }
    }
}
