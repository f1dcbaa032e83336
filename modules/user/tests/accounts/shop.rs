//! A user module on a real PostgreSQL, called over HTTP in the process, with a clock that a test can move.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::{Method, header::HeaderMap};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service, read_body};
use actix_web::{Error, web};
use database::embedded::{self, Cluster, Durability};
use database::{Db, OnViolation, Options};
use diesel::prelude::*;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use kernel::Clock;
use kernel::http::with_context;
use kernel::identity::Authority;
use kernel::keys::{Keys, SecretKey};
use kernel::module::{Context, Module as _};
use kernel::settings::Settings;
use kernel::token::{TokenSigner, TokenVerifier};
use serde_json::{Value, json};
use user::Module;
use utoipa_actix_web::AppExt;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A module of its own, on a database of its own.
pub(crate) struct Shop {
    pub(crate) module: Module,
    pub(crate) clock: Clock,
    pub(crate) database: Db,
    _cluster: Arc<Server>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    /// A refusal with this code, as a problem.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.text("code"), code, "{:#}", answer.body);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        answer
    }
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let cluster = Server::shared();
        let name = format!("user_{}", uuid());
        cluster.cluster.create_database_if_missing(&name).unwrap();
        let options = Options {
            connections: 4,
            ..Options::default()
        };
        let database = Db::open(cluster.cluster.url(&name).into(), options);
        let clock = Clock::adjustable();
        let settings: Settings = toml::from_str(include_str!("../../../../config/default.toml")).unwrap();
        let context = Context {
            keys: Keys {
                token: Arc::new(TokenSigner::generate_key()),
                token_other: None,
                service: SecretKey::generate(),
                secret: SecretKey::generate(),
            },
            settings: Arc::new(settings),
            clock: clock.clone(),
        };
        let module = Module::new(&context, database.clone()).unwrap();
        assert!(!module.migrate().await.unwrap().is_empty());
        assert!(module.pending_migrations().await.unwrap().is_empty());
        Self {
            module,
            clock,
            database,
            _cluster: cluster,
        }
    }

    /// The module's routes as the binary mounts them.
    pub(crate) async fn api(&self) -> Api {
        let keys = self.module.keys().keys().await.unwrap();
        let verifier = TokenVerifier::new(&keys.keys, self.clock.clone());
        let app = actix_web::App::new()
            .into_utoipa_app()
            .app_data(web::Data::new(verifier))
            .app_data(web::Data::from(self.module.service() as Arc<dyn Authority>))
            .service(utoipa_actix_web::scope::scope("/api/v1").configure(|config| self.module.routes(config)))
            .into_app()
            .wrap(from_fn(with_context));
        let service = init_service(app).await;
        Api {
            answer: Box::new(move |request| service.call(request.to_request()).boxed_local()),
        }
    }

    /// What a query counts in its column `count`.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            count: i64,
        }
        let counted = self.database.run(move |connection| {
            let row: QueryResult<Row> = diesel::sql_query(sql).get_result(connection);
            row.on_violation("", || kernel::Fault::internal("never"))
        });
        counted.await.unwrap().count
    }
}

type Response = LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>;

/// The HTTP API of a shop.
pub(crate) struct Api {
    answer: Box<dyn Fn(TestRequest) -> Response>,
}

impl Api {
    pub(crate) async fn send(&self, request: TestRequest) -> Answer {
        let response = (self.answer)(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = read_body(response).await;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status, headers, body }
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(request(Method::POST, path, None).set_json(body)).await
    }

    /// Calls with an access token; `Value::Null` sends no body.
    pub(crate) async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let request = request(method, path, Some(token));
        match body {
            Value::Null => self.send(request).await,
            body => self.send(request.set_json(body)).await,
        }
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.call(Method::GET, path, token, Value::Null).await
    }

    pub(crate) async fn register(&self, email: &str) -> Answer {
        self.post(
            "/auth/register",
            json!({"email": email, "password": PASSWORD, "name": "Ada"}),
        )
        .await
    }

    pub(crate) async fn log_in(&self, email: &str, password: &str) -> Answer {
        self.post("/auth/login", json!({"email": email, "password": password}))
            .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post("/auth/refresh", json!({"refresh_token": token})).await
    }
}

pub(crate) fn request(method: Method, path: &str, token: Option<&str>) -> TestRequest {
    let request = TestRequest::default().method(method).uri(&format!("/api/v1{path}"));
    match token {
        Some(token) => request.insert_header(("authorization", format!("Bearer {token}"))),
        None => request,
    }
}

fn uuid() -> String {
    kernel::id::EventId::generate().uuid().simple().to_string()
}

/// One throw-away cluster for all tests that run at the moment.
struct Server {
    // Stopped before its folder is removed: fields go in this order.
    cluster: Cluster,
    _folder: Folder,
}

struct Folder(PathBuf);

impl Server {
    fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let folder = std::env::temp_dir().join(format!("bodega-user-{}", uuid()));
        fs::DirBuilder::new().mode(0o711).create(&folder).unwrap();
        let options = embedded::Options {
            data_dir: folder.clone(),
            durability: Durability::ThrowAway,
            binaries: None,
        };
        let cluster = Cluster::start(options).unwrap();
        let server = Arc::new(Self {
            cluster,
            _folder: Folder(folder),
        });
        *shared = Arc::downgrade(&server);
        server
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
