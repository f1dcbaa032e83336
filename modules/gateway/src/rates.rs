//! How often one client may ask. The only file that knows actix-governor.
//!
//! Each policy is a bucket per client that holds a minute's worth of requests and fills evenly; all workers share it. The
//! headers are those of draft-ietf-httpapi-ratelimit-headers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_governor::governor::RateLimiter;
use actix_governor::governor::clock::{Clock, DefaultClock};
use actix_governor::governor::middleware::StateInformationMiddleware;
use actix_governor::governor::state::keyed::DefaultKeyedStateStore;
use actix_governor::{GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use kernel::Problem;
use kernel::settings::Limits;

use crate::peer::{Client, TrustedProxies};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

const WINDOW: Duration = Duration::from_secs(60);

/// All limits of the store.
pub(crate) struct RateLimits {
    proxies: TrustedProxies,
    general: Option<Policy>,
    stricter: Vec<(&'static str, Policy)>,
}

/// What one policy leaves to a client; told with the answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    policy: &'static str,
    quota: u32,
    remaining: u32,
    /// Seconds until the policy leaves the whole quota again, or, when nothing is left, one request.
    reset: u64,
}

struct Policy {
    name: &'static str,
    quota: u32,
    limiter: Arc<RateLimiter<Client, DefaultKeyedStateStore<Client>, DefaultClock, StateInformationMiddleware>>,
}

impl RateLimits {
    /// The limits of the settings; none where they are switched off.
    pub(crate) fn new(limits: &Limits, proxies: TrustedProxies) -> Self {
        let policy = |name, quota| limits.enabled.then(|| Policy::new(name, quota, &proxies)).flatten();
        let stricter = [
            ("/api/v1/auth/login", policy("login", limits.login_per_minute)),
            ("/api/v1/auth/register", policy("register", limits.register_per_minute)),
            ("/api/v1/auth/refresh", policy("refresh", limits.refresh_per_minute)),
        ];
        Self {
            general: policy("general", limits.general_per_minute),
            stricter: stricter
                .into_iter()
                .filter_map(|(path, policy)| Some((path, policy?)))
                .collect(),
            proxies,
        }
    }

    /// Counts a request, and refuses it where its client has asked too often. What each policy leaves is added to
    /// `standings`.
    pub(crate) fn admit(&self, request: &ServiceRequest, standings: &mut Vec<Standing>) -> Result<(), Problem> {
        let Some(general) = &self.general else {
            return Ok(());
        };
        let client = self.proxies.client_of(request.head());
        let stricter = self
            .stricter
            .iter()
            .filter(|(path, _)| request.method() == Method::POST && *path == request.path());
        for policy in std::iter::once(general).chain(stricter.map(|(_, policy)| policy)) {
            let standing = policy.count(client);
            let refused = standing.as_ref().err().map(|wait| refuse(policy.name, *wait));
            standings.push(standing.unwrap_or_else(|wait| policy.exhausted(wait)));
            if let Some(problem) = refused {
                return Err(problem);
            }
        }
        Ok(())
    }

    /// Forgets clients whose buckets are full again, so that memory follows the clients of the last minute.
    pub(crate) fn forget_idle(&self) {
        let policies = self
            .general
            .iter()
            .chain(self.stricter.iter().map(|(_, policy)| policy));
        for policy in policies {
            policy.limiter.retain_recent();
            policy.limiter.shrink_to_fit();
        }
    }
}

/// Tells the client about its limits.
pub(crate) fn describe(standings: &[Standing], headers: &mut HeaderMap) {
    if standings.is_empty() {
        return;
    }
    let list = |text: fn(&Standing) -> String| standings.iter().map(text).collect::<Vec<_>>().join(", ");
    let policy = list(|standing| format!("\"{}\";q={};w={}", standing.policy, standing.quota, WINDOW.as_secs()));
    let limit = list(|standing| format!("\"{}\";r={};t={}", standing.policy, standing.remaining, standing.reset));
    for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

fn refuse(policy: &str, wait: Duration) -> Problem {
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        format!("too many requests for the limit `{policy}`, please slow down"),
    )
    .with_retry_after(wait)
}

impl Policy {
    /// `None` for a quota of zero, which stands for no limit.
    fn new(name: &'static str, quota: u32, proxies: &TrustedProxies) -> Option<Self> {
        let period = WINDOW.checked_div(quota)?;
        let config = GovernorConfigBuilder::default()
            .period(period)
            .burst_size(quota)
            .key_extractor(ByClient(proxies.clone()))
            .use_headers()
            .finish()?;
        Some(Self {
            name,
            quota,
            limiter: config.limiter(),
        })
    }

    /// Counts a request; the error is the time until the next one is taken.
    fn count(&self, client: Client) -> Result<Standing, Duration> {
        match self.limiter.check_key(&client) {
            Ok(snapshot) => Ok(self.standing(snapshot.remaining_burst_capacity())),
            Err(refusal) => Err(refusal.wait_time_from(DefaultClock::default().now())),
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let used = self.quota.saturating_sub(remaining);
        let reset = (WINDOW / self.quota) * used;
        Standing {
            policy: self.name,
            quota: self.quota,
            remaining,
            reset: whole_seconds(reset),
        }
    }

    fn exhausted(&self, wait: Duration) -> Standing {
        Standing {
            reset: whole_seconds(wait).max(1),
            ..self.standing(0)
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn limits(general: u32, login: u32) -> RateLimits {
        let limits = Limits {
            enabled: true,
            general_per_minute: general,
            login_per_minute: login,
            register_per_minute: 0,
            refresh_per_minute: 0,
            body_bytes: 0,
            upload_bytes: 0,
            connections: 0,
            in_flight: 0,
            head_timeout: Duration::ZERO,
            body_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            trusted_proxies: Vec::new(),
        };
        RateLimits::new(&limits, TrustedProxies::default())
    }

    fn post(path: &str, peer: &str) -> ServiceRequest {
        TestRequest::post()
            .uri(path)
            .peer_addr(peer.parse().unwrap())
            .to_srv_request()
    }

    #[test]
    fn the_request_after_the_last_is_refused_and_told_when_to_come_back() {
        let limits = limits(2, 0);
        let request = post("/api/v1/carts", "192.0.2.1:1");
        let mut standings = Vec::new();
        limits.admit(&request, &mut standings).unwrap();
        limits.admit(&request, &mut standings).unwrap();
        assert_eq!(
            standings.iter().map(|standing| standing.remaining).collect::<Vec<_>>(),
            [1, 0]
        );
        standings.clear();
        let problem = limits.admit(&request, &mut standings).unwrap_err();
        assert_eq!(
            (problem.status(), problem.code()),
            (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
        );
        let mut headers = HeaderMap::new();
        describe(&standings, &mut headers);
        assert_eq!(headers.get(RATE_LIMIT_POLICY).unwrap(), "\"general\";q=2;w=60");
        assert_eq!(headers.get(RATE_LIMIT).unwrap(), "\"general\";r=0;t=30");
    }

    #[test]
    fn clients_do_not_take_from_each_other() {
        let limits = limits(1, 0);
        let mut standings = Vec::new();
        limits.admit(&post("/", "192.0.2.1:1"), &mut standings).unwrap();
        limits.admit(&post("/", "192.0.2.2:1"), &mut standings).unwrap();
        assert!(limits.admit(&post("/", "192.0.2.1:2"), &mut standings).is_err());
    }

    #[test]
    fn logins_have_a_limit_of_their_own_beside_the_general_one() {
        let limits = limits(100, 1);
        let login = post("/api/v1/auth/login", "192.0.2.1:1");
        let mut standings = Vec::new();
        limits.admit(&login, &mut standings).unwrap();
        assert_eq!(
            standings.iter().map(|standing| standing.policy).collect::<Vec<_>>(),
            ["general", "login"]
        );
        assert!(limits.admit(&login, &mut standings).is_err());
        limits
            .admit(&post("/api/v1/carts", "192.0.2.1:1"), &mut standings)
            .unwrap();
    }

    #[test]
    fn forgetting_idle_clients_forgets_no_busy_one() {
        let limits = limits(1, 0);
        let mut standings = Vec::new();
        limits.admit(&post("/", "192.0.2.1:1"), &mut standings).unwrap();
        limits.forget_idle();
        assert!(limits.admit(&post("/", "192.0.2.1:1"), &mut standings).is_err());
    }
}
