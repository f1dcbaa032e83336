//! How large a body may be.

use actix_web::HttpRequest;
use actix_web::http::{StatusCode, header};

use crate::Problem;

/// Refuses a request that itself says that its body is larger than `limit` bytes, before any of it is read. A body whose
/// length is not stated has to be counted as it arrives.
pub fn check_stated_length(request: &HttpRequest, limit: usize) -> Result<(), Problem> {
    let stated = request.headers().get(header::CONTENT_LENGTH);
    let stated = stated.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match stated {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// 413: the body has more than `limit` bytes.
pub fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        format!("the body may have at most {limit} bytes"),
    )
}
