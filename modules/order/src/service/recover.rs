//! The recovery jobs: whatever stopped half-way is taken up by whoever comes first, this or another process.

use chrono::TimeDelta;
use database::Failure;
use futures_util::future::join_all;
use kernel::Fault;
use kernel::id::PaymentId;
use kernel::job::Round;
use uuid::Uuid;

use super::Service;
use super::settle::News;
use crate::domain::Actor;
use crate::domain::payment::Payment;
use crate::error::OrderError;
use crate::providers::{Attempt, Provider, ProviderFailure};
use crate::queries::{effects, payments, stock, work};

/// How many rows one round takes of each kind.
const BATCH: i64 = 20;
/// How much longer than its deadline a charge may take to appear in the provider's books.
const GRACE: TimeDelta = TimeDelta::seconds(5);
/// How long an order that was refused on its way is kept.
const REFUSED_RETENTION: TimeDelta = TimeDelta::days(1);

impl Service {
    /// One round over orders that stand still: dead ones are given up, unpaid ones cancelled.
    pub(crate) async fn clear_up(&self) -> Result<Round, Fault> {
        let now = self.shared.clock.now();
        let given_up = self
            .query(move |connection| work::give_up_placing(connection, now, BATCH))
            .await?;
        if given_up > 0 {
            tracing::warn!(
                orders = given_up,
                "orders whose placing had stopped half-way were given up"
            );
            self.shared.effects.wake();
        }
        // Stock that was asked for by somebody who has died since.
        let changed = self
            .shared
            .db
            .transaction(move |connection| {
                let orders = stock::give_up_dead(connection, BATCH)?;
                for order in &orders {
                    effects::ask(connection, *order)?;
                }
                Ok::<_, Failure<Fault>>(orders.len())
            })
            .await?;
        if changed > 0 {
            self.shared.effects.wake();
        }
        let cancelled = self.cancel_overdue().await?;
        Ok(if given_up + changed + cancelled > 0 {
            Round::More
        } else {
            Round::Idle
        })
    }

    /// One round over money whose fate is open. Providers are asked side by side; one that fails delays no other.
    pub(crate) async fn follow_the_money(&self) -> Result<Round, Fault> {
        let lease = self.lease();
        let (unresolved, operations) = self
            .query(move |connection| {
                let unresolved = work::take_unresolved(connection, BATCH, lease)?;
                Ok((unresolved, work::take_operations(connection, BATCH, lease)?))
            })
            .await?;
        for outcome in join_all(unresolved.iter().map(|payment| self.resolve(*payment))).await {
            if let Err(fault) = outcome {
                tracing::warn!(%fault, "what became of a payment is not known yet");
            }
        }
        for outcome in join_all(operations.iter().map(|operation| self.repeat(*operation))).await {
            match outcome {
                Ok(()) => self.shared.effects.wake(),
                Err(error) => tracing::warn!(%error, "something asked of a provider is not done yet"),
            }
        }
        Ok(Round::Idle)
    }

    /// Removes orders that were refused on their way a day ago.
    pub(crate) async fn prune(&self) -> Result<Round, Fault> {
        let before = self.shared.clock.now() - REFUSED_RETENTION;
        let removed = self
            .query(move |connection| work::prune_refused(connection, before, 1000))
            .await?;
        Ok(if removed == 1000 { Round::More } else { Round::Idle })
    }

    /// Asks the provider what became of a payment, and settles what it says.
    pub(crate) async fn resolve(&self, id: PaymentId) -> Result<(), Fault> {
        let found = self
            .query(move |connection| {
                let attempt = payments::attempt(connection, id)?;
                Ok(payments::find(connection, id)?.zip(attempt))
            })
            .await?;
        let Some((payment, attempt)) = found else {
            return Ok(());
        };
        let Some(provider) = self.shared.providers.known(&payment.provider) else {
            return Err(Fault::internal(format!(
                "no payment provider is called {}",
                payment.provider
            )));
        };
        match self.shared.providers.within_deadline(provider.look_up(&attempt)).await {
            Ok(Some(outcome)) => self.settle(id, News::of(Ok(outcome)), Actor::System).await,
            Ok(None) => self.forbid(&payment, &attempt, &*provider).await,
            Err(failure) => Err(Fault::unavailable(format!("payment {id}: {failure}"))),
        }
    }

    /// The provider has never heard of a charge. It may still be on its way: after a while it is forbidden there, and
    /// only when that has succeeded it counts as failed here.
    async fn forbid(&self, payment: &Payment, attempt: &Attempt, provider: &dyn Provider) -> Result<(), Fault> {
        if !payment.status.is_unresolved() {
            return Ok(());
        }
        let id = payment.id;
        let deadline = TimeDelta::from_std(self.shared.settings.provider_timeout).unwrap_or(GRACE) + GRACE;
        if self.shared.clock.now() < payment.created_at + deadline {
            return self
                .query(move |connection| work::postpone_payment(connection, id))
                .await;
        }
        let forbidden = provider.void(id.uuid(), attempt, payment.amount);
        let failed = News::failed("provider_error");
        // Between our reading and our writing, whoever was at it may have got a name for the charge, and goes on.
        let failed = match attempt.reference {
            Some(_) => failed,
            None => failed.while_unnamed(),
        };
        match self.shared.providers.within_deadline(forbidden).await {
            Ok(()) => self.settle(id, failed, Actor::System).await,
            // It has arrived at this very moment: the next round asks again.
            Err(ProviderFailure::Refused(_)) => {
                self.query(move |connection| work::postpone_payment(connection, id))
                    .await
            }
            Err(failure) => Err(Fault::unavailable(format!("payment {id}: {failure}"))),
        }
    }

    /// Repeats an operation whose answer never came; to the provider it is the same one.
    pub(super) async fn repeat(&self, id: Uuid) -> Result<(), OrderError> {
        let found = self
            .query(move |connection| payments::operation(connection, id))
            .await?;
        let Some(operation) = found else { return Ok(()) };
        self.carry_out(&operation).await.map(drop)
    }
}
