//! Stripe, by its Payment Intents.
//!
//! A charge is an intent that is made without being confirmed, and confirmed once its name is in our books. Whoever finds
//! an attempt without a name knows that nothing was charged; one with a name can be asked about, and cancelled before it is
//! given up. What is asked for twice is done once, by Stripe's idempotency keys and, as those are forgotten after a day, by
//! looking first.

mod amounts;
mod client;
mod events;
mod objects;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::settings::{self, Capture};
use kernel::{Fault, Money};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use self::client::{Client, Fields, Refusal};
use self::objects::{List, PaymentIntent, Refund, Whole};
use super::{
    Attempt, BookEntry, BookPage, Charge, EventRefusal, Outcome, OutcomeState, Provider, ProviderEvent,
    ProviderFailure, signature,
};

/// How many objects a page of a list has: as many as Stripe gives.
const PAGE: &str = "100";

/// Under these names Stripe keeps what is ours.
const PAYMENT: &str = "bodega_payment";
const ORDER: &str = "bodega_order";
const OPERATION: &str = "bodega_operation";
/// Who confirms an intent: `shop`, or the `buyer`'s browser, which may try several cards.
const CONFIRMED_BY: &str = "bodega_confirmed_by";
const BUYER: &str = "buyer";
const SHOP: &str = "shop";

/// Stripe, seen by a shop.
pub(crate) struct Stripe {
    client: Client,
    webhook_secret: SecretString,
    publishable_key: String,
    capture: Capture,
    /// Whether the shop's key is one for money, not for tests.
    live: bool,
}

impl Stripe {
    /// Stripe, as the settings have it; `None` for a shop without a key.
    pub(crate) fn new(settings: &settings::Stripe, timeout: Duration) -> Result<Option<Self>, Fault> {
        let key = settings.secret_key.expose_secret();
        if key.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            live: key.contains("_live_"),
            client: Client::new(&settings.api, &settings.secret_key, timeout)?,
            webhook_secret: settings.webhook_secret.clone(),
            publishable_key: settings.publishable_key.clone(),
            capture: settings.capture,
        }))
    }

    async fn intent(&self, reference: &str) -> Result<PaymentIntent, Refusal> {
        self.client
            .get(&format!("/v1/payment_intents/{reference}"), Fields::new())
            .await
    }

    /// Does something to an intent, once per `key`.
    async fn act(&self, reference: &str, action: &str, key: &str, form: Fields) -> Result<PaymentIntent, Refusal> {
        let path = format!("/v1/payment_intents/{reference}/{action}");
        self.client.post(&path, key, form).await
    }

    /// What an intent says of its charge; `None` where nothing was confirmed so far.
    fn outcome(&self, intent: PaymentIntent) -> Result<Option<Outcome>, ProviderFailure> {
        let amount = amounts::from_stripe(intent.amount, &intent.currency);
        let amount = amount.ok_or_else(|| unknown("an amount that cannot be read"))?;
        let captured = intent.amount_received.unwrap_or(intent.amount);
        let captured = amounts::from_stripe(captured, &intent.currency);
        let failure = intent.last_payment_error.as_ref().map(|error| error.reason());
        let by_buyer = intent.metadata.get(CONFIRMED_BY).is_some_and(|who| who == BUYER);
        let reference = intent.id.clone();
        let state = match (intent.status.as_str(), failure) {
            ("succeeded", _) => OutcomeState::Captured,
            ("requires_capture", _) => OutcomeState::Authorized,
            ("processing", _) => OutcomeState::Processing,
            ("requires_action", _) => OutcomeState::RequiresAction(self.next_action(intent)),
            // The buyer's browser may try another card.
            ("requires_payment_method" | "requires_confirmation", _) if by_buyer => {
                OutcomeState::RequiresAction(self.confirmation(intent))
            }
            // Where the buyer tries cards, none that failed is the end of it.
            ("requires_payment_method" | "canceled", Some(reason)) if !by_buyer => OutcomeState::Declined(reason),
            ("requires_payment_method" | "requires_confirmation", _) => return Ok(None),
            ("canceled", _) => OutcomeState::Voided,
            _ => return Err(unknown("a status that is not known")),
        };
        Ok(Some(Outcome {
            captured: captured.filter(|_| state == OutcomeState::Captured),
            state,
            amount: Some(amount),
            reference: Some(reference),
        }))
    }

    /// What the buyer has to do: go to their bank's page, or let Stripe.js speak with the bank.
    fn next_action(&self, intent: PaymentIntent) -> Value {
        let redirect = intent.next_action.as_ref().map(|action| &action["redirect_to_url"]);
        match redirect.filter(|redirect| redirect["url"].is_string()) {
            Some(redirect) => {
                json!({"type": "redirect", "url": redirect["url"], "return_url": redirect["return_url"]})
            }
            None => self.confirmation(intent),
        }
    }

    fn confirmation(&self, intent: PaymentIntent) -> Value {
        json!({
            "type": "confirm",
            "client_secret": intent.client_secret,
            "publishable_key": self.publishable_key,
        })
    }

    /// The refund that an operation of ours has made, if it has.
    async fn refund_of(&self, reference: &str, operation: Uuid) -> Result<Option<Refund>, Refusal> {
        let mut after: Option<String> = None;
        loop {
            let mut query: Fields = vec![("payment_intent", reference.to_owned()), ("limit", PAGE.to_owned())];
            query.extend(after.map(|id| ("starting_after", id)));
            let page: List<Refund> = self.client.get("/v1/refunds", query).await?;
            after = page.data.last().map(|refund| refund.id.clone());
            let is_ours = |refund: &Refund| {
                refund
                    .metadata
                    .get(OPERATION)
                    .is_some_and(|id| *id == operation.to_string())
            };
            let has_more = page.has_more && after.is_some();
            if let Some(found) = page.data.into_iter().find(is_ours) {
                return Ok(Some(found));
            }
            if !has_more {
                return Ok(None);
            }
        }
    }
}

#[async_trait]
impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn check_method(&self, method: Option<&str>) -> Result<(), String> {
        let Some(method) = method else {
            return match self.publishable_key.is_empty() {
                true => Err("this shop needs the id of a PaymentMethod, pm_…".to_owned()),
                false => Ok(()),
            };
        };
        let plain = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let named = method.strip_prefix("pm_").is_some_and(|name| !name.is_empty());
        match named && method.chars().all(plain) {
            true => Ok(()),
            false => Err("the provider stripe takes the id of a PaymentMethod, pm_…".to_owned()),
        }
    }

    fn check_amount(&self, amount: Money) -> Result<(), String> {
        amounts::to_stripe(amount).map(drop)
    }

    async fn create(&self, charge: &Charge) -> Result<Option<String>, ProviderFailure> {
        let amount = amounts::to_stripe(charge.amount).map_err(ProviderFailure::Refused)?;
        let capture = match self.capture {
            Capture::Automatic => "automatic",
            Capture::Manual => "manual",
        };
        let confirmed_by = if charge.method.is_some() { SHOP } else { BUYER };
        let mut form: Fields = vec![
            ("amount", amount.to_string()),
            ("currency", amounts::code(charge.amount.currency)),
            ("capture_method", capture.to_owned()),
            ("metadata[bodega_payment]", charge.payment.to_string()),
            ("metadata[bodega_order]", charge.order.to_string()),
            ("metadata[bodega_confirmed_by]", confirmed_by.to_owned()),
        ];
        if let Some(method) = &charge.method {
            form.push(("payment_method", method.clone()));
            // Other methods lead the buyer elsewhere and back, and there is no way back.
            if charge.return_url.is_none() {
                form.push(("payment_method_types[0]", "card".to_owned()));
            }
        }
        let key = charge.payment.to_string();
        let intent: PaymentIntent = self.client.post("/v1/payment_intents", &key, form).await?;
        let ours = intent.metadata.get(PAYMENT).is_some_and(|payment| *payment == key)
            && intent
                .metadata
                .get(ORDER)
                .is_some_and(|order| *order == charge.order.to_string())
            && amounts::from_stripe(intent.amount, &intent.currency) == Some(charge.amount);
        match ours {
            true => Ok(Some(intent.id)),
            false => Err(ProviderFailure::Refused(
                "the intent is not the one that was asked for".to_owned(),
            )),
        }
    }

    async fn confirm(&self, charge: &Charge, reference: Option<&str>) -> Result<Outcome, ProviderFailure> {
        let reference = reference.ok_or_else(|| ProviderFailure::Refused("there is no intent".to_owned()))?;
        let nothing = || unknown("nothing came of it");
        if charge.method.is_none() {
            let intent = self.intent(reference).await?;
            return self.outcome(intent)?.ok_or_else(nothing);
        }
        let form: Fields = charge
            .return_url
            .iter()
            .map(|url| ("return_url", url.clone()))
            .collect();
        let key = format!("{}-confirm", charge.payment);
        let amount = Some(charge.amount);
        match self.act(reference, "confirm", &key, form).await {
            Ok(intent) => self.outcome(intent)?.ok_or_else(nothing),
            Err(Refusal::Declined(reason)) => Ok(Outcome {
                state: OutcomeState::Declined(reason),
                amount,
                captured: None,
                reference: Some(reference.to_owned()),
            }),
            // It may have been confirmed before.
            Err(Refusal::Invalid(reason)) => match self.outcome(self.intent(reference).await?)? {
                Some(outcome) => Ok(outcome),
                None => Err(ProviderFailure::Refused(reason)),
            },
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn look_up(&self, attempt: &Attempt) -> Result<Option<Outcome>, ProviderFailure> {
        let Some(reference) = &attempt.reference else {
            return Ok(None);
        };
        let intent = match self.intent(reference).await {
            // What it has named, it knows, unless the shop has got another account.
            Err(Refusal::Missing) => return Err(unknown("the intent is not there")),
            intent => intent?,
        };
        let open = intent.status != "canceled";
        let outcome = self.outcome(intent)?;
        let declined = matches!(&outcome, Some(outcome) if matches!(outcome.state, OutcomeState::Declined(_)));
        if declined && open {
            // The buyer's browser may have its secret. What has failed here must not succeed there.
            let key = format!("{}-cancel", attempt.payment);
            self.act(reference, "cancel", &key, Fields::new()).await?;
        }
        Ok(outcome)
    }

    async fn capture(&self, operation: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure> {
        let reference = reference_of(attempt)?;
        let wanted = amounts::to_stripe(amount).map_err(ProviderFailure::Refused)?;
        let form = vec![("amount_to_capture", wanted.to_string())];
        match self.act(reference, "capture", &operation.to_string(), form).await {
            Ok(_) => Ok(()),
            Err(Refusal::Invalid(reason)) => {
                let intent = self.intent(reference).await?;
                let done = intent.status == "succeeded" && intent.amount_received.is_none_or(|got| got == wanted);
                done.then_some(()).ok_or(ProviderFailure::Refused(reason))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn void(&self, operation: Uuid, attempt: &Attempt, _: Money) -> Result<(), ProviderFailure> {
        // An intent that we have no name for is never confirmed.
        let Some(reference) = &attempt.reference else {
            return Ok(());
        };
        match self
            .act(reference, "cancel", &operation.to_string(), Fields::new())
            .await
        {
            Ok(_) => Ok(()),
            Err(Refusal::Invalid(reason)) => {
                let done = self.intent(reference).await?.status == "canceled";
                done.then_some(()).ok_or(ProviderFailure::Refused(reason))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    async fn refund(&self, operation: Uuid, attempt: &Attempt, amount: Money) -> Result<(), ProviderFailure> {
        let reference = reference_of(attempt)?;
        let wanted = amounts::to_stripe(amount).map_err(ProviderFailure::Refused)?;
        let made = match self.refund_of(reference, operation).await? {
            Some(made) => made,
            None => {
                let form: Fields = vec![
                    ("payment_intent", reference.to_owned()),
                    ("amount", wanted.to_string()),
                    ("metadata[bodega_operation]", operation.to_string()),
                ];
                self.client.post("/v1/refunds", &operation.to_string(), form).await?
            }
        };
        let failed = matches!(made.status.as_deref(), Some("failed" | "canceled"));
        match failed || made.amount != wanted {
            true => Err(ProviderFailure::Refused("the refund has failed".to_owned())),
            false => Ok(()),
        }
    }

    fn signature_header(&self) -> Option<&'static str> {
        Some("stripe-signature")
    }

    fn verify_event(&self, header: Option<&str>, body: &[u8], now: DateTime<Utc>) -> Result<(), EventRefusal> {
        signature::verify(header, body, &self.webhook_secret, now)?;
        match events::is_live(body)? == self.live {
            true => Ok(()),
            false => Err(EventRefusal::Mode),
        }
    }

    fn read_event(&self, body: &[u8]) -> Result<ProviderEvent, EventRefusal> {
        events::read(body)
    }

    async fn books(&self, since: Option<DateTime<Utc>>, after: Option<String>) -> Result<BookPage, ProviderFailure> {
        let mut query: Fields = vec![
            ("limit", PAGE.to_owned()),
            ("expand[0]", "data.payment_intent".to_owned()),
        ];
        query.extend(since.map(|since| ("created[gt]", since.timestamp().to_string())));
        query.extend(after.map(|id| ("starting_after", id)));
        let page: List<objects::Charge> = self.client.get("/v1/charges", query).await?;
        let next = page
            .data
            .last()
            .map(|charge| charge.id.clone())
            .filter(|_| page.has_more);
        let made = page.data.into_iter().filter(|charge| charge.status == "succeeded");
        let entries = made.map(entry).collect::<Result<_, _>>()?;
        Ok(BookPage { entries, next })
    }
}

/// A line of the books.
fn entry(charge: objects::Charge) -> Result<BookEntry, ProviderFailure> {
    let read = |amount| {
        let money = amounts::from_stripe(amount, &charge.currency);
        money.ok_or_else(|| unknown("an amount that cannot be read"))
    };
    // A promise that was given back is told as refunded in full, though nothing was taken.
    let (captured, refunded) = match charge.captured {
        true => (charge.amount_captured.unwrap_or(charge.amount), charge.amount_refunded),
        false => (0, 0),
    };
    let (amount, captured, refunded) = (read(charge.amount)?, read(captured)?.amount, read(refunded)?.amount);
    let (reference, payment) = match charge.payment_intent {
        Some(Whole::Object(intent)) => {
            let payment = intent.metadata.get(PAYMENT).and_then(|payment| payment.parse().ok());
            (intent.id, payment)
        }
        Some(Whole::Id(id)) => (id, None),
        None => (charge.id, None),
    };
    Ok(BookEntry {
        reference,
        payment,
        amount,
        captured,
        refunded,
    })
}

fn reference_of(attempt: &Attempt) -> Result<&str, ProviderFailure> {
    let nothing = || ProviderFailure::Refused("nothing was charged".to_owned());
    attempt.reference.as_deref().ok_or_else(nothing)
}

fn unknown(reason: &str) -> ProviderFailure {
    ProviderFailure::Unknown(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use kernel::id::PaymentId;

    use super::*;

    fn shop() -> Stripe {
        let settings = settings::Stripe {
            enabled: true,
            secret_key: "sk_test_1".to_owned().into(),
            webhook_secret: "whsec_1".to_owned().into(),
            publishable_key: "pk_test_1".to_owned(),
            capture: Capture::Automatic,
            api: String::new(),
        };
        Stripe::new(&settings, Duration::from_secs(1)).unwrap().unwrap()
    }

    fn state(status: &str, more: Value) -> Result<Option<OutcomeState>, ProviderFailure> {
        let mut intent = json!({"id": "pi_1", "status": status, "amount": 1000, "currency": "usd",
            "client_secret": "pi_1_secret_2", "metadata": {"bodega_confirmed_by": "shop"}});
        intent
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let outcome = shop().outcome(serde_json::from_value(intent).unwrap())?;
        Ok(outcome.map(|outcome| outcome.state))
    }

    #[test]
    fn each_status_of_an_intent_means_one_thing() {
        let declined = json!({"last_payment_error": {"type": "card_error", "code": "card_declined", "decline_code": "do_not_honor"}});
        let by_buyer = json!({"metadata": {"bodega_confirmed_by": "buyer"}});
        let confirm = json!({"type": "confirm", "client_secret": "pi_1_secret_2", "publishable_key": "pk_test_1"});
        let asked = OutcomeState::RequiresAction(confirm);
        let said_no = OutcomeState::Declined("do_not_honor".to_owned());
        for (status, more, expected) in [
            ("succeeded", json!({}), Some(OutcomeState::Captured)),
            ("requires_capture", json!({}), Some(OutcomeState::Authorized)),
            ("processing", json!({}), Some(OutcomeState::Processing)),
            ("canceled", json!({}), Some(OutcomeState::Voided)),
            ("canceled", declined.clone(), Some(said_no.clone())),
            ("requires_payment_method", declined.clone(), Some(said_no)),
            ("requires_payment_method", json!({}), None),
            ("requires_confirmation", json!({}), None),
            ("requires_payment_method", by_buyer.clone(), Some(asked.clone())),
            (
                "requires_action",
                json!({"next_action": {"type": "use_stripe_sdk"}}),
                Some(asked),
            ),
            ("canceled", by_buyer, Some(OutcomeState::Voided)),
        ] {
            assert_eq!(state(status, more.clone()), Ok(expected), "{status} {more}");
        }
        assert!(matches!(
            state("something_new", json!({})),
            Err(ProviderFailure::Unknown(_))
        ));
        assert!(matches!(
            state("succeeded", json!({"currency": "???"})),
            Err(ProviderFailure::Unknown(_))
        ));
    }

    #[test]
    fn a_part_that_was_taken_is_told_as_a_part() {
        let intent =
            json!({"id": "pi_1", "status": "succeeded", "amount": 1000, "amount_received": 700, "currency": "usd"});
        let outcome = shop()
            .outcome(serde_json::from_value(intent).unwrap())
            .unwrap()
            .unwrap();
        let usd = |amount| Money::new(amount, "USD".parse().unwrap());
        assert_eq!((outcome.amount, outcome.captured), (Some(usd(1000)), Some(usd(700))));
    }

    #[test]
    fn a_promise_that_was_given_back_is_no_money_in_the_books() {
        let payment = PaymentId::generate();
        let charge = |more: Value| {
            let mut charge = json!({"id": "ch_1", "status": "succeeded", "amount": 1000, "currency": "usd", "captured": true,
                "amount_captured": 1000, "amount_refunded": 300,
                "payment_intent": {"id": "pi_1", "status": "succeeded", "amount": 1000, "currency": "usd",
                    "metadata": {"bodega_payment": payment}}});
            charge
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            entry(serde_json::from_value(charge).unwrap()).unwrap()
        };
        let whole = charge(json!({}));
        assert_eq!((whole.reference.as_str(), whole.payment), ("pi_1", Some(payment)));
        assert_eq!((whole.captured, whole.refunded), (1000, 300));
        let released = charge(json!({"captured": false, "amount_captured": 0, "amount_refunded": 1000}));
        assert_eq!((released.captured, released.refunded), (0, 0));
        let foreign = charge(json!({"payment_intent": null}));
        assert_eq!((foreign.reference.as_str(), foreign.payment), ("ch_1", None));
    }

    #[test]
    fn only_names_of_payment_methods_are_taken() {
        let shop = shop();
        assert_eq!(shop.check_method(None), Ok(()));
        assert_eq!(shop.check_method(Some("pm_1Abc_2")), Ok(()));
        for wrong in ["", "pm_", "card_1", "pm_1/../x", "pm_1&amount=1"] {
            assert!(shop.check_method(Some(wrong)).is_err(), "{wrong}");
        }
        let silent = Stripe {
            publishable_key: String::new(),
            ..shop
        };
        assert!(silent.check_method(None).is_err());
    }
}
