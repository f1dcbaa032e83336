//! What the module's jobs pick up: rows are shared between replicas by leases in the database's time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{CartId, OrderId, PaymentId, ReservationId};
use uuid::Uuid;

use super::SCHEMA;
use super::placing::milliseconds;

/// An order whose end has to be told to stock, cart and providers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effects {
    pub(crate) order: OrderId,
    pub(crate) cart: CartId,
    pub(crate) reservation: ReservationId,
    /// It was cancelled; otherwise it was placed.
    pub(crate) cancelled: bool,
    /// Neither a payment to undo nor more than one to choose from.
    pub(crate) simple: bool,
    pub(crate) version: i64,
}

/// Takes orders with pending effects for this process, at most `limit`; `only` takes that one, whoever had it.
pub(crate) fn take_effects(
    connection: &mut PgConnection,
    only: Option<OrderId>,
    limit: i64,
    lease: Duration,
) -> QueryResult<Vec<Effects>> {
    const SQL: &str = "UPDATE @.orders AS taken SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        FROM (SELECT id FROM @.orders WHERE effects_pending AND leased_until < clock_timestamp() \
              ORDER BY leased_until, id LIMIT ? FOR UPDATE SKIP LOCKED) AS due \
        WHERE taken.id = due.id \
        RETURNING taken.id, taken.cart_id, taken.reservation_id, taken.status = 'cancelled' AS cancelled, \
            taken.version, \
            taken.status = 'placed' AND (SELECT count(*) FROM @.payments WHERE order_id = taken.id) <= 1 AS simple";
    const ONLY: &str = "UPDATE @.orders AS taken SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        WHERE id = ? AND effects_pending \
        RETURNING taken.id, taken.cart_id, taken.reservation_id, taken.status = 'cancelled' AS cancelled, \
            taken.version, \
            taken.status = 'placed' AND (SELECT count(*) FROM @.payments WHERE order_id = taken.id) <= 1 AS simple";
    let lease = Bind::BigInt(milliseconds(lease));
    let rows: Vec<EffectsRow> = match only {
        Some(order) => Statement::new(SCHEMA, ONLY, [lease, Bind::Uuid(order.uuid())]).load(connection)?,
        None => Statement::new(SCHEMA, SQL, [lease, Bind::BigInt(limit)]).load(connection)?,
    };
    Ok(rows.into_iter().map(EffectsRow::into_effects).collect())
}

/// Marks the effects of orders as brought about, where the orders have not changed since.
pub(crate) fn end_effects(connection: &mut PgConnection, done: &[Effects]) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.orders AS done SET effects_pending = false, effects_failures = 0, leased_until = '-infinity' \
        FROM unnest(?, ?) AS taken (id, version) WHERE done.id = taken.id AND done.version = taken.version";
    if done.is_empty() {
        return Ok(());
    }
    let ids = done.iter().map(|effects| effects.order.uuid()).collect();
    let versions = done.iter().map(|effects| effects.version).collect();
    Statement::new(SCHEMA, SQL, [Bind::Uuids(ids), Bind::BigInts(versions)])
        .execute(connection)
        .map(drop)
}

/// Gives orders whose effects could not be brought about back after a pause that doubles each time, from two seconds to
/// an hour.
pub(crate) fn postpone_effects(connection: &mut PgConnection, failed: &[OrderId]) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.orders SET effects_failures = effects_failures + 1, \
        leased_until = clock_timestamp() + least(power(2, least(effects_failures, 20) + 1), 3600) * interval '1 second' \
        WHERE id = ANY (?)";
    if failed.is_empty() {
        return Ok(());
    }
    let ids = failed.iter().map(|order| order.uuid()).collect();
    Statement::new(SCHEMA, SQL, [Bind::Uuids(ids)])
        .execute(connection)
        .map(drop)
}

/// Gives up orders whose placing has stopped half-way: nobody holds their lease any more. Their effects undo what was
/// done. Answers how many.
pub(crate) fn give_up_placing(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "UPDATE @.orders AS given_up SET status = 'cancelled', version = version + 1, effects_pending = true, \
            cancelled_at = ?, updated_at = ? \
        FROM (SELECT id FROM @.orders WHERE status = 'placing' AND leased_until < clock_timestamp() \
              ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED) AS dead \
        WHERE given_up.id = dead.id";
    Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::Time(now), Bind::BigInt(limit)]).execute(connection)
}

/// Takes attempts whose outcome is open and nobody waits for.
pub(crate) fn take_unresolved(
    connection: &mut PgConnection,
    limit: i64,
    lease: Duration,
) -> QueryResult<Vec<PaymentId>> {
    const SQL: &str = "UPDATE @.payments AS taken SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        FROM (SELECT id FROM @.payments WHERE status IN ('created', 'sent', 'requires_action', 'unknown') AND leased_until < clock_timestamp() \
              ORDER BY leased_until LIMIT ? FOR UPDATE SKIP LOCKED) AS due \
        WHERE taken.id = due.id RETURNING taken.id";
    let rows: Vec<IdRow> =
        Statement::new(SCHEMA, SQL, [Bind::BigInt(milliseconds(lease)), Bind::BigInt(limit)]).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Takes operations that were sent and whose answer never came.
pub(crate) fn take_operations(connection: &mut PgConnection, limit: i64, lease: Duration) -> QueryResult<Vec<Uuid>> {
    const SQL: &str = "UPDATE @.operations AS taken SET leased_until = clock_timestamp() + ? * interval '1 millisecond' \
        FROM (SELECT id FROM @.operations WHERE status = 'sent' AND leased_until < clock_timestamp() \
              ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED) AS due \
        WHERE taken.id = due.id RETURNING taken.id";
    let rows: Vec<IdRow> =
        Statement::new(SCHEMA, SQL, [Bind::BigInt(milliseconds(lease)), Bind::BigInt(limit)]).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// The orders whose payment window has passed, and about none of whose attempts anybody waits for an answer.
pub(crate) fn overdue(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<Vec<OrderId>> {
    const SQL: &str = "SELECT id FROM @.orders WHERE status = 'pending_payment' AND payment_due_at < ? \
        AND NOT EXISTS (SELECT 1 FROM @.payments WHERE order_id = orders.id AND (status IN ('created', 'sent', 'unknown') \
            OR EXISTS (SELECT 1 FROM @.operations WHERE payment_id = payments.id AND operations.status = 'sent'))) \
        ORDER BY id LIMIT ?";
    let rows: Vec<IdRow> = Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::BigInt(limit)]).load(connection)?;
    Ok(rows.into_iter().map(|row| row.id.into()).collect())
}

/// Removes at most `limit` orders that were refused on their way before `before`.
pub(crate) fn prune_refused(connection: &mut PgConnection, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "DELETE FROM @.orders WHERE id IN (SELECT id FROM @.orders \
        WHERE status = 'cancelled' AND total IS NULL AND NOT effects_pending AND cancelled_at < ? LIMIT ?)";
    Statement::new(SCHEMA, SQL, [Bind::Time(before), Bind::BigInt(limit)]).execute(connection)
}

/// Gives an attempt back after two seconds: the provider has no news yet.
pub(crate) fn postpone_payment(connection: &mut PgConnection, payment: PaymentId) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.payments SET leased_until = clock_timestamp() + interval '2 seconds' WHERE id = ?";
    Statement::new(SCHEMA, SQL, [Bind::Uuid(payment.uuid())])
        .execute(connection)
        .map(drop)
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
}

#[derive(QueryableByName)]
struct EffectsRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    cart_id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    reservation_id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    cancelled: bool,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    version: i64,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    simple: bool,
}

impl EffectsRow {
    fn into_effects(self) -> Effects {
        Effects {
            order: self.id.into(),
            cart: self.cart_id.into(),
            reservation: self.reservation_id.into(),
            cancelled: self.cancelled,
            simple: self.simple,
            version: self.version,
        }
    }
}
