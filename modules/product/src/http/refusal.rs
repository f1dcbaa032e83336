//! What a 409 of the stock says beside the members that every problem has.

use kernel::problem::ProblemSchema;
use product_api::{Shortage, StaleCount};
use serde::Serialize;
use utoipa::ToSchema;

/// There is not enough stock.
#[derive(Serialize, ToSchema)]
#[schema(as = NotEnoughStock)]
pub(super) struct NotEnoughStock {
    #[serde(flatten)]
    problem: ProblemSchema,
    /// Of which variants there is not enough.
    lines: Vec<Shortage>,
}

/// Stock that was counted has changed since, or fewer were counted than are promised.
#[derive(Serialize, ToSchema)]
#[schema(as = CountRefused)]
pub(super) struct CountRefused {
    #[serde(flatten)]
    problem: ProblemSchema,
    /// With `stock_changed` the lines that are counted anew, with `insufficient_stock` those that are promised.
    lines: Vec<CountRefusedLine>,
}

/// A line of a count that is refused.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what the problem has; never made")]
pub(super) enum CountRefusedLine {
    /// There is another number than was expected.
    Changed(StaleCount),
    /// More are promised than were counted.
    Promised(Shortage),
}
