//! The pool. A few threads, each with a connection, share one bounded queue: waiting in a queue is cheap, waiting on a
//! connection pool's lock is not, and the queue is the place where overload is noticed and answered.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use kernel::Fault;
use secrecy::SecretString;
use tokio::sync::oneshot;
use tracing::Span;

use crate::connection::{self, Limits};
use crate::failure::Failure;

/// How a [`Db`] connects and how long it lets callers wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections, and threads.
    pub connections: u32,
    /// How long work may wait for a connection before it is refused as [`Fault::Unavailable`].
    pub wait: Duration,
    /// What each session sets for itself.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 8,
            wait: Duration::from_secs(1),
            limits: Limits::default(),
        }
    }
}

/// How many pieces of work may wait per connection; at a millisecond each that is well within the wait.
const QUEUE_PER_CONNECTION: usize = 128;

/// A database as modules use it. Cheap to clone; the connections close with the last clone.
#[derive(Clone)]
pub struct Db {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Sender<Task>,
    options: Options,
    url: SecretString,
}

impl Db {
    /// A pool for `url`. Connections are made in the background and made again when they are lost, so that this
    /// succeeds while the server is down.
    pub fn open(url: SecretString, options: Options) -> Self {
        let manager = Manager {
            url: url.clone(),
            limits: options.limits,
        };
        let pool = r2d2::Pool::builder()
            .max_size(options.connections)
            .connection_timeout(options.wait)
            // A session is checked after a failure instead (see `Session`): a query per check-out is a query too many.
            .test_on_check_out(false)
            .error_handler(Box::new(LogConnectionErrors))
            .build_unchecked(manager);
        let capacity = QUEUE_PER_CONNECTION * usize::try_from(options.connections).unwrap_or(1);
        let (queue, tasks) = crossbeam_channel::bounded(capacity);
        for number in 0..options.connections {
            let (pool, tasks) = (pool.clone(), tasks.clone());
            let spawned = thread::Builder::new()
                .name(format!("database-{number}"))
                .spawn(move || serve(&pool, &tasks));
            if let Err(error) = spawned {
                tracing::error!(%error, "no thread for a database connection");
            }
        }
        Self {
            shared: Arc::new(Shared { queue, options, url }),
        }
    }

    /// Runs `work` on one of the pool's threads. It is carried out to its end even if the caller stops waiting.
    pub async fn run<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        let (answer, mut outcome) = oneshot::channel();
        let span = Span::current();
        let taken = Arc::new(AtomicBool::new(false));
        let claim = Arc::clone(&taken);
        let task: Task = Box::new(move |session| {
            if claim.swap(true, Ordering::AcqRel) {
                return;
            }
            let _entered = span.enter();
            let result = match session {
                Ok(session) => session.perform(work),
                Err(fault) => Err(fault.into()),
            };
            // Nobody may be waiting any more: the client is gone, and the work is done all the same.
            let _ = answer.send(result);
        });
        match self.shared.queue.try_send(task) {
            Ok(()) => (),
            Err(TrySendError::Full(_)) => return Err(Fault::unavailable("the queue for the database is full").into()),
            Err(TrySendError::Disconnected(_)) => return Err(Fault::unavailable("the database pool is closed").into()),
        }
        let waited = tokio::time::timeout(self.shared.options.wait, &mut outcome).await;
        let received = match waited {
            Ok(received) => received,
            Err(_) if !taken.swap(true, Ordering::AcqRel) => {
                return Err(Fault::unavailable("no database connection became free in time").into());
            }
            // A thread is at it: statements have their own time-out.
            Err(_) => outcome.await,
        };
        received.unwrap_or_else(|_| Err(Fault::internal("database work panicked").into()))
    }

    /// Runs `work` in a transaction: committed where it succeeds, rolled back where it does not.
    pub async fn transaction<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, Failure<E>> + Send + 'static,
        T: Send + 'static,
        E: From<Fault> + Send + 'static,
    {
        self.run(|connection| connection.transaction(work)).await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Fault> {
        self.run(|connection| Ok(connection.batch_execute("SELECT 1")?)).await
    }

    /// A plain connection outside the pool, for work that holds session state (migrations, bulk copies).
    pub fn connect(&self) -> Result<PgConnection, Fault> {
        connection::connect(&self.shared.url, &self.shared.options.limits)
            .map_err(|error| Fault::unavailable(format!("database: {error}")))
    }
}

type Task = Box<dyn FnOnce(Result<&mut Session, Fault>) + Send>;

fn serve(pool: &r2d2::Pool<Manager>, tasks: &Receiver<Task>) {
    let wait = metrics::histogram!("db_pool_wait_seconds");
    let busy = metrics::gauge!("db_pool_connections", "state" => "busy");
    for task in tasks {
        let started = Instant::now();
        let session = pool.get();
        wait.record(started.elapsed().as_secs_f64());
        busy.increment(1.0);
        match session {
            Ok(mut session) => task(Ok(&mut session)),
            Err(error) => task(Err(Fault::unavailable(format!("database: {error}")))),
        }
        busy.decrement(1.0);
    }
}

/// A pooled connection that knows when it must not be used again.
struct Session {
    connection: PgConnection,
    broken: bool,
}

impl Session {
    fn perform<T, E: From<Fault>>(
        &mut self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Failure<E>>,
    ) -> Result<T, E> {
        let connection = &mut self.connection;
        let Ok(result) = std::panic::catch_unwind(AssertUnwindSafe(|| work(connection))) else {
            self.broken = true;
            return Err(Fault::internal("database work panicked").into());
        };
        if let Err(Failure::Database(error)) = &result {
            // Diesel does not notice that a server has gone away between transactions; a failed statement is the moment to look.
            let lost =
                !matches!(error, diesel::result::Error::NotFound) && self.connection.batch_execute("SELECT 1").is_err();
            self.broken |= lost;
        }
        result.map_err(Failure::into_error)
    }
}

struct Manager {
    url: SecretString,
    limits: Limits,
}

impl r2d2::ManageConnection for Manager {
    type Connection = Session;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> Result<Session, Self::Error> {
        let connection = connection::connect(&self.url, &self.limits).map_err(diesel::r2d2::Error::ConnectionError)?;
        Ok(Session {
            connection,
            broken: false,
        })
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), Self::Error> {
        session.connection.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.broken || session.connection.is_broken()
    }
}

#[derive(Debug)]
struct LogConnectionErrors;

impl r2d2::HandleError<diesel::r2d2::Error> for LogConnectionErrors {
    fn handle_error(&self, error: diesel::r2d2::Error) {
        tracing::warn!(%error, "cannot connect to the database; trying again");
    }
}
