//! The order module: placing, payment, and an order's life. See the README beside this crate.

mod domain;
mod error;
mod http;
mod mail;
mod paper;
mod providers;
mod queries;
mod schema;
mod service;

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use async_trait::async_trait;
use cart_api::CartApi;
use database::consumer::Consumer;
use database::outbox::OutboxFeed;
use database::{Db, Schema};
use diesel_migrations::embed_migrations;
use kernel::event::Feed;
use kernel::job::{Job, Wake};
use kernel::keys::SecretKey;
use kernel::module::{Context, Finding};
use kernel::settings::Settings;
use kernel::{Clock, Fault};
use product_api::ProductApi;
use utoipa_actix_web::service_config::ServiceConfig;

pub use crate::service::webhooks::fan_out::SiblingFeeds;

use crate::mail::Mails;
use crate::queries::SCHEMA;
use crate::service::webhooks::fan_out;
use crate::service::{Bookkeeper, Service};

const ORDERS: Schema = Schema {
    name: SCHEMA,
    migrations: embed_migrations!("../../migrations/order"),
};

/// How often the jobs look for work that nobody woke them for.
const INTERVAL: Duration = Duration::from_secs(2);

/// How often webhooks are looked for that are due, and those who watch orders are looked after, where there are any.
const WATCHING: Duration = Duration::from_secs(1);

/// How often orders that were refused on their way, and old deliveries, are removed.
const PRUNING: Duration = Duration::from_secs(600);

/// The order module.
pub struct Module {
    db: Db,
    clock: Clock,
    service: Service,
    mails: Arc<Mails>,
    siblings: SiblingFeeds,
    secret: SecretKey,
    sandbox_enabled: bool,
}

impl Module {
    /// The module with its data in `db`, buying from `cart` and `product`, and telling merchants what `siblings` publish.
    pub fn new(
        context: &Context,
        db: Db,
        cart: Arc<dyn CartApi>,
        product: Arc<dyn ProductApi>,
        siblings: SiblingFeeds,
    ) -> Result<Self, Fault> {
        let service = Service::new(context, db.clone(), cart, product)?;
        let mails = Arc::new(Mails::new(&context.settings, service.clone())?);
        let sandbox_enabled = context.settings.payments.sandbox.enabled;
        Ok(Self {
            db,
            clock: context.clock.clone(),
            service,
            mails,
            siblings,
            secret: context.keys.secret.clone(),
            sandbox_enabled,
        })
    }

    fn schemas() -> [&'static Schema; 2] {
        [&ORDERS, &providers::sandbox::SCHEMA]
    }
}

/// Finds settings that the module cannot work with.
///
/// # Errors
///
/// One line that names the setting.
pub fn check(settings: &Settings) -> Result<(), String> {
    service::webhooks::allowance(settings).map(drop)
}

#[async_trait]
impl kernel::module::Module for Module {
    fn name(&self) -> &'static str {
        "order"
    }

    fn prefixes(&self) -> &'static [&'static str] {
        order_api::PREFIXES
    }

    fn routes(&self, config: &mut ServiceConfig<'_>) {
        config.app_data(web::Data::new(self.service.clone()));
        config.app_data(web::Data::new(self.secret.clone()));
        http::routes(config, self.sandbox_enabled);
    }

    fn internal_routes(&self, _: &mut web::ServiceConfig) {}

    fn feed(&self) -> Arc<dyn Feed> {
        Arc::new(OutboxFeed::new(self.db.clone(), SCHEMA))
    }

    fn jobs(&self) -> Vec<Job> {
        let (effects, placed) = (self.service.clone(), self.service.clone());
        let (money, standing, refused) = (self.service.clone(), self.service.clone(), self.service.clone());
        let feed = Arc::new(OutboxFeed::new(self.db.clone(), SCHEMA));
        let consumer = Consumer::new("order-mail", self.db.clone(), SCHEMA, feed, self.clock.clone());
        let mails = Arc::clone(&self.mails);
        let (watched, webhooks, deliveries) = (self.service.clone(), self.service.clone(), self.service.clone());
        let own = Arc::new(OutboxFeed::new(self.db.clone(), SCHEMA));
        let fan_out = fan_out::jobs(&self.service, &self.db, own, self.siblings.clone(), &self.clock);
        let events = Arc::new(OutboxFeed::new(self.db.clone(), SCHEMA));
        let documents = Consumer::new("order-documents", self.db.clone(), SCHEMA, events, self.clock.clone());
        let bookkeeper = Arc::new(Bookkeeper {
            service: self.service.clone(),
        });
        let (inbox, old_events, books) = (self.service.clone(), self.service.clone(), self.service.clone());
        let mut jobs = vec![
            Job::new("order-inbox", INTERVAL, self.service.inbox_wake(), move || {
                let service = inbox.clone();
                async move { service.work_on_events().await }
            }),
            Job::new("order-old-events", PRUNING, Wake::default(), move || {
                let service = old_events.clone();
                async move { service.prune_events().await }
            }),
            Job::new("order-books", INTERVAL, Wake::default(), move || {
                let service = books.clone();
                async move { service.reconcile().await }
            }),
            Job::new("order-effects", INTERVAL, self.service.effects_wake(), move || {
                let service = effects.clone();
                async move { service.bring_about().await }
            }),
            Job::new("order-placed", INTERVAL, self.service.follow_up_wake(), move || {
                let service = placed.clone();
                async move { service.follow_up_placed().await }
            }),
            Job::new("order-payments", INTERVAL, Wake::default(), move || {
                let service = money.clone();
                async move { service.follow_the_money().await }
            }),
            Job::new("order-standing", INTERVAL, Wake::default(), move || {
                let service = standing.clone();
                async move { service.clear_up().await }
            }),
            Job::new("order-refused", PRUNING, Wake::default(), move || {
                let service = refused.clone();
                async move { service.prune().await }
            }),
            Job::new("order-mail", INTERVAL, self.service.mails_wake(), move || {
                let (consumer, mails) = (consumer.clone(), Arc::clone(&mails));
                async move {
                    tokio::time::sleep(mail::GATHERING).await;
                    consumer.round(&*mails).await
                }
            }),
            Job::new("order-documents", INTERVAL, Wake::default(), move || {
                let (consumer, bookkeeper) = (documents.clone(), Arc::clone(&bookkeeper));
                async move { consumer.round(&*bookkeeper).await }
            }),
            Job::new("order-watched", WATCHING, self.service.watched_wake(), move || {
                let service = watched.clone();
                async move { service.tell_watchers().await }
            }),
            Job::new(
                "order-webhooks-sent",
                WATCHING,
                self.service.webhooks_wake(),
                move || {
                    let service = webhooks.clone();
                    async move { service.send_webhooks().await }
                },
            ),
            Job::new("order-webhooks-old", PRUNING, Wake::default(), move || {
                let service = deliveries.clone();
                async move { service.prune_deliveries().await }
            }),
            database::housekeeping::job(self.db.clone(), SCHEMA, self.clock.clone()),
        ];
        let teller = self.service.sandbox_teller();
        if teller.is_heard() {
            let told = teller.clone();
            jobs.push(Job::new("sandbox-events", INTERVAL, teller.news(), move || {
                let teller = told.clone();
                async move { teller.deliver().await }
            }));
        }
        jobs.extend(fan_out);
        jobs
    }

    async fn migrate(&self) -> Result<Vec<String>, Fault> {
        let db = self.db.clone();
        let migrate = move || {
            let mut ran = Vec::new();
            for schema in Self::schemas() {
                ran.extend(schema.migrate(&db)?);
            }
            Ok(ran)
        };
        tokio::task::spawn_blocking(migrate)
            .await
            .map_err(|error| Fault::internal(error.to_string()))?
    }

    async fn pending_migrations(&self) -> Result<Vec<String>, Fault> {
        self.db
            .run(|connection| {
                let mut pending = Vec::new();
                for schema in Self::schemas() {
                    pending.extend(schema.pending(connection)?);
                }
                Ok::<_, database::Failure<Fault>>(pending)
            })
            .await
    }

    async fn ready(&self) -> Result<(), Fault> {
        self.db.ping().await
    }

    async fn verify(&self) -> Result<Vec<Finding>, Fault> {
        self.service.verify().await
    }
}
