//! One question at a time: whoever asks what is being asked already waits for that answer instead.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// What is being asked right now, by all workers of the process.
pub(super) struct Flights<K, T> {
    open: Mutex<HashMap<K, watch::Receiver<Option<T>>>>,
}

/// What somebody has to do who wants an answer.
pub(super) enum Seat<K: Eq + Hash, T> {
    /// Get it, and tell the others.
    Leader(Leader<K, T>),
    /// Wait for it.
    Follower(Follower<T>),
}

/// Whoever gets the answer. Dropped without one, it lets one of those who wait take over.
pub(super) struct Leader<K: Eq + Hash, T> {
    flights: Arc<Flights<K, T>>,
    key: K,
    answer: watch::Sender<Option<T>>,
}

/// Whoever waits for the answer.
pub(super) struct Follower<T>(watch::Receiver<Option<T>>);

impl<K: Eq + Hash + Clone, T: Clone> Flights<K, T> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { open: Mutex::default() })
    }

    /// Joins those who ask for `key`, or is the first of them.
    pub(super) fn join(self: &Arc<Self>, key: &K) -> Seat<K, T> {
        let mut open = self.open();
        if let Some(receiver) = open.get(key) {
            return Seat::Follower(Follower(receiver.clone()));
        }
        let (sender, receiver) = watch::channel(None);
        open.insert(key.clone(), receiver);
        Seat::Leader(Leader {
            flights: Arc::clone(self),
            key: key.clone(),
            answer: sender,
        })
    }
}

impl<K, T> Flights<K, T> {
    fn open(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<T>>>> {
        // Nothing that holds the lock can panic half-way.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash, T> Leader<K, T> {
    /// Gives all who wait the answer.
    pub(super) fn land(self, answer: T) {
        self.answer.send_replace(Some(answer));
    }
}

impl<K: Eq + Hash, T> Drop for Leader<K, T> {
    fn drop(&mut self) {
        self.flights.open().remove(&self.key);
    }
}

impl<T: Clone> Follower<T> {
    /// The answer; `None` where the leader has gone without one.
    pub(super) async fn answer(mut self) -> Option<T> {
        let answered = self.0.wait_for(Option::is_some).await.ok()?;
        answered.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat<T: Clone>(flights: &Arc<Flights<&'static str, T>>, key: &'static str) -> Seat<&'static str, T> {
        flights.join(&key)
    }

    #[tokio::test]
    async fn all_who_ask_the_same_get_the_answer_of_the_first() {
        let flights = Flights::new();
        let Seat::Leader(leader) = seat(&flights, "a") else {
            panic!("the first one leads");
        };
        let followers: Vec<_> = (0..3).map(|_| seat(&flights, "a")).collect();
        assert!(matches!(seat(&flights, "b"), Seat::Leader(_)));
        leader.land(7);
        for follower in followers {
            let Seat::Follower(follower) = follower else {
                panic!("there is one leader")
            };
            assert_eq!(follower.answer().await, Some(7));
        }
        assert!(matches!(seat(&flights, "a"), Seat::Leader(_)));
    }

    #[tokio::test]
    async fn when_the_first_one_goes_another_takes_over() {
        let flights = Flights::<_, u8>::new();
        let first = seat(&flights, "a");
        let Seat::Follower(follower) = seat(&flights, "a") else {
            panic!("the first one leads");
        };
        drop(first);
        assert_eq!(follower.answer().await, None);
        assert!(matches!(seat(&flights, "a"), Seat::Leader(_)));
    }
}
