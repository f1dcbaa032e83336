//! How many of a variant a request may ask for.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// The most pieces of one variant.
pub(crate) const MAX_QUANTITY: i64 = 999;

/// A whole number of pieces from `LEAST` to 999, as a request gives it. Text and fractions are not numbers of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity<const LEAST: i64>(i64);

impl<const LEAST: i64> Quantity<LEAST> {
    /// The number.
    pub(crate) fn get(self) -> i64 {
        self.0
    }
}

impl<'de, const LEAST: i64> Deserialize<'de> for Quantity<LEAST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let quantity = i64::deserialize(deserializer)?;
        if (LEAST..=MAX_QUANTITY).contains(&quantity) {
            return Ok(Self(quantity));
        }
        let message = format!("out_of_range: must be a whole number from {LEAST} to {MAX_QUANTITY}");
        Err(serde::de::Error::custom(message))
    }
}

impl<const LEAST: i64> utoipa::PartialSchema for Quantity<LEAST> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(LEAST))
            .maximum(Some(MAX_QUANTITY))
            .into()
    }
}

impl<const LEAST: i64> utoipa::ToSchema for Quantity<LEAST> {
    fn name() -> Cow<'static, str> {
        format!("Quantity{LEAST}To{MAX_QUANTITY}").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::http::json::parse;

    #[derive(Debug, Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only read by serde")]
        quantity: Quantity<1>,
    }

    #[test]
    fn a_quantity_is_a_whole_number_from_1_to_999() {
        for good in ["1", "2", "999"] {
            assert!(
                parse::<Line>(format!(r#"{{"quantity":{good}}}"#).as_bytes()).is_ok(),
                "{good}"
            );
        }
        let bad = [
            "0",
            "-1",
            "1000",
            "2147483648",
            "9223372036854775807",
            "18446744073709551616",
            "1.5",
            "1e3",
            "\"1\"",
            "null",
            "true",
            "[1]",
        ];
        for bad in bad {
            let problem = parse::<Line>(format!(r#"{{"quantity":{bad}}}"#).as_bytes()).unwrap_err();
            assert_eq!(problem.status(), 422, "{bad}");
            assert_eq!(problem.to_json()["errors"][0]["pointer"], "/quantity", "{bad}");
        }
    }

    #[test]
    fn only_a_change_of_a_line_may_say_zero() {
        assert_eq!(parse::<Quantity<0>>(b"0").unwrap().get(), 0);
        assert!(parse::<Quantity<1>>(b"0").is_err());
        assert!(parse::<Quantity<0>>(b"-1").is_err());
    }
}
