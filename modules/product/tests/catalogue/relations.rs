//! Products that are shown beside another one.

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Shop, path, product};

fn related(product: &Value) -> String {
    format!("{}/related", path(product))
}

async fn things(shop: &Shop, count: usize) -> Vec<Value> {
    let mut made = Vec::new();
    for number in 0..count {
        made.push(shop.create(product(&format!("Thing {number}"), 900, 1)).await);
    }
    made
}

/// Kinds and titles of what is shown.
fn shown(body: &Value) -> Vec<(&str, &str)> {
    let rows = body["data"].as_array().unwrap().iter();
    rows.map(|row| (row["kind"].as_str().unwrap(), row["product"]["title"].as_str().unwrap()))
        .collect()
}

#[actix_web::test]
async fn what_is_beside_a_product_is_shown_in_its_order_as_lists_show_it() {
    let shop = Shop::open().await;
    let made = things(&shop, 5).await;
    let relations = json!([
        {"kind": "upsell", "product_id": made[3]["id"]},
        {"kind": "related", "product_id": made[1]["id"]},
        {"kind": "accessory", "product_id": made[3]["id"]},
        {"kind": "cross_sell", "product_id": made[2]["id"]},
    ]);
    let set = shop
        .edit(Method::PUT, &related(&made[0]), 1, json!({"related": relations}))
        .await;
    assert_eq!(
        (set.status.as_u16(), set.header("etag")),
        (200, "\"2\""),
        "{}",
        set.body
    );
    assert_eq!(set.body["related"], relations);
    let seen = shop.admin(Method::GET, &related(&made[0]), Value::Null).await;
    assert_eq!((&seen.body, seen.header("etag")), (&set.body, "\"2\""));

    let by_handle = shop.get("/products/thing-0/related").await;
    let expected = [
        ("upsell", "Thing 3"),
        ("related", "Thing 1"),
        ("accessory", "Thing 3"),
        ("cross_sell", "Thing 2"),
    ];
    assert_eq!(shown(&by_handle.body), expected);
    assert_eq!(
        by_handle.body["data"][1]["product"],
        shop.get("/products/thing-1").await.body
    );
    let by_id = format!(
        "/products/{}/related?kind=upsell&kind=related",
        made[0]["id"].as_str().unwrap()
    );
    assert_eq!(shown(&shop.get(&by_id).await.body), expected[..2]);
    let wrong = shop.get("/products/thing-0/related?kind=similar").await;
    assert_eq!(wrong.refusal(), (400, "kind", "unknown_value"));
    assert_eq!(shop.get("/products/nothing/related").await.status, 404);

    // What is not on sale is not shown; what is deleted is not beside anything.
    shop.edit(Method::PATCH, &path(&made[1]), 1, json!({"status": "draft"}))
        .await;
    shop.edit(Method::DELETE, &path(&made[2]), 1, Value::Null).await;
    assert_eq!(
        shown(&shop.get("/products/thing-0/related").await.body),
        [expected[0], expected[2]]
    );
    let seen = shop.admin(Method::GET, &related(&made[0]), Value::Null).await.body;
    assert_eq!(seen["related"].as_array().unwrap().len(), 3);
}

#[actix_web::test]
async fn relations_that_cannot_be_are_refused_and_change_nothing() {
    let shop = Shop::open().await;
    let made = things(&shop, 2).await;
    let to = |id: &Value| json!({"kind": "related", "product_id": id});
    let (own, other) = (&made[0]["id"], &made[1]["id"]);
    let nobody = json!("product_01h2xcejqtf2nbrexx3vqjhp41");
    let many: Vec<Value> = (0..101).map(|_| to(other)).collect();
    for (relations, pointer, code) in [
        (json!([to(own)]), "/related/0/product_id", "self_reference"),
        (json!([to(other), to(other)]), "/related/1", "duplicate"),
        (json!([to(other), to(&nobody)]), "/related/1/product_id", "not_found"),
        (json!(many), "/related", "too_many"),
        (
            json!([{"kind": "similar", "product_id": other}]),
            "/related/0/kind",
            "unknown_value",
        ),
    ] {
        let body = json!({"related": relations});
        let refused = shop.edit(Method::PUT, &related(&made[0]), 1, body).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
    let body = json!({"related": [to(other)]});
    let unversioned = shop.admin(Method::PUT, &related(&made[0]), body.clone()).await;
    assert_eq!(unversioned.status, 428);
    let late = shop.edit(Method::PUT, &related(&made[0]), 7, body).await;
    assert_eq!(late.status, 412);
    let seen = shop.admin(Method::GET, &related(&made[0]), Value::Null).await.body;
    assert_eq!((&seen["related"], &seen["version"]), (&json!([]), &json!(1)));
}

#[actix_web::test]
async fn products_that_name_each_other_at_the_same_time_do_not_wait_in_a_circle() {
    let shop = Shop::open().await;
    let made = things(&shop, 4).await;
    for _ in 0..5 {
        let edits = made.iter().map(async |own| {
            let others = made.iter().rev().filter(|other| other["id"] != own["id"]);
            let relations: Vec<Value> = others
                .map(|other| json!({"kind": "related", "product_id": other["id"]}))
                .collect();
            let any = [("If-Match", "*")];
            shop.admin_with(Method::PUT, &related(own), json!({"related": relations}), &any)
                .await
                .status
        });
        for status in join_all(edits).await {
            assert_eq!(status, 200);
        }
    }
}
