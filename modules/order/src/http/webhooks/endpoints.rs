//! Endpoints.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, patch, post};
use kernel::http::{Answer, IdempotencyKey, IfMatch, Json, Path, Query, query::NoParameters, version_tag};
use kernel::id::WebhookEndpointId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Page, Problem};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::domain::webhooks::edit::{EndpointPatch, NewEndpoint};
use crate::domain::webhooks::{Delivery, Endpoint};
use crate::http::PageQuery;
use crate::service::Service;

/// Mounts the routes of endpoints.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(list_endpoints)
        .service(create_endpoint)
        .service(find_endpoint)
        .service(update_endpoint)
        .service(delete_endpoint)
        .service(create_secret)
        .service(create_test);
}

/// An endpoint and its secret, which is shown this once.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
struct EndpointWithSecret {
    #[serde(flatten)]
    endpoint: Endpoint,
    /// With it, whoever receives messages verifies that they are from this shop: `whsec_` and 32 bytes in base64.
    #[schema(example = "whsec_..")]
    secret: String,
}

/// The endpoint with its secret, also where the answer is a remembered one: secrets are derived, never stored.
fn with_secret(service: &Service, answer: Answer<Endpoint>) -> HttpResponse {
    let location = Some("/api/v1/admin/webhook-endpoints/{id}");
    let answer = match answer {
        Answer::Fresh(endpoint) => Answer::Fresh(EndpointWithSecret {
            secret: service.endpoint_secret(endpoint.id, endpoint.secret_generation),
            endpoint,
        }),
        Answer::Replayed(mut stored) => {
            let id = stored.body["id"].as_str().and_then(|id| id.parse().ok());
            if let (Some(id), Some(generation)) = (id, stored.body["secret_generation"].as_i64()) {
                stored.body["secret"] = service.endpoint_secret(id, generation).into();
            }
            Answer::Replayed(stored)
        }
        Answer::InProgress => Answer::InProgress,
        Answer::KeyReused => Answer::KeyReused,
    };
    answer.respond(StatusCode::CREATED, location)
}

fn shown(endpoint: &Endpoint) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(version_tag(endpoint.version))
        .json(endpoint)
}

/// The places that are told of events, in the order in which they were made.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "list_webhook_endpoints",
    params(("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of endpoints", body = Page<Endpoint>)),
    security(("bearer" = []))
)]
#[get("/admin/webhook-endpoints")]
async fn list_endpoints(service: Data<Service>, _: Staff, query: Query<PageQuery>) -> Result<HttpResponse, Problem> {
    let PageQuery { limit, cursor } = query.into_inner();
    Ok(HttpResponse::Ok().json(service.list_endpoints(limit, cursor).await?))
}

/// Has events told to a place outside the shop.
///
/// Messages are those of Standard Webhooks 1.0: a POST of `{"type", "timestamp", "sequence", "data"}` with the headers
/// `webhook-id`, `webhook-timestamp` and `webhook-signature`. The secret in the answer verifies them, and is not shown again.
/// An event arrives at least once, always under the same `webhook-id`, and in any order: of two about the same order, the later one has the
/// greater `sequence`. Only 2xx within fifteen seconds takes it; otherwise it is sent again after 5 s, 5 min, 30 min, and 2, 5,
/// 10, 14, 20 and 24 hours, or later where `Retry-After` says so. 410 disables the endpoint, and so do five days without success.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "create_webhook_endpoint",
    request_body = NewEndpoint,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, description = "The endpoint and its secret", body = EndpointWithSecret, headers(("ETag" = String), ("Location" = String))),
        (status = 422, description = "`invalid_url`, `insecure_url`, `port_not_allowed`, `address_not_allowed`, `too_few`, \
            `too_many`: a shop has at most 20", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/webhook-endpoints")]
async fn create_endpoint(
    service: Data<Service>,
    staff: Staff,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewEndpoint>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_webhook_endpoint", staff.0.user, &[body.bytes()]);
    let answer = service.create_endpoint(body.into_inner(), call).await;
    Ok(with_secret(&service, answer.map_err(Problem::from)?))
}

/// One endpoint.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "find_webhook_endpoint",
    params(("id" = WebhookEndpointId, Path)),
    responses(
        (status = 200, description = "The endpoint; its ETag is the version to edit", body = Endpoint, headers(("ETag" = String))),
        (status = 404, description = "No such endpoint", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/webhook-endpoints/{id}")]
async fn find_endpoint(
    service: Data<Service>,
    _: Staff,
    id: Path<WebhookEndpointId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let endpoint = service.find_endpoint(id.into_inner()).await.map_err(Problem::from)?;
    Ok(shown(&endpoint))
}

/// Changes an endpoint: a merge patch.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "update_webhook_endpoint",
    request_body = EndpointPatch,
    params(("id" = WebhookEndpointId, Path), ("If-Match" = String, Header)),
    responses(
        (status = 200, description = "The endpoint", body = Endpoint, headers(("ETag" = String))),
        (status = 404, description = "No such endpoint", body = ProblemSchema),
        (status = 412, description = "Somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "As for a new one", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[patch("/admin/webhook-endpoints/{id}")]
async fn update_endpoint(
    service: Data<Service>,
    _: Staff,
    id: Path<WebhookEndpointId>,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<EndpointPatch>,
) -> Result<HttpResponse, Problem> {
    let condition = condition.required()?;
    let changed = service
        .update_endpoint(id.into_inner(), body.into_inner(), condition)
        .await;
    Ok(shown(&changed.map_err(Problem::from)?))
}

/// Removes an endpoint, with what was sent to it and what was on its way.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "delete_webhook_endpoint",
    params(("id" = WebhookEndpointId, Path), ("If-Match" = String, Header)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such endpoint", body = ProblemSchema),
        (status = 412, description = "Somebody else has changed it", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[delete("/admin/webhook-endpoints/{id}")]
async fn delete_endpoint(
    service: Data<Service>,
    _: Staff,
    id: Path<WebhookEndpointId>,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let condition = condition.required()?;
    let deleted = service.delete_endpoint(id.into_inner(), condition).await;
    deleted.map_err(Problem::from)?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives an endpoint another secret, which is shown this once. For a day, messages are signed with the one before as well.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "create_webhook_secret",
    params(
        ("id" = WebhookEndpointId, Path),
        ("Idempotency-Key" = Option<String>, Header),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 201, description = "The endpoint and its new secret", body = EndpointWithSecret, headers(("ETag" = String))),
        (status = 404, description = "No such endpoint", body = ProblemSchema),
        (status = 412, description = "Somebody else has changed it", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/webhook-endpoints/{id}/secret")]
async fn create_secret(
    service: Data<Service>,
    staff: Staff,
    id: Path<WebhookEndpointId>,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let call = key.call("create_webhook_secret", staff.0.user, &[id.to_string().as_bytes()]);
    let answer = service.rotate_endpoint_secret(id, condition, call).await;
    Ok(with_secret(&service, answer.map_err(Problem::from)?))
}

/// Sends an endpoint an event of type `webhook.test`, as any other is sent.
#[utoipa::path(
    tag = "webhooks (admin)",
    operation_id = "create_webhook_test",
    params(("id" = WebhookEndpointId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "It is on its way", body = Delivery, headers(("Location" = String))),
        (status = 404, description = "No such endpoint", body = ProblemSchema),
        (status = 409, description = "`endpoint_disabled`, `request_in_progress`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/webhook-endpoints/{id}/test")]
async fn create_test(
    service: Data<Service>,
    staff: Staff,
    id: Path<WebhookEndpointId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let call = key.call("create_webhook_test", staff.0.user, &[id.to_string().as_bytes()]);
    let answer = service.test_endpoint(id, call).await.map_err(Problem::from)?;
    Ok(answer.respond(StatusCode::ACCEPTED, Some("/api/v1/admin/webhook-deliveries/{id}")))
}
