//! What the index knows of a product.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate};
use tantivy::schema::{
    Field, INDEXED, IndexRecordOption, NumericOptions, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::{TantivyDocument, Term};
use uuid::Uuid;

use super::text::{Stems, fold, words};
use crate::domain::attributes::{AttributeValue, Attributes};
use crate::domain::product::Status;

/// The longest text of one attribute that is searched, in characters: what data sheets tell beyond drowns the rest.
const SEARCHED_ATTRIBUTE: usize = 500;

/// How many words name a thing: `toner cartridge`.
const HEAD: usize = 2;

/// A product as it is indexed.
#[derive(Debug)]
pub(crate) struct Indexed {
    pub(crate) id: Uuid,
    pub(crate) external_id: Option<String>,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) brand: Option<String>,
    pub(crate) status: Status,
    pub(crate) tags: Vec<String>,
    /// SKUs and barcodes, in lower case.
    pub(crate) codes: Vec<String>,
    pub(crate) attributes: Attributes,
    pub(crate) released_on: NaiveDate,
    pub(crate) price_min: i64,
    pub(crate) price_max: i64,
    /// Ids and names from the root to the category; empty where there is none.
    pub(crate) categories: Vec<Uuid>,
    pub(crate) category_path: Vec<String>,
    /// Of every kind, published or not, in the order of their ids.
    pub(crate) collections: Vec<Uuid>,
}

/// The fields of the index. Texts are stems; what filters compare is kept as it was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) id: Field,
    pub(super) id_high: Field,
    pub(super) id_low: Field,
    pub(super) title: Field,
    pub(super) brand: Field,
    pub(super) codes: Field,
    pub(super) tags: Field,
    pub(super) category: Field,
    pub(super) attributes: Field,
    pub(super) description: Field,
    /// What a product is: the name of its category, whole.
    pub(super) kind: Field,
    /// What a title names, as opposed to what that is for.
    pub(super) head: Field,
    /// Codes, whole.
    pub(super) code: Field,
    /// Words as people write them, for beginnings and slips.
    pub(super) vocabulary: Field,
    pub(super) status: Field,
    pub(super) brand_name: Field,
    /// Brands by how they begin: folded, a NUL, and as they are written.
    pub(super) brand_start: Field,
    pub(super) tag_name: Field,
    pub(super) category_id: Field,
    pub(super) collection_id: Field,
    pub(super) attribute: Field,
    pub(super) price_min: Field,
    pub(super) price_max: Field,
    pub(super) released: Field,
    pub(super) title_order: Field,
}

/// Names of fields that are read as columns.
pub(super) mod column {
    pub(in crate::search) const ID_HIGH: &str = "id_high";
    pub(in crate::search) const ID_LOW: &str = "id_low";
    pub(in crate::search) const PRICE_MIN: &str = "price_min";
    pub(in crate::search) const PRICE_MAX: &str = "price_max";
    pub(in crate::search) const RELEASED: &str = "released";
    pub(in crate::search) const TITLE: &str = "title_order";
}

impl Fields {
    /// The schema of the index, and its fields.
    pub(super) fn schema() -> (Schema, Self) {
        let mut builder = Schema::builder();
        let indexing = |option| {
            TextFieldIndexing::default()
                .set_tokenizer("raw")
                .set_index_option(option)
        };
        let text = TextOptions::default().set_indexing_options(indexing(IndexRecordOption::WithFreqsAndPositions));
        let bag = TextOptions::default().set_indexing_options(indexing(IndexRecordOption::WithFreqs));
        let set = TextOptions::default().set_indexing_options(indexing(IndexRecordOption::Basic).set_fieldnorms(false));
        let number = NumericOptions::default().set_fast();
        let fields = Self {
            id: builder.add_bytes_field("id", INDEXED),
            id_high: builder.add_u64_field(column::ID_HIGH, number.clone()),
            id_low: builder.add_u64_field(column::ID_LOW, number.clone()),
            title: builder.add_text_field("title", text),
            brand: builder.add_text_field("brand", bag.clone()),
            codes: builder.add_text_field("codes", bag.clone()),
            tags: builder.add_text_field("tags", bag.clone()),
            category: builder.add_text_field("category", bag.clone()),
            attributes: builder.add_text_field("attributes", bag.clone()),
            description: builder.add_text_field("description", bag.clone()),
            kind: builder.add_text_field("kind", STRING),
            head: builder.add_text_field("head", bag),
            code: builder.add_text_field("code", set.clone()),
            vocabulary: builder.add_text_field("vocabulary", set.clone()),
            status: builder.add_text_field("status", set.clone()),
            brand_name: builder.add_text_field("brand_name", set.clone()),
            brand_start: builder.add_text_field("brand_start", set.clone()),
            tag_name: builder.add_text_field("tag_name", set.clone()),
            category_id: builder.add_text_field("category_id", set.clone()),
            collection_id: builder.add_text_field("collection_id", set.clone()),
            attribute: builder.add_text_field("attribute", set),
            price_min: builder.add_i64_field(column::PRICE_MIN, number.clone()),
            price_max: builder.add_i64_field(column::PRICE_MAX, number.clone()),
            released: builder.add_i64_field(column::RELEASED, number),
            title_order: builder.add_text_field(column::TITLE, TextOptions::default().set_fast("raw")),
        };
        (builder.build(), fields)
    }

    /// The term that finds a product by its id.
    pub(super) fn id_term(&self, id: Uuid) -> Term {
        Term::from_field_bytes(self.id, id.as_bytes())
    }

    /// The document of a product.
    pub(super) fn document(&self, product: &Indexed, stems: &mut Stems) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        let (high, low) = product.id.as_u64_pair();
        document.add_bytes(self.id, product.id.as_bytes());
        document.add_u64(self.id_high, high);
        document.add_u64(self.id_low, low);
        document.add_text(self.status, product.status.name());
        document.add_i64(self.price_min, product.price_min);
        document.add_i64(self.price_max, product.price_max);
        document.add_i64(self.released, i64::from(product.released_on.num_days_from_ce()));
        document.add_text(self.title_order, product.title.to_lowercase());
        document.add_pre_tokenized_text(self.title, stems.tokens(&product.title));
        document.add_pre_tokenized_text(self.head, stems.tokens(head(&product.title)));
        document.add_pre_tokenized_text(self.description, stems.tokens(&product.description));
        if let Some(brand) = &product.brand {
            document.add_pre_tokenized_text(self.brand, stems.tokens(brand));
            document.add_text(self.brand_name, brand);
            document.add_text(self.brand_start, [fold(brand).as_str(), "\0", brand].concat());
        }
        for tag in &product.tags {
            document.add_pre_tokenized_text(self.tags, stems.tokens(tag));
            document.add_text(self.tag_name, tag);
        }
        for code in product.codes.iter().chain(&product.external_id) {
            document.add_pre_tokenized_text(self.codes, stems.tokens(code));
            document.add_text(self.code, fold(code));
        }
        for (id, name) in product.categories.iter().zip(&product.category_path) {
            document.add_text(self.category_id, id_key(*id));
            document.add_pre_tokenized_text(self.category, stems.tokens(name));
        }
        for id in &product.collections {
            document.add_text(self.collection_id, id_key(*id));
        }
        if let Some(name) = product.category_path.last() {
            for kind in kinds(name) {
                document.add_text(self.kind, stems.name(kind).join(" "));
            }
        }
        for (name, value) in &product.attributes.0 {
            document.add_text(self.attribute, attribute_key(name, value));
            match value {
                AttributeValue::Text(text) => {
                    let searched: String = text.chars().take(SEARCHED_ATTRIBUTE).collect();
                    document.add_pre_tokenized_text(self.attributes, stems.tokens(&searched));
                }
                AttributeValue::Boolean(true) => {
                    document.add_pre_tokenized_text(self.attributes, stems.tokens(name));
                }
                AttributeValue::Boolean(false) | AttributeValue::Number(_) => (),
            }
        }
        for word in vocabulary(product) {
            document.add_text(self.vocabulary, word);
        }
        document
    }
}

/// The words that questions are completed and corrected by.
fn vocabulary(product: &Indexed) -> BTreeSet<String> {
    let mut texts = vec![product.title.as_str()];
    texts.extend(product.brand.as_deref());
    texts.extend(product.tags.iter().map(String::as_str));
    texts.extend(product.category_path.iter().map(String::as_str));
    let found = texts.into_iter().flat_map(words).map(|word| word.text);
    found.filter(|word| word.chars().count() > 1).collect()
}

/// What a title names: the last words before it says what that is for, or comes with.
fn head(title: &str) -> &str {
    let ends = [" for ", " with ", " - ", ", ", " ("];
    let end = ends.iter().filter_map(|end| title.find(end)).min();
    let named = &title[..end.unwrap_or(title.len())];
    let starts = named.rmatch_indices(char::is_whitespace).map(|(start, _)| start);
    let start = starts.take(HEAD).last();
    match named.split_whitespace().count() > HEAD {
        true => named[start.unwrap_or(0)..].trim_start(),
        false => named,
    }
}

/// The kinds of things that the name of a category lists: `Drums and printer parts` are drums, and printer parts.
fn kinds(name: &str) -> impl Iterator<Item = &str> {
    let parts = name.split(" and ").flat_map(|part| part.split(['&', ',', '/']));
    parts.map(str::trim).filter(|part| !part.is_empty())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_numbers_are_one_value() {
        let key = |json: &str| attribute_key("n", &serde_json::from_str(json).unwrap());
        assert_eq!(key("8"), key("8.0"));
        assert_eq!(key("8e0"), "n\08");
        assert_ne!(key("8"), key("8.5"));
        assert_ne!(key("8"), key("\"8\""));
    }

    #[test]
    fn what_a_product_is_for_is_not_its_head() {
        assert_eq!(head("Printer toner cartridge for LaserJet"), "toner cartridge");
        assert_eq!(head("Headset"), "Headset");
        assert_eq!(
            kinds("Drums and printer parts").collect::<Vec<_>>(),
            ["Drums", "printer parts"]
        );
    }
}
