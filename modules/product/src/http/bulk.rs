//! Many changes in one request.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, Json, Query};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;

use crate::domain::bulk::{BulkPrices, BulkPricesOutcome, BulkProducts, BulkProductsOutcome};
use crate::service::Service;

/// Creates, changes and deletes up to 250 products in one transaction. Each operation has its own result; those that are
/// refused are left out, and the others carried out all the same.
#[utoipa::path(
    tag = "Administration",
    request_body = BulkProducts,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 200, description = "what has become of each operation", body = BulkProductsOutcome),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "there is no operation, or there are too many", body = ProblemSchema),
    )
)]
#[post("/admin/products/bulk")]
pub(super) async fn update_products(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<BulkProducts>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("update_products", user, &[body.bytes()]);
    let answer = service.bulk_products(body.into_inner(), call, user).await?;
    Ok(answer.respond(StatusCode::OK, None))
}

/// Changes up to 250 prices in one transaction. Each has its own result; those that are refused are left out, and the
/// others carried out all the same. The version of each product is raised once.
#[utoipa::path(
    tag = "Administration",
    request_body = BulkPrices,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 200, description = "what has become of each price", body = BulkPricesOutcome),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "there is no price, or there are too many", body = ProblemSchema),
    )
)]
#[post("/admin/prices/bulk")]
pub(super) async fn update_prices(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<BulkPrices>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("update_prices", user, &[body.bytes()]);
    let answer = service.bulk_prices(body.into_inner(), call, user).await?;
    Ok(answer.respond(StatusCode::OK, None))
}
