//! The status of an order as those see it who watch it, and the ticket that lets them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use kernel::id::OrderId;
use kernel::keys::SecretKey;
use serde::Serialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use super::Status;
use super::fulfilment::FulfilmentStatus;
use super::payment::OrderPaymentStatus;
use super::view::OrderView;

/// How long a ticket opens a stream.
pub(crate) const TO_OPEN: TimeDelta = TimeDelta::seconds(60);
/// How long a ticket opens it again for somebody who has heard something before: a browser comes back with the address that
/// it has.
pub(crate) const TO_RESUME: TimeDelta = TimeDelta::hours(1);

/// How an order stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = OrderStatusEvent)]
pub(crate) struct LiveStatus {
    pub(crate) id: OrderId,
    pub(crate) status: Status,
    pub(crate) payment_status: OrderPaymentStatus,
    /// `unfulfilled`, `partially_fulfilled`, `fulfilled`, `returned`.
    pub(crate) fulfilment_status: FulfilmentStatus,
    /// The id of the event as well.
    pub(crate) version: i64,
    pub(crate) updated_at: DateTime<Utc>,
}

impl From<&OrderView> for LiveStatus {
    fn from(order: &OrderView) -> Self {
        Self {
            id: order.id,
            status: order.status,
            payment_status: order.payment_status,
            fulfilment_status: order.fulfilment_status,
            version: order.version,
            updated_at: order.updated_at,
        }
    }
}

impl LiveStatus {
    /// The event as it is sent. An order's version is its id, by which a client says what it has heard last.
    pub(crate) fn event(&self) -> String {
        let data = serde_json::json!(self);
        format!("id: {}\nevent: order\ndata: {data}\n\n", self.version)
    }
}

/// Why a ticket opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TicketRefusal {
    /// It is none, or one for another order.
    Foreign,
    /// It was good once.
    Expired,
}

/// A ticket for an order, issued at `now`: the time and a MAC over both, so that there is nothing to store.
pub(crate) fn issue(key: &SecretKey, order: OrderId, now: DateTime<Utc>) -> String {
    let issued = now.timestamp().to_be_bytes();
    let ticket = [issued.as_slice(), &tag(key, order, &issued)].concat();
    URL_SAFE_NO_PAD.encode(ticket)
}

/// Whether a ticket opens the stream of an order at `now`, for the first time or again.
///
/// # Errors
///
/// Why it does not.
pub(crate) fn check(
    key: &SecretKey,
    order: OrderId,
    ticket: &str,
    resumes: bool,
    now: DateTime<Utc>,
) -> Result<(), TicketRefusal> {
    let bytes = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| TicketRefusal::Foreign)?;
    let (issued, said) = bytes.split_first_chunk::<8>().ok_or(TicketRefusal::Foreign)?;
    if !bool::from(tag(key, order, issued).as_slice().ct_eq(said)) {
        return Err(TicketRefusal::Foreign);
    }
    let issued = DateTime::from_timestamp(i64::from_be_bytes(*issued), 0).ok_or(TicketRefusal::Foreign)?;
    let lifetime = if resumes { TO_RESUME } else { TO_OPEN };
    match now - issued <= lifetime {
        true => Ok(()),
        false => Err(TicketRefusal::Expired),
    }
}

fn tag(key: &SecretKey, order: OrderId, issued: &[u8; 8]) -> [u8; 32] {
    key.mac("order stream", &[order.uuid().as_bytes(), issued])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_ticket_is_for_one_order_for_a_minute_and_for_an_hour_to_come_back() {
        let (key, order) = (SecretKey::generate(), OrderId::generate());
        let issued = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let ticket = issue(&key, order, issued);
        let check =
            |order, resumes, seconds| super::check(&key, order, &ticket, resumes, issued + TimeDelta::seconds(seconds));
        assert_eq!(check(order, false, 60), Ok(()));
        assert_eq!(check(order, false, 61), Err(TicketRefusal::Expired));
        assert_eq!(check(order, true, 3600), Ok(()));
        assert_eq!(check(order, true, 3601), Err(TicketRefusal::Expired));
        assert_eq!(check(OrderId::generate(), false, 0), Err(TicketRefusal::Foreign));
        let other = SecretKey::generate();
        assert_eq!(
            super::check(&other, order, &ticket, false, issued),
            Err(TicketRefusal::Foreign)
        );
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_ticket(text in any::<String>(), flipped in 0..320_usize) {
            let (key, order) = (SecretKey::generate(), OrderId::generate());
            let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
            prop_assert_eq!(check(&key, order, &text, true, now), Err(TicketRefusal::Foreign));
            let mut bytes = URL_SAFE_NO_PAD.decode(issue(&key, order, now)).unwrap();
            bytes[flipped / 8] ^= 1 << (flipped % 8);
            let forged = URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(check(&key, order, &forged, true, now), Err(TicketRefusal::Foreign));
        }
    }
}
