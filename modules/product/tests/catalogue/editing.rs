//! What staff do to products and categories.

use actix_web::http::Method;
use database::outbox::OutboxFeed;
use kernel::event::{Event, Feed, Position};
use serde_json::{Value, json};

use crate::support::{Shop, path, product, sizes, usd};

#[actix_web::test]
async fn administration_is_for_staff() {
    let shop = Shop::open().await;
    for (method, path) in [
        (Method::GET, "/admin/products"),
        (Method::POST, "/admin/products"),
        (Method::GET, "/admin/categories"),
        (Method::POST, "/admin/stock/adjustments"),
        (Method::POST, "/admin/imports"),
        (Method::DELETE, "/admin/variants/variant_01h2xcejqtf2nbrexx3vqjhp41"),
    ] {
        assert_eq!(shop.customer(method, path).await.status, 403, "{path}");
    }
    assert_eq!(shop.get("/admin/products").await.status, 401);
}

#[actix_web::test]
async fn options_are_put_in_another_order_and_variants_keep_their_values() {
    let shop = Shop::open().await;
    let option = |name: &str| json!({"name": name, "values": ["Red", "Blue"]});
    let variant =
        |front: &str, back: &str| json!({"options": {"Front": front, "Back": back}, "price": usd(900), "stock": 1});
    let variants = json!([variant("Red", "Blue"), variant("Blue", "Red"), variant("Red", "Red")]);
    let cap = json!({"title": "Cap", "options": [option("Front"), option("Back")], "variants": variants});
    let made = shop.create(cap).await;
    let turned = json!({"options": [option("Back"), option("Front")]});
    let edited = shop.edit(Method::PATCH, &path(&made), 1, turned).await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    for (before, after) in [0, 1, 2].map(|index| (&made["variants"][index], &edited.body["variants"][index])) {
        assert_eq!((&before["id"], &before["options"]), (&after["id"], &after["options"]));
    }
    assert_eq!(edited.body["variants"][0]["title"], "Blue / Red");
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_price_in_the_patch_of_a_variant_is_a_patch_itself() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 900, 3)).await;
    let variant = format!("/admin/variants/{}", made["variants"][0]["id"].as_str().unwrap());
    let patch = async |body: Value| {
        shop.admin_with(Method::PATCH, &variant, body, &[("If-Match", "*")])
            .await
    };

    // What is not there yet has to be said in full.
    let refused = patch(json!({"compare_at_price": {"amount": 1200}})).await;
    assert_eq!(refused.refusal(), (422, "/compare_at_price/currency", "required"));
    let cheaper = patch(json!({"price": {"amount": 800}, "compare_at_price": usd(900)})).await;
    assert_eq!(cheaper.status, 200, "{}", cheaper.body);
    assert_eq!(cheaper.body["price"], usd(800));
    let dearer = patch(json!({"compare_at_price": {"amount": 1000}, "price": {"currency": "USD"}})).await;
    assert_eq!(
        (&dearer.body["price"], &dearer.body["compare_at_price"]),
        (&usd(800), &usd(1000))
    );
    let plain = patch(json!({"compare_at_price": null, "price": {}})).await;
    assert_eq!(
        (&plain.body["price"], &plain.body["compare_at_price"]),
        (&usd(800), &Value::Null)
    );

    for (body, pointer, code) in [
        (
            json!({"price": {"currency": "EUR"}}),
            "/price/currency",
            "unsupported_currency",
        ),
        (json!({"price": {"amount": null}}), "/price/amount", "invalid_type"),
        (
            json!({"price": {"amount": 1, "value": 1}}),
            "/price/value",
            "unknown_field",
        ),
        (json!({"price": null}), "/price", "invalid_type"),
    ] {
        assert_eq!(patch(body).await.refusal(), (422, pointer, code));
    }
}

#[actix_web::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let shop = Shop::open().await;
    let base = || sizes("Shirt", &[("S", 900, 3), ("M", 900, 3)]);
    let cases: [(&str, Value, &str, &str); 16] = [
        ("/title", json!("a\u{0}"), "/title", "invalid_character"),
        ("/title", Value::Null, "/title", "invalid_type"),
        ("/tags", json!(["a\u{0}"]), "/tags/0", "invalid_character"),
        ("/tags", json!(["a", "a"]), "/tags/1", "duplicate"),
        (
            "/attributes",
            json!({"a": "b\u{0}"}),
            "/attributes/a",
            "invalid_character",
        ),
        ("/attributes", json!({"a": [1]}), "/attributes/a", "invalid_type"),
        ("/handle", json!("No Handle"), "/handle", "invalid_handle"),
        ("/handle", json!("suggest"), "/handle", "reserved_handle"),
        ("/role", json!("admin"), "/role", "unknown_field"),
        ("/category_id", json!("nothing"), "/category_id", "not_found"),
        (
            "/images",
            json!([{"url": "file:///etc/passwd"}]),
            "/images/0/url",
            "invalid_url",
        ),
        (
            "/variants/0/price/amount",
            json!(-1),
            "/variants/0/price/amount",
            "out_of_range",
        ),
        (
            "/variants/0/price/amount",
            json!(1.5),
            "/variants/0/price/amount",
            "invalid_type",
        ),
        (
            "/variants/0/price/currency",
            json!("EUR"),
            "/variants/0/price/currency",
            "unsupported_currency",
        ),
        (
            "/variants/1/stock",
            json!(i64::MAX),
            "/variants/1/stock",
            "out_of_range",
        ),
        (
            "/variants/1/options/Size",
            json!("S"),
            "/variants/1/options",
            "duplicate_variant",
        ),
    ];
    for (field, value, pointer, code) in cases {
        let mut body = base();
        match body.pointer_mut(field) {
            Some(found) => *found = value,
            None => body[&field[1..]] = value,
        }
        let refused = shop.admin(Method::POST, "/admin/products", body).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{field}: {}", refused.body);
    }
    let twice = Value::String(r#"{"title":"A","attributes":{"x":1,"x":2}}"#.into());
    let json = [("Content-Type", "application/json")];
    let refused = shop.admin_with(Method::POST, "/admin/products", twice, &json).await;
    assert_eq!((refused.refusal().0, refused.refusal().2), (422, "duplicate_field"));
    let all = shop.admin(Method::GET, "/admin/products", Value::Null).await;
    assert_eq!(all.body["total"]["value"], 0);
}

#[actix_web::test]
async fn an_edit_names_the_version_it_is_based_on() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 900, 5)).await;
    let patch = || json!({"title": "Cup", "attributes": {"volume": 250}});
    assert_eq!(shop.admin(Method::PATCH, &path(&made), patch()).await.status, 428);
    let edited = shop.edit(Method::PATCH, &path(&made), 1, patch()).await;
    assert_eq!((edited.status.as_u16(), edited.header("etag")), (200, "\"2\""));
    assert_eq!(
        (&edited.body["title"], &edited.body["handle"]),
        (&json!("Cup"), &json!("mug"))
    );
    let late = shop.edit(Method::PATCH, &path(&made), 1, json!({"title": "Jug"})).await;
    assert_eq!((late.status.as_u16(), &late.body["version"]), (412, &json!(2)));
    assert_eq!(
        shop.edit(Method::DELETE, &path(&made), 1, Value::Null).await.status,
        412
    );
    assert_eq!(shop.admin(Method::DELETE, &path(&made), Value::Null).await.status, 204);
    assert_eq!(shop.admin(Method::GET, &path(&made), Value::Null).await.status, 404);
    // Its handle is free again.
    assert_eq!(shop.create(product("Mug", 900, 5)).await["handle"], "mug");
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_variant_is_edited_as_a_part_of_its_product() {
    let shop = Shop::open().await;
    let made = shop.create(sizes("Shirt", &[("S", 900, 3)])).await;
    let variants = format!("{}/variants", path(&made));
    let large = json!({"options": {"Size": "L"}, "price": usd(1200), "sku": "Shirt-L", "stock": 2});
    let refused = shop.admin(Method::POST, &variants, large.clone()).await;
    assert_eq!(refused.refusal(), (422, "/options", "unknown_value"));
    let options = json!({"options": [{"name": "Size", "values": ["S", "L"]}]});
    assert_eq!(shop.edit(Method::PATCH, &path(&made), 1, options).await.status, 200);
    let late = shop.edit(Method::POST, &variants, 1, large.clone()).await;
    assert_eq!((late.status.as_u16(), &late.body["version"]), (412, &json!(2)));
    let added = shop.edit(Method::POST, &variants, 2, large.clone()).await;
    assert_eq!((added.status.as_u16(), added.header("etag")), (201, "\"3\""));
    assert_eq!(
        shop.admin(Method::POST, &variants, large).await.refusal(),
        (422, "/options", "duplicate_variant")
    );
    let variant = format!("/admin/variants/{}", added.body["id"].as_str().unwrap());
    assert_eq!(
        shop.edit(Method::PATCH, &variant, 3, json!({"stock": 9}))
            .await
            .refusal(),
        (422, "/stock", "unknown_field")
    );
    let edited = shop
        .edit(Method::PATCH, &variant, 3, json!({"price": usd(1500), "sku": null}))
        .await;
    assert_eq!((edited.status.as_u16(), &edited.body["available"]), (200, &json!(2)));
    assert_eq!(shop.get("/products/shirt").await.body["price_range"]["max"], usd(1500));
    assert_eq!(shop.edit(Method::DELETE, &variant, 4, Value::Null).await.status, 204);
    assert_eq!(shop.get("/products/shirt").await.body["price_range"]["max"], usd(900));
    let other = shop.create(sizes("Blouse", &[("S", 900, 3)])).await;
    let taken = format!("/admin/variants/{}", other["variants"][0]["id"].as_str().unwrap());
    assert_eq!(
        shop.edit(Method::PATCH, &taken, 1, json!({"sku": "Shirt-S"}))
            .await
            .body["code"],
        "already_taken"
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_repeated_request_creates_once() {
    let shop = Shop::open().await;
    let key = [("Idempotency-Key", "abc")];
    let first = shop
        .admin_with(Method::POST, "/admin/products", product("Mug", 900, 5), &key)
        .await;
    let again = shop
        .admin_with(Method::POST, "/admin/products", product("Mug", 900, 5), &key)
        .await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (201, 201));
    assert_eq!(
        (again.header("idempotent-replayed"), &again.body),
        ("true", &first.body)
    );
    let other = shop
        .admin_with(Method::POST, "/admin/products", product("Cup", 900, 5), &key)
        .await;
    assert_eq!(
        (other.status.as_u16(), &other.body["code"]),
        (422, &json!("idempotency_key_reused"))
    );
}

#[actix_web::test]
async fn a_category_moves_with_everything_below_it() {
    let shop = Shop::open().await;
    let home = shop.category("Home", None).await;
    let lamps = shop.category("Lamps", Some(&home)).await;
    let desk = shop.category("Desk lamps", Some(&lamps)).await;
    let mut lamp = product("Lamp", 900, 1);
    lamp["category_id"] = desk["id"].clone();
    let lamp = shop.create(lamp).await;
    let at = |category: &Value| format!("/admin/categories/{}", category["id"].as_str().unwrap());
    let circle = shop
        .edit(Method::PATCH, &at(&home), 1, json!({"parent_id": desk["id"]}))
        .await;
    assert_eq!(circle.refusal(), (422, "/parent_id", "circle"));
    let moved = shop
        .edit(
            Method::PATCH,
            &at(&lamps),
            1,
            json!({"parent_id": null, "name": "Lights"}),
        )
        .await;
    assert_eq!((moved.status.as_u16(), &moved.body["path"]), (200, &json!(["Lights"])));
    let shown = shop.get("/products/lamp").await.body;
    assert_eq!(shown["category"]["path"], json!(["Lights", "Desk lamps"]));
    assert!(shop.titles("category=home").await.is_empty());
    assert_eq!(shop.titles("category=lamps").await, ["Lamp"]);
    assert_eq!(shop.titles("q=lights").await, ["Lamp"]);
    // The product shows another path, but nobody has edited it.
    let product = shop.admin(Method::GET, &path(&lamp), Value::Null).await;
    assert_eq!(product.header("etag"), "\"1\"");
    assert_eq!(
        shop.edit(Method::DELETE, &at(&desk), 1, Value::Null).await.body["code"],
        "in_use"
    );
    assert_eq!(
        shop.edit(Method::DELETE, &path(&lamp), 1, Value::Null).await.status,
        204
    );
    assert_eq!(shop.edit(Method::DELETE, &at(&desk), 1, Value::Null).await.status, 204);
    let tree = shop.get("/categories").await.body;
    let names: Vec<&str> = tree["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Home", "Lights"]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn every_change_is_published() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 900, 5)).await;
    shop.edit(Method::PATCH, &path(&made), 1, json!({"title": "Cup"})).await;
    shop.edit(Method::DELETE, &path(&made), 2, Value::Null).await;
    let events = published(&shop, 3).await;
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|(_, event)| (event.r#type.as_str(), event.subject.as_str()))
        .collect();
    assert_eq!(told, [("product.changed", made["id"].as_str().unwrap()); 3]);
}

#[actix_web::test]
async fn every_change_of_a_category_is_published() {
    let shop = Shop::open().await;
    let made = shop
        .admin(Method::POST, "/admin/categories", json!({"name": "Cups"}))
        .await;
    let id = made.body["id"].as_str().unwrap().to_owned();
    let path = format!("/admin/categories/{id}");
    shop.edit(Method::PATCH, &path, 1, json!({"position": 3})).await;
    shop.edit(Method::DELETE, &path, 2, Value::Null).await;
    let events = published(&shop, 3).await;
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|(_, event)| (event.r#type.as_str(), event.subject.as_str()))
        .collect();
    assert_eq!(told, [("category.changed", id.as_str()); 3]);
}

/// The first events of the catalogue, at least `count`.
async fn published(shop: &Shop, count: usize) -> Vec<(Position, Event)> {
    let feed = OutboxFeed::new(shop.database.clone(), "products");
    loop {
        let events = feed.read(Position::default(), 10).await.unwrap();
        if events.len() >= count {
            return events;
        }
        // Readers see nothing newer than the oldest transaction that runs anywhere on the server: other tests have some.
        actix_web::rt::task::yield_now().await;
    }
}
