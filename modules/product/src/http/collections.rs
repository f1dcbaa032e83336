//! Collections, for visitors and staff.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, put, web};
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, IdempotencyKey, IfMatch, Json, Path, Query, QueryParameters};
use kernel::id::CollectionId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;
use kernel::{Currency, Problem};

use super::product_types::Paged;
use super::spoken::Spoken;
use super::{EDITED, SOLD, cacheable, private, versioned};
use crate::domain::collection::{
    AdminCollection, ChosenProducts, Collection, CollectionDetail, CollectionPatch, CollectionPreview,
    CollectionReference, NewCollection, PreviewedRule, PublicCollection,
};
use crate::domain::filter::read_currency;
use crate::domain::product::Product;
use crate::service::Service;

/// Which page of a list is wanted, and in which currency prices are shown.
pub(super) struct PagedInCurrency {
    pub(super) paged: Paged,
    pub(super) currency: Option<Currency>,
}

impl FromQuery for PagedInCurrency {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            paged: Paged::from_query(parameters),
            currency: read_currency(parameters),
        }
    }
}

/// Lists published collections in the order in which they were made.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
    ),
    responses(
        (status = 200, description = "a page of collections", body = Page<Collection>),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
    )
)]
#[get("/collections")]
pub(super) async fn list_collections(
    service: web::Data<Service>,
    spoken: Query<Spoken<Paged>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Spoken { query, locale } = spoken.into_inner();
    let language = service.language(locale)?;
    let page = service
        .list_public_collections(query.limit, query.cursor, &language)
        .await?;
    cacheable(&request, &language.locale, EDITED, &page)
}

/// Shows a published collection.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("id" = String, Path, description = "id, or handle in whatever language"),
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
    ),
    responses(
        (status = 200, description = "the collection", body = PublicCollection),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 404, description = "unknown, or not published", body = ProblemSchema),
    )
)]
#[get("/collections/{id}")]
pub(super) async fn get_collection(
    service: web::Data<Service>,
    id: Path<String>,
    spoken: Query<Spoken<NoParameters>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let language = service.language(spoken.into_inner().locale)?;
    let locale = language.locale.clone();
    let reference = CollectionReference::parse(&id);
    let found = service.find_public_collection(reference, language).await?;
    cacheable(&request, &locale, EDITED, &found)
}

/// Lists the active products of a published collection in its own order. `GET /products?collection=` filters and sorts
/// them.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("id" = String, Path, description = "id, or handle in whatever language"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
        ("currency" = Option<String>, Query, description = "in which prices are shown; the shop's own where it is not given"),
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
    ),
    responses(
        (status = 200, description = "a page of products", body = Page<Product>),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 404, description = "unknown, or not published", body = ProblemSchema),
    )
)]
#[get("/collections/{id}/products")]
pub(super) async fn list_collection_products(
    service: web::Data<Service>,
    id: Path<String>,
    spoken: Query<Spoken<PagedInCurrency>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Spoken { query, locale } = spoken.into_inner();
    let language = service.language(locale)?;
    let locale = language.locale.clone();
    let PagedInCurrency { paged, currency } = query;
    let reference = CollectionReference::parse(&id);
    let page = service
        .list_collection_products(reference, paged.limit, paged.cursor, currency, language)
        .await?;
    cacheable(&request, &locale, SOLD, &page)
}

/// Lists all collections in the order in which they were made.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of collections", body = Page<AdminCollection>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/collections")]
pub(super) async fn list_admin_collections(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_collections(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Adds a collection: filled by its rule at once, or by hand where it has none.
#[utoipa::path(
    tag = "Administration",
    request_body = NewCollection,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the collection", body = CollectionDetail),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another collection has the handle", body = ProblemSchema),
        (status = 422, description = "a field is wrong, or there are too many rules", body = ProblemSchema),
    )
)]
#[post("/admin/collections")]
pub(super) async fn create_collection(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewCollection>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_collection", staff.0.user, &[body.bytes()]);
    let answer = service.create_collection(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/collections/{id}")))
}

/// Shows any collection, with the products that were chosen by hand.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the collection's id")),
    responses(
        (status = 200, description = "the collection; its ETag is the version to edit", body = CollectionDetail),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/collections/{id}")]
pub(super) async fn get_admin_collection(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CollectionId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_collection(*id).await?;
    Ok(versioned(found.collection.version, &found))
}

/// Changes a collection: a merge patch. A new rule fills it anew at once.
#[utoipa::path(
    tag = "Administration",
    request_body = CollectionPatch,
    params(
        ("id" = String, Path, description = "the collection's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the collection", body = CollectionDetail),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another collection has the handle", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/collections/{id}")]
pub(super) async fn update_collection(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CollectionId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<CollectionPatch>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_collection(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.collection.version, &changed))
}

/// Removes a collection. Its products stay.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the collection's id"),
        ("If-Match" = String, Header, description = "the version you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
    )
)]
#[delete("/admin/collections/{id}")]
pub(super) async fn delete_collection(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CollectionId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_collection(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Chooses the products of a collection without a rule: all of them, in their order.
#[utoipa::path(
    tag = "Administration",
    request_body = ChosenProducts,
    params(
        ("id" = String, Path, description = "the collection's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the collection", body = CollectionDetail),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a product is unknown or comes twice, or a rule decides (`not_allowed`)", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[put("/admin/collections/{id}/products")]
pub(super) async fn update_collection_products(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CollectionId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<ChosenProducts>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .choose_products(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.collection.version, &changed))
}

/// Tells how many products a rule would fill the collection with. Changes nothing, and therefore takes no
/// `Idempotency-Key`.
#[utoipa::path(
    tag = "Administration",
    request_body = PreviewedRule,
    params(("id" = String, Path, description = "the collection's id")),
    responses(
        (status = 200, description = "how many products there are", body = CollectionPreview),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 422, description = "the rule is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/collections/{id}/preview")]
pub(super) async fn show_collection_preview(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CollectionId>,
    _: Query<NoParameters>,
    body: Json<PreviewedRule>,
) -> Result<HttpResponse, Problem> {
    let preview = service.preview_rule(*id, body.into_inner().rule).await?;
    Ok(private(HttpResponse::Ok(), &preview))
}
