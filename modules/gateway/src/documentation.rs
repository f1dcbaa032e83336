//! The API about itself: the OpenAPI document of all modules, wherever they run, and its browser under `/docs`.

use std::time::{Duration, Instant};

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::web::{self, Bytes};
use actix_web::{Error, HttpRequest, HttpResponse};
use futures_util::future::try_join_all;
use kernel::remote::Remote;
use kernel::token::PublicKeys;
use kernel::{Fault, Problem};
use serde_json::Value;
use tokio::sync::Mutex;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// How long the document may be kept by whoever reads them.
const CACHE: &str = "public, max-age=300";

/// What a browser lets the pages under `/docs` load: nothing but what comes from here.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                                       frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// How long the parts of other processes are believed.
const FRESH: Duration = Duration::from_secs(60);

/// The document, put together from its parts.
pub(crate) struct Documentation {
    here: OpenApi,
    elsewhere: Vec<Remote>,
    whole: Mutex<Option<(Instant, Bytes)>>,
}

impl Documentation {
    /// The parts of this process, and whom to ask for the others.
    pub(crate) fn new(here: OpenApi, elsewhere: Vec<Remote>) -> Self {
        Self {
            here,
            elsewhere,
            whole: Mutex::default(),
        }
    }

    pub(crate) fn here(&self) -> &OpenApi {
        &self.here
    }

    /// The whole document. While a module cannot be asked, what it said last is told.
    async fn whole(&self) -> Result<Bytes, Problem> {
        let mut whole = self.whole.lock().await;
        if let Some((made, text)) = &*whole
            && (made.elapsed() < FRESH || self.elsewhere.is_empty())
        {
            return Ok(text.clone());
        }
        match (self.put_together().await, &*whole) {
            (Ok(text), _) => {
                *whole = Some((Instant::now(), text.clone()));
                Ok(text)
            }
            (Err(fault), Some((_, text))) => {
                tracing::warn!(%fault, "a part of the OpenAPI document cannot be had; the last one is told");
                Ok(text.clone())
            }
            (Err(fault), None) => Err(fault.into()),
        }
    }

    async fn put_together(&self) -> Result<Bytes, Fault> {
        let parts = self
            .elsewhere
            .iter()
            .map(|remote| remote.fetch::<Value>("openapi.json"));
        let mut document = serde_json::to_value(&self.here).map_err(|error| Fault::internal(error.to_string()))?;
        for part in try_join_all(parts).await? {
            add(&mut document, part);
        }
        Ok(document.to_string().into())
    }
}

/// Adds the paths and components of one document to another. What both have says the same: it comes from the same code.
fn add(document: &mut Value, part: Value) {
    match (document, part) {
        (Value::Object(members), Value::Object(more)) => {
            for (name, value) in more {
                match members.get_mut(&name) {
                    Some(known) => add(known, value),
                    None => drop(members.insert(name, value)),
                }
            }
        }
        (Value::Array(items), Value::Array(more)) => {
            for item in more {
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        _ => (),
    }
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

/// The routes of the gateway's own.
pub(crate) fn own_document() -> OpenApi {
    #[derive(utoipa::OpenApi)]
    #[openapi(paths(get_openapi, list_keys))]
    struct Own;
    Own::openapi()
}

/// The OpenAPI 3.1 document
///
/// This document, generated from the code that serves it.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "operations", operation_id = "get_openapi",
    responses((status = 200, description = "The document", content_type = "application/json")))]
pub(crate) async fn get_openapi(documentation: web::Data<Documentation>) -> Result<HttpResponse, Problem> {
    let text = documentation.whole().await?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, CACHE))
        .body(text))
}

/// Where the public keys are besides [`KEYS`]: in the place that other programs look for them (RFC 8615).
pub(crate) const WELL_KNOWN_KEYS: &str = "/.well-known/jwks.json";
/// Where the user module has its public keys.
pub(crate) const KEYS: &str = "/api/v1/auth/jwks";

/// The public keys of access tokens
///
/// For services that check access tokens themselves. The same as `/api/v1/auth/jwks`.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "operations", operation_id = "list_keys",
    responses((status = 200, description = "The keys (JWKS, RFC 7517)", body = PublicKeys)))]
pub(crate) async fn list_keys(request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Error> {
    crate::dispatch(request, payload, Some(KEYS)).await
}
