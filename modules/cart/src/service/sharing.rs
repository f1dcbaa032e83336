//! Links by which others see what is in a cart.

use std::sync::Arc;

use cart_api::CartError;
use database::OrRefuse;
use diesel::PgConnection;
use kernel::id::CartId;
use kernel::identity::Holder;

use super::{Service, not_found};
use crate::domain::{Cart, NewLine, Status};
use crate::queries::Found;
use crate::store;
use crate::view::SharedCart;

/// What the links of carts are signed for.
const PURPOSE: &str = "shared cart";

impl Service {
    /// The token that opens an open cart for others.
    pub(crate) async fn share(&self, id: CartId, holder: &Holder) -> Result<String, CartError> {
        let cart = self.find_held(id, holder).await?.cart;
        cart.require_open()?;
        Ok(self.token_of(cart.id, cart.share_number))
    }

    /// Has no token open the cart any more that does so now.
    pub(crate) async fn withdraw_links(&self, id: CartId, holder: &Holder) -> Result<(), CartError> {
        self.find_held(id, holder).await?;
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        let withdraw = move |connection: &mut PgConnection| {
            store::rewrite(&*store, connection, &[id], now, |connection, mut carts| {
                let seen = carts.pop().ok_or_else(not_found).or_refuse()?;
                seen.require_open().or_refuse()?;
                let mut cart = seen.clone();
                cart.share_number += 1;
                cart.advance(now);
                Ok(store.save(connection, &seen, &cart)?.then_some(()))
            })
        };
        self.database.run(withdraw).await
    }

    /// What is in the cart that `token` opens, as a guest would pay for it.
    pub(crate) async fn shared(&self, token: &str) -> Result<SharedCart, CartError> {
        let mut cart = self.opened_by(token).await?;
        let quotes = self.quote(&cart, None, cart.variants().collect()).await?;
        cart.refresh(&quotes);
        Ok(SharedCart::of(&cart))
    }

    /// The lines of the cart that `token` opens, for a cart of their own: those that can be bought.
    pub(super) async fn shared_lines(&self, token: &str) -> Result<(Cart, Vec<NewLine>), CartError> {
        let mut cart = self.opened_by(token).await?;
        let quotes = self.quote(&cart, None, cart.variants().collect()).await?;
        cart.refresh(&quotes);
        let lines = cart.items.iter().filter(|item| item.is_sold());
        let lines = lines.map(|item| NewLine {
            pointer: "/shared_cart".to_owned(),
            variant: item.variant,
            quantity: item.quantity,
        });
        let lines = lines.collect();
        Ok((cart, lines))
    }

    async fn opened_by(&self, token: &str) -> Result<Cart, CartError> {
        let id = token.split_once('.').and_then(|(id, _)| id.parse::<CartId>().ok());
        let id = id.ok_or_else(shared_not_found)?;
        let found = self.carts.run((id, self.clock.now())).await?;
        let is_opened = |Found { cart, .. }: &Found| {
            cart.status == Status::Open && self.is_token_of(cart.id, cart.share_number, token)
        };
        Ok(found.filter(is_opened).ok_or_else(shared_not_found)?.cart)
    }

    /// The token of the links with this number.
    pub(super) fn token_of(&self, cart: CartId, number: i32) -> String {
        format!("{cart}.{}", self.key.guest_secret(link(cart, number)))
    }

    fn is_token_of(&self, cart: CartId, number: i32, token: &str) -> bool {
        let proof = token.split_once('.').map_or("", |(_, proof)| proof);
        self.key.is_guest_secret(link(cart, number), proof)
    }
}

fn link(cart: CartId, number: i32) -> String {
    format!("{PURPOSE} {cart} {number}")
}

fn shared_not_found() -> CartError {
    CartError::NotFound("shared cart".to_owned())
}
