//! Stripe's objects, as far as they are of use here: what is not named is passed over, and what older and smaller Stripes do
//! not say is optional.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

/// What a buyer wants to pay, and how far that is (<https://docs.stripe.com/api/payment_intents/object>).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) amount_received: Option<i64>,
    /// Whoever has it may try to pay: for the buyer's browser alone.
    pub(super) client_secret: Option<String>,
    pub(super) next_action: Option<Value>,
    pub(super) last_payment_error: Option<PaymentError>,
    #[serde(default)]
    pub(super) metadata: HashMap<String, String>,
}

/// Why an attempt came to nothing.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PaymentError {
    #[serde(default)]
    pub(super) r#type: String,
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
}

impl PaymentError {
    /// The most precise word for it.
    pub(super) fn reason(&self) -> String {
        let code = self.decline_code.clone().or_else(|| self.code.clone());
        code.unwrap_or_else(|| "card_declined".to_owned())
    }
}

/// The body of a refusal.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: PaymentError,
}

/// Money taken, or promised.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Charge {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) captured: bool,
    pub(super) amount_captured: Option<i64>,
    #[serde(default)]
    pub(super) amount_refunded: i64,
    /// What it is a part of.
    pub(super) payment_intent: Option<Whole<PaymentIntent>>,
}

/// Money given back.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    /// `succeeded`, `pending`, `requires_action`, `failed`, `canceled`.
    pub(super) status: Option<String>,
    #[serde(default)]
    pub(super) metadata: HashMap<String, String>,
}

/// Another object, by its id alone or whole.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Whole<T> {
    Id(String),
    Object(Box<T>),
}

/// A page of a list.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) has_more: bool,
}

/// Something that has happened (<https://docs.stripe.com/api/events/object>).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) r#type: String,
    pub(super) livemode: bool,
    pub(super) data: EventData,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct EventData {
    pub(super) object: EventObject,
}

/// What an event is about, whatever kind of object it is.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct EventObject {
    pub(super) id: Option<String>,
    #[serde(default)]
    pub(super) object: String,
    pub(super) status: Option<String>,
    pub(super) payment_intent: Option<Value>,
    /// Anything but texts in it is not ours.
    #[serde(default)]
    pub(super) metadata: Value,
}
