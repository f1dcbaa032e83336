//! The routes of what a cart costs: promotions, gift cards, how the goods go, and how the price comes about.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IfMatch, Json, Path, Query};
use kernel::id::{CartId, GiftCardId};
use kernel::identity::{Caller, CartSecret};
use kernel::problem::ProblemSchema;
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::NotOpen;
use super::request::CodeRequest;
use super::{holder, private, request};
use crate::domain::{Change, Explanation, OfferedMethod, PromotionCode};
use crate::service::Service;
use crate::view::CartView;

/// Gives a code of a promotion, in capitals or not. Refused where nobody can use it; where its conditions are not met yet, the
/// cart keeps it and says in `refused_codes` what is missing. A code that the cart has already changes nothing.
#[utoipa::path(
    tag = "carts",
    operation_id = "add_cart_promotion",
    request_body = CodeRequest,
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 201, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
        (status = 422, description = "`unknown_code`, `duplicate`: another code of the same promotion is there, `no_longer`, `used_up`, `used_up_by_buyer`, `budget_spent`, `too_many`: a cart has at most 10", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[post("/carts/{id}/promotions")]
pub(super) async fn add_promotion(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<CodeRequest>,
) -> Result<HttpResponse, Problem> {
    let request = request(*id, &caller, secret, condition);
    let code = body.into_inner().code;
    let answer = service.add_code(request, code.as_str()).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}

/// Takes a code back.
#[utoipa::path(
    tag = "carts",
    operation_id = "remove_cart_promotion",
    params(
        ("id" = CartId, Path),
        ("code" = String, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours; or the cart has no such code", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[delete("/carts/{id}/promotions/{code}")]
pub(super) async fn remove_promotion(
    service: web::Data<Service>,
    path: Path<(CartId, String)>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (id, code) = path.into_inner();
    let Some(code) = PromotionCode::parse(&code) else {
        return Err(Problem::not_found("code in the cart"));
    };
    let request = request(id, &caller, secret, condition);
    let answer = service.change(request, Change::RemoveCode(code), 200).await?;
    Ok(answer.respond(StatusCode::OK, None))
}

/// Pays with a gift card, as far as its balance goes; `amount_due` is what is left. Spaces, hyphens and capitals of the code do
/// not matter. Nothing is taken off the card until the cart is ordered.
#[utoipa::path(
    tag = "carts",
    operation_id = "add_cart_gift_card",
    request_body = CodeRequest,
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 201, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
        (status = 422, description = "`unknown_gift_card`: there is none with money of the cart's currency, `too_many`: a cart has at most 10", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[post("/carts/{id}/gift-cards")]
pub(super) async fn add_gift_card(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<CodeRequest>,
) -> Result<HttpResponse, Problem> {
    let request = request(*id, &caller, secret, condition);
    let code = body.into_inner().code;
    let answer = service.add_gift_card(request, code.as_str()).await?;
    Ok(answer.respond(StatusCode::CREATED, None))
}

/// Does not pay with a gift card after all.
#[utoipa::path(
    tag = "carts",
    operation_id = "remove_cart_gift_card",
    params(
        ("id" = CartId, Path),
        ("gift_card_id" = GiftCardId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours; or the cart has no such card", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[delete("/carts/{id}/gift-cards/{gift_card_id}")]
pub(super) async fn remove_gift_card(
    service: web::Data<Service>,
    path: Path<(CartId, GiftCardId)>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let (id, card) = path.into_inner();
    let request = request(id, &caller, secret, condition);
    let answer = service.change(request, Change::RemoveGiftCard(card), 200).await?;
    Ok(answer.respond(StatusCode::OK, None))
}

/// How a cart can be sent.
#[derive(Serialize, ToSchema)]
pub(super) struct ShippingMethods {
    /// In the order in which the shop shows them; none where it sends nothing there, or there is nothing to send.
    items: Vec<OfferedMethod>,
}

/// All ways in which an open cart can be sent to its address, with their prices before promotions on shipping. Until the
/// address is known, only ways that need none: those in which the buyer fetches the goods.
#[utoipa::path(
    tag = "carts",
    operation_id = "list_cart_shipping_methods",
    params(("id" = CartId, Path)),
    responses(
        (status = 200, description = "the methods", body = ShippingMethods),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[get("/carts/{id}/shipping-methods")]
pub(super) async fn list_shipping_methods(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let items = service.shipping_methods(*id, &holder(&caller, secret)).await?;
    Ok(private(HttpResponse::Ok().json(ShippingMethods { items })))
}

/// How the price of an open cart comes about: every step from nothing to what is due, and what has become of each promotion.
#[utoipa::path(
    tag = "carts",
    operation_id = "show_cart_explanation",
    params(("id" = CartId, Path)),
    responses(
        (status = 200, description = "the explanation", body = Explanation),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[get("/carts/{id}/explain")]
pub(super) async fn explain_cart(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let explanation = service.explain(*id, &holder(&caller, secret)).await?;
    Ok(private(HttpResponse::Ok().json(explanation)))
}
