//! What is suggested while somebody types: prefixes of words, on PostgreSQL's own full text.

use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid};
use uuid::Uuid;

use super::products::{currency, price_range};
use super::select::Select;
use crate::domain::product::{ProductCategory, SuggestedProduct};

/// Active products that have all the words of `prefixes`, a query such as `'red':* & 'shi':*`, the best first.
pub(crate) fn products(
    connection: &mut PgConnection,
    prefixes: &str,
    limit: i64,
) -> QueryResult<Vec<SuggestedProduct>> {
    type Row = (Uuid, String, String, Option<String>, i64, i64, String, bool);
    let mut select = Select::<(SqlUuid, Text, Text, Nullable<Text>, BigInt, BigInt, Text, Bool)>::new(
        "SELECT product.id, product.handle, product.title, product.images -> 0 ->> 'url', product.price_min, \
         product.price_max, product.currency, EXISTS (SELECT FROM products.variants AS variant \
         WHERE variant.product_id = product.id AND variant.deleted_at IS NULL) \
         FROM products.products AS product, to_tsquery('pg_catalog.english', ",
    );
    select.bind(Bind::Text(prefixes.to_owned()));
    select.text(
        ") AS query WHERE product.deleted_at IS NULL AND product.status = 'active' AND product.search @@ query \
         ORDER BY ts_rank(product.search, query) DESC, product.released_on DESC, product.id LIMIT ",
    );
    select.bind(Bind::BigInt(limit));
    let rows: Vec<Row> = select.load(connection)?;
    let suggest = |(id, handle, title, image_url, min, max, code, has_variants): Row| {
        let currency = currency(&code)?;
        Ok(SuggestedProduct {
            id: id.into(),
            handle,
            title,
            image_url,
            price_range: price_range(min, max, currency, has_variants),
        })
    };
    rows.into_iter().map(suggest).collect()
}

/// Categories with a name that begins with `prefix`, which is in lower case, or has a word that does.
pub(crate) fn categories(connection: &mut PgConnection, prefix: &str, limit: i64) -> QueryResult<Vec<ProductCategory>> {
    let mut select = Select::<(SqlUuid, Text, Text, Array<Text>)>::new(
        "SELECT category.id, category.handle, category.name, category.path FROM products.categories AS category \
         WHERE strpos(' ' || lower(category.name), ' ' || ",
    );
    select.bind(Bind::Text(prefix.to_owned()));
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

/// Brands that begin with `prefix`, which is in lower case, those with most products first.
pub(crate) fn brands(connection: &mut PgConnection, prefix: &str, limit: i64) -> QueryResult<Vec<String>> {
    let mut select = Select::<Text>::new(
        "SELECT product.brand FROM products.products AS product WHERE product.deleted_at IS NULL \
         AND product.status = 'active' AND starts_with(lower(product.brand) COLLATE \"C\", ",
    );
    select.bind(Bind::Text(prefix.to_owned()));
    select
        .text(") GROUP BY product.brand ORDER BY count(*) DESC, product.brand LIMIT ")
        .bind(Bind::BigInt(limit));
    select.load(connection)
}
