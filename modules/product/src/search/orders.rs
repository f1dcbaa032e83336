//! The products of a segment in the orders of lists. Segments never change, so that each order is made once, and the first
//! products of a list are found without looking at the others.

use std::collections::HashSet;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tantivy::index::SegmentId;
use tantivy::{DocId, Searcher, SearcherGeneration, SegmentReader, Warmer};

use super::kept::Kept;
use super::page::{Keys, Value};

/// How many bytes of orders are kept. One of a million products has four million.
const KEPT: u64 = 64 << 20;
/// What an order costs besides its products, in bytes.
const OVERHEAD: usize = 128;

/// The orders that are kept.
pub(super) struct Orders {
    kept: Kept<(SegmentId, Value), [DocId]>,
    asked: Mutex<Asked>,
}

/// What is made for new segments before they are shown.
#[derive(Default)]
struct Asked {
    /// What has been asked for.
    values: HashSet<Value>,
    /// For which segments that was done: where not all orders can be kept, they are not made anew with each commit.
    segments: HashSet<SegmentId>,
}

impl Default for Orders {
    fn default() -> Self {
        Self {
            kept: Kept::new(KEPT, |_, order| size_of_val(order) + OVERHEAD),
            asked: Mutex::default(),
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
            self.asked().values.insert(value);
            Ok(order.into_iter().map(|(_, doc)| doc).collect())
        };
        self.kept.get((segment.segment_id(), value), make)
    }

    /// As the index calls for it.
    pub(super) fn warmer(self: &Arc<Self>) -> Weak<dyn Warmer> {
        let warmer: Weak<Self> = Arc::downgrade(self);
        warmer
    }

    fn asked(&self) -> MutexGuard<'_, Asked> {
        // Nothing that holds the lock can panic half-way.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Warmer for Orders {
    fn warm(&self, searcher: &Searcher) -> tantivy::Result<()> {
        let segments = searcher.segment_readers();
        let (values, known) = {
            let mut asked = self.asked();
            let now = segments.iter().map(SegmentReader::segment_id).collect();
            (asked.values.clone(), mem::replace(&mut asked.segments, now))
        };
        for segment in segments.iter().filter(|segment| !known.contains(&segment.segment_id())) {
            for value in &values {
                self.of(segment, *value)?;
            }
        }
        Ok(())
    }

    /// What is not asked for any more makes room by itself.
    fn garbage_collect(&self, _: &[&SearcherGeneration]) {}
}
