//! Work of one kind from many callers, carried out together. While one batch is at the database the next one gathers, so
//! that a busy store pays for a statement and its commit once for many callers, and a lone caller waits for nobody.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::prelude::*;
use futures_util::future::join_all;
use kernel::Fault;
use tokio::sync::oneshot;

use crate::{Db, Failure};

/// How many callers one batch serves at most.
const MOST: usize = 64;
/// How many batches are at the database at a time: one that waits for a lock does not hold up all that come after it.
const BATCHES: usize = 2;
/// How many callers may wait; more are refused as [`Fault::Unavailable`].
const QUEUE: usize = 1024;

/// What a batch does: one statement, or nothing that lasts where it fails. An output for each input, in their order.
pub type Work<I, O> = Box<dyn Fn(&mut PgConnection, &[I]) -> QueryResult<Vec<O>> + Send + Sync>;

/// Carries out work of one kind for many callers together. Cheap to clone.
///
/// A batch that fails is carried out again caller by caller, so that nobody suffers for another: the work must bear
/// being repeated.
pub struct Together<I, O> {
    shared: Arc<Shared<I, O>>,
}

struct Shared<I, O> {
    db: Db,
    work: Work<I, O>,
    queue: Mutex<Queue<I, O>>,
}

struct Queue<I, O> {
    waiting: VecDeque<Caller<I, O>>,
    batches: usize,
}

struct Caller<I, O> {
    input: I,
    answer: oneshot::Sender<Result<O, Fault>>,
}

impl<I, O> Together<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
{
    /// `work` on `db`.
    pub fn new(db: Db, work: impl Fn(&mut PgConnection, &[I]) -> QueryResult<Vec<O>> + Send + Sync + 'static) -> Self {
        let queue = Queue {
            waiting: VecDeque::new(),
            batches: 0,
        };
        Self {
            shared: Arc::new(Shared {
                db,
                work: Box::new(work),
                queue: Mutex::new(queue),
            }),
        }
    }

    /// Has the work done for `input`. It is carried out to its end even if the caller stops waiting.
    pub async fn run(&self, input: I) -> Result<O, Fault> {
        let (answer, outcome) = oneshot::channel();
        if self.shared.enqueue(Caller { input, answer })? {
            tokio::spawn(Arc::clone(&self.shared).serve());
        }
        outcome
            .await
            .unwrap_or_else(|_| Err(Fault::internal("work for several callers was dropped")))
    }
}

impl<I, O> Clone for Together<I, O> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<I, O> Shared<I, O>
where
    I: Send + Sync + 'static,
    O: Send + 'static,
{
    /// True where the caller has to start a batch: fewer are under way than may be.
    fn enqueue(&self, caller: Caller<I, O>) -> Result<bool, Fault> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.len() >= QUEUE {
            return Err(Fault::unavailable("too many callers wait for the same work"));
        }
        queue.waiting.push_back(caller);
        let starts = queue.batches < BATCHES;
        queue.batches += usize::from(starts);
        Ok(starts)
    }

    /// One batch after the other, until nobody waits.
    async fn serve(self: Arc<Self>) {
        while let Some(callers) = self.next_batch() {
            let (inputs, answers): (Vec<I>, Vec<_>) =
                callers.into_iter().map(|caller| (caller.input, caller.answer)).unzip();
            for (answer, outcome) in answers.into_iter().zip(self.carry_out(inputs).await) {
                // Nobody may be waiting any more: the work is done all the same.
                let _ = answer.send(outcome);
            }
        }
    }

    fn next_batch(&self) -> Option<Vec<Caller<I, O>>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.waiting.is_empty() {
            queue.batches -= 1;
            return None;
        }
        let count = queue.waiting.len().min(MOST);
        Some(queue.waiting.drain(..count).collect())
    }

    async fn carry_out(self: &Arc<Self>, inputs: Vec<I>) -> Vec<Result<O, Fault>> {
        let count = inputs.len();
        let inputs = Arc::new(inputs);
        match self.perform(Arc::clone(&inputs), 0..count).await {
            Ok(outputs) => outputs.into_iter().map(Ok).collect(),
            Err(fault) if count == 1 => vec![Err(fault)],
            Err(fault) => {
                tracing::warn!(%fault, callers = count, "work for several callers failed and is done one by one");
                let alone = (0..count).map(|number| self.perform(Arc::clone(&inputs), number..number + 1));
                let only = |outputs: Vec<O>| outputs.into_iter().next().ok_or_else(too_few);
                join_all(alone)
                    .await
                    .into_iter()
                    .map(|outcome| outcome.and_then(only))
                    .collect()
            }
        }
    }

    async fn perform(self: &Arc<Self>, inputs: Arc<Vec<I>>, range: std::ops::Range<usize>) -> Result<Vec<O>, Fault> {
        let (shared, count) = (Arc::clone(self), range.len());
        let outputs = self
            .db
            .run(move |connection| Ok::<_, Failure<Fault>>((shared.work)(connection, &inputs[range])?))
            .await?;
        match outputs.len() == count {
            true => Ok(outputs),
            false => Err(too_few()),
        }
    }
}

fn too_few() -> Fault {
    Fault::internal("work for several callers has answered some of them only")
}
