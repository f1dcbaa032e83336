//! Cancelling: by the buyer or by staff before anything was sent out, or by the clock when nobody pays.

use database::{OrRefuse, refuse};
use diesel::prelude::*;
use kernel::Fault;
use kernel::event::Event;
use kernel::http::{Call, IfMatch};
use kernel::id::OrderId;
use order_api::OrderCancelled;

use super::Service;
use super::reply::Reply;
use crate::domain::fulfilment::FulfilmentStatus;
use crate::domain::payment::PaymentStatus;
use crate::domain::view::Audience;
use crate::domain::{Actor, Order, Status};
use crate::error::OrderError;
use crate::providers::Providers;
use crate::queries::{self, SCHEMA, payments, reading};

impl Service {
    /// Cancels an order: stock goes back, an authorised payment is voided, a captured one refunded, and a cart that was
    /// only locked is opened again. Cancelling a cancelled order answers it as it is.
    pub(crate) async fn cancel(
        &self,
        order: OrderId,
        actor: Actor,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let once = service.cancel_once(order, actor, condition);
            service.under_key(call, |_| once).await
        })
        .await
    }

    async fn cancel_once(&self, order: OrderId, actor: Actor, condition: IfMatch) -> Result<Reply, OrderError> {
        self.cancel_as(order, actor, condition).await?;
        self.bring_about_now(order).await;
        self.reply_with(order, 200, Audience::of(actor)).await
    }

    /// The change itself; what follows from it are effects.
    pub(super) async fn cancel_as(&self, order: OrderId, actor: Actor, condition: IfMatch) -> Result<(), OrderError> {
        let (now, providers) = (self.shared.clock.now(), self.shared.providers.clone());
        self.shared
            .db
            .transaction(move |connection| {
                let found = reading::lock(connection, order)?.filter(|order| order.content.is_some());
                let Some(found) = found else {
                    return refuse(OrderError::NotFound("order"));
                };
                if found.status == Status::Cancelled {
                    return Ok(());
                }
                if !condition.allows(found.version) {
                    return refuse(OrderError::VersionMismatch(found.version));
                }
                may_cancel(connection, &found, actor, &providers)?.or_refuse()?;
                queries::change_status(connection, order, found.status, Status::Cancelled, now)?;
                queries::record(connection, order, "cancelled", actor, now)?;
                let event = Event::of(&OrderCancelled { order }, now)
                    .map_err(OrderError::from)
                    .or_refuse()?;
                database::outbox::append(connection, SCHEMA, &event)?;
                Ok(())
            })
            .await
    }

    /// Cancels orders that nobody has paid for in time; answers how many. An attempt that waits for its buyer is asked
    /// about first: they may have come back from their bank at the last moment.
    pub(super) async fn cancel_overdue(&self) -> Result<usize, Fault> {
        let now = self.shared.clock.now();
        let overdue = self
            .query(move |connection| queries::work::overdue(connection, now, 50))
            .await?;
        let mut cancelled = 0;
        for order in overdue {
            match self.cancel_unpaid(order).await {
                Ok(()) => cancelled += 1,
                Err(refusal) => tracing::info!(%order, %refusal, "an overdue order was not cancelled"),
            }
        }
        if cancelled > 0 {
            self.shared.effects.wake();
        }
        Ok(cancelled)
    }

    async fn cancel_unpaid(&self, order: OrderId) -> Result<(), OrderError> {
        let attempts = self
            .query(move |connection| reading::payments_of(connection, order))
            .await?;
        for waiting in attempts
            .iter()
            .filter(|attempt| attempt.status == PaymentStatus::RequiresAction)
        {
            self.resolve(waiting.id).await?;
        }
        let found = self.query(move |connection| reading::order(connection, order)).await?;
        match found {
            Some(found) if found.status == Status::PendingPayment => {
                let unchanged = IfMatch::of(found.version);
                self.cancel_as(order, Actor::System, unchanged).await
            }
            _ => Err(OrderError::PaymentInProgress),
        }
    }
}

/// Nothing is cancelled while money is on its way, in either direction, or after goods have left.
fn may_cancel(
    connection: &mut PgConnection,
    order: &Order,
    actor: Actor,
    providers: &Providers,
) -> QueryResult<Result<(), OrderError>> {
    let open = matches!(order.status, Status::PendingPayment | Status::Placed)
        && order.fulfilment_status == FulfilmentStatus::Unfulfilled;
    if !open {
        return Ok(Err(OrderError::WrongState {
            action: "cancelled",
            status: order.status,
        }));
    }
    for payment in reading::payments_of(connection, order.id)? {
        if payment.status.is_unresolved() || payments::operation_on_its_way(connection, payment.id)?.is_some() {
            return Ok(Err(OrderError::PaymentInProgress));
        }
        let by_hand = providers
            .known(&payment.provider)
            .is_some_and(|provider| provider.returns_by_hand());
        if actor == Actor::Customer && by_hand && payment.captured > payment.refunded {
            return Ok(Err(OrderError::ReturnedByHand));
        }
    }
    Ok(Ok(()))
}
