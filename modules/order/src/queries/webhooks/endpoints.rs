//! Endpoints, as staff arrange them.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::id::WebhookEndpointId;
use uuid::Uuid;

use crate::domain::webhooks::{DisabledReason, Endpoint, EventType, MAX_ENDPOINTS};
use crate::queries::SCHEMA;
use crate::queries::rows::unreadable;

/// The endpoints in the order in which they were made. They are few: a page of them is cut from all.
pub(crate) fn all(connection: &mut PgConnection) -> QueryResult<Vec<Endpoint>> {
    const SQL: &str = "SELECT * FROM @.webhook_endpoints ORDER BY id";
    let rows: Vec<EndpointRow> = Statement::new(SCHEMA, SQL, []).load(connection)?;
    rows.into_iter().map(EndpointRow::into_endpoint).collect()
}

/// An endpoint by its id.
pub(crate) fn find(connection: &mut PgConnection, id: WebhookEndpointId) -> QueryResult<Option<Endpoint>> {
    const SQL: &str = "SELECT * FROM @.webhook_endpoints WHERE id = ?";
    one(connection, SQL, id)
}

/// An endpoint, locked for the rest of the transaction.
pub(crate) fn lock(connection: &mut PgConnection, id: WebhookEndpointId) -> QueryResult<Option<Endpoint>> {
    const SQL: &str = "SELECT * FROM @.webhook_endpoints WHERE id = ? FOR UPDATE";
    one(connection, SQL, id)
}

fn one(connection: &mut PgConnection, sql: &'static str, id: WebhookEndpointId) -> QueryResult<Option<Endpoint>> {
    let statement = Statement::new(SCHEMA, sql, [Bind::Uuid(id.uuid())]);
    let row: Option<EndpointRow> = statement.get_result(connection).optional()?;
    row.map(EndpointRow::into_endpoint).transpose()
}

/// Adds an endpoint in the first place that is free; false where none is. Of several who want the last one, one gets it.
pub(crate) fn insert(connection: &mut PgConnection, new: &Endpoint) -> QueryResult<bool> {
    const SQL: &str = "INSERT INTO @.webhook_endpoints (id, url, description, event_types, enabled, disabled_at, \
            secret_generation, version, created_at, updated_at, place) \
        SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, free.place FROM generate_series(1, ?) AS free (place) \
        WHERE NOT EXISTS (SELECT FROM @.webhook_endpoints AS taken WHERE taken.place = free.place) \
        ORDER BY free.place LIMIT 1 ON CONFLICT (place) DO NOTHING";
    // Whoever loses a place to another looks again; there are not more others than places.
    for _ in 0..=MAX_ENDPOINTS {
        let binds = [
            Bind::Uuid(new.id.uuid()),
            Bind::Text(new.url.clone()),
            Bind::NullableText(new.description.clone()),
            Bind::Texts(names(new)),
            Bind::Bool(new.enabled),
            Bind::NullableTime(new.disabled_at),
            Bind::BigInt(new.secret_generation),
            Bind::BigInt(new.version),
            Bind::Time(new.created_at),
            Bind::Time(new.updated_at),
            Bind::BigInt(MAX_ENDPOINTS),
        ];
        if Statement::new(SCHEMA, SQL, binds).execute(connection)? == 1 {
            return Ok(true);
        }
        if count(connection)? >= MAX_ENDPOINTS {
            return Ok(false);
        }
    }
    Ok(false)
}

fn count(connection: &mut PgConnection) -> QueryResult<i64> {
    const SQL: &str = "SELECT count(*) FROM @.webhook_endpoints";
    let Count { count } = Statement::new(SCHEMA, SQL, []).get_result(connection)?;
    Ok(count)
}

/// Writes an endpoint that is locked.
pub(crate) fn update(connection: &mut PgConnection, after: &Endpoint) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.webhook_endpoints SET url = ?, description = ?, event_types = ?, enabled = ?, \
            disabled_reason = ?, disabled_at = ?, failing_since = ?, secret_generation = ?, previous_secret_until = ?, \
            version = ?, updated_at = ? WHERE id = ?";
    let binds = [
        Bind::Text(after.url.clone()),
        Bind::NullableText(after.description.clone()),
        Bind::Texts(names(after)),
        Bind::Bool(after.enabled),
        Bind::NullableText(after.disabled_reason.map(|reason| reason.name().to_owned())),
        Bind::NullableTime(after.disabled_at),
        Bind::NullableTime(after.failing_since),
        Bind::BigInt(after.secret_generation),
        Bind::NullableTime(after.previous_secret_until),
        Bind::BigInt(after.version),
        Bind::Time(after.updated_at),
        Bind::Uuid(after.id.uuid()),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Removes an endpoint. What was on its way to it is left to [`super::deliveries::prune_orphans`].
pub(crate) fn delete(connection: &mut PgConnection, id: WebhookEndpointId) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.webhook_endpoints WHERE id = ?";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(id.uuid())])
        .execute(connection)
        .map(drop)
}

/// Something has succeeded at an endpoint.
pub(crate) fn has_succeeded(connection: &mut PgConnection, id: WebhookEndpointId) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.webhook_endpoints SET failing_since = NULL WHERE id = ? AND failing_since IS NOT NULL";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(id.uuid())])
        .execute(connection)
        .map(drop)
}

/// The names of the events that an endpoint is told of; none where it is told of all.
fn names(endpoint: &Endpoint) -> Vec<String> {
    let chosen = endpoint.event_types.iter().flatten();
    chosen.map(|event| event.name().to_owned()).collect()
}

#[derive(QueryableByName)]
struct EndpointRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    url: String,
    #[diesel(sql_type = Nullable<Text>)]
    description: Option<String>,
    #[diesel(sql_type = Array<Text>)]
    event_types: Vec<String>,
    #[diesel(sql_type = Bool)]
    enabled: bool,
    #[diesel(sql_type = Nullable<Text>)]
    disabled_reason: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    disabled_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    secret_generation: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    previous_secret_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    failing_since: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    updated_at: DateTime<Utc>,
}

impl EndpointRow {
    fn into_endpoint(self) -> QueryResult<Endpoint> {
        let known = |name: String| {
            DisabledReason::named(&name).ok_or_else(|| unreadable("webhook_endpoints.disabled_reason", &name))
        };
        // An older process may meet events that only a newer one knows: it has none of them to tell.
        let chosen = self.event_types.iter().filter_map(|name| EventType::named(name));
        Ok(Endpoint {
            id: self.id.into(),
            event_types: (!self.event_types.is_empty()).then(|| chosen.collect()),
            url: self.url,
            description: self.description,
            enabled: self.enabled,
            disabled_reason: self.disabled_reason.map(known).transpose()?,
            disabled_at: self.disabled_at,
            failing_since: self.failing_since,
            secret_generation: self.secret_generation,
            previous_secret_until: self.previous_secret_until,
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}
