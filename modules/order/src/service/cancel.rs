//! Cancelling: by the buyer or by staff before anything was sent out, or by the clock when nobody pays.

use database::{Failure, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::Fault;
use kernel::event::Event;
use kernel::http::{Call, IfMatch};
use kernel::id::OrderId;
use order_api::OrderCancelled;

use super::Service;
use super::reply::Reply;
use crate::domain::{Actor, Order, Status};
use crate::error::OrderError;
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
        let service = self.clone();
        self.under_key(call, |_| async move {
            service.cancel_as(order, actor, condition).await?;
            service.bring_about_now(order).await;
            service.reply_with(order, 200).await
        })
        .await
    }

    /// The change itself; what follows from it are effects.
    pub(super) async fn cancel_as(&self, order: OrderId, actor: Actor, condition: IfMatch) -> Result<(), OrderError> {
        let now = self.shared.clock.now();
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
                may_cancel(connection, &found)?.or_refuse()?;
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

    /// Cancels orders that nobody has paid for in time; answers how many there were.
    pub(super) async fn cancel_overdue(&self) -> Result<usize, Fault> {
        let now = self.shared.clock.now();
        let overdue = self
            .shared
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(queries::work::overdue(connection, now, 50)?))
            .await?;
        for order in &overdue {
            match self.cancel_as(*order, Actor::System, IfMatch::default()).await {
                Ok(()) => self.shared.effects.wake(),
                Err(OrderError::Fault(fault)) => return Err(fault),
                // The buyer was faster.
                Err(refusal) => tracing::debug!(%order, %refusal, "an overdue order was not cancelled"),
            }
        }
        Ok(overdue.len())
    }
}

/// Nothing is cancelled while money is on its way, in either direction, or after goods have left.
fn may_cancel(connection: &mut PgConnection, order: &Order) -> QueryResult<Result<(), OrderError>> {
    let open =
        matches!(order.status, Status::PendingPayment | Status::Placed) && order.fulfilment_status == "unfulfilled";
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
    }
    Ok(Ok(()))
}
