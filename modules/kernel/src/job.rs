//! Background jobs: each belongs to the module that owns the data, runs in every replica, and shares its rows with the
//! others through the database.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::Fault;

/// What one round of a job did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Nothing is left to do: wait for the next wake-up or the interval.
    Idle,
    /// There may be more: go on at once.
    More,
}

type Work = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Round, Fault>> + Send>> + Send + Sync>;

/// Work to be done again and again.
pub struct Job {
    name: &'static str,
    every: Duration,
    wake: Wake,
    work: Work,
}

/// Wakes a job before its interval has passed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Runs the job soon; a wake-up during a round is not lost.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

impl Job {
    /// A job that runs `work` at least once per `every`, and whenever `wake` says so.
    pub fn new<F, R>(name: &'static str, every: Duration, wake: Wake, work: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<Round, Fault>> + Send + 'static,
    {
        Self {
            name,
            every,
            wake,
            work: Box::new(move || Box::pin(work())),
        }
    }

    /// Runs the job until `stop` turns true, and once more where somebody has woken it until then. A failed round is logged once and tried again after the interval; a round
    /// that has begun is finished.
    pub fn spawn(self, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(async move {
            while !*stop.borrow() {
                match (self.work)().await {
                    Ok(Round::More) => continue,
                    Ok(Round::Idle) => (),
                    Err(error) => {
                        tracing::warn!(job = self.name, %error, "a round of the job failed and will be repeated")
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(self.every) => (),
                    () = self.wake.0.notified() => (),
                    _ = stop.wait_for(|stop| *stop) => (),
                }
            }
            // Whoever woke the job last may have handed it something that others find only after a while.
            if self.wake.0.notified().now_or_never().is_some()
                && let Err(error) = (self.work)().await
            {
                tracing::warn!(job = self.name, %error, "the last round of the job failed and is left to others");
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_a_job_was_woken_for_is_done_before_it_ends() {
        let (wake, rounds) = (Wake::default(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&rounds);
        let job = Job::new("test", Duration::from_secs(3600), wake.clone(), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(Round::Idle))
        });
        let (stop, stopped) = watch::channel(true);
        wake.wake();
        job.spawn(stopped).await.unwrap();
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
        drop(stop);
    }
}
