//! What a guest has collected goes into the cart of the account, once the guest has signed in.

use std::sync::Arc;

use cart_api::CartError;
use chrono::TimeDelta;
use database::{Failure, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::http::Answer;
use kernel::id::{CartId, CustomerGroupId};
use kernel::identity::Holder;

use super::change::require_changeable;
use super::outside::Methods;
use super::{Request, Service, not_found};
use crate::domain::{Cart, Facts, Quotes, Status, absorb, give_back, reprice, require_other};
use crate::queries::{self, Found};
use crate::store::{self, CartStore};
use crate::view::{CartView, CreatedCart, UndoneMerge};

/// How long a merge can be undone.
const UNDO: TimeDelta = TimeDelta::days(1);

impl Service {
    /// Puts everything of the guest cart `source`, proven by `secret`, into the cart of the request, in one transaction.
    /// Asked again, it finds the source merged already and only answers the cart.
    pub(crate) async fn merge(
        &self,
        request: Request,
        source: CartId,
        secret: String,
    ) -> Result<Answer<CartView>, CartError> {
        require_other(request.cart, source)?;
        let guest = Holder {
            user: None,
            group: None,
            secret: Some(secret),
        };
        let Found { cart: target, revision } = self.find_held(request.cart, &request.holder).await?;
        let source = self.find_held(source, &guest).await?.cart;
        let group = target.group_of(&request.holder);
        let merge = self.merge_of(&target, &source, revision, group).await?;
        self.carry_out(request.call, 200, move |connection| {
            merge.rewrite(connection, |connection, target, source| {
                if source.status == Status::Merged(target.id) {
                    return Ok(Some(CartView::of(target)));
                }
                require_changeable(target, &request.condition).or_refuse()?;
                source.require_open().or_refuse()?;
                merge.carry_out(connection, target, source)
            })
        })
        .await
    }

    /// Takes out of the cart of the request what a merge has put into it, and opens the guest's cart again as it was. Where
    /// the merge is more than a day old, it stays.
    pub(crate) async fn undo_merge(&self, request: Request, source: CartId) -> Result<UndoneMerge, CartError> {
        let Found { cart: target, revision } = self.find_held(request.cart, &request.holder).await?;
        let source = self.carts.run((source, self.clock.now())).await?;
        let is_of_target = |found: &Found| found.cart.status == Status::Merged(target.id);
        let source = source.filter(is_of_target).ok_or_else(not_found)?.cart;
        let group = target.group_of(&request.holder);
        let merge = self.merge_of(&target, &source, revision, group).await?;
        let secret = source.user.is_none().then(|| self.key.guest_secret(source.id));
        let undo = move |connection: &mut PgConnection| {
            merge.rewrite(connection, |connection, target, source| {
                require_changeable(target, &request.condition).or_refuse()?;
                if source.status != Status::Merged(target.id) {
                    return refuse(not_found());
                }
                if merge.facts.now > source.updated_at + UNDO {
                    return refuse(CartError::Closed(source.status.name().to_owned()));
                }
                merge.undo(connection, target, source)
            })
        };
        let (cart, merged) = self.database.run(undo).await?;
        Ok(UndoneMerge {
            cart,
            merged: CreatedCart { cart: merged, secret },
        })
    }

    /// What two carts need to become one, or two again.
    async fn merge_of(
        &self,
        target: &Cart,
        source: &Cart,
        revision: i64,
        group: Option<CustomerGroupId>,
    ) -> Result<Merge, CartError> {
        let variants = target.variants().chain(source.variants()).collect();
        let mut facts = self.facts(revision, group).await?;
        let quotes = self.quote(target, group, variants).await?;
        // What is asked outside is asked of the cart as it will be.
        let mut changed = target.clone();
        match source.status {
            Status::Merged(_) => give_back(&mut changed, source, &quotes),
            _ if absorb(&mut changed, source, &quotes).is_ok() => (),
            _ => changed.clone_from(target),
        }
        self.ask_outside(&mut facts, &changed, Methods::Chosen).await;
        Ok(Merge {
            target: target.id,
            source: source.id,
            quotes,
            facts,
            lifetime: self.lifetime,
            store: Arc::clone(&self.store),
        })
    }
}

struct Merge {
    target: CartId,
    source: CartId,
    quotes: Quotes,
    facts: Facts,
    lifetime: TimeDelta,
    store: Arc<dyn CartStore>,
}

impl Merge {
    /// Has `work` write both carts as they are now; again where somebody was faster.
    fn rewrite<T>(
        &self,
        connection: &mut PgConnection,
        work: impl Fn(&mut PgConnection, &Cart, &Cart) -> Result<Option<T>, Failure<CartError>>,
    ) -> Result<T, Failure<CartError>> {
        let ids = [self.target, self.source];
        store::rewrite(&*self.store, connection, &ids, self.facts.now, |connection, carts| {
            let find = |id| carts.iter().find(|cart| cart.id == id);
            match (find(self.target), find(self.source)) {
                (Some(target), Some(source)) => work(connection, target, source),
                _ => refuse(not_found()),
            }
        })
    }

    /// The source keeps its lines, so that somebody can see later what went where.
    fn carry_out(
        &self,
        connection: &mut PgConnection,
        target: &Cart,
        source: &Cart,
    ) -> Result<Option<CartView>, Failure<CartError>> {
        let mut merged = target.clone();
        let gift = absorb(&mut merged, source, &self.quotes).or_refuse()?;
        let known = queries::known(connection, &merged, &self.facts)?;
        reprice(&mut merged, &self.facts, &known, Some("/from/id")).or_refuse()?;
        merged.touch(self.facts.now, self.lifetime);
        let mut closed = source.clone();
        closed.status = Status::Merged(target.id);
        closed.gave = Some(gift);
        closed.advance(self.facts.now);
        let is_saved = self
            .store
            .save_both(connection, [(target, &merged), (source, &closed)])?;
        Ok(is_saved.then(|| CartView::of(&merged)))
    }

    fn undo(
        &self,
        connection: &mut PgConnection,
        target: &Cart,
        source: &Cart,
    ) -> Result<Option<(CartView, CartView)>, Failure<CartError>> {
        let mut parted = target.clone();
        give_back(&mut parted, source, &self.quotes);
        let known = queries::known(connection, &parted, &self.facts)?;
        reprice(&mut parted, &self.facts, &known, None).or_refuse()?;
        parted.touch(self.facts.now, self.lifetime);
        let mut opened = source.clone();
        opened.status = Status::Open;
        opened.gave = None;
        opened.touch(self.facts.now, self.lifetime);
        let is_saved = self
            .store
            .save_both(connection, [(target, &parted), (source, &opened)])?;
        Ok(is_saved.then(|| (CartView::of(&parted), CartView::of(&opened))))
    }
}
