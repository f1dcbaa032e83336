//! Transfers of stock from one location to another.

use chrono::{DateTime, Utc};
use kernel::FieldErrors;
use kernel::http::{FromQuery, QueryParameters};
use kernel::id::{LocationId, TransferId, VariantId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::stock::{MAX_STOCK, Reason, check_lines};

/// A transfer of stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Transfer {
    pub(crate) id: TransferId,
    pub(crate) from_location_id: LocationId,
    pub(crate) to_location_id: LocationId,
    pub(crate) lines: Vec<TransferLine>,
    pub(crate) reason: String,
    /// The id of the user who did it.
    pub(crate) actor: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// How many of a variant are transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransferLine {
    pub(crate) variant_id: VariantId,
    /// At least 1.
    pub(crate) quantity: i64,
}

/// A transfer to make: all of it or nothing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    pub(crate) from_location_id: LocationId,
    pub(crate) to_location_id: LocationId,
    /// 1 to 500, each of another variant.
    #[schema(max_items = 500)]
    pub(crate) lines: Vec<TransferLine>,
    /// Why, for the ledger.
    #[schema(value_type = String)]
    pub(crate) reason: Reason,
}

/// Which transfers are shown, newest first.
#[derive(Clone, Debug)]
pub(crate) struct TransferQuery {
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl FromQuery for TransferQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}

impl NewTransfer {
    /// Refuses what cannot be a transfer.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        if self.from_location_id == self.to_location_id {
            errors.add("/to_location_id", "same_location", "must be another location");
        }
        check_lines(&mut errors, self.lines.iter().map(|line| line.variant_id));
        for (index, line) in self.lines.iter().enumerate() {
            if !(1..=MAX_STOCK).contains(&line.quantity) {
                let detail = format!("must be from 1 to {MAX_STOCK}");
                errors.add(format!("/lines/{index}/quantity"), "out_of_range", detail);
            }
        }
        errors.into_result()
    }
}
