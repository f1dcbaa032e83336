//! Listeners, and how a process starts and stops. Tests start it as the command line does, on port 0.

mod connection;
mod files;
mod lasting;
mod listener;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use kernel::Fault;
use kernel::job::{Job, Round, Wake};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::internal;
use crate::management::Health;
use crate::modules::{Gateway, Site, StartError};
use crate::telemetry;
use listener::{Listener, Serving, bind};

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
    files::allow(settings.limits.connections);
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
    let serving = Serving {
        settings: &settings,
        embedded,
        health: &health,
    };
    let public = match (gateway, public) {
        (Some(gateway), Some(socket)) => Some(serving.serve(move || gateway.app(), socket)?),
        _ => None,
    };
    let internal = match internal {
        Some(socket) => {
            let (api, tokens) = (site.api().clone(), web::Data::new(site.service_tokens().clone()));
            let shown = web::Data::new(health.clone());
            Some(serving.serve(move || internal::app(&api, &tokens, &shown), socket)?)
        }
        None => None,
    };
    let management = listener::serve_management(health.clone(), management)?;
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
        self.public.as_ref().map(|listener| listener.address())
    }

    /// Where other processes of the shop reach this one; `None` where none does.
    pub fn internal(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(|listener| listener.address())
    }

    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub fn management(&self) -> SocketAddr {
        self.management.address()
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
            () = self.management.ended() => StartError::Refused("the management listener has died".to_owned()),
        }
    }
}

/// Waits for the end of a listener; for ever where there is none.
async fn ended(listener: &mut Option<Listener>) {
    match listener {
        Some(listener) => listener.ended().await,
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
