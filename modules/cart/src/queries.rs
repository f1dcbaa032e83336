//! Every query of the module. Rows become carts before they leave.

mod checkout;
mod claims;
mod facts;
pub(crate) mod gift_cards;
pub(crate) mod promotions;
mod read;
pub(crate) mod rules;
pub(crate) mod saved;
pub(crate) mod upkeep;
mod write;
pub(crate) mod zones;

use diesel::result::Error;

pub(crate) use checkout::{Taking, claimed, complete, give_back, release, snapshot, take_all};
pub(crate) use claims::{Claims, claim, return_all};
pub(crate) use facts::{gift_card, known};
pub(crate) use read::{CartFilter, Found, current, find, find_all, find_here, lock, of_user, page, taken_by_orders};
pub(crate) use upkeep::{Left, Quiet, expire, forget, leave, orphans, remove_closed, tell};
pub(crate) use write::{delete, delete_seen, insert, place, save, save_for_order};

/// What is stored is not what the module stores.
pub(crate) fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::DeserializationError(error.into())
}
