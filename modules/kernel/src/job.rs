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

type Work = Again<Round>;

/// Something to be done again and again.
type Again<T> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<T, Fault>> + Send>> + Send + Sync>;

/// Work to be done again and again.
pub struct Job {
    name: &'static str,
    every: Duration,
    wake: Wake,
    work: Work,
    news: Option<Again<()>>,
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
            news: None,
        }
    }

    /// What the log calls it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the job as well when `news` comes about: what takes long to wait for, as an answer of another process. It is
    /// begun anew after each round that has left nothing to do, and dropped when something else is faster; where it
    /// fails, the interval alone counts until the next round.
    pub fn also_on<F, R>(mut self, news: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        self.news = Some(Box::new(move || Box::pin(news())));
        self
    }

    /// Runs the job until `stop` turns true, and once more where somebody has woken it until then. A failed round is
    /// logged once and tried again after the interval; a round that has begun is finished, while waiting for news ends at
    /// once.
    pub fn spawn(self, mut stop: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(async move {
            while !*stop.borrow() {
                let succeeded = match (self.work)().await {
                    Ok(Round::More) => continue,
                    Ok(Round::Idle) => true,
                    Err(error) => {
                        tracing::warn!(job = self.name, %error, "a round of the job failed and will be repeated");
                        false
                    }
                };
                tokio::select! {
                    () = tokio::time::sleep(self.every) => (),
                    () = self.wake.0.notified() => (),
                    () = self.news(), if succeeded => (),
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

    /// Waits for news; for ever where there are none.
    async fn news(&self) {
        if let Some(news) = &self.news {
            match news().await {
                Ok(()) => return,
                Err(error) => tracing::debug!(job = self.name, %error, "news cannot be waited for"),
            }
        }
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    /// A job that counts its rounds.
    fn counting() -> (Job, Arc<AtomicUsize>) {
        let rounds = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&rounds);
        let job = Job::new("test", LONG, Wake::default(), move || {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok(Round::Idle))
        });
        (job, rounds)
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_runs_again_when_there_are_news_and_waits_where_they_cannot_be_had() {
        let (job, rounds) = counting();
        let asked = AtomicUsize::new(0);
        let job = job.also_on(move || {
            std::future::ready(match asked.fetch_add(1, Ordering::SeqCst) {
                0..3 => Ok(()),
                _ => Err(Fault::unavailable("gone")),
            })
        });
        let (_stop, stopped) = watch::channel(false);
        let running = job.spawn(stopped);
        tokio::time::sleep(LONG / 2).await;
        assert_eq!(rounds.load(Ordering::SeqCst), 4);
        tokio::time::sleep(LONG).await;
        assert_eq!(rounds.load(Ordering::SeqCst), 5);
        running.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_waits_for_news_stops_at_once() {
        let (job, rounds) = counting();
        let job = job.also_on(std::future::pending);
        let (stop, stopped) = watch::channel(false);
        let running = job.spawn(stopped);
        tokio::time::sleep(Duration::from_secs(1)).await;
        stop.send_replace(true);
        running.await.unwrap();
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_a_job_was_woken_for_is_done_before_it_ends() {
        let (job, rounds) = counting();
        job.wake.wake();
        let (_stop, stopped) = watch::channel(true);
        job.spawn(stopped).await.unwrap();
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
    }
}
