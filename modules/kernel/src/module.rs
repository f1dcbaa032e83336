//! What the binary asks of a module: routes, jobs, migrations, health, and proof that its books are in order.

use std::sync::Arc;

use actix_web::web;
use async_trait::async_trait;
use serde::Serialize;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::event::Feed;
use crate::job::Job;
use crate::keys::Keys;
use crate::settings::Settings;
use crate::{Clock, Fault};

/// What every module is built from, besides its database and its siblings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// The keys of this process.
    pub keys: Keys,
    /// The settings of the shop.
    pub settings: Arc<Settings>,
    /// The time.
    pub clock: Clock,
}

/// A module of the shop, ready to be served.
#[async_trait]
pub trait Module: Send + Sync + 'static {
    /// `user`, `product`, `cart` or `order`.
    fn name(&self) -> &'static str;

    /// The first segments of the module's public paths under `/api/v1` and `/api/v1/admin`, e.g. `carts`.
    fn prefixes(&self) -> &'static [&'static str];

    /// Mounts the public routes, relative to `/api/v1`. Called once per worker.
    fn routes(&self, config: &mut ServiceConfig<'_>);

    /// Mounts what siblings in other processes may call, under `/internal/<name>/`. Called once per worker.
    fn internal_routes(&self, config: &mut web::ServiceConfig);

    /// What the module publishes.
    fn feed(&self) -> Arc<dyn Feed>;

    /// The background jobs. Called once.
    fn jobs(&self) -> Vec<Job>;

    /// Brings the module's schema up to date; answers the names of the migrations that ran.
    async fn migrate(&self) -> Result<Vec<String>, Fault>;

    /// The names of the migrations that this binary has and the database lacks.
    async fn pending_migrations(&self) -> Result<Vec<String>, Fault>;

    /// Whether the module can serve: its database answers.
    async fn ready(&self) -> Result<(), Fault>;

    /// Re-derives the module's books; every finding is an error in the data.
    async fn verify(&self) -> Result<Vec<Finding>, Fault>;
}

/// Something wrong in the data, found by `bodega verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The broken rule, e.g. `stock_equals_movements`.
    pub rule: &'static str,
    /// The id of what is wrong.
    pub subject: String,
    /// What was expected and what was found.
    pub detail: String,
}

impl Finding {
    /// A violation of `rule` by `subject`.
    pub fn new(rule: &'static str, subject: impl ToString, detail: impl Into<String>) -> Self {
        Self {
            rule,
            subject: subject.to_string(),
            detail: detail.into(),
        }
    }
}
