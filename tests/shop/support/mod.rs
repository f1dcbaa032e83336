//! The harness: real stores on a real PostgreSQL, and callers that talk to them over HTTP.
//!
//! ```ignore
//! #[tokio::test]
//! async fn a_customer_sees_their_own_profile() {
//!     let store = Store::start().await;
//!     let customer = store.customer().await;
//!     let profile = customer.get("/me").await.expect(200);
//!     assert_eq!(profile["email"], customer.email());
//! }
//! ```
//!
//! - [`Store`] is a store in this process with a database of its own: a copy of a migrated template on one throw-away
//!   cluster per test process. `Store::with([("limits.enabled", "true")])` starts one with other settings, in the notation
//!   of the environment. Rate limits and the gateway's cache are off, the sandbox is on, and the clock can be moved
//!   (`store.clock()`). Whatever a store had is gone with the value.
//! - `BODEGA_TEST_TOPOLOGY` spreads every `Store` over processes, which are sites in this one: `one` has everything, `five`
//!   is the gateway and each module by itself, `replicated` is two gateways, two processes each of product and order, and
//!   one each of user and cart. Requests go round robin over the gateways, and a test notices nothing of it; where each
//!   gateway counts by itself, it asks `store.behind_one_gateway()`. `cargo xtask test` runs the tests in all three.
//! - `BODEGA_TEST_CART_STORE=redis` has every `Store` keep its carts in a Redis of the test process, under names of its own.
//!   A test notices nothing of that either; `cargo xtask test` runs all that have to do with carts in this way, too.
//! - [`StoreProcess`] is the built binary with a data directory and a durable embedded database of its own: for what a
//!   process does when it is started, told to stop, or killed. `store.kill()`, `store.start_again()`, `store.verify()`.
//!   Such tests lie in `processes/`, which is run in one topology alone.
//! - [`ProcessFleet`] is the same as several processes over one such database: `FleetPlan::of([1, 2, 1, 1, 1])` says how
//!   many there are of user, product, cart, order and gateway. `fleet.kill("product-0")`, `fleet.start_again(..)`.
//! - [`Interposer`] stands between a caller and a process, and delivers requests late, twice, without an answer, or not at
//!   all until their caller gives up. `conformance/` and the tests of faults use it, and no others.
//! - [`LocalStripe`] is a Stripe in memory that nobody here wrote, [`Bridge`] stands between two who speak HTTP and may change
//!   what they say: `payments/` uses both.
//! - Both have callers, one type per kind: `store.anonymous()`, `store.customer()`, `store.admin()`. Each carries the verbs
//!   (`get`, `post`, `put`, `patch`, `delete`); paths are relative to `/api/v1`. `caller.with("If-Match", "\"3\"")` is the
//!   same caller with one more header, `caller.once("a-key")` one with an idempotency key. What only one kind can do, only
//!   that type has: `admin.product(..)` makes something to sell.
//! - A [`Response`] has `status`, `headers` and `json`. `response.expect(201)` is its body, or a failed test that shows it;
//!   `response.problem(409, "cart_changed")` is the body of exactly that problem, checked to be a sound one.
//! - `anonymous.ready_cart(&[(variant(&product), 2)])` is a guest's cart with all that an order needs, and
//!   `cart.buy(sandbox("tok_ok"))` buys it.
//! - A [`Listener`] hears the events of a stream, as a browser's `EventSource` would: `Listener::open(&shop, url, None)`.
//! - [`Edge`] is a gateway without modules in front of an [`Echo`]: an upstream that tells what has reached it and answers
//!   as the test says. `edge.exchange("GET / HTTP/1.1\r\n..")` sends bytes and reads one answer, `edge.connect()` is a
//!   connection whose every byte the test decides.
//! - `store.raw(b"GET / HTTP/1.1\r\n..")` sends bytes as they are, for what no client would send.
//! - Tests are named by the sentence that they prove. One file per area, and `main.rs` names the areas.
//!
//! With `BODEGA_TEST_DATABASE_URL` set (a superuser's address, as a URI), stores use that server instead.

mod addresses;
mod bridge;
mod caller;
mod databases;
mod echo;
mod edge;
pub(crate) mod events;
mod fixtures;
mod fleet;
mod interposer;
mod listener;
mod localstripe;
pub(crate) mod mailbox;
mod pricing;
mod process;
mod process_fleet;
mod redis;
mod response;
pub(crate) mod runtime;
mod shopping;
mod store;

pub(crate) use bridge::{Bridge, Message, Way};
pub(crate) use caller::{Admin, Anonymous, Caller, Customer, PASSWORD};
pub(crate) use databases::TestDatabase;
pub(crate) use echo::{Echo, Reply, Seen, answer};
pub(crate) use edge::{Answer, Edge, EdgeProcess, Wire, get};
pub(crate) use fixtures::address;
pub(crate) use fleet::{Topology, start};
pub(crate) use interposer::{Interposer, Treatment};
pub(crate) use listener::Listener;
pub(crate) use localstripe::{LocalStripe, SECRET_KEY};
pub(crate) use pricing::{flat, money, place, rate};
pub(crate) use process::{LOG, Outcome, StoreProcess, bodega, bodega_with_input};
pub(crate) use process_fleet::{FleetPlan, ProcessFleet};
pub(crate) use redis::Redis;
pub(crate) use response::Response;
pub(crate) use shopping::{ReadyCart, eventually, manual, sandbox, variant};
pub(crate) use store::{Shop, Store, key_settings, keys_folder};

/// A name that nothing else in this test process has.
pub(crate) fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{prefix}-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
