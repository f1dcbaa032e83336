//! What staff do to products and variants. A variant is edited as a part of its product: `If-Match` names the product's
//! version.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::{ProductId, VariantId};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;

use super::{private, versioned};
use crate::domain::draft::{NewProduct, NewVariant, ProductPatch, VariantPatch};
use crate::domain::filter::AdminListQuery;
use crate::domain::product::{AdminProduct, AdminVariant};
use crate::service::{ProductList, Service};

/// Lists products of every status. Takes the parameters of the public list, and `status`.
#[utoipa::path(
    tag = "Administration",
    params(
        ("status" = Option<Vec<String>>, Query, description = "active, draft, archived"),
        ("q" = Option<String>, Query, description = "words to search for"),
        ("category" = Option<Vec<String>>, Query, description = "id or handle"),
        ("collection" = Option<Vec<String>>, Query, description = "id or handle of a collection"),
        ("brand" = Option<Vec<String>>, Query, description = "a brand"),
        ("tag" = Option<Vec<String>>, Query, description = "a tag"),
        ("price_min" = Option<i64>, Query, description = "the lowest price, in minor units"),
        ("price_max" = Option<i64>, Query, description = "the highest price, in minor units"),
        ("in_stock" = Option<bool>, Query, description = "whether something of it can be bought now"),
        ("attr.colour" = Option<Vec<String>>, Query, description = "an attribute by its name, here `colour`"),
        ("sort" = Option<String>, Query, description = "relevance (with q), newest, price, -price, title or -title"),
        ("facets" = Option<String>, Query, description = "what to count"),
        ("highlight" = Option<bool>, Query, description = "whether each product has `highlights`: title and a part of the description as HTML, with what `q` has found in `<mark>`; needs `q`"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of products", body = ProductList<AdminProduct>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/products")]
pub(super) async fn list_admin_products(
    _: Staff,
    service: web::Data<Service>,
    query: Query<AdminListQuery>,
) -> Result<HttpResponse, Problem> {
    let list = service.list_admin(query.into_inner().0).await?;
    Ok(private(HttpResponse::Ok(), &list))
}

/// Adds a product.
#[utoipa::path(
    tag = "Administration",
    request_body = NewProduct,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the product", body = AdminProduct),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another product has the handle, SKU or external id", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/products")]
pub(super) async fn create_product(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewProduct>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("create_product", user, &[body.bytes()]);
    let answer = service.create_product(body.into_inner(), call, user).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/products/{id}")))
}

/// Shows a product of any status.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the product's id")),
    responses(
        (status = 200, description = "the product; its ETag is the version to edit", body = AdminProduct),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/products/{id}")]
pub(super) async fn get_admin_product(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let product = service.find_admin(*id).await?;
    Ok(versioned(product.version, &product))
}

/// Changes a product: a merge patch.
#[utoipa::path(
    tag = "Administration",
    request_body = ProductPatch,
    params(
        ("id" = String, Path, description = "the product's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the product", body = AdminProduct),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another product has the handle or external id", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/products/{id}")]
pub(super) async fn update_product(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<ProductPatch>,
) -> Result<HttpResponse, Problem> {
    let product = service
        .update_product(*id, body.into_inner(), condition.required()?, staff.0.user)
        .await?;
    Ok(versioned(product.version, &product))
}

/// Takes a product out of the catalogue. Orders keep what they know of it, and reservations stand.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the product's id"),
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
#[delete("/admin/products/{id}")]
pub(super) async fn delete_product(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_product(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Adds a variant to a product.
#[utoipa::path(
    tag = "Administration",
    request_body = NewVariant,
    params(
        ("id" = String, Path, description = "the product's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
        ("If-Match" = Option<String>, Header, description = "the version of the product"),
    ),
    responses(
        (status = 201, description = "the variant; its ETag is the product's version", body = AdminVariant),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown product", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another variant has the SKU", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the product", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/products/{id}/variants")]
pub(super) async fn create_variant(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<NewVariant>,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let call = key.call("create_variant", user, &[id.to_string().as_bytes(), body.bytes()]);
    let answer = service
        .create_variant(*id, body.into_inner(), condition, call, user)
        .await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/products/{product_id}")))
}

/// Changes a variant: a merge patch. Its stock is changed by adjustments.
#[utoipa::path(
    tag = "Administration",
    request_body = VariantPatch,
    params(
        ("id" = String, Path, description = "the variant's id"),
        ("If-Match" = String, Header, description = "the version of the product"),
    ),
    responses(
        (status = 200, description = "the variant", body = AdminVariant),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another variant has the SKU", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the product", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/variants/{id}")]
pub(super) async fn update_variant(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<VariantId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<VariantPatch>,
) -> Result<HttpResponse, Problem> {
    let variant = service
        .update_variant(*id, body.into_inner(), condition.required()?, staff.0.user)
        .await?;
    Ok(versioned(variant.version, &variant))
}

/// Takes a variant out of the catalogue.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the variant's id"),
        ("If-Match" = String, Header, description = "the version of the product"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the product", body = ProblemSchema),
    )
)]
#[delete("/admin/variants/{id}")]
pub(super) async fn delete_variant(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<VariantId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_variant(*id, condition, staff.0.user).await?;
    Ok(HttpResponse::NoContent().finish())
}
