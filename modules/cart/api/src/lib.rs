//! What siblings may ask of the cart module, and what it tells them.

pub mod remote;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::event::Payload;
use kernel::id::{
    CartId, CustomerGroupId, GiftCardId, ItemId, OrderId, ProductId, PromotionId, ShippingMethodId, UserId, VariantId,
};
use kernel::identity::Holder;
use kernel::text::Email;
use kernel::{Currency, Fault, FieldErrors, Locale, Money, Problem, Text};
use serde::{Deserialize, Serialize};

/// The first segments of the module's public paths, under `/api/v1` and under `/api/v1/admin`.
pub const PREFIXES: &[&str] = &[
    "carts",
    "gift-cards",
    "promotions",
    "saved-items",
    "shared-carts",
    "shipping",
    "store-credit",
    "tax",
];

/// The cart module, here or elsewhere.
#[async_trait]
pub trait CartApi: Send + Sync {
    /// Takes a cart to the till: applies the order's overrides, prices it, compares the total with what the buyer was
    /// shown, and locks it for the order. Repeatable: the same order gets the same snapshot again.
    async fn freeze(&self, request: Freeze) -> Result<FrozenCart, CartError>;

    /// Gives a cart back to its buyer after its order was cancelled, paid for or not: `open` again, version raised.
    /// Repeatable; a cart that `order` does not hold stays as it is.
    async fn unfreeze(&self, cart: CartId, order: OrderId) -> Result<(), CartError>;

    /// Closes carts whose orders were placed. Answers the orders whose carts are closed, now or before; carts that are
    /// not locked by the order named are left alone. Repeatable.
    async fn complete_all(&self, carts: Vec<(CartId, OrderId)>) -> Result<Vec<OrderId>, CartError>;

    /// Closes one cart; refused as not found where the order does not hold it. Repeatable.
    async fn complete(&self, cart: CartId, order: OrderId) -> Result<(), CartError> {
        match self.complete_all(vec![(cart, order)]).await?.contains(&order) {
            true => Ok(()),
            false => Err(CartError::NotFound("cart".to_owned())),
        }
    }

    /// Prices lines that are in no cart, by the same rules: for drafts of orders, and for changes of placed ones. Nothing is
    /// kept and nothing is used up. Repeatable.
    async fn price(&self, request: PriceRequest) -> Result<PricedDraft, CartError>;

    /// The carts that are locked or completed by an order, in the order of their ids, after `after`; for verification.
    /// Repeatable.
    async fn claimed(&self, after: Option<CartId>, limit: i64) -> Result<Vec<ClaimedCart>, CartError>;
}

/// What an order asks of its cart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Freeze {
    /// The cart.
    pub cart: CartId,
    /// The order that locks it.
    pub order: OrderId,
    /// Who places the order: the cart's user, or the holder of its secret.
    pub holder: Holder,
    /// The version of the cart that the buyer was shown.
    pub version: i64,
    /// The total that the buyer was shown.
    pub expected_total: Money,
    /// What the order sets on the cart first.
    pub overrides: Overrides,
}

/// Fields of a cart that an order may set on its way through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Where the confirmation goes.
    pub email: Option<Email>,
    /// Where the goods go.
    pub shipping_address: Option<Address>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// How the goods go.
    pub shipping_method: Option<ShippingMethodId>,
}

/// A cart as an order takes it over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenCart {
    /// The cart.
    pub cart: CartId,
    /// Its version, now that it is locked.
    pub version: i64,
    /// Its user; `None` for a guest's.
    pub user: Option<UserId>,
    /// Its currency.
    pub currency: Currency,
    /// The language in which its lines are told.
    pub locale: Locale,
    /// Where the confirmation goes.
    pub email: String,
    /// Where the goods go.
    pub shipping_address: Option<Address>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// What is bought.
    pub lines: Vec<PricedLine>,
    /// What it costs.
    pub totals: Totals,
    /// How that came about; nothing where the cart was taken over before anything did.
    #[serde(default)]
    pub pricing: Pricing,
}

/// What stands behind the totals of a cart or an order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Pricing {
    /// How the goods go; `null` where that is not chosen, or there is nothing to choose.
    pub shipping_method: Option<ChosenMethod>,
    /// By which a tax office knows the buyer.
    pub tax_number: Option<String>,
    /// The tax in, or on, shipping; a part of `totals.tax` or `totals.tax_included`.
    pub shipping_tax: Option<Money>,
    /// The promotions that take something off, in the order in which they do.
    pub promotions: Vec<GivenPromotion>,
    /// What each tax comes to.
    pub taxes: Vec<TaxTotal>,
    /// What each gift card, and store credit, pays.
    pub gift_cards: Vec<GiftCardPayment>,
}

/// How the goods go, as the buyer has chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChosenMethod {
    /// The method.
    pub id: ShippingMethodId,
    /// What it is called.
    pub name: String,
    /// Whether the buyer fetches the goods.
    pub pick_up: bool,
    /// What it costs before promotions.
    pub price: Money,
    /// How many working days it takes at least, where the shop says so.
    pub min_days: Option<u16>,
    /// How many it takes at most.
    pub max_days: Option<u16>,
}

/// A promotion that takes something off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GivenPromotion {
    /// The promotion.
    pub promotion_id: PromotionId,
    /// What it is called.
    pub name: String,
    /// The code by which the buyer asked for it.
    pub code: Option<String>,
    /// What it takes off.
    pub amount: Money,
}

/// What a tax comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TaxTotal {
    /// As it stands on a bill.
    pub name: String,
    /// How many percent of the base, as text: `8.875`.
    pub percent: String,
    /// What it is reckoned on: without tax where it is added, with it where prices contain it.
    pub base: Money,
    /// How much; less than nothing where it is taken off prices that contain it.
    pub amount: Money,
}

/// What a gift card, or store credit, pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GiftCardPayment {
    /// The card.
    pub gift_card_id: GiftCardId,
    /// The last characters of its code; `null` for store credit.
    pub last_characters: Option<String>,
    /// How much; nothing where the card is empty, or not needed.
    pub amount: Money,
}

/// What is to be priced without a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceRequest {
    /// The currency.
    pub currency: Currency,
    /// The language in which lines are told.
    pub locale: Locale,
    /// Whose order it is, where it is somebody's with an account.
    pub user: Option<UserId>,
    /// The group of customers that the account belongs to.
    pub group: Option<CustomerGroupId>,
    /// Where the confirmation goes.
    pub email: Option<Email>,
    /// What is bought, each variant once.
    pub lines: Vec<DraftLine>,
    /// Where the goods go.
    pub shipping_address: Option<Address>,
    /// Where the bill goes.
    pub billing_address: Option<Address>,
    /// How the goods go.
    pub shipping_method: Option<ShippingMethodId>,
    /// Codes of promotions.
    pub promotion_codes: Vec<String>,
    /// By which a tax office knows the buyer.
    pub tax_number: Option<Text<1, 40>>,
}

/// A line of what is to be priced without a cart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftLine {
    /// What is bought.
    pub variant: VariantId,
    /// 1 to 999 pieces of it.
    pub quantity: i64,
    /// What one costs, where that has been agreed upon; otherwise what the catalogue says.
    pub unit_price: Option<Money>,
}

/// What lines without a cart cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedDraft {
    /// In the order in which they were asked for.
    pub lines: Vec<PricedLine>,
    /// What all of it costs.
    pub totals: Totals,
    /// How that came about.
    pub pricing: Pricing,
    /// What would keep a cart with these lines from being checked out.
    pub problems: Vec<CartProblem>,
}

/// A priced line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedLine {
    /// The cart's line.
    pub item: ItemId,
    /// What is bought.
    pub variant: VariantId,
    /// Its product.
    pub product: ProductId,
    /// Stock keeping unit, where there is one.
    pub sku: Option<String>,
    /// The product's title.
    pub title: String,
    /// The variant's title.
    pub variant_title: String,
    /// How many.
    pub quantity: i64,
    /// What one costs.
    pub unit_price: Money,
    /// What is taken off the line.
    pub discount: Money,
    /// The tax in, or on, the line.
    pub tax: Money,
    /// What the line costs.
    pub total: Money,
    /// Which taxes these are: their amounts sum to `tax`. Nothing where the line was priced before they were told.
    #[serde(default)]
    pub taxes: Vec<LineTax>,
}

/// A tax in, or on, a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LineTax {
    /// As it stands on a bill.
    pub name: String,
    /// How many percent, as text: `8.875`.
    pub percent: String,
    /// Its part of the line's tax.
    pub amount: Money,
}

/// What a cart or an order costs. `total` is what the goods cost all told; `amount_due` is what is left to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Totals {
    /// Quantity times unit price, over all lines.
    pub subtotal: Money,
    /// What is taken off.
    pub discount: Money,
    /// What shipping costs.
    pub shipping: Money,
    /// Tax that comes onto the prices; less than nothing where prices contain a tax that this buyer does not pay.
    pub tax: Money,
    /// Tax that the prices contain and the buyer pays; a part of `total` already.
    pub tax_included: Money,
    /// `subtotal - discount + shipping + tax`.
    pub total: Money,
    /// What gift cards pay.
    pub gift_cards: Money,
    /// `total - gift_cards`.
    pub amount_due: Money,
}

/// A buyer has left an open cart behind for a while. Told once for each state in which the buyer leaves it, and not where
/// the buyer has ordered something since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLeft {
    /// The cart, with the address in it for whoever may read it.
    pub cart: CartId,
    /// Its user; `None` for a guest's, who has given an address.
    pub user: Option<UserId>,
    /// When the buyer last changed it.
    pub touched_at: DateTime<Utc>,
    /// What was due for it then.
    pub amount_due: Money,
    /// Opens the cart for whoever gets it: `shared_cart` of `POST /carts`.
    pub share_token: String,
}

impl Payload for CartLeft {
    const TYPE: &'static str = "cart.left";

    fn subject(&self) -> String {
        self.cart.to_string()
    }
}

/// A cart that an order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedCart {
    /// The cart.
    pub cart: CartId,
    /// The order.
    pub order: OrderId,
    /// Whether the cart is completed; otherwise it is locked.
    pub completed: bool,
}

/// A reason why a cart cannot be checked out as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CartProblem {
    /// Stable and machine-readable, e.g. `insufficient_stock`.
    pub code: String,
    /// The line concerned, where one is.
    pub item_id: Option<ItemId>,
    /// For people.
    pub detail: String,
}

/// Why the cart module refuses or fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CartError {
    /// Unknown, or somebody else's.
    #[error("no such {0}")]
    NotFound(String),
    /// Fields are wrong.
    #[error("{0}")]
    Invalid(FieldErrors),
    /// An order is being paid; the cart cannot be changed meanwhile.
    #[error("the cart is being paid for")]
    InCheckout(OrderId),
    /// The cart was bought.
    #[error("the cart was completed")]
    Completed(OrderId),
    /// The cart was merged into another, or has expired.
    #[error("the cart is {0}")]
    Closed(String),
    /// The cart has changed since the buyer was shown it; its present version.
    #[error("the cart has changed")]
    Changed(i64),
    /// The resource has changed since the client read it; its present version.
    #[error("the cart is at version {0}")]
    VersionMismatch(i64),
    /// The total is not what the buyer was shown.
    #[error("the price has changed")]
    PriceChanged {
        /// What the buyer was shown.
        old: Money,
        /// What it is.
        new: Money,
    },
    /// Gift cards pay less than the buyer was shown.
    #[error("gift cards pay less than before")]
    GiftCardsChanged {
        /// What the buyer was shown.
        old: Money,
        /// What they pay now.
        new: Money,
    },
    /// Something is missing or wrong; each problem is named.
    #[error("the cart cannot be checked out")]
    NotReady(Vec<CartProblem>),
    /// Orders use the promotion, so that it cannot be removed.
    #[error("orders use the promotion; disable it instead")]
    PromotionInUse,
    /// There is less on the gift card than is to be taken off it: its balance.
    #[error("there is only {0} on it")]
    InsufficientBalance(Money),
    /// A technical failure.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<CartError> for Problem {
    fn from(error: CartError) -> Self {
        let detail = error.to_string();
        match error {
            CartError::NotFound(what) => Self::not_found(&what),
            CartError::Invalid(errors) => Self::invalid(errors),
            CartError::InCheckout(order) => Self::conflict("cart_in_checkout", detail).with("order_id", order),
            CartError::Completed(order) => Self::conflict("cart_completed", detail).with("order_id", order),
            CartError::Closed(status) => Self::conflict("cart_closed", detail).with("cart_status", status),
            CartError::Changed(version) => Self::conflict("cart_changed", detail).with("version", version),
            CartError::VersionMismatch(version) => kernel::http::precondition::precondition_failed(version),
            CartError::PriceChanged { old, new } => Self::conflict("price_changed", detail)
                .with("old", old)
                .with("new", new),
            CartError::GiftCardsChanged { old, new } => Self::conflict("gift_cards_changed", detail)
                .with("old", old)
                .with("new", new),
            CartError::PromotionInUse => Self::conflict("promotion_in_use", detail),
            CartError::InsufficientBalance(balance) => {
                Self::conflict("insufficient_balance", detail).with("balance", balance)
            }
            CartError::NotReady(problems) => {
                let status = actix_web::http::StatusCode::UNPROCESSABLE_ENTITY;
                Self::new(status, "cart_not_ready", detail).with("problems", problems)
            }
            CartError::Fault(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: i64) -> Money {
        Money::new(amount, "EUR".parse().unwrap())
    }

    /// One of each kind. The compiler misses a kind that is new in `next`.
    fn errors() -> Vec<CartError> {
        let mut errors = vec![CartError::NotFound("cart".to_owned())];
        while let Some(error) = errors.last().and_then(next) {
            errors.push(error);
        }
        errors
    }

    fn next(error: &CartError) -> Option<CartError> {
        Some(match error {
            CartError::NotFound(_) => CartError::Invalid(FieldErrors::one("/a/0", "too_long", "is \"too\" long")),
            CartError::Invalid(_) => CartError::InCheckout(OrderId::generate()),
            CartError::InCheckout(_) => CartError::Completed(OrderId::generate()),
            CartError::Completed(_) => CartError::Closed("merged".to_owned()),
            CartError::Closed(_) => CartError::Changed(7),
            CartError::Changed(_) => CartError::VersionMismatch(i64::MAX),
            CartError::VersionMismatch(_) => CartError::PriceChanged {
                old: money(1),
                new: money(-2),
            },
            CartError::PriceChanged { .. } => CartError::GiftCardsChanged {
                old: money(5),
                new: money(0),
            },
            CartError::GiftCardsChanged { .. } => CartError::NotReady(vec![
                CartProblem {
                    code: "insufficient_stock".to_owned(),
                    item_id: Some(ItemId::generate()),
                    detail: "there is one".to_owned(),
                },
                CartProblem {
                    code: "empty".to_owned(),
                    item_id: None,
                    detail: String::new(),
                },
            ]),
            CartError::NotReady(_) => CartError::PromotionInUse,
            CartError::PromotionInUse => CartError::InsufficientBalance(money(3)),
            CartError::InsufficientBalance(_) => Fault::unavailable("down").into(),
            CartError::Fault(Fault::Unavailable { .. }) => Fault::timeout("slow").into(),
            CartError::Fault(Fault::Timeout { .. }) => Fault::internal("a bug").into(),
            CartError::Fault(Fault::Internal { .. }) => return None,
        })
    }

    #[test]
    fn a_snapshot_from_before_there_were_promotions_can_still_be_read() {
        let zero = money(0);
        let frozen = FrozenCart {
            cart: CartId::generate(),
            version: 3,
            user: None,
            currency: zero.currency,
            locale: "en".parse().unwrap(),
            email: "ada@example.com".to_owned(),
            shipping_address: None,
            billing_address: None,
            lines: Vec::new(),
            totals: Totals {
                subtotal: zero,
                discount: zero,
                shipping: zero,
                tax: zero,
                tax_included: zero,
                total: zero,
                gift_cards: zero,
                amount_due: zero,
            },
            pricing: Pricing::default(),
        };
        let mut stored = serde_json::to_value(&frozen).unwrap();
        let members = stored.as_object_mut().unwrap();
        members.remove("pricing");
        members.insert("shipping_method".to_owned(), serde_json::Value::Null);
        assert_eq!(serde_json::from_value::<FrozenCart>(stored).unwrap(), frozen);
    }

    #[test]
    fn every_error_crosses_the_wire_whole() {
        for error in errors() {
            let sent: Result<(), CartError> = Err(error);
            let text = serde_json::to_string(&sent).unwrap();
            let received: Result<(), CartError> = serde_json::from_str(&text).unwrap();
            assert_eq!(received, sent, "{text}");
        }
    }
}
