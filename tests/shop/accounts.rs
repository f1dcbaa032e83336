//! Accounts as a frontend sees them: what is mine is mine alone (AZ-01, AZ-06).

use serde_json::json;

use super::support::{PASSWORD, Store, address};

#[tokio::test]
async fn an_address_of_somebody_else_looks_like_one_that_does_not_exist() {
    let store = Store::start().await;
    let owner = store.customer().await;
    let made = owner.post("/me/addresses", address()).await.expect(201);
    let path = format!("/me/addresses/{}", made["id"].as_str().unwrap());
    let stranger = store.customer().await;
    let patch = json!({"city": "Elsewhere"});
    for answer in [
        stranger.get(&path).await,
        stranger.patch(&path, patch.clone()).await,
        stranger.delete(&path).await,
    ] {
        answer.problem(404, "not_found");
    }
    for answer in [
        store.anonymous().get(&path).await,
        store.anonymous().delete(&path).await,
    ] {
        answer.problem(401, "unauthenticated");
    }
    assert_eq!(owner.get(&path).await.expect(200)["city"], made["city"]);
    assert_eq!(owner.patch(&path, patch).await.expect(200)["city"], "Elsewhere");
    owner.delete(&path).await.expect(204);
    owner.get(&path).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_patch_of_an_address_changes_what_it_names_and_nothing_else() {
    let store = Store::start().await;
    let customer = store.customer().await;
    let made = customer.post("/me/addresses", address()).await.expect(201);
    let path = format!("/me/addresses/{}", made["id"].as_str().unwrap());
    let patch = json!({"city": "Cambridge", "line2": "Flat 2"});
    let moved = customer.patch(&path, patch).await.expect(200);
    assert_eq!(
        (&moved["city"], &moved["line2"]),
        (&json!("Cambridge"), &json!("Flat 2"))
    );
    assert_eq!((&moved["name"], &moved["line1"]), (&made["name"], &made["line1"]));
    let cleared = customer.patch(&path, json!({"line2": null})).await.expect(200);
    assert_eq!(
        (&cleared["line2"], &cleared["city"]),
        (&json!(null), &json!("Cambridge"))
    );
    let refused = customer.patch(&path, json!({"city": null})).await;
    assert_eq!(refused.wrong_fields(), ["/city"]);
}

#[tokio::test]
async fn a_customer_is_no_staff() {
    let store = Store::start().await;
    let customer = store.customer().await;
    let account = format!("/admin/users/{}", customer.id());
    for answer in [
        customer.get("/admin/users").await,
        customer.get(&account).await,
        customer
            .with("If-Match", "\"1\"")
            .patch(&account, json!({"roles": ["admin"]}))
            .await,
    ] {
        answer.problem(403, "forbidden");
    }
    for answer in [
        store.anonymous().get("/admin/users").await,
        store.anonymous().get(&account).await,
    ] {
        answer.problem(401, "unauthenticated");
    }
}

#[tokio::test]
async fn nobody_makes_themselves_more_than_they_are() {
    let store = Store::start().await;
    let customer = store.customer().await;
    for (field, value) in [
        ("role", json!("admin")),
        ("roles", json!(["admin"])),
        ("is_admin", json!(true)),
        ("id", json!("user_1")),
        ("email_verified", json!(true)),
        ("balance", json!(1)),
    ] {
        let wrong = customer.patch("/me", json!({field: value})).await.wrong_fields();
        assert_eq!(wrong, [format!("/{field}")]);
    }
    assert_eq!(customer.get("/me").await.expect(200)["roles"], json!([]));
}

#[tokio::test]
async fn a_new_password_ends_all_other_sign_ins() {
    let store = Store::start().await;
    let customer = store.customer().await;
    let sign_in = json!({"email": customer.email(), "password": PASSWORD});
    let elsewhere = store.anonymous().post("/auth/login", sign_in.clone()).await.expect(200);
    let change = json!({"current_password": PASSWORD, "new_password": "a quite different sentence"});
    customer.put("/me/password", change).await.expect(204);
    let refresh = json!({"refresh_token": elsewhere["refresh_token"]});
    store
        .anonymous()
        .post("/auth/refresh", refresh)
        .await
        .problem(401, "invalid_refresh_token");
    store
        .anonymous()
        .post("/auth/login", sign_in)
        .await
        .problem(401, "invalid_credentials");
}
