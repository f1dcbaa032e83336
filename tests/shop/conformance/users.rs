//! What [`UserApi`] promises.

use kernel::id::{SessionId, UserId};
use kernel::identity::{Role, SignedIn};
use serde_json::json;
use user_api::{Profile, UserError};

use super::{Siblings, store};
use crate::support::{Customer, PASSWORD, Store};

/// Who a customer's access token says that they are.
fn signed_in(customer: &Customer) -> SignedIn {
    use base64::Engine;
    let token = customer.sign_in()["access_token"].as_str().unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap());
    let claims: serde_json::Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    SignedIn {
        user: customer.id().parse().unwrap(),
        session: claims["sid"].as_str().unwrap().parse().unwrap(),
        roles: Vec::new(),
        group: None,
    }
}

async fn conforms(store: &Store, siblings: &Siblings) {
    let users = &siblings.user;
    let customer = store.customer().await;
    let who = signed_in(&customer);
    let profile = Profile {
        user: who.user,
        email: customer.email().to_owned(),
        name: Some("Ada".to_owned()),
    };
    assert_eq!(users.profile(who.user).await, Ok(profile));
    let unknown = Err(UserError::NotFound("user".to_owned()));
    assert_eq!(users.profile(UserId::generate()).await, unknown);

    assert_eq!(users.still_holds(&who).await, Ok(true));
    for wrong in [
        SignedIn {
            roles: vec![Role::Admin],
            ..who.clone()
        },
        SignedIn {
            session: SessionId::generate(),
            ..who.clone()
        },
        SignedIn {
            user: UserId::generate(),
            ..who.clone()
        },
    ] {
        assert_eq!(users.still_holds(&wrong).await, Ok(false), "{wrong:?}");
    }
    customer.delete("/me").await.expect(204);
    assert_eq!(users.still_holds(&who).await, Ok(false));
    assert_eq!(users.profile(who.user).await, unknown);
    let body = json!({"email": customer.email(), "password": PASSWORD});
    store
        .anonymous()
        .post("/auth/login", body)
        .await
        .problem(401, "invalid_credentials");
}

#[tokio::test]
async fn the_user_module_here_keeps_its_promises() {
    let store = store().await;
    conforms(&store, &Siblings::here(&store)).await;
}

#[tokio::test]
async fn the_user_module_elsewhere_keeps_its_promises_though_calls_come_late_or_twice() {
    let store = store().await;
    conforms(&store, &Siblings::elsewhere(&store).await).await;
}
