//! Carts that nobody needs any more, and lines that should not be.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::Money;
use kernel::id::{CartId, UserId};
use serde_json::Value;
use uuid::Uuid;

use super::{saved, unreadable};
use crate::SCHEMA;
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

/// A cart that its buyer has left behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) cart: CartId,
    pub(crate) user: Option<UserId>,
    pub(crate) touched_at: DateTime<Utc>,
    pub(crate) share_number: i32,
    /// What was due for it, as it is kept with the cart.
    pub(crate) amount_due: Money,
}

/// Notes at most `limit` open carts that were last changed `before`, but not before `oldest`, as left behind, and answers
/// those of whose buyers something is known, that are not empty, and after which the buyer has ordered nothing; and how many
/// were noted. What is noted is no new version: it changes nothing that anybody is shown.
pub(crate) fn leave(
    connection: &mut PgConnection,
    oldest: DateTime<Utc>,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: i64,
) -> QueryResult<(Vec<Left>, usize)> {
    const SQL: &str = "WITH due AS MATERIALIZED ( \
            SELECT id FROM @.carts WHERE status = 'open' AND (left_at IS NULL OR left_at < touched_at) \
                AND touched_at >= ? AND touched_at < ? ORDER BY touched_at LIMIT ? FOR UPDATE SKIP LOCKED \
        ) \
        UPDATE @.carts AS cart SET left_at = ? FROM due WHERE cart.id = due.id \
        RETURNING cart.id, cart.user_id, cart.touched_at, cart.share_number, cart.currency, \
            coalesce((cart.prices -> 'totals' -> 'amount_due' ->> 'amount')::bigint, 0) AS amount_due, \
            cart.expires_at > ? AND (cart.email IS NOT NULL OR cart.user_id IS NOT NULL) \
                AND EXISTS (SELECT FROM @.items AS item WHERE item.cart_id = cart.id) \
                AND NOT EXISTS (SELECT FROM @.carts AS bought WHERE bought.user_id = cart.user_id \
                    AND bought.status IN ('checkout', 'completed') AND bought.updated_at > cart.touched_at) AS is_news";
    let binds = [
        Bind::Time(oldest),
        Bind::Time(before),
        Bind::BigInt(limit),
        Bind::Time(now),
        Bind::Time(now),
    ];
    let rows: Vec<LeftRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    let noted = rows.len();
    let news = rows.into_iter().filter(|row| row.is_news).map(|row| {
        Ok(Left {
            cart: row.id.into(),
            user: row.user_id.map(UserId::from),
            touched_at: row.touched_at,
            share_number: row.share_number,
            amount_due: Money::new(row.amount_due, row.currency.parse().map_err(unreadable)?),
        })
    });
    Ok((news.collect::<QueryResult<_>>()?, noted))
}

#[derive(QueryableByName)]
struct LeftRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    user_id: Option<Uuid>,
    #[diesel(sql_type = Timestamptz)]
    touched_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    share_number: i32,
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = BigInt)]
    amount_due: i64,
    #[diesel(sql_type = Bool)]
    is_news: bool,
}

/// A cart, kept elsewhere, that was last changed a while ago.
pub(crate) struct Quiet {
    pub(crate) cart: CartId,
    pub(crate) user: Option<UserId>,
    pub(crate) touched_at: DateTime<Utc>,
}

/// Notes that others are told of carts that are kept elsewhere, in the transaction that does so; answers those of which they
/// were not told since the last change, and after which the buyer has ordered nothing. What was noted before `oldest` is
/// forgotten.
pub(crate) fn tell(
    connection: &mut PgConnection,
    quiet: &[Quiet],
    oldest: DateTime<Utc>,
) -> QueryResult<HashSet<CartId>> {
    const FORGET: &str = "DELETE FROM @.told_carts WHERE touched_at < ?";
    const SQL: &str = "WITH wanted AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?) AS wanted (cart_id, user_id, touched_at) \
        ), noted AS ( \
            INSERT INTO @.told_carts AS told (cart_id, touched_at) \
            SELECT cart_id, touched_at FROM wanted ORDER BY cart_id \
            ON CONFLICT (cart_id) DO UPDATE SET touched_at = excluded.touched_at \
            WHERE told.touched_at < excluded.touched_at RETURNING cart_id \
        ) \
        SELECT noted.cart_id FROM noted JOIN wanted ON wanted.cart_id = noted.cart_id \
        WHERE NOT EXISTS (SELECT FROM @.carts AS bought WHERE bought.user_id = wanted.user_id \
            AND bought.status IN ('checkout', 'completed') AND bought.updated_at > wanted.touched_at)";
    Statement::new(SCHEMA, FORGET, [Bind::Time(oldest)]).execute(connection)?;
    if quiet.is_empty() {
        return Ok(HashSet::new());
    }
    let binds = [
        Bind::Uuids(quiet.iter().map(|quiet| quiet.cart.uuid()).collect()),
        Bind::NullableUuids(quiet.iter().map(|quiet| quiet.user.map(UserId::uuid)).collect()),
        Bind::Times(quiet.iter().map(|quiet| quiet.touched_at).collect()),
    ];
    let rows: Vec<ToldRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    Ok(rows.into_iter().map(|row| row.cart_id.into()).collect())
}

#[derive(QueryableByName)]
struct ToldRow {
    #[diesel(sql_type = SqlUuid)]
    cart_id: Uuid,
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
    saved::forget(connection, user)?;
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
