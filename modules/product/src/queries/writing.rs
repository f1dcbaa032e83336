//! Writing products: one statement per table, whether one product changes or a thousand do.
//!
//! Rows travel as one JSON text, which PostgreSQL spreads into a table. Unlike arrays, that takes rows with lists in
//! them, and keeps attributes exactly as they were written.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use serde::Serialize;
use uuid::Uuid;

use super::offers::Ranges;
use super::{bundles, media, membership, offers, stock, translations};
use crate::domain::SCHEMA;
use crate::domain::attributes::Attributes;
use crate::domain::further_price::FurtherPrice;
use crate::domain::image::{Image, ShownImage};
use crate::domain::listing::{Listing, ProductOption};
use crate::domain::plan::{Plan, VariantRow};

/// Who changes something, and when.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    /// For the ledger of stock: a user's id, or `import`.
    pub(crate) actor: String,
    pub(crate) now: DateTime<Utc>,
}

/// The paths of categories by their ids.
pub(crate) type Paths = HashMap<Uuid, Vec<String>>;

/// Writes a plan, and which collections its products belong to by their rules. Variants that go are removed before others
/// come, and those that are renamed give up what they had, so that SKUs and values are free for whoever is to have them.
pub(crate) fn write(connection: &mut PgConnection, plan: &Plan, paths: &Paths, stamp: &Stamp) -> QueryResult<()> {
    insert_products(connection, &plan.insert_products, paths, stamp)?;
    media::refer(connection, &plan.insert_products, &plan.update_products)?;
    delete_variants(connection, &plan.delete_variants, stamp)?;
    give_up_names(connection, &plan.renamed_variants)?;
    update_variants(connection, &plan.update_variants, stamp)?;
    insert_variants(connection, &plan.insert_variants, stamp)?;
    // New variants are on no list, and those without further prices are offered for what is written.
    let further = plan.insert_variants.iter().filter(|row| row.has_further_prices());
    let repriced = plan.update_variants.iter().chain(further).map(|row| row.id);
    offers::reprice(connection, repriced.collect(), stamp.now)?;
    let ids = plan.update_products.iter().map(|(id, _)| *id).collect();
    let ranges = offers::ranges(connection, ids)?;
    update_products(connection, &plan.update_products, paths, &ranges, stamp)?;
    let written = plan.insert_products.iter().chain(&plan.update_products);
    membership::follow(connection, written, &ranges, stamp.now.date_naive())?;
    stock::open(connection, &plan.initial_stock, stamp)
}

/// Takes products and their variants out of the catalogue. The rows stay: orders and reservations refer to them. No
/// collection has them any more, no product is related to them, what they were called in other languages is free, and
/// bundles among them consist of nothing. Fails on `bundle_components_component_fkey` where other bundles consist of them.
pub(crate) fn delete_products(connection: &mut PgConnection, products: &[Uuid], now: DateTime<Utc>) -> QueryResult<()> {
    const PRODUCTS: &str = "UPDATE @.products SET status = 'archived', deleted_at = ?, updated_at = ?, \
        translated_handles = NULL, version = version + 1 WHERE id = ANY(?)";
    const VARIANTS: &str =
        "UPDATE @.variants SET deleted_at = ?, updated_at = ? WHERE product_id = ANY(?) AND deleted_at IS NULL";
    const MEMBERS: &str = "DELETE FROM @.collection_products WHERE product_id = ANY(?)";
    const COMPONENTS: &str = "DELETE FROM @.bundle_components AS part USING @.variants AS bundle \
        WHERE part.bundle_id = bundle.id AND bundle.product_id = ANY(?)";
    const RELATIONS: &str = "DELETE FROM @.product_relations WHERE product_id = ANY(?) OR related_id = ANY(?)";
    if products.is_empty() {
        return Ok(());
    }
    let binds = || Bind::Uuids(products.to_vec());
    Statement::new(SCHEMA, COMPONENTS, [binds()]).execute(connection)?;
    for sql in [PRODUCTS, VARIANTS] {
        Statement::new(SCHEMA, sql, [Bind::Time(now), Bind::Time(now), binds()]).execute(connection)?;
    }
    Statement::new(SCHEMA, MEMBERS, [binds()]).execute(connection)?;
    Statement::new(SCHEMA, RELATIONS, [binds(), binds()]).execute(connection)?;
    media::forget(connection, products.to_vec())?;
    translations::delete_of_products(connection, products.to_vec())
}

/// Gives products handles that nobody else can want, in a transaction that is undone.
pub(crate) fn give_up_handles(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.products SET handle = 'released-' || id::text WHERE id = ANY(?)";
    if ids.is_empty() {
        return Ok(());
    }
    Statement::new(SCHEMA, SQL, [Bind::Uuids(ids)])
        .execute(connection)
        .map(drop)
}

/// Takes SKUs from their variants, in a transaction that is undone.
pub(crate) fn give_up_skus(connection: &mut PgConnection, skus: Vec<String>) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.variants SET sku = NULL WHERE deleted_at IS NULL AND sku = ANY(?)";
    if skus.is_empty() {
        return Ok(());
    }
    Statement::new(SCHEMA, SQL, [Bind::Texts(skus)])
        .execute(connection)
        .map(drop)
}

/// Notes that a product, which is locked, was edited in something that has a table of its own.
pub(crate) fn raise_version(connection: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    raise_versions(connection, vec![id], now)
}

/// The same of several.
pub(crate) fn raise_versions(connection: &mut PgConnection, ids: Vec<Uuid>, now: DateTime<Utc>) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.products SET version = version + 1, updated_at = ? WHERE id = ANY(?)";
    if ids.is_empty() {
        return Ok(());
    }
    Statement::new(SCHEMA, SQL, [Bind::Time(now), Bind::Uuids(ids)])
        .execute(connection)
        .map(drop)
}

#[derive(Serialize)]
struct ProductJson<'a> {
    id: Uuid,
    external_id: Option<&'a str>,
    handle: &'a str,
    title: &'a str,
    description: &'a str,
    brand: Option<&'a str>,
    status: &'a str,
    category_id: Option<Uuid>,
    category_path: &'a [String],
    tags: &'a [String],
    codes: Vec<String>,
    attributes: &'a Attributes,
    images: Vec<ShownImage>,
    options: &'a [ProductOption],
    currency: &'a str,
    released_on: NaiveDate,
    price_min: i64,
    price_max: i64,
    product_type_id: Option<Uuid>,
    seo_title: Option<&'a str>,
    seo_description: Option<&'a str>,
    publish_at: Option<DateTime<Utc>>,
    unpublish_at: Option<DateTime<Utc>>,
    tax_class: &'a str,
}

impl<'a> ProductJson<'a> {
    fn new(id: Uuid, listing: &'a Listing, paths: &'a Paths, (price_min, price_max): (i64, i64)) -> Self {
        let decided = &listing.merchandising;
        let path = listing.category.and_then(|category| paths.get(&category));
        Self {
            id,
            external_id: listing.external_id.as_deref(),
            handle: listing.handle.as_str(),
            title: &listing.title,
            description: &listing.description,
            brand: listing.brand.as_deref(),
            status: listing.status.name(),
            category_id: listing.category,
            category_path: path.map(Vec::as_slice).unwrap_or_default(),
            tags: &listing.tags,
            codes: listing.codes(),
            attributes: &listing.attributes,
            images: listing.images.iter().map(Image::shown).collect(),
            options: &listing.options,
            currency: listing.currency.code(),
            released_on: listing.released_on,
            price_min,
            price_max,
            product_type_id: decided.product_type,
            seo_title: decided.seo.title.as_deref(),
            seo_description: decided.seo.description.as_deref(),
            publish_at: decided.publish_at,
            unpublish_at: decided.unpublish_at,
            tax_class: decided.tax_class.as_str(),
        }
    }
}

fn insert_products(
    connection: &mut PgConnection,
    rows: &[(Uuid, Listing)],
    paths: &Paths,
    stamp: &Stamp,
) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.products (id, external_id, handle, title, description, brand, status, category_id, \
        category_path, tags, codes, attributes, images, options, currency, released_on, price_min, price_max, \
        product_type_id, seo_title, seo_description, publish_at, unpublish_at, tax_class, created_at, updated_at) \
        SELECT row.id, row.external_id, row.handle, row.title, row.description, row.brand, row.status, row.category_id, \
        row.category_path, row.tags, row.codes, row.attributes, row.images, row.options, row.currency, row.released_on, \
        row.price_min, row.price_max, row.product_type_id, row.seo_title, row.seo_description, row.publish_at, \
        row.unpublish_at, row.tax_class, ?, ? \
        FROM json_to_recordset(?::json) AS row (id UUID, external_id TEXT, handle TEXT, title TEXT, description TEXT, \
        brand TEXT, status TEXT, category_id UUID, category_path TEXT[], tags TEXT[], codes TEXT[], attributes JSON, \
        images JSON, options JSON, currency TEXT, released_on DATE, price_min BIGINT, price_max BIGINT, product_type_id UUID, \
        seo_title TEXT, seo_description TEXT, publish_at TIMESTAMPTZ, unpublish_at TIMESTAMPTZ, tax_class TEXT)";
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, listing)| ProductJson::new(*id, listing, paths, listing.price_range()))
        .collect();
    insert(
        connection,
        SQL,
        vec![Bind::Time(stamp.now), Bind::Time(stamp.now)],
        &rows,
    )
}

fn update_products(
    connection: &mut PgConnection,
    rows: &[(Uuid, Listing)],
    paths: &Paths,
    ranges: &Ranges,
    stamp: &Stamp,
) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.products AS product SET external_id = row.external_id, handle = row.handle, \
        title = row.title, description = row.description, brand = row.brand, status = row.status, \
        category_id = row.category_id, category_path = row.category_path, tags = row.tags, codes = row.codes, \
        attributes = row.attributes, images = row.images, options = row.options, currency = row.currency, \
        released_on = row.released_on, price_min = row.price_min, price_max = row.price_max, \
        product_type_id = row.product_type_id, seo_title = row.seo_title, seo_description = row.seo_description, \
        publish_at = row.publish_at, unpublish_at = row.unpublish_at, tax_class = row.tax_class, \
        version = product.version + 1, updated_at = ? \
        FROM json_to_recordset(?::json) AS row (id UUID, external_id TEXT, handle TEXT, title TEXT, description TEXT, \
        brand TEXT, status TEXT, category_id UUID, category_path TEXT[], tags TEXT[], codes TEXT[], attributes JSON, \
        images JSON, options JSON, currency TEXT, released_on DATE, price_min BIGINT, price_max BIGINT, product_type_id UUID, \
        seo_title TEXT, seo_description TEXT, publish_at TIMESTAMPTZ, unpublish_at TIMESTAMPTZ, tax_class TEXT) \
        WHERE product.id = row.id AND product.id = ANY(?)";
    let ids = rows.iter().map(|(id, _)| *id).collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, listing)| {
            let range = ranges.get(id).copied().unwrap_or_default();
            ProductJson::new(*id, listing, paths, range)
        })
        .collect();
    update(connection, SQL, stamp, &rows, ids)
}

#[derive(Serialize)]
struct VariantJson<'a> {
    id: Uuid,
    product_id: Uuid,
    position: i32,
    sku: Option<&'a str>,
    barcode: Option<&'a str>,
    title: &'a str,
    option_values: &'a [String],
    price_minor: i64,
    compare_at_minor: Option<i64>,
    further_prices: Option<&'a [FurtherPrice]>,
    weight_grams: i64,
    requires_shipping: bool,
}

impl<'a> VariantJson<'a> {
    fn new(row: &'a VariantRow) -> Self {
        Self {
            id: row.id,
            product_id: row.product,
            position: row.position,
            sku: row.variant.sku.as_deref(),
            barcode: row.variant.barcode.as_deref(),
            title: &row.title,
            option_values: &row.values,
            price_minor: row.variant.price,
            compare_at_minor: row.variant.compare_at_price,
            further_prices: row.variant.prices.as_deref().filter(|prices| !prices.is_empty()),
            weight_grams: row.variant.weight_grams.unwrap_or(0),
            requires_shipping: row.variant.requires_shipping.unwrap_or(true),
        }
    }
}

fn insert_variants(connection: &mut PgConnection, rows: &[VariantRow], stamp: &Stamp) -> QueryResult<()> {
    const SQL: &str = "INSERT INTO @.variants (id, product_id, position, sku, barcode, title, option_values, \
        base_minor, base_compare_at_minor, further_prices, price_minor, compare_at_minor, weight_grams, \
        requires_shipping, price_since, created_at, updated_at) \
        SELECT row.id, row.product_id, row.position, row.sku, row.barcode, row.title, row.option_values, \
        row.price_minor, row.compare_at_minor, row.further_prices, row.price_minor, row.compare_at_minor, \
        row.weight_grams, row.requires_shipping, ?, ?, ? \
        FROM json_to_recordset(?::json) AS row (id UUID, product_id UUID, position INTEGER, sku TEXT, barcode TEXT, \
        title TEXT, option_values TEXT[], price_minor BIGINT, compare_at_minor BIGINT, further_prices JSON, \
        weight_grams BIGINT, requires_shipping BOOLEAN)";
    let rows: Vec<_> = rows.iter().map(VariantJson::new).collect();
    insert(connection, SQL, vec![Bind::Time(stamp.now); 3], &rows)
}

fn update_variants(connection: &mut PgConnection, rows: &[VariantRow], stamp: &Stamp) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.variants AS variant SET position = row.position, sku = row.sku, barcode = row.barcode, \
        title = row.title, option_values = row.option_values, base_minor = row.price_minor, \
        base_compare_at_minor = row.compare_at_minor, further_prices = row.further_prices, \
        weight_grams = row.weight_grams, requires_shipping = row.requires_shipping, updated_at = ? \
        FROM json_to_recordset(?::json) AS row (id UUID, product_id UUID, position INTEGER, sku TEXT, barcode TEXT, \
        title TEXT, option_values TEXT[], price_minor BIGINT, compare_at_minor BIGINT, further_prices JSON, \
        weight_grams BIGINT, requires_shipping BOOLEAN) \
        WHERE variant.id = row.id AND variant.id = ANY(?)";
    let ids = rows.iter().map(|row| row.id).collect();
    let rows: Vec<_> = rows.iter().map(VariantJson::new).collect();
    update(connection, SQL, stamp, &rows, ids)
}

/// Takes SKUs and values from variants that are given others next: PostgreSQL compares row by row, and variants that exchange
/// theirs would be in each other's way.
fn give_up_names(connection: &mut PgConnection, variants: &[Uuid]) -> QueryResult<()> {
    // No value is empty, so that nobody else has these.
    const SQL: &str = "UPDATE @.variants SET sku = NULL, option_values = ARRAY['', id::text] WHERE id = ANY(?)";
    if variants.is_empty() {
        return Ok(());
    }
    Statement::new(SCHEMA, SQL, [Bind::Uuids(variants.to_vec())])
        .execute(connection)
        .map(drop)
}

fn delete_variants(connection: &mut PgConnection, ids: &[Uuid], stamp: &Stamp) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.variants SET deleted_at = ?, updated_at = ? WHERE id = ANY(?)";
    if ids.is_empty() {
        return Ok(());
    }
    bundles::remove(connection, ids)?;
    let binds = [Bind::Time(stamp.now), Bind::Time(stamp.now), Bind::Uuids(ids.to_vec())];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

fn insert<T: Serialize>(
    connection: &mut PgConnection,
    sql: &'static str,
    mut binds: Vec<Bind>,
    rows: &[T],
) -> QueryResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    binds.push(Bind::rows(rows)?);
    Statement::new(SCHEMA, sql, binds).execute(connection).map(drop)
}

/// Writes over rows with these `ids`. The statement names the ids besides: how many rows are in a JSON text PostgreSQL does
/// not know, and would rather read a whole table of some ten thousand rows than look up those that it fears.
fn update<T: Serialize>(
    connection: &mut PgConnection,
    sql: &'static str,
    stamp: &Stamp,
    rows: &[T],
    ids: Vec<Uuid>,
) -> QueryResult<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let binds = [Bind::Time(stamp.now), Bind::rows(rows)?, Bind::Uuids(ids)];
    Statement::new(SCHEMA, sql, binds).execute(connection).map(drop)
}
