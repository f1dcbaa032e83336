//! Who is who among the products that a batch may be about, and whose which name is.

use std::collections::{HashMap, HashSet};

use diesel::{PgConnection, QueryResult};
use uuid::Uuid;

use super::merge::set_variants;
use super::names::{Implied, Kind, Names};
use crate::domain::bundle::VariantName;
use crate::domain::handle::Handle;
use crate::domain::listing::Listing;
use crate::domain::plan::Stored;
use crate::import::{ImportedProduct, WrongRow};
use crate::queries::{products, writing};

/// Who is who among the products that a batch may be about.
pub(super) struct Known<'a> {
    by_external_id: HashMap<String, Uuid>,
    by_handle: HashMap<String, Uuid>,
    pub(super) stored: HashMap<Uuid, Stored>,
    sku_owners: HashMap<String, Uuid>,
    /// SKUs that rows of this batch take from their variants, and others want: of two that exchange theirs, neither is first.
    left_behind: HashSet<String>,
    /// Handles that can be made from titles, and belong to others.
    taken_handles: HashSet<String>,
    /// From the rows before this batch.
    names: &'a Names,
    /// From the rows of this batch.
    pub(super) implied: Implied,
}

impl<'a> Known<'a> {
    pub(super) fn of(
        connection: &mut PgConnection,
        products: &[&ImportedProduct],
        names: &'a Names,
    ) -> QueryResult<Self> {
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
        let ids: Vec<Uuid> = found.iter().map(|(id, _, _)| *id).collect();
        hold_components(connection, products, &ids)?;
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
        let mut known = Self {
            left_behind: HashSet::new(),
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
        };
        known.left_behind = known.find_left_behind(products);
        Ok(known)
    }

    /// Takes names from those who have lost them by rows before this batch, as a real run would have.
    pub(super) fn give_up_released(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let is_released = |kind: Kind, name: &str| self.names.is_released(&kind.digest(name));
        let handles = self.by_handle.iter();
        let handles = handles.filter(|(handle, _)| is_released(Kind::Handle, handle));
        let skus = self.sku_owners.keys().filter(|sku| is_released(Kind::Sku, sku));
        writing::give_up_handles(connection, handles.map(|(_, id)| *id).collect())?;
        writing::give_up_skus(connection, skus.cloned().collect())
    }

    /// The product that a row is about: known by its external id, else by its handle.
    pub(super) fn find(&self, product: &ImportedProduct) -> Result<Option<Uuid>, WrongRow> {
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
    pub(super) fn check_skus(&self, product: &ImportedProduct, before: Option<&Stored>) -> Result<(), WrongRow> {
        let own = before.map(|before| before.id);
        let is_foreign = |sku: &str| {
            let owner = self.sku_owners.get(sku).copied();
            owner.is_some() && owner != own && !self.left_behind.contains(sku) && !self.is_released(Kind::Sku, sku)
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

    /// Whether a row has what another one is to leave behind: what that row does not do matters then.
    pub(super) fn counts_on_all_rows(&self) -> bool {
        !self.left_behind.is_empty()
    }

    fn find_left_behind(&self, products: &[&ImportedProduct]) -> HashSet<String> {
        let of = |product: &&ImportedProduct| self.find(product).ok().flatten();
        let rows: HashMap<Uuid, &ImportedProduct> = products
            .iter()
            .filter_map(|product| Some((of(product)?, *product)))
            .collect();
        let is_left = |own: Option<Uuid>, sku: &str| {
            let owner = self.sku_owners.get(sku).filter(|owner| own != Some(**owner));
            let row = owner.and_then(|owner| Some((self.stored.get(owner)?, rows.get(owner)?)));
            row.is_some_and(|(stored, row)| !keeps(&stored.listing, row, sku))
        };
        let mut left = HashSet::new();
        for product in products {
            let own = of(product);
            let skus = product
                .variants
                .iter()
                .flatten()
                .filter_map(|variant| variant.sku.as_ref());
            left.extend(skus.filter(|sku| is_left(own, sku)).cloned());
        }
        left
    }

    pub(super) fn free_handle(&self, product: &ImportedProduct) -> Result<Handle, WrongRow> {
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
    pub(super) fn learn(
        &mut self,
        product: &ImportedProduct,
        before: Option<&Stored>,
        after: &Listing,
    ) -> Result<(), WrongRow> {
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

/// Whether a product still has a SKU after its row.
fn keeps(listing: &Listing, row: &ImportedProduct, sku: &str) -> bool {
    let mut after = listing.clone();
    if let Some(variants) = &row.variants {
        set_variants(&mut after, Some(listing), &row.options, variants);
    }
    after.variants.iter().any(|variant| variant.sku.as_deref() == Some(sku))
}

/// Holds the products of what bundles are to consist of, together with those of the batch, all at once and in key order.
fn hold_components(connection: &mut PgConnection, products: &[&ImportedProduct], own: &[Uuid]) -> QueryResult<()> {
    let variants = products.iter().flat_map(|product| product.variants.iter().flatten());
    let components = variants.flat_map(|variant| variant.components.iter().flatten());
    let (mut skus, mut handles) = (Vec::new(), Vec::new());
    for component in components {
        match &component.variant {
            VariantName::Sku(sku) => skus.push(sku.clone()),
            VariantName::Options(handle, _) => handles.push(handle.clone()),
        }
    }
    if skus.is_empty() && handles.is_empty() {
        return Ok(());
    }
    let owners = products::owners_of_skus(connection, skus)?;
    let named = products::identify(connection, Vec::new(), handles)?;
    let owners = owners.into_iter().map(|(_, id)| id);
    let all = owners.chain(named.into_iter().map(|(id, _, _)| id));
    products::hold(connection, all.chain(own.iter().copied()).collect())
}

/// Handles for a product that has none, the nicest first.
fn candidates(product: &ImportedProduct) -> Vec<Handle> {
    Handle::candidates(&product.title, product.external_id.as_deref().unwrap_or_default())
}
