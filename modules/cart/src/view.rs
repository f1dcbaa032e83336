//! What the API shows of a cart.

use cart_api::{CartProblem, Pricing, Totals};
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::{CartId, ItemId, OrderId, ProductId, UserId, VariantId};
use kernel::{Currency, Locale, Money};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{Cart, Item, LinePrice, Priced, Quotes, RefusedCode, problems};
use crate::queries::saved::Saved;

/// A cart with everything in it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Cart)]
pub(crate) struct CartView {
    pub(crate) id: CartId,
    /// `open`; `checkout`: an order is being paid; `completed`: it was placed; `merged` into another cart; `expired`.
    #[schema(example = "open")]
    status: &'static str,
    /// The order that holds the cart, in `checkout` and `completed`.
    order_id: Option<OrderId>,
    /// Raised by every change, also of a price or a problem; the `ETag`.
    pub(crate) version: i64,
    currency: Currency,
    /// The language in which the lines are told.
    locale: Locale,
    /// Where the confirmation goes; a signed-in user's own address where it is `null`.
    email: Option<String>,
    items: Vec<ItemView>,
    /// The codes that the buyer has given.
    promotion_codes: Vec<String>,
    /// Those of them that take nothing off, and why.
    refused_codes: Vec<RefusedCode>,
    /// Whether the store credit of the signed-in user pays, too.
    uses_store_credit: bool,
    shipping_address: Option<Address>,
    /// Where the bill goes; the same as the goods where it is `null`.
    billing_address: Option<Address>,
    totals: Totals,
    #[serde(flatten)]
    pricing: Pricing,
    /// All that keeps the cart from being checked out.
    problems: Vec<CartProblem>,
    /// When the cart expires unless it is changed before.
    expires_at: DateTime<Utc>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A line of a cart.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = CartItem)]
struct ItemView {
    id: ItemId,
    variant_id: VariantId,
    product_id: ProductId,
    sku: Option<String>,
    title: String,
    variant_title: String,
    image_url: Option<String>,
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
    unit_price: Money,
    /// The price before, where it has changed since the buyer last changed the cart.
    price_changed_from: Option<Money>,
    discount: Money,
    /// The tax in, or on, the line.
    tax: Money,
    /// What the line costs, less its discount. Tax that is added comes on top.
    total: Money,
}

/// A cart just made; a guest's comes with its secret, which is shown this once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CreatedCart {
    #[serde(flatten)]
    pub(crate) cart: CartView,
    /// For the `Cart-Secret` header; whoever has it may see and change the cart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub(crate) secret: Option<String>,
}

/// A cart as staff see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AdminCart {
    #[serde(flatten)]
    pub(crate) cart: CartView,
    /// Its user; `null` for a guest's.
    user_id: Option<UserId>,
    /// When the buyer last changed it.
    touched_at: DateTime<Utc>,
}

/// What others see of a cart: nothing of its buyer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SharedCart {
    currency: Currency,
    items: Vec<SharedItem>,
    /// Quantity times unit price, over all lines.
    subtotal: Money,
}

/// A line of a shared cart.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SharedCartItem)]
struct SharedItem {
    variant_id: VariantId,
    product_id: ProductId,
    title: String,
    variant_title: String,
    image_url: Option<String>,
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
    unit_price: Money,
    /// Whether it is still sold.
    on_sale: bool,
}

/// Something that a user has put aside for later.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SavedItem {
    variant_id: VariantId,
    product_id: ProductId,
    title: String,
    variant_title: String,
    image_url: Option<String>,
    #[schema(minimum = 1, maximum = 999)]
    quantity: i64,
    /// What one costs now; `null` where it is not sold any more.
    unit_price: Option<Money>,
    /// How many can be bought now.
    available: i64,
    saved_at: DateTime<Utc>,
}

/// Two carts that were one.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct UndoneMerge {
    /// The one that the other had been merged into.
    pub(crate) cart: CartView,
    /// The other one, open again, with its secret.
    pub(crate) merged: CreatedCart,
}

impl CartView {
    /// Shows a cart with the prices that are kept with it.
    pub(crate) fn of(cart: &Cart) -> Self {
        let Priced {
            lines,
            totals,
            pricing,
            refused_codes,
            ..
        } = &cart.priced;
        let items = cart
            .items
            .iter()
            .zip(lines)
            .map(|(item, price)| ItemView::of(item, *price));
        Self {
            id: cart.id,
            status: cart.status.name(),
            order_id: cart.status.order(),
            version: cart.version,
            currency: cart.currency,
            locale: cart.locale.clone(),
            email: cart.email.clone(),
            items: items.collect(),
            promotion_codes: cart.promotion_codes.clone(),
            refused_codes: refused_codes.clone(),
            uses_store_credit: cart.uses_store_credit,
            shipping_address: cart.shipping_address.clone(),
            billing_address: cart.billing_address.clone(),
            totals: *totals,
            pricing: pricing.clone(),
            problems: problems(cart),
            expires_at: cart.expires_at,
            created_at: cart.created_at,
            updated_at: cart.updated_at,
        }
    }
}

impl AdminCart {
    /// A cart with the prices that are kept with it.
    pub(crate) fn of(cart: &Cart) -> Self {
        Self {
            cart: CartView::of(cart),
            user_id: cart.user,
            touched_at: cart.touched_at,
        }
    }
}

impl SharedCart {
    /// What others see of a cart.
    pub(crate) fn of(cart: &Cart) -> Self {
        let item = |item: &Item| SharedItem {
            variant_id: item.variant,
            product_id: item.product,
            title: item.title.clone(),
            variant_title: item.variant_title.clone(),
            image_url: item.image_url.clone(),
            quantity: item.quantity,
            unit_price: item.unit_price,
            on_sale: item.is_sold(),
        };
        Self {
            currency: cart.currency,
            items: cart.items.iter().map(item).collect(),
            subtotal: Money::new(cart.value(), cart.currency),
        }
    }
}

impl SavedItem {
    /// What was put aside, with what the catalogue says now.
    pub(crate) fn of(saved: Saved, quotes: &Quotes) -> Self {
        let quantity = i64::from(saved.quantity);
        let quote = quotes.of(saved.variant_id.into()).flatten();
        Self {
            variant_id: saved.variant_id.into(),
            product_id: saved.product_id.into(),
            title: saved.title,
            variant_title: saved.variant_title,
            image_url: saved.image_url,
            quantity,
            unit_price: quote
                .filter(|quote| quote.on_sale)
                .and_then(|quote| quote.unit_price(quantity)),
            available: quote.map_or(0, |quote| quote.available.max(0)),
            saved_at: saved.saved_at,
        }
    }
}

impl ItemView {
    fn of(item: &Item, price: LinePrice) -> Self {
        Self {
            id: item.id,
            variant_id: item.variant,
            product_id: item.product,
            sku: item.sku.clone(),
            title: item.title.clone(),
            variant_title: item.variant_title.clone(),
            image_url: item.image_url.clone(),
            quantity: item.quantity,
            unit_price: item.unit_price,
            price_changed_from: item.price_changed_from(),
            discount: price.discount,
            tax: price.tax,
            total: price.total,
        }
    }
}
