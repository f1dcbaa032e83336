//! Promotions, as staff arrange them.

use cart_pricing::Terms;
use chrono::{DateTime, Datelike, Utc};
use kernel::id::PromotionId;
use kernel::money::{MAX_AMOUNT, MoneyPatch};
use kernel::patch::present;
use kernel::{Currencies, FieldErrors, Money, Patch, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most promotions of a shop that are enabled.
pub(crate) const MAX_ENABLED: i64 = 1_000;
/// The least priority is as far from 0 as the highest.
const MAX_PRIORITY: i32 = 1_000;
/// The highest limit of uses.
const MAX_USES: i64 = 1_000_000_000;

/// What buyers see of a promotion.
type Name = Text<1, 120>;

/// Something that lowers what is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Promotion {
    pub(crate) id: PromotionId,
    /// For buyers.
    pub(crate) name: String,
    /// Whether it is given only to carts with one of its codes; otherwise to all.
    pub(crate) needs_code: bool,
    pub(crate) enabled: bool,
    /// Those with a higher one come first; equal ones by age.
    pub(crate) priority: i32,
    /// Whether it is given only where no other is.
    pub(crate) exclusive: bool,
    /// The first moment at which it is given; open where it is `null`.
    pub(crate) starts_at: Option<DateTime<Utc>>,
    /// The first moment at which it no longer is; open where it is `null`.
    pub(crate) ends_at: Option<DateTime<Utc>>,
    pub(crate) terms: Terms,
    /// How many orders may use it.
    pub(crate) usage_limit: Option<i64>,
    /// How many orders of one customer may: of an account, or of an e-mail address where there is none.
    pub(crate) usage_limit_per_customer: Option<i64>,
    /// How much it may take off in all orders together. It is then given in that currency only.
    pub(crate) budget: Option<Money>,
    /// How many orders use it. Those that were cancelled do not count. Lists say `null` where there is no limit, as all orders
    /// would have to be counted.
    pub(crate) uses: Option<i64>,
    /// What it takes off in them, in each currency in which it does; in that of the budget alone where there is one. Lists say
    /// `null` where there is none.
    pub(crate) spent: Option<Vec<Money>>,
    /// The edit version: what `If-Match` refers to. Orders use it up without it.
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A new promotion.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPromotion {
    #[schema(value_type = String)]
    name: Name,
    /// Whether it is given only to carts with one of its codes.
    needs_code: bool,
    #[serde(default = "yes")]
    #[schema(default = true)]
    enabled: bool,
    /// From -1000 to 1000.
    #[serde(default)]
    #[schema(minimum = -1000, maximum = 1000)]
    priority: i32,
    #[serde(default)]
    exclusive: bool,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    terms: Terms,
    #[schema(minimum = 1)]
    usage_limit: Option<i64>,
    #[schema(minimum = 1)]
    usage_limit_per_customer: Option<i64>,
    /// In a currency in which the shop sells.
    budget: Option<Money>,
}

/// Changes of a promotion; the terms are replaced as a whole.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromotionPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    name: Option<Name>,
    #[serde(default, deserialize_with = "present")]
    needs_code: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    enabled: Option<bool>,
    #[serde(default, deserialize_with = "present")]
    priority: Option<i32>,
    #[serde(default, deserialize_with = "present")]
    exclusive: Option<bool>,
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    starts_at: Patch<DateTime<Utc>>,
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    ends_at: Patch<DateTime<Utc>>,
    #[serde(default, deserialize_with = "present")]
    terms: Option<Terms>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    usage_limit: Patch<i64>,
    #[serde(default)]
    #[schema(value_type = Option<i64>)]
    usage_limit_per_customer: Patch<i64>,
    #[serde(default)]
    #[schema(value_type = Option<MoneyPatch>)]
    budget: Patch<MoneyPatch>,
}

impl Promotion {
    /// Whether orders write it: what is used of it is kept with it then.
    pub(crate) fn is_counted(&self) -> bool {
        self.usage_limit.is_some() || self.budget.is_some()
    }

    /// Whether what is used of it has to be counted anew, because nobody has counted it for `before`.
    pub(crate) fn has_to_be_counted(&self, before: &Self) -> bool {
        let currency = |promotion: &Self| promotion.budget.map(|budget| budget.currency);
        self.is_counted() && (!before.is_counted() || currency(self) != currency(before))
    }

    fn check(&self, currencies: &Currencies) -> Result<(), FieldErrors> {
        let mut errors = match self.terms.check("/terms") {
            Ok(()) => FieldErrors::new(),
            Err(errors) => errors,
        };
        if !(-MAX_PRIORITY..=MAX_PRIORITY).contains(&self.priority) {
            let detail = format!("from -{MAX_PRIORITY} to {MAX_PRIORITY}");
            errors.add("/priority", "out_of_range", detail);
        }
        for (pointer, time) in [("/starts_at", self.starts_at), ("/ends_at", self.ends_at)] {
            if time.is_some_and(|time| !(1..=9999).contains(&time.year())) {
                errors.add(pointer, "out_of_range", "must be in a year from 1 to 9999");
            }
        }
        if matches!((self.starts_at, self.ends_at), (Some(start), Some(end)) if start >= end) {
            errors.add("/ends_at", "out_of_range", "must be after starts_at");
        }
        for (pointer, limit) in [
            ("/usage_limit", self.usage_limit),
            ("/usage_limit_per_customer", self.usage_limit_per_customer),
        ] {
            check_limit(pointer, limit, &mut errors);
        }
        if let Some(budget) = self.budget {
            if !(1..=MAX_AMOUNT).contains(&budget.amount) {
                errors.add("/budget/amount", "out_of_range", "from 1, at most twelve digits");
            }
            if !currencies.has(budget.currency) {
                let detail = format!("this shop sells in {currencies}");
                errors.add("/budget/currency", "unsupported_currency", detail);
            }
        }
        errors.into_result()
    }
}

impl NewPromotion {
    /// The promotion, made at `now`.
    pub(crate) fn into_promotion(self, currencies: &Currencies, now: DateTime<Utc>) -> Result<Promotion, FieldErrors> {
        let promotion = Promotion {
            id: PromotionId::generate(),
            name: self.name.into_string(),
            needs_code: self.needs_code,
            enabled: self.enabled,
            priority: self.priority,
            exclusive: self.exclusive,
            starts_at: self.starts_at.map(stored),
            ends_at: self.ends_at.map(stored),
            terms: self.terms,
            usage_limit: self.usage_limit,
            usage_limit_per_customer: self.usage_limit_per_customer,
            budget: self.budget,
            uses: Some(0),
            spent: Some(self.budget.iter().map(|budget| Money::zero(budget.currency)).collect()),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        promotion.check(currencies)?;
        Ok(promotion)
    }
}

impl PromotionPatch {
    /// The promotion after the patch, made at `now`. A budget in a currency that the shop has given up can stay.
    pub(crate) fn apply(
        self,
        before: Promotion,
        currencies: &Currencies,
        now: DateTime<Utc>,
    ) -> Result<Promotion, FieldErrors> {
        let kept = before.budget;
        let merge = |patch: MoneyPatch, budget| patch.apply(budget, "/budget");
        let after = Promotion {
            name: self.name.map_or(before.name, Name::into_string),
            needs_code: self.needs_code.unwrap_or(before.needs_code),
            enabled: self.enabled.unwrap_or(before.enabled),
            priority: self.priority.unwrap_or(before.priority),
            exclusive: self.exclusive.unwrap_or(before.exclusive),
            starts_at: self.starts_at.map(stored).apply(before.starts_at),
            ends_at: self.ends_at.map(stored).apply(before.ends_at),
            terms: self.terms.unwrap_or(before.terms),
            usage_limit: self.usage_limit.apply(before.usage_limit),
            usage_limit_per_customer: self.usage_limit_per_customer.apply(before.usage_limit_per_customer),
            budget: self.budget.merge(kept, merge)?,
            version: before.version + 1,
            updated_at: now,
            ..before
        };
        let is_kept = kept.is_some_and(|kept| after.budget.is_some_and(|budget| budget.currency == kept.currency));
        match kept.filter(|_| is_kept) {
            Some(kept) => after.check(&Currencies::new(kept.currency, &[]))?,
            None => after.check(currencies)?,
        }
        Ok(after)
    }
}

/// Refuses limits of uses that are none.
pub(crate) fn check_limit(pointer: &str, limit: Option<i64>, errors: &mut FieldErrors) {
    if limit.is_some_and(|limit| !(1..=MAX_USES).contains(&limit)) {
        errors.add(pointer, "out_of_range", format!("from 1 to {MAX_USES}"));
    }
}

/// A time as the database keeps it: to the microsecond, so that times that differ here do so there as well.
pub(crate) fn stored(time: DateTime<Utc>) -> DateTime<Utc> {
    // There is such a time for all microseconds that were told of one.
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use kernel::http::json::parse;

    use super::*;

    fn euros() -> Currencies {
        Currencies::new("EUR".parse().unwrap(), &[])
    }

    fn made(fields: &str) -> Result<Promotion, FieldErrors> {
        let json = format!(
            r#"{{"name":"Sale","needs_code":false,"terms":{{"action":{{"kind":"percentage","percent":"10"}}}}{fields}}}"#
        );
        let new: NewPromotion = parse(json.as_bytes()).unwrap();
        new.into_promotion(&euros(), DateTime::UNIX_EPOCH)
    }

    fn patched(before: &Promotion, patch: &str) -> Result<Promotion, FieldErrors> {
        let patch: PromotionPatch = parse(patch.as_bytes()).unwrap();
        patch.apply(before.clone(), &euros(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn what_cannot_be_is_refused_by_its_field() {
        let cases = [
            (r#","priority":1001"#, "/priority", "out_of_range"),
            (r#","usage_limit":0"#, "/usage_limit", "out_of_range"),
            (
                r#","usage_limit_per_customer":-1"#,
                "/usage_limit_per_customer",
                "out_of_range",
            ),
            (
                r#","budget":{"amount":0,"currency":"EUR"}"#,
                "/budget/amount",
                "out_of_range",
            ),
            (
                r#","budget":{"amount":1,"currency":"USD"}"#,
                "/budget/currency",
                "unsupported_currency",
            ),
            (
                r#","starts_at":"2026-01-01T00:00:00Z","ends_at":"2026-01-01T00:00:00.0000001Z""#,
                "/ends_at",
                "out_of_range",
            ),
        ];
        for (fields, pointer, code) in cases {
            let errors = made(fields).unwrap_err();
            let error = &errors.as_slice()[0];
            assert_eq!((error.pointer.as_str(), error.code.as_str()), (pointer, code));
        }
        let whole = made("").unwrap();
        assert!(whole.enabled && !whole.exclusive && whole.priority == 0);
        assert!(
            patched(&whole, r#"{"budget":{"amount":5}}"#).is_err(),
            "in what currency?"
        );
    }

    #[test]
    fn uses_are_counted_where_nobody_has_counted_them() {
        let free = made("").unwrap();
        let limited = patched(&free, r#"{"usage_limit":5}"#).unwrap();
        let budgeted = patched(&limited, r#"{"budget":{"amount":500,"currency":"EUR"}}"#).unwrap();
        let raised = patched(&budgeted, r#"{"usage_limit":9,"budget":{"amount":600}}"#).unwrap();
        let freed = patched(&raised, r#"{"usage_limit":null,"budget":null}"#).unwrap();
        assert!(limited.has_to_be_counted(&free) && budgeted.has_to_be_counted(&limited));
        assert!(!raised.has_to_be_counted(&budgeted) && !freed.has_to_be_counted(&raised));
        assert_eq!(raised.budget.unwrap().amount, 600);
        let per_customer = patched(&free, r#"{"usage_limit_per_customer":1}"#).unwrap();
        assert!(!per_customer.is_counted(), "customers are always counted");
    }
}
