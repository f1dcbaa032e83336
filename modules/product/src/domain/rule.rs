//! Rules that fill collections: a few conditions on products, all or any of which have to hold. What a rule says is
//! carried out in two places, which agree: here for products that are being written, and by the database's `rule_holds`
//! for whole catalogues.

mod stored;
mod turn;

use chrono::NaiveDate;
use kernel::FieldErrors;
use kernel::id::{CategoryId, ProductTypeId};
use kernel::money::MAX_AMOUNT;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::attributes::{AttributeValue, Attributes};
use super::listing::{Listing, Name, Tag};

pub(crate) use stored::StoredRule;
pub(crate) use turn::Turn;

/// The most conditions of a rule.
const MAX_CONDITIONS: usize = 20;
/// The most alternatives of a condition.
const MAX_ALTERNATIVES: usize = 100;
/// The longest time since a release, in days.
const MAX_DAYS: u32 = 3_650;

/// Which products belong to a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    #[serde(rename = "match")]
    pub(crate) quantifier: Quantifier,
    /// 1 to 20.
    pub(crate) conditions: Vec<Condition>,
}

/// How many of the conditions have to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Quantifier {
    /// Every one.
    All,
    /// At least one.
    Any,
}

/// What has to hold for a product: an object with one of these members. Lists have 1 to 100 alternatives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Condition {
    /// Its brand is one of these.
    #[schema(value_type = Vec<String>)]
    Brand(Vec<Name>),
    /// It is in one of these categories, or anywhere below.
    Category(Vec<CategoryId>),
    /// It has one of these tags.
    #[schema(value_type = Vec<String>)]
    Tag(Vec<Tag>),
    /// It is of one of these types.
    ProductType(Vec<ProductTypeId>),
    /// An attribute of it compares so.
    Attribute(AttributeCondition),
    /// One of its prices may be in this range.
    Price(PriceCondition),
    /// It was released today or at most so many days ago, today being the first; 1 to 3650.
    ReleasedWithinDays(u32),
}

/// How an attribute has to compare.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttributeCondition {
    #[schema(value_type = String)]
    pub(crate) name: Name,
    pub(crate) operator: Operator,
    /// A number for `greater` and `less`.
    pub(crate) value: AttributeValue,
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operator {
    /// The attribute is the value.
    Equals,
    /// The attribute is a greater number.
    Greater,
    /// The attribute is a smaller number.
    Less,
}

/// A range of prices in minor units of the shop's currency, ends included. One end may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceCondition {
    #[serde(default)]
    pub(crate) min: Option<i64>,
    #[serde(default)]
    pub(crate) max: Option<i64>,
}

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) listing: &'a Listing,
    /// From the root to the category of the product.
    pub(crate) ancestors: &'a [Uuid],
    /// The lowest and the highest price that hold.
    pub(crate) prices: (i64, i64),
}

impl Rule {
    /// Checks the rule; errors are told under `/rule`.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        match self.conditions.len() {
            0 => errors.add("/rule/conditions", "required", "a rule has at least one condition"),
            count if count > MAX_CONDITIONS => {
                errors.add("/rule/conditions", "too_many", format!("at most {MAX_CONDITIONS}"));
            }
            _ => (),
        }
        for (index, condition) in self.conditions.iter().enumerate() {
            condition.check(&mut errors, &format!("/rule/conditions/{index}"));
        }
        errors.into_result()
    }

    /// Whether the product belongs to the collection on the day `today`.
    pub(crate) fn holds(&self, facts: Facts<'_>, today: NaiveDate) -> bool {
        let mut conditions = self.conditions.iter();
        match self.quantifier {
            Quantifier::All => conditions.all(|condition| condition.holds(facts, today)),
            Quantifier::Any => conditions.any(|condition| condition.holds(facts, today)),
        }
    }

    /// Whether time alone changes what the rule holds for.
    pub(crate) fn depends_on_date(&self) -> bool {
        let is_date = |condition: &Condition| matches!(condition, Condition::ReleasedWithinDays(_));
        self.conditions.iter().any(is_date)
    }
}

impl Condition {
    fn holds(&self, facts: Facts<'_>, today: NaiveDate) -> bool {
        let listing = facts.listing;
        match self {
            Self::Brand(brands) => {
                let own = listing.brand.as_deref();
                brands.iter().any(|brand| own == Some(brand.as_str()))
            }
            Self::Category(categories) => categories
                .iter()
                .any(|category| facts.ancestors.contains(&category.uuid())),
            Self::Tag(tags) => tags
                .iter()
                .any(|tag| listing.tags.iter().any(|own| own == tag.as_str())),
            Self::ProductType(types) => {
                let own = listing.merchandising.product_type;
                types.iter().any(|wanted| own == Some(wanted.uuid()))
            }
            Self::Attribute(condition) => condition.holds(&listing.attributes),
            Self::Price(range) => range.holds(facts.prices),
            Self::ReleasedWithinDays(days) => {
                let age = today.signed_duration_since(listing.released_on).num_days();
                (0..i64::from(*days)).contains(&age)
            }
        }
    }

    fn check(&self, errors: &mut FieldErrors, pointer: &str) {
        let mut count = |name: &str, count: usize| match count {
            0 => errors.add(format!("{pointer}/{name}"), "required", "at least one"),
            count if count > MAX_ALTERNATIVES => {
                errors.add(
                    format!("{pointer}/{name}"),
                    "too_many",
                    format!("at most {MAX_ALTERNATIVES}"),
                );
            }
            _ => (),
        };
        match self {
            Self::Brand(values) => count("brand", values.len()),
            Self::Category(values) => count("category", values.len()),
            Self::Tag(values) => count("tag", values.len()),
            Self::ProductType(values) => count("product_type", values.len()),
            Self::Attribute(condition) => condition.check(errors, &format!("{pointer}/attribute")),
            Self::Price(range) => range.check(errors, &format!("{pointer}/price")),
            Self::ReleasedWithinDays(days) if !(1..=MAX_DAYS).contains(days) => {
                let detail = format!("must be from 1 to {MAX_DAYS}");
                errors.add(format!("{pointer}/released_within_days"), "out_of_range", detail);
            }
            Self::ReleasedWithinDays(_) => (),
        }
    }
}

impl AttributeCondition {
    fn holds(&self, attributes: &Attributes) -> bool {
        let Some(own) = attributes.get(self.name.as_str()) else {
            return false;
        };
        match (own, &self.value) {
            (AttributeValue::Number(own), AttributeValue::Number(value)) => {
                let (Some(own), Some(value)) = (own.as_f64(), value.as_f64()) else {
                    return false;
                };
                match self.operator {
                    Operator::Equals => own == value,
                    Operator::Greater => own > value,
                    Operator::Less => own < value,
                }
            }
            (own, value) => self.operator == Operator::Equals && own == value,
        }
    }

    fn check(&self, errors: &mut FieldErrors, pointer: &str) {
        if self.operator != Operator::Equals && !matches!(self.value, AttributeValue::Number(_)) {
            errors.add(
                format!("{pointer}/value"),
                "wrong_kind",
                "only numbers are greater or less",
            );
        }
    }
}

impl PriceCondition {
    /// Whether something from the lowest to the highest price of a product is in the range.
    fn holds(self, (lowest, highest): (i64, i64)) -> bool {
        self.min.is_none_or(|least| highest >= least) && self.max.is_none_or(|most| lowest <= most)
    }

    fn check(self, errors: &mut FieldErrors, pointer: &str) {
        for (name, end) in [("min", self.min), ("max", self.max)] {
            if end.is_some_and(|end| !(0..=MAX_AMOUNT).contains(&end)) {
                errors.add(
                    format!("{pointer}/{name}"),
                    "out_of_range",
                    format!("must be from 0 to {MAX_AMOUNT}"),
                );
            }
        }
        match (self.min, self.max) {
            (None, None) => errors.add(pointer, "required", "min or max"),
            (Some(min), Some(max)) if min > max => {
                errors.add(format!("{pointer}/max"), "out_of_range", "must not be less than min");
            }
            _ => (),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listing::tests::{listing, variant};
    use proptest::prelude::*;

    const CONDITIONS: [&str; 8] = [
        r#"{"brand":["Ours","Theirs"]}"#,
        r#"{"tag":["new"]}"#,
        r#"{"category":["category_00000000000000000000000001"]}"#,
        r#"{"attribute":{"name":"cores","operator":"greater","value":4}}"#,
        r#"{"attribute":{"name":"cores","operator":"less","value":4.5}}"#,
        r#"{"attribute":{"name":"colour","operator":"equals","value":"Red"}}"#,
        r#"{"price":{"min":100,"max":200}}"#,
        r#"{"released_within_days":7}"#,
    ];

    fn rule(quantifier: &str, conditions: &[&str]) -> Rule {
        serde_json::from_str(&format!(
            r#"{{"match":"{quantifier}","conditions":[{}]}}"#,
            conditions.join(",")
        ))
        .unwrap()
    }

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, 8).unwrap()
    }

    fn shirt() -> Listing {
        let mut shirt = listing(vec![variant(&[("Size", "S")], 90), variant(&[("Size", "M")], 110)]);
        shirt.brand = Some("Ours".into());
        shirt.tags = vec!["new".into()];
        shirt.attributes = serde_json::from_str(r#"{"cores":4.0,"colour":"Red","8":"8"}"#).unwrap();
        shirt
    }

    fn holds(rule: &Rule, listing: &Listing) -> bool {
        let ancestors = [Uuid::from_u128(9), Uuid::from_u128(1)];
        let facts = Facts {
            listing,
            ancestors: &ancestors,
            prices: listing.price_range(),
        };
        rule.holds(facts, today())
    }

    #[test]
    fn each_condition_looks_at_its_own_field() {
        // The shirt is from the 2nd: on the 8th that is the seventh day.
        let held: Vec<bool> = CONDITIONS
            .iter()
            .map(|condition| holds(&rule("all", &[condition]), &shirt()))
            .collect();
        assert_eq!(held, [true, true, true, false, true, true, true, true]);
        for other in [
            r#"{"brand":["Their"]}"#,
            r#"{"tag":["New"]}"#,
            r#"{"category":["category_00000000000000000000000002"]}"#,
            r#"{"attribute":{"name":"8","operator":"equals","value":8}}"#,
            r#"{"attribute":{"name":"none","operator":"less","value":8}}"#,
            r#"{"attribute":{"name":"colour","operator":"less","value":8}}"#,
            r#"{"price":{"min":111}}"#,
            r#"{"price":{"max":89}}"#,
            r#"{"released_within_days":6}"#,
        ] {
            assert!(!holds(&rule("any", &[other]), &shirt()), "{other}");
        }
    }

    #[test]
    fn what_is_not_yet_released_is_not_new() {
        let mut later = shirt();
        later.released_on = today().succ_opt().unwrap();
        assert!(!holds(&rule("all", &[r#"{"released_within_days":3650}"#]), &later));
    }

    #[test]
    fn a_rule_without_sense_is_refused() {
        for (condition, pointer, code) in [
            (r#"{"brand":[]}"#, "/rule/conditions/0/brand", "required"),
            (r#"{"price":{}}"#, "/rule/conditions/0/price", "required"),
            (
                r#"{"price":{"min":2,"max":1}}"#,
                "/rule/conditions/0/price/max",
                "out_of_range",
            ),
            (
                r#"{"released_within_days":0}"#,
                "/rule/conditions/0/released_within_days",
                "out_of_range",
            ),
            (
                r#"{"attribute":{"name":"a","operator":"less","value":"x"}}"#,
                "/rule/conditions/0/attribute/value",
                "wrong_kind",
            ),
        ] {
            let errors = rule("all", &[condition]).check().unwrap_err();
            let error = &errors.as_slice()[0];
            assert_eq!((error.pointer.as_str(), error.code.as_str()), (pointer, code));
        }
        assert!(rule("any", &[]).check().is_err());
        assert!(rule("any", &[CONDITIONS[0]; 21]).check().is_err());
        assert!(rule("any", &CONDITIONS).check().is_ok());
    }

    proptest! {
        #[test]
        fn all_needs_every_condition_and_any_needs_one(chosen in proptest::collection::vec(0_usize..8, 1..6)) {
            let conditions: Vec<&str> = chosen.iter().map(|index| CONDITIONS[*index]).collect();
            let each: Vec<bool> = conditions.iter().map(|condition| holds(&rule("all", &[condition]), &shirt())).collect();
            prop_assert_eq!(holds(&rule("all", &conditions), &shirt()), each.iter().all(|held| *held));
            prop_assert_eq!(holds(&rule("any", &conditions), &shirt()), each.iter().any(|held| *held));
        }

        #[test]
        fn what_becomes_of_a_rule_when_prices_change_is_what_it_then_says(
            chosen in proptest::collection::vec(0_usize..8, 1..6), is_all: bool,
            before in (0..400_i64, 0..90_i64), after in (0..400_i64, 0..90_i64),
        ) {
            let conditions: Vec<&str> = chosen.iter().map(|index| CONDITIONS[*index]).collect();
            let rule = rule(if is_all { "all" } else { "any" }, &conditions);
            let range = |(lowest, more): (i64, i64)| (lowest, lowest + more);
            let says = |prices| rule.holds(Facts { listing: &shirt(), ancestors: &[], prices }, today());
            let (before, after) = (range(before), range(after));
            match rule.turn(before, after) {
                Turn::None => prop_assert_eq!(says(after), says(before)),
                Turn::Holds => prop_assert!(says(after)),
                Turn::Fails => prop_assert!(!says(after)),
                Turn::Open => (),
            }
        }

        #[test]
        fn a_rule_is_the_same_when_it_comes_back_from_the_database(chosen in proptest::collection::vec(0_usize..8, 1..6)) {
            let conditions: Vec<&str> = chosen.iter().map(|index| CONDITIONS[*index]).collect();
            let rule = rule("any", &conditions);
            let kept = serde_json::to_string(&StoredRule::from(rule.clone())).unwrap();
            prop_assert_eq!(Rule::from(serde_json::from_str::<StoredRule>(&kept).unwrap()), rule);
        }
    }
}
