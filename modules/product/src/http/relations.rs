//! What is shown beside products, for visitors and staff.

use actix_web::{HttpRequest, HttpResponse, get, put, web};
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, IfMatch, Json, Path, Query, QueryParameters};
use kernel::id::ProductId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Currency, Problem};

use super::spoken::Spoken;
use super::{SOLD, cacheable, versioned};
use crate::domain::filter::read_currency;
use crate::domain::relation::{KINDS, NewRelations, RelatedProducts, RelationKind, Relations};
use crate::service::Service;

/// Which kinds of relations are wanted, all where none is named, and in which currency prices are shown.
pub(super) struct Kinds {
    kinds: Vec<RelationKind>,
    currency: Option<Currency>,
}

impl FromQuery for Kinds {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let mut kinds = Vec::new();
        for text in parameters.texts("kind") {
            match KINDS.iter().find(|(name, _)| *name == text) {
                Some((_, kind)) => kinds.push(*kind),
                None => {
                    let detail = "must be one of related, upsell, cross_sell, accessory";
                    parameters.refuse("kind", "unknown_value", detail);
                }
            }
        }
        Self {
            kinds,
            currency: read_currency(parameters),
        }
    }
}

/// Lists what is shown beside an active product: active ones, in the order that staff chose, as lists show them.
#[utoipa::path(
    tag = "Catalogue",
    params(
        ("id" = String, Path, description = "id, or handle in whatever language"),
        ("kind" = Option<Vec<RelationKind>>, Query, description = "related, upsell, cross_sell, accessory"),
        ("currency" = Option<String>, Query, description = "in which prices are shown; the shop's own where it is not given"),
        ("locale" = Option<String>, Query, description = "one of the shop's languages, as a BCP 47 tag; its own where it is not given"),
    ),
    responses(
        (status = 200, description = "the products", body = RelatedProducts),
        (status = 304, description = "as you have it"),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 404, description = "unknown, or not on sale", body = ProblemSchema),
    )
)]
#[get("/products/{id}/related")]
pub(super) async fn list_related_products(
    service: web::Data<Service>,
    id: Path<String>,
    spoken: Query<Spoken<Kinds>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Spoken { query, locale } = spoken.into_inner();
    let language = service.language(locale)?;
    let locale = language.locale.clone();
    let Kinds { kinds, currency } = query;
    let found = service.list_related(id.into_inner(), kinds, currency, language).await?;
    cacheable(&request, &locale, SOLD, &found)
}

/// Shows what stands beside a product, whatever its status.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the product's id")),
    responses(
        (status = 200, description = "the relations; their ETag is the product's version", body = Relations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/products/{id}/related")]
pub(super) async fn get_related_products(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let found = service.find_relations(*id).await?;
    Ok(versioned(found.version, &found))
}

/// Decides what stands beside a product: all of it, in its order.
#[utoipa::path(
    tag = "Administration",
    request_body = NewRelations,
    params(
        ("id" = String, Path, description = "the product's id"),
        ("If-Match" = String, Header, description = "the version of the product"),
    ),
    responses(
        (status = 200, description = "the relations", body = Relations),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the product", body = ProblemSchema),
        (status = 422, description = "a product is unknown, comes twice or is the product itself", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[put("/admin/products/{id}/related")]
pub(super) async fn update_related_products(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<NewRelations>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_relations(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}
