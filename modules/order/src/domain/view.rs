//! The order as the API shows it.

use cart_api::Pricing;
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{CartId, OrderId, PaymentId};
use kernel::{Currency, Locale, Money};
use serde::Serialize;
use serde_json::Value;

use super::fulfilment::{Fulfilment, FulfilmentStatus};
use super::payment::{OrderPaymentStatus, PaymentStatus, Refund, outstanding};
use super::returning::Return;
use super::{Actor, Line, Status, TimelineEntry, WholeOrder};

/// Who looks at an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    Buyer,
    /// Staff see who did what, and what they have noted among themselves.
    Staff,
}

impl Audience {
    /// Whoever has done something sees what came of it.
    pub(crate) fn of(actor: Actor) -> Self {
        match actor {
            Actor::Staff(_) => Self::Staff,
            Actor::Customer | Actor::System => Self::Buyer,
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
    /// What the buyer has to do, e.g. `{"type": "redirect", "url": ".."}`.
    #[schema(value_type = Option<Object>)]
    pub(crate) next_action: Option<Value>,
    /// Why the attempt failed, e.g. `card_declined`.
    pub(crate) failure_code: Option<String>,
}

impl WholeOrder {
    /// The order as `audience` sees it; `None` for one that never got beyond its placing.
    pub(crate) fn view(self, audience: Audience) -> Option<OrderView> {
        let Self {
            order,
            lines,
            payments,
            refunds,
            fulfilments,
            returns,
            mut timeline,
        } = self;
        let worth = order.worth();
        if audience == Audience::Buyer {
            timeline.retain(|entry| !entry.internal);
            timeline.iter_mut().for_each(|entry| entry.actor_id = None);
        }
        let content = order.content?;
        let money = |amount| Money::new(amount, content.currency);
        let totals = content.totals;
        let refunded: i64 = payments.iter().map(|payment| payment.refunded).sum();
        let captured: i64 = payments.iter().map(|payment| payment.captured).sum();
        let show = |payment: &super::payment::Payment| PaymentView {
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
