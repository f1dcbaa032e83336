//! Transfers of stock. Their lines are the movements that they made.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid};
use uuid::Uuid;

use super::select::Select;
use crate::domain::SCHEMA;
use crate::domain::transfer::{Transfer, TransferLine};

type TransferSql = (SqlUuid, SqlUuid, SqlUuid, Text, Text, Timestamptz);
type TransferRow = (Uuid, Uuid, Uuid, String, String, DateTime<Utc>);

/// Notes a transfer; its movements come after it.
pub(crate) fn insert(connection: &mut PgConnection, transfer: &Transfer) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.stock_transfers (id, from_location_id, to_location_id, reason, actor, created_at) \
        VALUES (?, ?, ?, ?, ?, ?)";
    let binds = [
        Bind::Uuid(transfer.id.uuid()),
        Bind::Uuid(transfer.from_location_id.uuid()),
        Bind::Uuid(transfer.to_location_id.uuid()),
        Bind::Text(transfer.reason.clone()),
        Bind::Text(transfer.actor.clone()),
        Bind::Time(transfer.created_at),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// At most `limit` transfers before `before`, newest first. Their ids are in the order of their time.
pub(crate) fn page(connection: &mut PgConnection, before: Option<Uuid>, limit: i64) -> QueryResult<Vec<Transfer>> {
    let mut select = Select::<TransferSql>::new(
        "SELECT id, from_location_id, to_location_id, reason, actor, created_at FROM products.stock_transfers \
         WHERE id < ",
    );
    select
        .bind(Bind::Uuid(before.unwrap_or(Uuid::max())))
        .text(" ORDER BY id DESC LIMIT ")
        .bind(Bind::BigInt(limit));
    let rows: Vec<TransferRow> = select.load(connection)?;
    let mut lines = lines(connection, rows.iter().map(|row| row.0).collect())?;
    let transfer = |(id, from, to, reason, actor, created_at): TransferRow| Transfer {
        id: id.into(),
        from_location_id: from.into(),
        to_location_id: to.into(),
        lines: lines.remove(&id).unwrap_or_default(),
        reason,
        actor,
        created_at,
    };
    Ok(rows.into_iter().map(transfer).collect())
}

fn lines(connection: &mut PgConnection, transfers: Vec<Uuid>) -> QueryResult<HashMap<Uuid, Vec<TransferLine>>> {
    let mut select = Select::<(SqlUuid, SqlUuid, BigInt)>::new(
        "SELECT transfer_id, variant_id, delta FROM products.stock_movements WHERE delta > 0 AND transfer_id = ANY(",
    );
    select.bind(Bind::Uuids(transfers)).text(") ORDER BY id");
    let rows: Vec<(Uuid, Uuid, i64)> = select.load(connection)?;
    let mut lines: HashMap<Uuid, Vec<TransferLine>> = HashMap::new();
    for (transfer, variant, quantity) in rows {
        lines.entry(transfer).or_default().push(TransferLine {
            variant_id: variant.into(),
            quantity,
        });
    }
    Ok(lines)
}
