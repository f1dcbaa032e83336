//! What a cart costs, by the rules of `cart-pricing`.

use cart_pricing::{Basket, Buyer, Line, Prices};
use kernel::money::MoneyError;
use product_api::Traits;

use super::{Cart, Item};

/// Prices a cart as of when it was last written. Fails instead of wrapping around.
pub(crate) fn price(cart: &Cart) -> Result<Prices, MoneyError> {
    let traits = Traits::default();
    let line = |item: &Item| Line {
        item: item.id,
        variant: item.variant,
        product: item.product,
        quantity: item.quantity,
        unit_price: item.unit_price.amount,
        traits: &traits,
    };
    if cart.items.iter().any(|item| item.unit_price.currency != cart.currency) {
        return Err(MoneyError::CurrencyMismatch);
    }
    cart_pricing::price(&Basket {
        currency: cart.currency,
        now: cart.updated_at,
        lines: cart.items.iter().map(line).collect(),
        buyer: Buyer::default(),
        country: None,
        promotions: &[],
        delivery: None,
        tax: None,
        tenders: &[],
    })
}
