//! The bodies and queries of requests. Prices are in none of them: what something costs, the catalogue says.

use kernel::address::AddressPatch;
use kernel::http::{FromQuery, QueryParameters};
use kernel::id::{CartId, ItemId, ShippingMethodId, VariantId};
use kernel::text::Email;
use kernel::{Currency, Locale, Patch, Text};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::domain::{Details, NewLine, Quantity};
use crate::queries::CartFilter;
use crate::service::NewCart;

/// A new cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CartRequest {
    /// Any in which the shop sells; the shop's own where it is absent. It stays the cart's.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false)]
    currency: Option<Currency>,
    /// The language in which its lines are told, one of the shop's; the shop's own where it is absent.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false)]
    locale: Option<Locale>,
    /// What to put into it, at most 100 lines.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false, max_items = 100)]
    items: Option<Vec<ItemRequest>>,
    /// The token of a shared cart: what is in it, and can be bought, is copied; its currency and language as well, where none
    /// is named.
    #[serde(default, deserialize_with = "kernel::patch::present")]
    #[schema(nullable = false, value_type = Option<String>)]
    shared_cart: Option<Text<1, 200>>,
}

impl CartRequest {
    /// The cart that is asked for.
    pub(super) fn into_cart(self) -> NewCart {
        NewCart {
            currency: self.currency,
            locale: self.locale,
            lines: lines(self.items.unwrap_or_default()),
            shared_cart: self.shared_cart.map(Text::into_string),
        }
    }
}

/// A line of a cart to put aside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SaveRequest {
    pub(super) cart_id: CartId,
    pub(super) item_id: ItemId,
}

/// Where to put what was put aside.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveSavedRequest {
    pub(super) cart_id: CartId,
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

/// The cart that had gone into another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UndoMergeRequest {
    pub(super) from: MergedCart,
}

/// A merged cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MergedCart {
    pub(super) id: CartId,
}

/// Several variants to put into a cart.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemsRequest {
    /// At most 100.
    #[schema(max_items = 100)]
    pub(super) items: Vec<ItemRequest>,
}

impl ItemsRequest {
    /// The lines that the request names.
    pub(super) fn into_lines(self) -> Vec<NewLine> {
        lines(self.items)
    }
}

/// The lines that a request names under `/items`.
fn lines(items: Vec<ItemRequest>) -> Vec<NewLine> {
    let items = items.into_iter().enumerate();
    items
        .map(|(index, item)| item.into_line(format!("/items/{index}")))
        .collect()
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

/// Which page of the list of all carts.
#[derive(Debug)]
pub(super) struct ListAllCarts {
    pub(super) filter: CartFilter,
    pub(super) limit: i64,
    pub(super) cursor: Option<String>,
}

impl FromQuery for ListAllCarts {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let names = ["open", "checkout", "completed", "merged", "expired"].map(|name| (name, name));
        Self {
            filter: CartFilter {
                status: parameters.choice("status", &names),
                user: parameters.parsed("user_id"),
            },
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}

/// Which page of a list.
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
