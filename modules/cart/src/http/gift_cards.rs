//! The routes of gift cards and store credit, for staff and for users.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, IdempotencyKey, IfMatch, Json, Path, Query, QueryParameters};
use kernel::id::{GiftCardId, UserId};
use kernel::identity::{SignedIn, Staff};
use kernel::page::Page;
use kernel::problem::ProblemSchema;
use serde::Serialize;
use utoipa::ToSchema;

use super::refusal::BalanceTooLow;
use super::request::Paged;
use super::{private, versioned};
use crate::domain::gift_card::{
    Adjustment, GiftCard, GiftCardEntry, GiftCardPatch, Grant, IssuedGiftCard, NewGiftCard, StoreCredit,
};
use crate::service::Service;

/// Where a card is.
const CARD: &str = "/api/v1/admin/gift-cards/{id}";

/// Which page of which cards is wanted.
pub(super) struct ListedCards {
    paged: Paged,
    user: Option<UserId>,
}

impl FromQuery for ListedCards {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            paged: Paged::from_query(parameters),
            user: parameters.parsed("user_id"),
        }
    }
}

/// Lists gift cards and accounts of store credit, newest first.
#[utoipa::path(
    tag = "Administration",
    params(
        ("user_id" = Option<String>, Query, description = "the store credit of this user alone"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of cards", body = Page<GiftCard>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/gift-cards")]
pub(super) async fn list_gift_cards(
    _: Staff,
    service: web::Data<Service>,
    query: Query<ListedCards>,
) -> Result<HttpResponse, Problem> {
    let ListedCards { paged, user } = query.into_inner();
    let before = service
        .gift_card_at(user, paged.cursor)
        .map_err(Problem::invalid_query)?;
    let page = service.list_gift_cards(user, paged.limit, before).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// Makes a gift card. Its code is shown this once, and not kept: a repeat with the same `Idempotency-Key` shows the card without
/// it. Who has lost the code disables the card and makes another one.
#[utoipa::path(
    tag = "Administration",
    request_body = NewGiftCard,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 201, description = "the card", body = IssuedGiftCard),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/gift-cards")]
pub(super) async fn create_gift_card(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewGiftCard>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("create_gift_card", user, &[body.bytes()]);
    let answer = service.create_gift_card(body.into_inner(), user, call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some(CARD)))
}

/// Shows a gift card, or an account of store credit.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the card's id"),
    ),
    responses(
        (status = 200, description = "the card; its ETag is the version to edit", body = GiftCard),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/gift-cards/{id}")]
pub(super) async fn get_gift_card(
    _: Staff,
    service: web::Data<Service>,
    id: Path<GiftCardId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_gift_card(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Changes a gift card, or an account of store credit: a merge patch. What is disabled, or has expired, keeps its balance, but
/// nothing can be paid with it.
#[utoipa::path(
    tag = "Administration",
    request_body = GiftCardPatch,
    params(
        ("id" = String, Path, description = "the card's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the card", body = GiftCard),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/gift-cards/{id}")]
pub(super) async fn update_gift_card(
    _: Staff,
    service: web::Data<Service>,
    id: Path<GiftCardId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<GiftCardPatch>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_gift_card(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Puts money on a gift card, or an account of store credit, or takes it off; never more than there is.
#[utoipa::path(
    tag = "Administration",
    request_body = Adjustment,
    params(
        ("id" = String, Path, description = "the card's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 201, description = "the card", body = GiftCard),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`insufficient_balance`: there is less on it", body = BalanceTooLow),
        (status = 422, description = "a field is wrong; `currency_mismatch`: its money is in another currency", body = ProblemSchema),
    )
)]
#[post("/admin/gift-cards/{id}/adjustments")]
pub(super) async fn create_gift_card_adjustment(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<GiftCardId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<Adjustment>,
) -> Result<HttpResponse, Problem> {
    let (user, card) = (staff.0.user, id.to_string());
    let request = [card.as_bytes(), body.bytes()];
    let call = key.call("create_gift_card_adjustment", user, &request);
    let answer = service.adjust_gift_card(*id, body.into_inner(), user, call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some(CARD)))
}

/// Lists the movements of money on a gift card, or an account of store credit, in the order in which they were written. Their
/// sum is its balance.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the card's id"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of entries", body = Page<GiftCardEntry>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/gift-cards/{id}/entries")]
pub(super) async fn list_gift_card_entries(
    _: Staff,
    service: web::Data<Service>,
    id: Path<GiftCardId>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let after = service.entry_at(*id, cursor).map_err(Problem::invalid_query)?;
    let page = service.list_gift_card_entries(*id, limit, after).await?;
    Ok(private(HttpResponse::Ok().json(page)))
}

/// Grants store credit to a user, who pays with it by `uses_store_credit` of a cart. A user has one account for each currency,
/// made when the first credit is granted. What was granted is taken back by an adjustment of the account.
#[utoipa::path(
    tag = "Administration",
    request_body = Grant,
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 201, description = "the account", body = GiftCard),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `not_found`: there is no such user", body = ProblemSchema),
    )
)]
#[post("/admin/store-credit")]
pub(super) async fn create_store_credit(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<Grant>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("create_store_credit", user, &[body.bytes()]);
    let answer = service.grant_store_credit(body.into_inner(), user, call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some(CARD)))
}

/// What a user can pay with.
#[derive(Serialize, ToSchema)]
#[schema(as = StoreCredits)]
pub(super) struct Credits {
    /// One for each currency.
    items: Vec<StoreCredit>,
}

/// The signed-in user's store credit, by currency.
#[utoipa::path(
    tag = "carts",
    operation_id = "read_store_credit",
    responses(
        (status = 200, description = "the store credit", body = Credits),
        (status = 401, description = "not signed in", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/store-credit")]
pub(super) async fn read_store_credit(
    service: web::Data<Service>,
    who: SignedIn,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let items = service.store_credit(who.user).await?;
    Ok(private(HttpResponse::Ok().json(Credits { items })))
}
