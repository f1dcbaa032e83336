//! Images: uploads, and the files that everybody sees.

use actix_web::body::SizedStream;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, get, post, web};
use kernel::http::body::{BodyLimits, Pace, check_stated_length, too_large};
use kernel::http::precondition::has_tag;
use kernel::http::query::NoParameters;
use kernel::http::{FromQuery, IdempotencyKey, IfMatch, Path, Query, QueryParameters};
use kernel::id::ProductId;
use kernel::identity::Staff;
use kernel::problem::ProblemSchema;
use kernel::{Problem, Text};
use sha2::{Digest, Sha256};

use crate::domain::media::FileName;
use crate::domain::product::AdminProduct;
use crate::service::{NewImage, Service};

/// A file never changes: what has another content has another name.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// Whatever a file may be taken for, it does nothing.
const POLICY: &str = "default-src 'none'; sandbox";

/// What is said of an image.
pub(super) struct Options {
    alt: Option<Text<0, 500>>,
}

impl FromQuery for Options {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let alt = parameters.text("alt").map(Text::parse).transpose();
        let alt = alt.unwrap_or_else(|error| {
            parameters.refuse("alt", "invalid_character", error.to_string());
            None
        });
        Self { alt }
    }
}

/// Uploads an image of a product, which becomes its last one: JPEG, PNG, WebP, or the first frame of a GIF, of at most
/// 50 million pixels. It is turned upright and made anew as JPEG or PNG, also in smaller sizes; nothing else that was in the
/// file is kept.
#[utoipa::path(
    tag = "Administration",
    request_body(content(
        (Vec<u8> = "image/jpeg"),
        (Vec<u8> = "image/png"),
        (Vec<u8> = "image/webp"),
        (Vec<u8> = "image/gif"),
        (Vec<u8> = "application/octet-stream"),
    ), description = "at most 20 MiB, or what the shop allows"),
    params(
        ("id" = String, Path, description = "the product's id"),
        ("alt" = Option<String>, Query, description = "what it shows, in words; at most 200 characters"),
        ("Idempotency-Key" = Option<String>, Header, description = "makes repeats safe"),
        ("If-Match" = Option<String>, Header, description = "the version you edit"),
    ),
    responses(
        (status = 201, description = "the product", body = AdminProduct),
        (status = 401, description = "not signed in", body = ProblemSchema),
        (status = 403, description = "not staff", body = ProblemSchema),
        (status = 404, description = "unknown product", body = ProblemSchema),
        (status = 412, description = "somebody else has changed it", body = ProblemSchema),
        (status = 413, description = "the file is too large", body = ProblemSchema),
        (status = 415, description = "not sent as an image", body = ProblemSchema),
        (
            status = 422,
            description = "`unsupported_image`: none of the four kinds; `image_too_large`: too many pixels; \
                `unreadable_image`: broken; `validation_failed`: the product has 100 images",
            body = ProblemSchema
        ),
        (status = 503, description = "too many images are being uploaded", body = ProblemSchema),
    )
)]
#[post("/admin/products/{id}/images")]
#[expect(clippy::too_many_arguments, reason = "each is a part of the request")]
pub(super) async fn create_image(
    staff: Staff,
    service: web::Data<Service>,
    id: Path<ProductId>,
    key: IdempotencyKey,
    condition: IfMatch,
    options: Query<Options>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let user = staff.0.user;
    let largest = service.largest_image();
    check_type(&request)?;
    check_stated_length(&request, largest)?;
    let place = service.upload_place()?;
    let content = collect(body, largest, Pace::new(BodyLimits::of(&request).patience)).await?;
    let alt = options.into_inner().alt;
    let said = alt.as_deref().unwrap_or_default().to_owned();
    let digest = Sha256::digest(&content);
    let call = key.call(
        "create_image",
        user,
        &[id.to_string().as_bytes(), &digest, said.as_bytes()],
    );
    let new = NewImage {
        product: *id,
        condition,
        alt,
        content,
    };
    let answer = service.create_image(new, call, user).await?;
    drop(place);
    Ok(answer.respond(StatusCode::CREATED, Some("/api/v1/admin/products/{id}")))
}

/// Sends a file of an image. Its address is in the `images` of products; what is there never changes.
#[utoipa::path(
    tag = "Catalogue",
    params(("name" = String, Path, description = "the last part of an image's `url`")),
    responses(
        (status = 200, description = "the file", content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"))),
        (status = 304, description = "as you have it"),
        (status = 404, description = "unknown", body = ProblemSchema),
    )
)]
#[get("/media/{name}")]
pub(super) async fn get_media(
    service: web::Data<Service>,
    name: Path<String>,
    _: Query<NoParameters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let name = FileName::parse(&name).ok_or_else(|| Problem::not_found("file"))?;
    let file = service.find_file(&name).await?;
    let tag = format!("\"{name}\"");
    let is_known = has_tag(request.headers(), &tag);
    let mut response = match is_known {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    response
        .insert_header((header::CACHE_CONTROL, FOR_EVER))
        .insert_header((header::ETAG, tag))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY));
    Ok(match is_known {
        true => response.finish(),
        false => response
            .content_type(name.encoding.content_type())
            .no_chunking(file.length)
            .body(SizedStream::new(file.length, file.content)),
    })
}

/// What it is called is not believed, but whoever sends JSON or a form means something else.
fn check_type(request: &HttpRequest) -> Result<(), Problem> {
    let stated = request.headers().get(header::CONTENT_TYPE);
    let stated = stated.and_then(|value| value.to_str().ok()).unwrap_or("");
    let media_type = stated.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match media_type.starts_with("image/") || media_type == "application/octet-stream" {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the image itself, as image/jpeg, image/png, image/webp, image/gif or application/octet-stream",
        )),
    }
}

/// All of a body of at most `largest` bytes.
async fn collect(mut body: web::Payload, largest: usize, mut pace: Pace) -> Result<Vec<u8>, Problem> {
    let mut content = Vec::new();
    while let Some(piece) = pace.next(&mut body).await? {
        if content.len() + piece.len() > largest {
            return Err(too_large(largest));
        }
        content.extend_from_slice(&piece);
    }
    Ok(content)
}
