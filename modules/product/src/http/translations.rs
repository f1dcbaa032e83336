//! What staff say in other languages. A translation is edited as a part of what it translates: `If-Match` names that one's
//! version.

use actix_web::http::header;
use actix_web::{HttpResponse, delete, get, put, web};
use kernel::http::query::NoParameters;
use kernel::http::{IfMatch, Json, Path, Query, version_tag};
use kernel::id::{CategoryId, CollectionId, ProductId};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Locale, Problem};

use super::versioned;
use crate::domain::translation::{
    CategoryTranslation, CategoryTranslations, CollectionTranslation, CollectionTranslations, ProductTranslation,
    ProductTranslations,
};
use crate::service::Service;

/// Shows what is said of a product in other languages.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the product's id")),
    responses(
        (status = 200, description = "the translations; their ETag is the product's version", body = ProductTranslations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/products/{id}/translations")]
pub(super) async fn list_product_translations(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_product_translations(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Says what a product is called in a language: the whole translation. What it leaves out falls back.
#[utoipa::path(
    tag = "Administration",
    request_body = ProductTranslation,
    params(
        ("id" = String, Path, description = "the product's id"),
        ("locale" = String, Path, description = "a BCP 47 language tag, one of `shop.locales`"),
        ("If-Match" = String, Header, description = "the version of the product"),
    ),
    responses(
        (status = 200, description = "all translations", body = ProductTranslations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or no language tag", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another product has the handle, in this language or as its own", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the product", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `unknown_locale`: the shop does not speak the language; `base_locale`: it is the shop's own", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[put("/admin/products/{id}/translations/{locale}")]
pub(super) async fn update_product_translation(
    _: Staff,
    service: web::Data<Service>,
    path: Path<(ProductId, Locale)>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<ProductTranslation>,
) -> Result<HttpResponse, Problem> {
    let (id, locale) = path.into_inner();
    let changed = service
        .translate_product(id, locale, Some(body.into_inner()), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Takes back what is said of a product in a language, which may be one that the shop no longer speaks.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the product's id"),
        ("locale" = String, Path, description = "a BCP 47 language tag"),
        ("If-Match" = String, Header, description = "the version of the product that you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone; the ETag is the new version of the product"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or not translated into the language", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the product", body = ProblemSchema),
    )
)]
#[delete("/admin/products/{id}/translations/{locale}")]
pub(super) async fn delete_product_translation(
    _: Staff,
    service: web::Data<Service>,
    path: Path<(ProductId, Locale)>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    let (id, locale) = path.into_inner();
    let changed = service.translate_product(id, locale, None, condition).await?;
    Ok(gone(changed.version))
}

/// Shows what is said of a category in other languages.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the category's id")),
    responses(
        (status = 200, description = "the translations; their ETag is the category's version", body = CategoryTranslations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/categories/{id}/translations")]
pub(super) async fn list_category_translations(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CategoryId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_category_translations(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Says what a category is called in a language: the whole translation. What it leaves out falls back.
#[utoipa::path(
    tag = "Administration",
    request_body = CategoryTranslation,
    params(
        ("id" = String, Path, description = "the category's id"),
        ("locale" = String, Path, description = "a BCP 47 language tag, one of `shop.locales`"),
        ("If-Match" = String, Header, description = "the version of the category"),
    ),
    responses(
        (status = 200, description = "all translations", body = CategoryTranslations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or no language tag", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another category has the handle, in this language or as its own", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the category", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `unknown_locale`: the shop does not speak the language; `base_locale`: it is the shop's own", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[put("/admin/categories/{id}/translations/{locale}")]
pub(super) async fn update_category_translation(
    _: Staff,
    service: web::Data<Service>,
    path: Path<(CategoryId, Locale)>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<CategoryTranslation>,
) -> Result<HttpResponse, Problem> {
    let (id, locale) = path.into_inner();
    let changed = service
        .translate_category(id, locale, Some(body.into_inner()), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Takes back what is said of a category in a language, which may be one that the shop no longer speaks.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the category's id"),
        ("locale" = String, Path, description = "a BCP 47 language tag"),
        ("If-Match" = String, Header, description = "the version of the category that you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone; the ETag is the new version of the category"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or not translated into the language", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the category", body = ProblemSchema),
    )
)]
#[delete("/admin/categories/{id}/translations/{locale}")]
pub(super) async fn delete_category_translation(
    _: Staff,
    service: web::Data<Service>,
    path: Path<(CategoryId, Locale)>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    let (id, locale) = path.into_inner();
    let changed = service.translate_category(id, locale, None, condition).await?;
    Ok(gone(changed.version))
}

/// Shows what is said of a collection in other languages.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the collection's id")),
    responses(
        (status = 200, description = "the translations; their ETag is the collection's version", body = CollectionTranslations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/collections/{id}/translations")]
pub(super) async fn list_collection_translations(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CollectionId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_collection_translations(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Says what a collection is called in a language: the whole translation. What it leaves out falls back.
#[utoipa::path(
    tag = "Administration",
    request_body = CollectionTranslation,
    params(
        ("id" = String, Path, description = "the collection's id"),
        ("locale" = String, Path, description = "a BCP 47 language tag, one of `shop.locales`"),
        ("If-Match" = String, Header, description = "the version of the collection"),
    ),
    responses(
        (status = 200, description = "all translations", body = CollectionTranslations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or no language tag", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another collection has the handle, in this language or as its own", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the collection", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `unknown_locale`: the shop does not speak the language; `base_locale`: it is the shop's own", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[put("/admin/collections/{id}/translations/{locale}")]
pub(super) async fn update_collection_translation(
    _: Staff,
    service: web::Data<Service>,
    path: Path<(CollectionId, Locale)>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<CollectionTranslation>,
) -> Result<HttpResponse, Problem> {
    let (id, locale) = path.into_inner();
    let changed = service
        .translate_collection(id, locale, Some(body.into_inner()), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Takes back what is said of a collection in a language, which may be one that the shop no longer speaks.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the collection's id"),
        ("locale" = String, Path, description = "a BCP 47 language tag"),
        ("If-Match" = String, Header, description = "the version of the collection that you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone; the ETag is the new version of the collection"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or not translated into the language", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the collection", body = ProblemSchema),
    )
)]
#[delete("/admin/collections/{id}/translations/{locale}")]
pub(super) async fn delete_collection_translation(
    _: Staff,
    service: web::Data<Service>,
    path: Path<(CollectionId, Locale)>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    let (id, locale) = path.into_inner();
    let changed = service.translate_collection(id, locale, None, condition).await?;
    Ok(gone(changed.version))
}

fn gone(version: i64) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header(version_tag(version))
        .finish()
}
