//! The shop's rules in the memory of this process.

use std::sync::{Arc, PoisonError, RwLock};

use database::Db;
use kernel::Fault;
use tokio::sync::Mutex;

use crate::domain::Rules;
use crate::queries;

/// The rules as this process last read them. Every cart that is read tells how often they have changed, so that a process
/// that has missed a change reads them again before it prices that cart.
#[derive(Clone)]
pub(super) struct RulesInMemory {
    database: Db,
    current: Arc<RwLock<Arc<Rules>>>,
    /// Held by who reads them because they are too old: all who come at that moment want the same.
    reading: Arc<Mutex<()>>,
}

impl RulesInMemory {
    /// Nothing is read yet.
    pub(super) fn new(database: Db) -> Self {
        Self {
            database,
            current: Arc::default(),
            reading: Arc::default(),
        }
    }

    /// Rules that are no older than `revision`.
    pub(super) async fn since(&self, revision: i64) -> Result<Arc<Rules>, Fault> {
        let is_enough = |current: &Arc<Rules>| current.revision >= revision.max(1);
        if let Some(current) = Some(self.current()).filter(is_enough) {
            return Ok(current);
        }
        let _reading = self.reading.lock().await;
        match Some(self.current()).filter(is_enough) {
            Some(current) => Ok(current),
            None => self.read().await,
        }
    }

    /// Reads them again, as they are now.
    pub(super) async fn read(&self) -> Result<Arc<Rules>, Fault> {
        let read = self
            .database
            .run(|connection| Ok::<_, database::Failure<Fault>>(queries::rules::read(connection)?))
            .await?;
        let read = Arc::new(read);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have read newer ones meanwhile.
        if current.revision < read.revision {
            *current = Arc::clone(&read);
        }
        Ok(Arc::clone(&current))
    }

    /// Reads them again after this process has written some, so that it prices by them at once. Should that fail, the next
    /// cart that is read tells of them.
    pub(super) async fn take_news(&self) {
        if let Err(fault) = self.read().await {
            tracing::warn!(%fault, "the rules of prices could not be read after a change");
        }
    }

    fn current(&self) -> Arc<Rules> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}
