//! Which pages of other origins may use the API from a browser.

use actix_cors::Cors;
use actix_web::http::Uri;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// What such a page may send.
const REQUEST_HEADERS: [&str; 12] = [
    "Accept",
    "Accept-Language",
    "Authorization",
    "Cart-Secret",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Order-Secret",
    "traceparent",
    "X-Request-Id",
];

/// What such a page may read.
const ANSWER_HEADERS: [&str; 7] = [
    "ETag",
    "Location",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Request-Id",
    "Idempotent-Replayed",
];

/// How long a browser may remember the answer to a preflight, in seconds.
const MAX_AGE: usize = 600;

/// The layer for exactly these origins. Others get their answer without leave to read it, and a refused preflight.
pub(crate) fn layer(origins: &[String]) -> Cors {
    let layer = Cors::default()
        .allowed_methods(METHODS)
        .allowed_headers(REQUEST_HEADERS)
        .expose_headers(ANSWER_HEADERS)
        .max_age(MAX_AGE);
    origins.iter().fold(layer, |layer, origin| layer.allowed_origin(origin))
}

/// Refuses what no browser would send as an origin.
pub(crate) fn check(origins: &[String]) -> Result<(), String> {
    match origins.iter().find(|origin| !is_origin(origin)) {
        None => Ok(()),
        Some(origin) => Err(format!(
            "cors.origins: `{origin}` is not an origin like https://shop.example (scheme and host, no path)"
        )),
    }
}

fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let known_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let Some(authority) = uri.authority() else { return false };
    known_scheme
        && text.ends_with(authority.as_str())
        && !authority.as_str().contains('@')
        && text == text.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for origin in ["https://shop.example", "http://localhost:3000"] {
            assert_eq!(check(&[origin.to_owned()]), Ok(()), "{origin}");
        }
        for origin in [
            "*",
            "shop.example",
            "https://shop.example/",
            "https://shop.example/a",
            "ftp://a",
            "HTTPS://A",
        ] {
            assert!(check(&[origin.to_owned()]).is_err(), "{origin}");
        }
    }
}
