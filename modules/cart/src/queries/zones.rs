//! Zones of shipping and of taxes. Whoever writes one has called [`super::rules::raise`] in the same transaction.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Jsonb, Timestamptz, Uuid as SqlUuid};
use kernel::id::Id;
use serde_json::Value;
use uuid::Uuid;

use super::rules::content_of;
use crate::SCHEMA;
use crate::domain::{ShippingZoneContent, TaxZoneContent, Zone, ZoneContent};

/// A kind of zones with a table of its own. All those tables are alike.
pub(crate) trait StoredZone: ZoneContent {
    /// The statements over its table.
    const STATEMENTS: Statements;
}

/// What is done with a table of zones.
pub(crate) struct Statements {
    page: &'static str,
    find: &'static str,
    count: &'static str,
    insert: &'static str,
    update: &'static str,
    delete: &'static str,
}

macro_rules! statements {
    ($table:literal) => {
        Statements {
            page: concat!(
                "SELECT id, content, version, created_at, updated_at FROM @.",
                $table,
                " WHERE id > ? ORDER BY id LIMIT ?"
            ),
            find: concat!(
                "SELECT id, content, version, created_at, updated_at FROM @.",
                $table,
                " WHERE id = ?"
            ),
            count: concat!("SELECT count(*) FROM @.", $table),
            insert: concat!(
                "INSERT INTO @.",
                $table,
                " (id, content, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?)"
            ),
            update: concat!(
                "UPDATE @.",
                $table,
                " SET content = ?, version = ?, updated_at = ? WHERE id = ?"
            ),
            delete: concat!("DELETE FROM @.", $table, " WHERE id = ?"),
        }
    };
}

impl StoredZone for ShippingZoneContent {
    const STATEMENTS: Statements = statements!("shipping_zones");
}

impl StoredZone for TaxZoneContent {
    const STATEMENTS: Statements = statements!("tax_zones");
}

/// At most `limit` zones after `after`, in the order in which they were made.
pub(crate) fn page<C: StoredZone>(
    connection: &mut PgConnection,
    after: Id<C::Kind>,
    limit: i64,
) -> QueryResult<Vec<Zone<C>>> {
    let binds = [Bind::Uuid(after.uuid()), Bind::BigInt(limit)];
    let rows: Vec<Row> = Statement::new(SCHEMA, C::STATEMENTS.page, binds).load(connection)?;
    rows.into_iter().map(Row::into_zone).collect()
}

/// A zone by its id.
pub(crate) fn find<C: StoredZone>(connection: &mut PgConnection, id: Id<C::Kind>) -> QueryResult<Option<Zone<C>>> {
    let statement = Statement::new(SCHEMA, C::STATEMENTS.find, [Bind::Uuid(id.uuid())]);
    let row: Option<Row> = statement.get_result(connection).optional()?;
    row.map(Row::into_zone).transpose()
}

/// How many zones there are.
pub(crate) fn count<C: StoredZone>(connection: &mut PgConnection) -> QueryResult<i64> {
    let Count { count } = Statement::new(SCHEMA, C::STATEMENTS.count, []).get_result(connection)?;
    Ok(count)
}

/// Adds a zone.
pub(crate) fn insert<C: StoredZone>(connection: &mut PgConnection, new: &Zone<C>) -> QueryResult<()> {
    let binds = [
        Bind::Uuid(new.id.uuid()),
        Bind::Json(json(&new.content)?),
        Bind::BigInt(new.version),
        Bind::Time(new.created_at),
        Bind::Time(new.updated_at),
    ];
    let statement = Statement::new(SCHEMA, C::STATEMENTS.insert, binds);
    statement.execute(connection).map(drop)
}

/// Writes a zone with its version.
pub(crate) fn update<C: StoredZone>(connection: &mut PgConnection, after: &Zone<C>) -> QueryResult<()> {
    let binds = [
        Bind::Json(json(&after.content)?),
        Bind::BigInt(after.version),
        Bind::Time(after.updated_at),
        Bind::Uuid(after.id.uuid()),
    ];
    let statement = Statement::new(SCHEMA, C::STATEMENTS.update, binds);
    statement.execute(connection).map(drop)
}

/// Removes a zone.
pub(crate) fn delete<C: StoredZone>(connection: &mut PgConnection, id: Id<C::Kind>) -> QueryResult<()> {
    let statement = Statement::new(SCHEMA, C::STATEMENTS.delete, [Bind::Uuid(id.uuid())]);
    statement.execute(connection).map(drop)
}

fn json<C: ZoneContent>(content: &C) -> QueryResult<Value> {
    serde_json::to_value(content).map_err(|error| Error::SerializationError(error.into()))
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Jsonb)]
    content: Value,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    updated_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

impl Row {
    fn into_zone<C: ZoneContent>(self) -> QueryResult<Zone<C>> {
        Ok(Zone {
            id: self.id.into(),
            content: content_of(self.content)?,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
