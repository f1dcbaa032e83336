//! The context of a request: its id and trace, errors and panics turned into problems, one access line and one
//! measurement. The outermost layer of every listener.

use std::fmt::Write;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse};
use futures_util::FutureExt;
use metrics::{Label, SharedString};
use uuid::Uuid;

use super::unread::Unread;
use crate::identity::Caller;
use crate::{Fault, Problem, problem};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// When to come back where somebody is busy and does not say for how long.
const BUSY: Duration = Duration::from_secs(1);
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The target of access lines in the log.
pub const ACCESS: &str = "access";

/// The template of the route that answers, e.g. `/api/v1/carts/{id}`, where that is not actix's own match: put it into the
/// request's extensions. It names the route in logs and metrics, which must never hold a path's values.
#[derive(Clone, Debug)]
pub struct RouteName(pub Arc<str>);

/// The module elsewhere that a request belongs to: put it into the request's extensions. It is named in the log.
#[derive(Clone, Debug)]
pub struct UpstreamName(pub String);

/// The header in which a module elsewhere tells the gateway its [`RouteName`].
pub const ROUTE_HEADER: &str = "bodega-route";

/// The header in which a module tells the gateway as how many requests an answer counts beside the one that it is.
pub const COST_HEADER: &str = "bodega-cost";

/// What a request is known by, here and in every process that it leads to. Each line of the log names it.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The client's own id where it is well-formed, else a new one.
    request_id: Arc<str>,
    /// W3C Trace Context.
    parent: Arc<str>,
}

tokio::task_local! {
    static TRACE: Trace;
}

impl Trace {
    /// The trace of the request that this task works for; none in a job.
    pub fn current() -> Option<Self> {
        TRACE.try_with(Clone::clone).ok()
    }

    /// The id that the client is told, and that problems and the log name.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// The id of the whole trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.parent.get(3..35).unwrap_or_default()
    }

    /// The headers that carry it on.
    pub fn headers(&self) -> [(&'static str, &str); 2] {
        [("x-request-id", &self.request_id), ("traceparent", &self.parent)]
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
    let trace = Trace::of(&request);
    let method = request.method().clone();
    let uri = request.uri().clone();
    let unread = Unread::hold(&mut request);
    let answer = AssertUnwindSafe(TRACE.scope(trace.clone(), next.call(request)))
        .catch_unwind()
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
    let response = TRACE.sync_scope(trace.clone(), || {
        let mut response = explain(response, uri.path(), &trace.request_id);
        for (name, value) in [(REQUEST_ID, &trace.request_id), (TRACEPARENT, &trace.parent)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        record(request.as_ref(), response.status(), method.as_str(), started);
        response
    });
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
    let extensions = request.map(HttpRequest::extensions);
    let named = extensions.as_ref().and_then(|extensions| extensions.get::<RouteName>());
    let route = match named {
        Some(RouteName(name)) => SharedString::from(Arc::clone(name)),
        None => match request.and_then(HttpRequest::match_pattern) {
            Some(pattern) => SharedString::from(pattern),
            None => SharedString::const_str("_unmatched"),
        },
    };
    let method = known_method(method);
    let labels = vec![
        Label::from_static_parts("http_request_method", method),
        Label::new("http_route", route.clone()),
        Label::new("http_response_status_code", status.as_str().to_owned()),
    ];
    metrics::histogram!("http_server_request_duration_seconds", labels).record(elapsed.as_secs_f64());
    let upstream = extensions
        .as_ref()
        .and_then(|extensions| extensions.get::<UpstreamName>());
    let user = extensions
        .as_ref()
        .and_then(|extensions| match extensions.get::<Caller>() {
            Some(Caller::SignedIn(who)) => Some(who.user),
            _ => None,
        });
    let duration_ms = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0;
    tracing::info!(
        target: ACCESS,
        method,
        route = &*route,
        status = status.as_u16(),
        duration_ms,
        upstream = upstream.map(|name| name.0.as_str()),
        user_id = user.map(tracing::field::display),
        "request"
    );
}

/// Methods are a closed list, so that a client cannot make up metric labels.
fn known_method(method: &str) -> &'static str {
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

impl Trace {
    /// What the client says about its request, and new ids for the rest.
    fn of(request: &ServiceRequest) -> Self {
        let stated = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let (id, parent) = (stated(&REQUEST_ID), stated(&TRACEPARENT));
        let fresh = Uuid::now_v7();
        Self {
            request_id: match id.filter(|id| is_request_id(id)) {
                Some(id) => id.into(),
                None => (&*fresh.as_hyphenated().encode_lower(&mut Uuid::encode_buffer())).into(),
            },
            parent: match parent.filter(|parent| is_trace_parent(parent)) {
                Some(parent) => parent.into(),
                None => new_trace_parent(fresh).into(),
            },
        }
    }
}

fn is_request_id(text: &str) -> bool {
    let is_sound = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&text.len()) && text.bytes().all(is_sound)
}

/// Whether a text is a `traceparent` (W3C Trace Context, section 3.2) of the version that we know.
fn is_trace_parent(text: &str) -> bool {
    let is_id = |part: &str, length: usize| {
        let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part.len() == length && part.bytes().all(is_hexadecimal)
    };
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let mut parts = text.split('-');
    let [version, trace, span, flags] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let is_known = version == "00" && is_id(trace, 32) && is_id(span, 16) && is_id(flags, 2);
    is_known && !is_zero(trace) && !is_zero(span) && parts.next().is_none()
}

fn new_trace_parent(trace: Uuid) -> String {
    let mut text = String::with_capacity(55);
    // Writing to a text does not fail. The span's id must not be zero.
    let _ = write!(text, "00-{}-{:016x}-01", trace.simple(), fastrand::u64(1..));
    text
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
