//! Things that tests need to be there.

use serde_json::{Value, json};

use super::{Admin, unique};

/// An address that will do anywhere.
pub(crate) fn address() -> Value {
    json!({"name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "postal_code": "SW1Y 4JH",
        "country": "GB"})
}

/// The request for an active product with one variant.
fn simple_product(price: i64, stock: i64) -> Value {
    let handle = unique("product");
    json!({"handle": handle, "title": "A thing", "description": "It does what it should.", "status": "active",
        "variants": [{"sku": handle, "price": {"amount": price, "currency": "USD"}, "stock": stock}]})
}

impl Admin {
    /// Something to sell: one variant at `price` (minor units), `stock` of it. Answers the product as the API tells it.
    pub(crate) async fn product(&self, price: i64, stock: i64) -> Value {
        self.post("/admin/products", simple_product(price, stock))
            .await
            .expect(201)
    }
}
