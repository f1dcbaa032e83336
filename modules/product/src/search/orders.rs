//! The products of a segment in the orders of lists. Segments never change, so that each order is made once, and the first
//! products of a list are found without looking at the others.

use std::collections::{BinaryHeap, HashSet};
use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use roaring::RoaringBitmap;
use tantivy::index::SegmentId;
use tantivy::{DocId, Searcher, SearcherGeneration, SegmentReader, Warmer};

use super::kept::Kept;
use super::page::{Keys, Value};

/// How many bytes of orders are kept. One of a million products has eight million.
const KEPT: u64 = 64 << 20;
/// What an order costs besides its products, in bytes.
const OVERHEAD: usize = 128;
/// To meet a product along an order and to look whether it is wanted takes as long as to look up so many places.
const LOOKUPS: usize = 4;

/// The orders that are kept.
pub(super) struct Orders {
    kept: Kept<(SegmentId, Value), Order>,
    asked: Mutex<Asked>,
}

/// The products of a segment by ascending keys; deleted ones are among them.
pub(super) struct Order {
    docs: Vec<DocId>,
    /// The place of each product among them.
    places: Vec<u32>,
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
            kept: Kept::new(KEPT, |_, order: &Order| {
                size_of_val(&*order.docs) + size_of_val(&*order.places) + OVERHEAD
            }),
            asked: Mutex::default(),
        }
    }
}

impl Orders {
    /// The products of a segment by ascending keys.
    pub(super) fn of(&self, segment: &SegmentReader, value: Value) -> tantivy::Result<Arc<Order>> {
        let make = || -> tantivy::Result<Arc<Order>> {
            let keys = Keys::of(segment, value)?;
            let mut order: Vec<(_, DocId)> = (0..segment.max_doc()).map(|doc| (keys.get(doc), doc)).collect();
            order.sort_unstable_by_key(|(key, _)| *key);
            self.asked().values.insert(value);
            Ok(Arc::new(Order::new(order.into_iter().map(|(_, doc)| doc).collect())))
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

impl Order {
    /// `docs` are all products of a segment, each once.
    pub(super) fn new(docs: Vec<DocId>) -> Self {
        let mut places = vec![0; docs.len()];
        for (place, doc) in (0..).zip(&docs) {
            places[*doc as usize] = place;
        }
        Self { docs, places }
    }

    /// Where a product is in the order.
    pub(super) fn place(&self, doc: DocId) -> u32 {
        self.places[doc as usize]
    }

    /// The products in their order.
    pub(super) fn docs(&self) -> &[DocId] {
        &self.docs
    }

    /// The first `wanted` products of `set`, or the last ones, in the places `among`; in no order.
    pub(super) fn first(
        &self,
        set: &RoaringBitmap,
        among: Range<usize>,
        is_descending: bool,
        wanted: usize,
    ) -> Vec<DocId> {
        let matching = usize::try_from(set.len()).unwrap_or(usize::MAX);
        let (all, most) = (&self.docs[among.clone()], matching / LOOKUPS);
        let belongs = |doc: &DocId| set.contains(*doc);
        let met: Vec<DocId> = match is_descending {
            true => all
                .iter()
                .rev()
                .take(most)
                .copied()
                .filter(belongs)
                .take(wanted)
                .collect(),
            false => all.iter().take(most).copied().filter(belongs).take(wanted).collect(),
        };
        if met.len() == wanted || all.len() <= most {
            return met;
        }
        // They may all be at the far end.
        let turned = |place: u32| if is_descending { !place } else { place };
        // The last of those kept is on top.
        let mut kept: BinaryHeap<u32> = BinaryHeap::with_capacity(wanted);
        for doc in set {
            let place = self.place(doc);
            if !among.contains(&(place as usize)) {
                continue;
            }
            if kept.len() < wanted {
                kept.push(turned(place));
            } else if let Some(mut last) = kept.peek_mut()
                && turned(place) < *last
            {
                *last = turned(place);
            }
        }
        kept.into_iter()
            .map(|place| self.docs[turned(place) as usize])
            .collect()
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
