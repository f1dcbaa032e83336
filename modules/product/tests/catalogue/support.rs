//! A product module over a PostgreSQL server of its own, and requests.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpMessage, test, web};
use async_trait::async_trait;
use database::embedded::{Cluster, Durability, Options};
use database::{Db, Options as PoolOptions};
use kernel::id::{ImportId, SessionId, UserId, VariantId};
use kernel::identity::{Authority, Caller, Role, SignedIn};
use kernel::keys::{Keys, SecretKey};
use kernel::module::{Context, Module as _};
use kernel::settings::Settings;
use kernel::token::TokenSigner;
use kernel::{Clock, Fault};
use product::{ImportFormat, ImportReport};
use product_api::ProductApi;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use utoipa_actix_web::AppExt;

/// One shop with a database of its own.
pub(crate) struct Shop {
    pub(crate) module: product::Module,
    pub(crate) database: Db,
    context: Context,
    /// Where the search index is.
    pub(crate) files: PathBuf,
    staff: UserId,
    /// The jobs run as long as this is held.
    stop: watch::Sender<bool>,
    jobs: Mutex<Vec<JoinHandle<()>>>,
    _server: Arc<Server>,
}

/// A PostgreSQL server for all tests that run at the same time; gone with the last of them. Dropped in the order of its
/// fields, so that the server stops before its folder goes.
struct Server {
    cluster: Cluster,
    folder: Folder,
}

impl Server {
    fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap();
        if let Some(server) = running.upgrade() {
            return server;
        }
        let folder = Folder::new();
        let cluster = Cluster::start(Options {
            data_dir: folder.0.clone(),
            durability: Durability::ThrowAway,
            binaries: None,
        });
        let server = Arc::new(Self {
            cluster: cluster.unwrap(),
            folder,
        });
        *running = Arc::downgrade(&server);
        server
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let server = Server::shared();
        let name = format!("shop_{}", ImportId::generate().uuid().simple());
        server.cluster.create_database_if_missing(&name).unwrap();
        let database = Db::open(server.cluster.url(&name).into(), PoolOptions::default());
        let settings = include_str!("../../../../config/default.toml");
        let mut settings: Settings = toml::from_str(settings).unwrap();
        settings.data.dir = server.folder.0.join(&name);
        let context = Context {
            keys: Keys {
                token: Arc::new(TokenSigner::generate_key()),
                token_other: None,
                service: SecretKey::generate(),
                secret: SecretKey::generate(),
            },
            settings: Arc::new(settings),
            clock: Clock::adjustable(),
        };
        let module = product::Module::new(&context, database.clone());
        module.migrate().await.unwrap();
        assert_eq!(module.pending_migrations().await.unwrap(), Vec::<String>::new());
        let shop = Self {
            module,
            database,
            files: context.settings.data.dir.join("search"),
            context,
            staff: UserId::generate(),
            stop: watch::Sender::new(false),
            jobs: Mutex::default(),
            _server: server,
        };
        shop.run_jobs().await;
        shop
    }

    /// Another process of the same shop, with the same files.
    pub(crate) async fn beside(&self) -> Self {
        let shop = Self {
            module: product::Module::new(&self.context, self.database.clone()),
            database: self.database.clone(),
            files: self.files.clone(),
            context: self.context.clone(),
            staff: self.staff,
            stop: watch::Sender::new(false),
            jobs: Mutex::default(),
            _server: Arc::clone(&self._server),
        };
        shop.run_jobs().await;
        shop
    }

    /// Ends the jobs, and leaves the files of the index to others.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let jobs = std::mem::take(&mut *self.jobs.lock().unwrap());
        for job in jobs {
            job.await.unwrap();
        }
    }

    /// Waits until lists can be served.
    async fn run_jobs(&self) {
        let jobs = self.module.jobs().into_iter();
        let running = jobs.map(|job| job.spawn(self.stop.subscribe()));
        *self.jobs.lock().unwrap() = running.collect();
        eventually(async || self.module.ready().await.is_ok()).await;
    }

    pub(crate) fn api(&self) -> Arc<dyn ProductApi> {
        self.module.service()
    }

    /// As anybody.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Caller::Anonymous, Method::GET, path, None, &[]).await
    }

    /// As anybody, who has something already.
    pub(crate) async fn get_again(&self, path: &str, tag: &str) -> Response {
        self.send(Caller::Anonymous, Method::GET, path, None, &[("If-None-Match", tag)])
            .await
    }

    /// As staff.
    pub(crate) async fn admin(&self, method: Method, path: &str, body: Value) -> Response {
        self.admin_with(method, path, body, &[]).await
    }

    /// As staff who edit a version.
    pub(crate) async fn edit(&self, method: Method, path: &str, version: i64, body: Value) -> Response {
        let tag = format!("\"{version}\"");
        self.admin_with(method, path, body, &[("If-Match", &tag)]).await
    }

    pub(crate) async fn admin_with(
        &self,
        method: Method,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Response {
        let body = (!body.is_null()).then_some(body);
        self.send(self.signed_in(vec![Role::Admin]), method, path, body, headers)
            .await
    }

    /// As a customer, who is not staff.
    pub(crate) async fn customer(&self, method: Method, path: &str) -> Response {
        self.send(self.signed_in(Vec::new()), method, path, None, &[]).await
    }

    /// A product like this one, as the API tells it.
    pub(crate) async fn create(&self, product: Value) -> Value {
        let response = self.admin(Method::POST, "/admin/products", product).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// A category, below another one or not.
    pub(crate) async fn category(&self, name: &str, parent: Option<&Value>) -> Value {
        let body = json!({"name": name, "parent_id": parent.map(|parent| &parent["id"])});
        let response = self.admin(Method::POST, "/admin/categories", body).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// Titles of a list.
    pub(crate) async fn titles(&self, query: &str) -> Vec<String> {
        let response = self.get(&format!("/products?{query}")).await;
        assert_eq!(response.status, 200, "{query}: {}", response.body);
        let rows = response.body["data"].as_array().unwrap().iter();
        let titles: Vec<String> = rows.map(|row| row["title"].as_str().unwrap().to_owned()).collect();
        if !response.body["page"]["has_more"].as_bool().unwrap() && !query.contains("cursor=") {
            assert_eq!(response.body["total"]["value"], titles.len(), "{query}");
        }
        titles
    }

    pub(crate) async fn import(&self, text: &str, format: ImportFormat, dry_run: bool) -> ImportReport {
        let source = Box::new(Cursor::new(text.as_bytes().to_vec()));
        self.module.import(source, format, dry_run, |_| ()).await.unwrap()
    }

    /// The books are in order.
    pub(crate) async fn assert_in_order(&self) {
        assert_eq!(self.module.verify().await.unwrap(), []);
    }

    async fn send(
        &self,
        caller: Caller,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Response {
        let app = App::new()
            .into_utoipa_app()
            .app_data(web::Data::from(Arc::new(Trusting) as Arc<dyn Authority>))
            .configure(|config| self.module.routes(config))
            .into_app();
        let app = test::init_service(app).await;
        let mut request = test::TestRequest::with_uri(path).method(method);
        for header in headers {
            request = request.insert_header(*header);
        }
        request = match body {
            Some(Value::String(text)) => request.set_payload(text),
            Some(body) => request.set_json(body),
            None => request,
        };
        let request = request.to_request();
        request.extensions_mut().insert(caller);
        let response = test::call_service(&app, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = test::read_body(response).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Response { status, headers, body }
    }

    fn signed_in(&self, roles: Vec<Role>) -> Caller {
        Caller::SignedIn(SignedIn {
            user: self.staff,
            session: SessionId::generate(),
            roles,
        })
    }
}

/// Nobody's sign-in ever ends.
struct Trusting;

#[async_trait]
impl Authority for Trusting {
    async fn still_holds(&self, _: &SignedIn) -> Result<bool, Fault> {
        Ok(true)
    }
}

impl Response {
    /// Status, and pointer and code of the first field.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        let field = &self.body["errors"][0];
        let text = |name: &str| field[name].as_str().unwrap_or_default();
        (self.status.as_u16(), text("pointer"), text("code"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A data directory that the server's account may pass through, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("bodega-product-{}", ImportId::generate().uuid().simple()));
        fs::DirBuilder::new().mode(0o711).create(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits until something is so, for ten seconds at most.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so().await {
        assert!(Instant::now() < until, "it did not come about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A product with one variant.
pub(crate) fn product(title: &str, price: i64, stock: i64) -> Value {
    json!({"title": title, "variants": [{"price": usd(price), "stock": stock}]})
}

/// A product with a variant for each size.
pub(crate) fn sizes(title: &str, sizes: &[(&str, i64, i64)]) -> Value {
    let variant = |(size, price, stock): &(&str, i64, i64)| json!({"sku": format!("{title}-{size}"), "options": {"Size": size}, "price": usd(*price), "stock": stock});
    json!({"title": title, "variants": sizes.iter().map(variant).collect::<Vec<_>>()})
}

pub(crate) fn usd(amount: i64) -> Value {
    json!({"amount": amount, "currency": "USD"})
}

pub(crate) fn path(product: &Value) -> String {
    format!("/admin/products/{}", product["id"].as_str().unwrap())
}

pub(crate) fn variant_id(product: &Value, index: usize) -> VariantId {
    product["variants"][index]["id"].as_str().unwrap().parse().unwrap()
}
