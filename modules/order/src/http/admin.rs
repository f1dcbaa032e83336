//! Orders for staff.

mod drafts;
mod edits;
mod fulfilments;
mod money;
mod returns;

use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use kernel::http::{
    FromQuery, IdempotencyKey, IfMatch, Json, Path, Query, QueryParameters, query::NoParameters, version_tag,
};
use kernel::id::OrderId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::text::Prose;
use kernel::{Page, Problem};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::answer;
use super::refusal::OrderRefusal;
use crate::domain::view::{Audience, OrderView};
use crate::domain::{Actor, Status};
use crate::queries::reading::OrderFilter;
use crate::service::{ListOrders, Service};

/// Mounts the routes for staff.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_orders)
        .service(find_order)
        .service(cancel_order)
        .service(add_note)
        .configure(money::routes)
        .configure(fulfilments::routes)
        .configure(returns::routes)
        .configure(edits::routes)
        .configure(drafts::routes);
}

/// A page of all orders.
struct OrderQuery(ListOrders);

impl FromQuery for OrderQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let filter = OrderFilter {
            user: parameters.parsed("user_id"),
            statuses: statuses(parameters),
            email: parameters.text("email"),
            number: parameters.text("number"),
        };
        Self(ListOrders {
            filter,
            audience: Audience::Staff,
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        })
    }
}

/// Those that `status` names.
pub(super) fn statuses(parameters: &mut QueryParameters) -> Vec<Status> {
    let mut statuses = Vec::new();
    for name in parameters.texts("status") {
        match Status::named(&name).filter(|status| *status != Status::Placing) {
            Some(status) => statuses.push(status),
            None => parameters.refuse(
                "status",
                "unknown_value",
                "must be one of pending_payment, placed, completed, cancelled",
            ),
        }
    }
    statuses
}

/// All orders, newest first.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "list_all_orders",
    params(
        ("status" = Option<Vec<String>>, Query, description = "Repeat for several"),
        ("user_id" = Option<String>, Query),
        ("email" = Option<String>, Query),
        ("number" = Option<String>, Query),
        ("limit" = Option<i64>, Query),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, description = "A page of orders", body = Page<OrderView>), (status = 401, description = "Not signed in", body = ProblemSchema), (status = 403, description = "Not an administrator", body = ProblemSchema)),
    security(("bearer" = []))
)]
#[get("/admin/orders")]
async fn list_orders(service: Data<Service>, _: Staff, query: Query<OrderQuery>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.list(query.into_inner().0).await?))
}

/// One order.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "find_any_order",
    params(("id" = OrderId, Path)),
    responses((status = 200, description = "The order", body = OrderView), (status = 404, description = "No such order", body = ProblemSchema)),
    security(("bearer" = []))
)]
#[get("/admin/orders/{id}")]
async fn find_order(
    service: Data<Service>,
    _: Staff,
    id: Path<OrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let order = service.find_any(id.into_inner()).await.map_err(Problem::from)?;
    Ok(HttpResponse::Ok().insert_header(version_tag(order.version)).json(order))
}

/// Cancels an order that was not sent yet.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "cancel_any_order",
    params(
        ("id" = OrderId, Path),
        ("Idempotency-Key" = Option<String>, Header),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "Cancelled", body = OrderView),
        (status = 409, description = "`wrong_state`, `payment_in_progress`, `provider_refused`, \
            `request_in_progress`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/cancel")]
async fn cancel_order(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.call("cancel_order", staff.0.user, &[order.to_string().as_bytes()]);
    answer(
        service.cancel(order, Actor::Staff(staff.0.user), condition, call).await,
        None,
    )
}

/// A note about an order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewNote {
    #[schema(value_type = String)]
    text: Prose<1, 2000>,
    /// Whether it is for staff alone; otherwise its buyer sees it, too.
    #[serde(default = "yes")]
    internal: bool,
}

fn yes() -> bool {
    true
}

/// Writes a note into the order's timeline.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "add_order_note",
    request_body = NewNote,
    params(("id" = OrderId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, description = "The order, with the note in its timeline", body = OrderView),
        (status = 404, description = "No such order", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/notes")]
async fn add_note(
    service: Data<Service>,
    staff: Staff,
    id: Path<OrderId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewNote>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let call = key.call(
        "add_order_note",
        staff.0.user,
        &[order.to_string().as_bytes(), body.bytes()],
    );
    let NewNote { text, internal } = body.into_inner();
    let actor = Actor::Staff(staff.0.user);
    answer(service.add_note(order, text.into(), internal, actor, call).await, None)
}
