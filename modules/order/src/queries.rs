//! Every query of the module.

pub(crate) mod books;
pub(crate) mod effects;
pub(crate) mod live;
pub(crate) mod payments;
pub(crate) mod placing;
pub(crate) mod reading;
mod rows;
pub(crate) mod webhooks;
pub(crate) mod work;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use kernel::id::OrderId;

use crate::domain::{Actor, Status};
use crate::schema::{orders, timeline};

/// The schema of this module.
pub(crate) const SCHEMA: &str = "orders";

/// Ends an order, placed or cancelled, where it has the expected status, and asks for what follows; true where it had.
pub(crate) fn change_status(
    connection: &mut PgConnection,
    order: OrderId,
    from: Status,
    to: Status,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let expected = orders::table.find(order.uuid()).filter(orders::status.eq(from.name()));
    let changed = match to {
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
    if changed == 1 {
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

/// Writes into an order's timeline.
pub(crate) fn record(
    connection: &mut PgConnection,
    order: OrderId,
    kind: &str,
    actor: Actor,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let entry = (
        timeline::order_id.eq(order.uuid()),
        timeline::at.eq(now),
        timeline::kind.eq(kind),
        timeline::actor.eq(actor.name()),
    );
    diesel::insert_into(timeline::table)
        .values(entry)
        .execute(connection)
        .map(drop)
}
