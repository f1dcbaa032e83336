//! Parcels: what of an order has left the house.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kernel::FieldErrors;
use kernel::id::{FulfilmentId, LineId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Line;

/// The most lines that a request names.
const MAX_LINES: usize = 500;

/// How much of an order has left, or come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderFulfilmentStatus)]
pub(crate) enum FulfilmentStatus {
    Unfulfilled,
    PartiallyFulfilled,
    Fulfilled,
    /// All that had left has come back.
    Returned,
}

impl FulfilmentStatus {
    const ALL: [Self; 4] = [
        Self::Unfulfilled,
        Self::PartiallyFulfilled,
        Self::Fulfilled,
        Self::Returned,
    ];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unfulfilled => "unfulfilled",
            Self::PartiallyFulfilled => "partially_fulfilled",
            Self::Fulfilled => "fulfilled",
            Self::Returned => "returned",
        }
    }

    /// The status with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// What the lines of an order amount to.
    pub(crate) fn of(lines: &[Line]) -> Self {
        let sum = |part: fn(&Line) -> i64| lines.iter().map(part).sum::<i64>();
        let (ordered, left) = (sum(|line| line.quantity), sum(|line| line.fulfilled_quantity));
        let back = sum(|line| line.returned_quantity);
        match left {
            0 => Self::Unfulfilled,
            _ if left < ordered => Self::PartiallyFulfilled,
            _ if back == left => Self::Returned,
            _ => Self::Fulfilled,
        }
    }
}

/// A parcel, or goods that the buyer fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Fulfilment {
    pub(crate) id: FulfilmentId,
    pub(crate) status: ParcelStatus,
    pub(crate) lines: Vec<ParcelLine>,
    /// Who carries it.
    #[schema(example = "DHL")]
    pub(crate) carrier: Option<String>,
    pub(crate) tracking_number: Option<String>,
    pub(crate) tracking_url: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) delivered_at: Option<DateTime<Utc>>,
}

/// How far a parcel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = FulfilmentStatus)]
pub(crate) enum ParcelStatus {
    /// It has left, or lies ready to be fetched.
    Shipped,
    /// The buyer has it.
    Delivered,
    /// It never left: what is in it can be sent again.
    Cancelled,
}

impl ParcelStatus {
    const ALL: [Self; 3] = [Self::Shipped, Self::Delivered, Self::Cancelled];

    /// The name in the database and in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// What of a line is in a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FulfilmentLine)]
pub(crate) struct ParcelLine {
    pub(crate) line_id: LineId,
    pub(crate) quantity: i64,
}

/// Which of `lines` are to leave: those that `wanted` names, or all that is left where it names none. Refused line by line;
/// `pointer` is where the request names them.
pub(crate) fn to_send(lines: &[Line], wanted: &[(LineId, i64)], pointer: &str) -> Result<Vec<ParcelLine>, FieldErrors> {
    choose(lines, wanted, pointer, |line| line.quantity - line.fulfilled_quantity)
}

/// Which of `lines` are meant: those that `wanted` names, at most as many as `left` of each, or all that is left where it
/// names none. A line that is named twice is meant with the sum.
pub(crate) fn choose(
    lines: &[Line],
    wanted: &[(LineId, i64)],
    pointer: &str,
    left: impl Fn(&Line) -> i64,
) -> Result<Vec<ParcelLine>, FieldErrors> {
    let mut errors = FieldErrors::default();
    if wanted.len() > MAX_LINES {
        return Err(FieldErrors::one(pointer, "too_many", format!("at most {MAX_LINES}")));
    }
    let mut chosen: BTreeMap<LineId, i64> = BTreeMap::new();
    if wanted.is_empty() {
        let all = lines.iter().map(|line| (line.id, left(line)));
        chosen.extend(all.filter(|(_, quantity)| *quantity > 0));
        if chosen.is_empty() {
            errors.add(pointer, "nothing_left", "nothing is left of the order");
        }
    }
    for (index, (id, quantity)) in wanted.iter().enumerate() {
        let Some(line) = lines.iter().find(|line| line.id == *id) else {
            errors.add(
                format!("{pointer}/{index}/line_id"),
                "unknown",
                "the order has no such line",
            );
            continue;
        };
        if *quantity < 1 {
            errors.add(
                format!("{pointer}/{index}/quantity"),
                "out_of_range",
                "must be at least 1",
            );
            continue;
        }
        let sum = chosen.entry(*id).or_default();
        *sum = sum.saturating_add(*quantity);
        if *sum > left(line) {
            let detail = format!("only {} are left of the line", left(line));
            errors.add(format!("{pointer}/{index}/quantity"), "too_many", detail);
        }
    }
    errors.into_result()?;
    let chosen = chosen.into_iter();
    Ok(chosen
        .map(|(line_id, quantity)| ParcelLine { line_id, quantity })
        .collect())
}
