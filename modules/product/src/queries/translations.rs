//! Translations, which the three kinds of resources have in tables of the same shape.

use std::collections::{BTreeMap, HashMap};

use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Json, Text, Uuid as SqlUuid};
use kernel::Locale;
use serde::Serialize;
use uuid::Uuid;

use super::select::{Select, Verbatim, read};
use crate::domain::SCHEMA;
use crate::domain::handle::Handle;
use crate::domain::translation::{
    CategoryNames, CategoryTranslation, CollectionTranslation, Handles, ProductTranslation, Translation, merged,
};

/// The statements of a kind of resources.
pub(crate) trait Translated: Translation {
    /// Begins every SELECT; the owner is what a translation is of.
    const ROWS: &'static str;
    const OWNER: &'static str;
    const OWNERS_OF_HANDLES: &'static str;
    /// The same for those whose pages anybody may see.
    const SHOWN_OWNERS_OF_HANDLES: &'static str;
    const UPSERT: &'static str;
    const DELETE: &'static str;
    const NOTE_HANDLES: &'static str;
}

macro_rules! translated {
    ($translation:ty, $table:literal, $translations:literal, $owner:literal, $shown:literal) => {
        impl Translated for $translation {
            const ROWS: &'static str = concat!(
                "SELECT translation.",
                $owner,
                ", translation.locale, translation.texts FROM products.",
                $translations,
                " AS translation WHERE "
            );
            const OWNER: &'static str = concat!("translation.", $owner);
            const OWNERS_OF_HANDLES: &'static str = concat!(
                "SELECT translation.",
                $owner,
                ", translation.locale, translation.handle FROM products.",
                $translations,
                " AS translation WHERE translation.handle = ANY("
            );
            const SHOWN_OWNERS_OF_HANDLES: &'static str = concat!(
                "SELECT owner.id, translation.locale, translation.handle FROM products.",
                $translations,
                " AS translation JOIN products.",
                $table,
                " AS owner ON owner.id = translation.",
                $owner,
                " WHERE ",
                $shown,
                " AND translation.handle = ANY("
            );
            const UPSERT: &'static str = concat!(
                "INSERT INTO @.",
                $translations,
                " (",
                $owner,
                ", locale, texts) SELECT row.owner, row.locale, row.texts FROM json_to_recordset(?::json) \
                 AS row (owner UUID, locale TEXT, texts JSON) ON CONFLICT (",
                $owner,
                ", locale) DO UPDATE SET texts = excluded.texts"
            );
            const DELETE: &'static str = concat!(
                "DELETE FROM @.",
                $translations,
                " AS translation USING unnest(?, ?) AS gone (owner, locale) WHERE translation.",
                $owner,
                " = gone.owner AND translation.locale = gone.locale"
            );
            const NOTE_HANDLES: &'static str = concat!(
                "UPDATE @.",
                $table,
                " AS owner SET translated_handles = (SELECT json_object_agg(translation.locale, translation.handle \
                 ORDER BY translation.locale) FROM @.",
                $translations,
                " AS translation WHERE translation.handle IS NOT NULL AND translation.",
                $owner,
                " = owner.id) WHERE owner.id = ANY(?)"
            );
        }
    };
}

translated!(
    ProductTranslation,
    "products",
    "product_translations",
    "product_id",
    "owner.deleted_at IS NULL AND owner.status = 'active'"
);
translated!(
    CategoryTranslation,
    "categories",
    "category_translations",
    "category_id",
    "true"
);
translated!(
    CollectionTranslation,
    "collections",
    "collection_translations",
    "collection_id",
    "owner.published"
);

type RowSql = (SqlUuid, Text, Json);

/// All translations of resources by their ids. Those without any are left out.
pub(crate) fn all<T: Translated>(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
) -> QueryResult<HashMap<Uuid, BTreeMap<Locale, T>>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Select::<RowSql>::new(T::ROWS);
    select.text(T::OWNER).text(" = ANY(").bind(Bind::Uuids(ids)).text(")");
    by_owner(select.load(connection)?)
}

/// What is said of resources in the nearest of `fallbacks`, field by field, by their ids: one statement for all. Those
/// that are not translated are left out.
pub(crate) fn nearest<T: Translated>(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    fallbacks: &[Locale],
) -> QueryResult<HashMap<Uuid, T>> {
    if ids.is_empty() || fallbacks.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Select::<RowSql>::new(T::ROWS);
    select.text(T::OWNER).text(" = ANY(").bind(Bind::Uuids(ids));
    select
        .text(") AND translation.locale = ANY(")
        .bind(tags(fallbacks))
        .text(")");
    let found = by_owner::<T>(select.load(connection)?)?;
    Ok(found
        .into_iter()
        .map(|(id, texts)| (id, merged(texts, fallbacks)))
        .collect())
}

/// The same for all categories there are.
pub(crate) fn nearest_of_tree(
    connection: &mut PgConnection,
    fallbacks: &[Locale],
) -> QueryResult<HashMap<Uuid, CategoryTranslation>> {
    let mut select = Select::<RowSql>::new(CategoryTranslation::ROWS);
    select.text("translation.locale = ANY(").bind(tags(fallbacks)).text(")");
    let found = by_owner::<CategoryTranslation>(select.load(connection)?)?;
    Ok(found
        .into_iter()
        .map(|(id, texts)| (id, merged(texts, fallbacks)))
        .collect())
}

/// Names of categories and of the ways that lead to them, by the categories' ids: one statement for all.
pub(crate) fn names_of_categories(
    connection: &mut PgConnection,
    ids: Vec<Uuid>,
    fallbacks: &[Locale],
) -> QueryResult<HashMap<Uuid, CategoryNames>> {
    if ids.is_empty() || fallbacks.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Select::<(SqlUuid, BigInt, Text, Json)>::new(
        "SELECT category.id, step.place, translation.locale, translation.texts FROM products.categories AS category \
         CROSS JOIN LATERAL unnest(category.ancestors) WITH ORDINALITY AS step (id, place) \
         JOIN products.category_translations AS translation ON translation.category_id = step.id \
         WHERE category.id = ANY(",
    );
    select.bind(Bind::Uuids(ids)).text(") AND translation.locale = ANY(");
    select.bind(tags(fallbacks)).text(")");
    let rows: Vec<(Uuid, i64, String, Verbatim)> = select.load(connection)?;
    let mut found: HashMap<(Uuid, i64), BTreeMap<Locale, CategoryTranslation>> = HashMap::new();
    for (id, place, tag, texts) in rows {
        let said = found.entry((id, place)).or_default();
        said.insert(locale(&tag)?, read(&texts)?);
    }
    let mut names: HashMap<Uuid, CategoryNames> = HashMap::new();
    for ((id, place), texts) in found {
        // Places are counted from one by the database.
        let place = usize::try_from(place - 1).unwrap_or_default();
        let steps = &mut names.entry(id).or_default().steps;
        steps.insert(place, merged(texts, fallbacks));
    }
    Ok(names)
}

/// Who has translated handles: `(id, locale, handle)`.
pub(crate) fn owners_of_handles<T: Translated>(
    connection: &mut PgConnection,
    handles: Vec<String>,
) -> QueryResult<Vec<(Uuid, Locale, String)>> {
    owners(connection, T::OWNERS_OF_HANDLES, handles)
}

/// The resource that has a handle in some language, among those that anybody may see: in one of `fallbacks` if there is one,
/// else in the first by its tag. One that is hidden keeps no other from being found.
pub(crate) fn shown_owner_of_handle<T: Translated>(
    connection: &mut PgConnection,
    handle: &str,
    fallbacks: &[Locale],
) -> QueryResult<Option<Uuid>> {
    let owners = owners(connection, T::SHOWN_OWNERS_OF_HANDLES, vec![handle.to_owned()])?;
    let near = |(_, locale, _): &&(Uuid, Locale, String)| {
        let place = fallbacks.iter().position(|near| near == locale);
        place.unwrap_or(fallbacks.len())
    };
    Ok(owners.iter().min_by_key(near).map(|(id, _, _)| *id))
}

/// Which of these handles are translated ones.
pub(crate) fn taken_handles<T: Translated>(
    connection: &mut PgConnection,
    handles: &[Handle],
) -> QueryResult<Vec<String>> {
    let handles = handles.iter().map(Handle::to_string).collect();
    let owners = owners_of_handles::<T>(connection, handles)?;
    Ok(owners.into_iter().map(|(_, _, handle)| handle).collect())
}

/// A change of translations: what is said of a resource in a language, or that nothing is any more.
pub(crate) type Change<'a, T> = (Uuid, &'a Locale, Option<&'a T>);

/// Writes translations, and notes the handles in them beside their owners. Whoever calls this has locked the owners, and
/// keeps writers of other handles out where a translation has one.
pub(crate) fn write<T: Translated>(connection: &mut PgConnection, changes: &[Change<'_, T>]) -> QueryResult<()> {
    #[derive(Serialize)]
    struct Row<'a, T> {
        owner: Uuid,
        locale: &'a Locale,
        texts: &'a T,
    }
    if changes.is_empty() {
        return Ok(());
    }
    let gone = || changes.iter().filter(|(_, _, texts)| texts.is_none());
    if gone().next().is_some() {
        let ids = gone().map(|(id, _, _)| *id).collect();
        let locales = gone().map(|(_, locale, _)| locale.to_string()).collect();
        Statement::new(SCHEMA, T::DELETE, [Bind::Uuids(ids), Bind::Texts(locales)]).execute(connection)?;
    }
    let rows: Vec<Row<'_, T>> = changes
        .iter()
        .filter_map(|(owner, locale, texts)| {
            Some(Row {
                owner: *owner,
                locale,
                texts: (*texts)?,
            })
        })
        .collect();
    if !rows.is_empty() {
        Statement::new(SCHEMA, T::UPSERT, [Bind::rows(&rows)?]).execute(connection)?;
    }
    let ids = changes.iter().map(|(id, _, _)| *id).collect();
    Statement::new(SCHEMA, T::NOTE_HANDLES, [Bind::Uuids(ids)])
        .execute(connection)
        .map(drop)
}

/// Forgets what is said of products in other languages.
pub(crate) fn delete_of_products(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.product_translations WHERE product_id = ANY(?)";
    Statement::new(SCHEMA, SQL, [Bind::Uuids(ids)])
        .execute(connection)
        .map(drop)
}

/// Translated handles as they are noted beside their owner.
pub(super) fn handles(noted: Option<&Verbatim>) -> QueryResult<Handles> {
    noted.map(read).transpose().map(Option::unwrap_or_default)
}

fn owners(
    connection: &mut PgConnection,
    sql: &'static str,
    handles: Vec<String>,
) -> QueryResult<Vec<(Uuid, Locale, String)>> {
    let mut select = Select::<(SqlUuid, Text, Text)>::new(sql);
    select.bind(Bind::Texts(handles)).text(") ORDER BY translation.locale");
    let rows: Vec<(Uuid, String, String)> = select.load(connection)?;
    rows.into_iter()
        .map(|(id, tag, handle)| Ok((id, locale(&tag)?, handle)))
        .collect()
}

fn by_owner<T: Translation>(rows: Vec<(Uuid, String, Verbatim)>) -> QueryResult<HashMap<Uuid, BTreeMap<Locale, T>>> {
    let mut found: HashMap<Uuid, BTreeMap<Locale, T>> = HashMap::new();
    for (id, tag, texts) in rows {
        found.entry(id).or_default().insert(locale(&tag)?, read(&texts)?);
    }
    Ok(found)
}

/// The language of a stored tag; our own CHECK and validation keep it sound.
pub(super) fn locale(tag: &str) -> QueryResult<Locale> {
    tag.parse()
        .map_err(|error: kernel::locale::LocaleError| Error::DeserializationError(Box::new(error)))
}

pub(super) fn tags(locales: &[Locale]) -> Bind {
    Bind::Texts(locales.iter().map(Locale::to_string).collect())
}
