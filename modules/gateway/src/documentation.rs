//! The API about itself: the OpenAPI document, its browser under `/docs`, and the keys that access tokens are signed with.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Bytes};
use actix_web::{App, Error, HttpResponse, get};
use kernel::module::Module;
use kernel::problem::{self, ProblemSchema};
use kernel::token::PublicKey;
use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};
use utoipa_actix_web::scope::scope;
use utoipa_actix_web::{AppExt, UtoipaApp};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// What only the shop's own people may ask for.
const STAFF_ROUTES: &str = "/api/v1/admin/";

/// How long the document and the keys may be kept by whoever reads them.
const CACHE: &str = "public, max-age=300";

/// What a browser lets the pages under `/docs` load: nothing but what comes from here.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                                       frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The texts that are served, made once.
pub(crate) struct Documentation {
    document: OpenApi,
    json: Bytes,
    keys: Bytes,
}

/// The public keys of access tokens (RFC 7517).
#[derive(Serialize, ToSchema)]
struct JsonWebKeySet {
    /// The keys.
    keys: Vec<PublicKey>,
}

impl Documentation {
    pub(crate) fn new(document: OpenApi, keys: Vec<PublicKey>) -> Self {
        let json = document.to_json().unwrap_or_default().into();
        let keys = serde_json::to_string(&JsonWebKeySet { keys })
            .unwrap_or_default()
            .into();
        Self { document, json, keys }
    }

    pub(crate) fn document(&self) -> &OpenApi {
        &self.document
    }
}

/// The document of the routes of these modules and of the gateway's own.
pub(crate) fn document(modules: &Arc<[Arc<dyn Module>]>) -> OpenApi {
    let (_, mut document) = mount(modules);
    for (path, item) in &mut document.paths.paths {
        for operation in operations_of(item) {
            complete(path, operation);
        }
    }
    document
}

/// An application with all public routes, and the document that they amount to.
pub(crate) fn mount(
    modules: &Arc<[Arc<dyn Module>]>,
) -> (
    App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = Error,
            InitError = (),
        > + use<>,
    >,
    OpenApi,
) {
    let api = scope("/api/v1").configure(|config| {
        config.service(get_openapi);
        for module in modules.iter() {
            module.routes(config);
        }
    });
    let app: UtoipaApp<_> = App::new().into_utoipa_app().openapi(frame());
    app.service(api).service(list_keys).split_for_parts()
}

/// Mounts `/docs`: a browser for the document, all of it from this binary.
pub(crate) fn mount_browser(config: &mut web::ServiceConfig) {
    // Without a validator, or the browser would ask one on the network about our document.
    let browser = Config::new(["/api/v1/openapi.json"])
        .validator_url("none")
        .try_it_out_enabled(true);
    let headers = DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .add((header::CACHE_CONTROL, CACHE));
    config.service(web::redirect("/docs", "/docs/")).service(
        web::scope("/docs")
            .wrap(headers)
            .service(SwaggerUi::new("/{_:.*}").config(browser)),
    );
}

/// The OpenAPI 3.1 document
///
/// This document, generated from the code that serves it.
#[utoipa::path(tag = "operations", operation_id = "get_openapi",
    responses((status = 200, description = "The document", content_type = "application/json")))]
#[get("/openapi.json")]
async fn get_openapi(documentation: web::Data<Documentation>) -> HttpResponse {
    json(&documentation.json)
}

/// The public keys of access tokens
///
/// For services that check access tokens themselves.
#[utoipa::path(tag = "operations", operation_id = "list_keys",
    responses((status = 200, description = "The keys (JWKS, RFC 7517)", body = JsonWebKeySet)))]
#[get("/.well-known/jwks.json")]
async fn list_keys(documentation: web::Data<Documentation>) -> HttpResponse {
    json(&documentation.keys)
}

fn json(text: &Bytes) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, CACHE))
        .body(text.clone())
}

/// What the document says before any route is in it.
fn frame() -> OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        info(
            title = "Bodega",
            description = "An online store: catalogue, accounts, carts, orders.\n\nMoney is integer minor units and \
                           an ISO 4217 code. Errors are problem details (RFC 9457) with a stable `code`. Lists take \
                           `limit` and `cursor`. Any POST but `/auth/*` takes an `Idempotency-Key`.",
            license(name = "GPL-3.0-or-later", identifier = "GPL-3.0-or-later")
        ),
        servers((url = "/", description = "This store")),
        components(schemas(ProblemSchema))
    )]
    struct Frame;
    let mut document = Frame::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
    let bearer = bearer.description(Some(
        "The access token from register, login or refresh; five minutes long.",
    ));
    let secret = |name, what| SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, what)));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(bearer.build()));
    components.add_security_scheme(
        "cart_secret",
        secret("Cart-Secret", "The proof of a guest's cart, shown once."),
    );
    components.add_security_scheme(
        "order_secret",
        secret("Order-Secret", "The proof of a guest's order, shown once."),
    );
    document
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.post,
        &mut item.put,
        &mut item.patch,
        &mut item.delete,
    ]
    .into_iter()
    .flatten()
}

/// Says of an operation what follows from what it takes, where its own handler does not say more: the identity that a
/// route for staff needs, and every way in which the layers and extractors before the handler can refuse.
fn complete(path: &str, operation: &mut Operation) {
    let for_staff = path.starts_with(STAFF_ROUTES);
    if for_staff && operation.security.is_none() {
        operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    }
    let answers = [
        (true, "400", "The request cannot be understood"),
        (
            !path.starts_with(crate::TOKEN_ROUTES),
            "401",
            "The access token is missing where one is needed, or does not hold: `unauthenticated`, `token_expired`, \
             `invalid_token`, `session_ended`",
        ),
        (for_staff, "403", "Not an administrator: `forbidden`"),
        (path.contains('{'), "404", "Unknown, or not yours: `not_found`"),
        (
            takes(operation, "Idempotency-Key"),
            "409",
            "`request_in_progress`: repeat it in a moment",
        ),
        (
            takes(operation, "If-Match"),
            "412",
            "`precondition_failed`: it has changed since you read it",
        ),
        (operation.request_body.is_some(), "413", "`payload_too_large`"),
        (operation.request_body.is_some(), "415", "`unsupported_media_type`"),
        (
            operation.request_body.is_some(),
            "422",
            "`validation_failed`: `errors` names the fields; `idempotency_key_reused`",
        ),
        (
            true,
            "429",
            "`rate_limited`: too many requests; `Retry-After` says when to come back",
        ),
        (true, "500", "`internal_error`: a bug on our side"),
        (true, "503", "`unavailable`: busy; `Retry-After` says when to come back"),
    ];
    let responses = &mut operation.responses.responses;
    for (_, status, description) in answers.into_iter().filter(|(possible, ..)| *possible) {
        let answer = || RefOr::T(ResponseBuilder::new().description(description).build());
        responses.entry(status.to_owned()).or_insert_with(answer);
    }
    for (status, response) in responses {
        if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']), response) {
            make_problem(response);
        }
    }
}

fn takes(operation: &Operation, header: &str) -> bool {
    let mut parameters = operation.parameters.iter().flatten();
    parameters.any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == header))
}

/// Every refusal is a problem, whatever its handler says about the shape of it.
fn make_problem(response: &mut Response) {
    let problem = || {
        let schema = Ref::from_schema_name(ProblemSchema::name());
        RefOr::T(ContentBuilder::new().schema(Some(schema)).build())
    };
    let content = response.content.swap_remove("application/json").unwrap_or_else(problem);
    response
        .content
        .entry(problem::CONTENT_TYPE.to_owned())
        .or_insert(content);
}
