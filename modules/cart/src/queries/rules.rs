//! What staff have said of prices, as a whole. Whoever writes any of it has called [`raise`] in the same transaction.

use std::collections::HashMap;
use std::sync::Arc;

use cart_pricing::Promotion;
use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::unreadable;
use crate::SCHEMA;
use crate::domain::{Rule, Rules, ShippingZoneContent, TaxZoneContent};
use crate::schema::{promotions, rules, shipping_zones, tax_zones};

/// What orders and staff wait for each other by: an advisory lock, because its queue is fair. Orders that hold the row of the
/// rules one after the other would keep staff out for as long as they come.
const LOCK: i64 = 0x6361_7274_7275_6c65;

/// Keeps orders and other writers out until the transaction ends, and counts the change.
pub(crate) fn raise(connection: &mut PgConnection) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.rules SET revision = revision + 1";
    hold(connection)?;
    Statement::new(SCHEMA, SQL, []).execute(connection).map(drop)
}

/// Has staff wait with their changes until the transaction ends; answers how many there were.
pub(crate) fn share(connection: &mut PgConnection) -> QueryResult<i64> {
    const SQL: &str = "SELECT pg_advisory_xact_lock_shared(?)";
    Statement::new(SCHEMA, SQL, [Bind::BigInt(LOCK)]).execute(connection)?;
    // By a statement of its own: this one sees what was written while the other one waited.
    revision(connection)
}

/// Keeps orders and other writers out until the transaction ends, without a change of what carts are priced by.
pub(crate) fn hold(connection: &mut PgConnection) -> QueryResult<()> {
    const SQL: &str = "SELECT pg_advisory_xact_lock(?)";
    Statement::new(SCHEMA, SQL, [Bind::BigInt(LOCK)])
        .execute(connection)
        .map(drop)
}

/// All that the shop says at one moment.
pub(crate) fn read(connection: &mut PgConnection) -> QueryResult<Rules> {
    connection.transaction(|connection| {
        // Writers wait, so that what is read now is of one revision.
        let revision = share(connection)?;
        let promotions: Vec<PromotionRow> = promotions::table
            .filter(promotions::enabled)
            .select(PromotionRow::as_select())
            .load(connection)?;
        let zones: Vec<(Uuid, Value)> = shipping_zones::table
            .order(shipping_zones::id)
            .select((shipping_zones::id, shipping_zones::content))
            .load(connection)?;
        let taxes: Vec<(Uuid, Value)> = tax_zones::table
            .order(tax_zones::id)
            .select((tax_zones::id, tax_zones::content))
            .load(connection)?;
        let rule = |row: PromotionRow| row.into_rule().map(|rule| (rule.promotion.id, rule));
        let zone = |(id, content): (Uuid, Value)| Ok(content_of::<ShippingZoneContent>(content)?.into_zone(id.into()));
        let tax = |(id, content): (Uuid, Value)| Ok(content_of::<TaxZoneContent>(content)?.into_rule(id.into()));
        Ok(Rules {
            revision,
            promotions: promotions
                .into_iter()
                .map(rule)
                .collect::<QueryResult<HashMap<_, _>>>()?,
            shipping: zones.into_iter().map(zone).collect::<QueryResult<_>>()?,
            taxes: taxes.into_iter().map(tax).collect::<QueryResult<_>>()?,
        })
    })
}

/// How many changes there were.
pub(crate) fn revision(connection: &mut PgConnection) -> QueryResult<i64> {
    rules::table.select(rules::revision).first(connection)
}

/// What stored JSON says.
pub(super) fn content_of<T: DeserializeOwned>(content: Value) -> QueryResult<T> {
    serde_json::from_value(content).map_err(unreadable)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = promotions, check_for_backend(diesel::pg::Pg))]
struct PromotionRow {
    id: Uuid,
    name: String,
    needs_code: bool,
    priority: i32,
    exclusive: bool,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    terms: Value,
    usage_limit: Option<i64>,
    usage_limit_per_customer: Option<i64>,
    budget_minor: Option<i64>,
}

impl PromotionRow {
    fn into_rule(self) -> QueryResult<Rule> {
        let limits = [self.usage_limit, self.usage_limit_per_customer, self.budget_minor];
        Ok(Rule {
            promotion: Arc::new(Promotion {
                id: self.id.into(),
                name: self.name,
                priority: self.priority,
                exclusive: self.exclusive,
                starts_at: self.starts_at,
                ends_at: self.ends_at,
                terms: content_of(self.terms)?,
            }),
            needs_code: self.needs_code,
            is_limited: limits.iter().any(Option::is_some),
        })
    }
}
