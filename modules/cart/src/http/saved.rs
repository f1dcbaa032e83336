//! The routes of what users have put aside for later.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{Json, Path, Query};
use kernel::id::VariantId;
use kernel::identity::SignedIn;
use kernel::problem::ProblemSchema;
use serde::Serialize;
use utoipa::ToSchema;

use super::private;
use super::refusal::NotOpen;
use super::request::{MoveSavedRequest, SaveRequest};
use crate::service::Service;
use crate::view::{CartView, SavedItem};

/// What a user has put aside.
#[derive(Serialize, ToSchema)]
pub(super) struct SavedItems {
    /// Newest first, at most 200.
    items: Vec<SavedItem>,
}

/// What the signed-in user has put aside for later, with today's prices in the shop's own currency.
#[utoipa::path(
    tag = "carts",
    operation_id = "list_saved_items",
    responses(
        (status = 200, description = "all of it", body = SavedItems),
        (status = 401, description = "not signed in", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/saved-items")]
pub(super) async fn list_saved_items(
    service: web::Data<Service>,
    who: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let items = service.saved_items(&who).await?;
    Ok(private(HttpResponse::Ok().json(SavedItems { items })))
}

/// Takes a line out of a cart and puts it aside; how many replaces what was put aside of the same variant before.
#[utoipa::path(
    tag = "carts",
    operation_id = "save_cart_item",
    request_body = SaveRequest,
    responses(
        (status = 201, description = "the cart without it", body = CartView),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 404, description = "the cart is unknown, or not yours; or it has no such line", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 422, description = "`too_many`: 200 variants are put aside", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/saved-items")]
pub(super) async fn save_cart_item(
    service: web::Data<Service>,
    who: SignedIn,
    _: Query<NoParameters>,
    body: Json<SaveRequest>,
) -> Result<HttpResponse, Problem> {
    let SaveRequest { cart_id, item_id } = body.into_inner();
    let cart = service.save_for_later(&who, cart_id, item_id).await?;
    Ok(private(HttpResponse::build(StatusCode::CREATED).json(cart)))
}

/// Puts what was put aside into a cart again.
#[utoipa::path(
    tag = "carts",
    operation_id = "move_saved_item",
    request_body = MoveSavedRequest,
    params(("variant_id" = VariantId, Path)),
    responses(
        (status = 200, description = "the cart with it", body = CartView),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 404, description = "the cart is unknown, or not yours; or nothing of the variant is put aside", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 422, description = "it cannot be added", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[post("/saved-items/{variant_id}/move")]
pub(super) async fn move_saved_item(
    service: web::Data<Service>,
    variant: Path<VariantId>,
    who: SignedIn,
    _: Query<NoParameters>,
    body: Json<MoveSavedRequest>,
) -> Result<HttpResponse, Problem> {
    let cart = service.move_saved(&who, *variant, body.into_inner().cart_id).await?;
    Ok(private(HttpResponse::Ok().json(cart)))
}

/// Does not want something later after all.
#[utoipa::path(
    tag = "carts",
    operation_id = "remove_saved_item",
    params(("variant_id" = VariantId, Path)),
    responses(
        (status = 204, description = "gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 404, description = "nothing of the variant is put aside", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[delete("/saved-items/{variant_id}")]
pub(super) async fn remove_saved_item(
    service: web::Data<Service>,
    variant: Path<VariantId>,
    who: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.remove_saved(&who, *variant).await?;
    Ok(private(HttpResponse::NoContent().finish()))
}
