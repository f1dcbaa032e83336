//! The products of a segment in the orders of lists. Segments never change, so that each order is made once, and the first
//! products of a list are found without looking at the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use moka::sync::Cache;
use tantivy::index::SegmentId;
use tantivy::{DocId, Searcher, SearcherGeneration, SegmentReader, TantivyError, Warmer};

use super::page::{Keys, Value};

/// How many bytes of orders are kept. One of a million products has four million.
const KEPT: u64 = 64 << 20;
/// What an order costs besides its products, in bytes.
const OVERHEAD: usize = 128;

/// The orders that are kept.
pub(super) struct Orders {
    kept: Cache<(SegmentId, Value), Arc<[DocId]>>,
    /// What has been asked for: it is made for new segments before they are shown.
    wanted: Mutex<HashSet<Value>>,
}

impl Default for Orders {
    fn default() -> Self {
        let weight = |_: &(SegmentId, Value), order: &Arc<[DocId]>| {
            u32::try_from(size_of_val(&**order) + OVERHEAD).unwrap_or(u32::MAX)
        };
        Self {
            kept: Cache::builder().max_capacity(KEPT).weigher(weight).build(),
            wanted: Mutex::default(),
        }
    }
}

impl Orders {
    /// The products of a segment by ascending keys; deleted ones are among them.
    pub(super) fn of(&self, segment: &SegmentReader, value: Value) -> tantivy::Result<Arc<[DocId]>> {
        let make = || -> tantivy::Result<Arc<[DocId]>> {
            let keys = Keys::of(segment, value)?;
            let mut order: Vec<(_, DocId)> = (0..segment.max_doc()).map(|doc| (keys.get(doc), doc)).collect();
            order.sort_unstable_by_key(|(key, _)| *key);
            self.wanted().insert(value);
            Ok(order.into_iter().map(|(_, doc)| doc).collect())
        };
        let found = self.kept.try_get_with((segment.segment_id(), value), make);
        found.map_err(|error: Arc<TantivyError>| TantivyError::clone(&error))
    }

    /// As the index calls for it.
    pub(super) fn warmer(self: &Arc<Self>) -> Weak<dyn Warmer> {
        let warmer: Weak<Self> = Arc::downgrade(self);
        warmer
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, HashSet<Value>> {
        // Nothing that holds the lock can panic half-way.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Warmer for Orders {
    fn warm(&self, searcher: &Searcher) -> tantivy::Result<()> {
        let wanted: Vec<Value> = self.wanted().iter().copied().collect();
        for segment in searcher.segment_readers() {
            for value in &wanted {
                self.of(segment, *value)?;
            }
        }
        Ok(())
    }

    /// What is not asked for any more makes room by itself.
    fn garbage_collect(&self, _: &[&SearcherGeneration]) {}
}
