//! Carts that nobody needs any more, and lines that should not be.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::id::UserId;
use serde_json::Value;
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

/// Empties the carts of `user` that no order holds of what is personal, and ends those that are open.
pub(crate) fn forget(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<()> {
    let held: Vec<(Uuid, String)> = carts::table
        .filter(carts::user_id.eq(user.uuid()))
        .filter(carts::status.eq_any(["open", "expired", "merged"]))
        .order(carts::id)
        .for_update()
        .select((carts::id, carts::status))
        .load(connection)?;
    let (open, closed): (Vec<_>, Vec<_>) = held.into_iter().partition(|(_, status)| status == "open");
    let ids = |held: Vec<(Uuid, String)>| held.into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let nothing_personal = || {
        (
            carts::email.eq(None::<String>),
            carts::shipping_address.eq(None::<Value>),
            carts::billing_address.eq(None::<Value>),
            carts::version.eq(carts::version + 1),
        )
    };
    let is_personal = carts::email
        .is_not_null()
        .or(carts::shipping_address.is_not_null())
        .or(carts::billing_address.is_not_null());
    // What is over stays over since then, so that it is removed in its time.
    diesel::update(carts::table.filter(carts::id.eq_any(ids(closed))).filter(is_personal))
        .set(nothing_personal())
        .execute(connection)?;
    diesel::update(carts::table.filter(carts::id.eq_any(ids(open))))
        .set((
            nothing_personal(),
            carts::status.eq("expired"),
            carts::updated_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
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
