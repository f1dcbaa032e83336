//! Payment providers: the parties that move the money. They are called with a deadline and never inside a transaction;
//! every call carries an id of ours under which the provider does its work at most once.

mod manual;
pub(crate) mod sandbox;
mod signature;
mod stripe;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::id::{OrderId, PaymentId};
use kernel::settings::Payments;
use kernel::{Fault, Money};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use manual::Manual;
pub(crate) use sandbox::Sandbox;
pub(crate) use stripe::Stripe;

/// A party that moves money.
#[async_trait]
pub(crate) trait Provider: Send + Sync {
    /// Its name in the API.
    fn name(&self) -> &'static str;

    /// The outcome of every charge, where nobody has to be asked.
    fn decides_at_once(&self) -> Option<Outcome> {
        None
    }

    /// Whether people give money back by hand, so that a refund here only says that they did.
    fn returns_by_hand(&self) -> bool {
        false
    }

    /// Whether a promise can be taken in several parts; otherwise what a first capture leaves is let go.
    fn captures_in_parts(&self) -> bool {
        false
    }

    /// Checks a `method` before anything is stored; the error is for people.
    fn check_method(&self, method: Option<&str>) -> Result<(), String>;

    /// Checks before anything is charged whether an amount can be; the error is for people.
    fn check_amount(&self, _: Money) -> Result<(), String> {
        Ok(())
    }

    /// Makes a charge known to the provider without moving money, once per payment, and answers the provider's own name
    /// for it. That is stored before [`Provider::confirm`] is called: nothing is ever charged that we could not ask about.
    /// `None` where the provider knows charges by our name for them and needs no such step.
    async fn create(&self, _: &Charge) -> Result<Option<String>, ProviderFailure> {
        Ok(None)
    }

    /// Charges once per payment; a repeat answers what the first call came to. `reference` is what
    /// [`Provider::create`] has answered.
    async fn confirm(&self, charge: &Charge, reference: Option<&str>) -> Result<Outcome, ProviderFailure>;

    /// What became of a charge; `None` where nothing was charged so far, and nothing will be unless a confirmation is
    /// still on its way.
    async fn look_up(&self, attempt: &Attempt) -> Result<Option<Outcome>, ProviderFailure>;

    /// Takes the money that was promised; once per `operation`.
    async fn capture(&self, operation: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure>;

    /// Gives a promise back; once per `operation`. A charge that the provider has never heard of is forbidden: should it
    /// still arrive, nothing is charged.
    async fn void(&self, operation: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure>;

    /// Gives money back; once per `operation`.
    async fn refund(&self, operation: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure>;

    /// The header in which the provider signs the events that it sends; `None` where it sends none.
    fn signature_header(&self) -> Option<&'static str> {
        None
    }

    /// Whether an event is from the provider, and from now: over the bytes as they came.
    fn verify_event(&self, _signature: Option<&str>, _body: &[u8], _now: DateTime<Utc>) -> Result<(), EventRefusal> {
        Err(EventRefusal::Signature)
    }

    /// What an event says. It is a reason to ask and no more: nothing in it is believed.
    fn read_event(&self, _body: &[u8]) -> Result<ProviderEvent, EventRefusal> {
        Err(EventRefusal::Unreadable)
    }

    /// A page of the provider's books, for comparison with ours: the charges since `since`, those after `after`. Empty
    /// where it keeps none.
    async fn books(&self, since: Option<DateTime<Utc>>, after: Option<String>) -> Result<BookPage, ProviderFailure>;
}

/// What a provider is asked to charge.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    /// Our payment, and the provider's idempotency key.
    pub(crate) payment: PaymentId,
    /// The order that it is for.
    pub(crate) order: OrderId,
    /// How much.
    pub(crate) amount: Money,
    /// How: the provider's own token.
    pub(crate) method: Option<String>,
    /// Where a redirected buyer comes back to.
    pub(crate) return_url: Option<String>,
}

/// An attempt to pay that was begun before, as far as its provider has to know it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// Our payment.
    pub(crate) payment: PaymentId,
    /// The name of its provider.
    pub(crate) provider: String,
    /// The provider's own name for the charge, once we know it.
    pub(crate) reference: Option<String>,
}

/// What came of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How it stands.
    pub(crate) state: OutcomeState,
    /// How much the provider speaks of; compared with the order before anything is believed.
    pub(crate) amount: Option<Money>,
    /// How much of that was taken, where it is captured; all of it where the provider does not say.
    pub(crate) captured: Option<Money>,
    /// The provider's own name for the charge; compared likewise.
    pub(crate) reference: Option<String>,
}

/// How a charge stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeState {
    Authorized,
    Captured,
    RequiresAction(Value),
    /// The provider is at it, which can take days for a bank debit.
    Processing,
    /// Refused, with a stable code such as `card_declined`.
    Declined(String),
    Voided,
}

/// A call to a provider came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderFailure {
    /// No answer, or none that says whether the work was done: ask later.
    #[error("the provider's answer is unknown: {0}")]
    Unknown(String),
    /// The provider refuses, and nothing was done.
    #[error("the provider refuses: {0}")]
    Refused(String),
}

/// Why an event is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventRefusal {
    /// Its signature is missing, or is not the provider's.
    #[error("the signature is missing or wrong")]
    Signature,
    /// It was signed too long ago, or in the future.
    #[error("the signature is too old, or from the future")]
    Stale,
    /// It is from the provider's test mode and the shop is in earnest, or the other way round.
    #[error("the event is from the other mode of the provider")]
    Mode,
    /// It cannot be read.
    #[error("the event cannot be read")]
    Unreadable,
}

/// What an event of a provider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProviderEvent {
    /// The provider's own id of it, the same for each delivery.
    pub(crate) id: String,
    /// What has happened, in the provider's words.
    pub(crate) kind: String,
    /// The provider's name for the charge that it is about.
    pub(crate) reference: Option<String>,
    /// Our payment, where the provider repeats what we have told it.
    pub(crate) payment: Option<PaymentId>,
    /// What it means to us.
    pub(crate) meaning: Meaning,
}

/// What an event means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Something about a charge has changed: ask what.
    Changed,
    /// The buyer's bank has taken the money back, and the shop may object.
    Disputed,
    /// The bank has decided for the shop.
    DisputeWon,
    /// The bank has decided for the buyer.
    DisputeLost,
    /// Money that was given back has not arrived.
    RefundFailed,
    /// Nothing.
    Nothing,
}

/// A page of a provider's books.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BookPage {
    /// The charges.
    pub(crate) entries: Vec<BookEntry>,
    /// Where the books go on; `None` at their end.
    pub(crate) next: Option<String>,
}

/// A charge in a provider's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BookEntry {
    /// The provider's own name for the charge.
    pub(crate) reference: String,
    /// Our payment, as the provider was told; `None` for a charge that was not made by a shop like this one.
    pub(crate) payment: Option<PaymentId>,
    /// What the whole charge is over.
    pub(crate) amount: Money,
    /// Money taken, minor units.
    pub(crate) captured: i64,
    /// Money given back, minor units.
    pub(crate) refunded: i64,
}

/// The providers of this shop.
#[derive(Clone)]
pub(crate) struct Providers {
    all: Arc<BTreeMap<&'static str, Arc<dyn Provider>>>,
    offered: Arc<Vec<&'static str>>,
    timeout: Duration,
}

impl Providers {
    /// All providers this binary knows; those that are switched on are offered, the others still settle what they began.
    /// Stripe is known where the shop has a key.
    pub(crate) fn new(settings: &Payments, timeout: Duration, sandbox: Sandbox) -> Result<Self, Fault> {
        let mut known: Vec<(bool, Arc<dyn Provider>)> = vec![
            (settings.manual.enabled, Arc::new(Manual)),
            (settings.sandbox.enabled, Arc::new(sandbox)),
        ];
        if let Some(stripe) = Stripe::new(&settings.stripe, timeout)? {
            known.push((settings.stripe.enabled, Arc::new(stripe)));
        }
        let offered = known
            .iter()
            .filter(|(enabled, _)| *enabled)
            .map(|(_, provider)| provider.name())
            .collect();
        let all = known
            .into_iter()
            .map(|(_, provider)| (provider.name(), provider))
            .collect();
        Ok(Self {
            all: Arc::new(all),
            offered: Arc::new(offered),
            timeout,
        })
    }

    /// The names of the providers that buyers may choose.
    pub(crate) fn offered(&self) -> &[&'static str] {
        &self.offered
    }

    /// A provider that buyers may choose.
    pub(crate) fn choose(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.offered.contains(&name).then(|| self.known(name))?
    }

    /// A provider, switched on or not.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.all.get(name).cloned()
    }

    /// Every provider.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.all.values()
    }

    /// Waits for a provider no longer than it may take.
    pub(crate) async fn within_deadline<T>(
        &self,
        call: impl Future<Output = Result<T, ProviderFailure>>,
    ) -> Result<T, ProviderFailure> {
        let answer = tokio::time::timeout(self.timeout, call).await;
        answer.unwrap_or_else(|_| Err(ProviderFailure::Unknown("no answer in time".to_owned())))
    }
}
