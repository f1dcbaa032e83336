//! Attributes that are numbers: the ranges that lists are filtered by, and how products spread over them.

use serde::Serialize;
use serde_json::Number;
use utoipa::ToSchema;

use super::facet::number_buckets;

/// Numbers with more decimals are cut as if they had no more.
const MAX_DECIMALS: i32 = 12;
/// Up to which whole numbers are told apart.
const MAX_WHOLE: f64 = 1e15;

/// Numbers from one to another, both included. Where an end is open it is infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct NumberRange {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// How the products spread over the numbers of an attribute.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NumberFacet {
    #[schema(value_type = f64)]
    pub(crate) min: Number,
    #[schema(value_type = f64)]
    pub(crate) max: Number,
    pub(crate) buckets: Vec<NumberBucket>,
}

/// How many products have a number from `min` to `max`, both included: what `attr.<name>=<min>..<max>` finds.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct NumberBucket {
    #[schema(value_type = f64)]
    pub(crate) min: Number,
    #[schema(value_type = f64)]
    pub(crate) max: Number,
    pub(crate) count: i64,
}

impl NumberRange {
    /// What `10..20`, `10..` and `..20` mean, in decimals; `None` where a text means no range.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once("..").filter(|ends| *ends != ("", ""))?;
        let end = |text: &str, open: f64| match text {
            "" => Some(open),
            number => decimal(number),
        };
        Some(Self {
            from: end(from, f64::NEG_INFINITY)?,
            to: end(to, f64::INFINITY)?,
        })
    }
}

impl NumberFacet {
    /// Of numbers, each with how many products have it; `None` where there are none.
    pub(crate) fn of(mut counts: Vec<(f64, i64)>) -> Option<Self> {
        counts.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        let ((min, _), (max, _)) = (*counts.first()?, *counts.last()?);
        let unit = Unit::of(&counts);
        let bucket = |(first, last): (i64, i64)| {
            let inside = || {
                counts
                    .iter()
                    .filter(|(value, _)| (first..=last).contains(&unit.floor(*value)))
            };
            // What lies between two of the unit is in the bucket of the lower one.
            let greatest = inside().map(|(value, _)| *value).fold(unit.at(last), f64::max);
            NumberBucket {
                min: number(unit.at(first)),
                max: number(greatest),
                count: inside().map(|(_, count)| *count).sum(),
            }
        };
        Some(Self {
            min: number(min),
            max: number(max),
            buckets: number_buckets(unit.floor(min), unit.floor(max))
                .into_iter()
                .map(bucket)
                .collect(),
        })
    }
}

/// The power of ten in which numbers are counted, so that buckets are cut at round ones.
#[derive(Clone, Copy)]
struct Unit {
    /// Of less than none, the last places before the point do not count either.
    decimals: i32,
}

impl Unit {
    /// The largest of which all numbers are multiples, as far as they can be told apart.
    fn of(counts: &[(f64, i64)]) -> Self {
        let largest = counts.iter().map(|(value, _)| value.abs()).fold(0.0, f64::max);
        let fits = |unit: &Self| largest * power(unit.decimals) <= MAX_WHOLE;
        let units = || (0..=MAX_DECIMALS).map(|decimals| Self { decimals }).take_while(fits);
        let is_exact = |unit: &Self| counts.iter().all(|(value, _)| unit.at(unit.floor(*value)) == *value);
        let large = || {
            (-MAX_EXPONENT..0)
                .map(|decimals| Self { decimals })
                .take_while(fits)
                .last()
        };
        let found = units().find(is_exact).or_else(|| units().last()).or_else(large);
        found.unwrap_or(Self {
            decimals: -MAX_EXPONENT,
        })
    }

    /// So many units as a number.
    #[expect(clippy::cast_precision_loss, reason = "there are at most as many as are told apart")]
    fn at(self, count: i64) -> f64 {
        let value = match self.decimals {
            0.. => count as f64 / power(self.decimals),
            _ => count as f64 * power(-self.decimals),
        };
        value.clamp(f64::MIN, f64::MAX)
    }

    /// The most units that are not more than a number.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are at most as many as are told apart"
    )]
    fn floor(self, value: f64) -> i64 {
        let near = match self.decimals {
            0.. => value * power(self.decimals),
            _ => value / power(-self.decimals),
        };
        let count = near.round() as i64;
        count - i64::from(self.at(count) > value)
    }
}

/// The largest power of ten that a number has.
const MAX_EXPONENT: i32 = 308;

fn power(exponent: i32) -> f64 {
    10_f64.powi(exponent)
}

/// A number in plain decimals, without an exponent.
fn decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_decimal = is_number(whole) && is_number(fraction);
    is_decimal.then(|| text.parse().ok()).flatten()
}

/// As JSON has it: whole numbers without a point.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and not too large")]
fn number(value: f64) -> Number {
    match value.fract() == 0.0 && value.abs() <= MAX_WHOLE {
        true => Number::from(value as i64),
        false => Number::from_f64(value).unwrap_or_else(|| 0.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> Option<(f64, f64)> {
        NumberRange::parse(text).map(|range| (range.from, range.to))
    }

    fn spread(values: &[f64]) -> String {
        let counts = values.iter().map(|value| (*value, 1)).collect();
        let buckets = NumberFacet::of(counts).unwrap().buckets.into_iter();
        let told = buckets.map(|bucket| format!("{}..{}: {}", bucket.min, bucket.max, bucket.count));
        told.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_range_has_one_end_or_two() {
        assert_eq!(range("10..20"), Some((10.0, 20.0)));
        assert_eq!(range("-2.5..0.25"), Some((-2.5, 0.25)));
        assert_eq!(range("10.."), Some((10.0, f64::INFINITY)));
        assert_eq!(range("..20"), Some((f64::NEG_INFINITY, 20.0)));
        for text in [
            "..", "10", "10...20", "1e3..", "a..b", "1..2..3", "+1..", " 1..2", "1...", "inf..", "-..5", ".5..1",
        ] {
            assert_eq!(range(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_cut_at_round_ones_whatever_their_decimals() {
        assert_eq!(spread(&[8.0]), "8..9: 1");
        assert_eq!(
            spread(&[0.5, 0.75, 1.25]),
            "0.5..0.59: 1, 0.6..0.69: 0, 0.7..0.79: 1, 0.8..0.89: 0, \
            0.9..0.99: 0, 1..1.09: 0, 1.1..1.19: 0, 1.2..1.99: 1"
        );
        assert_eq!(
            spread(&[-20.0, 0.0, 40.0]),
            "-20..-11: 1, -10..-1: 0, 0..9: 1, 10..19: 0, 20..29: 0, 30..39: 0, 40..49: 1"
        );
        assert_eq!(spread(&[0.29, 0.3]), "0.29..0.29: 1, 0.3..0.49: 1");
        assert!(NumberFacet::of(Vec::new()).is_none());
    }

    fn values() -> impl Strategy<Value = Vec<f64>> {
        let any = proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL;
        let plain = (-1_000_000_i64..1_000_000, 0..4_i32).prop_map(|(whole, decimals)| Unit { decimals }.at(whole));
        prop_oneof![
            proptest::collection::vec(plain, 1..30),
            proptest::collection::vec(any, 1..30),
            proptest::collection::vec(0.0..1.0, 1..30),
        ]
    }

    proptest! {
        #[test]
        fn a_bucket_is_what_its_range_finds(values in values()) {
            let facet = NumberFacet::of(values.iter().map(|value| (*value, 1)).collect()).unwrap();
            prop_assert!((1..=14).contains(&facet.buckets.len()), "{facet:?}");
            let mut counted = 0;
            for bucket in &facet.buckets {
                let (min, max) = (bucket.min.as_f64().unwrap(), bucket.max.as_f64().unwrap());
                let inside = values.iter().filter(|value| (min..=max).contains(value)).count();
                prop_assert_eq!(i64::try_from(inside).unwrap(), bucket.count, "{:?} of {:?}", bucket, facet);
                counted += inside;
            }
            prop_assert_eq!(counted, values.len());
        }
    }
}
