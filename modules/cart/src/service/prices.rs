//! What buyers ask about the prices of their carts.

use cart_api::CartError;
use kernel::http::Answer;
use kernel::id::CartId;
use kernel::identity::Holder;
use kernel::{Fault, FieldErrors};

use super::outside::Methods;
use super::{Request, Service};
use crate::domain::{
    Cart, Change, Explanation, Facts, Known, OfferedMethod, PromotionCode, explain, gift_card_hash, offered_methods,
};
use crate::queries;
use crate::view::CartView;

impl Service {
    /// Gives a code of a promotion, as the buyer has typed it.
    pub(crate) async fn add_code(&self, request: Request, typed: &str) -> Result<Answer<CartView>, CartError> {
        match PromotionCode::parse(typed) {
            Some(code) => self.change(request, Change::AddCode(code), 201).await,
            None => {
                self.find_held(request.cart, &request.holder).await?;
                Err(wrong_code("unknown_code", "there is no such code"))
            }
        }
    }

    /// Pays with the gift card of a code, as the buyer has typed it.
    pub(crate) async fn add_gift_card(&self, request: Request, typed: &str) -> Result<Answer<CartView>, CartError> {
        let currency = self.find_held(request.cart, &request.holder).await?.cart.currency;
        let (hash, now) = (gift_card_hash(typed), self.clock.now());
        let found = self
            .query(move |connection| queries::gift_card(connection, hash, currency, now))
            .await?;
        match found {
            Some(card) => self.change(request, Change::AddGiftCard(card), 201).await,
            None => Err(wrong_code(
                "unknown_gift_card",
                "there is no such gift card with money of this currency",
            )),
        }
    }

    /// How the price of an open cart comes about, to the cent.
    pub(crate) async fn explain(&self, id: CartId, holder: &Holder) -> Result<Explanation, CartError> {
        let (cart, facts, known) = self.priced(id, holder, Methods::Chosen).await?;
        explain(&cart, &facts, &known).map_err(|error| unpriceable(&cart, &error))
    }

    /// All ways in which an open cart can be sent, with their prices.
    pub(crate) async fn shipping_methods(&self, id: CartId, holder: &Holder) -> Result<Vec<OfferedMethod>, CartError> {
        let (cart, facts, known) = self.priced(id, holder, Methods::All).await?;
        offered_methods(&cart, &facts, &known).map_err(|error| unpriceable(&cart, &error))
    }

    /// An open cart as it is now, and what its price depends on.
    async fn priced(&self, id: CartId, holder: &Holder, methods: Methods) -> Result<(Cart, Facts, Known), CartError> {
        let found = self.find_held(id, holder).await?;
        found.cart.require_open()?;
        let (revision, group) = (found.revision, found.cart.group_of(holder));
        let cart = self.refreshed(found, group).await?;
        let mut facts = self.facts(revision, group).await?;
        self.ask_outside(&mut facts, &cart, methods).await;
        let known = self.known(&cart, &facts).await?;
        Ok((cart, facts, known))
    }
}

fn wrong_code(code: &str, detail: &str) -> CartError {
    CartError::Invalid(FieldErrors::one("/code", code, detail))
}

fn unpriceable(cart: &Cart, error: &kernel::money::MoneyError) -> CartError {
    Fault::internal(format!("cart {}: {error}", cart.id)).into()
}
