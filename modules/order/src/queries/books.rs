//! What verification reads.

use std::collections::HashSet;

use diesel::prelude::*;
use kernel::id::{CartId, OrderId, PaymentId, ReservationId};
use uuid::Uuid;

use super::reading;
use super::rows::PaymentRow;
use crate::domain::payment::Payment;
use crate::domain::{Status, WholeOrder};
use crate::schema::{operations, orders, payments};

/// Whole orders after `after` in the order of their ids.
pub(crate) fn orders_after(
    connection: &mut PgConnection,
    after: Option<OrderId>,
    limit: i64,
) -> QueryResult<Vec<WholeOrder>> {
    let ids: Vec<Uuid> = orders::table
        .filter(orders::id.gt(after.map_or(Uuid::nil(), OrderId::uuid)))
        .order(orders::id)
        .limit(limit)
        .select(orders::id)
        .load(connection)?;
    reading::by_ids(connection, &ids)
}

/// An order, as far as others hold something for it.
pub(crate) struct Holding {
    pub(crate) order: OrderId,
    pub(crate) cart: CartId,
    pub(crate) reservation: ReservationId,
    /// `None` for a status that this code does not know.
    pub(crate) status: Option<Status>,
    pub(crate) effects_pending: bool,
}

/// The orders that hold `reservations`.
pub(crate) fn by_reservations(
    connection: &mut PgConnection,
    reservations: &[ReservationId],
) -> QueryResult<Vec<Holding>> {
    let ids: Vec<Uuid> = reservations.iter().map(|id| id.uuid()).collect();
    let rows: Vec<HoldingRow> = orders::table
        .filter(orders::reservation_id.eq_any(ids))
        .select(HOLDING)
        .load(connection)?;
    Ok(rows.into_iter().map(holding).collect())
}

/// The orders with these ids.
pub(crate) fn by_ids(connection: &mut PgConnection, claimed: &[OrderId]) -> QueryResult<Vec<Holding>> {
    let ids: Vec<Uuid> = claimed.iter().map(|id| id.uuid()).collect();
    let rows: Vec<HoldingRow> = orders::table
        .filter(orders::id.eq_any(ids))
        .select(HOLDING)
        .load(connection)?;
    Ok(rows.into_iter().map(holding).collect())
}

type HoldingRow = (Uuid, Uuid, Uuid, String, bool);

const HOLDING: (
    orders::id,
    orders::cart_id,
    orders::reservation_id,
    orders::status,
    orders::effects_pending,
) = (
    orders::id,
    orders::cart_id,
    orders::reservation_id,
    orders::status,
    orders::effects_pending,
);

fn holding((order, cart, reservation, status, effects_pending): HoldingRow) -> Holding {
    let status = Status::named(&status);
    Holding {
        order: order.into(),
        cart: cart.into(),
        reservation: reservation.into(),
        status,
        effects_pending,
    }
}

/// The payments with these ids.
pub(crate) fn payments_by_id(connection: &mut PgConnection, ids: &[PaymentId]) -> QueryResult<Vec<Payment>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<PaymentRow> = payments::table
        .filter(payments::id.eq_any(ids))
        .select(PaymentRow::as_select())
        .load(connection)?;
    rows.into_iter().map(PaymentRow::into_payment).collect()
}

/// Which of these payments wait for a provider's answer to something that was asked about them.
pub(crate) fn with_operations_on_their_way(
    connection: &mut PgConnection,
    ids: &[PaymentId],
) -> QueryResult<HashSet<PaymentId>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let busy: Vec<Uuid> = operations::table
        .filter(operations::payment_id.eq_any(ids))
        .filter(operations::status.eq("sent"))
        .select(operations::payment_id)
        .load(connection)?;
    Ok(busy.into_iter().map(PaymentId::from).collect())
}
