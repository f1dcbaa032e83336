//! Parcels, and what of the lines has left.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{FulfilmentId, LineId, OrderId};
use uuid::Uuid;

use super::SCHEMA;
use super::rows::unreadable;
use crate::domain::fulfilment::{Fulfilment, FulfilmentStatus, ParcelLine, ParcelStatus};
use crate::schema::{fulfilment_lines, fulfilments, orders};

/// The parcels of orders, oldest first.
pub(crate) fn of_orders(connection: &mut PgConnection, orders: &[Uuid]) -> QueryResult<Vec<(OrderId, Fulfilment)>> {
    let rows: Vec<FulfilmentRow> = fulfilments::table
        .filter(fulfilments::order_id.eq_any(orders))
        .order(fulfilments::id)
        .select(FulfilmentRow::as_select())
        .load(connection)?;
    with_lines(connection, rows)
}

/// One parcel, and the order that it is of.
pub(crate) fn find(connection: &mut PgConnection, id: FulfilmentId) -> QueryResult<Option<(OrderId, Fulfilment)>> {
    let rows: Vec<FulfilmentRow> = fulfilments::table
        .find(id.uuid())
        .select(FulfilmentRow::as_select())
        .load(connection)?;
    Ok(with_lines(connection, rows)?.pop())
}

/// Writes a parcel down.
pub(crate) fn insert(connection: &mut PgConnection, order: OrderId, parcel: &Fulfilment) -> QueryResult<()> {
    let row = (
        fulfilments::id.eq(parcel.id.uuid()),
        fulfilments::order_id.eq(order.uuid()),
        fulfilments::status.eq(parcel.status.name()),
        fulfilments::carrier.eq(&parcel.carrier),
        fulfilments::tracking_number.eq(&parcel.tracking_number),
        fulfilments::tracking_url.eq(&parcel.tracking_url),
        fulfilments::created_at.eq(parcel.created_at),
        fulfilments::updated_at.eq(parcel.created_at),
    );
    diesel::insert_into(fulfilments::table)
        .values(row)
        .execute(connection)?;
    let lines = parcel.lines.iter().map(|line| {
        (
            fulfilment_lines::fulfilment_id.eq(parcel.id.uuid()),
            fulfilment_lines::line_id.eq(line.line_id.uuid()),
            fulfilment_lines::quantity.eq(line.quantity),
        )
    });
    diesel::insert_into(fulfilment_lines::table)
        .values(lines.collect::<Vec<_>>())
        .execute(connection)
        .map(drop)
}

/// Counts what has left of the lines, or has not after all where quantities are below zero. A check of the database refuses
/// more than was ordered, and fewer than are announced to come back.
pub(crate) fn count(connection: &mut PgConnection, lines: &[ParcelLine], sign: i64) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.lines AS line SET fulfilled = line.fulfilled + sent.quantity \
        FROM unnest(?, ?) AS sent (line_id, quantity) WHERE line.id = sent.line_id";
    let binds = [
        Bind::Uuids(lines.iter().map(|line| line.line_id.uuid()).collect()),
        Bind::BigInts(lines.iter().map(|line| line.quantity * sign).collect()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// What a parcel becomes.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) status: ParcelStatus,
    pub(crate) carrier: Option<String>,
    pub(crate) tracking_number: Option<String>,
    pub(crate) tracking_url: Option<String>,
    pub(crate) delivered_at: Option<DateTime<Utc>>,
}

impl Changed {
    /// A parcel that stays as it is.
    pub(crate) fn of(parcel: &Fulfilment) -> Self {
        Self {
            status: parcel.status,
            carrier: parcel.carrier.clone(),
            tracking_number: parcel.tracking_number.clone(),
            tracking_url: parcel.tracking_url.clone(),
            delivered_at: parcel.delivered_at,
        }
    }
}

/// Changes a parcel, whose order is locked.
pub(crate) fn change(
    connection: &mut PgConnection,
    id: FulfilmentId,
    new: &Changed,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(fulfilments::table.find(id.uuid()))
        .set((
            fulfilments::status.eq(new.status.name()),
            fulfilments::carrier.eq(&new.carrier),
            fulfilments::tracking_number.eq(&new.tracking_number),
            fulfilments::tracking_url.eq(&new.tracking_url),
            fulfilments::delivered_at.eq(new.delivered_at),
            fulfilments::updated_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
}

/// Notes how much of an order has left, or come back.
pub(crate) fn set_status(connection: &mut PgConnection, order: OrderId, status: FulfilmentStatus) -> QueryResult<()> {
    diesel::update(orders::table.find(order.uuid()))
        .set(orders::fulfilment_status.eq(status.name()))
        .execute(connection)
        .map(drop)
}

fn with_lines(connection: &mut PgConnection, rows: Vec<FulfilmentRow>) -> QueryResult<Vec<(OrderId, Fulfilment)>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let lines: Vec<(Uuid, Uuid, i64)> = fulfilment_lines::table
        .filter(fulfilment_lines::fulfilment_id.eq_any(&ids))
        .order((fulfilment_lines::fulfilment_id, fulfilment_lines::line_id))
        .select((
            fulfilment_lines::fulfilment_id,
            fulfilment_lines::line_id,
            fulfilment_lines::quantity,
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|row| {
            let own = lines.iter().filter(|(fulfilment, ..)| *fulfilment == row.id);
            let own = own.map(|(_, line, quantity)| ParcelLine {
                line_id: LineId::from(*line),
                quantity: *quantity,
            });
            let parcel = Fulfilment {
                id: row.id.into(),
                status: ParcelStatus::named(&row.status)
                    .ok_or_else(|| unreadable("fulfilments.status", &row.status))?,
                lines: own.collect(),
                carrier: row.carrier,
                tracking_number: row.tracking_number,
                tracking_url: row.tracking_url,
                created_at: row.created_at,
                delivered_at: row.delivered_at,
            };
            Ok((row.order_id.into(), parcel))
        })
        .collect()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = fulfilments)]
struct FulfilmentRow {
    id: Uuid,
    order_id: Uuid,
    status: String,
    carrier: Option<String>,
    tracking_number: Option<String>,
    tracking_url: Option<String>,
    created_at: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
}
