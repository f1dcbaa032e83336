//! What buyers do to their carts.

use actix_web::http::Method;
use futures_util::future::join_all;
use kernel::id::{CartId, ItemId, UserId, VariantId};
use kernel::module::Module;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{As, Shop, address, item_path, items_path, line, path};

fn total(cart: &Value) -> i64 {
    cart["totals"]["total"]["amount"].as_i64().unwrap()
}

fn codes(cart: &Value) -> Vec<&str> {
    cart["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["code"].as_str().unwrap())
        .collect()
}

#[actix_web::test]
async fn a_guest_fills_a_cart_and_every_change_answers_all_of_it() {
    let shop = Shop::open().await;
    let (shirt, hat) = (shop.catalogue.sell(1999, 5), shop.catalogue.sell(500, 5));
    let (cart, guest) = shop.guest_cart(&[(shirt, 2)]).await;
    assert_eq!(
        (cart["status"].as_str(), cart["version"].as_i64(), total(&cart)),
        (Some("open"), Some(1), 3998)
    );
    assert_eq!(codes(&cart), ["email_required", "shipping_address_required"]);
    for field in [
        "order_id",
        "email",
        "shipping_address",
        "billing_address",
        "shipping_method",
    ] {
        assert_eq!(cart.get(field), Some(&Value::Null), "{field}");
    }
    let added = shop
        .send(&guest, Method::POST, &items_path(&cart), Some(line(hat, 1)))
        .await;
    assert_eq!((added.status.as_u16(), total(&added.body)), (201, 4498));
    assert_eq!(added.headers.get("etag").unwrap(), "\"2\"");
    assert_eq!(added.headers.get("cache-control").unwrap(), "private, no-store");
    assert!(added.body.get("secret").is_none(), "the secret is shown once");
    let more = shop
        .send(&guest, Method::POST, &items_path(&cart), Some(line(shirt, 4)))
        .await;
    assert_eq!(more.body["items"][0]["quantity"], 6);
    assert_eq!(codes(&more.body)[0], "insufficient_stock");
    let fewer = shop
        .send(
            &guest,
            Method::PATCH,
            &item_path(&more.body, 0),
            Some(json!({"quantity": 1})),
        )
        .await;
    assert_eq!((fewer.status.as_u16(), total(&fewer.body)), (200, 2499));
    let removed = shop
        .send(
            &guest,
            Method::PATCH,
            &item_path(&fewer.body, 0),
            Some(json!({"quantity": 0})),
        )
        .await;
    assert_eq!(removed.body["items"].as_array().unwrap().len(), 1);
    let details = json!({"email": "ada@example.com", "shipping_address": address()});
    let known = shop.send(&guest, Method::PATCH, &path(&cart), Some(details)).await;
    assert_eq!(codes(&known.body), Vec::<&str>::new());
    let emptied = shop
        .send(&guest, Method::DELETE, &item_path(&known.body, 0), None)
        .await;
    assert_eq!((codes(&emptied.body), total(&emptied.body)), (vec!["empty"], 0));
    assert_eq!(shop.read(&guest, &cart).await, emptied.body);
    let gone = shop.send(&guest, Method::DELETE, &path(&cart), None).await;
    assert_eq!(gone.status, 204);
    assert_eq!(shop.send(&guest, Method::GET, &path(&cart), None).await.status, 404);
}

#[actix_web::test]
async fn nobody_but_the_holder_finds_a_cart() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1999, 5);
    let (guest_cart, guest) = shop.guest_cart(&[(shirt, 1)]).await;
    let (_, other_guest) = shop.guest_cart(&[]).await;
    let owner = UserId::generate();
    let user_cart = shop.user_cart(owner, &[(shirt, 1)]).await;
    assert!(user_cart.get("secret").is_none());
    let user = As::User(UserId::generate());
    let foreign = [
        (&guest_cart, &As::Stranger),
        (&guest_cart, &As::Guest(String::new())),
        (&guest_cart, &other_guest),
        (&guest_cart, &user),
        (&user_cart, &As::Stranger),
        (&user_cart, &guest),
        (&user_cart, &user),
    ];
    let unknown = json!({"id": CartId::generate(), "items": [{"id": ItemId::generate()}]});
    for (cart, who) in foreign {
        for (method, here, there, body) in [
            (Method::GET, path(cart), path(&unknown), None),
            (Method::DELETE, path(cart), path(&unknown), None),
            (
                Method::PATCH,
                path(cart),
                path(&unknown),
                Some(json!({"email": "eve@example.com"})),
            ),
            (
                Method::POST,
                items_path(cart),
                items_path(&unknown),
                Some(line(shirt, 1)),
            ),
            (
                Method::PATCH,
                item_path(cart, 0),
                item_path(&unknown, 0),
                Some(json!({"quantity": 0})),
            ),
            (Method::DELETE, item_path(cart, 0), item_path(&unknown, 0), None),
        ] {
            let refused = shop.send(who, method.clone(), &here, body.clone()).await;
            assert_eq!(refused.status, 404, "{method} {here}");
            assert_eq!(refused.body, shop.send(who, method, &there, body).await.body);
        }
    }
    assert_eq!(shop.read(&guest, &guest_cart).await["version"], 1);
    assert_eq!(shop.read(&As::User(owner), &user_cart).await["version"], 1);
}

#[actix_web::test]
async fn bad_requests_are_named_and_change_nothing() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1999, 5);
    let draft = shop.catalogue.sell(1999, 5);
    shop.catalogue.edit(draft, |quote| quote.on_sale = false);
    let (cart, guest) = shop.guest_cart(&[(shirt, 1)]).await;
    let items = items_path(&cart);
    let cases = [
        (
            items.clone(),
            line(VariantId::generate(), 1),
            "/variant_id",
            "unknown_variant",
        ),
        (items.clone(), line(draft, 1), "/variant_id", "not_for_sale"),
        (items.clone(), line(shirt, 0), "/quantity", "out_of_range"),
        (items.clone(), line(shirt, 999), "/quantity", "out_of_range"),
        (
            items.clone(),
            json!({"variant_id": shirt, "quantity": "1"}),
            "/quantity",
            "invalid_type",
        ),
        (
            items.clone(),
            json!({"variant_id": shirt, "quantity": 1, "unit_price": 1}),
            "/unit_price",
            "unknown_field",
        ),
        (
            items.clone(),
            json!({"variant_id": cart["id"], "quantity": 1}),
            "/variant_id",
            "invalid",
        ),
        (
            "/carts".to_owned(),
            json!({"user_id": "user_1"}),
            "/user_id",
            "unknown_field",
        ),
        (
            "/carts".to_owned(),
            json!({"currency": "XXA"}),
            "/currency",
            "unknown_currency",
        ),
        (
            "/carts".to_owned(),
            json!({"currency": null}),
            "/currency",
            "invalid_type",
        ),
        (
            "/carts".to_owned(),
            json!({"items": [line(shirt, 1), line(draft, 1)]}),
            "/items/1/variant_id",
            "not_for_sale",
        ),
        (
            "/carts".to_owned(),
            json!({"currency": "EUR"}),
            "/currency",
            "unsupported_currency",
        ),
        (
            "/carts".to_owned(),
            json!({"items": vec![line(shirt, 1); 101]}),
            "/items",
            "too_many_lines",
        ),
        (
            "/carts".to_owned(),
            json!({"items": vec![line(shirt, 500); 2]}),
            "/items/1/quantity",
            "out_of_range",
        ),
    ];
    for (path, body, pointer, code) in cases {
        let refused = shop.send(&guest, Method::POST, &path, Some(body.clone())).await;
        assert_eq!(refused.refusal(), (422, "validation_failed", pointer, code), "{body}");
    }
    let details = [
        (json!({"email": "nobody"}), "/email", "invalid_email"),
        (json!({"email": "a\u{0}@example.com"}), "/email", "invalid_email"),
        (
            json!({"shipping_address": {"name": "Ada"}}),
            "/shipping_address/line1",
            "required",
        ),
        (
            json!({"shipping_method": "shipping_00000000000000000000000000"}),
            "/shipping_method",
            "unknown_shipping_method",
        ),
        (json!({"status": "completed"}), "/status", "unknown_field"),
        (json!({"totals": {}}), "/totals", "unknown_field"),
    ];
    for (body, pointer, code) in details {
        let refused = shop.send(&guest, Method::PATCH, &path(&cart), Some(body.clone())).await;
        assert_eq!(refused.refusal(), (422, "validation_failed", pointer, code), "{body}");
    }
    let filtered = shop
        .send(&guest, Method::GET, &format!("{}?user=1", path(&cart)), None)
        .await;
    assert_eq!(filtered.refusal().1, "invalid_query");
    assert_eq!(shop.read(&guest, &cart).await["version"], 1);
}

#[actix_web::test]
async fn a_changed_price_is_shown_and_raises_the_version_once() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1000, 5);
    let (cart, guest) = shop.guest_cart(&[(shirt, 2)]).await;
    assert_eq!(shop.read(&guest, &cart).await["version"], 1);
    shop.catalogue.set_price(shirt, 1200);
    let dearer = shop.read(&guest, &cart).await;
    assert_eq!((dearer["version"].as_i64(), total(&dearer)), (Some(2), 2400));
    assert_eq!(dearer["items"][0]["price_changed_from"]["amount"], 1000);
    assert_eq!(shop.read(&guest, &cart).await, dearer);
    let accepted = shop.send(&guest, Method::PATCH, &path(&cart), Some(json!({}))).await;
    assert_eq!(accepted.body["items"][0]["price_changed_from"], Value::Null);
    shop.catalogue.edit(shirt, |quote| quote.on_sale = false);
    let unsold = shop.read(&guest, &cart).await;
    assert_eq!(
        (unsold["version"].as_i64(), codes(&unsold)[0]),
        (Some(4), "not_for_sale")
    );
    assert_eq!(unsold["problems"][0]["item_id"], unsold["items"][0]["id"]);
}

#[actix_web::test]
async fn changes_at_the_same_time_are_all_made_and_a_condition_fails_all_but_one() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1000, 500);
    let (cart, guest) = shop.guest_cart(&[]).await;
    let items = items_path(&cart);
    let adds = (0..30).map(|_| shop.send(&guest, Method::POST, &items, Some(line(shirt, 1))));
    for added in join_all(adds).await {
        assert_eq!(added.status, 201, "{}", added.body);
    }
    let full = shop.read(&guest, &cart).await;
    assert_eq!(
        (full["items"][0]["quantity"].as_i64(), full["version"].as_i64()),
        (Some(30), Some(31))
    );
    let condition = [("If-Match", "\"31\"")];
    let adds = (0..10).map(|_| shop.send_with(&guest, Method::POST, &items, Some(line(shirt, 1)), &condition));
    let statuses: Vec<u16> = join_all(adds).await.iter().map(|added| added.status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1);
    assert_eq!(statuses.iter().filter(|status| **status == 412).count(), 9);
    assert_eq!(shop.read(&guest, &cart).await["items"][0]["quantity"], 31);
}

#[actix_web::test]
async fn a_key_adds_once_and_belongs_to_one_request() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1000, 500);
    let (cart, guest) = shop.guest_cart(&[]).await;
    let key = [("Idempotency-Key", "one")];
    let items = items_path(&cart);
    let add = |quantity| shop.send_with(&guest, Method::POST, &items, Some(line(shirt, quantity)), &key);
    let first = add(2).await;
    let second = add(2).await;
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(second.headers.get("idempotent-replayed").unwrap(), "true");
    assert_eq!(add(3).await.refusal().1, "idempotency_key_reused");
    assert_eq!(shop.read(&guest, &cart).await["items"][0]["quantity"], 2);
    let (other, other_guest) = shop.guest_cart(&[]).await;
    let elsewhere = shop
        .send_with(
            &other_guest,
            Method::POST,
            &items_path(&other),
            Some(line(shirt, 2)),
            &key,
        )
        .await;
    assert_eq!((elsewhere.status.as_u16(), &elsewhere.body["id"]), (201, &other["id"]));
}

#[actix_web::test]
async fn a_guests_cart_goes_into_the_users_once() {
    let shop = Shop::open().await;
    let (shirt, hat) = (shop.catalogue.sell(1000, 50), shop.catalogue.sell(500, 50));
    let (guest_cart, guest) = shop.guest_cart(&[(shirt, 2), (hat, 1)]).await;
    let email = json!({"email": "guest@example.com"});
    shop.send(&guest, Method::PATCH, &path(&guest_cart), Some(email)).await;
    let user = As::User(UserId::generate());
    let As::User(id) = user else { unreachable!() };
    let mine = shop.user_cart(id, &[(shirt, 1)]).await;
    let merge = format!("{}/merge", path(&mine));
    let As::Guest(secret) = &guest else { unreachable!() };
    let from = |secret: &str| json!({"from": {"id": guest_cart["id"], "secret": secret}});
    let stolen = shop.send(&user, Method::POST, &merge, Some(from("wrong"))).await;
    assert_eq!(stolen.status, 404);
    let merges = (0..8).map(|_| shop.send(&user, Method::POST, &merge, Some(from(secret))));
    for merged in join_all(merges).await {
        assert_eq!(
            (merged.status.as_u16(), total(&merged.body)),
            (200, 3500),
            "{}",
            merged.body
        );
    }
    let now_mine = shop.read(&user, &mine).await;
    assert_eq!(
        (&now_mine["email"], &now_mine["version"]),
        (&json!("guest@example.com"), &json!(2))
    );
    assert_eq!(shop.read(&guest, &guest_cart).await["status"], "merged");
    let late = shop
        .send(&guest, Method::POST, &items_path(&guest_cart), Some(line(shirt, 1)))
        .await;
    assert_eq!((late.refusal().0, late.refusal().1), (409, "cart_closed"));
    let other = shop.user_cart(id, &[]).await;
    let again = shop
        .send(
            &user,
            Method::POST,
            &format!("{}/merge", path(&other)),
            Some(from(secret)),
        )
        .await;
    assert_eq!(again.refusal().1, "cart_closed");
    let own = json!({"from": {"id": mine["id"], "secret": "x"}});
    assert_eq!(
        shop.send(&user, Method::POST, &merge, Some(own)).await.refusal().3,
        "same_cart"
    );
    assert!(shop.module.verify().await.unwrap().is_empty());
}

#[actix_web::test]
async fn two_guests_carts_merged_crosswise_do_not_block_each_other() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1000, 50);
    for _ in 0..5 {
        let (one, guest_one) = shop.guest_cart(&[(shirt, 1)]).await;
        let (two, guest_two) = shop.guest_cart(&[(shirt, 2)]).await;
        let merge = async |target: &Value, holder: &As, source: &Value, proof: &As| {
            let As::Guest(secret) = proof else { unreachable!() };
            let body = json!({"from": {"id": source["id"], "secret": secret}});
            shop.send(holder, Method::POST, &format!("{}/merge", path(target)), Some(body))
                .await
        };
        let (left, right) = tokio::join!(
            merge(&one, &guest_one, &two, &guest_two),
            merge(&two, &guest_two, &one, &guest_one)
        );
        let mut statuses = [left.status.as_u16(), right.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
    }
}

#[actix_web::test]
async fn a_users_carts_are_listed_newest_first_and_the_newest_open_is_current() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1000, 50);
    let id = UserId::generate();
    let user = As::User(id);
    assert_eq!(shop.send(&user, Method::GET, "/carts/current", None).await.status, 404);
    let mut carts = Vec::new();
    for quantity in 1..=3 {
        carts.push(shop.user_cart(id, &[(shirt, quantity)]).await);
    }
    shop.user_cart(UserId::generate(), &[(shirt, 9)]).await;
    let current = shop.send(&user, Method::GET, "/carts/current", None).await;
    assert_eq!(current.body, carts[2]);
    let first = shop.send(&user, Method::GET, "/carts?limit=2", None).await;
    assert_eq!(first.body["data"], json!([carts[2], carts[1]]));
    let cursor = first.body["page"]["next_cursor"].as_str().unwrap();
    let second = shop
        .send(&user, Method::GET, &format!("/carts?limit=2&cursor={cursor}"), None)
        .await;
    assert_eq!(
        second.body,
        json!({"data": [carts[0]], "page": {"next_cursor": null, "has_more": false}})
    );
    let stranger = As::User(UserId::generate());
    let foreign = shop
        .send(&stranger, Method::GET, &format!("/carts?cursor={cursor}"), None)
        .await;
    assert_eq!(foreign.refusal(), (400, "invalid_query", "cursor", "invalid_cursor"));
    shop.send(&user, Method::DELETE, &path(&carts[2]), None).await;
    assert_eq!(
        shop.send(&user, Method::GET, "/carts/current", None).await.body,
        carts[1]
    );
    assert_eq!(shop.send(&As::Stranger, Method::GET, "/carts", None).await.status, 401);
}

#[actix_web::test]
async fn a_cart_that_nobody_changes_expires_and_is_marked_and_removed() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1000, 50);
    let (cart, guest) = shop.guest_cart(&[(shirt, 1)]).await;
    shop.clock.advance(chrono::Duration::days(29));
    let touched = shop
        .send(&guest, Method::POST, &items_path(&cart), Some(line(shirt, 1)))
        .await;
    assert_eq!(touched.status, 201);
    shop.clock.advance(chrono::Duration::days(29));
    assert_eq!(shop.read(&guest, &cart).await["status"], "open");
    shop.clock.advance(chrono::Duration::days(2));
    let expired = shop.read(&guest, &cart).await;
    assert_eq!(
        (&expired["status"], &expired["version"]),
        (&json!("expired"), &json!(2))
    );
    let late = shop
        .send(&guest, Method::POST, &items_path(&cart), Some(line(shirt, 1)))
        .await;
    assert_eq!(late.refusal().1, "cart_closed");
    run_jobs_until(&shop, async || shop.read(&guest, &cart).await["version"] == 3).await;
    shop.clock.advance(chrono::Duration::days(31));
    run_jobs_until(&shop, async || {
        shop.send(&guest, Method::GET, &path(&cart), None).await.status == 404
    })
    .await;
}

/// Starts the jobs and stops them once `done`.
pub(crate) async fn run_jobs_until(shop: &Shop, done: impl AsyncFn() -> bool) {
    let (stop, stopped) = watch::channel(false);
    let jobs: Vec<_> = shop
        .module
        .jobs()
        .into_iter()
        .map(|job| job.spawn(stopped.clone()))
        .collect();
    while !done().await {
        tokio::task::yield_now().await;
    }
    stop.send_replace(true);
    join_all(jobs).await;
}

#[actix_web::test]
async fn the_lines_of_a_cart_are_told_in_its_language() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1999, 5);
    let create = async |body: Value| shop.send(&As::Stranger, Method::POST, "/carts", Some(body)).await;
    let items = json!([line(shirt, 1)]);
    let plain = create(json!({"items": items})).await.body;
    assert_eq!(plain["locale"], "en");
    let title = plain["items"][0]["title"].as_str().unwrap().to_owned();
    let german = create(json!({"locale": "de", "items": items})).await;
    assert_eq!((german.status.as_u16(), &german.body["locale"]), (201, &json!("de")));
    assert_eq!(german.body["items"][0]["title"], format!("{title} (de)"));
    // It stays in it, whoever reads it and whatever is added.
    let guest = As::Guest(german.body["secret"].as_str().unwrap().to_owned());
    let hat = shop.catalogue.sell(500, 5);
    let added = shop
        .send(&guest, Method::POST, &items_path(&german.body), Some(line(hat, 1)))
        .await;
    assert!(
        added.body["items"][1]["title"].as_str().unwrap().ends_with("(de)"),
        "{}",
        added.body
    );
    let read = shop.send(&guest, Method::GET, &path(&german.body), None).await;
    assert_eq!(
        (&read.body["locale"], &read.body["items"][0]["title"]),
        (&json!("de"), &json!(format!("{title} (de)")))
    );
    for (locale, code) in [
        ("fr", "unknown_locale"),
        ("de_DE", "invalid_locale"),
        ("", "invalid_locale"),
    ] {
        let refused = create(json!({"locale": locale, "items": items})).await;
        let error = &refused.body["errors"][0];
        assert_eq!(
            (refused.status.as_u16(), &error["pointer"], &error["code"]),
            (422, &json!("/locale"), &json!(code)),
            "{}",
            refused.body
        );
    }
}
