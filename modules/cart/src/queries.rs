//! Every query of the module. Rows become carts before they leave.

mod checkout;
mod read;
mod upkeep;
mod write;

pub(crate) use checkout::{Taking, claimed, complete, give_back, release, snapshot, take_all};
pub(crate) use read::{current, find, find_all, lock, of_user, taken_by_orders};
pub(crate) use upkeep::{expire, forget, orphans, remove_closed};
pub(crate) use write::{delete, insert, save, save_for_order};
