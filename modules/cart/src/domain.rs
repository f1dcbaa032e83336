//! What a cart is and what may happen to it: pure, no I/O.

mod cart;
mod change;
mod item;
mod pricing;
mod problem;
mod quantity;
mod quotes;

pub(crate) use cart::{Cart, MAX_LINES, Status};
pub(crate) use cart_pricing::{LinePrice, Prices, is_payable};
pub(crate) use change::{Change, Details, NewLine, absorb, require_other};
pub(crate) use item::{Item, ItemProblem};
pub(crate) use pricing::price;
pub(crate) use problem::{blocks_checkout, email_required, problems};
pub(crate) use quantity::Quantity;
pub(crate) use quotes::Quotes;

#[cfg(test)]
mod samples;
