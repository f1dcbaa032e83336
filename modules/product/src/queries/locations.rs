//! Places where stock lies. Those that are deleted are found by nobody.

use chrono::{DateTime, Utc};
use database::Bind;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use uuid::Uuid;

use super::select::Select;
use crate::domain::handle::Handle;
use crate::domain::location::Location;
use crate::schema::locations;

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = locations)]
struct Row {
    id: Uuid,
    handle: String,
    name: String,
    priority: i32,
    active: bool,
    fulfils_online: bool,
    is_default: bool,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// All locations, the preferred ones first.
pub(crate) fn all(connection: &mut PgConnection) -> QueryResult<Vec<Location>> {
    let rows: Vec<Row> = locations::table
        .filter(locations::deleted_at.is_null())
        .order((locations::priority, locations::id))
        .select(Row::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(Row::into_location).collect())
}

/// A location.
pub(crate) fn find(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Location>> {
    let row: Option<Row> = locations::table
        .filter(locations::id.eq(id).and(locations::deleted_at.is_null()))
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(Row::into_location))
}

/// A location to edit or delete, which nobody else does and nobody puts anything into until the transaction ends.
pub(crate) fn lock(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Location>> {
    let row: Option<Row> = locations::table
        .filter(locations::id.eq(id).and(locations::deleted_at.is_null()))
        .select(Row::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    Ok(row.map(Row::into_location))
}

/// Whether there is such a location; it then stays until the transaction ends.
pub(crate) fn hold(connection: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
    let found: Option<Uuid> = locations::table
        .filter(locations::id.eq(id).and(locations::deleted_at.is_null()))
        .select(locations::id)
        .for_share()
        .first(connection)
        .optional()?;
    Ok(found.is_some())
}

/// Whether there is or was such a location.
pub(crate) fn was_there(connection: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(locations::table.filter(locations::id.eq(id)))).get_result(connection)
}

/// Keeps others from adding locations until the transaction ends.
pub(crate) fn lock_all(connection: &mut PgConnection) -> QueryResult<()> {
    connection.batch_execute("LOCK TABLE products.locations IN SHARE ROW EXCLUSIVE MODE")
}

/// How many there are.
pub(crate) fn count(connection: &mut PgConnection) -> QueryResult<i64> {
    locations::table
        .filter(locations::deleted_at.is_null())
        .count()
        .get_result(connection)
}

/// Which of these handles belong to locations.
pub(crate) fn taken_handles(connection: &mut PgConnection, handles: &[Handle]) -> QueryResult<Vec<String>> {
    let handles: Vec<&str> = handles.iter().map(Handle::as_str).collect();
    locations::table
        .filter(locations::handle.eq_any(handles).and(locations::deleted_at.is_null()))
        .select(locations::handle)
        .load(connection)
}

/// Adds a location.
pub(crate) fn insert(connection: &mut PgConnection, new: Location) -> QueryResult<()> {
    diesel::insert_into(locations::table)
        .values(Row::from_location(new))
        .execute(connection)
        .map(drop)
}

/// Writes what was edited of a location, and raises its version.
pub(crate) fn update(connection: &mut PgConnection, location: &Location, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(locations::table.find(location.id.uuid()))
        .set((
            locations::handle.eq(&location.handle),
            locations::name.eq(&location.name),
            locations::priority.eq(location.priority),
            locations::active.eq(location.active),
            locations::fulfils_online.eq(location.fulfils_online),
            locations::version.eq(locations::version + 1),
            locations::updated_at.eq(now),
        ))
        .execute(connection)
        .map(drop)
}

/// Removes a location. The row stays: the ledger refers to it.
pub(crate) fn delete(connection: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(locations::table.find(id))
        .set((locations::deleted_at.eq(now), locations::updated_at.eq(now)))
        .execute(connection)
        .map(drop)
}

/// Whether something lies at a location, or is promised from there.
pub(crate) fn is_used(connection: &mut PgConnection, id: Uuid) -> QueryResult<bool> {
    let mut select = Select::<Bool>::new(
        "SELECT EXISTS (SELECT FROM products.stock WHERE (on_hand <> 0 OR reserved <> 0) AND location_id = ",
    );
    select.bind(Bind::Uuid(id)).text(")");
    select.get_result(connection)
}

/// The variants of which a location has some that are not promised.
pub(crate) fn variants_at(connection: &mut PgConnection, id: Uuid) -> QueryResult<Vec<Uuid>> {
    let mut select =
        Select::<SqlUuid>::new("SELECT variant_id FROM products.stock WHERE on_hand <> reserved AND location_id = ");
    select.bind(Bind::Uuid(id));
    select.load(connection)
}

impl Row {
    fn into_location(self) -> Location {
        Location {
            id: self.id.into(),
            handle: self.handle,
            name: self.name,
            priority: self.priority,
            active: self.active,
            fulfils_online: self.fulfils_online,
            is_default: self.is_default,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn from_location(location: Location) -> Self {
        Self {
            id: location.id.uuid(),
            handle: location.handle,
            name: location.name,
            priority: location.priority,
            active: location.active,
            fulfils_online: location.fulfils_online,
            is_default: location.is_default,
            version: location.version,
            created_at: location.created_at,
            updated_at: location.updated_at,
        }
    }
}
