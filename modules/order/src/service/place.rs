//! Placing an order: architecture, section 5. Each step is one commit in one module; none holds a transaction while
//! another module or a provider is called.

use cart_api::{CartError, Freeze, FrozenCart, Overrides, PricedLine};
use chrono::{DateTime, TimeDelta, Utc};
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

use super::Service;
use super::pay::{PaymentChoice, uncharged};
use super::reply::{Reply, read_claim};
use crate::domain::fulfilment::FulfilmentStatus;
use crate::domain::payment::{Payment, PaymentStatus};
use crate::domain::view::Audience;
use crate::domain::{Actor, Content, Line, Order, Status, TimelineEntry, WholeOrder};
use crate::error::OrderError;
use crate::providers::{Charge, Outcome, OutcomeState};
use crate::queries::effects::{self, Effects};
use crate::queries::placing::{self, Answer, Begin, TakeOver, Told};
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
        self.check_choice(&request.payment, "/payment")?;
        let outcome = self
            .detached(|service| async move { service.place_once(request, call).await })
            .await;
        metrics::counter!("shop_checkout_total", "outcome" => outcome_label(&outcome)).increment(1);
        outcome
    }

    async fn place_once(&self, request: PlaceOrder, call: Call) -> Result<Reply, OrderError> {
        let mut order = self.new_order(&request);
        let begin = Begin {
            call: call.clone(),
            order: order.clone(),
            lease: self.lease(),
        };
        match self.shared.begins.run(begin).await? {
            Some(number) => order.number = number,
            None => match self.take_up(&call, order).await? {
                Ok(abandoned) => order = abandoned,
                Err(reply) => return Ok(reply),
            },
        }
        self.run_saga(order, request, call).await
    }

    /// Somebody has used the key before: the stored answer, or the order that a dead claimant has left behind.
    async fn take_up(&self, call: &Call, fresh: Order) -> Result<Result<Order, Reply>, OrderError> {
        let (claimed, lease, now) = (call.clone(), self.lease(), self.shared.clock.now());
        let claim = self
            .shared
            .db
            .transaction(move |connection| read_claim(connection, &claimed, lease, now))
            .await?;
        let subject = match claim {
            Claim::Done(stored) => return self.told_again(stored).await.map(Err),
            Claim::InProgress | Claim::Fresh => return Ok(Err(Reply::Refused(in_progress()))),
            Claim::KeyReused => return Ok(Err(Reply::Refused(key_reused()))),
            Claim::Abandoned(subject) => subject.map(OrderId::from),
        };
        let found = match subject {
            Some(id) => self.query(move |connection| reading::whole(connection, id)).await?,
            None => None,
        };
        match found {
            Some(whole) if whole.order.status == Status::Placing => self.renew(whole.order).await.map(Ok),
            Some(whole) if whole.order.content.is_some() => self.answer_abandoned(whole, call).await.map(Err),
            _ => {
                let (claimed, lease, mut order) = (call.clone(), self.lease(), fresh);
                let (begun, numbering) = (order.clone(), self.numbering());
                let redirect = move |connection: &mut PgConnection| {
                    let number = placing::redirect_claim(connection, &claimed, &begun, lease, &numbering)?;
                    Ok::<_, Failure<Fault>>(number)
                };
                order.number = self.shared.db.run(redirect).await?;
                Ok(Ok(order))
            }
        }
    }

    async fn renew(&self, order: Order) -> Result<Order, OrderError> {
        let (id, lease, now) = (order.id, self.lease(), self.shared.clock.now());
        let renewed = self
            .query(move |connection| placing::renew(connection, id, lease, now))
            .await?;
        // Otherwise the recovery job was faster and has given the order up; the next repeat begins a new one.
        let gone = || Fault::unavailable("the order was given up just now");
        let version = renewed.ok_or_else(gone)?;
        Ok(Order { version, ..order })
    }

    /// The first request has died after the order had become visible: its payment is cleared up, and the order answers.
    async fn answer_abandoned(&self, whole: WholeOrder, call: &Call) -> Result<Reply, OrderError> {
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
        let cart = match self.freeze(&order, &request).await {
            Ok(cart) => cart,
            // Whether the cart is locked is not known: the undo will see to it.
            Err(CartError::Fault(fault)) => return self.give_up(order, call, OrderError::Fault(fault), true).await,
            Err(refusal) => return self.give_up(order, call, refusal.into(), false).await,
        };
        let demand = |line: &PricedLine| Demand {
            variant: line.variant,
            quantity: line.quantity,
        };
        let demands = cart.lines.iter().map(demand).collect();
        if let Err(error) = self.shared.product.reserve(order.reservation(), demands).await {
            return self.give_up(order, call, error.into(), true).await;
        }
        self.take_over(order, request, call, cart).await
    }

    /// Locks the cart. One that a dead order of ours still holds is given back first.
    async fn freeze(&self, order: &Order, request: &PlaceOrder) -> Result<FrozenCart, CartError> {
        let freeze = Freeze {
            cart: request.cart,
            order: order.id,
            holder: request.holder.clone(),
            version: request.cart_version,
            expected_total: request.expected_total,
            overrides: request.overrides.clone(),
        };
        let other = match self.shared.cart.freeze(freeze.clone()).await {
            Err(CartError::InCheckout(other)) => other,
            outcome => return outcome,
        };
        let (holder, pending) = self
            .query(move |connection| {
                let pending = effects::pending(connection, &[other.uuid()])?.contains(&other);
                Ok((reading::order(connection, other)?, pending))
            })
            .await?;
        match holder.map(|holder| (holder.status, pending)) {
            Some((Status::Cancelled, true)) => {
                self.bring_about_now(other).await;
                self.shared.cart.freeze(freeze).await
            }
            // The cart has not been told yet.
            Some((Status::Placed | Status::Completed, _)) => Err(CartError::Completed(other)),
            _ => Err(CartError::InCheckout(other)),
        }
    }

    /// Steps 4 and, where no provider has to be asked, 5.
    async fn take_over(
        &self,
        order: Order,
        request: PlaceOrder,
        call: Call,
        cart: FrozenCart,
    ) -> Result<Reply, OrderError> {
        let provider = self.provider(&request.payment.provider)?;
        let due = cart.totals.amount_due;
        if due.amount > 0
            && let Err(detail) = provider.check_amount(due)
        {
            return self
                .give_up(order, call, uncharged("/payment/provider", detail), true)
                .await;
        }
        let window = chrono::TimeDelta::from_std(self.shared.settings.payment_window).unwrap_or_default();
        let taken = Taken::of(
            order,
            &request,
            cart,
            provider.decides_at_once(),
            self.shared.clock.now(),
            window,
        );
        let payment = taken.payment.clone();
        let (id, cart, decided) = (taken.order.id, taken.order.cart, taken.order.status == Status::Placed);
        // Serialized here, where there are many threads, unless the number is only known to the transaction.
        let told = match taken.order.number.is_empty() {
            true => Told::default(),
            false => taken.told(taken.order.number.clone())?,
        };
        let step = TakeOver {
            told: told.clone(),
            tell: |what, number| Taken::of_step(what).told(number.to_owned()),
            order: taken.order.clone(),
            content: taken.content.clone(),
            lines: taken.lines.clone(),
            payment: taken.payment.clone(),
            call: call.clone(),
            lease: self.lease(),
        };
        let Some(number) = self.shared.take_overs.run(step).await? else {
            // The lease has run out and somebody else has the order, or gave it up and undoes what this saga has done.
            return Err(Fault::unavailable("the order was taken over while it was being placed").into());
        };
        match payment {
            Some(payment) if !decided => {
                let charge = Charge {
                    payment: payment.id,
                    order: id,
                    amount: payment.amount,
                    method: request.payment.method,
                    return_url: request.payment.return_url,
                };
                self.charge(id, charge, provider, Some(call)).await
            }
            _ => {
                self.follow_up(Effects::of_placed(id, cart));
                self.shared.mails.wake();
                taken.reply(number, told.answer)
            }
        }
    }

    /// Ends an order that was refused on its way. `undo` where stock or cart may be claimed: they are given back before
    /// the buyer hears of it, or by the job if that fails.
    async fn give_up(&self, order: Order, call: Call, error: OrderError, undo: bool) -> Result<Reply, OrderError> {
        let (id, now) = (order.id, self.shared.clock.now());
        let stored = Reply::Refused(Problem::from(error.clone())).to_stored();
        let refused = self
            .shared
            .db
            .transaction(move |connection| {
                if !placing::refuse(connection, &order, undo, now)? {
                    return Ok(false);
                }
                match idempotency::is_kept(stored.status) {
                    true => idempotency::complete(connection, SCHEMA, &call, &stored)?,
                    false => idempotency::abandon(connection, SCHEMA, &call)?,
                }
                Ok::<_, Failure<Fault>>(true)
            })
            .await?;
        if !refused {
            return Err(Fault::unavailable("the order was taken over while it was being placed").into());
        }
        if undo {
            self.bring_about_now(id).await;
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
            cart: Some(request.cart),
            content: None,
            fulfilment_status: FulfilmentStatus::Unfulfilled,
            granted: 0,
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

/// An order with what it takes over from its cart.
struct Taken {
    order: Order,
    content: Content,
    lines: Vec<Line>,
    payment: Option<Payment>,
}

impl Taken {
    /// The order is placed at once where it costs nothing or its provider needs no asking; else its payment is sent.
    fn of(
        order: Order,
        request: &PlaceOrder,
        cart: FrozenCart,
        at_once: Option<Outcome>,
        now: DateTime<Utc>,
        window: TimeDelta,
    ) -> Self {
        let due = cart.totals.amount_due;
        let authorized = at_once.is_some_and(|outcome| outcome.state == OutcomeState::Authorized);
        let payment = (due.amount > 0).then(|| Payment {
            id: PaymentId::generate(),
            order: order.id,
            provider: request.payment.provider.clone(),
            status: if authorized {
                PaymentStatus::Authorized
            } else {
                PaymentStatus::Sent
            },
            amount: due,
            captured: 0,
            refunded: 0,
            next_action: None,
            failure: None,
            created_at: now,
        });
        let placed = authorized || payment.is_none();
        let user = cart.user.or(request.holder.user);
        let lines = placing::lines_of(&cart.lines);
        let content = Content {
            currency: cart.currency,
            locale: cart.locale,
            email: cart.email,
            totals: cart.totals,
            shipping_address: cart.shipping_address,
            billing_address: cart.billing_address,
            pricing: cart.pricing,
        };
        let order = Order {
            status: if placed { Status::Placed } else { Status::PendingPayment },
            version: order.version + 1,
            user,
            content: Some(content.clone()),
            payment_due_at: Some(now + window),
            placed_at: placed.then_some(now),
            updated_at: now,
            ..order
        };
        Self {
            order,
            content,
            lines,
            payment,
        }
    }

    fn timeline(&self) -> Vec<&'static str> {
        if self.order.status == Status::Placed {
            vec!["created", "placed"]
        } else {
            vec!["created"]
        }
    }

    /// What a step says that takes over the order.
    fn of_step(step: &TakeOver) -> Self {
        Self {
            order: step.order.clone(),
            content: step.content.clone(),
            lines: step.lines.clone(),
            payment: step.payment.clone(),
        }
    }

    /// What is told of the order under its number: nothing where it is not placed yet.
    fn told(&self, number: String) -> Result<Told, Fault> {
        if self.order.status != Status::Placed {
            return Ok(Told::default());
        }
        let event = Event::of(&self.placed(&number), self.order.updated_at)?;
        let answer = Answer::of(self.whole(number))?;
        Ok(Told {
            answer: Some(answer),
            event: Some(event),
        })
    }

    /// The answer to the buyer: `answer` where it was made before.
    fn reply(&self, number: String, answer: Option<Answer>) -> Result<Reply, OrderError> {
        match answer {
            Some(answer) => Ok(answer.into_reply(self.order.id, self.order.version)),
            None => Reply::order(201, self.whole(number), Audience::Buyer),
        }
    }

    fn whole(&self, number: String) -> WholeOrder {
        let entry = |kind: &'static str| TimelineEntry {
            at: self.order.updated_at,
            kind: kind.to_owned(),
            actor: Actor::Customer.name().to_owned(),
            actor_id: None,
            detail: None,
            internal: false,
        };
        WholeOrder {
            order: Order {
                number,
                ..self.order.clone()
            },
            lines: self.lines.clone(),
            payments: self.payment.iter().cloned().collect(),
            refunds: Vec::new(),
            fulfilments: Vec::new(),
            returns: Vec::new(),
            timeline: self.timeline().into_iter().map(entry).collect(),
        }
    }

    fn placed(&self, number: &str) -> OrderPlaced {
        OrderPlaced {
            order: self.order.id,
            number: number.to_owned(),
            user: self.order.user,
            cart: self.order.cart,
            total: self.content.totals.total,
        }
    }
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
