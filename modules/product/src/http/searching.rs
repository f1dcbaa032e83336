//! The search, for staff.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IdempotencyKey, Path, Query};
use kernel::id::ProductId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::private;
use super::product_types::Paged;
use crate::domain::searching::{MissQuery, ParkedProduct, SearchMiss};
use crate::service::Service;

/// Lists products that the search index could not take, in the order in which they were made. No list shows them.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of parked products", body = Page<ParkedProduct>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/search/parked")]
pub(super) async fn list_parked_products(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_parked(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Has every process try once more to index a parked product. One that can be indexed is not listed any more.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the product's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 202, description = "it will be tried; why it was parked until now", body = ParkedProduct),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or not parked", body = ProblemSchema),
    )
)]
#[post("/admin/search/parked/{id}/retry")]
pub(super) async fn retry_parked_product(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    _: Query<NoParameters>,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let call = key.call("retry_parked_product", staff.0.user, &[id.to_string().as_bytes()]);
    let answer = service.retry_parked(*id, call).await?;
    Ok(answer.respond(StatusCode::ACCEPTED, None))
}

/// Lists what visitors searched for and nothing was found, the most frequent first. A few seconds late; searches that may
/// tell of a person are not noted, nor are those that a cache has answered.
#[utoipa::path(
    tag = "Administration",
    params(
        ("days" = Option<i64>, Query, description = "how many days (UTC) until today count, 1 to 30, 30 where it is not given"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of searches", body = Page<SearchMiss>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/search/misses")]
pub(super) async fn list_search_misses(
    _: Staff,
    service: web::Data<Service>,
    query: Query<MissQuery>,
) -> Result<HttpResponse, Problem> {
    let page = service.list_misses(query.into_inner()).await?;
    Ok(private(HttpResponse::Ok(), &page))
}
