//! The response cache: answers that a module marks as everybody's are given from memory, until the module says that
//! something has changed.
//!
//! | file | knows |
//! |---|---|
//! | `cache/key.rs` | what an answer is the answer to |
//! | `cache/policy.rs` | what may be kept, and for how long |
//! | `cache/news.rs` | whether what is kept still holds |
//! | `cache/entry.rs` | an answer as it is kept, ready to leave |
//! | `cache/store.rs` | where it is kept |
//! | `cache/flight.rs` | how many ask, and one gets the answer |
//! | `cache/status.rs` | what clients and operators are told of it |
//!
//! What is not kept passes as if there were no cache: answers to whoever shows who they are, to all methods but GET, and
//! whatever its module has not marked `public`. The module is asked one question once at a time, in a task of its own that
//! does not end with the client who caused it.

mod entry;
mod flight;
mod key;
mod news;
mod policy;
mod status;
mod store;

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{self, BodySize, MessageBody};
use actix_web::dev::RequestHead;
use actix_web::http::{Method, StatusCode};
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;
use kernel::event::Feed;
use kernel::http::context::{RouteName, Trace};
use kernel::http::precondition::has_tag;
use kernel::job::Job;
use kernel::{Clock, Fault, Problem};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::destinations::prefix;
use crate::peer::{Origin, TrustedProxies};
use entry::{Coding, Entry, Made};
use flight::{Flights, Leader, Seat};
use key::Key;
use news::Source;
use policy::{Use, Verdict};
use status::{Counters, Handling};
use store::{Found, Store};

pub(crate) use store::Question;

/// The largest body that is kept, in bytes.
const MAX_BODY: u64 = 1 << 20;
/// How long a client waits for a new answer where there is an old one that may be given instead.
const PATIENCE_WITH_OLD: Duration = Duration::from_secs(1);
/// How often a client waits for others who then go without an answer, before it asks for itself.
const MAX_WAITS: usize = 2;

/// What a module answers, and the route that gave it.
pub(crate) type Answered = (HttpResponse, Option<RouteName>);

/// The way to the module: takes the request that it shall get, and where that comes from.
pub(crate) type Ask = Box<dyn FnOnce(RequestHead, Origin) -> LocalBoxFuture<'static, Result<Answered, Error>>>;

/// A module whose answers may be kept.
pub(crate) struct CachedModule {
    pub(crate) name: String,
    /// The first segments of its paths whose answers may be kept.
    pub(crate) prefixes: &'static [&'static str],
    /// What it publishes: anything in it means that something has changed.
    pub(crate) feed: Arc<dyn Feed>,
}

/// The answers that are kept, for all workers of the process.
pub(crate) struct Cache {
    store: Store,
    flights: Arc<Flights<Flight, Outcome>>,
    sources: Vec<(&'static [&'static str], Arc<Source>)>,
    patience: Duration,
    counters: Counters,
}

/// How the cache stands to a request.
pub(crate) enum Stance {
    /// The module has to see who asks.
    Bypass,
    /// The answer may be everybody's.
    Asks(Question),
}

/// Those who ask the same, as long as nothing has changed: who asks after a change does not get an answer that was asked
/// for before.
type Flight = (Key, u64);

/// What came of asking the module, for all who wait for it.
#[derive(Clone)]
enum Outcome {
    Kept(Arc<Entry>),
    Failed(Problem),
    NotShared,
}

/// The same for whoever asked first, who also gets an answer that is for nobody else.
type Landed = (Outcome, Option<Answered>);

impl Cache {
    /// A cache of at most `bytes` for the answers of `modules`. `patience` is how long the first byte of one may take; the
    /// last one may take as long again.
    pub(crate) fn new(bytes: u64, modules: Vec<CachedModule>, patience: Duration, clock: Clock) -> Arc<Self> {
        let sources = modules.into_iter();
        let sources = sources.map(|module| (module.prefixes, Source::new(&module.name, module.feed)));
        Arc::new(Self {
            store: Store::new(bytes, clock),
            flights: Flights::new(),
            sources: sources.collect(),
            patience: 2 * patience,
            counters: Counters::new(),
        })
    }

    /// How the cache stands to a request; `None` where it has nothing to do with it.
    pub(crate) fn stance(&self, head: &RequestHead, proxies: &TrustedProxies) -> Option<Stance> {
        if head.method != Method::GET {
            return None;
        }
        let source = self.source(head.uri.path())?;
        if !key::is_for_everybody(head) {
            return Some(Stance::Bypass);
        }
        Some(Stance::Asks(Question {
            key: Key::of(head, proxies.scheme_of(head)),
            language: key::language(head),
            source: Arc::clone(source),
            mark: source.mark(),
        }))
    }

    /// The answer to a question, where a fresh one is kept.
    pub(crate) async fn hit(&self, request: &HttpRequest, question: &Question) -> Option<Answered> {
        let found = self.store.find(question)?;
        match found.usable {
            Use::Fresh => Some(self.give_kept(request, &found, Handling::Hit).await),
            _ => None,
        }
    }

    /// The answer to a question, new or not; `None` where everybody has to ask for themselves.
    ///
    /// # Errors
    ///
    /// Where the module cannot be asked, and nothing is kept that may be given instead.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        request: &HttpRequest,
        question: Question,
        ask: Ask,
    ) -> Result<Option<Answered>, Error> {
        let Some(found) = self.store.find(&question) else {
            return self.fetch(request, question, None, ask).await;
        };
        match found.usable {
            Use::Fresh => Ok(Some(self.give_kept(request, &found, Handling::Hit).await)),
            Use::Never => self.fetch(request, question, None, ask).await,
            // Only the first one waits for a module that fails.
            Use::OnError if !found.entry.is_last_resort() => self.fetch(request, question, Some(found), ask).await,
            Use::WhileRevalidating | Use::OnError => {
                self.refresh(question, &found.entry, ask);
                Ok(Some(self.give_kept(request, &found, Handling::Stale).await))
            }
        }
    }

    /// Marks an answer that the cache has nothing to do with.
    pub(crate) fn bypassed(&self, response: &mut HttpResponse) {
        self.counters.tell(response, Handling::Bypass);
    }

    /// Marks an answer that is for nobody else.
    pub(crate) fn passed(&self, response: &mut HttpResponse) {
        self.counters.tell(response, Handling::Uncacheable);
    }

    /// A request that changes something has gone well: what is kept of its module does not hold any more.
    pub(crate) fn changed(&self, path: &str) {
        if let Some(source) = self.source(path) {
            source.change();
        }
    }

    /// The jobs that hear of changes.
    pub(crate) fn jobs(&self) -> Vec<Job> {
        self.sources.iter().map(|(_, source)| source.listener()).collect()
    }

    fn source(&self, path: &str) -> Option<&Arc<Source>> {
        let prefix = prefix(path)?;
        let found = self.sources.iter().find(|(prefixes, _)| prefixes.contains(&prefix));
        found.map(|(_, source)| source)
    }

    /// Gets a new answer, together with all who want the same. `old` is given where there is no new one.
    async fn fetch(
        self: &Arc<Self>,
        request: &HttpRequest,
        question: Question,
        old: Option<Found>,
        ask: Ask,
    ) -> Result<Option<Answered>, Error> {
        let (patience, handling) = match old {
            Some(_) => (PATIENCE_WITH_OLD, Handling::Expired),
            None => (self.patience, Handling::Miss),
        };
        for _ in 0..MAX_WAITS {
            match self.flights.join(&flight(&question)) {
                Seat::Leader(leader) => {
                    // Somebody may have come back between our look and our turn.
                    if let Some(found) = self.store.find(&question).filter(|found| found.usable == Use::Fresh) {
                        leader.land(Outcome::Kept(Arc::clone(&found.entry)));
                        return Ok(Some(self.give_kept(request, &found, Handling::Collapsed).await));
                    }
                    let before = old.as_ref().map(|old| Arc::clone(&old.entry));
                    let landed = match timeout(patience, self.spawn(question, before, leader, ask)).await {
                        Ok(landed) => landed.unwrap_or_else(|_| failed(died())),
                        Err(_) => failed(too_slow()),
                    };
                    return self.conclude(request, landed, old, handling).await;
                }
                Seat::Follower(follower) => {
                    let landed = match timeout(patience, follower.answer()).await {
                        Ok(Some(outcome)) => (outcome, None),
                        // Whoever was first has gone: perhaps it is our turn.
                        Ok(None) => continue,
                        Err(_) => failed(too_slow()),
                    };
                    return self.conclude(request, landed, old, Handling::Collapsed).await;
                }
            }
        }
        Ok(None)
    }

    /// Gets a new answer for those who come later, unless somebody does already or has just failed to.
    fn refresh(self: &Arc<Self>, question: Question, old: &Arc<Entry>, ask: Ask) {
        if !old.may_retry(self.store.now()) {
            return;
        }
        let Seat::Leader(leader) = self.flights.join(&flight(&question)) else {
            return;
        };
        let is_done = self
            .store
            .find(&question)
            .is_some_and(|found| found.usable == Use::Fresh);
        if !is_done {
            // Nobody waits for it.
            drop(self.spawn(question, Some(Arc::clone(old)), leader, ask));
        }
    }

    /// Asks the module in a task that outlives the client.
    fn spawn(
        self: &Arc<Self>,
        question: Question,
        old: Option<Arc<Entry>>,
        leader: Leader<Flight, Outcome>,
        ask: Ask,
    ) -> oneshot::Receiver<Landed> {
        let (sender, receiver) = oneshot::channel();
        let cache = Arc::clone(self);
        let work = async move {
            let landed = timeout(cache.patience, cache.ask(&question, ask)).await;
            let (outcome, own) = landed.unwrap_or_else(|_| failed(too_slow()));
            if let (Outcome::Failed(_), Some(old)) = (&outcome, old) {
                old.has_failed(cache.store.now());
            }
            leader.land(outcome.clone());
            // The client may have gone.
            let _ = sender.send((outcome, own));
        };
        actix_web::rt::spawn(Trace::carried(work));
        receiver
    }

    async fn ask(&self, question: &Question, ask: Ask) -> Landed {
        let asked_at = self.store.now();
        let request = match question.in_language().request() {
            Ok(request) => request,
            Err(problem) => return failed(problem),
        };
        let answered = ask(request, question.key.origin()).await;
        let (response, route) = answered.unwrap_or_else(|error| (HttpResponse::from_error(error), None));
        if response.status().is_server_error() {
            return (Outcome::Failed(problem_of(&response)), Some((response, route)));
        }
        let verdict = policy::judge(response.status(), response.headers());
        let (lifetime, by_language, length) = match (verdict, response.body().size()) {
            (Verdict::Keep { lifetime, by_language }, BodySize::Sized(length)) if length <= MAX_BODY => {
                (lifetime, by_language, length)
            }
            _ => {
                self.store.forget(question);
                let own = (verdict != Verdict::AskAgain).then_some((response, route));
                return (Outcome::NotShared, own);
            }
        };
        let (response, body) = response.into_parts();
        let body = match body::to_bytes(body).await {
            Ok(body) if body.len() as u64 == length => body,
            _ => return failed(broken_off()),
        };
        let entry = Arc::new(Entry::new(Made {
            headers: response.headers(),
            route,
            body,
            lifetime,
            mark: question.mark,
            asked_at,
        }));
        self.store.keep(question, by_language, &entry);
        (Outcome::Kept(entry), None)
    }

    /// What a client gets who has waited for `landed`.
    async fn conclude(
        &self,
        request: &HttpRequest,
        landed: Landed,
        old: Option<Found>,
        handling: Handling,
    ) -> Result<Option<Answered>, Error> {
        match (landed, old) {
            ((Outcome::Kept(entry), _), _) => {
                let mut response = representation(request, &entry).await;
                self.counters.tell(&mut response, handling);
                Ok(Some((response, entry.route())))
            }
            ((Outcome::Failed(_), _), Some(old)) => {
                Ok(Some(self.give_kept(request, &old, Handling::StaleOnError).await))
            }
            ((Outcome::Failed(problem), None), None) => Err(problem.into()),
            ((_, Some((mut response, route))), _) => {
                self.passed(&mut response);
                Ok(Some((response, route)))
            }
            ((Outcome::NotShared, None), _) => Ok(None),
        }
    }

    async fn give_kept(&self, request: &HttpRequest, found: &Found, handling: Handling) -> Answered {
        let entry = &found.entry;
        let mut response = representation(request, entry).await;
        let fresh = entry.lifetime().fresh;
        self.counters.tell_kept(&mut response, handling, found.age, fresh);
        (response, entry.route())
    }
}

/// The answer as this client reads it, or the word that it has it already.
async fn representation(request: &HttpRequest, entry: &Entry) -> HttpResponse {
    let is_known = entry.tag().is_some_and(|tag| has_tag(request.headers(), tag));
    match is_known {
        true => entry.not_modified(),
        false => entry.whole(Coding::of(request)).await,
    }
}

fn flight(question: &Question) -> Flight {
    (question.in_language(), question.mark.changes)
}

fn failed(problem: Problem) -> Landed {
    (Outcome::Failed(problem), None)
}

/// What those who waited are told when the module has failed whoever asked.
fn problem_of(response: &HttpResponse) -> Problem {
    let own = response.error().and_then(|error| error.as_error::<Problem>()).cloned();
    own.unwrap_or_else(|| {
        let detail = "this part of the shop is down or busy, please try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).with_retry_after(Duration::from_secs(1))
    })
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", "no answer in time")
}

fn broken_off() -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, "bad_gateway", "a part of the shop broke off")
}

fn died() -> Problem {
    Fault::internal("the task that asked the module has died").into()
}
