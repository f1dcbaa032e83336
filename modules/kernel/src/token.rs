//! Access tokens: EdDSA JWTs of type `at+jwt` (RFC 9068), five minutes long, checked at the edge and in each module.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::Duration;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, TokenData, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{CustomerGroupId, SessionId, UserId};
use crate::identity::{Role, SignedIn};
use crate::job::{Job, Round, Wake};
use crate::keys::{KeyError, random_bytes};
use crate::{Clock, Fault};

/// How long an access token is good for, in seconds.
pub const ACCESS_TOKEN_SECONDS: i64 = 300;

const TYPE: &str = "at+jwt";
const ISSUER: &str = "bodega";
const AUDIENCE: &str = "bodega";
/// How far the clocks of two machines may be apart.
const LEEWAY_SECONDS: i64 = 5;
/// Longer strings are no token of ours and are refused before anything is decoded.
const MAX_LENGTH: usize = 2048;
/// How often the public keys are asked for.
const REFRESH: std::time::Duration = std::time::Duration::from_secs(60);
/// The least time between two questions for the public keys, whatever tokens come.
const REFRESH_PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

/// What an access token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    roles: Vec<Role>,
    /// The group of customers; the only claim that may be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grp: Option<CustomerGroupId>,
    iat: i64,
    exp: i64,
    jti: String,
}

/// Signs access tokens; held by the user module alone.
#[derive(Clone)]
pub struct TokenSigner {
    key: EncodingKey,
    public: PublicKey,
    clock: Clock,
}

impl TokenSigner {
    /// A signer with the private key of `keys.token` (PKCS#8, PEM).
    pub fn new(pem: &SecretString, clock: Clock) -> Result<Self, KeyError> {
        let signing = SigningKey::from_pkcs8_pem(pem.expose_secret()).map_err(|_| KeyError::NotEd25519)?;
        let key = EncodingKey::from_ed_pem(pem.expose_secret().as_bytes()).map_err(|_| KeyError::NotEd25519)?;
        Ok(Self {
            key,
            public: PublicKey::of(&signing),
            clock,
        })
    }

    /// A new private key, PKCS#8 in PEM.
    pub fn generate_key() -> SecretString {
        let mut seed = [0; 32];
        seed.copy_from_slice(&random_bytes(32));
        // The encoding of a fresh key has no way to fail.
        #[expect(clippy::expect_used, reason = "a fresh key always has an encoding")]
        let pem = SigningKey::from_bytes(&seed)
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a fresh key always has an encoding");
        SecretString::from(pem.as_str())
    }

    /// The access token of a sign-in.
    pub fn sign(&self, who: &SignedIn) -> Result<String, jsonwebtoken::errors::Error> {
        let now = self.clock.now();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: who.user,
            sid: who.session,
            roles: who.roles.clone(),
            grp: who.group,
            iat: now.timestamp(),
            exp: (now + Duration::seconds(ACCESS_TOKEN_SECONDS)).timestamp(),
            jti: URL_SAFE_NO_PAD.encode(random_bytes(16)),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(self.public.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.key)
    }

    /// The public half, for verifiers and the JWKS.
    pub fn public_key(&self) -> PublicKey {
        self.public.clone()
    }
}

/// The public half of a signing key, as a JSON Web Key (RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublicKey {
    /// Key type: `OKP`.
    pub kty: String,
    /// Curve: `Ed25519`.
    pub crv: String,
    /// Use: `sig`.
    pub r#use: String,
    /// Algorithm: `EdDSA`.
    pub alg: String,
    /// Key id: the hash of the key.
    pub kid: String,
    /// The key, base64url.
    pub x: String,
}

impl PublicKey {
    fn of(signing: &SigningKey) -> Self {
        let key = signing.verifying_key();
        let der = key
            .to_public_key_der()
            .map(|der| der.as_bytes().to_vec())
            .unwrap_or_else(|_| key.as_bytes().to_vec());
        let kid = URL_SAFE_NO_PAD.encode(&Sha256::digest(der)[..12]);
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            r#use: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
            kid,
            x: URL_SAFE_NO_PAD.encode(key.as_bytes()),
        }
    }
}

/// A set of public keys, as it is published (JWKS, RFC 7517).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PublicKeys {
    /// The keys.
    pub keys: Vec<PublicKey>,
}

/// Where the public keys come from in a process without the user module.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The keys that access tokens are signed with now, before and next.
    async fn keys(&self) -> Result<PublicKeys, Fault>;
}

/// Checks access tokens against the known public keys. Cheap to clone; all clones know the same keys.
#[derive(Clone)]
pub struct TokenVerifier {
    shared: Arc<Known>,
    clock: Clock,
}

struct Known {
    /// None before the source was reached for the first time.
    keys: RwLock<Option<BTreeMap<String, DecodingKey>>>,
    source: Option<Arc<dyn KeySource>>,
    /// When the source was asked last; held while it is asked.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

/// An access token does not hold; clients learn no more than that.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its time has passed.
    #[error("expired")]
    Expired,
    /// It is signed with a key that is not known (yet).
    #[error("unknown key")]
    UnknownKey,
    /// No key is known yet, so that nothing can be said about any token.
    #[error("no public key is known yet")]
    NoKeys,
    /// Anything else; the text is for the log.
    #[error("{0}")]
    Invalid(String),
}

impl TokenVerifier {
    /// A verifier that knows `keys`.
    pub fn new(keys: &[PublicKey], clock: Clock) -> Self {
        let verifier = Self::with(None, clock);
        verifier.learn(keys);
        verifier
    }

    /// A verifier that gets its keys from `source`; it knows none before [`TokenVerifier::refresh`].
    pub fn from_source(source: Arc<dyn KeySource>, clock: Clock) -> Self {
        Self::with(Some(source), clock)
    }

    fn with(source: Option<Arc<dyn KeySource>>, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Known {
                keys: RwLock::default(),
                source,
                asked: tokio::sync::Mutex::default(),
            }),
            clock,
        }
    }

    fn learn(&self, keys: &[PublicKey]) {
        let decoding = |key: &PublicKey| Some((key.kid.clone(), DecodingKey::from_ed_components(&key.x).ok()?));
        let known = keys.iter().filter_map(decoding).collect();
        // Nothing that holds the lock can panic half-way.
        *self.shared.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    /// Asks the source for its keys, unless it was asked just now: a stranger with made-up tokens must not make us ask for
    /// each. Does nothing where the keys were given.
    ///
    /// # Errors
    ///
    /// The source's fault; what was known stays known.
    pub async fn refresh(&self) -> Result<(), Fault> {
        let Some(source) = &self.shared.source else {
            return Ok(());
        };
        let mut asked = self.shared.asked.lock().await;
        if asked.is_some_and(|before| before.elapsed() < REFRESH_PAUSE) {
            return Ok(());
        }
        let outcome = source.keys().await;
        *asked = Some(Instant::now());
        self.learn(&outcome?.keys);
        Ok(())
    }

    /// The job that keeps the keys fresh: the next key is published before it is used, so that it is known in time.
    pub fn upkeep(&self) -> Job {
        let verifier = self.clone();
        Job::new("token-keys", REFRESH, Wake::default(), move || {
            let verifier = verifier.clone();
            async move { verifier.refresh().await.map(|()| Round::Idle) }
        })
    }

    /// Who the bearer of `token` is. The algorithm, the type, issuer, audience and every claim are fixed by us; the
    /// token's header chooses nothing but which of our keys to try (RFC 8725).
    pub fn verify(&self, token: &str) -> Result<SignedIn, TokenError> {
        let invalid = |error: &dyn std::fmt::Display| TokenError::Invalid(error.to_string());
        if token.len() > MAX_LENGTH {
            return Err(TokenError::Invalid("too long".to_owned()));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| invalid(&error))?;
        if header.typ.as_deref() != Some(TYPE) {
            return Err(TokenError::Invalid("not an access token".to_owned()));
        }
        let keys = self.shared.keys.read().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_ref().ok_or(TokenError::NoKeys)?;
        let key = header.kid.as_deref().and_then(|kid| keys.get(kid));
        let key = key.ok_or(TokenError::UnknownKey)?;
        let TokenData { claims, .. } =
            jsonwebtoken::decode::<Claims>(token, key, &validation()).map_err(|error| invalid(&error))?;
        let now = self.clock.now().timestamp();
        if now > claims.exp.saturating_add(LEEWAY_SECONDS) {
            return Err(TokenError::Expired);
        }
        if claims.iat > now.saturating_add(LEEWAY_SECONDS) || claims.exp - claims.iat > ACCESS_TOKEN_SECONDS {
            return Err(TokenError::Invalid("issued in the future or for too long".to_owned()));
        }
        Ok(SignedIn {
            user: claims.sub,
            session: claims.sid,
            roles: claims.roles,
            group: claims.grp,
        })
    }
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Times are compared with our own clock, which tests can move; serde has already insisted on integers.
    validation.validate_exp = false;
    validation
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn signer() -> TokenSigner {
        TokenSigner::new(&TokenSigner::generate_key(), Clock::adjustable()).unwrap()
    }

    fn ada() -> SignedIn {
        SignedIn {
            user: UserId::generate(),
            session: SessionId::generate(),
            roles: vec![Role::Admin],
            group: Some(CustomerGroupId::generate()),
        }
    }

    fn verifier(signer: &TokenSigner) -> TokenVerifier {
        TokenVerifier::new(&[signer.public_key()], signer.clock.clone())
    }

    fn forge(signer: &TokenSigner, header: impl FnOnce(&mut Header), claims: impl FnOnce(&mut Value)) -> String {
        let now = signer.clock.now().timestamp();
        let mut body = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": UserId::generate(), "sid": SessionId::generate(),
            "roles": [], "iat": now, "exp": now + 60, "jti": "x"});
        claims(&mut body);
        let mut head = Header::new(Algorithm::EdDSA);
        head.typ = Some(TYPE.into());
        head.kid = Some(signer.public.kid.clone());
        header(&mut head);
        jsonwebtoken::encode(&head, &body, &signer.key).unwrap()
    }

    #[test]
    fn a_token_names_the_user_the_session_the_roles_and_the_group() {
        let signer = signer();
        let who = ada();
        let seen = verifier(&signer).verify(&signer.sign(&who).unwrap()).unwrap();
        assert_eq!(
            (seen.user, seen.session, seen.roles, seen.group),
            (who.user, who.session, who.roles, who.group)
        );
    }

    #[test]
    fn a_token_ends_five_minutes_after_it_was_issued() {
        let signer = signer();
        let token = signer.sign(&ada()).unwrap();
        signer
            .clock
            .advance(Duration::seconds(ACCESS_TOKEN_SECONDS + LEEWAY_SECONDS));
        assert!(verifier(&signer).verify(&token).is_ok());
        signer.clock.advance(Duration::seconds(1));
        assert!(matches!(verifier(&signer).verify(&token), Err(TokenError::Expired)));
    }

    #[test]
    fn another_key_type_or_length_is_refused() {
        let signer = signer();
        let verifier = verifier(&signer);
        assert!(verifier.verify(&super::tests::signer().sign(&ada()).unwrap()).is_err());
        assert!(
            verifier
                .verify(&forge(&signer, |header| header.typ = Some("JWT".into()), |_| ()))
                .is_err()
        );
        assert!(
            verifier
                .verify(&forge(&signer, |header| header.kid = None, |_| ()))
                .is_err()
        );
        assert!(verifier.verify(&"a".repeat(MAX_LENGTH + 1)).is_err());
        assert!(verifier.verify(&forge(&signer, |_| (), |_| ())).is_ok());
    }

    #[test]
    fn every_claim_is_required_and_typed() {
        let signer = signer();
        let verifier = verifier(&signer);
        for claim in ["iss", "aud", "sub", "sid", "roles", "iat", "exp", "jti"] {
            let missing = forge(
                &signer,
                |_| (),
                |claims| drop(claims.as_object_mut().unwrap().remove(claim)),
            );
            assert!(verifier.verify(&missing).is_err(), "without {claim}");
        }
        for group in [json!("gold"), json!(7), json!(UserId::generate())] {
            let wrong = forge(&signer, |_| (), |claims| claims["grp"] = group.clone());
            assert!(verifier.verify(&wrong).is_err(), "{group}");
        }
        for exp in [json!("9999999999"), json!(1e20), json!(-1), json!(9_999_999_999_i64)] {
            assert!(
                verifier
                    .verify(&forge(&signer, |_| (), |claims| claims["exp"] = exp.clone()))
                    .is_err(),
                "{exp}"
            );
        }
    }

    #[test]
    fn unsigned_and_symmetric_tokens_are_refused() {
        let signer = signer();
        let good = signer.sign(&ada()).unwrap();
        let payload = good.split('.').nth(1).unwrap();
        for algorithm in ["none", "None", "nOnE"] {
            let header =
                URL_SAFE_NO_PAD.encode(json!({"alg": algorithm, "typ": TYPE, "kid": signer.public.kid}).to_string());
            assert!(verifier(&signer).verify(&format!("{header}.{payload}.")).is_err());
        }
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.into());
        header.kid = Some(signer.public.kid.clone());
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        let key = EncodingKey::from_secret(signer.public.x.as_bytes());
        assert!(
            verifier(&signer)
                .verify(&jsonwebtoken::encode(&header, &claims, &key).unwrap())
                .is_err()
        );
    }
}
