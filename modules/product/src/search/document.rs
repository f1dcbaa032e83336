//! What the index knows of a product.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate};
use kernel::Locale;
use serde::Serialize;
use tantivy::schema::{
    Field, INDEXED, IndexRecordOption, NumericOptions, SchemaBuilder, TextFieldIndexing, TextOptions,
};
use tantivy::{TantivyDocument, Term};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::keys::{attribute_key, id_key, number_key};
use super::text::{Stems, Word, fold, words};
use crate::domain::attributes::{AttributeValue, Attributes};
use crate::domain::product::Status;

/// The longest text of one attribute that is searched, in characters: what data sheets tell beyond drowns the rest.
const SEARCHED_ATTRIBUTE: usize = 500;

/// A product as it is indexed.
#[derive(Debug, Serialize)]
pub(crate) struct Indexed {
    pub(crate) id: Uuid,
    pub(crate) external_id: Option<String>,
    pub(crate) told: Told,
    /// What is told in further languages, as far as something is translated.
    pub(crate) translations: BTreeMap<Locale, Told>,
    pub(crate) brand: Option<String>,
    pub(crate) status: Status,
    pub(crate) tags: Vec<String>,
    /// SKUs and barcodes, in lower case.
    pub(crate) codes: Vec<String>,
    pub(crate) attributes: Attributes,
    pub(crate) released_on: NaiveDate,
    pub(crate) price_min: i64,
    pub(crate) price_max: i64,
    /// The lowest and the highest price in further currencies, by their codes.
    pub(crate) further_prices: BTreeMap<String, (i64, i64)>,
    /// From the root to the category; empty where there is none.
    pub(crate) categories: Vec<Uuid>,
    /// Of every kind, published or not, in the order of their ids.
    pub(crate) collections: Vec<Uuid>,
    /// Whether something of it can be bought.
    pub(crate) in_stock: bool,
}

/// What is told of a product in a language.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Told {
    pub(crate) title: String,
    pub(crate) description: String,
    /// Names from the root to the category.
    pub(crate) category_path: Vec<String>,
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
    /// The stems of all texts and codes.
    pub(super) words: Field,
    /// Codes, whole.
    pub(super) code: Field,
    /// Words as people write them, for beginnings and slips; no codes.
    pub(super) vocabulary: Field,
    pub(super) status: Field,
    pub(super) brand_name: Field,
    /// Brands by how they begin: folded, a NUL, and as they are written.
    pub(super) brand_start: Field,
    pub(super) tag_name: Field,
    pub(super) category_id: Field,
    pub(super) collection_id: Field,
    pub(super) attribute: Field,
    /// Attributes that are numbers, by [`number_key`].
    pub(super) number: Field,
    /// `true` or `false`.
    pub(super) in_stock: Field,
    pub(super) price_min: Field,
    pub(super) price_max: Field,
    pub(super) released: Field,
    /// Of everything that the document was made of.
    digest: Field,
    pub(super) title_order: Field,
}

/// Names of fields that are read as columns.
pub(super) mod column {
    pub(in crate::search) const ID_HIGH: &str = "id_high";
    pub(in crate::search) const ID_LOW: &str = "id_low";
    pub(in crate::search) const RELEASED: &str = "released";
    pub(in crate::search) const DIGEST: &str = "digest";
}

impl Fields {
    /// Adds the fields that every index has.
    pub(super) fn add_to(builder: &mut SchemaBuilder) -> Self {
        let (text, bag, set) = texts();
        // What facets count.
        let counted = set.clone().set_fast("raw");
        let number = NumericOptions::default().set_fast();
        Self {
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
            kind: builder.add_text_field("kind", set.clone()),
            words: builder.add_text_field("words", set.clone()),
            code: builder.add_text_field("code", set.clone()),
            vocabulary: builder.add_text_field("vocabulary", set.clone()),
            status: builder.add_text_field("status", set.clone()),
            brand_name: builder.add_text_field("brand_name", counted.clone()),
            brand_start: builder.add_text_field("brand_start", set.clone()),
            tag_name: builder.add_text_field("tag_name", set.clone()),
            category_id: builder.add_text_field("category_id", counted.clone()),
            collection_id: builder.add_text_field("collection_id", set.clone()),
            attribute: builder.add_text_field("attribute", counted.clone()),
            number: builder.add_text_field("number", counted),
            in_stock: builder.add_text_field("in_stock", set),
            price_min: builder.add_i64_field("price_min", number.clone()),
            price_max: builder.add_i64_field("price_max", number.clone()),
            released: builder.add_i64_field(column::RELEASED, number.clone()),
            digest: builder.add_u64_field(column::DIGEST, number),
            title_order: builder.add_text_field("title_order", TextOptions::default().set_fast("raw")),
        }
    }

    /// Adds the texts of a further language, by its tag; everything else is the same in all.
    pub(super) fn add_language_to(&self, builder: &mut SchemaBuilder, tag: &str) -> Self {
        let (text, bag, set) = texts();
        let name = |field: &str| format!("{field}_{tag}");
        Self {
            title: builder.add_text_field(&name("title"), text),
            category: builder.add_text_field(&name("category"), bag.clone()),
            description: builder.add_text_field(&name("description"), bag),
            kind: builder.add_text_field(&name("kind"), set.clone()),
            words: builder.add_text_field(&name("words"), set.clone()),
            vocabulary: builder.add_text_field(&name("vocabulary"), set),
            title_order: builder.add_text_field(&name("title_order"), TextOptions::default().set_fast("raw")),
            ..*self
        }
    }

    /// Adds the lowest and the highest price in a further currency, by its code. What is not sold in it has neither.
    pub(super) fn add_prices_to(builder: &mut SchemaBuilder, currency: &str) -> (Field, Field) {
        let number = NumericOptions::default().set_fast();
        (
            builder.add_i64_field(&format!("price_min_{currency}"), number.clone()),
            builder.add_i64_field(&format!("price_max_{currency}"), number),
        )
    }

    /// The term that finds a product by its id.
    pub(super) fn id_term(&self, id: Uuid) -> Term {
        Term::from_field_bytes(self.id, id.as_bytes())
    }

    /// The document of a product, with what it is told as in the shop's own language.
    pub(super) fn document(&self, product: &Indexed, stems: &mut Stems) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        let mut texts = Texts::new(&mut document, stems);
        for (field, text) in self.shared_texts(product) {
            texts.add(field, &text);
        }
        for code in product.all_codes() {
            texts.add_code(self.codes, code);
        }
        self.add_told(texts, &product.told);
        self.add_facts(&mut document, product);
        document
    }

    /// Adds to a document what a product is told as in the language of these fields. The words of what is the same in all
    /// languages are found by the stems that they have in this one and in the shop's own, `shared`.
    pub(super) fn add_translation(
        &self,
        document: &mut TantivyDocument,
        product: &Indexed,
        told: &Told,
        stems: &mut Stems,
        shared: &mut Stems,
    ) {
        let mut texts = Texts::new(document, stems);
        for (_, text) in self.shared_texts(product) {
            texts.know(&text, shared);
        }
        for code in product.all_codes() {
            texts.know_code(code, shared);
        }
        self.add_told(texts, told);
    }

    /// Texts that are the same in all languages.
    fn shared_texts<'a>(&self, product: &'a Indexed) -> Vec<(Field, Cow<'a, str>)> {
        let brand = product.brand.iter().map(|brand| (self.brand, brand.into()));
        let tags = product.tags.iter().map(|tag| (self.tags, tag.into()));
        let attributes = product.attributes.0.iter().filter_map(|(name, value)| {
            let text: Cow<'a, str> = match value {
                AttributeValue::Text(text) => text.chars().take(SEARCHED_ATTRIBUTE).collect::<String>().into(),
                AttributeValue::Boolean(true) => name.into(),
                AttributeValue::Boolean(false) | AttributeValue::Number(_) => return None,
            };
            Some((self.attributes, text))
        });
        brand.chain(tags).chain(attributes).collect()
    }

    /// Adds what is told in a language, and all words that have been gathered with it.
    fn add_told(&self, mut texts: Texts<'_>, told: &Told) {
        texts.add(self.title, &told.title);
        texts.add(self.description, &told.description);
        for name in &told.category_path {
            texts.add(self.category, name);
        }
        let Texts {
            document,
            reader,
            stems,
            vocabulary,
        } = texts;
        if let Some(name) = told.category_path.last() {
            document.add_text(self.kind, reader.name(name).join(" "));
        }
        for stem in stems {
            document.add_text(self.words, stem);
        }
        for word in vocabulary {
            document.add_text(self.vocabulary, word);
        }
        document.add_text(self.title_order, told.title.to_lowercase());
    }

    /// What filters, facets and orders go by.
    fn add_facts(&self, document: &mut TantivyDocument, product: &Indexed) {
        let (high, low) = product.id.as_u64_pair();
        document.add_bytes(self.id, product.id.as_bytes());
        document.add_u64(self.id_high, high);
        document.add_u64(self.id_low, low);
        document.add_u64(self.digest, product.digest());
        document.add_text(self.status, product.status.name());
        document.add_text(self.in_stock, product.in_stock.to_string());
        document.add_i64(self.price_min, product.price_min);
        document.add_i64(self.price_max, product.price_max);
        document.add_i64(self.released, i64::from(product.released_on.num_days_from_ce()));
        if let Some(brand) = &product.brand {
            document.add_text(self.brand_name, brand);
            document.add_text(self.brand_start, [fold(brand).as_str(), "\0", brand].concat());
        }
        for tag in &product.tags {
            document.add_text(self.tag_name, tag);
        }
        for code in product.all_codes() {
            document.add_text(self.code, fold(code));
        }
        for id in &product.categories {
            document.add_text(self.category_id, id_key(*id));
        }
        for id in &product.collections {
            document.add_text(self.collection_id, id_key(*id));
        }
        for (name, value) in &product.attributes.0 {
            document.add_text(self.attribute, attribute_key(name, value));
            if let AttributeValue::Number(number) = value
                && let Some(number) = number.as_f64()
            {
                document.add_text(self.number, number_key(name, number));
            }
        }
    }
}

impl Indexed {
    /// The same for products that have the same document.
    pub(super) fn digest(&self) -> u64 {
        // Texts and numbers are always JSON.
        xxh3_64(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Everything that names it and is no word.
    fn all_codes(&self) -> impl Iterator<Item = &String> {
        self.codes.iter().chain(&self.external_id)
    }
}

/// How texts are indexed whose words stand in a row, whose words are counted, and of which each is one word.
fn texts() -> (TextOptions, TextOptions, TextOptions) {
    let indexing = |option| {
        TextFieldIndexing::default()
            .set_tokenizer("raw")
            .set_index_option(option)
    };
    let options = |indexing| TextOptions::default().set_indexing_options(indexing);
    (
        options(indexing(IndexRecordOption::WithFreqsAndPositions)),
        options(indexing(IndexRecordOption::WithFreqs)),
        options(indexing(IndexRecordOption::Basic).set_fieldnorms(false)),
    )
}

/// The texts of a product on their way into a document, and the words of all of them.
struct Texts<'a> {
    document: &'a mut TantivyDocument,
    reader: &'a mut Stems,
    stems: BTreeSet<String>,
    /// The words that questions are completed and corrected by.
    vocabulary: BTreeSet<String>,
}

impl<'a> Texts<'a> {
    fn new(document: &'a mut TantivyDocument, reader: &'a mut Stems) -> Self {
        Self {
            document,
            reader,
            stems: BTreeSet::new(),
            vocabulary: BTreeSet::new(),
        }
    }

    fn add(&mut self, field: Field, text: &str) {
        let words = words(text);
        self.index(field, &words);
        self.learn(words);
    }

    /// Adds what is found but is no word: a question that names a code means no other one that looks like it.
    fn add_code(&mut self, field: Field, code: &str) {
        self.index(field, &words(code));
    }

    /// Knows the words of a text that is indexed already, by the stems of `other`.
    fn know(&mut self, text: &str, other: &mut Stems) {
        self.know_code(text, other);
        self.learn(words(text));
    }

    /// The same for a code.
    fn know_code(&mut self, code: &str, other: &mut Stems) {
        for word in words(code) {
            self.stems.insert(self.reader.of(&word.text));
            self.stems.insert(other.of(&word.text));
        }
    }

    fn learn(&mut self, words: Vec<Word>) {
        let words = words.into_iter().map(|word| word.text);
        self.vocabulary.extend(words.filter(|word| word.chars().count() > 1));
    }

    fn index(&mut self, field: Field, words: &[Word]) {
        let tokens = self.reader.tokens(words);
        self.stems.extend(tokens.tokens.iter().map(|token| token.text.clone()));
        self.document.add_pre_tokenized_text(field, tokens);
    }
}

#[cfg(test)]
mod tests {
    use tantivy::schema::{Schema, Value};

    use super::*;

    #[test]
    fn the_words_of_all_texts_are_known_but_no_codes_are_taken_for_words() {
        let product = Indexed {
            id: Uuid::nil(),
            external_id: None,
            told: Told {
                title: "Red shoes".to_owned(),
                description: "For running".to_owned(),
                category_path: vec!["Footwear".to_owned()],
            },
            translations: BTreeMap::new(),
            brand: None,
            status: Status::Active,
            tags: vec!["summer".to_owned()],
            codes: vec!["abc".to_owned()],
            attributes: serde_json::from_str(r#"{"sole": "rubber", "vegan": true, "washable": false}"#).unwrap(),
            released_on: NaiveDate::default(),
            price_min: 0,
            price_max: 0,
            further_prices: BTreeMap::new(),
            categories: Vec::new(),
            collections: Vec::new(),
            in_stock: true,
        };
        let fields = Fields::add_to(&mut Schema::builder());
        let document = fields.document(&product, &mut Stems::of_language(&"en".parse().unwrap()));
        let texts = |field: Field| -> Vec<String> {
            let values = document.get_all(field);
            values.filter_map(|value| Some(value.as_str()?.to_owned())).collect()
        };
        let words = [
            "footwear", "for", "red", "rubber", "running", "shoes", "summer", "vegan",
        ];
        assert_eq!(texts(fields.vocabulary), words);
        let stems = [
            "abc", "footwear", "for", "red", "rubber", "run", "shoe", "summer", "vegan",
        ];
        assert_eq!(texts(fields.words), stems);
    }
}
