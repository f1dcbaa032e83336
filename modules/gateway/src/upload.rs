//! Bodies on their way through: short ones are read first, so that they can be sent again; long ones pass in small pieces,
//! no faster than the module takes them, and break off where the client is too slow.

use std::time::Duration;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use futures_util::StreamExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use kernel::Problem;
use kernel::upstream::{Body, BodyError};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// The longest body that is read first, in bytes.
const SHORT: u64 = 64 * 1024;
/// How many pieces may be on their way between the client and the module.
const PIECES: usize = 2;
/// How long all of a short body, and each piece of a long one, may take to come, and the module to take it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a body that has broken off waits for the answer that the module may be giving already.
const LAST_WORD: Duration = Duration::from_millis(500);
/// What a client has to send on average, in bytes per second, after the first [`PATIENCE`].
const SLOWEST: u64 = 1024;

/// The body of a request, ready to be sent on.
pub(crate) async fn body(head: &RequestHead, payload: Payload) -> Result<Body, Problem> {
    match stated_length(head) {
        Some(0) => Ok(Body::empty()),
        Some(length) if length <= SHORT => short(payload, length).await,
        length => Ok(long(payload, length)),
    }
}

/// The length as the request states it; a request without a body states 0 by saying nothing.
fn stated_length(head: &RequestHead) -> Option<u64> {
    if head.headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let length = head
        .headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    Some(length.and_then(|length| length.parse().ok()).unwrap_or(0))
}

async fn short(mut payload: Payload, length: u64) -> Result<Body, Problem> {
    let mut whole = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let all = async {
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| incomplete())?;
            whole.extend_from_slice(&piece);
        }
        Ok(Body::Whole(Bytes::from(whole)))
    };
    timeout(PATIENCE, all).await.map_err(|_| too_slow())?
}

/// The payload belongs to this worker, the connection to the module does not: a task of this worker hands it over.
fn long(mut payload: Payload, length: Option<u64>) -> Body {
    let (pieces, receiver) = mpsc::channel::<Result<Frame<Bytes>, BodyError>>(PIECES);
    actix_web::rt::spawn(async move {
        let started = tokio::time::Instant::now();
        let mut passed = 0;
        loop {
            let piece = match timeout(PATIENCE, payload.next()).await {
                Ok(None) => return,
                Ok(Some(Ok(piece))) => Ok(Frame::data(piece)),
                Ok(Some(Err(error))) => Err(error.to_string().into()),
                Err(_) => Err("the client is too slow".into()),
            };
            passed += piece
                .as_ref()
                .ok()
                .and_then(Frame::data_ref)
                .map_or(0, |data| data.len() as u64);
            let due = started.elapsed().saturating_sub(PATIENCE).as_secs() * SLOWEST;
            let piece = if passed < due {
                Err("the client is too slow".into())
            } else {
                piece
            };
            let last = piece.is_err();
            if last {
                // The module may have refused the request by its head; its answer says more than ours would.
                let answered = timeout(LAST_WORD, pieces.closed()).await;
                if answered.is_ok() {
                    return;
                }
            }
            // Whoever has stopped listening has an answer, or none.
            let taken = timeout(PATIENCE, pieces.send(piece)).await;
            if last || !matches!(taken, Ok(Ok(()))) {
                return;
            }
        }
    });
    Body::stream(Upload {
        pieces: receiver,
        left: length,
    })
}

struct Upload {
    pieces: mpsc::Receiver<Result<Frame<Bytes>, BodyError>>,
    /// What has to come yet, where the request states its length.
    left: Option<u64>,
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(self.pieces.poll_recv(context));
        if let (Some(left), Some(Ok(frame))) = (&mut self.left, &frame) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        std::task::Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A body that is not all there.
pub(crate) fn incomplete() -> Problem {
    Problem::bad_request("incomplete_body", "the body could not be read")
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "request_timeout",
        "the body did not arrive in time",
    )
}
