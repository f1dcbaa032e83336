//! What problems of orders say beside the members that every problem has.

use kernel::Money;
use kernel::id::OrderId;
use kernel::problem::ProblemSchema;
use product_api::Shortage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::Status;

/// A problem of an order; its `code` tells which of the optional members it has.
#[derive(Serialize, ToSchema)]
#[schema(as = OrderProblem)]
pub(super) struct OrderRefusal {
    #[serde(flatten)]
    problem: ProblemSchema,
    /// `payment_declined`, `cart_completed`, `cart_in_checkout`, `wrong_state`: the order that it is about.
    #[schema(required = false, nullable = false)]
    order_id: Option<OrderId>,
    /// `payment_declined`, for a guest: proves the order, so that it can be paid in another way.
    #[schema(required = false, nullable = false)]
    secret: Option<String>,
    /// `payment_declined`: why, in the provider's words.
    #[schema(required = false, nullable = false, example = "insufficient_funds")]
    decline_code: Option<String>,
    /// `insufficient_stock`: of which variants there is not enough.
    #[schema(required = false, nullable = false)]
    lines: Option<Vec<Shortage>>,
    /// `price_changed`: what the buyer was shown.
    #[schema(required = false, nullable = false)]
    old: Option<Money>,
    /// `price_changed`: what it is.
    #[schema(required = false, nullable = false)]
    new: Option<Money>,
    /// `cart_not_ready`: all that is missing or wrong.
    #[schema(required = false, nullable = false)]
    problems: Option<Vec<cart_api::CartProblem>>,
    /// `wrong_state`: how the order stands.
    #[schema(required = false, nullable = false)]
    order_status: Option<Status>,
    /// `cart_closed`: `merged` or `expired`.
    #[schema(required = false, nullable = false)]
    cart_status: Option<String>,
}
