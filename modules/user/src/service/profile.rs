//! What people do with their own account.

use database::{outbox, refuse};
use kernel::Patch;
use kernel::Text;
use kernel::event::Event;
use kernel::http::IfMatch;
use kernel::id::UserId;
use kernel::identity::SignedIn;
use kernel::text::Email;
use kernel::{Fault, FieldErrors};
use serde::Deserialize;
use user_api::{UserDeleted, UserError};

use super::hasher::Comparison;
use super::{Outcome, Service, caller, locked_caller};
use crate::SCHEMA;
use crate::domain::account::{Account, is_last_admin};
use crate::domain::password::Password;
use crate::queries;

/// What people may change of their own account, as a merge patch.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileChange {
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 120>>)]
    pub(crate) name: Patch<Text<1, 120>>,
}

/// A change of password.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PasswordChange {
    #[schema(value_type = String, max_length = 128)]
    pub(crate) current_password: Password,
    /// At least 8 characters; not among the most common passwords and not the address.
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    pub(crate) new_password: Password,
}

impl Service {
    /// The account that calls.
    pub(crate) async fn own_account(&self, who: SignedIn) -> Result<Account, UserError> {
        let now = self.clock.now();
        self.database.run(move |connection| caller(connection, &who, now)).await
    }

    /// Changes the profile of the account that calls.
    pub(crate) async fn change_profile(
        &self,
        who: SignedIn,
        condition: IfMatch,
        change: ProfileChange,
    ) -> Result<Account, UserError> {
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                let mut account = locked_caller(connection, &who, now)?;
                if !condition.allows(account.version) {
                    return refuse(UserError::VersionMismatch(account.version));
                }
                if change.name.is_keep() {
                    return Ok(account);
                }
                account.name = change.name.map(String::from).apply(account.name);
                Ok(queries::accounts::update(connection, &account, now)?)
            })
            .await
    }

    /// Replaces the password and ends every other session.
    pub(crate) async fn change_password(&self, who: SignedIn, change: PasswordChange) -> Result<(), UserError> {
        let now = self.clock.now();
        let asking = who.clone();
        let (account, stored) = self
            .database
            .run(move |connection| {
                let account = caller(connection, &asking, now)?;
                let stored = queries::accounts::password_hash(connection, asking.user)?;
                Outcome::Ok((account, stored))
            })
            .await?;
        let email = Email::parse(account.email).map_err(|error| Fault::internal(error.to_string()))?;
        change
            .new_password
            .check_new(&email, "/new_password")
            .map_err(UserError::Invalid)?;
        let comparison = self.hasher.compare(change.current_password, stored.clone()).await?;
        let (Some(stored), false) = (stored, comparison == Comparison::Different) else {
            tracing::info!(target: "security", user_id = %who.user, "change of password refused");
            return Err(wrong_password());
        };
        let fresh = self.hasher.hash(change.new_password).await?;
        self.database
            .transaction(move |connection| {
                if !queries::accounts::replace_password(connection, who.user, &stored, &fresh)? {
                    return refuse(wrong_password());
                }
                queries::sessions::end_all(connection, who.user, Some(who.session))?;
                Ok(())
            })
            .await
    }

    /// Deletes the account that calls: everything personal goes, with it sessions, addresses and remembered answers;
    /// the bare row stays for the orders that name it. Siblings hear of it through [`UserDeleted`].
    pub(crate) async fn delete_account(&self, who: SignedIn) -> Result<(), UserError> {
        let now = self.clock.now();
        let event = Event::of(&UserDeleted { user: who.user }, now)?;
        self.database
            .transaction(move |connection| {
                let admins = queries::accounts::lock_active_admins(connection)?;
                locked_caller(connection, &who, now)?;
                if is_last_admin(who.user, &admins) {
                    return refuse(UserError::LastAdmin);
                }
                queries::accounts::anonymise(connection, who.user, now)?;
                queries::sessions::end_all(connection, who.user, None)?;
                queries::addresses::delete_all(connection, who.user)?;
                database::idempotency::forget(connection, SCHEMA, &scope(who.user))?;
                outbox::append(connection, SCHEMA, &event)?;
                Ok(())
            })
            .await
    }
}

/// Whose idempotency keys a signed-in user's are.
pub(super) fn scope(user: UserId) -> String {
    user.to_string()
}

fn wrong_password() -> UserError {
    UserError::Invalid(FieldErrors::one(
        "/current_password",
        "wrong_password",
        "is not the present password",
    ))
}
