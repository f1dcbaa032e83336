//! Products as they are: for everybody to see, and for staff to edit.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use database::Bind;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Date, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::{Currency, Money};
use uuid::Uuid;

use super::select::{Select, Verbatim};
use crate::domain::handle::Handle;
use crate::domain::image::{Image, StoredImage};
use crate::domain::listing::{ListedVariant, Listing, ProductOption};
use crate::domain::pairs::Pairs;
use crate::domain::plan::Stored;
use crate::domain::product::{AdminProduct, PriceRange, Product, ProductCategory, Status, Variant};

/// The columns of [`ProductRow`].
pub(super) const COLUMNS: &str = "SELECT product.id, product.external_id, product.handle, product.title, \
    product.description, product.brand, product.status, product.tags, product.attributes, product.images, \
    product.options, product.currency, product.released_on, product.price_min, product.price_max, product.version, \
    product.created_at, product.updated_at, category.id, category.handle, category.name, category.path";

/// Where they come from.
pub(super) const TABLES: &str = " FROM products.products AS product \
    LEFT JOIN products.categories AS category ON category.id = product.category_id";

/// The SQL types of [`COLUMNS`].
pub(super) type ProductSql = (
    SqlUuid,
    Nullable<Text>,
    Text,
    Text,
    Text,
    Nullable<Text>,
    Text,
    Array<Text>,
    Json,
    Json,
    Json,
    Text,
    Date,
    BigInt,
    BigInt,
    BigInt,
    Timestamptz,
    Timestamptz,
    Nullable<(SqlUuid, Text, Text, Array<Text>)>,
);

type VariantSql = (
    SqlUuid,
    SqlUuid,
    Nullable<Text>,
    Nullable<Text>,
    Text,
    Array<Text>,
    BigInt,
    Nullable<BigInt>,
    BigInt,
    BigInt,
);

#[derive(Queryable)]
pub(super) struct ProductRow {
    pub(super) id: Uuid,
    external_id: Option<String>,
    handle: String,
    pub(super) title: String,
    description: String,
    brand: Option<String>,
    status: String,
    tags: Vec<String>,
    attributes: Verbatim,
    images: Verbatim,
    options: Verbatim,
    currency: String,
    pub(super) released_on: NaiveDate,
    pub(super) price_min: i64,
    price_max: i64,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    category: Option<CategoryRow>,
}

#[derive(Queryable)]
pub(super) struct CategoryRow {
    id: Uuid,
    handle: String,
    name: String,
    path: Vec<String>,
}

#[derive(Queryable)]
pub(super) struct VariantRow {
    product_id: Uuid,
    id: Uuid,
    sku: Option<String>,
    barcode: Option<String>,
    title: String,
    option_values: Vec<String>,
    price_minor: i64,
    compare_at_minor: Option<i64>,
    on_hand: i64,
    reserved: i64,
}

/// The active product with this id.
pub(crate) fn find_public(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<Product>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.status = 'active' AND product.id = ");
    select.bind(Bind::Uuid(id));
    Ok(find(connection, select)?.map(|product| product.product))
}

/// The active product with this handle.
pub(crate) fn find_public_by_handle(connection: &mut PgConnection, handle: &str) -> QueryResult<Option<Product>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.status = 'active' AND product.handle = ");
    select.bind(Bind::Text(handle.to_owned()));
    Ok(find(connection, select)?.map(|product| product.product))
}

/// The product with this id, whatever its status.
pub(crate) fn find_admin(connection: &mut PgConnection, id: Uuid) -> QueryResult<Option<AdminProduct>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.id = ")
        .bind(Bind::Uuid(id));
    find(connection, select)
}

/// The product that a variant belongs to.
pub(crate) fn product_of(connection: &mut PgConnection, variant: Uuid) -> QueryResult<Option<Uuid>> {
    let mut select = Select::<SqlUuid>::new(
        "SELECT variant.product_id FROM products.variants AS variant WHERE variant.deleted_at IS NULL AND variant.id = ",
    );
    select.bind(Bind::Uuid(variant));
    select.get_result(connection).optional()
}

/// Products to edit, locked until the transaction ends, in key order. Ids that are unknown are left out.
pub(crate) fn lock(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<Vec<Stored>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.id = ANY(")
        .bind(Bind::Uuids(ids));
    select.text(") ORDER BY product.id FOR NO KEY UPDATE OF product");
    let rows = select.load::<ProductRow>(connection)?;
    stored(connection, rows)
}

/// The next products in the order of their ids, for export.
pub(crate) fn next(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<(Stored, Vec<String>)>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.id > ")
        .bind(Bind::Uuid(after));
    select.text(" ORDER BY product.id LIMIT ").bind(Bind::BigInt(limit));
    let rows = select.load::<ProductRow>(connection)?;
    let path = |row: &ProductRow| {
        row.category
            .as_ref()
            .map(|category| category.path.clone())
            .unwrap_or_default()
    };
    let paths: Vec<Vec<String>> = rows.iter().map(path).collect();
    Ok(stored(connection, rows)?.into_iter().zip(paths).collect())
}

/// Ids of products by what import files know them by: `(id, external_id, handle)`.
pub(crate) fn identify(
    connection: &mut PgConnection,
    external_ids: Vec<String>,
    handles: Vec<String>,
) -> QueryResult<Vec<(Uuid, Option<String>, String)>> {
    let mut select = Select::<(SqlUuid, Nullable<Text>, Text)>::new(
        "SELECT product.id, product.external_id, product.handle FROM products.products AS product \
         WHERE product.deleted_at IS NULL AND (product.external_id = ANY(",
    );
    select
        .bind(Bind::Texts(external_ids))
        .text(") OR product.handle = ANY(")
        .bind(Bind::Texts(handles))
        .text("))");
    select.load(connection)
}

/// Which products have these SKUs.
pub(crate) fn owners_of_skus(connection: &mut PgConnection, skus: Vec<String>) -> QueryResult<Vec<(String, Uuid)>> {
    let mut select = Select::<(Text, SqlUuid)>::new(
        "SELECT variant.sku, variant.product_id FROM products.variants AS variant \
         WHERE variant.deleted_at IS NULL AND variant.sku = ANY(",
    );
    select.bind(Bind::Texts(skus)).text(")");
    select.load(connection)
}

/// Which of these handles belong to products.
pub(crate) fn taken_handles(connection: &mut PgConnection, handles: &[Handle]) -> QueryResult<Vec<String>> {
    let handles = handles.iter().map(Handle::to_string).collect();
    let found = identify(connection, Vec::new(), handles)?;
    Ok(found.into_iter().map(|(_, _, handle)| handle).collect())
}

/// Whether there is any product.
pub(crate) fn exist(connection: &mut PgConnection) -> QueryResult<bool> {
    Select::<diesel::sql_types::Bool>::new("SELECT EXISTS (SELECT FROM products.products WHERE deleted_at IS NULL)")
        .get_result(connection)
}

/// The variants of `products`, each product's in order.
pub(super) fn variants(connection: &mut PgConnection, products: Vec<Uuid>) -> QueryResult<Vec<VariantRow>> {
    let mut select = Select::<VariantSql>::new(
        "SELECT variant.product_id, variant.id, variant.sku, variant.barcode, variant.title, variant.option_values, \
         variant.price_minor, variant.compare_at_minor, stock.on_hand, stock.reserved FROM products.variants AS variant \
         JOIN products.stock AS stock ON stock.variant_id = variant.id \
         WHERE variant.deleted_at IS NULL AND variant.product_id = ANY(",
    );
    select
        .bind(Bind::Uuids(products))
        .text(") ORDER BY variant.product_id, variant.position, variant.id");
    select.load(connection)
}

/// Products together with their variants, in the order of `rows`.
pub(super) fn assemble(connection: &mut PgConnection, rows: Vec<ProductRow>) -> QueryResult<Vec<AdminProduct>> {
    let mut variants = variants_by_product(connection, &rows)?;
    rows.into_iter()
        .map(|row| {
            let variants = variants.remove(&row.id).unwrap_or_default();
            row.into_product(variants)
        })
        .collect()
}

/// The range of two amounts; `None` where there is nothing to buy.
pub(super) fn price_range(min: i64, max: i64, currency: Currency, has_variants: bool) -> Option<PriceRange> {
    has_variants.then(|| PriceRange {
        min: Money::new(min, currency),
        max: Money::new(max, currency),
    })
}

/// The currency of a stored code; our own CHECK and validation keep it sound.
pub(super) fn currency(code: &str) -> QueryResult<Currency> {
    code.parse()
        .map_err(|error| Error::DeserializationError(Box::new(error)))
}

fn find(connection: &mut PgConnection, select: Select<ProductSql>) -> QueryResult<Option<AdminProduct>> {
    let Some(row) = select.get_result::<ProductRow>(connection).optional()? else {
        return Ok(None);
    };
    Ok(assemble(connection, vec![row])?.pop())
}

fn stored(connection: &mut PgConnection, rows: Vec<ProductRow>) -> QueryResult<Vec<Stored>> {
    let mut variants = variants_by_product(connection, &rows)?;
    rows.into_iter()
        .map(|row| {
            let variants = variants.remove(&row.id).unwrap_or_default();
            row.into_stored(variants)
        })
        .collect()
}

fn variants_by_product(
    connection: &mut PgConnection,
    rows: &[ProductRow],
) -> QueryResult<HashMap<Uuid, Vec<VariantRow>>> {
    let ids = rows.iter().map(|row| row.id).collect();
    let mut by_product: HashMap<Uuid, Vec<VariantRow>> = HashMap::with_capacity(rows.len());
    for variant in variants(connection, ids)? {
        by_product.entry(variant.product_id).or_default().push(variant);
    }
    Ok(by_product)
}

impl ProductRow {
    fn into_product(self, variants: Vec<VariantRow>) -> QueryResult<AdminProduct> {
        let currency = currency(&self.currency)?;
        // Most products have no options, and then there is nothing to read.
        let names: Vec<String> = match variants.iter().any(|variant| !variant.option_values.is_empty()) {
            true => read::<Vec<ProductOption>>(&self.options)?
                .into_iter()
                .map(|option| option.name.into())
                .collect(),
            false => Vec::new(),
        };
        let price_range = price_range(self.price_min, self.price_max, currency, !variants.is_empty());
        let variants: Vec<Variant> = variants
            .into_iter()
            .map(|variant| variant.into_variant(&names, currency))
            .collect();
        let product = Product {
            id: self.id.into(),
            handle: self.handle,
            title: self.title,
            description: self.description,
            brand: self.brand,
            status: Status::from_name(&self.status),
            category: self.category.map(CategoryRow::into_category),
            tags: self.tags,
            attributes: self.attributes.0,
            images: self.images.0,
            options: self.options.0,
            in_stock: variants.iter().any(|variant| variant.in_stock),
            variants,
            price_range,
            created_at: self.created_at,
            updated_at: self.updated_at,
        };
        Ok(AdminProduct {
            product,
            version: self.version,
            external_id: self.external_id,
            released_on: self.released_on,
        })
    }

    fn into_stored(self, variants: Vec<VariantRow>) -> QueryResult<Stored> {
        let options: Vec<ProductOption> = read(&self.options)?;
        let names: Vec<String> = options.iter().map(|option| option.name.to_string()).collect();
        let handle = Handle::parse(self.handle).map_err(|error| Error::DeserializationError(Box::new(error)))?;
        let mut listing = Listing {
            external_id: self.external_id,
            handle,
            title: self.title,
            description: self.description,
            brand: self.brand,
            status: Status::from_name(&self.status),
            category: self.category.map(|category| category.id),
            tags: self.tags,
            attributes: read(&self.attributes)?,
            images: read::<Vec<StoredImage>>(&self.images)?
                .into_iter()
                .map(Image::from)
                .collect(),
            options,
            currency: currency(&self.currency)?,
            released_on: self.released_on,
            variants: Vec::new(),
        };
        for variant in variants {
            let title = variant.title.clone();
            let mut listed = variant.into_listed(&names);
            // A title that the values make by themselves was not chosen, and goes with them.
            listed.title = Some(title).filter(|title| *title != listing.title_of(&listed));
            listing.variants.push(listed);
        }
        Ok(Stored {
            id: self.id,
            version: self.version,
            listing,
        })
    }
}

impl CategoryRow {
    fn into_category(self) -> ProductCategory {
        ProductCategory {
            id: self.id.into(),
            handle: self.handle,
            name: self.name,
            path: self.path,
        }
    }
}

impl VariantRow {
    fn into_variant(self, options: &[String], currency: Currency) -> Variant {
        let available = self.on_hand - self.reserved;
        Variant {
            id: self.id.into(),
            sku: self.sku,
            barcode: self.barcode,
            title: self.title,
            options: Pairs(options.iter().cloned().zip(self.option_values).collect()),
            price: Money::new(self.price_minor, currency),
            compare_at_price: self.compare_at_minor.map(|amount| Money::new(amount, currency)),
            in_stock: available > 0,
            available,
        }
    }

    fn into_listed(self, options: &[String]) -> ListedVariant {
        ListedVariant {
            id: Some(self.id),
            sku: self.sku,
            barcode: self.barcode,
            title: None,
            values: Pairs(options.iter().cloned().zip(self.option_values).collect()),
            price: self.price_minor,
            compare_at_price: self.compare_at_minor,
            stock: Some(self.on_hand),
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(json: &Verbatim) -> QueryResult<T> {
    serde_json::from_str(json.0.get()).map_err(|error| Error::DeserializationError(Box::new(error)))
}
