//! The use cases. The catalogue is always asked outside a transaction; what it said is written only over the cart that
//! the question was about, or applied again to the cart as it is under its lock.

mod change;
mod checkout;
mod drafts;
mod gift_cards;
mod merge;
mod outside;
mod prices;
mod promotions;
mod rules;
mod saved;
mod sharing;
mod upkeep;
mod zones;

use std::collections::HashMap;
use std::sync::Arc;

use cart_api::CartError;
use chrono::{DateTime, TimeDelta, Utc};
use database::{Db, Failure, Together, refuse};
use diesel::prelude::*;
use kernel::http::idempotency::Call;
use kernel::http::{Answer, IfMatch};
use kernel::id::{CartId, CustomerGroupId, UserId, VariantId};
use kernel::identity::{Holder, SignedIn};
use kernel::keys::SecretKey;
use kernel::module::Context;
use kernel::page::{Cursors, Page};
use kernel::{Clock, Currencies, Currency, Fault, FieldError, Locale, Locales};
use product_api::{ProductApi, ProductError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use user_api::UserApi;

use crate::SCHEMA;
use crate::domain::{Cart, Facts, Known, Quotes, Status, reprice};
use crate::external::External;
use crate::queries::{self, CartFilter, Found, Taking};
use crate::store::{self, CartStore};
use crate::view::{AdminCart, CartView};

/// What cursors of the list of all carts belong to.
const ALL: &str = "carts of everybody";

use self::outside::Methods;
use self::rules::RulesInMemory;

pub(crate) use change::{NewCart, Request};
pub(crate) use promotions::MadeCodes;

/// The cart module's use cases. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Service {
    database: Db,
    store: Arc<dyn CartStore>,
    /// Carts that are read, and taken over by orders, at the same moment.
    carts: Together<(CartId, DateTime<Utc>), Option<Found>>,
    takings: Together<Taking, bool>,
    rules: RulesInMemory,
    product: Arc<dyn ProductApi>,
    user: Arc<dyn UserApi>,
    external: External,
    key: SecretKey,
    cursors: Cursors,
    clock: Clock,
    currencies: Currencies,
    locales: Locales,
    lifetime: TimeDelta,
    left_after: TimeDelta,
}

impl Service {
    pub(crate) fn new(context: &Context, database: Db, product: Arc<dyn ProductApi>, user: Arc<dyn UserApi>) -> Self {
        let store = store::open(&context.settings.cart);
        let carts = Arc::clone(&store);
        Self {
            carts: Together::new(database.clone(), move |connection, wanted| {
                carts.find_all(connection, wanted)
            }),
            takings: Together::new(database.clone(), queries::take_all),
            rules: RulesInMemory::new(database.clone()),
            database,
            store,
            product,
            user,
            external: External::new(&context.settings.cart, &context.clock),
            key: context.keys.secret.clone(),
            cursors: Cursors::new(context.keys.secret.clone()),
            clock: context.clock.clone(),
            currencies: context.settings.shop.all_currencies(),
            locales: Locales::of(&context.settings.shop),
            lifetime: TimeDelta::from_std(context.settings.cart.lifetime).unwrap_or(TimeDelta::MAX),
            left_after: TimeDelta::from_std(context.settings.cart.left_after).unwrap_or(TimeDelta::days(36_500)),
        }
    }

    /// The cart with what the catalogue and the shop's rules say now. A changed price or problem is written back and raises
    /// the version; whoever loses that race against another request shows what the other one wrote.
    pub(crate) async fn read(&self, id: CartId, holder: &Holder) -> Result<CartView, CartError> {
        let found = self.find_held(id, holder).await?;
        let group = found.cart.group_of(holder);
        self.show(found, group).await
    }

    /// The newest open cart of a user, with the prices of the group that the user belongs to.
    pub(crate) async fn current(&self, who: &SignedIn) -> Result<CartView, CartError> {
        let user = who.user;
        let now = self.clock.now();
        let found = self
            .at_store(move |store, connection| store.current(connection, user, now))
            .await?;
        self.show(found.ok_or_else(not_found)?, who.group).await
    }

    /// The carts of `user`, newest first, with the prices that were last shown; those after `before`.
    pub(crate) async fn list(
        &self,
        user: UserId,
        limit: i64,
        before: Option<CartId>,
    ) -> Result<Page<CartView>, CartError> {
        let now = self.clock.now();
        let carts = self
            .at_store(move |store, connection| store.of_user(connection, user, before, limit + 1, now))
            .await?;
        let views = carts.iter().map(CartView::of).collect();
        Ok(Page::from_surplus(views, limit, |last| {
            self.cursors.seal(&list_of(user), &last.id)
        }))
    }

    /// The cart at which a page of `user`'s list begins.
    pub(crate) fn position(&self, user: UserId, cursor: Option<String>) -> Result<Option<CartId>, FieldError> {
        self.opened(&list_of(user), cursor)
    }

    /// The position in a cursor of `list`.
    fn opened<P: DeserializeOwned>(&self, list: &str, cursor: Option<String>) -> Result<Option<P>, FieldError> {
        cursor.map(|cursor| self.cursors.open(list, &cursor)).transpose()
    }

    /// Carts of everybody, newest first.
    pub(crate) async fn list_all(
        &self,
        filter: CartFilter,
        limit: i64,
        before: Option<CartId>,
    ) -> Result<Page<AdminCart>, CartError> {
        let now = self.clock.now();
        let carts = self
            .at_store(move |store, connection| store.page(connection, filter, before, limit + 1, now))
            .await?;
        let views = carts.iter().map(AdminCart::of).collect();
        Ok(Page::from_surplus(views, limit, |last: &AdminCart| {
            self.cursors.seal(ALL, &last.cart.id)
        }))
    }

    /// The cart at which a page of all carts begins.
    pub(crate) fn position_among_all(&self, cursor: Option<String>) -> Result<Option<CartId>, FieldError> {
        self.opened(ALL, cursor)
    }

    /// A cart, whoever's it is.
    pub(crate) async fn find_any(&self, id: CartId) -> Result<AdminCart, CartError> {
        let now = self.clock.now();
        let found = self
            .at_store(move |store, connection| store::find(store, connection, id, now))
            .await?;
        found.as_ref().map(AdminCart::of).ok_or_else(not_found)
    }

    async fn show(&self, found: Found, group: Option<CustomerGroupId>) -> Result<CartView, CartError> {
        Ok(CartView::of(&self.refreshed(found, group).await?))
    }

    /// An open cart as it is now, kept where that is another than its buyer was last shown; any other as it was.
    async fn refreshed(&self, found: Found, group: Option<CustomerGroupId>) -> Result<Cart, CartError> {
        let Found { cart: seen, revision } = found;
        if seen.status != Status::Open {
            return Ok(seen);
        }
        let quotes = self.quote(&seen, group, seen.variants().collect()).await?;
        let mut facts = self.facts(revision, group).await?;
        let mut cart = seen.clone();
        let is_news = cart.refresh(&quotes);
        self.ask_outside(&mut facts, &cart, Methods::Chosen).await;
        let known = self.known(&cart, &facts).await?;
        reprice(&mut cart, &facts, &known, None)?;
        if !is_news && cart.priced == seen.priced {
            return Ok(cart);
        }
        let now = facts.now;
        cart.advance(now);
        let stored = self
            .at_store(move |store, connection| match store.save(connection, &seen, &cart)? {
                true => Ok(Some(cart)),
                false => store::find(store, connection, seen.id, now),
            })
            .await?;
        stored.ok_or_else(not_found)
    }

    /// The cart, if `holder` may see it; another's cart looks like none.
    async fn find_held(&self, id: CartId, holder: &Holder) -> Result<Found, CartError> {
        let now = self.clock.now();
        let found = self.carts.run((id, now)).await?;
        found
            .filter(|found| found.cart.is_held_by(holder, &self.key))
            .ok_or_else(not_found)
    }

    /// What prices depend on for members of `group`, by rules that are no older than `revision`.
    async fn facts(&self, revision: i64, group: Option<CustomerGroupId>) -> Result<Facts, Fault> {
        Ok(Facts {
            rules: self.rules.since(revision).await?,
            now: self.clock.now(),
            key: self.key.clone(),
            group,
            rates: HashMap::new(),
            taxes: None,
        })
    }

    /// The same by the rules as they are now, where no cart has been read that tells their revision.
    async fn present_facts(&self, group: Option<CustomerGroupId>) -> Result<Facts, Fault> {
        let revision = self.query(queries::rules::revision).await?;
        self.facts(revision, group).await
    }

    /// What has to be known of the codes, cards and buyer of `cart` before it can be priced.
    async fn known(&self, cart: &Cart, facts: &Facts) -> Result<Known, Fault> {
        if facts.question(cart).is_none() {
            return Ok(Known::default());
        }
        let (cart, facts) = (cart.clone(), facts.clone());
        self.query(move |connection| queries::known(connection, &cart, &facts))
            .await
    }

    /// What `variants` cost members of `group` in the currency of a cart, told in its language.
    async fn quote(
        &self,
        cart: &Cart,
        group: Option<CustomerGroupId>,
        variants: Vec<VariantId>,
    ) -> Result<Quotes, CartError> {
        self.quote_variants(cart.currency, &cart.locale, group, variants).await
    }

    /// What `variants` cost members of `group` in a currency, told in a language.
    async fn quote_variants(
        &self,
        currency: Currency,
        locale: &Locale,
        group: Option<CustomerGroupId>,
        mut variants: Vec<VariantId>,
    ) -> Result<Quotes, CartError> {
        variants.sort_unstable();
        variants.dedup();
        if variants.is_empty() {
            return Ok(Quotes::default());
        }
        let answers = self
            .product
            .quote(variants.clone(), currency, Some(locale.clone()), group)
            .await
            .map_err(unexpected)?;
        Ok(Quotes::new(variants, answers))
    }

    /// Runs a query that no rule can refuse.
    async fn query<T, F>(&self, query: F) -> Result<T, Fault>
    where
        F: FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
        T: Send + 'static,
    {
        self.database.run(move |connection| Ok(query(connection)?)).await
    }

    /// The same where it is a question to the store of carts.
    async fn at_store<T, F>(&self, query: F) -> Result<T, Fault>
    where
        F: FnOnce(&dyn CartStore, &mut PgConnection) -> QueryResult<T> + Send + 'static,
        T: Send + 'static,
    {
        let store = Arc::clone(&self.store);
        self.query(move |connection| query(&*store, connection)).await
    }

    /// Whether the store of carts answers, where that is another than the database.
    pub(crate) async fn ready(&self) -> Result<(), Fault> {
        self.at_store(|store, _| store.check()).await
    }

    /// Carries out `work`, at most once where the client sent a key. Without a key it is not in a transaction, so that
    /// work of one statement is just that statement.
    async fn carry_out<T, F>(&self, call: Option<Call>, success: u16, work: F) -> Result<Answer<T>, CartError>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, Failure<CartError>> + Send + 'static,
        T: Serialize + Send + 'static,
    {
        match call {
            None => self.database.run(work).await.map(Answer::Fresh),
            Some(_) => self.database.once(SCHEMA, call, success, self.clock.now(), work).await,
        }
    }
}

/// What a cursor belongs to.
fn list_of(user: UserId) -> String {
    format!("carts of {user}")
}

/// Refuses a change of another version than the one that was read.
fn allow(condition: &IfMatch, version: i64) -> Result<(), Failure<CartError>> {
    match condition.allows(version) {
        true => Ok(()),
        false => refuse(CartError::VersionMismatch(version)),
    }
}

fn not_found() -> CartError {
    CartError::NotFound("cart".to_owned())
}

/// A quote can only fail technically.
fn unexpected(error: ProductError) -> CartError {
    match error {
        ProductError::Fault(fault) => fault.into(),
        other => Fault::internal(format!("quote: {other}")).into(),
    }
}
