//! Register, log in, refresh, log out.

use actix_web::http::Method;
use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::shop::{PASSWORD, Shop, request};

#[actix_web::test]
async fn a_sign_in_has_all_that_a_frontend_needs_and_is_never_cached() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let registered = api.register("Ada@Example.com").await.expect(201);
    assert_eq!(registered.header("cache-control"), "private, no-store");
    assert_eq!(registered.text("token_type"), "Bearer");
    assert_eq!(registered.body["expires_in"], 300);
    assert_eq!(registered.body["user"]["email"], "Ada@Example.com");
    assert_eq!(registered.body["user"]["roles"], json!([]));
    let me = api.get("/me", registered.text("access_token")).await.expect(200);
    assert_eq!(me.body, registered.body["user"]);
    assert_eq!(me.header("etag"), "\"1\"");
    let again = api.log_in("ada@example.COM", PASSWORD).await.expect(200);
    assert_eq!(again.body["user"], registered.body["user"]);
    let keys = api.get("/auth/jwks", again.text("access_token")).await.expect(200);
    assert_eq!(keys.body["keys"][0]["kty"], "OKP");
}

#[actix_web::test]
async fn fifty_racing_registrations_of_one_address_make_one_account() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let addresses = (0..50).map(|number| match number % 2 {
        0 => "victim@example.com",
        _ => "Victim@Example.com",
    });
    let answers = join_all(addresses.map(|email| api.register(email))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers {
        if answer.status != 201 {
            answer.refused(409, "email_taken");
        }
    }
    assert_eq!(shop.count("SELECT count(*) FROM users.users").await, 1);
    assert_eq!(shop.count("SELECT count(*) FROM users.sessions").await, 1);
}

#[actix_web::test]
async fn a_refresh_token_is_good_once_and_for_ten_more_seconds_gives_the_same_successor() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let first = api.register("ada@example.com").await.expect(201);
    let first = first.text("refresh_token");
    let both = join_all([api.refresh(first), api.refresh(first)]).await;
    let second = both[0].text("refresh_token").to_owned();
    for answer in both {
        assert_eq!(answer.expect(200).text("refresh_token"), second);
    }
    shop.clock.advance(TimeDelta::milliseconds(9_000));
    assert_eq!(api.refresh(first).await.expect(200).text("refresh_token"), second);
    let third = api.refresh(&second).await.expect(200);
    // Two generations old is reuse, however quick.
    api.refresh(first).await.refused(401, "invalid_refresh_token");
    api.refresh(third.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    api.get("/me", third.text("access_token"))
        .await
        .refused(401, "session_ended");
}

#[actix_web::test]
async fn a_used_refresh_token_after_the_grace_ends_the_whole_session() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let first = api.register("ada@example.com").await.expect(201);
    let other = api.log_in("ada@example.com", PASSWORD).await.expect(200);
    let second = api.refresh(first.text("refresh_token")).await.expect(200);
    shop.clock.advance(TimeDelta::seconds(10));
    api.refresh(first.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    api.refresh(second.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    api.refresh(other.text("refresh_token")).await.expect(200);
}

#[actix_web::test]
async fn ten_racing_refreshes_get_one_successor() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let first = api.register("ada@example.com").await.expect(201);
    let answers = join_all((0..10).map(|_| api.refresh(first.text("refresh_token")))).await;
    let tokens: Vec<&str> = answers.iter().map(|answer| answer.text("refresh_token")).collect();
    assert!(
        tokens.iter().all(|token| !token.is_empty() && *token == tokens[0]),
        "{tokens:?}"
    );
    assert_eq!(
        shop.count("SELECT generation::bigint AS count FROM users.sessions")
            .await,
        1
    );
}

#[actix_web::test]
async fn a_stranger_cannot_end_a_session_with_a_forged_token() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let mine = api.register("ada@example.com").await.expect(201);
    let token = mine.text("refresh_token").to_owned();
    // The generation is bytes 16 to 20, the tag follows.
    let forged = format!("{}{}", &token[..40], "A".repeat(30));
    for bad in [
        "",
        " ",
        "x",
        forged.as_str(),
        mine.text("access_token"),
        &format!("{token} "),
    ] {
        api.refresh(bad).await.refused(401, "invalid_refresh_token");
        api.post("/auth/logout", json!({"refresh_token": bad}))
            .await
            .expect(204);
    }
    api.post("/auth/refresh", json!({}))
        .await
        .refused(401, "invalid_refresh_token");
    api.post("/auth/refresh", json!({"token": token}))
        .await
        .refused(422, "validation_failed");
    api.get("/me", &token).await.refused(401, "invalid_token");
    api.refresh(&token).await.expect(200);
}

#[actix_web::test]
async fn a_session_ends_after_thirty_days_however_often_it_is_refreshed() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let mut token = api
        .register("ada@example.com")
        .await
        .expect(201)
        .text("refresh_token")
        .to_owned();
    for _ in 0..29 {
        shop.clock.advance(TimeDelta::days(1));
        token = api.refresh(&token).await.expect(200).text("refresh_token").to_owned();
    }
    shop.clock.advance(TimeDelta::days(1));
    api.refresh(&token).await.refused(401, "invalid_refresh_token");
    assert_eq!(shop.count("SELECT count(*) FROM users.sessions").await, 1);
}

#[actix_web::test]
async fn signing_out_ends_the_session_at_once_even_with_an_older_token() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let first = api.register("ada@example.com").await.expect(201);
    let second = api.refresh(first.text("refresh_token")).await.expect(200);
    let old = json!({"refresh_token": first.text("refresh_token")});
    api.post("/auth/logout", old).await.expect(204);
    api.refresh(second.text("refresh_token"))
        .await
        .refused(401, "invalid_refresh_token");
    api.get("/me", second.text("access_token"))
        .await
        .refused(401, "session_ended");
}

#[actix_web::test]
async fn bad_fields_are_named_and_change_nothing() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let cases = [
        (
            json!({"email": "ada@example.com", "password": PASSWORD, "role": "admin"}),
            "/role",
        ),
        (
            json!({"email": "ada@example.com", "password": PASSWORD, "is_admin": true}),
            "/is_admin",
        ),
        (json!({"email": "ada@example.com ", "password": PASSWORD}), "/email"),
        (
            json!({"email": format!("{}@example.com", "a".repeat(320)), "password": PASSWORD}),
            "/email",
        ),
        (json!({"email": "ada@example.com", "password": "short"}), "/password"),
        (json!({"email": "ada@example.com", "password": "12345678"}), "/password"),
        (
            json!({"email": "ada@example.com", "password": "ADA@example.com"}),
            "/password",
        ),
        (
            json!({"email": "ada@example.com", "password": "with\u{0}nul inside"}),
            "/password",
        ),
        (
            json!({"email": "ada@example.com", "password": "x".repeat(129)}),
            "/password",
        ),
        (
            json!({"email": "ada@example.com", "password": PASSWORD, "name": ""}),
            "/name",
        ),
    ];
    for (body, pointer) in cases {
        let answer = api.post("/auth/register", body).await.refused(422, "validation_failed");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer);
    }
    assert_eq!(shop.count("SELECT count(*) FROM users.users").await, 0);
    let mine = api.register("ada@example.com").await.expect(201);
    api.get("/me?fields=all", mine.text("access_token"))
        .await
        .refused(400, "invalid_query");
    for field in ["id", "email", "email_verified", "roles", "version", "disabled"] {
        let answer = api
            .call(Method::PATCH, "/me", mine.text("access_token"), json!({field: "x"}))
            .await;
        assert_eq!(
            answer.refused(422, "validation_failed").body["errors"][0]["code"],
            "unknown_field"
        );
    }
    let renamed = api
        .call(
            Method::PATCH,
            "/me",
            mine.text("access_token"),
            json!({"name": "Countess"}),
        )
        .await
        .expect(200);
    assert_eq!((renamed.text("name"), renamed.header("etag")), ("Countess", "\"2\""));
    let stale = request(Method::PATCH, "/me", Some(mine.text("access_token"))).insert_header(("if-match", "\"1\""));
    api.send(stale.set_json(json!({"name": null})))
        .await
        .refused(412, "precondition_failed");
    let cleared = api
        .call(Method::PATCH, "/me", mine.text("access_token"), json!({"name": null}))
        .await
        .expect(200);
    assert_eq!(cleared.body["name"], Value::Null);
}

#[actix_web::test]
async fn a_password_opens_in_either_unicode_form() {
    let shop = Shop::open().await;
    let api = shop.api().await;
    let body = json!({"email": "ada@example.com", "password": "  crème brûlée  "});
    api.post("/auth/register", body).await.expect(201);
    api.log_in("ada@example.com", "  cre\u{300}me bru\u{302}le\u{301}e  ")
        .await
        .expect(200);
    api.log_in("ada@example.com", "crème brûlée")
        .await
        .refused(401, "invalid_credentials");
    api.log_in("ada@example.com", &"x".repeat(1 << 19))
        .await
        .refused(422, "validation_failed");
}
