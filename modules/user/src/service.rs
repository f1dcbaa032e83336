//! The use cases of accounts, each one transaction or one read.

mod addresses;
mod administration;
mod groups;
mod hasher;
mod profile;
mod sessions;
mod sign_in;
mod verify;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use database::{Db, Failure, refuse};
use diesel::PgConnection;
use kernel::id::UserId;
use kernel::identity::{Authority, SignedIn};
use kernel::keys::KeyError;
use kernel::module::Context;
use kernel::page::Cursors;
use kernel::token::{KeySource, PublicKey, PublicKeys, TokenSigner};
use kernel::{Clock, Fault};
use user_api::{Profile, UserApi, UserError};

use crate::domain::account::Account;
use crate::domain::refresh_token::RefreshTokens;
use crate::queries;

use hasher::Hasher;

pub(crate) use addresses::address_list;
pub(crate) use administration::account_list;
pub(crate) use groups::GROUP_LIST;
pub(crate) use profile::{PasswordChange, ProfileChange};
pub(crate) use sessions::session_list;
pub(crate) use sign_in::{Credentials, Registration, SignIn};

/// What a closure given to the database answers.
type Outcome<T> = Result<T, Failure<UserError>>;

/// No session lasts longer, whatever the settings say; also keeps the arithmetic of dates in bounds.
const LONGEST_SESSION: TimeDelta = TimeDelta::days(3650);

/// The use cases of accounts.
pub(crate) struct Service {
    database: Db,
    clock: Clock,
    hasher: Hasher,
    signer: TokenSigner,
    /// Published beside the signer's: the next key before a change, the last one after it.
    other_key: Option<PublicKey>,
    refresh_tokens: RefreshTokens,
    session_lifetime: TimeDelta,
    pub(crate) cursors: Cursors,
}

impl Service {
    /// Refuses where `keys.token` is no signing key.
    pub(crate) fn new(context: &Context, database: Db) -> Result<Self, KeyError> {
        let settings = &context.settings.user;
        let other = context.keys.token_other.as_deref();
        let other = other
            .map(|pem| TokenSigner::new(pem, context.clock.clone()))
            .transpose()?;
        let lifetime = TimeDelta::from_std(settings.session_lifetime).unwrap_or(LONGEST_SESSION);
        Ok(Self {
            database,
            clock: context.clock.clone(),
            hasher: Hasher::new(settings.hashing_permits, settings.hashing_queue),
            signer: TokenSigner::new(&context.keys.token, context.clock.clone())?,
            other_key: other.map(|signer| signer.public_key()),
            refresh_tokens: RefreshTokens::new(context.keys.secret.clone()),
            session_lifetime: lifetime.min(LONGEST_SESSION),
            cursors: Cursors::new(context.keys.secret.clone()),
        })
    }

    /// The keys that access tokens are checked with.
    pub(crate) fn public_keys(&self) -> PublicKeys {
        let keys = std::iter::once(self.signer.public_key()).chain(self.other_key.clone());
        PublicKeys { keys: keys.collect() }
    }
}

#[async_trait]
impl KeySource for Service {
    async fn keys(&self) -> Result<PublicKeys, Fault> {
        Ok(self.public_keys())
    }
}

#[async_trait]
impl Authority for Service {
    async fn still_holds(&self, who: &SignedIn) -> Result<bool, Fault> {
        let (claimed, now) = (who.clone(), self.clock.now());
        let found = self
            .database
            .run(move |connection| {
                let account = queries::accounts::of_session(connection, &claimed, now)?;
                Ok::<_, Failure<Fault>>(account.is_some_and(|account| account.has_all(&claimed.roles)))
            })
            .await?;
        Ok(found)
    }
}

#[async_trait]
impl UserApi for Service {
    async fn profile(&self, user: UserId) -> Result<Profile, UserError> {
        let found = self
            .database
            .run(move |connection| Outcome::Ok(queries::accounts::find(connection, user)?))
            .await?;
        let account = found
            .filter(|account| !account.is_disabled())
            .ok_or_else(|| UserError::NotFound("user".to_owned()))?;
        Ok(Profile {
            user: account.id,
            email: account.email,
            name: account.name,
        })
    }
}

/// The account that calls. An access token lives on for minutes after a sign-out, a deletion or a disabling; nothing in
/// this module believes it that long.
fn caller(connection: &mut PgConnection, who: &SignedIn, now: DateTime<Utc>) -> Outcome<Account> {
    match queries::accounts::of_session(connection, who, now)? {
        Some(account) => Ok(account),
        None => refuse(UserError::SessionEnded),
    }
}

/// The account that calls, locked against every other change of it until the end of the transaction.
fn locked_caller(connection: &mut PgConnection, who: &SignedIn, now: DateTime<Utc>) -> Outcome<Account> {
    if queries::accounts::lock(connection, who.user)?.is_none() {
        return refuse(UserError::SessionEnded);
    }
    // Read again: what was true before the lock was granted may not be true after it.
    caller(connection, who, now)
}
