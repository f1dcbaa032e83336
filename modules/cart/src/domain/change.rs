//! What a buyer may do to an open cart. Every change goes on from the prices that the cart showed, and then takes over
//! what the catalogue says now.

use cart_api::{CartError, Overrides, PriceRequest};
use kernel::address::{Address, AddressPatch};
use kernel::id::{CartId, GiftCardId, ItemId, ShippingMethodId, VariantId};
use kernel::text::Email;
use kernel::{Currency, Fault, FieldErrors, Money, Patch, Text};
use product_api::Quote;

use super::quantity::MAX_QUANTITY;
use super::tax_number::{is_sound, normal};
use super::{
    Cart, Facts, Gift, Item, Known, MAX_LINES, PromotionCode, Quotes, Rules, ShippingProblem, is_payable, price,
};

/// The most codes of promotions in a cart.
const MAX_CODES: usize = 10;
/// The most gift cards in a cart.
const MAX_GIFT_CARDS: usize = 10;

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
    /// Asks for a promotion.
    AddCode(PromotionCode),
    /// Does without it again.
    RemoveCode(PromotionCode),
    /// Pays with a gift card.
    AddGiftCard(GiftCardId),
    /// Does not.
    RemoveGiftCard(GiftCardId),
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
    pub(crate) shipping_method: Patch<ShippingMethodId>,
    pub(crate) tax_number: Patch<Text<1, 40>>,
    pub(crate) uses_store_credit: Option<bool>,
}

impl Change {
    /// The variants that the change needs quotes of, besides those in the cart.
    pub(crate) fn variants(&self) -> Vec<VariantId> {
        match self {
            Self::Add(lines) => lines.iter().map(|line| line.variant).collect(),
            _ => Vec::new(),
        }
    }

    /// Changes an open cart; answers the pointer of what makes it dearer. It has to be priced then.
    pub(crate) fn apply(&self, cart: &mut Cart, quotes: &Quotes) -> Result<Option<String>, CartError> {
        cart.accept_prices();
        let grown = match self {
            Self::Add(lines) => add(cart, lines, quotes).map_err(CartError::Invalid)?,
            Self::SetQuantity { item, quantity } => set_quantity(cart, *item, *quantity, quotes)?,
            Self::SetDetails(details) => {
                details.apply(cart)?;
                None
            }
            Self::AddCode(code) => {
                add_once(&mut cart.promotion_codes, code.as_str().to_owned(), MAX_CODES)?;
                None
            }
            Self::RemoveCode(code) => {
                remove(&mut cart.promotion_codes, &code.as_str().to_owned(), "code in the cart")?;
                None
            }
            Self::AddGiftCard(card) => {
                add_once(&mut cart.gift_cards, *card, MAX_GIFT_CARDS)?;
                None
            }
            Self::RemoveGiftCard(card) => {
                remove(&mut cart.gift_cards, card, "gift card in the cart")?;
                None
            }
        };
        cart.refresh(quotes);
        Ok(grown)
    }

    /// Refuses what can only be seen once the changed cart is priced: a code that nobody can use, and a method that is not
    /// offered. A code whose conditions are not met yet is kept.
    pub(crate) fn check(&self, cart: &Cart, rules: &Rules) -> Result<(), CartError> {
        let refuse =
            |pointer, code: &str, detail: &str| Err(CartError::Invalid(FieldErrors::one(pointer, code, detail)));
        match self {
            Self::AddCode(code) => {
                let refused = &cart.priced.refused_codes;
                let found = refused.iter().find(|refused| refused.code == code.as_str());
                match found.filter(|refused| !refused.is_curable()) {
                    Some(refused) => refuse("/code", &refused.reason, &refused.detail),
                    None => Ok(()),
                }
            }
            Self::SetDetails(details) => match details.shipping_method {
                Patch::Set(method) if rules.method(method).is_none() => {
                    refuse("/shipping_method", "unknown_shipping_method", "there is no such method")
                }
                Patch::Set(_) if cart.priced.shipping_problem == Some(ShippingProblem::MethodUnavailable) => {
                    let detail = "the method is not offered for these goods and that address";
                    refuse("/shipping_method", "shipping_method_unavailable", detail)
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

impl Details {
    /// Sets what the patch has.
    pub(crate) fn apply(&self, cart: &mut Cart) -> Result<(), CartError> {
        if self.uses_store_credit == Some(true) && cart.user.is_none() {
            let error = FieldErrors::one("/uses_store_credit", "sign_in_required", "guests have no store credit");
            return Err(CartError::Invalid(error));
        }
        let details = self.clone();
        let number = details.tax_number.map(|number| normal(number.as_str()));
        if let Patch::Set(number) = &number
            && !is_sound(number)
        {
            let detail = "not a tax number, or not as its country writes them";
            let error = FieldErrors::one("/tax_number", "invalid_tax_number", detail);
            return Err(CartError::Invalid(error));
        }
        cart.tax_number = number.apply(cart.tax_number.take());
        cart.shipping_method = details.shipping_method.apply(cart.shipping_method);
        cart.uses_store_credit = details.uses_store_credit.unwrap_or(cart.uses_store_credit);
        cart.email = details.email.map(|email| email.to_string()).apply(cart.email.take());
        let merge =
            |pointer| move |patch: AddressPatch, before| patch.apply(before, pointer).map_err(CartError::Invalid);
        let (shipping, billing) = (cart.shipping_address.take(), cart.billing_address.take());
        cart.shipping_address = details.shipping_address.merge(shipping, merge("/shipping_address"))?;
        cart.billing_address = details.billing_address.merge(billing, merge("/billing_address"))?;
        Ok(())
    }
}

impl From<PriceRequest> for Details {
    fn from(request: PriceRequest) -> Self {
        Self {
            tax_number: request.tax_number.map_or(Patch::Keep, Patch::Set),
            ..Self::from(Overrides {
                email: request.email,
                shipping_address: request.shipping_address,
                billing_address: request.billing_address,
                shipping_method: request.shipping_method,
            })
        }
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
            ..Self::default()
        }
    }
}

/// Puts everything of `source` into `target`: quantities of the same variant are summed, codes and gift cards added, and what
/// the target does not say about its buyer the source says. Refused where a line or the cart would become too large; both
/// are then as they were. Answers what the source gave beside its lines; the target has to be priced then.
pub(crate) fn absorb(target: &mut Cart, source: &Cart, quotes: &Quotes) -> Result<Gift, CartError> {
    let refuse = |code, detail: String| Err(CartError::Invalid(FieldErrors::one("/from/id", code, detail)));
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
    let gift = Gift {
        email: take_over(&mut target.email, &source.email),
        shipping_address: take_over(&mut target.shipping_address, &source.shipping_address),
        billing_address: take_over(&mut target.billing_address, &source.billing_address),
        tax_number: take_over(&mut target.tax_number, &source.tax_number),
        shipping_method: take_over(&mut target.shipping_method, &source.shipping_method),
        promotion_codes: add_new(&mut target.promotion_codes, &source.promotion_codes, MAX_CODES),
        gift_cards: add_new(&mut target.gift_cards, &source.gift_cards, MAX_GIFT_CARDS),
    };
    target.refresh(quotes);
    Ok(gift)
}

/// Takes out of `target` what `source` once put into it, as far as it is still there. The target has to be priced then.
pub(crate) fn give_back(target: &mut Cart, source: &Cart, quotes: &Quotes) {
    target.accept_prices();
    for item in &source.items {
        if let Some(line) = target.line_of(item.variant) {
            line.resize(
                (line.quantity - item.quantity).max(0),
                quotes.of(item.variant).flatten(),
            );
        }
    }
    target.items.retain(|item| item.quantity > 0);
    let gift = source.gave.clone().unwrap_or_default();
    lose(gift.email, &mut target.email, &source.email);
    lose(
        gift.shipping_address,
        &mut target.shipping_address,
        &source.shipping_address,
    );
    lose(
        gift.billing_address,
        &mut target.billing_address,
        &source.billing_address,
    );
    lose(gift.tax_number, &mut target.tax_number, &source.tax_number);
    lose(
        gift.shipping_method,
        &mut target.shipping_method,
        &source.shipping_method,
    );
    target
        .promotion_codes
        .retain(|code| !gift.promotion_codes.contains(code));
    target.gift_cards.retain(|card| !gift.gift_cards.contains(card));
    target.refresh(quotes);
}

/// Fills what is empty; answers whether that was so.
fn take_over<T: Clone>(own: &mut Option<T>, other: &Option<T>) -> bool {
    let takes = own.is_none() && other.is_some();
    if takes {
        own.clone_from(other);
    }
    takes
}

/// Empties what was taken over, where nobody has changed it since.
fn lose<T: PartialEq>(was_taken_over: bool, own: &mut Option<T>, other: &Option<T>) {
    if was_taken_over && own == other {
        *own = None;
    }
}

/// Adds what is new to a list, as long as there is room; answers what that was.
fn add_new<T: Clone + PartialEq>(own: &mut Vec<T>, others: &[T], most: usize) -> Vec<T> {
    let room = most.saturating_sub(own.len());
    let new: Vec<T> = others
        .iter()
        .filter(|other| !own.contains(other))
        .take(room)
        .cloned()
        .collect();
    own.extend(new.iter().cloned());
    new
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

/// Prices a cart that has been changed; refused where that has made it dearer than the shop can take at once, by what
/// `grown` points at.
pub(crate) fn reprice(cart: &mut Cart, facts: &Facts, known: &Known, grown: Option<&str>) -> Result<(), CartError> {
    let priced = price(cart, facts, known);
    match (priced, grown) {
        (Ok(priced), grown) if grown.is_none() || is_payable(&priced.totals) => {
            cart.priced = priced;
            Ok(())
        }
        (_, Some(pointer)) => {
            let detail = "the total would have more than twelve digits";
            Err(CartError::Invalid(FieldErrors::one(
                pointer,
                "amount_too_large",
                detail,
            )))
        }
        (Err(error), None) => Err(Fault::internal(format!("cart {}: {error}", cart.id)).into()),
        (Ok(_), None) => Ok(()),
    }
}

fn add_once<T: PartialEq>(list: &mut Vec<T>, new: T, most: usize) -> Result<(), CartError> {
    if list.contains(&new) {
        return Ok(());
    }
    if list.len() >= most {
        let detail = format!("a cart has at most {most}");
        return Err(CartError::Invalid(FieldErrors::one("/code", "too_many", detail)));
    }
    list.push(new);
    Ok(())
}

fn remove<T: PartialEq>(list: &mut Vec<T>, old: &T, what: &str) -> Result<(), CartError> {
    let before = list.len();
    list.retain(|present| present != old);
    match list.len() < before {
        true => Ok(()),
        false => Err(CartError::NotFound(what.to_owned())),
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
