//! Goods that a buyer wants to send back.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use kernel::Problem;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, query::NoParameters};
use kernel::id::{LineId, OrderId, ReturnId};
use kernel::identity::{Caller, Holder, OrderSecret};
use kernel::problem::ProblemSchema;
use kernel::text::Prose;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::refusal::OrderRefusal;
use super::{answer, scope};
use crate::domain::Actor;
use crate::domain::returning::{ReturnReason, ReturnStatus};
use crate::domain::view::OrderView;
use crate::service::{NewReturn, Service};

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config.service(request_return).service(cancel_return);
}

/// Goods that are to come back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewReturn)]
pub(super) struct AnnouncedReturn {
    /// What; all that has left where nothing is named.
    #[serde(default)]
    lines: Vec<AnnouncedLine>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    note: Option<Prose<1, 2000>>,
}

/// What of a line comes back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewReturnLine)]
struct AnnouncedLine {
    line_id: LineId,
    /// At least 1.
    quantity: i64,
    reason: ReturnReason,
}

impl From<AnnouncedReturn> for NewReturn {
    fn from(new: AnnouncedReturn) -> Self {
        let lines = new.lines.into_iter();
        Self {
            lines: lines.map(|line| (line.line_id, line.quantity, line.reason)).collect(),
            note: new.note.map(Into::into),
        }
    }
}

/// Asks to send goods back; the shop approves or rejects that.
#[utoipa::path(
    tag = "orders",
    operation_id = "request_return",
    request_body = AnnouncedReturn,
    params(
        ("id" = OrderId, Path),
        ("Order-Secret" = Option<String>, Header),
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
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[post("/orders/{id}/returns")]
async fn request_return(
    service: Data<Service>,
    (caller, secret): (Caller, OrderSecret),
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<AnnouncedReturn>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let holder = holder(&caller, secret);
    service.authorise(order, &holder).await.map_err(Problem::from)?;
    let call = key.call(
        "request_return",
        scope(&holder, order),
        &[order.to_string().as_bytes(), body.bytes()],
    );
    let new = body.into_inner().into();
    answer(
        service
            .announce_return(order, new, Actor::Customer, condition, call)
            .await,
        None,
    )
}

/// Keeps the goods after all.
#[utoipa::path(
    tag = "orders",
    operation_id = "cancel_return",
    params(
        ("id" = OrderId, Path),
        ("return_id" = ReturnId, Path),
        ("Order-Secret" = Option<String>, Header),
        ("If-Match" = Option<String>, Header, description = "The order's version"),
    ),
    responses(
        (status = 200, description = "The order, with the return", body = OrderView),
        (status = 404, description = "No such return of that order", body = ProblemSchema),
        (status = 409, description = "`wrong_state`", body = OrderRefusal),
    ),
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[post("/orders/{id}/returns/{return_id}/cancel")]
async fn cancel_return(
    service: Data<Service>,
    (caller, secret): (Caller, OrderSecret),
    path: Path<(OrderId, ReturnId)>,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (order, id) = path.into_inner();
    let holder = holder(&caller, secret);
    service.authorise(order, &holder).await.map_err(Problem::from)?;
    answer(
        service
            .decide_on_return(order, id, ReturnStatus::Cancelled, Actor::Customer, condition)
            .await,
        None,
    )
}

fn holder(caller: &Caller, secret: OrderSecret) -> Holder {
    Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    }
}
