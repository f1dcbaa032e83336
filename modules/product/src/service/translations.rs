//! What staff say in other languages. A translation is edited as a part of what it translates: its version is that one's.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use database::{Failure, refuse};
use diesel::{PgConnection, QueryResult};
use kernel::http::IfMatch;
use kernel::id::{CategoryId, CollectionId, ProductId};
use kernel::{FieldErrors, Locale};
use product_api::ProductError;
use uuid::Uuid;

use super::{Service, categories, collections, editing, refuse_duplicates};
use crate::domain::plan::{Outcome, Plan};
use crate::domain::translation::{
    CategoryTranslation, CategoryTranslations, CollectionTranslation, CollectionTranslations, ProductTranslation,
    ProductTranslations, Said, Translation,
};
use crate::queries::categories::{hold_tree, lock_tree, products_below};
use crate::queries::translations::{self, Translated};
use crate::queries::writing;

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// All translations of a product.
    pub(crate) async fn find_product_translations(&self, id: ProductId) -> Result<ProductTranslations, ProductError> {
        let today = self.clock.now();
        self.db
            .run(move |connection| {
                let version = editing::read(connection, id.uuid(), today)?.version;
                of_product(connection, id, version)
            })
            .await
    }

    /// Says what a product is called in a language; `None` takes that back.
    pub(crate) async fn translate_product(
        &self,
        id: ProductId,
        locale: Locale,
        texts: Option<ProductTranslation>,
        condition: IfMatch,
    ) -> Result<ProductTranslations, ProductError> {
        self.check_translation(&locale, texts.as_ref())?;
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            match has_handle(texts.as_ref()) {
                true => lock_tree(connection)?,
                false => hold_tree(connection)?,
            }
            let stored = editing::lock(connection, id.uuid(), &condition)?;
            write(connection, id.uuid(), &locale, texts.as_ref())?;
            writing::raise_version(connection, id.uuid(), now)?;
            editing::publish(connection, &[id.uuid()], now)?;
            of_product(connection, id, stored.version + 1)
        };
        let changed = self.db.transaction(work).await?;
        self.show(vec![id.uuid()]).await;
        Ok(changed)
    }

    /// All translations of a category.
    pub(crate) async fn find_category_translations(
        &self,
        id: CategoryId,
    ) -> Result<CategoryTranslations, ProductError> {
        self.db
            .run(move |connection| {
                let version = categories::find(connection, id, &IfMatch::default())?.category.version;
                of_category(connection, id, version)
            })
            .await
    }

    /// Says what a category is called in a language; `None` takes that back.
    pub(crate) async fn translate_category(
        &self,
        id: CategoryId,
        locale: Locale,
        texts: Option<CategoryTranslation>,
        condition: IfMatch,
    ) -> Result<CategoryTranslations, ProductError> {
        self.check_translation(&locale, texts.as_ref())?;
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            lock_tree(connection)?;
            let before = categories::find(connection, id, &condition)?.category;
            let name_before = of_category(connection, id, before.version)?.name(&locale);
            write(connection, id.uuid(), &locale, texts.as_ref())?;
            crate::queries::categories::update(connection, &before, now)?;
            let changed = of_category(connection, id, before.version + 1)?;
            let mut renamed = Vec::new();
            if changed.name(&locale) != name_before {
                // Products are found by the names of their categories.
                renamed = products_below(connection, id.uuid())?;
                editing::publish(connection, &renamed, now)?;
            }
            categories::publish_category(connection, id, now)?;
            Ok((changed, renamed))
        };
        let (changed, renamed) = self.db.transaction(work).await?;
        self.show(renamed).await;
        Ok(changed)
    }

    /// All translations of a collection.
    pub(crate) async fn find_collection_translations(
        &self,
        id: CollectionId,
    ) -> Result<CollectionTranslations, ProductError> {
        self.db
            .run(move |connection| {
                let version = collections::find(connection, id, &IfMatch::default())?.version;
                of_collection(connection, id, version)
            })
            .await
    }

    /// Says what a collection is called in a language; `None` takes that back.
    pub(crate) async fn translate_collection(
        &self,
        id: CollectionId,
        locale: Locale,
        texts: Option<CollectionTranslation>,
        condition: IfMatch,
    ) -> Result<CollectionTranslations, ProductError> {
        self.check_translation(&locale, texts.as_ref())?;
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            crate::queries::collections::lock(connection)?;
            let before = collections::find(connection, id, &condition)?;
            write(connection, id.uuid(), &locale, texts.as_ref())?;
            crate::queries::collections::raise_version(connection, id.uuid(), now)?;
            collections::publish(connection, &[id.uuid()], now)?;
            of_collection(connection, id, before.version + 1)
        };
        let changed = self.db.transaction(work).await?;
        self.outdate();
        Ok(changed)
    }

    /// Refuses what cannot be said: in a language that the shop does not speak, or in its own. What is there already may
    /// be taken back in any language.
    fn check_translation(&self, locale: &Locale, texts: Option<&impl Translation>) -> Result<(), ProductError> {
        let Some(texts) = texts else { return Ok(()) };
        check_locale(&self.locales, locale)
            .map_err(|(code, detail)| ProductError::Invalid(FieldErrors::one("locale", code, detail)))?;
        texts.check().map_err(ProductError::Invalid)
    }
}

/// Whether the shop translates into a language; else the code and the detail of the refusal.
pub(super) fn check_locale(locales: &kernel::Locales, locale: &Locale) -> Result<(), (&'static str, String)> {
    if locale == locales.base() {
        let detail = format!("what is said in {locale}, the shop's own language, stands in the resource itself");
        return Err(("base_locale", detail));
    }
    locales.check(locale).map_err(|error| {
        let told = error.to_string();
        let detail = told.split_once(": ").map_or(told.as_str(), |(_, detail)| detail);
        ("unknown_locale", detail.to_owned())
    })
}

/// Checks what is said of a product in some languages, as a part of something that has it under `translations`.
pub(super) fn check_said(locales: &kernel::Locales, said: &Said) -> Result<(), FieldErrors> {
    let mut errors = FieldErrors::new();
    for (locale, texts) in said {
        let pointer = format!("/translations/{locale}");
        if let Err((code, detail)) = check_locale(locales, locale) {
            errors.add(&pointer, code, detail);
        }
        if let Some(Err(found)) = texts.as_ref().map(Translation::check) {
            for error in found.as_slice() {
                errors.add(format!("{pointer}{}", error.pointer), &error.code, &error.detail);
            }
        }
    }
    errors.into_result()
}

/// Whether a handle is among what is said: whoever writes that keeps writers of other handles out.
pub(super) fn has_handles(said: &Said) -> bool {
    said.values().any(|texts| has_handle(texts.as_ref()))
}

/// Writes what is said of the products of a plan that has been written, in the order of its outcomes, where it is not said
/// already. A product of which nothing else has changed has changed by that. Answers
/// the products whose version was raised for it.
pub(super) fn follow(
    connection: &mut PgConnection,
    plan: &mut Plan,
    said: &[&Said],
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let wanted = || {
        let all = plan.outcomes.iter().zip(said);
        all.filter(|(_, said)| !said.is_empty())
            .map(|((id, _), said)| (*id, *said))
    };
    if wanted().next().is_none() {
        return Ok(Vec::new());
    }
    let before = translations::all::<ProductTranslation>(connection, wanted().map(|(id, _)| id).collect())?;
    let mut changes = Vec::new();
    for (id, said) in wanted() {
        for (locale, texts) in said {
            let known = before.get(&id).and_then(|known| known.get(locale));
            if known != texts.as_ref() {
                changes.push((id, locale, texts.as_ref()));
            }
        }
    }
    translations::write(connection, &changes)?;
    let changed: HashSet<Uuid> = changes.iter().map(|(id, _, _)| *id).collect();
    let written = plan.insert_products.iter().chain(&plan.update_products);
    let written: HashSet<Uuid> = written.map(|(id, _)| *id).collect();
    let by_this_alone: Vec<Uuid> = changed.difference(&written).copied().collect();
    for (id, outcome) in &mut plan.outcomes {
        if changed.contains(id) && *outcome == Outcome::Unchanged {
            *outcome = Outcome::Updated;
        }
    }
    writing::raise_versions(connection, by_this_alone.clone(), now)?;
    Ok(by_this_alone)
}

fn has_handle(texts: Option<&impl Translation>) -> bool {
    texts.is_some_and(|texts| texts.handle().is_some())
}

fn write<T: Translated>(connection: &mut PgConnection, owner: Uuid, locale: &Locale, texts: Option<&T>) -> Work<()> {
    if texts.is_none() {
        let there = translations::all::<T>(connection, vec![owner])?;
        if !there.get(&owner).is_some_and(|said| said.contains_key(locale)) {
            return refuse(ProductError::NotFound("translation".to_owned()));
        }
    }
    translations::write(connection, &[(owner, locale, texts)]).map_err(refuse_duplicates)
}

fn of_product(connection: &mut PgConnection, id: ProductId, version: i64) -> Work<ProductTranslations> {
    let said = translations::all(connection, vec![id.uuid()])?.remove(&id.uuid());
    Ok(ProductTranslations {
        product_id: id,
        translations: said.unwrap_or_default(),
        version,
    })
}

fn of_category(connection: &mut PgConnection, id: CategoryId, version: i64) -> Work<CategoryTranslations> {
    let said = translations::all(connection, vec![id.uuid()])?.remove(&id.uuid());
    Ok(CategoryTranslations {
        category_id: id,
        translations: said.unwrap_or_default(),
        version,
    })
}

fn of_collection(connection: &mut PgConnection, id: CollectionId, version: i64) -> Work<CollectionTranslations> {
    let said = translations::all(connection, vec![id.uuid()])?.remove(&id.uuid());
    Ok(CollectionTranslations {
        collection_id: id,
        translations: said.unwrap_or_default(),
        version,
    })
}
