//! Who is calling. Handlers take one of these as an argument, and with it the check: [`Caller`] for everybody,
//! [`SignedIn`] for customers, [`Staff`] for the shop's own people. Guests prove a cart or an order by its secret.

use std::future::{Ready, ready};

use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};
use serde::{Deserialize, Serialize};

use crate::Problem;
use crate::id::{SessionId, UserId};
use crate::keys::SecretKey;
use crate::token::{TokenError, TokenVerifier};

/// What an account may do beyond being a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything under `/admin`.
    Admin,
}

/// A signed-in user, proven by an access token. As a handler's argument it requires one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// The account.
    pub user: UserId,
    /// The sign-in that the token belongs to.
    pub session: SessionId,
    /// What the account may do.
    pub roles: Vec<Role>,
}

impl SignedIn {
    /// Whether the account has a role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

/// Anybody: signed in or not. A token that is there but does not hold is refused even where none is needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// No credentials were sent.
    Anonymous,
    /// A valid access token was sent.
    SignedIn(SignedIn),
}

impl Caller {
    /// The account, where the caller is signed in.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::Anonymous => None,
            Self::SignedIn(who) => Some(who.user),
        }
    }
}

/// What a caller can prove about a cart or an order: to be its user, or to hold its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The signed-in user, if any.
    pub user: Option<UserId>,
    /// The guest secret that was sent, if any.
    pub secret: Option<String>,
}

impl Holder {
    /// Whether this caller may act on the object `id`, which belongs to `owner`, or to whoever has its secret where it
    /// has no owner. A secret never opens a user's object: the sign-in does.
    pub fn may_act_on(&self, id: impl ToString, owner: Option<UserId>, key: &SecretKey) -> bool {
        match (owner, &self.secret) {
            (Some(owner), _) => self.user == Some(owner),
            (None, Some(secret)) => key.is_guest_secret(id, secret),
            (None, None) => false,
        }
    }
}

/// Somebody with the role `admin`. As a handler's argument it answers 401 to strangers and 403 to customers.
#[derive(Clone, Debug)]
pub struct Staff(pub SignedIn);

/// The `Cart-Secret` header: the proof of a guest's cart.
#[derive(Clone, Debug, Default)]
pub struct CartSecret(pub Option<String>);

/// The `Order-Secret` header: the proof of a guest's order.
#[derive(Clone, Debug, Default)]
pub struct OrderSecret(pub Option<String>);

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identify(request))
    }
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(require_signed_in(request))
    }
}

impl FromRequest for Staff {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(require_signed_in(request).and_then(|who| match who.has(Role::Admin) {
            true => Ok(Self(who)),
            false => Err(Problem::forbidden("this needs the role admin")),
        }))
    }
}

impl FromRequest for CartSecret {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(secret_header(request, "cart-secret"))))
    }
}

impl FromRequest for OrderSecret {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self(secret_header(request, "order-secret"))))
    }
}

/// Who sends `request`, by its access token. The result is kept in the request, so that middleware and handlers do the
/// work once.
pub fn identify(request: &HttpRequest) -> Result<Caller, Problem> {
    if let Some(caller) = request.extensions().get::<Caller>() {
        return Ok(caller.clone());
    }
    let who = match bearer_token(request)? {
        None => None,
        Some(token) => Some(verifier(request)?.verify(&token)),
    };
    keep(request, who)
}

/// The same for the outermost layer of a listener: where the token is signed with a key that is not known, the keys are
/// asked for first.
pub async fn authenticate(request: &HttpRequest) -> Result<Caller, Problem> {
    let Some(token) = bearer_token(request)? else {
        return keep(request, None);
    };
    let verifier = verifier(request)?;
    let mut who = verifier.verify(&token);
    if matches!(who, Err(TokenError::UnknownKey | TokenError::NoKeys)) {
        if let Err(fault) = verifier.refresh().await {
            tracing::warn!(%fault, "the public keys of access tokens cannot be had");
        }
        who = verifier.verify(&token);
    }
    keep(request, Some(who))
}

fn verifier(request: &HttpRequest) -> Result<&TokenVerifier, Problem> {
    let verifier = request.app_data::<web::Data<TokenVerifier>>();
    let missing = || crate::Fault::internal("no token verifier is mounted");
    Ok(verifier.map(|verifier| verifier.get_ref()).ok_or_else(missing)?)
}

fn keep(request: &HttpRequest, who: Option<Result<SignedIn, TokenError>>) -> Result<Caller, Problem> {
    let caller = match who.transpose() {
        Ok(None) => Caller::Anonymous,
        Ok(Some(who)) => Caller::SignedIn(who),
        Err(TokenError::Expired) => return Err(refuse("token_expired", "the access token has expired")),
        Err(error @ TokenError::NoKeys) => return Err(crate::Fault::unavailable(error.to_string()).into()),
        Err(error @ (TokenError::UnknownKey | TokenError::Invalid(_))) => {
            tracing::warn!(target: "security", reason = %error, "access token refused");
            return Err(refuse("invalid_token", "the access token does not hold"));
        }
    };
    request.extensions_mut().insert(caller.clone());
    Ok(caller)
}

/// The challenge of RFC 6750, section 3.1.
fn refuse(code: &'static str, detail: &str) -> Problem {
    Problem::new(actix_web::http::StatusCode::UNAUTHORIZED, code, detail).with_header(
        header::WWW_AUTHENTICATE,
        "Bearer realm=\"bodega\", error=\"invalid_token\"",
    )
}

fn require_signed_in(request: &HttpRequest) -> Result<SignedIn, Problem> {
    match identify(request)? {
        Caller::SignedIn(who) => Ok(who),
        Caller::Anonymous => Err(Problem::unauthenticated(
            "unauthenticated",
            "this needs a signed-in user",
        )),
    }
}

fn bearer_token(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let mut values = request.headers().get_all(header::AUTHORIZATION);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::bad_request(
            "duplicate_header",
            "Authorization was sent more than once",
        ));
    }
    let text = value
        .to_str()
        .map_err(|_| refuse("invalid_token", "the Authorization header is not ASCII"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim().to_owned())),
        _ => Err(refuse("invalid_token", "only the scheme Bearer is known")),
    }
}

fn secret_header(request: &HttpRequest, name: &str) -> Option<String> {
    request
        .headers()
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}
