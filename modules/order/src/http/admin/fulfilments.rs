//! Parcels of an order.

use actix_web::web::Data;
use actix_web::{HttpResponse, patch, post};
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, query::NoParameters};
use kernel::id::{FulfilmentId, LineId, OrderId};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{FieldErrors, Patch, Problem, Text};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::answer;
use super::super::refusal::OrderRefusal;
use crate::domain::Actor;
use crate::domain::view::OrderView;
use crate::service::{NewFulfilment, Service, Tracking};

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_fulfilment)
        .service(update_fulfilment)
        .service(deliver_fulfilment)
        .service(cancel_fulfilment);
}

/// What of a line.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LineQuantity)]
pub(super) struct LineQuantity {
    pub(super) line_id: LineId,
    /// At least 1.
    pub(super) quantity: i64,
}

/// A parcel that leaves, or lies ready to be fetched.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewFulfilment)]
struct NewParcel {
    /// What is in it; all that is left of the order where nothing is named.
    #[serde(default)]
    lines: Vec<LineQuantity>,
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "DHL")]
    carrier: Option<Text<1, 120>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tracking_number: Option<Text<1, 120>>,
    /// Where the buyer can follow it: begins with `https://` or `http://`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tracking_url: Option<Text<1, 2000>>,
}

/// How a parcel can be followed: a merge patch.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TrackingPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    carrier: Patch<Text<1, 120>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tracking_number: Patch<Text<1, 120>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tracking_url: Patch<Text<1, 2000>>,
}

/// Sends a parcel, or says that one lies ready to be fetched.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "create_fulfilment",
    request_body = NewParcel,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = Option<String>, Header),
        ("If-Match" = Option<String>, Header, description = "The order's version"),
    ),
    responses(
        (status = 201, description = "The order, with the parcel", body = OrderView),
        (status = 404, description = "No such order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`, `request_in_progress`", body = OrderRefusal),
        (status = 412, description = "`precondition_failed`", body = ProblemSchema),
        (status = 422, description = "`validation_failed`: more than is left", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/fulfilments")]
async fn create_fulfilment(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewParcel>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.call(
        "create_fulfilment",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    );
    let new = body.into_inner();
    check_address(new.tracking_url.as_deref())?;
    let new = NewFulfilment {
        lines: new.lines.iter().map(|line| (line.line_id, line.quantity)).collect(),
        carrier: new.carrier.map(Into::into),
        tracking_number: new.tracking_number.map(Into::into),
        tracking_url: new.tracking_url.map(Into::into),
    };
    let actor = Actor::Staff(staff.0.user);
    answer(service.fulfil(order, new, actor, condition, call).await, None)
}

/// Says how a parcel can be followed.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "update_fulfilment",
    request_body = TrackingPatch,
    params(
        ("id" = OrderId, Path),
        ("fulfilment_id" = FulfilmentId, Path),
        ("If-Match" = String, Header, description = "The order's version"),
    ),
    responses(
        (status = 200, description = "The order, with the parcel", body = OrderView),
        (status = 404, description = "No such parcel of that order", body = ProblemSchema),
        (status = 412, description = "`precondition_failed`", body = ProblemSchema),
        (status = 428, description = "`precondition_required`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[patch("/admin/orders/{id}/fulfilments/{fulfilment_id}")]
async fn update_fulfilment(
    service: Data<Service>,
    _: Staff,
    path: Path<(OrderId, FulfilmentId)>,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<TrackingPatch>,
) -> Result<HttpResponse, Problem> {
    let (order, fulfilment) = path.into_inner();
    let condition = condition.required()?;
    let patch = body.into_inner();
    if let Patch::Set(url) = &patch.tracking_url {
        check_address(Some(url))?;
    }
    let tracking = Tracking {
        carrier: patch.carrier.map(Into::into),
        tracking_number: patch.tracking_number.map(Into::into),
        tracking_url: patch.tracking_url.map(Into::into),
    };
    answer(service.track(order, fulfilment, tracking, condition).await, None)
}

/// The buyer has the parcel.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "deliver_fulfilment",
    params(("id" = OrderId, Path), ("fulfilment_id" = FulfilmentId, Path)),
    responses(
        (status = 200, description = "The order, with the parcel", body = OrderView),
        (status = 404, description = "No such parcel of that order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/fulfilments/{fulfilment_id}/deliver")]
async fn deliver_fulfilment(
    service: Data<Service>,
    staff: Staff,
    path: Path<(OrderId, FulfilmentId)>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (order, fulfilment) = path.into_inner();
    let actor = Actor::Staff(staff.0.user);
    answer(service.deliver(order, fulfilment, actor).await, None)
}

/// The parcel did not leave after all: what is in it can be sent again.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "cancel_fulfilment",
    params(("id" = OrderId, Path), ("fulfilment_id" = FulfilmentId, Path)),
    responses(
        (status = 200, description = "The order, with the parcel", body = OrderView),
        (status = 404, description = "No such parcel of that order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/fulfilments/{fulfilment_id}/cancel")]
async fn cancel_fulfilment(
    service: Data<Service>,
    staff: Staff,
    path: Path<(OrderId, FulfilmentId)>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (order, fulfilment) = path.into_inner();
    let actor = Actor::Staff(staff.0.user);
    answer(service.cancel_parcel(order, fulfilment, actor).await, None)
}

fn check_address(url: Option<&str>) -> Result<(), Problem> {
    match url {
        Some(url) if !url.starts_with("https://") && !url.starts_with("http://") => Err(Problem::invalid(
            FieldErrors::one("/tracking_url", "invalid_url", "must begin with https:// or http://"),
        )),
        _ => Ok(()),
    }
}
