//! Who is calling. Handlers take one of these as an argument, and with it the check: [`Caller`] for everybody,
//! [`SignedIn`] for customers, [`Staff`] for the shop's own people. Guests prove a cart or an order by its secret.

use std::future::{Ready, ready};

use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web};
use async_trait::async_trait;
use futures_util::future::LocalBoxFuture;
use serde::{Deserialize, Serialize};

use crate::id::{CustomerGroupId, SessionId, UserId};
use crate::keys::SecretKey;
use crate::token::{TokenError, TokenVerifier};
use crate::{Fault, Problem};

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
    /// The group of customers that the account belonged to when the token was issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<CustomerGroupId>,
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

    /// The group of customers that the caller belongs to.
    pub fn group(&self) -> Option<CustomerGroupId> {
        match self {
            Self::Anonymous => None,
            Self::SignedIn(who) => who.group,
        }
    }
}

/// What a caller can prove about a cart or an order: to be its user, or to hold its secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The signed-in user, if any.
    pub user: Option<UserId>,
    /// The group of customers that this user belongs to, whose prices then hold for what the user owns.
    #[serde(default)]
    pub group: Option<CustomerGroupId>,
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

/// Somebody with the role `admin`, now and not only when the access token was issued. As a handler's argument it answers
/// 401 to strangers and to sign-ins that have ended, 403 to customers, and 503 where nobody can say: it never lets
/// somebody in because of a failure.
#[derive(Clone, Debug)]
pub struct Staff(pub SignedIn);

/// Who knows whether a sign-in still is what its access token says; the user module does. Mounted once per process as
/// `web::Data<dyn Authority>`, beside the [`TokenVerifier`].
#[async_trait]
pub trait Authority: Send + Sync {
    /// Whether the session has not ended, and its account may still sign in and has all the roles named. Repeatable.
    async fn still_holds(&self, who: &SignedIn) -> Result<bool, Fault>;
}

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
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let claimed = require_admin(request);
        let authority = request.app_data::<web::Data<dyn Authority>>().cloned();
        Box::pin(async move {
            let who = claimed?;
            let authority = authority.ok_or_else(|| Fault::internal("no authority is mounted"))?;
            match authority.still_holds(&who).await? {
                true => Ok(Self(who)),
                false => Err(session_ended()),
            }
        })
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

/// 401: the sign-in of an access token that still holds by itself has ended, or the account lost what the token says.
pub fn session_ended() -> Problem {
    Problem::unauthenticated("session_ended", "the sign-in has ended; refresh it or sign in again")
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
    let missing = || Fault::internal("no token verifier is mounted");
    Ok(verifier.map(|verifier| verifier.get_ref()).ok_or_else(missing)?)
}

fn keep(request: &HttpRequest, who: Option<Result<SignedIn, TokenError>>) -> Result<Caller, Problem> {
    let caller = match who.transpose() {
        Ok(None) => Caller::Anonymous,
        Ok(Some(who)) => Caller::SignedIn(who),
        Err(TokenError::Expired) => return Err(refuse("token_expired", "the access token has expired")),
        Err(error @ TokenError::NoKeys) => return Err(Fault::unavailable(error.to_string()).into()),
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

fn require_admin(request: &HttpRequest) -> Result<SignedIn, Problem> {
    let who = require_signed_in(request)?;
    match who.has(Role::Admin) {
        true => Ok(who),
        false => Err(Problem::forbidden("this needs the role admin")),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;
    use actix_web::test::TestRequest;
    use futures_util::FutureExt;
    use std::sync::Arc;

    /// Always says the same.
    struct Oracle(Result<bool, Fault>);

    #[async_trait]
    impl Authority for Oracle {
        async fn still_holds(&self, _: &SignedIn) -> Result<bool, Fault> {
            self.0.clone()
        }
    }

    /// How a caller with these roles is refused where the authority says this.
    fn refusal(roles: Vec<Role>, said: Result<bool, Fault>) -> Option<u16> {
        let authority: Arc<dyn Authority> = Arc::new(Oracle(said));
        let request = TestRequest::default()
            .app_data(web::Data::from(authority))
            .to_http_request();
        request.extensions_mut().insert(Caller::SignedIn(SignedIn {
            user: UserId::generate(),
            session: SessionId::generate(),
            roles,
            group: None,
        }));
        let staff = Staff::extract(&request).now_or_never();
        staff.and_then(Result::err).map(|problem| problem.status().as_u16())
    }

    #[test]
    fn staff_are_those_whose_role_is_in_the_token_and_still_held() {
        assert_eq!(refusal(vec![Role::Admin], Ok(true)), None);
        assert_eq!(refusal(vec![Role::Admin], Ok(false)), Some(401));
        assert_eq!(refusal(Vec::new(), Ok(true)), Some(403));
    }

    #[test]
    fn nobody_is_let_in_where_nobody_can_be_asked() {
        let down = Err(Fault::unavailable("the user module is down"));
        assert_eq!(refusal(vec![Role::Admin], down), Some(503));
        let request = TestRequest::default().to_http_request();
        let staff = Staff::extract(&request).now_or_never();
        assert!(staff.is_some_and(|staff| staff.is_err()));
    }
}
