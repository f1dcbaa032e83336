//! What bundles consist of.

use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Uuid as SqlUuid};
use serde::Deserialize;
use uuid::Uuid;

use super::select::{Select, Verbatim, read};
use crate::domain::SCHEMA;
use crate::domain::bundle::{Component, NewComponent};

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

/// A component, as the statement that reads variants makes it.
#[derive(Deserialize)]
struct ComponentRow {
    variant: Uuid,
    product_handle: String,
    title: String,
    variant_title: String,
    on_sale: bool,
    quantity: i64,
}

/// Holds a variant that may become a bundle, or cease to be one, until the transaction ends: nobody changes its terms or
/// opens its books somewhere meanwhile. Its stock is held after it. Whether it is a bundle is a part of a key, so that it is
/// held more firmly than for other changes.
pub(crate) fn hold(connection: &mut PgConnection, variant: Uuid) -> QueryResult<()> {
    let mut select = Select::<SqlUuid>::new("SELECT id FROM products.variants WHERE id = ");
    select.bind(Bind::Uuid(variant)).text(" FOR UPDATE");
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

/// Whether some of a variant, whose stock is held, were sold by itself and are not given back.
pub(crate) fn is_sold(connection: &mut PgConnection, variant: Uuid) -> QueryResult<bool> {
    let mut select = Select::<Bool>::new(
        "SELECT coalesce(sum(delta), 0) <> 0 FROM products.stock_movements \
         WHERE kind IN ('sale', 'restock') AND variant_id = ",
    );
    select.bind(Bind::Uuid(variant));
    select.get_result(connection)
}

/// Makes a variant a bundle of these components; with none it is no bundle any more. Fails on `stock_bundle` where it has
/// stock, on `variants_bundle_terms` where it has terms.
pub(crate) fn replace(connection: &mut PgConnection, bundle: Uuid, components: &[NewComponent]) -> QueryResult<()> {
    const ROLE: &str = "UPDATE @.variants SET is_bundle = ? WHERE id = ? AND is_bundle <> ?";
    const INSERT: &str = "INSERT INTO @.bundle_components (bundle_id, component_id, quantity, position) \
        SELECT ?, part.id, part.quantity, part.position FROM unnest(?, ?) WITH ORDINALITY AS part (id, quantity, position)";
    remove(connection, &[bundle])?;
    let is_bundle = Bind::Bool(!components.is_empty());
    let binds = [is_bundle.clone(), Bind::Uuid(bundle), is_bundle];
    Statement::new(SCHEMA, ROLE, binds).execute(connection)?;
    let (ids, quantities) = components
        .iter()
        .map(|component| (component.variant_id.uuid(), component.quantity))
        .unzip();
    let binds = [Bind::Uuid(bundle), Bind::Uuids(ids), Bind::BigInts(quantities)];
    Statement::new(SCHEMA, INSERT, binds).execute(connection).map(drop)
}

/// The components of a bundle, of which the statement that reads variants has made JSON. What those are called that are not
/// on sale is told only `to_staff`.
pub(super) fn components(json: &Verbatim, to_staff: bool) -> QueryResult<Vec<Component>> {
    let rows: Vec<ComponentRow> = read(json)?;
    Ok(rows.into_iter().map(|row| row.into_component(to_staff)).collect())
}

/// Bundles that are deleted consist of nothing any more.
pub(super) fn remove(connection: &mut PgConnection, bundles: &[Uuid]) -> QueryResult<()> {
    const SQL: &str = "DELETE FROM @.bundle_components WHERE bundle_id = ANY(?)";
    Statement::new(SCHEMA, SQL, [Bind::Uuids(bundles.to_vec())])
        .execute(connection)
        .map(drop)
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
