//! Other processes of the shop: which of them to ask, for how long, and what to do when one does not answer. The gateway
//! passes requests on with it, and siblings call each other with it.
//!
//! An [`Upstream`] is everything that serves one module. It sends a request to the less busy of two endpoints drawn at
//! random, takes out endpoints that fail (`health.rs`), bounds how much each has to do, and tries again where that can do
//! no harm, within a budget.

mod body;
mod client;
mod health;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{HeaderMap, Method, Request, Response, Uri};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::retry::budget::{Budget, TpsBudget};

use crate::deadline;
use crate::job::{Job, Round, Wake};

pub use body::{AnswerBody, AnswerError, Body, BodyError};
pub use client::Client;
use client::Failure;
use health::Health;

/// How often endpoints are asked whether they are ready.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long they may take to say so.
const CHECK_TIMEOUT: Duration = Duration::from_secs(1);
/// Retries are at most this share of the requests of the last seconds, and a few more where there are hardly any.
const RETRY_SHARE: f32 = 0.2;
const RETRY_WINDOW: Duration = Duration::from_secs(3);
const RETRIES_PER_SECOND: u32 = 1;
/// How long a request may wait for an endpoint that has enough to do.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much one endpoint is given to do.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests at a time.
    pub in_flight: usize,
    /// How many more may wait for one of those to end.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight: 256,
            queue: 64,
        }
    }
}

/// The processes that serve one module.
pub struct Upstream {
    name: String,
    endpoints: Vec<Endpoint>,
    health: Mutex<Health>,
    budget: TpsBudget,
    limits: Limits,
}

struct Endpoint {
    authority: Authority,
    in_flight: Arc<AtomicUsize>,
    waiting: AtomicUsize,
    places: Arc<Semaphore>,
}

/// A request on its way to an upstream.
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// Path and query, as the other side shall read them.
    pub target: PathAndQuery,
    /// The headers; `Host` and the framing are seen to by the client.
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// How long the first byte of the answer may take, from the moment that all of the request is sent, and how long each
    /// further piece may.
    pub patience: Duration,
    /// Whether the request may be sent again although the other side may have carried it out.
    pub repeatable: bool,
}

/// Why an upstream did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// Nobody could be reached, or nobody is worth trying: the request was not carried out.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// All have enough to do: the request was not carried out.
    #[error("{0} has too much to do")]
    Busy(String),
    /// The connection ended under the request: it may have been carried out.
    #[error("{0} broke off: {1}")]
    BrokenOff(String, String),
    /// The answer took too long: the request may have been carried out.
    #[error("{0} did not answer in time")]
    TimedOut(String),
    /// The body that was to be passed on broke off where it comes from: the other side is blameless.
    #[error("the request to {0} was not finished")]
    Unfinished(String),
}

/// Marks an endpoint as busy until it is dropped.
pub struct Ticket {
    in_flight: Arc<AtomicUsize>,
    gauge: metrics::Gauge,
    _place: OwnedSemaphorePermit,
}

impl Upstream {
    /// The upstream `name` at `addresses`, each like `http://10.0.0.7:8081`.
    ///
    /// # Errors
    ///
    /// One line about the first address that cannot be meant.
    pub fn new(name: &str, addresses: &[String], limits: Limits) -> Result<Arc<Self>, String> {
        let endpoints = addresses.iter().map(|address| {
            Endpoint::parse(address, limits).map_err(|reason| format!("upstream.{name}: `{address}` {reason}"))
        });
        let endpoints: Vec<Endpoint> = endpoints.collect::<Result<_, _>>()?;
        if endpoints.is_empty() {
            return Err(format!("upstream.{name}: name at least one address"));
        }
        Ok(Arc::new(Self {
            name: name.to_owned(),
            health: Mutex::new(Health::of(endpoints.len())),
            endpoints,
            budget: TpsBudget::new(RETRY_WINDOW, RETRIES_PER_SECOND, RETRY_SHARE),
            limits,
        }))
    }

    /// The module's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Path and query of `url` where it is an address of one of the processes.
    pub fn path_in<'a>(&self, url: &'a str) -> Option<&'a str> {
        let bare = url.strip_prefix("http://")?;
        let mut paths = self
            .endpoints
            .iter()
            .filter_map(|endpoint| bare.strip_prefix(endpoint.authority.as_str()));
        match paths.find(|path| path.is_empty() || path.starts_with('/'))? {
            "" => Some("/"),
            path => Some(path),
        }
    }

    /// Sends a request and waits for the head of the answer. Tried once more, elsewhere where there is an elsewhere, when
    /// nothing was sent, or when the request is repeatable and there was no answer or one that says `502`, `503` or `504`.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn send(&self, client: &Client, request: &Outgoing) -> Result<Response<AnswerBody>, UpstreamError> {
        self.budget.deposit();
        let mut tried = Vec::new();
        let first = self.attempt(client, request, &mut tried).await;
        if !may_try_again(&first, request) {
            return first;
        }
        let elsewhere = !self.health().candidates(Instant::now(), &tried).is_empty();
        // The same process would most likely answer the same, unless it is just being replaced.
        let worth_it = elsewhere || matches!(first, Err(UpstreamError::BrokenOff(..)));
        // The budget keeps retries from adding to a load that is too much already. Where no connection could be made,
        // nobody had any work with the first try.
        let free = matches!(first, Err(UpstreamError::Unreachable(..)));
        if !worth_it || !(free || self.budget.withdraw()) {
            return first;
        }
        drop(first);
        if !elsewhere {
            tried.clear();
        }
        let labels = [("upstream", self.name.clone())];
        metrics::counter!("gateway_upstream_retries_total", &labels).increment(1);
        self.attempt(client, request, &mut tried).await
    }

    async fn attempt(
        &self,
        client: &Client,
        request: &Outgoing,
        tried: &mut Vec<usize>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let started = Instant::now();
        let outcome = self.ask_one(client, request, tried).await;
        let labels = [("upstream", self.name.clone()), ("outcome", label(&outcome).to_owned())];
        metrics::histogram!("gateway_upstream_request_duration_seconds", &labels)
            .record(started.elapsed().as_secs_f64());
        outcome
    }

    async fn ask_one(
        &self,
        client: &Client,
        request: &Outgoing,
        tried: &mut Vec<usize>,
    ) -> Result<Response<AnswerBody>, UpstreamError> {
        let index = self.choose(tried)?;
        tried.push(index);
        let mut trial = Trial {
            upstream: self,
            index,
            over: false,
        };
        let ticket = self.admit(index).await?;
        let patience = deadline::remaining(request.patience);
        // What takes long to send is not the other side's delay: the time runs from the end of the body.
        let too_late = async {
            request.body.sent().await;
            tokio::time::sleep(patience).await;
        };
        let answer = tokio::select! {
            answer = client.send(self.address(index, request, patience)) => Some(answer),
            () = too_late => None,
        };
        match answer {
            Some(Ok(answer)) => {
                trial.ends(!answer.status().is_server_error());
                Ok(answer.map(|body| AnswerBody::new(body, ticket, request.patience)))
            }
            Some(Err(Failure::Unreachable(reason))) => {
                trial.ends(false);
                // A process that nobody can connect to is gone. It may be back before the next look at `/readyz`, which
                // then must not take it for one that has been there all the time.
                self.note(index, false);
                Err(UpstreamError::Unreachable(self.name.clone(), reason))
            }
            Some(Err(_)) if request.body.is_broken() => Err(UpstreamError::Unfinished(self.name.clone())),
            Some(Err(Failure::BrokenOff(reason))) => {
                trial.ends(false);
                Err(UpstreamError::BrokenOff(self.name.clone(), reason))
            }
            None => {
                // A caller with less patience than ours is no fault of the endpoint.
                if patience >= request.patience {
                    trial.ends(false);
                }
                Err(UpstreamError::TimedOut(self.name.clone()))
            }
        }
    }

    /// The less busy of two endpoints drawn at random from the best ones.
    fn choose(&self, tried: &[usize]) -> Result<usize, UpstreamError> {
        let mut health = self.health();
        let candidates = health.candidates(Instant::now(), tried);
        let busy = |index: &usize| self.endpoints[*index].in_flight.load(Ordering::Relaxed);
        let chosen = match candidates.as_slice() {
            [] => None,
            [only] => Some(*only),
            several => {
                let first = fastrand::usize(..several.len());
                let second = (first + fastrand::usize(1..several.len())) % several.len();
                [several[first], several[second]].into_iter().min_by_key(busy)
            }
        };
        let nobody = || UpstreamError::Unreachable(self.name.clone(), "no endpoint is in order".to_owned());
        let index = chosen.ok_or_else(nobody)?;
        health.chosen(index);
        Ok(index)
    }

    /// Waits for a place at an endpoint, in a short queue.
    async fn admit(&self, index: usize) -> Result<Ticket, UpstreamError> {
        let endpoint = &self.endpoints[index];
        let busy = || UpstreamError::Busy(self.name.clone());
        let place = match Arc::clone(&endpoint.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let waiting = Waiting::join(&endpoint.waiting, self.limits.queue).ok_or_else(busy)?;
                let place = Arc::clone(&endpoint.places).acquire_owned();
                let patience = deadline::remaining(QUEUE_TIMEOUT);
                let place = tokio::time::timeout(patience, place).await.map_err(|_| busy())?;
                drop(waiting);
                place.map_err(|_| busy())?
            }
        };
        endpoint.in_flight.fetch_add(1, Ordering::Relaxed);
        let gauge = metrics::gauge!("gateway_upstream_requests_in_flight", "upstream" => self.name.clone());
        gauge.increment(1);
        Ok(Ticket {
            in_flight: Arc::clone(&endpoint.in_flight),
            gauge,
            _place: place,
        })
    }

    fn address(&self, index: usize, request: &Outgoing, patience: Duration) -> Request<body::Sent> {
        let mut uri = hyper::http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.endpoints[index].authority.clone());
        uri.path_and_query = Some(request.target.clone());
        let mut sent = Request::new(request.body.attempt());
        *sent.method_mut() = request.method.clone();
        // Scheme, authority and path make an address always.
        *sent.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        *sent.headers_mut() = request.headers.clone();
        if let Body::Whole(_) = request.body {
            let milliseconds = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1);
            sent.headers_mut()
                .insert(deadline::HEADER, HeaderValue::from(milliseconds));
        }
        sent
    }

    /// The job that asks every endpoint whether it is ready.
    pub fn checks(self: &Arc<Self>) -> Job {
        let (upstream, client) = (Arc::clone(self), Client::default());
        Job::new("upstream-checks", CHECK_INTERVAL, Wake::default(), move || {
            let (upstream, client) = (Arc::clone(&upstream), client.clone());
            async move {
                let checks = (0..upstream.endpoints.len()).map(|index| upstream.check(&client, index));
                futures_util::future::join_all(checks).await;
                Ok(Round::Idle)
            }
        })
    }

    async fn check(&self, client: &Client, index: usize) {
        let request = Outgoing {
            method: Method::GET,
            target: PathAndQuery::from_static("/readyz"),
            headers: HeaderMap::new(),
            body: Body::empty(),
            patience: CHECK_TIMEOUT,
            repeatable: true,
        };
        let asked = client.send(self.address(index, &request, CHECK_TIMEOUT));
        let answer = tokio::time::timeout(CHECK_TIMEOUT, asked).await;
        let ready = matches!(&answer, Ok(Ok(answer)) if answer.status().is_success());
        self.note(index, ready);
    }

    /// Takes down whether an endpoint is ready.
    fn note(&self, index: usize, ready: bool) {
        self.health().says_ready(index, ready);
        let labels = [
            ("upstream", self.name.clone()),
            ("address", self.endpoints[index].authority.to_string()),
        ];
        metrics::gauge!("gateway_upstream_ready", &labels).set(f64::from(u8::from(ready)));
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        // Nothing that holds the lock can panic half-way.
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of an attempt, for metrics: a closed list.
fn label(outcome: &Result<Response<AnswerBody>, UpstreamError>) -> &'static str {
    match outcome {
        Ok(answer) => match answer.status().as_u16() / 100 {
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            5 => "5xx",
            _ => "other",
        },
        Err(UpstreamError::Unreachable(..)) => "unreachable",
        Err(UpstreamError::Busy(_)) => "busy",
        Err(UpstreamError::BrokenOff(..)) => "broken_off",
        Err(UpstreamError::TimedOut(_)) => "timed_out",
        Err(UpstreamError::Unfinished(_)) => "unfinished",
    }
}

fn may_try_again(outcome: &Result<Response<AnswerBody>, UpstreamError>, request: &Outgoing) -> bool {
    if !request.body.is_untouched() {
        return false;
    }
    match outcome {
        Ok(answer) => request.repeatable && matches!(answer.status().as_u16(), 502..=504),
        Err(UpstreamError::Unreachable(..) | UpstreamError::Busy(_)) => true,
        Err(UpstreamError::BrokenOff(..)) => request.repeatable,
        Err(UpstreamError::TimedOut(_) | UpstreamError::Unfinished(_)) => false,
    }
}

/// A request that an endpoint was chosen for, until it is known how that went.
struct Trial<'a> {
    upstream: &'a Upstream,
    index: usize,
    over: bool,
}

impl Trial<'_> {
    fn ends(&mut self, well: bool) {
        self.over = true;
        let now = Instant::now();
        let mut health = self.upstream.health();
        if well {
            return health.succeeded(self.index, now);
        }
        if health.failed(self.index, now) {
            drop(health);
            let address = &self.upstream.endpoints[self.index].authority;
            tracing::warn!(upstream = self.upstream.name, %address, "taken out: it failed too often in a row");
            metrics::counter!("gateway_upstream_ejections_total", "upstream" => self.upstream.name.clone())
                .increment(1);
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.upstream.health().spared(self.index);
        }
    }
}

/// A place in a bounded queue.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn join(count: &'a AtomicUsize, limit: usize) -> Option<Self> {
        let joined = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < limit).then_some(waiting + 1)
        });
        joined.ok().map(|_| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.gauge.decrement(1);
    }
}

impl Endpoint {
    fn parse(address: &str, limits: Limits) -> Result<Self, &'static str> {
        let uri: Uri = address
            .parse()
            .map_err(|_| "is not an address like http://10.0.0.7:8081")?;
        if uri.scheme() != Some(&Scheme::HTTP) {
            return Err("must begin with http://");
        }
        let bare = uri.path_and_query().is_none_or(|rest| rest.as_str() == "/");
        let authority = uri
            .into_parts()
            .authority
            .filter(|authority| bare && !authority.as_str().contains('@'));
        Ok(Self {
            authority: authority.ok_or("must be scheme, host and port alone")?,
            in_flight: Arc::default(),
            waiting: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(limits.in_flight)),
        })
    }
}
