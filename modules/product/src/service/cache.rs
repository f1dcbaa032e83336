//! Figures that are costly to count, kept for a moment. Nothing is ever decided by them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kernel::Locale;

use crate::domain::category::CategoryTree;
use crate::domain::facet::FacetCounts;

/// How long the figures may be behind writes of other processes. Writes of this one count at once.
const LIFETIME: Duration = Duration::from_secs(2);
/// How many different lists are remembered.
const CAPACITY: u64 = 2_000;
/// How many trees are, one for each language of the last two generations.
const TREES: u64 = 60;

/// Totals, facets and the tree, each under the generation of the catalogue in which they were counted.
pub(super) struct Cache {
    generation: AtomicU64,
    totals: moka::sync::Cache<(u64, String), i64>,
    facets: moka::sync::Cache<(u64, String), Arc<Facets>>,
    tree: moka::sync::Cache<(u64, Option<Locale>), Arc<CategoryTree>>,
}

/// Under which a tree is kept: its generation and language.
pub(super) struct TreeKey((u64, Option<Locale>));

/// Counts by the facet's name.
pub(super) type Facets = BTreeMap<String, FacetCounts>;

impl Default for Cache {
    fn default() -> Self {
        Self {
            generation: AtomicU64::new(0),
            totals: moka::sync::Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(LIFETIME)
                .build(),
            facets: moka::sync::Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(LIFETIME)
                .build(),
            tree: moka::sync::Cache::builder()
                .max_capacity(TREES)
                .time_to_live(LIFETIME)
                .build(),
        }
    }
}

impl Cache {
    /// Call after a write has committed: what was counted before is not used again.
    pub(super) fn outdate(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// The total of the list `name`, counted where it is not known.
    pub(super) fn total<E>(&self, name: &str, count: impl FnOnce() -> Result<i64, E>) -> Result<i64, E> {
        let key = (self.generation(), name.to_owned());
        if let Some(total) = self.totals.get(&key) {
            return Ok(total);
        }
        let total = count()?;
        self.totals.insert(key, total);
        Ok(total)
    }

    /// The facets of the list `name`, counted where they are not known.
    pub(super) fn facets<E>(&self, name: &str, count: impl FnOnce() -> Result<Facets, E>) -> Result<Arc<Facets>, E> {
        let key = (self.generation(), name.to_owned());
        if let Some(facets) = self.facets.get(&key) {
            return Ok(facets);
        }
        let facets = Arc::new(count()?);
        self.facets.insert(key, Arc::clone(&facets));
        Ok(facets)
    }

    /// The tree of categories in a language, the shop's own where none is given, if it is known; else the key to
    /// [`Cache::keep_tree`] it under.
    pub(super) fn tree(&self, locale: Option<&Locale>) -> Result<Arc<CategoryTree>, TreeKey> {
        let key = (self.generation(), locale.cloned());
        self.tree.get(&key).ok_or(TreeKey(key))
    }

    pub(super) fn keep_tree(&self, key: TreeKey, tree: CategoryTree) -> Arc<CategoryTree> {
        let tree = Arc::new(tree);
        self.tree.insert(key.0, Arc::clone(&tree));
        tree
    }

    /// Read before anything is counted: a write in between then outdates the figure.
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_counted_once_until_the_catalogue_changes() {
        let cache = Cache::default();
        let count = |number| cache.total::<()>("list", || Ok(number)).unwrap();
        assert_eq!((count(1), count(2)), (1, 1));
        cache.outdate();
        assert_eq!(count(3), 3);
    }
}
