//! What visitors see of products.

use actix_web::{HttpRequest, HttpResponse, get, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, Path, Query, QueryParameters};
use kernel::problem::ProblemSchema;

use super::{EDITED, SOLD, cacheable};
use crate::domain::filter::ListQuery;
use crate::domain::product::{Product, Suggestions};
use crate::service::{ProductList, Service};

/// Lists active products. Repeated parameters are alternatives, different ones narrow each other; `attr.<name>=<value>`
/// filters by an attribute.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("q" = Option<String>, Query, description = "words to search for, at most 200 characters; SKUs and barcodes are found too"),
        ("category" = Option<Vec<String>>, Query, description = "id or handle; everything below it is shown too"),
        ("collection" = Option<Vec<String>>, Query, description = "id or handle of a collection"),
        ("brand" = Option<Vec<String>>, Query, description = "a brand"),
        ("tag" = Option<Vec<String>>, Query, description = "a tag"),
        ("price_min" = Option<i64>, Query, description = "the lowest price, in minor units"),
        ("price_max" = Option<i64>, Query, description = "the highest price, in minor units"),
        ("in_stock" = Option<bool>, Query, description = "whether something of it can be bought now"),
        ("attr.colour" = Option<Vec<String>>, Query, description = "an attribute by its name, here `colour`"),
        ("sort" = Option<String>, Query, description = "relevance (with q), newest, price, -price, title or -title"),
        ("facets" = Option<String>, Query, description = "what to count: brand, category, price, attr.<name>; separated by commas"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of products", body = ProductList<Product>),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
    )
)]
#[get("/products")]
pub(super) async fn list_products(
    service: web::Data<Service>,
    query: Query<ListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let list = service.list(query.into_inner()).await?;
    cacheable(&request, SOLD, &list)
}

/// Shows an active product.
#[utoipa::path(
    tag = "Catalogue",
    params(("id" = String, Path, description = "id or handle")),
    responses(
        (status = 200, description = "the product", body = Product),
        (status = 304, description = "as you have it"),
        (status = 404, description = "unknown, or not on sale", body = ProblemSchema),
    )
)]
#[get("/products/{id}")]
pub(super) async fn get_product(
    service: web::Data<Service>,
    id: Path<String>,
    _: Query<NoParameters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let product = service.find(id.into_inner()).await?;
    cacheable(&request, SOLD, &product)
}

/// What somebody has typed so far.
pub(super) struct Typed {
    text: String,
    limit: i64,
}

impl FromQuery for Typed {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let text = parameters.text("q");
        if text.is_none() {
            parameters.refuse("q", "required", "what has been typed so far");
        }
        Self {
            text: text.unwrap_or_default(),
            limit: parameters.integer("limit", 1..=20).unwrap_or(8),
        }
    }
}

/// Suggests searches, products and categories while somebody types.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("q" = String, Query, description = "what has been typed so far, at most 200 characters"),
        ("limit" = Option<i64>, Query, description = "of each kind, 1 to 20, 8 where it is not given"),
    ),
    responses(
        (status = 200, description = "suggestions", body = Suggestions),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
    )
)]
#[get("/products/suggest")]
pub(super) async fn suggest_products(
    service: web::Data<Service>,
    typed: Query<Typed>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Typed { text, limit } = typed.into_inner();
    let suggestions = service.suggest(text, limit).await?;
    cacheable(&request, EDITED, &suggestions)
}
