//! Counts: what somebody found on the shelves of a location.

use kernel::FieldErrors;
use kernel::id::{LocationId, VariantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stock::{MAX_STOCK, Reason, check_lines};

/// A count to be booked: all of it or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCount {
    pub(crate) location_id: LocationId,
    /// 1 to 500, each of another variant.
    #[schema(max_items = 500)]
    pub(crate) lines: Vec<CountLine>,
    /// Why, for the ledger.
    #[schema(value_type = String)]
    pub(crate) reason: Reason,
}

/// What was counted of a variant.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountLine {
    pub(crate) variant_id: VariantId,
    /// How many were found.
    pub(crate) counted: i64,
    /// How many the books said when the counting began: refused where they say something else by now.
    pub(crate) expected_on_hand: i64,
}

/// A count as it was booked.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Count {
    pub(crate) location_id: LocationId,
    /// In the order of the request.
    pub(crate) lines: Vec<CountedLine>,
}

/// What a line of a count came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CountedLine {
    pub(crate) variant_id: VariantId,
    /// How many there are at the location now.
    pub(crate) on_hand: i64,
    /// How many of those are promised.
    pub(crate) reserved: i64,
    /// By how much the books were wrong.
    pub(crate) delta: i64,
}

impl NewCount {
    /// Refuses what cannot be a count.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        check_lines(&mut errors, self.lines.iter().map(|line| line.variant_id));
        for (index, line) in self.lines.iter().enumerate() {
            if !(0..=MAX_STOCK).contains(&line.counted) {
                let detail = format!("must be from 0 to {MAX_STOCK}");
                errors.add(format!("/lines/{index}/counted"), "out_of_range", detail);
            }
            if !(-MAX_STOCK..=MAX_STOCK).contains(&line.expected_on_hand) {
                let detail = format!("must be from -{MAX_STOCK} to {MAX_STOCK}");
                errors.add(format!("/lines/{index}/expected_on_hand"), "out_of_range", detail);
            }
        }
        errors.into_result()
    }
}
