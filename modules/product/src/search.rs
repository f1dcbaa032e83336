//! Search: an index of all products, in the files of this process, that follows what PostgreSQL says. It decides which
//! products a list shows and in which order; what they look like is read from PostgreSQL. Nothing outside knows how.

mod at_least;
mod audit;
mod condition;
mod contents;
mod document;
mod facets;
mod follower;
mod highlight;
mod index;
mod kept;
mod keys;
mod layout;
mod limit;
mod matches;
mod orders;
mod page;
mod places;
mod question;
mod ranking;
mod reader;
mod sets;
mod settings;
mod statistics;
mod suggestions;
mod text;
mod vocabulary;
mod wording;
mod words;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use database::Db;
use kernel::job::{Job, Wake};
use kernel::module::Context;
use kernel::{Clock, Fault};
use tantivy::{Searcher, TantivyError};
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use crate::domain::facet::Facet;
use crate::domain::filter::{Filter, Position, Sort};
use follower::Follower;
use index::{Index, fault};
use keys::number_of;
use layout::Layout;
use limit::Limit;
use matches::Source;
use page::Page;
use ranking::Ranking;
use settings::Settings;
use wording::Understanding;

pub(crate) use document::{Indexed, Told};
pub(crate) use facets::{Count, Prices};
pub(crate) use highlight::Marks;
pub(crate) use keys::id_key;
pub(crate) use layout::Shape;
pub(crate) use matches::Matches;
pub(crate) use page::Found;
pub(crate) use question::Question;
pub(crate) use settings::words_of;

/// How long the question whether a process is ready waits for it.
const MOMENT: Duration = Duration::from_secs(1);
/// How long a list waits for the first index of a process.
const FIRST: Duration = Duration::from_secs(5);
/// How long a write waits until it can be found.
const PATIENCE: Duration = Duration::from_secs(1);

/// The search of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Search {
    shared: Arc<Shared>,
}

/// What is to be looked at because it has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) products: BTreeSet<Uuid>,
    /// Collections that may have other products now.
    pub(crate) collections: BTreeSet<Uuid>,
}

/// The ids of what a filter names.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) categories: Vec<Uuid>,
    pub(crate) collections: Vec<Uuid>,
}

/// What the job that writes the index shares with those who read it.
struct Shared {
    db: Db,
    clock: Clock,
    /// Where processes of this machine have their indexes.
    place: PathBuf,
    /// What the shop is set to.
    shape: Arc<Shape>,
    ranking: Ranking,
    settings: watch::Sender<Arc<Settings>>,
    live: watch::Sender<Option<Arc<Index>>>,
    requests: Mutex<Vec<Request>>,
    wake: Wake,
    /// Whether there is a job at all: commands have none.
    is_followed: AtomicBool,
}

/// Changes that somebody waits for.
struct Request {
    changes: Changes,
    /// When nobody waits any more.
    until: Instant,
    done: Box<dyn FnOnce() + Send>,
}

impl Search {
    /// The search over `db`; the index is made by [`Search::job`].
    pub(crate) fn new(context: &Context, db: Db) -> Self {
        Self {
            shared: Arc::new(Shared {
                db,
                clock: context.clock.clone(),
                place: context.settings.data.dir.join("search"),
                shape: Arc::new(Shape::of(&context.settings.shop)),
                ranking: Ranking::default(),
                settings: watch::Sender::default(),
                live: watch::Sender::new(None),
                requests: Mutex::default(),
                wake: Wake::default(),
                is_followed: false.into(),
            }),
        }
    }

    /// The job that makes the index and keeps it up.
    pub(crate) fn job(&self) -> Job {
        self.shared.is_followed.store(true, Ordering::Release);
        let follower = Arc::new(Follower::new(Arc::clone(&self.shared)));
        Job::new("search", follower::EVERY, self.shared.wake.clone(), move || {
            let follower = Arc::clone(&follower);
            async move { follower.round().await }
        })
    }

    /// Whether lists can be served. A process that has just started is given a moment, which is enough where its index is
    /// there or quickly made.
    pub(crate) async fn ready(&self) -> Result<(), Fault> {
        self.live(MOMENT).await.map(drop)
    }

    /// The index as it is now. Waits a while for the first one.
    pub(crate) async fn now(&self) -> Result<Snapshot, Fault> {
        let index = self.live(FIRST).await?;
        Ok(Snapshot {
            // Before the index is looked at: what is counted then is at least as new.
            revision: (index.folder().to_owned(), index.revision()),
            searcher: index.searcher(),
            layout: Arc::clone(index.layout()),
            ranking: self.shared.ranking.clone(),
            settings: self.shared.settings.borrow().clone(),
            limit: Limit::from_now(),
            index,
            wake: self.shared.wake.clone(),
        })
    }

    async fn live(&self, patience: Duration) -> Result<Arc<Index>, Fault> {
        let mut live = self.shared.live.subscribe();
        let found = tokio::time::timeout(patience, live.wait_for(Option::is_some)).await;
        let index = match found {
            Ok(Ok(index)) => index.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        index.ok_or_else(|| Fault::unavailable("the search index is being made"))
    }

    /// Waits until the index of this process shows `changes` as they are now, a second at most. What is not shown by then
    /// soon will be: all changes are followed anyway.
    pub(crate) async fn settle(&self, changes: Changes) {
        if !changes.is_empty() {
            self.wait_for(changes).await;
        }
    }

    async fn wait_for(&self, changes: Changes) {
        let (done, settled) = oneshot::channel();
        let is_asked = self.shared.ask(changes, move || {
            // Whoever waited may have gone.
            let _ = done.send(());
        });
        if is_asked && tokio::time::timeout(PATIENCE, settled).await.is_err() {
            tracing::debug!("a write was not searchable in time");
        }
    }

    /// Waits until the index of this process has taken in what was told by events until now, a second at most.
    pub(crate) async fn catch_up(&self) {
        self.wait_for(Changes::default()).await;
    }

    /// As [`Search::settle`], on a thread that may block.
    pub(crate) fn settle_blocking(&self, changes: Changes) {
        let (done, settled) = mpsc::channel();
        let is_asked = self.shared.ask(changes, move || {
            let _ = done.send(());
        });
        if is_asked && settled.recv_timeout(PATIENCE).is_err() {
            tracing::debug!("a write was not searchable in time");
        }
    }
}

impl Changes {
    /// Of these products.
    pub(crate) fn of_products(products: impl IntoIterator<Item = Uuid>) -> Self {
        Self {
            products: products.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Of which products belong to these collections.
    pub(crate) fn of_collections(collections: impl IntoIterator<Item = Uuid>) -> Self {
        Self {
            collections: collections.into_iter().collect(),
            ..Self::default()
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.products.is_empty() && self.collections.is_empty()
    }

    fn extend(&mut self, other: Self) {
        self.products.extend(other.products);
        self.collections.extend(other.collections);
    }
}

impl Shared {
    /// Has the job look at `changes` next; `false` where there is nothing to do, or nobody who would.
    fn ask(&self, changes: Changes, done: impl FnOnce() + Send + 'static) -> bool {
        if !self.is_followed.load(Ordering::Acquire) {
            return false;
        }
        self.requests().push(Request {
            changes,
            until: Instant::now() + PATIENCE,
            done: Box::new(done),
        });
        self.wake.wake();
        true
    }

    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        // Nothing that holds the lock can panic half-way.
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The index at one moment, for one request: all that is asked of it together has a limited time.
pub(crate) struct Snapshot {
    searcher: Searcher,
    layout: Arc<Layout>,
    ranking: Ranking,
    settings: Arc<Settings>,
    limit: Limit,
    index: Arc<Index>,
    wake: Wake,
    revision: (PathBuf, u64),
}

impl Snapshot {
    /// Names the moment: what was counted under one name is the same as long as the name is.
    pub(crate) fn name(&self) -> String {
        let (folder, revision) = &self.revision;
        format!("{}/{revision}/{}", folder.display(), self.settings.revision)
    }

    /// Understands what is to be shown; `named` is what `filter` names, as ids.
    pub(crate) fn question(&self, filter: &Filter, named: &Named) -> Result<Question, Fault> {
        self.ask(|| {
            let known = self.index.wordings();
            let understanding = Understanding::new(
                &self.searcher,
                &self.layout,
                &self.ranking,
                &self.settings,
                known,
                filter,
                self.limit,
            );
            Question::new(understanding, filter, named)
        })
    }

    /// Looks a question up, for a list in an order.
    pub(crate) fn find(&self, question: &Question, sort: Sort) -> Result<Matches, Fault> {
        self.ask(|| Matches::find(self.source(), question, sort))
    }

    /// At most `wanted` products after a position, and how many there are in all.
    pub(crate) fn page(&self, matches: &Matches, after: Option<Position>, wanted: usize) -> Result<Found, Fault> {
        let page = Page {
            sort: matches.sort,
            fields: matches.fields,
            after,
            wanted,
        };
        self.ask(|| {
            let mut hits = Vec::new();
            for (segment, found) in self.searcher.segment_readers().iter().zip(matches.segments()) {
                self.limit.check()?;
                let (words, orders) = (&found.words, self.index.orders());
                hits.extend(page.of_segment(segment, &found.all, words, &matches.places, orders)?);
            }
            Ok(Found {
                total: i64::try_from(matches.total()).unwrap_or(i64::MAX),
                hits: page.merge(hits),
            })
        })
    }

    /// The values of a facet with most products, without those of its own condition. Categories are named by
    /// [`id_key`], all of them; attributes by their JSON text. Prices have [`Snapshot::prices`], numbers [`Snapshot::numbers`].
    pub(crate) fn values(&self, matches: &Matches, facet: &Facet) -> Result<Vec<Count>, Fault> {
        let (field, prefix) = match facet {
            Facet::Brand => (self.layout.fields.brand_name, String::new()),
            Facet::Category => (self.layout.fields.category_id, String::new()),
            Facet::Attribute(name) => (self.layout.fields.attribute, [name.as_str(), "\0"].concat()),
            Facet::Price | Facet::Ranges(_) => return Ok(Vec::new()),
        };
        self.ask(|| {
            let sets = matches.over(self.source(), facet)?;
            match facet {
                Facet::Category => facets::counts(self.source(), &sets, field, &prefix),
                _ => facets::values(self.source(), &sets, field, &prefix),
            }
        })
    }

    /// The numbers of an attribute, without those of its own condition, each with how many products have it.
    pub(crate) fn numbers(&self, matches: &Matches, attribute: &str) -> Result<Vec<(f64, i64)>, Fault> {
        let (facet, prefix) = (Facet::Ranges(attribute.to_owned()), [attribute, "\0"].concat());
        let counts = self.ask(|| {
            let sets = matches.over(self.source(), &facet)?;
            facets::counts(self.source(), &sets, self.layout.fields.number, &prefix)
        })?;
        let number = |(digits, count): Count| Some((number_of(&digits)?, count));
        Ok(counts.into_iter().filter_map(number).collect())
    }

    /// How the products spread over prices, whatever the condition on prices is; `None` where there are none.
    pub(crate) fn prices(&self, matches: &Matches) -> Result<Option<Prices>, Fault> {
        self.ask(|| {
            facets::prices(
                self.source(),
                &matches.over(self.source(), &Facet::Price)?,
                &matches.fields,
            )
        })
    }

    fn source(&self) -> Source<'_> {
        Source {
            searcher: &self.searcher,
            index: &self.index,
            limit: self.limit,
        }
    }

    /// Asks the index. What a damaged one answers, it answers once: it is made anew from then on.
    fn ask<T>(&self, work: impl FnOnce() -> tantivy::Result<T>) -> Result<T, Fault> {
        // Nothing that is changed is shared with `work`: what breaks off half-way leaves nothing half-done.
        let error = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) if Limit::is_passed_in(&error) => {
                return Err(Fault::unavailable("a search took too long and was given up"));
            }
            Ok(Err(error)) if !is_of_files(&error) => return Err(fault(error)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "a search panicked".to_owned(),
        };
        self.index.suspect();
        self.wake.wake();
        Err(Fault::unavailable(format!("the search index is damaged: {error}")))
    }
}

/// Whether an error can come from files that are not as they were written.
fn is_of_files(error: &TantivyError) -> bool {
    matches!(
        error,
        TantivyError::IoError(_)
            | TantivyError::OpenReadError(_)
            | TantivyError::DataCorruption(_)
            | TantivyError::SystemError(_)
            | TantivyError::InternalError(_)
    )
}
