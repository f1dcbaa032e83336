//! Accounts as the shop's own people see them.

use chrono::{DateTime, Utc};
use database::{OnViolation, refuse};
use diesel::PgConnection;
use kernel::http::IfMatch;
use kernel::id::UserId;
use kernel::identity::{Role, SignedIn};
use kernel::page::Page;
use kernel::text::Email;
use kernel::{FieldError, FieldErrors};
use user_api::UserError;

use super::{Outcome, Service, caller};
use crate::domain::account::{Account, AccountChange, is_last_admin};
use crate::domain::password::Password;
use crate::queries;
use crate::queries::accounts::AccountFilter;
use crate::queries::groups::MEMBERS_KEY;

impl Service {
    /// A page of accounts, newest first.
    pub(crate) async fn accounts(
        &self,
        filter: AccountFilter,
        after: Option<UserId>,
        limit: i64,
    ) -> Result<Page<Account>, UserError> {
        let list = account_list(&filter);
        let rows = self
            .database
            .run(move |connection| Outcome::Ok(queries::accounts::list(connection, &filter, after, limit + 1)?))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&list, &last.id)
        }))
    }

    /// Any account.
    pub(crate) async fn account(&self, id: UserId) -> Result<Account, UserError> {
        self.database
            .run(move |connection| match queries::accounts::find(connection, id)? {
                Some(account) => Ok(account),
                None => refuse(no_such_user()),
            })
            .await
    }

    /// Changes roles of an account, its group of customers, or whether it may sign in. Disabling ends its sessions. The last active
    /// administrator stays one, so that nobody can lock the shop.
    pub(crate) async fn change_account(
        &self,
        who: SignedIn,
        id: UserId,
        condition: IfMatch,
        change: AccountChange,
    ) -> Result<Account, UserError> {
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                // Locked before anything is read: of two administrators who demote each other one comes too late.
                let admins = queries::accounts::lock_active_admins(connection)?;
                administrator(connection, &who, now)?;
                let Some(before) = queries::accounts::lock(connection, id)? else {
                    return refuse(no_such_user());
                };
                if !condition.allows(before.version) {
                    return refuse(UserError::VersionMismatch(before.version));
                }
                let after = before.changed(change, now);
                if is_last_admin(id, &admins) && !after.is_active_admin() {
                    return refuse(UserError::LastAdmin);
                }
                if after == before {
                    return Ok(before);
                }
                if after.is_disabled() {
                    queries::sessions::end_all(connection, id, None)?;
                }
                tracing::info!(target: "security", user_id = %id, by = %who.user, roles = ?after.roles,
                    disabled = after.is_disabled(), "account changed by an administrator");
                queries::accounts::update(connection, &after, now).on_violation(MEMBERS_KEY, unknown_group)
            })
            .await
    }

    /// Makes an administrator: a new account, or the existing one of that address, which is given the role and the
    /// password, is enabled, and loses its sessions.
    pub(crate) async fn create_admin(&self, email: &str, password: &str) -> Result<UserId, UserError> {
        let email = Email::parse(email).map_err(|error| invalid("/email", error))?;
        let password = Password::parse(password).map_err(|error| invalid("/password", error))?;
        password.check_new(&email, "/password").map_err(UserError::Invalid)?;
        let password_hash = self.hasher.hash(password).await?;
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                let Some((existing, _)) = queries::accounts::credentials(connection, &email)? else {
                    return insert_admin(connection, &email, &password_hash, now);
                };
                let Some(mut account) = queries::accounts::lock(connection, existing.id)? else {
                    return refuse(no_such_user());
                };
                account.roles = vec![Role::Admin];
                account.disabled_at = None;
                queries::accounts::update(connection, &account, now)?;
                queries::accounts::set_password(connection, account.id, &password_hash)?;
                queries::sessions::end_all(connection, account.id, None)?;
                Ok(account.id)
            })
            .await
    }
}

/// What the cursors of a list of accounts belong to.
pub(crate) fn account_list(filter: &AccountFilter) -> String {
    format!("users {:?} {:?}", filter.email, filter.text)
}

/// The caller, who must be an administrator still, now that all administrators are locked.
fn administrator(connection: &mut PgConnection, who: &SignedIn, now: DateTime<Utc>) -> Outcome<Account> {
    let account = caller(connection, who, now)?;
    match account.is_active_admin() {
        true => Ok(account),
        false => refuse(UserError::SessionEnded),
    }
}

fn insert_admin(
    connection: &mut PgConnection,
    email: &Email,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Outcome<UserId> {
    let account = Account {
        id: UserId::generate(),
        email: email.to_string(),
        name: None,
        roles: vec![Role::Admin],
        created_at: now,
        updated_at: now,
        customer_group_id: None,
        disabled_at: None,
        version: 1,
    };
    queries::accounts::insert(connection, &account, password_hash)
        .on_violation(queries::accounts::EMAIL_KEY, || UserError::EmailTaken)?;
    Ok(account.id)
}

fn invalid(pointer: &str, error: impl std::fmt::Display) -> UserError {
    UserError::Invalid(FieldErrors::from(FieldError::from_message(pointer, error)))
}

fn unknown_group() -> UserError {
    let detail = "there is no such group of customers";
    UserError::Invalid(FieldErrors::one("/customer_group_id", "not_found", detail))
}

fn no_such_user() -> UserError {
    UserError::NotFound("user".to_owned())
}
