//! Shares of amounts, and the one rule by which the shop rounds.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

/// From 0 to 100 percent with at most four decimals, as tax rates have them: `8.875`. Written as text, because numbers of
/// JSON are read as binary fractions by many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u32);

impl Percent {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000);
    const DECIMALS: usize = 4;

    /// In millionths of the whole.
    pub fn millionths(self) -> i64 {
        self.0.into()
    }

    /// So much of `amount`, rounded.
    pub fn of(self, amount: i64) -> i64 {
        share(amount, self.millionths(), Self::WHOLE.millionths())
    }
}

/// `amount * numerator / denominator`, rounded to the nearest minor unit, halves away from zero: what merchants and tax
/// offices call commercial rounding. It is the only place where the shop rounds money. The result has to be no larger than
/// `amount`; `denominator` is positive.
pub(crate) fn share(amount: i64, numerator: i64, denominator: i64) -> i64 {
    let (product, denominator) = (i128::from(amount) * i128::from(numerator), i128::from(denominator));
    let doubled = 2 * product.abs() + denominator;
    let rounded = doubled / (2 * denominator) * product.signum();
    i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
}

/// A text is not a percentage.
#[derive(Debug, thiserror::Error)]
#[error("invalid_percent: from \"0\" to \"100\", with at most four decimals")]
pub struct NotAPercent;

impl FromStr for Percent {
    type Err = NotAPercent;

    fn from_str(text: &str) -> Result<Self, NotAPercent> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str, most| {
            (1..=most).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        };
        if !is_number(whole, 3) || !is_number(decimals, Self::DECIMALS) {
            return Err(NotAPercent);
        }
        let number = format!("{whole}{decimals:0<width$}", width = Self::DECIMALS);
        match number.parse() {
            Ok(millionths) if millionths <= Self::WHOLE.0 => Ok(Self(millionths)),
            _ => Err(NotAPercent),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, decimals) = (self.0 / 10_000, format!("{:04}", self.0 % 10_000));
        match decimals.trim_end_matches('0') {
            "" => write!(formatter, "{whole}"),
            decimals => write!(formatter, "{whole}.{decimals}"),
        }
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Percent {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^[0-9]{1,3}(\.[0-9]{1,4})?$"))
            .description(Some("percent, from 0 to 100, with at most four decimals"))
            .examples(["8.875"])
            .into()
    }
}

impl utoipa::ToSchema for Percent {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percentages_are_read_as_they_are_written() {
        for text in ["0", "8.875", "19", "33.3333", "100", "0.0001"] {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), text);
        }
        assert_eq!("7.50".parse::<Percent>().unwrap().to_string(), "7.5");
        for bad in [
            "", "-1", "+1", "100.0001", "1.", ".5", "1e1", "1.23456", "1000", " 1", "1,5", "١",
        ] {
            assert!(bad.parse::<Percent>().is_err(), "{bad}");
        }
    }

    #[test]
    fn halves_go_away_from_zero() {
        let half: Percent = "50".parse().unwrap();
        assert_eq!([1, 2, 3, -1, -3].map(|amount| half.of(amount)), [1, 1, 2, -1, -2]);
        assert_eq!(share(100, 1, 3), 33);
        assert_eq!(share(200, 1, 3), 67);
    }

    proptest! {
        #[test]
        fn a_share_is_off_by_half_a_unit_at_most(amount in any::<i64>(), millionths in 0..=1_000_000_u32) {
            let exact = i128::from(amount) * i128::from(millionths);
            let rounded = i128::from(Percent(millionths).of(amount)) * 1_000_000;
            prop_assert!((exact - rounded).abs() <= 500_000);
        }
    }
}
