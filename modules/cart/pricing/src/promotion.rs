//! What promotions say: on what, under which conditions, and what they take off.

use chrono::{DateTime, Utc};
use kernel::address::Country;
use kernel::id::{CategoryId, CollectionId, CustomerGroupId, ProductId, PromotionId, VariantId};
use kernel::{Currency, FieldErrors, Money, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::basket::Line;
use crate::percent::Percent;

/// The most things that one list of a promotion names.
const MAX_NAMES: usize = 250;
/// The most pieces that a condition or an action speaks of.
const MAX_PIECES: i64 = 9_999;

/// Something that lowers what is paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The promotion.
    pub id: PromotionId,
    /// For buyers.
    pub name: String,
    /// Those with a higher one come first; equal ones by age.
    pub priority: i32,
    /// Whether it is given only where no other is: none before it, and then none after it.
    pub exclusive: bool,
    /// The first moment at which it is given.
    pub starts_at: Option<DateTime<Utc>>,
    /// The first moment at which it no longer is.
    pub ends_at: Option<DateTime<Utc>>,
    /// What it does, and when.
    pub terms: Terms,
}

/// Under which conditions a promotion does what; all have to hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PromotionTerms)]
pub struct Terms {
    /// On which lines; on all where it is left out.
    #[serde(default)]
    pub items: Selection,
    /// What has to be so.
    #[serde(default)]
    pub conditions: Conditions,
    /// What is taken off then.
    pub action: Action,
}

/// Some of the lines: those that any of the lists names, all where none names anything, but for those of `except`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PromotionSelection)]
pub struct Selection {
    /// All variants of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<ProductId>,
    /// These.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<VariantId>,
    /// With all that is below them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<CategoryId>,
    /// What belongs to these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<CollectionId>,
    /// What has one of these, exactly as it is written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub tags: Vec<Text<1, 120>>,
    /// Lines that are left out whatever the other lists say.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub except: Option<Box<Selection>>,
}

/// What has to be so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = PromotionConditions)]
pub struct Conditions {
    /// What the selected lines cost at least before all promotions, in each currency in which the promotion is given;
    /// no condition where it is empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subtotal_at_least: Vec<Money>,
    /// How many pieces the selected lines have at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity_at_least: Option<i64>,
    /// The buyer belongs to one of these groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customer_groups: Vec<CustomerGroupId>,
    /// The buyer is signed in and has not ordered yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub first_order: bool,
    /// The goods go to one of these countries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<Country>,
}

/// What a promotion does. Amounts are given in each currency in which it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = PromotionAction)]
pub enum Action {
    /// A part of what the selected lines cost, rounded once and spread over them.
    Percentage {
        /// Which part.
        percent: Percent,
        /// The most that is taken off; no limit where it is empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        at_most: Vec<Money>,
    },
    /// An amount off the selected lines together, spread over them.
    FixedAmount {
        /// How much.
        amounts: Vec<Money>,
    },
    /// An amount off each piece.
    FixedAmountEach {
        /// How much.
        amounts: Vec<Money>,
    },
    /// Each piece costs that, if it does not cost less anyway.
    FixedPrice {
        /// How much.
        amounts: Vec<Money>,
    },
    /// No shipping costs.
    FreeShipping {
        /// Only up to these costs; more is paid. No limit where it is empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        at_most: Vec<Money>,
    },
    /// Whoever buys so many of the selected lines gets others for less, the cheapest ones first. A piece counts as bought or
    /// as got, never as both.
    BuyGet {
        /// How many have to be bought.
        buy: i64,
        /// How many are got for that.
        get: i64,
        /// Which ones are got; of the selected lines where it is left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<Selection>,
        /// What is taken off each that is got.
        percent: Percent,
        /// How many times at most in one order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        times: Option<i64>,
    },
}

impl Selection {
    /// Whether a line is among those meant.
    pub fn has(&self, line: &Line<'_>) -> bool {
        let is_excepted = self.except.as_ref().is_some_and(|except| except.names(line));
        !is_excepted && (self.is_everything() || self.names(line))
    }

    fn names(&self, line: &Line<'_>) -> bool {
        self.products.contains(&line.product)
            || self.variants.contains(&line.variant)
            || self.categories.iter().any(|id| line.traits.categories.contains(id))
            || self.collections.iter().any(|id| line.traits.collections.contains(id))
            || self
                .tags
                .iter()
                .any(|tag| line.traits.tags.iter().any(|own| own == tag.as_str()))
    }

    fn is_everything(&self) -> bool {
        self.products.is_empty()
            && self.variants.is_empty()
            && self.categories.is_empty()
            && self.collections.is_empty()
            && self.tags.is_empty()
    }

    fn check(&self, pointer: &str, errors: &mut FieldErrors) {
        let lists = [
            ("products", self.products.len()),
            ("variants", self.variants.len()),
            ("categories", self.categories.len()),
            ("collections", self.collections.len()),
            ("tags", self.tags.len()),
        ];
        for (list, _) in lists.into_iter().filter(|(_, count)| *count > MAX_NAMES) {
            errors.add(format!("{pointer}/{list}"), "too_many", format!("at most {MAX_NAMES}"));
        }
        if let Some(except) = &self.except {
            let pointer = format!("{pointer}/except");
            if except.except.is_some() {
                errors.add(
                    format!("{pointer}/except"),
                    "not_allowed",
                    "there is no exception from an exception",
                );
            }
            except.check(&pointer, errors);
        }
    }
}

impl Terms {
    /// Checks what the types cannot say; errors are told below `pointer`.
    pub fn check(&self, pointer: &str) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        self.items.check(&format!("{pointer}/items"), &mut errors);
        let conditions = &self.conditions;
        let at = |field: &str| format!("{pointer}/conditions/{field}");
        check_amounts(&conditions.subtotal_at_least, &at("subtotal_at_least"), &mut errors);
        if conditions
            .quantity_at_least
            .is_some_and(|least| !(1..=MAX_PIECES).contains(&least))
        {
            errors.add(
                at("quantity_at_least"),
                "out_of_range",
                format!("from 1 to {MAX_PIECES}"),
            );
        }
        for (field, count) in [
            ("customer_groups", conditions.customer_groups.len()),
            ("countries", conditions.countries.len()),
        ] {
            if count > MAX_NAMES {
                errors.add(at(field), "too_many", format!("at most {MAX_NAMES}"));
            }
        }
        self.action.check(&format!("{pointer}/action"), &mut errors);
        errors.into_result()
    }
}

impl Action {
    /// Whether it takes something off the lines; else off shipping.
    pub fn is_for_lines(&self) -> bool {
        !matches!(self, Self::FreeShipping { .. })
    }

    fn check(&self, pointer: &str, errors: &mut FieldErrors) {
        let required = |amounts: &[Money], errors: &mut FieldErrors| {
            if amounts.is_empty() {
                errors.add(
                    format!("{pointer}/amounts"),
                    "required",
                    "an amount in each currency in which it is given",
                );
            }
            check_amounts(amounts, &format!("{pointer}/amounts"), errors);
        };
        match self {
            Self::Percentage { at_most, .. } | Self::FreeShipping { at_most } => {
                check_amounts(at_most, &format!("{pointer}/at_most"), errors);
            }
            Self::FixedAmount { amounts } | Self::FixedAmountEach { amounts } | Self::FixedPrice { amounts } => {
                required(amounts, errors);
            }
            Self::BuyGet {
                buy, get, of, times, ..
            } => {
                let counts = [("buy", Some(*buy)), ("get", Some(*get)), ("times", *times)];
                for (field, _) in counts
                    .into_iter()
                    .filter(|(_, count)| count.is_some_and(|count| !(1..=MAX_PIECES).contains(&count)))
                {
                    errors.add(
                        format!("{pointer}/{field}"),
                        "out_of_range",
                        format!("from 1 to {MAX_PIECES}"),
                    );
                }
                if let Some(of) = of {
                    of.check(&format!("{pointer}/of"), errors);
                }
            }
        }
    }
}

/// The amount that holds in a currency.
pub(crate) fn amount_in(amounts: &[Money], currency: Currency) -> Option<i64> {
    let found = amounts.iter().find(|amount| amount.currency == currency);
    found.map(|amount| amount.amount)
}

/// Amounts for several currencies: none negative, each currency once.
pub(crate) fn check_amounts(amounts: &[Money], pointer: &str, errors: &mut FieldErrors) {
    for (index, amount) in amounts.iter().enumerate() {
        if !(0..=kernel::money::MAX_AMOUNT).contains(&amount.amount) {
            errors.add(
                format!("{pointer}/{index}/amount"),
                "out_of_range",
                "from 0, at most twelve digits",
            );
        }
        if amounts[..index].iter().any(|other| other.currency == amount.currency) {
            errors.add(
                format!("{pointer}/{index}/currency"),
                "duplicate",
                "there is an amount in it already",
            );
        }
    }
}
