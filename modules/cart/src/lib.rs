//! The cart module: guests' and users' carts, all pricing, and the priced cart that an order takes over.

mod accounts;
mod domain;
mod external;
mod http;
mod queries;
mod schema;
mod service;
mod store;
mod view;

use std::sync::Arc;

use actix_web::web;
use async_trait::async_trait;
use cart_api::CartApi;
use database::consumer::Consumer;
use database::outbox::OutboxFeed;
use database::{Db, Schema, housekeeping};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use kernel::event::Feed;
use kernel::job::Job;
use kernel::module::{Context, Finding};
use kernel::settings::Settings;
use kernel::{Clock, Fault};
use product_api::ProductApi;
use user_api::UserApi;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::service::Service;

/// The module's schema.
const SCHEMA: &str = "carts";

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/cart");

/// Finds settings that the module cannot work with.
///
/// # Errors
///
/// One line that names the setting.
pub fn check(settings: &Settings) -> Result<(), String> {
    store::check(&settings.cart)
}

/// The cart module, ready to be served.
pub struct Module {
    service: Service,
    data: web::Data<Service>,
    database: Db,
    accounts: Arc<dyn Feed>,
    clock: Clock,
}

impl Module {
    /// The module over its database and its siblings; `accounts` is what the user module publishes.
    pub fn new(
        context: &Context,
        database: Db,
        product: Arc<dyn ProductApi>,
        user: Arc<dyn UserApi>,
        accounts: Arc<dyn Feed>,
    ) -> Self {
        let service = Service::new(context, database.clone(), product, user);
        Self {
            data: web::Data::new(service.clone()),
            service,
            database,
            accounts,
            clock: context.clock.clone(),
        }
    }

    /// What siblings may ask of the module.
    pub fn service(&self) -> Arc<dyn CartApi> {
        Arc::new(self.service.clone())
    }
}

#[async_trait]
impl kernel::module::Module for Module {
    fn name(&self) -> &'static str {
        "cart"
    }

    fn prefixes(&self) -> &'static [&'static str] {
        cart_api::PREFIXES
    }

    fn routes(&self, config: &mut ServiceConfig<'_>) {
        http::mount(config, self.data.clone());
    }

    fn internal_routes(&self, config: &mut web::ServiceConfig) {
        cart_api::remote::serve(config, &self.service());
    }

    fn feed(&self) -> Arc<dyn Feed> {
        Arc::new(OutboxFeed::new(self.database.clone(), SCHEMA))
    }

    fn jobs(&self) -> Vec<Job> {
        let housekeeping = housekeeping::job(self.database.clone(), SCHEMA, self.clock.clone());
        let accounts = Consumer::new(
            "cart-accounts",
            self.database.clone(),
            SCHEMA,
            Arc::clone(&self.accounts),
            self.clock.clone(),
        );
        vec![
            self.service.expiry(),
            self.service.removal(),
            self.service.leaving(),
            accounts::job(self.service.clone(), accounts),
            housekeeping,
        ]
    }

    async fn migrate(&self) -> Result<Vec<String>, Fault> {
        let database = self.database.clone();
        tokio::task::spawn_blocking(move || schema_of_module().migrate(&database))
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, Fault> {
        self.database
            .run(|connection| Ok(schema_of_module().pending(connection)?))
            .await
    }

    async fn ready(&self) -> Result<(), Fault> {
        self.database.ping().await?;
        self.service.ready().await
    }

    async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        self.service.verify().await
    }
}

fn schema_of_module() -> Schema {
    Schema {
        name: SCHEMA,
        migrations: MIGRATIONS,
    }
}
