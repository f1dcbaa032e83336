//! JSON bodies: the right media type, bounded, strict, and with a JSON pointer to whatever is wrong.

mod mistakes;

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use utoipa::PartialSchema;

use super::body::{BodyLimits, check_stated_length, incomplete, too_large, too_slow};
use crate::{FieldError, Problem};

/// A JSON body of type `T`. `T` denies unknown fields; wrong fields answer 422 with a pointer to each, broken JSON 400.
pub struct Json<T> {
    /// The body.
    pub value: T,
    bytes: Bytes,
}

impl<T> Json<T> {
    /// The body.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The body as it was sent: what an idempotency key is bound to.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: DeserializeOwned + PartialSchema + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media_type = check_media_type(request);
        let untyped = !request.headers().contains_key(header::CONTENT_TYPE);
        if let (Err(problem), false) = (&media_type, untyped) {
            return Box::pin(std::future::ready(Err(problem.clone())));
        }
        let limits = BodyLimits::of(request);
        if let Err(problem) = check_stated_length(request, limits.json) {
            return Box::pin(std::future::ready(Err(problem)));
        }
        let body = web::Payload::from_request(request, payload).into_inner();
        Box::pin(async move {
            let body = body.map_err(|_| incomplete())?;
            let bytes = match read(body, limits).await? {
                // No body and no type: nothing is said of any field.
                bytes if untyped && bytes.is_empty() => Bytes::from_static(b"{}"),
                bytes => media_type.map(|()| bytes)?,
            };
            check_object(&bytes)?;
            let value = deserialize(&bytes).map_err(|refusal| match refusal {
                Refusal::Malformed(problem) => problem,
                Refusal::Invalid(first) => Problem::invalid(mistakes::collect::<T>(&bytes, first)),
            })?;
            Ok(Self { value, bytes })
        })
    }
}

/// Reads JSON the way [`Json`] does, but for naming only the first mistake; for bodies that are not the whole request.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    deserialize(bytes).map_err(|refusal| match refusal {
        Refusal::Malformed(problem) => problem,
        Refusal::Invalid(mistake) => Problem::invalid(mistake),
    })
}

/// Why a body is not a `T`.
enum Refusal {
    /// It is not JSON.
    Malformed(Problem),
    /// A field is wrong: the first that serde came across.
    Invalid(FieldError),
}

fn deserialize<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let malformed = |detail: String| Refusal::Malformed(Problem::bad_request("invalid_json", detail));
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| match error.inner() {
        inner if inner.is_data() => Refusal::Invalid(field_error(&error)),
        inner => malformed(format!(
            "not well-formed JSON at line {} column {}",
            inner.line(),
            inner.column()
        )),
    })?;
    deserializer
        .end()
        .map_err(|_| malformed("something follows the JSON value".to_owned()))?;
    Ok(value)
}

/// Serde would take an array for a struct, its values in the order of the fields.
fn check_object(bytes: &[u8]) -> Result<(), Problem> {
    match bytes.trim_ascii_start().first() {
        Some(b'[') => Err(Problem::invalid(FieldError::new(
            "",
            "invalid_type",
            "must be an object",
        ))),
        _ => Ok(()),
    }
}

/// The field that serde complains about.
fn field_error(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldError {
    let message = error.inner().to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    FieldError::from_message(pointer(error.path(), message), message)
}

/// The JSON pointer (RFC 6901) of a path; a missing or unknown field is named although the path ends at its parent.
fn pointer(path: &Path, message: &str) -> String {
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            // The variant of an enum with content is the name of a member.
            Segment::Map { key } | Segment::Enum { variant: key } => pointer.push_str(&format!("/{}", escape(key))),
            Segment::Unknown => (),
        }
    }
    let named = ["missing field `", "unknown field `", "duplicate field `"].iter();
    let field = named
        .filter_map(|start| message.strip_prefix(start))
        .find_map(|rest| rest.split('`').next());
    match field {
        Some(field) if !pointer.ends_with(&format!("/{}", escape(field))) => format!("{pointer}/{}", escape(field)),
        _ => pointer,
    }
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let refuse = |detail| {
        Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        ))
    };
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return refuse("compressed request bodies are not taken");
    }
    let value = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let media_type = parts.next().unwrap_or_default();
    if media_type != "application/json" && media_type != "application/merge-patch+json" {
        return refuse("send Content-Type: application/json");
    }
    match parts.find(|parameter| parameter.starts_with("charset=")) {
        Some(charset) if charset.trim_start_matches("charset=").trim_matches('"') != "utf-8" => refuse("JSON is UTF-8"),
        _ => Ok(()),
    }
}

async fn read(body: web::Payload, limits: BodyLimits) -> Result<Bytes, Problem> {
    let arrived = tokio::time::timeout(limits.patience, body.to_bytes_limited(limits.json)).await;
    match arrived.map_err(|_| too_slow())? {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => Err(match error.as_error::<PayloadError>() {
            Some(PayloadError::Overflow) => too_large(limits.json),
            _ => incomplete(),
        }),
        Err(_) => Err(too_large(limits.json)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Order {
        note: Text<1, 5>,
        lines: Vec<Line>,
        #[serde(default)]
        way: Option<Way>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only read by serde")]
    enum Way {
        Courier(Line),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Line {
        quantity: u16,
    }

    fn first_error(json: &str) -> (u16, String, String) {
        let problem = parse::<Order>(json.as_bytes()).unwrap_err();
        let body = problem.to_json();
        let field = body.get("errors").and_then(|errors| errors.get(0));
        let text = |name: &str| {
            field
                .and_then(|field| field[name].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        (problem.status().as_u16(), text("pointer"), text("code"))
    }

    #[test]
    fn the_wrong_field_is_named_by_its_pointer_and_a_stable_code() {
        let cases = [
            (r#"{"note":"abcdef","lines":[]}"#, "/note", "too_long"),
            (r#"{"note":"a\u0000","lines":[]}"#, "/note", "invalid_character"),
            (
                r#"{"note":"a","lines":[{"quantity":1},{"quantity":"2"}]}"#,
                "/lines/1/quantity",
                "invalid_type",
            ),
            (
                r#"{"note":"a","lines":[{"quantity":1.5}]}"#,
                "/lines/0/quantity",
                "invalid_type",
            ),
            (
                r#"{"note":"a","lines":[{"quantity":-1}]}"#,
                "/lines/0/quantity",
                "out_of_range",
            ),
            (r#"{"note":"a","lines":[{}]}"#, "/lines/0/quantity", "required"),
            (r#"{"note":"a","lines":[],"role":"admin"}"#, "/role", "unknown_field"),
            (r#"{"note":"a","note":"b","lines":[]}"#, "/note", "duplicate_field"),
            (r#"{"note":null,"lines":[]}"#, "/note", "invalid_type"),
            (
                r#"{"note":"a","lines":[],"way":{"courier":{"quantity":"1"}}}"#,
                "/way/courier/quantity",
                "invalid_type",
            ),
            (
                r#"{"note":"a","lines":[],"way":{"pigeon":{}}}"#,
                "/way",
                "unknown_value",
            ),
        ];
        for (json, pointer, code) in cases {
            assert_eq!(first_error(json), (422, pointer.to_owned(), code.to_owned()), "{json}");
        }
    }

    #[test]
    fn broken_json_is_400() {
        for json in [
            "",
            "{",
            "nul",
            r#"{"note":"a","lines":[]} x"#,
            r#"{"note":"a","lines":[{"quantity":NaN}]}"#,
            &"[".repeat(10_000),
        ] {
            let problem = parse::<serde_json::Value>(json.as_bytes())
                .err()
                .or_else(|| parse::<Order>(json.as_bytes()).err());
            assert_eq!(problem.unwrap().status(), 400, "{json:.40}");
        }
    }
}
