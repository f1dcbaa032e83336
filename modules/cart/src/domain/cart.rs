//! A cart, as it is between a read and a write.

use cart_api::CartError;
use chrono::{DateTime, TimeDelta, Utc};
use kernel::address::Address;
use kernel::id::{CartId, CustomerGroupId, GiftCardId, ItemId, OrderId, ShippingMethodId, UserId, VariantId};
use kernel::identity::Holder;
use kernel::keys::SecretKey;
use kernel::{Currency, Locale};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Item, Priced, Quotes};

/// The most lines a cart can have.
pub(crate) const MAX_LINES: usize = 100;

/// How many calls a cart remembers: far more than are under way at once.
const REMEMBERED_CALLS: usize = 16;

/// A cart with its lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cart {
    pub(crate) id: CartId,
    /// `None` for a guest's.
    pub(crate) user: Option<UserId>,
    pub(crate) status: Status,
    /// Raised by every write.
    pub(crate) version: i64,
    pub(crate) currency: Currency,
    /// In which its lines are told.
    pub(crate) locale: Locale,
    pub(crate) email: Option<String>,
    pub(crate) shipping_address: Option<Address>,
    pub(crate) billing_address: Option<Address>,
    /// By which a tax office knows the buyer.
    pub(crate) tax_number: Option<String>,
    /// How the goods are to go.
    pub(crate) shipping_method: Option<ShippingMethodId>,
    /// In the order in which they were given.
    pub(crate) promotion_codes: Vec<String>,
    /// Likewise.
    pub(crate) gift_cards: Vec<GiftCardId>,
    pub(crate) uses_store_credit: bool,
    /// In the order in which they were added, at most one per variant.
    pub(crate) items: Vec<Item>,
    /// What everything costs, as the buyer was last shown it.
    pub(crate) priced: Priced,
    pub(crate) expires_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// When the buyer last changed it.
    pub(crate) touched_at: DateTime<Utc>,
    /// What it gave to the cart that it was merged into, beside its lines.
    pub(crate) gave: Option<Gift>,
    /// Counts how often its links were withdrawn.
    pub(crate) share_number: i32,
    /// What is kept with it outside of PostgreSQL; `None` where it is there.
    pub(crate) aside: Option<Aside>,
}

/// What is kept with a cart that is not in PostgreSQL, where other rows would say it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aside {
    /// Another one after each write.
    #[serde(skip)]
    pub(crate) tag: Uuid,
    /// The orders that will never lock the cart.
    pub(crate) released_orders: Vec<OrderId>,
    /// The last calls that have changed the cart: a crash may have kept their answers from being remembered.
    pub(crate) calls: Vec<String>,
}

/// What a merged cart gave to the other one beside its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gift {
    pub(crate) email: bool,
    pub(crate) shipping_address: bool,
    pub(crate) billing_address: bool,
    pub(crate) tax_number: bool,
    pub(crate) shipping_method: bool,
    pub(crate) promotion_codes: Vec<String>,
    pub(crate) gift_cards: Vec<GiftCardId>,
}

/// Where a cart stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    /// Its buyer fills it.
    Open,
    /// The order is being paid.
    Checkout(OrderId),
    /// The order was placed.
    Completed(OrderId),
    /// Its lines went into another cart.
    Merged(CartId),
    /// Nobody changed it for too long.
    Expired,
}

impl Status {
    /// As databases and clients write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Checkout(_) => "checkout",
            Self::Completed(_) => "completed",
            Self::Merged(_) => "merged",
            Self::Expired => "expired",
        }
    }

    /// The order that holds the cart.
    pub(crate) fn order(self) -> Option<OrderId> {
        match self {
            Self::Checkout(order) | Self::Completed(order) => Some(order),
            Self::Open | Self::Merged(_) | Self::Expired => None,
        }
    }
}

impl Cart {
    /// An empty cart.
    pub(crate) fn new(
        user: Option<UserId>,
        currency: Currency,
        locale: Locale,
        now: DateTime<Utc>,
        lifetime: TimeDelta,
    ) -> Self {
        Self {
            id: CartId::generate(),
            user,
            status: Status::Open,
            version: 1,
            currency,
            locale,
            email: None,
            shipping_address: None,
            billing_address: None,
            tax_number: None,
            shipping_method: None,
            promotion_codes: Vec::new(),
            gift_cards: Vec::new(),
            uses_store_credit: false,
            items: Vec::new(),
            priced: Priced::nothing(currency),
            expires_at: now + lifetime,
            created_at: now,
            updated_at: now,
            touched_at: now,
            gave: None,
            share_number: 0,
            aside: None,
        }
    }

    /// Whether `holder` may see and change the cart.
    pub(crate) fn is_held_by(&self, holder: &Holder, key: &SecretKey) -> bool {
        holder.may_act_on(self.id, self.user, key)
    }

    /// The group of customers whose prices hold for the cart: that of its owner, who `holder` has to be.
    pub(crate) fn group_of(&self, holder: &Holder) -> Option<CustomerGroupId> {
        holder.group.filter(|_| self.user.is_some() && self.user == holder.user)
    }

    /// Refuses where the buyer cannot change the cart any more, or not now.
    pub(crate) fn require_open(&self) -> Result<(), CartError> {
        match self.status {
            Status::Open => Ok(()),
            Status::Checkout(order) => Err(CartError::InCheckout(order)),
            Status::Completed(order) => Err(CartError::Completed(order)),
            Status::Merged(_) | Status::Expired => Err(CartError::Closed(self.status.name().to_owned())),
        }
    }

    /// Whether anything in it has to be sent, or fetched.
    pub(crate) fn requires_shipping(&self) -> bool {
        self.items.iter().any(|item| item.traits.requires_shipping)
    }

    /// What everything weighs that has to be sent, in grams.
    pub(crate) fn grams(&self) -> i64 {
        let sent = self.items.iter().filter(|item| item.traits.requires_shipping);
        sent.map(|item| item.traits.weight_grams.saturating_mul(item.quantity))
            .fold(0, i64::saturating_add)
    }

    /// What everything costs before promotions.
    pub(crate) fn value(&self) -> i64 {
        let costs = self
            .items
            .iter()
            .map(|item| item.unit_price.amount.saturating_mul(item.quantity));
        costs.fold(0, i64::saturating_add)
    }

    /// By whom uses of promotions are counted: the account, or else the address of the confirmation, of which only a trace is
    /// kept that nobody without the key can follow.
    pub(crate) fn customer(&self, key: &SecretKey) -> Option<String> {
        match self.user {
            Some(user) => Some(user.to_string()),
            None => self
                .email
                .as_ref()
                .map(|email| key.guest_secret(format!("customer of promotions: {}", email.to_lowercase()))),
        }
    }

    /// The variants in the cart.
    pub(crate) fn variants(&self) -> impl Iterator<Item = VariantId> + '_ {
        self.items.iter().map(|item| item.variant)
    }

    /// The line with this id.
    pub(crate) fn item(&mut self, id: ItemId) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.id == id)
    }

    /// The line of this variant.
    pub(crate) fn line_of(&mut self, variant: VariantId) -> Option<&mut Item> {
        self.items.iter_mut().find(|item| item.variant == variant)
    }

    /// Whether `call` has changed the cart lately, as far as the cart itself remembers that.
    pub(crate) fn was_changed_by(&self, call: &str) -> bool {
        let calls = self.aside.iter().flat_map(|aside| &aside.calls);
        calls.into_iter().any(|known| known == call)
    }

    /// Remembers that `call` changes the cart, where nobody else does.
    pub(crate) fn note_call(&mut self, call: &str) {
        if let Some(Aside { calls, .. }) = &mut self.aside {
            calls.push(call.to_owned());
            let surplus = calls.len().saturating_sub(REMEMBERED_CALLS);
            calls.drain(..surplus);
        }
    }

    /// Forgets who buys, because the account is gone.
    pub(crate) fn forget_buyer(&mut self) {
        (self.email, self.tax_number) = (None, None);
        (self.shipping_address, self.billing_address) = (None, None);
        self.promotion_codes.clear();
        self.gift_cards.clear();
        self.priced.pricing.tax_number = None;
    }

    /// Whether the cart says who buys.
    pub(crate) fn is_personal(&self) -> bool {
        let addresses = [&self.shipping_address, &self.billing_address];
        self.email.is_some() || self.tax_number.is_some() || addresses.into_iter().any(Option::is_some)
    }

    /// Takes over what the catalogue says now; answers whether a price or a problem is another than before.
    pub(crate) fn refresh(&mut self, quotes: &Quotes) -> bool {
        let mut changed = false;
        for item in &mut self.items {
            changed |= quotes.of(item.variant).is_some_and(|answer| item.refresh(answer));
        }
        changed
    }

    /// The buyer goes on with the prices as the cart shows them: they are no longer news.
    pub(crate) fn accept_prices(&mut self) {
        for item in &mut self.items {
            item.accepted_price = item.unit_price;
        }
    }

    /// The next version, made by the buyer at `now`; the cart lives on for `lifetime`.
    pub(crate) fn touch(&mut self, now: DateTime<Utc>, lifetime: TimeDelta) {
        self.advance(now);
        self.touched_at = now;
        self.expires_at = now + lifetime;
    }

    /// The next version, made at `now`.
    pub(crate) fn advance(&mut self, now: DateTime<Utc>) {
        self.version += 1;
        self.updated_at = now;
    }
}
