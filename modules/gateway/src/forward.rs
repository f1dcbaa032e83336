//! Requests that go to a module elsewhere, and its answers. Each is made anew from what was understood of it: no byte of a
//! request line or header is passed on unread, so that nobody further in can understand another request than we did.

use std::time::Duration;

use actix_web::body::{BodyStream, SizedStream};
use actix_web::dev::{Payload, RequestHead};
use actix_web::http::{Method as EdgeMethod, StatusCode as EdgeStatus};
use actix_web::{HttpResponse, HttpResponseBuilder};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, Response};
use kernel::http::body;
use kernel::http::context::{ROUTE_HEADER, RouteName, Trace};
use kernel::http::stream::is_event_stream;
use kernel::service_token::{self, ServiceTokens};
use kernel::upstream::{AnswerBody, Client, Outgoing, Upstream, UpstreamError};
use kernel::{Fault, Problem};

use crate::peer::Origin;
use crate::streams;
use crate::upload::{BodyLimits, Upload};

/// What ends at each hop (RFC 9110, section 7.6.1), and what only the two ends of a connection agree on.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// What we say ourselves, whatever others have said.
const OURS: [&str; 10] = [
    "accept-encoding",
    ROUTE_HEADER,
    "content-length",
    "forwarded",
    "request-timeout-ms",
    "service-token",
    "trailer",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

/// What modules say to us, and what tells where they are.
const INSIDE: [&str; 4] = [ROUTE_HEADER, service_token::HEADER, "content-length", "via"];

/// Headers of an answer that lead somewhere.
const LINKS: [&str; 2] = ["location", "content-location"];

/// How requests reach the modules elsewhere.
#[derive(Clone)]
pub(crate) struct Forwarder {
    pub(crate) client: Client,
    pub(crate) tokens: ServiceTokens,
    pub(crate) patience: Duration,
    /// For whatever waits for a payment provider.
    pub(crate) checkout_patience: Duration,
    pub(crate) bodies: BodyLimits,
}

impl Forwarder {
    /// The answer of `upstream` to a request, and the route that gave it.
    pub(crate) async fn ask(
        &self,
        upstream: &Upstream,
        head: &RequestHead,
        payload: Payload,
        origin: &Origin,
    ) -> Result<(HttpResponse, Option<RouteName>), Problem> {
        let upload = Upload::of(head, payload, self.bodies).await?;
        let request = Outgoing {
            method: method(&head.method)?,
            target: target(head)?,
            headers: self.headers(head, origin)?,
            body: upload.body(),
            patience: self.patience_for(head),
            repeatable: is_repeatable(&head.method),
        };
        let answer = tokio::select! {
            biased;
            answer = upstream.send(&self.client, &request) => answer,
            // Without its body, a module that has said nothing by now says nothing that counts.
            () = upload.fails() => return Err(upload.complaint()),
        };
        match answer {
            Ok(answer) => pass_on(upstream, answer),
            Err(UpstreamError::Unfinished(_)) => Err(upload.complaint()),
            Err(error) => Err(explain(&error)),
        }
    }

    fn patience_for(&self, head: &RequestHead) -> Duration {
        let orders = head.uri.path().split('/').any(|segment| segment == "orders");
        match orders && head.method == EdgeMethod::POST {
            true => self.checkout_patience,
            false => self.patience,
        }
    }

    fn headers(&self, head: &RequestHead, origin: &Origin) -> Result<HeaderMap, Problem> {
        let mut headers = HeaderMap::with_capacity(head.headers.len() + 8);
        for (name, value) in &head.headers {
            if !HOP_BY_HOP.contains(&name.as_str()) && !OURS.contains(&name.as_str()) {
                headers.append(header_name(name.as_str())?, header_value(value.as_bytes())?);
            }
        }
        if let Some(trace) = Trace::current() {
            for (name, text) in trace.headers() {
                headers.insert(HeaderName::from_static(name), header_value(text.as_bytes())?);
            }
        }
        let token = self.tokens.token()?;
        let said = [
            (service_token::HEADER, token),
            ("x-forwarded-for", origin.address.to_string()),
            ("x-forwarded-proto", origin.scheme.to_owned()),
            ("x-forwarded-host", origin.host.clone()),
            ("forwarded", origin.forwarded()),
        ];
        for (name, text) in said {
            headers.insert(HeaderName::from_static(name), header_value(text.as_bytes())?);
        }
        Ok(headers)
    }
}

/// The answer of a module as the client gets it.
fn pass_on(upstream: &Upstream, answer: Response<AnswerBody>) -> Result<(HttpResponse, Option<RouteName>), Problem> {
    let (head, body) = answer.into_parts();
    let status = EdgeStatus::from_u16(head.status.as_u16()).unwrap_or(EdgeStatus::BAD_GATEWAY);
    if !matches!(status.as_u16(), 200..=599) {
        return Err(bad_gateway("a part of the shop answered with what is no answer")
            .with_cause(format!("{} answered {status}", upstream.name())));
    }
    let named = |name: &str| {
        let mut connections = head.headers.get_all(header::CONNECTION).iter();
        connections.any(|value| names(value, name))
    };
    let mut response = HttpResponse::build(status);
    for (name, value) in &head.headers {
        let name = name.as_str();
        if HOP_BY_HOP.contains(&name) || INSIDE.contains(&name) || named(name) {
            continue;
        }
        // An absolute address of the module's own leads nobody outside anywhere.
        let own = value.to_str().ok().filter(|_| LINKS.contains(&name));
        match own.and_then(|link| upstream.path_in(link)) {
            Some(path) => response.append_header((name, path)),
            None => response.append_header((name, value.as_bytes())),
        };
    }
    let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let body = match is_event_stream(content_type) {
        true => body.lasting(streams::PATIENCE),
        false => body,
    };
    let route = head.headers.get(ROUTE_HEADER).and_then(|value| value.to_str().ok());
    Ok((
        with_body(&mut response, body),
        route.map(|route| RouteName(route.into())),
    ))
}

/// What passes through: of known length, or in pieces. An upstream that breaks off breaks our answer off as well, so that
/// no client takes a part for the whole.
fn with_body(response: &mut HttpResponseBuilder, body: AnswerBody) -> HttpResponse {
    if body.is_end_stream() {
        return response.finish();
    }
    let length = body.size_hint().exact();
    let pieces = body.into_data_stream();
    match length {
        Some(length) => response.no_chunking(length).body(SizedStream::new(length, pieces)),
        None => response.body(BodyStream::new(pieces)),
    }
}

/// Whether a `Connection` header names `name`.
fn names(connection: &HeaderValue, name: &str) -> bool {
    let text = connection.to_str().unwrap_or_default();
    text.split(',').any(|named| named.trim().eq_ignore_ascii_case(name))
}

/// RFC 9110, section 9.2.2.
fn is_repeatable(method: &EdgeMethod) -> bool {
    matches!(
        *method,
        EdgeMethod::GET | EdgeMethod::HEAD | EdgeMethod::OPTIONS | EdgeMethod::PUT | EdgeMethod::DELETE
    )
}

fn explain(error: &UpstreamError) -> Problem {
    let problem = match error {
        UpstreamError::Unreachable(..) | UpstreamError::Busy(_) => Problem::new(
            EdgeStatus::SERVICE_UNAVAILABLE,
            "unavailable",
            "this part of the shop is down or busy, please try again",
        )
        .with_retry_after(Duration::from_secs(1)),
        UpstreamError::BrokenOff(..) => bad_gateway("a part of the shop broke off; the outcome is unknown"),
        UpstreamError::TimedOut(_) => Problem::new(
            EdgeStatus::GATEWAY_TIMEOUT,
            "timeout",
            "no answer in time; the outcome is unknown",
        ),
        UpstreamError::Unfinished(_) => body::incomplete(),
    };
    problem.with_cause(error.to_string())
}

fn bad_gateway(detail: &str) -> Problem {
    Problem::new(EdgeStatus::BAD_GATEWAY, "bad_gateway", detail)
}

fn method(method: &EdgeMethod) -> Result<Method, Problem> {
    Method::from_bytes(method.as_str().as_bytes()).map_err(|error| Fault::internal(error.to_string()).into())
}

fn target(head: &RequestHead) -> Result<PathAndQuery, Problem> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    PathAndQuery::try_from(target).map_err(|_| Problem::bad_request("invalid_path", "the address cannot be read"))
}

fn header_name(name: &str) -> Result<HeaderName, Problem> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|error| Fault::internal(error.to_string()).into())
}

fn header_value(value: &[u8]) -> Result<HeaderValue, Problem> {
    HeaderValue::from_bytes(value).map_err(|_| Problem::bad_request("invalid_header", "a header cannot be passed on"))
}
