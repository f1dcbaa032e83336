//! Carts in the hands of an order.

use cart_api::ClaimedCart;
use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use kernel::id::{CartId, OrderId};
use serde_json::Value;
use uuid::Uuid;

use crate::SCHEMA;
use crate::schema::carts;

/// The snapshot under which `order` has taken over the cart, where it has.
pub(crate) fn snapshot(connection: &mut PgConnection, cart: CartId, order: OrderId) -> QueryResult<Option<Value>> {
    let found: Option<Option<Value>> = carts::table
        .find(cart.uuid())
        .filter(carts::order_id.eq(order.uuid()))
        .select(carts::snapshot)
        .first(connection)
        .optional()?;
    Ok(found.flatten())
}

/// Closes carts that their orders have locked; answers the orders whose carts are closed, now or before.
pub(crate) fn complete(
    connection: &mut PgConnection,
    carts: &[(CartId, OrderId)],
    now: DateTime<Utc>,
) -> QueryResult<Vec<OrderId>> {
    const SQL: &str = "WITH held AS MATERIALIZED ( \
            SELECT cart.id, cart.order_id, cart.status FROM @.carts AS cart \
            JOIN unnest(?, ?) AS wanted (cart_id, order_id) \
                ON cart.id = wanted.cart_id AND cart.order_id = wanted.order_id \
            ORDER BY cart.id FOR UPDATE OF cart \
        ), completed AS ( \
            UPDATE @.carts AS cart SET status = 'completed', version = cart.version + 1, updated_at = ? FROM held \
            WHERE cart.id = held.id AND held.status = 'checkout' RETURNING cart.id \
        ) \
        SELECT order_id FROM held WHERE status IN ('checkout', 'completed')";
    let ids = Bind::Uuids(carts.iter().map(|(cart, _)| cart.uuid()).collect());
    let orders = Bind::Uuids(carts.iter().map(|(_, order)| order.uuid()).collect());
    let rows: Vec<Completed> = Statement::new(SCHEMA, SQL, [ids, orders, Bind::Time(now)]).load(connection)?;
    Ok(rows.into_iter().map(|row| row.order_id.into()).collect())
}

/// Notes that `order` will never lock the cart again. Takes the row's lock, so that a freeze that is just being written
/// has either been written before or will find the note.
pub(crate) fn release(connection: &mut PgConnection, cart: CartId, order: OrderId) -> QueryResult<()> {
    let released = carts::released_order_ids;
    let noted = diesel::dsl::array_append(released, order.uuid());
    diesel::update(carts::table.find(cart.uuid()))
        .filter(diesel::dsl::not(released.contains(vec![order.uuid()])))
        .set(released.eq(noted))
        .execute(connection)
        .map(drop)
}

/// Opens a cart that `order` has locked or completed, for `now` until `expires_at`.
pub(crate) fn give_back(
    connection: &mut PgConnection,
    cart: CartId,
    order: OrderId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(carts::table.find(cart.uuid()))
        .filter(carts::status.eq_any(["checkout", "completed"]))
        .filter(carts::order_id.eq(order.uuid()))
        .set((
            carts::status.eq("open"),
            carts::order_id.eq(None::<Uuid>),
            carts::snapshot.eq(None::<Value>),
            carts::version.eq(carts::version + 1),
            carts::expires_at.eq(expires_at),
            carts::updated_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
}

/// At most `limit` carts that an order holds, in the order of their ids, after `after`.
pub(crate) fn claimed(
    connection: &mut PgConnection,
    after: Option<CartId>,
    limit: i64,
) -> QueryResult<Vec<ClaimedCart>> {
    let rows: Vec<(Uuid, Uuid, String)> = carts::table
        .filter(carts::status.eq_any(["checkout", "completed"]))
        .filter(carts::id.gt(after.map_or(Uuid::nil(), CartId::uuid)))
        .order(carts::id)
        .limit(limit)
        .select((carts::id, carts::order_id.assume_not_null(), carts::status))
        .load(connection)?;
    let claim = |(cart, order, status): (Uuid, Uuid, String)| ClaimedCart {
        cart: cart.into(),
        order: order.into(),
        completed: status == "completed",
    };
    Ok(rows.into_iter().map(claim).collect())
}

#[derive(QueryableByName)]
struct Completed {
    #[diesel(sql_type = SqlUuid)]
    order_id: Uuid,
}
