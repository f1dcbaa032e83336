//! Ways into the shop: register, log in, refresh, log out.

use database::{OnViolation, refuse};
use kernel::id::{SessionId, UserId};
use kernel::identity::SignedIn;
use kernel::keys::random_bytes;
use kernel::text::Email;
use kernel::token::ACCESS_TOKEN_SECONDS;
use kernel::{Fault, Text};
use serde::{Deserialize, Serialize};
use user_api::UserError;

use super::hasher::Comparison;
use super::{Outcome, Service};
use crate::domain::account::Account;
use crate::domain::password::Password;
use crate::domain::refresh_token::{NONCE_LENGTH, Presented, Verdict, judge};
use crate::domain::session::NewSession;
use crate::queries;

/// A request for an account.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Registration {
    pub(crate) email: Email,
    /// At least 8 characters; not among the most common passwords and not the address.
    #[schema(value_type = String, min_length = 8, max_length = 128)]
    pub(crate) password: Password,
    #[serde(default)]
    pub(crate) name: Option<Text<1, 120>>,
}

/// A request to sign in.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credentials {
    pub(crate) email: Email,
    #[schema(value_type = String, max_length = 128)]
    pub(crate) password: Password,
}

/// A sign-in: who it is, and the tokens to prove it with.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SignIn {
    pub(crate) user: Account,
    /// For `Authorization: Bearer`.
    pub(crate) access_token: String,
    /// `Bearer`.
    #[schema(example = "Bearer")]
    pub(crate) token_type: &'static str,
    /// How long the access token is good for, in seconds.
    pub(crate) expires_in: i64,
    /// For `POST /auth/refresh`, once.
    pub(crate) refresh_token: String,
}

impl Service {
    /// Makes an account and signs it in. Whether the address is taken is decided by its unique index alone, after the
    /// password was hashed, so that the time taken does not tell.
    pub(crate) async fn register(
        &self,
        request: Registration,
        user_agent: Option<String>,
    ) -> Result<SignIn, UserError> {
        request
            .password
            .check_new(&request.email, "/password")
            .map_err(UserError::Invalid)?;
        let password_hash = self.hasher.hash(request.password).await?;
        let now = self.clock.now();
        let account = Account {
            id: UserId::generate(),
            email: request.email.to_string(),
            name: request.name.map(String::from),
            roles: Vec::new(),
            created_at: now,
            updated_at: now,
            customer_group_id: None,
            disabled_at: None,
            version: 1,
        };
        let session = self.new_session(user_agent);
        let answer = self.tokens(account.clone(), session.id, 0, &session.nonce)?;
        self.database
            .transaction(move |connection| {
                queries::accounts::insert(connection, &account, &password_hash)
                    .on_violation(queries::accounts::EMAIL_KEY, || UserError::EmailTaken)?;
                queries::sessions::insert(connection, account.id, &password_hash, &session)?;
                Outcome::Ok(())
            })
            .await?;
        Ok(answer)
    }

    /// Signs in. An unknown address, a wrong password and a disabled account look and take the same.
    pub(crate) async fn log_in(&self, request: Credentials, user_agent: Option<String>) -> Result<SignIn, UserError> {
        let email = request.email;
        let found = self
            .database
            .run(move |connection| Outcome::Ok(queries::accounts::credentials(connection, &email)?))
            .await?;
        let (account, stored) = found.unzip();
        let comparison = self.hasher.compare(request.password, stored.clone()).await?;
        let (Some(account), Some(stored), false) = (account, stored, comparison == Comparison::Different) else {
            tracing::info!(target: "security", "sign-in refused");
            return Err(UserError::InvalidCredentials);
        };
        let session = self.new_session(user_agent);
        let answer = self.tokens(account, session.id, 0, &session.nonce)?;
        let user = answer.user.id;
        self.database
            .run(move |connection| {
                if !queries::sessions::insert(connection, user, &stored, &session)? {
                    // Disabled, deleted, or given another password since.
                    return refuse(UserError::InvalidCredentials);
                }
                if let Comparison::Outdated(fresh) = comparison {
                    queries::accounts::replace_password(connection, user, &stored, &fresh)?;
                }
                Ok(())
            })
            .await?;
        Ok(answer)
    }

    /// Exchanges a refresh token for a new pair of tokens. Each token is good once; the same token again within a few
    /// seconds gets the same successor, and later ends the whole session, because two parties hold its tokens.
    pub(crate) async fn refresh(&self, token: &str) -> Result<SignIn, UserError> {
        let presented = Presented::parse(token).ok_or(UserError::InvalidRefreshToken)?;
        let (session, now) = (presented.session, self.clock.now());
        let tokens = self.refresh_tokens.clone();
        let exchange = move |connection: &mut diesel::PgConnection| {
            // The second look is for whoever was overtaken between the first one and its own update.
            for _ in 0..2 {
                let family = queries::sessions::family(connection, session, now)?;
                // A token that is not ours says nothing about the session, and does nothing to it.
                let Some(family) = family.filter(|family| tokens.is_authentic(&presented, &family.nonce)) else {
                    return refuse(UserError::InvalidRefreshToken);
                };
                match judge(presented.generation, family.generation, family.last_used_at, now) {
                    Verdict::Repeat => return Ok(Some((family.account, family.nonce, family.generation))),
                    Verdict::Reused => {
                        queries::sessions::end(connection, session)?;
                        tracing::warn!(target: "security", %session, user_id = %family.account.id,
                            "a refresh token was used twice; its session has been ended");
                        return Ok(None);
                    }
                    Verdict::Rotate => {
                        if queries::sessions::rotate(connection, session, family.generation, now)? {
                            return Ok(Some((family.account, family.nonce, family.generation + 1)));
                        }
                    }
                }
            }
            refuse(UserError::InvalidRefreshToken)
        };
        let successor = self.database.run(exchange).await?;
        let (account, nonce, generation) = successor.ok_or(UserError::InvalidRefreshToken)?;
        self.tokens(account, session, generation, &nonce)
    }

    /// Ends the session of a refresh token, whichever of its tokens it is. Whoever sends something else has no session
    /// to end.
    pub(crate) async fn log_out(&self, token: &str) -> Result<(), UserError> {
        let Some(presented) = Presented::parse(token) else {
            return Ok(());
        };
        let (tokens, now) = (self.refresh_tokens.clone(), self.clock.now());
        self.database
            .run(move |connection| {
                let family = queries::sessions::family(connection, presented.session, now)?;
                if family.is_some_and(|family| tokens.is_authentic(&presented, &family.nonce)) {
                    queries::sessions::end(connection, presented.session)?;
                }
                Outcome::Ok(())
            })
            .await
    }

    fn new_session(&self, user_agent: Option<String>) -> NewSession {
        let now = self.clock.now();
        NewSession {
            id: SessionId::generate(),
            nonce: random_bytes(NONCE_LENGTH),
            user_agent,
            created_at: now,
            expires_at: now + self.session_lifetime,
        }
    }

    fn tokens(&self, user: Account, session: SessionId, generation: i32, nonce: &[u8]) -> Result<SignIn, UserError> {
        let who = SignedIn {
            user: user.id,
            session,
            roles: user.roles.clone(),
            group: user.customer_group_id,
        };
        let access_token = self
            .signer
            .sign(&who)
            .map_err(|error| Fault::internal(format!("access token: {error}")))?;
        Ok(SignIn {
            user,
            access_token,
            token_type: "Bearer",
            expires_in: ACCESS_TOKEN_SECONDS,
            refresh_token: self.refresh_tokens.issue(session, generation, nonce),
        })
    }
}
