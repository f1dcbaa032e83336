//! Collections: chosen by hand, and what everybody sees of them.

use actix_web::http::Method;
use database::outbox::OutboxFeed;
use kernel::event::{Feed, Position};
use serde_json::{Value, json};

use crate::support::{Shop, path, product};

fn at(collection: &Value) -> String {
    format!("/admin/collections/{}", collection["id"].as_str().unwrap())
}

async fn things(shop: &Shop, count: usize) -> Vec<Value> {
    let mut made = Vec::new();
    for number in 0..count {
        made.push(shop.create(product(&format!("Thing {number}"), 900, 1)).await);
    }
    made
}

fn titles(page: &Value) -> Vec<&str> {
    let rows = page["data"].as_array().unwrap().iter();
    rows.map(|row| row["title"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn products_chosen_by_hand_stand_in_the_order_in_which_they_were_chosen() {
    let shop = Shop::open().await;
    let made = things(&shop, 5).await;
    let summer = shop.collection(json!({"title": "Summer sale"})).await;
    assert_eq!(
        (&summer["handle"], &summer["product_ids"]),
        (&json!("summer-sale"), &json!([]))
    );
    let chosen = format!("{}/products", at(&summer));
    let choose = async |version: i64, order: &[usize]| {
        let ids: Vec<&Value> = order.iter().map(|index| &made[*index]["id"]).collect();
        shop.edit(Method::PUT, &chosen, version, json!({"product_ids": ids}))
            .await
    };
    let first = choose(1, &[3, 0, 4, 1]).await;
    assert_eq!(
        (first.status.as_u16(), first.header("etag")),
        (200, "\"2\""),
        "{}",
        first.body
    );
    let shown = shop.get("/collections/summer-sale/products").await.body;
    assert_eq!(titles(&shown), ["Thing 3", "Thing 0", "Thing 4", "Thing 1"]);
    assert_eq!(choose(2, &[1, 2, 0]).await.body["product_count"], 3);
    let shown = shop.get("/collections/summer-sale/products?limit=2").await.body;
    assert_eq!(titles(&shown), ["Thing 1", "Thing 2"]);
    let next = shown["page"]["next_cursor"].as_str().unwrap();
    let rest = shop
        .get(&format!("/collections/summer-sale/products?limit=2&cursor={next}"))
        .await
        .body;
    assert_eq!(
        (titles(&rest), &rest["page"]["has_more"]),
        (vec!["Thing 0"], &json!(false))
    );
    // The usual list filters and sorts them as it does all products.
    assert_eq!(
        shop.titles("collection=summer-sale&sort=-title").await,
        ["Thing 2", "Thing 1", "Thing 0"]
    );
    let by_id = format!("collection={}&q=thing+2", summer["id"].as_str().unwrap());
    assert_eq!(shop.titles(&by_id).await, ["Thing 2"]);
    assert!(shop.titles("collection=nothing").await.is_empty());

    // Drafts and deleted products are not shown; a draft keeps its place.
    shop.edit(Method::PATCH, &path(&made[1]), 1, json!({"status": "draft"}))
        .await;
    shop.edit(Method::DELETE, &path(&made[2]), 1, Value::Null).await;
    let shown = shop.get("/collections/summer-sale/products").await.body;
    assert_eq!(titles(&shown), ["Thing 0"]);
    let seen = shop.admin(Method::GET, &at(&summer), Value::Null).await.body;
    assert_eq!(seen["product_ids"], json!([made[1]["id"], made[0]["id"]]));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_choice_that_cannot_be_is_refused_and_changes_nothing() {
    let shop = Shop::open().await;
    let made = things(&shop, 2).await;
    let deleted = shop.create(product("Gone", 900, 1)).await;
    shop.edit(Method::DELETE, &path(&deleted), 1, Value::Null).await;
    let summer = shop.collection(json!({"title": "Summer"})).await;
    let chosen = format!("{}/products", at(&summer));
    let (first, second) = (&made[0]["id"], &made[1]["id"]);
    shop.edit(Method::PUT, &chosen, 1, json!({"product_ids": [first]}))
        .await;
    let many: Vec<&Value> = std::iter::repeat_n(first, 1001).collect();
    for (ids, pointer, code) in [
        (json!([second, first, second]), "/product_ids/2", "duplicate"),
        (json!([second, deleted["id"]]), "/product_ids/1", "not_found"),
        (json!(many), "/product_ids", "too_many"),
        (json!(["product_1"]), "/product_ids/0", "invalid"),
    ] {
        let refused = shop.edit(Method::PUT, &chosen, 2, json!({"product_ids": ids})).await;
        assert_eq!(refused.refusal(), (422, pointer, code));
    }
    let ruled = shop
        .collection(json!({"title": "Cheap", "rule": {"match": "all", "conditions": [{"price": {"max": 5}}]}}))
        .await;
    let refused = shop
        .edit(
            Method::PUT,
            &format!("{}/products", at(&ruled)),
            1,
            json!({"product_ids": [first]}),
        )
        .await;
    assert_eq!(refused.refusal(), (422, "/product_ids", "not_allowed"));
    let refused = shop
        .edit(
            Method::PATCH,
            &at(&summer),
            2,
            json!({"rule": {"match": "any", "conditions": [{"tag": ["a"]}]}}),
        )
        .await;
    assert_eq!(refused.refusal(), (422, "/rule", "not_allowed"));
    assert_eq!(
        shop.admin(Method::PUT, &chosen, json!({"product_ids": []}))
            .await
            .status,
        428
    );
    let seen = shop.admin(Method::GET, &at(&summer), Value::Null).await;
    assert_eq!(
        (seen.header("etag"), &seen.body["product_ids"]),
        ("\"2\"", &json!([first]))
    );
}

#[actix_web::test]
async fn visitors_see_published_collections_only() {
    let shop = Shop::open().await;
    let made = things(&shop, 1).await;
    let open = shop
        .collection(json!({"title": "Open", "description": "For all", "seo": {"title": "O"}}))
        .await;
    let hidden = shop.collection(json!({"title": "Hidden", "published": false})).await;
    let chosen = format!("{}/products", at(&hidden));
    shop.edit(Method::PUT, &chosen, 1, json!({"product_ids": [made[0]["id"]]}))
        .await;
    let list = shop.get("/collections").await;
    assert_eq!(titles(&list.body), ["Open"]);
    assert!(list.header("cache-control").starts_with("public, max-age=60"));
    let again = shop.get_again("/collections", list.header("etag")).await;
    assert_eq!(again.status, 304);
    let shown = shop.get("/collections/open").await.body;
    let expected = json!({"id": open["id"], "handle": "open", "title": "Open", "description": "For all",
        "seo": {"title": "O", "description": null}, "created_at": open["created_at"], "updated_at": open["updated_at"]});
    assert_eq!(shown, expected);
    let id = hidden["id"].as_str().unwrap();
    for hidden in [
        "/collections/hidden",
        "/collections/hidden/products",
        &format!("/collections/{id}"),
    ] {
        assert_eq!(shop.get(hidden).await.status, 404, "{hidden}");
    }
    assert!(shop.titles("collection=hidden").await.is_empty());
    assert!(shop.titles(&format!("collection={id}")).await.is_empty());
    let staff = shop
        .admin(Method::GET, "/admin/products?collection=hidden", Value::Null)
        .await
        .body;
    assert_eq!(titles(&staff), ["Thing 0"]);
    let all = shop.admin(Method::GET, "/admin/collections", Value::Null).await.body;
    assert_eq!(titles(&all), ["Open", "Hidden"]);
    let published = shop
        .edit(Method::PATCH, &at(&hidden), 2, json!({"published": true}))
        .await;
    assert_eq!(published.status, 200);
    assert_eq!(
        titles(&shop.get("/collections/hidden/products").await.body),
        ["Thing 0"]
    );
    for (method, path) in [
        (Method::GET, "/admin/collections"),
        (Method::POST, "/admin/collections"),
    ] {
        assert_eq!(shop.customer(method, path).await.status, 403);
    }
}

#[actix_web::test]
async fn every_change_of_a_collection_is_published_and_needs_its_version() {
    let shop = Shop::open().await;
    let key = [("Idempotency-Key", "abc")];
    let body = json!({"title": "Summer"});
    let made = shop
        .admin_with(Method::POST, "/admin/collections", body.clone(), &key)
        .await;
    let again = shop.admin_with(Method::POST, "/admin/collections", body, &key).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &made.body));
    let summer = made.body;
    shop.collection(json!({"title": "Winter"})).await;
    let taken = shop
        .edit(Method::PATCH, &at(&summer), 1, json!({"handle": "winter"}))
        .await;
    assert_eq!(taken.body["code"], "already_taken");
    shop.edit(Method::PATCH, &at(&summer), 1, json!({"title": "Spring"}))
        .await;
    assert_eq!(
        shop.edit(Method::PATCH, &at(&summer), 1, json!({"title": "Autumn"}))
            .await
            .status,
        412
    );
    let products = format!("{}/products", at(&summer));
    shop.edit(Method::PUT, &products, 2, json!({"product_ids": []})).await;
    assert_eq!(
        shop.edit(Method::DELETE, &at(&summer), 2, Value::Null).await.status,
        412
    );
    assert_eq!(
        shop.edit(Method::DELETE, &at(&summer), 3, Value::Null).await.status,
        204
    );
    assert_eq!(shop.admin(Method::GET, &at(&summer), Value::Null).await.status, 404);
    let feed = OutboxFeed::new(shop.database.clone(), "products");
    let events = loop {
        let events = feed.read(Position::default(), 10).await.unwrap();
        if events.len() >= 5 {
            break events;
        }
        actix_web::rt::task::yield_now().await;
    };
    let id = summer["id"].as_str().unwrap();
    assert!(events.iter().all(|(_, event)| event.r#type == "collection.changed"));
    assert_eq!(events.iter().filter(|(_, event)| event.subject == id).count(), 4);
}
