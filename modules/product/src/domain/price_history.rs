//! What everybody was charged, and since when.

use chrono::{DateTime, Utc};
use kernel::Money;
use serde::Serialize;
use utoipa::ToSchema;

/// What one of a variant cost everybody for some time.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(crate) struct PastPrice {
    pub(crate) price: Money,
    /// From when on.
    pub(crate) starts_at: DateTime<Utc>,
    /// The first moment at which it no longer held; `null` for what is charged now.
    pub(crate) ends_at: Option<DateTime<Utc>>,
}
