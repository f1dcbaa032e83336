//! Customers who look around, fill carts and buy, until they are told to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::{Caller, Shop, address, eventually, manual, unique, variant};

/// How many customers there are.
const CUSTOMERS: usize = 6;

/// A steady load on a shop.
pub(super) struct Load {
    over: Arc<AtomicBool>,
    requests: Arc<AtomicUsize>,
    customers: Vec<JoinHandle<Tally>>,
}

/// What customers have seen.
#[derive(Default)]
pub(super) struct Tally {
    /// How many requests there were that must not fail: whatever is sent while looking around and filling carts.
    pub(super) requests: usize,
    /// What became of those that failed.
    pub(super) failures: Vec<String>,
    /// The orders that were confirmed.
    pub(super) orders: Vec<Value>,
}

impl Load {
    /// Customers of `shop` who buy `product`.
    pub(super) fn on(shop: &Shop, product: &Value) -> Load {
        let (over, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let customers = (0..CUSTOMERS).map(|_| {
            let customer = Customer {
                caller: Caller::clone(&shop.anonymous()),
                product: product.clone(),
                requests: Arc::clone(&requests),
                tally: Tally::default(),
            };
            tokio::spawn(customer.shop_until(Arc::clone(&over)))
        });
        Load {
            customers: customers.collect(),
            over,
            requests,
        }
    }

    /// Waits until so many more requests have been answered: the load has seen what happened meanwhile.
    pub(super) async fn goes_on_for(&self, requests: usize) {
        let until = self.requests.load(Ordering::Relaxed) + requests;
        let ask = || async { json!(self.requests.load(Ordering::Relaxed)) };
        eventually(ask, |seen| seen.as_u64().is_some_and(|seen| seen >= until as u64)).await;
    }

    /// Ends the load; answers what the customers have seen.
    pub(super) async fn end(self) -> Tally {
        self.over.store(true, Ordering::Relaxed);
        let mut tally = Tally::default();
        for customer in self.customers {
            let seen = customer.await.unwrap();
            tally.requests += seen.requests;
            tally.failures.extend(seen.failures);
            tally.orders.extend(seen.orders);
        }
        tally
    }
}

impl Tally {
    /// Checks that what was promised was kept: hardly a request has failed, and every order that was confirmed is there.
    pub(super) async fn is_kept_by(&self, shop: &Shop) {
        assert!(
            1000 * self.failures.len() <= self.requests,
            "{} of {} requests failed: {:#?}",
            self.failures.len(),
            self.requests,
            self.failures
        );
        assert!(!self.orders.is_empty(), "nobody bought anything");
        for order in &self.orders {
            let holder = shop.anonymous().with("Order-Secret", order["secret"].as_str().unwrap());
            let path = format!("/orders/{}", order["id"].as_str().unwrap());
            assert_eq!(holder.get(&path).await.expect(200)["number"], order["number"]);
        }
    }
}

struct Customer {
    caller: Caller,
    product: Value,
    requests: Arc<AtomicUsize>,
    tally: Tally,
}

impl Customer {
    async fn shop_until(mut self, over: Arc<AtomicBool>) -> Tally {
        while !over.load(Ordering::Relaxed) {
            // Whoever fails to fill a cart begins anew.
            self.shop_once().await;
        }
        self.tally
    }

    /// Looks around, fills a cart and buys it; `None` where something failed, which is noted.
    async fn shop_once(&mut self) -> Option<()> {
        let caller = self.caller.clone();
        self.ask(&caller, Method::GET, "/products?limit=5", None).await?;
        let details = format!("/products/{}", self.product["handle"].as_str().unwrap());
        self.ask(&caller, Method::GET, &details, None).await?;
        let cart = self.ask(&caller, Method::POST, "/carts", Some(json!({}))).await?;
        let buyer = caller.with("Cart-Secret", cart["secret"].as_str().unwrap());
        let path = format!("/carts/{}", cart["id"].as_str().unwrap());
        let line = json!({"variant_id": variant(&self.product), "quantity": 1});
        self.ask(&buyer, Method::POST, &format!("{path}/items"), Some(line))
            .await?;
        let details = json!({"email": "guest@example.com", "shipping_address": address()});
        self.ask(&buyer, Method::PATCH, &path, Some(details)).await?;
        let cart = self.ask(&buyer, Method::GET, &path, None).await?;
        let order = json!({"cart_id": cart["id"], "cart_version": cart["version"],
            "expected_total": cart["totals"]["total"], "payment": manual()});
        self.buy(&buyer, order).await;
        Some(())
    }

    /// Sends a request that must not fail.
    async fn ask(&mut self, caller: &Caller, method: Method, path: &str, body: Option<Value>) -> Option<Value> {
        let what = format!("{method} {path}");
        let answer = caller.try_send(method, path, body).await;
        self.tally.requests += 1;
        self.requests.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(answer) if answer.status < 300 => return Some(answer.json),
            Ok(answer) => self.tally.failures.push(format!("{what}: {}", answer.text)),
            Err(error) => self.tally.failures.push(format!("{what}: {error:?}")),
        }
        None
    }

    /// Places an order, again and again with the same key until it is answered.
    async fn buy(&mut self, buyer: &Caller, order: Value) {
        let buyer = buyer.once(unique("order"));
        let place = || async {
            let answer = buyer.try_send(Method::POST, "/orders", Some(order.clone())).await;
            answer.map_or(
                Value::Null,
                |answer| json!({"status": answer.status, "body": answer.json}),
            )
        };
        let answer = eventually(place, |answer| {
            answer["status"].as_u64().is_some_and(|status| status < 300)
        })
        .await;
        self.tally.orders.push(answer["body"].clone());
    }
}
