//! Goods that buyers send back, and what they paid for them.

use cart_api::Totals;
use chrono::{DateTime, Utc};
use kernel::Money;
use kernel::id::{LineId, ReturnId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Line;

/// Goods that come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OrderReturn)]
pub(crate) struct Return {
    pub(crate) id: ReturnId,
    pub(crate) status: ReturnStatus,
    pub(crate) lines: Vec<ReturnLine>,
    /// What the buyer paid for what has come: what a refund gives back unless somebody says otherwise.
    pub(crate) value: Money,
    pub(crate) note: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) received_at: Option<DateTime<Utc>>,
}

/// How far a return is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReturnStatus {
    /// The buyer asks for it.
    Requested,
    /// The goods may come.
    Approved,
    Rejected,
    /// The goods do not come after all.
    Cancelled,
    /// The goods are here.
    Received,
}

impl ReturnStatus {
    const ALL: [Self; 5] = [
        Self::Requested,
        Self::Approved,
        Self::Rejected,
        Self::Cancelled,
        Self::Received,
    ];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Received => "received",
        }
    }

    /// The status with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether a return may go from here to `next`.
    pub(crate) fn may_become(self, next: Self) -> bool {
        match self {
            Self::Requested => matches!(next, Self::Approved | Self::Rejected | Self::Cancelled),
            Self::Approved => matches!(next, Self::Received | Self::Cancelled),
            Self::Rejected | Self::Cancelled | Self::Received => false,
        }
    }
}

/// Why goods come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReturnReason {
    Unwanted,
    WrongItem,
    WrongSize,
    NotAsDescribed,
    Defective,
    Damaged,
    Late,
    Other,
}

impl ReturnReason {
    const ALL: [Self; 8] = [
        Self::Unwanted,
        Self::WrongItem,
        Self::WrongSize,
        Self::NotAsDescribed,
        Self::Defective,
        Self::Damaged,
        Self::Late,
        Self::Other,
    ];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unwanted => "unwanted",
            Self::WrongItem => "wrong_item",
            Self::WrongSize => "wrong_size",
            Self::NotAsDescribed => "not_as_described",
            Self::Defective => "defective",
            Self::Damaged => "damaged",
            Self::Late => "late",
            Self::Other => "other",
        }
    }

    /// The reason with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// What of a line comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = OrderReturnLine)]
pub(crate) struct ReturnLine {
    pub(crate) line_id: LineId,
    /// How many were announced.
    pub(crate) quantity: i64,
    pub(crate) reason: ReturnReason,
    /// How many have come.
    pub(crate) received: i64,
    /// How many of those can be sold again.
    pub(crate) restocked: i64,
    /// What the buyer paid for those that have come.
    pub(crate) value: Money,
}

/// What `count` pieces of a line are worth, after `before` pieces of it have come back: what the buyer paid for them, with
/// the tax. Parts sum to what the whole line cost, in whatever steps it comes back.
pub(crate) fn value_of(line: &Line, totals: &Totals, before: i64, count: i64) -> i64 {
    let paid = paid_for(line, totals);
    if line.quantity == 0 {
        return 0;
    }
    let up_to = |pieces: i64| {
        let part = i128::from(paid) * i128::from(pieces) / i128::from(line.quantity);
        i64::try_from(part).unwrap_or(paid)
    };
    up_to(before + count) - up_to(before)
}

/// What a buyer paid for a line: tax comes on top where prices do not contain it, and goes off where the buyer pays none.
pub(crate) fn paid_for(line: &Line, totals: &Totals) -> i64 {
    match totals.tax.amount {
        0 => line.total.amount,
        _ => line.total.amount + line.tax.amount,
    }
}
