//! The public API of the modules of one process: their routes under `/api/v1`, the document that these amount to, and an
//! answer for whatever no route takes. The gateway calls it in its own process; the internal listener serves it to a
//! gateway elsewhere.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, web};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema as _};
use utoipa_actix_web::scope::scope;
use utoipa_actix_web::{AppExt, UtoipaApp};

use super::body::BodyLimits;
use super::routes::{RouteTable, answer_unrouted};
use crate::identity::Authority;
use crate::module::Module;
use crate::problem::{self, ProblemSchema};
use crate::token::TokenVerifier;

/// Where the API begins.
pub const BASE: &str = "/api/v1";

/// Where tokens are got and renewed: an access token that has run out must not stand in the way here.
pub const TOKEN_ROUTES: &str = "/api/v1/auth/";

/// What only the shop's own people may ask for.
const STAFF_ROUTES: &str = "/api/v1/admin/";

/// The API of some modules. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    modules: Arc<[Arc<dyn Module>]>,
    document: Arc<OpenApi>,
    routes: web::Data<RouteTable>,
    verifier: web::Data<TokenVerifier>,
    authority: web::Data<dyn Authority>,
    body_limits: web::Data<BodyLimits>,
}

impl Api {
    /// The API of `modules`, which believes the access tokens that `verifier` does, those of staff as long as `authority`
    /// does, and takes bodies within `body_limits`.
    pub fn new(
        modules: Arc<[Arc<dyn Module>]>,
        verifier: TokenVerifier,
        authority: Arc<dyn Authority>,
        body_limits: BodyLimits,
    ) -> Self {
        let document = document_of(&modules);
        Self {
            routes: web::Data::new(RouteTable::of(&document)),
            document: Arc::new(document),
            modules,
            verifier: web::Data::new(verifier),
            authority: web::Data::from(authority),
            body_limits: web::Data::new(body_limits),
        }
    }

    /// The OpenAPI 3.1 document of these modules.
    pub fn document(&self) -> &OpenApi {
        &self.document
    }

    /// What checks the access tokens.
    pub fn verifier(&self) -> &TokenVerifier {
        &self.verifier
    }

    /// The modules.
    pub fn modules(&self) -> &[Arc<dyn Module>] {
        &self.modules
    }

    /// An application with all routes; one for each worker.
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = Error,
            InitError = (),
        > + use<>,
    > {
        let (app, _) = mount(&self.modules);
        app.app_data(self.routes.clone())
            .app_data(self.verifier.clone())
            .app_data(self.authority.clone())
            .app_data(self.body_limits.clone())
            .default_service(web::to(answer_unrouted))
    }
}

/// The document of the routes of these modules.
fn document_of(modules: &[Arc<dyn Module>]) -> OpenApi {
    let (_, mut document) = mount(modules);
    complete_all(&mut document);
    document
}

/// Says of every operation what follows from what it takes.
pub fn complete_all(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        for operation in operations_of(item) {
            complete(path, operation);
        }
    }
}

fn mount(
    modules: &[Arc<dyn Module>],
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
    let api = scope(BASE).configure(|config| {
        for module in modules {
            module.routes(config);
        }
    });
    let app: UtoipaApp<_> = App::new().into_utoipa_app().openapi(frame());
    app.service(api).split_for_parts()
}

/// What the document says before any route is in it.
pub fn frame() -> OpenApi {
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
            !path.starts_with(TOKEN_ROUTES),
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
