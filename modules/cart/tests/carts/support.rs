//! A cart module over a PostgreSQL server of its own, a catalogue that a test can change, and requests.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpMessage, test, web};
use async_trait::async_trait;
use database::embedded::{Cluster, Durability, Options};
use database::{Db, Options as PoolOptions};
use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};
use kernel::event::{Event, Feed, Position};
use kernel::id::{CustomerGroupId, OrderId, ProductId, ReservationId, RestockId, SessionId, UserId, VariantId};
use kernel::identity::{Authority, Caller, Role, SignedIn};
use kernel::keys::{Keys, SecretKey};
use kernel::module::{Context, Module as _};
use kernel::settings::Settings;
use kernel::token::TokenSigner;
use kernel::{Clock, Currency, Fault, Locale, Money};
use product_api::{Demand, ProductApi, ProductError, Quote, QuotedPrice, Reservation, Traits};
use serde_json::{Value, json};
use user_api::{Profile, UserApi, UserError};
use utoipa_actix_web::AppExt;

/// One shop: dropped in the order of its fields, so that the server stops before its folder goes.
pub(crate) struct Shop {
    pub(crate) module: cart::Module,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) clock: Clock,
    url: String,
    _cluster: Cluster,
    _redis: Option<Redis>,
    _folder: Folder,
}

/// What a variant is and costs, as the test says.
#[derive(Default)]
pub(crate) struct Catalogue {
    quotes: Mutex<HashMap<VariantId, Quote>>,
    asked: AtomicUsize,
}

/// The statements that were sent to each database of this process.
static STATEMENTS: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

/// Counts what one connection sends.
#[derive(Default)]
struct Counter {
    url: String,
}

impl Instrumentation for Counter {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        match event {
            InstrumentationEvent::StartEstablishConnection { url, .. } => url.clone_into(&mut self.url),
            InstrumentationEvent::StartQuery { query, .. } => {
                let mut statements = STATEMENTS.lock().unwrap();
                statements.entry(self.url.clone()).or_default().push(query.to_string());
            }
            _ => (),
        }
    }
}

/// Who sends a request.
#[derive(Clone)]
pub(crate) enum As {
    Stranger,
    Guest(String),
    User(UserId),
    Staff,
}

/// What came back.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    /// With other settings than those that the shop comes with.
    pub(crate) async fn open_with(change: impl FnOnce(&mut Settings)) -> Self {
        set_default_instrumentation(|| Some(Box::<Counter>::default())).unwrap();
        let folder = Folder::new();
        let cluster = Cluster::start(Options {
            data_dir: folder.0.clone(),
            durability: Durability::ThrowAway,
            binaries: None,
        });
        let cluster = cluster.unwrap();
        let url = cluster.url(database::embedded::NAME);
        let database = Db::open(url.clone().into(), PoolOptions::default());
        let settings = include_str!("../../../../config/default.toml");
        let mut settings = settings.replace("locales = []", "locales = [\"en\", \"de\"]");
        let redis = Redis::where_carts_are(&folder);
        if let Some(redis) = &redis {
            settings = settings.replace("store = \"postgres\"", "store = \"redis\"").replacen(
                "redis_url = \"\"",
                &format!("redis_url = \"{}\"", redis.url),
                1,
            );
        }
        let mut settings: Settings = toml::from_str(&settings).unwrap();
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
        let catalogue = Arc::new(Catalogue::default());
        let module = cart::Module::new(
            &context,
            database,
            catalogue.clone(),
            Arc::new(Accounts),
            Arc::new(Silence),
        );
        module.migrate().await.unwrap();
        assert_eq!(module.pending_migrations().await.unwrap(), Vec::<String>::new());
        Self {
            module,
            catalogue,
            clock: context.clock,
            url,
            _cluster: cluster,
            _redis: redis,
            _folder: folder,
        }
    }

    /// The statements that were sent to the database, and how often the catalogue was asked, since this was last asked.
    pub(crate) fn effort(&self) -> (Vec<String>, usize) {
        let statements = STATEMENTS.lock().unwrap().remove(&self.url).unwrap_or_default();
        (statements, self.catalogue.asked.swap(0, Ordering::Relaxed))
    }

    /// Something that staff set up.
    pub(crate) async fn set_up(&self, path: &str, body: Value) -> Value {
        let made = self.send(&As::Staff, Method::POST, path, Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        made.body
    }

    pub(crate) async fn send(&self, who: &As, method: Method, path: &str, body: Option<Value>) -> Response {
        self.send_with(who, method, path, body, &[]).await
    }

    pub(crate) async fn send_with(
        &self,
        who: &As,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Response {
        let authority: Arc<dyn Authority> = Arc::new(Accounts);
        let app = App::new()
            .app_data(web::Data::from(authority))
            .into_utoipa_app()
            .configure(|config| self.module.routes(config))
            .into_app();
        let app = test::init_service(app).await;
        let mut request = test::TestRequest::with_uri(path).method(method);
        for header in headers {
            request = request.insert_header(*header);
        }
        if let Some(body) = body {
            request = request.set_json(body);
        }
        if let As::Guest(secret) = who {
            request = request.insert_header(("Cart-Secret", secret.as_str()));
        }
        let request = request.to_request();
        let signed_in = |user, roles| {
            Caller::SignedIn(SignedIn {
                user,
                session: SessionId::generate(),
                roles,
                group: None,
            })
        };
        request.extensions_mut().insert(match who {
            As::User(user) => signed_in(*user, Vec::new()),
            As::Staff => signed_in(UserId::generate(), vec![Role::Admin]),
            As::Stranger | As::Guest(_) => Caller::Anonymous,
        });
        let response = test::call_service(&app, request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = test::read_body(response).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Response { status, headers, body }
    }

    /// A guest's cart with these lines, and the guest.
    pub(crate) async fn guest_cart(&self, lines: &[(VariantId, i64)]) -> (Value, As) {
        let response = self
            .send(&As::Stranger, Method::POST, "/carts", Some(new_cart(lines)))
            .await;
        assert_eq!(response.status, 201, "{}", response.body);
        let secret = response.body["secret"].as_str().unwrap().to_owned();
        (response.body, As::Guest(secret))
    }

    /// A user's cart with these lines.
    pub(crate) async fn user_cart(&self, user: UserId, lines: &[(VariantId, i64)]) -> Value {
        let response = self
            .send(&As::User(user), Method::POST, "/carts", Some(new_cart(lines)))
            .await;
        assert_eq!(response.status, 201, "{}", response.body);
        response.body
    }

    /// The cart as its holder reads it.
    pub(crate) async fn read(&self, who: &As, cart: &Value) -> Value {
        let response = self.send(who, Method::GET, &path(cart), None).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.body
    }
}

impl Response {
    /// Status, code of the problem, and pointer and code of its first field.
    pub(crate) fn refusal(&self) -> (u16, &str, &str, &str) {
        let field = &self.body["errors"][0];
        (
            self.status.as_u16(),
            self.body["code"].as_str().unwrap_or_default(),
            field["pointer"].as_str().unwrap_or_default(),
            field["code"].as_str().unwrap_or_default(),
        )
    }
}

impl Catalogue {
    /// A new variant.
    pub(crate) fn sell(&self, price: i64, available: i64) -> VariantId {
        let variant = VariantId::generate();
        let quote = Quote {
            variant,
            product: ProductId::generate(),
            sku: Some("SHIRT-S".to_owned()),
            title: "Shirt".to_owned(),
            variant_title: "S".to_owned(),
            image_url: None,
            prices: from_one(price),
            available,
            on_sale: true,
            traits: Traits::default(),
        };
        self.quotes.lock().unwrap().insert(variant, quote);
        variant
    }

    /// Changes what the catalogue says.
    pub(crate) fn edit(&self, variant: VariantId, edit: impl FnOnce(&mut Quote)) {
        edit(self.quotes.lock().unwrap().get_mut(&variant).unwrap());
    }

    pub(crate) fn set_price(&self, variant: VariantId, price: i64) {
        self.edit(variant, |quote| quote.prices = from_one(price));
    }
}

/// What one costs, however many are bought.
fn from_one(price: i64) -> Vec<QuotedPrice> {
    vec![QuotedPrice {
        min_quantity: 1,
        unit_price: Money::new(price, usd()),
    }]
}

#[async_trait]
impl ProductApi for Catalogue {
    async fn quote(
        &self,
        variants: Vec<VariantId>,
        currency: Currency,
        locale: Option<Locale>,
        _: Option<CustomerGroupId>,
    ) -> Result<Vec<Quote>, ProductError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let quotes = self.quotes.lock().unwrap();
        // What is not said in English ends with the language that it is said in.
        let title = |title: &str| match &locale {
            Some(locale) if locale.as_str() != "en" => format!("{title} ({locale})"),
            _ => title.to_owned(),
        };
        let answer = |quote: &Quote| {
            let mut quote = quote.clone();
            quote.title = title(&quote.title);
            quote.prices.retain(|price| price.unit_price.currency == currency);
            quote
        };
        Ok(variants
            .iter()
            .filter_map(|variant| quotes.get(variant))
            .map(answer)
            .collect())
    }

    async fn reserve(&self, _: ReservationId, _: Vec<Demand>) -> Result<(), ProductError> {
        Err(not_asked().into())
    }

    async fn commit_all(&self, _: Vec<ReservationId>) -> Result<Vec<ReservationId>, ProductError> {
        Err(not_asked().into())
    }

    async fn release(&self, _: ReservationId) -> Result<(), ProductError> {
        Err(not_asked().into())
    }

    async fn restock(&self, _: ReservationId, _: RestockId, _: Vec<Demand>) -> Result<(), ProductError> {
        Err(not_asked().into())
    }

    async fn reservations(&self, _: Option<ReservationId>, _: i64) -> Result<Vec<Reservation>, ProductError> {
        Err(not_asked().into())
    }
}

/// The Redis of one shop's carts.
struct Redis {
    url: String,
    server: Child,
}

impl Redis {
    /// One that is reached by a file in the shop's folder, where the test run keeps carts in Redis.
    fn where_carts_are(folder: &Folder) -> Option<Self> {
        if std::env::var("BODEGA_TEST_CART_STORE").as_deref() != Ok("redis") {
            return None;
        }
        let socket = folder.0.join("redis.socket");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let server = server.unwrap();
        while UnixStream::connect(&socket).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        let url = format!("redis+unix://{}", socket.display());
        Some(Self { url, server })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

struct Accounts;

/// A feed in which nothing ever happens.
struct Silence;

#[async_trait]
impl Feed for Silence {
    async fn read(&self, _: Position, _: i64) -> Result<Vec<(Position, Event)>, Fault> {
        Ok(Vec::new())
    }

    async fn end(&self) -> Result<Position, Fault> {
        Ok(Position::default())
    }
}

#[async_trait]
impl Authority for Accounts {
    async fn still_holds(&self, _: &SignedIn) -> Result<bool, Fault> {
        Ok(true)
    }
}

#[async_trait]
impl UserApi for Accounts {
    async fn profile(&self, user: UserId) -> Result<Profile, UserError> {
        Ok(Profile {
            user,
            email: "account@example.com".to_owned(),
            name: None,
        })
    }
}

fn not_asked() -> Fault {
    Fault::internal("the cart module has no business with stock")
}

/// A data directory that the server's account may pass through, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("bodega-cart-{}", OrderId::generate().uuid().simple()));
        fs::DirBuilder::new().mode(0o711).create(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn usd() -> Currency {
    "USD".parse().unwrap()
}

pub(crate) fn path(cart: &Value) -> String {
    format!("/carts/{}", cart["id"].as_str().unwrap())
}

pub(crate) fn items_path(cart: &Value) -> String {
    format!("{}/items", path(cart))
}

pub(crate) fn item_path(cart: &Value, index: usize) -> String {
    format!("{}/items/{}", path(cart), cart["items"][index]["id"].as_str().unwrap())
}

pub(crate) fn line(variant: VariantId, quantity: i64) -> Value {
    json!({"variant_id": variant, "quantity": quantity})
}

pub(crate) fn address() -> Value {
    json!({"name": "Ada", "line1": "1 Main St", "city": "London", "postal_code": "N1", "country": "GB"})
}

fn new_cart(lines: &[(VariantId, i64)]) -> Value {
    let items: Vec<Value> = lines
        .iter()
        .map(|(variant, quantity)| line(*variant, *quantity))
        .collect();
    json!({"items": items})
}
