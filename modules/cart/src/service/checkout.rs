//! The cart's part in placing an order.

use async_trait::async_trait;
use cart_api::{CartApi, CartError, ClaimedCart, Freeze, FrozenCart, PricedLine, Totals};
use diesel::PgConnection;
use kernel::Fault;
use kernel::id::{CartId, OrderId};
use serde_json::Value;
use user_api::UserError;

use super::{Service, not_found};
use crate::domain::{Cart, Details, Item, LinePrice, Prices, Status, blocks_checkout, email_required, price, problems};
use crate::queries::{self, Taking};

#[async_trait]
impl CartApi for Service {
    async fn freeze(&self, request: Freeze) -> Result<FrozenCart, CartError> {
        let seen = self.find_held(request.cart, &request.holder).await?;
        if seen.status.order() == Some(request.order) {
            return self.frozen(request.cart, request.order).await;
        }
        seen.require_open()?;
        if seen.version != request.version {
            return Err(CartError::Changed(seen.version));
        }
        let (cart, frozen) = self.prepare(&seen, &request).await?;
        let snapshot = serde_json::to_string(&frozen).map_err(|error| Fault::internal(error.to_string()))?;
        let taking = Taking {
            seen_version: seen.version,
            cart,
            order: request.order,
            snapshot,
        };
        let taken = match taking.cart.items == seen.items {
            true => self.takings.run(taking).await?,
            // The catalogue says something new of a line, which is written with the cart.
            false => {
                let save = move |connection: &mut PgConnection| {
                    queries::save_for_order(connection, &seen, &taking.cart, &taking.snapshot)
                };
                self.query(save).await?
            }
        };
        match taken {
            true => Ok(frozen),
            false => self.overtaken(&request).await,
        }
    }

    async fn unfreeze(&self, cart: CartId, order: OrderId) -> Result<(), CartError> {
        let now = self.clock.now();
        let expires_at = now + self.lifetime;
        self.database
            .transaction(move |connection| {
                queries::release(connection, cart, order)?;
                Ok(queries::give_back(connection, cart, order, now, expires_at)?)
            })
            .await
    }

    async fn complete_all(&self, carts: Vec<(CartId, OrderId)>) -> Result<Vec<OrderId>, CartError> {
        let now = self.clock.now();
        Ok(self
            .query(move |connection| queries::complete(connection, &carts, now))
            .await?)
    }

    async fn claimed(&self, after: Option<CartId>, limit: i64) -> Result<Vec<ClaimedCart>, CartError> {
        Ok(self
            .query(move |connection| queries::claimed(connection, after, limit))
            .await?)
    }
}

impl Service {
    /// The cart as `request` would lock it, and the snapshot that its order takes over.
    async fn prepare(&self, seen: &Cart, request: &Freeze) -> Result<(Cart, FrozenCart), CartError> {
        let mut cart = seen.clone();
        Details::from(request.overrides.clone()).apply(&mut cart)?;
        cart.email = match cart.email.take() {
            Some(email) => Some(email),
            None => self.email_of_account(&cart).await?,
        };
        let group = cart.group_of(&request.holder);
        let quotes = self.quote(&cart, group, cart.variants().collect()).await?;
        cart.refresh(&quotes);
        let prices = price(&cart).map_err(|error| Fault::internal(format!("cart {}: {error}", cart.id)))?;
        let email = require_complete(&cart, &prices.totals)?;
        if prices.totals.total != request.expected_total {
            return Err(CartError::PriceChanged {
                old: request.expected_total,
                new: prices.totals.total,
            });
        }
        cart.status = Status::Checkout(request.order);
        cart.advance(self.clock.now());
        let frozen = freeze(&cart, email, prices);
        Ok((cart, frozen))
    }

    /// Where the confirmation goes when neither the cart nor the order says so.
    async fn email_of_account(&self, cart: &Cart) -> Result<Option<String>, CartError> {
        let Some(user) = cart.user else { return Ok(None) };
        match self.user.profile(user).await {
            Ok(profile) => Ok(Some(profile.email)),
            Err(UserError::NotFound(_)) => Ok(None),
            Err(UserError::Fault(fault)) => Err(fault.into()),
            Err(other) => Err(Fault::internal(format!("profile: {other}")).into()),
        }
    }

    /// Somebody else has written the cart since it was read: perhaps this very freeze, sent twice. Otherwise the cart is
    /// not the one that the buyer was shown any more, or the order has given it back before it was locked.
    async fn overtaken(&self, request: &Freeze) -> Result<FrozenCart, CartError> {
        let present = self.find_held(request.cart, &request.holder).await?;
        if present.status.order() == Some(request.order) {
            return self.frozen(request.cart, request.order).await;
        }
        present.require_open()?;
        Err(CartError::Changed(present.version))
    }

    /// The snapshot that `order` was given.
    async fn frozen(&self, cart: CartId, order: OrderId) -> Result<FrozenCart, CartError> {
        let snapshot = self
            .query(move |connection| queries::snapshot(connection, cart, order))
            .await?;
        read_snapshot(snapshot.ok_or_else(not_found)?)
    }
}

/// A snapshot as it was stored.
pub(super) fn read_snapshot(snapshot: Value) -> Result<FrozenCart, CartError> {
    serde_json::from_value(snapshot).map_err(|error| Fault::internal(format!("snapshot: {error}")).into())
}

/// Refuses a cart that lacks something; answers where the confirmation goes.
fn require_complete(cart: &Cart, totals: &Totals) -> Result<String, CartError> {
    let mut problems = problems(cart, totals);
    problems.retain(blocks_checkout);
    if cart.email.is_none() && cart.user.is_some() {
        problems.push(email_required());
    }
    match &cart.email {
        Some(email) if problems.is_empty() => Ok(email.clone()),
        _ => Err(CartError::NotReady(problems)),
    }
}

fn freeze(cart: &Cart, email: String, prices: Prices) -> FrozenCart {
    let lines = cart
        .items
        .iter()
        .zip(prices.lines)
        .map(|(item, price)| line(item, price));
    FrozenCart {
        cart: cart.id,
        version: cart.version,
        user: cart.user,
        currency: cart.currency,
        locale: cart.locale.clone(),
        email,
        shipping_address: cart.shipping_address.clone(),
        billing_address: cart.billing_address.clone(),
        shipping_method: None,
        lines: lines.collect(),
        totals: prices.totals,
    }
}

fn line(item: &Item, price: LinePrice) -> PricedLine {
    PricedLine {
        item: item.id,
        variant: item.variant,
        product: item.product,
        sku: item.sku.clone(),
        title: item.title.clone(),
        variant_title: item.variant_title.clone(),
        quantity: item.quantity,
        unit_price: item.unit_price,
        discount: price.discount,
        tax: price.tax,
        total: price.total,
    }
}
