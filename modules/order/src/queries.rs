//! Every query of the module.

pub(crate) mod books;
pub(crate) mod discrepancies;
pub(crate) mod documents;
pub(crate) mod drafts;
pub(crate) mod edits;
pub(crate) mod effects;
pub(crate) mod export;
pub(crate) mod fulfilments;
pub(crate) mod inbox;
pub(crate) mod live;
pub(crate) mod numbers;
pub(crate) mod payments;
pub(crate) mod placing;
pub(crate) mod reading;
pub(crate) mod returns;
mod rows;
pub(crate) mod stock;
pub(crate) mod webhooks;
pub(crate) mod work;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::event::{Event, Payload};
use kernel::id::OrderId;
use order_api::OrderCompleted;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::fulfilment::FulfilmentStatus;
use crate::domain::{Actor, Status};
use crate::schema::{orders, timeline};

/// The schema of this module.
pub(crate) const SCHEMA: &str = "orders";

/// Gives an order its next status where it has the expected one, and asks for what follows; true where it had.
pub(crate) fn change_status(
    connection: &mut PgConnection,
    order: OrderId,
    from: Status,
    to: Status,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let expected = orders::table.find(order.uuid()).filter(orders::status.eq(from.name()));
    let changed = match to {
        _ if from == Status::Completed || to == Status::Completed => diesel::update(expected)
            .set((
                orders::status.eq(to.name()),
                orders::version.eq(orders::version + 1),
                orders::updated_at.eq(now),
            ))
            .execute(connection)?,
        Status::Placed => diesel::update(expected)
            .set((
                orders::status.eq(to.name()),
                orders::version.eq(orders::version + 1),
                orders::placed_at.eq(now),
                orders::updated_at.eq(now),
            ))
            .execute(connection)?,
        _ => diesel::update(expected)
            .set((
                orders::status.eq(to.name()),
                orders::version.eq(orders::version + 1),
                orders::cancelled_at.eq(now),
                orders::updated_at.eq(now),
            ))
            .execute(connection)?,
    };
    // Whatever follows from an order's being completed has followed from its being placed.
    if changed == 1 && to != Status::Completed {
        effects::ask(connection, order)?;
    }
    Ok(changed == 1)
}

/// Raises an order's version: something that it shows has changed.
pub(crate) fn touch(connection: &mut PgConnection, order: OrderId, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(orders::table.find(order.uuid()))
        .set((orders::version.eq(orders::version + 1), orders::updated_at.eq(now)))
        .execute(connection)
        .map(drop)
}

/// Something that happened to an order.
#[derive(Clone, Debug)]
pub(crate) struct Entry<'a> {
    /// What, e.g. `placed`.
    pub(crate) kind: &'a str,
    pub(crate) actor: Actor,
    /// More about it, as a JSON object.
    pub(crate) detail: Option<Value>,
    /// For staff alone.
    pub(crate) internal: bool,
}

/// Writes into an order's timeline.
pub(crate) fn record(
    connection: &mut PgConnection,
    order: OrderId,
    kind: &str,
    actor: Actor,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let entry = Entry {
        kind,
        actor,
        detail: None,
        internal: false,
    };
    write_down(connection, order, entry, now)
}

/// Writes into an order's timeline, with more than that something happened.
pub(crate) fn write_down(
    connection: &mut PgConnection,
    order: OrderId,
    entry: Entry<'_>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let entry = (
        timeline::order_id.eq(order.uuid()),
        timeline::at.eq(now),
        timeline::kind.eq(entry.kind),
        timeline::actor.eq(entry.actor.name()),
        timeline::actor_id.eq(entry.actor.id().map(Uuid::from)),
        timeline::detail.eq(entry.detail),
        timeline::internal.eq(entry.internal),
    );
    diesel::insert_into(timeline::table)
        .values(entry)
        .execute(connection)
        .map(drop)
}

/// Whether a note has been written: a repeat finds it.
pub(crate) fn has_note(connection: &mut PgConnection, order: OrderId, id: Uuid) -> QueryResult<bool> {
    let details: Vec<Option<Value>> = timeline::table
        .filter(timeline::order_id.eq(order.uuid()))
        .filter(timeline::kind.eq("note"))
        .select(timeline::detail)
        .load(connection)?;
    let is_same = |detail: &Value| detail["id"] == Value::String(id.to_string());
    Ok(details.iter().flatten().any(is_same))
}

/// Publishes an event of the module in the transaction of what it tells of.
pub(crate) fn publish<P: Payload>(connection: &mut PgConnection, payload: &P, now: DateTime<Utc>) -> QueryResult<()> {
    let event = Event::of(payload, now).map_err(|fault| diesel::result::Error::SerializationError(fault.into()))?;
    database::outbox::append(connection, SCHEMA, &event)
}

/// Completes a placed order of which everything has left and is paid for. The order is locked.
pub(crate) fn complete_if_done(connection: &mut PgConnection, order: OrderId, now: DateTime<Utc>) -> QueryResult<()> {
    let Some(found) = reading::order(connection, order)? else {
        return Ok(());
    };
    let taken: i64 = reading::payments_of(connection, order)?
        .iter()
        .map(|payment| payment.captured - payment.refunded)
        .sum();
    let is_sent = matches!(
        found.fulfilment_status,
        FulfilmentStatus::Fulfilled | FulfilmentStatus::Returned
    );
    if found.status != Status::Placed || !is_sent || taken < found.worth() {
        return Ok(());
    }
    change_status(connection, order, Status::Placed, Status::Completed, now)?;
    record(connection, order, "completed", Actor::System, now)?;
    publish(connection, &OrderCompleted { order }, now)
}

/// A value as the database keeps it.
fn json(value: &impl Serialize) -> QueryResult<Value> {
    serde_json::to_value(value).map_err(|error| diesel::result::Error::SerializationError(error.into()))
}
