//! One answer as it is kept: ready to leave, in each of the forms that clients ask for.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use actix_http::ResponseHead;
use actix_http::encoding::Encoder;
use actix_web::body::{self, BoxBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, AcceptEncoding, ContentEncoding, Encoding, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use kernel::http::context::{ROUTE_HEADER, RouteName};
use tokio::sync::OnceCell;

use super::news::Mark;
use super::policy::{Lifetime, age};

/// What belongs to one answer or one connection, and not to what is kept (RFC 9111, section 3.1).
const NOT_KEPT: [&str; 17] = [
    "age",
    "cache-status",
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "server",
    "te",
    "traceparent",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
];

/// Bodies below this size, in bytes, are not worth compressing.
const WORTH_COMPRESSING: usize = 1024;
/// After a failure the module is left alone for so long.
const HOLD_OFF: Duration = Duration::from_secs(5);

/// One answer that is kept.
pub(super) struct Entry {
    headers: Vec<(HeaderName, HeaderValue)>,
    tag: Option<HeaderValue>,
    route: Option<RouteName>,
    plain: Bytes,
    /// Made when the first client wants them; `None` inside where they would not save half of the plain one.
    brotli: OnceCell<Option<Bytes>>,
    gzip: OnceCell<Option<Bytes>>,
    lifetime: Lifetime,
    mark: Mark,
    /// When the answer was made, in milliseconds.
    born: i64,
    /// When the module may be asked again after it has failed to make a new one, in milliseconds; 0 where it has not.
    retry_at: AtomicI64,
}

/// A form that a client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    /// As it is.
    Plain,
}

/// What an entry is made from.
pub(super) struct Made<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) route: Option<RouteName>,
    pub(super) body: Bytes,
    pub(super) lifetime: Lifetime,
    pub(super) mark: Mark,
    /// When the module was asked, in milliseconds.
    pub(super) asked_at: i64,
}

impl Coding {
    /// The form that a client likes best, of those that the compression layer makes as well.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let Some(accepted) = request.get_header::<AcceptEncoding>() else {
            return Self::Plain;
        };
        let made = [
            Encoding::identity(),
            Encoding::brotli(),
            Encoding::gzip(),
            Encoding::deflate(),
        ];
        match accepted.negotiate(made.iter()) {
            Some(Encoding::Known(ContentEncoding::Brotli)) => Self::Brotli,
            Some(Encoding::Known(ContentEncoding::Gzip)) => Self::Gzip,
            _ => Self::Plain,
        }
    }
}

impl Entry {
    pub(super) fn new(made: Made<'_>) -> Self {
        let is_kept = |name: &HeaderName| !NOT_KEPT.contains(&name.as_str()) && name.as_str() != ROUTE_HEADER;
        let kept = made.headers.iter().filter(|(name, _)| is_kept(name));
        let headers = kept.map(|(name, value)| match *name {
            // The same answer leaves in several forms.
            header::ETAG => (header::ETAG, weak(value)),
            _ => (name.clone(), value.clone()),
        });
        Self {
            headers: headers.collect(),
            tag: made.headers.get(header::ETAG).map(weak),
            route: made.route,
            plain: made.body,
            brotli: OnceCell::new(),
            gzip: OnceCell::new(),
            lifetime: made.lifetime,
            mark: made.mark,
            born: made.asked_at - milliseconds(age(made.headers)),
            retry_at: AtomicI64::new(0),
        }
    }

    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    pub(super) fn lifetime(&self) -> &Lifetime {
        &self.lifetime
    }

    pub(super) fn tag(&self) -> Option<&str> {
        self.tag.as_ref()?.to_str().ok()
    }

    pub(super) fn route(&self) -> Option<RouteName> {
        self.route.clone()
    }

    /// How old the answer is `now`, in milliseconds of the same clock.
    pub(super) fn age(&self, now: i64) -> Duration {
        Duration::from_millis(u64::try_from(now - self.born).unwrap_or(0))
    }

    /// How much memory the entry takes at most, in bytes: the two compressed forms together are no larger than the plain
    /// one.
    pub(super) fn size(&self) -> usize {
        let headers = self.headers.iter();
        let headers: usize = headers
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        size_of::<Self>() + headers + 2 * self.plain.len()
    }

    /// The module has failed to make a new answer.
    pub(super) fn has_failed(&self, now: i64) {
        self.retry_at.store(now + milliseconds(HOLD_OFF), Ordering::Relaxed);
    }

    /// Whether the module has failed to make a new answer since it made this one.
    pub(super) fn is_last_resort(&self) -> bool {
        self.retry_at.load(Ordering::Relaxed) != 0
    }

    /// Whether the module may be asked for a new one.
    pub(super) fn may_retry(&self, now: i64) -> bool {
        self.retry_at.load(Ordering::Relaxed) <= now
    }

    /// The whole answer in a form for `coding`.
    pub(super) async fn whole(&self, coding: Coding) -> HttpResponse {
        let (body, encoding) = self.form(coding).await;
        let mut response = HttpResponse::with_body(StatusCode::OK, BoxBody::new(body));
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            headers.append(name.clone(), value.clone());
        }
        if let Some(encoding) = encoding {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        response
    }

    /// The answer for whoever has it already (RFC 9110, section 15.4.5).
    pub(super) fn not_modified(&self) -> HttpResponse {
        let mut response = HttpResponse::NotModified().finish();
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            if !name.as_str().starts_with("content-") {
                headers.append(name.clone(), value.clone());
            }
        }
        response
    }

    /// The body, and what to call its form. `identity` tells the compression layer that there is nothing to gain, and
    /// ends in `hygiene.rs`.
    async fn form(&self, coding: Coding) -> (Bytes, Option<&'static str>) {
        let (cell, encoding) = match coding {
            Coding::Brotli => (&self.brotli, ContentEncoding::Brotli),
            Coding::Gzip => (&self.gzip, ContentEncoding::Gzip),
            Coding::Plain => return (self.plain.clone(), None),
        };
        match cell.get_or_init(|| compressed(&self.plain, encoding)).await {
            Some(body) => (body.clone(), Some(encoding.as_str())),
            None => (self.plain.clone(), Some(ContentEncoding::Identity.as_str())),
        }
    }
}

async fn compressed(plain: &Bytes, encoding: ContentEncoding) -> Option<Bytes> {
    if plain.len() < WORTH_COMPRESSING {
        return None;
    }
    let mut head = ResponseHead::new(StatusCode::OK);
    let encoder = Encoder::response(encoding, &mut head, plain.clone());
    let compressed = body::to_bytes(encoder).await.ok()?;
    (2 * compressed.len() <= plain.len()).then_some(compressed)
}

fn weak(tag: &HeaderValue) -> HeaderValue {
    let text = tag.to_str().unwrap_or_default();
    match text.starts_with("W/") {
        true => tag.clone(),
        false => HeaderValue::from_str(&format!("W/{text}")).unwrap_or_else(|_| tag.clone()),
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::cache::news::Source;
    use kernel::event::{Event, Feed, Position};

    struct NoFeed;

    #[async_trait::async_trait]
    impl Feed for NoFeed {
        async fn read(&self, _: Position, _: i64) -> Result<Vec<(Position, Event)>, kernel::Fault> {
            Ok(Vec::new())
        }

        async fn end(&self) -> Result<Position, kernel::Fault> {
            Ok(Position::default())
        }
    }

    fn entry(headers: &[(&'static str, &'static str)], body: &str) -> Entry {
        let named = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        Entry::new(Made {
            headers: &named.collect(),
            route: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
            lifetime: Lifetime {
                fresh: Duration::from_secs(60),
                while_revalidating: Duration::ZERO,
                on_error: Duration::ZERO,
            },
            mark: Source::new("product", std::sync::Arc::new(NoFeed)).mark(),
            asked_at: 10_000,
        })
    }

    fn names(response: &HttpResponse) -> Vec<&str> {
        let mut names: Vec<&str> = response.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    const HEADERS: [(&str, &str); 9] = [
        ("content-type", "application/json"),
        ("cache-control", "public, max-age=60"),
        ("etag", "\"7\""),
        ("age", "3"),
        ("connection", "close"),
        ("x-request-id", "somebody-elses"),
        ("traceparent", "somebody-elses"),
        ("bodega-route", "/api/v1/products"),
        ("date", "Tue, 24 Nov 2026 15:00:00 GMT"),
    ];

    #[actix_web::test]
    async fn what_belongs_to_one_client_is_not_kept() {
        let entry = entry(&HEADERS, "{}");
        let whole = entry.whole(Coding::Plain).await;
        assert_eq!(names(&whole), ["cache-control", "content-type", "etag"]);
        assert_eq!(names(&entry.not_modified()), ["cache-control", "etag"]);
        assert_eq!(entry.tag(), Some("W/\"7\""), "one tag stands for several forms");
        assert_eq!(
            entry.age(12_000),
            Duration::from_secs(5),
            "it was 3 seconds old when it came"
        );
        assert_eq!(
            entry.age(1_000),
            Duration::ZERO,
            "a clock that was set back makes nothing young"
        );
    }

    #[actix_web::test]
    async fn what_does_not_shrink_to_half_leaves_as_it_is() {
        let long = "a long text ".repeat(200);
        let random: String = (0..2_000).map(|_| fastrand::alphanumeric()).collect();
        for (body, encoding, shrinks) in [
            (long.as_str(), Coding::Brotli, true),
            (long.as_str(), Coding::Gzip, true),
            ("short", Coding::Gzip, false),
            (random.as_str(), Coding::Brotli, false),
        ] {
            let entry = entry(&HEADERS, body);
            for _ in 0..2 {
                let (sent, name) = entry.form(encoding).await;
                assert_eq!(sent.len() * 2 <= body.len(), shrinks);
                assert_eq!(name != Some("identity"), shrinks);
            }
            assert!(entry.size() >= 2 * body.len());
        }
    }

    #[test]
    fn a_failure_is_remembered_for_a_while() {
        let entry = entry(&HEADERS, "{}");
        assert!(!entry.is_last_resort() && entry.may_retry(0));
        entry.has_failed(20_000);
        assert!(entry.is_last_resort());
        assert!(!entry.may_retry(24_999) && entry.may_retry(25_000));
    }

    #[test]
    fn the_form_is_the_one_that_the_client_likes() {
        for (accepted, coding) in [
            ("br", Coding::Brotli),
            ("gzip, br;q=0.5", Coding::Gzip),
            ("deflate", Coding::Plain),
            ("identity", Coding::Plain),
            ("", Coding::Plain),
            ("zstd", Coding::Plain),
        ] {
            let request = TestRequest::get().insert_header(("accept-encoding", accepted));
            assert_eq!(Coding::of(&request.to_http_request()), coding, "{accepted}");
        }
        assert_eq!(Coding::of(&TestRequest::get().to_http_request()), Coding::Plain);
    }
}
