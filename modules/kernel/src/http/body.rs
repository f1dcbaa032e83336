//! How large a body may be, and how fast it has to come. Actix itself bounds the head of a request alone.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

use crate::Problem;

/// What a client has to send on average, in bytes per second, after the first [`BodyLimits::patience`].
const SLOWEST: u64 = 1024;

/// What is taken for a body; put it into the application's data.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// The largest JSON body, in bytes.
    pub json: usize,
    /// How long a short body may take to come, and each piece of a long one.
    pub patience: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            json: 1 << 20,
            patience: Duration::from_secs(15),
        }
    }
}

impl BodyLimits {
    /// The limits of the application that has the request.
    pub fn of(request: &HttpRequest) -> Self {
        request
            .app_data::<web::Data<Self>>()
            .map_or_else(Self::default, |limits| *limits.as_ref())
    }
}

/// Keeps the sender of a long body to its pace: each piece in time, and not too little on average.
#[derive(Debug)]
pub struct Pace {
    patience: Duration,
    started: Instant,
    passed: u64,
}

impl Pace {
    /// From now on.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            started: Instant::now(),
            passed: 0,
        }
    }

    /// The next piece of a body; `None` at its end.
    ///
    /// # Errors
    ///
    /// 408 where the sender is too slow, 400 where the body breaks off.
    pub async fn next(
        &mut self,
        body: &mut (impl Stream<Item = Result<Bytes, PayloadError>> + Unpin),
    ) -> Result<Option<Bytes>, Problem> {
        let piece = timeout(self.patience, body.next()).await.map_err(|_| too_slow())?;
        let Some(piece) = piece else { return Ok(None) };
        let piece = piece.map_err(|_| incomplete())?;
        self.passed += piece.len() as u64;
        let due = self.started.elapsed().saturating_sub(self.patience).as_secs() * SLOWEST;
        if self.passed < due {
            return Err(too_slow());
        }
        Ok(Some(piece))
    }
}

/// Refuses a request that itself says that its body is larger than `limit` bytes, before any of it is read. A body whose
/// length is not stated has to be counted as it arrives.
pub fn check_stated_length(request: &HttpRequest, limit: usize) -> Result<(), Problem> {
    let stated = request.headers().get(header::CONTENT_LENGTH);
    let stated = stated.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match stated {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// 413: the body has more than `limit` bytes.
pub fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "payload_too_large",
        format!("the body may have at most {limit} bytes"),
    )
}

/// 408: the body came too slowly.
pub fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "the body did not arrive in time",
    )
}

/// 400: the body is not all there.
pub fn incomplete() -> Problem {
    Problem::bad_request("incomplete_body", "the body could not be read")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// A body of `count` pieces of `size` bytes, one every `pause`.
    fn body(count: usize, size: usize, pause: Duration) -> impl Stream<Item = Result<Bytes, PayloadError>> + Unpin {
        let pieces = stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(pause).await;
            Ok(Bytes::from(vec![0; size]))
        });
        Box::pin(pieces)
    }

    async fn read(mut body: impl Stream<Item = Result<Bytes, PayloadError>> + Unpin) -> Result<usize, u16> {
        let mut pace = Pace::new(Duration::from_secs(15));
        let mut size = 0;
        while let Some(piece) = pace
            .next(&mut body)
            .await
            .map_err(|problem| problem.status().as_u16())?
        {
            size += piece.len();
        }
        Ok(size)
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_may_take_as_long_as_it_keeps_its_pace() {
        assert_eq!(read(body(100, 20_000, Duration::from_secs(14))).await, Ok(2_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn who_pauses_or_sends_drop_by_drop_is_cut_off() {
        assert_eq!(read(body(2, 1_000_000, Duration::from_secs(16))).await, Err(408));
        assert_eq!(read(body(1000, 1, Duration::from_secs(1))).await, Err(408));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_no_whole_one() {
        let broken = stream::iter([Ok(Bytes::from_static(b"a")), Err(PayloadError::Incomplete(None))]);
        assert_eq!(read(broken).await, Err(400));
    }
}
