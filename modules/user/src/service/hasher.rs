//! Password hashing in its own bounded pool. A hash takes some 16 ms of a core and 19 MiB: unbounded, a dozen sign-ins
//! at a time would starve everything else.

use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use kernel::Fault;
use kernel::keys::random_bytes;
use tokio::sync::Semaphore;

use crate::domain::password::Password;

/// Hashes and verifies passwords with argon2id (19 MiB, two passes, one lane), a few at a time.
#[derive(Clone)]
pub(crate) struct Hasher {
    /// One per hash at work.
    permits: Arc<Semaphore>,
    /// One per hash at work or waiting.
    places: Arc<Semaphore>,
    memories: Memories,
}

/// What hashes work in, kept from one to the next: an allocator that gets 19 MiB back again and again, from one thread
/// and another, keeps several times as much. There are never more than permits.
#[derive(Clone, Default)]
struct Memories(Arc<Mutex<Vec<Memory>>>);

type Memory = Vec<Block>;

/// What the comparison of a password with a stored hash says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// They do not match.
    Different,
    /// They match.
    Same,
    /// They match, and the hash was made with older parameters: this is the one to store instead.
    Outdated(String),
}

impl Hasher {
    /// At most `permits` hashes at a time (0: half of the cores), and at most `queue` more that wait.
    pub(crate) fn new(permits: usize, queue: usize) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let permits = if permits == 0 { (cores / 2).max(1) } else { permits };
        let permits = permits.min(Semaphore::MAX_PERMITS / 2);
        let places = permits + queue.min(Semaphore::MAX_PERMITS / 2);
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            places: Arc::new(Semaphore::new(places)),
            memories: Memories::default(),
        }
    }

    /// The hash of a new password, as a PHC string.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, Fault> {
        let memories = self.memories.clone();
        self.perform(move || memories.lend(|memory| hash(&password, memory)))
            .await?
    }

    /// Compares a password with a stored hash. Without a hash the same work is done for nothing, so that an unknown
    /// account takes as long as a wrong password.
    pub(crate) async fn compare(&self, password: Password, stored: Option<String>) -> Result<Comparison, Fault> {
        let memories = self.memories.clone();
        let work = move |memory: &mut Memory| match stored {
            Some(stored) => compare(&password, &stored, memory),
            None => hash(&password, memory).map(|_| Comparison::Different),
        };
        self.perform(move || memories.lend(work)).await?
    }

    /// Runs `work` when it is its turn. The permit goes with the work, not with the caller: a client that hangs up does
    /// not make room for another hash before its own has ended.
    async fn perform<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let busy = || Fault::unavailable("too many passwords wait to be hashed");
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| busy())?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| busy())?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop((permit, place));
            result
        });
        done.await
            .map_err(|error| Fault::internal(format!("password hashing: {error}")))
    }
}

impl Memories {
    fn lend<T>(&self, work: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.free().pop().unwrap_or_default();
        let result = work(&mut memory);
        self.free().push(memory);
        result
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(password: &Password, memory: &mut Memory) -> Result<String, Fault> {
    new_hash(password, memory)
        .map(|hash| hash.to_string())
        .map_err(|error| Fault::internal(format!("password hashing: {error}")))
}

fn new_hash(password: &Password, memory: &mut Memory) -> argon2::password_hash::Result<PasswordHash> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    let salt = Salt::new(&random_bytes(16))?;
    let output = output(&argon2, password, &salt, memory)?;
    Ok(PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt),
        hash: Some(output),
    })
}

fn compare(password: &Password, stored: &str, memory: &mut Memory) -> Result<Comparison, Fault> {
    let unreadable = |error: &dyn std::fmt::Display| Fault::internal(format!("stored password hash: {error}"));
    let parsed = PasswordHash::new(stored).map_err(|error| unreadable(&error))?;
    match is_of(&parsed, password, memory) {
        Ok(true) if is_current(&parsed) => Ok(Comparison::Same),
        Ok(true) => hash(password, memory).map(Comparison::Outdated),
        Ok(false) => Ok(Comparison::Different),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Whether `hash` is that of `password`; outputs are compared in constant time.
fn is_of(hash: &PasswordHash, password: &Password, memory: &mut Memory) -> argon2::password_hash::Result<bool> {
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err(argon2::password_hash::Error::EncodingInvalid);
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map_or(Ok(Version::default()), Version::try_from)?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(hash)?);
    Ok(output(&argon2, password, salt, memory)? == *expected)
}

fn output(
    argon2: &Argon2<'_>,
    password: &Password,
    salt: &[u8],
    memory: &mut Memory,
) -> argon2::password_hash::Result<Output> {
    memory.resize(argon2.params().block_count(), Block::new());
    let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let mut output = [0; Output::MAX_LENGTH];
    let output = output
        .get_mut(..length)
        .ok_or(argon2::password_hash::Error::OutputSize)?;
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut *output, memory)?;
    Ok(Output::new(output)?)
}

/// Whether a hash was made the way new ones are.
fn is_current(hash: &PasswordHash) -> bool {
    let current = Params::DEFAULT;
    let used = Params::try_from(hash);
    let same_costs = used.is_ok_and(|used| {
        (used.m_cost(), used.t_cost(), used.p_cost()) == (current.m_cost(), current.t_cost(), current.p_cost())
    });
    let algorithm = Algorithm::try_from(hash.algorithm.as_str());
    same_costs && algorithm == Ok(Algorithm::Argon2id) && hash.version == Some(Version::V0x13.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use argon2::PasswordHasher;

    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_only() {
        let hasher = Hasher::new(1, 4);
        let stored = hasher.hash(password("correct horse")).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let compare = |text, stored: Option<&String>| hasher.compare(password(text), stored.cloned());
        assert_eq!(compare("correct horse", Some(&stored)).await.unwrap(), Comparison::Same);
        assert_eq!(
            compare("Correct horse", Some(&stored)).await.unwrap(),
            Comparison::Different
        );
        assert_eq!(compare("correct horse", None).await.unwrap(), Comparison::Different);
        assert!(compare("correct horse", Some(&"nonsense".to_owned())).await.is_err());
    }

    #[tokio::test]
    async fn a_hash_of_older_parameters_still_fits_and_is_replaced() {
        let older = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(1024, 1, 1, None).unwrap(),
        );
        let stored = older.hash_password(b"correct horse").unwrap().to_string();
        let hasher = Hasher::new(1, 0);
        let comparison = hasher.compare(password("correct horse"), Some(stored)).await.unwrap();
        let Comparison::Outdated(fresh) = comparison else {
            panic!("{comparison:?}")
        };
        assert_eq!(
            hasher.compare(password("correct horse"), Some(fresh)).await.unwrap(),
            Comparison::Same
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn many_hashes_work_in_the_memory_of_one_per_permit() {
        let hasher = Hasher::new(2, 100);
        let hashes = (0..10).map(|number| {
            let hasher = hasher.clone();
            tokio::spawn(async move { hasher.hash(password(&format!("correct horse {number}"))).await })
        });
        for hash in hashes.collect::<Vec<_>>() {
            hash.await.unwrap().unwrap();
        }
        let memories = hasher.memories.free();
        assert!((1..=2).contains(&memories.len()), "{}", memories.len());
        let size = Params::DEFAULT.block_count();
        assert!(memories.iter().all(|memory| memory.len() == size));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_more_work_runs_at_a_time_than_there_are_permits() {
        let hasher = Hasher::new(2, 100);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let tasks: Vec<_> = (0..40)
            .map(|_| {
                let (hasher, running, most) = (hasher.clone(), Arc::clone(&running), Arc::clone(&most));
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                tokio::spawn(async move { hasher.perform(work).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_finds_the_queue_full_is_sent_away_and_the_others_get_their_turn() {
        let hasher = Hasher::new(1, 2);
        let (release, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let admitted: Vec<_> = (0..3)
            .map(|_| {
                let (hasher, gate) = (hasher.clone(), Arc::clone(&gate));
                let work = move || gate.lock().unwrap().recv().unwrap();
                tokio::spawn(async move { hasher.perform(work).await })
            })
            .collect();
        while hasher.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let refused = hasher.perform(|| ()).await;
        assert!(matches!(refused, Err(Fault::Unavailable { .. })), "{refused:?}");
        for _ in 0..3 {
            release.send(()).unwrap();
        }
        for task in admitted {
            task.await.unwrap().unwrap();
        }
        assert!(hasher.perform(|| ()).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_caller_that_hangs_up_keeps_its_permit_until_its_work_has_ended() {
        let hasher = Hasher::new(1, 0);
        let (started, has_started) = mpsc::channel();
        let (release, gate) = mpsc::channel::<()>();
        let caller = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                let work = move || {
                    started.send(()).unwrap();
                    gate.recv().unwrap();
                };
                hasher.perform(work).await
            }
        });
        tokio::task::spawn_blocking(move || has_started.recv().unwrap())
            .await
            .unwrap();
        caller.abort();
        assert!(caller.await.is_err());
        assert!(hasher.perform(|| ()).await.is_err());
        release.send(()).unwrap();
        while hasher.places.available_permits() == 0 {
            tokio::task::yield_now().await;
        }
        assert!(hasher.perform(|| ()).await.is_ok());
    }
}
