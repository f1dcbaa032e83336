//! What users have put aside for later. It outlives the cart that it was in.

use cart_api::CartError;
use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::FieldErrors;
use kernel::http::IfMatch;
use kernel::id::{CartId, ItemId, VariantId};
use kernel::identity::{Holder, SignedIn};

use super::Service;
use super::change::Edit;
use crate::domain::{Cart, Change, NewLine};
use crate::queries::{Found, saved};
use crate::view::{CartView, SavedItem};

/// How many variants a user puts aside at most.
const MOST: i64 = 200;

impl Service {
    /// All that a user has put aside, with what it costs now.
    pub(crate) async fn saved_items(&self, who: &SignedIn) -> Result<Vec<SavedItem>, CartError> {
        let user = who.user;
        let found = self.query(move |connection| saved::all(connection, user)).await?;
        let variants: Vec<VariantId> = found.iter().map(|saved| saved.variant_id.into()).collect();
        let (currency, locale) = (self.currencies.main(), self.locales.base().clone());
        let quotes = self.quote_variants(currency, &locale, who.group, variants).await?;
        Ok(found.into_iter().map(|saved| SavedItem::of(saved, &quotes)).collect())
    }

    /// Takes a line out of a user's cart and puts it aside.
    pub(crate) async fn save_for_later(
        &self,
        who: &SignedIn,
        cart: CartId,
        item: ItemId,
    ) -> Result<CartView, CartError> {
        let user = who.user;
        let change = Change::SetQuantity { item, quantity: 0 };
        let (seen, edit) = self.edit_of(who, cart, change).await?;
        let now = self.clock.now();
        let no_item = || CartError::NotFound("item".to_owned());
        let line_of = move |cart: &Cart| cart.items.iter().find(|line| line.id == item).cloned();
        let variant = line_of(&seen).ok_or_else(no_item)?.variant;
        let put = move |connection: &mut PgConnection, cart: &Cart| {
            let line = &line_of(cart).ok_or_else(no_item).or_refuse()?;
            match saved::put(connection, user, line, MOST, now)? {
                true => Ok(()),
                false => {
                    let detail = format!("at most {MOST} variants are put aside");
                    refuse(CartError::Invalid(FieldErrors::one("/item_id", "too_many", detail)))
                }
            }
        };
        if seen.aside.is_some() {
            // The line is put aside for good before it is taken out of the cart: a crash between leaves it in both.
            return self
                .database
                .run(move |connection| edit.carry_out(connection, &seen, put))
                .await;
        }
        let save = move |connection: &mut PgConnection| {
            // Before the cart, as whoever moves it back locks it.
            saved::hold(connection, user, variant)?;
            edit.carry_out(connection, &seen, put)
        };
        self.database.transaction(save).await
    }

    /// Puts what was put aside of a variant into a user's cart again.
    pub(crate) async fn move_saved(
        &self,
        who: &SignedIn,
        variant: VariantId,
        cart: CartId,
    ) -> Result<CartView, CartError> {
        let user = who.user;
        let found = self
            .query(move |connection| saved::hold(connection, user, variant))
            .await?;
        let quantity = found.ok_or_else(nothing_saved)?.quantity.into();
        let change = Change::Add(vec![NewLine {
            pointer: String::new(),
            variant,
            quantity,
        }]);
        let (seen, edit) = self.edit_of(who, cart, change).await?;
        let put_back = move |connection: &mut PgConnection| {
            // Somebody who moves it twice at once has it in the cart once.
            let present = saved::hold(connection, user, variant)?;
            if present.is_none_or(|present| i64::from(present.quantity) != quantity) {
                return refuse(nothing_saved());
            }
            let view = edit.carry_out(connection, &seen, |_, _| Ok(()))?;
            saved::remove(connection, user, variant)?;
            Ok::<_, Failure<CartError>>(view)
        };
        self.database.transaction(put_back).await
    }

    /// Forgets what a user has put aside of a variant.
    pub(crate) async fn remove_saved(&self, who: &SignedIn, variant: VariantId) -> Result<(), CartError> {
        let user = who.user;
        let removed = self
            .query(move |connection| saved::remove(connection, user, variant))
            .await?;
        match removed {
            true => Ok(()),
            false => Err(nothing_saved()),
        }
    }

    /// A change of a user's cart that is made together with something else.
    async fn edit_of(&self, who: &SignedIn, cart: CartId, change: Change) -> Result<(Cart, Edit), CartError> {
        let holder = Holder {
            user: Some(who.user),
            group: who.group,
            secret: None,
        };
        let Found { cart: seen, revision } = self.find_held(cart, &holder).await?;
        seen.require_open()?;
        let edit = self.edit(&seen, revision, &holder, change, IfMatch::default()).await?;
        Ok((seen, edit))
    }
}

fn nothing_saved() -> CartError {
    CartError::NotFound("saved item".to_owned())
}
