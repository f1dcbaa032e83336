//! Product types: which attributes the products of a kind have, and of which kind these are.

use std::collections::HashSet;

use chrono::{DateTime, NaiveDate, Utc};
use kernel::id::{ProductId, ProductTypeId};
use kernel::patch::present;
use kernel::{FieldError, FieldErrors, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::attributes::{AttributeValue, Attributes};
use super::handle::Handle;
use super::listing::Name;
use super::pairs::MAX_PAIRS;

/// The most values of one `enum`.
const MAX_VALUES: usize = 200;
/// What dates look like.
const DATE: &str = "%Y-%m-%d";

/// What an attribute may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttributeKind {
    /// Any text.
    Text,
    /// A number, of `unit` where there is one.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A day: `2026-12-31`.
    Date,
    /// One of `values`.
    Enum,
}

/// An attribute that products of a type have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttributeDefinition {
    #[schema(value_type = String)]
    pub(crate) name: Name,
    pub(crate) kind: AttributeKind,
    /// Of a number, e.g. `cm`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) unit: Option<Text<1, 40>>,
    /// Of an `enum`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub(crate) values: Vec<Name>,
    /// Whether every product of the type has to have it.
    #[serde(default)]
    pub(crate) required: bool,
}

/// A product type.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ProductType {
    pub(crate) id: ProductTypeId,
    pub(crate) handle: String,
    pub(crate) name: String,
    pub(crate) attributes: Vec<AttributeDefinition>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A new product type.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewProductType {
    #[schema(value_type = String)]
    pub(crate) name: Name,
    /// Made from the name where it is not given.
    #[serde(default)]
    pub(crate) handle: Option<Handle>,
    #[serde(default)]
    pub(crate) attributes: Vec<AttributeDefinition>,
}

/// Changes of a product type. Products stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductTypePatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) name: Option<Name>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) handle: Option<Handle>,
    /// All of them: others are removed.
    #[serde(default, deserialize_with = "present")]
    pub(crate) attributes: Option<Vec<AttributeDefinition>>,
}

/// A product that does not satisfy its type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Violation {
    pub(crate) product_id: ProductId,
    pub(crate) handle: String,
    pub(crate) title: String,
    pub(crate) errors: Vec<FieldError>,
}

/// Checks the definitions of a type by themselves.
pub(crate) fn check_definitions(definitions: &[AttributeDefinition]) -> Result<(), FieldErrors> {
    let mut errors = FieldErrors::new();
    if definitions.len() > MAX_PAIRS {
        errors.add("/attributes", "too_many", format!("at most {MAX_PAIRS}"));
    }
    let mut names = HashSet::new();
    for (index, definition) in definitions.iter().enumerate() {
        let pointer = format!("/attributes/{index}");
        if !names.insert(definition.name.as_str()) {
            let detail = "another attribute has the same name";
            errors.add(format!("{pointer}/name"), "duplicate", detail);
        }
        definition.check(&mut errors, &pointer);
    }
    errors.into_result()
}

/// Adds what is wrong with the attributes of a product by the definitions of its type. Attributes that the type does not
/// know are allowed.
pub(crate) fn check_attributes(definitions: &[AttributeDefinition], attributes: &Attributes, errors: &mut FieldErrors) {
    for definition in definitions {
        let name = definition.name.as_str();
        let pointer = || format!("/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
        match attributes.get(name) {
            None if definition.required => {
                errors.add(pointer(), "required", "products of this type have this attribute");
            }
            None => (),
            Some(value) => {
                if let Err((code, detail)) = definition.admits(value) {
                    errors.add(pointer(), code, detail);
                }
            }
        }
    }
}

impl AttributeDefinition {
    fn check(&self, errors: &mut FieldErrors, pointer: &str) {
        if self.unit.is_some() && self.kind != AttributeKind::Number {
            errors.add(format!("{pointer}/unit"), "not_allowed", "only numbers have a unit");
        }
        let pointer = format!("{pointer}/values");
        match (self.kind, self.values.len()) {
            (AttributeKind::Enum, 0) => errors.add(pointer, "required", "an enum has at least one value"),
            (AttributeKind::Enum, count) if count > MAX_VALUES => {
                errors.add(pointer, "too_many", format!("at most {MAX_VALUES}"));
            }
            (AttributeKind::Enum, _) => {
                let mut seen = HashSet::new();
                for (index, value) in self.values.iter().enumerate() {
                    if !seen.insert(value.as_str()) {
                        errors.add(format!("{pointer}/{index}"), "duplicate", "is there already");
                    }
                }
            }
            (_, 0) => (),
            _ => errors.add(pointer, "not_allowed", "only an enum has values"),
        }
    }

    /// Whether an attribute may have this value; otherwise the code and the detail of what is wrong.
    fn admits(&self, value: &AttributeValue) -> Result<(), (&'static str, String)> {
        let wrong = |wanted: &str| Err(("wrong_kind", format!("must be {wanted}")));
        match (self.kind, value) {
            (AttributeKind::Text, AttributeValue::Text(_))
            | (AttributeKind::Number, AttributeValue::Number(_))
            | (AttributeKind::Boolean, AttributeValue::Boolean(_)) => Ok(()),
            (AttributeKind::Date, AttributeValue::Text(text)) if is_date(text) => Ok(()),
            (AttributeKind::Enum, AttributeValue::Text(text)) => {
                match self.values.iter().any(|known| known.as_str() == text) {
                    true => Ok(()),
                    false => Err(("unknown_value", "is none of the values of the attribute".to_owned())),
                }
            }
            (AttributeKind::Text, _) => wrong("a text"),
            (AttributeKind::Number, _) => wrong("a number"),
            (AttributeKind::Boolean, _) => wrong("true or false"),
            (AttributeKind::Date, _) => wrong("a day, as 2026-12-31"),
            (AttributeKind::Enum, _) => wrong("a text, one of the values of the attribute"),
        }
    }
}

/// Four digits, two and two, and a day that there is.
fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, DATE).is_ok_and(|date| date.format(DATE).to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn definitions(json: &str) -> Vec<AttributeDefinition> {
        serde_json::from_str(json).unwrap()
    }

    fn codes(definitions: &[AttributeDefinition], attributes: &str) -> Vec<(String, String)> {
        let mut errors = FieldErrors::new();
        check_attributes(definitions, &serde_json::from_str(attributes).unwrap(), &mut errors);
        let pairs = errors.as_slice().iter();
        pairs.map(|error| (error.pointer.clone(), error.code.clone())).collect()
    }

    fn one(pointer: &str, code: &str) -> Vec<(String, String)> {
        vec![(pointer.to_owned(), code.to_owned())]
    }

    #[test]
    fn each_kind_admits_its_own_values() {
        let laptop = definitions(
            r#"[{"name":"cpu","kind":"text"},{"name":"weight","kind":"number","unit":"kg"},
                {"name":"touch","kind":"boolean"},{"name":"built","kind":"date"},
                {"name":"a/b","kind":"enum","values":["S","M"]}]"#,
        );
        let good = r#"{"cpu":"M","weight":1.2,"touch":true,"built":"2024-02-29","a/b":"M","other":1}"#;
        assert_eq!(codes(&laptop, good), []);
        assert_eq!(codes(&laptop, "{}"), []);
        for (bad, pointer, code) in [
            (r#"{"cpu":1}"#, "/attributes/cpu", "wrong_kind"),
            (r#"{"weight":"1"}"#, "/attributes/weight", "wrong_kind"),
            (r#"{"touch":"true"}"#, "/attributes/touch", "wrong_kind"),
            (r#"{"built":"2023-02-29"}"#, "/attributes/built", "wrong_kind"),
            (r#"{"built":"2023-2-9"}"#, "/attributes/built", "wrong_kind"),
            (r#"{"built":"+2023-02-9"}"#, "/attributes/built", "wrong_kind"),
            (r#"{"a/b":"L"}"#, "/attributes/a~1b", "unknown_value"),
            (r#"{"a/b":true}"#, "/attributes/a~1b", "wrong_kind"),
        ] {
            assert_eq!(codes(&laptop, bad), one(pointer, code), "{bad}");
        }
    }

    #[test]
    fn definitions_are_checked_by_themselves() {
        let first = |json: &str| {
            let errors = check_definitions(&definitions(json)).unwrap_err();
            let error = &errors.as_slice()[0];
            (error.pointer.clone(), error.code.clone())
        };
        for (json, pointer, code) in [
            (
                r#"[{"name":"a","kind":"text","unit":"cm"}]"#,
                "/attributes/0/unit",
                "not_allowed",
            ),
            (r#"[{"name":"a","kind":"enum"}]"#, "/attributes/0/values", "required"),
            (
                r#"[{"name":"a","kind":"date","values":["x"]}]"#,
                "/attributes/0/values",
                "not_allowed",
            ),
            (
                r#"[{"name":"a","kind":"enum","values":["x","x"]}]"#,
                "/attributes/0/values/1",
                "duplicate",
            ),
            (
                r#"[{"name":"a","kind":"text"},{"name":"a","kind":"date"}]"#,
                "/attributes/1/name",
                "duplicate",
            ),
        ] {
            assert_eq!(first(json), (pointer.to_owned(), code.to_owned()), "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_required_attribute_is_missed_exactly_where_it_is_not_there(required: bool, present: bool) {
            let mut size = definitions(r#"[{"name":"size","kind":"number"}]"#);
            size[0].required = required;
            let found = codes(&size, if present { r#"{"size":0}"# } else { "{}" });
            prop_assert_eq!(found.is_empty(), present || !required);
        }
    }
}
