//! The order as the API shows it.

use cart_api::Pricing;
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{CartId, EventId, OrderId, PaymentId};
use kernel::{Currency, Locale, Money};
use serde::Serialize;
use serde_json::Value;

use super::fulfilment::{Fulfilment, FulfilmentStatus};
use super::inbox::{EventState, StoredEvent};
use super::payment::{OrderPaymentStatus, Payment, PaymentStatus, Refund, outstanding};
use super::returning::Return;
use super::{Actor, Line, Status, TimelineEntry, WholeOrder};

/// Who looks at an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Buyer,
    /// Whoever has just proven to be the order's holder: they see what lets them pay.
    Holder,
    /// Staff see who did what, and what they have noted among themselves.
    Staff,
}

impl Audience {
    /// Whoever has done something sees what came of it.
    pub(crate) fn of(actor: Actor) -> Self {
        match actor {
            Actor::Staff(_) => Self::Staff,
            Actor::Customer => Self::Holder,
            Actor::System => Self::Buyer,
        }
    }
}

/// An order.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Order)]
pub(crate) struct OrderView {
    pub(crate) id: OrderId,
    /// As people know it.
    #[schema(example = "1001")]
    pub(crate) number: String,
    pub(crate) status: Status,
    pub(crate) payment_status: OrderPaymentStatus,
    pub(crate) fulfilment_status: FulfilmentStatus,
    /// The edit version, also the `ETag`.
    pub(crate) version: i64,
    pub(crate) currency: Currency,
    /// The language in which the lines are told, as the buyer chose.
    pub(crate) locale: Locale,
    pub(crate) email: String,
    /// The cart that it came from; `null` for an order that staff have prepared.
    pub(crate) cart_id: Option<CartId>,
    pub(crate) lines: Vec<Line>,
    pub(crate) totals: OrderTotals,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) billing_address: Option<Address>,
    #[serde(flatten)]
    pub(crate) pricing: Pricing,
    pub(crate) payments: Vec<PaymentView>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) fulfilments: Vec<Fulfilment>,
    pub(crate) returns: Vec<Return>,
    pub(crate) timeline: Vec<TimelineEntry>,
    pub(crate) placed_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// What an order costs, and what was given back.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct OrderTotals {
    pub(crate) subtotal: Money,
    pub(crate) discount: Money,
    pub(crate) shipping: Money,
    /// What comes onto the prices.
    pub(crate) tax: Money,
    /// What the prices contain; a part of `total` already.
    pub(crate) tax_included: Money,
    pub(crate) total: Money,
    pub(crate) gift_cards: Money,
    pub(crate) amount_due: Money,
    /// Money returned to the buyer.
    pub(crate) refunded: Money,
    /// Money that is taken and not returned.
    pub(crate) paid: Money,
    /// What is missing: neither taken nor promised.
    pub(crate) outstanding: Money,
}

/// An attempt to pay.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PaymentView {
    pub(crate) id: PaymentId,
    #[schema(example = "sandbox")]
    pub(crate) provider: String,
    pub(crate) status: PaymentStatus,
    pub(crate) amount: Money,
    /// How much of it is taken.
    pub(crate) captured: Money,
    /// How much of that was given back.
    pub(crate) refunded: Money,
    /// What the buyer has to do: `{"type": "redirect", "url": ".."}`, or `{"type": "confirm", "client_secret": "..",
    /// "publishable_key": ".."}` for the provider's own script. The secret is for the order's holder alone.
    #[schema(value_type = Option<Object>)]
    pub(crate) next_action: Option<Value>,
    /// Why the attempt failed, e.g. `card_declined`.
    pub(crate) failure_code: Option<String>,
}

/// The member of a next action that nobody but the holder of the order gets to see: whoever has it may try to pay.
const CLIENT_SECRET: &str = "client_secret";

/// Takes out of an order in JSON what is for its holder alone.
pub(crate) fn hide_client_secrets(order: &mut Value) {
    let payments = order.get_mut("payments").and_then(Value::as_array_mut);
    for payment in payments.into_iter().flatten() {
        if let Some(action) = payment.get_mut("next_action").and_then(Value::as_object_mut) {
            action.remove(CLIENT_SECRET);
        }
    }
}

/// Puts back what [`hide_client_secrets`] has taken out, for the payments that still wait for their buyer.
pub(crate) fn show_client_secrets(order: &mut Value, payments: &[Payment]) {
    let shown = order.get_mut("payments").and_then(Value::as_array_mut);
    for shown in shown.into_iter().flatten() {
        let id = shown["id"].as_str().map(str::to_owned);
        let waiting = payments
            .iter()
            .find(|payment| payment.status == PaymentStatus::RequiresAction && Some(payment.id.to_string()) == id);
        let secret = waiting.and_then(|payment| payment.next_action.as_ref()?.get(CLIENT_SECRET));
        if let (Some(secret), Some(action)) = (secret, shown.get_mut("next_action").and_then(Value::as_object_mut)) {
            action.insert(CLIENT_SECRET.to_owned(), secret.clone());
        }
    }
}

impl WholeOrder {
    /// The order as `audience` sees it; `None` for one that never got beyond its placing.
    pub(crate) fn view(self, audience: Audience) -> Option<OrderView> {
        let Self {
            order,
            lines,
            mut payments,
            refunds,
            fulfilments,
            returns,
            mut timeline,
        } = self;
        let worth = order.worth();
        if audience != Audience::Holder {
            let actions = payments.iter_mut().filter_map(|payment| payment.next_action.as_mut());
            actions
                .filter_map(Value::as_object_mut)
                .for_each(|action| drop(action.remove(CLIENT_SECRET)));
        }
        if audience != Audience::Staff {
            timeline.retain(|entry| !entry.internal);
            timeline.iter_mut().for_each(|entry| entry.actor_id = None);
        }
        let content = order.content?;
        let money = |amount| Money::new(amount, content.currency);
        let totals = content.totals;
        let refunded: i64 = payments.iter().map(|payment| payment.refunded).sum();
        let captured: i64 = payments.iter().map(|payment| payment.captured).sum();
        let show = |payment: &Payment| PaymentView {
            id: payment.id,
            provider: payment.provider.clone(),
            status: payment.status,
            amount: payment.amount,
            captured: money(payment.captured),
            refunded: money(payment.refunded),
            next_action: payment
                .next_action
                .clone()
                .filter(|_| payment.status == PaymentStatus::RequiresAction),
            failure_code: payment
                .failure
                .clone()
                .filter(|_| payment.status == PaymentStatus::Failed),
        };
        Some(OrderView {
            id: order.id,
            number: order.number,
            status: order.status,
            payment_status: OrderPaymentStatus::of(
                &payments,
                match order.status {
                    Status::Cancelled => totals.amount_due.amount,
                    _ => worth,
                },
            ),
            fulfilment_status: order.fulfilment_status,
            version: order.version,
            currency: content.currency,
            locale: content.locale,
            email: content.email,
            cart_id: order.cart,
            lines,
            totals: OrderTotals {
                subtotal: totals.subtotal,
                discount: totals.discount,
                shipping: totals.shipping,
                tax: totals.tax,
                tax_included: totals.tax_included,
                total: totals.total,
                gift_cards: totals.gift_cards,
                amount_due: totals.amount_due,
                refunded: money(refunded),
                paid: money(captured - refunded),
                outstanding: money(outstanding(worth, &payments)),
            },
            shipping_address: content.shipping_address,
            billing_address: content.billing_address,
            pricing: content.pricing,
            payments: payments.iter().map(show).collect(),
            refunds,
            fulfilments,
            returns,
            timeline,
            placed_at: order.placed_at,
            created_at: order.created_at,
            updated_at: order.updated_at,
        })
    }
}

/// An event of a payment provider, for staff.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PaymentEvent)]
pub(crate) struct EventView {
    pub(crate) id: EventId,
    #[schema(example = "stripe")]
    pub(crate) provider: String,
    /// The provider's own id of it.
    pub(crate) event_id: String,
    /// What has happened, in the provider's words.
    #[schema(example = "payment_intent.succeeded")]
    pub(crate) r#type: String,
    pub(crate) state: EventState,
    /// How often it was taken up.
    pub(crate) attempts: i32,
    /// Why it is not done, or was given up.
    pub(crate) failure: Option<String>,
    /// The provider's name for the charge.
    pub(crate) reference: Option<String>,
    pub(crate) payment_id: Option<PaymentId>,
    pub(crate) received_at: DateTime<Utc>,
    pub(crate) processed_at: Option<DateTime<Utc>>,
    /// What the provider has sent, but for what lets people pay; of a single event alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, required = false, nullable = false)]
    pub(crate) body: Option<Value>,
}

impl EventView {
    /// The event, with its body where that was read.
    pub(crate) fn of(event: StoredEvent, body: Option<&[u8]>) -> Self {
        let body = body.and_then(|body| serde_json::from_slice(body).ok());
        Self {
            id: event.id,
            provider: event.provider,
            event_id: event.event_id,
            r#type: event.kind,
            state: event.state,
            attempts: event.attempts,
            failure: event.failure,
            reference: event.reference,
            payment_id: event.payment,
            received_at: event.received_at,
            processed_at: event.processed_at,
            body: body.map(without_client_secrets),
        }
    }
}

fn without_client_secrets(json: Value) -> Value {
    match json {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(name, _)| name != CLIENT_SECRET);
            Value::Object(
                kept.map(|(name, value)| (name, without_client_secrets(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_client_secrets).collect()),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use kernel::id::OrderId;
    use serde_json::json;

    use super::*;

    fn waiting(status: PaymentStatus) -> Payment {
        Payment {
            id: PaymentId::generate(),
            order: OrderId::generate(),
            provider: "stripe".into(),
            status,
            amount: Money::new(100, "USD".parse().unwrap()),
            captured: 0,
            refunded: 0,
            next_action: Some(json!({"type": "confirm", "client_secret": "pi_1_secret_2"})),
            failure: None,
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_lets_a_buyer_pay_is_taken_out_and_put_back_while_it_is_of_use() {
        let (waiting, paid) = (waiting(PaymentStatus::RequiresAction), waiting(PaymentStatus::Captured));
        let shown = |payment: &Payment| json!({"id": payment.id, "next_action": payment.next_action});
        let whole = json!({"payments": [shown(&waiting), shown(&paid), {"next_action": null}]});
        let mut order = whole.clone();
        hide_client_secrets(&mut order);
        assert!(!order.to_string().contains("_secret_"), "{order}");
        show_client_secrets(&mut order, &[waiting, paid]);
        assert_eq!(order["payments"][0], whole["payments"][0]);
        assert_eq!(order["payments"][1]["next_action"], json!({"type": "confirm"}));
        for strange in [
            json!(null),
            json!({"payments": 1}),
            json!({"payments": [1, {"next_action": "x"}]}),
        ] {
            let mut order = strange.clone();
            hide_client_secrets(&mut order);
            assert_eq!(order, strange);
        }
    }

    #[test]
    fn staff_see_what_a_provider_has_sent_but_for_what_lets_people_pay() {
        let body = json!({"data": {"object": {"id": "pi_1", "client_secret": "pi_1_secret_2"}}, "list": [{"client_secret": 1}]});
        let expected = json!({"data": {"object": {"id": "pi_1"}}, "list": [{}]});
        assert_eq!(without_client_secrets(body), expected);
    }
}
