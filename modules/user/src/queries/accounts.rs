//! Accounts.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::dsl::AssumeNotNull;
use diesel::pg::Pg;
use diesel::prelude::*;
use kernel::id::{CustomerGroupId, UserId};
use kernel::identity::{Role, SignedIn};
use kernel::text::Email;
use uuid::Uuid;

use crate::SCHEMA;
use crate::domain::account::{Account, role_name, roles_named};
use crate::schema::{sessions, users};

/// The unique index that allows one account per address.
pub(crate) const EMAIL_KEY: &str = "users_email_key";

/// What an administrator looks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccountFilter {
    /// The whole address, in any case.
    pub(crate) email: Option<String>,
    /// A part of the address or of the name, in any case.
    pub(crate) text: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
#[diesel(check_for_backend(Pg))]
pub(super) struct AccountRow {
    id: Uuid,
    // Only accounts that are not deleted are read, and those have one.
    #[diesel(select_expression = users::email.assume_not_null(), select_expression_type = AssumeNotNull<users::email>)]
    email: String,
    name: Option<String>,
    roles: Vec<String>,
    customer_group_id: Option<Uuid>,
    disabled_at: Option<DateTime<Utc>>,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<AccountRow> for Account {
    fn from(row: AccountRow) -> Self {
        Self {
            id: row.id.into(),
            email: row.email,
            name: row.name,
            roles: roles_named(&row.roles),
            created_at: row.created_at,
            updated_at: row.updated_at,
            customer_group_id: row.customer_group_id.map(Into::into),
            disabled_at: row.disabled_at,
            version: row.version,
        }
    }
}

/// Adds an account; violates [`EMAIL_KEY`] where the address has one.
pub(crate) fn insert(connection: &mut PgConnection, account: &Account, password_hash: &str) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.users \
        (id, email, email_canonical, name, password_hash, roles, version, created_at, updated_at) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
    let binds = [
        Bind::Uuid(account.id.uuid()),
        Bind::Text(account.email.clone()),
        Bind::Text(canonical(&account.email)),
        Bind::NullableText(account.name.clone()),
        Bind::Text(password_hash.to_owned()),
        Bind::Texts(role_names(&account.roles)),
        Bind::BigInt(account.version),
        Bind::Time(account.created_at),
        Bind::Time(account.updated_at),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// The account of an address and the hash of its password.
pub(crate) fn credentials(connection: &mut PgConnection, email: &Email) -> QueryResult<Option<(Account, String)>> {
    let found = users::table
        .filter(users::email_canonical.eq(email.canonical()))
        .filter(users::deleted_at.is_null())
        .select((AccountRow::as_select(), users::password_hash.assume_not_null()))
        .first::<(AccountRow, String)>(connection)
        .optional()?;
    Ok(found.map(|(row, password_hash)| (row.into(), password_hash)))
}

/// An account that is not deleted.
pub(crate) fn find(connection: &mut PgConnection, user: UserId) -> QueryResult<Option<Account>> {
    let found = users::table
        .filter(users::id.eq(user.uuid()))
        .filter(users::deleted_at.is_null())
        .select(AccountRow::as_select())
        .first(connection)
        .optional()?;
    Ok(found.map(Account::from))
}

/// The same, locked against every other change of the account until the end of the transaction. Sign-ins go on: their
/// foreign key needs less.
pub(crate) fn lock(connection: &mut PgConnection, user: UserId) -> QueryResult<Option<Account>> {
    let found = users::table
        .filter(users::id.eq(user.uuid()))
        .filter(users::deleted_at.is_null())
        .select(AccountRow::as_select())
        .for_no_key_update()
        .first(connection)
        .optional()?;
    Ok(found.map(Account::from))
}

/// The account of an access token: `None` where the session has ended, or the account was disabled or deleted, after
/// the token was issued.
pub(crate) fn of_session(
    connection: &mut PgConnection,
    who: &SignedIn,
    now: DateTime<Utc>,
) -> QueryResult<Option<Account>> {
    let found = users::table
        .inner_join(sessions::table)
        .filter(sessions::id.eq(who.session.uuid()))
        .filter(sessions::expires_at.gt(now))
        .filter(users::id.eq(who.user.uuid()))
        .filter(users::disabled_at.is_null())
        .filter(users::deleted_at.is_null())
        .select(AccountRow::as_select())
        .first(connection)
        .optional()?;
    Ok(found.map(Account::from))
}

/// Everybody who can administer the shop, locked in one order everywhere: two administrators who demote each other at
/// the same moment come one after the other.
pub(crate) fn lock_active_admins(connection: &mut PgConnection) -> QueryResult<Vec<UserId>> {
    const SQL: &str = "SELECT id FROM @.users WHERE 'admin' = ANY (roles) AND disabled_at IS NULL \
        ORDER BY id FOR NO KEY UPDATE";
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
    }
    let rows: Vec<Row> = Statement::new(SCHEMA, SQL, []).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// At most `limit` accounts, newest first, that come after `after`.
pub(crate) fn list(
    connection: &mut PgConnection,
    filter: &AccountFilter,
    after: Option<UserId>,
    limit: i64,
) -> QueryResult<Vec<Account>> {
    let mut query = users::table
        .filter(users::deleted_at.is_null())
        .select(AccountRow::as_select())
        .order(users::id.desc())
        .limit(limit)
        .into_boxed::<Pg>();
    if let Some(after) = after {
        query = query.filter(users::id.lt(after.uuid()));
    }
    if let Some(email) = &filter.email {
        query = query.filter(users::email_canonical.eq(canonical(email)));
    }
    if let Some(text) = &filter.text {
        let pattern = containing(text);
        let matches = users::email.ilike(pattern.clone()).or(users::name.ilike(pattern));
        query = query.filter(matches);
    }
    let rows: Vec<AccountRow> = query.load(connection)?;
    Ok(rows.into_iter().map(Account::from).collect())
}

/// Stores name, roles, group and the disabling of an account whose row is locked, and raises its version.
pub(crate) fn update(connection: &mut PgConnection, account: &Account, now: DateTime<Utc>) -> QueryResult<Account> {
    let names = role_names(&account.roles);
    let row: AccountRow = diesel::update(users::table.find(account.id.uuid()))
        .set((
            users::name.eq(&account.name),
            users::roles.eq(names),
            users::customer_group_id.eq(account.customer_group_id.map(CustomerGroupId::uuid)),
            users::disabled_at.eq(account.disabled_at),
            users::version.eq(users::version + 1),
            users::updated_at.eq(now),
        ))
        .returning(AccountRow::as_returning())
        .get_result(connection)?;
    Ok(row.into())
}

/// The hash of the password of an account that is not deleted.
pub(crate) fn password_hash(connection: &mut PgConnection, user: UserId) -> QueryResult<Option<String>> {
    users::table
        .filter(users::id.eq(user.uuid()))
        .filter(users::deleted_at.is_null())
        .select(users::password_hash.assume_not_null())
        .first(connection)
        .optional()
}

/// Replaces one hash by another; false where the stored one is no longer `before`.
pub(crate) fn replace_password(
    connection: &mut PgConnection,
    user: UserId,
    before: &str,
    after: &str,
) -> QueryResult<bool> {
    let mine = users::table
        .filter(users::id.eq(user.uuid()))
        .filter(users::password_hash.eq(before));
    let replaced = diesel::update(mine)
        .set(users::password_hash.eq(after))
        .execute(connection)?;
    Ok(replaced == 1)
}

/// Sets the password of an account whose row is locked.
pub(crate) fn set_password(connection: &mut PgConnection, user: UserId, hash: &str) -> QueryResult<()> {
    let mine = users::table.find(user.uuid());
    diesel::update(mine)
        .set(users::password_hash.eq(hash))
        .execute(connection)
        .map(drop)
}

/// Removes everything personal from an account and keeps the row; false where it was deleted before.
pub(crate) fn anonymise(connection: &mut PgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.users SET email = NULL, email_canonical = NULL, name = NULL, password_hash = NULL, \
        roles = '{}', customer_group_id = NULL, version = version + 1, deleted_at = ?, updated_at = ? WHERE id = ? AND deleted_at IS NULL";
    let binds = [Bind::Time(now), Bind::Time(now), Bind::Uuid(user.uuid())];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// The form under which an address is unique, of one that was parsed before.
fn canonical(email: &str) -> String {
    email.to_lowercase()
}

fn role_names(roles: &[Role]) -> Vec<String> {
    roles.iter().map(|role| role_name(*role).to_owned()).collect()
}

/// A pattern for `ILIKE` that matches `text` literally, anywhere.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_search_are_taken_literally() {
        assert_eq!(containing(r"50%_\o"), r"%50\%\_\\o%");
    }
}
