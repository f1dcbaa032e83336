//! Answers that go on as long as their clients listen. They take no place of those that requests have, but one of their own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use kernel::Problem;
use kernel::http::stream;
use metrics::Gauge;

/// How long a stream may be silent. Who sends one says something every fifteen seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);
/// When to come back where there is no place.
const PAUSE: Duration = Duration::from_secs(10);

/// How many streams there are, and how many there may be.
pub(crate) struct Streams {
    limit: usize,
    open: Arc<Open>,
}

struct Open {
    count: AtomicUsize,
    shown: Gauge,
}

/// The place of a stream, until it is dropped.
struct Seat(Arc<Open>);

/// The body of a stream with its place.
struct Seated {
    body: BoxBody,
    _seat: Seat,
}

impl Streams {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            open: Arc::new(Open {
                count: AtomicUsize::new(0),
                shown: metrics::gauge!("gateway_streams_open"),
            }),
        }
    }

    /// The answer, with a place where it is a stream; 503 where there is none for it.
    pub(crate) fn admit(&self, answer: HttpResponse) -> Result<HttpResponse, Problem> {
        if !is_stream(answer.headers()) {
            return Ok(answer);
        }
        let seat = self.take()?;
        Ok(answer.map_body(|_, body| BoxBody::new(Seated { body, _seat: seat })))
    }

    fn take(&self) -> Result<Seat, Problem> {
        let limit = self.limit;
        let counted = self
            .open
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < limit).then_some(now + 1)
            });
        if counted.is_err() {
            metrics::counter!("gateway_shed_total", "priority" => "stream").increment(1);
            let detail = "the shop has too many listeners, please try again later";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail);
            return Err(problem.with_retry_after(PAUSE));
        }
        self.open.shown.increment(1);
        Ok(Seat(Arc::clone(&self.open)))
    }
}

/// Whether an answer with these headers is a stream.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    stream::is_event_stream(headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes()))
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.shown.decrement(1);
    }
}

impl MessageBody for Seated {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> HttpResponse {
        HttpResponse::Ok()
            .content_type(stream::EVENT_STREAM)
            .body("data: x\n\n")
    }

    #[test]
    fn a_stream_has_a_place_until_it_ends_and_other_answers_need_none() {
        let streams = Streams::new(1);
        let first = streams.admit(stream()).unwrap();
        let refused = streams.admit(stream()).err().unwrap();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "overloaded"));
        assert!(streams.admit(HttpResponse::Ok().body("short")).is_ok());
        drop(first);
        assert!(streams.admit(stream()).is_ok());
    }
}
