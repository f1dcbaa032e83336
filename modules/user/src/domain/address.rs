//! The address book.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use kernel::address::{Address, Country};
use kernel::id::AddressId;
use kernel::patch::present;
use kernel::{Patch, Text};
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{KnownFormat, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The most entries of one address book.
pub(crate) const MAX_ADDRESSES: i64 = 100;

/// An entry of an address book.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: AddressId,
    #[serde(flatten)]
    pub(crate) address: Address,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl PartialSchema for Entry {
    /// The schema of an address with the fields of the entry. A derived one would be `allOf` an address, which knows no
    /// other fields than its own.
    fn schema() -> RefOr<Schema> {
        let RefOr::T(Schema::Object(mut schema)) = Address::schema() else {
            return Address::schema();
        };
        schema.description = Some("An entry of an address book.".to_owned());
        schema.additional_properties = None;
        let time = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .build();
        ObjectBuilder::from(schema)
            .property("id", Ref::from_schema_name(AddressId::name()))
            .property("created_at", time.clone())
            .property("updated_at", time)
            .required("id")
            .required("created_at")
            .required("updated_at")
            .into()
    }
}

impl ToSchema for Entry {
    fn name() -> Cow<'static, str> {
        "SavedAddress".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((AddressId::name().into_owned(), AddressId::schema()));
        Address::schemas(schemas);
    }
}

/// A merge patch of an address: what is absent stays, `null` clears an optional field.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressChange {
    /// Who receives.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 120>, required = false)]
    name: Option<Text<1, 120>>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 120>>)]
    company: Patch<Text<1, 120>>,
    /// Street and number.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 200>, required = false)]
    line1: Option<Text<1, 200>>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 200>>)]
    line2: Patch<Text<1, 200>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 120>, required = false)]
    city: Option<Text<1, 120>>,
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 120>>)]
    region: Patch<Text<1, 120>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 20>, required = false)]
    postal_code: Option<Text<1, 20>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Country, required = false)]
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
