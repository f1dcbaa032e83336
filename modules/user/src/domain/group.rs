//! Groups of customers.

use chrono::{DateTime, Utc};
use kernel::Text;
use kernel::id::CustomerGroupId;
use kernel::patch::present;
use serde::{Deserialize, Serialize};

/// A group of customers, who may have prices of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct CustomerGroup {
    pub(crate) id: CustomerGroupId,
    pub(crate) name: String,
    /// The edit version, for `If-Match`.
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A new group of customers.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCustomerGroup {
    /// Which no other group has.
    #[schema(value_type = String, min_length = 1, max_length = 120)]
    pub(crate) name: Text<1, 120>,
}

/// Changes of a group of customers.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerGroupPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 120)]
    pub(crate) name: Option<Text<1, 120>>,
}
