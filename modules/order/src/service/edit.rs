//! Changing a placed order. What is added is priced and set aside first, each in the module that does it; then the change is
//! one transaction, and stock and money hear of it as effects.

use cart_api::{DraftLine, PriceRequest, PricedDraft};
use database::{Failure, OrRefuse, refuse};
use kernel::address::Address;
use kernel::http::{Call, IfMatch};
use kernel::id::{OrderEditId, OrderId, ReservationId, VariantId};
use kernel::text::Email;
use kernel::{Currency, Fault, FieldErrors, Money, Text};
use order_api::{OrderEdited, OrderPaymentRequested};
use product_api::Demand;
use serde::Serialize;
use serde_json::json;

use super::Service;
use super::fulfil::{locked, note_progress};
use super::reply::Reply;
use crate::domain::edit::{Reduction, apply};
use crate::domain::payment::outstanding;
use crate::domain::view::Audience;
use crate::domain::{Actor, Order, Status};
use crate::error::OrderError;
use crate::queries::edits::{self, Edit};
use crate::queries::stock::{self, Restock};
use crate::queries::{self, Entry, payments, publish, reading};

/// How a placed order is to be changed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EditRequest {
    /// Lines of which fewer are bought.
    pub(crate) lines: Vec<Reduction>,
    /// What is bought besides.
    pub(crate) add: Vec<Addition>,
    /// Where the goods go instead.
    pub(crate) shipping_address: Option<Address>,
    pub(crate) reason: Option<String>,
}

/// What is bought besides.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Addition {
    pub(crate) variant_id: VariantId,
    pub(crate) quantity: i64,
    /// What one costs, where that was agreed upon.
    pub(crate) unit_price: Option<Money>,
}

impl Service {
    /// Changes a placed order. What it then costs less is given back; what it costs more, the buyer is asked to pay.
    pub(crate) async fn edit(
        &self,
        order: OrderId,
        request: EditRequest,
        actor: Actor,
        condition: IfMatch,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let once = |id: uuid::Uuid| service.edit_once(order, id.into(), request, actor, condition);
            service.under_key(call, once).await
        })
        .await
    }

    async fn edit_once(
        &self,
        order: OrderId,
        id: OrderEditId,
        request: EditRequest,
        actor: Actor,
        condition: IfMatch,
    ) -> Result<Reply, OrderError> {
        let found =
            self.query(move |connection| Ok((reading::order(connection, order)?, edits::exists(connection, id)?)));
        let (found, is_made) = found.await?;
        let found = found
            .filter(|order| order.content.is_some())
            .ok_or(OrderError::NotFound("order"))?;
        if is_made {
            self.bring_about_now(order).await;
            return self.reply_with(order, 200, Audience::Staff).await;
        }
        may_edit(&found, &condition)?;
        let draft = match request.add.is_empty() {
            true => None,
            false => Some(self.price_addition(&found, &request).await?),
        };
        // Stock remembers what was given up: each try asks under a name of its own.
        let reservation = ReservationId::generate();
        if draft.is_some() {
            self.set_aside(order, reservation, &request.add).await?;
        }
        let made = self
            .make_edit(
                order,
                id,
                request,
                draft.map(|draft| (draft, reservation)),
                actor,
                condition,
            )
            .await;
        if made.is_err() {
            self.give_up_stock(order, reservation).await?;
        }
        self.bring_about_now(order).await;
        made?;
        self.shared.mails.wake();
        self.reply_with(order, 200, Audience::Staff).await
    }

    /// What is added costs what it costs today, to the buyer of the order and where it goes.
    async fn price_addition(&self, order: &Order, request: &EditRequest) -> Result<PricedDraft, OrderError> {
        let Some(content) = &order.content else {
            return Err(OrderError::NotFound("order"));
        };
        let address = request
            .shipping_address
            .clone()
            .or_else(|| content.shipping_address.clone());
        let line = |addition: &Addition| DraftLine {
            variant: addition.variant_id,
            quantity: addition.quantity,
            unit_price: addition.unit_price,
        };
        let draft = self.shared.cart.price(PriceRequest {
            currency: content.currency,
            locale: content.locale.clone(),
            user: order.user,
            group: None,
            email: Email::parse(content.email.as_str()).ok(),
            lines: request.add.iter().map(line).collect(),
            shipping_address: address,
            billing_address: content.billing_address.clone(),
            // Shipping stays as it was agreed upon.
            shipping_method: None,
            promotion_codes: Vec::new(),
            tax_number: content
                .pricing
                .tax_number
                .as_deref()
                .and_then(|number| Text::parse(number).ok()),
        });
        let draft = draft.await.map_err(|error| match error {
            cart_api::CartError::Invalid(errors) => OrderError::Invalid(moved(errors)),
            error => error.into(),
        })?;
        Ok(draft)
    }

    async fn set_aside(
        &self,
        order: OrderId,
        reservation: ReservationId,
        additions: &[Addition],
    ) -> Result<(), OrderError> {
        let (lease, now) = (self.lease(), self.shared.clock.now());
        self.query(move |connection| stock::ask(connection, order, reservation, lease, now))
            .await?;
        let demand = |addition: &Addition| Demand {
            variant: addition.variant_id,
            quantity: addition.quantity,
        };
        let reserved = self
            .shared
            .product
            .reserve(reservation, additions.iter().map(demand).collect())
            .await;
        if let Err(error) = reserved {
            self.give_up_stock(order, reservation).await?;
            self.bring_about_now(order).await;
            return Err(error.into());
        }
        Ok(())
    }

    /// The order does without what was asked for, and stock will hear of it.
    async fn give_up_stock(&self, order: OrderId, reservation: ReservationId) -> Result<(), Fault> {
        self.shared
            .db
            .transaction(move |connection| {
                if stock::give_up(connection, reservation)? {
                    queries::effects::ask(connection, order)?;
                }
                Ok::<_, Failure<Fault>>(())
            })
            .await
    }

    async fn make_edit(
        &self,
        order: OrderId,
        id: OrderEditId,
        request: EditRequest,
        addition: Option<(PricedDraft, ReservationId)>,
        actor: Actor,
        condition: IfMatch,
    ) -> Result<(), OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let found = locked(connection, order)?.or_refuse()?;
                if edits::exists(connection, id)? {
                    return Ok(());
                }
                may_edit(&found, &condition).or_refuse()?;
                // What is on its way decides what is missing.
                for payment in reading::payments_of(connection, order)? {
                    if payments::operation_on_its_way(connection, payment.id)?.is_some() {
                        return refuse(OrderError::PaymentInProgress);
                    }
                }
                let Some(before) = found.content.clone() else {
                    return refuse(OrderError::NotFound("order"));
                };
                let lines = reading::lines_of(connection, order, before.currency)?;
                let addition = addition.as_ref().map(|(draft, reservation)| (draft, *reservation));
                let edited = apply(&before, &lines, &request.lines, addition);
                let mut edited = edited.map_err(OrderError::from).or_refuse()?;
                if let Some(address) = &request.shipping_address {
                    edited.content.shipping_address = Some(address.clone());
                }
                if let Some((_, reservation)) = addition
                    && !stock::keep(connection, reservation)?
                {
                    return refuse(Fault::unavailable("the order took too long to change").into());
                }
                let edit = Edit {
                    id,
                    reason: request.reason.clone(),
                    actor,
                    changes: serde_json::to_value(&request).unwrap_or_default(),
                };
                edits::make(connection, &found, &before, &edit, &edited, now)?;
                for restock in Restock::by_reservation(found.reservation(), edited.freed.iter().copied()) {
                    stock::insert_restock(connection, order, &restock, now)?;
                }
                if found.status == Status::Completed && !edited.added.is_empty() {
                    queries::change_status(connection, order, Status::Completed, Status::Placed, now)?;
                }
                note_progress(connection, &found)?;
                queries::touch(connection, order, now)?;
                let entry = Entry {
                    kind: "edited",
                    actor,
                    detail: Some(json!({
                        "edit_id": id,
                        "reason": edit.reason,
                        "before": before.totals.total,
                        "after": edited.content.totals.total,
                    })),
                    internal: false,
                };
                queries::write_down(connection, order, entry, now)?;
                let missing = missing(connection, order, edited.content.currency)?;
                let told = OrderEdited {
                    order,
                    edit: id,
                    outstanding: missing,
                };
                publish(connection, &told, now)?;
                if missing.amount > 0 {
                    publish(connection, &OrderPaymentRequested { order, amount: missing }, now)?;
                }
                queries::effects::ask(connection, order)?;
                Ok(queries::complete_if_done(connection, order, now)?)
            })
            .await
    }
}

/// What has to be paid for an order beyond what is held for it.
fn missing(connection: &mut diesel::PgConnection, order: OrderId, currency: Currency) -> diesel::QueryResult<Money> {
    let payments = reading::payments_of(connection, order)?;
    let worth = reading::order(connection, order)?.map_or(0, |order| order.worth());
    Ok(Money::new(outstanding(worth, &payments), currency))
}

fn may_edit(order: &Order, condition: &IfMatch) -> Result<(), OrderError> {
    if !condition.allows(order.version) {
        return Err(OrderError::VersionMismatch(order.version));
    }
    match order.status {
        // Something may be sent instead of what comes back, also when all has been sent.
        Status::Placed | Status::Completed => Ok(()),
        status => Err(OrderError::WrongState {
            action: "changed",
            status,
        }),
    }
}

/// What a cart calls its lines is what a change adds.
fn moved(errors: FieldErrors) -> FieldErrors {
    let mut moved = FieldErrors::default();
    for error in errors.as_slice() {
        let pointer = error.pointer.replacen("/lines", "/add", 1);
        moved.add(pointer, error.code.clone(), error.detail.clone());
    }
    moved
}
