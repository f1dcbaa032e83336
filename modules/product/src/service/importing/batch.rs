//! One batch of an import: categories found or made, products matched, differences written.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use database::outbox;
use diesel::{PgConnection, QueryResult};
use kernel::Currency;
use kernel::event::Event;
use kernel::id::{CategoryId, ProductId};
use product_api::ProductChanged;
use uuid::Uuid;

use super::{End, Written};
use crate::domain::SCHEMA;
use crate::domain::category::{Category, StoredCategory};
use crate::domain::draft::CategoryReference;
use crate::domain::handle::Handle;
use crate::domain::listing::{ListedVariant, Listing};
use crate::domain::plan::{Change, Outcome, Plan, Stored};
use crate::import::{ImportedProduct, RowError};
use crate::queries::writing::Stamp;
use crate::queries::{categories, products, writing};
use crate::service::categories::below;

/// What a batch needs to know.
pub(super) struct Batch<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) currency: Currency,
    pub(super) actor: &'a str,
    pub(super) categories: &'a HashMap<Vec<String>, Uuid>,
}

/// Who is who among the products that a batch may be about.
struct Known {
    by_external_id: HashMap<String, Uuid>,
    by_handle: HashMap<String, Uuid>,
    stored: HashMap<Uuid, Stored>,
    sku_owners: HashMap<String, Uuid>,
    /// Handles that this batch has given away.
    given: HashSet<String>,
}

impl Batch<'_> {
    /// Writes `products` in the transaction that `connection` is in.
    pub(super) fn write(&self, connection: &mut PgConnection, products: &[ImportedProduct]) -> Result<Written, End> {
        let category_ids = self.categories_of(connection, products)?;
        let mut known = Known::of(connection, products)?;
        let mut changes = Vec::with_capacity(products.len());
        let mut refused = Vec::new();
        for product in products {
            match self.change(connection, product, &mut known, &category_ids)? {
                Ok(change) => changes.push(change),
                Err(reason) => refused.push(RowError {
                    line: product.line,
                    reason,
                }),
            }
        }
        let plan = Plan::of(changes, Uuid::now_v7);
        let listings = plan.insert_products.iter().chain(&plan.update_products);
        let used: HashSet<Uuid> = listings.filter_map(|(_, listing)| listing.category).collect();
        let paths = categories::paths(connection, used.into_iter().collect())?;
        let stamp = Stamp {
            actor: self.actor.to_owned(),
            kind: "import",
            now: self.now,
        };
        writing::write(connection, &plan, &paths, &stamp)?;
        self.publish(connection, &plan)?;
        Ok(Written {
            changed: changed(&plan).collect(),
            outcomes: plan.outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            refused,
            categories: category_ids,
        })
    }

    /// What a row comes to: what is to become of which product, or why not.
    fn change(
        &self,
        connection: &mut PgConnection,
        product: &ImportedProduct,
        known: &mut Known,
        category_ids: &HashMap<Vec<String>, Uuid>,
    ) -> QueryResult<Result<Change, String>> {
        let before = match known.find(product) {
            Ok(id) => id.and_then(|id| known.stored.get(&id)).cloned(),
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(sku) = known.foreign_sku(product, before.as_ref()) {
            return Ok(Err(format!("another product has the SKU `{sku}`")));
        }
        let handle = match (&product.handle, &before) {
            (Some(handle), _) => handle.clone(),
            (None, Some(before)) => before.listing.handle.clone(),
            (None, None) => known.free_handle(connection, product)?,
        };
        known.given.insert(handle.to_string());
        let mut after = merge(product, before.as_ref().map(|before| &before.listing), handle, self);
        if let Some(path) = &product.category {
            after.category = category_ids.get(&names(path)).copied();
        }
        if let Err(errors) = after.check() {
            return Ok(Err(errors.to_string()));
        }
        Ok(Ok(Change { before, after }))
    }

    /// The ids of the categories that products name. The tree stays as it is from here on; where some are missing, they
    /// are made, with their parents, while nobody else has the tree.
    fn categories_of(
        &self,
        connection: &mut PgConnection,
        products: &[ImportedProduct],
    ) -> Result<HashMap<Vec<String>, Uuid>, End> {
        let wanted: HashSet<Vec<String>> = products
            .iter()
            .filter_map(|product| product.category.as_ref())
            .map(|path| names(path))
            .collect();
        if wanted.iter().all(|path| self.categories.contains_key(path)) {
            categories::hold_tree(connection)?;
            let ids = categories::ids_by_path(connection)?;
            // Staff may have renamed or removed one since the batch before.
            let is_same = wanted.iter().all(|path| ids.contains_key(path));
            return if is_same { Ok(ids) } else { Err(End::Stale) };
        }
        categories::lock_tree(connection)?;
        let mut ids = categories::ids_by_path(connection)?;
        let mut new: Vec<StoredCategory> = Vec::new();
        for path in wanted {
            for depth in 1..=path.len() {
                if !ids.contains_key(&path[..depth]) {
                    let category = self.new_category(connection, &path[..depth], &ids, &new)?;
                    ids.insert(path[..depth].to_vec(), category.category.id.uuid());
                    new.push(category);
                }
            }
        }
        if !new.is_empty() {
            categories::insert(connection, new)?;
        }
        Ok(ids)
    }

    fn new_category(
        &self,
        connection: &mut PgConnection,
        path: &[String],
        ids: &HashMap<Vec<String>, Uuid>,
        new: &[StoredCategory],
    ) -> QueryResult<StoredCategory> {
        let name = path.last().cloned().unwrap_or_default();
        let parent = match ids.get(&path[..path.len() - 1]) {
            None => None,
            Some(id) => match new.iter().find(|category| category.category.id.uuid() == *id) {
                Some(category) => Some(category.clone()),
                None => categories::find(connection, &CategoryReference::Id(*id))?,
            },
        };
        let id = CategoryId::generate();
        let candidates = Handle::candidates(&name, &id.uuid().simple().to_string());
        let mut taken: HashSet<String> = categories::taken_handles(connection, &candidates)?
            .into_iter()
            .collect();
        taken.extend(new.iter().map(|category| category.category.handle.clone()));
        let free = candidates
            .into_iter()
            .find(|candidate| !taken.contains(candidate.as_str()));
        let category = Category {
            id,
            handle: free.map(String::from).unwrap_or_default(),
            name,
            parent_id: parent.as_ref().map(|parent| parent.category.id),
            path: Vec::new(),
            position: 0,
            version: 1,
            created_at: self.now,
            updated_at: self.now,
        };
        below(parent.as_ref(), category).map_err(|error| diesel::result::Error::SerializationError(Box::new(error)))
    }

    fn publish(&self, connection: &mut PgConnection, plan: &Plan) -> Result<(), End> {
        let event = |id: Uuid| {
            let product = ProductId::from(id);
            Event::of(&ProductChanged { product }, self.now)
        };
        let events: Vec<Event> = changed(plan).map(event).collect::<Result<_, _>>().map_err(End::Fault)?;
        Ok(outbox::append_all(connection, SCHEMA, &events)?)
    }
}

/// The products that a plan makes or changes.
fn changed(plan: &Plan) -> impl Iterator<Item = Uuid> {
    let changed = plan.outcomes.iter();
    changed
        .filter(|(_, outcome)| *outcome != Outcome::Unchanged)
        .map(|(id, _)| *id)
}

impl Known {
    fn of(connection: &mut PgConnection, products: &[ImportedProduct]) -> QueryResult<Self> {
        let external_ids = products
            .iter()
            .filter_map(|product| product.external_id.clone())
            .collect();
        let handles = products
            .iter()
            .filter_map(|product| Some(product.handle.as_ref()?.to_string()))
            .collect();
        let skus = products
            .iter()
            .flat_map(|product| &product.variants)
            .filter_map(|variant| variant.sku.clone());
        let found = products::identify(connection, external_ids, handles)?;
        let ids = found.iter().map(|(id, _, _)| *id).collect();
        let stored = products::lock(connection, ids)?;
        let sku_owners = products::owners_of_skus(connection, skus.collect())?;
        // As they are now that they are locked: they may have changed since they were found.
        let names = || stored.iter().map(|stored| (stored.id, &stored.listing));
        Ok(Self {
            by_external_id: names()
                .filter_map(|(id, listing)| Some((listing.external_id.clone()?, id)))
                .collect(),
            by_handle: names().map(|(id, listing)| (listing.handle.to_string(), id)).collect(),
            sku_owners: sku_owners.into_iter().collect(),
            given: HashSet::new(),
            stored: stored.into_iter().map(|stored| (stored.id, stored)).collect(),
        })
    }

    /// The product that a row is about: known by its external id, else by its handle.
    fn find(&self, product: &ImportedProduct) -> Result<Option<Uuid>, String> {
        let by_id = product
            .external_id
            .as_ref()
            .and_then(|id| self.by_external_id.get(id))
            .copied();
        let by_handle = product
            .handle
            .as_ref()
            .and_then(|handle| self.by_handle.get(handle.as_str()))
            .copied();
        let taken = || Err("another product has this handle".to_owned());
        match (by_id, by_handle) {
            (Some(id), Some(other)) if id != other => taken(),
            (Some(id), _) => Ok(Some(id)),
            (None, Some(id)) => {
                let other = self
                    .stored
                    .get(&id)
                    .and_then(|stored| stored.listing.external_id.as_ref());
                match (other, &product.external_id) {
                    (Some(_), Some(_)) => taken(),
                    _ => Ok(Some(id)),
                }
            }
            (None, None) => Ok(None),
        }
    }

    fn foreign_sku<'a>(&self, product: &'a ImportedProduct, before: Option<&Stored>) -> Option<&'a str> {
        let own = before.map(|before| before.id);
        let skus = product.variants.iter().filter_map(|variant| variant.sku.as_deref());
        skus.into_iter()
            .find(|sku| self.sku_owners.get(*sku).is_some_and(|owner| Some(*owner) != own))
    }

    fn free_handle(&self, connection: &mut PgConnection, product: &ImportedProduct) -> QueryResult<Handle> {
        let unique = Uuid::now_v7().simple().to_string();
        let candidates = Handle::candidates(&product.title, product.external_id.as_deref().unwrap_or(&unique));
        let taken = products::taken_handles(connection, &candidates)?;
        let is_free = |handle: &&Handle| {
            !taken.iter().any(|taken| taken == handle.as_str()) && !self.given.contains(handle.as_str())
        };
        let last = || Handle::candidates(&product.title, &unique).pop();
        let free = candidates.iter().find(is_free).cloned().or_else(last);
        free.ok_or_else(|| diesel::result::Error::SerializationError("no handle can be made".into()))
    }
}

/// The product as it is to be: what the row says, else what there is already, else the usual.
fn merge(product: &ImportedProduct, before: Option<&Listing>, handle: Handle, batch: &Batch<'_>) -> Listing {
    let mut after = before.cloned().unwrap_or_else(|| Listing {
        external_id: None,
        handle: handle.clone(),
        title: String::new(),
        description: String::new(),
        brand: None,
        status: Default::default(),
        category: None,
        tags: Vec::new(),
        attributes: Default::default(),
        images: Vec::new(),
        options: Vec::new(),
        currency: batch.currency,
        released_on: batch.now.date_naive(),
        variants: Vec::new(),
    });
    after.handle = handle;
    after.title.clone_from(&product.title);
    set(&mut after.description, &product.description);
    set(&mut after.status, &product.status);
    set(&mut after.tags, &product.tags);
    set(&mut after.attributes, &product.attributes);
    set(&mut after.images, &product.images);
    set(&mut after.released_on, &product.released_on);
    after.external_id = product.external_id.clone().or(after.external_id);
    after.brand = product.brand.clone().or(after.brand);
    after.options.clone_from(&product.options);
    let old = std::mem::replace(&mut after.variants, product.variants.clone());
    after.derive_options();
    for variant in &mut after.variants {
        keep_codes(variant, &old);
    }
    after
}

/// A file without SKUs and barcodes leaves those alone that there are.
fn keep_codes(variant: &mut ListedVariant, old: &[ListedVariant]) {
    let mut same = old.iter().filter(|old| old.values == variant.values);
    if let Some(old) = same.next() {
        variant.sku = variant.sku.take().or_else(|| old.sku.clone());
        variant.barcode = variant.barcode.take().or_else(|| old.barcode.clone());
        variant.title = variant.title.take().or_else(|| old.title.clone());
    }
}

fn set<T: Clone>(field: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

fn names(path: &[crate::domain::category::CategoryName]) -> Vec<String> {
    path.iter().map(|name| name.as_str().to_owned()).collect()
}
