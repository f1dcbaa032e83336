//! What an endpoint is sent.

use chrono::{DateTime, SecondsFormat, Utc};
use kernel::event::Event;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::view::OrderView;

/// The longest body, in bytes; the standard advises about as much.
pub(crate) const MAX_BODY: usize = 20_000;

/// The body of a message.
#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    /// When it happened.
    timestamp: String,
    /// Of two events about the same order, the later one has the greater number. Messages come in any order.
    sequence: i64,
    data: Value,
}

/// The body for an event about an order: the order as the API shows it to staff, but for what opens something. One that is
/// too long says less.
pub(crate) fn about_order(event: &Event, order: &OrderView) -> String {
    let data = without_secrets(json!(order));
    fitting(event, data).unwrap_or_else(|| {
        let data = json!({
            "id": order.id,
            "number": order.number,
            "status": order.status,
            "payment_status": order.payment_status,
            "fulfilment_status": order.fulfilment_status,
            "version": order.version,
            "currency": order.currency,
            "totals": order.totals,
            "placed_at": order.placed_at,
            "created_at": order.created_at,
            "updated_at": order.updated_at,
            "truncated": true,
        });
        body(event, data)
    })
}

/// An order without what is for its buyer alone: where they go on with a payment.
fn without_secrets(mut order: Value) -> Value {
    for payment in order["payments"].as_array_mut().into_iter().flatten() {
        payment["next_action"] = Value::Null;
    }
    order
}

/// The body for any other event: what its module has published.
pub(crate) fn of_event(event: &Event) -> String {
    let short = || body(event, json!({"id": event.subject, "truncated": true}));
    fitting(event, event.data.clone()).unwrap_or_else(short)
}

fn fitting(event: &Event, data: Value) -> Option<String> {
    Some(body(event, data)).filter(|body| body.len() <= MAX_BODY)
}

fn body(event: &Event, data: Value) -> String {
    let message = Message {
        r#type: &event.r#type,
        timestamp: timestamp(event.time),
        sequence: event.sequence,
        data,
    };
    json!(message).to_string()
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use kernel::id::EventId;
    use proptest::prelude::*;

    use super::*;

    fn event(data: Value) -> Event {
        Event {
            id: EventId::generate(),
            r#type: "stock.low".to_owned(),
            subject: "variant_1".to_owned(),
            time: DateTime::UNIX_EPOCH,
            data,
            sequence: 7,
        }
    }

    #[test]
    fn a_message_says_what_happened_when_and_after_what() {
        let message: Value = serde_json::from_str(&of_event(&event(json!({"available": 3})))).unwrap();
        assert_eq!(
            message,
            json!({"type": "stock.low", "timestamp": "1970-01-01T00:00:00.000000Z", "sequence": 7,
                "data": {"available": 3}})
        );
    }

    #[test]
    fn where_a_buyer_goes_on_with_a_payment_is_told_to_nobody_else() {
        let redirect = json!({"type": "redirect", "url": "https://bank.example/?secret"});
        let order = json!({"id": "order_1", "payments": [{"next_action": redirect, "status": "requires_action"}]});
        let told = without_secrets(order);
        assert_eq!(
            told,
            json!({"id": "order_1", "payments": [{"next_action": null, "status": "requires_action"}]})
        );
    }

    proptest! {
        #[test]
        fn no_message_is_too_long(length in 0..3 * MAX_BODY) {
            let text = of_event(&event(json!({"text": "x".repeat(length)})));
            prop_assert!(text.len() <= MAX_BODY);
            let message: Value = serde_json::from_str(&text).unwrap();
            prop_assert!(message["data"]["text"].is_string() || message["data"]["truncated"] == true);
        }
    }
}
