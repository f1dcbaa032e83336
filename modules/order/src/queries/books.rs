//! What verification reads.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::id::{CartId, OrderId, PaymentId};
use uuid::Uuid;

use super::rows::PaymentRow;
use super::{effects, reading};
use crate::domain::payment::Payment;
use crate::domain::{Status, WholeOrder};
use crate::schema::{operations, orders, payments};

/// Whole orders after `after` in the order of their ids, and which of them have effects pending.
pub(crate) fn orders_after(
    connection: &mut PgConnection,
    after: Option<OrderId>,
    limit: i64,
) -> QueryResult<(Vec<WholeOrder>, HashSet<OrderId>)> {
    let ids: Vec<Uuid> = orders::table
        .filter(orders::id.gt(after.map_or(Uuid::nil(), OrderId::uuid)))
        .order(orders::id)
        .limit(limit)
        .select(orders::id)
        .load(connection)?;
    // In this order: effects that are done in between are missed by nobody, because what they have done is seen then.
    let pending = effects::pending(connection, &ids)?;
    Ok((reading::by_ids(connection, &ids)?, pending))
}

/// An order, as far as others hold something for it.
pub(crate) struct Holding {
    pub(crate) order: OrderId,
    pub(crate) cart: Option<CartId>,
    /// `None` for a status that this code does not know.
    pub(crate) status: Option<Status>,
    pub(crate) effects_pending: bool,
}

/// The orders with these ids.
pub(crate) fn by_ids(connection: &mut PgConnection, claimed: &[OrderId]) -> QueryResult<Vec<Holding>> {
    let ids: Vec<Uuid> = claimed.iter().map(|id| id.uuid()).collect();
    let pending = effects::pending(connection, &ids)?;
    let rows: Vec<(Uuid, Option<Uuid>, String)> = orders::table
        .filter(orders::id.eq_any(ids))
        .select((orders::id, orders::cart_id, orders::status))
        .load(connection)?;
    let holding = |(order, cart, status): (Uuid, Option<Uuid>, String)| Holding {
        order: order.into(),
        cart: cart.map(Into::into),
        status: Status::named(&status),
        effects_pending: pending.contains(&OrderId::from(order)),
    };
    Ok(rows.into_iter().map(holding).collect())
}

/// The payments of a provider with these ids, or these names of the provider's, each with the name that we know.
pub(crate) fn payments_charged(
    connection: &mut PgConnection,
    provider: &str,
    ids: &[PaymentId],
    references: &[String],
) -> QueryResult<Vec<(Payment, Option<String>)>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
    let rows: Vec<(PaymentRow, Option<String>)> = payments::table
        .filter(payments::provider.eq(provider))
        .filter(payments::id.eq_any(ids).or(payments::reference.eq_any(references)))
        .select((PaymentRow::as_select(), payments::reference))
        .load(connection)?;
    let named = |(row, reference): (PaymentRow, Option<String>)| Ok((row.into_payment()?, reference));
    rows.into_iter().map(named).collect()
}

/// The payments of a provider that were begun between the two, and for which money was taken by our books, each with the
/// provider's name for it.
pub(crate) fn taken_between(
    connection: &mut PgConnection,
    provider: &str,
    from: Option<DateTime<Utc>>,
    to: DateTime<Utc>,
) -> QueryResult<Vec<(PaymentId, Option<String>)>> {
    let rows: Vec<(Uuid, Option<String>)> = payments::table
        .filter(payments::provider.eq(provider))
        .filter(payments::captured.gt(0))
        .filter(payments::created_at.ge(from.unwrap_or(DateTime::UNIX_EPOCH)))
        .filter(payments::created_at.lt(to))
        .select((payments::id, payments::reference))
        .load(connection)?;
    Ok(rows.into_iter().map(|(id, reference)| (id.into(), reference)).collect())
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
