//! Transfers of stock between locations, and counts, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, Json, Query};
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::private;
use super::refusal::{CountRefused, NotEnoughStock};
use crate::domain::count::{Count, NewCount};
use crate::domain::transfer::{NewTransfer, Transfer, TransferQuery};
use crate::service::Service;

/// Lists transfers, newest first.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of transfers", body = Page<Transfer>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/stock/transfers")]
pub(super) async fn list_stock_transfers(
    _: Staff,
    service: web::Data<Service>,
    query: Query<TransferQuery>,
) -> Result<HttpResponse, Problem> {
    let page = service.list_transfers(query.into_inner()).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Moves stock from one location to another: all lines or none. What is promised to orders cannot be taken away.
#[utoipa::path(
    tag = "Administration",
    request_body = NewTransfer,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the transfer", body = Transfer),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 409, description = "`insufficient_stock`: fewer are there that are not promised", body = NotEnoughStock),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/stock/transfers")]
pub(super) async fn create_stock_transfer(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewTransfer>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("create_stock_transfer", user, &[body.bytes()]);
    let answer = service.create_transfer(body.into_inner(), call, user).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}

/// Sets the stock of a location to what was counted: all lines or none. Refused where some of it was sold or moved since
/// the counting began.
#[utoipa::path(
    tag = "Administration",
    request_body = NewCount,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "what each line came to", body = Count),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 409, description = "`stock_changed`: these lines are not what was expected; `insufficient_stock`: more of \
            these are promised than were counted", body = CountRefused),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/stock/counts")]
pub(super) async fn create_stock_count(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewCount>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("create_stock_count", user, &[body.bytes()]);
    let answer = service.create_count(body.into_inner(), call, user).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}
