//! What visitors of the store do.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Outcome;
use crate::catalogue::Catalogue;
use crate::client::{Connection, exchange_all, request};
use crate::load::{Turn, Visitor};
use crate::random::Random;

/// Connections that use the store at a time.
pub(crate) const CONNECTIONS: usize = 64;
/// Those that sign in at a time: what hashing passwords costs is felt by a few already.
pub(crate) const LOGIN_CONNECTIONS: usize = 8;
/// Carts of each visitor that fills carts.
const CARTS_EACH: usize = 16;
/// Different things in each such cart, at most.
const LINES_EACH: usize = 3;

/// Sends one of a few requests that change nothing, by chance.
pub(crate) struct Reader {
    requests: Rc<Vec<Vec<u8>>>,
    random: Random,
}

impl Reader {
    /// Readers of the same addresses.
    pub(crate) fn of(paths: impl Iterator<Item = String>) -> Vec<Self> {
        Self::with(paths, &[])
    }

    /// Readers of the same addresses who send these headers.
    pub(crate) fn with(paths: impl Iterator<Item = String>, headers: &[(&str, &str)]) -> Vec<Self> {
        Self::several(CONNECTIONS, paths, headers)
    }

    /// So many of them.
    pub(crate) fn several(count: usize, paths: impl Iterator<Item = String>, headers: &[(&str, &str)]) -> Vec<Self> {
        let requests: Vec<Vec<u8>> = paths.map(|path| request("GET", &path, headers, None)).collect();
        let requests = Rc::new(requests);
        let visitor = |seed| Self {
            requests: Rc::clone(&requests),
            random: Random::new(seed),
        };
        (0..count as u64).map(visitor).collect()
    }

    /// The first page of the catalogue.
    pub(crate) fn of_list() -> Vec<Self> {
        Self::of(["/api/v1/products?limit=24".to_owned()].into_iter())
    }

    /// Any product, by id or handle.
    pub(crate) fn of_details(catalogue: &Catalogue) -> Vec<Self> {
        Self::of(catalogue.names.iter().map(|name| format!("/api/v1/products/{name}")))
    }

    /// One or two words out of any title.
    pub(crate) fn of_searches(catalogue: &Catalogue) -> Vec<Self> {
        let searches = catalogue.searches.iter();
        Self::of(searches.map(|words| format!("/api/v1/products?limit=24&q={words}")))
    }
}

impl Visitor for Reader {
    async fn take_turn(&mut self, connection: &mut Connection) -> Outcome<Turn> {
        let chosen = self.random.pick(&self.requests);
        connection.exchange(chosen, 200).await?;
        Ok(Turn::Taken)
    }
}

/// Adds one of a few variants to one of a few carts of its own, by chance: carts stay as large as people's are.
pub(crate) struct Adder {
    requests: Vec<Vec<u8>>,
    random: Random,
}

impl Adder {
    /// Visitors with carts.
    pub(crate) async fn prepare(address: SocketAddr, catalogue: &Catalogue) -> Outcome<Vec<Self>> {
        let empty = vec![request("POST", "/api/v1/carts", &[], Some("{}")); CONNECTIONS * CARTS_EACH];
        let carts = exchange_all(address, CONNECTIONS, empty, 201).await?;
        let mut random = Random::new(2);
        let mut visitors = Vec::new();
        for carts in carts.chunks(CARTS_EACH) {
            let mut requests = Vec::new();
            for cart in carts {
                let cart: Cart = serde_json::from_slice(cart)?;
                for _ in 0..LINES_EACH {
                    let body = json!({"variant_id": random.pick(&catalogue.variants), "quantity": 1}).to_string();
                    let path = format!("/api/v1/carts/{}/items", cart.id);
                    requests.push(request("POST", &path, &[("Cart-Secret", &cart.secret)], Some(&body)));
                }
            }
            visitors.push(Self {
                requests,
                random: Random::new(random.next()),
            });
        }
        Ok(visitors)
    }
}

impl Visitor for Adder {
    async fn take_turn(&mut self, connection: &mut Connection) -> Outcome<Turn> {
        let chosen = self.random.pick(&self.requests);
        connection.exchange(chosen, 201).await?;
        Ok(Turn::Taken)
    }
}

/// Places an order for a cart that is ready.
pub(crate) struct Orderer {
    requests: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Orderer {
    /// Visitors with guests' carts of one line each, `count` together.
    pub(crate) async fn prepare(address: SocketAddr, catalogue: &Catalogue, count: usize) -> Outcome<Vec<Self>> {
        let mut random = Random::new(3);
        let filled = (0..count)
            .map(|_| fill_cart(random.pick(&catalogue.variants).as_str()))
            .collect();
        let carts = exchange_all(address, CONNECTIONS, filled, 201).await?;
        let mut requests = Vec::new();
        for (number, cart) in carts.iter().enumerate() {
            let cart: Cart = serde_json::from_slice(cart)?;
            requests.push(place_order(&cart, &format!("order-{number}")));
        }
        let requests = Rc::new(RefCell::new(requests));
        let visitor = |_| Self {
            requests: Rc::clone(&requests),
        };
        Ok((0..CONNECTIONS).map(visitor).collect())
    }
}

impl Visitor for Orderer {
    async fn take_turn(&mut self, connection: &mut Connection) -> Outcome<Turn> {
        let next = self.requests.borrow_mut().pop();
        let Some(request) = next else {
            return Ok(Turn::NothingLeft);
        };
        connection.exchange(&request, 201).await?;
        Ok(Turn::Taken)
    }
}

/// Fills a cart, places the order and looks at it.
pub(crate) struct Buyer {
    catalogue: Rc<Catalogue>,
    random: Random,
}

impl Buyer {
    pub(crate) fn of(catalogue: &Rc<Catalogue>) -> Vec<Self> {
        let visitor = |seed| Self {
            catalogue: Rc::clone(catalogue),
            random: Random::new(seed),
        };
        (0..CONNECTIONS as u64).map(visitor).collect()
    }
}

impl Visitor for Buyer {
    async fn take_turn(&mut self, connection: &mut Connection) -> Outcome<Turn> {
        let variant = self.random.pick(&self.catalogue.variants);
        let cart: Cart = serde_json::from_slice(connection.exchange(&fill_cart(variant), 201).await?)?;
        let key = format!("buy-{:x}", self.random.next());
        let order: Order = serde_json::from_slice(connection.exchange(&place_order(&cart, &key), 201).await?)?;
        let path = format!("/api/v1/orders/{}", order.id);
        let look = request("GET", &path, &[("Order-Secret", &order.secret)], None);
        connection.exchange(&look, 200).await?;
        Ok(Turn::Taken)
    }
}

/// Signs in with address and password.
pub(crate) struct Login {
    request: Vec<u8>,
}

impl Login {
    /// Visitors with accounts.
    pub(crate) async fn prepare(address: SocketAddr) -> Outcome<Vec<Self>> {
        let credentials =
            |number| json!({"email": format!("visitor{number}@example.com"), "password": "hvxq-31-Lodestar"});
        let sent = |path: &'static str| {
            let bodies = (0..LOGIN_CONNECTIONS).map(credentials);
            bodies.map(move |body| request("POST", path, &[], Some(&body.to_string())))
        };
        let registrations = sent("/api/v1/auth/register").collect();
        exchange_all(address, LOGIN_CONNECTIONS, registrations, 201).await?;
        Ok(sent("/api/v1/auth/login").map(|request| Self { request }).collect())
    }
}

impl Visitor for Login {
    async fn take_turn(&mut self, connection: &mut Connection) -> Outcome<Turn> {
        connection.exchange(&self.request, 200).await?;
        Ok(Turn::Taken)
    }
}

/// A new guest's cart with one line.
fn fill_cart(variant: &str) -> Vec<u8> {
    let body = json!({"items": [{"variant_id": variant, "quantity": 1}]}).to_string();
    request("POST", "/api/v1/carts", &[], Some(&body))
}

fn place_order(cart: &Cart, key: &str) -> Vec<u8> {
    let body = json!({
        "cart_id": cart.id,
        "cart_version": cart.version,
        "expected_total": cart.totals.total,
        "payment": {"provider": "manual"},
        "email": "visitor@example.com",
        "shipping_address": {
            "name": "Ada Visitor", "line1": "1 Harbour Street", "city": "Porto", "postal_code": "4000-001", "country": "PT",
        },
    });
    let headers = [("Cart-Secret", cart.secret.as_str()), ("Idempotency-Key", key)];
    request("POST", "/api/v1/orders", &headers, Some(&body.to_string()))
}

#[derive(Deserialize)]
struct Cart {
    id: String,
    secret: String,
    version: i64,
    totals: Totals,
}

#[derive(Deserialize)]
struct Totals {
    total: Money,
}

#[derive(Deserialize, Serialize)]
struct Money {
    amount: i64,
    currency: String,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    secret: String,
}
