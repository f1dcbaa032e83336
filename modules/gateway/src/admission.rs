//! Every resource has one address, and every part of the store reads it alike: what could be read in two ways is refused
//! instead of mended. So is what would turn the connection into something else than HTTP.

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap};
use actix_web::http::uri::{Authority, Scheme};
use actix_web::http::{Method, StatusCode, Version};
use kernel::Problem;

/// The longest address, in bytes: path and query.
const MAX_TARGET: usize = 8 * 1024;
/// The largest block of headers, in bytes.
const MAX_HEADERS: usize = 32 * 1024;

/// Refuses a request whose address or headers are too long or ambiguous, or that asks for another protocol.
pub(crate) fn check(request: &ServiceRequest) -> Result<(), Problem> {
    check_protocol(request)?;
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    if target.len() > MAX_TARGET {
        return Err(Problem::new(
            StatusCode::URI_TOO_LONG,
            "uri_too_long",
            format!("an address may have at most {MAX_TARGET} bytes"),
        ));
    }
    check_path(request.uri().path()).map_err(|detail| Problem::bad_request("invalid_path", detail))?;
    check_headers(request.headers())?;
    check_host(request)
}

/// Refuses paths that two readers could understand differently; the error says why.
fn check_path(path: &str) -> Result<(), &'static str> {
    if !path.starts_with('/') && path != "*" {
        return Err("the path must begin with a slash");
    }
    if path.contains("//") {
        return Err("the path has an empty segment");
    }
    if path.contains([';', '\\']) {
        return Err("the path has a semicolon or a backslash");
    }
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("the path has a dot segment");
    }
    check_escapes(path.as_bytes())
}

/// Refuses escapes that hide something from whoever does not decode them, and those that are not UTF-8 together.
fn check_escapes(path: &[u8]) -> Result<(), &'static str> {
    if path.is_ascii() && !path.contains(&b'%') {
        return Ok(());
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(*digit).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else {
            return Err("the path has a broken percent escape");
        };
        let escaped = u8::try_from(high * 16 + low).unwrap_or_default();
        if escaped.is_ascii_control() || matches!(escaped, b'/' | b'\\' | b'.' | b';' | b'%') {
            return Err("the path has an escape that is not taken");
        }
        decoded.push(escaped);
    }
    std::str::from_utf8(&decoded).map_err(|_| "the path is not UTF-8")?;
    Ok(())
}

fn check_headers(headers: &HeaderMap) -> Result<(), Problem> {
    let mut size = 0;
    for (name, value) in headers {
        size += name.as_str().len() + value.len() + 4;
        if std::str::from_utf8(value.as_bytes()).is_err() {
            return Err(Problem::bad_request(
                "invalid_header",
                format!("the header {name} is not UTF-8"),
            ));
        }
    }
    if size > MAX_HEADERS {
        return Err(Problem::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            format!("the headers may have at most {MAX_HEADERS} bytes"),
        ));
    }
    Ok(())
}

/// Refuses tunnels and web sockets, whose requests have no end in HTTP. Other offers to change the protocol, like that of
/// HTTP/2, are passed over as RFC 9110 (section 7.8) has it.
fn check_protocol(request: &ServiceRequest) -> Result<(), Problem> {
    let mut offers = request.headers().get_all(header::UPGRADE);
    let web_socket = offers.any(|offer| offer.as_bytes().to_ascii_lowercase().starts_with(b"websocket"));
    if web_socket || request.method() == Method::CONNECT {
        let detail = "neither tunnels nor web sockets are to be had here";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "not_implemented", detail));
    }
    Ok(())
}

/// RFC 9112, section 3.2: exactly one `Host` with HTTP/1.1, which says the same as the address where that has a host.
fn check_host(request: &ServiceRequest) -> Result<(), Problem> {
    let refused = |detail| Err(Problem::bad_request("invalid_host", detail));
    let mut hosts = request.headers().get_all(header::HOST);
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() || (host.is_none() && request.version() == Version::HTTP_11) {
        return refused("send exactly one Host header");
    }
    let uri = request.uri();
    if uri
        .scheme()
        .is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS)
    {
        return refused("the address is not one of HTTP");
    }
    let Some(host) = host else { return Ok(()) };
    let host = Authority::try_from(host.as_bytes()).ok().filter(is_plain);
    match (host, uri.authority()) {
        (None, _) => refused("the Host header is not a host"),
        (Some(host), Some(addressed)) if host != *addressed => refused("the address is that of another host"),
        _ => Ok(()),
    }
}

/// Whether something is a host and perhaps a port, and nothing else.
fn is_plain(authority: &Authority) -> bool {
    let text = authority.as_str();
    let rest = text.strip_prefix(authority.host());
    let port = |rest: &str| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    !authority.host().contains([',', '"', '\\']) && rest.is_some_and(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_path_is_taken_with_escapes_of_ordinary_text() {
        for path in ["/", "/api/v1/products", "/api/v1/products/caf%C3%A9", "/a%20b", "*"] {
            assert_eq!(check_path(path), Ok(()), "{path}");
        }
    }

    #[test]
    fn a_path_that_could_be_read_in_two_ways_is_refused() {
        for path in [
            "//internal",
            "/a//b",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/public/..%2finternal",
            "/a/%2e%2e/b",
            "/%2E",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0d%0ab",
            "/a;x=1",
            "/a%3bx",
            "/a%252e",
            "/a%",
            "/a%4",
            "/a%zz",
            "/%c0%ae",
            "/%ff",
            "relative",
        ] {
            assert!(check_path(path).is_err(), "{path}");
        }
    }
}
