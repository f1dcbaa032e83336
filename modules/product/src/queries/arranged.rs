//! Products by what merchants have arranged: at a time, of a type, in an order, with these variants.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use database::Bind;
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use uuid::Uuid;

use super::products::{COLUMNS, ProductRow, ProductSql, TABLES, assemble};
use super::select::Select;
use crate::domain::plan::Stored;
use crate::domain::product::{Product, View};

/// The next products whose time to be published or taken back has come at `now`, those that wait longest first; none of
/// `passed`.
///
/// Nobody knows when the times are that are asked for, nor how few are due of all that have one. In this order and with a
/// limit that is a number the database goes through the index of times, and not through all products.
pub(crate) fn due(connection: &mut PgConnection, now: DateTime<Utc>, passed: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new(
        "(SELECT product.id FROM products.products AS product WHERE product.deleted_at IS NULL \
         AND product.status = 'draft' AND product.publish_at <= ",
    );
    select.bind(Bind::Time(now)).text(" AND product.id <> ALL(");
    select.bind(Bind::Uuids(passed.to_vec())).text(
        ") ORDER BY product.publish_at LIMIT 125) \
         UNION ALL \
         (SELECT product.id FROM products.products AS product WHERE product.deleted_at IS NULL \
         AND product.status = 'active' AND product.unpublish_at <= ",
    );
    select.bind(Bind::Time(now)).text(" AND product.id <> ALL(");
    select
        .bind(Bind::Uuids(passed.to_vec()))
        .text(") ORDER BY product.unpublish_at LIMIT 125)");
    select.load(connection)
}

/// The next products of a type in the order of their ids, without their variants.
pub(crate) fn next_of_type(
    connection: &mut PgConnection,
    product_type: Uuid,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<Stored>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.product_type_id = ")
        .bind(Bind::Uuid(product_type))
        .text(" AND product.id > ")
        .bind(Bind::Uuid(after));
    select.text(" ORDER BY product.id LIMIT ").bind(Bind::BigInt(limit));
    let rows = select.load::<ProductRow>(connection)?;
    let without_variants = |row: ProductRow| row.into_stored(Vec::new(), &HashMap::new());
    rows.into_iter().map(without_variants).collect()
}

/// The active ones of these products as `view` shows them, in the order of `ids`.
pub(crate) fn active_in_order(connection: &mut PgConnection, ids: Vec<Uuid>, view: View) -> QueryResult<Vec<Product>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.status = 'active' AND product.id = ANY(")
        .bind(Bind::Uuids(ids.clone()))
        .text(")");
    let rows = select.load::<ProductRow>(connection)?;
    let products = assemble(connection, rows, view)?;
    let mut by_id: HashMap<Uuid, Product> = products
        .into_iter()
        .map(|product| (product.product.id.uuid(), product.product))
        .collect();
    Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
}

/// The products that variants belong to, each once.
pub(crate) fn products_of(connection: &mut PgConnection, variants: Vec<Uuid>) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new(
        "SELECT DISTINCT variant.product_id FROM products.variants AS variant \
         WHERE variant.deleted_at IS NULL AND variant.id = ANY(",
    );
    select.bind(Bind::Uuids(variants)).text(")");
    select.load(connection)
}
