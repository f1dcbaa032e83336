//! Product types, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, IdempotencyKey, IfMatch, Json, Path, Query, QueryParameters};
use kernel::id::ProductTypeId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::{private, versioned};
use crate::domain::product_type::{NewProductType, ProductType, ProductTypePatch, Violation};
use crate::service::Service;

/// Which page of a list is wanted.
pub(super) struct Paged {
    pub(super) limit: i64,
    pub(super) cursor: Option<String>,
}

impl FromQuery for Paged {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}

/// Lists product types in the order in which they were made.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of product types", body = Page<ProductType>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/product-types")]
pub(super) async fn list_product_types(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_product_types(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Adds a product type.
#[utoipa::path(
    tag = "Administration",
    request_body = NewProductType,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the product type", body = ProductType),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another product type has the handle", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/product-types")]
pub(super) async fn create_product_type(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewProductType>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_product_type", staff.0.user, &[body.bytes()]);
    let answer = service.create_product_type(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/product-types/{id}")))
}

/// Shows a product type.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the product type's id")),
    responses(
        (status = 200, description = "the product type; its ETag is the version to edit", body = ProductType),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/product-types/{id}")]
pub(super) async fn get_product_type(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductTypeId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_product_type(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Changes a product type: a merge patch. Products stay as they are; those that do not satisfy it are listed as violations,
/// and have to when they are edited the next time.
#[utoipa::path(
    tag = "Administration",
    request_body = ProductTypePatch,
    params(
        ("id" = String, Path, description = "the product type's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the product type", body = ProductType),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another product type has the handle", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/product-types/{id}")]
pub(super) async fn update_product_type(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductTypeId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<ProductTypePatch>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_product_type(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Removes a product type that no product has.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the product type's id"),
        ("If-Match" = String, Header, description = "the version you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`in_use`: there are products of this type", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
    )
)]
#[delete("/admin/product-types/{id}")]
pub(super) async fn delete_product_type(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductTypeId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_product_type(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lists products that do not satisfy their type. At most 2,000 products are looked at for one page: it may have fewer rows
/// than `limit`, or none, and still have a next one.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the product type's id"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of products, each with what is wrong", body = Page<Violation>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/product-types/{id}/violations")]
pub(super) async fn list_product_type_violations(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductTypeId>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_violations(*id, limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}
