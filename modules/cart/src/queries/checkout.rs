//! Carts in the hands of an order.

use std::collections::HashSet;

use cart_api::ClaimedCart;
use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::Uuid as SqlUuid;
use kernel::address::Address;
use kernel::id::{CartId, OrderId, ShippingMethodId};
use serde_json::Value;
use uuid::Uuid;

use crate::SCHEMA;
use crate::domain::Cart;
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

/// A cart that an order takes over: as it was seen, as it becomes, and the snapshot that the order gets, as JSON.
pub(crate) struct Taking {
    pub(crate) seen_version: i64,
    /// Of the rules that the cart is priced by.
    pub(crate) revision: i64,
    pub(crate) cart: Cart,
    pub(crate) order: OrderId,
    pub(crate) snapshot: String,
}

/// Locks carts for their orders by one statement; their lines stay as they are. False where somebody has written the cart
/// or the rules since they were seen, another order was faster, or the order has given the cart back before.
pub(crate) fn take_all(connection: &mut PgConnection, takings: &[Taking]) -> QueryResult<Vec<bool>> {
    const SQL: &str = "WITH wanted AS MATERIALIZED ( \
            SELECT * FROM unnest(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) AS wanted (cart_id, seen_version, version, \
                order_id, revision, snapshot, email, shipping_address, billing_address, shipping_method_id, prices, \
                expires_at, updated_at) \
        ), held AS MATERIALIZED ( \
            SELECT cart.id, wanted.order_id FROM @.carts AS cart \
            JOIN wanted ON cart.id = wanted.cart_id AND cart.version = wanted.seen_version \
            WHERE wanted.order_id <> ALL (cart.released_order_ids) \
                AND wanted.revision = (SELECT revision FROM @.rules) \
            ORDER BY cart.id FOR UPDATE OF cart \
        ), taken AS ( \
            UPDATE @.carts AS cart SET version = wanted.version, status = 'checkout', order_id = wanted.order_id, \
                snapshot = wanted.snapshot::json, email = wanted.email, \
                shipping_address = wanted.shipping_address::jsonb, billing_address = wanted.billing_address::jsonb, \
                shipping_method_id = wanted.shipping_method_id, prices = wanted.prices::json, \
                expires_at = wanted.expires_at, updated_at = wanted.updated_at \
            FROM held JOIN wanted ON wanted.cart_id = held.id AND wanted.order_id = held.order_id \
            WHERE cart.id = held.id RETURNING cart.order_id \
        ) \
        SELECT order_id FROM taken";
    let carts = || takings.iter().map(|taking| &taking.cart);
    let json = |address: fn(&Cart) -> &Option<Address>| {
        let texts = carts().map(|cart| address(cart).as_ref().map(serde_json::to_string).transpose());
        let texts = texts.collect::<Result<Vec<Option<String>>, _>>();
        texts.map_err(|error| Error::SerializationError(error.into()))
    };
    let prices: Result<Vec<String>, _> = carts().map(|cart| serde_json::to_string(&cart.priced)).collect();
    let binds = [
        Bind::Uuids(carts().map(|cart| cart.id.uuid()).collect()),
        Bind::BigInts(takings.iter().map(|taking| taking.seen_version).collect()),
        Bind::BigInts(carts().map(|cart| cart.version).collect()),
        Bind::Uuids(takings.iter().map(|taking| taking.order.uuid()).collect()),
        Bind::BigInts(takings.iter().map(|taking| taking.revision).collect()),
        Bind::Texts(takings.iter().map(|taking| taking.snapshot.clone()).collect()),
        Bind::NullableTexts(carts().map(|cart| cart.email.clone()).collect()),
        Bind::NullableTexts(json(|cart| &cart.shipping_address)?),
        Bind::NullableTexts(json(|cart| &cart.billing_address)?),
        Bind::NullableUuids(
            carts()
                .map(|cart| cart.shipping_method.map(ShippingMethodId::uuid))
                .collect(),
        ),
        Bind::Texts(prices.map_err(|error| Error::SerializationError(error.into()))?),
        Bind::Times(carts().map(|cart| cart.expires_at).collect()),
        Bind::Times(carts().map(|cart| cart.updated_at).collect()),
    ];
    let rows: Vec<OrderRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    let taken: HashSet<Uuid> = rows.into_iter().map(|row| row.order_id).collect();
    let is_taken = |taking: &Taking| taken.contains(&taking.order.uuid());
    Ok(takings.iter().map(is_taken).collect())
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
    let rows: Vec<OrderRow> = Statement::new(SCHEMA, SQL, [ids, orders, Bind::Time(now)]).load(connection)?;
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
            carts::touched_at.eq(now),
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
struct OrderRow {
    #[diesel(sql_type = SqlUuid)]
    order_id: Uuid,
}
