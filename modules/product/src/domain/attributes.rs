//! Attributes: free facts about a product, each a text, a number or a truth value.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

use super::pairs::Pairs;

/// The longest text of an attribute, in characters: real data sheets have paragraphs here.
pub(crate) const MAX_TEXT: usize = 10_000;

/// The attributes of a product, in the order in which they were written.
pub(crate) type Attributes = Pairs<AttributeValue>;

/// What an attribute may be.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum AttributeValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A finite number, as it was written.
    Number(Number),
    /// Text without NUL and other ASCII control characters but line breaks and tabs.
    Text(String),
}

impl<'de> Deserialize<'de> for AttributeValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl Visitor<'_> for ValueVisitor {
    type Value = AttributeValue;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a number, true or false")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<AttributeValue, E> {
        Ok(AttributeValue::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<AttributeValue, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("out_of_range: must be a finite number"))?;
        Ok(AttributeValue::Number(number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<AttributeValue, E> {
        let unwanted = |character: char| character.is_ascii_control() && !matches!(character, '\n' | '\r' | '\t');
        if value.chars().any(unwanted) {
            return Err(E::custom("invalid_character: must not contain control characters"));
        }
        if value.chars().nth(MAX_TEXT).is_some() {
            return Err(E::custom(format_args!(
                "too_long: must have at most {MAX_TEXT} characters"
            )));
        }
        Ok(AttributeValue::Text(value.to_owned()))
    }
}

impl utoipa::PartialSchema for AttributeValue {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::AnyValue)
            .description(Some("a text, a number, true or false"))
            .into()
    }
}

impl utoipa::ToSchema for AttributeValue {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> serde_json::Result<Attributes> {
        serde_json::from_str(json)
    }

    #[test]
    fn attributes_are_texts_numbers_and_truth_values_and_come_back_as_written() {
        let json = r#"{"width":298.45,"cores":8,"touchscreen":true,"colour":"Black","zero":0,"cold":-40}"#;
        assert_eq!(serde_json::to_string(&read(json).unwrap()).unwrap(), json);
    }

    #[test]
    fn numbers_of_all_their_digits_come_back_as_written() {
        for number in [
            "0.30000000000000004",
            "9007199254740993",
            "18446744073709551615",
            "1.7976931348623157e+308",
            "5e-324",
        ] {
            let json = format!(r#"{{"a":{number}}}"#);
            assert_eq!(serde_json::to_string(&read(&json).unwrap()).unwrap(), json);
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back_as_it_was(number in proptest::num::f64::NORMAL) {
            let json = format!(r#"{{"a":{}}}"#, serde_json::to_string(&number).unwrap());
            let kept = AttributeValue::Number(Number::from_f64(number).unwrap());
            prop_assert_eq!(read(&json).unwrap().0, [("a".to_owned(), kept)]);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for json in [
            r#"{"a":null}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"x\u0000"}"#,
            r#"{"a":"\u001b[0m"}"#,
            r#"[]"#,
            r#""a""#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
        assert!(read(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_TEXT))).is_ok());
        assert!(read(&format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_TEXT + 1))).is_err());
    }
}
