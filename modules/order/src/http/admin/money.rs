//! The money of an order: taken, let go, given back.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, query::NoParameters};
use kernel::id::{OrderId, PaymentId, ReturnId};
use kernel::identity::Staff;
use kernel::{Money, Problem, Text};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::answer;
use super::super::refusal::OrderRefusal;
use crate::domain::Actor;
use crate::domain::payment::OperationKind;
use crate::domain::view::OrderView;
use crate::service::{MoneyRequest, Service};

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(capture_payment)
        .service(void_payment)
        .service(refund_payment);
}

/// Money to be taken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCapture {
    /// Of which payment; of the first that is authorised where nothing is said.
    #[serde(default)]
    payment_id: Option<PaymentId>,
    /// How much; all that the order needs where nothing is said.
    #[serde(default)]
    amount: Option<Money>,
    /// Whether what is not taken is let go. Some providers let it go in any case.
    #[serde(default, rename = "final")]
    is_final: bool,
}

/// Takes money of an authorised payment, all of it or a part.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "capture_payment",
    request_body = NewCapture,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = String, Header),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Captured", body = OrderView),
        (status = 202, description = "The provider has not answered yet", body = OrderView),
        (status = 409, description = "`no_suitable_payment`, `wrong_state`, `provider_refused`, `payment_in_progress`, \
            `request_in_progress`", body = OrderRefusal),
        (status = 422, description = "`validation_failed`: more than there is", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/captures")]
async fn capture_payment(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewCapture>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.required(
        "capture_payment",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    )?;
    let new = body.into_inner();
    let request = MoneyRequest {
        kind: OperationKind::Capture,
        payment: new.payment_id,
        amount: new.amount,
        is_final: new.is_final,
        reason: None,
        return_id: None,
    };
    let actor = Actor::Staff(staff.0.user);
    answer(
        service
            .operate_on_order(order, request, actor, condition, Some(call))
            .await,
        None,
    )
}

/// A promise to be let go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewVoid {
    /// Of which payment; of the first that is authorised where nothing is said.
    #[serde(default)]
    payment_id: Option<PaymentId>,
}

/// Lets the promise of an authorised payment go, as far as it is not taken.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "void_payment",
    request_body = NewVoid,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = Option<String>, Header),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Voided", body = OrderView),
        (status = 202, description = "The provider has not answered yet", body = OrderView),
        (status = 409, description = "`no_suitable_payment`, `wrong_state`, `provider_refused`, `payment_in_progress`, \
            `request_in_progress`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/voids")]
async fn void_payment(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewVoid>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.call(
        "void_payment",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    );
    let request = MoneyRequest {
        kind: OperationKind::Void,
        payment: body.into_inner().payment_id,
        amount: None,
        is_final: false,
        reason: None,
        return_id: None,
    };
    let actor = Actor::Staff(staff.0.user);
    answer(
        service.operate_on_order(order, request, actor, condition, call).await,
        None,
    )
}

/// Money to be given back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRefund {
    /// Of which payment; of the first of which something is taken where nothing is said.
    #[serde(default)]
    payment_id: Option<PaymentId>,
    /// How much; all that was taken of it where nothing is said.
    #[serde(default)]
    amount: Option<Money>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    reason: Option<Text<1, 500>>,
    /// The return that it is for.
    #[serde(default)]
    return_id: Option<ReturnId>,
}

/// Gives money of a captured payment back, all of it or a part. The order is worth less by it.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "refund_payment",
    request_body = NewRefund,
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = String, Header),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Refunded", body = OrderView),
        (status = 202, description = "The provider has not answered yet", body = OrderView),
        (status = 409, description = "`no_suitable_payment`, `wrong_state`, `provider_refused`, `payment_in_progress`, \
            `request_in_progress`", body = OrderRefusal),
        (status = 422, description = "`validation_failed`: more than there is", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/refunds")]
async fn refund_payment(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewRefund>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.required(
        "refund_payment",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    )?;
    let new = body.into_inner();
    let request = MoneyRequest {
        kind: OperationKind::Refund,
        payment: new.payment_id,
        amount: new.amount,
        is_final: false,
        reason: new.reason.map(Into::into),
        return_id: new.return_id,
    };
    let actor = Actor::Staff(staff.0.user);
    answer(
        service
            .operate_on_order(order, request, actor, condition, Some(call))
            .await,
        None,
    )
}
