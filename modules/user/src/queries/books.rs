//! What `bodega verify` looks for: rows that no path through the module can leave behind.

use database::Statement;
use diesel::prelude::*;
use uuid::Uuid;

use crate::SCHEMA;
use crate::schema::users;

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
}

/// Sessions of accounts that may not sign in: deleted or disabled.
pub(crate) fn sessions_without_account(connection: &mut PgConnection) -> QueryResult<Vec<Uuid>> {
    const SQL: &str = "SELECT sessions.id FROM @.sessions JOIN @.users ON users.id = sessions.user_id \
        WHERE users.deleted_at IS NOT NULL OR users.disabled_at IS NOT NULL";
    ids(connection, SQL)
}

/// Addresses of deleted accounts.
pub(crate) fn addresses_of_deleted_accounts(connection: &mut PgConnection) -> QueryResult<Vec<Uuid>> {
    const SQL: &str = "SELECT addresses.id FROM @.addresses JOIN @.users ON users.id = addresses.user_id \
        WHERE users.deleted_at IS NOT NULL";
    ids(connection, SQL)
}

/// At most `limit` accounts in the order of their ids, beginning after `after`: id, address, and the form under which
/// it is unique.
pub(crate) fn emails(
    connection: &mut PgConnection,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<(Uuid, String, String)>> {
    users::table
        .filter(users::id.gt(after))
        .filter(users::deleted_at.is_null())
        .order(users::id)
        .limit(limit)
        .select((
            users::id,
            users::email.assume_not_null(),
            users::email_canonical.assume_not_null(),
        ))
        .load(connection)
}

fn ids(connection: &mut PgConnection, sql: &'static str) -> QueryResult<Vec<Uuid>> {
    let rows: Vec<IdRow> = Statement::new(SCHEMA, sql, []).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
