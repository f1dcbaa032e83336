//! Connections to the Redis of carts. No call waits longer than the settings allow, and a Redis that is known to be gone is
//! not waited for at all.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use database::failed_by;
use diesel::QueryResult;
use kernel::{Fault, settings};
use redis::{Client, Connection, RedisError, RedisResult};
use secrecy::ExposeSecret;

/// How long a Redis that has failed is left alone.
const PAUSE: Duration = Duration::from_millis(250);

/// A Redis, with the connections to it that nobody uses just now.
pub(super) struct Server {
    /// What is wrong with the address, where it cannot be read.
    client: Result<Client, String>,
    patience: Duration,
    idle: Mutex<Vec<Connection>>,
    /// When it may be tried again, while it is out.
    out_until: Mutex<Option<Instant>>,
}

/// Redis is not to be had just now.
#[derive(Debug, thiserror::Error)]
enum Unavailable {
    #[error("it has failed just now")]
    Out,
    #[error("{0}")]
    Misnamed(String),
    #[error(transparent)]
    Failed(#[from] RedisError),
}

impl Server {
    /// The Redis of the settings.
    pub(super) fn new(settings: &settings::Cart) -> Self {
        Self {
            client: client(settings),
            patience: settings.redis_timeout,
            idle: Mutex::default(),
            out_until: Mutex::default(),
        }
    }

    /// Asks, unless that has failed a moment ago. The question has to bear being asked twice: a connection that has broken
    /// since it was last used is found out by using it.
    pub(super) fn ask<T>(&self, question: impl Fn(&mut Connection) -> RedisResult<T>) -> QueryResult<T> {
        if !self.may_be_asked(Instant::now()) {
            return Err(unavailable(&Unavailable::Out));
        }
        let answer = self.ask_now(question);
        self.note(answer.as_ref().err());
        answer.map_err(|error| unavailable(&error))
    }

    fn ask_now<T>(&self, question: impl Fn(&mut Connection) -> RedisResult<T>) -> Result<T, Unavailable> {
        let idle = self.idle().pop();
        if let Some(mut connection) = idle {
            match question(&mut connection) {
                Ok(answer) => {
                    self.idle().push(connection);
                    return Ok(answer);
                }
                // The others were made before the same moment.
                Err(error) if error.is_unrecoverable_error() && !error.is_timeout() => self.idle().clear(),
                Err(error) => return Err(error.into()),
            }
        }
        let mut connection = self.connect()?;
        let answer = question(&mut connection)?;
        self.idle().push(connection);
        Ok(answer)
    }

    fn connect(&self) -> Result<Connection, Unavailable> {
        let client = self.client.as_ref();
        let client = client.map_err(|refusal| Unavailable::Misnamed(refusal.clone()))?;
        let connection = client.get_connection_with_timeout(self.patience)?;
        connection.set_read_timeout(Some(self.patience))?;
        connection.set_write_timeout(Some(self.patience))?;
        Ok(connection)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is not out; after a while one call finds out, while the others still do not wait.
    fn may_be_asked(&self, now: Instant) -> bool {
        let mut out_until = self.out_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *out_until {
            Some(until) if now < until => false,
            Some(_) => {
                *out_until = Some(now + self.patience + PAUSE);
                true
            }
            None => true,
        }
    }

    /// Remembers how it went, and says so when that has changed.
    fn note(&self, failure: Option<&Unavailable>) {
        let until = failure.map(|_| Instant::now() + PAUSE);
        let mut out_until = self.out_until.lock().unwrap_or_else(PoisonError::into_inner);
        let was_out = std::mem::replace(&mut *out_until, until).is_some();
        drop(out_until);
        metrics::gauge!("cart_store_up").set(if failure.is_some() { 0.0 } else { 1.0 });
        match failure {
            Some(error) if !was_out => tracing::warn!(%error, "the Redis of carts is gone; carts are not to be had"),
            None if was_out => tracing::info!("the Redis of carts is back"),
            _ => (),
        }
    }
}

/// Finds settings that cannot be meant.
pub(crate) fn check(settings: &settings::Cart) -> Result<(), String> {
    client(settings).map(drop)
}

fn client(settings: &settings::Cart) -> Result<Client, String> {
    let url = settings.redis_url.expose_secret();
    if url.is_empty() {
        return Err("cart.redis_url is needed where cart.store is \"redis\"".to_owned());
    }
    // What the library says about an address might repeat its password.
    let refusal = "cart.redis_url: not an address like redis://:password@10.0.0.9:6379/1";
    Client::open(url).map_err(|_| refusal.to_owned())
}

fn unavailable(error: &Unavailable) -> diesel::result::Error {
    failed_by(Fault::unavailable(format!("the Redis of carts: {error}")))
}
