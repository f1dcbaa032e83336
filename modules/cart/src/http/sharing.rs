//! The routes of links to carts.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{Path, Query};
use kernel::id::CartId;
use kernel::identity::{Caller, CartSecret};
use kernel::problem::ProblemSchema;
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::NotOpen;
use super::{holder, private};
use crate::service::Service;
use crate::view::SharedCart;

/// What opens a cart for others.
#[derive(Serialize, ToSchema)]
pub(super) struct ShareLink {
    /// For `GET /shared-carts/{token}`, and `shared_cart` of `POST /carts`.
    token: String,
}

/// Makes a link to an open cart: whoever has it sees what is in the cart, and may make a cart of their own of it, but sees
/// nothing of its buyer and changes nothing. Asked again, it is the same link, until all links are withdrawn.
#[utoipa::path(
    tag = "carts",
    operation_id = "share_cart",
    params(("id" = CartId, Path)),
    responses(
        (status = 201, description = "the link", body = ShareLink),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[post("/carts/{id}/share")]
pub(super) async fn share_cart(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let token = service.share(*id, &holder(&caller, secret)).await?;
    Ok(private(
        HttpResponse::build(StatusCode::CREATED).json(ShareLink { token }),
    ))
}

/// Withdraws all links to a cart.
#[utoipa::path(
    tag = "carts",
    operation_id = "remove_cart_share",
    params(("id" = CartId, Path)),
    responses(
        (status = 204, description = "no link opens it any more"),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`: links to it do not open it anyway", body = NotOpen),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[delete("/carts/{id}/share")]
pub(super) async fn remove_share(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.withdraw_links(*id, &holder(&caller, secret)).await?;
    Ok(private(HttpResponse::NoContent().finish()))
}

/// What is in an open cart that somebody has shared, with today's prices for guests.
#[utoipa::path(
    tag = "carts",
    operation_id = "read_shared_cart",
    params(("token" = String, Path)),
    responses(
        (status = 200, description = "what is in it", body = SharedCart),
        (status = 404, description = "no link, withdrawn, or its cart is not open any more", body = ProblemSchema),
    ),
    security(())
)]
#[get("/shared-carts/{token}")]
pub(super) async fn read_shared_cart(
    service: web::Data<Service>,
    token: Path<String>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let shared = service.shared(&token).await?;
    Ok(private(HttpResponse::Ok().json(shared)))
}
