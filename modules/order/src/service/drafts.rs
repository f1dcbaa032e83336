//! Orders that staff prepare. Becoming an order is a saga as placing one is, without a cart: stock is set aside, the order
//! waits for its payment, and the buyer is asked for it.

use cart_api::PricedDraft;
use chrono::TimeDelta;
use database::refuse;
use diesel::PgConnection;
use kernel::event::Event;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{DraftOrderId, OrderId, UserId};
use kernel::{Fault, Money, Page};
use order_api::{OrderPaymentRequested, OrderPlaced};
use product_api::Demand;

use super::Service;
use super::reply::Reply;
use crate::domain::draft::{Draft, DraftContent, DraftView, PricedDraftOrder};
use crate::domain::fulfilment::FulfilmentStatus;
use crate::domain::view::Audience;
use crate::domain::{Actor, Content, Order, Status, reservation_of};
use crate::error::OrderError;
use crate::queries::numbers::Numbering;
use crate::queries::placing::{self, TakeOver, Told};
use crate::queries::{self, SCHEMA, drafts, publish, reading};

/// How long the buyer of a draft has to pay, where nobody says.
const DEFAULT_DAYS: i64 = 7;
/// The longest that stock is set aside for one.
const MAX_DAYS: i64 = 60;

/// How a draft becomes an order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderDraft {
    /// What staff were shown that it costs.
    pub(crate) expected_total: Money,
    /// How many days the buyer has to pay: 1 to 60, 7 where nothing is said.
    pub(crate) days: Option<i64>,
}

impl Service {
    /// Writes a draft down.
    pub(crate) async fn create_draft(
        &self,
        content: DraftContent,
        by: UserId,
        call: Option<Call>,
    ) -> Result<Answer<DraftView>, OrderError> {
        let now = self.shared.clock.now();
        content.check(self.shared.currency).map_err(OrderError::Invalid)?;
        let work = move |connection: &mut PgConnection| {
            let draft = Draft {
                id: DraftOrderId::generate(),
                version: 1,
                content,
                order: None,
                created_by: by,
                created_at: now,
                updated_at: now,
            };
            drafts::insert(connection, &draft)?;
            Ok(DraftView::from(draft))
        };
        self.shared.db.once(SCHEMA, call, 201, now, work).await
    }

    /// A draft, and what it costs today.
    pub(crate) async fn find_draft(&self, id: DraftOrderId) -> Result<PricedDraftOrder, OrderError> {
        let draft = self.query(move |connection| drafts::find(connection, id)).await?;
        let draft = draft.ok_or(OrderError::NotFound("draft order"))?;
        let priced = self.price_draft(&draft.content).await?;
        Ok(PricedDraftOrder::of(draft, priced))
    }

    /// A page of drafts, newest first.
    pub(crate) async fn list_drafts(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<DraftView>, kernel::Problem> {
        let cursors = &self.shared.cursors;
        let before = cursor
            .map(|cursor| cursors.open::<DraftOrderId>("draft orders", &cursor))
            .transpose();
        let before = before.map_err(kernel::Problem::invalid_query)?;
        let found = self
            .query(move |connection| drafts::list(connection, before, limit + 1))
            .await?;
        let views = found.into_iter().map(DraftView::from).collect();
        Ok(Page::from_surplus(views, limit, |draft: &DraftView| {
            cursors.seal("draft orders", &draft.id)
        }))
    }

    /// Gives a draft another content.
    pub(crate) async fn replace_draft(
        &self,
        id: DraftOrderId,
        content: DraftContent,
        condition: IfMatch,
    ) -> Result<DraftView, OrderError> {
        content.check(self.shared.currency).map_err(OrderError::Invalid)?;
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let Some(draft) = drafts::lock(connection, id)? else {
                    return refuse(OrderError::NotFound("draft order"));
                };
                if !condition.allows(draft.version) {
                    return refuse(OrderError::VersionMismatch(draft.version));
                }
                if let Some(order) = draft.order {
                    return refuse(OrderError::DraftOrdered(order));
                }
                drafts::change(connection, id, &content, now)?;
                match drafts::find(connection, id)? {
                    Some(draft) => Ok(draft.into()),
                    None => refuse(OrderError::NotFound("draft order")),
                }
            })
            .await
    }

    /// Removes a draft that is no order yet.
    pub(crate) async fn delete_draft(&self, id: DraftOrderId) -> Result<(), OrderError> {
        match self.query(move |connection| drafts::delete(connection, id)).await? {
            true => Ok(()),
            false => Err(OrderError::NotFound("draft order")),
        }
    }

    /// Makes a draft an order that waits for its payment, and asks the buyer for it.
    pub(crate) async fn order_draft(
        &self,
        id: DraftOrderId,
        request: OrderDraft,
        actor: Actor,
        call: Call,
    ) -> Result<Reply, OrderError> {
        self.detached(move |service| async move {
            let taken = call.clone();
            let once = |order: uuid::Uuid| service.order_draft_once(id, order.into(), request, actor, taken);
            service.under_key(Some(call), once).await
        })
        .await
    }

    async fn order_draft_once(
        &self,
        id: DraftOrderId,
        order: OrderId,
        request: OrderDraft,
        actor: Actor,
        call: Call,
    ) -> Result<Reply, OrderError> {
        let (content, begun) = match self.begin_draft(id, order).await? {
            Begun::Order(content, begun) => (*content, begun),
            // A dead request with this key has come as far as that.
            Begun::Done => return self.reply_with(order, 201, Audience::Holder).await,
        };
        let made = self.make_order(&content, *begun, request, call).await;
        if let Err(refusal) = made {
            self.give_draft_back(id, order).await?;
            return Err(refusal);
        }
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let found = reading::lock(connection, order)?;
                let Some(found) = found.filter(|found| found.status == Status::PendingPayment) else {
                    return Ok(());
                };
                let Some(content) = &found.content else { return Ok(()) };
                let amount = content.totals.amount_due;
                queries::record(connection, order, "payment_requested", actor, now)?;
                publish(connection, &OrderPaymentRequested { order, amount }, now)?;
                Ok::<_, database::Failure<Fault>>(())
            })
            .await?;
        self.shared.mails.wake();
        self.bring_about_now(order).await;
        self.reply_with(order, 201, Audience::Holder).await
    }

    /// Claims the draft for an order, which is begun with that.
    async fn begin_draft(&self, id: DraftOrderId, order: OrderId) -> Result<Begun, OrderError> {
        let (lease, now) = (self.lease(), self.shared.clock.now());
        let numbering = Numbering::of(&self.shared.settings);
        self.shared
            .db
            .transaction(move |connection| {
                let Some(draft) = drafts::lock(connection, id)? else {
                    return refuse(OrderError::NotFound("draft order"));
                };
                match draft.order {
                    Some(other) if other != order => match reading::order(connection, other)? {
                        Some(found) if found.status != Status::Cancelled => {
                            return refuse(OrderError::DraftOrdered(other));
                        }
                        // That one is over: the draft may become another.
                        _ => drafts::set_order(connection, id, Some(order))?,
                    },
                    Some(_) => {
                        let found = reading::order(connection, order)?;
                        return match found {
                            Some(found) if found.status == Status::Placing => {
                                match placing::renew(connection, order, lease, now)? {
                                    Some(version) => Ok(Begun::Order(
                                        Box::new(draft.content),
                                        Box::new(Order { version, ..found }),
                                    )),
                                    None => refuse(Fault::unavailable("the order is being made").into()),
                                }
                            }
                            _ => Ok(Begun::Done),
                        };
                    }
                    None => drafts::set_order(connection, id, Some(order))?,
                }
                let mut begun = Order {
                    id: order,
                    number: String::new(),
                    status: Status::Placing,
                    version: 1,
                    user: draft.content.user_id,
                    cart: None,
                    content: None,
                    fulfilment_status: FulfilmentStatus::Unfulfilled,
                    granted: 0,
                    payment_due_at: None,
                    placed_at: None,
                    created_at: now,
                    updated_at: now,
                };
                let number = drafts::begin(connection, &begun, lease, &numbering)?;
                begun.number = number.unwrap_or_default();
                Ok(Begun::Order(Box::new(draft.content), Box::new(begun)))
            })
            .await
    }

    async fn make_order(
        &self,
        content: &DraftContent,
        order: Order,
        request: OrderDraft,
        call: Call,
    ) -> Result<(), OrderError> {
        let priced = self.price_draft(content).await?;
        if !priced.problems.is_empty() {
            return Err(OrderError::Cart(cart_api::CartError::NotReady(priced.problems)));
        }
        if priced.totals.total != request.expected_total {
            return Err(OrderError::Cart(cart_api::CartError::PriceChanged {
                old: request.expected_total,
                new: priced.totals.total,
            }));
        }
        let demand = |line: &cart_api::PricedLine| Demand {
            variant: line.variant,
            quantity: line.quantity,
        };
        let demands = priced.lines.iter().map(demand).collect();
        self.shared.product.reserve(reservation_of(order.id), demands).await?;
        let now = self.shared.clock.now();
        let asked = content.price_request(self.shared.currency, &self.shared.locale);
        let lines = placing::lines_of(&priced.lines);
        let content = Content {
            currency: asked.currency,
            locale: asked.locale,
            email: content.email.as_ref().map(ToString::to_string).unwrap_or_default(),
            totals: priced.totals,
            shipping_address: content.shipping_address.clone(),
            billing_address: content.billing_address.clone(),
            pricing: priced.pricing,
        };
        let is_free = content.totals.amount_due.amount == 0;
        let days = request.days.unwrap_or(DEFAULT_DAYS).clamp(1, MAX_DAYS);
        let order = Order {
            status: match is_free {
                true => Status::Placed,
                false => Status::PendingPayment,
            },
            version: order.version + 1,
            placed_at: is_free.then_some(now),
            content: Some(content.clone()),
            payment_due_at: Some(now + TimeDelta::days(days)),
            updated_at: now,
            ..order
        };
        let step = TakeOver {
            told: match order.number.is_empty() {
                true => Told::default(),
                false => told(&order, &content, &order.number)?,
            },
            tell: |step, number| told(&step.order, &step.content, number),
            order,
            content,
            lines,
            payment: None,
            call,
            lease: self.lease(),
        };
        match self.shared.take_overs.run(step).await? {
            Some(_) => Ok(()),
            None => Err(Fault::unavailable("the order was given up while it was being made").into()),
        }
    }

    /// What the draft costs today.
    async fn price_draft(&self, content: &DraftContent) -> Result<PricedDraft, OrderError> {
        let request = content.price_request(self.shared.currency, &self.shared.locale);
        let priced = self.shared.cart.price(request).await;
        priced.map_err(|error| match error {
            cart_api::CartError::Invalid(errors) => OrderError::Invalid(errors),
            error => error.into(),
        })
    }

    /// The draft did not become an order: it is one again, and stock is given back.
    async fn give_draft_back(&self, id: DraftOrderId, order: OrderId) -> Result<(), OrderError> {
        let now = self.shared.clock.now();
        self.shared
            .db
            .transaction(move |connection| {
                let draft = drafts::lock(connection, id)?;
                let found = reading::lock(connection, order)?.filter(|found| found.status == Status::Placing);
                let given_up = match &found {
                    Some(found) => placing::refuse(connection, found, true, now)?,
                    None => false,
                };
                if given_up && draft.is_some_and(|draft| draft.order == Some(order)) {
                    drafts::set_order(connection, id, None)?;
                }
                Ok::<_, database::Failure<Fault>>(())
            })
            .await?;
        self.bring_about_now(order).await;
        Ok(())
    }
}

/// What is told of the order of a draft under its number: that it is placed, where there is nothing to pay.
fn told(order: &Order, content: &Content, number: &str) -> Result<Told, Fault> {
    let placed = OrderPlaced {
        order: order.id,
        number: number.to_owned(),
        user: order.user,
        cart: None,
        total: content.totals.total,
    };
    Ok(Told {
        answer: None,
        event: match order.status {
            Status::Placed => Some(Event::of(&placed, order.updated_at)?),
            _ => None,
        },
    })
}

/// How far a draft is on its way to an order.
enum Begun {
    /// It is begun, by this process.
    Order(Box<DraftContent>, Box<Order>),
    /// It is made.
    Done,
}
