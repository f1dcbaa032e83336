//! Products that come and go at their times.

use actix_web::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use database::Failure;
use database::outbox::OutboxFeed;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use kernel::Fault;
use kernel::event::{Feed, Position};
use serde_json::{Value, json};

use crate::support::{Shop, eventually, path, product};

fn text(time: DateTime<Utc>) -> Value {
    json!(time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

#[actix_web::test]
async fn a_draft_is_published_and_archived_at_its_times() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    let mut poster = product("Poster", 900, 5);
    poster["status"] = json!("draft");
    poster["publish_at"] = text(now + TimeDelta::hours(1));
    poster["unpublish_at"] = text(now + TimeDelta::hours(2));
    let made = shop.create(poster).await;
    shop.run_jobs().await;
    assert_eq!(shop.get("/products/poster").await.status, 404);

    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    let shown = shop.get("/products/poster").await;
    assert_eq!((shown.status.as_u16(), &shown.body["status"]), (200, &json!("active")));
    assert!(shown.body.get("publish_at").is_none());
    let seen = shop.admin(Method::GET, &path(&made), Value::Null).await;
    assert_eq!((seen.header("etag"), &seen.body["publish_at"]), ("\"2\"", &Value::Null));

    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    assert_eq!(shop.get("/products/poster").await.status, 404);
    let seen = shop.admin(Method::GET, &path(&made), Value::Null).await;
    assert_eq!(
        (seen.header("etag"), &seen.body["status"]),
        ("\"3\"", &json!("archived"))
    );
    // It was acted on: a product that is made a draft again stays one.
    shop.edit(Method::PATCH, &path(&made), 3, json!({"status": "draft"}))
        .await;
    shop.run_jobs().await;
    assert_eq!(shop.get("/products/poster").await.status, 404);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn replicas_publish_each_product_once() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    let mut made = Vec::new();
    for number in 0..20 {
        let mut thing = product(&format!("Thing {number}"), 900, 5);
        thing["status"] = json!("draft");
        thing["publish_at"] = text(now + TimeDelta::hours(1));
        made.push(shop.create(thing).await);
    }
    shop.context.clock.advance(TimeDelta::hours(1));
    let replicas: Vec<product::Module> = (0..4)
        .map(|_| product::Module::new(&shop.context, shop.database.clone()))
        .collect();
    join_all(replicas.iter().map(Shop::run_jobs_of)).await;
    for product in &made {
        let seen = shop.admin(Method::GET, &path(product), Value::Null).await;
        assert_eq!((seen.header("etag"), &seen.body["status"]), ("\"2\"", &json!("active")));
    }
    let feed = OutboxFeed::new(shop.database.clone(), "products");
    let told = loop {
        let told = feed.read(Position::default(), 100).await.unwrap().len();
        if told >= 40 {
            break told;
        }
        actix_web::rt::task::yield_now().await;
    };
    assert_eq!(told, 40);
}

#[actix_web::test]
async fn a_product_that_cannot_be_read_keeps_no_other_from_being_published() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    for title in ["Broken", "Poster"] {
        let mut thing = product(title, 900, 5);
        thing["status"] = json!("draft");
        thing["publish_at"] = text(now + TimeDelta::hours(1));
        shop.create(thing).await;
    }
    let broken = "UPDATE products.products SET options = '[7]' WHERE handle = 'broken'";
    let work = move |connection: &mut PgConnection| Ok::<_, Failure<Fault>>(connection.batch_execute(broken)?);
    shop.database.run(work).await.unwrap();
    shop.context.clock.advance(TimeDelta::hours(1));
    let work = shop.work();
    eventually(async || shop.get("/products/poster").await.status == 200).await;
    work.stop().await;
    assert_eq!(shop.get("/products/broken").await.status, 404);
}

#[actix_web::test]
async fn a_product_ends_after_it_begins() {
    let shop = Shop::open().await;
    let mut poster = product("Poster", 900, 5);
    poster["publish_at"] = json!("2030-01-01T00:00:00Z");
    poster["unpublish_at"] = json!("2030-01-01T00:00:00Z");
    let refused = shop.admin(Method::POST, "/admin/products", poster).await;
    assert_eq!(refused.refusal(), (422, "/unpublish_at", "out_of_range"));
    // A leap second is the first of the next minute.
    let mut poster = product("Poster", 900, 5);
    poster["publish_at"] = json!("2026-12-31T23:59:60Z");
    let made = shop.create(poster.clone()).await;
    assert_eq!(made["publish_at"], "2027-01-01T00:00:00Z");
    let again = json!({"unpublish_at": "2027-01-01T00:00:00Z"});
    let refused = shop.edit(Method::PATCH, &path(&made), 1, again).await;
    assert_eq!(refused.refusal(), (422, "/unpublish_at", "out_of_range"));
    poster["unpublish_at"] = json!("2027-01-01T00:00:00Z");
    let refused = shop.admin(Method::POST, "/admin/products", poster).await;
    assert_eq!(refused.refusal(), (422, "/unpublish_at", "out_of_range"));
    let mut poster = product("Poster", 900, 5);
    poster["publish_at"] = json!("tomorrow");
    let refused = shop.admin(Method::POST, "/admin/products", poster).await;
    assert_eq!((refused.refusal().0, refused.refusal().1), (422, "/publish_at"));
}

#[actix_web::test]
async fn what_search_engines_read_is_edited_field_by_field() {
    let shop = Shop::open().await;
    let mut mug = product("Mug", 900, 5);
    mug["seo"] = json!({"title": "Best mug", "description": "It holds coffee."});
    let made = shop.create(mug).await;
    assert_eq!(
        shop.get("/products/mug").await.body["seo"],
        json!({"title": "Best mug", "description": "It holds coffee."})
    );
    let patched = shop
        .edit(Method::PATCH, &path(&made), 1, json!({"seo": {"description": null}}))
        .await;
    assert_eq!(patched.body["seo"], json!({"title": "Best mug", "description": null}));
    let cleared = shop.edit(Method::PATCH, &path(&made), 2, json!({"seo": null})).await;
    assert_eq!(cleared.body["seo"], json!({"title": null, "description": null}));
    let refused = shop
        .edit(
            Method::PATCH,
            &path(&made),
            3,
            json!({"seo": {"title": "x".repeat(201)}}),
        )
        .await;
    assert_eq!(refused.refusal(), (422, "/seo/title", "too_long"));
}
