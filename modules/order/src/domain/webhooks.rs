//! Places outside the shop that are told of events: which events there are, what they are sent as, and what follows from the
//! answer. As Standard Webhooks 1.0 has it (<https://www.standardwebhooks.com>).

pub(crate) mod address;
pub(crate) mod edit;
pub(crate) mod message;
pub(crate) mod schedule;
pub(crate) mod signature;
pub(crate) mod target;

use cart_api::CartLeft;
use chrono::{DateTime, Utc};
use kernel::event::Payload;
use kernel::id::{EventId, WebhookDeliveryId, WebhookEndpointId};
use order_api::{
    DocumentIssued, OrderCancelled, OrderCaptured, OrderCompleted, OrderDelivered, OrderEdited, OrderFulfilled,
    OrderPaymentRequested, OrderPlaced, OrderRefunded, OrderReturned,
};
use product_api::{
    AvailabilityChanged, CategoryChanged, CollectionChanged, ProductChanged, StockBack, StockLow, StockOut,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many endpoints a shop may have; the table's own check says the same.
pub(crate) const MAX_ENDPOINTS: i64 = 20;

/// What an endpoint may be told of. The names are those of the events as their modules publish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookEventType)]
pub(crate) enum EventType {
    /// An order was placed; `data` is the order.
    #[serde(rename = "order.placed")]
    OrderPlaced,
    /// An order was cancelled; `data` is the order.
    #[serde(rename = "order.cancelled")]
    OrderCancelled,
    /// Money was taken for an order; `data` is the order.
    #[serde(rename = "order.captured")]
    OrderCaptured,
    /// Money was given back; `data` is the order.
    #[serde(rename = "order.refunded")]
    OrderRefunded,
    /// A parcel of an order has left; `data` is the order.
    #[serde(rename = "order.fulfilled")]
    OrderFulfilled,
    /// A buyer has a parcel; `data` is the order.
    #[serde(rename = "order.delivered")]
    OrderDelivered,
    /// Goods of an order have come back; `data` is the order.
    #[serde(rename = "order.returned")]
    OrderReturned,
    /// A placed order was changed; `data` is the order.
    #[serde(rename = "order.edited")]
    OrderEdited,
    /// Nothing is left to do for an order; `data` is the order.
    #[serde(rename = "order.completed")]
    OrderCompleted,
    /// A buyer is asked to pay what is missing; `data` is the order.
    #[serde(rename = "order.payment_requested")]
    OrderPaymentRequested,
    /// An invoice or a credit note was issued; `data` is the order.
    #[serde(rename = "order.document_issued")]
    DocumentIssued,
    /// A cart was left behind by somebody who can be written to; `data` is the event.
    #[serde(rename = "cart.left")]
    CartLeft,
    /// Something that is shown of a product has changed; `data` names it, and so on.
    #[serde(rename = "product.changed")]
    ProductChanged,
    /// What can be bought of a product may have changed.
    #[serde(rename = "product.availability_changed")]
    AvailabilityChanged,
    /// A category has changed.
    #[serde(rename = "category.changed")]
    CategoryChanged,
    /// A collection has changed.
    #[serde(rename = "collection.changed")]
    CollectionChanged,
    /// There is little left of a variant.
    #[serde(rename = "stock.low")]
    StockLow,
    /// Nothing is left of a variant.
    #[serde(rename = "stock.out")]
    StockOut,
    /// There is something of a variant again.
    #[serde(rename = "stock.back")]
    StockBack,
}

/// The type of the event that staff send to see whether an endpoint hears.
pub(crate) const TEST_EVENT: &str = "webhook.test";

impl EventType {
    pub(crate) const ALL: [Self; 19] = [
        Self::OrderPlaced,
        Self::OrderCancelled,
        Self::OrderCaptured,
        Self::OrderRefunded,
        Self::OrderFulfilled,
        Self::OrderDelivered,
        Self::OrderReturned,
        Self::OrderEdited,
        Self::OrderCompleted,
        Self::OrderPaymentRequested,
        Self::DocumentIssued,
        Self::CartLeft,
        Self::ProductChanged,
        Self::AvailabilityChanged,
        Self::CategoryChanged,
        Self::CollectionChanged,
        Self::StockLow,
        Self::StockOut,
        Self::StockBack,
    ];

    /// The name under which its module publishes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OrderPlaced => OrderPlaced::TYPE,
            Self::OrderCancelled => OrderCancelled::TYPE,
            Self::OrderCaptured => OrderCaptured::TYPE,
            Self::OrderRefunded => OrderRefunded::TYPE,
            Self::OrderFulfilled => OrderFulfilled::TYPE,
            Self::OrderDelivered => OrderDelivered::TYPE,
            Self::OrderReturned => OrderReturned::TYPE,
            Self::OrderEdited => OrderEdited::TYPE,
            Self::OrderCompleted => OrderCompleted::TYPE,
            Self::OrderPaymentRequested => OrderPaymentRequested::TYPE,
            Self::DocumentIssued => DocumentIssued::TYPE,
            Self::CartLeft => CartLeft::TYPE,
            Self::ProductChanged => ProductChanged::TYPE,
            Self::AvailabilityChanged => AvailabilityChanged::TYPE,
            Self::CategoryChanged => CategoryChanged::TYPE,
            Self::CollectionChanged => CollectionChanged::TYPE,
            Self::StockLow => StockLow::TYPE,
            Self::StockOut => StockOut::TYPE,
            Self::StockBack => StockBack::TYPE,
        }
    }

    /// The type with this name; `None` for what no endpoint is told of.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }

    /// Whether it is about an order, which is then what the endpoint is sent.
    pub(crate) fn is_about_order(self) -> bool {
        self.name().starts_with("order.")
    }
}

/// Why the shop itself has stopped sending to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookDisabledReason)]
pub(crate) enum DisabledReason {
    /// The endpoint has answered 410.
    Gone,
    /// Nothing has succeeded for five days.
    Failing,
}

impl DisabledReason {
    const ALL: [Self; 2] = [Self::Gone, Self::Failing];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Somewhere that is told of events.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub(crate) struct Endpoint {
    pub(crate) id: WebhookEndpointId,
    #[schema(example = "https://erp.example/hooks/bodega")]
    pub(crate) url: String,
    pub(crate) description: Option<String>,
    /// Of which events; `null` for all there are.
    pub(crate) event_types: Option<Vec<EventType>>,
    /// Whether it is sent anything. Of what happens meanwhile it does not hear afterwards.
    pub(crate) enabled: bool,
    /// Why the shop itself has stopped sending; `null` where staff did, or nobody.
    pub(crate) disabled_reason: Option<DisabledReason>,
    /// Since when it is not enabled.
    pub(crate) disabled_at: Option<DateTime<Utc>>,
    /// Since when nothing has succeeded, where that is so.
    pub(crate) failing_since: Option<DateTime<Utc>>,
    /// Counts the secrets that it has had.
    pub(crate) secret_generation: i64,
    /// Until when messages are signed with the secret before as well.
    pub(crate) previous_secret_until: Option<DateTime<Utc>>,
    /// The edit version, also the `ETag`.
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Endpoint {
    /// Whether it is told of an event of this type that happened at `time`.
    pub(crate) fn wants(&self, event: EventType, time: DateTime<Utc>) -> bool {
        let chosen = self.event_types.as_ref().is_none_or(|chosen| chosen.contains(&event));
        self.enabled && chosen && time >= self.created_at
    }
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookDeliveryState)]
pub(crate) enum DeliveryState {
    /// It will be tried (again).
    Pending,
    /// The endpoint has taken it.
    Delivered,
    /// It was tried as often as the schedule has it.
    Failed,
}

impl DeliveryState {
    pub(crate) const ALL: [Self; 3] = [Self::Pending, Self::Delivered, Self::Failed];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// An event on its way to an endpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct Delivery {
    pub(crate) id: WebhookDeliveryId,
    pub(crate) endpoint_id: WebhookEndpointId,
    /// The `webhook-id` that it is sent with, each time.
    pub(crate) event_id: EventId,
    #[schema(example = "order.placed")]
    pub(crate) event_type: String,
    /// The id of what the event is about.
    pub(crate) subject: String,
    pub(crate) state: DeliveryState,
    /// How often it was sent.
    pub(crate) attempts: i32,
    /// When it is sent next; `null` where it is not pending.
    pub(crate) due_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// One time that a delivery was sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(crate) struct Attempt {
    /// From 1.
    pub(crate) number: i32,
    pub(crate) at: DateTime<Utc>,
    pub(crate) duration_ms: i32,
    /// The status of the answer, where there was one.
    pub(crate) status: Option<i32>,
    /// Why there was none: `timed_out`, `unreachable`, `address_not_allowed`, `broken_off`.
    pub(crate) failure: Option<String>,
    /// How the answer began: its first 1,024 bytes.
    pub(crate) answer: Option<String>,
}

/// A delivery with what was sent and what came of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = WebhookDeliveryWithAttempts)]
pub(crate) struct WholeDelivery {
    #[serde(flatten)]
    pub(crate) delivery: Delivery,
    /// The body, word for word.
    pub(crate) body: String,
    /// Oldest first; the last hundred.
    pub(crate) tries: Vec<Attempt>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_called_in_the_api_as_its_module_publishes_it() {
        for event in EventType::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.name());
            assert_eq!(EventType::named(event.name()), Some(event));
        }
        assert_eq!(EventType::named(TEST_EVENT), None, "nobody else may publish a test");
        assert_eq!(EventType::named("user.deleted"), None);
    }

    #[test]
    fn an_endpoint_hears_of_what_it_has_chosen_since_it_is_there() {
        let made = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
        let endpoint = |event_types, enabled| Endpoint {
            id: WebhookEndpointId::generate(),
            url: String::new(),
            description: None,
            event_types,
            enabled,
            disabled_reason: None,
            disabled_at: None,
            failing_since: None,
            secret_generation: 1,
            previous_secret_until: None,
            version: 1,
            created_at: made,
            updated_at: made,
        };
        let all = endpoint(None, true);
        assert!(EventType::ALL.iter().all(|event| all.wants(*event, made)));
        assert!(!all.wants(EventType::StockLow, made - chrono::TimeDelta::seconds(1)));
        let chosen = endpoint(Some(vec![EventType::StockLow]), true);
        assert!(chosen.wants(EventType::StockLow, made));
        assert!(!chosen.wants(EventType::StockOut, made));
        assert!(!endpoint(None, false).wants(EventType::StockLow, made));
    }
}
