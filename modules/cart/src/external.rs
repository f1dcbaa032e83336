//! Services outside the shop that are asked what something costs: carriers for their live rates, and who knows taxes better
//! than the shop's own zones. Each is asked with a deadline, and the shop goes on without it where it does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cart_pricing::{ShippingTax, TaxRate, TaxZone};
use kernel::address::{Address, Country};
use kernel::id::{CustomerGroupId, TaxZoneId};
use kernel::money::MAX_AMOUNT;
use kernel::settings::{Cart, ExternalService};
use kernel::{Clock, Currency, Fault, Money};
use moka::sync::Cache;
use reqwest::{Client, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::TaxRule;

/// How long an answer holds: what a buyer is shown has to be what the buyer pays a moment later.
const ANSWER_LIFETIME: Duration = Duration::from_secs(600);
/// How many answers are kept.
const ANSWERS: u64 = 10_000;
/// How long a service that has failed is not asked again.
const PAUSE_MILLISECONDS: i64 = 10_000;
/// The largest answer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Carriers that say what they ask for.
#[async_trait]
pub(crate) trait CarrierRates: Send + Sync {
    /// What a service asks for a parcel; `None` where it does not take it.
    async fn rate(&self, question: &RateQuestion) -> Result<Option<Money>, Fault>;
}

/// Somebody who knows which taxes are paid where.
#[async_trait]
pub(crate) trait TaxService: Send + Sync {
    /// What is taxed how.
    async fn taxes(&self, question: &TaxQuestion) -> Result<TaxRule, Fault>;
}

/// What a carrier is asked. Nothing in it says who the buyer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RateQuestion {
    pub(crate) service: String,
    pub(crate) destination: Place,
    /// What all goods weigh that have to be sent.
    pub(crate) grams: i64,
    /// What all goods cost before promotions.
    pub(crate) value: Money,
}

/// What a tax service is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TaxQuestion {
    pub(crate) destination: Place,
    pub(crate) currency: Currency,
    /// By which a tax office knows the buyer.
    pub(crate) tax_number: Option<String>,
    pub(crate) customer_group: Option<CustomerGroupId>,
    /// What the goods are, each once.
    pub(crate) tax_classes: Vec<String>,
}

/// Where something goes, without the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    country: Country,
    region: Option<String>,
    postal_code: String,
    city: String,
}

impl From<&Address> for Place {
    fn from(address: &Address) -> Self {
        Self {
            country: address.country,
            region: address.region.as_ref().map(ToString::to_string),
            postal_code: address.postal_code.to_string(),
            city: address.city.to_string(),
        }
    }
}

/// The services that the settings name.
#[derive(Clone)]
pub(crate) struct External {
    pub(crate) carriers: Option<Arc<dyn CarrierRates>>,
    pub(crate) taxes: Option<Arc<dyn TaxService>>,
}

impl External {
    /// Whether there is anybody to ask.
    pub(crate) fn is_any(&self) -> bool {
        self.carriers.is_some() || self.taxes.is_some()
    }

    /// As the settings have them.
    pub(crate) fn new(settings: &Cart, clock: &Clock) -> Self {
        let carriers = Endpoint::new("carriers", &settings.carriers, clock);
        let taxes = Endpoint::new("taxes", &settings.taxes, clock);
        Self {
            carriers: carriers.map(|endpoint| Arc::new(endpoint) as Arc<dyn CarrierRates>),
            taxes: taxes.map(|endpoint| Arc::new(endpoint) as Arc<dyn TaxService>),
        }
    }
}

/// A service that takes questions as JSON by POST, and answers them likewise.
struct Endpoint {
    name: &'static str,
    clock: Clock,
    url: String,
    token: SecretString,
    client: Client,
    answers: Cache<String, Option<Arc<str>>>,
    /// Until when it is not asked, in milliseconds since 1970.
    paused_until: AtomicI64,
}

impl Endpoint {
    fn new(name: &'static str, settings: &ExternalService, clock: &Clock) -> Option<Self> {
        if settings.url.is_empty() {
            return None;
        }
        // Others in this process may have chosen the same before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none());
        Some(Self {
            name,
            clock: clock.clone(),
            url: settings.url.clone(),
            token: settings.token.clone(),
            client: client.build().ok()?,
            answers: Cache::builder()
                .max_capacity(ANSWERS)
                .time_to_live(ANSWER_LIFETIME)
                .build(),
            paused_until: AtomicI64::new(0),
        })
    }

    /// The answer to a question, where the service has one: an earlier one as long as it holds. Only what is understood and
    /// `is_sound` is kept.
    async fn ask<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        question: &Q,
        is_sound: impl Fn(&A) -> bool,
    ) -> Result<Option<A>, Fault> {
        let body = serde_json::to_string(question).map_err(|error| Fault::internal(error.to_string()))?;
        let known = self.answers.get(&body);
        let text = match &known {
            Some(text) => text.clone(),
            None => self.send(&body).await?,
        };
        let answer: Option<A> = match &text {
            Some(text) => Some(serde_json::from_str(text).map_err(|error| self.away(&error.to_string()))?),
            None => None,
        };
        if answer.as_ref().is_some_and(|answer| !is_sound(answer)) {
            return Err(self.away("it answers what cannot be"));
        }
        if known.is_none() {
            self.answers.insert(body, text);
        }
        Ok(answer)
    }

    async fn send(&self, body: &str) -> Result<Option<Arc<str>>, Fault> {
        if self.clock.now().timestamp_millis() < self.paused_until.load(Ordering::Relaxed) {
            return Err(Fault::unavailable(format!("{} did not answer a moment ago", self.name)));
        }
        let mut request = self.client.post(&self.url).header("content-type", "application/json");
        if !self.token.expose_secret().is_empty() {
            request = request.bearer_auth(self.token.expose_secret());
        }
        let response = request.body(body.to_owned()).send().await;
        let mut response = response.map_err(|error| self.away(&error.without_url().to_string()))?;
        match response.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => return Ok(None),
            status if !status.is_success() => return Err(self.away(&format!("it answers {status}"))),
            _ => (),
        }
        let mut read = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.away(&error.without_url().to_string()))?
        {
            if read.len() + chunk.len() > MAX_ANSWER {
                return Err(self.away("its answer is too large"));
            }
            read.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(read).map_err(|_| self.away("its answer is no text"))?;
        Ok(Some(text.into()))
    }

    /// The service has failed: it is left alone for a while.
    fn away(&self, why: &str) -> Fault {
        let until = self.clock.now().timestamp_millis() + PAUSE_MILLISECONDS;
        self.paused_until.store(until, Ordering::Relaxed);
        tracing::warn!(
            service = self.name,
            why,
            "an external service fails; carts are priced without it"
        );
        Fault::unavailable(format!("{}: {why}", self.name))
    }
}

#[async_trait]
impl CarrierRates for Endpoint {
    async fn rate(&self, question: &RateQuestion) -> Result<Option<Money>, Fault> {
        let currency = question.value.currency;
        let is_sound = |rate: &Money| rate.currency == currency && (0..=MAX_AMOUNT).contains(&rate.amount);
        self.ask(question, is_sound).await
    }
}

/// What a tax service answers.
#[derive(Deserialize)]
struct TaxAnswer {
    prices_include_tax: bool,
    rates: Vec<TaxRate>,
    #[serde(default)]
    shipping: ShippingTax,
}

#[async_trait]
impl TaxService for Endpoint {
    async fn taxes(&self, question: &TaxQuestion) -> Result<TaxRule, Fault> {
        let answer: Option<TaxAnswer> = self.ask(question, |_| true).await?;
        // Nothing is taxed where the service knows nothing of the place.
        let answer = answer.unwrap_or(TaxAnswer {
            prices_include_tax: false,
            rates: Vec::new(),
            shipping: ShippingTax::None,
        });
        Ok(TaxRule {
            zone: TaxZone {
                id: TaxZoneId::from(Uuid::nil()),
                name: self.name.to_owned(),
                areas: Vec::new(),
                prices_include_tax: answer.prices_include_tax,
                reverse_charge: false,
                rates: answer.rates,
                shipping: answer.shipping,
            },
            exempt_groups: Vec::new(),
        })
    }
}
