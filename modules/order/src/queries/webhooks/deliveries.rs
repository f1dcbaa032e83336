//! Deliveries: written once for each event and endpoint, and read by staff.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::event::Event;
use kernel::id::{WebhookDeliveryId, WebhookEndpointId};
use uuid::Uuid;

use crate::domain::webhooks::{Attempt, Delivery, DeliveryState, WholeDelivery};
use crate::queries::SCHEMA;
use crate::queries::rows::unreadable;

/// Writes down that `event` has to be delivered to each of `endpoints` that is still there and enabled, unless that was
/// written down before. Answers how many are new.
pub(crate) fn insert(
    connection: &mut PgConnection,
    event: &Event,
    endpoints: &[WebhookEndpointId],
    body: String,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    const SQL: &str = "INSERT INTO @.webhook_deliveries \
            (id, endpoint_id, event_id, event_type, subject, body, state, due_at, created_at, updated_at) \
        SELECT new.id, new.endpoint_id, ?, ?, ?, ?, 'pending', ?, ?, ? FROM unnest(?, ?) AS new (id, endpoint_id) \
        WHERE EXISTS (SELECT FROM @.webhook_endpoints AS endpoint WHERE endpoint.id = new.endpoint_id AND enabled) \
        ON CONFLICT (endpoint_id, event_id) DO NOTHING";
    let ids = endpoints.iter().map(|_| WebhookDeliveryId::generate().uuid()).collect();
    let binds = [
        Bind::Uuid(event.id.uuid()),
        Bind::Text(event.r#type.clone()),
        Bind::Text(event.subject.clone()),
        Bind::Text(body),
        Bind::Time(now),
        Bind::Time(now),
        Bind::Time(now),
        Bind::Uuids(ids),
        Bind::Uuids(endpoints.iter().map(|endpoint| endpoint.uuid()).collect()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection)
}

/// At most `limit` deliveries to an endpoint before `before`, newest first; those of one state, or all.
pub(crate) fn page(
    connection: &mut PgConnection,
    endpoint: WebhookEndpointId,
    state: Option<DeliveryState>,
    before: Option<WebhookDeliveryId>,
    limit: i64,
) -> QueryResult<Vec<Delivery>> {
    const SQL: &str = "SELECT id, endpoint_id, event_id, event_type, subject, '' AS body, state, attempts, due_at, \
            created_at, updated_at FROM @.webhook_deliveries \
        WHERE endpoint_id = ? AND id < ? AND state = ANY (?) ORDER BY id DESC LIMIT ?";
    let states = match state {
        Some(state) => vec![state],
        None => DeliveryState::ALL.to_vec(),
    };
    let binds = [
        Bind::Uuid(endpoint.uuid()),
        Bind::Uuid(before.map_or(Uuid::max(), |before| before.uuid())),
        Bind::Texts(states.into_iter().map(|state| state.name().to_owned()).collect()),
        Bind::BigInt(limit),
    ];
    let rows: Vec<DeliveryRow> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    rows.into_iter()
        .map(|row| row.into_delivery().map(|(delivery, _)| delivery))
        .collect()
}

/// A delivery by its id, to an endpoint that is still there.
pub(crate) fn find(connection: &mut PgConnection, id: WebhookDeliveryId) -> QueryResult<Option<(Delivery, String)>> {
    const SQL: &str = "SELECT id, endpoint_id, event_id, event_type, subject, body, state, attempts, due_at, created_at, \
            updated_at FROM @.webhook_deliveries AS delivery WHERE id = ? \
        AND EXISTS (SELECT FROM @.webhook_endpoints AS endpoint WHERE endpoint.id = delivery.endpoint_id)";
    let row: Option<DeliveryRow> = Statement::new(SCHEMA, SQL, [Bind::Uuid(id.uuid())])
        .get_result(connection)
        .optional()?;
    row.map(DeliveryRow::into_delivery).transpose()
}

/// A delivery with what came of it.
pub(crate) fn whole(connection: &mut PgConnection, id: WebhookDeliveryId) -> QueryResult<Option<WholeDelivery>> {
    const SQL: &str = "SELECT number, at, duration_ms, status, failure, answer FROM ( \
            SELECT * FROM @.webhook_attempts WHERE delivery_id = ? ORDER BY number DESC LIMIT 100) AS latest \
        ORDER BY number";
    let Some((delivery, body)) = find(connection, id)? else {
        return Ok(None);
    };
    let rows: Vec<AttemptRow> = Statement::new(SCHEMA, SQL, [Bind::Uuid(id.uuid())]).load(connection)?;
    let tries = rows.into_iter().map(AttemptRow::into_attempt).collect();
    Ok(Some(WholeDelivery { delivery, body, tries }))
}

/// Has a delivery sent now, whatever became of it before; its schedule begins anew. False where there is none.
pub(crate) fn send_again(
    connection: &mut PgConnection,
    id: WebhookDeliveryId,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.webhook_deliveries SET state = 'pending', failures = 0, due_at = ?, updated_at = ? \
        WHERE id = ?";
    let binds = [Bind::Time(now), Bind::Time(now), Bind::Uuid(id.uuid())];
    Ok(Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1)
}

/// Removes at most `limit` deliveries from before `before`, with their attempts.
pub(crate) fn prune(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "DELETE FROM @.webhook_deliveries WHERE id IN ( \
        SELECT id FROM @.webhook_deliveries WHERE created_at < ? ORDER BY created_at LIMIT ?)";
    Statement::new(SCHEMA, SQL, [Bind::Time(before), Bind::BigInt(limit)]).execute(connection)
}

/// Removes at most `limit` deliveries to endpoints that are gone.
pub(crate) fn prune_orphans(connection: &mut PgConnection, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "DELETE FROM @.webhook_deliveries WHERE id IN ( \
        SELECT id FROM @.webhook_deliveries AS delivery WHERE NOT EXISTS ( \
            SELECT FROM @.webhook_endpoints AS endpoint WHERE endpoint.id = delivery.endpoint_id) LIMIT ?)";
    Statement::new(SCHEMA, SQL, [Bind::BigInt(limit)]).execute(connection)
}

#[derive(QueryableByName)]
struct DeliveryRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    endpoint_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    event_id: Uuid,
    #[diesel(sql_type = Text)]
    event_type: String,
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Integer)]
    attempts: i32,
    #[diesel(sql_type = Timestamptz)]
    due_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    updated_at: DateTime<Utc>,
}

impl DeliveryRow {
    /// The delivery and its body.
    fn into_delivery(self) -> QueryResult<(Delivery, String)> {
        let state = DeliveryState::named(&self.state);
        let state = state.ok_or_else(|| unreadable("webhook_deliveries.state", &self.state))?;
        let delivery = Delivery {
            id: self.id.into(),
            endpoint_id: self.endpoint_id.into(),
            event_id: self.event_id.into(),
            event_type: self.event_type,
            subject: self.subject,
            state,
            attempts: self.attempts,
            due_at: Some(self.due_at).filter(|_| state == DeliveryState::Pending),
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        Ok((delivery, self.body))
    }
}

#[derive(QueryableByName)]
struct AttemptRow {
    #[diesel(sql_type = Integer)]
    number: i32,
    #[diesel(sql_type = Timestamptz)]
    at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    duration_ms: i32,
    #[diesel(sql_type = Nullable<Integer>)]
    status: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    failure: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    answer: Option<String>,
}

impl AttemptRow {
    fn into_attempt(self) -> Attempt {
        Attempt {
            number: self.number,
            at: self.at,
            duration_ms: self.duration_ms,
            status: self.status,
            failure: self.failure,
            answer: self.answer,
        }
    }
}
