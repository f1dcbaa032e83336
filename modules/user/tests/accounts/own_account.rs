//! What people do with their own account.

use actix_web::http::Method;
use futures_util::future::join_all;
use kernel::event::Feed;
use kernel::module::Module as _;
use serde_json::{Value, json};

use crate::shop::{PASSWORD, Shop, request};

#[actix_web::test]
async fn a_new_password_ends_the_other_sessions() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let other = api.register("ada@example.com").await.expect(201);
    let mine = api.log_in("ada@example.com", PASSWORD).await.expect(200);
    let token = mine.text("access_token");
    let change = |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let refused = api
        .call(Method::PUT, "/me/password", token, change("wrong", "another good one"))
        .await;
    let refused = refused.refused(422, "validation_failed");
    assert_eq!(refused.body["errors"][0]["pointer"], "/current_password");
    let refused = api
        .call(Method::PUT, "/me/password", token, change(PASSWORD, "password1"))
        .await;
    assert_eq!(
        refused.refused(422, "validation_failed").body["errors"][0]["code"],
        "too_common"
    );
    let changed = api
        .call(Method::PUT, "/me/password", token, change(PASSWORD, "another good one"))
        .await;
    changed.expect(204);
    api.refresh(other.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    api.refresh(mine.text("refresh_token")).await.expect(200);
    api.log_in("ada@example.com", PASSWORD)
        .await
        .refused(401, "invalid_credentials");
    api.log_in("ada@example.com", "another good one").await.expect(200);
}

#[actix_web::test]
async fn no_sign_in_with_the_old_password_outlives_its_change() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let mine = api.register("ada@example.com").await.expect(201);
    let body = json!({"current_password": PASSWORD, "new_password": "another good one"});
    let change = api.call(Method::PUT, "/me/password", mine.text("access_token"), body);
    let sign_ins = join_all((0..20).map(|_| api.log_in("ada@example.com", PASSWORD)));
    let (changed, _) = futures_util::future::join(change, sign_ins).await;
    changed.expect(204);
    assert_eq!(shop.count("SELECT count(*) FROM users.sessions").await, 1);
}

#[actix_web::test]
async fn a_deleted_account_leaves_nothing_personal_and_frees_its_address() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let mine = api.register("ada@example.com").await.expect(201);
    let token = mine.text("access_token");
    let add = request(Method::POST, "/me/addresses", Some(token)).insert_header(("idempotency-key", "k1"));
    api.send(add.set_json(home())).await.expect(201);
    api.call(Method::DELETE, "/me", token, Value::Null).await.expect(204);
    for path in ["/me", "/me/addresses", "/me/sessions"] {
        api.get(path, token).await.refused(401, "session_ended");
    }
    api.log_in("ada@example.com", PASSWORD)
        .await
        .refused(401, "invalid_credentials");
    api.refresh(mine.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    const LEFT: &str = "SELECT count(*) FROM users.users WHERE deleted_at IS NOT NULL \
        AND num_nonnulls(email, email_canonical, name, password_hash) = 0";
    assert_eq!(shop.count(LEFT).await, 1);
    const PERSONAL: &str = "SELECT (SELECT count(*) FROM users.addresses) + (SELECT count(*) FROM users.sessions) \
        + (SELECT count(*) FROM users.idempotency_keys) AS count";
    assert_eq!(shop.count(PERSONAL).await, 0);
    let feed = database::outbox::OutboxFeed::new(shop.database.clone(), "users");
    let mut events = Vec::new();
    // An event is shown when no older transaction of the server is running, and other tests have some.
    while events.is_empty() {
        events = feed.read(kernel::event::Position::default(), 10).await.unwrap();
    }
    assert_eq!(events.len(), 1);
    assert_eq!(
        (events[0].1.r#type.as_str(), &events[0].1.data["user"]),
        ("user.deleted", &mine.body["user"]["id"])
    );
    assert_eq!(shop.module.verify().await.unwrap(), []);
    api.register("ADA@example.com").await.expect(201);
}

#[actix_web::test]
async fn an_address_book_belongs_to_its_owner() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let (ada, bob) = (
        api.register("ada@example.com").await,
        api.register("bob@example.com").await,
    );
    let (ada, bob) = (ada.text("access_token"), bob.text("access_token"));
    let add = |key: &'static str, body: Value| {
        let request = request(Method::POST, "/me/addresses", Some(ada)).insert_header(("idempotency-key", key));
        api.send(request.set_json(body))
    };
    let entry = add("k1", home()).await.expect(201);
    let path = format!("/me/addresses/{}", entry.text("id"));
    assert_eq!(entry.header("location"), format!("/api/v1{path}"));
    let replayed = add("k1", home()).await.expect(201);
    assert_eq!(
        (&replayed.body, replayed.header("idempotent-replayed")),
        (&entry.body, "true")
    );
    let mut other = home();
    other["name"] = json!("Bob");
    add("k1", other).await.refused(422, "idempotency_key_reused");
    for method in [Method::GET, Method::DELETE] {
        api.call(method, &path, bob, Value::Null)
            .await
            .refused(404, "not_found");
    }
    api.call(Method::PATCH, &path, bob, json!({"name": "Bob"}))
        .await
        .refused(404, "not_found");
    let patched = api
        .call(Method::PATCH, &path, ada, json!({"line2": null, "city": "Shelbyville"}))
        .await
        .expect(200);
    assert_eq!(
        (&patched.body["line2"], patched.text("city"), patched.text("line1")),
        (&Value::Null, "Shelbyville", "1 Main St")
    );
    api.call(Method::PATCH, &path, ada, json!({"country": "XX"}))
        .await
        .refused(422, "validation_failed");
    let second = add("k2", home()).await.expect(201);
    let page = api.get("/me/addresses?limit=1", ada).await.expect(200);
    assert_eq!(
        (page.body["data"][0]["id"].as_str(), &page.body["page"]["has_more"]),
        (Some(second.text("id")), &json!(true))
    );
    let cursor = page.body["page"]["next_cursor"].as_str().unwrap();
    let rest = api
        .get(&format!("/me/addresses?limit=1&cursor={cursor}"), ada)
        .await
        .expect(200);
    assert_eq!(rest.body["data"], json!([patched.body]));
    api.get(&format!("/me/addresses?cursor={cursor}"), bob)
        .await
        .refused(400, "invalid_query");
    api.call(Method::DELETE, &path, ada, Value::Null).await.expect(204);
    api.get(&path, ada).await.refused(404, "not_found");
}

#[actix_web::test]
async fn an_address_book_is_never_fuller_than_full() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let mine = api.register("ada@example.com").await.expect(201);
    let token = mine.text("access_token");
    let answers = join_all((0..104).map(|_| api.call(Method::POST, "/me/addresses", token, home()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 100);
    assert_eq!(
        answers
            .iter()
            .filter(|answer| answer.text("code") == "address_book_full")
            .count(),
        4
    );
}

#[actix_web::test]
async fn people_see_and_end_their_own_sessions() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let phone = request(Method::POST, "/auth/register", None).insert_header(("user-agent", "Phone/1.0"));
    let phone = api
        .send(phone.set_json(json!({"email": "ada@example.com", "password": PASSWORD})))
        .await
        .expect(201);
    let mine = api.log_in("ada@example.com", PASSWORD).await.expect(200);
    let bob = api.register("bob@example.com").await.expect(201);
    let sessions = api.get("/me/sessions", mine.text("access_token")).await.expect(200);
    let sessions = sessions.body["data"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(
        (&sessions[0]["current"], &sessions[1]["current"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(sessions[1]["user_agent"], "Phone/1.0");
    let path = format!("/me/sessions/{}", sessions[1]["id"].as_str().unwrap());
    api.call(Method::DELETE, &path, bob.text("access_token"), Value::Null)
        .await
        .refused(404, "not_found");
    api.call(Method::DELETE, &path, mine.text("access_token"), Value::Null)
        .await
        .expect(204);
    api.refresh(phone.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    api.refresh(mine.text("refresh_token")).await.expect(200);
}

#[actix_web::test]
async fn siblings_see_active_accounts_only() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let mine = api.register("Ada@example.com").await.expect(201);
    let id = mine.body["user"]["id"].as_str().unwrap().parse().unwrap();
    let profile = shop.module.service().profile(id).await.unwrap();
    assert_eq!(
        (profile.email.as_str(), profile.name.as_deref()),
        ("Ada@example.com", Some("Ada"))
    );
    api.call(Method::DELETE, "/me", mine.text("access_token"), Value::Null)
        .await
        .expect(204);
    assert!(shop.module.service().profile(id).await.is_err());
}

fn home() -> Value {
    json!({"name": "Ada", "line1": "1 Main St", "line2": "Flat 2", "city": "Springfield", "region": "IL",
        "postal_code": "62701", "country": "US"})
}
