//! What is found once and kept as long as it is asked for, up to so many bytes.

use std::hash::Hash;
use std::sync::Arc;

use moka::sync::Cache;
use tantivy::TantivyError;

/// Values by what they were found for. Whoever asks for one that is just being made waits for it.
pub(super) struct Kept<K, V: ?Sized>(Cache<K, Arc<V>>);

impl<K: Hash + Eq + Send + Sync + 'static, V: ?Sized + Send + Sync + 'static> Kept<K, V> {
    /// Keeps `most` bytes at most; `size` tells what a value takes.
    pub(super) fn new(most: u64, size: fn(&V) -> usize) -> Self {
        let weight = move |_: &K, value: &Arc<V>| u32::try_from(size(value)).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(most).weigher(weight).build())
    }

    /// The value of `key`, made where there is none. What could not be made is tried again.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> tantivy::Result<Arc<V>>) -> tantivy::Result<Arc<V>> {
        let found = self.0.try_get_with(key, make);
        found.map_err(|error: Arc<TantivyError>| TantivyError::clone(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_made_once_and_what_failed_is_tried_again() {
        let kept: Kept<&str, str> = Kept::new(1_000, str::len);
        let failed = kept.get("a", || Err(TantivyError::InternalError("no".to_owned())));
        assert!(failed.is_err());
        assert_eq!(&*kept.get("a", || Ok("made".into())).unwrap(), "made");
        assert_eq!(&*kept.get("a", || panic!("it is known")).unwrap(), "made");
    }
}
