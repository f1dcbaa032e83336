//! Imports of product files that staff upload.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use kernel::http::body::{BodyLimits, Pace, check_stated_length, too_large};
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, IdempotencyKey, Path, Query, QueryParameters};
use kernel::id::ImportId;
use kernel::identity::Staff;
use kernel::page::Page;
use kernel::problem::ProblemSchema;
use kernel::{Fault, Problem};
use xxhash_rust::xxh3::Xxh3Default;

use super::private;
use super::product_types::Paged;
use crate::import::{ImportFormat, ImportJob, RowError};
use crate::service::{Service, Upload};

/// The largest file that is taken over HTTP, in bytes, packed or not. An export of a million products is about a gigabyte, and
/// packed about half of this at most. Files pass through the disk in pieces, so that memory sets no limit; what does is the time
/// to store them between the last byte and the answer. `bodega import` takes any.
const MAX_FILE: usize = 512 << 20;
/// How much is written to the disk at a time.
const CHUNK: usize = 1 << 18;

/// How to import.
pub(super) struct Options {
    dry_run: bool,
}

impl FromQuery for Options {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            dry_run: parameters.boolean("dry_run").unwrap_or(false),
        }
    }
}

/// Imports a product file in the background: NDJSON or Shopify's CSV, either of them also packed with gzip. Imports run one
/// after the other, in the order in which their files came.
#[utoipa::path(
    tag = "Administration",
    request_body(content(
        (String = "application/x-ndjson"),
        (String = "text/csv"),
        (Vec<u8> = "application/gzip"),
        (Vec<u8> = "application/octet-stream"),
    ), description = "at most 512 MiB"),
    params(
        ("dry_run" = Option<bool>, Query, description = "say what would be done, and do nothing"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 202, description = "the file is kept, and its import is in the queue", body = ImportJob),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 413, description = "the file is too large", body = ProblemSchema),
        (status = 415, description = "neither NDJSON nor CSV", body = ProblemSchema),
        (status = 503, description = "twenty imports wait already", body = ProblemSchema),
    )
)]
#[post("/admin/imports")]
pub(super) async fn create_import(
    staff: Staff,
    service: web::Data<Service>,
    key: IdempotencyKey,
    options: Query<Options>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let format = format_of(&request)?;
    check_stated_length(&request, MAX_FILE)?;
    let (file, digest) = spool(body, BodyLimits::of(&request).patience).await?;
    let dry_run = options.dry_run;
    let call = key.call("create_import", user, &[&digest, &[u8::from(dry_run)]]);
    let upload = Upload { file, format, dry_run };
    let answer = service.start_import(upload, call, user).await?;
    Ok(answer.respond(StatusCode::ACCEPTED, Some("/api/v1/admin/imports/{id}")))
}

/// Lists imports, the newest first.
#[utoipa::path(
    tag = "Administration",
    params(
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of imports", body = Page<ImportJob>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
    )
)]
#[get("/admin/imports")]
pub(super) async fn list_imports(
    _: Staff,
    service: web::Data<Service>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_imports(limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Shows how far an import is.
#[utoipa::path(
    tag = "Administration",
    params(("id" = String, Path, description = "the import's id")),
    responses(
        (status = 200, description = "the import", body = ImportJob),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/imports/{id}")]
pub(super) async fn get_import(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ImportId>,
    _: Query<NoParameters>,
) -> Result<HttpResponse, Problem> {
    let job = service.find_import(*id).await?;
    Ok(private(HttpResponse::Ok(), &job))
}

/// Lists what was wrong with rows of an import, in the order in which it was found: the first ten thousand mistakes.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the import's id"),
        ("limit" = Option<i64>, Query, description = "1 to 100, 20 where it is not given"),
        ("cursor" = Option<String>, Query, description = "`page.next_cursor` of the page before"),
    ),
    responses(
        (status = 200, description = "a page of mistakes", body = Page<RowError>),
        (status = 400, description = "a parameter is wrong", body = ProblemSchema),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/admin/imports/{id}/errors")]
pub(super) async fn list_import_errors(
    _: Staff,
    service: web::Data<Service>,
    id: Path<ImportId>,
    paged: Query<Paged>,
) -> Result<HttpResponse, Problem> {
    let Paged { limit, cursor } = paged.into_inner();
    let page = service.list_import_errors(*id, limit, cursor).await?;
    Ok(private(HttpResponse::Ok(), &page))
}

/// Cancels an import. What was imported until then stays, and nothing is added after the answer.
#[utoipa::path(
    tag = "Administration",
    params(
        ("id" = String, Path, description = "the import's id"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
    ),
    responses(
        (status = 200, description = "the import, as far as it is", body = ImportJob),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown", body = ProblemSchema),
        (status = 409, description = "`already_ended`", body = ProblemSchema),
    )
)]
#[post("/admin/imports/{id}/cancel")]
pub(super) async fn cancel_import(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<ImportId>,
    _: Query<NoParameters>,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let call = key.call("cancel_import", staff.0.user, &[id.to_string().as_bytes()]);
    let answer = service.cancel_import(*id, call).await?;
    Ok(answer.respond(StatusCode::OK, None))
}

fn format_of(request: &HttpRequest) -> Result<ImportFormat, Problem> {
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let media_type = value.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match media_type.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(ImportFormat::Ndjson),
        "text/csv" => Ok(ImportFormat::ShopifyCsv),
        "application/gzip" | "application/x-gzip" | "application/octet-stream" => Ok(ImportFormat::Auto),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send application/x-ndjson, text/csv, application/gzip or application/octet-stream",
        )),
    }
}

/// Writes the body to a file that has no name and goes with the process; answers it with a digest of its content.
async fn spool(mut body: web::Payload, patience: Duration) -> Result<(File, [u8; 16]), Problem> {
    let failed = |error: &dyn std::fmt::Display| Problem::from(Fault::internal(format!("upload: {error}")));
    let mut file = web::block(tempfile::tempfile)
        .await
        .map_err(|error| failed(&error))?
        .map_err(|error| failed(&error))?;
    let mut digest = Xxh3Default::new();
    let (mut buffer, mut size) = (Vec::with_capacity(CHUNK), 0);
    let mut pace = Pace::new(patience);
    while let Some(chunk) = pace.next(&mut body).await? {
        size += chunk.len();
        if size > MAX_FILE {
            return Err(too_large(MAX_FILE));
        }
        digest.update(&chunk);
        buffer.extend_from_slice(&chunk);
        if buffer.len() >= CHUNK {
            let full = std::mem::replace(&mut buffer, Vec::with_capacity(CHUNK));
            file = append(file, full).await?;
        }
    }
    let file = append(file, buffer).await?;
    Ok((file, digest.digest128().to_be_bytes()))
}

async fn append(mut file: File, bytes: Vec<u8>) -> Result<File, Problem> {
    let written = web::block(move || file.write_all(&bytes).map(|()| file)).await;
    let failed = |error: &dyn std::fmt::Display| Problem::from(Fault::internal(format!("upload: {error}")));
    written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}
