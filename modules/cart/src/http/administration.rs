//! What staff see of carts. They change none: what a buyer has in the cart is the buyer's.

use actix_web::{HttpResponse, get, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{Path, Query};
use kernel::id::CartId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::private;
use super::request::ListAllCarts;
use crate::service::Service;
use crate::view::AdminCart;

/// Lists carts, newest first, with the prices they last showed.
#[utoipa::path(
    tag = "Administration",
    operation_id = "list_admin_carts",
    params(
        ("status" = Option<String>, Query, description = "`open`, `checkout`, `completed`, `merged` or `expired`"),
        ("user_id" = Option<String>, Query, description = "those of one user"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "a page of carts", body = Page<AdminCart>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/carts")]
pub(super) async fn list_admin_carts(
    _: Staff,
    service: web::Data<Service>,
    query: Query<ListAllCarts>,
) -> Result<HttpResponse, Problem> {
    let ListAllCarts { filter, limit, cursor } = query.into_inner();
    let before = service.position_among_all(cursor).map_err(Problem::invalid_query)?;
    let page = service.list_all(filter, limit, before).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// A cart with the prices that it last showed.
#[utoipa::path(
    tag = "Administration",
    operation_id = "read_admin_cart",
    params(("id" = CartId, Path)),
    responses(
        (status = 200, description = "the cart", body = AdminCart),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/admin/carts/{id}")]
pub(super) async fn read_admin_cart(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CartId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let cart = service.find_any(*id).await?;
    Ok(private(HttpResponse::Ok().json(cart)))
}
