//! What staff say of words, for the search.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, get, patch, post, put, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, IfMatch, Json, Path, Query};
use kernel::id::SynonymsId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::product_types::Paged;
use super::{private, versioned};
use crate::domain::search_settings::{NewStopWords, NewSynonyms, StopWords, Synonyms, SynonymsPatch};
use crate::service::Service;

/// Lists groups of synonyms in the order in which they were made.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of groups", body = Page<Synonyms>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/search/synonyms")]
pub(super) async fn list_search_synonyms(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_synonyms(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Adds a group of synonyms: whoever searches for one of its terms finds the others too, a little further behind. With
/// `one_way_from` only whoever searches for that does. Terms are compared as the search compares words, and may stand
/// anywhere in a question; what a synonym has for synonyms is not looked for. Searches go by it when this is answered, in other
/// processes within a second.
#[utoipa::path(
    tag = "Administration",
    request_body = NewSynonyms,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 201, description = "the group", body = Synonyms),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong; `no_word`: a term has no word; `duplicate`: two terms are one to the search; `too_many`: a shop has at most 1,000 groups", body = ProblemSchema),
    )
)]
#[post("/admin/search/synonyms")]
pub(super) async fn create_search_synonyms(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewSynonyms>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_search_synonyms", staff.0.user, &[body.bytes()]);
    let answer = service.create_synonyms(body.into_inner(), call).await?;
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/search/synonyms/{id}")))
}

/// Shows a group of synonyms.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the group's id")),
    responses(
        (status = 200, description = "the group; its ETag is the version to edit", body = Synonyms),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/search/synonyms/{id}")]
pub(super) async fn get_search_synonyms(
    _: Staff,
    service: web::Data<Service>,
    id: Path<SynonymsId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_synonyms(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Changes a group of synonyms: a merge patch.
#[utoipa::path(
    tag = "Administration",
    request_body = SynonymsPatch,
    params(
        ("id" = String, Path, description = "the group's id"),
        ("If-Match" = String, Header, description = "the version you edit"),
    ),
    responses(
        (status = 200, description = "the group", body = Synonyms),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[patch("/admin/search/synonyms/{id}")]
pub(super) async fn update_search_synonyms(
    _: Staff,
    service: web::Data<Service>,
    id: Path<SynonymsId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<SynonymsPatch>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_synonyms(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}

/// Removes a group of synonyms.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the group's id"),
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
#[delete("/admin/search/synonyms/{id}")]
pub(super) async fn delete_search_synonyms(
    _: Staff,
    service: web::Data<Service>,
    id: Path<SynonymsId>,
    _: Query<NoParameters>,
    condition: IfMatch,
) -> Result<HttpResponse, Problem> {
    service.delete_synonyms(*id, condition).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Shows the stop words.
#[utoipa::path(
    tag = "Administration",
    responses(
        (status = 200, description = "the stop words; their ETag is the version to edit", body = StopWords),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/search/stop-words")]
pub(super) async fn get_stop_words(
    _: Staff,
    service: web::Data<Service>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_stop_words().await?;
    Ok(versioned(found.version, &found))
}

/// Replaces the stop words: words that a search does not require and hardly counts, unless it has no others. They are kept in
/// lower case and without accents. Searches go by them when this is answered, in other processes within a second.
#[utoipa::path(
    tag = "Administration",
    request_body = NewStopWords,
    params(("If-Match" = String, Header, description = "the version you edit")),
    responses(
        (status = 200, description = "the stop words", body = StopWords),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 412, description = "somebody else has changed them", body = ProblemSchema),
        (status = 422, description = "a word is wrong; `too_many_words`: it is several; `duplicate`: it is there already", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[put("/admin/search/stop-words")]
pub(super) async fn update_stop_words(
    _: Staff,
    service: web::Data<Service>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<NewStopWords>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_stop_words(body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}
