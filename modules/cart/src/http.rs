//! The public routes.

mod administration;
mod gift_cards;
mod items;
mod prices;
mod promotions;
mod refusal;
mod request;
mod saved;
mod sharing;
mod shipping_zones;
mod tax_zones;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::idempotency::Call;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, version_tag};
use kernel::id::CartId;
use kernel::identity::{Caller, CartSecret, Holder, SignedIn};
use kernel::page::Page;
use kernel::problem::ProblemSchema;
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use self::refusal::NotOpen;
use self::request::{CartPatch, CartRequest, MergeRequest, Paged, UndoMergeRequest};
use crate::domain::Change;
use crate::service::{Request, Service};
use crate::view::{CartView, CreatedCart, UndoneMerge};

/// Mounts the routes.
pub(crate) fn mount(config: &mut ServiceConfig<'_>, service: web::Data<Service>) {
    config
        .app_data(service)
        .service(create_cart)
        .service(list_carts)
        .service(read_current_cart)
        .service(read_cart)
        .service(delete_cart)
        .service(update_cart)
        .service(items::add_item)
        .service(items::add_items)
        .service(items::update_item)
        .service(items::remove_item)
        .service(merge_cart)
        .service(undo_merge)
        .service(prices::add_promotion)
        .service(prices::remove_promotion)
        .service(prices::add_gift_card)
        .service(prices::remove_gift_card)
        .service(prices::list_shipping_methods)
        .service(prices::explain_cart)
        .service(administration::list_admin_carts)
        .service(administration::read_admin_cart)
        .service(sharing::share_cart)
        .service(sharing::remove_share)
        .service(sharing::read_shared_cart)
        .service(saved::list_saved_items)
        .service(saved::save_cart_item)
        .service(saved::move_saved_item)
        .service(saved::remove_saved_item);
    config
        .service(shipping_zones::list_shipping_zones)
        .service(shipping_zones::create_shipping_zone)
        .service(shipping_zones::get_shipping_zone)
        .service(shipping_zones::update_shipping_zone)
        .service(shipping_zones::delete_shipping_zone)
        .service(tax_zones::list_tax_zones)
        .service(tax_zones::create_tax_zone)
        .service(tax_zones::get_tax_zone)
        .service(tax_zones::update_tax_zone)
        .service(tax_zones::delete_tax_zone);
    config
        .service(promotions::list_promotions)
        .service(promotions::create_promotion)
        .service(promotions::get_promotion)
        .service(promotions::update_promotion)
        .service(promotions::delete_promotion)
        .service(promotions::list_promotion_codes)
        .service(promotions::create_promotion_codes)
        .service(promotions::delete_promotion_code);
    config
        .service(gift_cards::list_gift_cards)
        .service(gift_cards::create_gift_card)
        .service(gift_cards::get_gift_card)
        .service(gift_cards::update_gift_card)
        .service(gift_cards::create_gift_card_adjustment)
        .service(gift_cards::list_gift_card_entries)
        .service(gift_cards::create_store_credit)
        .service(gift_cards::read_store_credit);
}

/// Makes a cart. A signed-in user's newest open cart is the current one; a guest gets the secret of the cart, once.
#[utoipa::path(
    tag = "carts",
    operation_id = "create_cart",
    request_body = CartRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "signed-in users only")),
    responses(
        (status = 201, description = "the cart", body = CreatedCart, headers(("ETag" = String), ("Location" = String))),
        (status = 422, description = "a line cannot be added; `unknown_locale`: the shop does not speak the language", body = ProblemSchema),
    ),
    security((), ("bearer" = []))
)]
#[post("/carts")]
async fn create_cart(
    service: web::Data<Service>,
    caller: Caller,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<CartRequest>,
) -> Result<HttpResponse, Problem> {
    let user = caller.user();
    // A guest cannot be recognised before there is a cart, so that a key would be anybody's.
    let call = user.and_then(|user| key.call("create_cart", user, &[body.bytes()]));
    let new = body.into_inner().into_cart();
    let answer = service.create(&caller, new, call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/carts/{id}")))
}

/// The signed-in user's carts, newest first, with the prices they last showed.
#[utoipa::path(
    tag = "carts",
    operation_id = "list_carts",
    params(
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "a page of carts", body = Page<CartView>),
        (status = 400, description = "not a cursor of this list", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/carts")]
async fn list_carts(service: web::Data<Service>, who: SignedIn, query: Query<Paged>) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = query.into_inner();
    let before = service.position(who.user, cursor).map_err(Problem::invalid_query)?;
    let page = service.list(who.user, limit, before).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// The signed-in user's newest open cart.
#[utoipa::path(
    tag = "carts",
    operation_id = "read_current_cart",
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 404, description = "there is none", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/carts/current")]
async fn read_current_cart(
    service: web::Data<Service>,
    who: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let cart = service.current(&who).await?;
    Ok(show(&cart))
}

/// A cart, with today's prices and stock. A price that has changed is shown beside the one before.
#[utoipa::path(
    tag = "carts",
    operation_id = "read_cart",
    params(("id" = CartId, Path)),
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[get("/carts/{id}")]
async fn read_cart(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let cart = service.read(*id, &holder(&caller, secret)).await?;
    Ok(show(&cart))
}

/// Throws an open cart away.
#[utoipa::path(
    tag = "carts",
    operation_id = "delete_cart",
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 204, description = "gone"),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[delete("/carts/{id}")]
async fn delete_cart(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.delete(request(*id, &caller, secret, condition)).await?;
    Ok(private(HttpResponse::NoContent().finish()))
}

/// Says who buys and where the goods go: a merge patch, absent keeps, `null` clears.
#[utoipa::path(
    tag = "carts",
    operation_id = "update_cart",
    request_body = CartPatch,
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[patch("/carts/{id}")]
async fn update_cart(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<CartPatch>,
) -> Result<HttpResponse, Problem> {
    let request = request(*id, &caller, secret, condition);
    let change = Change::SetDetails(Box::new(body.into_inner().into()));
    let answer = service.change(request, change, 200).await?;
    Ok(answer.respond(StatusCode::OK, None))
}

/// Puts a guest's cart into this one, all or nothing: quantities of the same variant are summed, the guest's cart becomes
/// `merged`. Sent again, it changes nothing.
#[utoipa::path(
    tag = "carts",
    operation_id = "merge_cart",
    request_body = MergeRequest,
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
        ("Idempotency-Key" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "the cart", body = CartView, headers(("ETag" = String))),
        (status = 404, description = "one of the carts is unknown, or not yours", body = ProblemSchema),
        (status = 409, description = "one of them: `cart_in_checkout`, `cart_completed`, `cart_closed`", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
        (status = 422, description = "together they are too large, or in two currencies", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[post("/carts/{id}/merge")]
#[expect(
    clippy::too_many_arguments,
    reason = "each is one part of the request, checked by its type"
)]
async fn merge_cart(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<MergeRequest>,
) -> Result<HttpResponse, Problem> {
    let mut request = request(*id, &caller, secret, condition);
    request.call = call(key, "merge_cart", *id, &caller, body.bytes());
    let from = body.into_inner().from;
    let answer = service.merge(request, from.id, from.secret.into_string()).await?;
    Ok(answer.respond(StatusCode::OK, None))
}

/// Takes a cart out again that was merged into this one in the last day, and opens it as it was: what this cart has of it is
/// gone from it then, as far as it is still there.
#[utoipa::path(
    tag = "carts",
    operation_id = "undo_cart_merge",
    request_body = UndoMergeRequest,
    params(
        ("id" = CartId, Path),
        ("If-Match" = Option<String>, Header),
    ),
    responses(
        (status = 200, description = "both carts; the guest's with its secret", body = UndoneMerge),
        (status = 404, description = "unknown, or not yours; or the other one was not merged into it", body = ProblemSchema),
        (status = 409, description = "`cart_in_checkout`, `cart_completed`; `cart_closed`: it was merged more than a day ago", body = NotOpen),
        (status = 412, description = "changed meanwhile", body = ProblemSchema),
    ),
    security(("cart_secret" = []), ("bearer" = []))
)]
#[post("/carts/{id}/undo-merge")]
async fn undo_merge(
    service: web::Data<Service>,
    id: Path<CartId>,
    caller: Caller,
    secret: CartSecret,
    condition: IfMatch,
    _: Query<NoParameters>,
    body: Json<UndoMergeRequest>,
) -> Result<HttpResponse, Problem> {
    let request = request(*id, &caller, secret, condition);
    let undone = service.undo_merge(request, body.into_inner().from.id).await?;
    Ok(private(HttpResponse::Ok().json(undone)))
}

fn holder(caller: &Caller, secret: CartSecret) -> Holder {
    Holder {
        user: caller.user(),
        group: caller.group(),
        secret: secret.0,
    }
}

fn request(cart: CartId, caller: &Caller, secret: CartSecret, condition: IfMatch) -> Request {
    Request {
        cart,
        holder: holder(caller, secret),
        condition,
        call: None,
    }
}

/// A key belongs to the user, or to the holder of the cart's secret.
fn call(key: IdempotencyKey, operation: &str, cart: CartId, caller: &Caller, body: &[u8]) -> Option<Call> {
    let scope = caller
        .user()
        .map_or_else(|| format!("cart:{cart}"), |user| user.to_string());
    key.call(operation, scope, &[cart.to_string().as_bytes(), body])
}

fn show(cart: &CartView) -> HttpResponse {
    versioned(cart.version, cart)
}

/// An answer whose tag is the version to edit.
fn versioned(version: i64, value: &impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header(version_tag(version));
    private(response.json(value))
}

/// What a cart holds, and what staff say, is nobody else's business, and no cache's.
fn private(mut response: HttpResponse) -> HttpResponse {
    let value = header::HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}
