//! What the sandbox tells shops: signed as Stripe signs, delivered until it has arrived. Its job and its table are its own,
//! as those of any provider would be.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Db, Failure, Statement};
use diesel::prelude::*;
use futures_util::future::join_all;
use kernel::id::PaymentId;
use kernel::job::{Round, Wake};
use kernel::{Clock, Fault, settings};
use reqwest::Client;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::SCHEMA;
use super::books::schema::events;
use crate::providers::{EventRefusal, Meaning, ProviderEvent, signature};

/// Where the signature stands.
pub(super) const HEADER: &str = "sandbox-signature";
/// How many events are delivered at a time.
const BATCH: i64 = 20;
/// How long a delivery may take, and how long after its beginning the next one is tried at first, in milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);
const LEASE: i64 = 10_000;

/// Tells shops what has happened. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Teller {
    db: Db,
    clock: Clock,
    secret: SecretString,
    shop: Option<Shop>,
    news: Wake,
}

/// Who is told.
#[derive(Clone)]
struct Shop {
    http: Client,
    url: String,
}

/// An event as it is sent.
#[derive(Debug, Serialize, Deserialize)]
struct Event {
    id: String,
    r#type: String,
    created: DateTime<Utc>,
    data: About,
}

#[derive(Debug, Serialize, Deserialize)]
struct About {
    reference: String,
    payment: PaymentId,
}

#[derive(QueryableByName)]
struct Due {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    charge: Uuid,
    #[diesel(sql_type = diesel::sql_types::Text)]
    kind: String,
    #[diesel(sql_type = diesel::sql_types::Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = diesel::sql_types::Text)]
    reference: String,
}

impl Teller {
    pub(super) fn new(settings: &settings::Sandbox, db: Db, clock: Clock) -> Result<Self, Fault> {
        let shop = match settings.webhook_url.is_empty() {
            true => None,
            false => {
                // Others in this process may have chosen the same before.
                let _ = rustls::crypto::ring::default_provider().install_default();
                let http = Client::builder()
                    .timeout(PATIENCE)
                    .redirect(reqwest::redirect::Policy::none())
                    .build()
                    .map_err(|error| Fault::internal(format!("no client for the sandbox: {error}")))?;
                Some(Shop {
                    http,
                    url: settings.webhook_url.clone(),
                })
            }
        };
        Ok(Self {
            db,
            clock,
            secret: settings.webhook_secret.clone(),
            shop,
            news: Wake::default(),
        })
    }

    /// With what events are signed.
    pub(super) fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether anybody is told anything.
    pub(crate) fn is_heard(&self) -> bool {
        self.shop.is_some()
    }

    /// Wakes the job that delivers events.
    pub(crate) fn news(&self) -> Wake {
        self.news.clone()
    }

    pub(super) fn wake(&self) {
        if self.is_heard() {
            self.news.wake();
        }
    }

    /// Writes down what has happened to a charge, in the transaction in which it happens.
    pub(super) fn note(
        &self,
        connection: &mut PgConnection,
        payment: PaymentId,
        kind: &str,
        now: DateTime<Utc>,
    ) -> QueryResult<()> {
        if !self.is_heard() {
            return Ok(());
        }
        let event = (
            events::id.eq(Uuid::now_v7()),
            events::charge.eq(payment.uuid()),
            events::kind.eq(kind),
            events::created_at.eq(now),
        );
        diesel::insert_into(events::table)
            .values(event)
            .execute(connection)
            .map(drop)
    }

    /// One round of the job: delivers what has not arrived yet.
    pub(crate) async fn deliver(&self) -> Result<Round, Fault> {
        let Some(shop) = &self.shop else {
            return Ok(Round::Idle);
        };
        let due = self
            .db
            .run(|connection| Ok::<_, Failure<Fault>>(take(connection)?))
            .await?;
        let full = i64::try_from(due.len()).is_ok_and(|count| count == BATCH);
        let outcomes = join_all(due.iter().map(|event| self.send(shop, event))).await;
        let arrived = due
            .iter()
            .zip(outcomes)
            .filter(|(_, arrived)| *arrived)
            .map(|(event, _)| event.id);
        let (arrived, now): (Vec<Uuid>, _) = (arrived.collect(), self.clock.now());
        self.db
            .run(move |connection| {
                diesel::update(events::table.filter(events::id.eq_any(&arrived)))
                    .set(events::delivered_at.eq(now))
                    .execute(connection)?;
                Ok::<_, Failure<Fault>>(())
            })
            .await?;
        Ok(if full { Round::More } else { Round::Idle })
    }

    async fn send(&self, shop: &Shop, due: &Due) -> bool {
        let event = Event {
            id: format!("sbxevt_{}", due.id.simple()),
            r#type: due.kind.clone(),
            created: due.created_at,
            data: About {
                reference: due.reference.clone(),
                payment: due.charge.into(),
            },
        };
        let Ok(body) = serde_json::to_vec(&event) else {
            return false;
        };
        let Some(signature) = signature::sign(&body, &self.secret, self.clock.now()) else {
            return false;
        };
        let request = shop.http.post(&shop.url).header("content-type", "application/json");
        let answer = request.header(HEADER, signature).body(body).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => true,
            Ok(answer) => {
                tracing::warn!(event = event.id, status = %answer.status(), "the shop does not take an event of the sandbox");
                false
            }
            Err(error) => {
                let error = error.without_url();
                tracing::warn!(event = event.id, %error, "an event of the sandbox has not arrived");
                false
            }
        }
    }
}

/// What an event says.
pub(super) fn read(body: &[u8]) -> Result<ProviderEvent, EventRefusal> {
    let event: Event = serde_json::from_slice(body).map_err(|_| EventRefusal::Unreadable)?;
    let sound = |text: &str| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound(&event.id) || !sound(&event.r#type) {
        return Err(EventRefusal::Unreadable);
    }
    Ok(ProviderEvent {
        id: event.id,
        kind: event.r#type,
        reference: Some(event.data.reference),
        payment: Some(event.data.payment),
        meaning: Meaning::Changed,
    })
}

/// Takes events that nobody delivers just now. The pause before the next try doubles with each, up to a quarter of an hour.
fn take(connection: &mut PgConnection) -> QueryResult<Vec<Due>> {
    const SQL: &str = "UPDATE @.events AS taken SET attempts = attempts + 1, leased_until = clock_timestamp() \
            + LEAST(? * power(2, LEAST(attempts, 10)), 900000) * interval '1 millisecond' \
        FROM (SELECT events.id, charges.reference FROM @.events JOIN @.charges ON charges.key = events.charge \
              WHERE delivered_at IS NULL AND leased_until < clock_timestamp() \
              ORDER BY events.id LIMIT ? FOR UPDATE OF events SKIP LOCKED) AS due \
        WHERE taken.id = due.id \
        RETURNING taken.id, taken.charge, taken.type AS kind, taken.created_at, due.reference";
    Statement::new(SCHEMA.name, SQL, [Bind::BigInt(LEASE), Bind::BigInt(BATCH)]).load(connection)
}
