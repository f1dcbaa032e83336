//! `/me` and `/me/password`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, patch, put};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IfMatch, Json, Query, version_tag};
use kernel::identity::SignedIn;
use kernel::problem::ProblemSchema;

use super::private;
use crate::domain::account::Account;
use crate::service::{PasswordChange, ProfileChange, Service};

/// The caller's account.
#[utoipa::path(
    tag = "me",
    operation_id = "get_me",
    responses((status = 200, description = "The account; its version is the ETag", body = Account)),
    security(("bearer" = [])),
)]
#[get("/me")]
pub(super) async fn get_me(
    service: Data<Service>,
    who: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let account = service.own_account(who).await?;
    Ok(answer(&account))
}

/// Changes the caller's profile: a merge patch.
#[utoipa::path(
    tag = "me",
    operation_id = "update_me",
    request_body = ProfileChange,
    responses(
        (status = 200, description = "The account after the change", body = Account),
        (status = 412, description = "`If-Match` was sent and the account has changed", body = ProblemSchema),
        (status = 422, description = "Fields are wrong", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[patch("/me")]
pub(super) async fn update_me(
    service: Data<Service>,
    who: SignedIn,
    condition: IfMatch,
    body: Json<ProfileChange>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let account = service.change_profile(who, condition, body.into_inner()).await?;
    Ok(answer(&account))
}

/// Deletes the caller's account: address, name, password, address book and sessions are gone for good; orders stay.
#[utoipa::path(
    tag = "me",
    operation_id = "delete_me",
    responses(
        (status = 204, description = "The account is gone"),
        (status = 409, description = "`last_admin`: the shop needs another administrator first", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[delete("/me")]
pub(super) async fn delete_me(
    service: Data<Service>,
    who: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.delete_account(who).await?;
    Ok(private(StatusCode::NO_CONTENT).finish())
}

/// Changes the caller's password and ends every other session.
#[utoipa::path(
    tag = "me",
    operation_id = "update_password",
    request_body = PasswordChange,
    responses(
        (status = 204, description = "The password is changed"),
        (
            status = 422,
            description = "`wrong_password` at `/current_password`, or the new one is not good enough",
            body = ProblemSchema,
        ),
    ),
    security(("bearer" = [])),
)]
#[put("/me/password")]
pub(super) async fn update_password(
    service: Data<Service>,
    who: SignedIn,
    body: Json<PasswordChange>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.change_password(who, body.into_inner()).await?;
    Ok(private(StatusCode::NO_CONTENT).finish())
}

fn answer(account: &Account) -> HttpResponse {
    private(StatusCode::OK)
        .insert_header(version_tag(account.version))
        .json(account)
}
