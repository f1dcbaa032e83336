//! `/me/addresses`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, patch, post};
use kernel::Problem;
use kernel::address::{Address, AddressPatch};
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, Json, Path, Query};
use kernel::id::AddressId;
use kernel::identity::SignedIn;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::{ListQuery, private};
use crate::domain::address::Entry;
use crate::service::{Service, address_list};

/// The caller's address book, newest first.
#[utoipa::path(
    tag = "me",
    operation_id = "list_addresses",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, else 20"),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, description = "A page of addresses", body = Page<Entry>)),
    security(("bearer" = [])),
)]
#[get("/me/addresses")]
pub(super) async fn list_addresses(
    service: Data<Service>,
    who: SignedIn,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let after = query.after(&service.cursors, &address_list(&who))?;
    let page = service.addresses(who, after, query.limit).await?;
    Ok(private(StatusCode::OK).json(page))
}

/// Adds an address to the caller's book.
#[utoipa::path(
    tag = "me",
    operation_id = "create_address",
    request_body = Address,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, description = "The address", body = Entry),
        (
            status = 409,
            description = "`address_book_full`, or `request_in_progress` with this key",
            body = ProblemSchema,
        ),
        (status = 422, description = "Fields are wrong, or the key was used for something else", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[post("/me/addresses")]
pub(super) async fn create_address(
    service: Data<Service>,
    who: SignedIn,
    key: IdempotencyKey,
    body: Json<Address>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let answer = service.add_address(who, key, body.bytes(), body.value.clone()).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/me/addresses/{id}")))
}

/// One address of the caller's book.
#[utoipa::path(
    tag = "me",
    operation_id = "get_address",
    params(("id" = AddressId, Path)),
    responses(
        (status = 200, description = "The address", body = Entry),
        (status = 404, description = "Unknown, or somebody else's", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[get("/me/addresses/{id}")]
pub(super) async fn get_address(
    service: Data<Service>,
    who: SignedIn,
    id: Path<AddressId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let entry = service.address(who, id.into_inner()).await?;
    Ok(private(StatusCode::OK).json(entry))
}

/// Changes an address of the caller's book: a merge patch.
#[utoipa::path(
    tag = "me",
    operation_id = "update_address",
    request_body = AddressPatch,
    params(("id" = AddressId, Path)),
    responses(
        (status = 200, description = "The address after the change", body = Entry),
        (status = 404, description = "Unknown, or somebody else's", body = ProblemSchema),
        (status = 422, description = "Fields are wrong", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[patch("/me/addresses/{id}")]
pub(super) async fn update_address(
    service: Data<Service>,
    who: SignedIn,
    id: Path<AddressId>,
    body: Json<AddressPatch>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let entry = service.change_address(who, id.into_inner(), body.into_inner()).await?;
    Ok(private(StatusCode::OK).json(entry))
}

/// Removes an address from the caller's book.
#[utoipa::path(
    tag = "me",
    operation_id = "delete_address",
    params(("id" = AddressId, Path)),
    responses(
        (status = 204, description = "The address is gone"),
        (status = 404, description = "Unknown, or somebody else's", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[delete("/me/addresses/{id}")]
pub(super) async fn delete_address(
    service: Data<Service>,
    who: SignedIn,
    id: Path<AddressId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.delete_address(who, id.into_inner()).await?;
    Ok(private(StatusCode::NO_CONTENT).finish())
}
