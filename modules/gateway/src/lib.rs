//! The edge of the store: everything that happens to a public request before a module sees it, and to an answer before
//! it leaves. Knows no module's rules and no database.
//!
//! The layers, outermost first; [`Gateway::app`] and `guard` below are where their order is written down:
//!
//! | layer | file | does |
//! |---|---|---|
//! | context | `kernel::http::context` | request id, trace, panics and errors to problems, access log, metrics |
//! | cross-origin | `cors.rs` | preflights; marks answers for the origins that may read them |
//! | cleaning | `hygiene.rs` | takes away headers that only we may set |
//! | admission | `admission.rs` | refuses addresses and headers that are not in the one canonical form, or too long |
//! | rates | `rates.rs` | requests per minute and address |
//! | identity | `guard` | an access token that does not hold goes no further |
//! | deadline | `guard` | no work goes on longer than the client says that it waits |
//! | compression | actix | brotli or gzip by `Accept-Encoding` |
//! | destination | `destinations.rs` | the module that a path belongs to: here (`here.rs`) or elsewhere (`forward.rs`, `upload.rs`) |
//!
//! A module here and one elsewhere are asked alike: by a request that is made anew from what the edge has understood.

mod admission;
mod cors;
mod destinations;
mod documentation;
mod forward;
mod here;
mod hygiene;
mod peer;
mod rates;
mod upload;

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{RequestHead, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, Uri};
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};
use kernel::http::context::RequestId;
use kernel::http::routes::RouteTable;
use kernel::http::{Api, api, with_context};
use kernel::identity::{Caller, authenticate};
use kernel::job::{Job, Round, Wake};
use kernel::remote::Remote;
use kernel::service_token::ServiceTokens;
use kernel::settings::Settings;
use kernel::token::TokenVerifier;
use kernel::upstream::Client;
use kernel::{Fault, Problem, deadline};
use utoipa::openapi::OpenApi;

use crate::destinations::{Destination, Destinations};
use crate::documentation::Documentation;
use crate::forward::Forwarder;
use crate::here::{Here, Known};
use crate::peer::TrustedProxies;
use crate::rates::{RateLimits, Standing};

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
    rates: RateLimits,
    proxies: TrustedProxies,
    own: RouteTable,
    destinations: Destinations,
    forwarder: Forwarder,
    origins: Vec<String>,
}

impl Gateway {
    /// A gateway in front of the modules `here` and those in `remote`, which are called with `client` in the name that
    /// `tokens` gives.
    ///
    /// # Errors
    ///
    /// Settings that cannot be meant, by name; the same that [`check`] finds.
    pub fn new(
        settings: &Settings,
        here: Api,
        remote: Vec<RemoteModule>,
        client: Client,
        tokens: ServiceTokens,
    ) -> Result<Self, String> {
        check(settings)?;
        let mut document = here.document().clone();
        let own = documentation::own_document();
        let mut own_routes = RouteTable::of(&own);
        own_routes.add(["/docs", "/docs/", "/docs/{file}"], "GET");
        document.merge(own);
        api::complete_all(&mut document);
        let destinations = Destinations::new(remote);
        let remotes = destinations
            .upstreams()
            .map(|upstream| Remote::new(Arc::clone(upstream), client.clone(), tokens.clone()));
        let documentation = Documentation::new(document, remotes.collect());
        let proxies = TrustedProxies::parse(&settings.limits.trusted_proxies)?;
        let edge = Edge {
            rates: RateLimits::new(&settings.limits, proxies.clone()),
            proxies,
            own: own_routes,
            destinations,
            forwarder: Forwarder {
                client,
                tokens,
                patience: settings.gateway.first_byte_timeout,
                checkout_patience: settings.gateway.checkout_timeout,
            },
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
            .wrap(cors::layer(&self.edge.origins))
            .wrap(from_fn(with_context))
    }

    /// The OpenAPI 3.1 document of what runs here.
    pub fn document(&self) -> &OpenApi {
        self.documentation.here()
    }

    /// The background jobs of the gateway itself.
    pub fn jobs(&self) -> Vec<Job> {
        let edge = self.edge.clone();
        vec![Job::new(
            "rate_limits",
            Duration::from_secs(60),
            Wake::default(),
            move || {
                edge.rates.forget_idle();
                std::future::ready(Ok(Round::Idle))
            },
        )]
    }
}

/// Finds settings of the gateway that cannot be meant.
///
/// # Errors
///
/// One line that names the setting.
pub fn check(settings: &Settings) -> Result<(), String> {
    TrustedProxies::parse(&settings.limits.trusted_proxies)?;
    cors::check(&settings.cors.origins)
}

/// What happens to every request between its context and its destination, in this order.
async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    hygiene::clean_request(&mut request);
    let edge = request.app_data::<web::Data<Edge>>();
    let secure = edge.is_some_and(|edge| edge.proxies.is_secure(request.head()));
    // HEAD is GET whose answer ends after the headers; actix leaves out the body by itself.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let mut standings = Vec::new();
    let mut response = match admit(&request, &mut standings).await {
        Ok(()) => within_deadline(request, next).await?.map_into_left_body(),
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    rates::describe(&standings, response.headers_mut());
    hygiene::finish_response(response.headers_mut(), secure);
    Ok(response)
}

/// Whether a request may go on to its destination.
async fn admit(request: &ServiceRequest, standings: &mut Vec<Standing>) -> Result<(), Problem> {
    admission::check(request)?;
    if let Some(edge) = request.app_data::<web::Data<Edge>>() {
        edge.rates.admit(request, standings)?;
    }
    if !request.path().starts_with(api::TOKEN_ROUTES) {
        authenticate(request.request()).await?;
    }
    Ok(())
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
    let mut head = RequestHead::clone(request.head());
    if let Some(path) = instead {
        head.uri = Uri::from_static(path);
    }
    if let Some(answer) = edge.own.answer(&head.method, head.uri.path()) {
        return Ok(answer?);
    }
    let payload = payload.into_inner();
    let (answer, route) = match edge.destinations.of(head.uri.path()) {
        Destination::Here => {
            let known = Known {
                caller: request.extensions().get::<Caller>().cloned(),
                id: request.extensions().get::<RequestId>().cloned(),
            };
            part::<web::Data<Here>>(&request)?.ask(head, payload, known).await?
        }
        Destination::Elsewhere(upstream) => {
            let origin = edge.proxies.origin_of(&head);
            edge.forwarder.ask(&upstream, &head, payload, &origin).await?
        }
    };
    if let Some(route) = route {
        request.extensions_mut().insert(route);
    }
    Ok(answer)
}

fn part<T: 'static>(request: &HttpRequest) -> Result<&T, Problem> {
    let missing = || Fault::internal(format!("{} is not mounted", std::any::type_name::<T>()));
    Ok(request.app_data::<T>().ok_or_else(missing)?)
}
