//! Carts as a frontend sees them.

use serde_json::json;

use super::support::{Store, address};

#[tokio::test]
async fn an_address_in_the_patch_of_a_cart_is_a_patch_itself() {
    let store = Store::start().await;
    let cart = store.anonymous().post("/carts", json!({})).await.expect(201);
    let guest = store.anonymous().with("Cart-Secret", cart["secret"].as_str().unwrap());
    let path = format!("/carts/{}", cart["id"].as_str().unwrap());

    // Where there is none yet, all of it has to be said.
    let part = json!({"shipping_address": {"city": "Cambridge", "country": "GB"}});
    let refused = guest.patch(&path, part.clone()).await.wrong_fields();
    let missing = ["name", "line1", "postal_code"].map(|field| format!("/shipping_address/{field}"));
    assert_eq!(refused, missing);
    let whole = json!({"shipping_address": address(), "billing_address": address()});
    let before = guest.patch(&path, whole).await.expect(200);

    let after = guest.patch(&path, part).await.expect(200);
    let mut expected = before["shipping_address"].clone();
    expected["city"] = json!("Cambridge");
    assert_eq!(after["shipping_address"], expected);
    assert_eq!(after["billing_address"], before["billing_address"]);

    let more = json!({"shipping_address": {"company": "Analytical Engines", "phone": "1"}});
    guest.patch(&path, more).await.expect(200);
    let cleared = json!({"shipping_address": {"phone": null}, "billing_address": null});
    let after = guest.patch(&path, cleared).await.expect(200);
    expected["company"] = json!("Analytical Engines");
    assert_eq!(after["shipping_address"], expected);
    assert!(after["billing_address"].is_null());

    let refused = guest.patch(&path, json!({"shipping_address": {"name": null}})).await;
    assert_eq!(refused.wrong_fields(), ["/shipping_address/name"]);
}

#[tokio::test]
async fn a_cart_in_a_currency_that_nothing_is_sold_in_is_not_made() {
    let store = Store::start().await;
    let customer = store.customer().await;
    let refused = customer.post("/carts", json!({"currency": "EUR"})).await;
    assert_eq!(refused.json["errors"][0]["code"], "unsupported_currency");
    assert_eq!(refused.wrong_fields(), ["/currency"]);
    customer.get("/carts/current").await.problem(404, "not_found");
    customer.post("/carts", json!({"currency": "USD"})).await.expect(201);
}
