//! Price lists, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::PriceListId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::product_types::Paged;
use super::{private, versioned};
use crate::domain::price_list::{ListPrice, ListPrices, ListPricesOutcome, NewPriceList, PriceList, PriceListPatch};
use crate::service::Service;

/// Lists price lists in the order in which they were made.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of price lists", body = Page<PriceList>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/price-lists")]
pub(super) async fn list_price_lists(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_price_lists(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Adds a price list: a sale where it has a window, what members pay where it has a group of customers. Its prices only
/// ever lower what a buyer pays, who is charged the lowest of all that hold.
#[utoipa::path(
    tag = "Administration",
    request_body = NewPriceList,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the price list, without prices", body = PriceList),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/price-lists")]
pub(super) async fn create_price_list(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewPriceList>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_price_list", staff.0.user, &[body.bytes()]);
    let answer = service.create_price_list(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/price-lists/{id}")))
}

/// Shows a price list.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the price list's id")),
    responses(
        (status = 200, description = "the price list; its ETag is the version to edit", body = PriceList),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/price-lists/{id}")]
pub(super) async fn get_price_list(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PriceListId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let list = service.find_price_list(*id).await?;
    Ok(versioned(list.version, &list))
}

/// Changes a price list: a merge patch. What visitors are shown follows within five seconds, on a list of many thousand
/// prices a little later.
#[utoipa::path(
    tag = "Administration",
    request_body = PriceListPatch,
    params(
        ("id" = String, Path, description = "the price list's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the price list", body = PriceList),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/price-lists/{id}")]
pub(super) async fn update_price_list(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PriceListId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<PriceListPatch>,
) -> Result<HttpResponse, Problem> {
    let list = service
        .update_price_list(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(list.version, &list))
}

/// Takes a price list away, with its prices.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the price list's id"),
        ("If-Match" = Option<String>, Header, description = "the version that you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
    )
)]
#[delete("/admin/price-lists/{id}")]
pub(super) async fn delete_price_list(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PriceListId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_price_list(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists the prices on a list, by variant and quantity.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the price list's id"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of prices", body = Page<ListPrice>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/price-lists/{id}/prices")]
pub(super) async fn list_list_prices(
    _: Staff,
    service: web::Data<Service>,
    id: Path<PriceListId>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_list_prices(*id, limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Puts up to 250 prices on a list, or takes them off it, in one transaction. Each has its own result; those that are
/// refused are left out, and the others carried out all the same. Where the list holds, they hold from now on.
#[utoipa::path(
    tag = "Administration",
    request_body = ListPrices,
    params(
        ("id" = String, Path, description = "the price list's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
        ("If-Match" = Option<String>, Header, description = "the version of the list that you have seen"),
    ),
    responses(
        (status = 200, description = "what has become of each price", body = ListPricesOutcome),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the list", body = ProblemSchema),
        (status = 422, description = "there is no price, or there are too many", body = ProblemSchema),
    )
)]
#[post("/admin/price-lists/{id}/prices")]
pub(super) async fn update_list_prices(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<PriceListId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<ListPrices>,
) -> Result<HttpResponse, Problem> {
    let list = id.to_string();
    let call = key.call("update_list_prices", staff.0.user, &[list.as_bytes(), body.bytes()]);
    let answer = service
        .write_list_prices(*id, body.into_inner(), condition, call)
        .await?;
    Ok(answer.respond(StatusCode::OK, None))
}
