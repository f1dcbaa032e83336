//! Paying: the call to the provider, and another try after a decline.

use std::sync::Arc;

use database::{OnViolation, OrRefuse, refuse};
use kernel::http::Call;
use kernel::id::{OrderId, PaymentId};
use kernel::identity::Holder;
use kernel::{Fault, FieldErrors, Money};
use uuid::Uuid;

use super::Service;
use super::operate::Asked;
use super::reply::Reply;
use super::settle::News;
use crate::domain::payment::{Payment, PaymentStatus, outstanding};
use crate::domain::{Actor, Status};
use crate::error::OrderError;
use crate::providers::{Charge, Outcome, Provider, ProviderFailure};
use crate::queries::{payments, reading};

/// How often one order can be tried to pay: stolen cards are tested on orders that wait.
const MAX_ATTEMPTS: usize = 10;

/// How a buyer wants to pay.
#[derive(Clone, Debug)]
pub(crate) struct PaymentChoice {
    pub(crate) provider: String,
    pub(crate) method: Option<String>,
    pub(crate) return_url: Option<String>,
    /// How much, where it is not to be all that is missing.
    pub(crate) amount: Option<Money>,
}

impl Service {
    /// Another try to pay an order that waits for its payment.
    pub(crate) async fn pay(
        &self,
        order: OrderId,
        holder: Holder,
        choice: PaymentChoice,
        call: Call,
    ) -> Result<Reply, OrderError> {
        self.check_choice(&choice, "")?;
        self.authorise(order, &holder).await?;
        self.detached(|service| async move {
            let pay = |payment: Uuid| service.pay_once(order, payment.into(), choice);
            service.under_key(Some(call), pay).await
        })
        .await
    }

    async fn pay_once(&self, order: OrderId, payment: PaymentId, choice: PaymentChoice) -> Result<Reply, OrderError> {
        self.drop_waiting_attempt(order, payment).await?;
        let provider = self.provider(&choice.provider)?;
        let charging = Arc::clone(&provider);
        let (lease, now, name) = (self.lease(), self.shared.clock.now(), choice.provider.clone());
        let wanted = choice.amount;
        let begun = self
            .shared
            .db
            .transaction(move |connection| {
                let Some(found) = reading::lock(connection, order)? else {
                    return refuse(OrderError::NotFound("order"));
                };
                let attempts = reading::payments_of(connection, order)?;
                if let Some(attempt) = attempts.iter().find(|attempt| attempt.id == payment) {
                    return Ok(Err(attempt.status));
                }
                let missing = outstanding(found.worth(), &attempts);
                // Something is missing for a placed order, too, where its price has grown since.
                let can_be_paid = missing > 0 && matches!(found.status, Status::PendingPayment | Status::Placed);
                let content = found.content.filter(|_| can_be_paid);
                let Some(content) = content else {
                    return refuse(OrderError::WrongState {
                        action: "paid",
                        status: found.status,
                    });
                };
                if attempts.iter().any(|attempt| attempt.status.is_unresolved()) {
                    return refuse(OrderError::PaymentInProgress);
                }
                if attempts.len() >= MAX_ATTEMPTS {
                    return refuse(OrderError::TooManyAttempts);
                }
                let missing = Money::new(missing, content.currency);
                let amount = part_of(missing, wanted).or_refuse()?;
                let attempt = Payment {
                    id: payment,
                    order,
                    provider: name,
                    status: PaymentStatus::Sent,
                    amount,
                    captured: 0,
                    refunded: 0,
                    next_action: None,
                    failure: None,
                    created_at: now,
                };
                let chargeable = provider
                    .check_amount(attempt.amount)
                    .map_err(|detail| uncharged("/provider", detail));
                chargeable.or_refuse()?;
                payments::insert(connection, &attempt, lease)
                    .on_violation("payments_one_open_per_order", || OrderError::PaymentInProgress)?;
                Ok(Ok(attempt.amount))
            })
            .await?;
        match begun {
            Ok(amount) => {
                let charge = Charge {
                    payment,
                    order,
                    amount,
                    method: choice.method,
                    return_url: choice.return_url,
                };
                self.charge(order, charge, charging, None).await
            }
            // A dead request with this key has come this far.
            Err(status) => {
                if status.is_unresolved() {
                    self.resolve(payment).await?;
                }
                self.reply_about(order, Some(payment)).await
            }
        }
    }

    /// A buyer who turns to another way of paying gives up the attempt that waits for an action of theirs.
    async fn drop_waiting_attempt(&self, order: OrderId, new: PaymentId) -> Result<(), OrderError> {
        let attempts = self
            .query(move |connection| reading::payments_of(connection, order))
            .await?;
        if attempts.iter().any(|attempt| attempt.id == new) {
            // A dead request with this key has made the new attempt already.
            return Ok(());
        }
        let waiting = attempts
            .iter()
            .find(|attempt| attempt.status == PaymentStatus::RequiresAction);
        let Some(waiting) = waiting else { return Ok(()) };
        match self
            .operate(Uuid::now_v7(), waiting.id, Asked::to_void(Actor::Customer))
            .await
        {
            Ok(true) => Ok(()),
            Ok(false) => Err(OrderError::PaymentInProgress),
            Err(OrderError::ProviderRefused(_)) => self.resolve(waiting.id).await.map_err(Into::into),
            Err(error) => Err(error),
        }
    }

    /// Calls the provider, with a deadline and outside any transaction, and settles what it says.
    pub(super) async fn charge(
        &self,
        order: OrderId,
        charge: Charge,
        provider: Arc<dyn Provider>,
        call: Option<Call>,
    ) -> Result<Reply, OrderError> {
        let answer = self.ask_for(&charge, &*provider).await;
        if let Err(failure) = &answer {
            tracing::warn!(provider = provider.name(), payment = %charge.payment, %failure, "the charge has no clear outcome");
        }
        self.settle(charge.payment, News::of(answer), Actor::Customer).await?;
        let reply = self.reply_about(order, Some(charge.payment)).await;
        if let Some(call) = call {
            self.remember(call, &reply).await?;
        }
        reply
    }

    /// Makes the charge known to the provider, writes its name for it down, and only then has it charge.
    async fn ask_for(&self, charge: &Charge, provider: &dyn Provider) -> Result<Outcome, ProviderFailure> {
        let providers = &self.shared.providers;
        let reference = providers.within_deadline(provider.create(charge)).await?;
        if let Some(reference) = &reference {
            let (payment, name, now) = (charge.payment, reference.clone(), self.shared.clock.now());
            let named = self
                .query(move |connection| payments::name(connection, payment, &name, now))
                .await
                .map_err(|fault| ProviderFailure::Unknown(fault.to_string()))?;
            if !named {
                return Err(ProviderFailure::Unknown(
                    "the attempt was given up meanwhile".to_owned(),
                ));
            }
        }
        providers
            .within_deadline(provider.confirm(charge, reference.as_deref()))
            .await
    }

    /// Refuses a way of paying that this shop does not offer, before anything is stored. `at` is where the choice stands
    /// in the body.
    pub(super) fn check_choice(&self, choice: &PaymentChoice, at: &str) -> Result<(), OrderError> {
        let invalid = |field: &str, code: &str, detail: String| {
            OrderError::Invalid(FieldErrors::one(format!("{at}/{field}"), code, detail))
        };
        let Some(provider) = self.shared.providers.choose(&choice.provider) else {
            let known = self.shared.providers.offered().join(", ");
            return Err(invalid(
                "provider",
                "unknown_provider",
                format!("this shop takes {known}"),
            ));
        };
        let is_web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if choice.return_url.as_ref().is_some_and(|url| !is_web(url)) {
            return Err(invalid(
                "return_url",
                "invalid_url",
                "must begin with https:// or http://".to_owned(),
            ));
        }
        let method = provider.check_method(choice.method.as_deref());
        method.map_err(|detail| invalid("method", "unknown_method", detail))
    }

    /// A provider by name, switched on or not: what was begun is settled all the same.
    pub(super) fn provider(&self, name: &str) -> Result<Arc<dyn Provider>, OrderError> {
        let unknown = || Fault::internal(format!("no payment provider is called {name}"));
        self.shared.providers.known(name).ok_or_else(|| unknown().into())
    }
}

/// The provider cannot charge what the order costs; `at` is where the choice stands in the body.
pub(super) fn uncharged(at: &str, detail: String) -> OrderError {
    OrderError::Invalid(FieldErrors::one(at, "amount_not_chargeable", detail))
}

/// How much of what is missing is to be paid: all of it where nobody says.
fn part_of(missing: Money, wanted: Option<Money>) -> Result<Money, OrderError> {
    let invalid =
        |pointer: &str, code: &str, detail: String| Err(OrderError::Invalid(FieldErrors::one(pointer, code, detail)));
    match wanted {
        None => Ok(missing),
        Some(amount) if amount.currency != missing.currency => invalid(
            "/amount/currency",
            "wrong_currency",
            format!("the order is in {}", missing.currency.code()),
        ),
        Some(amount) if amount.amount < 1 || amount.amount > missing.amount => {
            invalid("/amount", "out_of_range", format!("{missing} are missing"))
        }
        Some(amount) => Ok(amount),
    }
}
