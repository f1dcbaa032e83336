//! The shop's own people, and what is done without anybody asking.

use actix_web::http::Method;
use chrono::TimeDelta;
use futures_util::future::join_all;
use kernel::module::Module as _;
use serde_json::{Value, json};

use crate::shop::{PASSWORD, Shop, request};

#[actix_web::test]
async fn unknown_wrong_and_disabled_look_the_same() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    api.register("ada@example.com").await.expect(201);
    api.register("off@example.com").await.expect(201);
    shop.module.create_admin("root@example.com", PASSWORD).await.unwrap();
    let admin = api.log_in("root@example.com", PASSWORD).await.expect(200);
    let admin = admin.text("access_token");
    let found = api.get("/admin/users?email=OFF@example.com", admin).await.expect(200);
    let path = format!("/admin/users/{}", found.body["data"][0]["id"].as_str().unwrap());
    let disable = request(Method::PATCH, &path, Some(admin)).insert_header(("if-match", "\"1\""));
    let disabled = api.send(disable.set_json(json!({"disabled": true}))).await.expect(200);
    assert_eq!(
        (&disabled.body["disabled"], disabled.header("etag")),
        (&json!(true), "\"2\"")
    );
    let mut answers = Vec::new();
    for (email, password) in [
        ("nobody@example.com", PASSWORD),
        ("ada@example.com", "wrong"),
        ("ada@example.com", ""),
        ("off@example.com", PASSWORD),
    ] {
        let mut answer = api.log_in(email, password).await.refused(401, "invalid_credentials");
        answer.body["request_id"].take();
        answers.push(answer.body);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

#[actix_web::test]
async fn expired_sessions_are_removed_in_the_background() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    api.register("ada@example.com").await.expect(201);
    shop.clock.advance(TimeDelta::days(30));
    api.register("bob@example.com").await.expect(201);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let jobs: Vec<_> = shop
        .module
        .jobs()
        .into_iter()
        .map(|job| job.spawn(stopped.clone()))
        .collect();
    while shop.count("SELECT count(*) FROM users.sessions").await > 1 {
        tokio::task::yield_now().await;
    }
    stop.send(true).unwrap();
    join_all(jobs).await;
    const LEFT: &str =
        "SELECT count(*) FROM users.sessions JOIN users.users ON users.id = user_id WHERE email = 'bob@example.com'";
    assert_eq!(shop.count(LEFT).await, 1);
}

#[actix_web::test]
async fn two_administrators_cannot_demote_each_other() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let ada = shop.module.create_admin("ada@example.com", PASSWORD).await.unwrap();
    let bob = shop.module.create_admin("bob@example.com", PASSWORD).await.unwrap();
    let (as_ada, as_bob) = (
        api.log_in("ada@example.com", PASSWORD).await,
        api.log_in("bob@example.com", PASSWORD).await,
    );
    let demote = |token: &str, id: kernel::id::UserId| {
        let request =
            request(Method::PATCH, &format!("/admin/users/{id}"), Some(token)).insert_header(("if-match", "*"));
        api.send(request.set_json(json!({"roles": []})))
    };
    let answers = join_all([
        demote(as_ada.text("access_token"), bob),
        demote(as_bob.text("access_token"), ada),
    ])
    .await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    // The one who came too late was demoted in the meantime: the token says admin, the database does not.
    assert_eq!(statuses, [200, 401]);
    let (left, token) = match answers[0].status {
        200 => (ada, as_ada.text("access_token")),
        _ => (bob, as_bob.text("access_token")),
    };
    demote(token, left).await.refused(409, "last_admin");
    api.call(Method::DELETE, "/me", token, Value::Null)
        .await
        .refused(409, "last_admin");
    const ADMINS: &str = "SELECT count(*) FROM users.users WHERE roles = '{admin}'";
    assert_eq!(shop.count(ADMINS).await, 1);
}

#[actix_web::test]
async fn administration_is_for_administrators_and_needs_the_version() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let customer = api.register("100%_sure@example.com").await.expect(201);
    let id = customer.body["user"]["id"].as_str().unwrap();
    let path = format!("/admin/users/{id}");
    api.get("/admin/users", customer.text("access_token"))
        .await
        .refused(403, "forbidden");
    api.send(request(Method::GET, "/admin/users", None))
        .await
        .refused(401, "unauthenticated");
    shop.module.create_admin("root@example.com", PASSWORD).await.unwrap();
    let admin = api.log_in("root@example.com", PASSWORD).await.expect(200);
    let admin = admin.text("access_token");
    let all = api.get("/admin/users", admin).await.expect(200);
    assert_eq!(all.body["data"].as_array().unwrap().len(), 2);
    for query in ["q=100%25_", "q=SURE", "q=ada", "email=100%25_Sure@example.com"] {
        let found = api.get(&format!("/admin/users?{query}"), admin).await.expect(200);
        assert_eq!(found.body["data"][0]["id"], id, "{query}");
        assert_eq!(found.body["data"].as_array().unwrap().len(), 1, "{query}");
    }
    api.get("/admin/users?colour=red", admin)
        .await
        .refused(400, "invalid_query");
    api.call(Method::PATCH, &path, admin, json!({"disabled": true}))
        .await
        .refused(428, "precondition_required");
    let change = |tag: &str, body: Value| {
        let request = request(Method::PATCH, &path, Some(admin)).insert_header(("if-match", tag));
        api.send(request.set_json(body))
    };
    change("\"9\"", json!({"disabled": true}))
        .await
        .refused(412, "precondition_failed");
    change("\"1\"", json!({"roles": ["wizard"]}))
        .await
        .refused(422, "validation_failed");
    change("\"1\"", json!({"email": "x@example.com"}))
        .await
        .refused(422, "validation_failed");
    change("\"1\"", json!({"roles": ["admin"]})).await.expect(200);
    // The old token is a customer's still; the next one is not.
    api.get("/admin/users", customer.text("access_token"))
        .await
        .refused(403, "forbidden");
    let promoted = api.refresh(customer.text("refresh_token")).await.expect(200);
    api.get("/admin/users", promoted.text("access_token")).await.expect(200);
    change("\"2\"", json!({"disabled": true})).await.expect(200);
    api.get("/admin/users", promoted.text("access_token"))
        .await
        .refused(401, "session_ended");
    api.refresh(promoted.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    assert_eq!(shop.module.verify().await.unwrap(), []);
}

#[actix_web::test]
async fn an_administrator_made_of_an_account_has_the_role_and_the_password() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let before = api.register("ada@example.com").await.expect(201);
    let id = shop
        .module
        .create_admin("ADA@example.com", "a password of her own")
        .await
        .unwrap();
    assert_eq!(before.body["user"]["id"], id.to_string());
    api.refresh(before.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    let after = api.log_in("ada@example.com", "a password of her own").await.expect(200);
    assert_eq!(after.body["user"]["roles"], json!(["admin"]));
    assert!(shop.module.create_admin("nobody", PASSWORD).await.is_err());
    assert!(shop.module.create_admin("x@example.com", "short").await.is_err());
}

#[actix_web::test]
async fn verify_finds_what_should_not_be() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    api.register("ada@example.com").await.expect(201);
    assert_eq!(shop.module.verify().await.unwrap(), []);
    shop.count(
        "WITH broken AS (UPDATE users.users SET email_canonical = 'ADA@example.com', disabled_at = now() RETURNING id) \
        SELECT count(*) FROM broken",
    )
    .await;
    let rules: Vec<&str> = shop
        .module
        .verify()
        .await
        .unwrap()
        .iter()
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(
        rules,
        ["sessions_end_with_the_account", "canonical_email_is_of_the_email"]
    );
}

#[actix_web::test]
async fn accounts_belong_to_groups_of_customers_that_staff_make() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let ada = api.register("ada@example.com").await.expect(201);
    shop.module.create_admin("root@example.com", PASSWORD).await.unwrap();
    let admin = api.log_in("root@example.com", PASSWORD).await.expect(200);
    let admin = admin.text("access_token");
    let groups = "/admin/customer-groups";
    let edit = |method: Method, path: &str, version: i64, body: Value| {
        let edit = request(method, path, Some(admin)).insert_header(("if-match", format!("\"{version}\"")));
        edit.set_json(body)
    };
    let add = |name: &str| request(Method::POST, groups, Some(admin)).set_json(json!({"name": name}));
    let gold = api.send(add("Gold")).await.expect(201);
    let path = format!("{groups}/{}", gold.body["id"].as_str().unwrap());
    assert_eq!(gold.header("etag"), "\"1\"");
    assert_eq!(gold.header("location"), format!("/api/v1{path}"));
    api.send(add("Gold")).await.refused(409, "already_taken");
    api.send(add("")).await.refused(422, "validation_failed");
    api.get(groups, ada.text("access_token"))
        .await
        .refused(403, "forbidden");

    api.send(edit(Method::PATCH, &path, 2, json!({"name": "Silver"})))
        .await
        .refused(412, "precondition_failed");
    let silver = api
        .send(edit(Method::PATCH, &path, 1, json!({"name": "Silver"})))
        .await
        .expect(200);
    assert_eq!(
        (&silver.body["name"], &silver.body["version"]),
        (&json!("Silver"), &json!(2))
    );
    api.send(add("Gold")).await.expect(201);
    let list = api.get(&format!("{groups}?limit=1"), admin).await.expect(200);
    assert_eq!(
        (&list.body["data"][0]["name"], &list.body["page"]["has_more"]),
        (&json!("Silver"), &json!(true))
    );

    let user = format!("/admin/users/{}", ada.body["user"]["id"].as_str().unwrap());
    let unknown = json!({"customer_group_id": kernel::id::CustomerGroupId::generate()});
    let refused = api
        .send(edit(Method::PATCH, &user, 1, unknown))
        .await
        .refused(422, "validation_failed");
    assert_eq!(refused.body["errors"][0]["code"], "not_found");
    let member = json!({"customer_group_id": silver.body["id"]});
    let changed = api.send(edit(Method::PATCH, &user, 1, member)).await.expect(200);
    assert_eq!(changed.body["customer_group_id"], silver.body["id"]);
    let kept = api
        .send(edit(Method::PATCH, &user, 2, json!({"roles": []})))
        .await
        .expect(200);
    assert_eq!(kept.body["customer_group_id"], silver.body["id"]);
    let delete = |version: i64| {
        request(Method::DELETE, &path, Some(admin)).insert_header(("if-match", format!("\"{version}\"")))
    };
    api.send(delete(2)).await.refused(409, "in_use");
    let left = api
        .send(edit(Method::PATCH, &user, 2, json!({"customer_group_id": null})))
        .await
        .expect(200);
    assert_eq!(left.body["customer_group_id"], Value::Null);
    api.send(delete(1)).await.refused(412, "precondition_failed");
    api.send(delete(2)).await.expect(204);
    api.get(&path, admin).await.refused(404, "not_found");
}
