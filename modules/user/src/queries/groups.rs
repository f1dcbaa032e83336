//! Groups of customers.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::pg::Pg;
use diesel::prelude::*;
use kernel::id::CustomerGroupId;
use uuid::Uuid;

use crate::SCHEMA;
use crate::domain::group::CustomerGroup;
use crate::schema::customer_groups;

/// The unique index that allows one group per name.
pub(crate) const NAME_KEY: &str = "customer_groups_name_key";
/// The foreign key of accounts that belong to a group.
pub(crate) const MEMBERS_KEY: &str = "users_customer_group_id_fkey";

#[derive(Queryable, Selectable)]
#[diesel(table_name = customer_groups)]
#[diesel(check_for_backend(Pg))]
struct GroupRow {
    id: Uuid,
    name: String,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<GroupRow> for CustomerGroup {
    fn from(row: GroupRow) -> Self {
        Self {
            id: row.id.into(),
            name: row.name,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// At most `limit` groups after `after`, in the order in which they were made.
pub(crate) fn list(
    connection: &mut PgConnection,
    after: Option<CustomerGroupId>,
    limit: i64,
) -> QueryResult<Vec<CustomerGroup>> {
    let rows: Vec<GroupRow> = customer_groups::table
        .filter(customer_groups::id.gt(after.map_or(Uuid::nil(), CustomerGroupId::uuid)))
        .order(customer_groups::id)
        .limit(limit)
        .select(GroupRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(CustomerGroup::from).collect())
}

/// A group by its id.
pub(crate) fn find(connection: &mut PgConnection, id: CustomerGroupId) -> QueryResult<Option<CustomerGroup>> {
    let row: Option<GroupRow> = customer_groups::table
        .find(id.uuid())
        .select(GroupRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(CustomerGroup::from))
}

/// A group to edit, locked until the transaction ends.
pub(crate) fn lock(connection: &mut PgConnection, id: CustomerGroupId) -> QueryResult<Option<CustomerGroup>> {
    let row: Option<GroupRow> = customer_groups::table
        .find(id.uuid())
        .select(GroupRow::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    Ok(row.map(CustomerGroup::from))
}

/// Adds a group; violates [`NAME_KEY`] where another has the name.
pub(crate) fn insert(connection: &mut PgConnection, group: &CustomerGroup) -> QueryResult<()> {
    const SQL: &str =
        "INSERT INTO @.customer_groups (id, name, version, created_at, updated_at) VALUES (?, ?, ?, ?, ?)";
    let binds = [
        Bind::Uuid(group.id.uuid()),
        Bind::Text(group.name.clone()),
        Bind::BigInt(group.version),
        Bind::Time(group.created_at),
        Bind::Time(group.updated_at),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Writes a group that is locked; violates [`NAME_KEY`] where another has the name.
pub(crate) fn update(connection: &mut PgConnection, group: &CustomerGroup) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.customer_groups SET name = ?, version = ?, updated_at = ? WHERE id = ?";
    let binds = [
        Bind::Text(group.name.clone()),
        Bind::BigInt(group.version),
        Bind::Time(group.updated_at),
        Bind::Uuid(group.id.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Removes a group; violates [`MEMBERS_KEY`] where accounts belong to it.
pub(crate) fn delete(connection: &mut PgConnection, id: CustomerGroupId) -> QueryResult<()> {
    diesel::delete(customer_groups::table.find(id.uuid()))
        .execute(connection)
        .map(drop)
}
