//! Live status: server-sent events for one order.

use actix_web::http::{StatusCode, header};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, get, post};
use chrono::{DateTime, Utc};
use kernel::Problem;
use kernel::http::stream::EVENT_STREAM;
use kernel::http::{FromQuery, Path, Query, QueryParameters, query::NoParameters};
use kernel::id::OrderId;
use kernel::identity::{Caller, Holder, OrderSecret, Staff};
use kernel::problem::ProblemSchema;
use serde::Serialize;
use std::future::{Ready, ready};
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::domain::live::LiveStatus;
use crate::service::Service;

/// Mounts the routes of live status.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_order_stream)
        .service(create_any_order_stream)
        .service(read_order_stream);
}

/// What opens a stream.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderStreamTicket)]
struct Ticket {
    /// Opens the stream of this order for whoever has it.
    ticket: String,
    /// Where the stream is, ticket and all: for an `EventSource`.
    #[schema(example = "/api/v1/orders/order_../stream?ticket=..")]
    url: String,
    /// When it has to be open.
    expires_at: DateTime<Utc>,
}

/// Lets the holder of an order watch it.
///
/// A browser's `EventSource` sends no headers of ours, so that the stream is opened by a ticket in its address. The ticket opens it
/// within a minute, and again within an hour for a browser that comes back with `Last-Event-ID`. Nothing is stored, and a
/// repeat is a new ticket: there is no `Idempotency-Key`.
#[utoipa::path(
    tag = "orders",
    operation_id = "create_order_stream",
    params(("id" = OrderId, Path), ("Order-Secret" = Option<String>, Header)),
    responses(
        (status = 201, description = "The ticket", body = Ticket),
        (status = 404, description = "No such order", body = ProblemSchema),
    ),
    security((), ("bearer" = []), ("order_secret" = []))
)]
#[post("/orders/{id}/stream")]
async fn create_order_stream(
    service: Data<Service>,
    caller: Caller,
    secret: OrderSecret,
    id: Path<OrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    let holder = Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    };
    service.authorise(order, &holder).await.map_err(Problem::from)?;
    Ok(ticket(&service, order))
}

/// Lets staff watch an order.
#[utoipa::path(
    tag = "orders (admin)",
    operation_id = "create_any_order_stream",
    params(("id" = OrderId, Path)),
    responses(
        (status = 201, description = "The ticket", body = Ticket),
        (status = 404, description = "No such order", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/orders/{id}/stream")]
async fn create_any_order_stream(
    service: Data<Service>,
    _: Staff,
    id: Path<OrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let order = id.into_inner();
    service.find_any(order).await.map_err(Problem::from)?;
    Ok(ticket(&service, order))
}

fn ticket(service: &Service, order: OrderId) -> HttpResponse {
    let (ticket, expires_at) = service.issue_ticket(order);
    HttpResponse::build(StatusCode::CREATED)
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .json(Ticket {
            url: format!("/api/v1/orders/{order}/stream?ticket={ticket}"),
            ticket,
            expires_at,
        })
}

/// The ticket of a stream.
struct StreamQuery {
    ticket: Option<String>,
}

impl FromQuery for StreamQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            ticket: parameters.text("ticket"),
        }
    }
}

/// The `Last-Event-ID` header: the version of the order that a client has heard of last.
struct LastEventId(Option<i64>);

impl FromRequest for LastEventId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let value = request.headers().get("last-event-id");
        let version = value.map(|value| {
            let version = value.to_str().ok().and_then(|text| text.parse().ok());
            version
                .ok_or_else(|| Problem::bad_request("invalid_last_event_id", "not the id of an event of this stream"))
        });
        ready(version.transpose().map(Self))
    }
}

/// Tells how an order stands, and again whenever that changes.
///
/// Each event is named `order`, has an `OrderStatusEvent` as its data and the order's version as its id. A client that comes back says
/// with `Last-Event-ID` what it has heard last, and is told how the order stands where that has changed; states between are
/// left out. The stream is never silent for more than fifteen seconds, ends after an hour, and may end at any moment: a browser
/// comes back by itself.
#[utoipa::path(
    tag = "orders",
    operation_id = "read_order_stream",
    params(
        ("id" = OrderId, Path),
        ("ticket" = String, Query, description = "from `POST /orders/{id}/stream`"),
        ("Last-Event-ID" = Option<String>, Header, description = "the id of the last event that was heard"),
    ),
    responses(
        (status = 200, description = "Events", body = LiveStatus, content_type = "text/event-stream"),
        (status = 401, description = "`ticket_required`; `ticket_expired`: get a new one", body = ProblemSchema),
        (status = 404, description = "No such order, or a ticket for another one", body = ProblemSchema),
        (status = 429, description = "`too_many_watchers`", body = ProblemSchema),
    )
)]
#[get("/orders/{id}/stream")]
async fn read_order_stream(
    service: Data<Service>,
    id: Path<OrderId>,
    query: Query<StreamQuery>,
    heard: LastEventId,
) -> Result<HttpResponse, Problem> {
    let missing = || Problem::unauthenticated("ticket_required", "a ticket opens the stream");
    let ticket = query.into_inner().ticket.ok_or_else(missing)?;
    let events = service.watch(id.into_inner(), &ticket, heard.0).await;
    Ok(HttpResponse::Ok()
        .content_type(EVENT_STREAM)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // Nobody on the way shall gather it: neither to compress it nor to buffer it.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events.map_err(Problem::from)?))
}
