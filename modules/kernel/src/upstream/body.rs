//! Bodies on their way to and from an upstream.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::web::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::watch;
use tokio::time::{Sleep, sleep};

use super::Ticket;

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body as it is sent.
pub(super) type Sent = UnsyncBoxBody<Bytes, BodyError>;

/// What a request carries.
#[derive(Clone)]
pub enum Body {
    /// Nothing, or something that is at hand and can be sent again.
    Whole(Bytes),
    /// Something that passes through, and can be sent again only while nothing of it has been taken.
    Stream(Stream),
}

/// A stream that is begun at most once.
#[derive(Clone)]
pub struct Stream {
    untouched: Arc<Mutex<Option<Sent>>>,
    state: watch::Sender<State>,
}

/// How far a stream is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Something may yet come.
    Open,
    /// All of it has been sent, or nobody takes it any more.
    Over,
    /// It broke off where it comes from.
    Broken,
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self::Whole(Bytes::new())
    }

    /// A body that passes through.
    pub fn stream(body: impl HttpBody<Data = Bytes, Error = BodyError> + Send + 'static) -> Self {
        Self::Stream(Stream {
            untouched: Arc::new(Mutex::new(Some(body.boxed_unsync()))),
            state: watch::Sender::new(State::Open),
        })
    }

    /// Waits until all of it has been sent, or will not be.
    pub(super) async fn sent(&self) {
        if let Self::Stream(stream) = self {
            // The sender is part of the stream, so that it is there as long as we are.
            let _ = stream.state.subscribe().wait_for(|state| *state != State::Open).await;
        }
    }

    /// Whether it broke off where it comes from, which is no fault of who was to have it.
    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Stream(stream) if *stream.state.borrow() == State::Broken)
    }

    /// Whether all of it can be sent (again).
    pub(super) fn is_untouched(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Stream(stream) => stream.lock().is_some(),
        }
    }

    /// The body for one attempt; it stays untouched until its first byte is asked for.
    pub(super) fn attempt(&self) -> Sent {
        match self {
            Self::Whole(bytes) => Full::new(bytes.clone()).map_err(|never| match never {}).boxed_unsync(),
            Self::Stream(stream) => Attempt {
                stream: stream.clone(),
                begun: None,
            }
            .boxed_unsync(),
        }
    }
}

impl Stream {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Sent>> {
        // Nothing that holds the lock can panic half-way.
        self.untouched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended first counts.
    fn end(&self, as_what: State) {
        self.state.send_if_modified(|state| {
            let ends = *state == State::Open;
            if ends {
                *state = as_what;
            }
            ends
        });
    }
}

struct Attempt {
    stream: Stream,
    begun: Option<Sent>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.begun.is_some() {
            self.stream.end(State::Over);
        }
    }
}

impl HttpBody for Attempt {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.begun.is_none() {
            this.begun = this.stream.lock().take();
        }
        match &mut this.begun {
            Some(body) => {
                let frame = ready!(Pin::new(body).poll_frame(context));
                match &frame {
                    Some(Ok(_)) => (),
                    Some(Err(_)) => this.stream.end(State::Broken),
                    None => this.stream.end(State::Over),
                }
                Poll::Ready(frame)
            }
            None => Poll::Ready(Some(Err("the body was begun before".into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.begun {
            Some(body) => body.is_end_stream(),
            None => self.stream.lock().as_ref().is_none_or(HttpBody::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.begun {
            Some(body) => body.size_hint(),
            None => self
                .stream
                .lock()
                .as_ref()
                .map_or_else(SizeHint::default, HttpBody::size_hint),
        }
    }
}

/// Why the body of an answer broke off.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The connection did.
    #[error(transparent)]
    Connection(#[from] hyper::Error),
    /// The next piece took too long.
    #[error("the answer stopped half-way")]
    Stopped,
}

/// The body of an answer. The endpoint counts as busy until the body has ended or is dropped; one that stops in the middle
/// of it is waited for no longer than for its first byte.
pub struct AnswerBody {
    inner: Incoming,
    patience: Duration,
    /// Runs while a piece is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
    _busy: Option<Ticket>,
}

impl AnswerBody {
    pub(super) fn new(inner: Incoming, busy: Ticket, patience: Duration) -> Self {
        Self {
            inner,
            patience,
            waiting: None,
            _busy: Some(busy),
        }
    }

    /// A body that goes on as long as somebody listens. The endpoint does not count as busy with it, or a few hundred
    /// listeners would keep everybody else from it; `patience` is how long it may be silent.
    pub fn lasting(self, patience: Duration) -> Self {
        Self {
            patience,
            _busy: None,
            ..self
        }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            this.waiting = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(AnswerError::from)));
        }
        let patience = this.patience;
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Some(Err(AnswerError::Stopped)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
