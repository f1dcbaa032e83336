//! What is sold before it is there, and what is told when stock runs out and comes back.

use actix_web::http::Method;
use chrono::TimeDelta;
use kernel::event::Payload;
use kernel::id::{ReservationId, VariantId};
use product::ImportFormat;
use product_api::{Demand, ProductError, StockBack, StockLow, StockOut};
use serde_json::{Value, json};

use crate::support::{Response, Shop, product, sizes, variant_id};

/// Changes the terms of a variant, whatever their version.
async fn terms(shop: &Shop, variant: VariantId, body: Value) -> Response {
    let path = format!("/admin/stock/{variant}");
    let edited = shop.admin_with(Method::PATCH, &path, body, &[("If-Match", "*")]).await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    edited
}

async fn reserve(shop: &Shop, variant: VariantId, quantity: i64) -> Result<ReservationId, ProductError> {
    let order = ReservationId::generate();
    let demands = vec![Demand { variant, quantity }];
    shop.api().reserve(order, demands).await.map(|()| order)
}

async fn shown(shop: &Shop, product: &Value) -> Value {
    let id = product["id"].as_str().unwrap();
    shop.get(&format!("/products/{id}")).await.body["variants"][0].clone()
}

fn is_short(outcome: &Result<ReservationId, ProductError>) -> bool {
    matches!(outcome, Err(ProductError::InsufficientStock(_)))
}

#[actix_web::test]
async fn terms_are_edited_at_the_version_that_was_seen_and_bounded() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 1)).await, 0);
    let path = format!("/admin/stock/{mug}");
    let seen = shop.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(seen.header("etag"), "\"1\"");
    assert_eq!(
        (
            &seen.body["backorder_limit"],
            &seen.body["preorder"],
            &seen.body["low_stock_threshold"]
        ),
        (&json!(0), &Value::Null, &Value::Null)
    );
    let change =
        json!({"backorder_limit": 5, "low_stock_threshold": 3, "preorder": {"ships_on": "2027-01-01", "limit": 9}});
    assert_eq!(shop.admin(Method::PATCH, &path, change.clone()).await.status, 428);
    let edited = shop.edit(Method::PATCH, &path, 1, change.clone()).await;
    assert_eq!((edited.status.as_u16(), edited.header("etag")), (200, "\"2\""));
    assert_eq!(edited.body["preorder"], change["preorder"]);
    assert_eq!(shop.edit(Method::PATCH, &path, 1, change).await.status, 412);
    let cleared = shop
        .edit(
            Method::PATCH,
            &path,
            2,
            json!({"preorder": null, "low_stock_threshold": null}),
        )
        .await;
    assert_eq!(
        (
            &cleared.body["backorder_limit"],
            &cleared.body["preorder"],
            &cleared.body["low_stock_threshold"]
        ),
        (&json!(5), &Value::Null, &Value::Null)
    );
    for (body, refusal) in [
        (
            json!({"backorder_limit": -1}),
            (422, "/backorder_limit", "out_of_range"),
        ),
        (
            json!({"backorder_limit": null}),
            (422, "/backorder_limit", "wrong_type"),
        ),
        (
            json!({"low_stock_threshold": 0}),
            (422, "/low_stock_threshold", "out_of_range"),
        ),
        (
            json!({"preorder": {"limit": 3}}),
            (422, "/preorder/ships_on", "required"),
        ),
        (
            json!({"preorder": {"ships_on": "soon", "limit": 3}}),
            (422, "/preorder/ships_on", "invalid_value"),
        ),
        (json!({"on_hand": 3}), (422, "/on_hand", "unknown_field")),
    ] {
        let refused = shop.edit(Method::PATCH, &path, 3, body.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.refusal().1),
            (refusal.0, refusal.1),
            "{}",
            refused.body
        );
    }
    let nothing = format!("/admin/stock/{}", VariantId::generate());
    assert_eq!(shop.edit(Method::PATCH, &nothing, 1, json!({})).await.status, 404);
}

#[actix_web::test]
async fn a_variant_is_sold_below_zero_down_to_its_backorder_limit_and_no_further() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 900, 2)).await;
    let mug = variant_id(&made, 0);
    terms(&shop, mug, json!({"backorder_limit": 3})).await;
    let seen = shown(&shop, &made).await;
    assert_eq!(
        (&seen["available"], &seen["in_stock"], &seen.get("backorder")),
        (&json!(2), &json!(true), &None)
    );
    assert!(is_short(&reserve(&shop, mug, 6).await));
    let order = reserve(&shop, mug, 3).await.unwrap();
    let seen = shown(&shop, &made).await;
    assert_eq!(
        (&seen["available"], &seen["in_stock"], &seen["backorder"]),
        (&json!(0), &json!(true), &json!(true))
    );
    assert_eq!(shop.titles("in_stock=true").await, ["Mug"]);
    shop.api().commit(order).await.unwrap();
    assert!(is_short(&reserve(&shop, mug, 3).await));
    reserve(&shop, mug, 2).await.unwrap();
    assert!(is_short(&reserve(&shop, mug, 1).await));
    let seen = shown(&shop, &made).await;
    assert_eq!((&seen["in_stock"], &seen.get("backorder")), (&json!(false), &None));
    let level = shop
        .admin(Method::GET, &format!("/admin/stock/{mug}"), Value::Null)
        .await
        .body;
    assert_eq!(
        (
            &level["on_hand"],
            &level["reserved"],
            &level["available"],
            &level["sellable"]
        ),
        (&json!(-1), &json!(2), &json!(-3), &json!(0))
    );
    // What comes in serves those first who have bought already.
    shop.adjust(mug, None, 3).await;
    let seen = shown(&shop, &made).await;
    assert_eq!((&seen["available"], &seen["backorder"]), (&json!(0), &json!(true)));
    shop.assert_in_order().await;
}

/// INV-11
#[actix_web::test]
async fn terms_that_change_during_a_checkout_break_no_promise() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 1)).await, 0);
    terms(&shop, mug, json!({"backorder_limit": 10})).await;
    let (kept, given_back) = (
        reserve(&shop, mug, 4).await.unwrap(),
        reserve(&shop, mug, 5).await.unwrap(),
    );
    terms(&shop, mug, json!({"backorder_limit": 0})).await;
    assert!(is_short(&reserve(&shop, mug, 1).await));
    shop.assert_in_order().await;
    shop.api().release(given_back).await.unwrap();
    assert!(is_short(&reserve(&shop, mug, 1).await), "three are still owed");
    shop.api().commit(kept).await.unwrap();
    shop.assert_in_order().await;
    shop.api().release(kept).await.unwrap();
    reserve(&shop, mug, 1).await.unwrap();
    assert!(is_short(&reserve(&shop, mug, 1).await));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn an_order_gives_back_what_it_took_though_the_books_are_full() {
    let shop = Shop::open().await;
    let most = 1_000_000_000;
    let mug = variant_id(&shop.create(product("Mug", 900, most)).await, 0);
    let order = reserve(&shop, mug, 3).await.unwrap();
    shop.api().commit(order).await.unwrap();
    let line = json!({"handle": "mug", "title": "Mug", "price_minor": 900, "stock": most});
    let filled = shop.import(&line.to_string(), ImportFormat::Auto, false).await;
    assert_eq!((filled.updated, filled.errors), (1, Vec::new()));
    shop.api().release(order).await.unwrap();
    let on_hand = async || {
        let path = format!("/admin/stock/{mug}");
        shop.admin(Method::GET, &path, Value::Null).await.body["on_hand"]
            .as_i64()
            .unwrap()
    };
    assert_eq!(on_hand().await, most + 3);
    // By hand there come no more.
    let more = json!({"variant_id": mug, "delta": 1, "reason": "found"});
    let refused = shop.admin(Method::POST, "/admin/stock/adjustments", more).await;
    assert_eq!(refused.refusal(), (422, "/delta", "out_of_range"));
    shop.adjust(mug, None, -4).await;
    assert_eq!(on_hand().await, most - 1);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn before_its_day_a_variant_is_sold_against_the_limit_of_the_pre_order() {
    let shop = Shop::open().await;
    let made = shop.create(product("Console", 900, 0)).await;
    let console = variant_id(&made, 0);
    let ships_on = (shop.context.clock.now() + TimeDelta::days(3)).date_naive();
    assert!(is_short(&reserve(&shop, console, 1).await));
    terms(&shop, console, json!({"preorder": {"ships_on": ships_on, "limit": 2}})).await;
    let seen = shown(&shop, &made).await;
    assert_eq!(
        (
            &seen["available"],
            &seen["in_stock"],
            &seen["preorder"],
            &seen.get("backorder")
        ),
        (&json!(0), &json!(true), &json!({"ships_on": ships_on}), &None)
    );
    let order = reserve(&shop, console, 2).await.unwrap();
    assert!(is_short(&reserve(&shop, console, 1).await));
    assert_eq!(shown(&shop, &made).await["in_stock"], false);
    shop.context.clock.advance(TimeDelta::days(3));
    let seen = shown(&shop, &made).await;
    assert_eq!((&seen["in_stock"], &seen.get("preorder")), (&json!(false), &None));
    shop.adjust(console, None, 3).await;
    assert_eq!(shown(&shop, &made).await["available"], 1, "two are sold already");
    shop.api().commit(order).await.unwrap();
    reserve(&shop, console, 1).await.unwrap();
    assert!(is_short(&reserve(&shop, console, 1).await));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn backorders_are_promised_from_the_default_location_when_all_others_are_empty_too() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 1)).await, 0);
    let (default, store) = (shop.default_location().await, shop.location("Store", -1).await);
    shop.adjust(mug, Some(&store), 2).await;
    terms(&shop, mug, json!({"backorder_limit": 2})).await;
    reserve(&shop, mug, 5).await.unwrap();
    let level = shop
        .admin(Method::GET, &format!("/admin/stock/{mug}"), Value::Null)
        .await
        .body;
    for row in level["locations"].as_array().unwrap() {
        let owed = if row["location_id"] == default["id"] { -2 } else { 0 };
        assert_eq!(row["available"], owed, "{level}");
    }
    assert!(is_short(&reserve(&shop, mug, 1).await));
    // What is sold but not there cannot be moved.
    let body = json!({"from_location_id": default["id"], "to_location_id": store["id"], "reason": "x",
        "lines": [{"variant_id": mug, "quantity": 1}]});
    let refused = shop.admin(Method::POST, "/admin/stock/transfers", body).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["lines"][0]["available"]),
        (409, &json!(0))
    );
    shop.assert_in_order().await;
}

fn event(kind: &str, available: i64) -> (String, i64) {
    (kind.to_owned(), available)
}

#[actix_web::test]
async fn stock_that_runs_low_or_out_or_comes_back_is_told_once_each() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 900, 6)).await;
    let mug = variant_id(&made, 0);
    terms(&shop, mug, json!({"low_stock_threshold": 3})).await;
    reserve(&shop, mug, 2).await.unwrap();
    assert_eq!(shop.lines_crossed().await, [], "no line is crossed");
    let order = reserve(&shop, mug, 1).await.unwrap();
    let low = event("stock.low", 3);
    assert_eq!(shop.lines_crossed().await, [event("stock.low", 3)]);
    shop.api().commit(order).await.unwrap();
    let last = reserve(&shop, mug, 3).await.unwrap();
    assert_eq!(shop.lines_crossed().await, [low.clone(), event("stock.out", 0)]);
    shop.api().commit(last).await.unwrap();
    shop.api().release(last).await.unwrap();
    shop.api().release(last).await.unwrap();
    assert_eq!(
        shop.lines_crossed().await,
        [low, event("stock.out", 0), event("stock.back", 3)]
    );
    let events = shop.stock_events().await;
    let product = made["id"].as_str().unwrap().parse().unwrap();
    let found = |wanted: &str| events.iter().find(|event| event.r#type == wanted).unwrap();
    let (low, out, back) = (found(StockLow::TYPE), found(StockOut::TYPE), found(StockBack::TYPE));
    assert_eq!(
        low.payload::<StockLow>().unwrap().unwrap(),
        StockLow {
            variant: mug,
            product,
            available: 3
        }
    );
    assert_eq!(
        out.payload::<StockOut>().unwrap().unwrap(),
        StockOut {
            variant: mug,
            product,
            available: 0
        }
    );
    assert_eq!(
        back.payload::<StockBack>().unwrap().unwrap(),
        StockBack {
            variant: mug,
            product,
            available: 3
        }
    );
    assert_eq!(low.subject, mug.to_string());
}

#[actix_web::test]
async fn lines_are_crossed_by_what_all_locations_have_together() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 2)).await, 0);
    let (default, store) = (shop.default_location().await, shop.location("Store", 1).await);
    shop.adjust(mug, Some(&store), 3).await;
    reserve(&shop, mug, 2).await.unwrap();
    assert_eq!(shop.lines_crossed().await, [], "the store has three");
    shop.transfer(&store, &default, &[(mug, 3)]).await;
    assert_eq!(shop.lines_crossed().await, []);
    shop.transfer(&default, &store, &[(mug, 3)]).await;
    let path = format!("/admin/locations/{}", store["id"].as_str().unwrap());
    let off = shop.edit(Method::PATCH, &path, 1, json!({"active": false})).await;
    assert_eq!(off.status, 200, "{}", off.body);
    assert_eq!(shop.lines_crossed().await, [event("stock.out", 0)]);
    shop.edit(Method::PATCH, &path, 2, json!({"active": true})).await;
    shop.adjust(mug, Some(&store), -3).await;
    let count = json!({"location_id": store["id"], "reason": "found",
        "lines": [{"variant_id": mug, "counted": 1, "expected_on_hand": 0}]});
    assert_eq!(shop.admin(Method::POST, "/admin/stock/counts", count).await.status, 201);
    assert_eq!(
        shop.lines_crossed().await,
        [("stock.out", 0), ("stock.back", 3), ("stock.out", 0), ("stock.back", 1)]
            .map(|(kind, left)| event(kind, left))
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_file_that_sells_out_or_brings_back_a_variant_is_told_too() {
    let shop = Shop::open().await;
    shop.create(sizes("Shirt", &[("S", 900, 5)])).await;
    let file = |stock: i64| {
        format!(
            r#"{{"handle":"shirt","title":"Shirt","variants":[{{"options":{{"Size":"S"}},"price_minor":900,"stock":{stock}}}]}}"#
        )
    };
    for stock in [0, 0, 7] {
        shop.import(&file(stock), product::ImportFormat::Auto, false).await;
    }
    assert_eq!(
        shop.lines_crossed().await,
        [event("stock.out", 0), event("stock.back", 7)]
    );
}
