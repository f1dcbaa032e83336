//! Products as they are: for everybody to see, and for staff to edit.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, Utc};
use database::Bind;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Array, BigInt, Bool, Date, Json, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use kernel::{Currency, Money};
use product_api::TaxClass;
use uuid::Uuid;

use super::bundles::{self, BundleRow};
use super::levels::{TermsRow, TermsSql, terms};
use super::prices;
use super::select::{Select, Verbatim, read};
use super::translations;
use crate::domain::further_price::{FurtherPrice, WrittenPrice};
use crate::domain::handle::Handle;
use crate::domain::image::{Image, StoredImage};
use crate::domain::listing::{ListedVariant, Listing, ProductOption};
use crate::domain::merchandising::{Merchandising, Seo};
use crate::domain::pairs::Pairs;
use crate::domain::plan::Stored;
use crate::domain::pricing::Step;
use crate::domain::product::{
    AdminProduct, OpenPreorder, PriceRange, PriceTier, Product, ProductCategory, ShownPrices, Status, Variant, View,
};
use crate::domain::translation::{Handles, ProductTranslation};

/// The columns of [`ProductRow`].
pub(super) const COLUMNS: &str = "SELECT product.id, product.external_id, product.handle, product.title, \
    product.description, product.brand, product.status, product.tags, product.attributes, product.images, \
    product.options, product.currency, product.released_on, product.price_min, product.price_max, product.version, \
    product.created_at, product.updated_at, category.id, category.handle, category.name, category.path, \
    product.product_type_id, product.seo_title, product.seo_description, product.publish_at, product.unpublish_at, \
    product.tax_class";

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
    (
        Nullable<SqlUuid>,
        Nullable<Text>,
        Nullable<Text>,
        Nullable<Timestamptz>,
        Nullable<Timestamptz>,
        Text,
    ),
);

type VariantSql = (
    SqlUuid,
    SqlUuid,
    Nullable<Text>,
    Nullable<Text>,
    Text,
    Array<Text>,
    PricesSql,
    TermsSql,
    BigInt,
    BigInt,
    Bool,
    BigInt,
    Bool,
);

/// The columns of [`PricesRow`].
type PricesSql = (
    BigInt,
    Nullable<BigInt>,
    Nullable<BigInt>,
    Nullable<Json>,
    BigInt,
    Nullable<BigInt>,
    Nullable<Json>,
);
type ShownSql = (ProductSql, Nullable<Json>);

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
    merchandising: MerchandisingRow,
}

#[derive(Queryable)]
pub(super) struct MerchandisingRow {
    product_type: Option<Uuid>,
    seo_title: Option<String>,
    seo_description: Option<String>,
    publish_at: Option<DateTime<Utc>>,
    unpublish_at: Option<DateTime<Utc>>,
    tax_class: String,
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
    prices: PricesRow,
    terms: TermsRow,
    /// At all active locations.
    on_hand: i64,
    /// Where orders are served from; less than nothing where more is promised than there is.
    available: i64,
    is_bundle: bool,
    weight_grams: i64,
    requires_shipping: bool,
}

/// What one costs everybody, and what was written.
#[derive(Queryable)]
pub(super) struct PricesRow {
    price_minor: i64,
    compare_at_minor: Option<i64>,
    lowest_minor: Option<i64>,
    steps: Option<Verbatim>,
    base_minor: i64,
    base_compare_at_minor: Option<i64>,
    further_prices: Option<Verbatim>,
}

/// The active product with this id, and the handles that it has in other languages.
pub(crate) fn find_public(
    connection: &mut PgConnection,
    id: Uuid,
    view: View,
) -> QueryResult<Option<(Product, Handles)>> {
    let mut select = public();
    select.text("product.id = ").bind(Bind::Uuid(id));
    find_shown(connection, select, view)
}

/// The same by the product's handle in the shop's own language.
pub(crate) fn find_public_by_handle(
    connection: &mut PgConnection,
    handle: &str,
    view: View,
) -> QueryResult<Option<(Product, Handles)>> {
    let mut select = public();
    select.text("product.handle = ").bind(Bind::Text(handle.to_owned()));
    find_shown(connection, select, view)
}

/// The product with this id, whatever its status.
pub(crate) fn find_admin(
    connection: &mut PgConnection,
    id: Uuid,
    today: NaiveDate,
) -> QueryResult<Option<AdminProduct>> {
    let mut select = Select::<ProductSql>::new(COLUMNS);
    select
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.id = ")
        .bind(Bind::Uuid(id));
    find(connection, select, View::staff(today))
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

/// Locks products until the transaction ends, in key order, as [`lock`] does, without reading them.
pub(crate) fn hold(connection: &mut PgConnection, ids: Vec<Uuid>) -> QueryResult<()> {
    let mut select =
        Select::<SqlUuid>::new("SELECT product.id FROM products.products AS product WHERE product.id = ANY(");
    select
        .bind(Bind::Uuids(ids))
        .text(") ORDER BY product.id FOR NO KEY UPDATE");
    select.load::<Uuid>(connection).map(drop)
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

/// Which of these handles belong to products, in whatever language.
pub(crate) fn taken_handles(connection: &mut PgConnection, handles: &[Handle]) -> QueryResult<Vec<String>> {
    let texts = handles.iter().map(Handle::to_string).collect();
    let found = identify(connection, Vec::new(), texts)?;
    let mut taken: Vec<String> = found.into_iter().map(|(_, _, handle)| handle).collect();
    taken.extend(translations::taken_handles::<ProductTranslation>(connection, handles)?);
    Ok(taken)
}

/// Whether there is any product.
pub(crate) fn exist(connection: &mut PgConnection) -> QueryResult<bool> {
    Select::<Bool>::new("SELECT EXISTS (SELECT FROM products.products WHERE deleted_at IS NULL)").get_result(connection)
}

/// The variants of `products`, each product's in order. Locations are few and looked up once, not with each row of stock.
pub(super) fn variants(connection: &mut PgConnection, products: Vec<Uuid>) -> QueryResult<Vec<VariantRow>> {
    let mut select = Select::<VariantSql>::new(
        "SELECT variant.product_id, variant.id, variant.sku, variant.barcode, variant.title, variant.option_values, \
         variant.price_minor, variant.compare_at_minor, variant.lowest_minor, variant.steps, variant.base_minor, \
         variant.base_compare_at_minor, variant.further_prices, variant.backorder_limit, variant.preorder_until, \
         variant.preorder_limit, variant.low_stock_threshold, stock.on_hand, stock.available, variant.is_bundle, \
         variant.weight_grams, variant.requires_shipping \
         FROM products.variants AS variant CROSS JOIN LATERAL ( \
            SELECT coalesce(sum(stock.on_hand), 0)::bigint AS on_hand, \
                coalesce(sum(stock.on_hand - stock.reserved) FILTER (WHERE stock.location_id = ANY ( \
                    ARRAY(SELECT id FROM products.locations WHERE sells))), \
                    0)::bigint AS available \
            FROM products.stock AS stock WHERE stock.variant_id = variant.id AND stock.location_id = ANY ( \
                ARRAY(SELECT id FROM products.locations WHERE active AND deleted_at IS NULL)) \
         ) AS stock WHERE variant.deleted_at IS NULL AND variant.product_id = ANY(",
    );
    select
        .bind(Bind::Uuids(products))
        .text(") ORDER BY variant.product_id, variant.position, variant.id");
    select.load(connection)
}

/// Products together with their variants, in the order of `rows`. Bundles have a statement of their own, as most pages show
/// none.
pub(super) fn assemble(
    connection: &mut PgConnection,
    rows: Vec<ProductRow>,
    view: View,
) -> QueryResult<Vec<AdminProduct>> {
    let mut variants = variants_by_product(connection, &rows)?;
    let bundles = bundles_among(connection, &variants, view.today)?;
    let products = rows.into_iter().map(|row| {
        let variants = variants.remove(&row.id).unwrap_or_default();
        row.into_product(variants, &bundles, view)
    });
    let mut products = products.collect::<QueryResult<Vec<AdminProduct>>>()?;
    if let ShownPrices::Public(Some(currency)) = view.prices {
        prices::show(connection, &mut products, currency)?;
    }
    Ok(products)
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

fn find(connection: &mut PgConnection, select: Select<ProductSql>, view: View) -> QueryResult<Option<AdminProduct>> {
    let Some(row) = select.get_result::<ProductRow>(connection).optional()? else {
        return Ok(None);
    };
    Ok(assemble(connection, vec![row], view)?.pop())
}

/// Begins a SELECT of active products.
fn public() -> Select<ShownSql> {
    let mut select = Select::new(COLUMNS);
    select
        .text(", product.translated_handles")
        .text(TABLES)
        .text(" WHERE product.deleted_at IS NULL AND product.status = 'active' AND ");
    select
}

fn find_shown(
    connection: &mut PgConnection,
    select: Select<ShownSql>,
    view: View,
) -> QueryResult<Option<(Product, Handles)>> {
    let found: Option<(ProductRow, Option<Verbatim>)> = select.get_result(connection).optional()?;
    let Some((row, noted)) = found else {
        return Ok(None);
    };
    let handles = translations::handles(noted.as_ref())?;
    let product = assemble(connection, vec![row], view)?.pop();
    Ok(product.map(|product| (product.product, handles)))
}

fn stored(connection: &mut PgConnection, rows: Vec<ProductRow>) -> QueryResult<Vec<Stored>> {
    let mut variants = variants_by_product(connection, &rows)?;
    // Listings do not say what can be bought: any day will do.
    let bundles = bundles_among(connection, &variants, NaiveDate::default())?;
    rows.into_iter()
        .map(|row| {
            let variants = variants.remove(&row.id).unwrap_or_default();
            row.into_stored(variants, &bundles)
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

fn bundles_among(
    connection: &mut PgConnection,
    variants: &HashMap<Uuid, Vec<VariantRow>>,
    today: NaiveDate,
) -> QueryResult<HashMap<Uuid, BundleRow>> {
    let bundles = variants.values().flatten().filter(|variant| variant.is_bundle);
    bundles::read(connection, bundles.map(|variant| variant.id).collect(), today)
}

impl ProductRow {
    fn into_product(
        self,
        variants: Vec<VariantRow>,
        bundles: &HashMap<Uuid, BundleRow>,
        view: View,
    ) -> QueryResult<AdminProduct> {
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
        let merchandising = self.merchandising.into_merchandising()?;
        let variants: Vec<Variant> = variants
            .into_iter()
            .map(|variant| variant.into_variant(&names, currency, bundles, view))
            .collect::<QueryResult<_>>()?;
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
            seo: merchandising.seo,
            created_at: self.created_at,
            updated_at: self.updated_at,
            highlights: None,
        };
        Ok(AdminProduct {
            product,
            version: self.version,
            external_id: self.external_id,
            released_on: self.released_on,
            product_type_id: merchandising.product_type.map(Into::into),
            publish_at: merchandising.publish_at,
            unpublish_at: merchandising.unpublish_at,
            tax_class: merchandising.tax_class,
        })
    }

    pub(super) fn into_stored(
        self,
        variants: Vec<VariantRow>,
        bundles: &HashMap<Uuid, BundleRow>,
    ) -> QueryResult<Stored> {
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
            merchandising: self.merchandising.into_merchandising()?,
            variants: Vec::new(),
        };
        for variant in variants {
            let title = variant.title.clone();
            let mut listed = variant.into_listed(&names, bundles)?;
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

impl MerchandisingRow {
    fn into_merchandising(self) -> QueryResult<Merchandising> {
        let tax_class = TaxClass::parse(self.tax_class);
        Ok(Merchandising {
            product_type: self.product_type,
            seo: Seo {
                title: self.seo_title,
                description: self.seo_description,
            },
            publish_at: self.publish_at,
            unpublish_at: self.unpublish_at,
            tax_class: tax_class.map_err(|error| Error::DeserializationError(Box::new(error)))?,
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
    fn into_variant(
        self,
        options: &[String],
        currency: Currency,
        bundles: &HashMap<Uuid, BundleRow>,
        view: View,
    ) -> QueryResult<Variant> {
        let bundle = bundles.get(&self.id);
        let offer = match bundle {
            Some(bundle) => bundle.offer(),
            None => terms(self.terms).offer(self.available, view.today),
        };
        let components = bundle
            .map(|bundle| bundle.components(view.prices == ShownPrices::Written))
            .transpose()?;
        let money = |amount| Money::new(amount, currency);
        let prices = self.prices;
        let mut variant = Variant {
            id: self.id.into(),
            sku: self.sku,
            barcode: self.barcode,
            title: self.title,
            options: Pairs(options.iter().cloned().zip(self.option_values).collect()),
            price: Some(money(prices.price_minor)),
            compare_at_price: prices.compare_at_minor.map(money),
            lowest_price_30_days: prices.lowest_minor.map(money),
            price_tiers: tiers(prices.steps.as_ref(), currency)?,
            prices: None,
            current_price: None,
            in_stock: offer.in_stock,
            available: offer.available,
            backorder: offer.backorder,
            preorder: offer.ships_on.map(|ships_on| OpenPreorder { ships_on }),
            components,
            weight_grams: self.weight_grams,
            requires_shipping: None,
        };
        if view.prices == ShownPrices::Written {
            let further = prices.further()?;
            variant.current_price = variant.price.replace(money(prices.base_minor));
            variant.compare_at_price = prices.base_compare_at_minor.map(money);
            variant.prices = Some(further.iter().map(WrittenPrice::from).collect());
            variant.requires_shipping = Some(self.requires_shipping);
        }
        Ok(variant)
    }

    fn into_listed(self, options: &[String], bundles: &HashMap<Uuid, BundleRow>) -> QueryResult<ListedVariant> {
        Ok(ListedVariant {
            id: Some(self.id),
            sku: self.sku,
            barcode: self.barcode,
            title: None,
            values: Pairs(options.iter().cloned().zip(self.option_values).collect()),
            price: self.prices.base_minor,
            compare_at_price: self.prices.base_compare_at_minor,
            prices: Some(self.prices.further()?),
            components: Some(bundles.get(&self.id).map_or_else(|| Ok(Vec::new()), BundleRow::named)?),
            stock: Some(self.on_hand),
            stock_seen: None,
            weight_grams: Some(self.weight_grams),
            requires_shipping: Some(self.requires_shipping),
        })
    }
}

impl PricesRow {
    fn further(&self) -> QueryResult<Vec<FurtherPrice>> {
        self.further_prices.as_ref().map_or_else(|| Ok(Vec::new()), read)
    }
}

/// What is stored of steps, as it is shown.
pub(super) fn tiers(steps: Option<&Verbatim>, currency: Currency) -> QueryResult<Vec<PriceTier>> {
    let Some(steps) = steps else { return Ok(Vec::new()) };
    let tier = |step: Step| PriceTier {
        min_quantity: step.min_quantity,
        price: Money::new(step.amount, currency),
    };
    Ok(read::<Vec<Step>>(steps)?.into_iter().map(tier).collect())
}
