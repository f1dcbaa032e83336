//! What was sent to endpoints.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, get, post};
use kernel::http::{FromQuery, IdempotencyKey, Path, Query, QueryParameters, query::NoParameters};
use kernel::id::{WebhookDeliveryId, WebhookEndpointId};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Page, Problem};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::domain::webhooks::{Delivery, DeliveryState, WholeDelivery};
use crate::service::{ListDeliveries, Service};

/// Mounts the routes of deliveries.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_deliveries)
        .service(find_delivery)
        .service(retry_delivery);
}

/// A page of deliveries, perhaps of one state.
struct DeliveryQuery {
    state: Option<DeliveryState>,
    limit: i64,
    cursor: Option<String>,
}

impl FromQuery for DeliveryQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let states = DeliveryState::ALL.map(|state| (state.name(), state));
        Self {
            state: parameters.choice("state", &states),
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}

/// What was sent to an endpoint in the last thirty days or is on its way there, newest first.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "list_webhook_deliveries",
    params(
        ("id" = WebhookEndpointId, Path),
        ("state" = Option<DeliveryState>, Query),
        ("limit" = Option<i64>, Query),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "A page of deliveries", body = Page<Delivery>),
        (status = 404, description = "No such endpoint", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/webhook-endpoints/{id}/deliveries")]
async fn list_deliveries(
    service: Data<Service>,
    _: Staff,
    id: Path<WebhookEndpointId>,
    query: Query<DeliveryQuery>,
) -> Result<HttpResponse, Problem> {
    let DeliveryQuery { state, limit, cursor } = query.into_inner();
    let list = ListDeliveries {
        endpoint: id.into_inner(),
        state,
        limit,
        cursor,
    };
    Ok(HttpResponse::Ok().json(service.list_deliveries(list).await?))
}

/// One delivery, with what was sent and what came of it each time.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "find_webhook_delivery",
    params(("id" = WebhookDeliveryId, Path)),
    responses(
        (status = 200, description = "The delivery", body = WholeDelivery),
        (status = 404, description = "No such delivery", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/webhook-deliveries/{id}")]
async fn find_delivery(
    service: Data<Service>,
    _: Staff,
    id: Path<WebhookDeliveryId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let delivery = service.find_delivery(id.into_inner()).await.map_err(Problem::from)?;
    Ok(HttpResponse::Ok().json(delivery))
}

/// Sends a delivery again, now, whatever became of it: the same body under the same `webhook-id`. Its schedule begins anew.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "retry_webhook_delivery",
    params(("id" = WebhookDeliveryId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "It is on its way", body = Delivery, headers(("Location" = String))),
        (status = 404, description = "No such delivery", body = ProblemSchema),
        (status = 409, description = "`endpoint_disabled`, `request_in_progress`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/webhook-deliveries/{id}/redeliver")]
async fn retry_delivery(
    service: Data<Service>,
    staff: Staff,
    id: Path<WebhookDeliveryId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let call = key.call("retry_webhook_delivery", staff.0.user, &[id.to_string().as_bytes()]);
    let answer = service.redeliver(id, call).await.map_err(Problem::from)?;
    Ok(answer.respond(StatusCode::ACCEPTED, Some("/api/v1/admin/webhook-deliveries/{id}")))
}
