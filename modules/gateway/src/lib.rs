//! The edge of the store: everything that happens to a public request before a module sees it, and to an answer before
//! it leaves. Knows no module's rules and no database.
//!
//! The layers, outermost first; [`Gateway::app`] and `guard` below are where their order is written down:
//!
//! | layer | file | does |
//! |---|---|---|
//! | context | `kernel::http::context` | request id, trace, panics and errors to problems, access log, metrics |
//! | cross-origin | `cors.rs` | preflights; marks answers for the origins that may read them, where there are any |
//! | cleaning | `hygiene.rs` | takes away headers that only we may set |
//! | load | `load.rs` | refuses what there is no time for, checkouts last |
//! | admission | `admission.rs` | refuses addresses and headers that are not in the one canonical form, or too long |
//! | rates | `rates.rs` | requests per minute and address |
//! | identity | `guard` | an access token that does not hold goes no further |
//! | cache | `cache.rs` | gives what is everybody's from memory |
//! | deadline | `guard` | no work goes on longer than the client says that it waits |
//! | compression | actix | brotli or gzip by `Accept-Encoding` |
//! | flights | `cache.rs` | asks once for all who want what the cache does not have yet |
//! | streams | `streams.rs` | bounds the answers that go on as long as somebody listens |
//! | destination | `destinations.rs` | the module that a path belongs to: here (`here.rs`) or elsewhere (`forward.rs`, `upload.rs`) |
//!
//! A module here and one elsewhere are asked alike: by a request that is made anew from what the edge has understood.

mod admission;
mod cache;
mod cors;
mod destinations;
mod documentation;
mod forward;
mod here;
mod hygiene;
mod load;
mod peer;
mod rates;
mod streams;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, RequestHead, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, Uri, header};
use actix_web::middleware::{Compress, Condition, Next, from_fn};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};
use futures_util::FutureExt;
use kernel::http::routes::RouteTable;
use kernel::http::{Api, api, with_context};
use kernel::identity::{Caller, authenticate};
use kernel::job::{Job, Round, Wake};
use kernel::module::Context;
use kernel::remote::{Remote, RemoteFeed};
use kernel::service_token::ServiceTokens;
use kernel::settings::Settings;
use kernel::token::TokenVerifier;
use kernel::upstream::{Client, Upstream};
use kernel::{Fault, Problem, deadline};
use utoipa::openapi::OpenApi;

use crate::cache::{Answered, Cache, CachedModule, Stance};
use crate::destinations::{Destination, Destinations};
use crate::documentation::Documentation;
use crate::forward::Forwarder;
use crate::here::Here;
use crate::load::Load;
use crate::peer::{Origin, TrustedProxies};
use crate::rates::{RateLimits, Standing};
use crate::streams::Streams;
use crate::upload::BodyLimits;

pub use destinations::RemoteModule;

/// The longest time that a client may claim to wait.
const LONGEST_DEADLINE: Duration = Duration::from_secs(60);

/// The gateway of one process. Cheap to clone; all clones share one set of limits.
#[derive(Clone)]
pub struct Gateway {
    here: Api,
    edge: web::Data<Edge>,
    verifier: web::Data<TokenVerifier>,
    documentation: web::Data<Documentation>,
}

/// What the layers share between all workers.
struct Edge {
    load: Load,
    streams: Streams,
    rates: RateLimits,
    proxies: TrustedProxies,
    own: RouteTable,
    destinations: Destinations,
    forwarder: Forwarder,
    cache: Option<Arc<Cache>>,
    origins: Vec<String>,
}

impl Gateway {
    /// A gateway in front of the modules `here` and those in `remote`, which are called with `client` in the name that
    /// `tokens` gives. What the modules in `cached` mark as public under the prefixes beside their names is kept: they
    /// publish whatever changes it.
    ///
    /// # Errors
    ///
    /// Settings that cannot be meant, by name; the same that [`check`] finds.
    pub fn new(
        context: &Context,
        here: Api,
        remote: Vec<RemoteModule>,
        client: Client,
        tokens: ServiceTokens,
        cached: &[(&str, &'static [&'static str])],
    ) -> Result<Self, String> {
        let settings = &context.settings;
        check(settings)?;
        let mut document = here.document().clone();
        let own = documentation::own_document();
        let mut own_routes = RouteTable::of(&own);
        own_routes.add(["/docs", "/docs/", "/docs/{file}"], "GET");
        document.merge(own);
        api::complete_all(&mut document);
        let call = |upstream: &Arc<Upstream>| Remote::new(Arc::clone(upstream), client.clone(), tokens.clone());
        let cached = |name: &str| {
            let found = cached.iter().find(|(cached, _)| *cached == name);
            found.map(|(_, prefixes)| (name.to_owned(), *prefixes))
        };
        let modules_here = here.modules().iter().filter_map(|module| {
            let (name, prefixes) = cached(module.name())?;
            let feed = module.feed();
            Some(CachedModule { name, prefixes, feed })
        });
        let modules_elsewhere = remote.iter().filter_map(|module| {
            let (name, prefixes) = cached(module.upstream.name())?;
            let feed = Arc::new(RemoteFeed::new(call(&module.upstream)));
            Some(CachedModule { name, prefixes, feed })
        });
        let modules = modules_here.chain(modules_elsewhere);
        let cache = match settings.gateway.cache_bytes {
            0 => None,
            bytes => Some(Cache::new(
                bytes,
                modules.collect(),
                settings.gateway.first_byte_timeout,
                context.clock.clone(),
            )),
        };
        let destinations = Destinations::new(remote);
        let remotes = destinations.upstreams().map(call);
        let documentation = Documentation::new(document, remotes.collect());
        let proxies = TrustedProxies::parse(&settings.limits.trusted_proxies)?;
        let edge = Edge {
            load: Load::new(settings.limits.in_flight),
            streams: Streams::new(settings.gateway.streams),
            rates: RateLimits::new(&settings.limits, proxies.clone())?,
            proxies,
            own: own_routes,
            destinations,
            forwarder: Forwarder {
                client,
                tokens,
                patience: settings.gateway.first_byte_timeout,
                checkout_patience: settings.gateway.checkout_timeout,
                bodies: BodyLimits {
                    largest: settings.limits.upload_bytes,
                    patience: settings.limits.body_timeout,
                },
            },
            cache,
            origins: settings.cors.origins.clone(),
        };
        Ok(Self {
            verifier: web::Data::new(here.verifier().clone()),
            here,
            edge: web::Data::new(edge),
            documentation: web::Data::new(documentation),
        })
    }

    /// The application that each worker of the public listener runs. The last layer named is the outermost.
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + use<>,
    > {
        let here = self.here.clone();
        let origins = &self.edge.origins;
        App::new()
            .app_data(self.edge.clone())
            .app_data(self.verifier.clone())
            .app_data(self.documentation.clone())
            .data_factory(move || Here::of(here.clone()))
            .route("/api/v1/openapi.json", web::get().to(documentation::get_openapi))
            .route(documentation::WELL_KNOWN_KEYS, web::get().to(documentation::list_keys))
            .configure(documentation::mount_browser)
            .default_service(web::to(|request, payload| dispatch(request, payload, None)))
            .wrap(Compress::default())
            .wrap(from_fn(guard))
            .wrap(Condition::new(!origins.is_empty(), cors::layer(origins)))
            .wrap(from_fn(with_context))
    }

    /// The OpenAPI 3.1 document of what runs here.
    pub fn document(&self) -> &OpenApi {
        self.documentation.here()
    }

    /// The background jobs of the gateway itself.
    pub fn jobs(&self) -> Vec<Job> {
        let edge = self.edge.clone();
        let rate_limits = Job::new("rate_limits", Duration::from_secs(60), Wake::default(), move || {
            edge.rates.forget_idle();
            std::future::ready(Ok(Round::Idle))
        });
        let cache = self.edge.cache.iter().flat_map(|cache| cache.jobs());
        cache.chain([rate_limits]).collect()
    }
}

/// Finds settings of the gateway that cannot be meant.
///
/// # Errors
///
/// One line that names the setting.
pub fn check(settings: &Settings) -> Result<(), String> {
    TrustedProxies::parse(&settings.limits.trusted_proxies)?;
    rates::check(&settings.limits)?;
    cors::check(&settings.cors.origins)
}

/// What happens to every request between its context and its destination, in this order.
async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    hygiene::clean_request(&mut request);
    // HEAD is GET whose answer ends after the headers; actix leaves out the body by itself. Of ranges it knows nothing.
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
        request.headers_mut().remove(header::RANGE);
    }
    let edge = request.app_data::<web::Data<Edge>>();
    let secure = edge.is_some_and(|edge| edge.proxies.is_secure(request.head()));
    // It is given back when the answer begins; how long that may take to leave is bounded by the connection.
    let place = edge.map(|edge| edge.load.admit(request.path())).transpose();
    let mut standings = Vec::new();
    let admitted = match &place {
        Ok(_) => admit(&request, &mut standings).await,
        Err(problem) => Err(problem.clone()),
    };
    let mut response = match admitted {
        Ok(()) => match kept(&request).await {
            Some(answer) => request.into_response(answer).map_into_right_body(),
            None => within_deadline(request, next).await?.map_into_left_body(),
        },
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    if let Some(cost) = rates::cost_of(response.headers_mut())
        && let Some(edge) = response.request().app_data::<web::Data<Edge>>()
    {
        edge.rates.charge(response.request().head(), cost, &mut standings).await;
    }
    rates::describe(&standings, response.headers_mut());
    hygiene::finish_response(response.headers_mut(), secure);
    if is_head && streams::is_stream(response.headers()) {
        // Nobody reads it, and it would not end.
        return Ok(response.map_body(|_, _| EitherBody::right(BoxBody::new(()))));
    }
    Ok(response)
}

/// Whether a request may go on to its destination.
async fn admit(request: &ServiceRequest, standings: &mut Vec<Standing>) -> Result<(), Problem> {
    admission::check(request)?;
    if let Some(edge) = request.app_data::<web::Data<Edge>>() {
        edge.rates.admit(request, standings).await?;
    }
    if !request.path().starts_with(api::TOKEN_ROUTES) {
        authenticate(request.request()).await?;
    }
    Ok(())
}

/// The answer from memory, where there is a fresh one. Most visitors get theirs here, so that nothing is between that they
/// do not need.
async fn kept(request: &ServiceRequest) -> Option<HttpResponse> {
    let edge = request.app_data::<web::Data<Edge>>()?;
    let cache = edge.cache.as_ref()?;
    let Some(Stance::Asks(question)) = cache.stance(request.head(), &edge.proxies) else {
        return None;
    };
    let (answer, route) = cache.hit(request.request(), &question).await?;
    let route = route.or_else(|| edge.destinations.names(request.path()).map(|(_, route)| route));
    if let Some(route) = route {
        request.extensions_mut().insert(route);
    }
    Some(answer)
}

/// Works on a request no longer than its client says that it waits.
async fn within_deadline<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let stated = request
        .headers()
        .get(deadline::HEADER)
        .and_then(|value| value.to_str().ok());
    let Some(limit) = deadline::stated(stated) else {
        return next.call(request).await;
    };
    let answer = deadline::within(limit.min(LONGEST_DEADLINE), next.call(request)).await;
    answer.unwrap_or_else(|_| {
        let detail = "your deadline has passed; the outcome is unknown";
        Err(Problem::new(StatusCode::GATEWAY_TIMEOUT, "timeout", detail).into())
    })
}

/// Has the module that a request belongs to answer it; `instead` stands for its path where that is an alias.
async fn dispatch(
    request: HttpRequest,
    payload: web::Payload,
    instead: Option<&'static str>,
) -> Result<HttpResponse, Error> {
    let edge = part::<web::Data<Edge>>(&request)?;
    if let Some(answer) = edge.own.answer(request.method(), instead.unwrap_or(request.path())) {
        return Ok(answer?);
    }
    if let Some((upstream, route)) = edge.destinations.names(request.path()) {
        request.extensions_mut().insert(upstream);
        request.extensions_mut().insert(route);
    }
    let payload = payload.into_inner();
    let (answer, route) = match (&edge.cache, instead) {
        (Some(cache), None) => ask_through(cache, &request, payload).await?,
        _ => Courier::of(&request)?.ask(head_of(&request, instead), payload).await?,
    };
    if let Some(route) = route {
        request.extensions_mut().insert(route);
    }
    Ok(edge.streams.admit(answer)?)
}

/// Has the module answer what the cache does not, and tells the cache of changes.
async fn ask_through(cache: &Arc<Cache>, request: &HttpRequest, payload: Payload) -> Result<Answered, Error> {
    let head = request.head();
    let question = match cache.stance(head, &part::<web::Data<Edge>>(request)?.proxies) {
        Some(Stance::Asks(question)) => question,
        stance => {
            let (mut answer, route) = Courier::of(request)?.ask(head.clone(), payload).await?;
            let has_failed = answer.status().is_client_error() || answer.status().is_server_error();
            if stance.is_some() {
                cache.bypassed(&mut answer);
            } else if !head.method.is_safe() && !has_failed {
                cache.changed(head.uri.path());
            }
            return Ok((answer, route));
        }
    };
    let courier = Courier::of(request)?;
    let ask = {
        let courier = courier.clone();
        Box::new(move |head, origin| courier.ask_for(head, Payload::None, origin).boxed_local())
    };
    if let Some(answered) = cache.answer(request, question, ask).await? {
        return Ok(answered);
    }
    let (mut answer, route) = courier.ask(head.clone(), payload).await?;
    cache.passed(&mut answer);
    Ok((answer, route))
}

/// The head of a request, under another path where it is an alias.
fn head_of(request: &HttpRequest, instead: Option<&'static str>) -> RequestHead {
    let mut head = request.head().clone();
    if let Some(path) = instead {
        head.uri = Uri::from_static(path);
    }
    head
}

/// The way from a request to its module. Does not keep the request, which actix wants back.
#[derive(Clone)]
struct Courier {
    edge: web::Data<Edge>,
    here: web::Data<Here>,
    caller: Option<Caller>,
}

impl Courier {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        Ok(Self {
            edge: part::<web::Data<Edge>>(request)?.clone(),
            here: part::<web::Data<Here>>(request)?.clone(),
            caller: request.extensions().get::<Caller>().cloned(),
        })
    }

    async fn ask(self, head: RequestHead, payload: Payload) -> Result<Answered, Error> {
        let origin = self.edge.proxies.origin_of(&head);
        self.ask_for(head, payload, origin).await
    }

    /// Has the module answer a request that comes from `origin`.
    async fn ask_for(self, head: RequestHead, payload: Payload, origin: Origin) -> Result<Answered, Error> {
        match self.edge.destinations.of(head.uri.path()) {
            Destination::Here => self.here.ask(head, payload, self.caller).await,
            Destination::Elsewhere(upstream) => Ok(self.edge.forwarder.ask(&upstream, &head, payload, &origin).await?),
        }
    }
}

fn part<T: 'static>(request: &HttpRequest) -> Result<&T, Problem> {
    let missing = || Fault::internal(format!("{} is not mounted", std::any::type_name::<T>()));
    Ok(request.app_data::<T>().ok_or_else(missing)?)
}
