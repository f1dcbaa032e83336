//! What buyers do to their carts.

use cart_api::CartError;
use chrono::TimeDelta;
use database::{Failure, OrRefuse, refuse};
use diesel::prelude::*;
use kernel::http::idempotency::Call;
use kernel::http::{Answer, IfMatch};
use kernel::id::CartId;
use kernel::identity::{Caller, Holder};
use kernel::{Currency, FieldError, FieldErrors, Locale};

use super::outside::Methods;
use super::{Service, not_found};
use crate::domain::{Cart, Change, Facts, MAX_LINES, NewLine, Quotes, reprice};
use crate::queries::{self, Found};
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
        self.carry_out(call, 201, move |connection| {
            let grown = change.apply(&mut cart, &quotes).or_refuse()?;
            let known = queries::known(connection, &cart, &facts)?;
            reprice(&mut cart, &facts, &known, grown.as_deref()).or_refuse()?;
            queries::insert(connection, &cart)?;
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
        let edit = self
            .edit(&seen, revision, &request.holder, change, request.condition)
            .await?;
        self.carry_out(request.call, success, move |connection| {
            Ok(edit.carry_out(connection, &seen)?.1)
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
            lifetime: self.lifetime,
        })
    }

    /// Removes an open cart.
    pub(crate) async fn delete(&self, request: Request) -> Result<(), CartError> {
        self.find_held(request.cart, &request.holder).await?;
        let now = self.clock.now();
        self.database
            .transaction(move |connection| {
                let cart = queries::lock(connection, &[request.cart], now)?.pop();
                let cart = cart.ok_or_else(not_found).or_refuse()?;
                require_changeable(&cart, &request.condition).or_refuse()?;
                Ok(queries::delete(connection, cart.id)?)
            })
            .await
    }
}

/// A change with all that it needs, so that it can be applied to whichever state of the cart is the present one.
pub(super) struct Edit {
    change: Change,
    condition: IfMatch,
    quotes: Quotes,
    facts: Facts,
    lifetime: TimeDelta,
}

impl Edit {
    /// Writes the change over the cart as it was seen; where somebody else was faster, over the cart as it is now, under
    /// its lock. Nobody's change is lost either way. Answers the cart before, and what is shown of it after.
    pub(super) fn carry_out(
        &self,
        connection: &mut PgConnection,
        seen: &Cart,
    ) -> Result<(Cart, CartView), Failure<CartError>> {
        let (changed, view) = self.apply(connection, seen)?;
        if queries::save(connection, seen, &changed)? {
            return Ok((seen.clone(), view));
        }
        connection.transaction(|connection| {
            let Some(present) = queries::lock(connection, &[seen.id], self.facts.now)?.pop() else {
                return refuse(not_found());
            };
            let (changed, view) = self.apply(connection, &present)?;
            queries::save(connection, &present, &changed)?;
            Ok((present, view))
        })
    }

    fn apply(&self, connection: &mut PgConnection, seen: &Cart) -> Result<(Cart, CartView), Failure<CartError>> {
        require_changeable(seen, &self.condition).or_refuse()?;
        let mut cart = seen.clone();
        let grown = self.change.apply(&mut cart, &self.quotes).or_refuse()?;
        let known = queries::known(connection, &cart, &self.facts)?;
        reprice(&mut cart, &self.facts, &known, grown.as_deref()).or_refuse()?;
        self.change.check(&cart, &self.facts.rules).or_refuse()?;
        cart.touch(self.facts.now, self.lifetime);
        let view = CartView::of(&cart);
        Ok((cart, view))
    }
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
