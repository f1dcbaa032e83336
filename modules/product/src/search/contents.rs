//! Which products are in the index.

use std::collections::HashSet;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::TermQuery;
use tantivy::schema::IndexRecordOption;
use tantivy::{DocId, Score, Searcher, SegmentOrdinal, SegmentReader, Term};
use uuid::Uuid;

use super::document::Fields;
use super::keys::id_key;
use super::page::Ids;

/// The products that the index has in a collection.
pub(super) fn members(searcher: &Searcher, fields: &Fields, collection: Uuid) -> tantivy::Result<HashSet<Uuid>> {
    let term = Term::from_field_text(fields.collection_id, &id_key(collection));
    searcher.search(&TermQuery::new(term, IndexRecordOption::Basic), &IdCollector)
}

/// Collects the ids of products.
struct IdCollector;

/// Collects from one segment.
struct SegmentIds {
    ids: Ids,
    found: Vec<Uuid>,
}

impl Collector for IdCollector {
    type Fruit = HashSet<Uuid>;
    type Child = SegmentIds;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentIds> {
        Ok(SegmentIds {
            ids: Ids::of(segment)?,
            found: Vec::new(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, found: Vec<Vec<Uuid>>) -> tantivy::Result<HashSet<Uuid>> {
        Ok(found.into_iter().flatten().collect())
    }
}

impl SegmentCollector for SegmentIds {
    type Fruit = Vec<Uuid>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.found.push(self.ids.get(doc));
    }

    fn harvest(self) -> Vec<Uuid> {
        self.found
    }
}
