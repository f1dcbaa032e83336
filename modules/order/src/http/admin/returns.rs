//! Goods that come back, as staff see them.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use kernel::Problem;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, query::NoParameters};
use kernel::id::{LineId, OrderId, ReturnId};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::answer;
use super::super::refusal::OrderRefusal;
use super::super::returns::AnnouncedReturn;
use crate::domain::Actor;
use crate::domain::returning::ReturnStatus;
use crate::domain::view::OrderView;
use crate::service::{Received, Service};

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_return)
        .service(approve_return)
        .service(reject_return)
        .service(cancel_any_return)
        .service(receive_return);
}

/// Announces goods that may come back.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "create_return",
    request_body = AnnouncedReturn,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = Option<String>, Header),
        ("If-Match" = Option<String>, Header, description = "The order's version"),
    ),
    responses(
        (status = 201, description = "The order, with the return", body = OrderView),
        (status = 404, description = "No such order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`, `request_in_progress`", body = OrderRefusal),
        (status = 412, description = "`precondition_failed`", body = ProblemSchema),
        (status = 422, description = "`validation_failed`: more than has left", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/returns")]
async fn create_return(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<AnnouncedReturn>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.call(
        "create_return",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    );
    let actor = Actor::Staff(staff.0.user);
    let new = body.into_inner().into();
    answer(service.announce_return(order, new, actor, condition, call).await, None)
}

/// Lets a return that its buyer has asked for come.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "approve_return",
    params(
        ("id" = OrderId, Path),
        ("return_id" = ReturnId, Path),
        ("If-Match" = Option<String>, Header, description = "The order's version"),
    ),
    responses(
        (status = 200, description = "The order, with the return", body = OrderView),
        (status = 404, description = "No such return of that order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/returns/{return_id}/approve")]
async fn approve_return(
    service: Data<Service>,
    staff: Staff,
    path: Path<(OrderId, ReturnId)>,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    decide(&service, &staff, path.into_inner(), ReturnStatus::Approved, condition).await
}

/// Turns a return that its buyer has asked for down.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "reject_return",
    params(
        ("id" = OrderId, Path),
        ("return_id" = ReturnId, Path),
        ("If-Match" = Option<String>, Header, description = "The order's version"),
    ),
    responses(
        (status = 200, description = "The order, with the return", body = OrderView),
        (status = 404, description = "No such return of that order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/returns/{return_id}/reject")]
async fn reject_return(
    service: Data<Service>,
    staff: Staff,
    path: Path<(OrderId, ReturnId)>,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    decide(&service, &staff, path.into_inner(), ReturnStatus::Rejected, condition).await
}

/// The goods do not come after all.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "cancel_any_return",
    params(
        ("id" = OrderId, Path),
        ("return_id" = ReturnId, Path),
        ("If-Match" = Option<String>, Header, description = "The order's version"),
    ),
    responses(
        (status = 200, description = "The order, with the return", body = OrderView),
        (status = 404, description = "No such return of that order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/returns/{return_id}/cancel")]
async fn cancel_any_return(
    service: Data<Service>,
    staff: Staff,
    path: Path<(OrderId, ReturnId)>,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    decide(&service, &staff, path.into_inner(), ReturnStatus::Cancelled, condition).await
}

/// Goods that have come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReceivedReturn {
    /// What has come; all that was announced, and all of it as good as new, where nothing is named.
    #[serde(default)]
    lines: Vec<ReceivedLine>,
}

/// What has come of a line.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReceivedLine {
    line_id: LineId,
    /// How many have come.
    quantity: i64,
    /// How many of those can be sold again.
    restock: i64,
}

/// Takes goods that have come back in: what can be sold again goes into stock. Money is given back by a refund of its own.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "receive_return",
    request_body = ReceivedReturn,
    params(
        ("id" = OrderId, Path),
        ("return_id" = ReturnId, Path),
        ("If-Match" = Option<String>, Header, description = "The order's version"),
    ),
    responses(
        (status = 200, description = "The order, with the return", body = OrderView),
        (status = 404, description = "No such return of that order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`", body = OrderRefusal),
        (status = 422, description = "`validation_failed`: more than was announced", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/returns/{return_id}/receive")]
async fn receive_return(
    service: Data<Service>,
    staff: Staff,
    path: Path<(OrderId, ReturnId)>,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<ReceivedReturn>,
) -> Result<HttpResponse, Problem> {
    let (order, id) = path.into_inner();
    let lines = body.into_inner().lines.into_iter();
    let received = Received {
        lines: lines.map(|line| (line.line_id, line.quantity, line.restock)).collect(),
    };
    let actor = Actor::Staff(staff.0.user);
    answer(
        service.receive_return(order, id, received, actor, condition).await,
        None,
    )
}

async fn decide(
    service: &Service,
    staff: &Staff,
    (order, id): (OrderId, ReturnId),
    status: ReturnStatus,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    let actor = Actor::Staff(staff.0.user);
    answer(
        service.decide_on_return(order, id, status, actor, condition).await,
        None,
    )
}
