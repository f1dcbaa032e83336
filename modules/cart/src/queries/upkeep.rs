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
                    AND bought.status IN ('checkout', 'completed') AND bought.updated_at > cart.touched_at) \
                AND NOT EXISTS (SELECT FROM @.carts AS bought WHERE bought.email = cart.email AND bought.user_id IS NULL \
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
    pub(crate) email: Option<String>,
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
            SELECT * FROM unnest(?, ?, ?, ?) AS wanted (cart_id, user_id, email, touched_at) \
        ), noted AS ( \
            INSERT INTO @.told_carts AS told (cart_id, touched_at) \
            SELECT cart_id, touched_at FROM wanted ORDER BY cart_id \
            ON CONFLICT (cart_id) DO UPDATE SET touched_at = excluded.touched_at \
            WHERE told.touched_at < excluded.touched_at RETURNING cart_id \
        ) \
        SELECT noted.cart_id FROM noted JOIN wanted ON wanted.cart_id = noted.cart_id \
        WHERE NOT EXISTS (SELECT FROM @.carts AS bought WHERE bought.user_id = wanted.user_id \
            AND bought.status IN ('checkout', 'completed') AND bought.updated_at > wanted.touched_at) \
        AND NOT EXISTS (SELECT FROM @.carts AS bought WHERE bought.email = wanted.email AND bought.user_id IS NULL \
            AND bought.status IN ('checkout', 'completed') AND bought.updated_at > wanted.touched_at)";
    Statement::new(SCHEMA, FORGET, [Bind::Time(oldest)]).execute(connection)?;
    if quiet.is_empty() {
        return Ok(HashSet::new());
    }
    let binds = [
        Bind::Uuids(quiet.iter().map(|quiet| quiet.cart.uuid()).collect()),
        Bind::NullableUuids(quiet.iter().map(|quiet| quiet.user.map(UserId::uuid)).collect()),
        Bind::NullableTexts(quiet.iter().map(|quiet| quiet.email.clone()).collect()),
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
            carts::tax_number.eq(None::<String>),
            carts::promotion_codes.eq(Vec::<String>::new()),
            carts::gift_card_ids.eq(Vec::<Uuid>::new()),
            // The tax number is in them as well.
            carts::prices.eq(None::<Value>),
            carts::version.eq(carts::version + 1),
        )
    };
    let is_personal = carts::email
        .is_not_null()
        .or(carts::shipping_address.is_not_null())
        .or(carts::billing_address.is_not_null())
        .or(carts::tax_number.is_not_null());
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

/// Something that is kept and is not what it is the sum of.
#[derive(QueryableByName)]
pub(crate) struct Miscount {
    /// What it is kept of: a code, or the bare id.
    #[diesel(sql_type = Text)]
    pub(crate) subject: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) kept: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) counted: i64,
}

/// Gift cards whose balance is not the sum of their entries.
pub(crate) fn wrong_balances(connection: &mut PgConnection) -> QueryResult<Vec<Miscount>> {
    const SQL: &str = "SELECT card.id::text AS subject, card.balance_minor AS kept, \
            coalesce(ledger.total, 0)::bigint AS counted \
        FROM @.gift_cards AS card \
        LEFT JOIN (SELECT gift_card_id, sum(amount_minor) AS total FROM @.gift_card_entries GROUP BY gift_card_id) \
            AS ledger ON ledger.gift_card_id = card.id \
        WHERE card.balance_minor <> coalesce(ledger.total, 0) ORDER BY card.id LIMIT 100";
    Statement::new(SCHEMA, SQL, []).load(connection)
}

/// Promotions with a limit or a budget that keep another number of uses than living orders have.
pub(crate) fn wrong_uses_of_promotions(connection: &mut PgConnection) -> QueryResult<Vec<Miscount>> {
    const SQL: &str = "SELECT promotion.id::text AS subject, promotion.uses AS kept, coalesce(living.uses, 0) AS counted \
        FROM @.promotions AS promotion \
        LEFT JOIN (SELECT promotion_id, count(*) AS uses FROM @.promotion_uses GROUP BY promotion_id) \
            AS living ON living.promotion_id = promotion.id \
        WHERE (promotion.usage_limit IS NOT NULL OR promotion.budget_minor IS NOT NULL) \
            AND promotion.uses <> coalesce(living.uses, 0) \
        ORDER BY promotion.id LIMIT 100";
    Statement::new(SCHEMA, SQL, []).load(connection)
}

/// Promotions with a budget that keep another amount than they take off in living orders.
pub(crate) fn wrong_budgets(connection: &mut PgConnection) -> QueryResult<Vec<Miscount>> {
    const SQL: &str = "SELECT promotion.id::text AS subject, promotion.spent_minor AS kept, \
            coalesce(living.spent, 0)::bigint AS counted \
        FROM @.promotions AS promotion \
        LEFT JOIN (SELECT promotion_id, currency, sum(amount_minor) AS spent FROM @.promotion_uses \
                GROUP BY promotion_id, currency) \
            AS living ON living.promotion_id = promotion.id AND living.currency = promotion.budget_currency \
        WHERE promotion.budget_minor IS NOT NULL AND promotion.spent_minor <> coalesce(living.spent, 0) \
        ORDER BY promotion.id LIMIT 100";
    Statement::new(SCHEMA, SQL, []).load(connection)
}

/// Codes with a limit that keep another number of uses than living orders have.
pub(crate) fn wrong_uses_of_codes(connection: &mut PgConnection) -> QueryResult<Vec<Miscount>> {
    const SQL: &str = "SELECT code.code AS subject, code.uses AS kept, coalesce(living.uses, 0) AS counted \
        FROM @.promotion_codes AS code \
        LEFT JOIN (SELECT promotion_id, code, count(*) AS uses FROM @.promotion_uses GROUP BY promotion_id, code) \
            AS living ON living.promotion_id = code.promotion_id AND living.code = code.code \
        WHERE code.usage_limit IS NOT NULL AND code.uses <> coalesce(living.uses, 0) ORDER BY code.code LIMIT 100";
    Statement::new(SCHEMA, SQL, []).load(connection)
}

/// Customers of a promotion for whom another number of uses is kept than their living orders have. Customers can be addresses:
/// the promotion is named in their place.
pub(crate) fn wrong_uses_of_customers(connection: &mut PgConnection) -> QueryResult<Vec<Miscount>> {
    const SQL: &str = "SELECT coalesce(customer.promotion_id, living.promotion_id)::text AS subject, \
            coalesce(customer.uses, 0) AS kept, coalesce(living.uses, 0) AS counted \
        FROM @.promotion_customers AS customer \
        FULL JOIN (SELECT promotion_id, customer, count(*) AS uses FROM @.promotion_uses \
                GROUP BY promotion_id, customer) \
            AS living ON living.promotion_id = customer.promotion_id AND living.customer = customer.customer \
        WHERE coalesce(customer.uses, 0) <> coalesce(living.uses, 0) ORDER BY subject LIMIT 100";
    Statement::new(SCHEMA, SQL, []).load(connection)
}

/// Orders that use promotions, or are the first of somebody, and hold no cart, with how often.
pub(crate) fn uses_without_cart(connection: &mut PgConnection) -> QueryResult<Vec<Miscount>> {
    const SQL: &str = "SELECT living.order_id::text AS subject, count(*) AS kept, 0::bigint AS counted \
        FROM (SELECT order_id FROM @.promotion_uses UNION ALL SELECT order_id FROM @.first_orders) AS living \
        WHERE NOT EXISTS (SELECT FROM @.carts AS cart \
            WHERE cart.order_id = living.order_id AND cart.status IN ('checkout', 'completed')) \
        GROUP BY living.order_id ORDER BY living.order_id LIMIT 100";
    Statement::new(SCHEMA, SQL, []).load(connection)
}

/// Orders that have spent more of gift cards than they have returned and hold no cart, with how much.
pub(crate) fn spending_without_cart(connection: &mut PgConnection) -> QueryResult<Vec<Miscount>> {
    const SQL: &str = "SELECT entry.order_id::text AS subject, -sum(entry.amount_minor)::bigint AS kept, \
            0::bigint AS counted \
        FROM @.gift_card_entries AS entry \
        WHERE entry.order_id IS NOT NULL AND NOT EXISTS (SELECT FROM @.carts AS cart \
            WHERE cart.order_id = entry.order_id AND cart.status IN ('checkout', 'completed')) \
        GROUP BY entry.order_id HAVING sum(entry.amount_minor) <> 0 ORDER BY entry.order_id LIMIT 100";
    Statement::new(SCHEMA, SQL, []).load(connection)
}
