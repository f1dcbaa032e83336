//! Product types, and whether products satisfy theirs.

use chrono::{DateTime, Utc};
use database::{Failure, OnViolation, OrRefuse};
use diesel::PgConnection;
use kernel::FieldErrors;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::ProductTypeId;
use kernel::page::Page;
use product_api::ProductError;
use uuid::Uuid;

use super::{Service, allow, refuse_duplicates};
use crate::domain::SCHEMA;
use crate::domain::handle::Handle;
use crate::domain::listing::Listing;
use crate::domain::plan::Stored;
use crate::domain::product_type::{
    NewProductType, ProductType, ProductTypePatch, Violation, check_attributes, check_definitions,
};
use crate::queries::arranged;
use crate::queries::product_types::{self, Definitions};

type Work<T> = Result<T, Failure<ProductError>>;

/// The most products that one request for violations looks at.
const LOOKED_AT: i64 = 2_000;

impl Service {
    /// A page of product types.
    pub(crate) async fn list_product_types(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<ProductType>, ProductError> {
        const LIST: &str = "product-types";
        let after: Uuid = self.opened(LIST, cursor)?.unwrap_or_default();
        let rows = self
            .db
            .run(move |connection| Ok::<_, Failure<ProductError>>(product_types::page(connection, after, limit + 1)?))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(LIST, &last.id.uuid())
        }))
    }

    /// A product type by its id.
    pub(crate) async fn find_product_type(&self, id: ProductTypeId) -> Result<ProductType, ProductError> {
        self.db
            .run(move |connection| {
                product_types::find(connection, id.uuid())?
                    .ok_or_else(missing)
                    .or_refuse()
            })
            .await
    }

    /// Adds a product type.
    pub(crate) async fn create_product_type(
        &self,
        new: NewProductType,
        call: Option<Call>,
    ) -> Result<Answer<ProductType>, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            check_definitions(&new.attributes)
                .map_err(ProductError::Invalid)
                .or_refuse()?;
            let handle = match new.handle {
                Some(handle) => handle,
                None => free_handle(connection, new.name.as_str())?,
            };
            let product_type = ProductType {
                id: ProductTypeId::generate(),
                handle: handle.into(),
                name: new.name.into_string(),
                attributes: new.attributes,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            product_types::insert(connection, &product_type).map_err(refuse_duplicates)?;
            Ok(product_type)
        };
        self.db.once(SCHEMA, call, 201, now, work).await
    }

    /// Changes a product type. Products stay as they are, whether they satisfy it or not.
    pub(crate) async fn update_product_type(
        &self,
        id: ProductTypeId,
        patch: ProductTypePatch,
        condition: IfMatch,
    ) -> Result<ProductType, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let after = patched(lock(connection, id, &condition)?, patch, now);
            check_definitions(&after.attributes)
                .map_err(ProductError::Invalid)
                .or_refuse()?;
            product_types::update(connection, &after).map_err(refuse_duplicates)?;
            Ok(after)
        };
        self.db.transaction(work).await
    }

    /// Removes a product type that no product has.
    pub(crate) async fn delete_product_type(&self, id: ProductTypeId, condition: IfMatch) -> Result<(), ProductError> {
        let in_use = || ProductError::InUse("there are products of this type".to_owned());
        let work = move |connection: &mut PgConnection| {
            lock(connection, id, &condition)?;
            product_types::delete(connection, id.uuid()).on_violation("products_product_type_id_fkey", in_use)
        };
        self.db.transaction(work).await
    }

    /// Products that do not satisfy their type. So many are looked at in one go, and a page may therefore be short, or even
    /// empty, and have a next one.
    pub(crate) async fn list_violations(
        &self,
        id: ProductTypeId,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<Violation>, ProductError> {
        let list = format!("violations/{id}");
        let after: Uuid = self.opened(&list, cursor)?.unwrap_or_default();
        let work = move |connection: &mut PgConnection| {
            let product_type = product_types::find(connection, id.uuid())?
                .ok_or_else(missing)
                .or_refuse()?;
            violations(connection, &product_type, after, limit)
        };
        let (data, last) = self.db.run(work).await?;
        Ok(Page {
            data,
            page: kernel::page::PageInfo {
                has_more: last.is_some(),
                next_cursor: last.map(|last| self.cursors.seal(&list, &last)),
            },
        })
    }
}

/// The types of `listings`, to check them with [`check`].
pub(super) fn types_of<'a>(
    connection: &mut PgConnection,
    listings: impl IntoIterator<Item = &'a Listing>,
) -> diesel::QueryResult<Definitions> {
    let mut ids: Vec<Uuid> = listings
        .into_iter()
        .filter_map(|listing| listing.merchandising.product_type)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    product_types::definitions(connection, ids)
}

/// Checks the attributes of a product by its type.
pub(super) fn check(types: &Definitions, listing: &Listing) -> Result<(), FieldErrors> {
    let Some(id) = listing.merchandising.product_type else {
        return Ok(());
    };
    let Some(definitions) = types.get(&id) else {
        let detail = "there is no such product type";
        return Err(FieldErrors::one("/product_type_id", "not_found", detail));
    };
    let mut errors = FieldErrors::new();
    check_attributes(definitions, &listing.attributes, &mut errors);
    errors.into_result()
}

/// A page of violations after `after`, and the last product looked at if there are others behind it.
fn violations(
    connection: &mut PgConnection,
    product_type: &ProductType,
    mut after: Uuid,
    limit: i64,
) -> Work<(Vec<Violation>, Option<Uuid>)> {
    const STEP: i64 = 500;
    let wanted = usize::try_from(limit).unwrap_or(0);
    let mut found = Vec::new();
    for _ in 0..LOOKED_AT / STEP {
        let rows = arranged::next_of_type(connection, product_type.id.uuid(), after, STEP)?;
        let is_last = i64::try_from(rows.len()).unwrap_or(STEP) < STEP;
        let mut rows = rows.into_iter();
        for stored in rows.by_ref() {
            after = stored.id;
            found.extend(violation(product_type, stored));
            if found.len() == wanted {
                break;
            }
        }
        let is_full = found.len() == wanted;
        if is_last && rows.len() == 0 {
            return Ok((found, None));
        }
        if is_full {
            break;
        }
    }
    Ok((found, Some(after)))
}

fn violation(product_type: &ProductType, stored: Stored) -> Option<Violation> {
    let mut errors = FieldErrors::new();
    check_attributes(&product_type.attributes, &stored.listing.attributes, &mut errors);
    let errors = errors.as_slice();
    (!errors.is_empty()).then(|| Violation {
        product_id: stored.id.into(),
        handle: stored.listing.handle.into(),
        title: stored.listing.title,
        errors: errors.to_vec(),
    })
}

fn patched(before: ProductType, patch: ProductTypePatch, now: DateTime<Utc>) -> ProductType {
    ProductType {
        name: patch.name.map_or(before.name, String::from),
        handle: patch.handle.map_or(before.handle, String::from),
        attributes: patch.attributes.unwrap_or(before.attributes),
        version: before.version + 1,
        updated_at: now,
        ..before
    }
}

fn lock(connection: &mut PgConnection, id: ProductTypeId, condition: &IfMatch) -> Work<ProductType> {
    let stored = product_types::lock(connection, id.uuid())?
        .ok_or_else(missing)
        .or_refuse()?;
    allow(condition, stored.version)?;
    Ok(stored)
}

fn free_handle(connection: &mut PgConnection, name: &str) -> Work<Handle> {
    let candidates = Handle::candidates(name, &Uuid::now_v7().simple().to_string());
    let taken = product_types::taken_handles(connection, &candidates)?;
    let free = candidates
        .into_iter()
        .find(|candidate| !taken.iter().any(|taken| taken == candidate.as_str()));
    free.ok_or_else(|| ProductError::Taken("product type (by its handle)".to_owned()))
        .or_refuse()
}

fn missing() -> ProductError {
    ProductError::NotFound("product type".to_owned())
}
