//! The bodies and queries of requests. Prices are in none of them: what something costs, the catalogue says.

use kernel::address::AddressPatch;
use kernel::http::{FromQuery, QueryParameters};
use kernel::id::{CartId, ShippingMethodId, VariantId};
use kernel::text::Email;
use kernel::{Currency, Locale, Patch, Text};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::{Details, NewLine, Quantity};

/// A new cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CartRequest {
    /// Any in which the shop sells; the shop's own where it is absent. It stays the cart's.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false)]
    pub(super) currency: Option<Currency>,
    /// The language in which its lines are told, one of the shop's; the shop's own where it is absent.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false)]
    pub(super) locale: Option<Locale>,
    /// What to put into it, at most 100 lines.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false, max_items = 100)]
    pub(super) items: Option<Vec<ItemRequest>>,
}

/// A variant to put into a cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemRequest {
    variant_id: VariantId,
    quantity: Quantity<1>,
}

impl ItemRequest {
    /// The line that the request names at `pointer`.
    pub(super) fn into_line(self, pointer: String) -> NewLine {
        NewLine {
            pointer,
            variant: self.variant_id,
            quantity: self.quantity.get(),
        }
    }
}

/// How many of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemPatch {
    /// 0 removes the line.
    pub(super) quantity: Quantity<0>,
}

/// Who buys and where the goods go: a merge patch. Absent keeps, `null` clears, also within an address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CartPatch {
    /// Where the confirmation goes.
    #[serde(default)]
    #[schema(value_type = Option<Email>)]
    email: Patch<Email>,
    /// Where the goods go.
    #[serde(default)]
    #[schema(value_type = Option<AddressPatch>)]
    shipping_address: Patch<AddressPatch>,
    /// Where the bill goes; the same as the goods where there is none.
    #[serde(default)]
    #[schema(value_type = Option<AddressPatch>)]
    billing_address: Patch<AddressPatch>,
    /// How the goods go: one of `GET /carts/{id}/shipping-methods`.
    #[serde(default)]
    #[schema(value_type = Option<ShippingMethodId>)]
    shipping_method: Patch<ShippingMethodId>,
    /// By which a tax office knows the buyer; one of a member state of the European Union has to be written as VIES has it.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    tax_number: Patch<Text<1, 40>>,
    /// Whether the store credit of the signed-in user pays, too.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false)]
    uses_store_credit: Option<bool>,
}

impl From<CartPatch> for Details {
    fn from(patch: CartPatch) -> Self {
        Self {
            email: patch.email,
            shipping_address: patch.shipping_address,
            billing_address: patch.billing_address,
            shipping_method: patch.shipping_method,
            tax_number: patch.tax_number,
            uses_store_credit: patch.uses_store_credit,
        }
    }
}

/// A code of a promotion, or of a gift card, as the buyer has typed it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeRequest {
    #[schema(value_type = String)]
    pub(super) code: Text<1, 100>,
}

/// The guest's cart that goes into another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MergeRequest {
    pub(super) from: MergeSource,
}

/// A guest's cart and the proof of it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MergeSource {
    pub(super) id: CartId,
    /// What `POST /carts` answered.
    pub(super) secret: Text<1, 100>,
}

impl std::fmt::Debug for MergeSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("MergeSource")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Which page of a list is wanted.
#[derive(Debug)]
pub(super) struct Paged {
    pub(super) limit: i64,
    pub(super) cursor: Option<String>,
}

impl FromQuery for Paged {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}
