//! The public API of the modules of one process: their routes under `/api/v1`, the document that these amount to, and an
//! answer for whatever no route takes. The gateway calls it in its own process; the internal listener serves it to a
//! gateway elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error, web};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_actix_web::scope::scope;
use utoipa_actix_web::{AppExt, UtoipaApp};

use super::json::JsonLimit;
use super::routes::{RouteTable, answer_unrouted};
use crate::module::Module;
use crate::problem::{self, ProblemSchema};
use crate::token::TokenVerifier;

/// Where the API begins.
pub const BASE: &str = "/api/v1";

/// Where tokens are got and renewed: an access token that has run out must not stand in the way here.
pub const TOKEN_ROUTES: &str = "/api/v1/auth/";

/// The API of some modules. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    modules: Arc<[Arc<dyn Module>]>,
    document: Arc<OpenApi>,
    routes: web::Data<RouteTable>,
    verifier: web::Data<TokenVerifier>,
    body_limit: web::Data<JsonLimit>,
}

impl Api {
    /// The API of `modules`, which believes the tokens that `verifier` does, and reads JSON bodies up to `body_limit` bytes.
    pub fn new(modules: Arc<[Arc<dyn Module>]>, verifier: TokenVerifier, body_limit: usize) -> Self {
        let document = document_of(&modules);
        Self {
            routes: web::Data::new(RouteTable::of(&document)),
            document: Arc::new(document),
            modules,
            verifier: web::Data::new(verifier),
            body_limit: web::Data::new(JsonLimit(body_limit)),
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
            .app_data(self.body_limit.clone())
            .default_service(web::to(answer_unrouted))
    }
}

/// The document of the routes of these modules.
fn document_of(modules: &[Arc<dyn Module>]) -> OpenApi {
    let (_, mut document) = mount(modules);
    for (path, item) in &mut document.paths.paths {
        for operation in operations_of(item) {
            add_common_answers(path, operation);
        }
    }
    document
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

/// Adds the answers that any route can give, where its own handler does not tell more.
fn add_common_answers(path: &str, operation: &mut Operation) {
    let mut answers = BTreeMap::from([
        ("400", "The request cannot be understood"),
        ("429", "Too many requests; `Retry-After` says when to come back"),
        ("500", "A bug on our side"),
        ("503", "Busy; `Retry-After` says when to come back"),
    ]);
    if !path.starts_with(TOKEN_ROUTES) {
        answers.insert(
            "401",
            "The access token is missing where one is needed, or does not hold",
        );
    }
    for (status, description) in answers {
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| {
                let content = ContentBuilder::new()
                    .schema(Some(Ref::from_schema_name("Problem")))
                    .build();
                let response = ResponseBuilder::new()
                    .description(description)
                    .content(problem::CONTENT_TYPE, content);
                RefOr::T(response.build())
            });
    }
}
