//! What is written in other languages than the shop's own. What a translation does not say falls back, field by field: to
//! the language without its region, then to the resource itself.

mod apply;
mod names;

use std::collections::BTreeMap;

use kernel::id::{CategoryId, CollectionId, ProductId};
use kernel::{FieldErrors, Locale, Text};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::handle::Handle;
use super::listing::{Choice, Description, Name, Title};
use super::merchandising::NewSeo;

pub(crate) use apply::alternates;
pub(crate) use names::{CategoryNames, localise_categories};

const MAX_OPTIONS: usize = 3;
const MAX_OPTION_VALUES: usize = 100;
const MAX_VARIANTS: usize = 200;
const MAX_IMAGES: usize = 100;

/// What may be translated of a kind of resource.
pub(crate) trait Translation: Clone + Default + PartialEq + Serialize + DeserializeOwned {
    /// What this says, and what `next` says of everything else.
    fn or(self, next: Self) -> Self;

    /// The handle in this language, where it has one.
    fn handle(&self) -> Option<&Handle>;

    /// Checks what no single field can tell, and that something is said at all.
    fn check(&self) -> Result<(), FieldErrors> {
        match *self == Self::default() {
            true => Err(FieldErrors::one("", "required", "a translation says something")),
            false => Ok(()),
        }
    }
}

/// A product in another language. What is left out or `null` falls back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductTranslation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<Handle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Option<Title>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Option<Description>,
    #[serde(default, skip_serializing_if = "NewSeo::is_empty", deserialize_with = "or_default")]
    pub(crate) seo: NewSeo,
    /// By the names of the product's options, at most 3.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    #[schema(value_type = BTreeMap<String, OptionTranslation>)]
    pub(crate) options: BTreeMap<Choice, OptionTranslation>,
    /// Titles of variants by their titles, at most 200. A title that is made of values is made of their translations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) variants: BTreeMap<Title, Title>,
    /// What images show, by their addresses, at most 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) images: BTreeMap<Text<1, 2048>, Text<0, 500>>,
}

/// An option of a product in another language.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionTranslation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) name: Option<Choice>,
    /// By the option's values, at most 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub(crate) values: BTreeMap<Choice, Choice>,
}

/// A category in another language. What is left out or `null` falls back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryTranslation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<Handle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) name: Option<Name>,
}

/// A collection in another language. What is left out or `null` falls back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionTranslation {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handle: Option<Handle>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Option<Title>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Option<Description>,
    #[serde(default, skip_serializing_if = "NewSeo::is_empty", deserialize_with = "or_default")]
    pub(crate) seo: NewSeo,
}

/// All translations of a product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductTranslations {
    pub(crate) product_id: ProductId,
    /// By their languages.
    #[schema(value_type = BTreeMap<String, ProductTranslation>)]
    pub(crate) translations: BTreeMap<Locale, ProductTranslation>,
    /// Of the product, which is edited with them.
    pub(crate) version: i64,
}

/// All translations of a category.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryTranslations {
    pub(crate) category_id: CategoryId,
    /// By their languages.
    #[schema(value_type = BTreeMap<String, CategoryTranslation>)]
    pub(crate) translations: BTreeMap<Locale, CategoryTranslation>,
    /// Of the category, which is edited with them.
    pub(crate) version: i64,
}

/// All translations of a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionTranslations {
    pub(crate) collection_id: CollectionId,
    /// By their languages.
    #[schema(value_type = BTreeMap<String, CollectionTranslation>)]
    pub(crate) translations: BTreeMap<Locale, CollectionTranslation>,
    /// Of the collection, which is edited with them.
    pub(crate) version: i64,
}

/// The same page in one of the shop's languages.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Alternate {
    pub(crate) locale: Locale,
    pub(crate) handle: String,
}

impl CategoryTranslations {
    /// What the category is called in a language, as far as that is said in it.
    pub(crate) fn name(&self, locale: &Locale) -> Option<Name> {
        self.translations.get(locale)?.name.clone()
    }
}

/// What is said of a product in some languages; `None` takes back what was said.
pub(crate) type Said = BTreeMap<Locale, Option<ProductTranslation>>;

/// Translated handles by their languages.
pub(crate) type Handles = BTreeMap<Locale, String>;

/// In which language somebody is answered.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Language {
    pub(crate) locale: Locale,
    /// Where texts are looked for, the nearest first; nowhere in the shop's own language.
    pub(crate) fallbacks: Vec<Locale>,
}

impl Language {
    /// Whether resources are shown as they are.
    pub(crate) fn is_base(&self) -> bool {
        self.fallbacks.is_empty()
    }

    /// The language, where it is another one than the shop's own.
    pub(crate) fn further(&self) -> Option<Locale> {
        (!self.is_base()).then(|| self.locale.clone())
    }
}

/// What is said in the nearest of `fallbacks` that says it.
pub(crate) fn merged<T: Translation>(mut by_locale: BTreeMap<Locale, T>, fallbacks: &[Locale]) -> T {
    let near = fallbacks.iter().filter_map(|locale| by_locale.remove(locale));
    near.reduce(T::or).unwrap_or_default()
}

impl Translation for ProductTranslation {
    fn or(self, next: Self) -> Self {
        let mut options = next.options;
        for (name, own) in self.options {
            let before = options.remove(&name).unwrap_or_default();
            options.insert(name, own.or(before));
        }
        Self {
            handle: self.handle.or(next.handle),
            title: self.title.or(next.title),
            description: self.description.or(next.description),
            seo: self.seo.or(next.seo),
            options,
            variants: over(self.variants, next.variants),
            images: over(self.images, next.images),
        }
    }

    fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }

    fn check(&self) -> Result<(), FieldErrors> {
        if *self == Self::default() {
            return Err(FieldErrors::one("", "required", "a translation says something"));
        }
        let mut errors = FieldErrors::new();
        let mut check = |pointer: String, count: usize, most: usize| {
            if count > most {
                errors.add(pointer, "too_many", format!("at most {most}"));
            }
        };
        check("/options".to_owned(), self.options.len(), MAX_OPTIONS);
        check("/variants".to_owned(), self.variants.len(), MAX_VARIANTS);
        check("/images".to_owned(), self.images.len(), MAX_IMAGES);
        for (name, option) in &self.options {
            let name = name.replace('~', "~0").replace('/', "~1");
            check(
                format!("/options/{name}/values"),
                option.values.len(),
                MAX_OPTION_VALUES,
            );
        }
        errors.into_result()
    }
}

impl OptionTranslation {
    fn or(self, next: Self) -> Self {
        Self {
            name: self.name.or(next.name),
            values: over(self.values, next.values),
        }
    }
}

impl Translation for CategoryTranslation {
    fn or(self, next: Self) -> Self {
        Self {
            handle: self.handle.or(next.handle),
            name: self.name.or(next.name),
        }
    }

    fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }
}

impl Translation for CollectionTranslation {
    fn or(self, next: Self) -> Self {
        Self {
            handle: self.handle.or(next.handle),
            title: self.title.or(next.title),
            description: self.description.or(next.description),
            seo: self.seo.or(next.seo),
        }
    }

    fn handle(&self) -> Option<&Handle> {
        self.handle.as_ref()
    }
}

fn over<K: Ord, V>(own: BTreeMap<K, V>, mut next: BTreeMap<K, V>) -> BTreeMap<K, V> {
    next.extend(own);
    next
}

/// `null` is the same as nothing.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests;
