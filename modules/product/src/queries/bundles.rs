//! What bundles consist of.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Date, Json, Nullable, Text, Uuid as SqlUuid};
use serde::Deserialize;
use uuid::Uuid;

use super::select::{self, Select, Verbatim};
use crate::domain::SCHEMA;
use crate::domain::bundle::{Component, NamedComponent, NewComponent, VariantName};
use crate::domain::terms::Offer;

/// What a variant is as far as bundles go.
#[derive(Queryable)]
pub(crate) struct Role {
    pub(crate) variant: Uuid,
    pub(crate) is_bundle: bool,
    /// Whether a bundle consists of it.
    pub(crate) is_component: bool,
    /// Whether it is sold beyond its stock.
    pub(crate) has_terms: bool,
}

/// What can be had of a bundle, and what it consists of.
#[derive(Queryable)]
pub(super) struct BundleRow {
    id: Uuid,
    available: i64,
    /// With what may be sold beyond it.
    pub(super) sellable: i64,
    ships_on: Option<NaiveDate>,
    components: Option<Verbatim>,
}

/// A component, as the statement that reads bundles makes it.
#[derive(Deserialize)]
struct ComponentRow {
    variant: Uuid,
    sku: Option<String>,
    product_handle: String,
    title: String,
    variant_title: String,
    on_sale: bool,
    quantity: i64,
    /// The options of its product and its values, where it has no SKU.
    options: Option<Vec<OptionRow>>,
    option_values: Option<Vec<String>>,
}

/// An option of a product.
#[derive(Deserialize)]
struct OptionRow {
    name: String,
}

/// Holds variants that may become bundles, or cease to be some, until the transaction ends: nobody changes their terms or
/// opens their books somewhere meanwhile. Their stock is held after them. Whether one is a bundle is a part of a key, so that
/// they are held more firmly than for other changes.
pub(crate) fn hold(connection: &mut PgConnection, variants: Vec<Uuid>) -> QueryResult<()> {
    let mut select = Select::<SqlUuid>::new("SELECT id FROM products.variants WHERE id = ANY(");
    select.bind(Bind::Uuids(variants)).text(") ORDER BY id FOR UPDATE");
    select.load(connection).map(|_: Vec<Uuid>| ())
}

/// What these variants are; those that are deleted or unknown are left out. Whoever holds their products keeps them so.
pub(crate) fn roles(connection: &mut PgConnection, variants: Vec<Uuid>) -> QueryResult<Vec<Role>> {
    let mut select = Select::<(SqlUuid, Bool, Bool, Bool)>::new(
        "SELECT variant.id, variant.is_bundle, \
         EXISTS (SELECT FROM products.bundle_components AS part WHERE part.component_id = variant.id), \
         variant.backorder_limit > 0 OR variant.preorder_until IS NOT NULL \
         FROM products.variants AS variant WHERE variant.deleted_at IS NULL AND variant.id = ANY(",
    );
    select.bind(Bind::Uuids(variants)).text(")");
    select.load(connection)
}

/// The products whose variants these products' bundles and others' consist of: `(component's product, bundle's product)`,
/// for components of `products`.
pub(crate) fn users(connection: &mut PgConnection, products: Vec<Uuid>) -> QueryResult<Vec<(Uuid, Uuid)>> {
    let mut select = Select::<(SqlUuid, SqlUuid)>::new(
        "SELECT DISTINCT component.product_id, bundle.product_id FROM products.variants AS component \
         JOIN products.bundle_components AS part ON part.component_id = component.id \
         JOIN products.variants AS bundle ON bundle.id = part.bundle_id WHERE component.product_id = ANY(",
    );
    select.bind(Bind::Uuids(products)).text(")");
    select.load(connection)
}

/// Bundles as they are sold `today`; nothing is asked where there are none.
pub(super) fn read(
    connection: &mut PgConnection,
    bundles: Vec<Uuid>,
    today: NaiveDate,
) -> QueryResult<HashMap<Uuid, BundleRow>> {
    if bundles.is_empty() {
        return Ok(HashMap::new());
    }
    let mut select = Select::<(SqlUuid, BigInt, BigInt, Nullable<Date>, Nullable<Json>)>::new(
        "SELECT bundle.id, offer.available, offer.sellable, offer.ships_on, \
         (SELECT json_agg(json_build_object('variant', part.component_id, 'sku', component.sku, \
                'product_handle', product.handle, 'title', product.title, 'variant_title', component.title, \
                'on_sale', product.status = 'active', 'quantity', part.quantity, \
                'options', CASE WHEN component.sku IS NULL THEN product.options END, \
                'option_values', CASE WHEN component.sku IS NULL THEN component.option_values END) ORDER BY part.position) \
            FROM products.bundle_components AS part \
            JOIN products.variants AS component ON component.id = part.component_id \
            JOIN products.products AS product ON product.id = component.product_id \
            WHERE part.bundle_id = bundle.id) \
         FROM unnest(",
    );
    select.bind(Bind::Uuids(bundles));
    select.text("::uuid[]) AS bundle (id) CROSS JOIN LATERAL products.bundle_offer(bundle.id, ");
    select.bind(Bind::Text(today.to_string())).text("::date) AS offer");
    let rows: Vec<BundleRow> = select.load(connection)?;
    Ok(rows.into_iter().map(|row| (row.id, row)).collect())
}

/// The variants that are known by these names, and maybe others.
pub(crate) fn by_name(
    connection: &mut PgConnection,
    names: &HashSet<&VariantName>,
) -> QueryResult<HashMap<VariantName, Uuid>> {
    let (mut skus, mut handles) = (Vec::new(), Vec::new());
    for name in names {
        match name {
            VariantName::Sku(sku) => skus.push(sku.clone()),
            VariantName::Options(handle, _) => handles.push(handle.clone()),
        }
    }
    let found = by_sku(connection, skus)?.into_iter();
    let mut found: HashMap<VariantName, Uuid> = found.map(|(sku, id)| (VariantName::Sku(sku), id)).collect();
    if !handles.is_empty() {
        found.extend(of_products(connection, handles)?);
    }
    Ok(found)
}

/// The variants of the products that have these handles.
fn of_products(connection: &mut PgConnection, handles: Vec<String>) -> QueryResult<Vec<(VariantName, Uuid)>> {
    let mut select = Select::<(Text, Json, Array<Text>, SqlUuid)>::new(
        "SELECT product.handle, product.options, variant.option_values, variant.id FROM products.products AS product \
         JOIN products.variants AS variant ON variant.product_id = product.id AND variant.deleted_at IS NULL \
         WHERE product.deleted_at IS NULL AND product.handle = ANY(",
    );
    select.bind(Bind::Texts(handles)).text(")");
    let rows: Vec<(String, Verbatim, Vec<String>, Uuid)> = select.load(connection)?;
    let named = rows.into_iter().map(|(handle, options, values, id)| {
        let options: Vec<OptionRow> = select::read(&options)?;
        Ok((by_options(handle, options, values), id))
    });
    named.collect()
}

/// What a variant is known by that has these values of its product's options.
fn by_options(handle: String, options: Vec<OptionRow>, values: Vec<String>) -> VariantName {
    let options = options.into_iter().map(|option| option.name);
    VariantName::Options(handle, options.zip(values).collect())
}

/// The variants that have these SKUs.
fn by_sku(connection: &mut PgConnection, skus: Vec<String>) -> QueryResult<Vec<(String, Uuid)>> {
    let mut select = Select::<(Text, SqlUuid)>::new(
        "SELECT variant.sku, variant.id FROM products.variants AS variant \
         WHERE variant.deleted_at IS NULL AND variant.sku = ANY(",
    );
    select.bind(Bind::Texts(skus)).text(")");
    select.load(connection)
}

/// Those of these variants, whose stock is held, of which some were sold by themselves and are not given back.
pub(crate) fn sold(connection: &mut PgConnection, variants: Vec<Uuid>) -> QueryResult<Vec<Uuid>> {
    let mut select = Select::<SqlUuid>::new(
        "SELECT variant_id FROM products.stock_movements \
         WHERE kind IN ('sale', 'restock') AND variant_id = ANY(",
    );
    select.bind(Bind::Uuids(variants));
    select.text(") GROUP BY variant_id HAVING sum(delta) <> 0");
    select.load(connection)
}

/// Makes variants bundles of these components; those with none are no bundles any more. Fails on `stock_bundle` where one
/// has stock, on `variants_bundle_terms` where one has terms.
pub(crate) fn replace(connection: &mut PgConnection, bundles: &[(Uuid, Vec<NewComponent>)]) -> QueryResult<()> {
    const ROLES: &str =
        "UPDATE @.variants SET is_bundle = id = ANY(?) WHERE id = ANY(?) AND is_bundle <> (id = ANY(?))";
    const INSERT: &str = "INSERT INTO @.bundle_components (bundle_id, component_id, quantity, position) \
        SELECT part.* FROM unnest(?, ?, ?, ?) AS part";
    if bundles.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = bundles.iter().map(|(bundle, _)| *bundle).collect();
    remove(connection, &ids)?;
    let filled = bundles.iter().filter(|(_, components)| !components.is_empty());
    let filled = Bind::Uuids(filled.map(|(bundle, _)| *bundle).collect());
    let binds = [filled.clone(), Bind::Uuids(ids), filled];
    Statement::new(SCHEMA, ROLES, binds).execute(connection)?;
    let parts = || {
        bundles.iter().flat_map(|(bundle, components)| {
            let numbered = components.iter().zip(1..);
            numbered.map(move |(component, position)| (*bundle, component, position))
        })
    };
    let binds = [
        Bind::Uuids(parts().map(|(bundle, _, _)| bundle).collect()),
        Bind::Uuids(parts().map(|(_, component, _)| component.variant_id.uuid()).collect()),
        Bind::BigInts(parts().map(|(_, component, _)| component.quantity).collect()),
        Bind::BigInts(parts().map(|(_, _, position)| position).collect()),
    ];
    Statement::new(SCHEMA, INSERT, binds).execute(connection).map(drop)
}

/// Bundles that are deleted, or become others, consist of nothing any more.
pub(crate) fn remove(connection: &mut PgConnection, bundles: &[Uuid]) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.bundle_components WHERE bundle_id = ANY(?)";
    Statement::new(SCHEMA, SQL, [Bind::Uuids(bundles.to_vec())])
        .execute(connection)
        .map(drop)
}

impl BundleRow {
    pub(super) fn offer(&self) -> Offer {
        Offer::new(self.available, self.sellable, self.ships_on)
    }

    /// What it consists of. What those are called that are not on sale is told only `to_staff`.
    pub(super) fn components(&self, to_staff: bool) -> QueryResult<Vec<Component>> {
        let rows = self.rows()?.into_iter();
        Ok(rows.map(|row| row.into_component(to_staff)).collect())
    }

    /// The same as product files name them.
    pub(super) fn named(&self) -> QueryResult<Vec<NamedComponent>> {
        let named = |row: ComponentRow| {
            let (options, values) = (row.options.unwrap_or_default(), row.option_values.unwrap_or_default());
            let variant = match row.sku {
                Some(sku) => VariantName::Sku(sku),
                None => by_options(row.product_handle, options, values),
            };
            NamedComponent {
                variant,
                quantity: row.quantity,
            }
        };
        Ok(self.rows()?.into_iter().map(named).collect())
    }

    fn rows(&self) -> QueryResult<Vec<ComponentRow>> {
        self.components.as_ref().map_or_else(|| Ok(Vec::new()), select::read)
    }
}

impl ComponentRow {
    fn into_component(self, to_staff: bool) -> Component {
        let is_told = to_staff || self.on_sale;
        let told = |name: String| is_told.then_some(name);
        Component {
            variant_id: self.variant.into(),
            product_handle: told(self.product_handle),
            title: told(self.title),
            variant_title: told(self.variant_title),
            quantity: self.quantity,
        }
    }
}
