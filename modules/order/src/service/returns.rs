//! Goods that come back: asked for, approved, received, put back into stock.

use database::{OnViolation, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::http::{Call, IfMatch};
use kernel::id::{LineId, OrderId, ReservationId, ReturnId, VariantId};
use kernel::{FieldErrors, Money};
use order_api::OrderReturned;
use serde_json::json;

use super::Service;
use super::fulfil::{locked, note_progress};
use super::reply::Reply;
use crate::domain::fulfilment::{ParcelLine, choose};
use crate::domain::returning::{Return, ReturnLine, ReturnReason, ReturnStatus, value_of};
use crate::domain::view::Audience;
use crate::domain::{Actor, Line, Order, Status};
use crate::error::OrderError;
use crate::queries::stock::{self, Restock};
use crate::queries::{self, Entry, publish, reading, returns};

/// How many returns of an order its buyer can ask for.
const MAX_RETURNS: i64 = 20;

/// Goods that are announced to come back.
#[derive(Clone, Debug)]
pub(crate) struct NewReturn {
    /// What, how many, and why.
    pub(crate) lines: Vec<(LineId, i64, ReturnReason)>,
    pub(crate) note: Option<String>,
}

/// Goods that have come back.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// What has come, and how many of it can be sold again; all that was announced, and all of it can be sold again, where
    /// nothing is named.
    pub(crate) lines: Vec<(LineId, i64, i64)>,
}

impl Service {
    /// Goods are announced to come back: by staff, who approve of it by that, or by the buyer, who asks.
    pub(crate) async fn announce_return(
        &self,
        order: OrderId,
        new: NewReturn,
        actor: Actor,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let once = |id: uuid::Uuid| service.announce_once(order, id.into(), new, actor, condition);
            service.under_key(call, once).await
        })
        .await
    }

    async fn announce_once(
        &self,
        order: OrderId,
        id: ReturnId,
        new: NewReturn,
        actor: Actor,
        condition: IfMatch,
    ) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        let audience = Audience::of(actor);
        self.shared
            .db
            .transaction(move |connection| {
                let found = locked(connection, order)?.or_refuse()?;
                if returns::find(connection, id)?.is_some() {
                    return Ok(());
                }
                if !condition.allows(found.version) {
                    return refuse(OrderError::VersionMismatch(found.version));
                }
                if !matches!(found.status, Status::Placed | Status::Completed) {
                    return refuse(OrderError::WrongState {
                        action: "returned",
                        status: found.status,
                    });
                }
                let Some(content) = &found.content else {
                    return refuse(OrderError::NotFound("order"));
                };
                let lines = reading::lines_of(connection, order, content.currency)?;
                if actor == Actor::Customer && returns::count(connection, order)? >= MAX_RETURNS {
                    return refuse(OrderError::TooManyReturns);
                }
                let wanted: Vec<(LineId, i64)> = new.lines.iter().map(|(line, count, _)| (*line, *count)).collect();
                let chosen = choose(&lines, &wanted, "/lines", |line| {
                    line.fulfilled_quantity - line.announced_quantity
                });
                let chosen = chosen.map_err(OrderError::Invalid).or_refuse()?;
                let reason = |line: LineId| {
                    let named = new.lines.iter().find(|(other, ..)| *other == line);
                    named.map_or(ReturnReason::Other, |(.., reason)| *reason)
                };
                let announced = Return {
                    id,
                    status: match actor {
                        Actor::Customer => ReturnStatus::Requested,
                        Actor::Staff(_) | Actor::System => ReturnStatus::Approved,
                    },
                    lines: chosen
                        .iter()
                        .map(|line| ReturnLine {
                            line_id: line.line_id,
                            quantity: line.quantity,
                            reason: reason(line.line_id),
                            received: 0,
                            restocked: 0,
                            value: Money::zero(content.currency),
                        })
                        .collect(),
                    value: Money::zero(content.currency),
                    note: new.note,
                    created_at: now,
                    received_at: None,
                };
                returns::insert(connection, order, &announced)?;
                returns::announce(connection, &chosen, 1)?;
                let kind = match announced.status {
                    ReturnStatus::Requested => "return_requested",
                    _ => "return_approved",
                };
                Ok(note(connection, order, id, kind, actor, now)?)
            })
            .await?;
        self.reply_with(order, 201, audience).await
    }

    /// Staff approve, reject or cancel a return of an order, or its buyer cancels it. A repeat answers the order as it is.
    pub(crate) async fn decide_on_return(
        &self,
        of: OrderId,
        id: ReturnId,
        status: ReturnStatus,
        actor: Actor,
        condition: IfMatch,
    ) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let (order, found) = goods(connection, of, id)?.or_refuse()?;
                if found.status == status {
                    return Ok(());
                }
                check(&order, &found, status, &condition).or_refuse()?;
                returns::change_status(connection, id, status, now)?;
                if matches!(status, ReturnStatus::Rejected | ReturnStatus::Cancelled) {
                    returns::announce(connection, &announced(&found), -1)?;
                }
                let kind = match status {
                    ReturnStatus::Approved => "return_approved",
                    ReturnStatus::Rejected => "return_rejected",
                    _ => "return_cancelled",
                };
                Ok(note(connection, of, id, kind, actor, now)?)
            })
            .await?;
        self.reply_with(of, 200, Audience::of(actor)).await
    }

    /// Goods have come back: what can be sold again goes into stock. A repeat answers the order as it is.
    pub(crate) async fn receive_return(
        &self,
        of: OrderId,
        id: ReturnId,
        received: Received,
        actor: Actor,
        condition: IfMatch,
    ) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let (order, found) = goods(connection, of, id)?.or_refuse()?;
                if found.status == ReturnStatus::Received {
                    return Ok(());
                }
                check(&order, &found, ReturnStatus::Received, &condition).or_refuse()?;
                let Some(content) = &order.content else {
                    return refuse(OrderError::NotFound("order"));
                };
                let lines = reading::lines_of(connection, order.id, content.currency)?;
                let mut came = came(&found, &received).map_err(OrderError::Invalid).or_refuse()?;
                for line in &mut came {
                    if let Some(bought) = lines.iter().find(|bought| bought.id == line.line_id) {
                        let before = bought.returned_quantity;
                        let value = value_of(bought, &content.totals, before, line.received);
                        line.value = Money::new(value.max(0), content.currency);
                    }
                }
                returns::receive(connection, id, &came)
                    .on_violation("lines_returned", || OrderError::NotFound("return"))?;
                returns::change_status(connection, id, ReturnStatus::Received, now)?;
                for restock in Restock::by_reservation(order.reservation(), sellable(&lines, &came)) {
                    stock::insert_restock(connection, order.id, &restock, now)?;
                }
                note_progress(connection, &order)?;
                queries::effects::ask(connection, order.id)?;
                note(connection, order.id, id, "return_received", actor, now)?;
                let returned = OrderReturned {
                    order: order.id,
                    return_id: id,
                };
                Ok(publish(connection, &returned, now)?)
            })
            .await?;
        self.shared.mails.wake();
        self.bring_about_now(of).await;
        self.reply_with(of, 200, Audience::Staff).await
    }
}

/// A return and its order, which is locked.
fn goods(connection: &mut PgConnection, of: OrderId, id: ReturnId) -> QueryResult<Result<(Order, Return), OrderError>> {
    let order = reading::lock(connection, of)?;
    let found = returns::find(connection, id)?.filter(|(order, _)| *order == of);
    Ok(match (order, found) {
        (Some(order), Some((_, found))) => Ok((order, found)),
        _ => Err(OrderError::NotFound("return")),
    })
}

fn check(order: &Order, found: &Return, next: ReturnStatus, condition: &IfMatch) -> Result<(), OrderError> {
    if !condition.allows(order.version) {
        return Err(OrderError::VersionMismatch(order.version));
    }
    match found.status.may_become(next) {
        true => Ok(()),
        false => Err(OrderError::ReturnIs(found.status)),
    }
}

fn announced(found: &Return) -> Vec<ParcelLine> {
    let line = |line: &ReturnLine| ParcelLine {
        line_id: line.line_id,
        quantity: line.quantity,
    };
    found.lines.iter().map(line).collect()
}

/// What has come of a return: what is named, or all of it.
fn came(found: &Return, received: &Received) -> Result<Vec<ReturnLine>, FieldErrors> {
    let mut errors = FieldErrors::default();
    for (index, (id, count, sellable)) in received.lines.iter().enumerate() {
        let mut refuse = |field: &str, code: &str, detail: String| {
            errors.add(format!("/lines/{index}/{field}"), code, detail);
        };
        match found.lines.iter().find(|line| line.line_id == *id) {
            None => refuse("line_id", "unknown", "the return has no such line".to_owned()),
            Some(line) if *count > line.quantity => {
                refuse("quantity", "too_many", format!("{} were announced", line.quantity));
            }
            Some(_) if *count < 0 || *sellable < 0 => {
                refuse("quantity", "out_of_range", "must not be below 0".to_owned())
            }
            Some(_) if sellable > count => refuse("restock", "too_many", format!("{count} have come")),
            Some(_) if received.lines[..index].iter().any(|(other, ..)| other == id) => {
                refuse("line_id", "duplicate", "the line is named twice".to_owned());
            }
            Some(_) => (),
        }
    }
    errors.into_result()?;
    let line = |line: &ReturnLine| {
        let named = received.lines.iter().find(|(id, ..)| *id == line.line_id);
        let (count, sellable) = match named {
            Some((_, count, sellable)) => (*count, *sellable),
            None if received.lines.is_empty() => (line.quantity, line.quantity),
            None => (0, 0),
        };
        ReturnLine {
            received: count,
            restocked: sellable,
            ..line.clone()
        }
    };
    Ok(found.lines.iter().map(line).collect())
}

/// What of a return can be sold again, and the reservation that it was sold under, where that is not the order's own.
fn sellable(lines: &[Line], came: &[ReturnLine]) -> Vec<(Option<ReservationId>, VariantId, i64)> {
    let goods = came.iter().filter(|line| line.restocked > 0).filter_map(|line| {
        let bought = lines.iter().find(|bought| bought.id == line.line_id)?;
        Some((bought.reservation, bought.variant_id, line.restocked))
    });
    goods.collect()
}

fn note(
    connection: &mut PgConnection,
    order: OrderId,
    id: ReturnId,
    kind: &'static str,
    actor: Actor,
    now: chrono::DateTime<chrono::Utc>,
) -> QueryResult<()> {
    queries::touch(connection, order, now)?;
    let entry = Entry {
        kind,
        actor,
        detail: Some(json!({"return_id": id})),
        internal: false,
    };
    queries::write_down(connection, order, entry, now)
}
