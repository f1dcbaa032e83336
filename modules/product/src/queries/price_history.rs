//! What variants were offered for before.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Timestamptz};
use kernel::{Currency, Money};
use serde::Serialize;
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::price_history::PastPrice;

/// The amount, and from when until when one cost that.
type PastSql = (BigInt, Timestamptz, Nullable<Timestamptz>);

/// A price that does not hold any more.
#[derive(Serialize)]
pub(super) struct Past {
    pub(super) variant_id: Uuid,
    pub(super) currency: &'static str,
    pub(super) price_minor: i64,
    pub(super) held_from: DateTime<Utc>,
    /// After `held_from`.
    pub(super) held_until: DateTime<Utc>,
}

/// Notes prices, at most one for each variant and currency: each is the newest there now. Whoever calls this has locked the
/// products.
pub(super) fn append(connection: &mut PgConnection, ended: &[Past]) -> QueryResult<()> {
    const SQL: &str = "WITH ended AS MATERIALIZED (SELECT * FROM json_to_recordset(?::json) AS ended (variant_id UUID, \
            currency TEXT, price_minor BIGINT, held_from TIMESTAMPTZ, held_until TIMESTAMPTZ)), \
        older AS (UPDATE @.price_history AS past SET is_newest = FALSE FROM ended \
            WHERE past.variant_id = ended.variant_id AND past.currency = ended.currency AND past.is_newest \
                AND past.variant_id = ANY(?)) \
        INSERT INTO @.price_history (variant_id, currency, price_minor, held_from, held_until) \
        SELECT ended.variant_id, ended.currency, ended.price_minor, ended.held_from, ended.held_until FROM ended";
    if ended.is_empty() {
        return Ok(());
    }
    let variants = ended.iter().map(|past| past.variant_id).collect();
    Statement::new(SCHEMA, SQL, [Bind::rows(ended)?, Bind::Uuids(variants)])
        .execute(connection)
        .map(drop)
}

/// Forgets at most `limit` prices that ended before a moment, the oldest first, but for the newest of each variant and
/// currency; answers how many.
pub(crate) fn forget(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "DELETE FROM @.price_history WHERE (variant_id, currency, held_until) IN ( \
        SELECT variant_id, currency, held_until FROM @.price_history WHERE NOT is_newest AND held_until < ? \
        ORDER BY held_until LIMIT ? FOR UPDATE SKIP LOCKED)";
    Statement::new(SCHEMA, SQL, [Bind::Time(before), Bind::BigInt(limit)]).execute(connection)
}

/// What one of a variant costs everybody in a currency now; nothing where it is not sold in it.
pub(crate) fn present(connection: &mut PgConnection, variant: Uuid, currency: Currency) -> QueryResult<Vec<PastPrice>> {
    let mut select = Select::<PastSql>::new(
        "SELECT variant.price_minor, variant.price_since, NULL::timestamptz FROM products.variants AS variant \
         JOIN products.products AS product ON product.id = variant.product_id WHERE variant.id = ",
    );
    select.bind(Bind::Uuid(variant)).text(" AND product.currency = ");
    select.bind(Bind::Text(currency.code().to_owned()));
    select.text(
        " UNION ALL SELECT offer.price_minor, offer.price_since, NULL::timestamptz FROM products.offers AS offer \
         WHERE offer.variant_id = ",
    );
    select.bind(Bind::Uuid(variant)).text(" AND offer.currency = ");
    select.bind(Bind::Text(currency.code().to_owned()));
    load(connection, select, currency)
}

/// At most `limit` prices of a variant in a currency that ended, before `before` where that is given, the newest first.
pub(crate) fn page(
    connection: &mut PgConnection,
    variant: Uuid,
    currency: Currency,
    before: Option<DateTime<Utc>>,
    limit: i64,
) -> QueryResult<Vec<PastPrice>> {
    let mut select = Select::<PastSql>::new(
        "SELECT past.price_minor, past.held_from, past.held_until FROM products.price_history AS past \
         WHERE past.variant_id = ",
    );
    select.bind(Bind::Uuid(variant)).text(" AND past.currency = ");
    select.bind(Bind::Text(currency.code().to_owned()));
    if let Some(before) = before {
        select.text(" AND past.held_until < ").bind(Bind::Time(before));
    }
    select
        .text(" ORDER BY past.held_until DESC LIMIT ")
        .bind(Bind::BigInt(limit));
    load(connection, select, currency)
}

fn load(connection: &mut PgConnection, select: Select<PastSql>, currency: Currency) -> QueryResult<Vec<PastPrice>> {
    let rows: Vec<(i64, DateTime<Utc>, Option<DateTime<Utc>>)> = select.load(connection)?;
    let price = |(amount, starts_at, ends_at)| PastPrice {
        price: Money::new(amount, currency),
        starts_at,
        ends_at,
    };
    Ok(rows.into_iter().map(price).collect())
}
