//! What the module's jobs pick up: rows are shared between replicas by leases in the database's time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::id::{OrderId, PaymentId};
use uuid::Uuid;

use super::SCHEMA;
use super::placing::milliseconds;

/// Gives up orders whose placing has stopped half-way: nobody holds their lease any more. Their effects undo what was
/// done. Answers how many.
pub(crate) fn give_up_placing(connection: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
    const SQL: &str = "WITH given_up AS ( \
            UPDATE @.orders AS given_up SET status = 'cancelled', version = version + 1, cancelled_at = ?, updated_at = ? \
            FROM (SELECT id FROM @.orders WHERE status = 'placing' AND leased_until < clock_timestamp() \
                  ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED) AS dead \
            WHERE given_up.id = dead.id RETURNING given_up.id) \
        INSERT INTO @.effects (order_id) SELECT id FROM given_up";
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
        WHERE status = 'cancelled' AND total IS NULL AND cancelled_at < ? \
            AND NOT EXISTS (SELECT FROM @.effects WHERE order_id = orders.id) LIMIT ?)";
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
