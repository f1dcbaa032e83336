//! The stock, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, Json, Path, Query};
use kernel::id::VariantId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;

use super::private;
use super::refusal::NotEnoughStock;
use crate::domain::stock::{NewAdjustment, StockLevel};
use crate::service::Service;

/// Corrects the stock of a variant. What is promised to orders cannot be taken away.
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

/// Shows the stock of a variant and how it came about.
#[utoipa::path(
    tag = "Administration",
    params(("variant_id" = String, Path, description = "the variant's id")),
    responses(
        (status = 200, description = "the stock", body = StockLevel),
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
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let level = service.stock(*variant).await?;
    Ok(private(HttpResponse::Ok(), &level))
}
