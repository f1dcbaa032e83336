//! Where what is taxed how, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::TaxZoneId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::request::Paged;
use super::{private, versioned};
use crate::domain::{NewTaxZone, ShownTaxZone, TaxZoneContent, TaxZonePatch};
use crate::service::Service;

/// Lists tax zones in the order in which they were made.
#[utoipa::path(
    tag = "carts (admin)",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of zones", body = Page<ShownTaxZone>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/tax/zones")]
pub(super) async fn list_tax_zones(
    _: Staff,
    service: web::Data<Service>,
    query: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = query.into_inner();
    let after = service
        .place_of_zone::<TaxZoneContent>(cursor)
        .map_err(Problem::invalid_query)?;
    let page = service.list_zones::<TaxZoneContent>(limit, after).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// Adds a tax zone: what goes to one of its areas is taxed with its rates, by the tax classes of the products. Several rates of
/// one class are paid beside each other, and rounded together. Of several zones that one counts which names the address most
/// closely: by its postal code, then by its region, by its country, and then the world, which is a zone without areas; of equal
/// ones the oldest. Nothing is taxed elsewhere. Open carts cost what it says the next time that they are read.
#[utoipa::path(
    tag = "carts (admin)",
    request_body = NewTaxZone,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the zone", body = ShownTaxZone, headers(("ETag" = String), ("Location" = String))),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `too_many`: a shop has at most 500 zones; `invalid_postal_code`; `invalid_tax_class`; `invalid_percent`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/tax/zones")]
pub(super) async fn create_tax_zone(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewTaxZone>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_tax_zone", staff.0.user, &[body.bytes()]);
    let answer = service.create_zone::<TaxZoneContent>(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/tax/zones/{id}")))
}

/// Shows a tax zone.
#[utoipa::path(
    tag = "carts (admin)",
    params(("id" = TaxZoneId, Path)),
    responses(
        (status = 200, description = "the zone; its ETag is the version to edit", body = ShownTaxZone, headers(("ETag" = String))),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/tax/zones/{id}")]
pub(super) async fn get_tax_zone(
    _: Staff,
    service: web::Data<Service>,
    id: Path<TaxZoneId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let zone = service.find_zone::<TaxZoneContent>(*id).await?;
    Ok(versioned(zone.version, &zone))
}

/// Changes a tax zone: a merge patch. Orders keep the taxes that they
/// were placed with.
#[utoipa::path(
    tag = "carts (admin)",
    request_body = TaxZonePatch,
    params(
        ("id" = TaxZoneId, Path),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the zone", body = ShownTaxZone, headers(("ETag" = String))),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `invalid_postal_code`; `invalid_tax_class`; `invalid_percent`", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[patch("/admin/tax/zones/{id}")]
pub(super) async fn update_tax_zone(
    _: Staff,
    service: web::Data<Service>,
    id: Path<TaxZoneId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<TaxZonePatch>,
) -> Result<HttpResponse, Problem> {
    let condition = condition.required()?;
    let zone = service
        .update_zone::<TaxZoneContent>(*id, body.into_inner(), condition)
        .await?;
    Ok(versioned(zone.version, &zone))
}

/// Removes a tax zone. Nothing is taxed there any more, unless another zone names the place.
#[utoipa::path(
    tag = "carts (admin)",
    params(
        ("id" = TaxZoneId, Path),
        ("If-Match" = String, Header, description = "the version you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[delete("/admin/tax/zones/{id}")]
pub(super) async fn delete_tax_zone(
    _: Staff,
    service: web::Data<Service>,
    id: Path<TaxZoneId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service
        .delete_zone::<TaxZoneContent>(*id, condition.required()?)
        .await?;
    Ok(private(HttpResponse::NoContent().finish()))
}
