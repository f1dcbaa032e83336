//! Where goods are sent how, as staff say it.

use std::collections::HashSet;

use cart_pricing::{Area, ShippingMethod, ShippingTerms, ShippingZone, check_areas};
use chrono::{DateTime, Utc};
use kernel::id::{ShippingMethodId, ShippingZoneId, kind};
use kernel::patch::present;
use kernel::{FieldErrors, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Zone, ZoneContent};

/// The most methods of a zone.
const MAX_METHODS: usize = 100;

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

/// A part of the world to which goods are sent in the same ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ShippingZone)]
pub(crate) struct ShownShippingZone {
    pub(crate) id: ShippingZoneId,
    #[serde(flatten)]
    content: ShippingZoneContent,
    /// Also the `ETag`.
    pub(crate) version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A new zone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShippingZone {
    /// For staff.
    #[schema(value_type = String)]
    name: Text<1, 120>,
    /// Where it is, at most 500; everywhere where there are none.
    #[serde(default)]
    areas: Vec<Area>,
    /// In the order in which buyers are shown them, at most 100.
    #[serde(default)]
    methods: Vec<WrittenMethod>,
}

/// Changes of a zone; of each list all: others are removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShippingZonePatch {
    /// For staff.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, nullable = false)]
    name: Option<Text<1, 120>>,
    /// Where it is, at most 500; everywhere where there are none.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    areas: Option<Vec<Area>>,
    /// In the order in which buyers are shown them, at most 100.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    methods: Option<Vec<WrittenMethod>>,
}

/// A way in which goods are to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewShippingMethod)]
pub(crate) struct WrittenMethod {
    /// One of the zone's, which it goes on to be for the carts that have chosen it; a new one where it is absent.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    id: Option<ShippingMethodId>,
    /// For buyers.
    #[schema(value_type = String)]
    name: Text<1, 120>,
    terms: ShippingTerms,
}

impl ZoneContent for ShippingZoneContent {
    type Kind = kind::ShippingZone;
    type New = NewShippingZone;
    type Patch = ShippingZonePatch;
    type Shown = ShownShippingZone;

    const NAME: &'static str = "shipping zone";
    const MOST: i64 = 50;

    fn new(new: NewShippingZone) -> Result<Self, FieldErrors> {
        let empty = Self {
            name: new.name,
            areas: Vec::new(),
            methods: Vec::new(),
        };
        empty.with(Some(new.areas), Some(new.methods))
    }

    fn patched(self, patch: ShippingZonePatch) -> Result<Self, FieldErrors> {
        let named = Self {
            name: patch.name.unwrap_or(self.name),
            ..self
        };
        named.with(patch.areas, patch.methods)
    }
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

    /// The same with other areas and methods, where there are any, all of which are checked.
    fn with(self, areas: Option<Vec<Area>>, methods: Option<Vec<WrittenMethod>>) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::new();
        check_areas(areas.as_deref().unwrap_or_default(), "/areas", &mut errors);
        check_methods(methods.as_deref().unwrap_or_default(), &self.methods, &mut errors);
        errors.into_result()?;
        let methods = methods.map(|methods| methods.into_iter().map(ShippingMethodContent::from).collect());
        Ok(Self {
            areas: areas.unwrap_or(self.areas),
            methods: methods.unwrap_or(self.methods),
            ..self
        })
    }
}

impl From<WrittenMethod> for ShippingMethodContent {
    fn from(written: WrittenMethod) -> Self {
        Self {
            id: written.id.unwrap_or_else(ShippingMethodId::generate),
            name: written.name,
            terms: written.terms,
        }
    }
}

impl From<Zone<ShippingZoneContent>> for ShownShippingZone {
    fn from(zone: Zone<ShippingZoneContent>) -> Self {
        Self {
            id: zone.id,
            content: zone.content,
            version: zone.version,
            created_at: zone.created_at,
            updated_at: zone.updated_at,
        }
    }
}

/// Checks the methods of a zone that had those in `before`: a method of another zone would be two at once.
fn check_methods(methods: &[WrittenMethod], before: &[ShippingMethodContent], errors: &mut FieldErrors) {
    if methods.len() > MAX_METHODS {
        return errors.add("/methods", "too_many", format!("at most {MAX_METHODS}"));
    }
    let mut seen = HashSet::new();
    for (index, method) in methods.iter().enumerate() {
        if let Some(id) = method.id {
            let pointer = format!("/methods/{index}/id");
            if before.iter().all(|known| known.id != id) {
                errors.add(pointer, "unknown_shipping_method", "the zone has no such method");
            } else if !seen.insert(id) {
                errors.add(pointer, "duplicate", "the zone has the method already");
            }
        }
        if let Err(wrong) = method.terms.check(&format!("/methods/{index}/terms")) {
            errors.append(wrong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn zone(json: Value) -> Result<ShippingZoneContent, FieldErrors> {
        ShippingZoneContent::new(serde_json::from_value(json).unwrap())
    }

    fn flat(amount: i64) -> Value {
        let price = json!({"kind": "flat", "amounts": [{"amount": amount, "currency": "EUR"}]});
        json!({"name": "Parcel", "terms": {"price": price}})
    }

    fn told(result: Result<ShippingZoneContent, FieldErrors>) -> Vec<String> {
        let errors = result.unwrap_err();
        let told = errors.as_slice().iter();
        told.map(|error| format!("{} {}", error.pointer, error.code)).collect()
    }

    #[test]
    fn all_that_is_wrong_with_a_zone_is_named_at_once() {
        let area = json!({"country": "AT", "postal_codes": ["2..1"]});
        let mut named = flat(1);
        named["id"] = json!(ShippingMethodId::generate());
        let wrong = zone(json!({"name": "Austria", "areas": [area], "methods": [flat(1), flat(-1), named]}));
        let expected = [
            "/areas/0/postal_codes/0 invalid_postal_code",
            "/methods/1/terms/price/amounts/0/amount out_of_range",
            "/methods/2/id unknown_shipping_method",
        ];
        assert_eq!(told(wrong), expected);
        let many = zone(json!({"name": "Austria", "methods": vec![flat(1); 101]}));
        assert_eq!(told(many), ["/methods too_many"]);
    }

    #[test]
    fn methods_keep_their_ids_and_others_get_new_ones() {
        let before = zone(json!({"name": "Austria", "methods": [flat(1), flat(2)]})).unwrap();
        let mut kept = flat(3);
        kept["id"] = json!(before.methods[1].id);
        let patch = |methods: Value| serde_json::from_value(json!({"methods": methods})).unwrap();
        let after = before.clone().patched(patch(json!([kept, flat(4)]))).unwrap();
        assert_eq!((after.methods.len(), after.methods[0].id), (2, before.methods[1].id));
        assert!(before.methods.iter().all(|method| method.id != after.methods[1].id));
        assert_eq!(after.name, before.name);
        let twice = before.patched(patch(json!([kept, kept])));
        assert_eq!(told(twice), ["/methods/1/id duplicate"]);
    }
}
