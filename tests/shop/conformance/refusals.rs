//! Who may not call: whoever is no process of the shop.

use kernel::Clock;
use kernel::keys::SecretKey;
use kernel::service_token::ServiceTokens;

use super::{context, store};
use crate::support::{Response, Store};

/// Calls the product module with these headers.
async fn call(store: &Store, headers: &[(&str, &str)]) -> Response {
    let address = store.internal_of("product");
    let mut request = store
        .client
        .post(format!("http://{address}/internal/product/reservations"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.header("content-type", "application/json").body("[null,1]");
    Response::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn siblings_are_known_by_a_service_token_of_this_shop_that_has_not_expired() {
    let store = store().await;
    let context = context(&store);
    let token = |key: &SecretKey, clock: &Clock| ServiceTokens::new("order", key, clock.clone()).token().unwrap();
    let own = token(&context.keys.service, &context.clock);
    let allowed = call(&store, &[("service-token", &own)]).await.expect(200);
    assert_eq!(allowed["Ok"], serde_json::json!([]));

    let foreign = token(&SecretKey::generate(), &context.clock);
    let customer = store.customer().await;
    let access = customer.sign_in()["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {access}");
    for (what, headers) in [
        ("nothing", &[][..]),
        ("a token of another shop", &[("service-token", foreign.as_str())]),
        ("an access token", &[("authorization", bearer.as_str())]),
        ("an access token instead", &[("service-token", access)]),
        ("two tokens", &[("service-token", &own), ("service-token", &own)]),
        ("an empty token", &[("service-token", "")]),
    ] {
        let refused = call(&store, headers).await;
        assert_eq!(refused.status, 401, "{what}: {}", refused.text);
        refused.problem(401, "service_token_required");
    }
    context.clock.advance(chrono::TimeDelta::minutes(2));
    call(&store, &[("service-token", &own)])
        .await
        .problem(401, "service_token_required");
}
