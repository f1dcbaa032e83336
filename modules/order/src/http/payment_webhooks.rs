//! Where payment providers tell what has happened, and what staff see of it.

use actix_web::http::StatusCode;
use actix_web::web::{self, Data};
use actix_web::{HttpRequest, HttpResponse, get, post};
use kernel::http::body::{BodyLimits, Pace, check_stated_length, too_large};
use kernel::http::{FromQuery, IdempotencyKey, Path, Query, QueryParameters, query::NoParameters};
use kernel::id::EventId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Page, Problem};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::domain::books::Discrepancy;
use crate::domain::inbox::EventState;
use crate::domain::view::EventView;
use crate::queries::inbox::EventFilter;
use crate::service::{ListDiscrepancies, ListEvents, Service};

/// The largest event, in bytes; those of Stripe have a few thousand.
const MAX_EVENT: usize = 256 * 1024;

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(receive_payment_event)
        .service(list_payment_events)
        .service(find_payment_event)
        .service(replay_payment_event)
        .service(list_payment_discrepancies);
}

/// Takes an event of a payment provider.
///
/// For providers alone: the body is taken as it is, and believed when the provider's signature holds for it.
#[utoipa::path(
    tag = "payment webhooks",
    operation_id = "receive_payment_event",
    params(("provider" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/json", description = "The event, as the provider signed it"),
    responses(
        (status = 200, description = "It has arrived, now or before"),
        (status = 400, description = "`invalid_signature`, `wrong_mode`, `unreadable_event`", body = ProblemSchema),
        (status = 404, description = "No such provider, or it sends no events", body = ProblemSchema),
        (status = 413, description = "`payload_too_large`", body = ProblemSchema),
    ),
)]
#[post("/webhooks/payments/{provider}")]
async fn receive_payment_event(
    service: Data<Service>,
    provider: Path<String>,
    request: HttpRequest,
    _: Query<NoParameters>,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let provider = provider.into_inner();
    let header = service.signature_header(&provider);
    let header = header.ok_or_else(|| Problem::not_found("payment provider"))?;
    check_stated_length(&request, MAX_EVENT)?;
    let body = collect(body, Pace::new(BodyLimits::of(&request).patience)).await?;
    let signature = request.headers().get(header).and_then(|value| value.to_str().ok());
    service
        .receive(&provider, signature, body)
        .await
        .map_err(Problem::from)?;
    Ok(HttpResponse::Ok().finish())
}

async fn collect(mut body: web::Payload, mut pace: Pace) -> Result<Vec<u8>, Problem> {
    let mut content = Vec::new();
    while let Some(piece) = pace.next(&mut body).await? {
        if content.len() + piece.len() > MAX_EVENT {
            return Err(too_large(MAX_EVENT));
        }
        content.extend_from_slice(&piece);
    }
    Ok(content)
}

struct EventQuery(ListEvents);

impl FromQuery for EventQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let mut states = Vec::new();
        for name in parameters.texts("state") {
            match EventState::named(&name) {
                Some(state) => states.push(state),
                None => parameters.refuse(
                    "state",
                    "unknown_value",
                    "must be one of received, parked, processed, ignored, unmatched, failed",
                ),
            }
        }
        let filter = EventFilter {
            states,
            provider: parameters.text("provider"),
        };
        Self(ListEvents {
            filter,
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        })
    }
}

/// What payment providers have told, newest first.
#[utoipa::path(
    tag = "payment webhooks (admin)",
    operation_id = "list_payment_events",
    params(
        ("state" = Option<Vec<String>>, Query, description = "Repeat for several"),
        ("provider" = Option<String>, Query),
        ("limit" = Option<i64>, Query),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, description = "A page of events", body = Page<EventView>)),
    security(("bearer" = []))
)]
#[get("/admin/payment-events")]
async fn list_payment_events(
    service: Data<Service>,
    _: Staff,
    query: Query<EventQuery>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.list_events(query.into_inner().0).await?))
}

/// One event, with what the provider has sent.
#[utoipa::path(
    tag = "payment webhooks (admin)",
    operation_id = "find_payment_event",
    params(("id" = EventId, Path)),
    responses((status = 200, description = "The event", body = EventView)),
    security(("bearer" = []))
)]
#[get("/admin/payment-events/{id}")]
async fn find_payment_event(
    service: Data<Service>,
    _: Staff,
    id: Path<EventId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let event = service.find_event(id.into_inner()).await.map_err(Problem::from)?;
    Ok(HttpResponse::Ok().json(event))
}

/// Has an event worked on once more.
///
/// That is harmless: the provider is asked how the charge stands, and what is settled already stays so.
#[utoipa::path(
    tag = "payment webhooks (admin)",
    operation_id = "replay_payment_event",
    params(("id" = EventId, Path), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 202, description = "It will be worked on", body = EventView),
        (status = 409, description = "`event_in_progress`, `request_in_progress`", body = ProblemSchema),
        (status = 422, description = "`idempotency_key_reused`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/payment-events/{id}/replay")]
async fn replay_payment_event(
    service: Data<Service>,
    staff: Staff,
    id: Path<EventId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let event = id.into_inner();
    let call = key.call("replay_payment_event", staff.0.user, &[event.to_string().as_bytes()]);
    let answer = service.replay_event(event, call).await.map_err(Problem::from)?;
    Ok(answer.respond(StatusCode::ACCEPTED, Some("/api/v1/admin/payment-events/{id}")))
}

struct DiscrepancyQuery(ListDiscrepancies);

impl FromQuery for DiscrepancyQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self(ListDiscrepancies {
            open: parameters.boolean("open"),
            provider: parameters.text("provider"),
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        })
    }
}

/// Where the books of payment providers and the shop's own differ, newest first.
///
/// They are compared once a day, a month back.
#[utoipa::path(
    tag = "payment webhooks (admin)",
    operation_id = "list_payment_discrepancies",
    params(
        ("open" = Option<bool>, Query, description = "Those that are still there, or those that are not"),
        ("provider" = Option<String>, Query),
        ("limit" = Option<i64>, Query),
        ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, description = "A page of discrepancies", body = Page<Discrepancy>)),
    security(("bearer" = []))
)]
#[get("/admin/payment-discrepancies")]
async fn list_payment_discrepancies(
    service: Data<Service>,
    _: Staff,
    query: Query<DiscrepancyQuery>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(service.list_discrepancies(query.into_inner().0).await?))
}
