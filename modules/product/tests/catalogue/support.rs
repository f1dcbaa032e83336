//! A product module over a PostgreSQL server of its own, and requests.

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{App, HttpMessage, test, web};
use async_trait::async_trait;
use database::embedded::{Cluster, Durability, Options};
use database::{Db, Failure, Options as PoolOptions};
use diesel::RunQueryDsl as _;
use diesel::connection::SimpleConnection as _;
use kernel::event::Event;
use kernel::id::{CustomerGroupId, ImportId, SessionId, UserId, VariantId};
use kernel::identity::{Authority, Caller, Role, SignedIn};
use kernel::job::Job;
use kernel::keys::{Keys, SecretKey};
use kernel::module::{Context, Module as _};
use kernel::settings::Settings;
use kernel::token::TokenSigner;
use kernel::{Clock, Fault};
use product::{ExportFormat, ImportFormat, ImportReport};
use product_api::ProductApi;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use utoipa_actix_web::AppExt;

/// One shop with a database of its own.
pub(crate) struct Shop {
    pub(crate) module: product::Module,
    pub(crate) database: Db,
    /// The shop's time, which stands still until it is moved on.
    pub(crate) context: Context,
    /// Where the search index is.
    pub(crate) files: PathBuf,
    staff: UserId,
    /// The index is kept as long as this is held.
    stop: watch::Sender<bool>,
    jobs: Mutex<Vec<JoinHandle<()>>>,
    /// The data directory.
    pub(crate) folder: Arc<tempfile::TempDir>,
    _server: Arc<Server>,
}

/// A PostgreSQL server for all tests that run at the same time; gone with the last of them. Dropped in the order of its
/// fields, so that the server stops before its folder goes.
struct Server {
    cluster: Cluster,
    _folder: Folder,
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
            _folder: folder,
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
    pub(crate) text: String,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// A shop that sells in further currencies too, which are separated by commas.
    pub(crate) async fn open_selling_in(further: &str) -> Self {
        let further = further.split(',').map(|code| code.parse().unwrap()).collect();
        Self::open_with(|settings| settings.shop.currencies = further).await
    }

    /// A shop that speaks these languages beside its own, which is English.
    pub(crate) async fn speaking(others: &[&str]) -> Self {
        let all = std::iter::once("en").chain(others.iter().copied());
        let all = all.map(|tag| tag.parse().unwrap()).collect();
        Self::open_with(|settings| settings.shop.locales = all).await
    }

    /// A shop whose settings differ from those of the others.
    pub(crate) async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        let server = Server::shared();
        let name = format!("shop_{}", ImportId::generate().uuid().simple());
        server.cluster.create_database_if_missing(&name).unwrap();
        let database = Db::open(server.cluster.url(&name).into(), PoolOptions::default());
        let mut settings: Settings = toml::from_str(include_str!("../../../../config/default.toml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        settings.data.dir = folder.path().to_owned();
        settings.media.image_bytes = 1 << 20;
        change(&mut settings);
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
            folder: Arc::new(folder),
            _server: server,
        };
        shop.follow().await;
        shop
    }

    /// Another process of the same shop, with the same files.
    pub(crate) async fn beside(&self) -> Self {
        self.beside_with(|_| ()).await
    }

    /// Another process of the same shop, as it is once its settings have been changed.
    pub(crate) async fn beside_with(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::clone(&self.context.settings);
        change(&mut settings);
        let context = Context {
            settings: Arc::new(settings),
            ..self.context.clone()
        };
        let shop = Self {
            module: product::Module::new(&context, self.database.clone()),
            database: self.database.clone(),
            files: self.files.clone(),
            context,
            staff: self.staff,
            stop: watch::Sender::new(false),
            jobs: Mutex::default(),
            folder: Arc::clone(&self.folder),
            _server: Arc::clone(&self._server),
        };
        shop.follow().await;
        shop
    }

    /// Leaves the files of the index to others.
    pub(crate) async fn stop(&self) {
        self.stop.send_replace(true);
        let jobs = std::mem::take(&mut *self.jobs.lock().unwrap());
        for job in jobs {
            job.await.unwrap();
        }
    }

    /// Keeps the search index, and waits until lists can be served. Every other job is run when a test says so.
    async fn follow(&self) {
        let jobs = self.module.jobs().into_iter().filter(is_search);
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

    /// As a customer who belongs to a group, or to none.
    pub(crate) async fn member(&self, group: Option<CustomerGroupId>, path: &str) -> Response {
        let mut caller = self.signed_in(Vec::new());
        if let Caller::SignedIn(who) = &mut caller {
            who.group = group;
        }
        self.send(caller, Method::GET, path, None, &[]).await
    }

    /// A price list like this one.
    pub(crate) async fn price_list(&self, list: Value) -> Value {
        let response = self.admin(Method::POST, "/admin/price-lists", list).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// Puts prices on a list; all of them have to be accepted.
    pub(crate) async fn put_on(&self, list: &Value, prices: Value) {
        let path = format!("/admin/price-lists/{}/prices", list["id"].as_str().unwrap());
        let response = self.admin(Method::POST, &path, json!({"prices": prices})).await;
        assert_eq!(response.status, 200, "{}", response.body);
        let mut results = response.body["results"].as_array().unwrap().iter();
        assert!(results.all(|result| result["problem"].is_null()), "{}", response.body);
    }

    /// A product like this one, as the API tells it.
    pub(crate) async fn create(&self, product: Value) -> Value {
        let response = self.admin(Method::POST, "/admin/products", product).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// Says something in another language, as the first edit of `thing`, a product as the API tells it or the like; answers
    /// its next version.
    pub(crate) async fn translate(&self, things: &str, thing: &Value, locale: &str, texts: Value) -> i64 {
        let path = format!("/admin/{things}/{}/translations", thing["id"].as_str().unwrap());
        let version = self.admin(Method::GET, &path, Value::Null).await.body["version"]
            .as_i64()
            .unwrap();
        let response = self
            .edit(Method::PUT, &format!("{path}/{locale}"), version, texts)
            .await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.body["version"].as_i64().unwrap()
    }

    /// A category, below another one or not.
    pub(crate) async fn category(&self, name: &str, parent: Option<&Value>) -> Value {
        let body = json!({"name": name, "parent_id": parent.map(|parent| &parent["id"])});
        let response = self.admin(Method::POST, "/admin/categories", body).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// A collection like this one, as staff see it.
    pub(crate) async fn collection(&self, collection: Value) -> Value {
        let response = self.admin(Method::POST, "/admin/collections", collection).await;
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

    /// The location that is meant where none is named.
    pub(crate) async fn default_location(&self) -> Value {
        let list = self.admin(Method::GET, "/admin/locations", Value::Null).await.body;
        let mut rows = list["data"].as_array().unwrap().iter();
        rows.find(|row| row["is_default"] == true).unwrap().clone()
    }

    /// Another location that serves orders; the default one has priority 0.
    pub(crate) async fn location(&self, name: &str, priority: i32) -> Value {
        let body = json!({"name": name, "priority": priority});
        let response = self.admin(Method::POST, "/admin/locations", body).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// Adds to the stock of a location, or of the default one.
    pub(crate) async fn adjust(&self, variant: VariantId, location: Option<&Value>, delta: i64) {
        let mut body = json!({"variant_id": variant, "delta": delta, "reason": "delivered"});
        if let Some(location) = location {
            body["location_id"] = location["id"].clone();
        }
        let response = self.admin(Method::POST, "/admin/stock/adjustments", body).await;
        assert_eq!(response.status, 201, "{}", response.body);
    }

    /// Moves stock, and answers the transfer.
    pub(crate) async fn transfer(&self, from: &Value, to: &Value, lines: &[(VariantId, i64)]) -> Value {
        let line = |(variant, quantity): &(VariantId, i64)| json!({"variant_id": variant, "quantity": quantity});
        let body = json!({"from_location_id": from["id"], "to_location_id": to["id"], "reason": "moved",
            "lines": lines.iter().map(line).collect::<Vec<_>>()});
        let response = self.admin(Method::POST, "/admin/stock/transfers", body).await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// The events of stock so far, from the table: the feed holds them back while other tests have transactions open.
    pub(crate) async fn stock_events(&self) -> Vec<Event> {
        let read = |connection: &mut diesel::PgConnection| {
            const SQL: &str = "SELECT id, type, subject, time, data FROM products.outbox WHERE type LIKE 'stock.%' \
                ORDER BY transaction_id, sequence";
            let rows: Vec<EventRow> = diesel::sql_query(SQL).load(connection)?;
            Ok::<_, Failure<Fault>>(rows.into_iter().map(EventRow::into_event).collect())
        };
        self.database.run(read).await.unwrap()
    }

    /// The other events so far: the type and the subject of each.
    pub(crate) async fn changes(&self) -> Vec<(String, String)> {
        let read = |connection: &mut diesel::PgConnection| {
            const SQL: &str = "SELECT id, type, subject, time, data FROM products.outbox WHERE type LIKE '%.changed' \
                ORDER BY transaction_id, sequence";
            let rows: Vec<EventRow> = diesel::sql_query(SQL).load(connection)?;
            let told = rows.into_iter().map(|row| (row.r#type, row.subject));
            Ok::<_, Failure<Fault>>(told.collect())
        };
        self.database.run(read).await.unwrap()
    }

    /// The same: the type of each, and how many were left.
    pub(crate) async fn lines_crossed(&self) -> Vec<(String, i64)> {
        let events = self.stock_events().await.into_iter();
        events
            .map(|event| (event.r#type, event.data["available"].as_i64().unwrap()))
            .collect()
    }

    pub(crate) async fn import(&self, text: &str, format: ImportFormat, dry_run: bool) -> ImportReport {
        let source = Cursor::new(text.as_bytes().to_vec());
        self.module.import(source, format, dry_run, |_| ()).await.unwrap()
    }

    /// Does the work of all background jobs from now on.
    pub(crate) fn work(&self) -> Work {
        let (stop, stopped) = watch::channel(false);
        let jobs = self.module.jobs().into_iter().filter(|job| !is_search(job));
        let jobs = jobs.map(|job| job.spawn(stopped.clone())).collect();
        Work { stop, jobs }
    }

    /// Uploads a file for import; answers the job.
    pub(crate) async fn upload(&self, text: &str, query: &str) -> Value {
        let ndjson = [("Content-Type", "application/octet-stream")];
        let path = format!("/admin/imports{query}");
        let begun = self
            .admin_with(Method::POST, &path, Value::String(text.to_owned()), &ndjson)
            .await;
        assert_eq!(begun.status, 202, "{}", begun.body);
        begun.body
    }

    /// The import, once it fulfils `wanted`.
    pub(crate) async fn import_when(&self, job: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
        self.job_when("imports", job, wanted).await
    }

    /// The import or export, once it fulfils `wanted`.
    pub(crate) async fn job_when(&self, jobs: &str, job: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/admin/{jobs}/{}", job["id"].as_str().unwrap());
        let started = Instant::now();
        loop {
            let job = self.admin(Method::GET, &path, Value::Null).await.body;
            if wanted(&job) {
                return job;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{job}");
            actix_web::rt::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Changes the database behind the shop's back.
    pub(crate) fn change(&self, sql: &str) {
        self.database.connect().unwrap().batch_execute(sql).unwrap();
    }

    /// The import, once it has ended.
    pub(crate) async fn ended(&self, job: &Value) -> Value {
        self.import_when(job, |job| !job["finished_at"].is_null()).await
    }

    /// Everything, as a file.
    pub(crate) async fn export(&self) -> String {
        let written = Written::default();
        self.module
            .export(ExportFormat::Ndjson, Box::new(written.clone()))
            .await
            .unwrap();
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// Has every job of the module go one round; the one that keeps the index goes on all the time.
    pub(crate) async fn run_jobs(&self) {
        Self::run_jobs_of(&self.module).await;
    }

    /// Has every job of another replica go one round.
    pub(crate) async fn run_jobs_of(module: &product::Module) {
        let (stop, stopped) = watch::channel(false);
        let jobs = module.jobs().into_iter().filter(|job| !is_search(job));
        let running: Vec<JoinHandle<()>> = jobs.map(|job| job.spawn(stopped.clone())).collect();
        // Each begins its first round, which it then finishes whatever it is told.
        tokio::task::yield_now().await;
        stop.send_replace(true);
        for job in running {
            job.await.unwrap();
        }
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
        let mut request = test::TestRequest::with_uri(path).method(method);
        for header in headers {
            request = request.insert_header(*header);
        }
        request = match body {
            Some(Value::String(text)) => request.set_payload(text),
            Some(body) => request.set_json(body),
            None => request,
        };
        self.answer(caller, request).await
    }

    /// As staff who send a file.
    pub(crate) async fn upload_image(&self, path: &str, content: Vec<u8>, headers: &[(&str, &str)]) -> Response {
        let mut request = test::TestRequest::post().uri(path).set_payload(content);
        for header in headers {
            request = request.insert_header(*header);
        }
        self.answer(self.signed_in(vec![Role::Admin]), request).await
    }

    /// A file, as anybody gets it.
    pub(crate) async fn download(&self, path: &str) -> (StatusCode, HeaderMap, Bytes) {
        self.exchange(Caller::Anonymous, test::TestRequest::with_uri(path))
            .await
    }

    async fn answer(&self, caller: Caller, request: test::TestRequest) -> Response {
        let (status, headers, bytes) = self.exchange(caller, request).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Response {
            status,
            headers,
            body,
            text,
        }
    }

    async fn exchange(&self, caller: Caller, request: test::TestRequest) -> (StatusCode, HeaderMap, Bytes) {
        let app = App::new()
            .into_utoipa_app()
            .app_data(web::Data::from(Arc::new(Trusting) as Arc<dyn Authority>))
            .configure(|config| self.module.routes(config))
            .into_app();
        let app = test::init_service(app).await;
        let request = request.to_request();
        request.extensions_mut().insert(caller);
        let response = test::call_service(&app, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        (status, headers, test::read_body(response).await)
    }

    fn signed_in(&self, roles: Vec<Role>) -> Caller {
        Caller::SignedIn(SignedIn {
            user: self.staff,
            session: SessionId::generate(),
            roles,
            group: None,
        })
    }
}

/// Background jobs at work, for as long as this is kept.
pub(crate) struct Work {
    stop: watch::Sender<bool>,
    jobs: Vec<JoinHandle<()>>,
}

impl Work {
    /// Ends it, and waits for what has begun.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        for job in self.jobs {
            job.await.unwrap();
        }
    }
}

#[derive(diesel::QueryableByName)]
struct EventRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: uuid::Uuid,
    #[diesel(sql_type = diesel::sql_types::Text)]
    r#type: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    subject: String,
    #[diesel(sql_type = diesel::sql_types::Timestamptz)]
    time: chrono::DateTime<chrono::Utc>,
    #[diesel(sql_type = diesel::sql_types::Jsonb)]
    data: Value,
}

impl EventRow {
    fn into_event(self) -> Event {
        Event {
            id: self.id.into(),
            r#type: self.r#type,
            subject: self.subject,
            time: self.time,
            data: self.data,
            sequence: 0,
        }
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

/// What was written, to be read afterwards.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
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

fn is_search(job: &Job) -> bool {
    job.name() == "search"
}

/// Waits until something is so, for a minute at most: machines may be slow.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
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
