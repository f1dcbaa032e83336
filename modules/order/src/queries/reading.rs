//! Orders as they are shown: one by its id, or a page, always with all that belongs to them in a fixed number of
//! statements.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::Currency;
use kernel::id::{OrderId, PaymentId, UserId};
use serde_json::Value;
use uuid::Uuid;

use super::rows::{LineRow, OrderRow, PaymentRow};
use crate::domain::fulfilment::FulfilmentStatus;
use crate::domain::payment::Payment;
use crate::domain::{Line, Order, Status, TimelineEntry, WholeOrder};
use crate::schema::{lines, orders, payments, timeline};

/// The order, and nothing that belongs to it.
pub(crate) fn order(connection: &mut PgConnection, id: OrderId) -> QueryResult<Option<Order>> {
    let row = orders::table
        .find(id.uuid())
        .select(OrderRow::as_select())
        .first(connection)
        .optional()?;
    row.map(OrderRow::into_order).transpose()
}

/// The order, locked for the rest of the transaction.
pub(crate) fn lock(connection: &mut PgConnection, id: OrderId) -> QueryResult<Option<Order>> {
    let row = orders::table
        .find(id.uuid())
        .select(OrderRow::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    row.map(OrderRow::into_order).transpose()
}

/// The order with everything that belongs to it.
pub(crate) fn whole(connection: &mut PgConnection, id: OrderId) -> QueryResult<Option<WholeOrder>> {
    let Some(order) = order(connection, id)? else {
        return Ok(None);
    };
    Ok(with_parts(connection, vec![order])?.pop())
}

/// The payments of an order, oldest first.
pub(crate) fn payments_of(connection: &mut PgConnection, id: OrderId) -> QueryResult<Vec<Payment>> {
    let rows: Vec<PaymentRow> = payments::table
        .filter(payments::order_id.eq(id.uuid()))
        .order(payments::id)
        .select(PaymentRow::as_select())
        .load(connection)?;
    rows.into_iter().map(PaymentRow::into_payment).collect()
}

/// What a list of orders is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderFilter {
    pub(crate) user: Option<UserId>,
    pub(crate) statuses: Vec<Status>,
    pub(crate) email: Option<String>,
    pub(crate) number: Option<String>,
}

/// Orders newest first, before `before`.
pub(crate) fn list(
    connection: &mut PgConnection,
    filter: &OrderFilter,
    before: Option<OrderId>,
    limit: i64,
) -> QueryResult<Vec<WholeOrder>> {
    let mut query = orders::table
        .filter(orders::total.is_not_null())
        .order(orders::id.desc())
        .limit(limit)
        .select(OrderRow::as_select())
        .into_boxed();
    if let Some(user) = filter.user {
        query = query.filter(orders::user_id.eq(user.uuid()));
    }
    if !filter.statuses.is_empty() {
        query = query.filter(orders::status.eq_any(filter.statuses.iter().map(|status| status.name())));
    }
    if let Some(email) = &filter.email {
        query = query.filter(orders::email.eq(email));
    }
    if let Some(number) = &filter.number {
        query = query.filter(orders::number.eq(number));
    }
    if let Some(before) = before {
        query = query.filter(orders::id.lt(before.uuid()));
    }
    let rows: Vec<OrderRow> = query.load(connection)?;
    let orders = rows
        .into_iter()
        .map(OrderRow::into_order)
        .collect::<QueryResult<Vec<Order>>>()?;
    with_parts(connection, orders)
}

/// The whole orders with these ids, in the order of their ids.
pub(crate) fn by_ids(connection: &mut PgConnection, ids: &[Uuid]) -> QueryResult<Vec<WholeOrder>> {
    let rows: Vec<OrderRow> = orders::table
        .filter(orders::id.eq_any(ids))
        .order(orders::id)
        .select(OrderRow::as_select())
        .load(connection)?;
    let orders = rows
        .into_iter()
        .map(OrderRow::into_order)
        .collect::<QueryResult<Vec<Order>>>()?;
    with_parts(connection, orders)
}

pub(super) fn with_parts(connection: &mut PgConnection, orders: Vec<Order>) -> QueryResult<Vec<WholeOrder>> {
    let ids: Vec<Uuid> = orders.iter().map(|order| order.id.uuid()).collect();
    let mut lines: Vec<LineRow> = lines::table
        .filter(lines::order_id.eq_any(&ids))
        .order((lines::order_id, lines::position))
        .select(LineRow::as_select())
        .load(connection)?;
    let payments: Vec<PaymentRow> = payments::table
        .filter(payments::order_id.eq_any(&ids))
        .order(payments::id)
        .select(PaymentRow::as_select())
        .load(connection)?;
    let mut payments = payments
        .into_iter()
        .map(PaymentRow::into_payment)
        .collect::<QueryResult<Vec<Payment>>>()?;
    // Money that was never taken is not given back, and what has not left does not come back.
    let mut refunds = match payments.iter().any(|payment| payment.captured > 0) {
        true => super::payments::refunds(connection, &ids)?,
        false => Vec::new(),
    };
    let is_anything_out = orders
        .iter()
        .any(|order| order.fulfilment_status != FulfilmentStatus::Unfulfilled);
    let (mut fulfilments, mut returns) = match is_anything_out {
        true => (
            super::fulfilments::of_orders(connection, &ids)?,
            super::returns::of_orders(connection, &ids)?,
        ),
        false => (Vec::new(), Vec::new()),
    };
    let mut entries: Vec<EntryRow> = timeline::table
        .filter(timeline::order_id.eq_any(&ids))
        .order((timeline::order_id, timeline::sequence))
        .select(EntryRow::as_select())
        .load(connection)?;
    let whole = orders.into_iter().map(|order| {
        let id = order.id.uuid();
        let own_lines: QueryResult<Vec<Line>> = match &order.content {
            Some(content) => lines
                .extract_if(.., |line| line.order_id == id)
                .map(|line| line.into_line(content.currency))
                .collect(),
            None => Ok(Vec::new()),
        };
        let own_payments: Vec<Payment> = payments.extract_if(.., |payment| payment.order.uuid() == id).collect();
        let is_own = |payment: PaymentId| own_payments.iter().any(|own| own.id == payment);
        let own_refunds = refunds.extract_if(.., |refund| is_own(refund.payment_id)).collect();
        Ok(WholeOrder {
            lines: own_lines?,
            refunds: own_refunds,
            payments: own_payments,
            fulfilments: take_own(&mut fulfilments, order.id),
            returns: take_own(&mut returns, order.id),
            timeline: entries
                .extract_if(.., |entry| entry.order_id == id)
                .map(EntryRow::into_entry)
                .collect(),
            order,
        })
    });
    whole.collect()
}

fn take_own<T>(all: &mut Vec<(OrderId, T)>, order: OrderId) -> Vec<T> {
    all.extract_if(.., |(owner, _)| *owner == order)
        .map(|(_, own)| own)
        .collect()
}

/// The lines of an order, in their order.
pub(crate) fn lines_of(connection: &mut PgConnection, order: OrderId, currency: Currency) -> QueryResult<Vec<Line>> {
    let rows: Vec<LineRow> = lines::table
        .filter(lines::order_id.eq(order.uuid()))
        .order(lines::position)
        .select(LineRow::as_select())
        .load(connection)?;
    rows.into_iter().map(|row| row.into_line(currency)).collect()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = timeline)]
struct EntryRow {
    order_id: Uuid,
    at: DateTime<Utc>,
    kind: String,
    actor: String,
    actor_id: Option<Uuid>,
    detail: Option<Value>,
    internal: bool,
}

impl EntryRow {
    fn into_entry(self) -> TimelineEntry {
        TimelineEntry {
            at: self.at,
            kind: self.kind,
            actor: self.actor,
            actor_id: self.actor_id.map(Into::into),
            detail: self.detail,
            internal: self.internal,
        }
    }
}
