//! Carts and orders, as a frontend would make them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Anonymous, Caller, Response, address, unique};

/// A cart ready for the till, and how its buyer proves it.
#[derive(Clone)]
pub(crate) struct ReadyCart {
    pub(crate) id: String,
    pub(crate) cart: Value,
    /// The buyer, with the cart's secret where a guest needs one.
    pub(crate) buyer: Caller,
    /// A guest's secret, empty for a customer.
    pub(crate) secret: String,
}

impl Anonymous {
    /// A guest's cart with `lines` of variant and quantity, with all that an order needs.
    pub(crate) async fn ready_cart(&self, lines: &[(&str, i64)]) -> ReadyCart {
        let items: Vec<Value> = lines
            .iter()
            .map(|(variant, quantity)| json!({"variant_id": variant, "quantity": quantity}))
            .collect();
        let cart = self.post("/carts", json!({"items": items})).await.expect(201);
        let secret = cart["secret"].as_str().unwrap();
        let ready = ReadyCart::complete(self.with("Cart-Secret", secret), &cart).await;
        ReadyCart {
            secret: secret.to_owned(),
            ..ready
        }
    }
}

impl ReadyCart {
    /// Gives `cart` of `buyer` what an order needs.
    pub(crate) async fn complete(buyer: Caller, cart: &Value) -> ReadyCart {
        let id = cart["id"].as_str().unwrap().to_owned();
        let details = json!({"email": "guest@example.com", "shipping_address": address()});
        let cart = buyer.patch(&format!("/carts/{id}"), details).await.expect(200);
        ReadyCart {
            id,
            cart,
            buyer,
            secret: String::new(),
        }
    }

    /// The request for an order of this cart.
    pub(crate) fn order(&self, payment: Value) -> Value {
        json!({"cart_id": self.id, "cart_version": self.cart["version"], "expected_total": self.cart["totals"]["total"],
            "payment": payment})
    }

    /// Places the order under a key of its own.
    pub(crate) async fn buy(&self, payment: Value) -> Response {
        self.buyer
            .once(unique("order"))
            .post("/orders", self.order(payment))
            .await
    }

    /// The cart as it is now.
    pub(crate) async fn now(&self) -> Value {
        self.buyer.get(&format!("/carts/{}", self.id)).await.expect(200)
    }
}

/// The sandbox, with one of its tokens.
pub(crate) fn sandbox(token: &str) -> Value {
    json!({"provider": "sandbox", "method": token})
}

/// The provider `manual`.
pub(crate) fn manual() -> Value {
    json!({"provider": "manual"})
}

/// The id of a product's first variant.
pub(crate) fn variant(product: &Value) -> &str {
    product["variants"][0]["id"].as_str().unwrap()
}

/// Asks again and again until `wanted` holds, at most half a minute; answers what it saw last.
pub(crate) async fn eventually<F: Future<Output = Value>>(
    ask: impl Fn() -> F,
    wanted: impl Fn(&Value) -> bool,
) -> Value {
    let started = Instant::now();
    loop {
        let seen = ask().await;
        if wanted(&seen) {
            return seen;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "never came true; last seen: {seen:#}"
        );
        tokio::task::yield_now().await;
    }
}
