//! A request for a list as a query of the index.

use std::sync::Arc;

use super::Named;
use super::document::Fields;
use super::highlight::Marks;
use super::keys::{attribute_key, id_key, number_key};
use super::sets::Condition;
use super::wording::{Understanding, Wording};
use crate::domain::attributes::AttributeValue;
use crate::domain::facet::Facet;
use crate::domain::filter::{Audience, Filter};
use crate::domain::number::NumberRange;
use crate::domain::product::Status;

/// What a list is to show, ready to be asked of an index.
pub(crate) struct Question {
    /// The fields that it goes by.
    pub(super) fields: Fields,
    wording: Option<Arc<Wording>>,
    /// Whether one of its words is enough.
    is_relaxed: bool,
    conditions: Vec<(Option<Facet>, Condition)>,
}

impl Question {
    /// What `filter` shows; `named` is what it names, as ids.
    pub(super) fn new(understanding: Understanding<'_>, filter: &Filter, named: &Named) -> tantivy::Result<Self> {
        let search = filter.search.as_deref();
        let wording = search.map(|search| understanding.wording(search, shown(filter)));
        Ok(Self {
            fields: understanding.fields,
            wording: wording.transpose()?,
            is_relaxed: false,
            conditions: conditions(&understanding.fields, filter, named),
        })
    }

    /// Its words, where there are any.
    pub(super) fn wording(&self) -> Option<&Wording> {
        self.wording.as_deref()
    }

    /// How many of its words a product must have.
    pub(super) fn required(&self) -> usize {
        let required = self.wording().map_or(0, |wording| wording.read.required);
        if self.is_relaxed { required.min(1) } else { required }
    }

    /// What else products must satisfy, and of which facet each condition is.
    pub(super) fn conditions(&self) -> &[(Option<Facet>, Condition)] {
        &self.conditions
    }

    /// The question with its slips corrected, where it has some.
    pub(crate) fn meant(&self) -> Option<&str> {
        self.wording()?.read.meant.as_deref()
    }

    /// Names what staff have said of the question; empty where that is nothing.
    pub(crate) fn said(&self) -> &str {
        self.wording().map_or("", |wording| wording.said.as_str())
    }

    /// What it marks in the texts of what it finds.
    pub(crate) fn marks(&self) -> Option<Marks> {
        let read = &self.wording()?.read;
        let mut marks = Marks::of_language(read.stems.clone());
        for word in read.asked.iter().filter(|word| !word.is_idle) {
            let corrections = word.corrections.iter().map(|(text, _)| text);
            let also = corrections
                .chain(&word.beginnings)
                .chain(&word.parts)
                .chain(word.synonyms.iter().flatten());
            let words = std::iter::once(&word.written).chain(also);
            words.for_each(|word| marks.add(word));
            if word.is_open && word.written.chars().count() > 1 {
                marks.beginning = Some(word.written.clone());
            }
        }
        Some(marks)
    }

    /// Has it find what has any of its words; `false` where that changes nothing.
    pub(crate) fn relax(&mut self) -> bool {
        let before = self.required();
        self.is_relaxed = true;
        self.required() < before
    }
}

/// What the products have one of that the list's audience may see; none where it may see all.
fn shown(filter: &Filter) -> Vec<String> {
    let statuses = match &filter.audience {
        Audience::Public => &[Status::Active][..],
        Audience::Staff(statuses) => statuses,
    };
    statuses.iter().map(|status| status.name().to_owned()).collect()
}

fn conditions(fields: &Fields, filter: &Filter, named: &Named) -> Vec<(Option<Facet>, Condition)> {
    let mut conditions = Vec::new();
    let statuses = shown(filter);
    if !statuses.is_empty() {
        conditions.push((None, Condition::OneOf(fields.status, statuses)));
    }
    if !filter.category_ids.is_empty() || !filter.category_handles.is_empty() {
        let keys = named.categories.iter().map(|id| id_key(*id)).collect();
        conditions.push((Some(Facet::Category), Condition::OneOf(fields.category_id, keys)));
    }
    if !filter.collection_ids.is_empty() || !filter.collection_handles.is_empty() {
        let keys = named.collections.iter().map(|id| id_key(*id)).collect();
        conditions.push((None, Condition::OneOf(fields.collection_id, keys)));
    }
    if !filter.brands.is_empty() {
        let brands = Condition::OneOf(fields.brand_name, filter.brands.clone());
        conditions.push((Some(Facet::Brand), brands));
    }
    if let Some(in_stock) = filter.in_stock {
        conditions.push((None, Condition::OneOf(fields.in_stock, vec![in_stock.to_string()])));
    }
    if !filter.tags.is_empty() {
        conditions.push((None, Condition::OneOf(fields.tag_name, filter.tags.clone())));
    }
    // A product is in the range where one of its prices may be.
    if let Some(min) = filter.price_min {
        conditions.push((Some(Facet::Price), Condition::AtLeast(fields.price_max, min)));
    }
    if let Some(max) = filter.price_max {
        conditions.push((Some(Facet::Price), Condition::AtMost(fields.price_min, max)));
    }
    for (name, values) in &filter.attributes {
        let meanings = values.iter().flat_map(|value| meanings(value));
        let keys = meanings.map(|value| attribute_key(name, &value)).collect();
        let mut alternatives = vec![Condition::OneOf(fields.attribute, keys)];
        let ranges = values.iter().filter_map(|value| NumberRange::parse(value));
        let key = |number| number_key(name, number);
        alternatives.extend(ranges.map(|range| Condition::Between(fields.number, key(range.from), key(range.to))));
        let condition = Condition::AnyOf(alternatives);
        conditions.push((Some(Facet::Attribute(name.clone())), condition));
    }
    conditions
}

/// What `text`, as it stands in a query, may mean as an attribute's value: `8` is a number or a text.
fn meanings(text: &str) -> Vec<AttributeValue> {
    let mut meanings = vec![AttributeValue::Text(text.to_owned())];
    if let Ok(other) = serde_json::from_str::<AttributeValue>(text)
        && !matches!(other, AttributeValue::Text(_))
    {
        meanings.push(other);
    }
    meanings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_query_may_mean_a_number_or_a_truth_value() {
        let texts = |text: &str| -> Vec<String> {
            let meanings = meanings(text);
            meanings
                .iter()
                .map(|value| serde_json::to_string(value).unwrap())
                .collect()
        };
        assert_eq!(texts("8"), [r#""8""#, "8"]);
        assert_eq!(texts("true"), [r#""true""#, "true"]);
        assert_eq!(texts("Black"), [r#""Black""#]);
        assert_eq!(texts("null"), [r#""null""#]);
        assert_eq!(texts(r#"a"b"#), [r#""a\"b""#]);
    }
}
