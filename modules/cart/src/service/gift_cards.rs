//! Gift cards and store credit, as staff move money on them, and as users see their own.

use cart_api::CartError;
use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{GiftCardId, UserId};
use kernel::page::Page;
use kernel::{Fault, FieldError, FieldErrors};
use user_api::UserError;
use uuid::Uuid;

use super::{Service, allow};
use crate::SCHEMA;
use crate::domain::gift_card::{
    Adjustment, GiftCard, GiftCardEntry, GiftCardPatch, Grant, IssuedGiftCard, NewGiftCard, StoreCredit,
    gift_card_hash, new_gift_card_code, too_large,
};
use crate::queries::gift_cards::{self, Note};

type Work<T> = Result<T, Failure<CartError>>;

impl Service {
    /// The card before which a page of the list of `user`, or of all cards, begins.
    pub(crate) fn gift_card_at(
        &self,
        user: Option<UserId>,
        cursor: Option<String>,
    ) -> Result<Option<GiftCardId>, FieldError> {
        self.opened(&cards_of(user), cursor)
    }

    /// A page of the gift cards and the store credit of `user`, or of all, newest first.
    pub(crate) async fn list_gift_cards(
        &self,
        user: Option<UserId>,
        limit: i64,
        before: Option<GiftCardId>,
    ) -> Result<Page<GiftCard>, CartError> {
        let rows = self
            .query(move |connection| gift_cards::page(connection, user, before, limit + 1))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&cards_of(user), &last.id)
        }))
    }

    /// A card by its id.
    pub(crate) async fn find_gift_card(&self, id: GiftCardId) -> Result<GiftCard, CartError> {
        self.database.run(move |connection| stored(connection, id)).await
    }

    /// Makes a gift card. Its code is in the first answer alone: what is kept for repeats is the card without it.
    pub(crate) async fn create_gift_card(
        &self,
        new: NewGiftCard,
        staff: UserId,
        call: Option<Call>,
    ) -> Result<Answer<IssuedGiftCard>, CartError> {
        let (now, currencies) = (self.clock.now(), self.currencies.clone());
        let code = new_gift_card_code();
        let hash = gift_card_hash(&code);
        let card = new.card(&code, &currencies, now);
        let note = Note {
            staff,
            reason: new.reason.map(Into::into),
            now,
        };
        let work = move |connection: &mut PgConnection| {
            let card = card.map_err(CartError::Invalid).or_refuse()?;
            gift_cards::insert(connection, &card, hash, &note)?;
            Ok(card)
        };
        let answer = self.database.once(SCHEMA, call, 201, now, work).await?;
        Ok(match answer {
            Answer::Fresh(card) => Answer::Fresh(IssuedGiftCard { card, code }),
            Answer::Replayed(stored) => Answer::Replayed(stored),
            Answer::InProgress => Answer::InProgress,
            Answer::KeyReused => Answer::KeyReused,
        })
    }

    /// Changes what staff say of a card.
    pub(crate) async fn update_gift_card(
        &self,
        id: GiftCardId,
        patch: GiftCardPatch,
        condition: IfMatch,
    ) -> Result<GiftCard, CartError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let before = gift_cards::lock(connection, id)?.ok_or_else(no_card).or_refuse()?;
            allow(&condition, before.version)?;
            let after = patch.apply(before, now).map_err(CartError::Invalid).or_refuse()?;
            gift_cards::update(connection, &after)?;
            Ok(after)
        };
        self.database.transaction(work).await
    }

    /// Puts money on a card, or takes it off.
    pub(crate) async fn adjust_gift_card(
        &self,
        id: GiftCardId,
        adjustment: Adjustment,
        staff: UserId,
        call: Option<Call>,
    ) -> Result<Answer<GiftCard>, CartError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            adjustment.check().map_err(CartError::Invalid).or_refuse()?;
            let note = Note {
                staff,
                reason: Some(adjustment.reason.into()),
                now,
            };
            if !gift_cards::adjust(connection, id, adjustment.amount, &note)? {
                let card = stored(connection, id)?;
                return refuse(unadjustable(&card, adjustment.amount));
            }
            require_returnable(connection, id)?;
            stored(connection, id)
        };
        self.database.once(SCHEMA, call, 201, now, work).await
    }

    /// Grants store credit to a user.
    pub(crate) async fn grant_store_credit(
        &self,
        grant: Grant,
        staff: UserId,
        call: Option<Call>,
    ) -> Result<Answer<GiftCard>, CartError> {
        let (now, currencies) = (self.clock.now(), self.currencies.clone());
        let is_known = self.has_user(grant.user_id).await?;
        let work = move |connection: &mut PgConnection| {
            grant.check(&currencies).map_err(CartError::Invalid).or_refuse()?;
            if !is_known {
                let error = FieldErrors::one("/user_id", "not_found", "there is no such user");
                return refuse(CartError::Invalid(error));
            }
            let note = Note {
                staff,
                reason: Some(grant.reason.into()),
                now,
            };
            let granted = GiftCard::new(grant.amount, None, Some(grant.user_id), now);
            let Some(id) = gift_cards::grant(connection, &granted, &note)? else {
                return refuse(CartError::Invalid(too_large()));
            };
            require_returnable(connection, id)?;
            stored(connection, id)
        };
        self.database.once(SCHEMA, call, 201, now, work).await
    }

    /// The entry after which a page of a card's ledger begins.
    pub(crate) fn entry_at(&self, id: GiftCardId, cursor: Option<String>) -> Result<Uuid, FieldError> {
        Ok(self.opened(&entries_of(id), cursor)?.unwrap_or_default())
    }

    /// A page of a card's ledger, in the order in which it was written.
    pub(crate) async fn list_gift_card_entries(
        &self,
        id: GiftCardId,
        limit: i64,
        after: Uuid,
    ) -> Result<Page<GiftCardEntry>, CartError> {
        let work = move |connection: &mut PgConnection| {
            let card = stored(connection, id)?;
            Ok(gift_cards::page_of_entries(connection, &card, after, limit + 1)?)
        };
        let rows = self.database.run(work).await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&entries_of(id), &last.id.uuid())
        }))
    }

    /// What store credit a user can pay with.
    pub(crate) async fn store_credit(&self, user: UserId) -> Result<Vec<StoreCredit>, CartError> {
        let now = self.clock.now();
        Ok(self
            .query(move |connection| gift_cards::store_credit(connection, user, now))
            .await?)
    }

    async fn has_user(&self, user: UserId) -> Result<bool, CartError> {
        match self.user.profile(user).await {
            Ok(_) => Ok(true),
            Err(UserError::NotFound(_)) => Ok(false),
            Err(UserError::Fault(fault)) => Err(fault.into()),
            Err(other) => Err(Fault::internal(format!("profile: {other}")).into()),
        }
    }
}

/// What cursors of a list belong to.
fn cards_of(user: Option<UserId>) -> String {
    user.map_or_else(|| "gift cards".to_owned(), |user| format!("gift cards of {user}"))
}

/// What cursors of a ledger belong to.
fn entries_of(id: GiftCardId) -> String {
    format!("entries of {id}")
}

fn no_card() -> CartError {
    CartError::NotFound("gift card".to_owned())
}

fn stored(connection: &mut PgConnection, id: GiftCardId) -> Work<GiftCard> {
    gift_cards::find(connection, id)?.ok_or_else(no_card).or_refuse()
}

/// Why a card that is there was not adjusted.
fn unadjustable(card: &GiftCard, amount: kernel::Money) -> CartError {
    let balance = card.balance;
    if amount.currency != balance.currency {
        let detail = format!("the money on it is in {}", balance.currency);
        return CartError::Invalid(FieldErrors::one("/amount/currency", "currency_mismatch", detail));
    }
    match amount.amount < 0 {
        true => CartError::InsufficientBalance(balance),
        false => CartError::Invalid(too_large()),
    }
}

/// Refuses to put more on a card in all than can be on it at once: what orders have spent of it may come back.
fn require_returnable(connection: &mut PgConnection, id: GiftCardId) -> Work<()> {
    match gift_cards::holds_all_that_was_given(connection, id)? {
        true => Ok(()),
        false => refuse(CartError::Invalid(too_large())),
    }
}
