//! Buckets in a Redis that several gateways share. The only file of the gateway that knows Redis.
//!
//! A bucket is one key: the moment at which it will be full again (the generic cell rate algorithm), in the time of Redis,
//! so that the clocks of the gateways need not agree. It is read and written by one script, which nothing comes between, and
//! goes by itself when the bucket is full.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kernel::settings::Limits;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client as Server, RedisError, Script};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{Buckets, Quota, Taken};
use crate::peer::Client;

/// How all keys begin.
const NAMESPACE: &str = "bodega:rate";
/// How long a Redis that has failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes a request out of the bucket `KEYS[1]`, which gets one back every `ARGV[1]` microseconds and holds `ARGV[2]`; or
/// `ARGV[3]` more, as far as there are so many, where that is not zero. Answers whether there was one, how many are left, and
/// the microseconds until the next.
const TAKE: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local period, quota, more = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + period * math.max(more, 1)
local over = full - now - period * quota
if over > 0 and more == 0 then
    return {0, 0, over}
end
if over > 0 then
    full, over = full - over, 0
end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return {1, math.floor(-over / period), 0}
";

/// A Redis, and how it has done lately. Cheap to share; one connection serves all workers.
pub(super) struct Redis {
    server: Server,
    patience: Duration,
    connection: OnceCell<ConnectionManager>,
    script: Script,
    /// When it may be tried again, while it is out.
    out_until: Mutex<Option<Instant>>,
}

/// The buckets of one policy.
pub(super) struct Shared {
    redis: Arc<Redis>,
    policy: &'static str,
    quota: Quota,
}

/// Redis is not to be had just now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unavailable {
    #[error("it has failed just now")]
    Out,
    #[error("no answer in time")]
    Slow,
    #[error(transparent)]
    Failed(#[from] RedisError),
}

impl Redis {
    /// The Redis of the settings; none where they name none.
    pub(super) fn of(limits: &Limits) -> Result<Option<Arc<Self>>, String> {
        let url = limits.redis_url.expose_secret();
        if url.is_empty() {
            return Ok(None);
        }
        // What the library says about an address might repeat its password.
        let refusal = "limits.redis_url: not an address like redis://:password@10.0.0.9:6379/0";
        let server = Server::open(url).map_err(|_| refusal.to_owned())?;
        Ok(Some(Arc::new(Self {
            server,
            patience: limits.redis_timeout,
            connection: OnceCell::new(),
            script: Script::new(TAKE),
            out_until: Mutex::new(None),
        })))
    }

    /// Asks, unless that has failed a moment ago: nobody waits for a Redis that is known to be gone.
    async fn take(&self, key: String, quota: Quota, more: u32) -> Result<(bool, u32, u64), Unavailable> {
        if !self.may_be_asked(Instant::now()) {
            return Err(Unavailable::Out);
        }
        let asked = timeout(self.patience, self.ask(key, quota, more)).await;
        let answer = asked.unwrap_or(Err(Unavailable::Slow));
        self.note(answer.as_ref().err());
        answer
    }

    async fn ask(&self, key: String, quota: Quota, more: u32) -> Result<(bool, u32, u64), Unavailable> {
        let connect = || async {
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(self.patience))
                .set_response_timeout(Some(self.patience));
            ConnectionManager::new_lazy_with_config(self.server.clone(), config)
        };
        let mut connection = self.connection.get_or_try_init(connect).await?.clone();
        let mut call = self.script.key(key);
        let period = u64::try_from(quota.period().as_micros()).unwrap_or(u64::MAX);
        Ok(call
            .arg(period)
            .arg(quota.requests())
            .arg(more)
            .invoke_async(&mut connection)
            .await?)
    }

    /// Whether it is not out; after a while one request finds out.
    fn may_be_asked(&self, now: Instant) -> bool {
        let mut out_until = self.out_until.lock().unwrap_or_else(PoisonError::into_inner);
        match *out_until {
            Some(until) if now < until => false,
            Some(_) => {
                *out_until = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// Remembers how it went, and says so when that has changed.
    fn note(&self, failure: Option<&Unavailable>) {
        let until = failure.map(|_| Instant::now() + PAUSE);
        // Nothing that holds the lock can panic half-way.
        let mut out_until = self.out_until.lock().unwrap_or_else(PoisonError::into_inner);
        let was_out = std::mem::replace(&mut *out_until, until).is_some();
        drop(out_until);
        metrics::gauge!("gateway_shared_limits_up").set(if failure.is_some() { 0.0 } else { 1.0 });
        match failure {
            Some(error) if !was_out => {
                tracing::warn!(%error, "the Redis of the rate limits is gone; each gateway limits by itself");
                metrics::counter!("gateway_shared_limits_outages_total").increment(1);
            }
            None if was_out => tracing::info!("the Redis of the rate limits is back"),
            _ => (),
        }
    }
}

impl Shared {
    pub(super) fn new(redis: Arc<Redis>, policy: &'static str, quota: Quota) -> Self {
        Self { redis, policy, quota }
    }

    fn key(&self, client: Client) -> String {
        format!("{NAMESPACE}:{}:{}", self.policy, client.key())
    }
}

impl Buckets for Shared {
    type Error = Unavailable;

    async fn take(&self, client: Client) -> Result<Taken, Unavailable> {
        let (within, remaining, wait) = self.redis.take(self.key(client), self.quota, 0).await?;
        Ok(match within {
            true => Taken::Within { remaining },
            false => Taken::Beyond {
                wait: Duration::from_micros(wait),
            },
        })
    }

    async fn take_more(&self, client: Client, requests: u32) -> Result<u32, Unavailable> {
        let (_, remaining, _) = self.redis.take(self.key(client), self.quota, requests).await?;
        Ok(remaining)
    }
}
