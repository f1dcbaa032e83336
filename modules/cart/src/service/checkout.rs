//! The cart's part in placing an order.

use std::sync::Arc;

use async_trait::async_trait;
use cart_api::{CartApi, CartError, ClaimedCart, Freeze, FrozenCart, LineTax, PriceRequest, PricedDraft, PricedLine};
use database::refuse;
use diesel::PgConnection;
use kernel::id::{CartId, OrderId};
use kernel::{Fault, Money};
use serde_json::Value;
use user_api::UserError;

use super::outside::Methods;
use super::{Service, not_found};
use crate::domain::{
    Cart, Details, Facts, Item, LinePrice, Rule, Status, blocks_checkout, email_required, problems, reprice,
};
use crate::queries::{self, Claims, Found, Taking};

/// How often a cart is priced anew before the order has to try again: each time somebody else was faster with a promotion, a
/// gift card, or the rules.
const ATTEMPTS: usize = 5;

#[async_trait]
impl CartApi for Service {
    async fn freeze(&self, request: Freeze) -> Result<FrozenCart, CartError> {
        for _ in 0..ATTEMPTS {
            let found = self.find_held(request.cart, &request.holder).await?;
            if found.cart.status.order() == Some(request.order) {
                return self.frozen(request.cart, request.order).await;
            }
            found.cart.require_open()?;
            if found.cart.version != request.version {
                return Err(CartError::Changed(found.cart.version));
            }
            if let Some(frozen) = self.take(found, &request).await? {
                return Ok(frozen);
            }
        }
        self.overtaken(&request).await
    }

    async fn unfreeze(&self, cart: CartId, order: OrderId) -> Result<(), CartError> {
        let now = self.clock.now();
        let expires_at = now + self.lifetime;
        let store = Arc::clone(&self.store);
        self.database
            .transaction(move |connection| {
                store.release(connection, cart, order, now)?;
                queries::return_all(connection, order, now)?;
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

    async fn price(&self, request: PriceRequest) -> Result<PricedDraft, CartError> {
        self.price_draft(request).await
    }

    async fn claimed(&self, after: Option<CartId>, limit: i64) -> Result<Vec<ClaimedCart>, CartError> {
        Ok(self
            .query(move |connection| queries::claimed(connection, after, limit))
            .await?)
    }
}

impl Service {
    /// Locks the cart as it was found, with all that it uses up; `None` where the cart, the rules, or what is left of a
    /// promotion or a gift card are not what they were a moment ago.
    async fn take(&self, found: Found, request: &Freeze) -> Result<Option<FrozenCart>, CartError> {
        let Found { cart: seen, revision } = found;
        let mut facts = self.facts(revision, seen.group_of(&request.holder)).await?;
        let (cart, frozen) = self.prepare(&seen, request, &mut facts).await?;
        if !self.settle(&seen).await? {
            return Ok(None);
        }
        let snapshot = serde_json::to_string(&frozen).map_err(|error| Fault::internal(error.to_string()))?;
        let taking = Taking {
            seen_version: seen.version,
            revision: facts.rules.revision,
            cart,
            order: request.order,
            snapshot,
        };
        let claims = claims(&taking, &facts);
        if claims.is_empty() && taking.cart.items == seen.items {
            return Ok(self.takings.run(taking).await?.then_some(frozen));
        }
        let take = move |connection: &mut PgConnection| {
            let is_taken = queries::save_for_order(connection, &seen, &taking.cart, &taking.snapshot)?
                && queries::claim(connection, &claims, taking.revision)?;
            match is_taken {
                true => Ok(()),
                false => refuse(CartError::Changed(seen.version)),
            }
        };
        match self.database.transaction(take).await {
            Ok(()) => Ok(Some(frozen)),
            Err(CartError::Changed(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sees to it that a cart is where orders take it; `false` where it is not as it was seen.
    async fn settle(&self, seen: &Cart) -> Result<bool, Fault> {
        if seen.aside.is_none() {
            return Ok(true);
        }
        let seen = seen.clone();
        self.at_store(move |store, connection| store.settle(connection, &seen))
            .await
    }

    /// The cart as `request` would lock it, and the snapshot that its order takes over.
    async fn prepare(&self, seen: &Cart, request: &Freeze, facts: &mut Facts) -> Result<(Cart, FrozenCart), CartError> {
        let mut cart = seen.clone();
        Details::from(request.overrides.clone()).apply(&mut cart)?;
        cart.email = match cart.email.take() {
            Some(email) => Some(email),
            None => self.email_of_account(&cart).await?,
        };
        let quotes = self.quote(&cart, facts.group, cart.variants().collect()).await?;
        cart.refresh(&quotes);
        self.ask_outside(facts, &cart, Methods::Chosen).await;
        let known = self.known(&cart, facts).await?;
        reprice(&mut cart, facts, &known, None)?;
        let email = require_complete(&cart)?;
        require_as_shown(seen, &cart, request.expected_total)?;
        cart.status = Status::Checkout(request.order);
        cart.advance(facts.now);
        let frozen = freeze(&cart, email)?;
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
        let present = self.find_held(request.cart, &request.holder).await?.cart;
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
fn require_complete(cart: &Cart) -> Result<String, CartError> {
    let mut problems = problems(cart);
    problems.retain(blocks_checkout);
    if cart.email.is_none() && cart.user.is_some() {
        problems.push(email_required());
    }
    match &cart.email {
        Some(email) if problems.is_empty() => Ok(email.clone()),
        _ => Err(CartError::NotReady(problems)),
    }
}

/// Refuses where the buyer was shown another total, or that gift cards pay more of it.
fn require_as_shown(seen: &Cart, cart: &Cart, expected: Money) -> Result<(), CartError> {
    let (shown, now) = (&seen.priced.totals, &cart.priced.totals);
    if now.total != expected {
        return Err(CartError::PriceChanged {
            old: expected,
            new: now.total,
        });
    }
    // What they paid then, they have to pay now, as far as there is so much to pay.
    if now.gift_cards.amount < shown.gift_cards.amount.min(now.total.amount) {
        return Err(CartError::GiftCardsChanged {
            old: shown.gift_cards,
            new: now.gift_cards,
        });
    }
    Ok(())
}

/// What an order uses up with its cart.
fn claims(taking: &Taking, facts: &Facts) -> Claims {
    let (cart, pricing) = (&taking.cart, &taking.cart.priced.pricing);
    let promotions = pricing.promotions.iter();
    let rules = &facts.rules.promotions;
    let is_first_order = pricing
        .promotions
        .iter()
        .any(|given| rules.get(&given.promotion_id).is_some_and(Rule::is_for_first_orders));
    let paid = pricing.gift_cards.iter().filter(|payment| payment.amount.amount > 0);
    Claims {
        order: taking.order,
        customer: cart.customer(&facts.key).unwrap_or_default(),
        currency: cart.currency,
        first_order_of: cart.user.filter(|_| is_first_order),
        promotions: promotions
            .map(|given| (given.promotion_id, given.code.clone(), given.amount.amount))
            .collect(),
        cards: paid
            .map(|payment| (payment.gift_card_id, payment.amount.amount))
            .collect(),
        now: facts.now,
    }
}

fn freeze(cart: &Cart, email: String) -> Result<FrozenCart, CartError> {
    Ok(FrozenCart {
        cart: cart.id,
        version: cart.version,
        user: cart.user,
        currency: cart.currency,
        locale: cart.locale.clone(),
        email,
        shipping_address: cart.shipping_address.clone(),
        billing_address: cart.billing_address.clone(),
        lines: priced_lines(cart)?,
        totals: cart.priced.totals,
        pricing: cart.priced.pricing.clone(),
    })
}

/// The lines of a priced cart, as orders take them over.
pub(super) fn priced_lines(cart: &Cart) -> Result<Vec<PricedLine>, CartError> {
    let lines = cart.items.iter().zip(&cart.priced.lines).enumerate();
    lines
        .map(|(index, (item, price))| {
            let taxes = cart.priced.taxes_of(index);
            Ok(line(
                item,
                *price,
                taxes.map_err(|error| Fault::internal(error.to_string()))?,
            ))
        })
        .collect()
}

fn line(item: &Item, price: LinePrice, taxes: Vec<LineTax>) -> PricedLine {
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
        taxes,
    }
}
