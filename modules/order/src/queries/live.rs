//! What those who watch orders ask.

use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Uuid as SqlUuid};
use kernel::id::OrderId;
use uuid::Uuid;

use super::SCHEMA;

/// The versions of these orders.
pub(crate) fn versions(connection: &mut PgConnection, orders: Vec<Uuid>) -> QueryResult<Vec<(OrderId, i64)>> {
    const SQL: &str = "SELECT id, version FROM @.orders WHERE id = ANY (?)";
    let rows: Vec<Row> = Statement::new(SCHEMA, SQL, [Bind::Uuids(orders)]).load(connection)?;
    Ok(rows.into_iter().map(|row| (row.id.into(), row.version)).collect())
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    version: i64,
}
