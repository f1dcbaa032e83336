//! The HTTP client towards other processes of the shop: plain HTTP/1.1 with connections that are kept.

use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::Sent;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an unused connection is kept: far shorter than the other side keeps it, so that it is not closed under a
/// request that is just being sent; and short enough that a process that is about to stop, and gets no requests any more,
/// is rid of its connections before it closes what is left.
const IDLE: Duration = Duration::from_secs(2);
/// How many unused connections are kept for each address.
const IDLE_CONNECTIONS: usize = 128;

/// A client with its own connections. Cheap to clone; clones share the connections.
#[derive(Clone)]
pub struct Client(hyper_util::client::legacy::Client<HttpConnector, Sent>);

/// Why there is no answer.
pub(super) enum Failure {
    /// No connection could be made: nothing has been sent.
    Unreachable(String),
    /// The connection ended before the answer came.
    BrokenOff(String),
}

impl Default for Client {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self(client)
    }
}

impl Client {
    /// One attempt. A connection that was closed before anything was written to it is replaced on the way.
    pub(super) async fn send(&self, request: Request<Sent>) -> Result<Response<Incoming>, Failure> {
        self.0.request(request).await.map_err(|error| match error.is_connect() {
            true => Failure::Unreachable(with_causes(&error)),
            false => Failure::BrokenOff(with_causes(&error)),
        })
    }
}

/// An error with what it comes from.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
