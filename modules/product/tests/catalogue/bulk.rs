//! Many changes in one request.

use actix_web::http::Method;
use database::outbox::OutboxFeed;
use diesel::connection::SimpleConnection as _;
use futures_util::future::join_all;
use kernel::event::{Feed, Position};
use serde_json::{Value, json};

use crate::support::{Response, Shop, path, product, sizes, usd, variant_id};

async fn bulk(shop: &Shop, operations: &[Value]) -> Response {
    let body = json!({"operations": operations});
    shop.admin(Method::POST, "/admin/products/bulk", body).await
}

fn statuses(response: &Response) -> Vec<u64> {
    assert_eq!(response.status, 200, "{}", response.body);
    let results = response.body["results"].as_array().unwrap().iter();
    results.map(|result| result["status"].as_u64().unwrap()).collect()
}

/// Pointer and code of the first mistake of a result.
fn mistake(result: &Value) -> (&str, &str) {
    let error = &result["problem"]["errors"][0];
    (
        error["pointer"].as_str().unwrap_or_default(),
        error["code"].as_str().unwrap_or_default(),
    )
}

/// IN-21
#[actix_web::test]
async fn each_operation_has_its_own_result_and_what_is_wrong_is_left_out() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 5)).await;
    let cup = shop.create(product("Cup", 900, 5)).await;
    let jug = shop.create(product("Jug", 900, 5)).await;
    let pot = shop.create(product("Pot", 900, 5)).await;
    let answer = bulk(
        &shop,
        &[
            json!({"op": "create", "product": sizes("Shirt", &[("S", 500, 3), ("M", 700, 4)])}),
            json!({"op": "update", "id": mug["id"], "version": 1, "product": {"title": "Big mug", "brand": "Ours"}}),
            json!({"op": "delete", "id": cup["id"]}),
            json!({"op": "update", "id": jug["id"], "version": 7, "product": {"title": "Big jug"}}),
            json!({"op": "update", "id": mug["id"], "product": {"title": "Twice"}}),
            json!({"op": "update", "id": "product_01h2xcejqtf2nbrexx3vqjhp41", "product": {}}),
            json!({"op": "create", "product": {"title": "", "tags": ["a"]}}),
            json!({"op": "create", "product": {"title": "Lost", "category_id": "nowhere"}}),
            json!({"op": "create", "product": {"title": "Twin", "tags": ["a", "a"]}}),
            json!({"op": "create", "product": {"title": "Thief", "handle": "jug"}}),
            json!({"op": "move"}),
            json!({"op": "update", "id": pot["id"], "product": {"title": "Pot"}}),
        ],
    )
    .await;
    assert_eq!(
        statuses(&answer),
        [201, 200, 204, 412, 422, 404, 422, 422, 422, 409, 422, 200],
        "{}",
        answer.body
    );
    let results = &answer.body["results"];
    assert_eq!((&results[1]["id"], &results[1]["version"]), (&mug["id"], &json!(2)));
    assert_eq!(results[3]["problem"]["version"], 1);
    assert_eq!(mistake(&results[4]), ("/id", "duplicate"));
    assert_eq!(mistake(&results[6]), ("/product/title", "too_short"));
    assert_eq!(mistake(&results[7]), ("/product/category_id", "not_found"));
    assert_eq!(mistake(&results[8]), ("/product/tags/1", "duplicate"));
    assert_eq!(results[9]["problem"]["code"], "already_taken");
    assert_eq!(mistake(&results[10]), ("/op", "unknown_value"));
    // A change that changes nothing is no edit.
    assert_eq!(results[11]["version"], 1);

    let shirt = shop.get("/products/shirt").await.body;
    assert_eq!(
        (&shirt["id"], &shirt["variants"][1]["available"]),
        (&results[0]["id"], &json!(4))
    );
    assert_eq!(shop.titles("sort=title").await, ["Big mug", "Jug", "Pot", "Shirt"]);
    let feed = OutboxFeed::new(shop.database.clone(), "products");
    let events = loop {
        let events = feed.read(Position::default(), 20).await.unwrap();
        if events.len() >= 7 {
            break events;
        }
        actix_web::rt::task::yield_now().await;
    };
    let mut told: Vec<&str> = events[4..].iter().map(|(_, event)| event.subject.as_str()).collect();
    told.sort_unstable();
    let mut wanted = [&results[0]["id"], &mug["id"], &cup["id"]].map(|id| id.as_str().unwrap());
    wanted.sort_unstable();
    assert_eq!(told, wanted);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn names_are_given_once_and_those_of_deleted_products_are_free() {
    let shop = Shop::open().await;
    let old = shop.create(sizes("Shirt", &[("S", 500, 3)])).await;
    let other = shop.create(product("Other", 500, 3)).await;
    let answer = bulk(
        &shop,
        &[
            json!({"op": "delete", "id": old["id"], "version": 1}),
            json!({"op": "create", "product": sizes("Shirt", &[("S", 600, 1)])}),
            json!({"op": "create", "product": {"title": "Shirt"}}),
            json!({"op": "create", "product": {"title": "Shirt", "handle": "shirt"}}),
            json!({"op": "create", "product": sizes("Shirt", &[("S", 600, 1)])}),
            json!({"op": "update", "id": other["id"], "product": {"handle": "another", "external_id": "1"}}),
            json!({"op": "create", "product": {"title": "Late", "handle": "other"}}),
            json!({"op": "create", "product": {"title": "First", "external_id": "1"}}),
        ],
    )
    .await;
    // Handles that nobody chose are made so that they are free; what a change leaves behind is free for the next request.
    assert_eq!(
        statuses(&answer),
        [204, 201, 201, 409, 409, 200, 409, 409],
        "{}",
        answer.body
    );
    let results = &answer.body["results"];
    assert_eq!(shop.get("/products/shirt").await.body["id"], results[1]["id"]);
    assert_eq!(shop.get("/products/shirt-2").await.body["id"], results[2]["id"]);
    let next = bulk(
        &shop,
        &[json!({"op": "create", "product": {"title": "Late", "handle": "other"}})],
    )
    .await;
    assert_eq!(statuses(&next), [201]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_bundles_consist_of_keeps_its_names_unless_the_bundles_go_first() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 5)).await;
    let tea = shop.create(product("Tea", 500, 5)).await;
    for (title, component) in [("Gift", &mug), ("Box", &tea)] {
        let bundle = shop.create(product(title, 2500, 0)).await;
        let route = format!("/admin/variants/{}/components", variant_id(&bundle, 0));
        let body = json!({"components": [{"variant_id": variant_id(component, 0), "quantity": 2}]});
        assert_eq!(shop.edit(Method::PUT, &route, 1, body).await.status, 200);
    }
    let gift = shop.get("/products/gift").await.body;
    let answer = bulk(
        &shop,
        &[
            json!({"op": "delete", "id": tea["id"]}),
            json!({"op": "create", "product": {"title": "New tea", "handle": "tea"}}),
            json!({"op": "delete", "id": gift["id"]}),
            json!({"op": "delete", "id": mug["id"]}),
            json!({"op": "create", "product": {"title": "New mug", "handle": "mug"}}),
        ],
    )
    .await;
    assert_eq!(statuses(&answer), [409, 409, 204, 204, 201], "{}", answer.body);
    let results = &answer.body["results"];
    assert_eq!(results[0]["problem"]["code"], "in_use");
    assert_eq!(results[1]["problem"]["code"], "already_taken");
    assert_eq!(shop.titles("sort=title").await, ["Box", "New mug", "Tea"]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_only_the_database_knows_of_leaves_out_one_operation_and_no_other() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 5)).await;
    let old = shop.create(product("Jug", 900, 5)).await;
    // As if somebody else took the handle again and again between the look at who has it and the writing.
    let rival = "CREATE FUNCTION products.be_first() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN \
        RAISE EXCEPTION 'taken' USING ERRCODE = 'unique_violation', CONSTRAINT = 'products_handle_key'; END $$; \
        CREATE TRIGGER be_first BEFORE INSERT ON products.products FOR EACH ROW WHEN (NEW.handle = 'lost') \
        EXECUTE FUNCTION products.be_first()";
    shop.database.connect().unwrap().batch_execute(rival).unwrap();
    let answer = bulk(
        &shop,
        &[
            json!({"op": "update", "id": mug["id"], "product": {"title": "Cup"}}),
            json!({"op": "create", "product": {"title": "Lost", "handle": "lost"}}),
            json!({"op": "update", "id": mug["id"], "product": {"title": "Twice"}}),
            json!({"op": "create", "product": product("Pot", 900, 5)}),
            json!({"op": "move"}),
            json!({"op": "create", "product": {"title": "New jug", "handle": "jug"}}),
            json!({"op": "delete", "id": old["id"]}),
        ],
    )
    .await;
    assert_eq!(
        statuses(&answer),
        [200, 409, 422, 201, 422, 201, 204],
        "{}",
        answer.body
    );
    let results = &answer.body["results"];
    assert_eq!(results[1]["problem"]["code"], "already_taken");
    assert_eq!(mistake(&results[2]), ("/id", "duplicate"));
    assert_eq!(mistake(&results[4]), ("/op", "unknown_value"));
    assert_eq!(shop.titles("sort=title").await, ["Cup", "New jug", "Pot"]);
    shop.assert_in_order().await;
}

/// IN-21
#[actix_web::test]
async fn the_number_of_operations_is_bounded_and_a_repeat_answers_the_same() {
    let shop = Shop::open().await;
    let create = |number: usize| json!({"op": "create", "product": product(&format!("Thing {number}"), 100, 1)});
    assert_eq!(bulk(&shop, &[]).await.refusal(), (422, "/operations", "required"));
    let many: Vec<Value> = (0..251).map(create).collect();
    assert_eq!(bulk(&shop, &many).await.refusal(), (422, "/operations", "too_many"));
    assert_eq!(shop.get("/products").await.body["total"]["value"], 0);
    let key = [("Idempotency-Key", "abc")];
    let body = json!({"operations": many[..250]});
    let first = shop
        .admin_with(Method::POST, "/admin/products/bulk", body.clone(), &key)
        .await;
    assert!(statuses(&first).iter().all(|status| *status == 201));
    let again = shop.admin_with(Method::POST, "/admin/products/bulk", body, &key).await;
    assert_eq!(
        (again.header("idempotent-replayed"), &again.body),
        ("true", &first.body)
    );
    assert_eq!(shop.get("/products").await.body["total"]["value"], 250);
    let unknown = json!({"operations": [create(0)], "all_or_nothing": true});
    let refused = shop.admin(Method::POST, "/admin/products/bulk", unknown).await;
    assert_eq!(refused.refusal(), (422, "/all_or_nothing", "unknown_field"));
    assert_eq!(shop.customer(Method::POST, "/admin/products/bulk").await.status, 403);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn requests_that_want_the_same_names_at_the_same_time_share_them() {
    let shop = Shop::open().await;
    let operations: Vec<Value> = (0..20)
        .map(|number| json!({"op": "create", "product": {"title": format!("Thing {number}"), "handle": format!("thing-{number}")}}))
        .collect();
    let answers = join_all((0..4).map(|_| bulk(&shop, &operations))).await;
    let mut created = 0;
    for answer in &answers {
        for status in statuses(answer) {
            assert!(matches!(status, 201 | 409), "{status}");
            created += usize::from(status == 201);
        }
    }
    assert_eq!(created, 20);
    assert_eq!(shop.get("/products").await.body["total"]["value"], 20);
}

#[actix_web::test]
async fn types_and_rules_are_minded_in_bulk_too() {
    let shop = Shop::open().await;
    let definition = json!([{"name": "volume", "kind": "number", "required": true}]);
    let cups = shop
        .admin(
            Method::POST,
            "/admin/product-types",
            json!({"name": "Cups", "attributes": definition}),
        )
        .await
        .body;
    let rule =
        json!({"match": "all", "conditions": [{"attribute": {"name": "volume", "operator": "greater", "value": 5}}]});
    shop.collection(json!({"title": "Big", "rule": rule})).await;
    let cup = |title: &str, attributes: Value| json!({"op": "create", "product": {"title": title, "product_type_id": cups["id"], "attributes": attributes}});
    let answer = bulk(
        &shop,
        &[
            cup("Small", json!({"volume": 5})),
            cup("Large", json!({"volume": 6})),
            cup("None", json!({})),
        ],
    )
    .await;
    assert_eq!(statuses(&answer), [201, 201, 422]);
    assert_eq!(
        mistake(&answer.body["results"][2]),
        ("/product/attributes/volume", "required")
    );
    assert_eq!(shop.titles("collection=big").await, ["Large"]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn prices_are_changed_together_and_each_product_is_edited_once() {
    let shop = Shop::open().await;
    let shirt = shop.create(sizes("Shirt", &[("S", 500, 3), ("M", 700, 4)])).await;
    let mug = shop.create(product("Mug", 900, 5)).await;
    let change = async |prices: Value| {
        let body = json!({"prices": prices});
        shop.admin(Method::POST, "/admin/prices/bulk", body).await
    };
    let pot = shop.create(product("Pot", 900, 5)).await;
    let (small, medium) = (variant_id(&shirt, 0), variant_id(&shirt, 1));
    let (only, other) = (variant_id(&mug, 0), variant_id(&pot, 0));
    let answer = change(json!([
        {"variant_id": small, "price": usd(400), "compare_at_price": usd(500)},
        {"variant_id": medium, "price": usd(600)},
        {"variant_id": only, "price": {"amount": 5, "currency": "EUR"}},
        {"variant_id": small, "price": usd(1)},
        {"variant_id": "variant_01h2xcejqtf2nbrexx3vqjhp41", "price": usd(1)},
        {"variant_id": other, "price": usd(-1)},
        {"variant_id": only},
    ]))
    .await;
    assert_eq!(
        statuses(&answer),
        [200, 200, 422, 422, 404, 422, 422],
        "{}",
        answer.body
    );
    let results = &answer.body["results"];
    assert_eq!((&results[0]["version"], &results[1]["version"]), (&json!(2), &json!(2)));
    assert_eq!(results[0]["product_id"], shirt["id"]);
    assert_eq!(mistake(&results[2]), ("/price/currency", "unsupported_currency"));
    assert_eq!(mistake(&results[3]), ("/variant_id", "duplicate"));
    assert_eq!(mistake(&results[5]).1, "out_of_range");
    assert_eq!(mistake(&results[6]), ("/price", "required"));
    let shown = shop.get("/products/shirt").await.body;
    assert_eq!(shown["price_range"], json!({"min": usd(400), "max": usd(600)}));
    assert_eq!(shown["variants"][0]["compare_at_price"], usd(500));
    assert_eq!(shown["variants"][1]["available"], 4);
    assert_eq!(
        shop.admin(Method::GET, &path(&mug), Value::Null).await.header("etag"),
        "\"1\""
    );

    let answer = change(json!([{"variant_id": small, "price": usd(400), "compare_at_price": null}])).await;
    assert_eq!(answer.body["results"][0]["version"], 3);
    let shown = shop.get("/products/shirt").await.body;
    assert_eq!(shown["variants"][0]["compare_at_price"], Value::Null);
    let same = change(json!([{"variant_id": small, "price": usd(400)}])).await;
    assert_eq!(same.body["results"][0]["version"], 3);
    assert_eq!(change(json!([])).await.refusal(), (422, "/prices", "required"));
    let many: Vec<Value> = (0..251)
        .map(|_| json!({"variant_id": small, "price": usd(1)}))
        .collect();
    assert_eq!(change(json!(many)).await.refusal(), (422, "/prices", "too_many"));
    assert_eq!(shop.customer(Method::POST, "/admin/prices/bulk").await.status, 403);
    shop.assert_in_order().await;
}
