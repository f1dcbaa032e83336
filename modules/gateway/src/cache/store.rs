//! Where answers are kept: under what was asked, as long as there is room and nothing has changed.

use std::sync::Arc;
use std::time::Duration;

use kernel::Clock;

use super::entry::Entry;
use super::key::Key;
use super::news::{Mark, Source, Standing};
use super::policy::Use;

/// What is asked for.
pub(crate) struct Question {
    pub(super) key: Key,
    /// What the client says of languages.
    pub(super) language: Box<str>,
    pub(super) source: Arc<Source>,
    /// What was known of the module when the question came.
    pub(super) mark: Mark,
}

/// An answer that is kept.
pub(super) struct Found {
    pub(super) entry: Arc<Entry>,
    pub(super) age: Duration,
    pub(super) usable: Use,
}

/// The answers that are kept.
pub(super) struct Store {
    kept: moka::sync::Cache<Key, Kept>,
    clock: Clock,
}

/// What lies under a key.
#[derive(Clone)]
enum Kept {
    Answer(Arc<Entry>),
    /// There is one for each language.
    ByLanguage,
}

impl Question {
    /// The key of an answer in the client's language.
    pub(super) fn in_language(&self) -> Key {
        self.key.in_language(&self.language)
    }
}

impl Store {
    /// Room for `bytes`.
    pub(super) fn new(bytes: u64, clock: Clock) -> Self {
        let size = |key: &Key, kept: &Kept| u32::try_from(key.size() + kept.size()).unwrap_or(u32::MAX);
        Self {
            kept: moka::sync::Cache::builder().max_capacity(bytes).weigher(size).build(),
            clock,
        }
    }

    /// What is kept for a question, unless something has changed since.
    pub(super) fn find(&self, question: &Question) -> Option<Found> {
        let entry = match self.kept.get(&question.key)? {
            Kept::Answer(entry) => entry,
            Kept::ByLanguage => self.kept.get(&question.in_language())?.into_answer()?,
        };
        let age = entry.age(self.now());
        let usable = match question.source.standing(entry.mark()) {
            Standing::Holds => entry.lifetime().at(age),
            Standing::Doubted => entry.lifetime().doubted(age),
            Standing::Void => return None,
        };
        Some(Found { entry, age, usable })
    }

    /// Keeps an answer, unless something has changed since the module was asked.
    pub(super) fn keep(&self, question: &Question, by_language: bool, entry: &Arc<Entry>) {
        if question.source.standing(question.mark) == Standing::Void {
            return;
        }
        let answer = Kept::Answer(Arc::clone(entry));
        if !by_language {
            return self.kept.insert(question.key.clone(), answer);
        }
        self.kept.insert(question.in_language(), answer);
        self.kept.insert(question.key.clone(), Kept::ByLanguage);
    }

    /// The module has another answer now, which is not to be kept.
    pub(super) fn forget(&self, question: &Question) {
        self.kept.invalidate(&question.in_language());
        self.kept.invalidate(&question.key);
    }

    /// Now, in milliseconds.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

impl Kept {
    fn into_answer(self) -> Option<Arc<Entry>> {
        match self {
            Self::Answer(entry) => Some(entry),
            Self::ByLanguage => None,
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Answer(entry) => entry.size(),
            Self::ByLanguage => 0,
        }
    }
}
