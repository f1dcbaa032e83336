//! Every query of the module. Rows become carts before they leave.

mod checkout;
mod claims;
mod facts;
mod read;
pub(crate) mod rules;
pub(crate) mod saved;
mod upkeep;
mod write;

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
