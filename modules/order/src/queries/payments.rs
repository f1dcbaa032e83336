//! Attempts to pay, and what is asked of providers about them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use kernel::Money;
use kernel::id::{OrderId, PaymentId, ReturnId};
use serde_json::Value;
use uuid::Uuid;

use super::SCHEMA;
use super::placing::milliseconds;
use super::rows::{PaymentRow, currency_of, unreadable};
use crate::domain::Actor;
use crate::domain::payment::{OperationKind, Payment, PaymentStatus, Refund, RefundStatus};
use crate::providers::Attempt;
use crate::schema::{operations, orders, payments};

/// A payment, locked for the rest of the transaction. Its order is locked first, always.
pub(crate) fn lock(connection: &mut PgConnection, id: PaymentId) -> QueryResult<Option<Payment>> {
    let row = payments::table
        .find(id.uuid())
        .select(PaymentRow::as_select())
        .for_update()
        .first(connection)
        .optional()?;
    row.map(PaymentRow::into_payment).transpose()
}

/// The order that a payment is for.
pub(crate) fn order_of(connection: &mut PgConnection, id: PaymentId) -> QueryResult<Option<OrderId>> {
    let order: Option<Uuid> = payments::table
        .find(id.uuid())
        .select(payments::order_id)
        .first(connection)
        .optional()?;
    Ok(order.map(Into::into))
}

/// The attempt, as its provider has to know it.
pub(crate) fn attempt(connection: &mut PgConnection, id: PaymentId) -> QueryResult<Option<Attempt>> {
    let row: Option<(String, Option<String>)> = payments::table
        .find(id.uuid())
        .select((payments::provider, payments::reference))
        .first(connection)
        .optional()?;
    Ok(row.map(|(provider, reference)| Attempt {
        payment: id,
        provider,
        reference,
    }))
}

/// Writes down the provider's name for a charge that is about to be confirmed. False where the attempt was given up
/// meanwhile: then it must not be. Whoever gives up an attempt without a name locks it first, so that one of the two sees
/// what the other has done.
pub(crate) fn name(
    connection: &mut PgConnection,
    id: PaymentId,
    reference: &str,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    const SQL: &str = "UPDATE @.payments SET reference = ?, updated_at = ? \
        WHERE id = ? AND status IN ('sent', 'unknown') AND (reference IS NULL OR reference = ?)";
    let binds = [
        Bind::Text(reference.to_owned()),
        Bind::Time(now),
        Bind::Uuid(id.uuid()),
        Bind::Text(reference.to_owned()),
    ];
    let named = Statement::new(SCHEMA, SQL, binds).execute(connection)?;
    Ok(named == 1)
}

/// The payment that a provider knows by this name.
pub(crate) fn named(connection: &mut PgConnection, provider: &str, reference: &str) -> QueryResult<Option<PaymentId>> {
    let id: Option<Uuid> = payments::table
        .filter(payments::provider.eq(provider))
        .filter(payments::reference.eq(reference))
        .select(payments::id)
        .first(connection)
        .optional()?;
    Ok(id.map(Into::into))
}

/// A new attempt, leased to this process.
pub(crate) fn insert(connection: &mut PgConnection, payment: &Payment, lease: Duration) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.payments (id, order_id, provider, status, amount, currency, leased_until, created_at, updated_at) \
        VALUES (?, ?, ?, ?, ?, ?, clock_timestamp() + ? * interval '1 millisecond', ?, ?)";
    let binds = [
        Bind::Uuid(payment.id.uuid()),
        Bind::Uuid(payment.order.uuid()),
        Bind::Text(payment.provider.clone()),
        Bind::Text(payment.status.name().to_owned()),
        Bind::BigInt(payment.amount.amount),
        Bind::Text(payment.amount.currency.code().to_owned()),
        Bind::BigInt(milliseconds(lease)),
        Bind::Time(payment.created_at),
        Bind::Time(payment.created_at),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// What a payment becomes.
#[derive(Clone, Debug)]
pub(crate) struct NewState {
    pub(crate) status: PaymentStatus,
    pub(crate) captured: i64,
    pub(crate) reference: Option<String>,
    pub(crate) next_action: Option<Value>,
    pub(crate) failure: Option<String>,
}

/// Changes a payment that is still as it was read; false where it is not.
pub(crate) fn change(
    connection: &mut PgConnection,
    payment: &Payment,
    new: &NewState,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let reference = new.reference.as_ref();
    let changed = diesel::update(payments::table.find(payment.id.uuid()))
        .filter(payments::status.eq(payment.status.name()))
        .set((
            payments::status.eq(new.status.name()),
            payments::captured.eq(new.captured),
            reference.map(|reference| payments::reference.eq(reference)),
            payments::next_action.eq(&new.next_action),
            payments::failure.eq(&new.failure),
            // Whoever worked on the attempt has said what there was to say; what is still open is anybody's.
            payments::leased_until.eq(DateTime::UNIX_EPOCH),
            payments::updated_at.eq(now),
        ))
        .execute(connection)?;
    Ok(changed == 1)
}

/// Adds to what was given back; refused by a check where it would be more than was taken. Where it was `granted`, the order
/// is worth less from then on: `granted` minor units of it.
pub(crate) fn add_refund(
    connection: &mut PgConnection,
    payment: &Payment,
    amount: i64,
    granted: i64,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(payments::table.find(payment.id.uuid()))
        .set((
            payments::refunded.eq(payments::refunded + amount),
            payments::updated_at.eq(now),
        ))
        .execute(connection)?;
    if granted > 0 {
        diesel::update(orders::table.find(payment.order.uuid()))
            .set(orders::granted.eq(orders::granted + granted))
            .execute(connection)?;
    }
    Ok(())
}

/// Minor units that are given back for a return, or on their way.
pub(crate) fn refunded_for(connection: &mut PgConnection, id: ReturnId) -> QueryResult<i64> {
    let amounts: Vec<i64> = operations::table
        .filter(operations::return_id.eq(id.uuid()))
        .filter(operations::status.ne(OperationStatus::Failed.name()))
        .select(operations::amount)
        .load(connection)?;
    Ok(amounts.into_iter().sum())
}

/// How often the shop itself was refused this by the payment's provider.
pub(crate) fn refusals(connection: &mut PgConnection, payment: PaymentId, kind: OperationKind) -> QueryResult<i64> {
    operations::table
        .filter(operations::payment_id.eq(payment.uuid()))
        .filter(operations::kind.eq(kind.name()))
        .filter(operations::actor.eq(Actor::System.name()))
        .filter(operations::status.eq(OperationStatus::Failed.name()))
        .count()
        .get_result(connection)
}

/// The refunds of the payments of orders, oldest first.
pub(crate) fn refunds(connection: &mut PgConnection, orders: &[Uuid]) -> QueryResult<Vec<Refund>> {
    let rows = operations::table
        .inner_join(payments::table.on(payments::id.eq(operations::payment_id)))
        .filter(payments::order_id.eq_any(orders))
        .filter(operations::kind.eq(OperationKind::Refund.name()))
        .order(operations::id)
        .select((
            operations::id,
            operations::payment_id,
            operations::status,
            operations::amount,
            payments::currency,
            operations::reason,
            operations::return_id,
            operations::created_at,
        ))
        .load::<RefundRow>(connection)?;
    let refund = |(id, payment, status, amount, currency, reason, return_id, created_at): RefundRow| {
        Ok(Refund {
            id: id.into(),
            payment_id: payment.into(),
            status: match OperationStatus::named(&status)? {
                OperationStatus::Sent => RefundStatus::Pending,
                OperationStatus::Succeeded => RefundStatus::Succeeded,
                OperationStatus::Failed => RefundStatus::Failed,
            },
            amount: Money::new(amount, currency_of(&currency)?),
            reason,
            return_id: return_id.map(Into::into),
            created_at,
        })
    };
    rows.into_iter().map(refund).collect()
}

/// A refund as it is read.
type RefundRow = (
    Uuid,
    Uuid,
    String,
    i64,
    String,
    Option<String>,
    Option<Uuid>,
    DateTime<Utc>,
);

/// Something asked of a provider.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) id: Uuid,
    pub(crate) payment: PaymentId,
    pub(crate) kind: OperationKind,
    pub(crate) amount: Money,
    pub(crate) status: OperationStatus,
    pub(crate) actor: Actor,
    /// Of a capture: the rest of the promise is let go.
    pub(crate) is_final: bool,
    /// Of a refund: the order is worth less by it.
    pub(crate) granted: bool,
    pub(crate) reason: Option<String>,
    /// Of a refund: the return that it is for.
    pub(crate) return_id: Option<ReturnId>,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationStatus {
    Sent,
    Succeeded,
    Failed,
}

impl OperationStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    fn named(name: &str) -> QueryResult<Self> {
        let mut all = [Self::Sent, Self::Succeeded, Self::Failed].into_iter();
        all.find(|known| known.name() == name)
            .ok_or_else(|| unreadable("operations.status", name))
    }
}

/// A new operation, leased to this process. Violates `operations_one_at_a_time` while another is on its way.
pub(crate) fn insert_operation(
    connection: &mut PgConnection,
    operation: &Operation,
    lease: Duration,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.operations (id, payment_id, kind, status, amount, actor, actor_id, final, granted, \
            reason, return_id, leased_until, created_at, updated_at) \
        VALUES (?, ?, ?, 'sent', ?, ?, ?, ?, ?, ?, ?, clock_timestamp() + ? * interval '1 millisecond', ?, ?)";
    let binds = [
        Bind::Uuid(operation.id),
        Bind::Uuid(operation.payment.uuid()),
        Bind::Text(operation.kind.name().to_owned()),
        Bind::BigInt(operation.amount.amount),
        Bind::Text(operation.actor.name().to_owned()),
        Bind::NullableUuid(operation.actor.id().map(Into::into)),
        Bind::Bool(operation.is_final),
        Bind::Bool(operation.granted),
        Bind::NullableText(operation.reason.clone()),
        Bind::NullableUuid(operation.return_id.map(Into::into)),
        Bind::BigInt(milliseconds(lease)),
        Bind::Time(now),
        Bind::Time(now),
    ];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// The operation.
pub(crate) fn operation(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Operation>> {
    let found = operations::table
        .inner_join(payments::table.on(payments::id.eq(operations::payment_id)))
        .filter(operations::id.eq(id))
        .select((OperationRow::as_select(), payments::currency))
        .first::<(OperationRow, String)>(connection)
        .optional()?;
    let operation = |(row, currency): (OperationRow, String)| {
        Ok(Operation {
            id,
            payment: row.payment_id.into(),
            kind: OperationKind::named(&row.kind).ok_or_else(|| unreadable("operations.kind", &row.kind))?,
            amount: Money::new(row.amount, currency_of(&currency)?),
            actor: Actor::named(&row.actor, row.actor_id.map(Into::into))
                .ok_or_else(|| unreadable("operations.actor", &row.actor))?,
            status: OperationStatus::named(&row.status)?,
            is_final: row.is_final,
            granted: row.granted,
            reason: row.reason,
            return_id: row.return_id.map(Into::into),
        })
    };
    found.map(operation).transpose()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = operations)]
struct OperationRow {
    payment_id: Uuid,
    kind: String,
    amount: i64,
    status: String,
    actor: String,
    actor_id: Option<Uuid>,
    is_final: bool,
    granted: bool,
    reason: Option<String>,
    return_id: Option<Uuid>,
}

/// The operation on its way for a payment, if any.
pub(crate) fn operation_on_its_way(connection: &mut PgConnection, payment: PaymentId) -> QueryResult<Option<Uuid>> {
    operations::table
        .filter(operations::payment_id.eq(payment.uuid()))
        .filter(operations::status.eq(OperationStatus::Sent.name()))
        .select(operations::id)
        .first(connection)
        .optional()
}

/// Ends an operation that is on its way; false where it has ended before.
pub(crate) fn end_operation(
    connection: &mut PgConnection,
    id: Uuid,
    failure: Option<&str>,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let status = if failure.is_some() {
        OperationStatus::Failed
    } else {
        OperationStatus::Succeeded
    };
    let ended = diesel::update(operations::table.find(id))
        .filter(operations::status.eq(OperationStatus::Sent.name()))
        .set((
            operations::status.eq(status.name()),
            operations::failure.eq(failure),
            operations::updated_at.eq(now),
        ))
        .execute(connection)?;
    Ok(ended == 1)
}

/// The payment as it stands.
pub(crate) fn find(connection: &mut PgConnection, id: PaymentId) -> QueryResult<Option<Payment>> {
    let row = payments::table
        .find(id.uuid())
        .select(PaymentRow::as_select())
        .first(connection)
        .optional()?;
    row.map(PaymentRow::into_payment).transpose()
}
