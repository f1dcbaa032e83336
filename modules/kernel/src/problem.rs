//! The one error envelope: problem details for HTTP APIs (RFC 9457).

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Fault, FieldError, FieldErrors};

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// An answer that refuses a request. The HTTP layer adds `instance` and `request_id` when it sends it.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    errors: Vec<FieldError>,
    members: Map<String, Value>,
    headers: Vec<(header::HeaderName, String)>,
    cause: Option<String>,
}

impl Problem {
    /// A problem with the given status and stable machine-readable code; `detail` is for people and must not hold
    /// anything secret.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            members: Map::new(),
            headers: Vec::new(),
            cause: None,
        }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: no credentials, or none that hold.
    pub fn unauthenticated(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"bodega\"")
    }

    /// 403: known, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 404: unknown, or somebody else's; the two look the same.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("no such {what}"))
    }

    /// 409: the request does not fit the present state.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: fields are wrong; each is named.
    pub fn invalid(errors: impl Into<FieldErrors>) -> Self {
        let errors = errors.into();
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "validation_failed",
            errors.to_string(),
        );
        problem.errors = errors.as_slice().to_vec();
        problem
    }

    /// 400: query parameters are wrong; each is named.
    pub fn invalid_query(errors: impl Into<FieldErrors>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "invalid_query".into(),
            ..Self::invalid(errors)
        }
    }

    /// The problem that [`Problem::to_json`] has written down.
    pub fn from_json(status: StatusCode, mut body: Map<String, Value>) -> Self {
        let mut text = |name: &str| match body.remove(name) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (code, detail) = (text("code"), text("detail"));
        let errors = body
            .remove("errors")
            .and_then(|errors| serde_json::from_value(errors).ok())
            .unwrap_or_default();
        for name in ["type", "title", "status"] {
            body.remove(name);
        }
        let problem = Self::new(status, "", detail);
        Self {
            code: code.into(),
            errors,
            members: body,
            ..problem
        }
    }

    /// Adds an extension member, e.g. the `order_id` of a conflict.
    pub fn with(mut self, name: &str, value: impl Serialize) -> Self {
        self.members.insert(name.to_owned(), json!(value));
        self
    }

    /// Adds what operators need to know and clients must not.
    pub fn with_cause(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds a header to the answer.
    pub fn with_header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Says when to try again, rounded up to whole seconds.
    pub fn with_retry_after(self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, seconds.max(1).to_string())
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What operators need to know and clients must not: logged once, where the answer leaves.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The problem as JSON, without the members that only the HTTP layer knows.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut body = Map::new();
        body.insert("type".into(), format!("urn:bodega:problem:{}", self.code).into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("code".into(), self.code.clone().into());
        if !self.errors.is_empty() {
            body.insert("errors".into(), json!(self.errors));
        }
        body.extend(self.members.clone());
        body
    }

    /// The answer, with `instance` and `request_id` where they are known.
    pub fn respond(&self, request: Option<(&str, &str)>) -> HttpResponse {
        let mut body = self.to_json();
        if let Some((instance, request_id)) = request {
            body.insert("instance".into(), instance.into());
            body.insert("request_id".into(), request_id.into());
        }
        let mut response = HttpResponse::build(self.status);
        for (name, value) in &self.headers {
            response.append_header((name.clone(), value.as_str()));
        }
        response
            .insert_header((header::CACHE_CONTROL, "private, no-store"))
            .content_type(CONTENT_TYPE)
            .body(Value::Object(body).to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} {}: {}",
            self.status.as_u16(),
            self.code,
            self.cause.as_deref().unwrap_or(&self.detail)
        )
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(None)
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let mut problem = match &fault {
            Fault::Unavailable { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "the shop is busy, please try again",
            ),
            Fault::Timeout { .. } => Self::new(
                StatusCode::GATEWAY_TIMEOUT,
                "timeout",
                "no answer in time; the outcome is unknown",
            ),
            Fault::Internal { .. } => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal_error",
                "something went wrong on our side",
            ),
        };
        if let Some(after) = fault.retry_after() {
            problem = problem.with_retry_after(after);
        }
        problem.cause = Some(fault.to_string());
        problem
    }
}

impl From<FieldErrors> for Problem {
    fn from(errors: FieldErrors) -> Self {
        Self::invalid(errors)
    }
}

/// The shape of [`Problem`] for the OpenAPI document.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemSchema {
    /// A URI that names the kind of problem.
    #[schema(example = "urn:bodega:problem:not_found")]
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// For people.
    pub detail: String,
    /// The path that was asked for.
    pub instance: String,
    /// Stable and machine-readable.
    #[schema(example = "not_found")]
    pub code: String,
    /// Also in the `X-Request-Id` header and in the log.
    pub request_id: String,
    /// The fields that are wrong, where fields are.
    #[schema(required = false)]
    pub errors: Vec<FieldError>,
    /// The present version, where the one that the request is about is not the present one any more.
    #[schema(required = false, nullable = false)]
    pub version: Option<i64>,
}
