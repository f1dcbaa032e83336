//! Where goods are sent how, as staff say it.

use cart_pricing::{Area, ShippingMethod, ShippingTerms, ShippingZone};
use kernel::Text;
use kernel::id::{ShippingMethodId, ShippingZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a zone says, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ShippingZoneContent {
    /// For staff.
    #[schema(value_type = String)]
    pub(crate) name: Text<1, 120>,
    /// Where it is; everywhere where there are none.
    pub(crate) areas: Vec<Area>,
    /// In the order in which buyers are shown them.
    pub(crate) methods: Vec<ShippingMethodContent>,
}

/// A way in which goods are sent, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ShippingMethodOfZone)]
pub(crate) struct ShippingMethodContent {
    pub(crate) id: ShippingMethodId,
    /// For buyers.
    #[schema(value_type = String)]
    pub(crate) name: Text<1, 120>,
    pub(crate) terms: ShippingTerms,
}

impl ShippingZoneContent {
    /// As carts are priced by it.
    pub(crate) fn into_zone(self, id: ShippingZoneId) -> ShippingZone {
        let method = |method: ShippingMethodContent| ShippingMethod {
            id: method.id,
            name: method.name.into(),
            terms: method.terms,
        };
        ShippingZone {
            id,
            name: self.name.into(),
            areas: self.areas,
            methods: self.methods.into_iter().map(method).collect(),
        }
    }
}
