//! Parcels: what leaves, what arrives, and what did not leave after all.

use database::{OnViolation, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::Patch;
use kernel::http::{Call, IfMatch};
use kernel::id::{FulfilmentId, LineId, OrderId};
use order_api::{OrderDelivered, OrderFulfilled};
use serde_json::json;

use super::Service;
use super::reply::Reply;
use crate::domain::fulfilment::{Fulfilment, FulfilmentStatus, ParcelStatus, to_send};
use crate::domain::view::Audience;
use crate::domain::{Actor, Order, Status};
use crate::error::OrderError;
use crate::queries::fulfilments::{self, Changed};
use crate::queries::{self, Entry, publish, reading};

/// A parcel that leaves.
#[derive(Clone, Debug)]
pub(crate) struct NewFulfilment {
    /// What is in it; all that is left of the order where nothing is named.
    pub(crate) lines: Vec<(LineId, i64)>,
    pub(crate) carrier: Option<String>,
    pub(crate) tracking_number: Option<String>,
    pub(crate) tracking_url: Option<String>,
}

/// How a parcel can be followed, as a merge patch.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracking {
    pub(crate) carrier: Patch<String>,
    pub(crate) tracking_number: Patch<String>,
    pub(crate) tracking_url: Patch<String>,
}

impl Service {
    /// A parcel of an order leaves, or lies ready to be fetched.
    pub(crate) async fn fulfil(
        &self,
        order: OrderId,
        new: NewFulfilment,
        actor: Actor,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let once = |id: uuid::Uuid| service.fulfil_once(order, id.into(), new, actor, condition);
            service.under_key(call, once).await
        })
        .await
    }

    async fn fulfil_once(
        &self,
        order: OrderId,
        id: FulfilmentId,
        new: NewFulfilment,
        actor: Actor,
        condition: IfMatch,
    ) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let found = locked(connection, order)?.or_refuse()?;
                if fulfilments::find(connection, id)?.is_some() {
                    return Ok(());
                }
                if !condition.allows(found.version) {
                    return refuse(OrderError::VersionMismatch(found.version));
                }
                if found.status != Status::Placed {
                    return refuse(OrderError::WrongState {
                        action: "sent",
                        status: found.status,
                    });
                }
                let Some(content) = &found.content else {
                    return refuse(OrderError::NotFound("order"));
                };
                let lines = reading::lines_of(connection, order, content.currency)?;
                let sent = to_send(&lines, &new.lines, "/lines")
                    .map_err(OrderError::Invalid)
                    .or_refuse()?;
                let parcel = Fulfilment {
                    id,
                    status: ParcelStatus::Shipped,
                    lines: sent,
                    carrier: new.carrier,
                    tracking_number: new.tracking_number,
                    tracking_url: new.tracking_url,
                    created_at: now,
                    delivered_at: None,
                };
                fulfilments::insert(connection, order, &parcel)?;
                fulfilments::count(connection, &parcel.lines, 1)?;
                note_progress(connection, &found)?;
                queries::touch(connection, order, now)?;
                queries::write_down(connection, order, entry("fulfilled", id, actor), now)?;
                publish(connection, &OrderFulfilled { order, fulfilment: id }, now)?;
                Ok(queries::complete_if_done(connection, order, now)?)
            })
            .await?;
        self.shared.mails.wake();
        self.reply_with(order, 201, Audience::Staff).await
    }

    /// A parcel is told how it can be followed.
    pub(crate) async fn track(
        &self,
        of: OrderId,
        id: FulfilmentId,
        tracking: Tracking,
        condition: IfMatch,
    ) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let (order, parcel) = parcel(connection, of, id)?.or_refuse()?;
                if !condition.allows(order.version) {
                    return refuse(OrderError::VersionMismatch(order.version));
                }
                let new = Changed {
                    carrier: tracking.carrier.apply(parcel.carrier.clone()),
                    tracking_number: tracking.tracking_number.apply(parcel.tracking_number.clone()),
                    tracking_url: tracking.tracking_url.apply(parcel.tracking_url.clone()),
                    ..Changed::of(&parcel)
                };
                fulfilments::change(connection, id, &new, now)?;
                Ok(queries::touch(connection, of, now)?)
            })
            .await?;
        self.reply_with(of, 200, Audience::Staff).await
    }

    /// The buyer has a parcel. Repeatable.
    pub(crate) async fn deliver(&self, of: OrderId, id: FulfilmentId, actor: Actor) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let (_, parcel) = parcel(connection, of, id)?.or_refuse()?;
                match parcel.status {
                    ParcelStatus::Delivered => return Ok(()),
                    ParcelStatus::Cancelled => return refuse(OrderError::ParcelIs("cancelled")),
                    ParcelStatus::Shipped => (),
                }
                let new = Changed {
                    status: ParcelStatus::Delivered,
                    delivered_at: Some(now),
                    ..Changed::of(&parcel)
                };
                fulfilments::change(connection, id, &new, now)?;
                queries::touch(connection, of, now)?;
                queries::write_down(connection, of, entry("delivered", id, actor), now)?;
                let delivered = OrderDelivered {
                    order: of,
                    fulfilment: id,
                };
                Ok(publish(connection, &delivered, now)?)
            })
            .await?;
        self.shared.mails.wake();
        self.reply_with(of, 200, Audience::Staff).await
    }

    /// A parcel did not leave after all: what is in it can be sent again. Repeatable.
    pub(crate) async fn cancel_parcel(&self, of: OrderId, id: FulfilmentId, actor: Actor) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let (order, parcel) = parcel(connection, of, id)?.or_refuse()?;
                match parcel.status {
                    ParcelStatus::Cancelled => return Ok(()),
                    ParcelStatus::Delivered => return refuse(OrderError::ParcelIs("delivered")),
                    ParcelStatus::Shipped => (),
                }
                if order.status != Status::Placed {
                    return refuse(OrderError::WrongState {
                        action: "sent again",
                        status: order.status,
                    });
                }
                let new = Changed {
                    status: ParcelStatus::Cancelled,
                    ..Changed::of(&parcel)
                };
                fulfilments::change(connection, id, &new, now)?;
                fulfilments::count(connection, &parcel.lines, -1)
                    .on_violation("lines_announced", || OrderError::ParcelIs("on its way back"))?;
                note_progress(connection, &order)?;
                queries::touch(connection, of, now)?;
                Ok(queries::write_down(
                    connection,
                    of,
                    entry("fulfilment_cancelled", id, actor),
                    now,
                )?)
            })
            .await?;
        self.reply_with(of, 200, Audience::Staff).await
    }
}

fn entry(kind: &'static str, id: FulfilmentId, actor: Actor) -> Entry<'static> {
    Entry {
        kind,
        actor,
        detail: Some(json!({"fulfilment_id": id})),
        internal: false,
    }
}

/// An order that has got beyond its placing, locked for the rest of the transaction.
pub(super) fn locked(connection: &mut PgConnection, order: OrderId) -> QueryResult<Result<Order, OrderError>> {
    let found = reading::lock(connection, order)?.filter(|order| order.content.is_some());
    Ok(found.ok_or(OrderError::NotFound("order")))
}

/// Notes how much of an order has left or come back, as its lines say now.
pub(super) fn note_progress(connection: &mut PgConnection, order: &Order) -> QueryResult<()> {
    let Some(content) = &order.content else { return Ok(()) };
    let lines = reading::lines_of(connection, order.id, content.currency)?;
    fulfilments::set_status(connection, order.id, FulfilmentStatus::of(&lines))
}

/// A parcel and its order, which is locked.
fn parcel(
    connection: &mut PgConnection,
    of: OrderId,
    id: FulfilmentId,
) -> QueryResult<Result<(Order, Fulfilment), OrderError>> {
    let order = reading::lock(connection, of)?;
    let found = fulfilments::find(connection, id)?.filter(|(order, _)| *order == of);
    Ok(match (order, found) {
        (Some(order), Some((_, parcel))) => Ok((order, parcel)),
        _ => Err(OrderError::NotFound("fulfilment")),
    })
}
