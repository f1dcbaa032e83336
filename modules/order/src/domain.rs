//! What an order and its payments are, and which changes are legal. Pure: no I/O, no clock.

pub(crate) mod books;
pub(crate) mod documents;
pub(crate) mod draft;
pub(crate) mod edit;
pub(crate) mod export;
pub(crate) mod fulfilment;
pub(crate) mod inbox;
pub(crate) mod live;
pub(crate) mod payment;
pub(crate) mod returning;
pub(crate) mod view;
pub(crate) mod webhooks;
pub(crate) mod wording;

use cart_api::{LineTax, Pricing, Totals};
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{CartId, LineId, OrderId, ProductId, ReservationId, UserId, VariantId};
use kernel::{Currency, Locale, Money};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use fulfilment::{Fulfilment, FulfilmentStatus};
use payment::{Payment, Refund};
use returning::Return;

/// How far an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderStatus)]
pub(crate) enum Status {
    /// The cart and the stock are being claimed; shown to nobody.
    Placing,
    /// Everything is claimed; the payment is missing.
    PendingPayment,
    /// Bought.
    Placed,
    /// Fulfilled, and nothing is left to do.
    Completed,
    /// Over; stock and money are where they were.
    Cancelled,
}

impl Status {
    pub(crate) const ALL: [Self; 5] = [
        Self::Placing,
        Self::PendingPayment,
        Self::Placed,
        Self::Completed,
        Self::Cancelled,
    ];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Placing => "placing",
            Self::PendingPayment => "pending_payment",
            Self::Placed => "placed",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// An order as it is in the database.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) number: String,
    pub(crate) status: Status,
    pub(crate) version: i64,
    pub(crate) user: Option<UserId>,
    /// The cart that it came from; `None` for an order that staff have prepared.
    pub(crate) cart: Option<CartId>,
    /// What was taken over from the cart; `None` until then.
    pub(crate) content: Option<Content>,
    pub(crate) fulfilment_status: FulfilmentStatus,
    /// What was given back although the order was worth it, in minor units.
    pub(crate) granted: i64,
    pub(crate) payment_due_at: Option<DateTime<Utc>>,
    pub(crate) placed_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Order {
    /// What is set aside for the order: the same number under another name, so that the two can be compared in one pass.
    pub(crate) fn reservation(&self) -> ReservationId {
        reservation_of(self.id)
    }

    /// What has to be paid for the order as it stands, in minor units: nothing once it is over.
    pub(crate) fn worth(&self) -> i64 {
        let due = self
            .content
            .as_ref()
            .map_or(0, |content| content.totals.amount_due.amount);
        match self.status {
            Status::Cancelled => 0,
            _ => (due - self.granted).max(0),
        }
    }
}

/// The reservation of an order.
pub(crate) fn reservation_of(order: OrderId) -> ReservationId {
    order.uuid().into()
}

/// What an order took over from its cart.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) currency: Currency,
    /// In which the lines are told.
    pub(crate) locale: Locale,
    pub(crate) email: String,
    pub(crate) totals: Totals,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) billing_address: Option<Address>,
    pub(crate) pricing: Pricing,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = OrderLine)]
pub(crate) struct Line {
    pub(crate) id: LineId,
    pub(crate) variant_id: VariantId,
    pub(crate) product_id: ProductId,
    pub(crate) sku: Option<String>,
    pub(crate) title: String,
    pub(crate) variant_title: String,
    /// Nothing where the line was taken off the order.
    pub(crate) quantity: i64,
    pub(crate) unit_price: Money,
    pub(crate) discount: Money,
    pub(crate) tax: Money,
    pub(crate) total: Money,
    /// Which taxes these are.
    pub(crate) taxes: Vec<LineTax>,
    /// How many have left.
    pub(crate) fulfilled_quantity: i64,
    /// How many have come back.
    pub(crate) returned_quantity: i64,
    /// How many of those that have left are announced to come back, those that came included.
    #[serde(skip)]
    pub(crate) announced_quantity: i64,
    /// The reservation that its goods are of, where that is not the order's own.
    #[serde(skip)]
    pub(crate) reservation: Option<ReservationId>,
}

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct TimelineEntry {
    pub(crate) at: DateTime<Utc>,
    /// What: `created`, `placed`, `payment_failed`, `cancelled`, …
    #[schema(example = "placed")]
    pub(crate) kind: String,
    /// Who: `customer`, `staff`, `system`.
    pub(crate) actor: String,
    /// Who of the staff; told to staff alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(crate) actor_id: Option<UserId>,
    /// More about it, where there is more to tell: the parcel, the amount, the text of a note.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false, nullable = false)]
    pub(crate) detail: Option<Value>,
    /// Told to staff alone.
    #[serde(skip)]
    pub(crate) internal: bool,
}

/// An order with everything that belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct WholeOrder {
    pub(crate) order: Order,
    pub(crate) lines: Vec<Line>,
    pub(crate) payments: Vec<Payment>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) fulfilments: Vec<Fulfilment>,
    pub(crate) returns: Vec<Return>,
    pub(crate) timeline: Vec<TimelineEntry>,
}

/// Who makes a change, for the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    Customer,
    Staff(UserId),
    System,
}

impl Actor {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff(_) => "staff",
            Self::System => "system",
        }
    }

    /// Who of the staff.
    pub(crate) fn id(self) -> Option<UserId> {
        match self {
            Self::Staff(user) => Some(user),
            Self::Customer | Self::System => None,
        }
    }

    /// The actor of this name; staff of whom nobody knows who they were are the system's.
    pub(crate) fn named(name: &str, id: Option<UserId>) -> Option<Self> {
        match (name, id) {
            ("customer", _) => Some(Self::Customer),
            ("staff", Some(user)) => Some(Self::Staff(user)),
            ("staff" | "system", _) => Some(Self::System),
            _ => None,
        }
    }
}

/// Whether the parts of an order sum to its totals: for verification, beside the database's own checks.
pub(crate) fn totals_error(content: &Content, lines: &[Line]) -> Option<String> {
    let totals = &content.totals;
    let shipping_tax = content.pricing.shipping_tax.map_or(0, |tax| tax.amount);
    let sum = |part: fn(&Line) -> i64| lines.iter().map(part).sum::<i64>();
    let checks = [
        (
            "subtotal",
            totals.subtotal.amount,
            lines.iter().map(|line| line.unit_price.amount * line.quantity).sum(),
        ),
        ("discount", totals.discount.amount, sum(|line| line.discount.amount)),
        (
            "tax",
            totals.tax.amount + totals.tax_included.amount,
            sum(|line| line.tax.amount) + shipping_tax,
        ),
        (
            "total",
            totals.total.amount,
            sum(|line| line.total.amount) + totals.shipping.amount + totals.tax.amount,
        ),
        (
            "amount_due",
            totals.amount_due.amount,
            totals.total.amount - totals.gift_cards.amount,
        ),
    ];
    let wrong = checks.into_iter().find(|(_, stated, derived)| stated != derived)?;
    Some(format!("{} is {} but its parts sum to {}", wrong.0, wrong.1, wrong.2))
}
