//! Whether the indexes of this machine are what the database says. They are only read, whoever writes them meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use diesel::PgConnection;
use kernel::Fault;
use kernel::event::Position;
use kernel::id::ProductId;
use kernel::module::Finding;
use tantivy::DocId;
use uuid::Uuid;

use super::Search;
use super::contents::members;
use super::document::column;
use super::follower::MEMORY;
use super::index::{Index, Progress, Slot, fault, indexes};
use super::page::Ids;
use crate::queries::{bundles, membership, search as queries};

/// The rule that is broken where a product is not found as it is.
const RULE: &str = "search_index_equals_products";
/// How many products are compared at a time.
const PRODUCTS: usize = 500;
/// The most findings of one index.
const MOST: usize = 1_000;

impl Search {
    /// What is wrong in the indexes on this machine. One that would not be used any more is not looked at.
    pub(crate) fn findings(&self, connection: &mut PgConnection) -> Result<Vec<Finding>, Fault> {
        let mut findings = Vec::new();
        for (number, folder) in Slot::all(&self.shared.place) {
            // Whoever writes there may have just replaced an index: the newest that can be opened is the one.
            let opened = indexes(&folder).unwrap_or_default().into_iter();
            let newest = opened.filter_map(|folder| Index::open(folder, &self.shared.shape).ok().flatten());
            let Some((index, progress)) = newest.take(1).next() else {
                continue;
            };
            if self.is_usable(connection, &progress)? {
                let mut wrong = self.compare(connection, &index, &progress)?;
                wrong.truncate(MOST);
                let finding = |(id, detail): (Uuid, &str)| {
                    let detail = format!("index {number} {detail}");
                    Finding::new(RULE, ProductId::from(id), detail)
                };
                findings.extend(wrong.into_iter().map(finding));
            }
        }
        Ok(findings)
    }

    fn is_usable(&self, connection: &mut PgConnection, progress: &Progress) -> Result<bool, Fault> {
        let catalogue = queries::identity(connection).map_err(database_fault)?;
        let end = queries::end_of_events(connection).map_err(database_fault)?;
        let oldest = self.shared.clock.now() - MEMORY;
        Ok(progress.is_usable(catalogue, end, oldest))
    }

    /// The products that are in an index otherwise than in the database, in the order of their ids.
    fn compare(
        &self,
        connection: &mut PgConnection,
        index: &Arc<Index>,
        progress: &Progress,
    ) -> Result<Vec<(Uuid, &'static str)>, Fault> {
        let (mut indexed, twice) = digests(index).map_err(fault)?;
        let mut wrong: Vec<(Uuid, &'static str)> = twice.into_iter().map(|id| (id, "has it twice")).collect();
        let mut after = Uuid::nil();
        loop {
            let read = queries::next(connection, after, PRODUCTS, progress.day, &self.shared.shape);
            let read = read.map_err(database_fault)?;
            let Some(last) = read.last_id() else { break };
            after = last;
            for product in read.products {
                match indexed.remove(&product.id) {
                    None => wrong.push((product.id, "does not have it")),
                    Some(digest) if digest != product.digest() => {
                        wrong.push((product.id, "has it as it is not any more"))
                    }
                    Some(_) => (),
                }
            }
            // What cannot be read is told to staff elsewhere.
            for (id, _) in read.unreadable {
                indexed.remove(&id);
            }
        }
        wrong.extend(
            indexed
                .into_keys()
                .map(|id| (id, "has it, although there is no such product")),
        );
        if wrong.is_empty() {
            return Ok(wrong);
        }
        let excused = excused(connection, index, progress.position)?;
        wrong.retain(|(id, _)| !excused.contains(id));
        wrong.sort_unstable();
        Ok(wrong)
    }
}

/// The digests of all products in an index, and those products that are in it more than once.
fn digests(index: &Index) -> tantivy::Result<(HashMap<Uuid, u64>, Vec<Uuid>)> {
    let (mut digests, mut twice) = (HashMap::new(), Vec::new());
    for segment in index.searcher().segment_readers() {
        let ids = Ids::of(segment)?;
        let column = segment.fast_fields().u64(column::DIGEST)?;
        let is_alive = |doc: &DocId| !segment.is_deleted(*doc);
        for doc in (0..segment.max_doc()).filter(is_alive) {
            let id = ids.get(doc);
            if digests.insert(id, column.first(doc).unwrap_or(0)).is_some() {
                twice.push(id);
            }
        }
    }
    Ok((digests, twice))
}

/// The products that an index need not have as they are: events after its position have told of them, or it could not take
/// them. Asked after everything was read, so that what has changed meanwhile is among them.
fn excused(connection: &mut PgConnection, index: &Index, position: Position) -> Result<HashSet<Uuid>, Fault> {
    let told = queries::told_since(connection, position).map_err(database_fault)?;
    let mut excused: HashSet<Uuid> = told.products.iter().copied().collect();
    for collection in told.collections {
        excused.extend(members(&index.searcher(), &index.fields(), collection).map_err(fault)?);
        excused.extend(membership::products(connection, collection).map_err(database_fault)?);
    }
    let components = excused.iter().copied().collect();
    let users = bundles::users(connection, components).map_err(database_fault)?;
    excused.extend(users.into_iter().map(|(_, bundle)| bundle));
    excused.extend(queries::parked_ids(connection).map_err(database_fault)?);
    Ok(excused)
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped by")]
fn database_fault(error: diesel::result::Error) -> Fault {
    database::failure::fault_of(&error)
}
