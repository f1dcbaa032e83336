//! What a 409 of carts says beside the members that every problem has.

use kernel::Money;
use kernel::id::OrderId;
use kernel::problem::ProblemSchema;
use serde::Serialize;
use utoipa::ToSchema;

/// The cart is not open; `code` tells which of the optional members there are.
#[derive(Serialize, ToSchema)]
#[schema(as = CartNotOpen)]
pub(super) struct NotOpen {
    #[serde(flatten)]
    problem: ProblemSchema,
    /// `cart_in_checkout`, `cart_completed`: the order that has the cart.
    #[schema(required = false, nullable = false)]
    order_id: Option<OrderId>,
    /// `cart_closed`: `merged` or `expired`.
    #[schema(required = false, nullable = false)]
    cart_status: Option<String>,
}

/// There is less on a gift card than is to be taken off it.
#[derive(Serialize, ToSchema)]
#[schema(as = InsufficientBalance)]
pub(super) struct BalanceTooLow {
    #[serde(flatten)]
    problem: ProblemSchema,
    /// What is on it.
    balance: Money,
}
