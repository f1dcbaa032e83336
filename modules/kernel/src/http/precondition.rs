//! Edit versions as entity tags, `If-Match` and `If-None-Match` (RFC 9110, section 13.1).

use std::future::{Ready, ready};

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::Problem;

/// The entity tag of an edit version: `"7"`.
pub fn version_tag(version: i64) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{version}\""))
}

/// The `If-Match` header of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// The condition that a resource is at exactly this version.
    pub fn of(version: i64) -> Self {
        Self(Some(vec![format!("\"{version}\"")]))
    }

    /// Refuses with 428 where the header is missing; for admin resources.
    pub fn required(self) -> Result<Self, Problem> {
        match self.0 {
            Some(_) => Ok(self),
            None => Err(Problem::new(
                StatusCode::PRECONDITION_REQUIRED,
                "precondition_required",
                "send If-Match with the version you edit",
            )),
        }
    }

    /// Whether a resource at `version` may be changed: true where no condition was sent.
    pub fn allows(&self, version: i64) -> bool {
        let Some(tags) = &self.0 else { return true };
        tags.iter().any(|tag| tag == "*" || *tag == format!("\"{version}\""))
    }

    /// The versions the client would accept: `None` for any.
    pub fn versions(&self) -> Option<Vec<i64>> {
        let tags = self.0.as_ref()?;
        if tags.iter().any(|tag| tag == "*") {
            return None;
        }
        Some(
            tags.iter()
                .filter_map(|tag| tag.trim_matches('"').parse().ok())
                .collect(),
        )
    }
}

/// 412: somebody else has changed the resource since the client read it.
pub fn precondition_failed(version: i64) -> Problem {
    let detail = "the resource has changed since you read it; read it again and repeat your change";
    Problem::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", detail).with("version", version)
}

/// Whether whoever sends these headers has the answer with this tag: `If-None-Match`, by weak comparison.
pub fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let values = headers.get_all(header::IF_NONE_MATCH);
    let values = values.filter_map(|value| value.to_str().ok());
    let mut known = values.flat_map(|value| value.split(','));
    known.any(|known| known.trim() == "*" || opaque(known) == opaque(tag))
}

impl FromRequest for IfMatch {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let Some(value) = request.headers().get(header::IF_MATCH) else {
            return ready(Ok(Self(None)));
        };
        let text = value.to_str().unwrap_or_default();
        ready(Ok(Self(Some(
            text.split(',').map(|tag| tag.trim().to_owned()).collect(),
        ))))
    }
}
