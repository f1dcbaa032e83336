//! The user module: who people are. Accounts, sign-in, sessions, address books.

mod domain;
mod http;
mod queries;
mod schema;
mod service;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use async_trait::async_trait;
use database::outbox::OutboxFeed;
use database::{Db, Failure, Schema, housekeeping};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use kernel::event::Feed;
use kernel::id::UserId;
use kernel::job::{Job, Round, Wake};
use kernel::keys::KeyError;
use kernel::module::{Context, Finding};
use kernel::token::KeySource;
use kernel::{Clock, Fault};
use user_api::{UserApi, UserError};
use utoipa_actix_web::service_config::ServiceConfig;

use crate::service::Service;

/// The schema of this module's tables.
const SCHEMA: &str = "users";

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/user");

/// How many expired sessions are removed by one statement.
const SESSION_BATCH: i64 = 1000;

/// The user module, ready to be served.
pub struct Module {
    service: Arc<Service>,
    database: Db,
    clock: Clock,
}

impl Module {
    /// The module over its database. Refuses where `keys.token` is not an Ed25519 private key.
    pub fn new(context: &Context, database: Db) -> Result<Self, KeyError> {
        Ok(Self {
            service: Arc::new(Service::new(context, database.clone())?),
            database,
            clock: context.clock.clone(),
        })
    }

    /// What siblings may ask.
    pub fn service(&self) -> Arc<dyn UserApi> {
        Arc::clone(&self.service) as Arc<dyn UserApi>
    }

    /// The keys that access tokens are checked with.
    pub fn keys(&self) -> Arc<dyn KeySource> {
        Arc::clone(&self.service) as Arc<dyn KeySource>
    }

    /// Makes an administrator of `email`. Where there is an account of that address, it is given the role and the
    /// password, is enabled, and loses its sessions. Errors name the fields `/email` and `/password`.
    pub async fn create_admin(&self, email: &str, password: &str) -> Result<UserId, UserError> {
        self.service.create_admin(email, password).await
    }

    /// Removes sessions whose time is over; a session that is ended by hand is removed at once.
    fn remove_expired_sessions(&self) -> Job {
        let (database, clock) = (self.database.clone(), self.clock.clone());
        Job::new(
            "expired_sessions",
            Duration::from_secs(600),
            Wake::default(),
            move || {
                let (database, now) = (database.clone(), clock.now());
                async move {
                    let removed = database
                        .run(move |connection| {
                            let removed = queries::sessions::remove_expired(connection, now, SESSION_BATCH)?;
                            Ok::<_, Failure<Fault>>(i64::try_from(removed).unwrap_or(SESSION_BATCH))
                        })
                        .await?;
                    Ok(if removed < SESSION_BATCH {
                        Round::Idle
                    } else {
                        Round::More
                    })
                }
            },
        )
    }
}

#[async_trait]
impl kernel::module::Module for Module {
    fn name(&self) -> &'static str {
        "user"
    }

    fn prefixes(&self) -> &'static [&'static str] {
        user_api::PREFIXES
    }

    fn routes(&self, config: &mut ServiceConfig<'_>) {
        config.app_data(web::Data::from(Arc::clone(&self.service)));
        http::routes(config);
    }

    fn internal_routes(&self, config: &mut web::ServiceConfig) {
        user_api::remote::serve(config, &self.service);
    }

    fn feed(&self) -> Arc<dyn Feed> {
        Arc::new(OutboxFeed::new(self.database.clone(), SCHEMA))
    }

    fn jobs(&self) -> Vec<Job> {
        vec![
            housekeeping::job(self.database.clone(), SCHEMA, self.clock.clone()),
            self.remove_expired_sessions(),
        ]
    }

    async fn migrate(&self) -> Result<Vec<String>, Fault> {
        let database = self.database.clone();
        let migrated = tokio::task::spawn_blocking(move || schema_of_module().migrate(&database));
        migrated.await.map_err(|error| Fault::internal(error.to_string()))?
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, Fault> {
        self.database
            .run(|connection| Ok(schema_of_module().pending(connection)?))
            .await
    }

    async fn ready(&self) -> Result<(), Fault> {
        self.database.ping().await
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
