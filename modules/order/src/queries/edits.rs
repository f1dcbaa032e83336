//! Changes of placed orders, as they are written down.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::id::{OrderEditId, OrderId};
use serde_json::Value;
use uuid::Uuid;

use super::json;
use crate::domain::edit::Edited;
use crate::domain::{Actor, Content, Line, Order};
use crate::schema::{edits, lines, orders};

/// A change of an order.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) id: OrderEditId,
    pub(crate) reason: Option<String>,
    pub(crate) actor: Actor,
    /// What was asked for.
    pub(crate) changes: Value,
}

/// Whether a change has been made: a repeat finds it.
pub(crate) fn exists(connection: &mut PgConnection, id: OrderEditId) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(edits::table.find(id.uuid()))).get_result(connection)
}

/// Makes a change: the order is locked, and was `before`.
pub(crate) fn make(
    connection: &mut PgConnection,
    found: &Order,
    before: &Content,
    edit: &Edit,
    edited: &Edited,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let order = found.id;
    let row = (
        edits::id.eq(edit.id.uuid()),
        edits::order_id.eq(order.uuid()),
        edits::reason.eq(&edit.reason),
        edits::actor_id.eq(edit.actor.id().map(Uuid::from)),
        edits::changes.eq(&edit.changes),
        edits::before.eq(json(&before.totals)?),
        edits::after.eq(json(&edited.content.totals)?),
        edits::created_at.eq(now),
    );
    diesel::insert_into(edits::table).values(row).execute(connection)?;
    for line in &edited.changed {
        change_line(connection, line)?;
    }
    add_lines(connection, order, &edited.added)?;
    let totals = &edited.content.totals;
    diesel::update(orders::table.find(order.uuid()))
        .set((
            orders::subtotal.eq(totals.subtotal.amount),
            orders::discount.eq(totals.discount.amount),
            orders::tax.eq(totals.tax.amount),
            orders::tax_included.eq(totals.tax_included.amount),
            orders::total.eq(totals.total.amount),
            orders::amount_due.eq(totals.amount_due.amount),
            // More than the order costs cannot have been granted on it: what is added next is not paid by that.
            orders::granted.eq(found.granted.min(totals.amount_due.amount)),
            orders::pricing.eq(json(&edited.content.pricing)?),
            orders::shipping_address.eq(edited.content.shipping_address.as_ref().map(json).transpose()?),
        ))
        .execute(connection)
        .map(drop)
}

/// A line of which fewer are bought than before.
fn change_line(connection: &mut PgConnection, line: &Line) -> QueryResult<()> {
    diesel::update(lines::table.find(line.id.uuid()))
        .set((
            lines::quantity.eq(line.quantity),
            lines::discount.eq(line.discount.amount),
            lines::tax.eq(line.tax.amount),
            lines::total.eq(line.total.amount),
            lines::taxes.eq(json(&line.taxes)?),
        ))
        .execute(connection)
        .map(drop)
}

/// Puts lines behind those that an order has.
fn add_lines(connection: &mut PgConnection, order: OrderId, added: &[Line]) -> QueryResult<()> {
    let last: Option<i64> = lines::table
        .filter(lines::order_id.eq(order.uuid()))
        .select(diesel::dsl::max(lines::position))
        .first(connection)?;
    let first = last.unwrap_or(0) + 1;
    let mut rows = Vec::new();
    for (position, line) in (first..).zip(added) {
        rows.push((
            lines::id.eq(line.id.uuid()),
            lines::order_id.eq(order.uuid()),
            lines::position.eq(position),
            lines::variant_id.eq(line.variant_id.uuid()),
            lines::product_id.eq(line.product_id.uuid()),
            lines::sku.eq(line.sku.clone()),
            lines::title.eq(line.title.clone()),
            lines::variant_title.eq(line.variant_title.clone()),
            lines::quantity.eq(line.quantity),
            lines::unit_price.eq(line.unit_price.amount),
            lines::discount.eq(line.discount.amount),
            lines::tax.eq(line.tax.amount),
            lines::total.eq(line.total.amount),
            lines::taxes.eq(json(&line.taxes)?),
            lines::reservation_id.eq(line.reservation.map(Uuid::from)),
        ));
    }
    diesel::insert_into(lines::table)
        .values(rows)
        .execute(connection)
        .map(drop)
}
