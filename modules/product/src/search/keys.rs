//! How the index calls what filters compare.

use uuid::Uuid;

use crate::domain::attributes::AttributeValue;

/// How the index calls a category or a collection.
pub(crate) fn id_key(id: Uuid) -> String {
    id.simple().to_string()
}

/// How the index calls a value of an attribute: its name, a NUL, and its JSON text. Numbers have one text each, however
/// they were written.
pub(super) fn attribute_key(name: &str, value: &AttributeValue) -> String {
    let value = match value {
        AttributeValue::Number(number) => match (number.as_i64(), number.as_f64()) {
            (None, Some(float)) if float.fract() == 0.0 && float.abs() < 1e15 => format!("{float:.0}"),
            _ => number.to_string(),
        },
        other => serde_json::to_string(other).unwrap_or_default(),
    };
    [name, "\0", &value].concat()
}

/// How the index calls the number of an attribute: its name, a NUL, and sixteen digits that are in the order of the numbers.
pub(super) fn number_key(name: &str, number: f64) -> String {
    // There is one zero.
    let bits = (number + 0.0).to_bits();
    let ordered = match number.is_sign_negative() && number != 0.0 {
        true => !bits,
        false => bits | SIGN,
    };
    format!("{name}\0{ordered:016x}")
}

/// The number that the digits of a [`number_key`] stand for.
pub(super) fn number_of(digits: &str) -> Option<f64> {
    let ordered = u64::from_str_radix(digits, 16).ok()?;
    Some(f64::from_bits(match ordered & SIGN {
        0 => !ordered,
        _ => ordered ^ SIGN,
    }))
}

const SIGN: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keys_of_numbers_are_in_their_order(one in proptest::num::f64::ANY, other in proptest::num::f64::ANY) {
            prop_assume!(!one.is_nan() && !other.is_nan());
            let order = one.partial_cmp(&other).unwrap();
            prop_assert_eq!(number_key("n", one).cmp(&number_key("n", other)), order);
            prop_assert_eq!(number_of(&number_key("", one)[1..]), Some(one));
        }
    }

    #[test]
    fn zero_has_one_key() {
        assert_eq!(number_key("n", -0.0), number_key("n", 0.0));
        assert!(number_key("n", f64::NEG_INFINITY) < number_key("n", f64::MIN));
        assert!(number_key("n", f64::MAX) < number_key("n", f64::INFINITY));
    }

    #[test]
    fn equal_numbers_are_one_value() {
        let key = |json: &str| attribute_key("n", &serde_json::from_str(json).unwrap());
        assert_eq!(key("8"), key("8.0"));
        assert_eq!(key("8e0"), "n\08");
        assert_ne!(key("8"), key("8.5"));
        assert_ne!(key("8"), key("\"8\""));
    }
}
