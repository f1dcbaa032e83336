//! What staff say of searches: which products come first, earlier or last.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use kernel::id::{ProductId, SearchRuleId};
use kernel::patch::present;
use kernel::{FieldErrors, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most rules of a shop.
pub(crate) const MAX_RULES: i64 = 1_000;
/// How many products a rule pins, boosts or buries at most.
const MAX_PRODUCTS: usize = 50;
/// How many words its query has at most: as many as are looked at of a question.
const MAX_WORDS: usize = 16;

/// What is searched for.
type SearchedFor = Text<1, 200>;

/// How the words of a rule are compared with those of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Match {
    /// They are the whole question.
    Exact,
    /// They stand in it in a row.
    Contains,
}

/// What a rule does to a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    Pin,
    Boost,
    Bury,
}

/// Where products stand when somebody searches for something and sorts by relevance.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct SearchRule {
    pub(crate) id: SearchRuleId,
    pub(crate) query: String,
    pub(crate) r#match: Match,
    /// They come first, in this order, whether they are written so or not.
    pub(crate) pins: Vec<ProductId>,
    /// Where they are found, they come before the others.
    pub(crate) boosts: Vec<ProductId>,
    /// Where they are found, they come after the others.
    pub(crate) buries: Vec<ProductId>,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A new rule.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSearchRule {
    /// At most 16 words, compared as the search compares them.
    #[schema(value_type = String)]
    pub(crate) query: SearchedFor,
    pub(crate) r#match: Match,
    /// At most 50 of each, and no product twice.
    #[serde(default)]
    pub(crate) pins: Vec<ProductId>,
    #[serde(default)]
    pub(crate) boosts: Vec<ProductId>,
    #[serde(default)]
    pub(crate) buries: Vec<ProductId>,
}

/// Changes of a rule; of each list all: others are removed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchRulePatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) query: Option<SearchedFor>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) r#match: Option<Match>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) pins: Option<Vec<ProductId>>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) boosts: Option<Vec<ProductId>>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) buries: Option<Vec<ProductId>>,
}

impl Match {
    /// Its name, as the database has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Contains => "contains",
        }
    }

    /// The one of a name; the database has no others.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "exact" => Self::Exact,
            _ => Self::Contains,
        }
    }
}

impl Effect {
    /// Its name, as the database has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Boost => "boost",
            Self::Bury => "bury",
        }
    }

    /// The one of a name; the database has no others.
    pub(crate) fn from_name(name: &str) -> Self {
        match name {
            "pin" => Self::Pin,
            "boost" => Self::Boost,
            _ => Self::Bury,
        }
    }
}

impl SearchRule {
    /// A rule as `new` has it.
    pub(crate) fn new(new: NewSearchRule, now: DateTime<Utc>) -> Self {
        Self {
            id: SearchRuleId::generate(),
            query: new.query.into(),
            r#match: new.r#match,
            pins: new.pins,
            boosts: new.boosts,
            buries: new.buries,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }

    /// The same with changes.
    pub(crate) fn patched(self, patch: SearchRulePatch, now: DateTime<Utc>) -> Self {
        Self {
            query: patch.query.map_or(self.query, String::from),
            r#match: patch.r#match.unwrap_or(self.r#match),
            pins: patch.pins.unwrap_or(self.pins),
            boosts: patch.boosts.unwrap_or(self.boosts),
            buries: patch.buries.unwrap_or(self.buries),
            version: self.version + 1,
            updated_at: now,
            ..self
        }
    }

    /// What it does to which products, in their order, each with what it is in the rule.
    pub(crate) fn effects(&self) -> impl Iterator<Item = (ProductId, Effect, String)> {
        let lists = [
            ("pins", Effect::Pin, &self.pins),
            ("boosts", Effect::Boost, &self.boosts),
            ("buries", Effect::Bury, &self.buries),
        ];
        lists.into_iter().flat_map(|(name, effect, products)| {
            let products = products.iter().enumerate();
            products.map(move |(index, product)| (*product, effect, format!("/{name}/{index}")))
        })
    }

    /// Adds a product at the end of the list of an effect.
    pub(crate) fn add(&mut self, product: ProductId, effect: Effect) {
        match effect {
            Effect::Pin => self.pins.push(product),
            Effect::Boost => self.boosts.push(product),
            Effect::Bury => self.buries.push(product),
        }
    }

    /// Checks a rule by itself; `words` are the words of a text.
    pub(crate) fn check(&self, words: impl Fn(&str) -> Vec<String>) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        match words(&self.query).len() {
            0 => errors.add("/query", "no_word", "has no word"),
            count if count > MAX_WORDS => errors.add("/query", "too_many_words", format!("at most {MAX_WORDS}")),
            _ => (),
        }
        for (pointer, products) in [
            ("/pins", &self.pins),
            ("/boosts", &self.boosts),
            ("/buries", &self.buries),
        ] {
            if products.len() > MAX_PRODUCTS {
                errors.add(pointer, "too_many", format!("at most {MAX_PRODUCTS}"));
            }
        }
        // What is too long is not told line by line besides.
        errors.into_result()?;
        let mut errors = FieldErrors::new();
        let mut seen = HashSet::new();
        for (product, _, pointer) in self.effects() {
            if !seen.insert(product) {
                errors.add(pointer, "duplicate", "the rule has the product already");
            }
        }
        errors.into_result()
    }

    /// Refuses products that are not in `known`.
    pub(crate) fn check_products(&self, known: &HashSet<ProductId>) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::new();
        for (_, _, pointer) in self.effects().filter(|(product, _, _)| !known.contains(product)) {
            errors.add(pointer, "not_found", "there is no such product");
        }
        errors.into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> SearchRule {
        SearchRule::new(serde_json::from_str(json).unwrap(), DateTime::UNIX_EPOCH)
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_rule_has_a_product_once_and_few_of_them() {
        let one = ProductId::generate();
        let twice = rule(&format!(
            r#"{{"query":"a","match":"exact","pins":["{one}"],"buries":["{one}"]}}"#
        ));
        let errors = twice.check(words).unwrap_err();
        let error = &errors.as_slice()[0];
        assert_eq!(
            (error.pointer.as_str(), error.code.as_str()),
            ("/buries/0", "duplicate")
        );
        let wordy = rule(&format!(r#"{{"query":"{}","match":"exact"}}"#, "a ".repeat(17)));
        assert_eq!(wordy.check(words).unwrap_err().as_slice()[0].code, "too_many_words");
        assert!(
            rule(r#"{"query":"a","match":"contains"}"#)
                .check(|_| Vec::new())
                .is_err()
        );
        let mut long = rule(r#"{"query":"a","match":"contains"}"#);
        (0..51).for_each(|_| long.add(ProductId::generate(), Effect::Boost));
        assert_eq!(long.check(words).unwrap_err().as_slice()[0].pointer, "/boosts");
    }

    #[test]
    fn every_effect_and_match_has_a_name_of_its_own() {
        for effect in [Effect::Pin, Effect::Boost, Effect::Bury] {
            assert_eq!(Effect::from_name(effect.name()), effect);
        }
        for way in [Match::Exact, Match::Contains] {
            assert_eq!(Match::from_name(way.name()), way);
            assert_eq!(serde_json::to_value(way).unwrap(), way.name());
        }
    }
}
