//! The shop's own people: a sign-in that has ended opens nothing any more, although its access token holds by itself for
//! minutes (AUTH-07, AZ-08, AZ-16).

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Caller, Customer, Response, Store};

/// A request that an administrator could send.
struct Operation {
    method: Method,
    path: String,
    body: Value,
}

impl Operation {
    async fn send(&self, caller: &Caller) -> Response {
        let caller = caller.with("If-Match", "\"1\"");
        match self.method {
            Method::GET | Method::DELETE => caller.send(self.method.clone(), &self.path, None).await,
            _ => {
                let body = Some(self.body.clone());
                caller.send(self.method.clone(), &self.path, body).await
            }
        }
    }
}

/// Everything under `/admin`, as the document tells it, about objects that do not exist.
async fn operations(store: &Store) -> Vec<Operation> {
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1").filter(|path| path.starts_with("/admin/")) else {
            continue;
        };
        for method in item.as_object().unwrap().keys() {
            operations.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: about_nothing(path),
                body: body(path),
            });
        }
    }
    assert!(operations.len() >= 25, "the document lacks routes for staff");
    operations
}

/// The path with ids of the right kind, which nothing has.
fn about_nothing(path: &str) -> String {
    let kind = match path.split('/').nth(2).unwrap() {
        "categories" => "category",
        "product-types" => "type",
        "search" => match path.split('/').nth(3).unwrap() {
            "synonyms" => "synonyms",
            "rules" => "searchrule",
            _ => "product",
        },
        "stock" => "variant",
        "price-lists" => "pricelist",
        "shipping" => "shippingzone",
        "tax" => "taxzone",
        "customer-groups" => "group",
        "gift-cards" => "giftcard",
        "draft-orders" => "draft",
        "payment-events" => "event",
        "store-credit" => "user",
        "webhook-endpoints" => "webhook",
        "webhook-deliveries" => "delivery",
        plural => plural.strip_suffix('s').unwrap(),
    };
    let id = format!("{kind}_01h455vb4pex5vsknk084sn02q");
    let segments = path.split('/').map(|segment| match segment {
        "{locale}" => "de",
        "{fulfilment_id}" => "fulfilment_01h455vb4pex5vsknk084sn02q",
        "{return_id}" => "return_01h455vb4pex5vsknk084sn02q",
        segment if segment.starts_with('{') => id.as_str(),
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// What the route needs to understand; an empty object says nothing of any field.
fn body(path: &str) -> Value {
    let price = json!({"amount": 100, "currency": "USD"});
    match path {
        "/admin/products" => json!({"title": "A thing", "variants": [{"price": price}]}),
        "/admin/products/{id}/variants" => json!({"price": price}),
        "/admin/products/{id}/related" => json!({"related": []}),
        "/admin/variants/{id}/components" => json!({"components": []}),
        "/admin/products/bulk" => json!({"operations": []}),
        "/admin/prices/bulk" => json!({"prices": []}),
        "/admin/price-lists" => json!({"name": "Sale", "currency": "USD"}),
        "/admin/price-lists/{id}/prices" => json!({"prices": []}),
        "/admin/categories" | "/admin/product-types" | "/admin/customer-groups" => json!({"name": "Things"}),
        "/admin/collections" => json!({"title": "Things"}),
        "/admin/collections/{id}/products" => json!({"product_ids": []}),
        "/admin/collections/{id}/preview" => {
            json!({"rule": {"match": "all", "conditions": [{"tag": ["sale"]}]}})
        }
        "/admin/stock/adjustments" => {
            json!({"variant_id": "variant_01h455vb4pex5vsknk084sn02q", "delta": 1, "reason": "found"})
        }
        "/admin/promotions" => {
            json!({"name": "Sale", "needs_code": false,
                "terms": {"action": {"kind": "percentage", "percent": "10"}}})
        }
        "/admin/gift-cards" => json!({"amount": price}),
        "/admin/gift-cards/{id}/adjustments" => json!({"amount": price, "reason": "found"}),
        "/admin/store-credit" => {
            json!({"user_id": "user_01h455vb4pex5vsknk084sn02q", "amount": price, "reason": "sorry"})
        }
        "/admin/search/synonyms" => json!({"terms": ["tv", "television"]}),
        "/admin/search/stop-words" => json!({"words": []}),
        "/admin/search/rules" => json!({"query": "tv", "match": "exact"}),
        "/admin/shipping/zones" => json!({"name": "A zone"}),
        "/admin/tax/zones" => json!({"name": "A zone", "prices_include_tax": true, "rates": []}),
        "/admin/orders/{id}/notes" => json!({"text": "A note"}),
        "/admin/draft-orders" | "/admin/draft-orders/{id}" => {
            json!({"lines": [{"variant_id": "variant_01h455vb4pex5vsknk084sn02q", "quantity": 1}]})
        }
        "/admin/draft-orders/{id}/order" => json!({"expected_total": price}),
        "/admin/webhook-endpoints" => json!({"url": "https://erp.example/"}),
        "/admin/locations" => json!({"name": "A store"}),
        "/admin/exports" => json!({"format": "ndjson"}),
        "/admin/stock/transfers" => {
            json!({"from_location_id": "location_01h455vb4pex5vsknk084sn02q",
                "to_location_id": "location_01h455vb4pex5vsknk084sn02r", "reason": "moved",
                "lines": [{"variant_id": "variant_01h455vb4pex5vsknk084sn02q", "quantity": 1}]})
        }
        "/admin/stock/counts" => {
            json!({"location_id": "location_01h455vb4pex5vsknk084sn02q", "reason": "counted",
                "lines": [{"variant_id": "variant_01h455vb4pex5vsknk084sn02q", "counted": 1, "expected_on_hand": 0}]})
        }
        _ => json!({}),
    }
}

/// Somebody who administers the shop beside its first administrator.
async fn second_admin(store: &Store) -> (Caller, Customer) {
    let admin = store.admin().await;
    let customer = store.customer().await;
    let path = format!("/admin/users/{}", customer.id());
    let promotion = json!({"roles": ["admin"]});
    admin.with("If-Match", "*").patch(&path, promotion).await.expect(200);
    (admin.with("If-Match", "*"), customer)
}

/// The account with a token of its present roles.
async fn signed_in_again(store: &Store, customer: &Customer) -> Caller {
    let refresh = json!({"refresh_token": customer.sign_in()["refresh_token"]});
    let tokens = store.anonymous().post("/auth/refresh", refresh).await.expect(200);
    store.anonymous().bearing(tokens["access_token"].as_str().unwrap())
}

async fn assert_shut_out(store: &Store, staff: &Caller) {
    for operation in operations(store).await {
        let answer = operation.send(staff).await;
        assert_eq!(
            answer.status, 401,
            "{} {}: {}",
            operation.method, operation.path, answer.text
        );
        answer.problem(401, "session_ended");
    }
}

#[tokio::test]
async fn every_route_for_staff_is_for_staff_alone() {
    let store = Store::start().await;
    let (admin, customer) = (store.admin().await, store.customer().await);
    for operation in operations(&store).await {
        let name = format!("{} {}", operation.method, operation.path);
        assert_eq!(operation.send(&store.anonymous()).await.status, 401, "{name}");
        assert_eq!(operation.send(&customer).await.status, 403, "{name}");
        let answer = operation.send(&admin).await;
        assert!(
            ![401, 403, 405, 500].contains(&answer.status),
            "{name}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn an_administrator_who_has_signed_out_is_shut_out_at_once() {
    let store = Store::start().await;
    let admin = store.admin().await;
    admin.get("/admin/orders").await.expect(200);
    let refresh = json!({"refresh_token": admin.sign_in()["refresh_token"]});
    store.anonymous().post("/auth/logout", refresh).await.expect(204);
    assert_shut_out(&store, &admin).await;
}

#[tokio::test]
async fn an_administrator_who_was_demoted_is_shut_out_at_once() {
    let store = Store::start().await;
    let (admin, other) = second_admin(&store).await;
    let staff = signed_in_again(&store, &other).await;
    staff.get("/admin/orders").await.expect(200);
    let path = format!("/admin/users/{}", other.id());
    admin.patch(&path, json!({"roles": []})).await.expect(200);
    assert_shut_out(&store, &staff).await;
    // As a customer they are welcome still.
    staff.get("/me").await.expect(200);
}

#[tokio::test]
async fn an_administrator_who_was_disabled_is_shut_out_at_once() {
    let store = Store::start().await;
    let (admin, other) = second_admin(&store).await;
    let staff = signed_in_again(&store, &other).await;
    staff.get("/admin/orders").await.expect(200);
    let path = format!("/admin/users/{}", other.id());
    admin.patch(&path, json!({"disabled": true})).await.expect(200);
    assert_shut_out(&store, &staff).await;
}
