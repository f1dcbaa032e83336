//! Where goods are sent how, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::ShippingZoneId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::request::Paged;
use super::{private, versioned};
use crate::domain::{NewShippingZone, ShippingZoneContent, ShippingZonePatch, ShownShippingZone};
use crate::service::Service;

/// Lists shipping zones in the order in which they were made.
#[utoipa::path(
    tag = "carts (admin)",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of zones", body = Page<ShownShippingZone>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/shipping/zones")]
pub(super) async fn list_shipping_zones(
    _: Staff,
    service: web::Data<Service>,
    query: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = query.into_inner();
    let after = service
        .place_of_zone::<ShippingZoneContent>(cursor)
        .map_err(Problem::invalid_query)?;
    let page = service.list_zones::<ShippingZoneContent>(limit, after).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// Adds a shipping zone: goods that go to one of its areas can be sent by its methods, and by no others. Of several zones that one
/// counts which names the address most closely: by its postal code, then by its region, by its country, and then the world,
/// which is a zone without areas; of equal ones the oldest. Goods are sent nowhere else as soon as there is a zone. Open carts
/// cost what it says the next time that they are read.
#[utoipa::path(
    tag = "carts (admin)",
    request_body = NewShippingZone,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the zone", body = ShownShippingZone, headers(("ETag" = String), ("Location" = String))),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `too_many`: a shop has at most 50 zones; `invalid_postal_code`; `unknown_shipping_method`: a new zone has no methods yet that could keep their ids", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/shipping/zones")]
pub(super) async fn create_shipping_zone(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewShippingZone>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_shipping_zone", staff.0.user, &[body.bytes()]);
    let answer = service
        .create_zone::<ShippingZoneContent>(body.into_inner(), call)
        .await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/shipping/zones/{id}")))
}

/// Shows a shipping zone.
#[utoipa::path(
    tag = "carts (admin)",
    params(("id" = ShippingZoneId, Path)),
    responses(
        (status = 200, description = "the zone; its ETag is the version to edit", body = ShownShippingZone, headers(("ETag" = String))),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/shipping/zones/{id}")]
pub(super) async fn get_shipping_zone(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ShippingZoneId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let zone = service.find_zone::<ShippingZoneContent>(*id).await?;
    Ok(versioned(zone.version, &zone))
}

/// Changes a shipping zone: a merge patch. A method with the `id` of
/// one of the zone's stays that for all carts that have chosen it; all others of the zone are removed.
#[utoipa::path(
    tag = "carts (admin)",
    request_body = ShippingZonePatch,
    params(
        ("id" = ShippingZoneId, Path),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the zone", body = ShownShippingZone, headers(("ETag" = String))),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `invalid_postal_code`; `unknown_shipping_method`: the zone has no such method", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[patch("/admin/shipping/zones/{id}")]
pub(super) async fn update_shipping_zone(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ShippingZoneId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<ShippingZonePatch>,
) -> Result<HttpResponse, Problem> {
    let condition = condition.required()?;
    let zone = service
        .update_zone::<ShippingZoneContent>(*id, body.into_inner(), condition)
        .await?;
    Ok(versioned(zone.version, &zone))
}

/// Removes a shipping zone. Carts that have chosen one of its methods have to choose another one.
#[utoipa::path(
    tag = "carts (admin)",
    params(
        ("id" = ShippingZoneId, Path),
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
#[delete("/admin/shipping/zones/{id}")]
pub(super) async fn delete_shipping_zone(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ShippingZoneId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service
        .delete_zone::<ShippingZoneContent>(*id, condition.required()?)
        .await?;
    Ok(private(HttpResponse::NoContent().finish()))
}
