//! The one place where news about a payment become facts: from the buyer's request, from the recovery job, from the
//! sandbox's challenge. Whoever comes first wins; whoever comes later finds it done.

use database::Failure;
use diesel::prelude::*;
use kernel::id::PaymentId;
use kernel::{Fault, Money};
use order_api::{OrderCaptured, OrderPlaced};
use serde_json::Value;

use super::Service;
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::{Actor, Order, Status};
use crate::error::OrderError;
use crate::providers::{Outcome, OutcomeState, ProviderFailure};
use crate::queries::payments::NewState;
use crate::queries::{self, payments, reading};

/// What is said of a payment.
#[derive(Clone, Debug)]
pub(super) struct News {
    status: PaymentStatus,
    amount: Option<Money>,
    captured: Option<Money>,
    reference: Option<String>,
    next_action: Option<Value>,
    failure: Option<String>,
    /// Whether they count only while the provider has no name for the charge.
    while_unnamed: bool,
}

impl News {
    /// What a provider's answer means.
    pub(super) fn of(answer: Result<Outcome, ProviderFailure>) -> Self {
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(ProviderFailure::Unknown(_)) => return Self::bare(PaymentStatus::Unknown),
            Err(ProviderFailure::Refused(_)) => return Self::failed("provider_refused"),
        };
        let (status, next_action, failure) = match outcome.state {
            OutcomeState::Authorized => (PaymentStatus::Authorized, None, None),
            OutcomeState::Captured => (PaymentStatus::Captured, None, None),
            OutcomeState::RequiresAction(action) => (PaymentStatus::RequiresAction, Some(action), None),
            OutcomeState::Processing => (PaymentStatus::Unknown, None, None),
            OutcomeState::Declined(reason) => (PaymentStatus::Failed, None, Some(reason)),
            OutcomeState::Voided => (PaymentStatus::Voided, None, None),
        };
        Self {
            status,
            amount: outcome.amount,
            captured: outcome.captured,
            reference: outcome.reference,
            next_action,
            failure,
            while_unnamed: false,
        }
    }

    /// The attempt has failed for a reason of ours.
    pub(super) fn failed(reason: &str) -> Self {
        Self {
            failure: Some(reason.to_owned()),
            ..Self::bare(PaymentStatus::Failed)
        }
    }

    /// The same, unless the provider has a name for the charge by now: then it may have been confirmed.
    pub(super) fn while_unnamed(self) -> Self {
        Self {
            while_unnamed: true,
            ..self
        }
    }

    fn bare(status: PaymentStatus) -> Self {
        Self {
            status,
            amount: None,
            captured: None,
            reference: None,
            next_action: None,
            failure: None,
            while_unnamed: false,
        }
    }

    /// The news as far as they can be believed: a success over another amount, or by another name, is not one of this
    /// order. `reference` is the name that we know.
    fn believed(self, payment: &Payment, reference: Option<&str>) -> Self {
        let taken = self.captured.map(|captured| captured.amount);
        let other_amount = self.amount.is_some_and(|amount| amount != payment.amount)
            || self
                .captured
                .is_some_and(|captured| captured.currency != payment.amount.currency)
            || taken.is_some_and(|taken| !(1..=payment.amount.amount).contains(&taken));
        let other_name = self
            .reference
            .as_deref()
            .zip(reference)
            .is_some_and(|(said, known)| said != known);
        if !other_amount && !other_name {
            return self;
        }
        metrics::counter!("shop_payment_mismatches_total", "provider" => payment.provider.clone()).increment(1);
        tracing::error!(payment = %payment.id, expected = %payment.amount, other_amount, other_name,
            "the provider speaks of another amount or charge; the payment stays unresolved until somebody looks");
        Self::bare(PaymentStatus::Unknown)
    }
}

impl Service {
    /// The buyer has answered a challenge of the sandbox; false where nothing waited for the answer.
    pub(crate) async fn authenticate(&self, reference: String, approve: bool) -> Result<bool, OrderError> {
        self.detached(|service| async move { Ok(service.authenticate_once(reference, approve).await?) })
            .await
    }

    async fn authenticate_once(&self, reference: String, approve: bool) -> Result<bool, Fault> {
        let Some((payment, waited)) = self.shared.sandbox.authenticate(reference, approve).await? else {
            return Ok(false);
        };
        // Also where the answer had come before: whoever brought it may have died with the news.
        self.resolve(payment).await?;
        Ok(waited)
    }

    /// Makes news about a payment a fact, in one transaction with everything that follows from it.
    pub(super) async fn settle(&self, payment: PaymentId, news: News, actor: Actor) -> Result<(), Fault> {
        let now = self.shared.clock.now();
        let placed = self
            .shared
            .db
            .transaction(move |connection| Ok::<_, Failure<Fault>>(settle(connection, payment, news, actor, now)?))
            .await?;
        if placed {
            self.shared.mails.wake();
        }
        self.shared.effects.wake();
        Ok(())
    }
}

/// True where the order was placed by this.
fn settle(
    connection: &mut PgConnection,
    id: PaymentId,
    news: News,
    actor: Actor,
    now: chrono::DateTime<chrono::Utc>,
) -> QueryResult<bool> {
    // The order is locked before its payment, always, so that two settlers never wait for each other.
    let Some(order) = payments::order_of(connection, id)? else {
        return Ok(false);
    };
    let Some(order) = reading::lock(connection, order)? else {
        return Ok(false);
    };
    let Some(payment) = payments::lock(connection, id)? else {
        return Ok(false);
    };
    let reference = payments::attempt(connection, id)?.and_then(|attempt| attempt.reference);
    if news.while_unnamed && reference.is_some() {
        return Ok(false);
    }
    let news = news.believed(&payment, reference.as_deref());
    if !payment.status.may_become(news.status) {
        return Ok(false);
    }
    let captured = match news.status {
        PaymentStatus::Captured => news.captured.unwrap_or(payment.amount).amount,
        _ => 0,
    };
    let new = NewState {
        status: news.status,
        captured,
        reference: news.reference,
        next_action: news.next_action,
        failure: news.failure,
    };
    payments::change(connection, &payment, &new, now)?;
    let payments = reading::payments_of(connection, order.id)?;
    let held: i64 = payments.iter().map(Payment::held).sum();
    match (new.status, order.status) {
        (status, Status::PendingPayment) if status.is_success() && held >= order.worth() => {
            queries::change_status(connection, order.id, Status::PendingPayment, Status::Placed, now)?;
            queries::record(connection, order.id, "placed", actor, now)?;
            publish_placed(connection, &order, now)?;
            return Ok(true);
        }
        // A part of what is missing, or what was promised before, or what an order costs more since it was changed.
        (status, Status::PendingPayment | Status::Placed | Status::Completed)
            if status.is_success() && held <= order.worth() =>
        {
            queries::touch(connection, order.id, now)?;
            queries::record(connection, order.id, "payment_received", actor, now)?;
            if status == PaymentStatus::Captured && order.status != Status::PendingPayment {
                let captured = OrderCaptured {
                    order: order.id,
                    payment: id,
                    amount: Money::new(captured, payment.amount.currency),
                };
                queries::publish(connection, &captured, now)?;
            }
            queries::complete_if_done(connection, order.id, now)?;
        }
        // Paid for already, or over: the money goes back.
        (status, _) if status.is_success() => {
            if status == PaymentStatus::Captured && matches!(order.status, Status::Placed | Status::Completed) {
                let captured = OrderCaptured {
                    order: order.id,
                    payment: id,
                    amount: Money::new(captured, payment.amount.currency),
                };
                queries::publish(connection, &captured, now)?;
            }
            tracing::warn!(order = %order.id, payment = %id, "money arrived for an order that does not need it; it will be returned");
            queries::touch(connection, order.id, now)?;
            queries::effects::ask(connection, order.id)?;
        }
        (PaymentStatus::Failed, _) => {
            queries::touch(connection, order.id, now)?;
            queries::record(connection, order.id, "payment_failed", actor, now)?;
        }
        _ => queries::touch(connection, order.id, now)?,
    }
    Ok(false)
}

fn publish_placed(connection: &mut PgConnection, order: &Order, now: chrono::DateTime<chrono::Utc>) -> QueryResult<()> {
    let Some(content) = &order.content else { return Ok(()) };
    let placed = OrderPlaced {
        order: order.id,
        number: order.number.clone(),
        user: order.user,
        cart: order.cart,
        total: content.totals.total,
    };
    queries::publish(connection, &placed, now)
}
