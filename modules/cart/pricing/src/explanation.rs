//! How a price came about, step by step.

use kernel::Money;
use kernel::id::{GiftCardId, ItemId, PromotionId, ShippingMethodId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::basket::Basket;
use crate::percent::Percent;
use crate::{Applied, Prices};

/// A step from nothing to what is due. The amounts of all steps sum to `amount_due`, those before gift cards to `total`; only
/// what prices contain anyway is told in `included` instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PriceStep)]
pub struct Step {
    /// What it is.
    #[serde(flatten)]
    pub kind: StepKind,
    /// What it adds; less than nothing where it takes something off.
    pub amount: Money,
}

/// What a step is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
#[schema(as = PriceStepKind)]
pub enum StepKind {
    /// A line before all promotions.
    Line {
        /// The line.
        item_id: ItemId,
        /// How many.
        quantity: i64,
        /// What one costs.
        unit_price: Money,
    },
    /// What a promotion takes off a line, or off shipping.
    Promotion {
        /// The promotion.
        promotion_id: PromotionId,
        /// What it is called.
        name: String,
        /// The code by which it was asked for.
        code: Option<String>,
        /// The line; shipping where it is `null`.
        item_id: Option<ItemId>,
    },
    /// What the chosen method costs.
    Shipping {
        /// The method.
        shipping_method_id: ShippingMethodId,
        /// What it is called.
        name: String,
    },
    /// A tax.
    Tax {
        /// As it stands on a bill.
        name: String,
        /// How much of the base.
        percent: Percent,
        /// What it is reckoned on.
        base: Money,
        /// What prices contain of it; the step adds nothing then.
        included: Option<Money>,
    },
    /// What a gift card or store credit pays.
    GiftCard {
        /// The card.
        gift_card_id: GiftCardId,
        /// How it is shown.
        name: String,
    },
}

/// Tells how `prices` came about, which are those of `basket`.
pub fn explain(basket: &Basket<'_>, prices: &Prices) -> Vec<Step> {
    let money = |amount| Money::new(amount, basket.currency);
    let lines = basket.lines.iter().zip(&prices.lines).map(|(line, price)| Step {
        kind: StepKind::Line {
            item_id: line.item,
            quantity: line.quantity,
            unit_price: money(line.unit_price),
        },
        amount: money(price.total.amount + price.discount.amount),
    });
    let goods = prices.applied.iter().flat_map(|applied| {
        let parts = basket
            .lines
            .iter()
            .zip(&applied.lines)
            .filter(|(_, amount)| **amount != 0);
        parts.map(|(line, amount)| promotion(basket, applied, Some(line.item), money(-amount)))
    });
    let shipping = basket
        .delivery
        .iter()
        .zip(prices.delivery)
        .map(|(delivery, price)| Step {
            kind: StepKind::Shipping {
                shipping_method_id: delivery.method.id,
                name: delivery.method.name.clone(),
            },
            amount: price,
        });
    let off_shipping = prices.applied.iter().filter(|applied| applied.shipping != 0);
    let off_shipping = off_shipping.map(|applied| promotion(basket, applied, None, money(-applied.shipping)));
    let is_included = prices.totals.tax_included.amount != 0;
    let taxes = prices.taxes.iter().map(|rate| Step {
        kind: StepKind::Tax {
            name: rate.name.clone(),
            percent: rate.percent,
            base: money(rate.base),
            included: is_included.then(|| money(rate.amount)),
        },
        amount: money(if is_included { 0 } else { rate.amount }),
    });
    let paid = basket
        .tenders
        .iter()
        .zip(&prices.tenders)
        .filter(|(_, amount)| **amount != 0);
    let gift_cards = paid.map(|(tender, amount)| Step {
        kind: StepKind::GiftCard {
            gift_card_id: tender.id,
            name: tender.name.clone(),
        },
        amount: money(-amount),
    });
    lines
        .chain(goods)
        .chain(shipping)
        .chain(off_shipping)
        .chain(taxes)
        .chain(gift_cards)
        .collect()
}

fn promotion(basket: &Basket<'_>, applied: &Applied, item_id: Option<ItemId>, amount: Money) -> Step {
    let offered = &basket.promotions[applied.offered];
    Step {
        kind: StepKind::Promotion {
            promotion_id: offered.promotion.id,
            name: offered.promotion.name.clone(),
            code: offered.code.clone(),
            item_id,
        },
        amount,
    }
}
