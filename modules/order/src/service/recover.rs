//! The recovery job: whatever stopped half-way is taken up by whoever comes first, this or another process.

use chrono::TimeDelta;
use database::Failure;
use kernel::Fault;
use kernel::id::PaymentId;
use kernel::job::Round;

use super::Service;
use super::settle::News;
use crate::domain::Actor;
use crate::error::OrderError;
use crate::queries::{payments, work};

/// How many rows one round takes of each kind.
const BATCH: i64 = 20;
/// How much longer than its deadline a charge may take to appear in the provider's books.
const GRACE: TimeDelta = TimeDelta::seconds(5);
/// How long an order that was refused on its way is kept.
const REFUSED_RETENTION: TimeDelta = TimeDelta::days(1);

impl Service {
    /// One round of the job.
    pub(crate) async fn recover(&self) -> Result<Round, Fault> {
        let (lease, now) = (self.lease(), self.shared.clock.now());
        let (given_up, unresolved, operations) = self
            .shared
            .db
            .run(move |connection| {
                let given_up = work::give_up_placing(connection, now)?;
                let unresolved = work::take_unresolved(connection, BATCH, lease)?;
                let operations = work::take_operations(connection, BATCH, lease)?;
                work::prune_never_placed(connection, now - REFUSED_RETENTION)?;
                Ok::<_, Failure<Fault>>((given_up, unresolved, operations))
            })
            .await?;
        if given_up > 0 {
            tracing::warn!(
                orders = given_up,
                "orders whose placing had stopped half-way were given up"
            );
            self.shared.effects.wake();
        }
        for payment in &unresolved {
            self.resolve(*payment).await?;
        }
        for operation in &operations {
            self.repeat(*operation).await?;
        }
        let overdue = self.cancel_overdue().await?;
        let more = unresolved.len() + operations.len() + overdue >= usize::try_from(BATCH).unwrap_or(usize::MAX);
        Ok(if more { Round::More } else { Round::Idle })
    }

    /// Asks the provider what became of a payment, and settles what it says.
    pub(crate) async fn resolve(&self, id: PaymentId) -> Result<(), Fault> {
        let payment = self
            .shared
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(payments::find(connection, id)?))
            .await?;
        let Some(payment) = payment else { return Ok(()) };
        let Some(provider) = self.shared.providers.known(&payment.provider) else {
            return Err(Fault::internal(format!(
                "no payment provider is called {}",
                payment.provider
            )));
        };
        let news = match self.shared.providers.within_deadline(provider.look_up(id)).await {
            Ok(Some(outcome)) => News::of(Ok(outcome)),
            // The charge may still be on its way; once it cannot be any more, it never was.
            Ok(None) => {
                let deadline = TimeDelta::from_std(self.shared.settings.provider_timeout).unwrap_or(GRACE) + GRACE;
                if self.shared.clock.now() < payment.created_at + deadline {
                    return self.look_again_soon(id).await;
                }
                News::failed("provider_error")
            }
            Err(failure) => {
                tracing::warn!(payment = %id, %failure, "the provider does not say what became of a payment");
                return Ok(());
            }
        };
        self.settle(id, news, Actor::System).await
    }

    async fn look_again_soon(&self, id: PaymentId) -> Result<(), Fault> {
        self.shared
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(work::release_payment(connection, id)?))
            .await
    }

    /// Repeats an operation whose answer never came; to the provider it is the same one.
    async fn repeat(&self, id: uuid::Uuid) -> Result<(), Fault> {
        let found = self
            .shared
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(payments::operation(connection, id)?))
            .await?;
        let Some(operation) = found else { return Ok(()) };
        match self.carry_out(&operation).await {
            Ok(_) => self.shared.effects.wake(),
            Err(OrderError::Fault(fault)) => return Err(fault),
            Err(refusal) => tracing::warn!(operation = %id, %refusal, "the provider refuses what was asked before"),
        }
        Ok(())
    }
}
