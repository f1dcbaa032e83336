//! Orders that staff prepare.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, post, put};
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, query::NoParameters, version_tag};
use kernel::id::DraftOrderId;
use kernel::identity::Staff;
use kernel::keys::SecretKey;
use kernel::problem::ProblemSchema;
use kernel::{FieldErrors, Money, Page, Problem};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_actix_web::service_config::ServiceConfig;

use super::super::refusal::OrderRefusal;
use super::super::{OrderWithSecret, PageQuery, answer};
use crate::domain::Actor;
use crate::domain::draft::{DraftContent, DraftView, PricedDraftOrder};
use crate::service::{OrderDraft, Service};

/// Mounts the routes.
pub(super) fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(create_draft_order)
        .service(list_draft_orders)
        .service(find_draft_order)
        .service(update_draft_order)
        .service(delete_draft_order)
        .service(place_draft_order);
}

/// Prepares an order.
#[utoipa::path(
    tag = "draft orders (admin)",
    operation_id = "create_draft_order",
    request_body = DraftContent,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, description = "The draft", body = DraftView),
        (status = 409, description = "`request_in_progress`", body = ProblemSchema),
        (status = 422, description = "`validation_failed`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/admin/draft-orders")]
async fn create_draft_order(
    service: Data<Service>,
    staff: Staff,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<DraftContent>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_draft_order", staff.0.user, &[body.bytes()]);
    let answer = service.create_draft(body.into_inner(), staff.0.user, call).await;
    let answer = answer.map_err(Problem::from)?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/draft-orders/{id}")))
}

/// Drafts that are no orders yet, newest first.
#[utoipa::path(
    tag = "draft orders (admin)",
    operation_id = "list_draft_orders",
    params(("limit" = Option<i64>, Query), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "A page of drafts", body = Page<DraftView>)),
    security(("bearer" = []))
)]
#[get("/admin/draft-orders")]
async fn list_draft_orders(service: Data<Service>, _: Staff, query: Query<PageQuery>) -> Result<HttpResponse, Problem> {
    let PageQuery { limit, cursor } = query.into_inner();
    Ok(HttpResponse::Ok().json(service.list_drafts(limit, cursor).await?))
}

/// A draft, and what it costs today.
#[utoipa::path(
    tag = "draft orders (admin)",
    operation_id = "find_draft_order",
    params(("id" = DraftOrderId, Path)),
    responses(
        (status = 200, description = "The draft", body = PricedDraftOrder),
        (status = 404, description = "No such draft", body = ProblemSchema),
        (status = 422, description = "`validation_failed`: something in it is not sold any more", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/draft-orders/{id}")]
async fn find_draft_order(
    service: Data<Service>,
    _: Staff,
    id: Path<DraftOrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let draft = service.find_draft(id.into_inner()).await.map_err(Problem::from)?;
    Ok(HttpResponse::Ok()
        .insert_header(version_tag(draft.draft.version))
        .json(draft))
}

/// Gives a draft another content.
#[utoipa::path(
    tag = "draft orders (admin)",
    operation_id = "update_draft_order",
    request_body = DraftContent,
    params(("id" = DraftOrderId, Path), ("If-Match" = String, Header)),
    responses(
        (status = 200, description = "The draft", body = DraftView),
        (status = 404, description = "No such draft", body = ProblemSchema),
        (status = 409, description = "`draft_ordered`", body = OrderRefusal),
        (status = 412, description = "`precondition_failed`", body = ProblemSchema),
        (status = 422, description = "`validation_failed`", body = ProblemSchema),
        (status = 428, description = "`precondition_required`", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[put("/admin/draft-orders/{id}")]
async fn update_draft_order(
    service: Data<Service>,
    _: Staff,
    id: Path<DraftOrderId>,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<DraftContent>,
) -> Result<HttpResponse, Problem> {
    let condition = condition.required()?;
    let draft = service
        .replace_draft(id.into_inner(), body.into_inner(), condition)
        .await;
    let draft = draft.map_err(Problem::from)?;
    Ok(HttpResponse::Ok().insert_header(version_tag(draft.version)).json(draft))
}

/// Removes a draft that is no order yet.
#[utoipa::path(
    tag = "draft orders (admin)",
    operation_id = "delete_draft_order",
    params(("id" = DraftOrderId, Path)),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such draft", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[delete("/admin/draft-orders/{id}")]
async fn delete_draft_order(
    service: Data<Service>,
    _: Staff,
    id: Path<DraftOrderId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.delete_draft(id.into_inner()).await.map_err(Problem::from)?;
    Ok(HttpResponse::NoContent().finish())
}

/// How a draft becomes an order.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PlacedDraft {
    /// What staff were shown that it costs: the draft's `totals.total`.
    expected_total: Money,
    /// How many days the buyer has to pay: 1 to 60, 7 where nothing is said. Its stock is set aside as long.
    #[serde(default)]
    days: Option<i64>,
}

/// Makes a draft an order that waits for its payment. The buyer is asked for it by mail; whoever has the `secret` can pay it
/// with `POST /orders/{id}/payments`.
#[utoipa::path(
    tag = "draft orders (admin)",
    operation_id = "place_draft_order",
    request_body = PlacedDraft,
    params(("id" = DraftOrderId, Path), ("Idempotency-Key" = String, Header)),
    responses(
        (status = 201, description = "The order", body = OrderWithSecret),
        (status = 404, description = "No such draft", body = ProblemSchema),
        (status = 409, description = "`draft_ordered`, `insufficient_stock`, `price_changed`, `request_in_progress`",
            body = OrderRefusal),
        (status = 422, description = "`cart_not_ready`: what is missing, `validation_failed`", body = OrderRefusal),
    ),
    security(("bearer" = []))
)]
#[post("/admin/draft-orders/{id}/order")]
async fn place_draft_order(
    service: Data<Service>,
    secret_key: Data<SecretKey>,
    staff: Staff,
    id: Path<DraftOrderId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<PlacedDraft>,
) -> Result<HttpResponse, Problem> {
    let id = id.into_inner();
    let call = key.required(
        "place_draft_order",
        staff.0.user,
        &[id.to_string().as_bytes(), body.bytes()],
    )?;
    let PlacedDraft { expected_total, days } = body.into_inner();
    if days.is_some_and(|days| !(1..=60).contains(&days)) {
        let errors = FieldErrors::one("/days", "out_of_range", "must be 1 to 60");
        return Err(Problem::invalid(errors));
    }
    let request = OrderDraft { expected_total, days };
    let actor = Actor::Staff(staff.0.user);
    answer(service.order_draft(id, request, actor, call).await, Some(&secret_key))
}
