//! An index in a folder: made, opened, written and read. It is derived data: whatever is wrong with it, it is made anew.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use kernel::Fault;
use kernel::event::Position;
use serde::{Deserialize, Serialize};
use tantivy::directory::MmapDirectory;
use tantivy::directory::error::OpenReadError;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{IndexReader, IndexWriter, ReloadPolicy, Searcher, TantivyDocument, TantivyError};
use uuid::Uuid;

use super::condition::{Condition, Seen};
use super::document::Fields;
use super::layout::{Layout, Shape};
use super::orders::Orders;
use super::sets::Sets;
use super::wording::Wordings;
use super::words::WordCache;

/// Raised with every change of what is indexed and how; the fields themselves are compared besides.
const FORMAT: u32 = 4;
/// What the writer may hold in memory before it writes, in bytes.
const WRITER_MEMORY: usize = 24 << 20;
/// Which part of a segment may be deleted products before it is written anew: they count in how common words are, take room
/// and time.
const MOST_GONE: f32 = 0.25;
/// How many processes may share a data directory.
const SLOTS: usize = 32;

/// What an index was made of, and how far it has come: stored with each commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    format: u32,
    layout: u64,
    /// Which catalogue this is of.
    pub(super) catalogue: Uuid,
    /// Everything up to this event is in the index.
    pub(super) position: Position,
    /// What can be bought before it is there is told as of this day, or of a later one.
    pub(super) day: NaiveDate,
    /// When it was written.
    pub(super) at: DateTime<Utc>,
}

impl Progress {
    /// Of a catalogue that has been read into `index` up to `position`, as of `day`.
    pub(super) fn new(index: &Index, catalogue: Uuid, position: Position, day: NaiveDate, at: DateTime<Utc>) -> Self {
        Self {
            format: FORMAT,
            layout: index.layout.fingerprint,
            catalogue,
            position,
            day,
            at,
        }
    }

    /// Whether this is of the catalogue as it was once: whose events end before what was read of them has been restored since.
    pub(super) fn is_usable(&self, catalogue: Uuid, end: Position, oldest: DateTime<Utc>) -> bool {
        self.catalogue == catalogue && !is_ahead(self.position, end) && self.at >= oldest
    }

    fn is_of(&self, layout: &Layout) -> bool {
        self.format == FORMAT && self.layout == layout.fingerprint
    }
}

/// A folder that one process has for itself, within the one that processes on a machine may share.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) folder: PathBuf,
    _lock: File,
}

impl Slot {
    /// The numbers and the folders of all that processes on this machine have taken, or once had.
    pub(super) fn all(place: &Path) -> Vec<(usize, PathBuf)> {
        let folders = (0..SLOTS).map(|number| (number, place.join(number.to_string())));
        folders.filter(|(_, folder)| folder.is_dir()).collect()
    }

    /// Takes the first that is free.
    pub(super) fn take(place: &Path) -> io::Result<Self> {
        for number in 0..SLOTS {
            let folder = place.join(number.to_string());
            fs::create_dir_all(&folder)?;
            let lock = File::options().create(true).append(true).open(folder.join("lock"))?;
            match lock.try_lock() {
                Ok(()) => return Ok(Self { folder, _lock: lock }),
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Err(io::Error::other("all folders for a search index are taken"))
    }

    /// A folder for another index.
    pub(super) fn new_folder(&self) -> PathBuf {
        self.folder.join(Uuid::now_v7().simple().to_string())
    }
}

/// The indexes in the folder of a slot, the newest first.
pub(super) fn indexes(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
        .collect();
    found.sort_unstable();
    found.reverse();
    Ok(found)
}

/// An index.
pub(super) struct Index {
    folder: PathBuf,
    index: tantivy::Index,
    reader: IndexReader,
    layout: Arc<Layout>,
    sets: Sets,
    words: WordCache,
    wordings: Wordings,
    orders: Arc<Orders>,
    revision: AtomicU64,
    is_suspect: AtomicBool,
    seen: Mutex<Seen>,
}

impl Index {
    /// An empty one.
    pub(super) fn create(folder: PathBuf, shape: &Shape) -> Result<Arc<Self>, Fault> {
        fs::create_dir_all(&folder).map_err(fault)?;
        let (schema, layout) = Layout::of(shape)?;
        let directory = MmapDirectory::open(&folder).map_err(fault)?;
        let index = tantivy::Index::create(directory, schema, tantivy::IndexSettings::default()).map_err(fault)?;
        Self::over(folder, index, layout)
    }

    /// The one in `folder`, and how far it had come; `None` where there is none of this format and shape that is whole.
    pub(super) fn open(folder: PathBuf, shape: &Shape) -> Result<Option<(Arc<Self>, Progress)>, Fault> {
        let directory = MmapDirectory::open(&folder).map_err(fault)?;
        let index = tantivy::Index::open(directory).map_err(fault)?;
        let payload = index.load_metas().map_err(fault)?.payload;
        let progress = payload.and_then(|payload| serde_json::from_str::<Progress>(&payload).ok());
        let (_, layout) = Layout::of(shape)?;
        let Some(progress) = progress.filter(|progress| progress.is_of(&layout)) else {
            return Ok(None);
        };
        let is_whole = index.validate_checksum().map_err(fault)?.is_empty();
        if !is_whole {
            return Ok(None);
        }
        Ok(Some((Self::over(folder, index, layout)?, progress)))
    }

    fn over(folder: PathBuf, index: tantivy::Index, layout: Layout) -> Result<Arc<Self>, Fault> {
        let orders = Arc::<Orders>::default();
        let builder = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        let builder = builder.warmers(vec![orders.warmer()]);
        Ok(Arc::new(Self {
            folder,
            reader: builder.try_into().map_err(fault)?,
            index,
            layout: Arc::new(layout),
            sets: Sets::default(),
            words: WordCache::default(),
            wordings: Wordings::default(),
            orders,
            revision: AtomicU64::new(0),
            is_suspect: false.into(),
            seen: Mutex::default(),
        }))
    }

    /// Call where it has answered with an error that can only come from its files.
    pub(super) fn suspect(&self) {
        self.is_suspect.store(true, Ordering::Release);
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.is_suspect.load(Ordering::Acquire)
    }

    /// Whether its files are as they were written. An error where that cannot be told, as where too many files are open: it
    /// says nothing about the index.
    pub(super) fn condition(&self) -> Result<Condition, Fault> {
        if self.is_suspect() {
            return Ok(Condition::Damaged);
        }
        let segments = match self.index.searchable_segment_ids() {
            Ok(segments) => segments,
            Err(TantivyError::OpenReadError(OpenReadError::FileDoesNotExist(_))) => return Ok(Condition::Missing),
            Err(TantivyError::OpenReadError(OpenReadError::IoError { .. }) | TantivyError::IoError(_)) => {
                return Err(Fault::unavailable("the files of the search index cannot be looked at"));
            }
            Err(_) => return Ok(Condition::Damaged),
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let condition = match seen.inspect(&self.folder, &segments) {
            Ok(condition) => condition,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Condition::Missing,
            Err(error) => return Err(fault(error)),
        };
        // However files come and go, none is ever written over.
        if condition == Condition::Damaged {
            self.suspect();
        }
        Ok(match self.index.searchable_segment_ids() {
            Ok(again) if again == segments => condition,
            // Files come and go just now: the next look will tell.
            _ => Condition::Whole,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The fields of the shop's own currency and language.
    pub(super) fn fields(&self) -> Fields {
        self.layout.fields
    }

    pub(super) fn layout(&self) -> &Arc<Layout> {
        &self.layout
    }

    /// Which products satisfy what.
    pub(super) fn sets(&self) -> &Sets {
        &self.sets
    }

    /// What the words of questions find.
    pub(super) fn words(&self) -> &WordCache {
        &self.words
    }

    /// What questions mean.
    pub(super) fn wordings(&self) -> &Wordings {
        &self.wordings
    }

    /// The orders of lists.
    pub(super) fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Counts the commits that readers have seen.
    pub(super) fn revision(&self) -> u64 {
        self.revision.load(Ordering::Acquire)
    }

    /// The index as it is now; later commits do not change it.
    pub(super) fn searcher(&self) -> Searcher {
        self.reader.searcher()
    }

    /// What writes it: one thread, and one for merging.
    pub(super) fn writer(&self) -> Result<IndexWriter, Fault> {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(WRITER_MEMORY)
            .build();
        let writer: IndexWriter<TantivyDocument> = self.index.writer_with_options(options).map_err(fault)?;
        let mut policy = LogMergePolicy::default();
        policy.set_del_docs_ratio_before_merge(MOST_GONE);
        writer.set_merge_policy(Box::new(policy));
        Ok(writer)
    }

    /// Stores what was written, and shows it.
    pub(super) fn commit(&self, writer: &mut IndexWriter, progress: &Progress) -> Result<(), Fault> {
        let mut commit = writer.prepare_commit().map_err(fault)?;
        let payload = serde_json::to_string(progress).map_err(|error| Fault::internal(error.to_string()))?;
        commit.set_payload(&payload);
        commit.commit().map_err(fault)?;
        self.reader.reload().map_err(fault)?;
        // What has just been written is known from the beginning, or from the next look on.
        drop(self.condition());
        self.revision.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }
}

/// Whether a position is after the end of the events: they were other ones when it was noted, and the database has been
/// restored since. Where there are no events, all have been forgotten.
pub(super) fn is_ahead(position: Position, end: Position) -> bool {
    end != Position::default() && end < position
}

/// What a failure of the index is to a caller.
pub(super) fn fault(error: impl std::fmt::Display) -> Fault {
    Fault::internal(format!("search index: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_cannot_be_looked_at_is_neither_missing_nor_damaged() {
        let place = tempfile::tempdir().unwrap();
        let shape = Shape {
            currencies: Vec::new(),
            locale: "en".parse().unwrap(),
            languages: Vec::new(),
        };
        let index = Index::create(place.path().join("index"), &shape).unwrap();
        let (list, aside) = (index.folder().join("meta.json"), place.path().join("aside"));
        assert_eq!(index.condition().unwrap(), Condition::Whole);
        fs::rename(&list, &aside).unwrap();
        assert_eq!(index.condition().unwrap(), Condition::Missing);
        // As where no more files may be open: nothing can be read, whatever is there.
        fs::create_dir(&list).unwrap();
        assert!(matches!(index.condition(), Err(Fault::Unavailable { .. })));
        fs::remove_dir(&list).unwrap();
        fs::write(&list, "{").unwrap();
        assert_eq!(index.condition().unwrap(), Condition::Damaged);
        fs::rename(&aside, &list).unwrap();
        assert_eq!(index.condition().unwrap(), Condition::Whole);
    }

    #[test]
    fn damage_that_is_there_when_something_is_stored_is_found_by_the_next_look_too() {
        let place = tempfile::tempdir().unwrap();
        let shape = Shape {
            currencies: Vec::new(),
            locale: "en".parse().unwrap(),
            languages: Vec::new(),
        };
        let index = Index::create(place.path().join("index"), &shape).unwrap();
        let mut writer = index.writer().unwrap();
        let now = chrono::DateTime::UNIX_EPOCH;
        let progress = Progress::new(&index, uuid::Uuid::nil(), Position::default(), now.date_naive(), now);
        let mut store = || {
            writer.add_document(TantivyDocument::default()).unwrap();
            index.commit(&mut writer, &progress).unwrap();
        };
        store();
        let files = fs::read_dir(index.folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut written = files.filter(|path| path.extension().is_some_and(|kind| kind == "fieldnorm"));
        let file = File::options().append(true).open(written.next().unwrap());
        file.unwrap().write_all(b"damage").unwrap();
        store();
        assert_eq!(index.condition().unwrap(), Condition::Damaged);
    }

    #[test]
    fn events_that_end_before_a_position_were_other_ones_unless_all_are_forgotten() {
        let at = |transaction, sequence| Position { transaction, sequence };
        assert!(is_ahead(at(7, 2), at(7, 1)));
        assert!(is_ahead(at(7, 2), at(6, 3)));
        assert!(!is_ahead(at(7, 2), at(7, 2)));
        assert!(!is_ahead(at(7, 2), at(8, 1)));
        assert!(!is_ahead(at(7, 2), Position::default()));
    }
}
