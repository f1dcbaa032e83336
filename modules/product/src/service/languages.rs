//! How what visitors see is told in another language than the shop's own: what was found is gone over once, with one
//! statement for all products and one for all their categories. In the shop's own language nothing is asked.

use std::collections::HashMap;
use std::sync::Arc;

use database::Failure;
use diesel::{PgConnection, QueryResult};
use kernel::{FieldErrors, Locale};
use product_api::ProductError;
use serde_json::Value;
use uuid::Uuid;

use super::Service;
use super::cache::Facets;
use crate::domain::draft::CategoryReference;
use crate::domain::facet::FacetCounts;
use crate::domain::filter::Filter;
use crate::domain::product::{Product, ProductCategory, SuggestedProduct};
use crate::domain::translation::{
    CategoryNames, CategoryTranslation, CollectionTranslation, Language, ProductTranslation,
};
use crate::queries::{categories, translations};

impl Service {
    /// The language that is asked for by `locale=`, the shop's own where none is.
    pub(crate) fn language(&self, asked: Option<Locale>) -> Result<Language, ProductError> {
        let Some(locale) = asked else {
            return Ok(Language {
                locale: self.locales.base().clone(),
                fallbacks: Vec::new(),
            });
        };
        self.locales.check(&locale).map_err(|error| {
            let error = kernel::FieldError::from_message("locale", error);
            let mut errors = FieldErrors::new();
            errors.push(error);
            ProductError::InvalidQuery(errors)
        })?;
        Ok(Language {
            fallbacks: self.locales.fallbacks(&locale),
            locale,
        })
    }

    /// Products of a list in a language.
    pub(super) async fn tell_products(
        &self,
        mut products: Vec<Product>,
        language: &Language,
    ) -> Result<Vec<Product>, ProductError> {
        if language.is_base() || products.is_empty() {
            return Ok(products);
        }
        let fallbacks = language.fallbacks.clone();
        self.db
            .run(move |connection| {
                tell(connection, products.iter_mut(), &fallbacks)?;
                Ok::<_, Failure<ProductError>>(products)
            })
            .await
    }

    /// Facets in a language: labels of categories are translated, values stay what the filter takes.
    pub(super) async fn tell_facets(
        &self,
        facets: Option<Arc<Facets>>,
        language: &Language,
    ) -> Result<Option<Arc<Facets>>, ProductError> {
        let Some(counted) = facets else { return Ok(None) };
        if language.is_base() {
            return Ok(Some(counted));
        }
        let Some(FacetCounts::Values(values)) = counted.get("category") else {
            return Ok(Some(counted));
        };
        let handle = |value: &Value| Some(CategoryReference::Handle(value.as_str()?.to_owned()));
        let wanted: Vec<CategoryReference> = values.iter().filter_map(|counted| handle(&counted.value)).collect();
        let fallbacks = language.fallbacks.clone();
        let (ids, names) = self
            .db
            .run(move |connection| {
                let ids = categories::resolve(connection, wanted)?;
                let names: HashMap<Uuid, CategoryTranslation> =
                    translations::nearest(connection, ids.values().copied().collect(), &fallbacks)?;
                Ok::<_, Failure<ProductError>>((ids, names))
            })
            .await?;
        let mut told = Facets::clone(&counted);
        if let Some(FacetCounts::Values(values)) = told.get_mut("category") {
            for counted in values {
                let id = handle(&counted.value).and_then(|reference| ids.get(&reference).copied());
                let name = id.and_then(|id| names.get(&id)?.name.as_ref());
                counted.label = name.map(ToString::to_string).or(counted.label.take());
            }
        }
        Ok(Some(Arc::new(told)))
    }

    /// Lets a filter name categories and collections by the handles that they have in a language.
    pub(super) async fn understand(&self, filter: &mut Filter, language: &Language) -> Result<(), ProductError> {
        if language.is_base() || (filter.category_handles.is_empty() && filter.collection_handles.is_empty()) {
            return Ok(());
        }
        let (named, collected) = (filter.category_handles.clone(), filter.collection_handles.clone());
        let (named, collected) = self
            .db
            .run(move |connection| {
                let named = translations::owners_of_handles::<CategoryTranslation>(connection, named)?;
                let collected = translations::owners_of_handles::<CollectionTranslation>(connection, collected)?;
                Ok::<_, Failure<ProductError>>((named, collected))
            })
            .await?;
        let is_near = |locale: &Locale| language.fallbacks.contains(locale);
        let ids = |owners: Vec<(Uuid, Locale, String)>| {
            let near = owners.into_iter().filter(move |(_, locale, _)| is_near(locale));
            near.map(|(id, _, _)| id)
        };
        filter.category_ids.extend(ids(named));
        filter.collection_ids.extend(ids(collected));
        Ok(())
    }
}

/// Tells suggestions in the nearest of `fallbacks`.
pub(super) fn tell_suggested(
    connection: &mut PgConnection,
    products: &mut [SuggestedProduct],
    categories: &mut [ProductCategory],
    fallbacks: &[Locale],
) -> QueryResult<()> {
    let ids = products.iter().map(|product| product.id.uuid()).collect();
    let texts: HashMap<Uuid, ProductTranslation> = translations::nearest(connection, ids, fallbacks)?;
    for product in products {
        if let Some(said) = texts.get(&product.id.uuid()).cloned() {
            product.title = said.title.map_or(std::mem::take(&mut product.title), String::from);
            product.handle = said.handle.map_or(std::mem::take(&mut product.handle), String::from);
        }
    }
    let ids = categories.iter().map(|category| category.id.uuid()).collect();
    let names = translations::names_of_categories(connection, ids, fallbacks)?;
    categories.iter_mut().for_each(|category| rename(category, &names));
    Ok(())
}

/// Tells products in the nearest of `fallbacks`.
pub(super) fn tell<'a>(
    connection: &mut PgConnection,
    products: impl Iterator<Item = &'a mut Product>,
    fallbacks: &[Locale],
) -> QueryResult<()> {
    if fallbacks.is_empty() {
        return Ok(());
    }
    let mut products: Vec<&mut Product> = products.collect();
    let ids = products.iter().map(|product| product.id.uuid()).collect();
    let texts: HashMap<Uuid, ProductTranslation> = translations::nearest(connection, ids, fallbacks)?;
    let named = products.iter().filter_map(|product| product.category.as_ref());
    let mut ids: Vec<Uuid> = named.map(|category| category.id.uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let names = translations::names_of_categories(connection, ids, fallbacks)?;
    for product in &mut products {
        if let Some(said) = texts.get(&product.id.uuid()) {
            said.apply(product)
                .map_err(|error| diesel::result::Error::DeserializationError(Box::new(error)))?;
        }
        if let Some(category) = &mut product.category {
            rename(category, &names);
        }
    }
    Ok(())
}

fn rename(category: &mut ProductCategory, names: &HashMap<Uuid, CategoryNames>) {
    if let Some(said) = names.get(&category.id.uuid()) {
        said.apply(&mut category.handle, &mut category.name, &mut category.path);
    }
}
