//! Carts that nobody needs any more, and lines that should not be.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use uuid::Uuid;

use crate::schema::{carts, items};

/// Marks at most `limit` open carts whose time was over at `now`; answers how many. Never one that an order holds.
pub(crate) fn expire(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    connection.transaction(|connection| {
        let ids: Vec<Uuid> = carts::table
            .filter(carts::status.eq("open"))
            .filter(carts::expires_at.le(now))
            .order(carts::expires_at)
            .limit(limit)
            .for_update()
            .skip_locked()
            .select(carts::id)
            .load(connection)?;
        diesel::update(carts::table.filter(carts::id.eq_any(ids)))
            .set((
                carts::status.eq("expired"),
                carts::version.eq(carts::version + 1),
                carts::updated_at.eq(now),
            ))
            .execute(connection)
    })
}

/// Removes at most `limit` carts that have been expired or merged since `before`; answers how many.
pub(crate) fn remove_closed(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    connection.transaction(|connection| {
        let ids: Vec<Uuid> = carts::table
            .filter(carts::status.eq_any(["expired", "merged"]))
            .filter(carts::updated_at.lt(before))
            .order(carts::updated_at)
            .limit(limit)
            .for_update()
            .skip_locked()
            .select(carts::id)
            .load(connection)?;
        diesel::delete(carts::table.filter(carts::id.eq_any(ids))).execute(connection)
    })
}

/// Lines without a cart.
pub(crate) fn orphans(connection: &mut PgConnection) -> QueryResult<Vec<Uuid>> {
    items::table
        .left_join(carts::table)
        .filter(carts::id.is_null())
        .select(items::id)
        .limit(100)
        .load(connection)
}
