//! The address book.

use chrono::{DateTime, Utc};
use kernel::address::{Address, Country};
use kernel::id::AddressId;
use kernel::patch::present;
use kernel::{Patch, Text};
use serde::{Deserialize, Serialize};

/// The most entries of one address book.
pub(crate) const MAX_ADDRESSES: i64 = 100;

/// An entry of an address book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = SavedAddress)]
pub(crate) struct Entry {
    pub(crate) id: AddressId,
    #[serde(flatten)]
    pub(crate) address: Address,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A merge patch of an [`Address`]: what is absent stays, `null` clears an optional field.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressChange {
    /// Who receives.
    #[serde(default, deserialize_with = "present")]
    name: Option<Text<1, 120>>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 120>>)]
    company: Patch<Text<1, 120>>,
    /// Street and number.
    #[serde(default, deserialize_with = "present")]
    line1: Option<Text<1, 200>>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 200>>)]
    line2: Patch<Text<1, 200>>,
    #[serde(default, deserialize_with = "present")]
    city: Option<Text<1, 120>>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 120>>)]
    region: Patch<Text<1, 120>>,
    #[serde(default, deserialize_with = "present")]
    postal_code: Option<Text<1, 20>>,
    #[serde(default, deserialize_with = "present")]
    country: Option<Country>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 40>>)]
    phone: Patch<Text<1, 40>>,
}

impl AddressChange {
    /// `before` with this change.
    pub(crate) fn apply(self, before: Address) -> Address {
        Address {
            name: self.name.unwrap_or(before.name),
            company: self.company.apply(before.company),
            line1: self.line1.unwrap_or(before.line1),
            line2: self.line2.apply(before.line2),
            city: self.city.unwrap_or(before.city),
            region: self.region.apply(before.region),
            postal_code: self.postal_code.unwrap_or(before.postal_code),
            country: self.country.unwrap_or(before.country),
            phone: self.phone.apply(before.phone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn home() -> Value {
        json!({"name": "Ada", "company": null, "line1": "1 Main St", "line2": "Flat 2", "city": "Springfield",
            "region": "IL", "postal_code": "62701", "country": "US", "phone": null})
    }

    fn patched(change: Value) -> Value {
        let before: Address = serde_json::from_value(home()).unwrap();
        let change: AddressChange = serde_json::from_value(change).unwrap();
        serde_json::to_value(change.apply(before)).unwrap()
    }

    #[test]
    fn an_empty_change_keeps_everything() {
        assert_eq!(patched(json!({})), home());
    }

    #[test]
    fn values_set_and_null_clears() {
        let mut expected = home();
        expected["line2"] = Value::Null;
        expected["phone"] = json!("+1 555");
        expected["country"] = json!("CA");
        assert_eq!(
            patched(json!({"line2": null, "phone": "+1 555", "country": "CA"})),
            expected
        );
    }

    #[test]
    fn what_an_address_needs_cannot_be_cleared() {
        for field in ["name", "line1", "city", "postal_code", "country"] {
            assert!(
                serde_json::from_value::<AddressChange>(json!({field: null})).is_err(),
                "{field}"
            );
        }
        assert!(serde_json::from_value::<AddressChange>(json!({"planet": "Mars"})).is_err());
    }
}
