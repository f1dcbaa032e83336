//! Price lists: sales, and what groups of customers pay. Many prices of one are written in one request, each with a result
//! of its own.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Datelike, Utc};
use kernel::id::{CustomerGroupId, PriceListId, ProductId, VariantId};
use kernel::patch::present;
use kernel::problem::ProblemSchema;
use kernel::{Currencies, Currency, FieldErrors, Money, Patch, Problem};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::bulk;
use super::further_price::{WrittenPrice, one};
use super::listing::Name;
use super::merchandising::stored;
use super::pricing::Window;

/// How many prices of a variant are on a list at most, each for another quantity.
pub(crate) const MAX_STEPS: usize = 20;

/// Whether a list counts at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListStatus {
    /// It is being prepared.
    #[default]
    Draft,
    /// Its prices hold within its window.
    Active,
}

impl ListStatus {
    /// Its name, as the database has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Active => "active",
        }
    }

    /// The status of a name; the database has no others.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            _ => Self::Draft,
        }
    }
}

/// A list of prices that lower others while it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PriceList {
    pub(crate) id: PriceListId,
    pub(crate) name: String,
    /// That of all its prices.
    pub(crate) currency: Currency,
    pub(crate) status: ListStatus,
    /// The group whose members pay its prices; everybody where it is `null`.
    pub(crate) customer_group_id: Option<CustomerGroupId>,
    /// The first moment at which it holds; open where it is `null`.
    pub(crate) starts_at: Option<DateTime<Utc>>,
    /// The first moment at which it no longer does; open where it is `null`.
    pub(crate) ends_at: Option<DateTime<Utc>>,
    /// The edit version: what `If-Match` refers to. Its prices are written without it.
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A new price list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPriceList {
    #[schema(value_type = String)]
    pub(crate) name: Name,
    /// One in which the shop sells; it stays the list's.
    pub(crate) currency: Currency,
    #[serde(default)]
    pub(crate) status: ListStatus,
    #[serde(default)]
    pub(crate) customer_group_id: Option<CustomerGroupId>,
    #[serde(default)]
    pub(crate) starts_at: Option<DateTime<Utc>>,
    /// After `starts_at`.
    #[serde(default)]
    pub(crate) ends_at: Option<DateTime<Utc>>,
}

/// Changes of a price list. They take effect within five seconds, on a large list a little later.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceListPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) name: Option<Name>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) status: Option<ListStatus>,
    #[serde(default)]
    #[schema(value_type = Option<CustomerGroupId>)]
    pub(crate) customer_group_id: Patch<CustomerGroupId>,
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub(crate) starts_at: Patch<DateTime<Utc>>,
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub(crate) ends_at: Patch<DateTime<Utc>>,
}

/// A price on a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ListPrice {
    pub(crate) variant_id: VariantId,
    /// From how many on it holds.
    #[schema(minimum = 1, maximum = 999)]
    pub(crate) min_quantity: i64,
    pub(crate) price: Money,
    /// What it is compared with; the variant's own price where it is `null`.
    pub(crate) compare_at_price: Option<Money>,
}

/// Changes of the prices on a list.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListPrices {
    /// 1 to 250, at most one for each variant and quantity. Of a variant there are at most 20 prices on a list.
    #[schema(value_type = Vec<ListPriceChange>)]
    pub(crate) prices: Vec<Box<RawValue>>,
}

/// A price to put on a list, over the one of the same variant and quantity, or to take off it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListPriceChange {
    pub(crate) variant_id: VariantId,
    /// From how many on it holds; 1 where it is not given.
    #[serde(default = "one")]
    #[schema(required = false, minimum = 1, maximum = 999)]
    pub(crate) min_quantity: i64,
    /// In the list's currency; `null` takes the price off the list.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(crate) price: Option<Money>,
    /// The former or recommended price; only beside a price of one.
    #[serde(default)]
    pub(crate) compare_at_price: Option<Money>,
}

/// For which quantities there are prices of variants on a list.
#[derive(Debug, Default)]
pub(crate) struct Steps(HashMap<VariantId, BTreeSet<i64>>);

/// What has become of each price, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListPricesOutcome {
    pub(crate) results: Vec<ListPriceOutcome>,
}

/// What has become of a price.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListPriceOutcome {
    /// 200, 204 where it was taken off, or the status of the problem.
    pub(crate) status: u16,
    pub(crate) variant_id: Option<VariantId>,
    pub(crate) product_id: Option<ProductId>,
    pub(crate) min_quantity: Option<i64>,
    /// Why nothing was done.
    #[schema(value_type = Option<ProblemSchema>)]
    pub(crate) problem: Option<Map<String, Value>>,
}

impl PriceList {
    /// When it holds.
    pub(crate) fn window(&self) -> Window {
        Window {
            starts_at: self.starts_at,
            ends_at: self.ends_at,
        }
    }

    /// When its prices next have to be carried over to what everybody is offered, once that was done for `now`.
    pub(crate) fn next_end(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.window().next_end(now).filter(|_| self.is_public())
    }

    /// Whether everybody may be offered something else by it than by the list `before`, whose name does not matter.
    pub(crate) fn offers_otherwise_than(&self, before: &Self) -> bool {
        let offered = |list: &Self| list.is_public().then(|| list.window());
        offered(self) != offered(before)
    }

    /// Whether everybody is offered its prices while its window holds.
    fn is_public(&self) -> bool {
        self.status == ListStatus::Active && self.customer_group_id.is_none()
    }

    fn check(&self, currencies: &Currencies) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        if !currencies.has(self.currency) {
            let detail = format!("this shop sells in {currencies}");
            errors.add("/currency", "unsupported_currency", detail);
        }
        for (pointer, time) in [("/starts_at", self.starts_at), ("/ends_at", self.ends_at)] {
            if time.is_some_and(|time| !(1..=9999).contains(&time.year())) {
                errors.add(pointer, "out_of_range", "must be in a year from 1 to 9999");
            }
        }
        if matches!((self.starts_at, self.ends_at), (Some(start), Some(end)) if start >= end) {
            errors.add("/ends_at", "out_of_range", "must be after starts_at");
        }
        errors.into_result()
    }
}

impl NewPriceList {
    /// The list, made at `now`.
    pub(crate) fn into_list(self, currencies: &Currencies, now: DateTime<Utc>) -> Result<PriceList, FieldErrors> {
        let list = PriceList {
            id: PriceListId::generate(),
            name: self.name.into_string(),
            currency: self.currency,
            status: self.status,
            customer_group_id: self.customer_group_id,
            starts_at: self.starts_at.map(stored),
            ends_at: self.ends_at.map(stored),
            version: 1,
            created_at: now,
            updated_at: now,
        };
        list.check(currencies)?;
        Ok(list)
    }
}

impl PriceListPatch {
    /// The list after the patch, made at `now`. A list in a currency that the shop has given up can still be changed.
    pub(crate) fn apply(self, before: PriceList, now: DateTime<Utc>) -> Result<PriceList, FieldErrors> {
        let after = PriceList {
            name: self.name.map_or(before.name, Name::into_string),
            status: self.status.unwrap_or(before.status),
            customer_group_id: self.customer_group_id.apply(before.customer_group_id),
            starts_at: self.starts_at.map(stored).apply(before.starts_at),
            ends_at: self.ends_at.map(stored).apply(before.ends_at),
            version: before.version + 1,
            updated_at: now,
            ..before
        };
        after.check(&Currencies::new(after.currency, &[]))?;
        Ok(after)
    }
}

impl ListPriceChange {
    /// Reads a change; what is wrong is told as if it were the whole request.
    pub(crate) fn parse(raw: &RawValue, list: Currency) -> Result<Self, Problem> {
        bulk::check_object(raw)?;
        let change: Self = kernel::http::json::parse(raw.get().as_bytes())?;
        change.check(list).map_err(Problem::invalid)?;
        Ok(change)
    }

    fn check(&self, list: Currency) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        let written = WrittenPrice {
            min_quantity: self.min_quantity,
            price: self.price.unwrap_or(Money::zero(list)),
            compare_at_price: self.compare_at_price,
        };
        written.check(&Currencies::new(list, &[]), &mut errors, "");
        if self.price.is_none() && self.compare_at_price.is_some() {
            errors.add("/compare_at_price", "not_allowed", "there is no price to compare with");
        }
        errors.into_result()
    }
}

impl Steps {
    /// Notes a price that is on the list.
    pub(crate) fn add(&mut self, variant: VariantId, min_quantity: i64) {
        self.0.entry(variant).or_default().insert(min_quantity);
    }

    /// Notes a change, or refuses one more price of a variant than there may be.
    pub(crate) fn change(&mut self, change: &ListPriceChange) -> Result<(), FieldErrors> {
        let steps = self.0.entry(change.variant_id).or_default();
        if change.price.is_none() {
            steps.remove(&change.min_quantity);
        } else if steps.len() < MAX_STEPS || steps.contains(&change.min_quantity) {
            steps.insert(change.min_quantity);
        } else {
            let detail = format!("there are {MAX_STEPS} prices of this variant on the list, which are the most");
            return Err(FieldErrors::one("/min_quantity", "too_many", detail));
        }
        Ok(())
    }
}

impl ListPriceOutcome {
    /// The outcome of a price that was written or taken off.
    pub(crate) fn done(change: &ListPriceChange, product: ProductId) -> Self {
        Self {
            status: if change.price.is_some() { 200 } else { 204 },
            variant_id: Some(change.variant_id),
            product_id: Some(product),
            min_quantity: Some(change.min_quantity),
            problem: None,
        }
    }

    /// The outcome of a price that was left out.
    pub(crate) fn refused(change: Option<&ListPriceChange>, problem: &Problem) -> Self {
        Self {
            status: problem.status().as_u16(),
            variant_id: change.map(|change| change.variant_id),
            product_id: None,
            min_quantity: change.map(|change| change.min_quantity),
            problem: Some(problem.to_json()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lists() -> impl Strategy<Value = PriceList> {
        let parts = (any::<bool>(), any::<bool>(), 0..3_i64, proptest::option::of(3..5_i64));
        parts.prop_map(|(is_active, is_of_group, start, end)| {
            let at = |seconds| DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap();
            PriceList {
                id: PriceListId::generate(),
                name: "Sale".to_owned(),
                currency: "USD".parse().unwrap(),
                status: if is_active {
                    ListStatus::Active
                } else {
                    ListStatus::Draft
                },
                customer_group_id: is_of_group.then(CustomerGroupId::generate),
                starts_at: Some(at(start)),
                ends_at: end.map(at),
                version: 1,
                created_at: at(0),
                updated_at: at(0),
            }
        })
    }

    fn change(min_quantity: i64, price: Option<i64>) -> ListPriceChange {
        ListPriceChange {
            variant_id: VariantId::from(uuid::Uuid::nil()),
            min_quantity,
            price: price.map(|amount| Money::new(amount, "USD".parse().unwrap())),
            compare_at_price: None,
        }
    }

    proptest! {
        #[test]
        fn a_variant_never_has_more_prices_than_it_may_and_those_it_has_can_always_be_changed(
            changes in proptest::collection::vec((1..=40_i64, proptest::option::of(Just(500))), 0..120),
        ) {
            let mut steps = Steps::default();
            let mut on_list = BTreeSet::new();
            for (min_quantity, price) in changes {
                let is_new = price.is_some() && !on_list.contains(&min_quantity);
                let is_accepted = steps.change(&change(min_quantity, price)).is_ok();
                prop_assert_eq!(is_accepted, !is_new || on_list.len() < MAX_STEPS);
                match price {
                    Some(_) if is_accepted => drop(on_list.insert(min_quantity)),
                    Some(_) => (),
                    None => drop(on_list.remove(&min_quantity)),
                }
            }
        }

        #[test]
        fn everybody_is_offered_something_else_where_a_list_ceases_begins_or_moves(before in lists(), after in lists()) {
            let holds = |list: &PriceList, second: i64| {
                let at = DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap();
                list.is_public() && list.window().holds(at)
            };
            let differs = (0..6).any(|second| holds(&before, second) != holds(&after, second));
            prop_assert_eq!(after.offers_otherwise_than(&before), differs);
            let renamed = PriceList { name: "Other".to_owned(), version: 2, ..before.clone() };
            prop_assert!(!renamed.offers_otherwise_than(&before));
        }
    }
}
