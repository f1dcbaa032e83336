//! Places where stock lies.

use chrono::{DateTime, Utc};
use kernel::Text;
use kernel::id::LocationId;
use kernel::patch::present;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::handle::Handle;

/// The location that is meant where none is named. It always exists, is active and fulfils orders of the shop.
pub(crate) const DEFAULT_LOCATION: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

/// The most locations of a shop.
pub(crate) const MAX_LOCATIONS: i64 = 100;

/// A location's name.
pub(crate) type LocationName = Text<1, 120>;

/// A place where stock lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Location {
    pub(crate) id: LocationId,
    pub(crate) handle: String,
    pub(crate) name: String,
    /// Of several locations that can serve an order, the one with the lowest number does.
    pub(crate) priority: i32,
    /// Whether its stock counts at all.
    pub(crate) active: bool,
    /// Whether orders of the shop are served from here.
    pub(crate) fulfils_online: bool,
    /// Whether it is the one that is meant where none is named.
    pub(crate) is_default: bool,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl Location {
    /// Whether orders of the shop are served from here now.
    pub(crate) fn sells(&self) -> bool {
        self.active && self.fulfils_online
    }
}

/// All locations, the preferred ones first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LocationList {
    pub(crate) data: Vec<Location>,
}

/// A new location.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLocation {
    #[schema(value_type = String)]
    pub(crate) name: LocationName,
    /// Made from the name where it is not given.
    #[serde(default)]
    pub(crate) handle: Option<Handle>,
    /// Of several locations that can serve an order, the one with the lowest number does.
    #[serde(default)]
    pub(crate) priority: i32,
    #[serde(default = "yes")]
    pub(crate) active: bool,
    /// Whether orders of the shop are served from here.
    #[serde(default = "yes")]
    pub(crate) fulfils_online: bool,
}

/// Changes of a location.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LocationPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) name: Option<LocationName>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) handle: Option<Handle>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) priority: Option<i32>,
    /// The default location is always active.
    #[serde(default, deserialize_with = "present")]
    pub(crate) active: Option<bool>,
    /// The default location always fulfils orders of the shop.
    #[serde(default, deserialize_with = "present")]
    pub(crate) fulfils_online: Option<bool>,
}

impl LocationPatch {
    /// The location as it is to be.
    pub(crate) fn apply(self, location: &mut Location) {
        if let Some(name) = self.name {
            location.name = name.into_string();
        }
        if let Some(handle) = self.handle {
            location.handle = handle.into();
        }
        location.priority = self.priority.unwrap_or(location.priority);
        location.active = self.active.unwrap_or(location.active);
        location.fulfils_online = self.fulfils_online.unwrap_or(location.fulfils_online);
    }
}

fn yes() -> bool {
    true
}
