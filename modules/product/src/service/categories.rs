//! What staff do to the tree of categories. Whoever writes it has it for himself until his transaction ends.

use chrono::{DateTime, Utc};
use database::{Failure, OnViolation, OrRefuse, outbox, refuse};
use diesel::PgConnection;
use kernel::event::Event;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::CategoryId;
use kernel::{FieldErrors, Patch};
use product_api::{CategoryChanged, ProductError};
use uuid::Uuid;

use super::editing::publish;
use super::{Service, allow, refuse_duplicates};
use crate::domain::SCHEMA;
use crate::domain::category::{Category, CategoryPatch, MAX_DEPTH, NewCategory, StoredCategory};
use crate::domain::draft::CategoryReference;
use crate::domain::handle::Handle;
use crate::queries::{categories, membership};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// All categories, for staff.
    pub(crate) async fn list_categories(&self) -> Result<Vec<Category>, ProductError> {
        self.db.run(|connection| Ok(categories::all(connection)?)).await
    }

    /// Adds a category.
    pub(crate) async fn create_category(
        &self,
        new: NewCategory,
        call: Option<Call>,
    ) -> Result<Answer<Category>, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            categories::lock_tree(connection)?;
            let parent = match new.parent_id {
                Some(id) => Some(find_parent(connection, id)?),
                None => None,
            };
            let handle = match new.handle {
                Some(handle) => handle,
                None => free_handle(connection, new.name.as_str(), &[])?,
            };
            let category = Category {
                id: CategoryId::generate(),
                handle: handle.into(),
                name: new.name.as_str().to_owned(),
                parent_id: new.parent_id,
                path: Vec::new(),
                position: new.position,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            let stored = below(parent.as_ref(), category).or_refuse()?;
            let category = stored.category.clone();
            categories::insert(connection, vec![stored]).map_err(refuse_duplicates)?;
            publish_category(connection, category.id, now)?;
            Ok(category)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.cache.outdate();
        Ok(answer)
    }

    /// Renames, moves or reorders a category. Everything below goes with it.
    pub(crate) async fn update_category(
        &self,
        id: CategoryId,
        patch: CategoryPatch,
        condition: IfMatch,
    ) -> Result<Category, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            categories::lock_tree(connection)?;
            let before = find(connection, id, &condition)?;
            let mut after = before.category.clone();
            let mut moved = Vec::new();
            after.name = patch.name.map_or(after.name, |name| name.as_str().to_owned());
            after.handle = patch.handle.map_or(after.handle, String::from);
            after.position = patch.position.unwrap_or(after.position);
            after.parent_id = match patch.parent_id {
                Patch::Keep => after.parent_id,
                Patch::Clear => None,
                Patch::Set(parent) => Some(parent),
            };
            categories::update(connection, &after, now).map_err(refuse_duplicates)?;
            if after.name != before.category.name || after.parent_id != before.category.parent_id {
                relocate(connection, &before, after)?;
                let products = categories::copy_paths(connection, id.uuid())?;
                publish(connection, &products, now)?;
                membership::recheck(connection, products.clone(), now.date_naive())?;
                moved = products;
            }
            publish_category(connection, id, now)?;
            Ok((find(connection, id, &IfMatch::default())?.category, moved))
        };
        let (category, moved) = self.db.transaction(work).await?;
        self.show(moved).await;
        Ok(category)
    }

    /// Removes a category without products and children.
    pub(crate) async fn delete_category(&self, id: CategoryId, condition: IfMatch) -> Result<(), ProductError> {
        let now = self.clock.now();
        let in_use = || ProductError::InUse("the category has products or other categories".to_owned());
        let work = move |connection: &mut PgConnection| {
            categories::lock_tree(connection)?;
            find(connection, id, &condition)?;
            if categories::is_used(connection, id.uuid())? {
                return refuse(in_use());
            }
            categories::delete(connection, id.uuid()).on_violation("products_category_id_fkey", in_use)?;
            publish_category(connection, id, now)
        };
        self.db.transaction(work).await?;
        self.cache.outdate();
        Ok(())
    }
}

/// Tells the world that a category has changed.
pub(super) fn publish_category(connection: &mut PgConnection, category: CategoryId, now: DateTime<Utc>) -> Work<()> {
    let event = Event::of(&CategoryChanged { category }, now)
        .map_err(ProductError::Fault)
        .or_refuse()?;
    Ok(outbox::append(connection, SCHEMA, &event)?)
}

/// A handle that neither a category nor one of `others` has.
pub(super) fn free_handle(connection: &mut PgConnection, name: &str, others: &[String]) -> Work<Handle> {
    let candidates = Handle::candidates(name, &Uuid::now_v7().simple().to_string());
    let mut taken = categories::taken_handles(connection, &candidates)?;
    taken.extend_from_slice(others);
    let free = candidates
        .into_iter()
        .find(|candidate| !taken.iter().any(|taken| taken == candidate.as_str()));
    free.ok_or_else(|| ProductError::Taken("category (by its handle)".to_owned()))
        .or_refuse()
}

/// A category with the way that leads to it through `parent`.
pub(super) fn below(parent: Option<&StoredCategory>, mut category: Category) -> Result<StoredCategory, ProductError> {
    let mut ancestors = parent.map(|parent| parent.ancestors.clone()).unwrap_or_default();
    category.path = parent.map(|parent| parent.category.path.clone()).unwrap_or_default();
    ancestors.push(category.id.uuid());
    category.path.push(category.name.clone());
    if ancestors.len() > MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(StoredCategory { category, ancestors })
}

fn relocate(connection: &mut PgConnection, before: &StoredCategory, after: Category) -> Work<()> {
    let id = before.category.id.uuid();
    let parent = match after.parent_id {
        Some(parent) => Some(find_parent(connection, parent)?),
        None => None,
    };
    if parent.as_ref().is_some_and(|parent| parent.ancestors.contains(&id)) {
        let detail = "a category cannot be moved below itself";
        return refuse(ProductError::Invalid(FieldErrors::one("/parent_id", "circle", detail)));
    }
    let parent_id = after.parent_id.map(CategoryId::uuid);
    let place = below(parent.as_ref(), after).or_refuse()?;
    let moved = categories::move_subtree(connection, before, parent_id, place.ancestors, place.category.path);
    match moved.on_violation("categories_depth", too_deep) {
        Err(Failure::Database(error)) => Err(refuse_duplicates(error)),
        other => other,
    }
}

pub(super) fn find(connection: &mut PgConnection, id: CategoryId, condition: &IfMatch) -> Work<StoredCategory> {
    let found = categories::find(connection, &CategoryReference::Id(id.uuid()))?;
    let stored = found
        .ok_or_else(|| ProductError::NotFound("category".to_owned()))
        .or_refuse()?;
    allow(condition, stored.category.version)?;
    Ok(stored)
}

fn find_parent(connection: &mut PgConnection, id: CategoryId) -> Work<StoredCategory> {
    let found = categories::find(connection, &CategoryReference::Id(id.uuid()))?;
    let missing = || ProductError::Invalid(FieldErrors::one("/parent_id", "not_found", "there is no such category"));
    found.ok_or_else(missing).or_refuse()
}

fn too_deep() -> ProductError {
    let detail = format!("the tree may have {MAX_DEPTH} levels");
    ProductError::Invalid(FieldErrors::one("/parent_id", "too_deep", detail))
}
