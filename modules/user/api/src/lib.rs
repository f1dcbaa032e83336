//! What siblings may ask of the user module, and what it tells them.

pub mod remote;

use async_trait::async_trait;
use kernel::event::Payload;
use kernel::id::UserId;
use kernel::identity::{Authority, session_ended};
use kernel::{Fault, FieldErrors, Problem};
use serde::{Deserialize, Serialize};

/// The first segments of the module's public paths, under `/api/v1` and under `/api/v1/admin`.
pub const PREFIXES: &[&str] = &["auth", "me", "users", "customer-groups"];

/// The user module, here or elsewhere. It is the authority on who is signed in.
#[async_trait]
pub trait UserApi: Authority {
    /// The profile of an active account. Repeatable.
    async fn profile(&self, user: UserId) -> Result<Profile, UserError>;
}

/// What siblings may know of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The account.
    pub user: UserId,
    /// Its address.
    pub email: String,
    /// Its name, where it gave one.
    pub name: Option<String>,
}

/// Why the user module refuses or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum UserError {
    /// Unknown, deleted, or somebody else's.
    #[error("no such {0}")]
    NotFound(String),
    /// Fields are wrong.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// Unknown address, wrong password, disabled account: one answer for all.
    #[error("the address or the password is wrong")]
    InvalidCredentials,
    /// The refresh token is unknown, expired, revoked, or was used before.
    #[error("the refresh token does not hold")]
    InvalidRefreshToken,
    /// Another account has the address.
    #[error("an account with this address exists")]
    EmailTaken,
    /// The resource has changed since the client read it; its present version.
    #[error("the resource is at version {0}")]
    VersionMismatch(i64),
    /// The sign-in of an access token that still holds by itself has ended, or the account lost what the token says.
    #[error("the sign-in has ended; refresh it or sign in again")]
    SessionEnded,
    /// Nobody could administer the shop any more.
    #[error("the shop needs another administrator first")]
    LastAdmin,
    /// Another object has the name.
    #[error("another {0} has this value")]
    Taken(String),
    /// The object is still needed by others.
    #[error("still in use: {0}")]
    InUse(String),
    /// The account has as many addresses as an account can have.
    #[error("the address book is full")]
    AddressBookFull,
    /// A technical failure.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// An account was deleted; siblings forget whom their data is about.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserDeleted {
    /// The account.
    pub user: UserId,
}

impl Payload for UserDeleted {
    const TYPE: &'static str = "user.deleted";

    fn subject(&self) -> String {
        self.user.to_string()
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        let detail = error.to_string();
        match error {
            UserError::NotFound(what) => Self::not_found(&what),
            UserError::Invalid(errors) => Self::invalid(errors),
            UserError::InvalidCredentials => Self::unauthenticated("invalid_credentials", detail),
            UserError::InvalidRefreshToken => Self::unauthenticated("invalid_refresh_token", detail),
            UserError::EmailTaken => Self::conflict("email_taken", detail),
            UserError::VersionMismatch(version) => kernel::http::precondition::precondition_failed(version),
            UserError::SessionEnded => session_ended(),
            UserError::LastAdmin => Self::conflict("last_admin", detail),
            UserError::Taken(_) => Self::conflict("already_taken", detail),
            UserError::InUse(_) => Self::conflict("in_use", detail),
            UserError::AddressBookFull => Self::conflict("address_book_full", detail),
            UserError::Fault(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind. The compiler misses a kind that is new in `next`.
    fn errors() -> Vec<UserError> {
        let mut errors = vec![UserError::NotFound("user".to_owned())];
        while let Some(error) = errors.last().and_then(next) {
            errors.push(error);
        }
        errors
    }

    fn next(error: &UserError) -> Option<UserError> {
        Some(match error {
            UserError::NotFound(_) => UserError::Invalid(FieldErrors::one("/a/0", "too_long", "is \"too\" long")),
            UserError::Invalid(_) => UserError::InvalidCredentials,
            UserError::InvalidCredentials => UserError::InvalidRefreshToken,
            UserError::InvalidRefreshToken => UserError::EmailTaken,
            UserError::EmailTaken => UserError::VersionMismatch(2),
            UserError::VersionMismatch(_) => UserError::SessionEnded,
            UserError::SessionEnded => UserError::LastAdmin,
            UserError::LastAdmin => UserError::Taken("customer group".to_owned()),
            UserError::Taken(_) => UserError::InUse("has members".to_owned()),
            UserError::InUse(_) => UserError::AddressBookFull,
            UserError::AddressBookFull => Fault::unavailable("down").into(),
            UserError::Fault(Fault::Unavailable { .. }) => Fault::timeout("slow").into(),
            UserError::Fault(Fault::Timeout { .. }) => Fault::internal("a bug").into(),
            UserError::Fault(Fault::Internal { .. }) => return None,
        })
    }

    #[test]
    fn every_error_crosses_the_wire_whole() {
        for error in errors() {
            let sent: Result<(), UserError> = Err(error);
            let text = serde_json::to_string(&sent).unwrap();
            let received: Result<(), UserError> = serde_json::from_str(&text).unwrap();
            assert_eq!(received, sent, "{text}");
        }
    }
}
