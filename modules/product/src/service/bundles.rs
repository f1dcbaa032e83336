//! What staff decide about bundles. What a bundle consists of is a part of its product.

use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use diesel::result::Error;
use kernel::FieldErrors;
use kernel::http::IfMatch;
use kernel::id::VariantId;
use product_api::ProductError;
use uuid::Uuid;

use super::editing::{publish, read, variant_of};
use super::{Service, allow};
use crate::domain::bundle::NewComponents;
use crate::domain::product::AdminVariant;
use crate::queries::bundles::{self, Role};
use crate::queries::{arranged, categories, products, stock, writing};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// Decides what a variant consists of. This is an edit of its product. Orders that have the bundle set aside keep what
    /// it was made of then.
    pub(crate) async fn update_components(
        &self,
        id: VariantId,
        new: NewComponents,
        condition: IfMatch,
    ) -> Result<AdminVariant, ProductError> {
        let now = self.clock.now();
        new.check(id).map_err(ProductError::Invalid)?;
        let work = move |connection: &mut PgConnection| {
            let product = lock(connection, id, &new, &condition)?;
            bundles::hold(connection, vec![id.uuid()])?;
            check_roles(connection, id, &new)?;
            check_stock(connection, id, &new)?;
            bundles::replace(connection, &[(id.uuid(), new.components)]).map_err(refuse_late)?;
            writing::raise_version(connection, product, now)?;
            publish(connection, &[product], now)?;
            let changed = variant_of(read(connection, product, now)?, id).or_refuse()?;
            Ok((product, changed))
        };
        let (product, changed) = self.db.transaction(work).await?;
        self.show(vec![product]).await;
        Ok(changed)
    }
}

/// Holds the products of the bundle and its components, all at once and in key order; answers the bundle's own.
fn lock(connection: &mut PgConnection, bundle: VariantId, new: &NewComponents, condition: &IfMatch) -> Work<Uuid> {
    let missing = || ProductError::NotFound("variant".to_owned());
    categories::hold_tree(connection)?;
    let own = products::product_of(connection, bundle.uuid())?
        .ok_or_else(missing)
        .or_refuse()?;
    let components = new.components.iter().map(|component| component.variant_id.uuid());
    let mut ids = arranged::products_of(connection, components.collect())?;
    ids.push(own);
    let locked = products::lock(connection, ids)?;
    let stored = locked
        .iter()
        .find(|stored| stored.id == own)
        .ok_or_else(missing)
        .or_refuse()?;
    allow(condition, stored.version)?;
    Ok(own)
}

/// Refuses bundles of bundles, and components that are not there.
fn check_roles(connection: &mut PgConnection, bundle: VariantId, new: &NewComponents) -> Work<()> {
    let mut ids: Vec<Uuid> = new
        .components
        .iter()
        .map(|component| component.variant_id.uuid())
        .collect();
    ids.push(bundle.uuid());
    let roles = bundles::roles(connection, ids)?;
    let role = |id: VariantId| roles.iter().find(|role| role.variant == id.uuid());
    let Some(own) = role(bundle) else {
        return refuse(ProductError::NotFound("variant".to_owned()));
    };
    if new.components.is_empty() {
        return Ok(());
    }
    if own.is_component {
        return refuse(ProductError::InUse("a bundle consists of it".to_owned()));
    }
    if own.has_terms {
        return refuse(has_stock("is sold beyond its stock"));
    }
    let mut errors = FieldErrors::new();
    for (index, component) in new.components.iter().enumerate() {
        let pointer = format!("/components/{index}/variant_id");
        match role(component.variant_id) {
            None => errors.add(pointer, "not_found", "there is no such variant"),
            Some(Role { is_bundle: true, .. }) => {
                errors.add(pointer, "is_bundle", "a bundle cannot be a part of another one");
            }
            Some(_) => (),
        }
    }
    errors.into_result().map_err(ProductError::Invalid).or_refuse()
}

/// Refuses a bundle that has stock of its own; nothing comes to the rows that are there until the transaction ends.
fn check_stock(connection: &mut PgConnection, bundle: VariantId, new: &NewComponents) -> Work<()> {
    let held = stock::hold(connection, vec![bundle.uuid()])?;
    if new.components.is_empty() {
        return Ok(());
    }
    if held.iter().any(|row| row.on_hand != 0 || row.reserved != 0) {
        return refuse(has_stock("is in stock, or promised"));
    }
    // What an order gives back would have no place to go.
    match bundles::sold(connection, vec![bundle.uuid()])?.is_empty() {
        true => Ok(()),
        false => refuse(has_stock("has been sold")),
    }
}

/// What the database knows better than the look at it a moment ago.
fn refuse_late(error: Error) -> Failure<ProductError> {
    let constraint = match &error {
        Error::DatabaseError(_, information) => information.constraint_name(),
        _ => None,
    };
    match constraint {
        Some("stock_bundle") => Failure::Refused(has_stock("is in stock")),
        Some("variants_bundle_terms") => Failure::Refused(has_stock("is sold beyond its stock")),
        _ => error.into(),
    }
}

fn has_stock(how: &str) -> ProductError {
    ProductError::HasStock(how.to_owned())
}

/// What has no stock cannot be changed in it: a field of a request names a bundle.
pub(super) fn no_stock(pointer: &str) -> ProductError {
    let detail = "a bundle has no stock of its own: change that of its components";
    ProductError::Invalid(FieldErrors::one(pointer, "is_bundle", detail))
}
