//! What a 409 of the stock says beside the members that every problem has.

use kernel::problem::ProblemSchema;
use product_api::Shortage;
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
