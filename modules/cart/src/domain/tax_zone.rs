//! Where what is taxed how, as staff say it.

use cart_pricing::{Area, ShippingTax, TaxRate, TaxZone};
use kernel::Text;
use kernel::id::{CustomerGroupId, TaxZoneId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rules::TaxRule;

/// What a zone says, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TaxZoneContent {
    /// For staff.
    #[schema(value_type = String)]
    pub(crate) name: Text<1, 120>,
    /// Where it is; everywhere where there are none.
    pub(crate) areas: Vec<Area>,
    /// Whether prices, as the catalogue has them, contain the tax.
    pub(crate) prices_include_tax: bool,
    /// Whether buyers with a tax number of the country of the European Union that the goods go to owe the tax themselves.
    pub(crate) reverse_charge: bool,
    /// Customers of these groups pay no tax here.
    pub(crate) exempt_groups: Vec<CustomerGroupId>,
    /// What is taxed with how much; what none is on is not taxed.
    pub(crate) rates: Vec<TaxRate>,
    /// How shipping is taxed.
    pub(crate) shipping: ShippingTax,
}

impl TaxZoneContent {
    /// As carts are priced by it.
    pub(crate) fn into_rule(self, id: TaxZoneId) -> TaxRule {
        TaxRule {
            zone: TaxZone {
                id,
                name: self.name.into(),
                areas: self.areas,
                prices_include_tax: self.prices_include_tax,
                reverse_charge: self.reverse_charge,
                rates: self.rates,
                shipping: self.shipping,
            },
            exempt_groups: self.exempt_groups,
        }
    }
}
