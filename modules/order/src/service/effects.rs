//! What follows from the end of an order, after the answer: stock and cart are told, surplus payments are undone. Every
//! step is repeatable; the effects of an order are pending until all of them are done.

use std::collections::HashSet;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::future::{join, join_all};
use kernel::Fault;
use kernel::id::{OrderId, VariantId};
use kernel::job::Round;
use product_api::Demand;
use uuid::Uuid;

use super::Service;
use super::operate::Asked;
use crate::domain::payment::surplus;
use crate::domain::{Status, reservation_of};
use crate::error::OrderError;
use crate::queries::effects::{self, Effects};
use crate::queries::{payments, reading, stock};

/// How many orders one round takes of those that nobody has.
const BATCH: i64 = 100;
/// How often a provider is asked to undo a payment that it refuses to undo; `bodega verify` tells of what is left then.
const MAX_REFUSALS: i64 = 5;
/// How long a round waits for company: orders that are placed at the same time are told to stock and cart together.
const GATHERING: Duration = Duration::from_millis(10);

impl Service {
    /// One round of the job for whatever nobody has.
    pub(crate) async fn bring_about(&self) -> Result<Round, Fault> {
        let lease = self.lease();
        let taken = self
            .query(move |connection| effects::take(connection, BATCH, lease))
            .await?;
        let full = i64::try_from(taken.len()).is_ok_and(|count| count >= BATCH);
        self.finish(taken).await?;
        Ok(if full { Round::More } else { Round::Idle })
    }

    /// An order of this process was placed; what follows is this process's, too. Should it die, the lease that was
    /// written with the order runs out, and the job above finds it.
    pub(super) fn follow_up(&self, placed: Effects) {
        self.shared
            .placed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(placed);
        self.shared.follow_up.wake();
    }

    /// One round of the job for the orders that were placed by this process.
    pub(crate) async fn follow_up_placed(&self) -> Result<Round, Fault> {
        tokio::time::sleep(GATHERING).await;
        let placed = std::mem::take(&mut *self.shared.placed.lock().unwrap_or_else(PoisonError::into_inner));
        self.finish(placed).await?;
        Ok(Round::Idle)
    }

    /// The effects of one order, before its buyer is answered. What fails is left to the job.
    pub(super) async fn bring_about_now(&self, order: OrderId) {
        let lease = self.lease();
        let taken = self
            .query(move |connection| effects::take_of(connection, order, lease))
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
        let reservations = placed.iter().map(|effects| reservation_of(effects.order)).collect();
        let carts = placed
            .iter()
            .filter_map(|effects| Some((effects.cart?, effects.order)))
            .collect();
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
        let (sold, closed): (HashSet<_>, HashSet<_>) = (sold.into_iter().collect(), closed.into_iter().collect());
        let is_told = |order| sold.contains(&reservation_of(order)) && closed.contains(&order);
        let outcome = |effects: &Effects| match is_told(effects.order) {
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
            effects::end(connection, &done)?;
            effects::postpone(connection, &failed)
        })
        .await
    }

    /// Stock and cart first: they never wait for a provider.
    async fn bring_about_one(&self, effects: Effects) -> Result<(), OrderError> {
        match effects.cancelled {
            true => self.shared.product.release(reservation_of(effects.order)).await?,
            false => self.shared.product.commit(reservation_of(effects.order)).await?,
        }
        let told = self.tell_stock_of_changes(effects).await;
        match (effects.cart, effects.cancelled) {
            (Some(cart), true) => self.shared.cart.unfreeze(cart, effects.order).await?,
            (Some(cart), false) => self.shared.cart.complete(cart, effects.order).await?,
            (None, _) => (),
        }
        // Money does not wait for goods that stock will not take.
        let undone = self.undo_surplus(effects).await;
        told.and(undone)
    }

    /// What was set aside after the order was placed is sold or given back, and what came back goes into stock.
    async fn tell_stock_of_changes(&self, effects: Effects) -> Result<(), OrderError> {
        let order = effects.order;
        let (reservations, restocks) = self
            .query(move |connection| {
                let mut reservations = stock::untold_reservations(connection, order)?;
                if effects.cancelled {
                    // Those that are sold already come back, too.
                    let kept = stock::kept(connection, order)?;
                    reservations.retain(|(_, is_kept)| !is_kept);
                    reservations.extend(kept.into_iter().map(|reservation| (reservation, false)));
                }
                Ok((reservations, stock::untold_restocks(connection, order)?))
            })
            .await?;
        for (reservation, is_kept) in reservations {
            match is_kept {
                true => self.shared.product.commit(reservation).await?,
                false => self.shared.product.release(reservation).await?,
            }
            self.query(move |connection| stock::end_reservation(connection, reservation))
                .await?;
        }
        for restock in restocks {
            let demand = |(variant, quantity): (VariantId, i64)| Demand { variant, quantity };
            let goods = restock.goods.into_iter().map(demand).collect();
            self.shared
                .product
                .restock(restock.reservation, restock.id, goods)
                .await?;
            self.query(move |connection| stock::end_restock(connection, restock.id))
                .await?;
        }
        Ok(())
    }

    /// Gives back the money that the order does not need.
    async fn undo_surplus(&self, effects: Effects) -> Result<(), OrderError> {
        let order = effects.order;
        let (found, payments) = self
            .query(move |connection| {
                Ok((
                    reading::order(connection, order)?,
                    reading::payments_of(connection, order)?,
                ))
            })
            .await?;
        let Some(found) = found else { return Ok(()) };
        if found.status == Status::Cancelled && payments.iter().any(|payment| payment.status.is_unresolved()) {
            return Err(OrderError::PaymentInProgress);
        }
        for (payment, kind, _) in surplus(found.worth(), &payments) {
            let refusals = self
                .query(move |connection| payments::refusals(connection, payment, kind))
                .await?;
            if refusals >= MAX_REFUSALS {
                tracing::error!(%order, %payment, "the provider keeps refusing to take money back: somebody has to look");
                continue;
            }
            match self.operate(Uuid::now_v7(), payment, Asked::of_surplus(kind)).await {
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
