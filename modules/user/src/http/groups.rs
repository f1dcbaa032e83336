//! `/admin/customer-groups`.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, delete, get, patch, post};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query, version_tag};
use kernel::id::CustomerGroupId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::{ListQuery, private};
use crate::domain::group::{CustomerGroup, CustomerGroupPatch, NewCustomerGroup};
use crate::service::{GROUP_LIST, Service};

/// The groups of customers, in the order in which they were made.
#[utoipa::path(
    tag = "admin",
    operation_id = "list_customer_groups",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, else 20"),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "A page of groups", body = Page<CustomerGroup>),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[get("/admin/customer-groups")]
pub(super) async fn list_groups(
    service: Data<Service>,
    _: Staff,
    query: Query<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let list = query.into_inner();
    let after = list.after(&service.cursors, GROUP_LIST)?;
    let page = service.groups(after, list.limit).await?;
    Ok(private(StatusCode::OK).json(page))
}

/// Adds a group of customers. Accounts are put into it by `PATCH /admin/users/{id}`.
#[utoipa::path(
    tag = "admin",
    operation_id = "create_customer_group",
    request_body = NewCustomerGroup,
    params(("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 201, description = "The group", body = CustomerGroup, headers(("ETag" = String), ("Location" = String))),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another group has the name", body = ProblemSchema),
        (status = 422, description = "Fields are wrong", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[post("/admin/customer-groups")]
pub(super) async fn create_group(
    service: Data<Service>,
    staff: Staff,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewCustomerGroup>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_customer_group", staff.0.user, &[body.bytes()]);
    let answer = service.add_group(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/customer-groups/{id}")))
}

/// One group of customers.
#[utoipa::path(
    tag = "admin",
    operation_id = "get_customer_group",
    params(("id" = CustomerGroupId, Path)),
    responses(
        (status = 200, description = "The group; its version is the ETag", body = CustomerGroup),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
        (status = 404, description = "Unknown", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[get("/admin/customer-groups/{id}")]
pub(super) async fn get_group(
    service: Data<Service>,
    _: Staff,
    id: Path<CustomerGroupId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    Ok(answer(service.group(id.into_inner()).await?))
}

/// Renames a group of customers: a merge patch.
#[utoipa::path(
    tag = "admin",
    operation_id = "update_customer_group",
    request_body = CustomerGroupPatch,
    params(
        ("id" = CustomerGroupId, Path),
        ("If-Match" = String, Header, description = "the version that is edited"),
    ),
    responses(
        (status = 200, description = "The group after the change", body = CustomerGroup),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
        (status = 404, description = "Unknown", body = ProblemSchema),
        (status = 409, description = "`already_taken`: another group has the name", body = ProblemSchema),
        (status = 412, description = "The group has changed since it was read", body = ProblemSchema),
        (status = 422, description = "Fields are wrong", body = ProblemSchema),
        (status = 428, description = "`If-Match` is missing", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[patch("/admin/customer-groups/{id}")]
pub(super) async fn update_group(
    service: Data<Service>,
    _: Staff,
    id: Path<CustomerGroupId>,
    condition: IfMatch,
    body: Json<CustomerGroupPatch>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let group = service
        .change_group(id.into_inner(), body.into_inner(), condition.required()?)
        .await?;
    Ok(answer(group))
}

/// Removes a group of customers to which nobody belongs. Price lists for it then hold for nobody.
#[utoipa::path(
    tag = "admin",
    operation_id = "delete_customer_group",
    params(
        ("id" = CustomerGroupId, Path),
        ("If-Match" = Option<String>, Header, description = "the version that you have seen"),
    ),
    responses(
        (status = 204, description = "Gone"),
        (status = 403, description = "Not an administrator", body = ProblemSchema),
        (status = 404, description = "Unknown", body = ProblemSchema),
        (status = 409, description = "`in_use`: accounts belong to the group", body = ProblemSchema),
        (status = 412, description = "The group has changed since it was read", body = ProblemSchema),
    ),
    security(("bearer" = [])),
)]
#[delete("/admin/customer-groups/{id}")]
pub(super) async fn delete_group(
    service: Data<Service>,
    _: Staff,
    id: Path<CustomerGroupId>,
    condition: IfMatch,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.remove_group(id.into_inner(), condition).await?;
    Ok(private(StatusCode::NO_CONTENT).finish())
}

fn answer(group: CustomerGroup) -> HttpResponse {
    private(StatusCode::OK)
        .insert_header(version_tag(group.version))
        .json(group)
}
