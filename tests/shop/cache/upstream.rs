//! A module that is made up: it counts how often it is asked, tells what it was asked, and answers in every bad way.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::dev::ServerHandle;
use actix_web::web::Bytes;
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, HttpServer, web};
use futures_util::{StreamExt, stream};
use kernel::event::Position;
use serde_json::json;

use crate::support::runtime;

const PUBLIC: &str = "public, max-age=60, stale-while-revalidate=30, stale-if-error=300";

/// What stands for all modules.
pub(super) struct Upstream {
    address: SocketAddr,
    state: web::Data<State>,
    server: ServerHandle,
}

#[derive(Default)]
struct State {
    /// By path and query.
    fetches: Mutex<HashMap<String, u64>>,
    is_down: Arc<AtomicBool>,
}

impl Upstream {
    pub(super) async fn start() -> Upstream {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let state = web::Data::new(State::default());
        let shared = state.clone();
        let server = runtime::run(async move {
            let app = move || {
                App::new()
                    .app_data(shared.clone())
                    .route("/readyz", web::get().to(HttpResponse::Ok))
                    .route("/internal/product/events", web::get().to(no_news))
                    .route("/internal/product/events/end", web::get().to(end))
                    .route("/api/v1/products/{what}", web::get().to(answer))
            };
            let server = HttpServer::new(app)
                .workers(2)
                .disable_signals()
                .listen(socket)
                .unwrap()
                .run();
            let handle = server.handle();
            tokio::spawn(server);
            handle
        });
        Upstream {
            address,
            state,
            server: server.await,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often a path (relative to `/api/v1`) was asked for.
    pub(super) fn fetches(&self, path: &str) -> u64 {
        let fetches = self.state.fetches.lock().unwrap();
        fetches.get(&format!("/api/v1{path}")).copied().unwrap_or(0)
    }

    /// Whether everything is answered 503.
    pub(super) fn is_down(&self) -> &AtomicBool {
        &self.state.is_down
    }

    /// Nobody is there any more.
    pub(super) async fn stop(&self) {
        self.server.stop(false).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // It is told; nobody waits for it.
        drop(self.server.stop(false));
    }
}

async fn no_news() -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(100)).await;
    HttpResponse::Ok().json(json!([]))
}

async fn end() -> HttpResponse {
    HttpResponse::Ok().json(Position::default())
}

async fn answer(request: HttpRequest, what: web::Path<String>, state: web::Data<State>) -> HttpResponse {
    let asked = request.uri().path_and_query().unwrap().to_string();
    let fetch = {
        let mut fetches = state.fetches.lock().unwrap();
        let count = fetches.entry(asked).or_default();
        *count += 1;
        *count
    };
    if state.is_down.load(Ordering::Relaxed) {
        return HttpResponse::ServiceUnavailable().finish();
    }
    if what.starts_with("slow") {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let header = |name: &str| {
        let value = request.headers().get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or_default().to_owned()
    };
    let told = [
        "x-forwarded-for",
        "forwarded",
        "user-agent",
        "accept",
        "origin",
        "x-anything",
        "x-original-url",
    ];
    let body = json!({
        "what": what.as_str(),
        "fetch": fetch,
        "language": header("accept-language"),
        "host": header("x-forwarded-host"),
        "told": told.map(header),
    });
    let public = || {
        let mut response = HttpResponse::Ok();
        response.insert_header(("cache-control", PUBLIC));
        response.insert_header(("etag", format!("W/\"{fetch}\"")));
        response
    };
    let with = |name: &str, value: &str| public().insert_header((name, value)).json(&body);
    let marked = |mut response: HttpResponseBuilder| response.insert_header(("cache-control", PUBLIC)).json(&body);
    match what.as_str() {
        "cookie" => with("set-cookie", "a=b"),
        "private" => with("cache-control", "private, max-age=60"),
        "unmarked" => HttpResponse::Ok().json(&body),
        "expired" => with("cache-control", "public, max-age=0"),
        "vary-all" => with("vary", "*"),
        "vary-agent" => with("vary", "accept-encoding, user-agent"),
        "language" => with("vary", "accept-language"),
        "encoded" => with("content-encoding", "x-strange"),
        "huge" => public().body("x".repeat((1 << 20) + 1)),
        "chunked" => public().streaming(stream::iter([Ok::<_, actix_web::Error>(Bytes::from_static(
            b"in pieces",
        ))])),
        "partial" => marked(HttpResponse::PartialContent()),
        "missing" => marked(HttpResponse::NotFound()),
        "failing" | "slow-failure" => marked(HttpResponse::ServiceUnavailable()),
        "broken" => public().no_chunking(100).body(SizedStream::new(100, broken_off())),
        _ => public().json(&body),
    }
}

/// Half of what was promised, and then nothing.
fn broken_off() -> impl futures_util::Stream<Item = Result<Bytes, actix_web::Error>> + 'static {
    let half = stream::once(async { Ok(Bytes::from_static(&[b'x'; 50])) });
    let end = stream::once(async {
        // Not before the half has left.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(actix_web::error::ErrorInternalServerError("broken off"))
    });
    half.chain(end)
}
