//! Orders that staff prepare for a buyer, who pays them by a link.

use cart_api::{CartProblem, DraftLine, PriceRequest, PricedDraft, Pricing, Totals};
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{DraftOrderId, OrderId, ProductId, ShippingMethodId, UserId, VariantId};
use kernel::text::{Email, Prose};
use kernel::{Currency, FieldErrors, Locale, Money, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most lines of a draft.
const MAX_LINES: usize = 100;
/// The most codes of promotions.
const MAX_CODES: usize = 10;

/// What a draft says.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = DraftOrderContent)]
pub(crate) struct DraftContent {
    /// Whose order it will be, where the buyer has an account.
    #[serde(default)]
    pub(crate) user_id: Option<UserId>,
    /// Where the request to pay goes.
    #[serde(default)]
    pub(crate) email: Option<Email>,
    /// The shop's own where nothing is said.
    #[serde(default)]
    pub(crate) currency: Option<Currency>,
    /// The language in which the buyer is spoken to; the shop's own where nothing is said.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) locale: Option<Locale>,
    /// What is bought: each variant once, at most 100.
    pub(crate) lines: Vec<DraftOrderLine>,
    #[serde(default)]
    pub(crate) shipping_address: Option<Address>,
    #[serde(default)]
    pub(crate) billing_address: Option<Address>,
    #[serde(default)]
    pub(crate) shipping_method: Option<ShippingMethodId>,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(crate) promotion_codes: Vec<Text<1, 64>>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) tax_number: Option<Text<1, 40>>,
    /// For staff.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) note: Option<Prose<1, 2000>>,
}

/// What is bought.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DraftOrderLine {
    pub(crate) variant_id: VariantId,
    /// 1 to 999.
    pub(crate) quantity: i64,
    /// What one costs, where that was agreed upon; otherwise what the catalogue says.
    #[serde(default)]
    pub(crate) unit_price: Option<Money>,
}

impl DraftContent {
    /// Checks what the types cannot say.
    pub(crate) fn check(&self, main: Currency) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        if self.lines.is_empty() || self.lines.len() > MAX_LINES {
            errors.add("/lines", "out_of_range", format!("1 to {MAX_LINES} lines"));
        }
        if self.promotion_codes.len() > MAX_CODES {
            errors.add("/promotion_codes", "too_many", format!("at most {MAX_CODES}"));
        }
        let currency = self.currency.unwrap_or(main);
        for (index, line) in self.lines.iter().take(MAX_LINES).enumerate() {
            let at = |field: &str| format!("/lines/{index}/{field}");
            if !(1..=999).contains(&line.quantity) {
                errors.add(at("quantity"), "out_of_range", "must be 1 to 999");
            }
            if self.lines[..index]
                .iter()
                .any(|other| other.variant_id == line.variant_id)
            {
                errors.add(at("variant_id"), "duplicate", "the variant is named twice");
            }
            match line.unit_price {
                Some(price) if price.currency != currency => {
                    errors.add(
                        at("unit_price"),
                        "wrong_currency",
                        format!("must be in {}", currency.code()),
                    );
                }
                Some(price) if price.amount < 0 => errors.add(at("unit_price"), "out_of_range", "must not be below 0"),
                _ => (),
            }
        }
        errors.into_result()
    }

    /// What has to be asked of carts to know what the draft costs.
    pub(crate) fn price_request(&self, main: Currency, locale: &Locale) -> PriceRequest {
        let line = |line: &DraftOrderLine| DraftLine {
            variant: line.variant_id,
            quantity: line.quantity,
            unit_price: line.unit_price,
        };
        PriceRequest {
            currency: self.currency.unwrap_or(main),
            locale: self.locale.clone().unwrap_or_else(|| locale.clone()),
            user: self.user_id,
            group: None,
            email: self.email.clone(),
            lines: self.lines.iter().map(line).collect(),
            shipping_address: self.shipping_address.clone(),
            billing_address: self.billing_address.clone(),
            shipping_method: self.shipping_method,
            promotion_codes: self.promotion_codes.iter().map(ToString::to_string).collect(),
            tax_number: self.tax_number.clone(),
        }
    }
}

/// A draft as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: DraftOrderId,
    pub(crate) version: i64,
    pub(crate) content: DraftContent,
    /// The order that it has become.
    pub(crate) order: Option<OrderId>,
    pub(crate) created_by: UserId,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A draft of an order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = DraftOrder)]
pub(crate) struct DraftView {
    pub(crate) id: DraftOrderId,
    /// The edit version, also the `ETag`.
    pub(crate) version: i64,
    /// The order that it has become; `null` as long as it is a draft.
    pub(crate) order_id: Option<OrderId>,
    pub(crate) content: DraftContent,
    /// Who has made it.
    pub(crate) created_by: UserId,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl From<Draft> for DraftView {
    fn from(draft: Draft) -> Self {
        Self {
            id: draft.id,
            version: draft.version,
            order_id: draft.order,
            content: draft.content,
            created_by: draft.created_by,
            created_at: draft.created_at,
            updated_at: draft.updated_at,
        }
    }
}

/// A draft, and what it costs today.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PricedDraftOrder {
    #[serde(flatten)]
    pub(crate) draft: DraftView,
    pub(crate) lines: Vec<PricedDraftLine>,
    pub(crate) totals: Totals,
    #[serde(flatten)]
    pub(crate) pricing: Pricing,
    /// What keeps it from becoming an order.
    pub(crate) problems: Vec<CartProblem>,
}

/// What a line of a draft costs.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PricedDraftLine {
    pub(crate) variant_id: VariantId,
    pub(crate) product_id: ProductId,
    pub(crate) sku: Option<String>,
    pub(crate) title: String,
    pub(crate) variant_title: String,
    pub(crate) quantity: i64,
    pub(crate) unit_price: Money,
    pub(crate) discount: Money,
    pub(crate) tax: Money,
    pub(crate) total: Money,
}

impl PricedDraftOrder {
    /// `draft` at what `priced` says.
    pub(crate) fn of(draft: Draft, priced: PricedDraft) -> Self {
        let line = |line: cart_api::PricedLine| PricedDraftLine {
            variant_id: line.variant,
            product_id: line.product,
            sku: line.sku,
            title: line.title,
            variant_title: line.variant_title,
            quantity: line.quantity,
            unit_price: line.unit_price,
            discount: line.discount,
            tax: line.tax,
            total: line.total,
        };
        Self {
            draft: draft.into(),
            lines: priced.lines.into_iter().map(line).collect(),
            totals: priced.totals,
            pricing: priced.pricing,
            problems: priced.problems,
        }
    }
}
