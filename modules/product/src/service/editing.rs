//! What staff do to products and variants. A product and its variants are edited as one: its version is theirs.

use chrono::{DateTime, Utc};
use database::{Failure, OrRefuse, outbox, refuse};
use diesel::PgConnection;
use kernel::event::Event;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{CollectionId, ProductId, UserId, VariantId};
use kernel::{Fault, FieldErrors, Patch};
use product_api::{ProductChanged, ProductError};
use uuid::Uuid;

use super::media::{known_images, unknown_images};
use super::{Service, allow, product_types, refuse_duplicates};
use crate::domain::SCHEMA;
use crate::domain::draft::{CategoryReference, NewProduct, NewVariant, ProductPatch, VariantPatch};
use crate::domain::handle::Handle;
use crate::domain::listing::Listing;
use crate::domain::plan::{Change, Outcome, Plan, Stored};
use crate::domain::product::{AdminProduct, AdminVariant};
use crate::queries::writing::Stamp;
use crate::queries::{arranged, categories, media, products, writing};
use crate::search::Changes;

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// Any product by its id, for staff.
    pub(crate) async fn find_admin(&self, id: ProductId) -> Result<AdminProduct, ProductError> {
        let now = self.clock.now();
        self.db.run(move |connection| read(connection, id.uuid(), now)).await
    }

    /// Adds a product.
    pub(crate) async fn create_product(
        &self,
        new: NewProduct,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<AdminProduct>, ProductError> {
        let (stamp, currencies) = (self.stamp(actor), self.currencies.clone());
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            categories::hold_tree(connection)?;
            let category = resolve(connection, new.category_id.as_ref())?;
            let handle = match &new.handle {
                Some(handle) => handle.clone(),
                None => free_handle(connection, &new.title)?,
            };
            let mut listing = new
                .into_listing(handle, &currencies, now.date_naive())
                .map_err(ProductError::Invalid)
                .or_refuse()?;
            listing.category = category;
            check_type(connection, &listing)?;
            let id = save(connection, None, listing, &stamp)?;
            read(connection, id, now)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        if let Answer::Fresh(made) = &answer {
            self.show(vec![made.product.id.uuid()]).await;
        }
        Ok(answer)
    }

    /// Changes a product.
    pub(crate) async fn update_product(
        &self,
        id: ProductId,
        mut patch: ProductPatch,
        condition: IfMatch,
        actor: UserId,
    ) -> Result<AdminProduct, ProductError> {
        let stamp = self.stamp(actor);
        let work = move |connection: &mut PgConnection| {
            let before = lock(connection, id.uuid(), &condition)?;
            let mut listing = before.listing.clone();
            listing.category = match std::mem::take(&mut patch.category_id) {
                Patch::Keep => listing.category,
                Patch::Clear => None,
                Patch::Set(reference) => resolve(connection, Some(&reference))?,
            };
            patch.apply(&mut listing);
            listing.check().map_err(ProductError::Invalid).or_refuse()?;
            check_type(connection, &listing)?;
            save(connection, Some(before), listing, &stamp)?;
            read(connection, id.uuid(), stamp.now)
        };
        let product = self.db.transaction(work).await?;
        self.show(vec![id.uuid()]).await;
        Ok(product)
    }

    /// Takes a product out of the catalogue. Orders that have some of it reserved go on.
    pub(crate) async fn delete_product(&self, id: ProductId, condition: IfMatch) -> Result<(), ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let before = lock(connection, id.uuid(), &condition)?;
            media::hold(connection, before.listing.files().into_iter().collect(), now)?;
            writing::delete_products(connection, &[id.uuid()], now).map_err(refuse_duplicates)?;
            publish(connection, &[id.uuid()], now)
        };
        self.db.transaction(work).await?;
        self.show(vec![id.uuid()]).await;
        Ok(())
    }

    /// Adds a variant to a product.
    pub(crate) async fn create_variant(
        &self,
        id: ProductId,
        new: NewVariant,
        condition: IfMatch,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<AdminVariant>, ProductError> {
        let (stamp, currencies) = (self.stamp(actor), self.currencies.clone());
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            let before = lock(connection, id.uuid(), &condition)?;
            let mut errors = FieldErrors::new();
            let variant = new.into_listed(&currencies, "", &mut errors);
            errors.into_result().map_err(ProductError::Invalid).or_refuse()?;
            let mut listing = before.listing.clone();
            listing.variants.push(variant);
            if before.listing.variants.is_empty() {
                listing.derive_options();
            }
            check_variant(&listing, listing.variants.len() - 1).or_refuse()?;
            save(connection, Some(before), listing, &stamp)?;
            let product = read(connection, id.uuid(), now)?;
            last_variant(product).or_refuse()
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.show(vec![id.uuid()]).await;
        Ok(answer)
    }

    /// Changes a variant.
    pub(crate) async fn update_variant(
        &self,
        id: VariantId,
        patch: VariantPatch,
        condition: IfMatch,
        actor: UserId,
    ) -> Result<AdminVariant, ProductError> {
        let (stamp, currencies) = (self.stamp(actor), self.currencies.clone());
        let work = move |connection: &mut PgConnection| {
            let (before, index) = lock_variant(connection, id, &condition)?;
            let product = before.id;
            let mut listing = before.listing.clone();
            if let Some(variant) = listing.variants.get_mut(index) {
                patch
                    .apply(variant, &currencies)
                    .map_err(ProductError::Invalid)
                    .or_refuse()?;
                // Sales go on meanwhile: the stock read a moment ago must not be written back.
                variant.stock = None;
            }
            check_variant(&listing, index).or_refuse()?;
            save(connection, Some(before), listing, &stamp)?;
            let product = read(connection, product, stamp.now)?;
            variant_of(product, id).or_refuse()
        };
        let variant = self.db.transaction(work).await?;
        self.show(vec![variant.product_id.uuid()]).await;
        Ok(variant)
    }

    /// Takes a variant out of the catalogue.
    pub(crate) async fn delete_variant(
        &self,
        id: VariantId,
        condition: IfMatch,
        actor: UserId,
    ) -> Result<(), ProductError> {
        let stamp = self.stamp(actor);
        let work = move |connection: &mut PgConnection| {
            let (before, index) = lock_variant(connection, id, &condition)?;
            let mut listing = before.listing.clone();
            listing.variants.remove(index);
            save(connection, Some(before), listing, &stamp)
        };
        let product = self.db.transaction(work).await?;
        self.show(vec![product]).await;
        Ok(())
    }

    /// Has lists of this process show what has been written.
    pub(super) async fn show(&self, products: Vec<Uuid>) {
        self.outdate();
        self.search.settle(Changes::of_products(products)).await;
    }

    /// Has lists of this process show which products belong to a collection.
    pub(super) async fn show_collection(&self, collection: CollectionId) {
        self.outdate();
        self.search.settle(Changes::of_collections([collection.uuid()])).await;
    }

    /// Has lists of this process show what can be bought of variants now.
    pub(super) async fn show_stock(&self, variants: Vec<Uuid>) {
        let products = self
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>(arranged::products_of(connection, variants)?));
        match products.await {
            Ok(products) => self.show(products).await,
            // It is written all the same, and events tell of it.
            Err(error) => tracing::warn!(%error, "a change of stock is shown a moment later"),
        }
    }

    /// What was counted before is not used again.
    pub(super) fn outdate(&self) {
        self.cache.outdate();
    }

    pub(super) fn stamp(&self, actor: UserId) -> Stamp {
        Stamp {
            actor: actor.to_string(),
            now: self.clock.now(),
        }
    }
}

/// Tells the world that products have changed.
pub(super) fn publish(connection: &mut PgConnection, products: &[Uuid], now: DateTime<Utc>) -> Work<()> {
    let event = |id: &Uuid| {
        let product = ProductId::from(*id);
        Event::of(&ProductChanged { product }, now)
    };
    let events: Vec<Event> = products
        .iter()
        .map(event)
        .collect::<Result<_, _>>()
        .map_err(ProductError::Fault)
        .or_refuse()?;
    Ok(outbox::append_all(connection, SCHEMA, &events)?)
}

/// Writes products as they are to be, and tells of those that have changed. Whoever calls this holds the tree, and knows
/// that the products' categories are there. Where images come or go, it holds them as well.
pub(super) fn write(connection: &mut PgConnection, mut changes: Vec<Change>, stamp: &Stamp) -> Work<Plan> {
    let edited = changes.iter_mut().filter(|change| change.before.is_some());
    edited.for_each(|change| keep_stock(&mut change.after));
    let mut ids: Vec<Uuid> = changes.iter().filter_map(|change| change.after.category).collect();
    ids.sort_unstable();
    ids.dedup();
    let paths = categories::paths(connection, ids)?;
    let plan = Plan::of(changes, Uuid::now_v7);
    writing::write(connection, &plan, &paths, stamp).map_err(refuse_duplicates)?;
    let outcomes = plan.outcomes.iter();
    let changed = outcomes.filter(|(_, outcome)| *outcome != Outcome::Unchanged);
    let changed: Vec<Uuid> = changed.map(|(id, _)| *id).collect();
    publish(connection, &changed, stamp.now)?;
    Ok(plan)
}

/// Writes one product as it is to be.
pub(super) fn save(connection: &mut PgConnection, before: Option<Stored>, after: Listing, stamp: &Stamp) -> Work<Uuid> {
    check_images(connection, before.as_ref(), &after, stamp.now)?;
    let plan = write(connection, vec![Change { before, after }], stamp)?;
    let written = plan.outcomes.first().map(|(id, _)| *id);
    written
        .ok_or_else(|| ProductError::NotFound("product".to_owned()))
        .or_refuse()
}

/// Refuses attributes that do not satisfy the product's type.
fn check_type(connection: &mut PgConnection, listing: &Listing) -> Work<()> {
    let types = product_types::types_of(connection, [listing])?;
    product_types::check(&types, listing)
        .map_err(ProductError::Invalid)
        .or_refuse()
}

/// Refuses images that are said to be ours and are not.
fn check_images(
    connection: &mut PgConnection,
    before: Option<&Stored>,
    after: &Listing,
    now: DateTime<Utc>,
) -> Work<()> {
    let shown = before.map(|before| before.listing.files()).unwrap_or_default();
    let known = known_images(connection, &[(shown, after.files())], now)?;
    unknown_images(after, &known)
        .into_result()
        .map_err(ProductError::Invalid)
        .or_refuse()
}

/// Edits of a product leave the stock of its variants alone: sales go on meanwhile.
fn keep_stock(listing: &mut Listing) {
    let existing = listing.variants.iter_mut().filter(|variant| variant.id.is_some());
    existing.for_each(|variant| variant.stock = None);
}

/// A product to edit, which is at the version that the client has seen.
pub(super) fn lock(connection: &mut PgConnection, id: Uuid, condition: &IfMatch) -> Work<Stored> {
    categories::hold_tree(connection)?;
    let Some(stored) = products::lock(connection, vec![id])?.pop() else {
        return refuse(ProductError::NotFound("product".to_owned()));
    };
    allow(condition, stored.version)?;
    Ok(stored)
}

/// The product of a variant to edit, and which of its variants that is.
fn lock_variant(connection: &mut PgConnection, id: VariantId, condition: &IfMatch) -> Work<(Stored, usize)> {
    let missing = || ProductError::NotFound("variant".to_owned());
    let product = products::product_of(connection, id.uuid())?
        .ok_or_else(missing)
        .or_refuse()?;
    let stored = lock(connection, product, condition)?;
    let found = stored
        .listing
        .variants
        .iter()
        .position(|variant| variant.id == Some(id.uuid()));
    let index = found.ok_or_else(missing).or_refuse()?;
    Ok((stored, index))
}

/// A product as it is now.
pub(super) fn read(connection: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Work<AdminProduct> {
    let found = products::find_admin(connection, id, now.date_naive())?;
    found
        .ok_or_else(|| ProductError::NotFound("product".to_owned()))
        .or_refuse()
}

fn resolve(connection: &mut PgConnection, reference: Option<&CategoryReference>) -> Work<Option<Uuid>> {
    let Some(reference) = reference else {
        return Ok(None);
    };
    match categories::find(connection, reference)? {
        Some(found) => Ok(Some(found.category.id.uuid())),
        None => refuse(ProductError::Invalid(unknown_category())),
    }
}

fn free_handle(connection: &mut PgConnection, title: &str) -> Work<Handle> {
    let candidates = Handle::candidates(title, &Uuid::now_v7().simple().to_string());
    let taken = products::taken_handles(connection, &candidates)?;
    let free = candidates
        .into_iter()
        .find(|candidate| !taken.iter().any(|taken| taken == candidate.as_str()));
    free.ok_or_else(|| ProductError::Taken("product (by its handle)".to_owned()))
        .or_refuse()
}

pub(super) fn unknown_category() -> FieldErrors {
    FieldErrors::one("/category_id", "not_found", "there is no such category")
}

/// Checks a product of which one variant is the request: errors are told as if that were all.
fn check_variant(listing: &Listing, index: usize) -> Result<(), ProductError> {
    let Err(found) = listing.check() else { return Ok(()) };
    let prefix = format!("/variants/{index}/");
    let mut errors = FieldErrors::new();
    for error in found.as_slice() {
        let pointer = match error.pointer.strip_prefix(&prefix) {
            Some(rest) => format!("/{rest}"),
            None => String::new(),
        };
        errors.add(pointer, &error.code, &error.detail);
    }
    Err(ProductError::Invalid(errors))
}

fn last_variant(product: AdminProduct) -> Result<AdminVariant, ProductError> {
    let last = product.product.variants.last().map(|variant| variant.id);
    last.map_or_else(
        || Err(ProductError::NotFound("variant".to_owned())),
        |id| variant_of(product, id),
    )
}

pub(super) fn variant_of(product: AdminProduct, id: VariantId) -> Result<AdminVariant, ProductError> {
    let variant = product.product.variants.into_iter().find(|variant| variant.id == id);
    Ok(AdminVariant {
        variant: variant.ok_or_else(|| ProductError::NotFound("variant".to_owned()))?,
        product_id: product.product.id,
        version: product.version,
    })
}
