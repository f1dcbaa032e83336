//! The order as the API shows it.

use cart_api::Pricing;
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{CartId, OrderId, PaymentId};
use kernel::{Currency, Locale, Money};
use serde::Serialize;
use serde_json::Value;

use super::payment::{OrderPaymentStatus, PaymentStatus};
use super::{Line, Status, TimelineEntry, WholeOrder};

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
    /// `unfulfilled`, `partially_fulfilled`, `fulfilled`, `returned`.
    pub(crate) fulfilment_status: String,
    /// The edit version, also the `ETag`.
    pub(crate) version: i64,
    pub(crate) currency: Currency,
    /// The language in which the lines are told, as the buyer chose.
    pub(crate) locale: Locale,
    pub(crate) email: String,
    pub(crate) cart_id: CartId,
    pub(crate) lines: Vec<Line>,
    pub(crate) totals: OrderTotals,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) billing_address: Option<Address>,
    #[serde(flatten)]
    pub(crate) pricing: Pricing,
    pub(crate) payments: Vec<PaymentView>,
    pub(crate) timeline: Vec<TimelineEntry>,
    pub(crate) placed_at: Option<DateTime<Utc>>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Minor units taken so far, for the module itself.
    #[serde(skip)]
    pub(crate) captured: i64,
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
}

/// An attempt to pay.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PaymentView {
    pub(crate) id: PaymentId,
    #[schema(example = "sandbox")]
    pub(crate) provider: String,
    pub(crate) status: PaymentStatus,
    pub(crate) amount: Money,
    /// What the buyer has to do, e.g. `{"type": "redirect", "url": ".."}`.
    #[schema(value_type = Option<Object>)]
    pub(crate) next_action: Option<Value>,
    /// Why the attempt failed, e.g. `card_declined`.
    pub(crate) failure_code: Option<String>,
}

impl WholeOrder {
    /// The order for its buyer and for staff; `None` for one that never got beyond its placing.
    pub(crate) fn view(self) -> Option<OrderView> {
        let Self {
            order,
            lines,
            payments,
            timeline,
        } = self;
        let content = order.content?;
        let totals = content.totals;
        let refunded = payments.iter().map(|payment| payment.refunded).sum();
        let captured = payments.iter().map(|payment| payment.captured).sum();
        let show = |payment: &super::payment::Payment| PaymentView {
            id: payment.id,
            provider: payment.provider.clone(),
            status: payment.status,
            amount: payment.amount,
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
            payment_status: OrderPaymentStatus::of(&payments, totals.amount_due.amount),
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
                refunded: Money::new(refunded, content.currency),
            },
            shipping_address: content.shipping_address,
            billing_address: content.billing_address,
            pricing: content.pricing,
            payments: payments.iter().map(show).collect(),
            timeline,
            placed_at: order.placed_at,
            created_at: order.created_at,
            updated_at: order.updated_at,
            captured,
        })
    }
}
