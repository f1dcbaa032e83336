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
//! | compression | actix | brotli or gzip by `Accept-Encoding` |
//! | routes | the modules | and `methods.rs` for whatever no route takes: 404, 405, OPTIONS |

mod admission;
mod cors;
mod documentation;
mod hygiene;
mod methods;
mod peer;
mod rates;

use std::sync::Arc;
use std::time::Duration;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Compress, Next, from_fn};
use actix_web::{App, Error, web};
use kernel::http::json::JsonLimit;
use kernel::http::with_context;
use kernel::identity::{Authority, identify};
use kernel::job::{Job, Round, Wake};
use kernel::module::Module;
use kernel::settings::Settings;
use kernel::token::{PublicKey, TokenVerifier};
use kernel::{Clock, Problem};
use utoipa::openapi::OpenApi;

use crate::documentation::Documentation;
use crate::methods::RouteTable;
use crate::peer::TrustedProxies;
use crate::rates::{RateLimits, Standing};

/// Where tokens are got and renewed: an access token that has run out must not stand in the way here.
const TOKEN_ROUTES: &str = "/api/v1/auth/";

/// The gateway of one process. Cheap to clone; all clones share one set of limits.
#[derive(Clone)]
pub struct Gateway {
    modules: Arc<[Arc<dyn Module>]>,
    edge: web::Data<Edge>,
    verifier: web::Data<TokenVerifier>,
    authority: web::Data<dyn Authority>,
    documentation: web::Data<Documentation>,
    body_limit: web::Data<JsonLimit>,
}

/// What the layers share between all workers.
struct Edge {
    rates: RateLimits,
    routes: RouteTable,
    origins: Vec<String>,
}

impl Gateway {
    /// A gateway in front of `modules`, which believes access tokens signed with one of `keys`, and those of staff as
    /// long as `authority` does.
    ///
    /// # Errors
    ///
    /// Settings that cannot be meant, by name; the same that [`check`] finds.
    pub fn new(
        settings: &Settings,
        modules: Arc<[Arc<dyn Module>]>,
        keys: Vec<PublicKey>,
        authority: Arc<dyn Authority>,
        clock: Clock,
    ) -> Result<Self, String> {
        check(settings)?;
        let document = documentation::document(&modules);
        let edge = Edge {
            rates: RateLimits::new(
                &settings.limits,
                TrustedProxies::parse(&settings.limits.trusted_proxies)?,
            ),
            routes: RouteTable::of(&document),
            origins: settings.cors.origins.clone(),
        };
        Ok(Self {
            modules,
            edge: web::Data::new(edge),
            verifier: web::Data::new(TokenVerifier::new(&keys, clock)),
            authority: web::Data::from(authority),
            documentation: web::Data::new(Documentation::new(document, keys)),
            body_limit: web::Data::new(JsonLimit(settings.limits.body_bytes)),
        })
    }

    /// The application that each worker of the public listener runs. The last layer named is the outermost.
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + use<>,
    > {
        let (routes, _) = documentation::mount(&self.modules);
        routes
            .app_data(self.edge.clone())
            .app_data(self.verifier.clone())
            .app_data(self.authority.clone())
            .app_data(self.documentation.clone())
            .app_data(self.body_limit.clone())
            .configure(documentation::mount_browser)
            .default_service(web::to(methods::answer_unrouted))
            .wrap(Compress::default())
            .wrap(from_fn(guard))
            .wrap(cors::layer(&self.edge.origins))
            .wrap(from_fn(with_context))
    }

    /// The OpenAPI 3.1 document of the whole API.
    pub fn document(&self) -> &OpenApi {
        self.documentation.document()
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

/// What happens to every request between its context and its route, in this order.
async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    hygiene::clean_request(&mut request);
    // HEAD is GET whose answer ends after the headers; actix leaves out the body by itself.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let mut standings = Vec::new();
    let mut response = match admit(&request, &mut standings) {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    rates::describe(&standings, response.headers_mut());
    hygiene::finish_response(response.headers_mut());
    Ok(response)
}

/// Whether a request may go on to its route.
fn admit(request: &ServiceRequest, standings: &mut Vec<Standing>) -> Result<(), Problem> {
    admission::check(request)?;
    if let Some(edge) = request.app_data::<web::Data<Edge>>() {
        edge.rates.admit(request, standings)?;
    }
    if !request.path().starts_with(TOKEN_ROUTES) {
        identify(request.request())?;
    }
    Ok(())
}
