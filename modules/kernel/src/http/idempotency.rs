//! `Idempotency-Key`: the same key, operation and caller has one effect and one answer, however often it is sent.
//! The claim is stored before the work, in the database of the module that does the work.

use std::future::{Ready, ready};

use actix_web::http::header::HeaderName;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, dev::Payload};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::context::COST_HEADER;
use super::version_tag;
use crate::{Fault, Problem};

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// How many results of an answer count as one more request.
const RESULTS_PER_REQUEST: usize = 50;

/// The longest key, in characters.
pub const MAX_KEY: usize = 255;

/// The `Idempotency-Key` of a request, where there is one. Quoted (a structured-field string) and bare forms are the same.
#[derive(Clone, Debug, Default)]
pub struct IdempotencyKey(Option<String>);

/// One operation under an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// Whose key it is: a user, or the holder of a cart's or an order's secret.
    pub scope: String,
    /// Which operation, e.g. `place_order`.
    pub operation: String,
    /// The client's key.
    pub key: String,
    /// What was asked for: the same key with another fingerprint is refused.
    pub fingerprint: Vec<u8>,
}

/// The outcome of an operation that may have been carried out before.
#[derive(Clone, Debug)]
pub enum Answer<T> {
    /// Done just now.
    Fresh(T),
    /// Done before: the stored answer.
    Replayed(Stored),
    /// Being done right now by another request.
    InProgress,
    /// The key was used for something else.
    KeyReused,
}

/// The answer of an earlier request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its status.
    pub status: u16,
    /// Its body, without secrets.
    pub body: Value,
}

impl IdempotencyKey {
    /// The call, where the client sent a key. `scope` names the caller, `request` is what was asked for: the path's
    /// parameters and the body.
    pub fn call(self, operation: &str, scope: impl ToString, request: &[&[u8]]) -> Option<Call> {
        let key = self.0?;
        Some(Call {
            scope: scope.to_string(),
            operation: operation.to_owned(),
            key,
            fingerprint: fingerprint(request),
        })
    }

    /// The call; 400 where the client sent no key. For operations that move money.
    pub fn required(self, operation: &str, scope: impl ToString, request: &[&[u8]]) -> Result<Call, Problem> {
        let missing = || {
            Problem::bad_request(
                "idempotency_key_required",
                "send an Idempotency-Key, new for each order, payment or refund",
            )
        };
        self.call(operation, scope, request).ok_or_else(missing)
    }
}

impl<T: Serialize> Answer<T> {
    /// The HTTP answer: a fresh result with `status`, a remembered one with its own. Both have the same headers, because
    /// those are told from the body: see [`Stored::respond`]. Many `results` count as several requests.
    pub fn respond(self, status: StatusCode, location: Option<&str>) -> HttpResponse {
        match self {
            Self::Fresh(value) => match serde_json::to_value(&value) {
                Ok(body) => success(status, &body, location).json(value),
                Err(error) => HttpResponse::from_error(Problem::from(Fault::internal(error.to_string()))),
            },
            Self::Replayed(stored) => stored.respond(location),
            Self::InProgress => HttpResponse::from_error(in_progress()),
            Self::KeyReused => HttpResponse::from_error(key_reused()),
        }
    }
}

impl Stored {
    /// The stored answer, marked as a replay, with the headers of the first one: the body's `version` is the `ETag`, and
    /// what was made is at `location`, a path in which `{member}` stands for that member of the body.
    pub fn respond(self, location: Option<&str>) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        match self.body {
            Value::Object(members) if !status.is_success() => {
                let problem = Problem::from_json(status, members);
                HttpResponse::from_error(problem.with_header(REPLAYED, "true"))
            }
            body => success(status, &body, location)
                .insert_header((REPLAYED, "true"))
                .json(body),
        }
    }
}

/// A successful answer, but for its body.
fn success(status: StatusCode, body: &Value, location: Option<&str>) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "private, no-store"));
    if let Some(version) = body["version"].as_i64() {
        response.insert_header(version_tag(version));
    }
    let cost = body["results"]
        .as_array()
        .map_or(0, |results| results.len() / RESULTS_PER_REQUEST);
    if cost > 0 {
        response.insert_header((COST_HEADER, cost.to_string()));
    }
    let is_new = matches!(status, StatusCode::CREATED | StatusCode::ACCEPTED);
    if let Some(path) = location.filter(|_| is_new).and_then(|location| fill(location, body)) {
        response.insert_header((header::LOCATION, path));
    }
    response
}

/// The path with the body's members in it; `None` where the body lacks one.
fn fill(path: &str, body: &Value) -> Option<String> {
    let segments = path.split('/').map(|segment| {
        let member = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        member.map_or(Some(segment), |member| body[member].as_str())
    });
    Some(segments.collect::<Option<Vec<_>>>()?.join("/"))
}

/// 409: the first request with this key is still running.
pub fn in_progress() -> Problem {
    Problem::conflict(
        "request_in_progress",
        "a request with this Idempotency-Key is running; repeat it in a moment",
    )
    .with_header(header::RETRY_AFTER, "1")
}

/// 422: the key belongs to another request.
pub fn key_reused() -> Problem {
    let detail = "this Idempotency-Key was used for another request; make a new key for each operation";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
}

impl FromRequest for IdempotencyKey {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request))
    }
}

fn read(request: &HttpRequest) -> Result<IdempotencyKey, Problem> {
    let mut values = request.headers().get_all("idempotency-key");
    let Some(value) = values.next() else {
        return Ok(IdempotencyKey(None));
    };
    let invalid = || {
        Problem::bad_request(
            "invalid_idempotency_key",
            format!("one Idempotency-Key of 1 to {MAX_KEY} printable ASCII characters"),
        )
    };
    let text = value.to_str().map_err(|_| invalid())?.trim();
    let bare = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(text);
    let sound = (1..=MAX_KEY).contains(&bare.len()) && bare.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !sound || values.next().is_some() {
        return Err(invalid());
    }
    Ok(IdempotencyKey(Some(bare.to_owned())))
}

/// JSON parts are compared by meaning, so that a client may serialise its retry with other white space or key order.
fn fingerprint(request: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in request {
        let canonical = serde_json::from_slice::<Value>(part)
            .map_or_else(|_| part.to_vec(), |value| value.to_string().into_bytes());
        hash.update((canonical.len() as u64).to_be_bytes());
        hash.update(canonical);
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_replay_has_the_headers_of_the_first_answer() {
        let body = json!({"id": "cart_1", "version": 7});
        let location = Some("/api/v1/carts/{id}");
        let first = Answer::Fresh(body.clone()).respond(StatusCode::CREATED, location);
        let stored = Stored { status: 201, body };
        let replay = Answer::<Value>::Replayed(stored).respond(StatusCode::CREATED, location);
        for answer in [&first, &replay] {
            let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
            assert_eq!(header(header::ETAG), Some("\"7\""));
            assert_eq!(header(header::LOCATION), Some("/api/v1/carts/cart_1"));
            assert_eq!(header(header::CACHE_CONTROL), Some("private, no-store"));
        }
        assert!(replay.headers().contains_key(REPLAYED) && !first.headers().contains_key(REPLAYED));
    }

    #[test]
    fn nothing_is_where_the_body_does_not_say() {
        let body = json!({"id": "cart_1"});
        assert_eq!(fill("/carts/{cart_id}", &body), None);
        let changed = Answer::Fresh(body).respond(StatusCode::OK, Some("/carts/{id}"));
        assert!(!changed.headers().contains_key(header::LOCATION) && !changed.headers().contains_key(header::ETAG));
    }

    #[test]
    fn a_fingerprint_is_of_the_meaning_not_of_the_white_space() {
        assert_eq!(
            fingerprint(&[br#"{"a":1,"b":2}"#]),
            fingerprint(&[br#"{ "b": 2, "a": 1 }"#])
        );
        assert_ne!(fingerprint(&[br#"{"a":1}"#]), fingerprint(&[br#"{"a":2}"#]));
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
    }
}
