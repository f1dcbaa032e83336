//! What variants have cost, for staff.

use actix_web::{HttpResponse, get, web};
use kernel::Problem;
use kernel::http::{Path, Query};
use kernel::id::VariantId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;

use super::collections::PagedInCurrency;
use super::private;
use crate::domain::price_history::PastPrice;
use crate::service::Service;

/// Lists what one of a variant has cost everybody, newest first: what is charged now, and what was before, whoever changed
/// it or whichever price list. Prices that ended more than 90 days ago are forgotten, but for the newest; prices of groups
/// are not among them.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the variant's id"),
        ("currency" = Option<String>, Query, description = "of which prices; the shop's own where it is not given"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of prices; none where the variant was never sold in the currency", body = Page<PastPrice>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/variants/{id}/price-history")]
pub(super) async fn list_price_history(
    _: Staff,
    service: web::Data<Service>,
    id: Path<VariantId>,
    wanted: Query<PagedInCurrency>,
) -> Result<HttpResponse, Problem> {
    let PagedInCurrency { paged, currency } = wanted.into_inner();
    let page = service
        .list_price_history(*id, currency, paged.limit, paged.cursor)
        .await?;
    Ok(private(HttpResponse::Ok(), &page))
}
