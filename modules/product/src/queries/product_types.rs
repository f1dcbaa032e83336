//! Product types.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Json, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::select::{Select, Verbatim, read};
use crate::domain::SCHEMA;
use crate::domain::handle::Handle;
use crate::domain::product_type::{AttributeDefinition, ProductType};
use crate::schema::product_types;

/// The attributes of types by the types' ids.
pub(crate) type Definitions = HashMap<Uuid, Vec<AttributeDefinition>>;

#[derive(Queryable, Selectable)]
#[diesel(table_name = product_types, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    handle: String,
    name: String,
    attributes: Verbatim,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// At most `limit` types after `after`, in the order in which they were made.
pub(crate) fn page(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<ProductType>> {
    let rows: Vec<Row> = product_types::table
        .filter(product_types::id.gt(after))
        .order(product_types::id)
        .limit(limit)
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Row::into_type).collect()
}

/// A type by its id.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<ProductType>> {
    let row: Option<Row> = product_types::table
        .find(id)
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    row.map(Row::into_type).transpose()
}

/// A type to edit, locked until the transaction ends.
pub(crate) fn lock(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<ProductType>> {
    let row: Option<Row> = product_types::table
        .find(id)
        .select(Row::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    row.map(Row::into_type).transpose()
}

/// The attributes of types. Unknown ids are left out.
pub(crate) fn definitions(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<Definitions> {
    if ids.is_empty() {
        return Ok(Definitions::new());
    }
    let mut select =
        Select::<(SqlUuid, Json)>::new("SELECT id, attributes FROM products.product_types WHERE id = ANY(");
    select.bind(Bind::Uuids(ids)).text(")");
    let rows: Vec<(Uuid, Verbatim)> = select.load(connection)?;
    rows.into_iter()
        .map(|(id, attributes)| Ok((id, read(&attributes)?)))
        .collect()
}

/// Ids of types by their handles. Unknown ones are left out.
pub(crate) fn ids_by_handle(connection: &mut PgConnection, handles: Vec<String>) -> QueryResult<HashMap<String, Uuid>> {
    if handles.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select =
        Select::<(Text, SqlUuid)>::new("SELECT handle, id FROM products.product_types WHERE handle = ANY(");
    select.bind(Bind::Texts(handles)).text(")");
    let rows: Vec<(String, Uuid)> = select.load(connection)?;
    Ok(rows.into_iter().collect())
}

/// Handles of all types by their ids.
pub(crate) fn handles(connection: &mut PgConnection) -> QueryResult<HashMap<Uuid, String>> {
    let rows: Vec<(Uuid, String)> = product_types::table
        .select((product_types::id, product_types::handle))
        .load(connection)?;
    Ok(rows.into_iter().collect())
}

/// Which of these handles belong to types.
pub(crate) fn taken_handles(connection: &mut PgConnection, handles: &[Handle]) -> QueryResult<Vec<String>> {
    let handles = handles.iter().map(Handle::to_string).collect();
    Ok(ids_by_handle(connection, handles)?.into_keys().collect())
}

/// Adds a type.
pub(crate) fn insert(connection: &mut PgConnection, new: &ProductType) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.product_types (id, handle, name, attributes, version, created_at, updated_at) \
        VALUES (?, ?, ?, ?::json, ?, ?, ?)";
    let binds = [
        Bind::Uuid(new.id.uuid()),
        Bind::Text(new.handle.clone()),
        Bind::Text(new.name.clone()),
        Bind::Text(json(&new.attributes)?),
        Bind::BigInt(new.version),
        Bind::Time(new.created_at),
        Bind::Time(new.updated_at),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Writes a type that is locked, with its version.
pub(crate) fn update(connection: &mut PgConnection, after: &ProductType) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.product_types SET handle = ?, name = ?, attributes = ?::json, version = ?, \
        updated_at = ? WHERE id = ?";
    let binds = [
        Bind::Text(after.handle.clone()),
        Bind::Text(after.name.clone()),
        Bind::Text(json(&after.attributes)?),
        Bind::BigInt(after.version),
        Bind::Time(after.updated_at),
        Bind::Uuid(after.id.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Removes a type that only deleted products still name; the foreign key refuses any other.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid) -> QueryResult<()> {
    const FORGET: &str =
        "UPDATE @.products SET product_type_id = NULL WHERE product_type_id = ? AND deleted_at IS NOT NULL";
    Statement::new(SCHEMA, FORGET, [Bind::Uuid(id)]).execute(connection)?;
    diesel::delete(product_types::table.find(id))
        .execute(connection)
        .map(drop)
}

fn json(attributes: &[AttributeDefinition]) -> QueryResult<String> {
    serde_json::to_string(attributes).map_err(|error| Error::SerializationError(Box::new(error)))
}

impl Row {
    fn into_type(self) -> QueryResult<ProductType> {
        Ok(ProductType {
            id: self.id.into(),
            handle: self.handle,
            name: self.name,
            attributes: read(&self.attributes)?,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
