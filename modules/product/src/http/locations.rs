//! Places where stock lies, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, version_tag};
use kernel::id::LocationId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;

use super::private;
use crate::domain::location::{Location, LocationList, LocationPatch, NewLocation};
use crate::service::Service;

/// Lists all locations, the preferred ones first.
#[utoipa::path(
    tag = "Administration",
    responses(
        (status = 200, description = "all locations", body = LocationList),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/locations")]
pub(super) async fn list_locations(
    _: Staff,
    service: web::Data<Service>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let data = service.list_locations().await?;
    Ok(private(HttpResponse::Ok(), &LocationList { data }))
}

/// Adds a location.
#[utoipa::path(
    tag = "Administration",
    request_body = NewLocation,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the location", body = Location),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another location has the handle", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `too_many`: a shop has at most 100 locations", body = ProblemSchema),
    )
)]
#[post("/admin/locations")]
pub(super) async fn create_location(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewLocation>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_location", staff.0.user, &[body.bytes()]);
    let answer = service.create_location(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/locations/{id}")))
}

/// Shows a location.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the location's id")),
    responses(
        (status = 200, description = "the location; its ETag is the version to edit", body = Location),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/locations/{id}")]
pub(super) async fn get_location(
    _: Staff,
    service: web::Data<Service>,
    id: Path<LocationId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let location = service.find_location(*id).await?;
    Ok(versioned(&location))
}

/// Changes a location: a merge patch. The default location is always active and serves orders.
#[utoipa::path(
    tag = "Administration",
    request_body = LocationPatch,
    params(
        ("id" = String, Path, description = "the location's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the location", body = Location),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another location has the handle", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/locations/{id}")]
pub(super) async fn update_location(
    _: Staff,
    service: web::Data<Service>,
    id: Path<LocationId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<LocationPatch>,
) -> Result<HttpResponse, Problem> {
    let location = service
        .update_location(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(&location))
}

/// Removes a location where nothing lies and nothing is promised.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the location's id"),
        ("If-Match" = String, Header, description = "the version you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`in_use`: it has stock or promises, or is the default location", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
    )
)]
#[delete("/admin/locations/{id}")]
pub(super) async fn delete_location(
    _: Staff,
    service: web::Data<Service>,
    id: Path<LocationId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_location(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn versioned(location: &Location) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header(version_tag(location.version));
    private(response, location)
}
