//! How much the gateway lets in at a time. Work that cannot be done in time is refused while refusing is still cheap, and
//! selling goes on longest.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::http::StatusCode;
use kernel::Problem;
use metrics::Gauge;

/// The share of the places, in percent, that whatever is no checkout may fill.
const ORDINARY_SHARE: usize = 80;
/// When to come back.
const PAUSE: Duration = Duration::from_secs(1);
/// Where orders are placed, paid and looked after, by customers and by payment providers.
const CHECKOUT: [&str; 2] = ["/api/v1/orders", "/api/v1/webhooks"];

/// How much the shop would lose by refusing a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Priority {
    Ordinary,
    Checkout,
}

/// The requests that the gateway works on, and how many it may.
pub(crate) struct Load {
    limit: usize,
    in_flight: Arc<InFlight>,
}

/// A request that is being worked on, until it is dropped.
pub(crate) struct Place(Arc<InFlight>);

struct InFlight {
    count: AtomicUsize,
    shown: Gauge,
}

impl Load {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            in_flight: Arc::new(InFlight {
                count: AtomicUsize::new(0),
                shown: metrics::gauge!("gateway_requests_in_flight"),
            }),
        }
    }

    /// A place for a request to `path`; 503 where there is none for it.
    pub(crate) fn admit(&self, path: &str) -> Result<Place, Problem> {
        let priority = Priority::of(path);
        let places = priority.places(self.limit);
        let entered = self
            .in_flight
            .count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                (now < places).then_some(now + 1)
            });
        if entered.is_err() {
            metrics::counter!("gateway_shed_total", "priority" => priority.name()).increment(1);
            let problem = Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "the shop has too much to do, please try again",
            );
            return Err(problem.with_retry_after(PAUSE));
        }
        self.in_flight.shown.increment(1);
        Ok(Place(Arc::clone(&self.in_flight)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.shown.decrement(1);
    }
}

impl Priority {
    fn of(path: &str) -> Self {
        let checkout = CHECKOUT.iter().any(|prefix| {
            path.strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        if checkout { Self::Checkout } else { Self::Ordinary }
    }

    /// How many of `limit` places requests of this priority and lower ones may fill; always one at least.
    fn places(self, limit: usize) -> usize {
        match self {
            Self::Ordinary => (limit.saturating_mul(ORDINARY_SHARE) / 100).max(1),
            Self::Checkout => limit,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Checkout => "checkout",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_places_are_for_checkouts_and_each_is_free_again_afterwards() {
        let load = Load::new(10);
        let mut ordinary: Vec<Place> = (0..8).map(|_| load.admit("/api/v1/products").unwrap()).collect();
        let refused = load.admit("/api/v1/products").err().unwrap();
        assert_eq!((refused.status().as_u16(), refused.code()), (503, "overloaded"));
        let buying: Vec<Place> = (0..2).map(|_| load.admit("/api/v1/orders").unwrap()).collect();
        assert!(load.admit("/api/v1/orders/x/payments").is_err(), "all are taken");
        ordinary.pop();
        assert!(load.admit("/api/v1/products").is_err(), "nine are still taken");
        assert!(load.admit("/api/v1/webhooks/payments/sandbox").is_ok());
        drop(buying);
        assert!(load.admit("/api/v1/products").is_ok());
    }

    #[test]
    fn what_only_looks_like_a_checkout_is_none() {
        for path in [
            "/api/v1/ordersx",
            "/api/v1/admin/orders",
            "/api/v1/carts/orders",
            "/orders",
            "/",
        ] {
            assert_eq!(Priority::of(path), Priority::Ordinary, "{path}");
        }
    }

    #[test]
    fn a_single_place_is_for_everybody() {
        assert!(Load::new(1).admit("/api/v1/products").is_ok());
    }
}
