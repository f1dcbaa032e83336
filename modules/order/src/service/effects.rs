//! What follows from the end of an order, after the answer: stock and cart are told, surplus payments are undone. Every
//! step is repeatable; an order keeps its mark until all of them are done.

use std::time::Duration;

use futures_util::future::{join, join_all};
use kernel::Fault;
use kernel::id::OrderId;
use kernel::job::Round;
use uuid::Uuid;

use super::Service;
use crate::domain::Actor;
use crate::domain::payment::surplus;
use crate::error::OrderError;
use crate::queries::reading;
use crate::queries::work::{self, Effects};

/// How many orders one round takes.
const BATCH: i64 = 100;
/// How long a round waits for company: orders that are placed at the same time are told to stock and cart together.
const GATHERING: Duration = Duration::from_millis(10);

impl Service {
    /// One round of the job.
    pub(crate) async fn bring_about(&self) -> Result<Round, Fault> {
        tokio::time::sleep(GATHERING).await;
        let lease = self.lease();
        let taken = self
            .query(move |connection| work::take_effects(connection, None, BATCH, lease))
            .await?;
        let full = taken.len() == usize::try_from(BATCH).unwrap_or(0);
        self.finish(taken).await?;
        Ok(if full { Round::More } else { Round::Idle })
    }

    /// The effects of one order, before its buyer is answered. What fails is left to the job.
    pub(super) async fn bring_about_now(&self, order: OrderId) {
        let lease = self.lease();
        let taken = self
            .query(move |connection| work::take_effects(connection, Some(order), 1, lease))
            .await;
        let done = match taken {
            Ok(taken) => self.finish(taken).await,
            Err(fault) => Err(fault),
        };
        if let Err(fault) = done {
            tracing::warn!(%order, %fault, "the effects of the order are left to the job");
        }
        self.shared.effects.wake();
    }

    /// Orders that were simply placed are told together; the others one by one, and last, because they may have to wait
    /// for a provider.
    async fn finish(&self, taken: Vec<Effects>) -> Result<(), Fault> {
        let (simple, others): (Vec<Effects>, Vec<Effects>) = taken.into_iter().partition(|effects| effects.simple);
        let told = self.tell_placed(&simple).await;
        self.put_away(simple.into_iter().zip(told).collect()).await?;
        let outcomes = join_all(others.iter().map(|effects| self.bring_about_one(*effects))).await;
        self.put_away(others.into_iter().zip(outcomes).collect()).await
    }

    /// One call to each sibling for all orders that were placed; an outcome for each.
    async fn tell_placed(&self, placed: &[Effects]) -> Vec<Result<(), OrderError>> {
        if placed.is_empty() {
            return Vec::new();
        }
        let reservations = placed.iter().map(|effects| effects.reservation).collect();
        let carts = placed.iter().map(|effects| (effects.cart, effects.order)).collect();
        let (sold, closed) = join(
            self.shared.product.commit_all(reservations),
            self.shared.cart.complete_all(carts),
        )
        .await;
        let (sold, closed) = match (sold, closed) {
            (Ok(sold), Ok(closed)) => (sold, closed),
            (Err(error), _) => return vec![Err(OrderError::from(error)); placed.len()],
            (_, Err(error)) => return vec![Err(OrderError::from(error)); placed.len()],
        };
        let outcome = |effects: &Effects| match sold.contains(&effects.reservation) && closed.contains(&effects.order) {
            true => Ok(()),
            false => Err(OrderError::NotFound("reservation or cart")),
        };
        placed.iter().map(outcome).collect()
    }

    /// Unmarks the orders that are done, and lets the others rest.
    async fn put_away(&self, outcomes: Vec<(Effects, Result<(), OrderError>)>) -> Result<(), Fault> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for (effects, outcome) in outcomes {
            match outcome {
                Ok(()) => done.push(effects),
                Err(error) => {
                    tracing::warn!(order = %effects.order, %error, "effects of the order failed and will be repeated");
                    failed.push(effects.order);
                }
            }
        }
        self.query(move |connection| {
            work::end_effects(connection, &done)?;
            work::postpone_effects(connection, &failed)
        })
        .await
    }

    /// Stock and cart first: they never wait for a provider.
    async fn bring_about_one(&self, effects: Effects) -> Result<(), OrderError> {
        match effects.cancelled {
            true => self.shared.product.release(effects.reservation).await?,
            false => self.shared.product.commit(effects.reservation).await?,
        }
        match effects.cancelled {
            true => self.shared.cart.unfreeze(effects.cart, effects.order).await?,
            false => self.shared.cart.complete(effects.cart, effects.order).await?,
        }
        self.undo_surplus(effects).await
    }

    /// Gives back the money that the order does not need.
    async fn undo_surplus(&self, effects: Effects) -> Result<(), OrderError> {
        let order = effects.order;
        let payments = self
            .query(move |connection| reading::payments_of(connection, order))
            .await?;
        if effects.cancelled && payments.iter().any(|payment| payment.status.is_unresolved()) {
            return Err(OrderError::PaymentInProgress);
        }
        for (payment, kind) in surplus(effects.cancelled, &payments) {
            match self.operate(Uuid::now_v7(), payment, kind, Actor::System).await {
                Ok(true) => (),
                Ok(false) => return Err(OrderError::PaymentInProgress),
                Err(refused @ OrderError::ProviderRefused(_)) => {
                    // It stands differently at the provider than in our books: learn how, then begin anew.
                    self.resolve(payment).await?;
                    return Err(refused);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
