//! Locations: what they are called, what lies there, and what is sold from where.

use actix_web::http::Method;
use database::Failure;
use diesel::connection::SimpleConnection;
use kernel::Fault;
use kernel::id::{LocationId, ReservationId, VariantId};
use kernel::module::Module as _;
use product_api::{Demand, ProductError};
use serde_json::{Value, json};

use crate::support::{Response, Shop, eventually, product, variant_id};

async fn stock(shop: &Shop, variant: VariantId) -> Value {
    let path = format!("/admin/stock/{variant}");
    shop.admin(Method::GET, &path, Value::Null).await.body
}

async fn edit(shop: &Shop, location: &Value, body: Value) -> Response {
    let path = format!("/admin/locations/{}", location["id"].as_str().unwrap());
    shop.edit(Method::PATCH, &path, location["version"].as_i64().unwrap(), body)
        .await
}

#[actix_web::test]
async fn a_shop_begins_with_one_location_and_can_have_others() {
    let shop = Shop::open().await;
    let list = shop.admin(Method::GET, "/admin/locations", Value::Null).await.body;
    let default = &list["data"][0];
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
    assert_eq!(default["is_default"], true);
    let made = shop
        .admin(
            Method::POST,
            "/admin/locations",
            json!({"name": "Köln store", "priority": -1}),
        )
        .await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["handle"], "koln-store");
    assert_eq!(
        (&made.body["active"], &made.body["fulfils_online"]),
        (&json!(true), &json!(true))
    );
    let path = format!("/api/v1/admin/locations/{}", made.body["id"].as_str().unwrap());
    assert_eq!((made.header("etag"), made.header("location")), ("\"1\"", path.as_str()));
    let list = shop.admin(Method::GET, "/admin/locations", Value::Null).await.body;
    assert_eq!(list["data"][0]["name"], "Köln store", "the preferred one comes first");
    let twin = json!({"name": "Another", "handle": "koln-store"});
    let twin = shop.admin(Method::POST, "/admin/locations", twin).await;
    assert_eq!(
        (twin.status.as_u16(), &twin.body["code"]),
        (409, &json!("already_taken"))
    );
    for (body, refusal) in [
        (json!({}), (422, "/name", "required")),
        (json!({"name": ""}), (422, "/name", "too_short")),
        (
            json!({"name": "A", "handle": "A B"}),
            (422, "/handle", "invalid_handle"),
        ),
        (json!({"name": "A", "stock": 1}), (422, "/stock", "unknown_field")),
        (
            json!({"name": "A", "priority": 1.5}),
            (422, "/priority", "invalid_type"),
        ),
    ] {
        let refused = shop.admin(Method::POST, "/admin/locations", body).await;
        assert_eq!(refused.refusal(), refusal, "{}", refused.body);
    }
}

#[actix_web::test]
async fn a_location_is_edited_at_the_version_that_was_seen() {
    let shop = Shop::open().await;
    let store = shop.location("Store", 1).await;
    let path = format!("/admin/locations/{}", store["id"].as_str().unwrap());
    let unseen = shop.admin(Method::PATCH, &path, json!({"name": "Shop"})).await;
    assert_eq!(unseen.status, 428);
    let edited = edit(&shop, &store, json!({"name": "Shop", "priority": 7})).await;
    assert_eq!((edited.status.as_u16(), edited.header("etag")), (200, "\"2\""));
    assert_eq!(
        (&edited.body["name"], &edited.body["priority"]),
        (&json!("Shop"), &json!(7))
    );
    assert_eq!(edit(&shop, &store, json!({"name": "Late"})).await.status, 412);
    let read = shop.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(read.body, edited.body);
    let nothing = format!("/admin/locations/{}", LocationId::generate());
    assert_eq!(shop.admin(Method::GET, &nothing, Value::Null).await.status, 404);
}

#[actix_web::test]
async fn the_default_location_always_serves_orders_and_cannot_be_deleted() {
    let shop = Shop::open().await;
    let list = shop.admin(Method::GET, "/admin/locations", Value::Null).await.body;
    let default = &list["data"][0];
    let refused = edit(&shop, default, json!({"active": false})).await;
    assert_eq!(refused.refusal(), (422, "/active", "default_location"));
    let refused = edit(&shop, default, json!({"fulfils_online": false})).await;
    assert_eq!(refused.refusal(), (422, "/fulfils_online", "default_location"));
    let path = format!("/admin/locations/{}", default["id"].as_str().unwrap());
    let refused = shop.edit(Method::DELETE, &path, 1, Value::Null).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (409, &json!("in_use"))
    );
}

#[actix_web::test]
async fn a_location_with_stock_or_promises_cannot_be_deleted() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 0)).await, 0);
    let store = shop.location("Store", 1).await;
    shop.adjust(mug, Some(&store), 2).await;
    let path = format!("/admin/locations/{}", store["id"].as_str().unwrap());
    let delete = async || shop.edit(Method::DELETE, &path, 1, Value::Null).await;
    assert_eq!(delete().await.body["code"], "in_use");
    let order = ReservationId::generate();
    let demand = vec![Demand {
        variant: mug,
        quantity: 2,
    }];
    shop.api().reserve(order, demand).await.unwrap();
    assert_eq!(delete().await.body["code"], "in_use", "they are promised");
    shop.api().commit(order).await.unwrap();
    assert_eq!(delete().await.status, 204);
    assert_eq!(delete().await.status, 404);
    let late = json!({"variant_id": mug, "location_id": store["id"], "delta": 1, "reason": "found"});
    let late = shop.admin(Method::POST, "/admin/stock/adjustments", late).await;
    assert_eq!(late.refusal(), (422, "/location_id", "not_found"));
    // Its handle is free again, and what comes back is not lost: it is shown, and can be fetched.
    assert_eq!(shop.location("Store", 1).await["handle"], "store");
    shop.api().release(order).await.unwrap();
    let seen = stock(&shop, mug).await;
    assert_eq!((&seen["on_hand"], &seen["sellable"]), (&json!(0), &json!(0)));
    let default = shop.default_location().await;
    shop.transfer(&store, &default, &[(mug, 2)]).await;
    assert_eq!(stock(&shop, mug).await["sellable"], 2);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn only_active_locations_that_serve_orders_are_sold_from() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 900, 1)).await;
    let mug = variant_id(&made, 0);
    let (store, depot) = (shop.location("Store", 1).await, shop.location("Depot", 2).await);
    shop.adjust(mug, Some(&store), 4).await;
    shop.adjust(mug, Some(&depot), 8).await;
    let shown = async || {
        let id = made["id"].as_str().unwrap();
        let shown = shop.get(&format!("/products/{id}")).await.body["variants"][0]["available"].clone();
        let quotes = shop
            .api()
            .quote(vec![mug], "USD".parse().unwrap(), None, None)
            .await
            .unwrap();
        let level = stock(&shop, mug).await;
        assert_eq!((&shown, &level["sellable"]), (&json!(quotes[0].available), &shown));
        (quotes[0].available, level["on_hand"].as_i64().unwrap())
    };
    assert_eq!(shown().await, (13, 13));
    let depot = edit(&shop, &depot, json!({"fulfils_online": false})).await.body;
    assert_eq!(shown().await, (5, 13));
    edit(&shop, &depot, json!({"active": false})).await;
    assert_eq!(shown().await, (5, 5));
    let order = |quantity| vec![Demand { variant: mug, quantity }];
    let refused = shop.api().reserve(ReservationId::generate(), order(6)).await;
    let Err(ProductError::InsufficientStock(lines)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((lines[0].requested, lines[0].available), (6, 5));
    shop.api().reserve(ReservationId::generate(), order(5)).await.unwrap();
    assert_eq!(shown().await, (0, 5));
    // What a sale empties is gone at once from what can be bought, and within a second among what cannot.
    let list = shop.get("/products?in_stock=true").await.body;
    assert_eq!(list["data"], json!([]));
    eventually(async || shop.titles("in_stock=false").await == ["Mug"]).await;
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn stock_that_is_named_without_a_location_is_the_default_one_and_a_file_says_what_there_is_in_all() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 4)).await, 0);
    let store = shop.location("Store", 1).await;
    shop.adjust(mug, Some(&store), 6).await;
    shop.adjust(mug, None, 1).await;
    let at = |level: &Value| -> Vec<i64> {
        let rows = level["locations"].as_array().unwrap().iter();
        rows.map(|row| row["on_hand"].as_i64().unwrap()).collect()
    };
    assert_eq!(at(&stock(&shop, mug).await), [5, 6]);
    let file = |stock: i64| format!(r#"{{"handle":"mug","title":"Mug","price_minor":900,"stock":{stock}}}"#);
    let same = shop.import(&file(11), product::ImportFormat::Auto, false).await;
    assert_eq!((same.unchanged, at(&stock(&shop, mug).await)), (1, vec![5, 6]));
    shop.import(&file(14), product::ImportFormat::Auto, false).await;
    assert_eq!(at(&stock(&shop, mug).await), [8, 6]);
    let refused = shop.import(&file(3), product::ImportFormat::Auto, false).await;
    assert_eq!(refused.errors[0].code, "insufficient_stock");
    assert_eq!(
        at(&stock(&shop, mug).await),
        [8, 6],
        "what lies elsewhere is not the file's to take"
    );
    shop.import(&file(6), product::ImportFormat::Auto, false).await;
    assert_eq!(at(&stock(&shop, mug).await), [0, 6]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn an_order_is_served_from_one_location_where_one_can_and_else_from_the_fewest() {
    let shop = Shop::open().await;
    let made = shop
        .create(crate::support::sizes("Shirt", &[("S", 900, 5), ("M", 900, 0)]))
        .await;
    let (small, medium) = (variant_id(&made, 0), variant_id(&made, 1));
    let store = shop.location("Store", 1).await;
    for variant in [small, medium] {
        shop.adjust(variant, Some(&store), 3).await;
    }
    let reserved = async || {
        let mut all = Vec::new();
        for variant in [small, medium] {
            let level = stock(&shop, variant).await;
            let rows = level["locations"].as_array().unwrap().clone();
            all.push(
                rows.iter()
                    .map(|row| row["reserved"].as_i64().unwrap())
                    .collect::<Vec<_>>(),
            );
        }
        all
    };
    let order = |lines: &[(VariantId, i64)]| {
        let demand = |(variant, quantity): &(VariantId, i64)| Demand {
            variant: *variant,
            quantity: *quantity,
        };
        lines.iter().map(demand).collect::<Vec<_>>()
    };
    let (both, split) = (ReservationId::generate(), ReservationId::generate());
    // The default location is preferred, but has no M.
    let wanted = order(&[(small, 2), (medium, 2)]);
    shop.api().reserve(both, wanted).await.unwrap();
    assert_eq!(reserved().await, [vec![0, 2], vec![0, 2]]);
    // Neither has six.
    shop.api().reserve(split, order(&[(small, 6)])).await.unwrap();
    assert_eq!(reserved().await, [vec![5, 3], vec![0, 2]]);
    shop.assert_in_order().await;
    for step in 0..2 {
        shop.api().commit(split).await.unwrap();
        assert_eq!(stock(&shop, small).await["on_hand"], 2, "{step}");
    }
    shop.assert_in_order().await;
    for _ in 0..2 {
        shop.api().release(split).await.unwrap();
        shop.api().release(both).await.unwrap();
    }
    assert_eq!(reserved().await, [vec![0, 0], vec![0, 0]]);
    let rows = stock(&shop, small).await["locations"].clone();
    assert_eq!((&rows[0]["on_hand"], &rows[1]["on_hand"]), (&json!(5), &json!(3)));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn verification_looks_at_each_location_by_itself() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let store = shop.location("Store", 1).await;
    shop.adjust(mug, Some(&store), 5).await;
    // The sums stay what they were.
    let forge = "UPDATE products.stock SET on_hand = 15 - on_hand, reserved = 1; \
        UPDATE products.variants SET backorder_limit = 4";
    shop.database
        .run(move |connection| Ok::<_, Failure<Fault>>(connection.batch_execute(forge)?))
        .await
        .unwrap();
    let findings = shop.module.verify().await.unwrap();
    let rules: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(
        rules,
        [
            "stock_equals_movements",
            "stock_equals_movements",
            "reserved_equals_reservations",
            "reserved_equals_reservations",
            "oversell_follows_limits",
        ]
    );
}
