//! The tree of categories, for visitors and staff.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, version_tag};
use kernel::id::CategoryId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;

use super::spoken::Spoken;
use super::{EDITED, cacheable, private};
use crate::domain::category::{Category, CategoryDetail, CategoryList, CategoryPatch, CategoryTree, NewCategory};
use crate::domain::draft::CategoryReference;
use crate::service::Service;

/// Shows all categories as a tree.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
    ),
    responses(
        (status = 200, description = "the tree", body = CategoryTree),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
    )
)]
#[get("/categories")]
pub(super) async fn list_categories(
    service: web::Data<Service>,
    spoken: Query<Spoken<NoParameters>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let language = service.language(spoken.into_inner().locale)?;
    let locale = language.locale.clone();
    let tree = service.category_tree(language).await?;
    cacheable(&request, &locale, EDITED, &*tree)
}

/// Shows a category.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("id" = String, Path, description = "id, or handle in whatever language"),
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
    ),
    responses(
        (status = 200, description = "the category", body = CategoryDetail),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/categories/{id}")]
pub(super) async fn get_category(
    service: web::Data<Service>,
    id: Path<String>,
    spoken: Query<Spoken<NoParameters>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let language = service.language(spoken.into_inner().locale)?;
    let locale = language.locale.clone();
    let category = service.find_category(CategoryReference::parse(&id), language).await?;
    cacheable(&request, &locale, EDITED, &category)
}

/// Lists all categories with their versions.
#[utoipa::path(
    tag = "Administration",
    responses(
        (status = 200, description = "all categories", body = CategoryList),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/categories")]
pub(super) async fn list_admin_categories(
    _: Staff,
    service: web::Data<Service>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let data = service.list_categories().await?;
    Ok(private(HttpResponse::Ok(), &CategoryList { data }))
}

/// Adds a category.
#[utoipa::path(
    tag = "Administration",
    request_body = NewCategory,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the category", body = Category),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another category has the handle, or the name below the same parent", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
    )
)]
#[post("/admin/categories")]
pub(super) async fn create_category(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewCategory>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_category", staff.0.user, &[body.bytes()]);
    let answer = service.create_category(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/categories/{id}")))
}

/// Renames, moves or reorders a category: a merge patch. Everything below goes with it.
#[utoipa::path(
    tag = "Administration",
    request_body = CategoryPatch,
    params(
        ("id" = String, Path, description = "the category's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the category", body = Category),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another category has the handle, or the name below the same parent", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/categories/{id}")]
pub(super) async fn update_category(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CategoryId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<CategoryPatch>,
) -> Result<HttpResponse, Problem> {
    let category = service
        .update_category(*id, body.into_inner(), condition.required()?)
        .await?;
    let mut response = HttpResponse::Ok();
    response.insert_header(version_tag(category.version));
    Ok(private(response, &category))
}

/// Removes a category that has neither products nor other categories.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the category's id"),
        ("If-Match" = String, Header, description = "the version you have seen"),
    ),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`in_use`: it has products or other categories", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
    )
)]
#[delete("/admin/categories/{id}")]
pub(super) async fn delete_category(
    _: Staff,
    service: web::Data<Service>,
    id: Path<CategoryId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_category(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}
