//! Placing an order: architecture, section 5. Each step is one commit in one module; none holds a transaction while
//! another module or a provider is called.

use cart_api::{CartError, Freeze, FrozenCart, Overrides};
use database::idempotency::{self, Claim};
use database::{Failure, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::event::Event;
use kernel::http::Call;
use kernel::http::idempotency::{in_progress, key_reused};
use kernel::id::{CartId, OrderId, PaymentId};
use kernel::identity::Holder;
use kernel::{Fault, Money, Problem};
use order_api::OrderPlaced;
use product_api::Demand;
use tracing::Instrument;

use super::Service;
use super::pay::PaymentChoice;
use super::reply::{Reply, read_claim};
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::{Actor, Content, Line, Order, Status, TimelineEntry, WholeOrder};
use crate::error::OrderError;
use crate::providers::{Charge, OutcomeState};
use crate::queries::placing::{self, TakeOver};
use crate::queries::{SCHEMA, reading};

/// What a buyer asks for.
#[derive(Clone, Debug)]
pub(crate) struct PlaceOrder {
    pub(crate) cart: CartId,
    pub(crate) cart_version: i64,
    pub(crate) expected_total: Money,
    pub(crate) payment: PaymentChoice,
    pub(crate) overrides: Overrides,
    pub(crate) holder: Holder,
}

impl Service {
    /// Places an order, once per `call`. The work goes on to its end even if the client goes away meanwhile.
    pub(crate) async fn place(&self, request: PlaceOrder, call: Call) -> Result<Reply, OrderError> {
        self.check_choice(&request.payment)?;
        let service = self.clone();
        let work = async move { service.place_once(request, call).await };
        let task = tokio::spawn(work.in_current_span());
        let outcome = task
            .await
            .unwrap_or_else(|error| Err(Fault::internal(format!("placing an order: {error}")).into()));
        metrics::counter!("shop_checkout_total", "outcome" => outcome_label(&outcome)).increment(1);
        outcome
    }

    async fn place_once(&self, request: PlaceOrder, call: Call) -> Result<Reply, OrderError> {
        let mut order = self.new_order(&request);
        let (claimed, first, lease) = (call.clone(), order.clone(), self.lease());
        let number = self
            .shared
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(placing::begin(connection, &claimed, &first, lease)?))
            .await?;
        match number {
            Some(number) => order.number = number,
            None => match self.take_up(&request, &call, order).await? {
                Ok(abandoned) => order = abandoned,
                Err(reply) => return Ok(reply),
            },
        }
        self.run_saga(order, request, call).await
    }

    /// Somebody has used the key before: the stored answer, or the order that a dead claimant has left behind.
    async fn take_up(
        &self,
        request: &PlaceOrder,
        call: &Call,
        fresh: Order,
    ) -> Result<Result<Order, Reply>, OrderError> {
        let (claimed, lease, now) = (call.clone(), self.lease(), self.shared.clock.now());
        let claim = self
            .shared
            .db
            .transaction(move |connection| read_claim(connection, &claimed, lease, now))
            .await?;
        let subject = match claim {
            Claim::Done(stored) => return Ok(Err(Reply::Stored(stored))),
            Claim::InProgress | Claim::Fresh => return Ok(Err(Reply::Refused(in_progress()))),
            Claim::KeyReused => return Ok(Err(Reply::Refused(key_reused()))),
            Claim::Abandoned(subject) => subject.map(OrderId::from),
        };
        let found = match subject {
            Some(id) => {
                self.shared
                    .db
                    .run(move |connection| Ok::<_, Failure<Fault>>(reading::whole(connection, id)?))
                    .await?
            }
            None => None,
        };
        match found {
            Some(whole) if whole.order.status == Status::Placing => self.renew(whole.order).await.map(Ok),
            Some(whole) if whole.order.content.is_some() => self.answer_abandoned(whole, request, call).await.map(Err),
            _ => {
                let (claimed, lease, mut order) = (call.clone(), self.lease(), fresh);
                let begun = order.clone();
                let redirect = move |connection: &mut PgConnection| {
                    Ok::<_, Failure<Fault>>(placing::redirect_claim(connection, &claimed, &begun, lease)?)
                };
                order.number = self.shared.db.run(redirect).await?;
                Ok(Ok(order))
            }
        }
    }

    async fn renew(&self, order: Order) -> Result<Order, OrderError> {
        let (id, lease, now) = (order.id, self.lease(), self.shared.clock.now());
        let renewed = self
            .shared
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(placing::renew(connection, id, lease, now)?))
            .await?;
        // Otherwise the recovery job was faster and has given the order up; the next repeat begins a new one.
        if renewed {
            Ok(order)
        } else {
            Err(Fault::unavailable("the order was given up just now").into())
        }
    }

    /// The first request has died after the order had become visible: its payment is cleared up, and the order answers.
    async fn answer_abandoned(&self, whole: WholeOrder, _: &PlaceOrder, call: &Call) -> Result<Reply, OrderError> {
        let last = whole.payments.last().map(|payment| (payment.id, payment.status));
        let reply = match last {
            Some((payment, status)) if status.is_unresolved() => {
                self.resolve(payment).await?;
                self.reply_about(whole.order.id, Some(payment)).await?
            }
            last => Reply::after_payment(whole, last.map(|(payment, _)| payment))?,
        };
        let outcome = Ok(reply);
        self.remember(call.clone(), &outcome).await?;
        outcome
    }

    async fn run_saga(&self, order: Order, request: PlaceOrder, call: Call) -> Result<Reply, OrderError> {
        let cart = match self.shared.cart.freeze(freeze_request(&order, &request)).await {
            Ok(cart) => cart,
            // Whether the cart is locked is not known: the undo will see to it.
            Err(CartError::Fault(fault)) => return self.give_up(&order, &call, OrderError::Fault(fault), true).await,
            Err(refusal) => return self.give_up(&order, &call, refusal.into(), false).await,
        };
        let demands = cart
            .lines
            .iter()
            .map(|line| Demand {
                variant: line.variant,
                quantity: line.quantity,
            })
            .collect();
        if let Err(error) = self.shared.product.reserve(order.reservation, demands).await {
            return self.give_up(&order, &call, error.into(), true).await;
        }
        self.take_over(order, request, call, cart).await
    }

    /// Steps 4 and, where no provider has to be asked, 5.
    async fn take_over(
        &self,
        mut order: Order,
        request: PlaceOrder,
        call: Call,
        cart: FrozenCart,
    ) -> Result<Reply, OrderError> {
        let now = self.shared.clock.now();
        let lines = placing::lines_of(&cart);
        let provider = self.provider(&request.payment.provider)?;
        let at_once = provider.decides_at_once();
        let decided = match &at_once {
            Some(outcome) => outcome.state == OutcomeState::Authorized,
            None => cart.totals.amount_due.amount == 0,
        };
        let payment = (cart.totals.amount_due.amount > 0).then(|| Payment {
            id: PaymentId::generate(),
            order: order.id,
            provider: request.payment.provider.clone(),
            status: if decided {
                PaymentStatus::Authorized
            } else {
                PaymentStatus::Sent
            },
            amount: cart.totals.amount_due,
            captured: 0,
            refunded: 0,
            next_action: None,
            failure: None,
            created_at: now,
        });
        let decided = decided || payment.is_none();
        order.status = if decided {
            Status::Placed
        } else {
            Status::PendingPayment
        };
        order.version += 1;
        order.user = cart.user.or(request.holder.user);
        order.updated_at = now;
        order.placed_at = decided.then_some(now);
        order.effects_pending = decided;
        order.payment_due_at = chrono::TimeDelta::from_std(self.shared.settings.payment_window)
            .ok()
            .map(|window| now + window);
        order.content = Some(content_of(&cart));
        let whole = whole_of(&order, &lines, payment.as_ref());
        let reply = Reply::after_payment(whole, payment.as_ref().map(|payment| payment.id))?;
        let charge = payment.clone().map(|payment| Charge {
            payment: payment.id,
            amount: payment.amount,
            method: request.payment.method.clone(),
            return_url: request.payment.return_url.clone(),
        });
        let event = decided.then(|| placed_event(&order, &cart)).transpose()?;
        let cart = FrozenCart {
            user: order.user,
            ..cart
        };
        let (stored, id, lease, claimed) = (decided.then(|| reply.to_stored()), order.id, self.lease(), call.clone());
        let taken = self
            .shared
            .db
            .run(move |connection| {
                let timeline = if decided {
                    vec!["created", "placed"]
                } else {
                    vec!["created"]
                };
                let taken = TakeOver {
                    order: &order,
                    cart: &cart,
                    lines: &lines,
                    payment: payment.as_ref(),
                    answer: stored.as_ref(),
                    event: event.as_ref(),
                    timeline,
                    call: &claimed,
                    lease,
                };
                Ok::<_, Failure<Fault>>(placing::take_over(connection, &taken)?)
            })
            .await?;
        if !taken {
            // The lease has run out and the order was given up; its effects undo what this saga has done.
            return Err(Fault::unavailable("the order was given up while it was being placed").into());
        }
        match charge {
            Some(charge) if !decided => self.charge(id, charge, provider, Some(call)).await,
            _ => {
                self.shared.effects.wake();
                self.shared.mails.wake();
                Ok(reply)
            }
        }
    }

    /// Ends an order that was refused on its way. `undo` where stock or cart may be claimed: they are given back before
    /// the buyer hears of it, or by the job if that fails.
    async fn give_up(&self, order: &Order, call: &Call, error: OrderError, undo: bool) -> Result<Reply, OrderError> {
        let (id, call, now) = (order.id, call.clone(), self.shared.clock.now());
        let reply = Reply::Refused(Problem::from(error.clone()));
        let stored = reply.to_stored();
        self.shared
            .db
            .transaction(move |connection| {
                placing::refuse_placing(connection, id, undo, now)?;
                match idempotency::is_kept(stored.status) {
                    true => idempotency::complete(connection, SCHEMA, &call, &stored)?,
                    false => idempotency::abandon(connection, SCHEMA, &call)?,
                }
                Ok::<_, Failure<Fault>>(())
            })
            .await?;
        if undo {
            self.bring_about_now(order.id).await;
        }
        Err(error)
    }

    fn new_order(&self, request: &PlaceOrder) -> Order {
        let now = self.shared.clock.now();
        let id = OrderId::generate();
        Order {
            id,
            number: String::new(),
            status: Status::Placing,
            version: 1,
            user: request.holder.user,
            cart: request.cart,
            // The same number under another name, so that the two can be compared in one pass.
            reservation: id.uuid().into(),
            content: None,
            fulfilment_status: "unfulfilled".to_owned(),
            effects_pending: false,
            payment_due_at: None,
            placed_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The order, answered under the status that its payment calls for.
    pub(super) async fn reply_about(&self, order: OrderId, payment: Option<PaymentId>) -> Result<Reply, OrderError> {
        self.shared
            .db
            .run(move |connection| {
                let Some(whole) = reading::whole(connection, order)? else {
                    return refuse(OrderError::NotFound("order"));
                };
                Reply::after_payment(whole, payment).or_refuse()
            })
            .await
    }
}

fn freeze_request(order: &Order, request: &PlaceOrder) -> Freeze {
    Freeze {
        cart: request.cart,
        order: order.id,
        holder: request.holder.clone(),
        version: request.cart_version,
        expected_total: request.expected_total,
        overrides: request.overrides.clone(),
    }
}

fn content_of(cart: &FrozenCart) -> Content {
    Content {
        currency: cart.currency,
        email: cart.email.clone(),
        totals: cart.totals,
        shipping_address: cart.shipping_address.clone(),
        billing_address: cart.billing_address.clone(),
        shipping_method: cart.shipping_method.clone(),
    }
}

fn whole_of(order: &Order, lines: &[Line], payment: Option<&Payment>) -> WholeOrder {
    let kinds: &[&str] = if order.status == Status::Placed {
        &["created", "placed"]
    } else {
        &["created"]
    };
    let entry = |kind: &&str| TimelineEntry {
        at: order.updated_at,
        kind: (*kind).to_owned(),
        actor: Actor::Customer.name().to_owned(),
    };
    WholeOrder {
        order: order.clone(),
        lines: lines.to_vec(),
        payments: payment.into_iter().cloned().collect(),
        timeline: kinds.iter().map(entry).collect(),
    }
}

fn placed_event(order: &Order, cart: &FrozenCart) -> Result<Event, Fault> {
    let placed = OrderPlaced {
        order: order.id,
        number: order.number.clone(),
        user: order.user,
        cart: order.cart,
        total: cart.totals.total,
    };
    Event::of(&placed, order.updated_at)
}

/// A closed list: refusals are counted by their code.
fn outcome_label(outcome: &Result<Reply, OrderError>) -> String {
    let label = match outcome {
        Ok(Reply::Order(201, _)) => "placed",
        Ok(Reply::Order(..)) => "pending",
        Ok(Reply::Stored(_)) => "replayed",
        Ok(Reply::Refused(problem)) => problem.code(),
        Err(OrderError::Fault(_)) => "failed",
        Err(_) => "refused",
    };
    label.to_owned()
}
