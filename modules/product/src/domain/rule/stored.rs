//! Rules as the database keeps and understands them.

use kernel::id::{CategoryId, ProductTypeId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{AttributeCondition, Condition, Operator, PriceCondition, Quantifier, Rule};
use crate::domain::attributes::AttributeValue;
use crate::domain::listing::{Name, Tag};

/// A rule as the database keeps and understands it: ids are those of its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRule {
    every: bool,
    conditions: Vec<StoredCondition>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "field", rename_all = "snake_case")]
enum StoredCondition {
    Brand {
        any: Vec<Name>,
    },
    Category {
        any: Vec<Uuid>,
    },
    Tag {
        any: Vec<Tag>,
    },
    ProductType {
        any: Vec<Uuid>,
    },
    Attribute {
        name: Name,
        operator: Operator,
        value: AttributeValue,
    },
    Price {
        min: Option<i64>,
        max: Option<i64>,
    },
    Released {
        days: u32,
    },
}

impl From<Rule> for StoredRule {
    fn from(rule: Rule) -> Self {
        Self {
            every: rule.quantifier == Quantifier::All,
            conditions: rule.conditions.into_iter().map(StoredCondition::from).collect(),
        }
    }
}

impl From<StoredRule> for Rule {
    fn from(stored: StoredRule) -> Self {
        Self {
            quantifier: if stored.every { Quantifier::All } else { Quantifier::Any },
            conditions: stored.conditions.into_iter().map(Condition::from).collect(),
        }
    }
}

impl From<Condition> for StoredCondition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Brand(any) => Self::Brand { any },
            Condition::Category(ids) => Self::Category {
                any: ids.into_iter().map(CategoryId::uuid).collect(),
            },
            Condition::Tag(any) => Self::Tag { any },
            Condition::ProductType(ids) => Self::ProductType {
                any: ids.into_iter().map(ProductTypeId::uuid).collect(),
            },
            Condition::Attribute(AttributeCondition { name, operator, value }) => {
                Self::Attribute { name, operator, value }
            }
            Condition::Price(PriceCondition { min, max }) => Self::Price { min, max },
            Condition::ReleasedWithinDays(days) => Self::Released { days },
        }
    }
}

impl From<StoredCondition> for Condition {
    fn from(stored: StoredCondition) -> Self {
        match stored {
            StoredCondition::Brand { any } => Self::Brand(any),
            StoredCondition::Category { any } => Self::Category(any.into_iter().map(Into::into).collect()),
            StoredCondition::Tag { any } => Self::Tag(any),
            StoredCondition::ProductType { any } => Self::ProductType(any.into_iter().map(Into::into).collect()),
            StoredCondition::Attribute { name, operator, value } => {
                Self::Attribute(AttributeCondition { name, operator, value })
            }
            StoredCondition::Price { min, max } => Self::Price(PriceCondition { min, max }),
            StoredCondition::Released { days } => Self::ReleasedWithinDays(days),
        }
    }
}
