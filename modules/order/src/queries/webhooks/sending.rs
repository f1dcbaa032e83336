//! What the sending job takes and writes down. Rows are shared between replicas by leases in the database's time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::id::{EventId, WebhookDeliveryId, WebhookEndpointId};
use uuid::Uuid;

use crate::domain::webhooks::DeliveryState;
use crate::queries::SCHEMA;
use crate::queries::placing::milliseconds;

/// A delivery that this process has to send.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) id: WebhookDeliveryId,
    pub(crate) endpoint: WebhookEndpointId,
    pub(crate) event: EventId,
    pub(crate) body: String,
    /// How often it was sent before.
    pub(crate) attempts: i32,
    /// How often it has failed in a row.
    pub(crate) failures: i32,
    pub(crate) url: String,
    pub(crate) secret_generation: i64,
    pub(crate) previous_secret_until: Option<DateTime<Utc>>,
}

/// Takes what is due at `now` and nobody has, for this process: of each endpoint at most `most`, less what this process is
/// sending it already (`busy`).
pub(crate) fn take(
    connection: &mut PgConnection,
    busy: Vec<(Uuid, i64)>,
    most: i64,
    lease: Duration,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Due>> {
    const SQL: &str = "WITH due AS ( \
            SELECT delivery.id, endpoint.url, endpoint.secret_generation, endpoint.previous_secret_until \
            FROM @.webhook_endpoints AS endpoint \
            LEFT JOIN unnest(?, ?) AS busy (endpoint_id, requests) ON busy.endpoint_id = endpoint.id \
            CROSS JOIN LATERAL ( \
                SELECT id FROM @.webhook_deliveries AS waiting WHERE waiting.endpoint_id = endpoint.id \
                    AND state = 'pending' AND due_at <= ? AND leased_until < clock_timestamp() \
                ORDER BY due_at, id LIMIT greatest(? - coalesce(busy.requests, 0), 0) FOR UPDATE SKIP LOCKED) AS delivery \
            WHERE endpoint.enabled) \
        UPDATE @.webhook_deliveries AS taken SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        FROM due WHERE taken.id = due.id \
        RETURNING taken.id, taken.endpoint_id, taken.event_id, taken.body, taken.attempts, taken.failures, due.url, \
            due.secret_generation, due.previous_secret_until";
    let (endpoints, requests) = busy.into_iter().unzip();
    let binds = [
        Bind::Uuids(endpoints),
        Bind::BigInts(requests),
        Bind::Time(now),
        Bind::BigInt(most),
        Bind::BigInt(milliseconds(lease)),
    ];
    let rows: Vec<DueRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    Ok(rows.into_iter().map(DueRow::into_due).collect())
}

/// What came of sending something.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) at: DateTime<Utc>,
    pub(crate) duration: Duration,
    pub(crate) status: Option<u16>,
    pub(crate) failure: Option<&'static str>,
    pub(crate) answer: Option<String>,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Delivered,
    /// It is tried again then.
    Due(DateTime<Utc>),
    Failed,
}

/// Writes down what came of sending `due`. False where somebody else has sent it meanwhile: this process took so long that
/// its lease ran out.
pub(crate) fn record(
    connection: &mut PgConnection,
    due: &Due,
    outcome: &Outcome,
    fate: Fate,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.webhook_deliveries SET attempts = attempts + 1, failures = ?, state = ?, due_at = ?, \
            leased_until = '-infinity', updated_at = ? WHERE id = ? AND attempts = ?";
    const ATTEMPT: &str = "INSERT INTO @.webhook_attempts (delivery_id, number, at, duration_ms, status, failure, answer) \
        VALUES (?, ?, ?, ?, ?, ?, ?)";
    let (state, due_at, failures) = match fate {
        Fate::Delivered => (DeliveryState::Delivered, now, 0),
        Fate::Due(at) => (DeliveryState::Pending, at, due.failures + 1),
        Fate::Failed => (DeliveryState::Failed, now, due.failures + 1),
    };
    let binds = [
        Bind::Integer(failures),
        Bind::Text(state.name().to_owned()),
        Bind::Time(due_at),
        Bind::Time(now),
        Bind::Uuid(due.id.uuid()),
        Bind::Integer(due.attempts),
    ];
    if Statement::new(SCHEMA, SQL, binds).execute(connection)? == 0 {
        return Ok(false);
    }
    let attempt = [
        Bind::Uuid(due.id.uuid()),
        Bind::Integer(due.attempts + 1),
        Bind::Time(outcome.at),
        Bind::Integer(i32::try_from(outcome.duration.as_millis()).unwrap_or(i32::MAX)),
        Bind::NullableInteger(outcome.status.map(i32::from)),
        Bind::NullableText(outcome.failure.map(str::to_owned)),
        Bind::NullableText(outcome.answer.clone()),
    ];
    Statement::new(SCHEMA, ATTEMPT, attempt).execute(connection)?;
    Ok(true)
}

#[derive(QueryableByName)]
struct DueRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    endpoint_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Integer)]
    failures: i32,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = BigInt)]
    secret_generation: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    previous_secret_until: Option<DateTime<Utc>>,
}

impl DueRow {
    fn into_due(self) -> Due {
        Due {
            id: self.id.into(),
            endpoint: self.endpoint_id.into(),
            event: self.event_id.into(),
            body: self.body,
            attempts: self.attempts,
            failures: self.failures,
            url: self.url,
            secret_generation: self.secret_generation,
            previous_secret_until: self.previous_secret_until,
        }
    }
}
