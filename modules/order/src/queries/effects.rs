//! Orders that have ended, and of which stock, cart and providers have not heard yet. Rows are shared between replicas by
//! leases in the database's time.

use std::collections::HashSet;
use std::time::Duration;

use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{CartId, OrderId};
use uuid::Uuid;

use super::SCHEMA;
use super::placing::milliseconds;
use crate::schema::effects;

/// An order whose end has to be told to stock, cart and providers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effects {
    pub(crate) order: OrderId,
    /// `None` for an order that came from no cart.
    pub(crate) cart: Option<CartId>,
    /// It was cancelled; otherwise it was placed.
    pub(crate) cancelled: bool,
    /// Neither a payment to undo nor more than one to choose from, and nothing to tell stock of but the sale.
    pub(crate) simple: bool,
    /// How often they were asked for.
    pub(crate) version: i64,
}

impl Effects {
    /// Those of an order that was placed just now, as [`super::placing::take_over`] writes them: held by this process.
    pub(crate) fn of_placed(order: OrderId, cart: Option<CartId>) -> Self {
        Self {
            order,
            cart,
            cancelled: false,
            simple: true,
            version: 1,
        }
    }
}

/// Asks for the effects of an order to be brought about, also where that was done before; what failed before does not hold it
/// up.
pub(crate) fn ask(connection: &mut PgConnection, order: OrderId) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.effects AS asked (order_id) VALUES (?) \
        ON CONFLICT (order_id) DO UPDATE SET version = asked.version + 1, failures = 0, \
            leased_until = least(asked.leased_until, clock_timestamp() + interval '30 seconds')";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(order.uuid())])
        .execute(connection)
        .map(drop)
}

/// Takes pending effects that nobody has, for this process; at most `limit`.
pub(crate) fn take(connection: &mut PgConnection, limit: i64, lease: Duration) -> QueryResult<Vec<Effects>> {
    const SQL: &str = "WITH taken AS ( \
            UPDATE @.effects AS effects SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
            FROM (SELECT order_id FROM @.effects WHERE leased_until < clock_timestamp() \
                  ORDER BY leased_until, order_id LIMIT ? FOR UPDATE SKIP LOCKED) AS due \
            WHERE effects.order_id = due.order_id RETURNING effects.order_id, effects.version) \
        SELECT orders.id, orders.cart_id, orders.status = 'cancelled' AS cancelled, taken.version, \
            orders.status = 'placed' AND orders.cart_id IS NOT NULL \
                AND (SELECT count(*) FROM @.payments WHERE order_id = orders.id) <= 1 \
                AND (SELECT coalesce(sum(CASE status WHEN 'authorized' THEN amount - refunded ELSE captured - refunded END), 0) \
                    FROM @.payments WHERE order_id = orders.id AND status IN ('authorized', 'captured')) \
                    <= greatest(orders.amount_due - orders.granted, 0) \
                AND NOT EXISTS (SELECT FROM @.restocks WHERE order_id = orders.id AND NOT told) \
                AND NOT EXISTS (SELECT FROM @.extra_reservations WHERE order_id = orders.id AND NOT told) AS simple \
        FROM taken JOIN @.orders AS orders ON orders.id = taken.order_id";
    load(
        connection,
        SQL,
        [Bind::BigInt(milliseconds(lease)), Bind::BigInt(limit)],
    )
}

/// Takes the pending effects of one order, whoever had them.
pub(crate) fn take_of(connection: &mut PgConnection, order: OrderId, lease: Duration) -> QueryResult<Vec<Effects>> {
    const SQL: &str = "WITH taken AS ( \
            UPDATE @.effects SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
            WHERE order_id = ? RETURNING order_id, version) \
        SELECT orders.id, orders.cart_id, orders.status = 'cancelled' AS cancelled, taken.version, \
            orders.status = 'placed' AND orders.cart_id IS NOT NULL \
                AND (SELECT count(*) FROM @.payments WHERE order_id = orders.id) <= 1 \
                AND (SELECT coalesce(sum(CASE status WHEN 'authorized' THEN amount - refunded ELSE captured - refunded END), 0) \
                    FROM @.payments WHERE order_id = orders.id AND status IN ('authorized', 'captured')) \
                    <= greatest(orders.amount_due - orders.granted, 0) \
                AND NOT EXISTS (SELECT FROM @.restocks WHERE order_id = orders.id AND NOT told) \
                AND NOT EXISTS (SELECT FROM @.extra_reservations WHERE order_id = orders.id AND NOT told) AS simple \
        FROM taken JOIN @.orders AS orders ON orders.id = taken.order_id";
    load(
        connection,
        SQL,
        [Bind::BigInt(milliseconds(lease)), Bind::Uuid(order.uuid())],
    )
}

/// Ends effects that are brought about, except where somebody has asked again meanwhile.
pub(crate) fn end(connection: &mut PgConnection, done: &[Effects]) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.effects USING unnest(?, ?) AS done (order_id, version) \
        WHERE effects.order_id = done.order_id AND effects.version = done.version";
    if done.is_empty() {
        return Ok(());
    }
    let ids = done.iter().map(|effects| effects.order.uuid()).collect();
    let versions = done.iter().map(|effects| effects.version).collect();
    Statement::new(SCHEMA, SQL, [Bind::Uuids(ids), Bind::BigInts(versions)])
        .execute(connection)
        .map(drop)
}

/// Gives effects that could not be brought about back after a pause that doubles each time, from two seconds to an hour.
pub(crate) fn postpone(connection: &mut PgConnection, failed: &[OrderId]) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.effects SET failures = failures + 1, \
        leased_until = clock_timestamp() + least(power(2, least(failures, 20) + 1), 3600) * interval '1 second' \
        WHERE order_id = ANY (?)";
    if failed.is_empty() {
        return Ok(());
    }
    let ids = failed.iter().map(|order| order.uuid()).collect();
    Statement::new(SCHEMA, SQL, [Bind::Uuids(ids)])
        .execute(connection)
        .map(drop)
}

/// Which of `orders` have effects pending.
pub(crate) fn pending(connection: &mut PgConnection, orders: &[Uuid]) -> QueryResult<HashSet<OrderId>> {
    let pending: Vec<Uuid> = effects::table
        .filter(effects::order_id.eq_any(orders))
        .select(effects::order_id)
        .load(connection)?;
    Ok(pending.into_iter().map(OrderId::from).collect())
}

fn load(connection: &mut PgConnection, sql: &'static str, binds: [Bind; 2]) -> QueryResult<Vec<Effects>> {
    let rows: Vec<EffectsRow> = Statement::new(SCHEMA, sql, binds).load(connection)?;
    Ok(rows.into_iter().map(EffectsRow::into_effects).collect())
}

#[derive(QueryableByName)]
struct EffectsRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Uuid>)]
    cart_id: Option<Uuid>,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    cancelled: bool,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    version: i64,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    simple: bool,
}

impl EffectsRow {
    fn into_effects(self) -> Effects {
        Effects {
            order: self.id.into(),
            cart: self.cart_id.map(Into::into),
            cancelled: self.cancelled,
            simple: self.simple,
            version: self.version,
        }
    }
}
