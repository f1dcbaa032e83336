//! A client's connection, which ends where the client neither asks nor reads.
//!
//! Actix sees to the head of the first request and to connections that are silent. Two things it would wait for without an
//! end: the rest of a later head, which may come byte by byte, and a client that does not read its answer. The first ends
//! here, the second at the socket.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How much the system keeps for a client that does not read, in bytes. By itself it would keep megabytes for each.
const SEND_BUFFER: usize = 256 << 10;

/// How long a client is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until the next request has come whole, as far as its head goes.
    pub(super) idle: Duration,
    /// Until what it was sent is read.
    pub(super) write: Duration,
}

/// A connection from outside.
pub(super) struct Connection {
    stream: TcpStream,
    turns: Turns,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
}

/// Whose turn it is on a connection: ours while a request is worked on, else the client's.
#[derive(Clone)]
pub(super) struct Turns(Rc<State>);

struct State {
    /// Requests that are worked on.
    ours: Cell<usize>,
    /// Since when it is the client's turn.
    since: Cell<Instant>,
}

/// A request that is worked on, until it is dropped.
pub(super) struct Turn(Turns);

impl Connection {
    pub(super) fn new(stream: TcpStream, patience: Patience) -> Self {
        if let Err(error) = hold_to(patience.write, &stream) {
            tracing::debug!(%error, "a connection takes no limits");
        }
        Self {
            stream,
            turns: Turns(Rc::new(State {
                ours: Cell::new(0),
                since: Cell::new(Instant::now()),
            })),
            patience: patience.idle,
            timer: Box::pin(sleep(patience.idle)),
        }
    }

    /// What the requests of this connection tell it by.
    pub(super) fn turns(&self) -> Turns {
        self.turns.clone()
    }

    /// Whether the client has let its turn pass. Looks again in time, as long as it has not.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        while self.timer.as_mut().poll(context).is_ready() {
            let end = self.turns.0.since() + self.patience;
            if end <= Instant::now() {
                return true;
            }
            self.timer.as_mut().reset(end);
        }
        false
    }

    fn answered<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Ok(_)) = written {
            self.turns.0.since.set(Instant::now());
        }
        written
    }
}

impl Turns {
    /// A request has come whose head is whole.
    pub(super) fn take(&self) -> Turn {
        self.0.ours.set(self.0.ours.get() + 1);
        Turn(self.clone())
    }
}

impl State {
    fn since(&self) -> Instant {
        match self.ours.get() {
            0 => self.since.get(),
            _ => Instant::now(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let state = &self.0.0;
        state.ours.set(state.ours.get().saturating_sub(1));
        state.since.set(Instant::now());
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(context, buffer);
        match read {
            Poll::Pending if this.is_overdue(context) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            read => read,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.answered(written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.answered(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Disconnects a client that leaves unread what it was sent: actix would wait for ever, and with it whatever the answer
/// holds. The system does it by itself, with as many connections as there are.
fn hold_to(write_timeout: Duration, stream: &TcpStream) -> io::Result<()> {
    // Head and body of an answer may be two writes; the second would wait for the client's acknowledgement.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_send_buffer_size(SEND_BUFFER)?;
    // Elsewhere the system's own patience has to do, which is some minutes.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(write_timeout))?;
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
    Ok(())
}
