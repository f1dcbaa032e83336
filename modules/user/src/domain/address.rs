//! The address book.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use kernel::address::Address;
use kernel::id::AddressId;
use serde::Serialize;
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
