//! Stock that is moved, counted and shown.

use actix_web::http::Method;
use kernel::id::{LocationId, ReservationId, VariantId};
use product_api::Demand;
use serde_json::{Value, json};

use crate::support::{Shop, product, variant_id};

const TRANSFERS: &str = "/admin/stock/transfers";
const COUNTS: &str = "/admin/stock/counts";

async fn stock(shop: &Shop, variant: VariantId) -> Value {
    let path = format!("/admin/stock/{variant}");
    shop.admin(Method::GET, &path, Value::Null).await.body
}

fn on_hand(level: &Value) -> Vec<i64> {
    let rows = level["locations"].as_array().unwrap().iter();
    rows.map(|row| row["on_hand"].as_i64().unwrap()).collect()
}

#[actix_web::test]
async fn a_transfer_moves_stock_and_is_in_the_ledger_on_both_sides() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let (default, store) = (shop.default_location().await, shop.location("Store", 1).await);
    let made = shop.transfer(&default, &store, &[(mug, 4)]).await;
    assert_eq!(made["lines"], json!([{"variant_id": mug, "quantity": 4}]));
    let level = stock(&shop, mug).await;
    assert_eq!((on_hand(&level), &level["on_hand"]), (vec![6, 4], &json!(10)));
    let sides = [
        (&level["movements"][1], &default["id"], -4),
        (&level["movements"][0], &store["id"], 4),
    ];
    let mut ends: Vec<(String, i64)> = Vec::new();
    for (movement, _, _) in sides {
        assert_eq!(
            (&movement["kind"], &movement["transfer_id"]),
            (&json!("transfer"), &made["id"])
        );
        let place = movement["location_id"].as_str().unwrap().to_owned();
        ends.push((place, movement["delta"].as_i64().unwrap()));
    }
    ends.sort();
    let mut expected: Vec<(String, i64)> = sides
        .map(|(_, place, delta)| (place.as_str().unwrap().to_owned(), delta))
        .to_vec();
    expected.sort();
    assert_eq!(ends, expected);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_transfer_takes_all_lines_or_none_and_nothing_that_is_promised() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let cup = variant_id(&shop.create(product("Cup", 900, 10)).await, 0);
    let (default, store) = (shop.default_location().await, shop.location("Store", 1).await);
    let demands = vec![Demand {
        variant: cup,
        quantity: 7,
    }];
    shop.api().reserve(ReservationId::generate(), demands).await.unwrap();
    let body = |lines: Value| json!({"from_location_id": default["id"], "to_location_id": store["id"], "lines": lines, "reason": "window"});
    let line = |variant: VariantId, quantity: i64| json!({"variant_id": variant, "quantity": quantity});
    let refused = shop
        .admin(Method::POST, TRANSFERS, body(json!([line(mug, 5), line(cup, 4)])))
        .await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (409, &json!("insufficient_stock"))
    );
    assert_eq!(
        refused.body["lines"],
        json!([{"variant_id": cup, "requested": 4, "available": 3}])
    );
    assert_eq!(on_hand(&stock(&shop, mug).await), [10], "not even a row is left behind");
    let unknown = VariantId::generate();
    for (lines, refusal) in [
        (json!([]), (422, "/lines", "out_of_range")),
        (
            json!([line(mug, 1), line(mug, 2)]),
            (422, "/lines/1/variant_id", "duplicate"),
        ),
        (json!([line(mug, 0)]), (422, "/lines/0/quantity", "out_of_range")),
        (json!([line(unknown, 1)]), (422, "/lines/0/variant_id", "not_found")),
        (json!(vec![line(mug, 1); 501]), (422, "/lines", "out_of_range")),
    ] {
        let refused = shop.admin(Method::POST, TRANSFERS, body(lines)).await;
        assert_eq!(refused.refusal(), refusal, "{}", refused.body);
    }
    let mut same = body(json!([line(mug, 1)]));
    same["to_location_id"] = default["id"].clone();
    let refused = shop.admin(Method::POST, TRANSFERS, same).await;
    assert_eq!(refused.refusal(), (422, "/to_location_id", "same_location"));
    for end in ["/from_location_id", "/to_location_id"] {
        let mut lost = body(json!([line(mug, 1)]));
        lost[&end[1..]] = json!(LocationId::generate());
        let refused = shop.admin(Method::POST, TRANSFERS, lost).await;
        assert_eq!(refused.refusal(), (422, end, "not_found"));
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_transfer_that_is_repeated_under_its_key_is_made_once_and_transfers_are_listed_newest_first() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let (default, store) = (shop.default_location().await, shop.location("Store", 1).await);
    let body = json!({"from_location_id": default["id"], "to_location_id": store["id"], "reason": "window",
        "lines": [{"variant_id": mug, "quantity": 1}]});
    for _ in 0..2 {
        let made = shop
            .admin_with(Method::POST, TRANSFERS, body.clone(), &[("Idempotency-Key", "once")])
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    assert_eq!(on_hand(&stock(&shop, mug).await), [9, 1]);
    let back = shop.transfer(&store, &default, &[(mug, 1)]).await;
    let first = shop
        .admin(Method::GET, &format!("{TRANSFERS}?limit=1"), Value::Null)
        .await
        .body;
    assert_eq!((&first["data"][0], &first["page"]["has_more"]), (&back, &json!(true)));
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let second = shop
        .admin(Method::GET, &format!("{TRANSFERS}?cursor={cursor}"), Value::Null)
        .await
        .body;
    assert_eq!(second["data"].as_array().unwrap().len(), 1);
    assert_eq!(second["data"][0]["from_location_id"], default["id"]);
    assert_eq!(second["data"][0]["lines"], body["lines"]);
    let forged = shop
        .admin(Method::GET, &format!("{TRANSFERS}?cursor=AAAA"), Value::Null)
        .await;
    assert_eq!(forged.refusal(), (400, "cursor", "invalid_cursor"));
}

/// INV-09
#[actix_web::test]
async fn a_count_sets_what_was_found_unless_something_was_sold_meanwhile() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let cup = variant_id(&shop.create(product("Cup", 900, 5)).await, 0);
    let default = shop.default_location().await;
    let body = |lines: Value| json!({"location_id": default["id"], "lines": lines, "reason": "stocktaking"});
    let line = |variant: VariantId, counted: i64, expected: i64| json!({"variant_id": variant, "counted": counted, "expected_on_hand": expected});
    let order = ReservationId::generate();
    let demands = vec![Demand {
        variant: mug,
        quantity: 3,
    }];
    shop.api().reserve(order, demands).await.unwrap();
    shop.api().commit(order).await.unwrap();
    let refused = shop
        .admin(Method::POST, COUNTS, body(json!([line(cup, 6, 5), line(mug, 9, 10)])))
        .await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (409, &json!("stock_changed"))
    );
    assert_eq!(
        refused.body["lines"],
        json!([{"variant_id": mug, "expected_on_hand": 10, "on_hand": 7}])
    );
    assert_eq!(stock(&shop, cup).await["on_hand"], 5);
    let booked = shop
        .admin(Method::POST, COUNTS, body(json!([line(cup, 5, 5), line(mug, 6, 7)])))
        .await;
    assert_eq!(booked.status, 201, "{}", booked.body);
    assert_eq!(
        booked.body["lines"],
        json!([{"variant_id": cup, "on_hand": 5, "reserved": 0, "delta": 0},
            {"variant_id": mug, "on_hand": 6, "reserved": 0, "delta": -1}])
    );
    let newest = &stock(&shop, mug).await["movements"][0];
    assert_eq!(
        (&newest["kind"], &newest["delta"], &newest["reason"]),
        (&json!("count"), &json!(-1), &json!("stocktaking"))
    );
    assert_eq!(
        stock(&shop, cup).await["movements"][0]["kind"],
        "initial",
        "nothing changed"
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_count_that_finds_fewer_than_are_promised_is_refused() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let (default, store) = (shop.default_location().await, shop.location("Store", 1).await);
    let demands = vec![Demand {
        variant: mug,
        quantity: 8,
    }];
    shop.api().reserve(ReservationId::generate(), demands).await.unwrap();
    let body = |location: &Value, counted: i64, expected: i64| {
        json!({"location_id": location["id"], "reason": "stocktaking",
            "lines": [{"variant_id": mug, "counted": counted, "expected_on_hand": expected}]})
    };
    let refused = shop.admin(Method::POST, COUNTS, body(&default, 7, 10)).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (409, &json!("insufficient_stock"))
    );
    assert_eq!(
        refused.body["lines"],
        json!([{"variant_id": mug, "requested": 8, "available": 7}])
    );
    assert_eq!(
        shop.admin(Method::POST, COUNTS, body(&default, 8, 10)).await.status,
        201
    );
    // Where nothing has lain yet, nothing is expected.
    assert_eq!(shop.admin(Method::POST, COUNTS, body(&store, 2, 0)).await.status, 201);
    assert_eq!(on_hand(&stock(&shop, mug).await), [8, 2]);
    for (counted, expected, pointer) in [(-1, 0, "/lines/0/counted"), (0, 1 << 40, "/lines/0/expected_on_hand")] {
        let refused = shop.admin(Method::POST, COUNTS, body(&store, counted, expected)).await;
        assert_eq!(refused.refusal(), (422, pointer, "out_of_range"));
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn movements_are_read_page_by_page() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 1)).await, 0);
    let cup = variant_id(&shop.create(product("Cup", 900, 1)).await, 0);
    for _ in 0..4 {
        shop.adjust(mug, None, 1).await;
    }
    let mut deltas = Vec::new();
    let mut path = format!("/admin/stock/{mug}?limit=2");
    loop {
        let page = shop.admin(Method::GET, &path, Value::Null).await.body;
        deltas.push(page["movements"].as_array().unwrap().len());
        let Some(cursor) = page["page"]["next_cursor"].as_str() else {
            assert_eq!(page["movements"][0]["kind"], "initial");
            break;
        };
        path = format!("/admin/stock/{mug}?limit=2&cursor={cursor}");
        let elsewhere = shop
            .admin(Method::GET, &format!("/admin/stock/{cup}?cursor={cursor}"), Value::Null)
            .await;
        assert_eq!(elsewhere.status, 400, "a cursor holds for one variant");
    }
    assert_eq!(deltas, [2, 2, 1]);
}
