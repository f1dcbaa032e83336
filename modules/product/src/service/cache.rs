//! What is costly to count or to read, kept for a moment. Nothing is ever decided by it.

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

/// Facets and the tree, each under the generation of the catalogue in which they were counted.
pub(super) struct Cache {
    generation: AtomicU64,
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
    fn facets_are_counted_once_until_the_catalogue_changes() {
        let cache = Cache::default();
        let count = |price| {
            let counted = [("price".to_owned(), price)].into();
            cache.facets::<()>("list", || Ok(counted)).unwrap().len()
        };
        let values = || FacetCounts::Values(Vec::new());
        assert_eq!(count(values()), 1);
        let unused = cache.facets::<()>("list", || Err(()));
        assert!(unused.is_ok());
        cache.outdate();
        assert!(cache.facets::<()>("list", || Err(())).is_err());
    }
}
