//! Facets: how the products of a list spread over brands, categories, prices and attributes.

use kernel::Money;
use kernel::http::QueryParameters;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::number::NumberFacet;

/// The most facets of one request.
const MAX_FACETS: usize = 10;
/// Follows the name of an attribute whose numbers are to be counted by ranges.
const RANGES: &str = ":ranges";

/// What can be counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Facet {
    Brand,
    Category,
    Price,
    Attribute(String),
    /// Of an attribute, as far as it is a number.
    Ranges(String),
}

/// How many products have a value.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct FacetValue {
    /// As the filter takes it: a brand, a category's handle, an attribute's value.
    pub(crate) value: Value,
    /// What a category is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    pub(crate) count: i64,
}

/// How the products spread over prices.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PriceFacet {
    pub(crate) min: Money,
    pub(crate) max: Money,
    pub(crate) buckets: Vec<PriceBucket>,
}

/// How many products can be had for a price from `min` to `max`, both included: what `price_min` and `price_max` find.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PriceBucket {
    pub(crate) min: Money,
    pub(crate) max: Money,
    pub(crate) count: i64,
}

/// A counted facet.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum FacetCounts {
    /// By value, the most frequent first.
    Values(Vec<FacetValue>),
    /// By price; `null` where nothing is found.
    Price(Option<PriceFacet>),
    /// By number; `null` where nothing that is found has one.
    Ranges(Option<NumberFacet>),
}

impl Facet {
    /// Its name in requests and answers.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Brand => "brand".to_owned(),
            Self::Category => "category".to_owned(),
            Self::Price => "price".to_owned(),
            Self::Attribute(name) => format!("attr.{name}"),
            Self::Ranges(name) => format!("attr.{name}{RANGES}"),
        }
    }

    /// Whether it is counted without the condition on `narrowed`: its own.
    pub(crate) fn is_counted_without(&self, narrowed: &Self) -> bool {
        match (self, narrowed) {
            (Self::Ranges(name), Self::Attribute(other)) => name == other,
            (counted, narrowed) => counted == narrowed,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "brand" => Some(Self::Brand),
            "category" => Some(Self::Category),
            "price" => Some(Self::Price),
            _ => {
                let name = text.strip_prefix("attr.").filter(|name| !name.is_empty())?;
                Some(match name.strip_suffix(RANGES).filter(|name| !name.is_empty()) {
                    Some(name) => Self::Ranges(name.to_owned()),
                    None => Self::Attribute(name.to_owned()),
                })
            }
        }
    }
}

/// Takes `facets`: names separated by commas.
pub(crate) fn read(parameters: &mut QueryParameters) -> Vec<Facet> {
    let text = parameters.text("facets").unwrap_or_default();
    let mut facets = Vec::new();
    for name in text.split(',').filter(|name| !name.is_empty()) {
        match Facet::parse(name) {
            Some(facet) if !facets.contains(&facet) => facets.push(facet),
            Some(_) => (),
            None => parameters.refuse(
                "facets",
                "unknown_value",
                "brand, category, price, attr.<name> and attr.<name>:ranges can be counted",
            ),
        }
    }
    if facets.len() > MAX_FACETS {
        parameters.refuse("facets", "too_many", format!("at most {MAX_FACETS}"));
    }
    facets
}

/// Cuts the prices from `min` to `max` at round numbers: pieces of one length where prices are much alike, else longer ones
/// the dearer things get. Answers the first and the last price of each piece.
pub(crate) fn buckets(min: i64, max: i64) -> Vec<(i64, i64)> {
    let mut cuts = if max / min.max(1) < 10 {
        even_cuts(min, max)
    } else {
        growing_cuts(min, max)
    };
    cuts.push(i64::MAX);
    let pieces = cuts.windows(2).filter_map(|ends| match ends {
        [first, next] => Some((*first, next - 1)),
        _ => None,
    });
    let mut pieces: Vec<(i64, i64)> = pieces.collect();
    if let Some(last) = pieces.last_mut() {
        last.1 = round_up(max + 1, &[1, 2, 5]).max(last.0) - 1;
    }
    pieces
}

/// The same for numbers, which may be negative: prices grow by factors, what goes through zero does not.
pub(crate) fn number_buckets(min: i64, max: i64) -> Vec<(i64, i64)> {
    if min > 0 {
        return buckets(min, max);
    }
    let length = even_length(min, max);
    let cuts = even_cuts(min, max).into_iter();
    cuts.map(|cut| (cut, cut + length - 1)).collect()
}

fn even_length(min: i64, max: i64) -> i64 {
    round_up((max - min) / 8 + 1, &[1, 2, 5])
}

/// About eight pieces of the same round length.
fn even_cuts(min: i64, max: i64) -> Vec<i64> {
    let step = even_length(min, max);
    let mut cuts = Vec::new();
    let mut cut = min - min.rem_euclid(step);
    while cut <= max {
        cuts.push(cut);
        cut += step;
    }
    cuts
}

/// 1, 2, 5, 10, 20, 50, .. as far as prices go; powers of ten alone where those were too many.
fn growing_cuts(min: i64, max: i64) -> Vec<i64> {
    let factors: &[i64] = if max / min.max(1) < 10_000 { &[1, 2, 5] } else { &[1] };
    let mut cuts = vec![0];
    let mut cut = round_up(min.max(1) + 1, factors);
    while cut <= max {
        cuts.push(cut);
        cut = round_up(cut + 1, factors);
    }
    cuts
}

/// The least of the factors times a power of ten that is not less than `number`.
fn round_up(number: i64, factors: &[i64]) -> i64 {
    let mut power = 1_i64;
    loop {
        if let Some(factor) = factors.iter().find(|factor| **factor * power >= number) {
            return factor * power;
        }
        power *= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::money::MAX_AMOUNT;
    use proptest::prelude::*;

    #[test]
    fn prices_are_cut_at_round_numbers() {
        assert_eq!(buckets(95, 95), [(95, 99)]);
        assert_eq!(
            buckets(100, 900),
            [(0, 199), (200, 399), (400, 599), (600, 799), (800, 999)]
        );
        assert_eq!(
            buckets(95, 12_000),
            [
                (0, 99),
                (100, 199),
                (200, 499),
                (500, 999),
                (1000, 1999),
                (2000, 4999),
                (5000, 9999),
                (10_000, 19_999)
            ]
        );
        assert_eq!(buckets(0, 0), [(0, 0)]);
    }

    proptest! {
        #[test]
        fn every_price_is_in_exactly_one_bucket_and_there_are_few(
            first in 0..=MAX_AMOUNT, second in 0..=MAX_AMOUNT, price in 0..=MAX_AMOUNT,
        ) {
            let (min, max) = (first.min(second), first.max(second));
            let buckets = buckets(min, max);
            prop_assert!((1..=14).contains(&buckets.len()));
            let price = price.clamp(min, max);
            let inside = buckets.iter().filter(|(from, to)| (*from..=*to).contains(&price)).count();
            prop_assert_eq!(inside, 1);
        }
    }
}
