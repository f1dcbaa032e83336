//! Headers that are not the sender's to set: taken away from requests, seen to on answers.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Beginnings of names by which proxies tell services who is calling, or what was asked for in truth. Nobody outside may
/// tell us that; inside, identity travels as an access token only.
const CLAIMS: [&str; 15] = [
    "x-user",
    "x-auth",
    "x-forwarded-",
    "x-remote-",
    "remote-user",
    "x-internal-",
    "x-original-",
    "x-rewrite-",
    "x-http-method",
    "x-method-override",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
];

/// What a proxy in front may say about the client; `peer.rs` decides whether that is believed.
const FORWARDED: [&str; 2] = ["x-forwarded-for", "x-forwarded-proto"];

/// What says how a request is to be read: it has to be looked at, whether or not `Connection` names it.
const FRAMING: [&str; 4] = ["host", "content-length", "transfer-encoding", "upgrade"];

/// How long a browser shall use TLS alone once it has, in seconds: a year.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

const X_POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// Takes away claims of identity, and whatever the `Connection` header names (RFC 9110, section 7.6.1).
pub(crate) fn clean_request(request: &mut ServiceRequest) {
    let headers = request.headers();
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !FRAMING.contains(&name.as_str()))
        .collect();
    let refused: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_claim(name.as_str()) || named.iter().any(|named| named == name.as_str()))
        .cloned()
        .collect();
    for name in refused {
        request.headers_mut().remove(&name);
    }
}

/// Nothing of ours has an underscore, but many a server takes it for a hyphen.
fn is_claim(name: &str) -> bool {
    let claimed = || CLAIMS.iter().any(|claim| name.starts_with(claim));
    name.contains('_') || (claimed() && !FORWARDED.contains(&name))
}

/// Sets what every answer has, and takes away what tells about the machinery. `secure` says that it leaves over TLS.
pub(crate) fn finish_response(headers: &mut HeaderMap, secure: bool) {
    if secure {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
    headers.remove(header::SERVER);
    headers.remove(X_POWERED_BY);
    if headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| value == "identity")
    {
        // A word to the compression layer, which others need not hear.
        headers.remove(header::CONTENT_ENCODING);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !headers.contains_key(header::CACHE_CONTROL) {
        // A handler says so where an answer is the same for everybody; all others are taken for personal.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        return;
    }
    let told = headers
        .get_all(header::VARY)
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"accept-encoding"));
    if !told {
        // A cache that keeps the plain answer must know that there is a compressed one; actix marks only the latter.
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn claims_of_identity_are_taken_away_in_any_spelling() {
        let mut request = TestRequest::get()
            .insert_header(("X-User-Id", "user_1"))
            .insert_header(("x_user_role", "admin"))
            .insert_header(("X-Forwarded-User", "ada"))
            .insert_header(("Remote-User", "ada"))
            .insert_header(("x_forwarded_for", "192.0.2.1"))
            .insert_header(("X-Forwarded-Host", "evil.example"))
            .insert_header(("X-Forwarded-For", "192.0.2.1"))
            .insert_header(("X-Request-Id", "kept"))
            .insert_header(("Range", "bytes=0-1"))
            .to_srv_request();
        clean_request(&mut request);
        let mut left: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["range", "x-forwarded-for", "x-request-id"]);
    }

    #[test]
    fn what_the_connection_header_names_ends_at_the_edge() {
        let mut request = TestRequest::get()
            .insert_header(("Connection", "keep-alive, Cart-Secret, Content-Length"))
            .insert_header(("Content-Length", "5"))
            .insert_header(("Cart-Secret", "s"))
            .insert_header(("Order-Secret", "s"))
            .to_srv_request();
        clean_request(&mut request);
        assert!(!request.headers().contains_key("cart-secret"));
        assert!(request.headers().contains_key("order-secret"));
        assert!(
            request.headers().contains_key("content-length"),
            "it says where the request ends"
        );
    }

    #[test]
    fn an_answer_is_personal_unless_its_handler_says_otherwise() {
        let mut headers = HeaderMap::new();
        finish_response(&mut headers, false);
        assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "private, no-store");
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=60"));
        finish_response(&mut headers, true);
        assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "public, max-age=60");
    }

    #[test]
    fn that_nothing_is_encoded_goes_without_saying() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("identity"));
        finish_response(&mut headers, false);
        assert!(!headers.contains_key(header::CONTENT_ENCODING));
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        finish_response(&mut headers, false);
        assert_eq!(headers.get(header::CONTENT_ENCODING).unwrap(), "br");
    }
}
