//! The listener for the other processes of the shop: the public routes of the modules here, for a gateway elsewhere; what
//! siblings may call, under `/internal`; and `/readyz`. Whoever asks anything else shows a service token.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::{Next, from_fn};
use actix_web::{App, Error, HttpResponse, web};
use kernel::http::context::ROUTE_HEADER;
use kernel::http::{Api, api, with_context};
use kernel::identity::authenticate;
use kernel::remote::{serve_feed, waits_for_news};
use kernel::service_token::{self, ServiceTokens};
use kernel::{Fault, Problem, deadline};

use crate::management::{self, Health};

/// The application that each worker of the internal listener runs.
pub fn app(
    public: &Api,
    tokens: &web::Data<ServiceTokens>,
    health: &web::Data<Health>,
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
    + use<>,
> {
    let internal = public.clone();
    public
        .app()
        .app_data(tokens.clone())
        .app_data(health.clone())
        .configure(|config| {
            for module in public.modules() {
                module.internal_routes(config);
                serve_feed(config, module.name(), module.feed());
                let document = internal.clone();
                let get_document = move || std::future::ready(HttpResponse::Ok().json(document.document()));
                config.route(
                    &format!("/internal/{}/openapi.json", module.name()),
                    web::get().to(get_document),
                );
            }
        })
        .configure(management::readiness_route)
        .wrap(from_fn(guard))
        .wrap(from_fn(with_context))
}

/// What happens to every request between its context and its route.
async fn guard<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    // HEAD is GET whose answer ends after the headers; actix leaves out the body by itself.
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let open = request.path() == "/readyz";
    let admitted = match open {
        true => Ok(()),
        false => admit(&request).await,
    };
    if let Err(problem) = admitted {
        return Ok(request.error_response(problem).map_into_right_body());
    }
    let stated = request
        .headers()
        .get(deadline::HEADER)
        .and_then(|value| value.to_str().ok());
    let limit = deadline::stated(stated);
    let stop = stop_of_waiting(&request);
    let served = async {
        match limit {
            Some(limit) => deadline::within(limit, next.call(request))
                .await
                .map_err(|_| too_late())?,
            None => next.call(request).await,
        }
    };
    let mut response = tokio::select! {
        response = served => response?,
        () = stop => return Err(Problem::from(Fault::unavailable("the process is about to stop")).into()),
    };
    if let Some(route) = response.request().match_pattern()
        && let Ok(value) = HeaderValue::from_str(&route)
    {
        response
            .headers_mut()
            .insert(HeaderName::from_static(ROUTE_HEADER), value);
    }
    Ok(response.map_into_left_body())
}

/// When it is time to stop waiting for `request`: at once where a process that is about to stop waits for news, whose
/// reader can wait elsewhere; else never.
fn stop_of_waiting(request: &ServiceRequest) -> impl Future<Output = ()> + use<> {
    let health = request.app_data::<web::Data<Health>>().cloned();
    let waits = waits_for_news(request.path());
    async move {
        match health.filter(|_| waits) {
            Some(health) => health.drained().await,
            None => std::future::pending().await,
        }
    }
}

async fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    let refused = |detail: &str| Problem::unauthenticated("service_token_required", detail);
    let mut tokens = request.headers().get_all(service_token::HEADER);
    let (token, more) = (tokens.next().and_then(|value| value.to_str().ok()), tokens.next());
    let (Some(token), None) = (token, more) else {
        return Err(refused("this listener is for the processes of the shop"));
    };
    let known = request.app_data::<web::Data<ServiceTokens>>();
    let known = known.ok_or_else(|| Fault::internal("no service tokens are mounted"))?;
    if let Err(error) = known.verify(token) {
        tracing::warn!(target: "security", reason = %error, "service token refused");
        return Err(refused("the service token does not hold"));
    }
    if request.path().starts_with(api::BASE) && !request.path().starts_with(api::TOKEN_ROUTES) {
        authenticate(request.request()).await?;
    }
    Ok(())
}

fn too_late() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "timeout",
        "the caller's deadline has passed",
    )
}
