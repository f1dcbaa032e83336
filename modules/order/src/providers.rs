//! Payment providers: the parties that move the money. They are called with a deadline and never inside a transaction;
//! every call carries an id of ours under which the provider does its work at most once.

mod manual;
pub(crate) mod sandbox;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kernel::Money;
use kernel::id::PaymentId;
use kernel::settings::Payments;
use serde_json::Value;
use uuid::Uuid;

pub(crate) use manual::Manual;
pub(crate) use sandbox::Sandbox;

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

    /// Checks a `method` before anything is stored; the error is for people.
    fn check_method(&self, method: Option<&str>) -> Result<(), String>;

    /// Charges once per `payment`; a repeat answers what the first call came to.
    async fn charge(&self, charge: &Charge) -> Result<Outcome, ProviderFailure>;

    /// What became of a charge; `None` where the provider has never heard of it.
    async fn look_up(&self, payment: PaymentId) -> Result<Option<Outcome>, ProviderFailure>;

    /// Takes the money that was promised; once per `operation`.
    async fn capture(&self, operation: Uuid, payment: PaymentId, amount: Money) -> Result<(), ProviderFailure>;

    /// Gives a promise back; once per `operation`. A charge that the provider has never heard of is forbidden: should it
    /// still arrive, nothing is charged.
    async fn void(&self, operation: Uuid, payment: PaymentId, amount: Money) -> Result<(), ProviderFailure>;

    /// Gives money back; once per `operation`.
    async fn refund(&self, operation: Uuid, payment: PaymentId, amount: Money) -> Result<(), ProviderFailure>;

    /// The provider's books after `after`, for comparison with ours; empty where it keeps none.
    async fn books(&self, after: Option<PaymentId>, limit: i64) -> Result<Vec<BookEntry>, ProviderFailure>;
}

/// What a provider is asked to charge.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    /// Our payment, and the provider's idempotency key.
    pub(crate) payment: PaymentId,
    /// How much.
    pub(crate) amount: Money,
    /// How: the provider's own token.
    pub(crate) method: Option<String>,
    /// Where a redirected buyer comes back to.
    pub(crate) return_url: Option<String>,
}

/// What came of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How it stands.
    pub(crate) state: OutcomeState,
    /// How much the provider speaks of; compared with the order before anything is believed.
    pub(crate) amount: Option<Money>,
    /// The provider's own name for the charge.
    pub(crate) reference: Option<String>,
}

/// How a charge stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutcomeState {
    Authorized,
    Captured,
    RequiresAction(Value),
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

/// A charge in a provider's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BookEntry {
    /// Our payment.
    pub(crate) payment: PaymentId,
    /// Money taken.
    pub(crate) captured: Money,
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
    pub(crate) fn new(settings: &Payments, timeout: Duration, sandbox: Sandbox) -> Self {
        let known: [(bool, Arc<dyn Provider>); 2] = [
            (settings.manual.enabled, Arc::new(Manual)),
            (settings.sandbox.enabled, Arc::new(sandbox)),
        ];
        let offered = known
            .iter()
            .filter(|(enabled, _)| *enabled)
            .map(|(_, provider)| provider.name())
            .collect();
        let all = known
            .into_iter()
            .map(|(_, provider)| (provider.name(), provider))
            .collect();
        Self {
            all: Arc::new(all),
            offered: Arc::new(offered),
            timeout,
        }
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
