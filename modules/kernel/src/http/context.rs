//! The context of a request: its id and trace, a span for the log, errors and panics turned into problems, one access
//! line and one measurement. The outermost layer of every listener.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use futures_util::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use super::unread::Unread;
use crate::identity::Caller;
use crate::keys::random_bytes;
use crate::{Fault, Problem, problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// When to come back where somebody is busy and does not say for how long.
const BUSY: Duration = Duration::from_secs(1);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The id of the current request: the client's own where it is well-formed, else a new one.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// The template of the route that answers, e.g. `/api/v1/carts/{id}`, where that is not actix's own match: put it into the
/// request's extensions. It names the route in logs and metrics, which must never hold a path's values.
#[derive(Clone, Debug)]
pub struct RouteName(pub String);

/// The header in which a module elsewhere tells the gateway its [`RouteName`].
pub const ROUTE_HEADER: &str = "bodega-route";

/// What a request is known by, here and in every process that it leads to.
#[derive(Clone, Debug)]
pub struct Trace {
    request_id: String,
    /// W3C Trace Context.
    parent: String,
}

tokio::task_local! {
    static TRACE: Trace;
}

impl Trace {
    /// The trace of the request that this task works for; none in a job.
    pub fn current() -> Option<Self> {
        TRACE.try_with(Clone::clone).ok()
    }

    /// The headers that carry it on.
    pub fn headers(&self) -> [(&'static str, String); 2] {
        [
            ("x-request-id", self.request_id.clone()),
            ("traceparent", self.parent.clone()),
        ]
    }

    /// Gives a task of its own the trace of the task that makes it.
    pub fn carried<F: Future>(work: F) -> impl Future<Output = F::Output> {
        let trace = Self::current();
        async move {
            match trace {
                Some(trace) => TRACE.scope(trace, work).await,
                None => work.await,
            }
        }
    }
}

/// Gives a request its context; use it with [`actix_web::middleware::from_fn`] as the outermost layer.
pub async fn with_context(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = request_id(&request);
    let trace = trace_parent(&request);
    let method = request.method().clone();
    let path = request.path().to_owned();
    let unread = Unread::hold(&mut request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let span = tracing::info_span!("request", request_id = %id, trace_id = trace.get(3..35).unwrap_or_default());

    let carried = Trace {
        request_id: id.clone(),
        parent: trace.clone(),
    };
    let answer = AssertUnwindSafe(TRACE.scope(carried, next.call(request)))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let (request, response) = match answer {
        Ok(Ok(response)) => {
            let (request, response) = response.into_parts();
            (Some(request), response.map_into_boxed_body())
        }
        Ok(Err(error)) => (None, HttpResponse::from_error(error)),
        Err(panic) => {
            let detail = format!("panic: {}", panic_message(panic.as_ref()));
            (None, HttpResponse::from_error(Problem::from(Fault::internal(detail))))
        }
    };
    let _entered = span.enter();
    let mut response = explain(response, &path, &id);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Ok(value) = HeaderValue::from_str(&trace) {
        headers.insert(TRACEPARENT, value);
    }
    record(request.as_ref(), response.status(), method.as_str(), started);
    let response = match unread {
        Some(unread) => unread.until_left(response),
        None => response,
    };
    match request {
        Some(request) => Ok(ServiceResponse::new(request, response)),
        // Keeping a clone of the request would make actix's router panic, so that after a failure there is none to
        // answer; actix sends the response of an error as it is.
        None => Err(InternalError::from_response("the request ended early", response).into()),
    }
}

/// One access line and one measurement per request. The route's template is logged, never the path's or query's values,
/// which may be personal or secret.
fn record(request: Option<&HttpRequest>, status: StatusCode, method: &str, started: Instant) {
    let elapsed = started.elapsed();
    let named = request.and_then(|request| request.extensions().get::<RouteName>().cloned());
    let route = named
        .map(|name| name.0)
        .or_else(|| request.and_then(HttpRequest::match_pattern))
        .unwrap_or_else(|| "_unmatched".to_owned());
    let status = status.as_u16();
    let user = request.and_then(|request| match request.extensions().get::<Caller>() {
        Some(Caller::SignedIn(who)) => Some(who.user),
        _ => None,
    });
    let labels = [
        ("http_request_method", known_method(method).to_owned()),
        ("http_route", route.clone()),
        ("http_response_status_code", status.to_string()),
    ];
    metrics::histogram!("http_server_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
    let duration_ms = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0;
    tracing::info!(target: "access", method = known_method(method), route, status, duration_ms, user_id = user.map(tracing::field::display), "request");
}

/// Methods are a closed list, so that a client cannot make up metric labels.
fn known_method(method: &str) -> &str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

/// Makes every error a problem that names the request, and logs the cause of our own failures once.
fn explain(response: HttpResponse, path: &str, request_id: &str) -> HttpResponse {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let problem = response.error().and_then(|error| error.as_error::<Problem>()).cloned();
    if let Some(cause) = problem.as_ref().and_then(Problem::cause) {
        match status {
            StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(cause, "request failed"),
            _ => tracing::warn!(cause, "request failed"),
        }
    }
    let already_explained = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == problem::CONTENT_TYPE);
    let problem = match problem {
        Some(problem) => problem,
        None if already_explained => return response,
        None => generic(status),
    };
    let mut answer = problem.respond(Some((path, request_id)));
    // What describes the old body does not hold for the new one.
    let mut own: Vec<HeaderName> = answer.headers().keys().cloned().collect();
    own.extend([
        header::CONTENT_LENGTH,
        header::CONTENT_ENCODING,
        header::TRANSFER_ENCODING,
    ]);
    for (name, value) in response.headers().iter().filter(|(name, _)| !own.contains(name)) {
        answer.headers_mut().append(name.clone(), value.clone());
    }
    answer
}

/// The problem for an error that actix answered by itself.
fn generic(status: StatusCode) -> Problem {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => ("not_found", "no such resource"),
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "the resource does not know this method"),
        StatusCode::PAYLOAD_TOO_LARGE => ("payload_too_large", "the body is too large"),
        StatusCode::URI_TOO_LONG => ("uri_too_long", "the address is too long"),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ("headers_too_large", "the headers are too large"),
        StatusCode::BAD_GATEWAY => ("bad_gateway", "a part of the shop failed; the outcome is unknown"),
        StatusCode::SERVICE_UNAVAILABLE => ("unavailable", "this part of the shop is busy, please try again"),
        StatusCode::GATEWAY_TIMEOUT => ("timeout", "no answer in time; the outcome is unknown"),
        status if status.is_server_error() => ("internal_error", "something went wrong on our side"),
        _ => ("bad_request", "the request cannot be understood"),
    };
    let problem = Problem::new(status, code, detail);
    match status {
        StatusCode::SERVICE_UNAVAILABLE => problem.with_retry_after(BUSY),
        _ => problem,
    }
}

fn request_id(request: &ServiceRequest) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let sound = |id: &&str| {
        (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    given
        .filter(sound)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// The `traceparent` (W3C Trace Context) of the request, or a new one.
fn trace_parent(request: &ServiceRequest) -> String {
    let given = request
        .headers()
        .get(&TRACEPARENT)
        .and_then(|value| value.to_str().ok());
    let sound = |text: &&str| {
        let parts: Vec<&str> = text.split('-').collect();
        let lower_hex = |part: &str, length: usize| {
            part.len() == length
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        };
        matches!(parts[..], ["00", trace, span, flags]
            if lower_hex(trace, 32) && lower_hex(span, 16) && lower_hex(flags, 2)
                && trace.bytes().any(|byte| byte != b'0') && span.bytes().any(|byte| byte != b'0'))
    };
    let fresh = || format!("00-{}-{}-01", Uuid::now_v7().simple(), base16(&random_bytes(8)));
    given.filter(sound).map_or_else(fresh, str::to_owned)
}

fn base16(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
