//! What buyers do to their carts.

use std::sync::Arc;

use cart_api::CartError;
use chrono::TimeDelta;
use database::{Failure, OrRefuse};
use diesel::prelude::*;
use kernel::http::idempotency::Call;
use kernel::http::{Answer, IfMatch};
use kernel::id::CartId;
use kernel::identity::{Caller, Holder};
use kernel::{Currency, FieldError, FieldErrors, Locale};
use sha2::{Digest, Sha256};

use super::outside::Methods;
use super::{Service, not_found};
use crate::domain::{Cart, Change, Facts, MAX_LINES, NewLine, Quotes, reprice};
use crate::queries::{self, Found};
use crate::store::{self, CartStore};
use crate::view::{CartView, CreatedCart};

/// Who wants to change which cart, and under which condition.
pub(crate) struct Request {
    pub(crate) cart: CartId,
    pub(crate) holder: Holder,
    pub(crate) condition: IfMatch,
    pub(crate) call: Option<Call>,
}

/// A cart that somebody wants.
pub(crate) struct NewCart {
    pub(crate) currency: Option<Currency>,
    pub(crate) locale: Option<Locale>,
    pub(crate) lines: Vec<NewLine>,
    /// The token of a shared cart whose lines it begins with.
    pub(crate) shared_cart: Option<String>,
}

impl Service {
    /// Makes a cart for a user, or for a guest, who then gets its secret.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        new: NewCart,
        call: Option<Call>,
    ) -> Result<Answer<CreatedCart>, CartError> {
        let NewCart {
            mut currency,
            mut locale,
            mut lines,
            shared_cart,
        } = new;
        require_few(&lines)?;
        if let Some(token) = shared_cart {
            let (shared, copied) = self.shared_lines(&token).await?;
            currency = currency.or(Some(shared.currency));
            locale = locale.or(Some(shared.locale));
            lines.extend(copied);
        }
        let currency = currency.unwrap_or(self.currencies.main());
        if !self.currencies.has(currency) {
            let detail = format!("this shop sells in {}", self.currencies);
            let error = FieldErrors::one("/currency", "unsupported_currency", detail);
            return Err(CartError::Invalid(error));
        }
        let locale = locale.unwrap_or_else(|| self.locales.base().clone());
        if let Err(error) = self.locales.check(&locale) {
            let mut errors = FieldErrors::new();
            errors.push(FieldError::from_message("/locale", error));
            return Err(CartError::Invalid(errors));
        }
        let facts = self.present_facts(caller.group()).await?;
        let user = caller.user();
        let mut cart = Cart::new(user, currency, locale, self.clock.now(), self.lifetime);
        let change = Change::Add(lines);
        let quotes = self.quote(&cart, caller.group(), change.variants()).await?;
        let secret = user.is_none().then(|| self.key.guest_secret(cart.id));
        let (store, mark) = (Arc::clone(&self.store), mark_of(call.as_ref()));
        cart.aside = store.aside();
        self.carry_out(call, 201, move |connection| {
            if let (Some(mark), Some(user), true) = (&mark, user, cart.aside.is_some()) {
                let made = store.current(connection, user, facts.now)?.map(|found| found.cart);
                if let Some(made) = made.filter(|made| made.was_changed_by(mark)) {
                    let cart = CartView::of(&made);
                    return Ok(CreatedCart { cart, secret });
                }
                cart.note_call(mark);
            }
            let grown = change.apply(&mut cart, &quotes).or_refuse()?;
            let known = queries::known(connection, &cart, &facts)?;
            reprice(&mut cart, &facts, &known, grown.as_deref()).or_refuse()?;
            store.insert(connection, &cart)?;
            Ok(CreatedCart {
                cart: CartView::of(&cart),
                secret,
            })
        })
        .await
    }

    /// Adds lines to a cart, all or none.
    pub(crate) async fn add(&self, request: Request, lines: Vec<NewLine>) -> Result<Answer<CartView>, CartError> {
        require_few(&lines)?;
        self.change(request, Change::Add(lines), 201).await
    }

    /// Changes a cart; `success` is the status that the client is answered with.
    pub(crate) async fn change(
        &self,
        request: Request,
        change: Change,
        success: u16,
    ) -> Result<Answer<CartView>, CartError> {
        let Found { cart: seen, revision } = self.find_held(request.cart, &request.holder).await?;
        let mut edit = self
            .edit(&seen, revision, &request.holder, change, request.condition)
            .await?;
        edit.mark = mark_of(request.call.as_ref());
        self.carry_out(request.call, success, move |connection| {
            edit.carry_out(connection, &seen, |_, _| Ok(()))
        })
        .await
    }

    /// A change of a cart that was found under a revision of the rules, with all that it needs.
    pub(super) async fn edit(
        &self,
        seen: &Cart,
        revision: i64,
        holder: &Holder,
        change: Change,
        condition: IfMatch,
    ) -> Result<Edit, CartError> {
        let variants = seen.variants().chain(change.variants()).collect();
        let group = seen.group_of(holder);
        let quotes = self.quote(seen, group, variants).await?;
        let mut facts = self.facts(revision, group).await?;
        // What is asked outside is asked of the cart as it will be; where the change is refused, nothing has to be asked.
        let mut changed = seen.clone();
        if self.external.is_any() && change.apply(&mut changed, &quotes).is_ok() {
            self.ask_outside(&mut facts, &changed, Methods::Chosen).await;
        }
        Ok(Edit {
            quotes,
            facts,
            change,
            condition,
            mark: None,
            lifetime: self.lifetime,
            store: Arc::clone(&self.store),
        })
    }

    /// Removes an open cart.
    pub(crate) async fn delete(&self, request: Request) -> Result<(), CartError> {
        self.find_held(request.cart, &request.holder).await?;
        let (store, now) = (Arc::clone(&self.store), self.clock.now());
        let delete = move |connection: &mut PgConnection| {
            store::rewrite(&*store, connection, &[request.cart], now, |connection, mut carts| {
                let cart = carts.pop().ok_or_else(not_found).or_refuse()?;
                require_changeable(&cart, &request.condition).or_refuse()?;
                Ok(store.delete(connection, &cart)?.then_some(()))
            })
        };
        self.database.run(delete).await
    }
}

/// A change with all that it needs, so that it can be applied to whichever state of the cart is the present one.
pub(super) struct Edit {
    change: Change,
    condition: IfMatch,
    quotes: Quotes,
    facts: Facts,
    /// By which the cart remembers the call, where nobody else does.
    mark: Option<String>,
    lifetime: TimeDelta,
    store: Arc<dyn CartStore>,
}

impl Edit {
    /// Writes the change over the cart as it was seen; where somebody else was faster, over the cart as it is now. Nobody's
    /// change is lost either way. `before` is done right before a cart is written, and gets it as it still is. Answers what
    /// is shown of the cart after.
    pub(super) fn carry_out(
        &self,
        connection: &mut PgConnection,
        seen: &Cart,
        before: impl Fn(&mut PgConnection, &Cart) -> Result<(), Failure<CartError>>,
    ) -> Result<CartView, Failure<CartError>> {
        let store = &*self.store;
        let write = |connection: &mut PgConnection, present: &Cart| {
            if self.mark.as_ref().is_some_and(|mark| present.was_changed_by(mark)) {
                return Ok(Some(CartView::of(present)));
            }
            let (changed, view) = self.apply(connection, present)?;
            before(connection, present)?;
            Ok(store.save(connection, present, &changed)?.then_some(view))
        };
        if let Some(view) = write(connection, seen)? {
            return Ok(view);
        }
        store::rewrite(
            store,
            connection,
            &[seen.id],
            self.facts.now,
            |connection, mut carts| {
                let present = carts.pop().ok_or_else(not_found).or_refuse()?;
                write(connection, &present)
            },
        )
    }

    fn apply(&self, connection: &mut PgConnection, seen: &Cart) -> Result<(Cart, CartView), Failure<CartError>> {
        require_changeable(seen, &self.condition).or_refuse()?;
        let mut cart = seen.clone();
        let grown = self.change.apply(&mut cart, &self.quotes).or_refuse()?;
        let known = queries::known(connection, &cart, &self.facts)?;
        reprice(&mut cart, &self.facts, &known, grown.as_deref()).or_refuse()?;
        self.change.check(&cart, &self.facts.rules).or_refuse()?;
        cart.touch(self.facts.now, self.lifetime);
        if let Some(mark) = &self.mark {
            cart.note_call(mark);
        }
        let view = CartView::of(&cart);
        Ok((cart, view))
    }
}

/// By what a cart remembers a call that has changed it.
fn mark_of(call: Option<&Call>) -> Option<String> {
    let call = call?;
    let mut hash = Sha256::new();
    for part in [
        call.scope.as_bytes(),
        call.operation.as_bytes(),
        call.key.as_bytes(),
        &call.fingerprint,
    ] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    Some(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
}

fn require_few(lines: &[NewLine]) -> Result<(), CartError> {
    if lines.len() <= MAX_LINES {
        return Ok(());
    }
    let detail = format!("a cart has at most {MAX_LINES} lines");
    Err(CartError::Invalid(FieldErrors::one("/items", "too_many_lines", detail)))
}

/// Refuses where the cart is not open, or not the version that the client wants to change.
pub(super) fn require_changeable(cart: &Cart, condition: &IfMatch) -> Result<(), CartError> {
    cart.require_open()?;
    match condition.allows(cart.version) {
        true => Ok(()),
        false => Err(CartError::VersionMismatch(cart.version)),
    }
}
