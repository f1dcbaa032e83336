//! What staff say of searches: which products come first, earlier or last.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::SearchRuleId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::product_types::Paged;
use super::{private, versioned};
use crate::domain::search_rule::{NewSearchRule, SearchRule, SearchRulePatch};
use crate::service::Service;

/// Lists rules in the order in which they were made.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of rules", body = Page<SearchRule>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/search/rules")]
pub(super) async fn list_search_rules(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_search_rules(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Adds a rule: for questions that are `query`, or have its words in a row, compared as the search compares words, `pins` come
/// first in their order, whether they are written so or not; they are found and counted like all others, as far as the list's
/// filters allow. `boosts` come before all others that are found, `buries` after them. Only lists by relevance have that order.
/// Where several rules hold, the exact ones come first, then those with the longest queries, equal ones by age; the first that
/// names a product decides about it, and at most ten are looked at. Searches go by it when this is answered, in other processes
/// within a second.
#[utoipa::path(
    tag = "Administration",
    request_body = NewSearchRule,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the rule", body = SearchRule),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `no_word`: the query has no word; `not_found`: there is no such product; `duplicate`: a product comes twice; `too_many`: a shop has at most 1,000 rules", body = ProblemSchema),
    )
)]
#[post("/admin/search/rules")]
pub(super) async fn create_search_rule(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewSearchRule>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_search_rule", staff.0.user, &[body.bytes()]);
    let answer = service.create_search_rule(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/search/rules/{id}")))
}

/// Shows a rule.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the rule's id")),
    responses(
        (status = 200, description = "the rule; its ETag is the version to edit", body = SearchRule),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/search/rules/{id}")]
pub(super) async fn get_search_rule(
    _: Staff,
    service: web::Data<Service>,
    id: Path<SearchRuleId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_search_rule(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Changes a rule: a merge patch.
#[utoipa::path(
    tag = "Administration",
    request_body = SearchRulePatch,
    params(
        ("id" = String, Path, description = "the rule's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the rule", body = SearchRule),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/search/rules/{id}")]
pub(super) async fn update_search_rule(
    _: Staff,
    service: web::Data<Service>,
    id: Path<SearchRuleId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<SearchRulePatch>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_search_rule(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Removes a rule.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the rule's id"),
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
#[delete("/admin/search/rules/{id}")]
pub(super) async fn delete_search_rule(
    _: Staff,
    service: web::Data<Service>,
    id: Path<SearchRuleId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_search_rule(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}
