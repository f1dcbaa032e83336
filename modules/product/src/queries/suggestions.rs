//! What is suggested while somebody types.

use std::collections::HashMap;

use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use kernel::Locale;
use uuid::Uuid;

use super::products::{currency, price_range};
use super::select::Select;
use super::translations;
use crate::domain::product::{ProductCategory, SuggestedProduct};

/// Active products by their ids, in that order. Those that are gone are left out.
pub(crate) fn products(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<Vec<SuggestedProduct>> {
    type Row = (Uuid, String, String, Option<String>, i64, i64, String, bool);
    let mut select = Select::<(SqlUuid, Text, Text, Nullable<Text>, BigInt, BigInt, Text, Bool)>::new(
        "SELECT product.id, product.handle, product.title, product.images -> 0 ->> 'url', product.price_min, \
         product.price_max, product.currency, EXISTS (SELECT FROM products.variants AS variant \
         WHERE variant.product_id = product.id AND variant.deleted_at IS NULL) \
         FROM products.products AS product WHERE product.deleted_at IS NULL AND product.status = 'active' \
         AND product.id = ANY(",
    );
    select.bind(Bind::Uuids(ids.clone())).text(")");
    let rows: Vec<Row> = select.load(connection)?;
    let suggest = |(id, handle, title, image_url, min, max, code, has_variants): Row| {
        let currency = currency(&code)?;
        let product = SuggestedProduct {
            id: id.into(),
            handle,
            title,
            image_url,
            price_range: price_range(min, max, currency, has_variants),
        };
        Ok((id, product))
    };
    let mut found: HashMap<Uuid, SuggestedProduct> = rows.into_iter().map(suggest).collect::<QueryResult<_>>()?;
    Ok(ids.into_iter().filter_map(|id| found.remove(&id)).collect())
}

/// Categories with a name in the nearest of `fallbacks` that begins with `prefix`, which is in lower case, or has a word that
/// does. They are told in the shop's own language.
pub(crate) fn categories(
    connection: &mut PgConnection,
    prefix: &str,
    fallbacks: &[Locale],
    limit: i64,
) -> QueryResult<Vec<ProductCategory>> {
    let mut select = Select::<(SqlUuid, Text, Text, Array<Text>)>::new(
        "SELECT category.id, category.handle, category.name, category.path FROM products.categories AS category \
         WHERE strpos(' ' || lower(",
    );
    match fallbacks {
        [] => select.text("category.name"),
        near => select
            .text(
                "coalesce((SELECT said.texts ->> 'name' FROM products.category_translations AS said \
                WHERE said.category_id = category.id AND said.texts ->> 'name' IS NOT NULL AND said.locale = ANY(",
            )
            .bind(translations::tags(near))
            .text(") ORDER BY array_position(")
            .bind(translations::tags(near))
            .text(", said.locale) LIMIT 1), category.name)"),
    };
    select.text("), ' ' || ").bind(Bind::Text(prefix.to_owned()));
    select.text(") > 0 ORDER BY cardinality(category.path), category.name, category.id LIMIT ");
    select.bind(Bind::BigInt(limit));
    let rows: Vec<(Uuid, String, String, Vec<String>)> = select.load(connection)?;
    let category = |(id, handle, name, path): (Uuid, String, String, Vec<String>)| ProductCategory {
        id: id.into(),
        handle,
        name,
        path,
    };
    Ok(rows.into_iter().map(category).collect())
}
