//! The catalogue as a file.

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpResponse, get};
use futures_util::{StreamExt, stream};
use kernel::http::{FromQuery, Query, QueryParameters};
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Fault, Problem};

use crate::import::ExportFormat;
use crate::service::{ExportPage, Service};

/// How to export.
pub(super) struct Options {
    format: ExportFormat,
}

impl FromQuery for Options {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        const FORMATS: [(&str, ExportFormat); 2] =
            [("ndjson", ExportFormat::Ndjson), ("shopify", ExportFormat::ShopifyCsv)];
        Self {
            format: parameters.choice("format", &FORMATS).unwrap_or_default(),
        }
    }
}

/// Downloads all products, of every status, as a file that an import reads back. It is written while it is read: an answer
/// that breaks off is not the whole catalogue, and products that change meanwhile are in it as they were or as they are.
#[utoipa::path(
    tag = "Administration",
    params(
        ("format" = Option<String>, Query, description = "ndjson, which has everything (the default), or shopify: Shopify's \
            product CSV"),
    ),
    responses(
        (status = 200, description = "the file", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/products/export")]
pub(super) async fn get_product_export(
    _: Staff,
    service: web::Data<Service>,
    options: Query<Options>,
) -> Result<HttpResponse, Problem> {
    let format = options.format;
    let (media_type, name) = match format {
        ExportFormat::Ndjson => ("application/x-ndjson", "products.ndjson"),
        ExportFormat::ShopifyCsv => ("text/csv; charset=utf-8", "products.csv"),
    };
    // Read before anything is answered: most of what can go wrong is still a problem then.
    let ExportPage { text, last, .. } = service.export_page(format, None).await?;
    let rest = stream::try_unfold(last, move |after| {
        let service = service.clone();
        async move {
            let Some(after) = after else { return Ok(None) };
            let page = service.export_page(format, Some(after)).await?;
            Ok::<_, Fault>(Some((Bytes::from(page.text), page.last)))
        }
    });
    let first = stream::iter([Ok(Bytes::from(text))]);
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(first.chain(rest)))
}
