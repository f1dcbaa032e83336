//! What variants were offered for before.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::SCHEMA;

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
