//! What staff and the jobs ask of providers about existing payments: capture, void, refund. Stored before the provider
//! is called, so that a repeat after a crash is the same operation to it.

use chrono::{DateTime, Utc};
use database::{Failure, OnViolation, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::http::{Call, IfMatch};
use kernel::id::{OrderId, PaymentId, ReturnId};
use kernel::{Fault, FieldErrors, Money};
use order_api::{OrderCaptured, OrderRefunded};
use serde_json::json;
use uuid::Uuid;

use super::Service;
use super::reply::Reply;
use crate::domain::payment::{OperationKind, Payment, surplus};
use crate::domain::returning::ReturnStatus;
use crate::domain::view::Audience;
use crate::domain::{Actor, Order, Status};
use crate::error::OrderError;
use crate::providers::ProviderFailure;
use crate::queries::payments::{NewState, Operation, OperationStatus};
use crate::queries::{self, Entry, payments, publish, reading, returns};

/// What staff ask about the money of an order.
#[derive(Clone, Debug)]
pub(crate) struct MoneyRequest {
    pub(crate) kind: OperationKind,
    /// Of which payment; of the first that it can be asked of where nobody says.
    pub(crate) payment: Option<PaymentId>,
    /// How much; all that there is where nobody says.
    pub(crate) amount: Option<Money>,
    /// Of a capture: that nothing more will be taken.
    pub(crate) is_final: bool,
    pub(crate) reason: Option<String>,
    /// Of a refund: the return that it is for.
    pub(crate) return_id: Option<ReturnId>,
}

/// Something to be asked of a provider.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) kind: OperationKind,
    pub(super) amount: Option<Money>,
    pub(super) is_final: bool,
    /// Of a refund: the order is worth less by it.
    pub(super) granted: bool,
    /// Only as far as the order does not need the money, which is looked at once more.
    pub(super) is_surplus: bool,
    pub(super) reason: Option<String>,
    pub(super) return_id: Option<ReturnId>,
    pub(super) actor: Actor,
}

impl Asked {
    /// What an order does not need is undone.
    pub(super) fn of_surplus(kind: OperationKind) -> Self {
        Self {
            kind,
            is_surplus: true,
            ..Self::to_void(Actor::System)
        }
    }

    /// An attempt is given up.
    pub(super) fn to_void(actor: Actor) -> Self {
        Self {
            kind: OperationKind::Void,
            amount: None,
            is_final: false,
            granted: false,
            is_surplus: false,
            reason: None,
            return_id: None,
            actor,
        }
    }
}

impl Service {
    /// Staff capture, void or refund a payment of an order. 200 where it is done, 202 where the provider has not answered
    /// yet.
    pub(crate) async fn operate_on_order(
        &self,
        order: OrderId,
        request: MoneyRequest,
        actor: Actor,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let once = |operation: Uuid| service.operate_once(order, request, actor, condition, operation);
            service.under_key(call, once).await
        })
        .await
    }

    async fn operate_once(
        &self,
        order: OrderId,
        request: MoneyRequest,
        actor: Actor,
        condition: IfMatch,
        operation: Uuid,
    ) -> Result<Reply, OrderError> {
        let payment = self.payment_for(order, &request, operation, &condition).await?;
        let asked = Asked {
            kind: request.kind,
            amount: request.amount,
            is_final: request.is_final,
            granted: request.kind == OperationKind::Refund,
            is_surplus: false,
            reason: request.reason,
            return_id: request.return_id,
            actor,
        };
        let done = self.operate(operation, payment, asked).await?;
        self.reply_with(order, if done { 200 } else { 202 }, Audience::Staff)
            .await
    }

    /// The payment that `operation` is about, where it was begun before, else the one that was named, or that it can be asked
    /// of.
    async fn payment_for(
        &self,
        order: OrderId,
        request: &MoneyRequest,
        operation: Uuid,
        condition: &IfMatch,
    ) -> Result<PaymentId, OrderError> {
        let (condition, kind, named) = (condition.clone(), request.kind, request.payment);
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
                if let Some(named) = named {
                    return match attempts.iter().any(|payment| payment.id == named) {
                        true => Ok(named),
                        false => refuse(OrderError::NotFound("payment")),
                    };
                }
                let suitable = attempts.iter().find(|payment| kind.most_for(payment).is_some());
                match suitable {
                    Some(payment) => Ok(payment.id),
                    None => refuse(OrderError::NoSuitablePayment(participle(kind))),
                }
            })
            .await
    }

    /// Carries one operation out: true where it is done, false where the provider has not answered; then the recovery
    /// job asks again.
    pub(super) async fn operate(&self, id: Uuid, payment: PaymentId, asked: Asked) -> Result<bool, OrderError> {
        let Some(operation) = self.begin_operation(id, payment, asked).await? else {
            return Ok(true);
        };
        match operation.status {
            OperationStatus::Succeeded => Ok(true),
            OperationStatus::Failed => Err(OrderError::ProviderRefused("it was refused before".to_owned())),
            OperationStatus::Sent => self.carry_out(&operation).await,
        }
    }

    /// `None` where surplus is to be undone and there is none any more.
    async fn begin_operation(
        &self,
        id: Uuid,
        payment: PaymentId,
        asked: Asked,
    ) -> Result<Option<Operation>, OrderError> {
        let (lease, now) = (self.lease(), self.shared.clock.now());
        let providers = self.shared.providers.clone();
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
                    return Ok(Some(begun));
                }
                if payments::operation_on_its_way(connection, payment)?.is_some() {
                    return refuse(OrderError::PaymentInProgress);
                }
                if asked.kind == OperationKind::Capture && !matches!(order.status, Status::Placed | Status::Completed) {
                    return refuse(OrderError::WrongState {
                        action: "captured",
                        status: order.status,
                    });
                }
                let attempts = reading::payments_of(connection, order.id)?;
                let amount = match asked.is_surplus {
                    true => {
                        let undone = surplus(order.worth(), &attempts);
                        let still = undone
                            .iter()
                            .find(|(of, kind, _)| (*of, *kind) == (payment, asked.kind));
                        let Some((.., amount)) = still else { return Ok(None) };
                        Money::new(*amount, found.amount.currency)
                    }
                    false => {
                        let left = match asked.return_id {
                            Some(id) => Some(left_of_return(connection, order.id, id)?.or_refuse()?),
                            None => None,
                        };
                        amount_of(&asked, &order, &found, &attempts, left).or_refuse()?
                    }
                };
                let takes_parts = providers
                    .known(&found.provider)
                    .is_some_and(|provider| provider.captures_in_parts());
                let operation = Operation {
                    id,
                    payment,
                    kind: asked.kind,
                    amount,
                    status: OperationStatus::Sent,
                    actor: asked.actor,
                    is_final: asked.is_final || (asked.kind == OperationKind::Capture && !takes_parts),
                    granted: asked.granted,
                    reason: asked.reason,
                    return_id: asked.return_id,
                };
                payments::insert_operation(connection, &operation, lease, now)
                    .on_violation("operations_one_at_a_time", || OrderError::PaymentInProgress)?;
                Ok(Some(operation))
            })
            .await
    }

    /// Calls the provider about an operation that is on its way, and ends it with the answer.
    pub(super) async fn carry_out(&self, operation: &Operation) -> Result<bool, OrderError> {
        let payment = operation.payment;
        let found = self
            .query(move |connection| payments::attempt(connection, payment))
            .await?;
        let attempt = found.ok_or(OrderError::NotFound("payment"))?;
        let provider = self.provider(&attempt.provider)?;
        let answer = match operation.kind {
            OperationKind::Capture => {
                self.shared
                    .providers
                    .within_deadline(provider.capture(operation.id, &attempt, operation.amount))
                    .await
            }
            OperationKind::Void => {
                self.shared
                    .providers
                    .within_deadline(provider.void(operation.id, &attempt, operation.amount))
                    .await
            }
            OperationKind::Refund => {
                self.shared
                    .providers
                    .within_deadline(provider.refund(operation.id, &attempt, operation.amount))
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
    pub(super) async fn reply_with(
        &self,
        order: OrderId,
        status: u16,
        audience: Audience,
    ) -> Result<Reply, OrderError> {
        let whole = self.query(move |connection| reading::whole(connection, order)).await?;
        Reply::order(status, whole.ok_or(OrderError::NotFound("order"))?, audience)
    }
}

/// How much is moved: what was asked for, or all that there is; never more than that, and never more of a promise than the
/// order needs.
fn amount_of(
    asked: &Asked,
    order: &Order,
    payment: &Payment,
    attempts: &[Payment],
    left_of_return: Option<i64>,
) -> Result<Money, OrderError> {
    let most = match asked.kind.most_for(payment) {
        Some(most) if asked.kind == OperationKind::Capture => {
            let taken: i64 = attempts.iter().map(|other| other.captured - other.refunded).sum();
            Some(most.min(order.worth() - taken)).filter(|most| *most > 0)
        }
        most => most.map(|most| left_of_return.map_or(most, |left| most.min(left))),
    };
    let most = most.filter(|most| *most > 0);
    let Some(most) = most else {
        return Err(OrderError::NoSuitablePayment(participle(asked.kind)));
    };
    let most = Money::new(most, payment.amount.currency);
    match asked.amount {
        None => Ok(most),
        Some(amount) if amount.currency != most.currency => Err(OrderError::Invalid(FieldErrors::one(
            "/amount/currency",
            "wrong_currency",
            format!("the payment is in {}", most.currency.code()),
        ))),
        Some(amount) if amount.amount < 1 || amount.amount > most.amount => Err(OrderError::Invalid(FieldErrors::one(
            "/amount",
            "out_of_range",
            format!("at most {most} can be {}", participle(asked.kind)),
        ))),
        Some(amount) => Ok(amount),
    }
}

/// Ends an operation and does to the payment what it says, with all that follows; nothing where it has ended before.
fn end_operation(
    connection: &mut PgConnection,
    operation: &Operation,
    failure: Option<&str>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let Some(order) = payments::order_of(connection, operation.payment)? else {
        return Ok(());
    };
    let Some(found) = reading::lock(connection, order)? else {
        return Ok(());
    };
    let Some(payment) = payments::lock(connection, operation.payment)? else {
        return Ok(());
    };
    if !payments::end_operation(connection, operation.id, failure, now)? {
        return Ok(());
    }
    let detail = json!({
        "payment_id": payment.id,
        "amount": operation.amount,
        "reason": operation.reason,
        "failure": failure,
    });
    let entry = |kind: &'static str| Entry {
        kind,
        actor: operation.actor,
        detail: Some(detail),
        internal: failure.is_some(),
    };
    if failure.is_some() {
        queries::touch(connection, order, now)?;
        return queries::write_down(connection, order, entry(failed(operation.kind)), now);
    }
    let amount = operation.amount.amount;
    // Nothing where the provider has told of it meanwhile: that counts already.
    let after = payment.after(operation.kind, amount, operation.is_final);
    let before = reading::payments_of(connection, order)?;
    let granted = match operation.granted {
        true => granted(&found, &before, amount),
        false => 0,
    };
    match (operation.kind, after) {
        (OperationKind::Refund, _) => payments::add_refund(connection, &payment, amount, granted, now)?,
        (OperationKind::Capture | OperationKind::Void, Some((status, captured))) => {
            let new = NewState {
                status,
                captured,
                reference: None,
                next_action: None,
                failure: None,
            };
            payments::change(connection, &payment, &new, now)?;
        }
        (OperationKind::Capture | OperationKind::Void, None) => (),
    }
    queries::touch(connection, order, now)?;
    queries::write_down(connection, order, entry(past_tense(operation.kind)), now)?;
    match operation.kind {
        OperationKind::Void => (),
        OperationKind::Capture if after.is_none() => (),
        OperationKind::Capture => {
            let captured = OrderCaptured {
                order,
                payment: payment.id,
                amount: operation.amount,
            };
            publish(connection, &captured, now)?;
            // The order may be worth less than when the money was asked for.
            let taken: i64 = before.iter().map(|other| other.captured - other.refunded).sum();
            if taken + amount > found.worth() {
                queries::effects::ask(connection, order)?;
            }
            queries::complete_if_done(connection, order, now)?;
        }
        OperationKind::Refund => {
            let refunded = OrderRefunded {
                order,
                refund: operation.id.into(),
                amount: operation.amount,
                granted: Money::new(granted, operation.amount.currency),
                return_id: operation.return_id,
            };
            publish(connection, &refunded, now)?;
        }
    }
    Ok(())
}

/// By how much an order is worth less when staff give `amount` back: what it does not need anyway is no favour, and an order
/// that is not placed gets none.
fn granted(order: &Order, payments: &[Payment], amount: i64) -> i64 {
    if !matches!(order.status, Status::Placed | Status::Completed) {
        return 0;
    }
    let taken: i64 = payments.iter().map(|payment| payment.captured - payment.refunded).sum();
    let surplus = (taken - order.worth()).max(0);
    amount - amount.min(surplus)
}

/// What is left to be paid back of the goods that have come with a return of an order.
fn left_of_return(connection: &mut PgConnection, order: OrderId, id: ReturnId) -> QueryResult<Result<i64, OrderError>> {
    let found = returns::find(connection, id)?.filter(|(of, _)| *of == order);
    let Some((_, found)) = found else {
        let unknown = FieldErrors::one("/return_id", "unknown", "the order has no such return");
        return Ok(Err(OrderError::Invalid(unknown)));
    };
    if found.status != ReturnStatus::Received {
        return Ok(Err(OrderError::ReturnIs(found.status)));
    }
    Ok(Ok(found.value.amount - payments::refunded_for(connection, id)?))
}

fn failed(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Capture => "capture_failed",
        OperationKind::Void => "void_failed",
        OperationKind::Refund => "refund_failed",
    }
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
