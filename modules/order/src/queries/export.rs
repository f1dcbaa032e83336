//! Orders for the export, oldest first.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::id::OrderId;

use super::reading::with_parts;
use super::rows::OrderRow;
use crate::domain::{Order, Status, WholeOrder};
use crate::schema::orders;

/// Which orders are exported.
#[derive(Clone, Debug, Default)]
pub(crate) struct OrderSelection {
    /// All, where none is named.
    pub(crate) statuses: Vec<Status>,
    /// Placed then or later.
    pub(crate) placed_after: Option<DateTime<Utc>>,
    /// Placed earlier.
    pub(crate) placed_before: Option<DateTime<Utc>>,
}

/// The orders of `selection` after `after`, by their ids, which rise with the time at which orders are begun.
pub(crate) fn orders_after(
    connection: &mut PgConnection,
    selection: &OrderSelection,
    after: Option<OrderId>,
    limit: i64,
) -> QueryResult<Vec<WholeOrder>> {
    let mut query = orders::table
        .filter(orders::total.is_not_null())
        .order(orders::id)
        .limit(limit)
        .select(OrderRow::as_select())
        .into_boxed();
    if !selection.statuses.is_empty() {
        query = query.filter(orders::status.eq_any(selection.statuses.iter().map(|status| status.name())));
    }
    if let Some(from) = selection.placed_after {
        query = query.filter(orders::placed_at.ge(from));
    }
    if let Some(until) = selection.placed_before {
        query = query.filter(orders::placed_at.lt(until));
    }
    if let Some(after) = after {
        query = query.filter(orders::id.gt(after.uuid()));
    }
    let rows: Vec<OrderRow> = query.load(connection)?;
    let orders = rows
        .into_iter()
        .map(OrderRow::into_order)
        .collect::<QueryResult<Vec<Order>>>()?;
    with_parts(connection, orders)
}
