//! Buckets in the memory of this gateway. The only file that knows actix-governor.

use std::convert::Infallible;
use std::sync::Arc;

use actix_governor::governor::RateLimiter;
use actix_governor::governor::clock::{Clock, DefaultClock};
use actix_governor::governor::middleware::StateInformationMiddleware;
use actix_governor::governor::state::keyed::DefaultKeyedStateStore;
use actix_governor::{GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::ServiceRequest;

use super::{Buckets, Quota, Taken};
use crate::peer::{Client, TrustedProxies};

/// The buckets of one policy, shared by all workers.
pub(super) struct Local {
    limiter: Arc<RateLimiter<Client, DefaultKeyedStateStore<Client>, DefaultClock, StateInformationMiddleware>>,
}

impl Local {
    /// `None` where the library takes the quota for none at all.
    pub(super) fn new(quota: Quota, proxies: &TrustedProxies) -> Option<Self> {
        let config = GovernorConfigBuilder::default()
            .period(quota.period())
            .burst_size(quota.requests())
            .key_extractor(ByClient(proxies.clone()))
            .use_headers()
            .finish()?;
        Some(Self {
            limiter: config.limiter(),
        })
    }

    /// Forgets clients whose buckets are full again, so that memory follows the clients of the last minute.
    pub(super) fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

impl Buckets for Local {
    type Error = Infallible;

    async fn take(&self, client: Client) -> Result<Taken, Infallible> {
        Ok(match self.limiter.check_key(&client) {
            Ok(snapshot) => Taken::Within {
                remaining: snapshot.remaining_burst_capacity(),
            },
            Err(refusal) => Taken::Beyond {
                wait: refusal.wait_time_from(DefaultClock::default().now()),
            },
        })
    }

    async fn take_more(&self, client: Client, requests: u32) -> Result<u32, Infallible> {
        for left in (0..requests).rev() {
            match self.limiter.check_key(&client) {
                Ok(snapshot) if left == 0 => return Ok(snapshot.remaining_burst_capacity()),
                Ok(_) => (),
                Err(_) => break,
            }
        }
        Ok(0)
    }
}

#[derive(Clone)]
struct ByClient(TrustedProxies);

impl KeyExtractor for ByClient {
    type Key = Client;
    type KeyExtractionError = Infallible;

    fn extract(&self, request: &ServiceRequest) -> Result<Client, Infallible> {
        Ok(self.0.client_of(request.head()))
    }
}
