//! What staff see of the search: products that cannot be found, and searches that find nothing.

use chrono::{DateTime, Utc};
use kernel::http::{FromQuery, QueryParameters};
use kernel::id::ProductId;
use serde::Serialize;
use utoipa::ToSchema;

/// The longest search that is noted, in characters.
const MAX_LENGTH: usize = 100;
/// From so many digits on, a text may be the number of a telephone, a card or an order.
const TOO_MANY_DIGITS: usize = 7;
/// For how many days searches without a result are known.
pub(crate) const KEPT_DAYS: i64 = 30;

/// A product that the search index could not take: no list shows it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ParkedProduct {
    pub(crate) product_id: ProductId,
    pub(crate) title: String,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// Since when.
    pub(crate) parked_at: DateTime<Utc>,
}

/// What was searched for without a result.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct SearchMiss {
    /// In lower case and with single spaces.
    pub(crate) query: String,
    /// How often, in the days in question.
    pub(crate) count: i64,
    pub(crate) last_seen_at: DateTime<Utc>,
}

/// Which searches without a result are shown: of the last `days`, the most frequent first.
#[derive(Clone, Debug)]
pub(crate) struct MissQuery {
    pub(crate) days: i64,
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
}

impl FromQuery for MissQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            days: parameters.integer("days", 1..=KEPT_DAYS).unwrap_or(KEPT_DAYS),
            limit: parameters.limit(),
            cursor: parameters.cursor(),
        }
    }
}

/// A search as it is noted; `None` where it is too long, or may tell of a person: an address of e-mail, or a number as
/// telephones, cards and orders have them.
pub(crate) fn noted(search: &str) -> Option<String> {
    let lower = search.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let noted = words.join(" ");
    let digits = noted.chars().filter(|character| character.is_numeric()).count();
    let is_personal = noted.contains(['@', '＠', '﹫']) || digits >= TOO_MANY_DIGITS;
    let length = noted.chars().count();
    (!is_personal && (1..=MAX_LENGTH).contains(&length)).then_some(noted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_search_is_noted_without_what_may_tell_of_a_person() {
        assert_eq!(noted("  Red \t SHOES "), Some("red shoes".to_owned()));
        assert_eq!(noted("laserjet 1100 a4"), Some("laserjet 1100 a4".to_owned()));
        for personal in [
            "jo@example.com",
            "shoes for jo@example",
            "jo＠example",
            "+49 170 123 45 67",
            "٤٤٤٤٤٤٤",
        ] {
            assert_eq!(noted(personal), None, "{personal}");
        }
        assert_eq!(noted(" \n "), None);
        assert_eq!(noted(&"x".repeat(MAX_LENGTH + 1)), None);
    }

    proptest! {
        #[test]
        fn what_is_noted_is_short_and_noted_the_same_again(search in "\\PC{0,120}") {
            if let Some(once) = noted(&search) {
                prop_assert!((1..=MAX_LENGTH).contains(&once.chars().count()));
                prop_assert!(!once.contains('@'));
                prop_assert!(once.chars().filter(|character| character.is_numeric()).count() < TOO_MANY_DIGITS);
                prop_assert_eq!(once.split_whitespace().collect::<Vec<_>>().join(" "), once);
            }
        }
    }
}
