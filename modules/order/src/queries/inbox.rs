//! The inbox: events of payment providers, each once.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{EventId, PaymentId};
use uuid::Uuid;

use super::SCHEMA;
use super::placing::milliseconds;
use super::rows::unreadable;
use crate::domain::inbox::{EventState, StoredEvent};
use crate::schema::payment_events;

/// An event that has come.
#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) provider: &'static str,
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) body: Vec<u8>,
    pub(crate) reference: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
}

/// An event to be worked on.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: EventId,
    pub(crate) provider: String,
    pub(crate) body: Vec<u8>,
    /// How often it was taken up, this time included.
    pub(crate) attempts: i32,
}

/// What a list of events is narrowed to.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventFilter {
    pub(crate) states: Vec<EventState>,
    pub(crate) provider: Option<String>,
}

/// Stores an event whose signature holds; false where it is there already.
pub(crate) fn store(connection: &mut PgConnection, event: &Incoming) -> QueryResult<bool> {
    const SQL: &str = "INSERT INTO @.payment_events \
            (id, provider, event_id, type, body, verified, state, reference, received_at) \
        VALUES (?, ?, ?, ?, ?, true, 'received', ?, ?) ON CONFLICT (provider, event_id) DO NOTHING";
    let binds = [
        Bind::Uuid(EventId::generate().uuid()),
        Bind::Text(event.provider.to_owned()),
        Bind::Text(event.event_id.clone()),
        Bind::Text(event.kind.clone()),
        Bind::Bytes(event.body.clone()),
        Bind::NullableText(event.reference.clone()),
        Bind::Time(event.received_at),
    ];
    let stored = Statement::new(SCHEMA, SQL, binds).execute(connection)?;
    Ok(stored == 1)
}

/// Takes events that nobody is at, oldest first.
pub(crate) fn take(connection: &mut PgConnection, limit: i64, lease: Duration) -> QueryResult<Vec<Due>> {
    const SQL: &str = "UPDATE @.payment_events AS taken \
        SET attempts = attempts + 1, leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        FROM (SELECT id FROM @.payment_events WHERE state IN ('received', 'parked') AND leased_until < clock_timestamp() \
              ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED) AS due \
        WHERE taken.id = due.id RETURNING taken.id, taken.provider, taken.body, taken.attempts";
    let rows: Vec<DueRow> =
        Statement::new(SCHEMA, SQL, [Bind::BigInt(milliseconds(lease)), Bind::BigInt(limit)]).load(connection)?;
    let due = |row: DueRow| Due {
        id: row.id.into(),
        provider: row.provider,
        body: row.body,
        attempts: row.attempts,
    };
    Ok(rows.into_iter().map(due).collect())
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Text)]
    provider: String,
    #[diesel(sql_type = diesel::sql_types::Binary)]
    body: Vec<u8>,
    #[diesel(sql_type = diesel::sql_types::Integer)]
    attempts: i32,
}

/// Ends the work on an event; false where somebody else has ended it.
pub(crate) fn end(
    connection: &mut PgConnection,
    event: EventId,
    state: EventState,
    payment: Option<PaymentId>,
    failure: Option<&str>,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let open = [EventState::Received.name(), EventState::Parked.name()];
    let ended = diesel::update(payment_events::table.find(event.uuid()))
        .filter(payment_events::state.eq_any(open))
        .set((
            payment_events::state.eq(state.name()),
            payment.map(|payment| payment_events::payment_id.eq(payment.uuid())),
            payment_events::failure.eq(failure),
            payment_events::processed_at.eq(now),
        ))
        .execute(connection)?;
    Ok(ended == 1)
}

/// Lets an event rest for a while, for a reason.
pub(crate) fn postpone(
    connection: &mut PgConnection,
    event: EventId,
    state: EventState,
    pause: Duration,
    reason: &str,
) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.payment_events SET state = ?, failure = ?, \
            leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        WHERE id = ? AND state IN ('received', 'parked')";
    let binds = [
        Bind::Text(state.name().to_owned()),
        Bind::Text(reason.to_owned()),
        Bind::BigInt(milliseconds(pause)),
        Bind::Uuid(event.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Begins the work on an event anew, however it has ended; false where there is none, or somebody is at it.
pub(crate) fn replay(connection: &mut PgConnection, event: EventId) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.payment_events SET state = 'received', attempts = 0, failure = NULL, \
            processed_at = NULL, leased_until = '-infinity' \
        WHERE id = ? AND (state <> 'received' OR leased_until < clock_timestamp())";
    let begun = Statement::new(SCHEMA, SQL, [Bind::Uuid(event.uuid())]).execute(connection)?;
    Ok(begun == 1)
}

/// Removes events that came before `before` and are done with; at most `limit`.
pub(crate) fn prune(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "DELETE FROM @.payment_events WHERE id IN (SELECT id FROM @.payment_events \
        WHERE state NOT IN ('received', 'parked') AND received_at < ? LIMIT ?)";
    Statement::new(SCHEMA, SQL, [Bind::Time(before), Bind::BigInt(limit)]).execute(connection)
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = payment_events)]
struct EventRow {
    id: Uuid,
    provider: String,
    event_id: String,
    kind: String,
    state: String,
    attempts: i32,
    failure: Option<String>,
    reference: Option<String>,
    payment_id: Option<Uuid>,
    received_at: DateTime<Utc>,
    processed_at: Option<DateTime<Utc>>,
}

impl EventRow {
    fn into_event(self) -> QueryResult<StoredEvent> {
        Ok(StoredEvent {
            id: self.id.into(),
            provider: self.provider,
            event_id: self.event_id,
            kind: self.kind,
            state: EventState::named(&self.state).ok_or_else(|| unreadable("payment_events.state", &self.state))?,
            attempts: self.attempts,
            failure: self.failure,
            reference: self.reference,
            payment: self.payment_id.map(Into::into),
            received_at: self.received_at,
            processed_at: self.processed_at,
        })
    }
}

/// Events newest first, before `before`.
pub(crate) fn list(
    connection: &mut PgConnection,
    filter: &EventFilter,
    before: Option<EventId>,
    limit: i64,
) -> QueryResult<Vec<StoredEvent>> {
    let mut query = payment_events::table
        .order(payment_events::id.desc())
        .limit(limit)
        .select(EventRow::as_select())
        .into_boxed();
    if !filter.states.is_empty() {
        query = query.filter(payment_events::state.eq_any(filter.states.iter().map(|state| state.name())));
    }
    if let Some(provider) = &filter.provider {
        query = query.filter(payment_events::provider.eq(provider));
    }
    if let Some(before) = before {
        query = query.filter(payment_events::id.lt(before.uuid()));
    }
    let rows: Vec<EventRow> = query.load(connection)?;
    rows.into_iter().map(EventRow::into_event).collect()
}

/// An event and its body as it came.
pub(crate) fn find(connection: &mut PgConnection, event: EventId) -> QueryResult<Option<(StoredEvent, Vec<u8>)>> {
    let row: Option<(EventRow, Vec<u8>)> = payment_events::table
        .find(event.uuid())
        .select((EventRow::as_select(), payment_events::body))
        .first(connection)
        .optional()?;
    row.map(|(row, body)| Ok((row.into_event()?, body))).transpose()
}
