//! Goods that come back.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{LineId, OrderId, ReturnId};
use kernel::{Currency, Money};
use uuid::Uuid;

use super::SCHEMA;
use super::rows::{currency_of, unreadable};
use crate::domain::fulfilment::ParcelLine;
use crate::domain::returning::{Return, ReturnLine, ReturnReason, ReturnStatus};
use crate::schema::{orders, return_lines, returns};

/// The returns of orders, oldest first.
pub(crate) fn of_orders(connection: &mut PgConnection, orders: &[Uuid]) -> QueryResult<Vec<(OrderId, Return)>> {
    let rows: Vec<(ReturnRow, Option<String>)> = returns::table
        .inner_join(orders::table.on(orders::id.eq(returns::order_id)))
        .filter(returns::order_id.eq_any(orders))
        .order(returns::id)
        .select((ReturnRow::as_select(), orders::currency))
        .load(connection)?;
    with_lines(connection, rows)
}

/// One return, and the order that it is of.
pub(crate) fn find(connection: &mut PgConnection, id: ReturnId) -> QueryResult<Option<(OrderId, Return)>> {
    let rows: Vec<(ReturnRow, Option<String>)> = returns::table
        .inner_join(orders::table.on(orders::id.eq(returns::order_id)))
        .filter(returns::id.eq(id.uuid()))
        .select((ReturnRow::as_select(), orders::currency))
        .load(connection)?;
    Ok(with_lines(connection, rows)?.pop())
}

/// How many returns an order has.
pub(crate) fn count(connection: &mut PgConnection, order: OrderId) -> QueryResult<i64> {
    returns::table
        .filter(returns::order_id.eq(order.uuid()))
        .count()
        .get_result(connection)
}

/// Writes a return down.
pub(crate) fn insert(connection: &mut PgConnection, order: OrderId, new: &Return) -> QueryResult<()> {
    let row = (
        returns::id.eq(new.id.uuid()),
        returns::order_id.eq(order.uuid()),
        returns::status.eq(new.status.name()),
        returns::note.eq(&new.note),
        returns::created_at.eq(new.created_at),
        returns::updated_at.eq(new.created_at),
    );
    diesel::insert_into(returns::table).values(row).execute(connection)?;
    let lines = new.lines.iter().map(|line| {
        (
            return_lines::return_id.eq(new.id.uuid()),
            return_lines::line_id.eq(line.line_id.uuid()),
            return_lines::quantity.eq(line.quantity),
            return_lines::reason.eq(line.reason.name()),
        )
    });
    diesel::insert_into(return_lines::table)
        .values(lines.collect::<Vec<_>>())
        .execute(connection)
        .map(drop)
}

/// Gives a return, whose order is locked, its next status.
pub(crate) fn change_status(
    connection: &mut PgConnection,
    id: ReturnId,
    status: ReturnStatus,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let received_at = (status == ReturnStatus::Received).then_some(now);
    diesel::update(returns::table.find(id.uuid()))
        .set((
            returns::status.eq(status.name()),
            returns::received_at.eq(received_at),
            returns::updated_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
}

/// Counts what is announced to come back of the lines, or is not any more (`sign`). A check refuses more than has left.
pub(crate) fn announce(connection: &mut PgConnection, lines: &[ParcelLine], sign: i64) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.lines AS line SET announced = line.announced + told.quantity \
        FROM unnest(?, ?) AS told (line_id, quantity) WHERE line.id = told.line_id";
    let binds = [
        Bind::Uuids(lines.iter().map(|line| line.line_id.uuid()).collect()),
        Bind::BigInts(lines.iter().map(|line| line.quantity * sign).collect()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Counts what has come: what was announced and has not come is not waited for any more.
pub(crate) fn receive(connection: &mut PgConnection, id: ReturnId, lines: &[ReturnLine]) -> QueryResult<()> {
    const SQL: &str = "WITH came AS ( \
            SELECT * FROM unnest(?, ?, ?, ?, ?) AS came (line_id, announced, received, restocked, value) \
        ), noted AS ( \
            UPDATE @.return_lines AS line SET received = came.received, restocked = came.restocked, value = came.value \
            FROM came WHERE line.return_id = ? AND line.line_id = came.line_id \
        ) \
        UPDATE @.lines AS line SET returned = line.returned + came.received, \
            announced = line.announced - came.announced + came.received \
        FROM came WHERE line.id = came.line_id";
    let numbers = |part: fn(&ReturnLine) -> i64| Bind::BigInts(lines.iter().map(part).collect());
    let binds = [
        Bind::Uuids(lines.iter().map(|line| line.line_id.uuid()).collect()),
        numbers(|line| line.quantity),
        numbers(|line| line.received),
        numbers(|line| line.restocked),
        numbers(|line| line.value.amount),
        Bind::Uuid(id.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

fn with_lines(
    connection: &mut PgConnection,
    rows: Vec<(ReturnRow, Option<String>)>,
) -> QueryResult<Vec<(OrderId, Return)>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = rows.iter().map(|(row, _)| row.id).collect();
    let lines: Vec<ReturnLineRow> = return_lines::table
        .filter(return_lines::return_id.eq_any(&ids))
        .order((return_lines::return_id, return_lines::line_id))
        .select(ReturnLineRow::as_select())
        .load(connection)?;
    rows.into_iter()
        .map(|(row, currency)| {
            let currency = currency_of(&currency.unwrap_or_default())?;
            let own = lines.iter().filter(|line| line.return_id == row.id);
            let lines = own
                .map(|line| line.to_line(currency))
                .collect::<QueryResult<Vec<ReturnLine>>>()?;
            let value = lines.iter().map(|line| line.value.amount).sum();
            let found = Return {
                id: row.id.into(),
                status: ReturnStatus::named(&row.status).ok_or_else(|| unreadable("returns.status", &row.status))?,
                lines,
                value: Money::new(value, currency),
                note: row.note,
                created_at: row.created_at,
                received_at: row.received_at,
            };
            Ok((row.order_id.into(), found))
        })
        .collect()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = returns)]
struct ReturnRow {
    id: Uuid,
    order_id: Uuid,
    status: String,
    note: Option<String>,
    created_at: DateTime<Utc>,
    received_at: Option<DateTime<Utc>>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = return_lines)]
struct ReturnLineRow {
    return_id: Uuid,
    line_id: Uuid,
    quantity: i64,
    reason: String,
    received: i64,
    restocked: i64,
    value: i64,
}

impl ReturnLineRow {
    fn to_line(&self, currency: Currency) -> QueryResult<ReturnLine> {
        Ok(ReturnLine {
            line_id: LineId::from(self.line_id),
            quantity: self.quantity,
            reason: ReturnReason::named(&self.reason).ok_or_else(|| unreadable("return_lines.reason", &self.reason))?,
            received: self.received,
            restocked: self.restocked,
            value: Money::new(self.value, currency),
        })
    }
}
