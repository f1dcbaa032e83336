//! What a shop says of shipping and taxes, and carts that cost what it says.

use serde_json::{Value, json};

use super::{Admin, Anonymous, ReadyCart, Response, unique};

/// So much money.
pub(crate) fn money(amount: i64, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

/// An address of which only the place matters.
pub(crate) fn place(country: &str, region: Option<&str>, postal_code: &str) -> Value {
    json!({"name": "Ada Lovelace", "line1": "1 Main Street", "city": "Town", "region": region,
        "postal_code": postal_code, "country": country})
}

/// A way of sending goods that costs the same for all.
pub(crate) fn flat(name: &str, price: Value) -> Value {
    json!({"name": name, "terms": {"price": {"kind": "flat", "amounts": [price]}}})
}

/// A tax on a class of things.
pub(crate) fn rate(tax_class: &str, name: &str, percent: &str) -> Value {
    json!({"tax_class": tax_class, "name": name, "percent": percent})
}

impl Admin {
    /// Something to sell for `price`, with more that is said of the product, and of its only variant. Answers the variant's id.
    pub(crate) async fn article(&self, price: Value, product: Value, variant: Value) -> String {
        let with = |mut whole: Value, more: Value| {
            let more = more.as_object().unwrap().clone();
            whole.as_object_mut().unwrap().extend(more);
            whole
        };
        let variant = with(json!({"price": price, "stock": 1000}), variant);
        let basis = json!({"handle": unique("article"), "title": "An article", "variants": [variant]});
        let made = self.post("/admin/products", with(basis, product)).await.expect(201);
        made["variants"][0]["id"].as_str().unwrap().to_owned()
    }

    /// A zone with these areas and methods.
    pub(crate) async fn shipping_zone(&self, areas: Value, methods: Value) -> Value {
        let zone = json!({"name": "A zone", "areas": areas, "methods": methods});
        self.post("/admin/shipping/zones", zone).await.expect(201)
    }

    /// A zone with these areas, of which `zone` says the rest.
    pub(crate) async fn tax_zone(&self, areas: Value, zone: Value) -> Value {
        let mut zone = zone;
        zone["name"] = json!("A zone");
        zone["areas"] = areas;
        self.post("/admin/tax/zones", zone).await.expect(201)
    }
}

impl Anonymous {
    /// A guest's cart with `lines` of variant and quantity, of which nothing else is known than where the confirmation goes.
    pub(crate) async fn bare_cart(&self, lines: &[(&str, i64)]) -> ReadyCart {
        let item = |(variant, quantity): &(&str, i64)| json!({"variant_id": variant, "quantity": quantity});
        let items: Vec<Value> = lines.iter().map(item).collect();
        let cart = self.post("/carts", json!({"items": items})).await.expect(201);
        let secret = cart["secret"].as_str().unwrap().to_owned();
        let mut bare = ReadyCart {
            id: cart["id"].as_str().unwrap().to_owned(),
            cart,
            buyer: self.with("Cart-Secret", &secret),
            secret,
        };
        bare.say(json!({"email": "guest@example.com"})).await;
        bare
    }
}

impl ReadyCart {
    /// Sends a merge patch of the cart.
    pub(crate) async fn try_to_say(&self, details: Value) -> Response {
        self.buyer.patch(&format!("/carts/{}", self.id), details).await
    }

    /// The same, which has to succeed; answers the cart.
    pub(crate) async fn say(&mut self, details: Value) -> &Value {
        self.cart = self.try_to_say(details).await.expect(200);
        &self.cart
    }

    /// Reads the cart again.
    pub(crate) async fn read(&mut self) -> &Value {
        self.cart = self.now().await;
        &self.cart
    }

    /// The names of all ways in which the cart can be sent, with their prices.
    pub(crate) async fn methods(&self) -> Vec<(String, i64)> {
        let path = format!("/carts/{}/shipping-methods", self.id);
        let methods = self.buyer.get(&path).await.expect(200);
        let told = |method: &Value| {
            let name = method["name"].as_str().unwrap().to_owned();
            (name, method["price"]["amount"].as_i64().unwrap())
        };
        methods["items"].as_array().unwrap().iter().map(told).collect()
    }

    /// The codes of what keeps the cart from being ordered.
    pub(crate) fn problems(&self) -> Vec<&str> {
        let problems = self.cart["problems"].as_array().unwrap().iter();
        problems.map(|problem| problem["code"].as_str().unwrap()).collect()
    }

    /// One of the cart's totals.
    pub(crate) fn total(&self, name: &str) -> i64 {
        self.cart["totals"][name]["amount"].as_i64().unwrap()
    }

    /// What each tax is called, what it is reckoned on, and what it comes to.
    pub(crate) fn taxes(&self) -> Vec<(&str, i64, i64)> {
        let taxes = self.cart["taxes"].as_array().unwrap().iter();
        let amount = |value: &Value| value["amount"].as_i64().unwrap();
        taxes
            .map(|tax| {
                (
                    tax["name"].as_str().unwrap(),
                    amount(&tax["base"]),
                    amount(&tax["amount"]),
                )
            })
            .collect()
    }

    /// That an order of the cart, which it places, is about the same money, and that the price is explained to the last cent.
    pub(crate) async fn assert_bought_as_shown(&self) {
        let path = format!("/carts/{}/explain", self.id);
        let explained = self.buyer.get(&path).await.expect(200);
        let steps = explained["steps"].as_array().unwrap().iter();
        let sum: i64 = steps.map(|step| step["amount"]["amount"].as_i64().unwrap()).sum();
        assert_eq!(sum, self.total("amount_due"), "{explained:#}");
        let order = self.buy(super::sandbox("tok_ok")).await.expect(201);
        for (name, amount) in self.cart["totals"].as_object().unwrap() {
            assert_eq!(&order["totals"][name], amount, "{name}");
        }
        for part in ["shipping_method", "taxes", "tax_number", "shipping_tax"] {
            assert_eq!(order[part], self.cart[part], "{part}");
        }
    }
}
