//! Listeners, and how a process starts and stops. Tests start it as the command line does, on port 0.

use std::any::Any;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error, HttpServer, web};
use kernel::Fault;
use kernel::job::{Job, Round, Wake};
use kernel::settings::Settings;
use socket2::SockRef;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::internal;
use crate::management::{self, Health};
use crate::modules::{Gateway, Site, StartError};
use crate::telemetry;

/// How long a connection without a request stays open.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How much the system keeps for a client that does not read, in bytes. By itself it would keep megabytes for each.
const SEND_BUFFER: usize = 256 << 10;
/// Threads of a worker for work that blocks. Database work has its own; more would only fight for the cores.
const BLOCKING_THREADS: usize = 2;
/// How long jobs may take to finish the round they are in. What they leave undone is done after the next start.
const JOBS_TIMEOUT: Duration = Duration::from_secs(3);
/// How often a database that was down at the start is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How often what the metrics have gathered is put in order.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// A store that serves.
pub struct Running {
    site: Arc<Site>,
    health: Health,
    public: Option<Listener>,
    internal: Option<Listener>,
    management: Listener,
    stop: watch::Sender<bool>,
    work: JoinHandle<Result<(), Fault>>,
}

struct Listener {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
}

/// Serves the modules of a site: binds the listeners, sees to the databases, runs the jobs. A database that is down is
/// waited for while `/readyz` says so.
///
/// # Errors
///
/// Where an address is taken, a setting cannot be meant, or a database must not be used.
pub async fn start(site: Site) -> Result<Running, StartError> {
    telemetry::metrics();
    let gateway = site.gateway()?;
    let settings = Arc::clone(&site.context().settings);
    let management = bind(&settings.server.management)?;
    let public = match &gateway {
        Some(_) => Some(bind(&settings.server.public)?),
        None => None,
    };
    let internal = match site.is_called_by_others() {
        true => Some(bind(&settings.server.internal)?),
        false => None,
    };
    let health = Health::new(site.modules());
    let reachable = match site.prepare().await {
        Ok(()) => true,
        Err(fault @ Fault::Unavailable { .. }) => {
            tracing::warn!(error = %fault, "the database is down; waiting for it");
            false
        }
        Err(fault) => return Err(fault.into()),
    };
    let embedded = site.is_embedded();
    let site = Arc::new(site);
    let (stop, stopped) = watch::channel(false);
    let jobs = gateway.iter().flat_map(Gateway::jobs).chain([upkeep()]).collect();
    let work = tokio::spawn(work(Arc::clone(&site), reachable, jobs, health.clone(), stopped));
    let public = match (gateway, public) {
        (Some(gateway), Some(socket)) => Some(serve(move || gateway.app(), socket, &settings, embedded, &health)?),
        _ => None,
    };
    let internal = match internal {
        Some(socket) => {
            let (api, tokens) = (site.api().clone(), web::Data::new(site.service_tokens().clone()));
            let shown = web::Data::new(health.clone());
            Some(serve(
                move || internal::app(&api, &tokens, &shown),
                socket,
                &settings,
                embedded,
                &health,
            )?)
        }
        None => None,
    };
    let management = serve_management(health.clone(), management)?;
    Ok(Running {
        site,
        health,
        public,
        internal,
        management,
        stop,
        work,
    })
}

impl Running {
    /// Where the API is; `None` where no gateway runs here.
    pub fn public(&self) -> Option<SocketAddr> {
        self.public.as_ref().map(|listener| listener.address)
    }

    /// Where other processes of the shop reach this one; `None` where none does.
    pub fn internal(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(|listener| listener.address)
    }

    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub fn management(&self) -> SocketAddr {
        self.management.address
    }

    /// What is served.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// Serves until the process is told to stop, and then stops in order; a second signal ends the process at once.
    ///
    /// # Errors
    ///
    /// Where the database turns out not to be safe, or a listener dies.
    pub async fn run(mut self, mut signals: Signals) -> Result<(), StartError> {
        let outcome = tokio::select! {
            () = signals.next() => Ok(()),
            error = self.failed() => Err(error),
        };
        match &outcome {
            Ok(()) => tracing::info!("stopping"),
            Err(error) => tracing::error!(%error, "stopping"),
        }
        tokio::select! {
            () = self.stop() => {
                tracing::info!("stopped");
                outcome
            }
            () = signals.next() => {
                tracing::warn!("told to stop twice; ending at once");
                std::process::exit(1);
            }
        }
    }

    /// Stops in order: not ready any more, no new connections, requests in flight end, jobs end, the database goes last.
    pub async fn stop(self) {
        let settings = Arc::clone(&self.site.context().settings);
        self.health.drain();
        tokio::time::sleep(settings.server.drain_delay).await;
        if let Some(public) = self.public {
            public.stop().await;
        }
        // The gateway's own requests have ended by now; those of others get the same time.
        if let Some(internal) = self.internal {
            internal.stop().await;
        }
        // Nobody listens any more where the work has ended by itself.
        let _ = self.stop.send(true);
        let unfinished = self.work.abort_handle();
        if tokio::time::timeout(JOBS_TIMEOUT, self.work).await.is_err() {
            tracing::warn!("jobs did not end in time; the next start goes on with what they left");
            unfinished.abort();
        }
        self.management.stop().await;
        drop(self.health);
        match Arc::into_inner(self.site) {
            Some(site) => site.close().await,
            None => tracing::warn!("something still uses the modules; the database is left as it is"),
        }
    }

    /// Waits for something that must never happen.
    async fn failed(&mut self) -> StartError {
        tokio::select! {
            ended = &mut self.work => match ended {
                Ok(Err(fault)) => fault.into(),
                Ok(Ok(())) => StartError::Refused("the jobs have ended".to_owned()),
                Err(error) => StartError::Refused(format!("the jobs have died: {error}")),
            },
            () = ended(&mut self.public) => StartError::Refused("the public listener has died".to_owned()),
            () = ended(&mut self.internal) => StartError::Refused("the internal listener has died".to_owned()),
            _ = &mut self.management.task => StartError::Refused("the management listener has died".to_owned()),
        }
    }
}

impl Listener {
    fn spawn(server: Server, address: SocketAddr) -> Self {
        Self {
            address,
            handle: server.handle(),
            task: tokio::spawn(server),
        }
    }

    /// Takes no more connections, lets requests in flight end, and waits for that.
    async fn stop(self) {
        self.handle.stop(true).await;
        // A listener that failed has said so before.
        let _ = self.task.await;
    }
}

/// Waits for the end of a listener; for ever where there is none.
async fn ended(listener: &mut Option<Listener>) {
    match listener {
        // However it ends, it must not.
        Some(listener) => drop((&mut listener.task).await),
        None => std::future::pending().await,
    }
}

/// Waits for the databases where they are not there yet, and runs the jobs until `stopped`. An error is final.
async fn work(
    site: Arc<Site>,
    mut reachable: bool,
    gateway_jobs: Vec<Job>,
    health: Health,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Fault> {
    while !reachable {
        tokio::select! {
            () = tokio::time::sleep(RETRY) => (),
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        }
        reachable = match site.prepare().await {
            Err(Fault::Unavailable { .. }) => false,
            outcome => outcome.map(|()| true)?,
        };
    }
    health.prepared();
    let jobs = site.jobs().into_iter().chain(gateway_jobs);
    // The jobs must not keep the modules when the process has to end without them.
    let jobs: Vec<JoinHandle<()>> = jobs.map(|job| job.spawn(stopped.clone())).collect();
    drop(site);
    for job in jobs {
        if let Err(error) = job.await {
            tracing::error!(%error, "a job has died");
        }
    }
    Ok(())
}

fn upkeep() -> Job {
    Job::new("metrics", METRICS_UPKEEP, Wake::default(), || {
        if let Some(metrics) = telemetry::metrics() {
            metrics.run_upkeep();
        }
        std::future::ready(Ok(Round::Idle))
    })
}

fn bind(address: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(listening(address))
}

/// Serves an application to whoever may send many requests.
fn serve<F, S>(
    app: F,
    socket: TcpListener,
    settings: &Settings,
    embedded: bool,
    health: &Health,
) -> Result<Listener, StartError>
where
    F: Fn() -> App<S> + Send + Clone + 'static,
    S: ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + 'static,
{
    let address = socket.local_addr().map_err(listening("the address"))?;
    let workers = workers(settings.server.workers, embedded);
    let write_timeout = settings.limits.write_timeout;
    let health = health.clone();
    let parting = move || {
        let health = health.clone();
        app().wrap(from_fn(move |request, next| part(health.is_draining(), request, next)))
    };
    let server = HttpServer::new(parting)
        .workers(workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .max_connections(settings.limits.connections.div_ceil(workers))
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(settings.limits.head_timeout)
        .on_connect(move |connection, _| hold_to(write_timeout, connection))
        // Head and body of an answer are two writes; without this the second waits for the client's acknowledgement.
        .tcp_nodelay(true)
        .shutdown_timeout(settings.server.drain_timeout.as_secs())
        .disable_signals()
        .listen(socket)
        .map_err(listening("the address"))?;
    Ok(Listener::spawn(server.run(), address))
}

/// Disconnects a client that leaves unread what it was sent: actix would wait for ever, and with it whatever the answer
/// holds. The system does it by itself, with as many connections as there are.
fn hold_to(write_timeout: Duration, connection: &dyn Any) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else {
        return;
    };
    let socket = SockRef::from(stream);
    let held = socket.set_send_buffer_size(SEND_BUFFER);
    // Elsewhere the system's own patience has to do, which is some minutes.
    #[cfg(target_os = "linux")]
    let held = held.and_then(|()| socket.set_tcp_user_timeout(Some(write_timeout)));
    #[cfg(not(target_os = "linux"))]
    let _ = write_timeout;
    if let Err(error) = held {
        tracing::debug!(%error, "a connection takes no limits");
    }
}

/// Ends the connection with the answer where the process is about to stop: a client that goes on over another connection
/// is not there any more when this process closes what is left.
async fn part<B: MessageBody + 'static>(
    draining: bool,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let mut answer = next.call(request).await?;
    if draining {
        answer
            .response_mut()
            .head_mut()
            .set_connection_type(ConnectionType::Close);
    }
    Ok(answer)
}

fn serve_management(health: Health, socket: TcpListener) -> Result<Listener, StartError> {
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

/// The signals that ask a process to stop: SIGTERM and SIGINT. Those that come before they are waited for are not lost.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on the signals do not end the process by themselves.
    ///
    /// # Errors
    ///
    /// Where the system does not let us hear them.
    pub fn hear() -> Result<Self, StartError> {
        let hear = |kind| signal(kind).map_err(|error| StartError::Refused(format!("cannot hear signals: {error}")));
        Ok(Self {
            terminate: hear(SignalKind::terminate())?,
            interrupt: hear(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => (),
            _ = self.interrupt.recv() => (),
        }
    }
}
