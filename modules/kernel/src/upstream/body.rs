//! Bodies on their way to and from an upstream.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use actix_web::web::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::sync::watch;

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
    /// Turns true when all of it has been sent, or never will be.
    over: watch::Sender<bool>,
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
            over: watch::Sender::new(false),
        })
    }

    /// Waits until all of it has been sent, or will not be.
    pub(super) async fn sent(&self) {
        if let Self::Stream(stream) = self {
            // The sender is part of the stream, so that it is there as long as we are.
            let _ = stream.over.subscribe().wait_for(|over| *over).await;
        }
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
}

struct Attempt {
    stream: Stream,
    begun: Option<Sent>,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.begun.is_some() {
            self.stream.over.send_replace(true);
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
                if !matches!(frame, Some(Ok(_))) {
                    this.stream.over.send_replace(true);
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

/// The body of an answer. The endpoint counts as busy until the body has ended or is dropped.
pub struct AnswerBody {
    inner: Incoming,
    _busy: Ticket,
}

impl AnswerBody {
    pub(super) fn new(inner: Incoming, busy: Ticket) -> Self {
        Self { inner, _busy: busy }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
