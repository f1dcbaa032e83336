//! What operators ask a process: whether it lives, whether it can serve, and how it does. On a listener of its own, which
//! the public never reaches.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use kernel::Fault;
use kernel::module::Module;
use serde::Serialize;
use tokio::sync::watch;

use crate::telemetry;

/// Whether this process can serve, from the modules' own word. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    modules: Arc<[Arc<dyn Module>]>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    prepared: AtomicBool,
    migrated: AtomicBool,
    draining: watch::Sender<bool>,
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// Whether all checks pass.
    pub ready: bool,
    /// Each check, `ok` or what is wrong.
    pub checks: BTreeMap<String, String>,
}

impl Health {
    /// The health of a process with these modules; it is not ready before [`Health::prepared`].
    pub fn new(modules: &[Arc<dyn Module>]) -> Self {
        Self {
            modules: modules.into(),
            state: Arc::default(),
        }
    }

    /// From now on the databases may be used.
    pub fn prepared(&self) {
        self.state.prepared.store(true, Ordering::Relaxed);
    }

    /// From now on the process is not ready: it is about to stop.
    pub fn drain(&self) {
        self.state.draining.send_replace(true);
    }

    /// Whether the process is about to stop.
    pub fn is_draining(&self) -> bool {
        *self.state.draining.borrow()
    }

    /// Waits until the process is about to stop.
    pub async fn drained(&self) {
        // The sender is part of us.
        let _ = self.state.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Asks every module.
    pub async fn readiness(&self) -> Readiness {
        let mut checks = BTreeMap::new();
        checks.insert(
            "draining".to_owned(),
            told(!self.is_draining(), "the process is about to stop"),
        );
        let prepared = self.state.prepared.load(Ordering::Relaxed);
        checks.insert(
            "prepared".to_owned(),
            told(prepared, "the database has not been reached since the start"),
        );
        for module in self.modules.iter() {
            checks.insert(module.name().to_owned(), told_by(module.ready().await));
        }
        checks.insert("migrations".to_owned(), self.migrations().await);
        Readiness {
            ready: checks.values().all(|check| check == "ok"),
            checks,
        }
    }

    /// Whether the schemas are up to date. Once they were, they are not asked about again.
    async fn migrations(&self) -> String {
        if self.state.migrated.load(Ordering::Relaxed) {
            return "ok".to_owned();
        }
        let mut pending = Vec::new();
        for module in self.modules.iter() {
            match module.pending_migrations().await {
                Ok(names) => pending.extend(names),
                Err(fault) => return told_by(Err(fault)),
            }
        }
        self.state.migrated.store(pending.is_empty(), Ordering::Relaxed);
        told(
            pending.is_empty(),
            &format!("run `bodega migrate`; pending: {}", pending.join(", ")),
        )
    }
}

fn told(good: bool, otherwise: &str) -> String {
    if good { "ok" } else { otherwise }.to_owned()
}

fn told_by(outcome: Result<(), Fault>) -> String {
    outcome.map_or_else(|fault| fault.to_string(), |()| "ok".to_owned())
}

/// Mounts the routes of the management listener.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/livez", web::get().to(get_liveness))
        .route("/metrics", web::get().to(get_metrics))
        .configure(readiness_route);
}

/// Mounts `/readyz` alone, which gateways and siblings ask as well.
pub fn readiness_route(config: &mut web::ServiceConfig) {
    config.route("/readyz", web::get().to(get_readiness));
}

/// The process lives; nothing else is asked, or a database that is down would have every replica restarted.
async fn get_liveness() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({"alive": true}))
}

async fn get_readiness(health: web::Data<Health>) -> HttpResponse {
    let readiness = health.readiness().await;
    let mut answer = match readiness.ready {
        true => HttpResponse::Ok(),
        false => HttpResponse::ServiceUnavailable(),
    };
    answer
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(readiness)
}

async fn get_metrics() -> HttpResponse {
    match telemetry::metrics() {
        Some(metrics) => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(metrics.render()),
        None => HttpResponse::NotFound().finish(),
    }
}
