//! Answers that go on as long as their clients listen, which no client may rely on: they end when the process is about to
//! stop, and whoever wants to hear more asks elsewhere.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

use super::connection::Turn;

/// The body of an answer; of one that would not end by itself until it is told to.
pub(super) struct Lasting {
    pub(super) body: BoxBody,
    pub(super) until: Option<Until>,
}

/// When a body ends that would go on.
pub(super) struct Until {
    pub(super) stop: Pin<Box<dyn Future<Output = ()>>>,
    /// The client has nothing to say meanwhile.
    pub(super) _turn: Option<Turn>,
}

impl MessageBody for Lasting {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if let Some(until) = &mut this.until
            && until.stop.as_mut().poll(context).is_ready()
        {
            return Poll::Ready(None);
        }
        Pin::new(&mut this.body).poll_next(context)
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { body, until } = self;
        body.try_into_bytes().map_err(|body| Self { body, until })
    }
}
