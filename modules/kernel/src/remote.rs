//! Calls between modules in different processes. Both ends of the wire are here: [`Remote`] calls, [`answer`] is called.
//!
//! A call is `POST /internal/<module>/<method>` with the arguments as a JSON value and the result as another: `{"Ok": ..}`
//! or `{"Err": ..}` with the module's error whole. Whatever else comes back, or nothing, is a [`Fault`].

mod feed;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{self, Bytes};
use http_body_util::{BodyExt, Limited};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Method, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::context::Trace;
use crate::http::json;
use crate::service_token::{self, ServiceTokens};
use crate::upstream::{AnswerBody, Body, Client, Outgoing, Upstream, UpstreamError};
use crate::{Fault, Problem, deadline};

pub(crate) use feed::wait_for_news;
pub use feed::{RemoteFeed, serve_feed, waits_for_news};

/// How long a sibling may take to answer where the caller's caller waits longer.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The largest answer of a sibling, in bytes.
const MAX_ANSWER: usize = 16 << 20;
/// The largest request of a sibling, in bytes.
pub const MAX_REQUEST: usize = 4 << 20;

/// A module in other processes, as its siblings call it. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    upstream: Arc<Upstream>,
    client: Client,
    tokens: ServiceTokens,
}

/// Whether a method can be called twice with the same effect as once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It can: a call without an answer is made once more.
    Yes,
    /// It cannot.
    No,
}

impl Remote {
    /// The module that `upstream` serves, called in the name of this process.
    pub fn new(upstream: Arc<Upstream>, client: Client, tokens: ServiceTokens) -> Self {
        Self {
            upstream,
            client,
            tokens,
        }
    }

    /// Calls a method of the module.
    ///
    /// # Errors
    ///
    /// The module's own refusal, or a fault of the way there and back: [`Fault::Unavailable`] where the call was not
    /// carried out, [`Fault::Timeout`] where that is not known.
    pub async fn call<A, T, E>(&self, method: &str, arguments: &A, repeat: Repeat) -> Result<T, E>
    where
        A: Serialize + Sync,
        T: DeserializeOwned,
        E: DeserializeOwned + From<Fault>,
    {
        let body = serde_json::to_vec(arguments).map_err(|error| Fault::internal(error.to_string()))?;
        let target = format!("/internal/{}/{method}", self.upstream.name());
        let answer = self.ask(Method::POST, &target, body.into(), PATIENCE, repeat).await?;
        let result: Result<T, E> = serde_json::from_slice(&answer)
            .map_err(|error| Fault::internal(format!("{target} was answered by something else: {error}")))?;
        result
    }

    /// Asks for a document of the module: its public keys, its OpenAPI document.
    ///
    /// # Errors
    ///
    /// As [`Remote::call`].
    pub async fn fetch<T: DeserializeOwned>(&self, name: &str) -> Result<T, Fault> {
        let target = format!("/internal/{}/{name}", self.upstream.name());
        let answer = self
            .ask(Method::GET, &target, Bytes::new(), PATIENCE, Repeat::Yes)
            .await?;
        serde_json::from_slice(&answer).map_err(|error| Fault::internal(format!("{target}: {error}")))
    }

    async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        patience: Duration,
        repeat: Repeat,
    ) -> Result<Bytes, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            HeaderName::from_static(service_token::HEADER),
            value(&self.tokens.token()?)?,
        );
        if let Some(trace) = Trace::current() {
            for (name, text) in trace.headers() {
                headers.insert(HeaderName::from_static(name), value(text)?);
            }
        }
        let target = PathAndQuery::try_from(target).map_err(|error| Fault::internal(error.to_string()))?;
        let request = Outgoing {
            method,
            target,
            headers,
            body: Body::Whole(body),
            patience,
            repeatable: repeat == Repeat::Yes,
        };
        let answer = deadline::within(patience, async {
            let answer = self.upstream.send(&self.client, &request).await?;
            read(answer, self.upstream.name()).await
        });
        match answer.await {
            Ok(answer) => answer,
            Err(_) => Err(UpstreamError::TimedOut(self.upstream.name().to_owned()).into()),
        }
    }
}

async fn read(answer: Response<AnswerBody>, name: &str) -> Result<Bytes, Fault> {
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body
        .map_err(|error| Fault::timeout(format!("{name} broke off: {error}")))?
        .to_bytes();
    match status.as_u16() {
        200 => Ok(body),
        // It says of itself that it has done nothing.
        503 => Err(Fault::unavailable(format!("{name} answered 503"))),
        504 => Err(Fault::timeout(format!("{name} answered 504"))),
        _ => Err(Fault::internal(format!("{name} answered {status}"))),
    }
}

fn value(text: &str) -> Result<HeaderValue, Fault> {
    HeaderValue::from_str(text).map_err(|error| Fault::internal(error.to_string()))
}

impl From<UpstreamError> for Fault {
    fn from(error: UpstreamError) -> Self {
        match &error {
            UpstreamError::Unreachable(..) | UpstreamError::Busy(_) => Self::unavailable(error.to_string()),
            UpstreamError::BrokenOff(..) | UpstreamError::TimedOut(_) => Self::timeout(error.to_string()),
            UpstreamError::Unfinished(_) => Self::internal(error.to_string()),
        }
    }
}

/// The other end of [`Remote::call`]: mounts a method of `module` under `/internal/<name>/`.
pub fn answer<M, A, T, E, W, R>(config: &mut web::ServiceConfig, name: &str, method: &str, module: &Arc<M>, work: W)
where
    M: ?Sized + 'static,
    A: DeserializeOwned + 'static,
    T: Serialize + 'static,
    E: Serialize + 'static,
    W: Fn(Arc<M>, A) -> R + Clone + 'static,
    R: Future<Output = Result<T, E>> + 'static,
{
    let module = Arc::clone(module);
    let handler = move |body: Bytes| {
        let (module, work) = (Arc::clone(&module), work.clone());
        async move {
            let arguments = json::parse(&body)?;
            let result: Result<T, E> = work(module, arguments).await;
            Ok::<_, Problem>(HttpResponse::Ok().json(result))
        }
    };
    let route = web::resource(format!("/internal/{name}/{method}"))
        .app_data(web::PayloadConfig::new(MAX_REQUEST))
        .route(web::post().to(handler));
    config.service(route);
}
