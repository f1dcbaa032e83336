//! What siblings may hear of the order module.

use kernel::Money;
use kernel::event::Payload;
use kernel::id::{CartId, DocumentId, FulfilmentId, OrderId, RefundId, ReturnId, UserId};
use serde::{Deserialize, Serialize};

/// The first segments of the module's public paths, under `/api/v1` and under `/api/v1/admin`.
pub const PREFIXES: &[&str] = &["documents", "orders", "payment-providers", "sandbox"];

/// An order was placed: it is paid for, or its payment is authorised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderPlaced {
    /// The order.
    pub order: OrderId,
    /// Its number, as people know it.
    pub number: String,
    /// Its buyer; `None` for a guest.
    pub user: Option<UserId>,
    /// The cart it came from.
    pub cart: CartId,
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

/// All that is due for an order that is placed is taken. An order whose money is taken when it is placed tells of that alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderPaid {
    /// The order.
    pub order: OrderId,
}

impl Payload for OrderPaid {
    const TYPE: &'static str = "order.paid";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// Money of an order that is placed, or was, was given back to its buyer. Not told of money that the order never needed: that of
/// a second payment that arrived late.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderRefunded {
    /// The order.
    pub order: OrderId,
    /// The refund, which is told of once.
    pub refund: RefundId,
    /// How much.
    pub amount: Money,
}

impl Payload for OrderRefunded {
    const TYPE: &'static str = "order.refunded";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// Goods of an order have left the house: all of them, or a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderFulfilled {
    /// The order.
    pub order: OrderId,
    /// What has left, and how it can be tracked.
    pub fulfilment: FulfilmentId,
}

impl Payload for OrderFulfilled {
    const TYPE: &'static str = "order.fulfilled";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// Goods of an order have arrived.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OrderDelivered {
    /// The order.
    pub order: OrderId,
    /// What has arrived.
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
    /// What has come back, and why.
    pub return_id: ReturnId,
}

impl Payload for OrderReturned {
    const TYPE: &'static str = "order.returned";

    fn subject(&self) -> String {
        self.order.to_string()
    }
}

/// A buyer is asked to pay an order that staff have made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentRequested {
    /// The order.
    pub order: OrderId,
    /// What is due for it.
    pub amount: Money,
}

impl Payload for PaymentRequested {
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
