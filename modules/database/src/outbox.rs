//! The outbox: events written in the transaction of the change they tell of, read in a commit-safe order.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Text, Timestamptz};
use kernel::Fault;
use kernel::event::{Event, Feed, Position};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Db;
use crate::statement::{Bind, Statement};

/// Publishes an event with the transaction that `connection` is in.
pub fn append(connection: &mut PgConnection, schema: &'static str, event: &Event) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.outbox (id, type, subject, time, data) VALUES (?, ?, ?, ?, ?)";
    let binds = [
        Bind::Uuid(event.id.uuid()),
        Bind::Text(event.r#type.clone()),
        Bind::Text(event.subject.clone()),
        Bind::Time(event.time),
        Bind::Json(event.data.clone()),
    ];
    Statement::new(schema, SQL, binds).execute(connection).map(drop)
}

/// Publishes many events with the transaction that `connection` is in, by one statement.
pub fn append_all(connection: &mut PgConnection, schema: &'static str, events: &[Event]) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.outbox (id, type, subject, time, data) \
        SELECT event.id, event.type, event.subject, event.time, event.data \
        FROM jsonb_to_recordset(?) AS event (id UUID, type TEXT, subject TEXT, time TIMESTAMPTZ, data JSONB)";
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(|event| {
        json!({"id": event.id.uuid(), "type": event.r#type, "subject": event.subject, "time": event.time, "data": event.data})
    });
    Statement::new(schema, SQL, [Bind::Json(rows.collect())])
        .execute(connection)
        .map(drop)
}

/// The feed of one module's outbox.
#[derive(Clone)]
pub struct OutboxFeed {
    db: Db,
    schema: &'static str,
}

impl OutboxFeed {
    /// The events of `schema`.
    pub fn new(db: Db, schema: &'static str) -> Self {
        Self { db, schema }
    }
}

#[async_trait]
impl Feed for OutboxFeed {
    async fn read(&self, after: Position, limit: i64) -> Result<Vec<(Position, Event)>, Fault> {
        let schema = self.schema;
        self.db
            .run(move |connection| Ok(read(connection, schema, after, limit)?))
            .await
    }

    async fn end(&self) -> Result<Position, Fault> {
        let schema = self.schema;
        self.db.run(move |connection| Ok(end(connection, schema)?)).await
    }
}

/// At most `limit` events after `after`. A transaction that still runs may yet write events that belong before newer
/// ones; those newer ones are held back until it has ended.
pub(crate) fn read(
    connection: &mut PgConnection,
    schema: &'static str,
    after: Position,
    limit: i64,
) -> QueryResult<Vec<(Position, Event)>> {
    const SQL: &str = "SELECT transaction_id, sequence, id, type, subject, time, data FROM @.outbox \
        WHERE (transaction_id, sequence) > (?, ?) \
        AND transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
        ORDER BY transaction_id, sequence LIMIT ?";
    let binds = [
        Bind::BigInt(after.transaction),
        Bind::BigInt(after.sequence),
        Bind::BigInt(limit),
    ];
    let rows: Vec<Row> = Statement::new(schema, SQL, binds).load(connection)?;
    Ok(rows.into_iter().map(Row::into_event).collect())
}

/// The position of the newest event that a read of all would answer.
pub fn end(connection: &mut PgConnection, schema: &'static str) -> QueryResult<Position> {
    const SQL: &str = "SELECT transaction_id, sequence FROM @.outbox \
        WHERE transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint \
        ORDER BY transaction_id DESC, sequence DESC LIMIT 1";
    let newest: Option<End> = Statement::new(schema, SQL, []).get_result(connection).optional()?;
    Ok(newest.map_or_else(Position::default, |row| Position {
        transaction: row.transaction_id,
        sequence: row.sequence,
    }))
}

/// Removes events older than `before` that every consumer of this schema has read. Feeds for other processes keep their
/// cursor elsewhere, which is why the age counts as well. Consumers that read a sibling's feed count differently, and are
/// passed over: see [`crate::consumer::Consumer::of_sibling`].
pub(crate) fn prune(connection: &mut PgConnection, schema: &'static str, before: DateTime<Utc>) -> QueryResult<usize> {
    // By where the rows lie, which nothing changes: by their keys PostgreSQL would compare all there are with the oldest.
    const SQL: &str = "DELETE FROM @.outbox AS old WHERE old.ctid = ANY(ARRAY( \
            SELECT place FROM (SELECT ctid AS place, time FROM @.outbox \
                ORDER BY transaction_id, sequence LIMIT 10000) AS oldest WHERE time < ?)) \
        AND NOT EXISTS (SELECT 1 FROM @.consumers WHERE name NOT LIKE '%/%' \
        AND (consumers.transaction_id, consumers.sequence) < (old.transaction_id, old.sequence))";
    Statement::new(schema, SQL, [Bind::Time(before)]).execute(connection)
}

#[derive(QueryableByName)]
struct End {
    #[diesel(sql_type = BigInt)]
    transaction_id: i64,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    transaction_id: i64,
    #[diesel(sql_type = BigInt)]
    sequence: i64,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    r#type: String,
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Timestamptz)]
    time: DateTime<Utc>,
    #[diesel(sql_type = Jsonb)]
    data: Value,
}

impl Row {
    fn into_event(self) -> (Position, Event) {
        let position = Position {
            transaction: self.transaction_id,
            sequence: self.sequence,
        };
        let event = Event {
            id: self.id.into(),
            r#type: self.r#type,
            subject: self.subject,
            time: self.time,
            data: self.data,
            sequence: self.sequence,
        };
        (position, event)
    }
}
