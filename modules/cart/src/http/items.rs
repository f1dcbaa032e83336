//! The routes of a cart's lines.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::{CartId, ItemId};
use kernel::identity::{Caller, CartSecret};
use kernel::problem::ProblemSchema;

use super::refusal::NotOpen;
use super::request::{ItemPatch, ItemRequest, ItemsRequest};
use super::{call, request};
use crate::domain::Change;
use crate::service::Service;
use crate::view::CartView;

/// Adds a variant to a cart, onto its line where there is one. More than there are may be added: the cart then says so.
#[utoipa::path(
    tag = "carts",
    operation_id = "add_cart_item",
    request_body = ItemRequest,
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 201, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
        (status = 422, description = "cannot be added", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[post("/carts/{id}/items")]
#[expect(
    clippy::too_many_arguments,
    reason = "each is one part of the request, checked by its type"
)]
pub(super) async fn add_item(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<ItemRequest>,
) -> Result<HttpResponse, Problem> {
    let mut request = request(*id, &caller, secret, condition);
    request.call = call(key, "add_cart_item", *id, &caller, body.bytes());
    let line = body.into_inner().into_line(String::new());
    let answer = service.change(request, Change::Add(vec![line]), 201).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}

/// Adds several variants to a cart, as if one after the other: all of them, or none where one cannot be added.
#[utoipa::path(
    tag = "carts",
    operation_id = "add_cart_items",
    request_body = ItemsRequest,
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 201, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
        (status = 422, description = "one of them cannot be added; all that cannot are named", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[post("/carts/{id}/items/bulk")]
#[expect(
    clippy::too_many_arguments,
    reason = "each is one part of the request, checked by its type"
)]
pub(super) async fn add_items(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<ItemsRequest>,
) -> Result<HttpResponse, Problem> {
    let mut request = request(*id, &caller, secret, condition);
    request.call = call(key, "add_cart_items", *id, &caller, body.bytes());
    let lines = body.into_inner().into_lines();
    let answer = service.add(request, lines).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}

/// Sets how many of a line; 0 removes it.
#[utoipa::path(
    tag = "carts",
    operation_id = "update_cart_item",
    request_body = ItemPatch,
    params(
        ("id" = CartId, Path),
        ("item_id" = ItemId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
        (status = 422, description = "not a quantity", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[patch("/carts/{id}/items/{item_id}")]
pub(super) async fn update_item(
    service: web::Data<Service>,
    path: Path<(CartId, ItemId)>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<ItemPatch>,
) -> Result<HttpResponse, Problem> {
    let (id, item) = path.into_inner();
    let quantity = body.quantity.get();
    let change = Change::SetQuantity { item, quantity };
    let answer = service
        .change(request(id, &caller, secret, condition), change, 200)
        .await?;
    Ok(answer.respond(StatusCode::OK, None))
}

/// Takes a line out of a cart.
#[utoipa::path(
    tag = "carts",
    operation_id = "remove_cart_item",
    params(
        ("id" = CartId, Path),
        ("item_id" = ItemId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[delete("/carts/{id}/items/{item_id}")]
pub(super) async fn remove_item(
    service: web::Data<Service>,
    path: Path<(CartId, ItemId)>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (id, item) = path.into_inner();
    let change = Change::SetQuantity { item, quantity: 0 };
    let answer = service
        .change(request(id, &caller, secret, condition), change, 200)
        .await?;
    Ok(answer.respond(StatusCode::OK, None))
}
