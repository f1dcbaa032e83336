//! What is found once and kept as long as it is asked for, up to so many bytes.

use std::hash::Hash;
use std::sync::Arc;

use moka::sync::Cache;
use tantivy::TantivyError;

/// Values by what they were found for. Whoever asks for one that is just being made waits for it.
pub(super) struct Kept<K, V: ?Sized>(Cache<K, Arc<V>>);

impl<K: Hash + Eq + Send + Sync + 'static, V: ?Sized + Send + Sync + 'static> Kept<K, V> {
    /// Keeps `most` bytes at most; `size` tells what a value takes with its key.
    pub(super) fn new(most: u64, size: fn(&K, &V) -> usize) -> Self {
        let weight = move |key: &K, value: &Arc<V>| u32::try_from(size(key, value)).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(most).weigher(weight).build())
    }

    /// The value of `key`, made where there is none. What could not be made is tried again.
    pub(super) fn get(&self, key: K, mut make: impl FnMut() -> tantivy::Result<Arc<V>>) -> tantivy::Result<Arc<V>> {
        let mut is_tried = false;
        let found = self.0.try_get_with(key, || {
            is_tried = true;
            make()
        });
        match found {
            // Somebody else was making it and gave up: their time was over, ours may not be.
            Err(_) if !is_tried => make(),
            found => found.map_err(|error: Arc<TantivyError>| TantivyError::clone(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn what_is_kept_is_made_once_and_what_failed_is_tried_again() {
        let kept: Kept<&str, str> = Kept::new(1_000, |key, value| key.len() + value.len());
        let failed = kept.get("a", || Err(TantivyError::InternalError("no".to_owned())));
        assert!(failed.is_err());
        assert_eq!(&*kept.get("a", || Ok("made".into())).unwrap(), "made");
        assert_eq!(&*kept.get("a", || panic!("it is known")).unwrap(), "made");
    }

    #[test]
    fn whoever_waits_for_somebody_who_gives_up_makes_it_himself() {
        let kept: Kept<&str, str> = Kept::new(1_000, |key, value| key.len() + value.len());
        let (begun, has_begun) = mpsc::channel();
        let (end, is_to_end) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let kept = &kept;
            let slow = scope.spawn(move || {
                kept.get("a", || {
                    begun.send(()).unwrap();
                    is_to_end.recv().unwrap();
                    Err(TantivyError::InternalError("its time was over".to_owned()))
                })
            });
            has_begun.recv().unwrap();
            let waiting = scope.spawn(move || kept.get("a", || Ok("made".into())));
            end.send(()).unwrap();
            assert_eq!(&*waiting.join().unwrap().unwrap(), "made");
            assert!(slow.join().unwrap().is_err());
        });
    }

    #[test]
    fn keys_take_room_too() {
        let kept: Kept<String, str> = Kept::new(100, |key, value| key.len() + value.len());
        let long = "a".repeat(101);
        let mut count = 0;
        for _ in 0..2 {
            kept.get(long.clone(), || {
                count += 1;
                Ok("b".into())
            })
            .unwrap();
            kept.0.run_pending_tasks();
        }
        assert_eq!(count, 2);
    }
}
