//! Events of Stripe (<https://docs.stripe.com/api/events/types>): which charge each is about, and what it means to us.

use serde_json::Value;

use super::PAYMENT;
use super::objects::{Event, EventObject};
use crate::providers::{EventRefusal, Meaning, ProviderEvent};

/// Whether an event is about money, not about tests.
pub(super) fn is_live(body: &[u8]) -> Result<bool, EventRefusal> {
    parse(body).map(|event| event.livemode)
}

/// What an event says.
pub(super) fn read(body: &[u8]) -> Result<ProviderEvent, EventRefusal> {
    let Event { id, r#type, data, .. } = parse(body)?;
    let object = data.object;
    let payment = object.metadata[PAYMENT]
        .as_str()
        .and_then(|payment| payment.parse().ok());
    Ok(ProviderEvent {
        meaning: meaning(&r#type, &object),
        reference: reference(object),
        id,
        kind: r#type,
        payment,
    })
}

fn parse(body: &[u8]) -> Result<Event, EventRefusal> {
    let event: Event = serde_json::from_slice(body).map_err(|_| EventRefusal::Unreadable)?;
    let sound = |text: &str| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    match sound(&event.id) && sound(&event.r#type) {
        true => Ok(event),
        false => Err(EventRefusal::Unreadable),
    }
}

/// The intent that an object is, or belongs to.
fn reference(object: EventObject) -> Option<String> {
    if object.object == "payment_intent" {
        return object.id;
    }
    match object.payment_intent? {
        Value::String(id) => Some(id),
        whole => whole["id"].as_str().map(str::to_owned),
    }
}

fn meaning(kind: &str, object: &EventObject) -> Meaning {
    match kind {
        "payment_intent.succeeded"
        | "payment_intent.payment_failed"
        | "payment_intent.canceled"
        | "payment_intent.processing"
        | "payment_intent.requires_action"
        | "payment_intent.amount_capturable_updated"
        | "charge.succeeded"
        | "charge.captured"
        | "charge.expired"
        | "charge.refunded"
        | "charge.refund.updated"
        | "refund.created"
        | "refund.updated" => Meaning::Changed,
        // `refund.updated` and `charge.refund.updated` say the same once more.
        "refund.failed" => Meaning::RefundFailed,
        "charge.dispute.created" => Meaning::Disputed,
        "charge.dispute.closed" => match object.status.as_deref() {
            Some("won") => Meaning::DisputeWon,
            Some("lost") => Meaning::DisputeLost,
            // A question of the bank's that came to nothing.
            _ => Meaning::Nothing,
        },
        _ => Meaning::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use kernel::id::PaymentId;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(kind: &str, object: Value) -> Vec<u8> {
        let event = json!({"id": "evt_1", "object": "event", "type": kind, "livemode": false, "created": 1_800_000_000,
            "api_version": "2025-10-29.clover", "data": {"object": object}});
        event.to_string().into_bytes()
    }

    #[test]
    fn each_kind_of_object_leads_to_its_intent() {
        let payment = PaymentId::generate();
        let cases = [
            (
                "payment_intent.succeeded",
                json!({"object": "payment_intent", "id": "pi_1", "metadata": {"bodega_payment": payment}}),
            ),
            (
                "charge.refunded",
                json!({"object": "charge", "id": "ch_1", "payment_intent": "pi_1", "metadata": {"bodega_payment": payment}}),
            ),
            (
                "charge.succeeded",
                json!({"object": "charge", "id": "ch_1", "payment_intent": {"id": "pi_1"}, "metadata": {"bodega_payment": payment}}),
            ),
        ];
        for (kind, object) in cases {
            let read = read(&event(kind, object)).unwrap();
            assert_eq!(
                (read.reference.as_deref(), read.payment),
                (Some("pi_1"), Some(payment)),
                "{kind}"
            );
            assert_eq!(read.meaning, Meaning::Changed);
        }
        let foreign = read(&event(
            "charge.succeeded",
            json!({"object": "charge", "id": "ch_1", "payment_intent": null}),
        ))
        .unwrap();
        assert_eq!((foreign.reference, foreign.payment), (None, None));
    }

    #[test]
    fn disputes_are_told_by_how_they_begin_and_end() {
        let dispute = |kind: &str, status: &str| {
            let object = json!({"object": "dispute", "id": "dp_1", "charge": "ch_1", "payment_intent": "pi_1", "status": status});
            read(&event(kind, object)).unwrap().meaning
        };
        assert_eq!(dispute("charge.dispute.created", "needs_response"), Meaning::Disputed);
        assert_eq!(dispute("charge.dispute.closed", "won"), Meaning::DisputeWon);
        assert_eq!(dispute("charge.dispute.closed", "lost"), Meaning::DisputeLost);
        assert_eq!(dispute("charge.dispute.closed", "warning_closed"), Meaning::Nothing);
        assert_eq!(
            dispute("charge.dispute.funds_withdrawn", "needs_response"),
            Meaning::Nothing
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in ["", "{}", "[]", "null", r#"{"id": "evt_1"}"#] {
            assert_eq!(read(body.as_bytes()), Err(EventRefusal::Unreadable), "{body}");
        }
        let named = |id: &str| String::from_utf8(event("x", json!({}))).unwrap().replace("evt_1", id);
        for id in ["", " ", "evt 1", &"e".repeat(256)] {
            assert_eq!(read(named(id).as_bytes()), Err(EventRefusal::Unreadable), "{id}");
        }
    }

    proptest! {
        #[test]
        fn no_event_is_too_strange_to_be_read(kind in "[a-z_.]{1,40}", id in any::<Option<i32>>(), text in "\\PC*") {
            let strange = json!({"object": text, "id": text, "payment_intent": {"id": id}, "metadata": {"bodega_payment": id}});
            let read = read(&event(&kind, strange));
            prop_assert!(read.is_ok_and(|event| event.payment.is_none()));
        }
    }
}
