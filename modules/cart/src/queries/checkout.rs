//! Carts in the hands of an order.

use cart_api::ClaimedCart;
use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{Timestamptz, Uuid as SqlUuid};
use kernel::id::{CartId, OrderId};
use serde_json::Value;
use uuid::Uuid;

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

/// Closes a cart that `order` has locked; answers whether there was one.
pub(crate) fn complete(
    connection: &mut PgConnection,
    cart: CartId,
    order: OrderId,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let statement = Complete {
        cart: cart.uuid(),
        order: order.uuid(),
        now,
    };
    Ok(statement.execute(connection)? == 1)
}

/// Notes that `order` will never lock the cart again. Takes the row's lock, so that a freeze that is just being written
/// has either been written before or will find the note.
pub(crate) fn release(connection: &mut PgConnection, cart: CartId, order: OrderId) -> QueryResult<()> {
    let released = carts::released_order_ids;
    let noted = diesel::dsl::array_append(released, order.uuid());
    diesel::update(carts::table.find(cart.uuid()))
        .filter(diesel::dsl::not(released.contains(vec![order.uuid()])))
        .filter(carts::status.ne("completed").or(carts::order_id.ne(order.uuid())))
        .set(released.eq(noted))
        .execute(connection)
        .map(drop)
}

/// Opens a cart that `order` has locked, for `now` until `expires_at`.
pub(crate) fn give_back(
    connection: &mut PgConnection,
    cart: CartId,
    order: OrderId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(carts::table.find(cart.uuid()))
        .filter(carts::status.eq("checkout"))
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

/// Runs once per order, and diesel prepares its own updates anew each time.
struct Complete {
    cart: Uuid,
    order: Uuid,
    now: DateTime<Utc>,
}

impl QueryFragment<Pg> for Complete {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("UPDATE carts.carts SET status = 'completed', version = version + 1, updated_at = ");
        out.push_bind_param::<Timestamptz, _>(&self.now)?;
        out.push_sql(" WHERE status = 'checkout' AND id = ");
        out.push_bind_param::<SqlUuid, _>(&self.cart)?;
        out.push_sql(" AND order_id = ");
        out.push_bind_param::<SqlUuid, _>(&self.order)
    }
}

impl QueryId for Complete {
    type QueryId = Self;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<C> RunQueryDsl<C> for Complete {}
