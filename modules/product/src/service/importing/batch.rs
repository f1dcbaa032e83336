//! One batch of an import: categories found or made, products matched, differences written.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use database::outbox;
use diesel::{PgConnection, QueryResult};
use kernel::event::Event;
use kernel::id::{CategoryId, ProductId};
use kernel::{Currency, FieldError, FieldErrors, Locales};
use product_api::ProductChanged;
use uuid::Uuid;

use super::bundles::{self, Undone};
use super::known::Known;
use super::merge::{Defaults, merge};
use super::names::Names;
use super::{End, Written};
use crate::domain::SCHEMA;
use crate::domain::category::{Category, StoredCategory};
use crate::domain::draft::CategoryReference;
use crate::domain::handle::Handle;
use crate::domain::image;
use crate::domain::plan::{Change, Outcome, Plan};
use crate::domain::stock::{Target, Unbooked};
use crate::import::{ImportedProduct, WrongRow};
use crate::queries;
use crate::queries::product_types::Definitions;
use crate::queries::writing::Stamp;
use crate::queries::{categories, stock, writing};
use crate::service::categories::below;
use crate::service::media::{known_images, unknown_images};
use crate::service::{product_types, translations};

/// What a batch needs to know.
pub(super) struct Batch<'a> {
    pub(super) now: DateTime<Utc>,
    pub(super) currency: Currency,
    pub(super) actor: &'a str,
    pub(super) categories: &'a HashMap<Vec<String>, Uuid>,
    pub(super) names: &'a Names,
    pub(super) locales: &'a Locales,
    /// Whether all is undone, so that what rows before have done has been undone as well.
    pub(super) dry_run: bool,
}

/// The product types that a batch may be about.
struct Types {
    by_handle: HashMap<String, Uuid>,
    definitions: Definitions,
}

impl Batch<'_> {
    /// Writes `products` in the transaction that `connection` is in.
    pub(super) fn write(&self, connection: &mut PgConnection, products: &[&ImportedProduct]) -> Result<Written, End> {
        let category_ids = self.categories_of(connection, products)?;
        let mut known = Known::of(connection, products, self.names)?;
        if self.dry_run {
            known.give_up_released(connection)?;
        }
        let types = Types::of(connection, products, &known)?;
        let images = self.images_of(connection, products, &known)?;
        let mut changes = Vec::with_capacity(products.len());
        let mut said = Vec::with_capacity(products.len());
        let mut lines = Vec::with_capacity(products.len());
        let mut refused = Vec::new();
        for product in products {
            match self.change(product, &mut known, &category_ids, &types, &images) {
                Ok(change) => {
                    changes.push(change);
                    said.push(&product.translations);
                    lines.push(product.line);
                }
                Err(wrong) => refused.push(wrong),
            }
        }
        if known.counts_on_all_rows() && !refused.is_empty() {
            return Err(End::Wrong(refused));
        }
        let mut plan = Plan::of(changes, Uuid::now_v7);
        let listings = plan.insert_products.iter().chain(&plan.update_products);
        let used: HashSet<Uuid> = listings.filter_map(|(_, listing)| listing.category).collect();
        let paths = categories::paths(connection, used.into_iter().collect())?;
        let stamp = Stamp {
            actor: self.actor.to_owned(),
            now: self.now,
        };
        bundles::dissolve(connection, &plan)?;
        writing::write(connection, &plan, &paths, &stamp)?;
        let ids = plan.outcomes.iter().map(|(id, _)| *id);
        let lines: HashMap<Uuid, u64> = ids.zip(lines).collect();
        let unbooked = stock::set(connection, &plan.target_stock, &stamp)?;
        if !unbooked.is_empty() {
            return Err(End::Wrong(unbooked_rows(unbooked, &lines)));
        }
        let undone = Undone {
            names: self.names,
            present: products,
        };
        bundles::compose(connection, &plan, &lines, self.dry_run.then_some(undone))?;
        translations::follow(connection, &mut plan, &said, self.now)?;
        self.publish(connection, &plan)?;
        Ok(Written {
            changed: changed(&plan).collect(),
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
        types: &Types,
        images: &BTreeSet<String>,
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
        if let Some(handle) = &product.merchandising.product_type {
            let id = types.by_handle.get(handle).ok_or_else(|| {
                let detail = format!("there is no product type `{handle}`");
                WrongRow::new(product.line, "/product_type", "not_found", detail)
            })?;
            after.merchandising.product_type = Some(*id);
        }
        translations::check_said(self.locales, &product.translations)
            .map_err(|errors| WrongRow::of(product.line, &errors))?;
        after
            .check()
            .and_then(|()| product_types::check(&types.definitions, &after))
            .and_then(|()| unknown_images(&after, images).into_result())
            .map_err(|errors| WrongRow::of(product.line, &errors))?;
        known.learn(product, before.as_ref(), &after)?;
        Ok(Change { before, after })
    }

    /// Holds the images that rows begin or cease to show, and answers those that have files.
    fn images_of(
        &self,
        connection: &mut PgConnection,
        products: &[&ImportedProduct],
        known: &Known<'_>,
    ) -> QueryResult<BTreeSet<String>> {
        let change = |product: &&ImportedProduct| {
            let found = known.find(product).ok().flatten();
            let before = found.and_then(|id| known.stored.get(&id));
            let before = before.map(|before| before.listing.files()).unwrap_or_default();
            let after = product.images.as_deref().map(image::files);
            (before.clone(), after.unwrap_or(before))
        };
        let changes: Vec<_> = products.iter().map(change).collect();
        known_images(connection, &changes, self.now)
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
            match products
                .iter()
                .any(|product| translations::has_handles(&product.translations))
            {
                true => categories::lock_tree(connection)?,
                false => categories::hold_tree(connection)?,
            }
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

/// The rows whose stock cannot be what they say.
fn unbooked_rows(unbooked: Vec<(Target, Unbooked)>, lines: &HashMap<Uuid, u64>) -> Vec<WrongRow> {
    let mut wrong: BTreeMap<u64, FieldErrors> = BTreeMap::new();
    for (target, reason) in unbooked {
        let line = lines.get(&target.product).copied().unwrap_or_default();
        let pointer = format!("/variants/{}/stock", target.position);
        wrong
            .entry(line)
            .or_default()
            .push(FieldError::from_message(pointer, reason));
    }
    wrong.iter().map(|(line, errors)| WrongRow::of(*line, errors)).collect()
}

/// The products that a plan makes or changes.
fn changed(plan: &Plan) -> impl Iterator<Item = Uuid> {
    let changed = plan.outcomes.iter();
    changed
        .filter(|(_, outcome)| *outcome != Outcome::Unchanged)
        .map(|(id, _)| *id)
}

impl Types {
    fn of(connection: &mut PgConnection, products: &[&ImportedProduct], known: &Known<'_>) -> QueryResult<Self> {
        let named: HashSet<String> = products
            .iter()
            .filter_map(|product| product.merchandising.product_type.clone())
            .collect();
        let by_handle = queries::product_types::ids_by_handle(connection, named.into_iter().collect())?;
        let listings = known.stored.values().map(|stored| &stored.listing);
        let mut ids: HashSet<Uuid> = listings
            .filter_map(|listing| listing.merchandising.product_type)
            .collect();
        ids.extend(by_handle.values());
        Ok(Self {
            definitions: queries::product_types::definitions(connection, ids.into_iter().collect())?,
            by_handle,
        })
    }
}

fn names(path: &[crate::domain::category::CategoryName]) -> Vec<String> {
    path.iter().map(|name| name.as_str().to_owned()).collect()
}
