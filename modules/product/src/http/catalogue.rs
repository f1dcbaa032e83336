//! What visitors see of products.

use actix_web::{HttpRequest, HttpResponse, get, web};
use kernel::http::{FromQuery, Path, Query, QueryParameters};
use kernel::identity::SignedIn;
use kernel::problem::ProblemSchema;
use kernel::{Currency, Problem};

use super::spoken::Spoken;
use super::{EDITED, SOLD, cacheable, private};
use crate::domain::filter::{PublicListQuery, read_currency};
use crate::domain::product::{OwnPrices, Product, ProductDetail, Suggestions};
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
        ("attr.colour" = Option<Vec<String>>, Query, description = "an attribute by its name, here `colour`; numbers also from one to another, both included: `10..20`, `10..`, `..20`"),
        ("sort" = Option<String>, Query, description = "relevance (with q), newest, price, -price, title or -title"),
        ("facets" = Option<String>, Query, description = "what to count: brand, category, price, attr.<name>, attr.<name>:ranges (an attribute's numbers by ranges); separated by commas"),
        ("highlight" = Option<bool>, Query, description = "whether each product has `highlights`: title and a part of the description as HTML, with what `q` has found in `<mark>`; needs `q`"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
        ("currency" = Option<String>, Query, description = "in which prices are shown, filtered, sorted and counted; the shop's own where it is not given. What is not sold in it comes last when sorted by price"),
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
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
    spoken: Query<Spoken<PublicListQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Spoken { query, locale } = spoken.into_inner();
    let language = service.language(locale)?;
    let list = service.list(query.0, &language).await?;
    cacheable(&request, &language.locale, SOLD, &list)
}

/// Shows an active product.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("id" = String, Path, description = "id, or handle in whatever language"),
        ("currency" = Option<String>, Query, description = "in which prices are shown; the shop's own where it is not given"),
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
    ),
    responses(
        (status = 200, description = "the product", body = ProductDetail),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 404, description = "unknown, or not on sale", body = ProblemSchema),
    )
)]
#[get("/products/{id}")]
pub(super) async fn get_product(
    service: web::Data<Service>,
    id: Path<String>,
    spoken: Query<Spoken<InCurrency>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Spoken { query, locale } = spoken.into_inner();
    let language = service.language(locale)?;
    let locale = language.locale.clone();
    let product = service.find(id.into_inner(), query.0, language).await?;
    cacheable(&request, &locale, SOLD, &product)
}

/// In which currency prices are shown.
pub(super) struct InCurrency(pub(super) Option<Currency>);

impl FromQuery for InCurrency {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self(read_currency(parameters))
    }
}

/// Shows what the variants of an active product cost the signed-in customer, whose group may have prices of its own. What
/// everybody pays is in the product itself.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("id" = String, Path, description = "id or handle"),
        ("currency" = Option<String>, Query, description = "in which prices are shown; the shop's own where it is not given"),
    ),
    responses(
        (status = 200, description = "the prices, nobody else's to see", body = OwnPrices),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 404, description = "unknown, or not on sale", body = ProblemSchema),
    ),
    security(("bearer" = []))
)]
#[get("/products/{id}/prices")]
pub(super) async fn get_product_prices(
    service: web::Data<Service>,
    who: SignedIn,
    id: Path<String>,
    shown: Query<InCurrency>,
) -> Result<HttpResponse, Problem> {
    let prices = service
        .own_prices(id.into_inner(), shown.into_inner().0, who.group)
        .await?;
    Ok(private(HttpResponse::Ok(), &prices))
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
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
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
    spoken: Query<Spoken<Typed>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Spoken { query, locale } = spoken.into_inner();
    let language = service.language(locale)?;
    let Typed { text, limit } = query;
    let suggestions = service.suggest(text, limit, &language).await?;
    cacheable(&request, &language.locale, EDITED, &suggestions)
}
