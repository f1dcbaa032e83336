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

use super::merge::{Defaults, merge};
use super::names::{Implied, Kind, Names};
use super::{End, Written};
use crate::domain::SCHEMA;
use crate::domain::category::{Category, StoredCategory};
use crate::domain::draft::CategoryReference;
use crate::domain::handle::Handle;
use crate::domain::listing::Listing;
use crate::domain::plan::{Change, Outcome, Plan, Stored};
use crate::import::{ImportedProduct, WrongRow};
use crate::queries::writing::Stamp;
use crate::queries::{categories, products, writing};
use crate::service::categories::below;

/// What a batch needs to know.
pub(super) struct Batch<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) currency: Currency,
    pub(super) actor: &'a str,
    pub(super) categories: &'a HashMap<Vec<String>, Uuid>,
    pub(super) names: &'a Names,
    /// Whether all is undone, so that what rows before have done has been undone as well.
    pub(super) dry_run: bool,
}

/// Who is who among the products that a batch may be about.
struct Known<'a> {
    by_external_id: HashMap<String, Uuid>,
    by_handle: HashMap<String, Uuid>,
    stored: HashMap<Uuid, Stored>,
    sku_owners: HashMap<String, Uuid>,
    /// Handles that can be made from titles, and belong to others.
    taken_handles: HashSet<String>,
    /// From the rows before this batch.
    names: &'a Names,
    /// From the rows of this batch.
    implied: Implied,
}

impl Batch<'_> {
    /// Writes `products` in the transaction that `connection` is in.
    pub(super) fn write(&self, connection: &mut PgConnection, products: &[&ImportedProduct]) -> Result<Written, End> {
        let category_ids = self.categories_of(connection, products)?;
        let mut known = Known::of(connection, products, self.names)?;
        if self.dry_run {
            known.give_up_released(connection)?;
        }
        let mut changes = Vec::with_capacity(products.len());
        let mut refused = Vec::new();
        for product in products {
            match self.change(product, &mut known, &category_ids) {
                Ok(change) => changes.push(change),
                Err(wrong) => refused.push(wrong),
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
            outcomes: plan.outcomes.into_iter().map(|(_, outcome)| outcome).collect(),
            refused,
            categories: category_ids,
            implied: known.implied,
        })
    }

    /// What a row comes to: what is to become of which product, or why not.
    fn change(
        &self,
        product: &ImportedProduct,
        known: &mut Known<'_>,
        category_ids: &HashMap<Vec<String>, Uuid>,
    ) -> Result<Change, WrongRow> {
        let before = known.find(product)?.and_then(|id| known.stored.get(&id)).cloned();
        known.check_skus(product, before.as_ref())?;
        if before.is_none() && product.variants.is_none() {
            let detail = "a new product needs a price";
            return Err(WrongRow::new(product.line, "/variants", "required", detail));
        }
        let handle = match (&product.handle, &before) {
            (Some(handle), _) => handle.clone(),
            (None, Some(before)) => before.listing.handle.clone(),
            (None, None) => known.free_handle(product)?,
        };
        let defaults = Defaults {
            currency: self.currency,
            today: self.now.date_naive(),
        };
        let mut after = merge(
            product,
            before.as_ref().map(|before| &before.listing),
            handle,
            &defaults,
        );
        if let Some(path) = &product.category {
            after.category = category_ids.get(&names(path)).copied();
        }
        after.check().map_err(|errors| WrongRow::of(product.line, &errors))?;
        known.learn(product, before.as_ref(), &after)?;
        Ok(Change { before, after })
    }

    /// The ids of the categories that products name. The tree stays as it is from here on; where some are missing, they
    /// are made, with their parents, while nobody else has the tree.
    fn categories_of(
        &self,
        connection: &mut PgConnection,
        products: &[&ImportedProduct],
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
        let changed = plan
            .outcomes
            .iter()
            .filter(|(_, outcome)| *outcome != Outcome::Unchanged);
        let event = |(id, _): &(Uuid, Outcome)| {
            let product = ProductId::from(*id);
            Event::of(&ProductChanged { product }, self.now)
        };
        let events: Vec<Event> = changed.map(event).collect::<Result<_, _>>().map_err(End::Fault)?;
        Ok(outbox::append_all(connection, SCHEMA, &events)?)
    }
}

impl<'a> Known<'a> {
    fn of(connection: &mut PgConnection, products: &[&ImportedProduct], names: &'a Names) -> QueryResult<Self> {
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
            .flat_map(|product| product.variants.iter().flatten())
            .filter_map(|variant| variant.sku.clone());
        let found = products::identify(connection, external_ids, handles)?;
        let ids = found.iter().map(|(id, _, _)| *id).collect();
        let stored = products::lock(connection, ids)?;
        let sku_owners = products::owners_of_skus(connection, skus.collect())?;
        let candidates: Vec<Handle> = products
            .iter()
            .filter(|product| product.handle.is_none())
            .flat_map(|product| candidates(product))
            .collect();
        let taken_handles = match candidates.is_empty() {
            true => Vec::new(),
            false => products::taken_handles(connection, &candidates)?,
        };
        // As they are now that they are locked: they may have changed since they were found.
        let listings = || stored.iter().map(|stored| (stored.id, &stored.listing));
        Ok(Self {
            by_external_id: listings()
                .filter_map(|(id, listing)| Some((listing.external_id.clone()?, id)))
                .collect(),
            by_handle: listings()
                .map(|(id, listing)| (listing.handle.to_string(), id))
                .collect(),
            sku_owners: sku_owners.into_iter().collect(),
            taken_handles: taken_handles.into_iter().collect(),
            stored: stored.into_iter().map(|stored| (stored.id, stored)).collect(),
            names,
            implied: Implied::default(),
        })
    }

    /// Takes names from those who have lost them by rows before this batch, as a real run would have.
    fn give_up_released(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let is_released = |kind: Kind, name: &str| self.names.is_released(&kind.digest(name));
        let handles = self.by_handle.iter();
        let handles = handles.filter(|(handle, _)| is_released(Kind::Handle, handle));
        let skus = self.sku_owners.keys().filter(|sku| is_released(Kind::Sku, sku));
        writing::give_up_handles(connection, handles.map(|(_, id)| *id).collect())?;
        writing::give_up_skus(connection, skus.cloned().collect())
    }

    /// The product that a row is about: known by its external id, else by its handle.
    fn find(&self, product: &ImportedProduct) -> Result<Option<Uuid>, WrongRow> {
        let by_id = product
            .external_id
            .as_ref()
            .and_then(|id| self.by_external_id.get(id))
            .copied();
        let by_handle = product
            .handle
            .as_ref()
            .filter(|handle| !self.is_released(Kind::Handle, handle.as_str()))
            .and_then(|handle| self.by_handle.get(handle.as_str()))
            .copied();
        let taken = || {
            let detail = "another product has this handle";
            Err(WrongRow::new(product.line, "/handle", "already_taken", detail))
        };
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

    /// Refuses SKUs of other products.
    fn check_skus(&self, product: &ImportedProduct, before: Option<&Stored>) -> Result<(), WrongRow> {
        let own = before.map(|before| before.id);
        let is_foreign = |sku: &str| {
            let owner = self.sku_owners.get(sku).copied();
            owner.is_some() && owner != own && !self.is_released(Kind::Sku, sku)
        };
        for (index, variant) in product.variants.iter().flatten().enumerate() {
            if let Some(sku) = variant.sku.as_deref().filter(|sku| is_foreign(sku)) {
                let detail = format!("another product has the SKU `{sku}`");
                let pointer = format!("/variants/{index}/sku");
                return Err(WrongRow::new(product.line, &pointer, "already_taken", detail));
            }
        }
        Ok(())
    }

    fn free_handle(&self, product: &ImportedProduct) -> Result<Handle, WrongRow> {
        let is_free = |handle: &Handle| {
            let is_given = self.line_of(Kind::Handle, handle.as_str()).is_some();
            let is_taken = self.taken_handles.contains(handle.as_str());
            !is_given && (!is_taken || self.is_released(Kind::Handle, handle.as_str()))
        };
        let unique = || Handle::candidates(&product.title, &Uuid::now_v7().simple().to_string()).pop();
        let free = candidates(product).into_iter().find(is_free).or_else(unique);
        let detail = "no handle can be made from the title";
        free.ok_or_else(|| WrongRow::new(product.line, "/handle", "required", detail))
    }

    /// Remembers what the product is known by although its row does not say so, and what it is no longer known by. A
    /// product that another row is about already is refused.
    fn learn(&mut self, product: &ImportedProduct, before: Option<&Stored>, after: &Listing) -> Result<(), WrongRow> {
        let mut given = Vec::new();
        if product.handle.is_none() {
            given.push((Kind::Handle, after.handle.as_str()));
        }
        if let (None, Some(id)) = (&product.external_id, &after.external_id) {
            given.push((Kind::ExternalId, id));
        }
        for (kind, name) in &given {
            // Names of rows that come later in this batch are known already.
            if let Some(line) = self.line_of(*kind, name).filter(|line| *line < product.line) {
                let detail = format!("line {line} is about the same product");
                return Err(WrongRow::new(product.line, "", "duplicate", detail));
            }
        }
        let given = given.into_iter();
        let given = given.map(|(kind, name)| (kind.digest(name), product.line));
        self.implied.given.extend(given);
        let Some(before) = before else { return Ok(()) };
        if before.listing.handle != after.handle {
            self.release(Kind::Handle, before.listing.handle.as_str());
        }
        let kept: HashSet<&String> = after
            .variants
            .iter()
            .filter_map(|variant| variant.sku.as_ref())
            .collect();
        for sku in before
            .listing
            .variants
            .iter()
            .filter_map(|variant| variant.sku.as_ref())
        {
            if !kept.contains(sku) {
                self.release(Kind::Sku, sku);
            }
        }
        Ok(())
    }

    fn release(&mut self, kind: Kind, name: &str) {
        self.implied.released.push(kind.digest(name));
    }

    fn is_released(&self, kind: Kind, name: &str) -> bool {
        let digest = kind.digest(name);
        self.names.is_released(&digest) || self.implied.released.contains(&digest)
    }

    fn line_of(&self, kind: Kind, name: &str) -> Option<u64> {
        let digest = kind.digest(name);
        let in_batch = self.implied.given.iter().find(|(known, _)| *known == digest);
        in_batch.map(|(_, line)| *line).or_else(|| self.names.line_of(&digest))
    }
}

/// Handles for a product that has none, the nicest first.
fn candidates(product: &ImportedProduct) -> Vec<Handle> {
    Handle::candidates(&product.title, product.external_id.as_deref().unwrap_or_default())
}

fn names(path: &[crate::domain::category::CategoryName]) -> Vec<String> {
    path.iter().map(|name| name.as_str().to_owned()).collect()
}
