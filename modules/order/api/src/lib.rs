//! What siblings may hear of the order module.

use kernel::Money;
use kernel::event::Payload;
use kernel::id::{CartId, DocumentId, FulfilmentId, OrderEditId, OrderId, PaymentId, RefundId, ReturnId, UserId};
use serde::{Deserialize, Serialize};

/// The first segments of the module's public paths, under `/api/v1` and under `/api/v1/admin`.
pub const PREFIXES: &[&str] = &[
    "documents",
    "draft-orders",
    "orders",
    "payment-discrepancies",
    "payment-events",
    "payment-providers",
    "sandbox",
    "webhook-deliveries",
    "webhook-endpoints",
    "webhooks",
];

/// An order was placed: it is paid for, or its payment is authorised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// The order.
    pub order: OrderId,
    /// Its number, as people know it.
    pub number: String,
    /// Its buyer; `None` for a guest.
    pub user: Option<UserId>,
    /// The cart it came from; `None` for an order that staff have prepared.
    pub cart: Option<CartId>,
    /// What it costs.
    pub total: Money,
}

impl Payload for OrderPlaced {
    const TYPE: &'static str = "order.placed";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// An order was cancelled; its stock is back and its money returned or never taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderCancelled {
    /// The order.
    pub order: OrderId,
}

impl Payload for OrderCancelled {
    const TYPE: &'static str = "order.cancelled";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// Money was taken for an order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderCaptured {
    /// The order.
    pub order: OrderId,
    /// The payment that it is of.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
}

impl Payload for OrderCaptured {
    const TYPE: &'static str = "order.captured";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// Money was given back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderRefunded {
    /// The order.
    pub order: OrderId,
    /// The refund.
    pub refund: RefundId,
    /// How much.
    pub amount: Money,
    /// By how much the order is worth less; the rest was money that the order does not need.
    pub granted: Money,
    /// The return that it is for, where it is for one.
    pub return_id: Option<ReturnId>,
}

impl Payload for OrderRefunded {
    const TYPE: &'static str = "order.refunded";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// A parcel of an order has left, or lies ready to be fetched.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderFulfilled {
    /// The order.
    pub order: OrderId,
    /// The parcel.
    pub fulfilment: FulfilmentId,
}

impl Payload for OrderFulfilled {
    const TYPE: &'static str = "order.fulfilled";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// A buyer has a parcel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderDelivered {
    /// The order.
    pub order: OrderId,
    /// The parcel.
    pub fulfilment: FulfilmentId,
}

impl Payload for OrderDelivered {
    const TYPE: &'static str = "order.delivered";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// Goods of an order have come back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderReturned {
    /// The order.
    pub order: OrderId,
    /// The return.
    pub return_id: ReturnId,
}

impl Payload for OrderReturned {
    const TYPE: &'static str = "order.returned";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// A placed order was changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderEdited {
    /// The order.
    pub order: OrderId,
    /// The change.
    pub edit: OrderEditId,
    /// What is missing for it now.
    pub outstanding: Money,
}

impl Payload for OrderEdited {
    const TYPE: &'static str = "order.edited";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// All of an order has left and is paid for: nothing is left to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderCompleted {
    /// The order.
    pub order: OrderId,
}

impl Payload for OrderCompleted {
    const TYPE: &'static str = "order.completed";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// A buyer is asked to pay an order that staff have prepared, or the difference after a change.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderPaymentRequested {
    /// The order.
    pub order: OrderId,
    /// How much is asked for.
    pub amount: Money,
}

impl Payload for OrderPaymentRequested {
    const TYPE: &'static str = "order.payment_requested";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// An invoice or a credit note was issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DocumentIssued {
    /// The order.
    pub order: OrderId,
    /// The document.
    pub document: DocumentId,
}

impl Payload for DocumentIssued {
    const TYPE: &'static str = "order.document_issued";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}
