//! Consumers of a feed: each event at least once and in order, by one process at a time. An event that cannot be
//! digested is parked after some attempts, so that it never blocks the ones behind it.

use std::future::Future;
use std::sync::Arc;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use kernel::event::{Event, Feed, Position};
use kernel::id::EventId;
use kernel::job::Round;
use kernel::{Clock, Fault};
use uuid::Uuid;

use crate::Db;
use crate::statement::{Bind, Statement};

/// How often an event is tried before it is parked.
const ATTEMPTS: i32 = 5;
/// How many events are read at a time.
const BATCH: i64 = 50;

/// A named reader of a feed whose effects are outside the database (mails, calls): they happen at least once, and
/// carry the event's id so that a receiver can tell repeats.
#[derive(Clone)]
pub struct Consumer {
    name: &'static str,
    db: Db,
    schema: &'static str,
    feed: Arc<dyn Feed>,
    clock: Clock,
}

impl Consumer {
    /// A consumer whose cursor lies in `schema` of `db`.
    pub fn new(name: &'static str, db: Db, schema: &'static str, feed: Arc<dyn Feed>, clock: Clock) -> Self {
        Self {
            name,
            db,
            schema,
            feed,
            clock,
        }
    }

    /// Reads what is new and has `handle` digest it, event by event. For a [`kernel::job::Job`].
    pub async fn round<H, R>(&self, handle: H) -> Result<Round, Fault>
    where
        H: Fn(Event) -> R,
        R: Future<Output = Result<(), Fault>>,
    {
        let Some((mut position, mut failures)) = self.lease().await? else {
            return Ok(Round::Idle);
        };
        let events = self.feed.read(position, BATCH).await?;
        let count = events.len();
        for (next, event) in events {
            if let Err(fault) = handle(event.clone()).await {
                if matches!(fault, Fault::Unavailable { .. }) {
                    // Nothing is wrong with the event: it waits until the other side is back.
                    self.release(position, failures).await?;
                    return Err(fault);
                }
                failures += 1;
                if failures < ATTEMPTS {
                    self.release(position, failures).await?;
                    return Err(fault);
                }
                tracing::error!(consumer = self.name, event = %event.id, %fault, "event parked: it failed too often");
                self.park(event, fault.to_string()).await?;
            }
            (position, failures) = (next, 0);
            self.advance(position).await?;
        }
        self.release(position, 0).await?;
        Ok(if count == usize::try_from(BATCH).unwrap_or(0) {
            Round::More
        } else {
            Round::Idle
        })
    }

    /// Takes the consumer for this process, unless another has it. The lease is in the database's time, long enough for
    /// one event, and renewed with each.
    async fn lease(&self) -> Result<Option<(Position, i32)>, Fault> {
        const REGISTER: &str = "INSERT INTO @.consumers (name) VALUES (?) ON CONFLICT DO NOTHING";
        const LEASE: &str = "UPDATE @.consumers SET leased_until = now() + interval '60 seconds' \
            WHERE name = ? AND leased_until < now() RETURNING transaction_id, sequence, failures";
        let (schema, name) = (self.schema, self.name);
        let leased: Option<Cursor> = self
            .db
            .transaction(move |connection| {
                Statement::new(schema, REGISTER, [Bind::Text(name.to_owned())]).execute(connection)?;
                let lease = Statement::new(schema, LEASE, [Bind::Text(name.to_owned())]);
                Ok::<_, crate::Failure<Fault>>(lease.get_result(connection).optional()?)
            })
            .await?;
        Ok(leased.map(|row| {
            (
                Position {
                    transaction: row.transaction_id,
                    sequence: row.sequence,
                },
                row.failures,
            )
        }))
    }

    async fn advance(&self, to: Position) -> Result<(), Fault> {
        const SQL: &str = "UPDATE @.consumers SET transaction_id = ?, sequence = ?, failures = 0, \
            leased_until = now() + interval '60 seconds' WHERE name = ? AND (transaction_id, sequence) < (?, ?)";
        self.update(
            SQL,
            [
                Bind::BigInt(to.transaction),
                Bind::BigInt(to.sequence),
                Bind::Text(self.name.to_owned()),
                Bind::BigInt(to.transaction),
                Bind::BigInt(to.sequence),
            ],
        )
        .await
    }

    async fn release(&self, at: Position, failures: i32) -> Result<(), Fault> {
        const SQL: &str = "UPDATE @.consumers SET failures = ?, leased_until = '-infinity' \
            WHERE name = ? AND (transaction_id, sequence) = (?, ?)";
        let name = Bind::Text(self.name.to_owned());
        self.update(
            SQL,
            [
                Bind::Integer(failures),
                name,
                Bind::BigInt(at.transaction),
                Bind::BigInt(at.sequence),
            ],
        )
        .await
    }

    async fn park(&self, event: Event, error: String) -> Result<(), Fault> {
        const SQL: &str = "INSERT INTO @.parked_events (consumer, event_id, event, error, parked_at) \
            VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let json = serde_json::to_value(&event).map_err(|error| Fault::internal(error.to_string()))?;
        let (name, id) = (Bind::Text(self.name.to_owned()), Bind::Uuid(event.id.uuid()));
        self.update(
            SQL,
            [
                name,
                id,
                Bind::Json(json),
                Bind::Text(error),
                Bind::Time(self.clock.now()),
            ],
        )
        .await
    }

    async fn update<const N: usize>(&self, sql: &'static str, binds: [Bind; N]) -> Result<(), Fault> {
        let schema = self.schema;
        self.db
            .run(move |connection| Ok(Statement::new(schema, sql, binds).execute(connection).map(drop)?))
            .await
    }
}

/// An event that a consumer could not digest.
#[derive(Clone, Debug)]
pub struct Parked {
    /// Who could not digest it.
    pub consumer: String,
    /// The event.
    pub id: EventId,
    /// Why.
    pub error: String,
}

/// The parked events of a schema, at most a hundred: for verification.
pub fn parked(connection: &mut PgConnection, schema: &'static str) -> QueryResult<Vec<Parked>> {
    const SQL: &str = "SELECT consumer, event_id, error FROM @.parked_events ORDER BY parked_at LIMIT 100";
    let rows: Vec<ParkedRow> = Statement::new(schema, SQL, []).load(connection)?;
    let read = |row: ParkedRow| Parked {
        consumer: row.consumer,
        id: row.event_id.into(),
        error: row.error,
    };
    Ok(rows.into_iter().map(read).collect())
}

#[derive(QueryableByName)]
struct ParkedRow {
    #[diesel(sql_type = Text)]
    consumer: String,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    event_id: Uuid,
    #[diesel(sql_type = Text)]
    error: String,
}

#[derive(QueryableByName)]
struct Cursor {
    #[diesel(sql_type = BigInt)]
    transaction_id: i64,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
    #[diesel(sql_type = Integer)]
    failures: i32,
}
