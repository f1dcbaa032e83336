//! Makes the index of this process and keeps it up: one job, which is the only one that writes.

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use database::Failure;
use database::outbox::OutboxFeed;
use diesel::{PgConnection, QueryResult};
use kernel::Fault;
use kernel::event::{Event, Feed, Position};
use kernel::job::Round;
use product_api::{AvailabilityChanged, CollectionChanged, ProductChanged};
use tantivy::IndexWriter;
use uuid::Uuid;

use super::condition::Condition;
use super::contents::members;
use super::document::Indexed;
use super::index::{Index, Progress, Slot, fault, indexes, is_ahead};
use super::layout::Readers;
use super::{Changes, Request, Shared};
use crate::domain::SCHEMA;
use crate::queries::{bundles, membership, search as queries};

/// How often news are looked for; whoever writes here wakes the job besides.
pub(super) const EVERY: Duration = Duration::from_millis(250);
/// How many events, and how many products, are taken at a time.
const EVENTS: i64 = 1_000;
const PRODUCTS: usize = 500;
/// An index that was written longer ago may have missed events that are gone since: they are kept for a week.
pub(super) const MEMORY: TimeDelta = TimeDelta::days(6);
/// How often the files of the index are looked at.
const INSPECTION: Duration = Duration::from_secs(1);
/// After so long without news the writer is given up with its memory, and with the merging of segments that it may have begun:
/// long enough for the largest ones.
const REST: Duration = Duration::from_secs(600);

/// Follows the catalogue.
pub(super) struct Follower {
    shared: Arc<Shared>,
    feed: OutboxFeed,
    state: tokio::sync::Mutex<State>,
}

/// What the job has in hand.
#[derive(Default)]
struct State {
    slot: Option<Arc<Slot>>,
    live: Option<Followed>,
    building: Option<Building>,
}

/// An index that is written, and how far it is.
struct Followed {
    index: Arc<Index>,
    writing: Arc<std::sync::Mutex<Writing>>,
    catalogue: Uuid,
    position: Position,
    /// The day up to which it knows what can be bought before it is there.
    day: NaiveDate,
    last_write: Instant,
    inspected: Option<Instant>,
    condition: Condition,
}

/// An index that is to take the place of the one that is served.
struct Building {
    followed: Followed,
    after: Uuid,
    count: usize,
    since: Instant,
}

/// What only writers need.
#[derive(Default)]
struct Writing {
    writer: Option<IndexWriter>,
    readers: Option<Readers>,
}

impl Follower {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            feed: OutboxFeed::new(shared.db.clone(), SCHEMA),
            shared,
            state: tokio::sync::Mutex::default(),
        }
    }

    /// Takes one step: opens an index, makes a part of one, or takes in what has changed.
    pub(super) async fn round(&self) -> Result<Round, Fault> {
        let mut state = self.state.lock().await;
        self.shared.follow_settings().await?;
        if state.slot.is_none() {
            self.open(&mut state).await?;
        }
        let condition = self.inspect(&mut state).await?;
        if condition != Condition::Whole && state.building.is_none() {
            state.building = Some(self.begin(&state).await?);
        }
        let is_building = state.building.is_some();
        if is_building && let Err(error) = self.build(&mut state).await {
            // Whatever it was: the next round begins anew.
            if let Some(building) = state.building.take() {
                building.followed.forget_writer();
                remove(building.followed.index.folder());
            }
            return Err(error);
        }
        // What is served is kept up while another index is made, as long as it can be.
        if matches!(condition, Condition::Missing | Condition::Overtaken) {
            return Ok(Round::More);
        }
        let has_more = match self.follow(&mut state).await {
            Ok(has_more) => has_more,
            Err(error) => {
                if let Some(live) = &state.live {
                    live.forget_writer();
                }
                return Err(error);
            }
        };
        Ok(match is_building || has_more {
            true => Round::More,
            false => Round::Idle,
        })
    }

    /// Looks at the files of what is served now and then. What is damaged is served no longer; what only has no files any
    /// more is, until another index is there.
    async fn inspect(&self, state: &mut State) -> Result<Condition, Fault> {
        let Some(live) = &mut state.live else {
            return Ok(Condition::Damaged);
        };
        let is_recent = live.inspected.is_some_and(|then| then.elapsed() < INSPECTION);
        if is_recent && !live.index.is_suspect() && live.condition == Condition::Whole {
            return Ok(live.condition);
        }
        let (index, before) = (Arc::clone(&live.index), live.condition);
        match blocking(move || index.condition()).await {
            Ok(condition) => live.condition = condition,
            Err(error) => tracing::warn!(%error, "it cannot be told whether the search index is whole"),
        }
        live.inspected = Some(Instant::now());
        if live.condition == Condition::Whole && is_ahead(live.position, self.feed.end().await?) {
            live.condition = Condition::Overtaken;
            if before != Condition::Overtaken {
                tracing::warn!("the database has been restored, and the search index is made anew");
            }
        }
        let condition = live.condition;
        if condition == Condition::Damaged
            && let Some(live) = state.live.take()
        {
            tracing::error!(folder = %live.index.folder().display(), "the search index is damaged and is made anew");
            self.shared.live.send_replace(None);
            live.forget_writer();
            remove(live.index.folder());
        }
        Ok(condition)
    }

    /// Takes a folder, and the index in it where that can be used.
    async fn open(&self, state: &mut State) -> Result<(), Fault> {
        let catalogue = self.query(queries::identity).await?;
        let end = self.feed.end().await?;
        let (place, shape) = (self.shared.place.clone(), self.shared.shape.clone());
        let opened = blocking(move || {
            let slot = Slot::take(&place).map_err(fault)?;
            let mut found = None;
            for folder in indexes(&slot.folder).map_err(fault)? {
                // One that cannot be opened is as good as none.
                let opened = Index::open(folder.clone(), &shape).unwrap_or_else(|error| {
                    tracing::warn!(%error, "a search index cannot be used and is made anew");
                    None
                });
                match opened {
                    Some(opened) if found.is_none() => found = Some(opened),
                    _ => remove(&folder),
                }
            }
            Ok((slot, found))
        });
        let (slot, found) = opened.await?;
        state.slot = Some(Arc::new(slot));
        let oldest = self.shared.clock.now() - MEMORY;
        let usable = found.filter(|(_, progress)| progress.is_usable(catalogue, end, oldest));
        if let Some((index, progress)) = usable {
            let followed = Followed::new(Arc::clone(&index), &progress);
            state.live = Some(followed);
            self.shared.live.send_replace(Some(index));
        }
        Ok(())
    }

    /// Begins an index. What happens from here on is followed later, so that nothing is missed while it is made.
    async fn begin(&self, state: &State) -> Result<Building, Fault> {
        let Some(slot) = state.slot.clone() else {
            return Err(Fault::unavailable("there is no folder for a search index"));
        };
        let position = self.feed.end().await?;
        let catalogue = self.query(queries::identity).await?;
        let shape = self.shared.shape.clone();
        let index = blocking(move || {
            fs::create_dir_all(&slot.folder).map_err(fault)?;
            Index::create(slot.new_folder(), &shape)
        })
        .await?;
        let now = self.shared.clock.now();
        let progress = Progress::new(&index, catalogue, position, now.date_naive(), now);
        Ok(Building {
            followed: Followed::new(index, &progress),
            after: Uuid::nil(),
            count: 0,
            since: Instant::now(),
        })
    }

    /// Reads some more products into the index that is being made; when there are none left, it is served.
    async fn build(&self, state: &mut State) -> Result<(), Fault> {
        let Some(building) = &mut state.building else {
            return Ok(());
        };
        let (after, today) = (building.after, self.today());
        let shape = self.shared.shape.clone();
        let read = self
            .query(move |connection| queries::next(connection, after, PRODUCTS, today, &shape))
            .await?;
        if let Some(last) = read.last_id() {
            building.after = last;
            building.count += read.products.len();
            let mut readable: Vec<Uuid> = read.products.iter().map(|product| product.id).collect();
            let mut failed = building.followed.add(read.products).await?;
            readable.retain(|id| failed.iter().all(|(failed, _)| failed != id));
            failed.extend(read.unreadable);
            return self.sort_out(readable, failed).await;
        }
        let (position, day) = (building.followed.position, building.followed.day);
        building.followed.commit(position, day, self.shared.clock.now()).await?;
        let Some(Building {
            followed, count, since, ..
        }) = state.building.take()
        else {
            return Ok(());
        };
        tracing::info!(products = count, took = ?since.elapsed(), "the search index has been made");
        self.shared.live.send_replace(Some(Arc::clone(&followed.index)));
        if let Some(old) = state.live.replace(followed) {
            old.forget_writer();
            remove(old.index.folder());
        }
        Ok(())
    }

    /// Takes in what has changed and what somebody waits for; answers whether there may be more.
    async fn follow(&self, state: &mut State) -> Result<bool, Fault> {
        let Some(live) = &mut state.live else { return Ok(false) };
        let requests: Vec<Request> = std::mem::take(&mut *self.shared.requests());
        let events = self.feed.read(live.position, EVENTS).await?;
        let has_more = i64::try_from(events.len()).unwrap_or(EVENTS) == EVENTS;
        let position = events.last().map_or(live.position, |(position, _)| *position);
        let mut changes = Changes::default();
        let mut waiting = Vec::new();
        let now = Instant::now();
        for request in requests.into_iter().filter(|request| request.until > now) {
            changes.extend(request.changes);
            waiting.push(request.done);
        }
        events.iter().for_each(|(_, event)| note(&mut changes, event));
        let (since, today) = (live.day, self.today());
        if since < today {
            let shipped = self.query(move |connection| queries::shipped(connection, since, today));
            changes.products.extend(shipped.await?);
        }
        let products = self.affected(live, changes).await?;
        if products.is_empty() {
            (live.position, live.day) = (position, today);
            live.rest();
            waiting.into_iter().for_each(|done| done());
            return Ok(has_more);
        }
        for some in products.chunks(PRODUCTS) {
            let (ids, shape) = (some.to_vec(), self.shared.shape.clone());
            let read = self
                .query(move |connection| queries::read(connection, ids, today, &shape))
                .await?;
            live.remove(some.to_vec()).await?;
            let mut failed = live.add(read.products).await?;
            failed.extend(read.unreadable);
            // Those that are gone are not waited for any more either.
            let mut readable = some.to_vec();
            readable.retain(|id| failed.iter().all(|(failed, _)| failed != id));
            self.sort_out(readable, failed).await?;
        }
        live.commit(position, today, self.shared.clock.now()).await?;
        waiting.into_iter().for_each(|done| done());
        Ok(has_more)
    }

    fn today(&self) -> NaiveDate {
        self.shared.clock.now().date_naive()
    }

    /// The products that may not be in the index as they are, with those whose bundles consist of them. Of a collection these
    /// are the ones that only the index or only the database has in it: its other products need not be read.
    async fn affected(&self, live: &Followed, changes: Changes) -> Result<Vec<Uuid>, Fault> {
        let Changes {
            mut products,
            collections,
        } = changes;
        for collection in collections {
            let (searcher, fields) = (live.index.searcher(), live.index.fields());
            let indexed: HashSet<Uuid> =
                blocking(move || members(&searcher, &fields, collection).map_err(fault)).await?;
            let stored = self
                .query(move |connection| membership::products(connection, collection))
                .await?;
            products.extend(
                stored
                    .into_iter()
                    .collect::<HashSet<_>>()
                    .symmetric_difference(&indexed),
            );
        }
        if !products.is_empty() {
            let components = products.iter().copied().collect();
            let users = self.query(move |connection| bundles::users(connection, components));
            products.extend(users.await?.into_iter().map(|(_, bundle)| bundle));
        }
        Ok(products.into_iter().collect())
    }

    /// Notes products that cannot be indexed, and that others can be again.
    async fn sort_out(&self, readable: Vec<Uuid>, unreadable: Vec<(Uuid, String)>) -> Result<(), Fault> {
        for (product, reason) in &unreadable {
            tracing::warn!(%product, reason, "a product cannot be searched for");
        }
        let now = self.shared.clock.now();
        self.query(move |connection| {
            queries::unpark(connection, readable)?;
            match unreadable.is_empty() {
                true => Ok(()),
                false => queries::park(connection, unreadable, now),
            }
        })
        .await
    }

    async fn query<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<T, Fault> {
        self.shared
            .db
            .run(move |connection| Ok::<T, Failure<Fault>>(work(connection)?))
            .await
    }
}

impl Followed {
    fn new(index: Arc<Index>, progress: &Progress) -> Self {
        Self {
            index,
            writing: Arc::default(),
            catalogue: progress.catalogue,
            position: progress.position,
            day: progress.day,
            last_write: Instant::now(),
            inspected: None,
            condition: Condition::Whole,
        }
    }

    async fn remove(&mut self, products: Vec<Uuid>) -> Result<(), Fault> {
        self.write(move |index, writer, _| {
            for id in products {
                writer.delete_term(index.fields().id_term(id));
            }
            Ok(())
        })
        .await
    }

    /// Adds products; answers those of which no document can be made, each with the reason.
    async fn add(&mut self, products: Vec<Indexed>) -> Result<Vec<(Uuid, String)>, Fault> {
        self.write(move |index, writer, readers| {
            let mut failed = Vec::new();
            for product in &products {
                match guarded(|| index.layout().document(product, readers)) {
                    Some(document) => drop(writer.add_document(document).map_err(fault)?),
                    None => {
                        // It may be half-way through a word.
                        *readers = index.layout().readers();
                        failed.push((product.id, "no document can be made of it".to_owned()));
                    }
                }
            }
            Ok(failed)
        })
        .await
    }

    /// Stores what was written: everything up to `position`, and what can be bought on `day`.
    async fn commit(&mut self, position: Position, day: NaiveDate, now: DateTime<Utc>) -> Result<(), Fault> {
        let progress = Progress::new(&self.index, self.catalogue, position, day, now);
        self.write(move |index, writer, _| index.commit(writer, &progress))
            .await?;
        (self.position, self.day) = (position, day);
        Ok(())
    }

    /// Writes on a thread that may block.
    async fn write<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Index, &mut IndexWriter, &mut Readers) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.last_write = Instant::now();
        let (index, writing) = (Arc::clone(&self.index), Arc::clone(&self.writing));
        blocking(move || {
            let mut writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
            let Writing { writer, readers } = &mut *writing;
            let writer = match writer {
                Some(writer) => writer,
                None => writer.insert(index.writer()?),
            };
            work(&index, writer, readers.get_or_insert_with(|| index.layout().readers()))
        })
        .await
    }

    /// Gives the writer's memory back after a while without work.
    fn rest(&self) {
        if self.last_write.elapsed() >= REST {
            self.forget_writer();
        }
    }

    /// What was written but not committed is gone with the writer, and read again.
    fn forget_writer(&self) {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        *writing = Writing::default();
    }
}

/// Notes what an event tells of. Where a category is renamed or moved, its products are told of one by one; where a
/// collection is filled anew, the collection alone.
fn note(changes: &mut Changes, event: &Event) {
    let unreadable = |error| tracing::error!(%error, event = %event.id, "an event of our own cannot be read");
    match event.payload::<ProductChanged>() {
        Some(Ok(changed)) => drop(changes.products.insert(changed.product.uuid())),
        Some(Err(error)) => unreadable(error),
        None => (),
    }
    match event.payload::<AvailabilityChanged>() {
        Some(Ok(changed)) => drop(changes.products.insert(changed.product.uuid())),
        Some(Err(error)) => unreadable(error),
        None => (),
    }
    match event.payload::<CollectionChanged>() {
        Some(Ok(changed)) => drop(changes.collections.insert(changed.collection.uuid())),
        Some(Err(error)) => unreadable(error),
        None => (),
    }
}

/// What `work` makes; `None` where it panics. One product that a library cannot bear holds up no other.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn remove(folder: &Path) {
    let is_gone = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    if let Err(error) = fs::remove_dir_all(folder)
        && !is_gone(&error)
    {
        tracing::warn!(%error, folder = %folder.display(), "an old search index could not be removed");
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::internal(format!("search index: {error}")))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_cannot_be_made_is_no_panic() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| [0; 1][std::hint::black_box(1)]), None);
    }
}
