//! The catalogue as a file: at once, or made in the background and downloaded in as many parts as it takes.

use actix_web::body::SizedStream;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, delete, get, post};
use futures_util::{StreamExt, stream};
use kernel::http::precondition::has_tag;
use kernel::http::query::NoParameters;
use kernel::http::range;
use kernel::http::{FromQuery, IdempotencyKey, Json, Path, Query, QueryParameters};
use kernel::id::ExportId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;
use kernel::{Fault, Problem};
use serde::Deserialize;
use utoipa::ToSchema;

use super::private;
use super::product_types::Paged;
use crate::import::{ExportFormat, ExportJob};
use crate::service::{ExportPage, Service};

/// How to export.
pub(super) struct Options {
    format: ExportFormat,
}

impl FromQuery for Options {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            format: parameters.choice("format", &ExportFormat::NAMES).unwrap_or_default(),
        }
    }
}

/// An export to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewExport {
    format: ExportFormat,
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
    let mut response = HttpResponse::Ok();
    describe(&mut response, format);
    Ok(response.streaming(first.chain(rest)))
}

/// Makes a file of all products, of every status, in the background: one that an import reads back. It is made though
/// processes die meanwhile; products that change are in it as they were or as they are. Exports are made one after the other,
/// in the order in which they were asked for.
#[utoipa::path(
    tag = "Administration",
    request_body = NewExport,
    params(("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe")),
    responses(
        (status = 202, description = "the export is in the queue", body = ExportJob),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 422, description = "a field is wrong", body = ProblemSchema),
        (status = 503, description = "five exports wait already", body = ProblemSchema),
    )
)]
#[post("/admin/exports")]
pub(super) async fn create_export(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    _: Query<NoParameters>,
    body: Json<NewExport>,
) -> Result<HttpResponse, Problem> {
    let call = key.call("create_export", staff.0.user, &[body.bytes()]);
    let answer = service.start_export(body.format, call).await?;
    Ok(answer.respond(StatusCode::ACCEPTED, Some("/api/v1/admin/exports/{id}")))
}

/// Lists exports, the newest first.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of exports", body = Page<ExportJob>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/exports")]
pub(super) async fn list_exports(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_exports(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Shows how far an export is.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the export's id")),
    responses(
        (status = 200, description = "the export", body = ExportJob),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or removed by now", body = ProblemSchema),
    )
)]
#[get("/admin/exports/{id}")]
pub(super) async fn get_export(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ExportId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let job = service.find_export(*id).await?;
    Ok(private(HttpResponse::Ok(), &job))
}

/// Downloads the file of an export that has succeeded, or a part of it: `Range` with one range of bytes goes on with a download
/// that has broken off, which `If-Range` with the `ETag` of the first answer makes safe. The file is kept for seven days.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the export's id"),
        ("Range" = Option<String>, Header, description = "which part, e.g. `bytes=1048576-`"),
        ("If-Range" = Option<String>, Header, description = "the `ETag` of the file that the part is to go with"),
    ),
    responses(
        (status = 200, description = "the file", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 206, description = "the part", content(
            (String = "application/x-ndjson"),
            (String = "text/csv"),
        )),
        (status = 304, description = "as you have it"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, failed, or removed by now", body = ProblemSchema),
        (status = 409, description = "`not_finished`", body = ProblemSchema),
        (status = 416, description = "`range_not_satisfiable`: the file has no such part", body = ProblemSchema),
    )
)]
#[get("/admin/exports/{id}/file")]
pub(super) async fn get_export_file(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ExportId>,
    _: Query<NoParameters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = service.find_exported(*id).await?;
    // An export has one file, which never changes.
    let tag = format!("\"{}\"", job.id);
    if has_tag(request.headers(), &tag) {
        return Ok(HttpResponse::NotModified()
            .insert_header((header::ETAG, tag))
            .insert_header((header::CACHE_CONTROL, "private, no-store"))
            .finish());
    }
    let part = range::wanted(&request, &tag, job.bytes)?;
    let mut response = match &part {
        None => HttpResponse::Ok(),
        Some(_) => HttpResponse::PartialContent(),
    };
    if let Some(part) = &part {
        response.insert_header(range::content_range(part, job.bytes));
    }
    describe(&mut response, job.format);
    response
        .insert_header((header::ETAG, tag))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        // Parts of what would be packed on its way do not go together.
        .insert_header(header::ContentEncoding::Identity);
    let part = part.unwrap_or(0..job.bytes);
    let length = part.end - part.start;
    let pieces = stream::try_unfold(part.start, move |position| {
        let service = service.clone();
        async move {
            if position == part.end {
                return Ok(None);
            }
            let mut text = service.exported_from(job.id, position).await?;
            text.truncate(usize::try_from(part.end - position).unwrap_or(usize::MAX));
            let next = position + text.len() as u64;
            Ok::<_, Fault>(Some((Bytes::from(text), next)))
        }
    });
    Ok(response.no_chunking(length).body(SizedStream::new(length, pieces)))
}

/// Removes an export with its file. One that is not finished is given up.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the export's id")),
    responses(
        (status = 204, description = "it is gone"),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown, or removed by now", body = ProblemSchema),
    )
)]
#[delete("/admin/exports/{id}")]
pub(super) async fn delete_export(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ExportId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    service.delete_export(*id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Says what kind of file this is.
fn describe(response: &mut HttpResponseBuilder, format: ExportFormat) {
    let (media_type, name) = match format {
        ExportFormat::Ndjson => ("application/x-ndjson", "products.ndjson"),
        ExportFormat::ShopifyCsv => ("text/csv; charset=utf-8", "products.csv"),
    };
    response
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")));
}
