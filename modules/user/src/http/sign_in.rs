//! `/auth`.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, get, post};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{Json, Query};
use kernel::problem::ProblemSchema;
use kernel::token::PublicKeys;
use serde::Deserialize;

use crate::domain::session::shown_user_agent;
use crate::service::{Credentials, Registration, Service, SignIn};

/// A request for new tokens.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RefreshRequest {
    /// Good once. None at all is refused like one that does not hold: 401.
    #[serde(default)]
    #[schema(required)]
    refresh_token: String,
}

/// A request to end a session.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct LogoutRequest {
    /// Any refresh token of the session.
    refresh_token: String,
}

/// Makes an account and signs it in.
#[utoipa::path(
    tag = "auth",
    operation_id = "create_account",
    request_body = Registration,
    responses(
        (status = 201, description = "The account and its first tokens", body = SignIn),
        (status = 409, description = "`email_taken`: an account with this address exists", body = ProblemSchema),
        (
            status = 422,
            description = "Fields are wrong; the password is too short, too long, too common or the address",
            body = ProblemSchema,
        ),
    ),
)]
#[post("/auth/register")]
pub(super) async fn register(
    service: Data<Service>,
    request: HttpRequest,
    body: Json<Registration>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let sign_in = service.register(body.into_inner(), user_agent(&request)).await?;
    Ok(secret(StatusCode::CREATED).json(sign_in))
}

/// Signs in with address and password.
#[utoipa::path(
    tag = "auth",
    operation_id = "create_session",
    request_body = Credentials,
    responses(
        (status = 200, description = "The account and new tokens", body = SignIn),
        (
            status = 401,
            description = "`invalid_credentials`: one answer for unknown, wrong and disabled",
            body = ProblemSchema,
        ),
    ),
)]
#[post("/auth/login")]
pub(super) async fn log_in(
    service: Data<Service>,
    request: HttpRequest,
    body: Json<Credentials>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let sign_in = service.log_in(body.into_inner(), user_agent(&request)).await?;
    Ok(secret(StatusCode::OK).json(sign_in))
}

/// Exchanges a refresh token for new tokens. Each is good once; one that was used before ends the session.
#[utoipa::path(
    tag = "auth",
    operation_id = "refresh_session",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "The account and new tokens", body = SignIn),
        (
            status = 401,
            description = "`invalid_refresh_token`: unknown, expired, ended or used before",
            body = ProblemSchema,
        ),
    ),
)]
#[post("/auth/refresh")]
pub(super) async fn refresh(
    service: Data<Service>,
    body: Json<RefreshRequest>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let sign_in = service.refresh(&body.refresh_token).await?;
    Ok(secret(StatusCode::OK).json(sign_in))
}

/// Ends the session of a refresh token; a token that belongs to none is fine, too.
#[utoipa::path(
    tag = "auth",
    operation_id = "end_session",
    request_body = LogoutRequest,
    responses((status = 204, description = "The session has ended")),
)]
#[post("/auth/logout")]
pub(super) async fn log_out(
    service: Data<Service>,
    body: Json<LogoutRequest>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.log_out(&body.refresh_token).await?;
    Ok(secret(StatusCode::NO_CONTENT).finish())
}

/// The public keys that access tokens are checked with; also at `/.well-known/jwks.json`.
#[utoipa::path(
    tag = "auth",
    operation_id = "get_jwks",
    responses((status = 200, description = "A JSON Web Key Set", body = PublicKeys)),
)]
#[get("/auth/jwks")]
pub(super) async fn jwks(service: Data<Service>, _: Query<NoParameters>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=60"))
        .json(service.public_keys())
}

/// An answer with tokens in it.
fn secret(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "private, no-store"));
    response
}

fn user_agent(request: &HttpRequest) -> Option<String> {
    let header = request.headers().get(header::USER_AGENT)?;
    shown_user_agent(header.to_str().ok()?)
}
