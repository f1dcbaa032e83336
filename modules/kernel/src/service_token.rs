//! The tokens by which the processes of a shop know each other: JWTs of type `service+jwt`, a minute long, signed with
//! `keys.service` (HMAC-SHA256). They say which process is calling and nothing of who it calls for.

use std::sync::{Arc, Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use serde::{Deserialize, Serialize};

use crate::Clock;
use crate::keys::SecretKey;
use crate::token::TokenError;

/// The request header that carries a service token.
pub const HEADER: &str = "service-token";

const TYPE: &str = "service+jwt";
const AUDIENCE: &str = "bodega-internal";
/// How long a token is good for, in seconds.
const LIFETIME: i64 = 60;
/// How long a token is used before the next one is made, in seconds.
const USE: i64 = 30;
/// How far the clocks of two machines may be apart, in seconds.
const LEEWAY: i64 = 5;
/// Longer strings are no token of ours and are refused before anything is decoded.
const MAX_LENGTH: usize = 1024;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    iat: i64,
    exp: i64,
}

/// Makes and checks service tokens. Cheap to clone.
#[derive(Clone)]
pub struct ServiceTokens {
    shared: Arc<Shared>,
}

struct Shared {
    /// What this process calls itself.
    name: String,
    signing: EncodingKey,
    checking: DecodingKey,
    clock: Clock,
    /// The token in use and when it was made.
    current: Mutex<Option<(i64, String)>>,
}

impl ServiceTokens {
    /// The tokens of the process `name`: the modules it runs.
    pub fn new(name: impl Into<String>, key: &SecretKey, clock: Clock) -> Self {
        // A key of its own is derived, so that no other use of `keys.service` can ever make a token.
        let key = key.mac("service token", &[]);
        Self {
            shared: Arc::new(Shared {
                name: name.into(),
                signing: EncodingKey::from_secret(&key),
                checking: DecodingKey::from_secret(&key),
                clock,
                current: Mutex::default(),
            }),
        }
    }

    /// A token of this process, good for half a minute at least.
    ///
    /// # Errors
    ///
    /// Where the token cannot be encoded, which is a bug.
    pub fn token(&self) -> Result<String, crate::Fault> {
        let now = self.shared.clock.now().timestamp();
        // Nothing that holds the lock can panic half-way.
        let mut current = self.shared.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, token)) = &*current
            && (0..USE).contains(&(now - made))
        {
            return Ok(token.clone());
        }
        let claims = Claims {
            iss: self.shared.name.clone(),
            aud: AUDIENCE.to_owned(),
            iat: now,
            exp: now + LIFETIME,
        };
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        let token = jsonwebtoken::encode(&header, &claims, &self.shared.signing)
            .map_err(|error| crate::Fault::internal(format!("service token: {error}")))?;
        *current = Some((now, token.clone()));
        Ok(token)
    }

    /// The name of the process that sent `token`.
    ///
    /// # Errors
    ///
    /// Why it does not hold; for the log.
    pub fn verify(&self, token: &str) -> Result<String, TokenError> {
        let invalid = |error: &dyn std::fmt::Display| TokenError::Invalid(error.to_string());
        if token.len() > MAX_LENGTH {
            return Err(TokenError::Invalid("too long".to_owned()));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| invalid(&error))?;
        if header.typ.as_deref() != Some(TYPE) {
            return Err(TokenError::Invalid("not a service token".to_owned()));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        // Times are compared with our own clock, which tests can move; serde has already insisted on integers.
        validation.validate_exp = false;
        let TokenData { claims, .. } = jsonwebtoken::decode::<Claims>(token, &self.shared.checking, &validation)
            .map_err(|error| invalid(&error))?;
        let now = self.shared.clock.now().timestamp();
        if now > claims.exp.saturating_add(LEEWAY) {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.saturating_add(LEEWAY) || claims.exp - claims.iat > LIFETIME {
            return Err(TokenError::Invalid("issued in the future or for too long".to_owned()));
        }
        Ok(claims.iss)
    }
}

#[cfg(test)]
mod tests {
    use chrono::Duration;

    use super::*;

    #[test]
    fn a_token_names_its_process_and_is_used_for_half_a_minute() {
        let (key, clock) = (SecretKey::generate(), Clock::adjustable());
        let tokens = ServiceTokens::new("order", &key, clock.clone());
        let first = tokens.token().unwrap();
        assert_eq!(tokens.verify(&first).unwrap(), "order");
        assert_eq!(tokens.token().unwrap(), first);
        clock.advance(Duration::seconds(USE + 1));
        assert_ne!(tokens.token().unwrap(), first);
        assert!(tokens.verify(&first).is_ok());
    }

    #[test]
    fn a_token_ends_after_a_minute() {
        let (key, clock) = (SecretKey::generate(), Clock::adjustable());
        let tokens = ServiceTokens::new("order", &key, clock.clone());
        let token = tokens.token().unwrap();
        clock.advance(Duration::seconds(LIFETIME + LEEWAY + 1));
        assert!(matches!(tokens.verify(&token), Err(TokenError::Expired)));
    }

    #[test]
    fn a_token_of_another_shop_or_type_is_refused() {
        let clock = Clock::adjustable();
        let ours = ServiceTokens::new("cart", &SecretKey::generate(), clock.clone());
        let theirs = ServiceTokens::new("cart", &SecretKey::generate(), clock.clone());
        assert!(ours.verify(&theirs.token().unwrap()).is_err());
        let now = clock.now().timestamp();
        let claims = Claims {
            iss: "cart".into(),
            aud: AUDIENCE.into(),
            iat: now,
            exp: now + LIFETIME,
        };
        for kind in ["JWT", "at+jwt"] {
            let mut header = Header::new(Algorithm::HS256);
            header.typ = Some(kind.into());
            let token = jsonwebtoken::encode(&header, &claims, &ours.shared.signing).unwrap();
            assert!(ours.verify(&token).is_err(), "{kind}");
        }
        assert!(ours.verify("").is_err());
        assert!(ours.verify(&"x".repeat(MAX_LENGTH + 1)).is_err());
    }
}
