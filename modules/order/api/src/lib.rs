//! What siblings may hear of the order module.

use kernel::Money;
use kernel::event::Payload;
use kernel::id::{CartId, OrderId, UserId};
use serde::{Deserialize, Serialize};

/// The first segments of the module's public paths, under `/api/v1` and under `/api/v1/admin`.
pub const PREFIXES: &[&str] = &[
    "orders",
    "payment-providers",
    "sandbox",
    "webhook-endpoints",
    "webhook-deliveries",
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
