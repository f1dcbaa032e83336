//! Bodies on their way through: short ones are read first, so that they can be sent again; long ones pass in small pieces,
//! no faster than the module takes them, and break off where the client is too slow.

use std::time::Duration;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use kernel::Problem;
use kernel::http::body::{self, Pace};
use kernel::upstream::{Body, BodyError};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// The longest body that is read first, in bytes.
const SHORT: u64 = 64 * 1024;
/// How many pieces may be on their way between the client and the module.
const PIECES: usize = 2;
/// How long a body that has broken off waits for the answer that the module may be giving already.
const LAST_WORD: Duration = Duration::from_millis(500);

/// What is let through.
#[derive(Clone, Copy)]
pub(crate) struct BodyLimits {
    /// The largest body, in bytes.
    pub(crate) largest: usize,
    /// How long all of a short body, and each piece of a long one, may take to come, and the module to take it.
    pub(crate) patience: Duration,
}

/// The body of a request, ready to be sent on.
pub(crate) struct Upload {
    body: Body,
    outcome: Outcome,
}

/// How the handing over of a long body has ended; nothing while it goes on.
type Outcome = watch::Sender<Option<Result<(), Problem>>>;

impl Upload {
    /// The body of the request that `head` belongs to.
    pub(crate) async fn of(head: &RequestHead, payload: Payload, limits: BodyLimits) -> Result<Self, Problem> {
        let outcome = Outcome::default();
        let body = match stated_length(head) {
            Some(0) => Body::empty(),
            Some(length) if length > limits.largest as u64 => return Err(body::too_large(limits.largest)),
            Some(length) if length <= SHORT => short(payload, length, limits.patience).await?,
            length => long(payload, length, limits, outcome.clone()),
        };
        Ok(Self { body, outcome })
    }

    /// What is sent; it is there only once, however often it is taken.
    pub(crate) fn body(&self) -> Body {
        self.body.clone()
    }

    /// Waits until the body has broken off on its way, if it does.
    pub(crate) async fn fails(&self) {
        let mut outcomes = self.outcome.subscribe();
        // The sender is part of the upload, so that it is there as long as we are.
        let _ = outcomes.wait_for(|outcome| matches!(outcome, Some(Err(_)))).await;
    }

    /// What is wrong with a body that has broken off.
    pub(crate) fn complaint(&self) -> Problem {
        match &*self.outcome.borrow() {
            Some(Err(problem)) => problem.clone(),
            _ => body::incomplete(),
        }
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

async fn short(mut payload: Payload, length: u64, patience: Duration) -> Result<Body, Problem> {
    let mut whole = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let mut pace = Pace::new(patience);
    let all = async {
        while let Some(piece) = pace.next(&mut payload).await? {
            whole.extend_from_slice(&piece);
        }
        Ok(Body::Whole(Bytes::from(whole)))
    };
    timeout(patience, all).await.map_err(|_| body::too_slow())?
}

/// The payload belongs to this worker, the connection to the module does not: a task of this worker hands it over.
fn long(mut payload: Payload, length: Option<u64>, limits: BodyLimits, outcome: Outcome) -> Body {
    let (pieces, receiver) = mpsc::channel(PIECES);
    let told = outcome.clone();
    actix_web::rt::spawn(async move {
        let ended = hand_over(&mut payload, &pieces, limits).await;
        // It is there before the pieces end.
        told.send_replace(Some(ended));
        drop(pieces);
    });
    Body::stream(Pieces {
        pieces: receiver,
        left: length,
        outcome,
    })
}

/// Hands over all of a body, to the end of one of the two sides.
async fn hand_over(payload: &mut Payload, pieces: &mpsc::Sender<Bytes>, limits: BodyLimits) -> Result<(), Problem> {
    let mut pace = Pace::new(limits.patience);
    let mut left = limits.largest;
    loop {
        let piece = match pace.next(payload).await {
            Ok(Some(piece)) if piece.len() > left => Err(body::too_large(limits.largest)),
            Ok(Some(piece)) => Ok(piece),
            Ok(None) => return Ok(()),
            Err(problem) => Err(problem),
        };
        match piece {
            Ok(piece) => {
                left -= piece.len();
                let taken = timeout(limits.patience, pieces.send(piece)).await;
                // Whoever has stopped listening has an answer, or none.
                taken.map_err(|_| not_taken())?.map_err(|_| not_taken())?;
            }
            Err(problem) => {
                // The module may have refused the request by its head; its answer says more than ours would.
                let _ = timeout(LAST_WORD, pieces.closed()).await;
                return Err(problem);
            }
        }
    }
}

/// 504: the module does not take the body.
fn not_taken() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "timeout",
        "this part of the shop took too long over the body; the outcome is unknown",
    )
}

struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    /// What has to come yet, where the request states its length.
    left: Option<u64>,
    outcome: Outcome,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(piece) = std::task::ready!(self.pieces.poll_recv(context)) else {
            // Only what is known to be all of it may look like that to the module.
            let whole = matches!(*self.outcome.borrow(), Some(Ok(())));
            let broken = (!whole).then(|| Err("the client's body broke off".into()));
            return std::task::Poll::Ready(broken);
        };
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(piece.len() as u64);
        }
        std::task::Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
