//! How often one client may ask.
//!
//! Each policy is a bucket per client that holds a minute's worth of requests and fills evenly. The buckets are in the
//! memory of this gateway (`local.rs`), or in a Redis that several gateways share (`shared.rs`). While that is gone, each
//! gateway limits by itself: a client of two gateways then gets twice as much, which is better than no shop and better than
//! no limit, for sign-ins as for everything else.
//!
//! What does many things at once counts as several requests: the module tells how many when it has done them
//! (`COST_HEADER`), and those are taken then, as far as there are so many.
//!
//! The headers are those of draft-ietf-httpapi-ratelimit-headers.

mod local;
mod shared;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{RequestHead, ServiceRequest};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use kernel::Problem;
use kernel::http::context::COST_HEADER;
use kernel::settings::Limits;

use crate::peer::{Client, TrustedProxies};
use local::Local;
use shared::{Redis, Shared};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

const WINDOW: Duration = Duration::from_secs(60);

/// Where payment providers tell what has happened: a few addresses of theirs tell it of all orders, many at a time, and
/// what does not arrive they tell again.
const WEBHOOKS: &str = "/api/v1/webhooks/";

/// All limits of the store.
pub(crate) struct RateLimits {
    proxies: TrustedProxies,
    general: Option<Policy>,
    webhooks: Option<Policy>,
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
    quota: Quota,
    local: Local,
    shared: Option<Shared>,
}

/// How many requests a window has; at least one.
#[derive(Clone, Copy)]
struct Quota(u32);

/// Remembers for one policy how much each client has used up.
trait Buckets {
    /// Why it cannot be known.
    type Error;

    /// Takes one request out of the bucket of `client`.
    async fn take(&self, client: Client) -> Result<Taken, Self::Error>;

    /// Takes so many more, or all that are left; answers how many are left then.
    async fn take_more(&self, client: Client, requests: u32) -> Result<u32, Self::Error>;
}

/// What has come of taking a request out of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// There was one; so many are left.
    Within { remaining: u32 },
    /// There was none; the next one comes so much later.
    Beyond { wait: Duration },
}

/// Finds settings that cannot be meant.
pub(crate) fn check(limits: &Limits) -> Result<(), String> {
    Redis::of(limits).map(drop)
}

impl RateLimits {
    /// The limits of the settings; none where they are switched off.
    pub(crate) fn new(limits: &Limits, proxies: TrustedProxies) -> Result<Self, String> {
        let redis = Redis::of(limits)?;
        let policy = |name, requests| {
            let wanted = limits.enabled.then(|| Quota::of(requests)).flatten();
            wanted.and_then(|quota| Policy::new(name, quota, &proxies, redis.as_ref()))
        };
        let stricter = [
            ("/api/v1/auth/login", policy("login", limits.login_per_minute)),
            ("/api/v1/auth/register", policy("register", limits.register_per_minute)),
            ("/api/v1/auth/refresh", policy("refresh", limits.refresh_per_minute)),
        ];
        Ok(Self {
            general: policy("general", limits.general_per_minute),
            webhooks: policy("webhooks", limits.webhooks_per_minute),
            stricter: stricter
                .into_iter()
                .filter_map(|(path, policy)| Some((path, policy?)))
                .collect(),
            proxies,
        })
    }

    /// Counts a request, and refuses it where its client has asked too often. What each policy leaves is added to
    /// `standings`.
    pub(crate) async fn admit(&self, request: &ServiceRequest, standings: &mut Vec<Standing>) -> Result<(), Problem> {
        let is_post = request.method() == Method::POST;
        let policies: Vec<&Policy> = if is_post && request.path().starts_with(WEBHOOKS) {
            self.webhooks.iter().collect()
        } else {
            let Some(general) = &self.general else {
                return Ok(());
            };
            let stricter = self
                .stricter
                .iter()
                .filter(|(path, _)| is_post && *path == request.path());
            std::iter::once(general)
                .chain(stricter.map(|(_, policy)| policy))
                .collect()
        };
        let client = self.proxies.client_of(request.head());
        for policy in policies {
            let taken = policy.take(client).await;
            standings.push(policy.standing(taken));
            if let Taken::Beyond { wait } = taken {
                return Err(refuse(policy.name, wait));
            }
        }
        Ok(())
    }

    /// Counts a request, which has been admitted, as so many more.
    pub(crate) async fn charge(&self, head: &RequestHead, requests: u32, standings: &mut [Standing]) {
        let Some(general) = &self.general else { return };
        let remaining = general.take_more(self.proxies.client_of(head), requests).await;
        for standing in standings.iter_mut().filter(|standing| standing.policy == general.name) {
            *standing = general.standing(Taken::Within { remaining });
        }
    }

    /// Forgets clients whose buckets are full again, so that memory follows the clients of the last minute.
    pub(crate) fn forget_idle(&self) {
        let policies = self
            .general
            .iter()
            .chain(&self.webhooks)
            .chain(self.stricter.iter().map(|(_, policy)| policy));
        policies.for_each(|policy| policy.local.forget_idle());
    }
}

/// As how many more requests an answer counts, which is between its module and us.
pub(crate) fn cost_of(headers: &mut HeaderMap) -> Option<u32> {
    let told = headers.remove(COST_HEADER).next()?;
    told.to_str().ok()?.parse().ok().filter(|requests| *requests > 0)
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
    fn new(name: &'static str, quota: Quota, proxies: &TrustedProxies, redis: Option<&Arc<Redis>>) -> Option<Self> {
        Some(Self {
            name,
            quota,
            local: Local::new(quota, proxies)?,
            shared: redis.map(|redis| Shared::new(Arc::clone(redis), name, quota)),
        })
    }

    /// Counts a request, together with the other gateways where that can be had.
    async fn take(&self, client: Client) -> Taken {
        if let Some(shared) = &self.shared
            && let Ok(taken) = shared.take(client).await
        {
            return taken;
        }
        let Ok(taken) = self.local.take(client).await;
        taken
    }

    /// The same of so many more.
    async fn take_more(&self, client: Client, requests: u32) -> u32 {
        let requests = requests.min(self.quota.requests());
        if let Some(shared) = &self.shared
            && let Ok(remaining) = shared.take_more(client, requests).await
        {
            return remaining;
        }
        let Ok(remaining) = self.local.take_more(client, requests).await;
        remaining
    }

    fn standing(&self, taken: Taken) -> Standing {
        let requests = self.quota.requests();
        let (remaining, reset) = match taken {
            Taken::Within { remaining } => {
                let used = requests.saturating_sub(remaining);
                (remaining, whole_seconds(self.quota.period() * used))
            }
            Taken::Beyond { wait } => (0, whole_seconds(wait).max(1)),
        };
        Standing {
            policy: self.name,
            quota: requests,
            remaining,
            reset,
        }
    }
}

impl Quota {
    /// `None` for no requests, which stands for no limit.
    fn of(requests: u32) -> Option<Self> {
        (requests > 0).then_some(Self(requests))
    }

    fn requests(self) -> u32 {
        self.0
    }

    /// How long it takes until one more request is there.
    fn period(self) -> Duration {
        WINDOW / self.0
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use secrecy::SecretString;

    fn limits(general: u32, login: u32) -> RateLimits {
        let limits = Limits {
            enabled: true,
            general_per_minute: general,
            login_per_minute: login,
            register_per_minute: 0,
            refresh_per_minute: 0,
            webhooks_per_minute: 3,
            body_bytes: 0,
            upload_bytes: 0,
            connections: 0,
            in_flight: 0,
            idle_timeout: Duration::ZERO,
            head_timeout: Duration::ZERO,
            body_timeout: Duration::ZERO,
            write_timeout: Duration::ZERO,
            trusted_proxies: Vec::new(),
            redis_url: SecretString::default(),
            redis_timeout: Duration::ZERO,
        };
        RateLimits::new(&limits, TrustedProxies::default()).unwrap()
    }

    fn post(path: &str, peer: &str) -> ServiceRequest {
        TestRequest::post()
            .uri(path)
            .peer_addr(peer.parse().unwrap())
            .to_srv_request()
    }

    #[actix_web::test]
    async fn the_request_after_the_last_is_refused_and_told_when_to_come_back() {
        let limits = limits(2, 0);
        let request = post("/api/v1/carts", "192.0.2.1:1");
        let mut standings = Vec::new();
        limits.admit(&request, &mut standings).await.unwrap();
        limits.admit(&request, &mut standings).await.unwrap();
        assert_eq!(
            standings.iter().map(|standing| standing.remaining).collect::<Vec<_>>(),
            [1, 0]
        );
        standings.clear();
        let problem = limits.admit(&request, &mut standings).await.unwrap_err();
        assert_eq!(
            (problem.status(), problem.code()),
            (StatusCode::TOO_MANY_REQUESTS, "rate_limited")
        );
        let mut headers = HeaderMap::new();
        describe(&standings, &mut headers);
        assert_eq!(headers.get(RATE_LIMIT_POLICY).unwrap(), "\"general\";q=2;w=60");
        assert_eq!(headers.get(RATE_LIMIT).unwrap(), "\"general\";r=0;t=30");
    }

    /// IN-21
    #[actix_web::test]
    async fn what_costs_more_takes_more_but_never_more_than_there_is() {
        let limits = limits(10, 0);
        let request = post("/api/v1/admin/products/bulk", "192.0.2.1:1");
        let mut standings = Vec::new();
        limits.admit(&request, &mut standings).await.unwrap();
        limits.charge(request.head(), 5, &mut standings).await;
        assert_eq!((standings.len(), standings[0].remaining), (1, 4));
        standings.clear();
        limits.admit(&request, &mut standings).await.unwrap();
        limits.charge(request.head(), u32::MAX, &mut standings).await;
        assert_eq!(standings[0].remaining, 0);
        let problem = limits.admit(&request, &mut standings).await.unwrap_err();
        assert_eq!(problem.code(), "rate_limited");
        let wait = standings.last().unwrap().reset;
        assert!(wait <= 6, "nothing is owed beyond the bucket: {wait}");
    }

    #[test]
    fn what_an_answer_costs_is_not_told_to_clients() {
        let mut headers = HeaderMap::new();
        assert_eq!(cost_of(&mut headers), None);
        for (told, cost) in [("5", Some(5)), ("0", None), ("-1", None), ("many", None)] {
            headers.insert(HeaderName::from_static(COST_HEADER), HeaderValue::from_static(told));
            assert_eq!((cost_of(&mut headers), headers.len()), (cost, 0), "{told}");
        }
    }

    #[actix_web::test]
    async fn clients_do_not_take_from_each_other() {
        let limits = limits(1, 0);
        let mut standings = Vec::new();
        limits.admit(&post("/", "192.0.2.1:1"), &mut standings).await.unwrap();
        limits.admit(&post("/", "192.0.2.2:1"), &mut standings).await.unwrap();
        assert!(limits.admit(&post("/", "192.0.2.1:2"), &mut standings).await.is_err());
    }

    #[actix_web::test]
    async fn logins_have_a_limit_of_their_own_beside_the_general_one() {
        let limits = limits(100, 1);
        let login = post("/api/v1/auth/login", "192.0.2.1:1");
        let mut standings = Vec::new();
        limits.admit(&login, &mut standings).await.unwrap();
        assert_eq!(
            standings.iter().map(|standing| standing.policy).collect::<Vec<_>>(),
            ["general", "login"]
        );
        assert!(limits.admit(&login, &mut standings).await.is_err());
        limits
            .admit(&post("/api/v1/carts", "192.0.2.1:1"), &mut standings)
            .await
            .unwrap();
    }

    #[actix_web::test]
    async fn what_providers_tell_is_counted_by_itself() {
        let limits = limits(1, 0);
        let (told, other) = ("/api/v1/webhooks/payments/stripe", "/api/v1/webhooksx");
        let mut standings = Vec::new();
        limits.admit(&post(other, "192.0.2.1:1"), &mut standings).await.unwrap();
        for _ in 0..3 {
            limits.admit(&post(told, "192.0.2.1:1"), &mut standings).await.unwrap();
        }
        assert!(limits.admit(&post(told, "192.0.2.1:1"), &mut standings).await.is_err());
        let policies: Vec<_> = standings.iter().map(|standing| standing.policy).collect();
        assert_eq!(policies, ["general", "webhooks", "webhooks", "webhooks", "webhooks"]);
    }

    #[actix_web::test]
    async fn forgetting_idle_clients_forgets_no_busy_one() {
        let limits = limits(1, 0);
        let mut standings = Vec::new();
        limits.admit(&post("/", "192.0.2.1:1"), &mut standings).await.unwrap();
        limits.forget_idle();
        assert!(limits.admit(&post("/", "192.0.2.1:1"), &mut standings).await.is_err());
    }
}
