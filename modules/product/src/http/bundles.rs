//! What bundles consist of, for staff. A bundle is edited as a part of its product.

use actix_web::{HttpResponse, put, web};
use kernel::Problem;
use kernel::http::query::NoParameters;
use kernel::http::{IfMatch, Json, Path, Query};
use kernel::id::VariantId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;

use super::versioned;
use crate::domain::bundle::NewComponents;
use crate::domain::product::AdminVariant;
use crate::service::Service;

/// Decides what a variant consists of: all of it, in its order. A bundle takes the stock of its components and has none of
/// its own; with no components the variant is no bundle any more.
#[utoipa::path(
    tag = "Administration",
    request_body = NewComponents,
    params(
        ("id" = String, Path, description = "the variant's id"),
        ("If-Match" = String, Header, description = "the version of the product"),
    ),
    responses(
        (status = 200, description = "the variant; its ETag is the product's version", body = AdminVariant),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`has_stock`: the variant has or had stock, promises or terms of its own; `in_use`: a bundle consists of it", body = ProblemSchema),
        (status = 412, description = "somebody else has changed the product", body = ProblemSchema),
        (status = 422, description = "a component is unknown, comes twice, is a bundle or the variant itself", body = ProblemSchema),
        (status = 428, description = "If-Match is missing", body = ProblemSchema),
    )
)]
#[put("/admin/variants/{id}/components")]
pub(super) async fn update_components(
    _: Staff,
    service: web::Data<Service>,
    id: Path<VariantId>,
    _: Query<NoParameters>,
    condition: IfMatch,
    body: Json<NewComponents>,
) -> Result<HttpResponse, Problem> {
    let changed = service
        .update_components(*id, body.into_inner(), condition.required()?)
        .await?;
    Ok(versioned(changed.version, &changed))
}
