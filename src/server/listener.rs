//! Sockets that are listened at, and what holds for every connection to them.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use actix_http::HttpService;
use actix_server::{Server, ServerBuilder, ServerHandle};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error, HttpServer, web};
use kernel::http::stream::is_event_stream;
use kernel::settings::Settings;
use tokio::task::JoinHandle;

use super::connection::{Connection, Patience, Turns};
use super::lasting::{Lasting, Until};
use crate::management::{self, Health};
use crate::modules::StartError;

/// Threads of a worker for work that blocks. Database work has its own; more would only fight for the cores.
const BLOCKING_THREADS: usize = 2;

/// How long a client that was refused may go on sending before its connection ends. Ended at once, with bytes of its own
/// still on the way, it might never see the answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// An address that is served.
pub(super) struct Listener {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

/// What all listeners for many requests have in common.
pub(super) struct Serving<'a> {
    pub(super) settings: &'a Settings,
    /// Whether the database runs on the same cores.
    pub(super) embedded: bool,
    pub(super) health: &'a Health,
}

impl Listener {
    fn spawn(server: Server, address: SocketAddr) -> Self {
        Self {
            address,
            handle: server.handle(),
            task: tokio::spawn(server),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, lets requests in flight end, and waits for that.
    pub(super) async fn stop(self) {
        self.handle.stop(true).await;
        // A listener that failed has said so before.
        let _ = self.task.await;
    }

    /// Waits for the end, which must not come by itself.
    pub(super) async fn ended(&mut self) {
        // However it ends, it must not.
        let _ = (&mut self.task).await;
    }
}

impl Serving<'_> {
    /// Serves an application to whoever may send many requests.
    ///
    /// # Errors
    ///
    /// Where the system does not let it.
    pub(super) fn serve<F, S>(&self, app: F, socket: TcpListener) -> Result<Listener, StartError>
    where
        F: Fn() -> App<S> + Send + Clone + 'static,
        S: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<BoxBody>,
                Error = Error,
                InitError = (),
            > + 'static,
    {
        let address = socket.local_addr().map_err(listening("the address"))?;
        let workers = workers(self.settings.server.workers, self.embedded);
        let limits = &self.settings.limits;
        let (head_timeout, idle_timeout) = (limits.head_timeout, limits.idle_timeout);
        let patience = Patience {
            idle: idle_timeout + head_timeout,
            write: limits.write_timeout,
        };
        let health = self.health.clone();
        let builder = ServerBuilder::new()
            .workers(workers)
            .worker_max_blocking_threads(BLOCKING_THREADS)
            .max_concurrent_connections(limits.connections.div_ceil(workers))
            .shutdown_timeout(self.settings.server.drain_timeout.as_secs())
            .disable_signals();
        let stopping = builder.graceful_shutdown_signal();
        let server = builder.listen("http", socket, move || {
            let (health, stopping) = (health.clone(), stopping.clone());
            let app = app().wrap(from_fn(move |request, next| take_turn(health.clone(), request, next)));
            let service = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stopping = stopping.clone();
                    async move { stopping.notified().await }
                })
                .keep_alive(idle_timeout)
                .client_request_timeout(head_timeout)
                .client_disconnect_timeout(FAREWELL)
                .local_addr(address)
                .on_connect_ext(|connection: &Connection, extensions| {
                    extensions.insert(connection.turns());
                })
                .h1(map_config(app.into_factory(), |()| AppConfig::default()));
            fn_service(move |stream: TcpStream| {
                let peer = stream.peer_addr().ok();
                std::future::ready(Ok((Connection::new(stream, patience), peer)))
            })
            .and_then(service)
        });
        Ok(Listener::spawn(
            server.map_err(listening("the address"))?.run(),
            address,
        ))
    }
}

/// Binds an address of the settings.
///
/// # Errors
///
/// Where it is taken, or none of this machine.
pub(super) fn bind(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(listening(address))
}

/// Serves `/livez`, `/readyz` and `/metrics`.
///
/// # Errors
///
/// Where the system does not let it.
pub(super) fn serve_management(health: Health, socket: TcpListener) -> Result<Listener, StartError> {
    let address = socket.local_addr().map_err(listening("the management address"))?;
    let health = web::Data::new(health);
    let server = HttpServer::new(move || App::new().app_data(health.clone()).configure(management::routes))
        .workers(1)
        .worker_max_blocking_threads(1)
        .shutdown_timeout(1)
        .disable_signals()
        .listen(socket)
        .map_err(listening("the management address"))?;
    Ok(Listener::spawn(server.run(), address))
}

/// Tells the connection that a request is being worked on, and ends it with the answer where the process is about to stop:
/// a client that goes on over another connection is not there any more when this process closes what is left. An answer
/// that would go on as long as its client listens ends at once then.
async fn take_turn(
    health: Health,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse<Lasting>, Error> {
    let turn = request.conn_data::<Turns>().map(Turns::take);
    let mut answer = next.call(request).await?;
    if health.is_draining() {
        answer
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    let content_type = answer.headers().get(header::CONTENT_TYPE);
    let until = is_event_stream(content_type.map(|value| value.as_bytes())).then(|| Until {
        stop: Box::pin(async move { health.drained().await }),
        _turn: turn,
    });
    Ok(answer.map_body(|_, body| Lasting { body, until }))
}

fn listening(address: &str) -> impl FnOnce(io::Error) -> StartError {
    let address = address.to_owned();
    move |source| StartError::Listen { address, source }
}

/// The embedded database shares the cores, and takes most of the work.
fn workers(chosen: usize, embedded: bool) -> usize {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
    match (chosen, embedded) {
        (0, true) => (cores / 2).max(1),
        (0, false) => cores,
        (chosen, _) => chosen,
    }
}
