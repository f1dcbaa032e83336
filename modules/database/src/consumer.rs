//! Consumers of a feed: each event at least once and in order, by one process at a time. An event that cannot be
//! digested is parked after some attempts, so that it never blocks the ones behind it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
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
const BATCH: i64 = 200;
/// How long a consumer works before it writes down how far it is: what a crash repeats was done within this time.
const WRITE_DOWN_EVERY: Duration = Duration::from_millis(100);

/// What a consumer does with the events of its feed.
#[async_trait]
pub trait Digest: Send + Sync {
    /// What digesting some events takes.
    type Needs: Send + Sync;

    /// Gathers what `events` need, for all of them together: a constant number of questions for any number of events.
    async fn gather(&self, events: &[Event]) -> Result<Self::Needs, Fault>;

    /// Digests one of the events. [`Fault::Unavailable`] means that nothing is wrong with the event and it has to wait;
    /// any other fault counts against it.
    async fn digest(&self, event: &Event, needs: &Self::Needs) -> Result<(), Fault>;
}

/// A named reader of a feed whose effects are outside the database (mails, calls): they happen at least once, and
/// carry the event's id so that a receiver can tell repeats.
#[derive(Clone)]
pub struct Consumer {
    name: &'static str,
    db: Db,
    schema: &'static str,
    feed: Arc<dyn Feed>,
    clock: Clock,
    /// What [`Consumer::news`] has told of already.
    told: Arc<Mutex<Position>>,
}

/// How far a consumer is that this process has.
struct Cursor {
    /// Up to where events are digested.
    position: Position,
    /// How often the next one was tried in vain.
    failures: i32,
    /// What the database knows, and since when.
    written: Position,
    written_at: Instant,
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
            told: Arc::default(),
        }
    }

    /// The same for the feed of a sibling. `name` is the sibling's, a slash, and what it is read for (`product/webhooks`): by
    /// the slash it is known that its cursor says nothing of the events of `schema`, and holds none of them back.
    pub fn of_sibling(name: &'static str, db: Db, schema: &'static str, feed: Arc<dyn Feed>, clock: Clock) -> Self {
        debug_assert!(name.contains('/'), "{name} does not name the sibling");
        Self::new(name, db, schema, feed, clock)
    }

    /// Waits up to `wait` for something new to read; nothing of it is taken, so that whoever waits may stop at any moment.
    /// For [`kernel::job::Job::also_on`]. An event is told of once: one that has to wait, or that another process is
    /// at, is left to the job's interval.
    pub async fn news(&self, wait: Duration) -> Result<(), Fault> {
        let known = self.position().await?.max(*self.told());
        let news = self.feed.next(known, 1, wait).await?;
        if let Some((position, _)) = news.last() {
            *self.told() = *position;
        }
        Ok(())
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Position> {
        // Nothing that holds the lock can panic half-way.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where the events are digested.
    async fn position(&self) -> Result<Position, Fault> {
        const SQL: &str = "SELECT transaction_id, sequence, failures FROM @.consumers WHERE name = ?";
        let statement = Statement::new(self.schema, SQL, [Bind::Text(self.name.to_owned())]);
        let row: Option<CursorRow> = self
            .db
            .run(move |connection| Ok::<_, crate::Failure<Fault>>(statement.get_result(connection).optional()?))
            .await?;
        Ok(row.map_or_else(Position::default, |row| row.into_cursor().position))
    }

    /// Reads what is new and has `digest` do its work, event by event. For a [`kernel::job::Job`].
    pub async fn round(&self, digest: &impl Digest) -> Result<Round, Fault> {
        let Some(mut cursor) = self.lease().await? else {
            return Ok(Round::Idle);
        };
        let round = self.read(&mut cursor, digest).await;
        let released = self.write_down(&mut cursor, false).await;
        round.and_then(|round| released.map(|()| round))
    }

    async fn read(&self, cursor: &mut Cursor, digest: &impl Digest) -> Result<Round, Fault> {
        let batch = self.feed.read(cursor.position, BATCH).await?;
        if batch.is_empty() {
            return Ok(Round::Idle);
        }
        let (positions, events): (Vec<Position>, Vec<Event>) = batch.into_iter().unzip();
        let gathered = match digest.gather(&events).await {
            Ok(needs) => Some(needs),
            Err(fault @ Fault::Unavailable { .. }) => return Err(fault),
            // One of them is to blame, and the others must not suffer for it: each gathers for itself.
            Err(_) => None,
        };
        for (position, event) in positions.into_iter().zip(&events) {
            let outcome = match &gathered {
                Some(needs) => digest.digest(event, needs).await,
                None => digest_alone(digest, event).await,
            };
            self.account_for(cursor, event, outcome).await?;
            (cursor.position, cursor.failures) = (position, 0);
            if cursor.written_at.elapsed() >= WRITE_DOWN_EVERY {
                self.write_down(cursor, true).await?;
            }
        }
        Ok(match i64::try_from(events.len()) {
            Ok(count) if count < BATCH => Round::Idle,
            _ => Round::More,
        })
    }

    /// Whether the consumer goes on behind `event`: it was digested, or is parked because it failed too often.
    async fn account_for(&self, cursor: &mut Cursor, event: &Event, outcome: Result<(), Fault>) -> Result<(), Fault> {
        let Err(fault) = outcome else { return Ok(()) };
        if matches!(fault, Fault::Unavailable { .. }) {
            // Nothing is wrong with the event: it waits until the other side is back.
            return Err(fault);
        }
        cursor.failures += 1;
        if cursor.failures < ATTEMPTS {
            return Err(fault);
        }
        tracing::error!(consumer = self.name, event = %event.id, %fault, "event parked: it failed too often");
        self.park(event, fault.to_string()).await
    }

    /// Takes the consumer for this process, unless another has it. The lease is in the database's time, long enough for
    /// one event, and renewed whenever the cursor is written down.
    async fn lease(&self) -> Result<Option<Cursor>, Fault> {
        const SQL: &str = "INSERT INTO @.consumers AS consumer (name, leased_until) \
            VALUES (?, clock_timestamp() + interval '60 seconds') \
            ON CONFLICT (name) DO UPDATE SET leased_until = excluded.leased_until \
            WHERE consumer.leased_until < clock_timestamp() RETURNING transaction_id, sequence, failures";
        let lease = Statement::new(self.schema, SQL, [Bind::Text(self.name.to_owned())]);
        let leased: Option<CursorRow> = self
            .db
            .run(move |connection| Ok::<_, crate::Failure<Fault>>(lease.get_result(connection).optional()?))
            .await?;
        Ok(leased.map(CursorRow::into_cursor))
    }

    /// Writes down how far the consumer is, and keeps or ends the lease. Fails where another process has gone on from
    /// what was written last: this one was away for too long.
    async fn write_down(&self, cursor: &mut Cursor, keep: bool) -> Result<(), Fault> {
        const SQL: &str = "UPDATE @.consumers SET transaction_id = ?, sequence = ?, failures = ?, \
            leased_until = CASE WHEN ? THEN clock_timestamp() + interval '60 seconds' ELSE '-infinity' END \
            WHERE name = ? AND (transaction_id, sequence) = (?, ?)";
        let (from, to) = (cursor.written, cursor.position);
        let binds = [
            Bind::BigInt(to.transaction),
            Bind::BigInt(to.sequence),
            Bind::Integer(cursor.failures),
            Bind::Bool(keep),
            Bind::Text(self.name.to_owned()),
            Bind::BigInt(from.transaction),
            Bind::BigInt(from.sequence),
        ];
        if self.execute(SQL, binds).await? == 0 {
            return Err(Fault::unavailable(format!(
                "another process has taken over {}",
                self.name
            )));
        }
        (cursor.written, cursor.written_at) = (to, Instant::now());
        Ok(())
    }

    async fn park(&self, event: &Event, error: String) -> Result<(), Fault> {
        const SQL: &str = "INSERT INTO @.parked_events (consumer, event_id, event, error, parked_at) \
            VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
        let json = serde_json::to_value(event).map_err(|error| Fault::internal(error.to_string()))?;
        let binds = [
            Bind::Text(self.name.to_owned()),
            Bind::Uuid(event.id.uuid()),
            Bind::Json(json),
            Bind::Text(error),
            Bind::Time(self.clock.now()),
        ];
        self.execute(SQL, binds).await.map(drop)
    }

    async fn execute<const N: usize>(&self, sql: &'static str, binds: [Bind; N]) -> Result<usize, Fault> {
        let statement = Statement::new(self.schema, sql, binds);
        self.db.run(move |connection| Ok(statement.execute(connection)?)).await
    }
}

async fn digest_alone<D: Digest>(digest: &D, event: &Event) -> Result<(), Fault> {
    let needs = digest.gather(std::slice::from_ref(event)).await?;
    digest.digest(event, &needs).await
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
struct CursorRow {
    #[diesel(sql_type = BigInt)]
    transaction_id: i64,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
    #[diesel(sql_type = Integer)]
    failures: i32,
}

impl CursorRow {
    fn into_cursor(self) -> Cursor {
        let position = Position {
            transaction: self.transaction_id,
            sequence: self.sequence,
        };
        Cursor {
            position,
            failures: self.failures,
            written: position,
            written_at: Instant::now(),
        }
    }
}
