//! Where what is taxed how, as staff say it.

use cart_pricing::{Area, ShippingTax, TaxRate, TaxZone, check_areas};
use chrono::{DateTime, Utc};
use kernel::id::{CustomerGroupId, TaxZoneId, kind};
use kernel::patch::present;
use kernel::{FieldErrors, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::rules::TaxRule;
use super::{Zone, ZoneContent};

/// The most groups of customers that are exempt in a zone.
const MAX_GROUPS: usize = 200;

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

/// A part of the world in which the same taxes are paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = TaxZone)]
pub(crate) struct ShownTaxZone {
    pub(crate) id: TaxZoneId,
    #[serde(flatten)]
    content: TaxZoneContent,
    /// Also the `ETag`.
    pub(crate) version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A new zone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTaxZone {
    /// For staff.
    #[schema(value_type = String)]
    name: Text<1, 120>,
    /// Where it is, at most 500; everywhere where there are none.
    #[serde(default)]
    areas: Vec<Area>,
    /// Whether prices, as the catalogue has them, contain the tax.
    prices_include_tax: bool,
    /// Whether buyers with a tax number of the country of the European Union that the goods go to owe the tax themselves.
    #[serde(default)]
    reverse_charge: bool,
    /// Customers of these groups, at most 200, pay no tax here.
    #[serde(default)]
    exempt_groups: Vec<CustomerGroupId>,
    /// What is taxed with how much, at most 200; those of one class come to at most 100 percent together. What none is on is
    /// not taxed.
    rates: Vec<TaxRate>,
    /// How shipping is taxed: as the goods where it is absent.
    #[serde(default)]
    shipping: ShippingTax,
}

/// Changes of a zone; of each list all: others are removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TaxZonePatch {
    /// For staff.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, nullable = false)]
    name: Option<Text<1, 120>>,
    /// Where it is, at most 500; everywhere where there are none.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    areas: Option<Vec<Area>>,
    /// Whether prices, as the catalogue has them, contain the tax.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    prices_include_tax: Option<bool>,
    /// Whether buyers with a tax number of the country of the European Union that the goods go to owe the tax themselves.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    reverse_charge: Option<bool>,
    /// Customers of these groups, at most 200, pay no tax here.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    exempt_groups: Option<Vec<CustomerGroupId>>,
    /// What is taxed with how much, at most 200; those of one class come to at most 100 percent together. What none is on is
    /// not taxed.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    rates: Option<Vec<TaxRate>>,
    /// How shipping is taxed.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    shipping: Option<ShippingTax>,
}

impl ZoneContent for TaxZoneContent {
    type Kind = kind::TaxZone;
    type New = NewTaxZone;
    type Patch = TaxZonePatch;
    type Shown = ShownTaxZone;

    const NAME: &'static str = "tax zone";
    const MOST: i64 = 500;

    fn new(new: NewTaxZone) -> Result<Self, FieldErrors> {
        let content = Self {
            name: new.name,
            areas: new.areas,
            prices_include_tax: new.prices_include_tax,
            reverse_charge: new.reverse_charge,
            exempt_groups: new.exempt_groups,
            rates: new.rates,
            shipping: new.shipping,
        };
        content.checked()
    }

    fn patched(self, patch: TaxZonePatch) -> Result<Self, FieldErrors> {
        let content = Self {
            name: patch.name.unwrap_or(self.name),
            areas: patch.areas.unwrap_or(self.areas),
            prices_include_tax: patch.prices_include_tax.unwrap_or(self.prices_include_tax),
            reverse_charge: patch.reverse_charge.unwrap_or(self.reverse_charge),
            exempt_groups: patch.exempt_groups.unwrap_or(self.exempt_groups),
            rates: patch.rates.unwrap_or(self.rates),
            shipping: patch.shipping.unwrap_or(self.shipping),
        };
        content.checked()
    }
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

    fn checked(self) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        check_areas(&self.areas, "/areas", &mut errors);
        if self.exempt_groups.len() > MAX_GROUPS {
            errors.add("/exempt_groups", "too_many", format!("at most {MAX_GROUPS}"));
        }
        TaxRate::check_all(&self.rates, "/rates", &mut errors);
        errors.into_result().map(|()| self)
    }
}

impl From<Zone<TaxZoneContent>> for ShownTaxZone {
    fn from(zone: Zone<TaxZoneContent>) -> Self {
        Self {
            id: zone.id,
            content: zone.content,
            version: zone.version,
            created_at: zone.created_at,
            updated_at: zone.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn rate(class: &str, percent: &str) -> Value {
        json!({"tax_class": class, "name": "VAT", "percent": percent})
    }

    fn told(zone: Value) -> Vec<String> {
        let errors = TaxZoneContent::new(serde_json::from_value(zone).unwrap()).err();
        let errors = errors.unwrap_or_default();
        let told = errors.as_slice().iter();
        told.map(|error| format!("{} {}", error.pointer, error.code)).collect()
    }

    #[test]
    fn the_rates_of_a_class_come_to_at_most_the_whole_price() {
        let zone = |rates: Vec<Value>| json!({"name": "Here", "prices_include_tax": false, "rates": rates});
        let whole = vec![rate("a", "60"), rate("b", "50"), rate("a", "40"), rate("b", "49.9999")];
        assert_eq!(told(zone(whole)), [""; 0]);
        let more = vec![rate("a", "60"), rate("b", "50"), rate("a", "40.0001"), rate("a", "1")];
        assert_eq!(told(zone(more)), ["/rates/2/percent out_of_range"]);
        assert_eq!(told(zone(vec![rate("a", "0.1"); 201])), ["/rates too_many"]);
    }

    #[test]
    fn shipping_is_taxed_as_the_goods_where_nothing_is_said_and_unknown_fields_are_refused() {
        let read = |shipping: Value| serde_json::from_value::<ShippingTax>(shipping);
        let zone = json!({"name": "Here", "prices_include_tax": true, "rates": []});
        let zone = TaxZoneContent::new(serde_json::from_value(zone).unwrap()).unwrap();
        assert_eq!(zone.shipping, ShippingTax::AsGoods);
        assert_eq!(read(json!({"kind": "none"})).unwrap(), ShippingTax::None);
        for wrong in [
            json!({"kind": "none", "tax_class": "standard"}),
            json!({"kind": "as_goods", "x": 1}),
            json!({"kind": "class"}),
            json!({"kind": "class", "tax_class": "Standard"}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
