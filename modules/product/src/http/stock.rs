//! The stock, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, version_tag};
use kernel::id::VariantId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;

use super::private;
use super::refusal::NotEnoughStock;
use crate::domain::stock::{MovementQuery, NewAdjustment, StockLevel};
use crate::domain::terms::TermsPatch;
use crate::service::Service;

/// Corrects the stock of a variant at a location. What is promised to orders cannot be taken away.
#[utoipa::path(
    tag = "Administration",
    request_body = NewAdjustment,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the stock afterwards", body = StockLevel),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown variant", body = ProblemSchema),
        (status = 409, description = "`insufficient_stock`: fewer would be left than are promised", body = NotEnoughStock),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/stock/adjustments")]
pub(super) async fn create_adjustment(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewAdjustment>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("create_adjustment", user, &[body.bytes()]);
    let answer = service.adjust_stock(body.into_inner(), call, user).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}

/// Shows the stock of a variant: each location, the sums, the terms, and how it came about.
#[utoipa::path(
    tag = "Administration",
    params(
        ("variant_id" = String, Path, description = "the variant's id"),
        ("limit" = Option<i64>, Query, description = "how many movements, 1 to 100, 50 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor`, for older movements"),
    ),
    responses(
        (status = 200, description = "the stock; its ETag is the version of the terms", body = StockLevel),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown variant", body = ProblemSchema),
    )
)]
#[get("/admin/stock/{variant_id}")]
pub(super) async fn get_stock(
    _: Staff,
    service: web::Data<Service>,
    variant: Path<VariantId>,
    query: Query<MovementQuery>,
) -> Result<HttpResponse, Problem> {
    let level = service.stock(*variant, query.into_inner()).await?;
    Ok(versioned(&level))
}

/// Changes the terms on which a variant is sold beyond its stock: a merge patch. What was promised under other terms
/// stands.
#[utoipa::path(
    tag = "Administration",
    request_body = TermsPatch,
    params(
        ("variant_id" = String, Path, description = "the variant's id"),
        ("If-Match" = String, Header, description = "the version of the terms"),
    ),
    responses(
        (status = 200, description = "the stock", body = StockLevel),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown variant", body = ProblemSchema),
        (status = 412, description = "somebody else has changed them", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/stock/{variant_id}")]
pub(super) async fn update_stock(
    _: Staff,
    service: web::Data<Service>,
    variant: Path<VariantId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<TermsPatch>,
) -> Result<HttpResponse, Problem> {
    let level = service
        .update_terms(*variant, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(&level))
}

fn versioned(level: &StockLevel) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header(version_tag(level.version));
    private(response, level)
}
