//! The one place where news about a payment become facts: from the buyer's request, from the recovery job, from the
//! sandbox's challenge. Whoever comes first wins; whoever comes later finds it done.

use database::Failure;
use diesel::prelude::*;
use kernel::event::Event;
use kernel::id::PaymentId;
use kernel::{Fault, Money};
use order_api::{OrderPaid, OrderPlaced};
use serde_json::Value;

use super::Service;
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::{Actor, Order, Status};
use crate::error::OrderError;
use crate::providers::{Outcome, OutcomeState, ProviderFailure};
use crate::queries::payments::NewState;
use crate::queries::{self, SCHEMA, payments, reading};

/// What is said of a payment.
#[derive(Clone, Debug)]
pub(super) struct News {
    status: PaymentStatus,
    amount: Option<Money>,
    reference: Option<String>,
    next_action: Option<Value>,
    failure: Option<String>,
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
            OutcomeState::Declined(reason) => (PaymentStatus::Failed, None, Some(reason)),
            OutcomeState::Voided => (PaymentStatus::Voided, None, None),
        };
        Self {
            status,
            amount: outcome.amount,
            reference: outcome.reference,
            next_action,
            failure,
        }
    }

    /// The attempt has failed for a reason of ours.
    pub(super) fn failed(reason: &str) -> Self {
        Self {
            failure: Some(reason.to_owned()),
            ..Self::bare(PaymentStatus::Failed)
        }
    }

    fn bare(status: PaymentStatus) -> Self {
        Self {
            status,
            amount: None,
            reference: None,
            next_action: None,
            failure: None,
        }
    }

    /// The news as far as they can be believed: a success over another amount is not one of this order.
    fn believed(self, payment: &Payment) -> Self {
        match self.amount {
            Some(amount) if amount != payment.amount => {
                tracing::error!(payment = %payment.id, said = %amount, expected = %payment.amount,
                    "the provider speaks of another amount; the payment stays unresolved until somebody looks");
                Self::bare(PaymentStatus::Unknown)
            }
            _ => self,
        }
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
    let news = news.believed(&payment);
    if !payment.status.may_become(news.status) {
        return Ok(false);
    }
    let captured = if news.status == PaymentStatus::Captured {
        payment.amount.amount
    } else {
        0
    };
    let new = NewState {
        status: news.status,
        captured,
        reference: news.reference,
        next_action: news.next_action,
        failure: news.failure,
    };
    payments::change(connection, &payment, &new, now)?;
    match (new.status, order.status) {
        (status, Status::PendingPayment) if status.is_success() => {
            queries::change_status(connection, order.id, Status::PendingPayment, Status::Placed, now)?;
            queries::record(connection, order.id, "placed", actor, now)?;
            publish_placed(connection, &order, now)?;
            return Ok(true);
        }
        // Paid for already, or over: the money goes back.
        (status, standing) if status.is_success() => {
            if status == PaymentStatus::Captured && matches!(standing, Status::Placed | Status::Completed) {
                let paid = Event::of(&OrderPaid { order: order.id }, now).map_err(database::failed_by)?;
                database::outbox::append(connection, SCHEMA, &paid)?;
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
    let event = Event::of(&placed, now).map_err(|fault| diesel::result::Error::SerializationError(fault.into()))?;
    database::outbox::append(connection, SCHEMA, &event)
}
