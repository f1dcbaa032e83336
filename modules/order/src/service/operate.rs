//! What staff and the jobs ask of providers about existing payments: capture, void, refund. Stored before the provider
//! is called, so that a repeat after a crash is the same operation to it.

use database::{Failure, OnViolation, refuse};
use diesel::prelude::*;
use kernel::Fault;
use kernel::event::Event;
use kernel::http::{Call, IfMatch};
use kernel::id::{OrderId, PaymentId};
use order_api::OrderPaid;
use uuid::Uuid;

use super::Service;
use super::reply::Reply;
use crate::domain::payment::{OperationKind, PaymentStatus};
use crate::domain::{Actor, Status};
use crate::error::OrderError;
use crate::providers::ProviderFailure;
use crate::queries::payments::{NewState, Operation, OperationStatus};
use crate::queries::{self, payments, reading};

impl Service {
    /// Staff capture, void or refund the payment of an order, in full. 200 where it is done, 202 where the provider has
    /// not answered yet.
    pub(crate) async fn operate_on_order(
        &self,
        order: OrderId,
        kind: OperationKind,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let once = |operation: Uuid| service.operate_once(order, kind, condition, operation);
            service.under_key(call, once).await
        })
        .await
    }

    async fn operate_once(
        &self,
        order: OrderId,
        kind: OperationKind,
        condition: IfMatch,
        operation: Uuid,
    ) -> Result<Reply, OrderError> {
        let payment = self.payment_for(order, kind, operation, &condition).await?;
        let done = self.operate(operation, payment, kind, Actor::Staff).await?;
        self.reply_with(order, if done { 200 } else { 202 }).await
    }

    /// The payment that `operation` is about, where it was begun before, else the one that `kind` can be done to.
    async fn payment_for(
        &self,
        order: OrderId,
        kind: OperationKind,
        operation: Uuid,
        condition: &IfMatch,
    ) -> Result<PaymentId, OrderError> {
        let condition = condition.clone();
        self.shared
            .db
            .run(move |connection| {
                let Some(found) = reading::order(connection, order)?.filter(|order| order.content.is_some()) else {
                    return refuse(OrderError::NotFound("order"));
                };
                if let Some(begun) = payments::operation(connection, operation)? {
                    return Ok(begun.payment);
                }
                if !condition.allows(found.version) {
                    return refuse(OrderError::VersionMismatch(found.version));
                }
                let attempts = reading::payments_of(connection, order)?;
                let suitable = attempts.iter().find(|payment| kind.amount_for(payment).is_some());
                match suitable {
                    Some(payment) => Ok(payment.id),
                    None => refuse(OrderError::NoSuitablePayment(participle(kind))),
                }
            })
            .await
    }

    /// Carries one operation out: true where it is done, false where the provider has not answered; then the recovery
    /// job asks again.
    pub(super) async fn operate(
        &self,
        id: Uuid,
        payment: PaymentId,
        kind: OperationKind,
        actor: Actor,
    ) -> Result<bool, OrderError> {
        let operation = self.begin_operation(id, payment, kind, actor).await?;
        match operation.status {
            OperationStatus::Succeeded => Ok(true),
            OperationStatus::Failed => Err(OrderError::ProviderRefused("it was refused before".to_owned())),
            OperationStatus::Sent => self.carry_out(&operation).await,
        }
    }

    async fn begin_operation(
        &self,
        id: Uuid,
        payment: PaymentId,
        kind: OperationKind,
        actor: Actor,
    ) -> Result<Operation, OrderError> {
        let (lease, now) = (self.lease(), self.shared.clock.now());
        self.shared
            .db
            .transaction(move |connection| {
                let order = payments::order_of(connection, payment)?;
                let order = order
                    .map(|order| reading::lock(connection, order))
                    .transpose()?
                    .flatten();
                let found = payments::lock(connection, payment)?;
                let (Some(order), Some(found)) = (order, found) else {
                    return refuse(OrderError::NotFound("payment"));
                };
                if let Some(begun) = payments::operation(connection, id)? {
                    return Ok(begun);
                }
                if payments::operation_on_its_way(connection, payment)?.is_some() {
                    return refuse(OrderError::PaymentInProgress);
                }
                if kind == OperationKind::Capture && !matches!(order.status, Status::Placed | Status::Completed) {
                    return refuse(OrderError::WrongState {
                        action: "captured",
                        status: order.status,
                    });
                }
                let Some(amount) = kind.amount_for(&found) else {
                    return refuse(OrderError::NoSuitablePayment(participle(kind)));
                };
                let amount = kernel::Money::new(amount, found.amount.currency);
                let operation = Operation {
                    id,
                    payment,
                    kind,
                    amount,
                    status: OperationStatus::Sent,
                    actor,
                };
                payments::insert_operation(connection, &operation, lease, now)
                    .on_violation("operations_one_at_a_time", || OrderError::PaymentInProgress)?;
                Ok(operation)
            })
            .await
    }

    /// Calls the provider about an operation that is on its way, and ends it with the answer.
    pub(super) async fn carry_out(&self, operation: &Operation) -> Result<bool, OrderError> {
        let payment = operation.payment;
        let found = self
            .query(move |connection| payments::find(connection, payment))
            .await?;
        let provider = self.provider(&found.ok_or(OrderError::NotFound("payment"))?.provider)?;
        let answer = match operation.kind {
            OperationKind::Capture => {
                self.shared
                    .providers
                    .within_deadline(provider.capture(operation.id, payment, operation.amount))
                    .await
            }
            OperationKind::Void => {
                self.shared
                    .providers
                    .within_deadline(provider.void(operation.id, payment, operation.amount))
                    .await
            }
            OperationKind::Refund => {
                self.shared
                    .providers
                    .within_deadline(provider.refund(operation.id, payment, operation.amount))
                    .await
            }
        };
        let refusal = match answer {
            Ok(()) => None,
            Err(ProviderFailure::Refused(reason)) => Some(reason),
            Err(failure @ ProviderFailure::Unknown(_)) => {
                tracing::warn!(operation = %operation.id, %failure, "the outcome is unknown and will be asked for");
                return Ok(false);
            }
        };
        let (operation, failure, now) = (operation.clone(), refusal.clone(), self.shared.clock.now());
        self.shared
            .db
            .transaction(move |connection| {
                Ok::<_, Failure<Fault>>(end_operation(connection, &operation, failure.as_deref(), now)?)
            })
            .await?;
        match refusal {
            None => Ok(true),
            Some(reason) => Err(OrderError::ProviderRefused(reason)),
        }
    }

    /// The order as it stands, under `status`.
    pub(super) async fn reply_with(&self, order: OrderId, status: u16) -> Result<Reply, OrderError> {
        let whole = self.query(move |connection| reading::whole(connection, order)).await?;
        Reply::order(status, whole.ok_or(OrderError::NotFound("order"))?)
    }
}

/// Ends an operation and does to the payment what it says; nothing where it has ended before.
fn end_operation(
    connection: &mut PgConnection,
    operation: &Operation,
    failure: Option<&str>,
    now: chrono::DateTime<chrono::Utc>,
) -> QueryResult<()> {
    let Some(order) = payments::order_of(connection, operation.payment)? else {
        return Ok(());
    };
    reading::lock(connection, order)?;
    let Some(payment) = payments::lock(connection, operation.payment)? else {
        return Ok(());
    };
    if !payments::end_operation(connection, operation.id, failure, now)? || failure.is_some() {
        return Ok(());
    }
    let become_status = |status, captured| NewState {
        status,
        captured,
        reference: None,
        next_action: None,
        failure: None,
    };
    match operation.kind {
        OperationKind::Capture => {
            let new = become_status(PaymentStatus::Captured, payment.amount.amount);
            payments::change(connection, &payment, &new, now)?;
            let paid = Event::of(&OrderPaid { order }, now).map_err(database::failed_by)?;
            database::outbox::append(connection, queries::SCHEMA, &paid)?;
        }
        OperationKind::Void => {
            payments::change(connection, &payment, &become_status(PaymentStatus::Voided, 0), now)?;
        }
        OperationKind::Refund => payments::add_refund(connection, payment.id, operation.amount.amount, now)?,
    }
    queries::touch(connection, order, now)?;
    queries::record(connection, order, past_tense(operation.kind), operation.actor, now)
}

fn participle(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Capture => "captured",
        OperationKind::Void => "voided",
        OperationKind::Refund => "refunded",
    }
}

fn past_tense(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Capture => "payment_captured",
        OperationKind::Void => "payment_voided",
        OperationKind::Refund => "payment_refunded",
    }
}
