//! Address books.

use chrono::{DateTime, Utc};
use database::Failure;
use diesel::pg::Pg;
use diesel::prelude::*;
use kernel::Fault;
use kernel::address::Address;
use kernel::id::{AddressId, UserId};
use serde_json::{Value, json};
use user_api::UserError;
use uuid::Uuid;

use crate::domain::address::Entry;
use crate::schema::addresses;

#[derive(Queryable, Selectable)]
#[diesel(table_name = addresses)]
#[diesel(check_for_backend(Pg))]
struct EntryRow {
    id: Uuid,
    address: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl EntryRow {
    fn into_entry(self) -> Result<Entry, Failure<UserError>> {
        // What was checked before it was stored is an address still.
        let broken = |error| Failure::Refused(Fault::internal(format!("address {}: {error}", self.id)).into());
        let address: Address = serde_json::from_value(self.address).map_err(broken)?;
        Ok(Entry {
            id: self.id.into(),
            address,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

/// How many entries the address book of an account has.
pub(crate) fn count(connection: &mut PgConnection, user: UserId) -> QueryResult<i64> {
    addresses::table
        .filter(addresses::user_id.eq(user.uuid()))
        .count()
        .get_result(connection)
}

/// Adds an entry.
pub(crate) fn insert(connection: &mut PgConnection, user: UserId, entry: &Entry) -> QueryResult<()> {
    let row = (
        addresses::id.eq(entry.id.uuid()),
        addresses::user_id.eq(user.uuid()),
        addresses::address.eq(json!(entry.address)),
        addresses::created_at.eq(entry.created_at),
        addresses::updated_at.eq(entry.updated_at),
    );
    diesel::insert_into(addresses::table)
        .values(row)
        .execute(connection)
        .map(drop)
}

/// At most `limit` entries of one address book, newest first, that come after `after`.
pub(crate) fn list(
    connection: &mut PgConnection,
    user: UserId,
    after: Option<AddressId>,
    limit: i64,
) -> Result<Vec<Entry>, Failure<UserError>> {
    let mut query = addresses::table
        .filter(addresses::user_id.eq(user.uuid()))
        .select(EntryRow::as_select())
        .order(addresses::id.desc())
        .limit(limit)
        .into_boxed::<Pg>();
    if let Some(after) = after {
        query = query.filter(addresses::id.lt(after.uuid()));
    }
    let rows: Vec<EntryRow> = query.load(connection)?;
    rows.into_iter().map(EntryRow::into_entry).collect()
}

/// One entry of one address book.
pub(crate) fn find(
    connection: &mut PgConnection,
    user: UserId,
    id: AddressId,
) -> Result<Option<Entry>, Failure<UserError>> {
    let found = addresses::table
        .find(id.uuid())
        .filter(addresses::user_id.eq(user.uuid()))
        .select(EntryRow::as_select())
        .first(connection)
        .optional()?;
    found.map(EntryRow::into_entry).transpose()
}

/// The same, locked until the end of the transaction.
pub(crate) fn lock(
    connection: &mut PgConnection,
    user: UserId,
    id: AddressId,
) -> Result<Option<Entry>, Failure<UserError>> {
    let found = addresses::table
        .find(id.uuid())
        .filter(addresses::user_id.eq(user.uuid()))
        .select(EntryRow::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    found.map(EntryRow::into_entry).transpose()
}

/// Stores the address of an entry whose row is locked.
pub(crate) fn update(connection: &mut PgConnection, entry: &Entry) -> QueryResult<()> {
    diesel::update(addresses::table.find(entry.id.uuid()))
        .set((
            addresses::address.eq(json!(entry.address)),
            addresses::updated_at.eq(entry.updated_at),
        ))
        .execute(connection)
        .map(drop)
}

/// Removes an entry of one address book; false where there is no such entry.
pub(crate) fn delete(connection: &mut PgConnection, user: UserId, id: AddressId) -> QueryResult<bool> {
    let mine = addresses::table
        .find(id.uuid())
        .filter(addresses::user_id.eq(user.uuid()));
    Ok(diesel::delete(mine).execute(connection)? == 1)
}

/// Empties the address book of an account.
pub(crate) fn delete_all(connection: &mut PgConnection, user: UserId) -> QueryResult<()> {
    let mine = addresses::table.filter(addresses::user_id.eq(user.uuid()));
    diesel::delete(mine).execute(connection).map(drop)
}
