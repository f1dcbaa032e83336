//! What a buyer may do to an open cart. Every change goes on from the prices that the cart showed, and then takes over
//! what the catalogue says now.

use cart_api::{CartError, Overrides};
use kernel::address::{Address, AddressPatch};
use kernel::id::{CartId, ItemId, VariantId};
use kernel::text::Email;
use kernel::{Currency, FieldErrors, Money, Patch, Text};
use product_api::Quote;

use super::quantity::MAX_QUANTITY;
use super::{Cart, Item, MAX_LINES, Quotes, is_payable, price};

/// A change of one cart.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Puts variants into the cart, onto the line of the same variant where there is one. All or nothing.
    Add(Vec<NewLine>),
    /// Sets how many of a line; 0 removes it.
    SetQuantity {
        /// The line.
        item: ItemId,
        /// How many.
        quantity: i64,
    },
    /// Says who and where.
    SetDetails(Box<Details>),
}

/// A variant to put into a cart.
#[derive(Clone, Debug)]
pub(crate) struct NewLine {
    /// Where the request names it, as a JSON pointer: empty, or `/items/3`.
    pub(crate) pointer: String,
    pub(crate) variant: VariantId,
    /// 1 to 999.
    pub(crate) quantity: i64,
}

/// What a merge patch says of the fields beside the lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    pub(crate) email: Patch<Email>,
    pub(crate) shipping_address: Patch<AddressPatch>,
    pub(crate) billing_address: Patch<AddressPatch>,
    pub(crate) shipping_method: Patch<Text<1, 100>>,
}

impl Change {
    /// The variants that the change needs quotes of, besides those in the cart.
    pub(crate) fn variants(&self) -> Vec<VariantId> {
        match self {
            Self::Add(lines) => lines.iter().map(|line| line.variant).collect(),
            Self::SetQuantity { .. } | Self::SetDetails(_) => Vec::new(),
        }
    }

    /// Changes an open cart.
    pub(crate) fn apply(&self, cart: &mut Cart, quotes: &Quotes) -> Result<(), CartError> {
        cart.accept_prices();
        let grown = match self {
            Self::Add(lines) => add(cart, lines, quotes).map_err(CartError::Invalid)?,
            Self::SetQuantity { item, quantity } => set_quantity(cart, *item, *quantity, quotes)?,
            Self::SetDetails(details) => {
                details.apply(cart)?;
                None
            }
        };
        cart.refresh(quotes);
        match grown {
            Some(pointer) => require_payable(cart, &pointer),
            None => Ok(()),
        }
    }
}

impl Details {
    /// Sets what the patch has.
    pub(crate) fn apply(&self, cart: &mut Cart) -> Result<(), CartError> {
        if let Patch::Set(method) = &self.shipping_method {
            let detail = format!("there is no shipping method `{method}`");
            let error = FieldErrors::one("/shipping_method", "unknown_shipping_method", detail);
            return Err(CartError::Invalid(error));
        }
        let details = self.clone();
        cart.email = details.email.map(|email| email.to_string()).apply(cart.email.take());
        let merge =
            |pointer| move |patch: AddressPatch, before| patch.apply(before, pointer).map_err(CartError::Invalid);
        let (shipping, billing) = (cart.shipping_address.take(), cart.billing_address.take());
        cart.shipping_address = details.shipping_address.merge(shipping, merge("/shipping_address"))?;
        cart.billing_address = details.billing_address.merge(billing, merge("/billing_address"))?;
        Ok(())
    }
}

impl From<Overrides> for Details {
    fn from(overrides: Overrides) -> Self {
        let whole = |address: Option<Address>| address.map_or(Patch::Keep, |address| Patch::Set(address.into()));
        Self {
            email: overrides.email.map_or(Patch::Keep, Patch::Set),
            shipping_address: whole(overrides.shipping_address),
            billing_address: whole(overrides.billing_address),
            shipping_method: overrides.shipping_method.map_or(Patch::Keep, Patch::Set),
        }
    }
}

/// Puts everything of `source` into `target`: quantities of the same variant are summed, and what the target does not
/// say about its buyer the source says. Refused where a line or the cart would become too large; both are then as they
/// were.
pub(crate) fn absorb(target: &mut Cart, source: &Cart, quotes: &Quotes) -> Result<(), CartError> {
    const POINTER: &str = "/from/id";
    let refuse = |code, detail: String| Err(CartError::Invalid(FieldErrors::one(POINTER, code, detail)));
    if source.currency != target.currency {
        return refuse("currency_mismatch", format!("that cart is in {}", source.currency));
    }
    target.accept_prices();
    for item in &source.items {
        match target.line_of(item.variant) {
            Some(line) if line.quantity + item.quantity > MAX_QUANTITY => {
                return refuse(
                    "out_of_range",
                    format!("together more than {MAX_QUANTITY} of `{}`", item.title),
                );
            }
            Some(line) => line.resize(line.quantity + item.quantity, quotes.of(item.variant).flatten()),
            None => target.items.push(Item {
                id: ItemId::generate(),
                ..item.clone()
            }),
        }
    }
    if target.items.len() > MAX_LINES {
        return refuse("too_many_lines", format!("together more than {MAX_LINES} lines"));
    }
    target.email = target.email.take().or_else(|| source.email.clone());
    target.shipping_address = target
        .shipping_address
        .take()
        .or_else(|| source.shipping_address.clone());
    target.billing_address = target.billing_address.take().or_else(|| source.billing_address.clone());
    target.refresh(quotes);
    require_payable(target, POINTER)
}

/// Adds lines; answers the pointer of the quantity that made the cart dearer.
fn add(cart: &mut Cart, lines: &[NewLine], quotes: &Quotes) -> Result<Option<String>, FieldErrors> {
    let mut errors = FieldErrors::new();
    for line in lines {
        let quantity_pointer = format!("{}/quantity", line.pointer);
        let variant_pointer = format!("{}/variant_id", line.pointer);
        let (quote, unit_price) = match for_sale(quotes.of(line.variant).flatten(), line.quantity, cart.currency) {
            Ok(found) => found,
            Err((code, detail)) => {
                errors.add(variant_pointer, code, detail);
                continue;
            }
        };
        let full = cart.items.len() >= MAX_LINES;
        match cart.line_of(line.variant) {
            Some(item) if item.quantity + line.quantity > MAX_QUANTITY => {
                let detail = format!("with the {} in the cart more than {MAX_QUANTITY}", item.quantity);
                errors.add(quantity_pointer, "out_of_range", detail);
            }
            Some(item) => item.resize(item.quantity + line.quantity, Some(quote)),
            None if full => {
                let detail = format!("a cart has at most {MAX_LINES} lines");
                errors.add(variant_pointer, "too_many_lines", detail);
            }
            None => cart.items.push(Item::new(quote, unit_price, line.quantity)),
        }
    }
    errors.into_result()?;
    Ok(lines.last().map(|line| format!("{}/quantity", line.pointer)))
}

/// Sets a quantity; answers the pointer of the quantity where it makes the cart dearer.
fn set_quantity(cart: &mut Cart, id: ItemId, quantity: i64, quotes: &Quotes) -> Result<Option<String>, CartError> {
    let Some(item) = cart.item(id) else {
        return Err(CartError::NotFound("item".to_owned()));
    };
    let grows = quantity > item.quantity;
    item.resize(quantity, quotes.of(item.variant).flatten());
    cart.items.retain(|item| item.quantity > 0);
    Ok(grows.then(|| "/quantity".to_owned()))
}

/// The quote and the price of so many of a variant that can be added to a cart in `currency`.
fn for_sale(
    quote: Option<&Quote>,
    quantity: i64,
    currency: Currency,
) -> Result<(&Quote, Money), (&'static str, String)> {
    let Some(quote) = quote else {
        return Err(("unknown_variant", "no such variant".to_owned()));
    };
    if !quote.on_sale {
        return Err(("not_for_sale", "the variant is not sold".to_owned()));
    }
    match quote.unit_price(quantity).filter(|price| price.currency == currency) {
        Some(price) => Ok((quote, price)),
        None => Err(("currency_mismatch", format!("the variant is not sold in {currency}"))),
    }
}

fn require_payable(cart: &Cart, pointer: &str) -> Result<(), CartError> {
    match price(cart) {
        Ok(prices) if is_payable(&prices.totals) => Ok(()),
        _ => {
            let detail = "the total would have more than twelve digits";
            Err(CartError::Invalid(FieldErrors::one(
                pointer,
                "amount_too_large",
                detail,
            )))
        }
    }
}

/// Used by requests that name two carts.
pub(crate) fn require_other(target: CartId, source: CartId) -> Result<(), CartError> {
    if target != source {
        return Ok(());
    }
    let detail = "a cart cannot be merged into itself";
    Err(CartError::Invalid(FieldErrors::one("/from/id", "same_cart", detail)))
}

#[cfg(test)]
mod tests;
