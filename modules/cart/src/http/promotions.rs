//! The routes of promotions and their codes, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::PromotionId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::request::Paged;
use super::{private, versioned};
use crate::domain::PromotionCode;
use crate::domain::code::{ListedCode, NewCodes};
use crate::domain::promotion::{NewPromotion, Promotion, PromotionPatch};
use crate::service::{MadeCodes, Service};

/// Lists promotions in the order in which they were made.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of promotions", body = Page<Promotion>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/promotions")]
pub(super) async fn list_promotions(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let after = service.promotion_at(cursor).map_err(Problem::invalid_query)?;
    let page = service.list_promotions(limit, after).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// Adds a promotion: for carts that satisfy all conditions of its terms, their action takes something off the selected lines, or
/// off shipping. Where it needs a code, it is given to carts with one of its codes, otherwise to all. Those with a higher priority
/// come first, and each goes on from what those before it have left; an exclusive one is given only where no other is. Limits and
/// the budget hold for orders that are not cancelled, to the last one: an order that comes too late is told that its price has
/// changed. Carts that are read from now on have it.
#[utoipa::path(
    tag = "Administration",
    request_body = NewPromotion,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 201, description = "the promotion", body = Promotion),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `too_many`: a shop has at most 1,000 promotions that are enabled", body = ProblemSchema),
    )
)]
#[post("/admin/promotions")]
pub(super) async fn create_promotion(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewPromotion>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_promotion", staff.0.user, &[body.bytes()]);
    let answer = service.create_promotion(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/promotions/{id}")))
}

/// Shows a promotion, with what orders use of it.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the promotion's id"),
    ),
    responses(
        (status = 200, description = "the promotion; its ETag is the version to edit", body = Promotion),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/promotions/{id}")]
pub(super) async fn get_promotion(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PromotionId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_promotion(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Changes a promotion: a merge patch, but for the terms, which are replaced as a whole. Where a limit or a budget is set, what
/// orders use already counts.
#[utoipa::path(
    tag = "Administration",
    request_body = PromotionPatch,
    params(
        ("id" = String, Path, description = "the promotion's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the promotion", body = Promotion),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `too_many`: a shop has at most 1,000 promotions that are enabled", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/promotions/{id}")]
pub(super) async fn update_promotion(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PromotionId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<PromotionPatch>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_promotion(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Removes a promotion and its codes. One that orders use can only be disabled.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the promotion's id"),
        ("If-Match" = String, Header, description = "the version you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`promotion_in_use`: orders use it", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[delete("/admin/promotions/{id}")]
pub(super) async fn delete_promotion(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PromotionId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_promotion(*id, condition.required()?).await?;
    Ok(private(HttpResponse::NoContent().finish()))
}

/// Lists the codes of a promotion in their order.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the promotion's id"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of codes", body = Page<ListedCode>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/promotions/{id}/codes")]
pub(super) async fn list_promotion_codes(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PromotionId>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let after = service.code_at(*id, cursor).map_err(Problem::invalid_query)?;
    let page = service.list_codes(*id, limit, after).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// Adds codes to a promotion that needs one: either `code`, which any number of orders may use where there is no limit, or random
/// ones, each for one order where nothing else is said.
#[utoipa::path(
    tag = "Administration",
    request_body = NewCodes,
    params(
        ("id" = String, Path, description = "the promotion's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 201, description = "the codes", body = MadeCodes),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `taken`: there is such a code already, of this or another promotion; `promotion_without_codes`: it is given without; `too_many`: a promotion has at most 1,000,000 codes", body = ProblemSchema),
    )
)]
#[post("/admin/promotions/{id}/codes")]
pub(super) async fn create_promotion_codes(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<PromotionId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewCodes>,
) -> Result<HttpResponse, Problem> {
    let promotion = id.to_string();
    let request = [promotion.as_bytes(), body.bytes()];
    let call = key.call("create_promotion_codes", staff.0.user, &request);
    let answer = service.create_codes(*id, body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}

/// Removes a code of a promotion. Orders that were placed with it stay as they are.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the promotion's id"),
        ("code" = String, Path, description = "the code, in capitals or not"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or of another promotion", body = ProblemSchema),
    )
)]
#[delete("/admin/promotions/{id}/codes/{code}")]
pub(super) async fn delete_promotion_code(
    _: Staff,
    service: web::Data<Service>,
    path: Path<(PromotionId, String)>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (id, code) = path.into_inner();
    let Some(code) = PromotionCode::parse(&code) else {
        return Err(Problem::not_found("code of the promotion"));
    };
    service.delete_code(id, code).await?;
    Ok(private(HttpResponse::NoContent().finish()))
}
