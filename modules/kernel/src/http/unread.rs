//! Bodies in pieces that nobody reads to their end. Actix would read on for the sake of the next request, for as long as
//! the client likes and without a deadline; held until the answer has left, they make it close the connection instead.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{HttpMessage, HttpResponse};
use futures_util::Stream;

/// The body of a request, shared by whoever reads it and its answer.
pub(super) struct Unread {
    _body: Rc<RefCell<Payload>>,
}

/// What the handler gets to read.
struct Shared(Rc<RefCell<Payload>>);

/// The body of an answer, with that of its request.
struct Holding {
    body: BoxBody,
    _unread: Unread,
}

impl Unread {
    /// Takes hold of a body in pieces; others end where their request says, and actix closes after them by itself.
    pub(super) fn hold(request: &mut ServiceRequest) -> Option<Self> {
        if !request.headers().contains_key(header::TRANSFER_ENCODING) {
            return None;
        }
        let held = Rc::new(RefCell::new(request.take_payload()));
        let shared: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(Shared(Rc::clone(&held)));
        request.set_payload(shared.into());
        Some(Self { _body: held })
    }

    /// Keeps hold of it until `answer` has left.
    pub(super) fn until_left(self, answer: HttpResponse) -> HttpResponse {
        answer.map_body(|_, body| BoxBody::new(Holding { body, _unread: self }))
    }
}

impl Stream for Shared {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
