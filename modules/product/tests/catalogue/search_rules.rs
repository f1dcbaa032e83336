//! Which products staff have put first, earlier or last.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, path, product};

const RULES: &str = "/admin/search/rules";

async fn rule(shop: &Shop, body: Value) -> Value {
    let made = shop.admin(Method::POST, RULES, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

fn at(rule: &Value) -> String {
    format!("{RULES}/{}", rule["id"].as_str().unwrap())
}

/// A shop with products of these titles, and their ids.
async fn shop_with(titles: &[&str]) -> (Shop, Vec<Value>) {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for title in titles {
        ids.push(shop.create(product(title, 100, 1)).await["id"].clone());
    }
    (shop, ids)
}

#[actix_web::test]
async fn a_rule_is_made_changed_listed_and_removed() {
    let (shop, ids) = shop_with(&["One", "Two"]).await;
    let first = rule(
        &shop,
        json!({"query": "one", "match": "exact", "pins": [ids[1]], "buries": [ids[0]]}),
    )
    .await;
    let second = rule(&shop, json!({"query": "two things", "match": "contains"})).await;
    assert_eq!((&first["pins"], &first["boosts"]), (&json!([ids[1]]), &json!([])));
    let page = shop
        .admin(Method::GET, &format!("{RULES}?limit=1"), Value::Null)
        .await
        .body;
    assert_eq!(page["data"], json!([first]));
    let next = page["page"]["next_cursor"].as_str().unwrap();
    let page = shop
        .admin(Method::GET, &format!("{RULES}?limit=1&cursor={next}"), Value::Null)
        .await
        .body;
    assert_eq!(
        (&page["data"], &page["page"]["has_more"]),
        (&json!([second]), &json!(false))
    );
    assert_eq!(shop.admin(Method::PATCH, &at(&first), json!({})).await.status, 428);
    let patch = json!({"pins": [], "boosts": [ids[1]], "match": "contains"});
    let changed = shop.edit(Method::PATCH, &at(&first), 1, patch.clone()).await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"2\""));
    assert_eq!(
        (&changed.body["pins"], &changed.body["boosts"], &changed.body["buries"]),
        (&json!([]), &json!([ids[1]]), &json!([ids[0]]))
    );
    let shown = shop.admin(Method::GET, &at(&first), Value::Null).await;
    assert_eq!(shown.body, changed.body);
    assert_eq!(shop.edit(Method::PATCH, &at(&first), 1, patch).await.status, 412);
    assert_eq!(shop.edit(Method::DELETE, &at(&first), 2, Value::Null).await.status, 204);
    assert_eq!(shop.admin(Method::GET, &at(&first), Value::Null).await.status, 404);
    assert_eq!(shop.customer(Method::GET, RULES).await.status, 403);
}

#[actix_web::test]
async fn rules_that_make_no_sense_are_refused() {
    let (shop, ids) = shop_with(&["One"]).await;
    let unknown = "product_01h455vb4pex5vsknk084sn02q";
    for (body, pointer, code) in [
        (json!({"query": "%", "match": "exact"}), "/query", "no_word"),
        (json!({"query": "one", "match": "like"}), "/match", "unknown_value"),
        (json!({"query": "one"}), "/match", "required"),
        (
            json!({"query": "one", "match": "exact", "pins": [unknown]}),
            "/pins/0",
            "not_found",
        ),
        (
            json!({"query": "one", "match": "exact", "pins": [ids[0]], "boosts": [ids[0]]}),
            "/boosts/0",
            "duplicate",
        ),
        (
            json!({"query": "one", "match": "exact", "buries": vec![unknown; 51]}),
            "/buries",
            "too_many",
        ),
    ] {
        let refused = shop.admin(Method::POST, RULES, body).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
    let mut connection = shop.database.connect().unwrap();
    let fill = "INSERT INTO products.search_rules (id, query, match, created_at, updated_at) \
        SELECT gen_random_uuid(), 'a', 'exact', now(), now() FROM generate_series(1, 1000)";
    diesel::connection::SimpleConnection::batch_execute(&mut connection, fill).unwrap();
    let refused = shop
        .admin(Method::POST, RULES, json!({"query": "b", "match": "exact"}))
        .await;
    assert_eq!(refused.refusal(), (422, "", "too_many"));
}

#[actix_web::test]
async fn pinned_products_come_first_and_are_counted_like_all_others() {
    let (shop, ids) = shop_with(&["Mouse one", "Mouse two", "Mouse three", "Keyboard", "Lamp"]).await;
    rule(
        &shop,
        json!({"query": "Mice", "match": "exact", "pins": [ids[3], ids[2]]}),
    )
    .await;
    assert_eq!(shop.titles("q=mouse").await.len(), 3);
    assert_eq!(shop.titles("q=mice").await, ["Keyboard", "Mouse three"]);
    rule(
        &shop,
        json!({"query": "mouse", "match": "contains", "pins": [ids[4]], "buries": [ids[0]], "boosts": [ids[1]]}),
    )
    .await;
    let found = shop.titles("q=mouse").await;
    assert_eq!(found, ["Lamp", "Mouse two", "Mouse three", "Mouse one"]);
    // In another order they are found, and stand where they belong.
    let by_title = shop.titles("q=mouse&sort=title").await;
    assert_eq!(by_title, ["Lamp", "Mouse one", "Mouse three", "Mouse two"]);
    let counted = shop.get("/products?q=mouse&facets=price").await.body;
    assert_eq!(counted["facets"]["price"]["buckets"][0]["count"], 4);
    // A rule of some words holds for no others.
    assert_eq!(shop.titles("q=mou").await.len(), 3);
}

#[actix_web::test]
async fn pins_obey_filters_and_show_nothing_that_nobody_may_see() {
    let shop = Shop::open().await;
    let mut branded = product("Lamp", 500, 1);
    branded["brand"] = json!("Lumen");
    let lamp = shop.create(branded).await;
    let mut draft = product("Secret", 100, 1);
    draft["status"] = json!("draft");
    let draft = shop.create(draft).await;
    let gone = shop.create(product("Gone", 100, 1)).await;
    shop.create(product("Mouse", 100, 1)).await;
    let made = rule(
        &shop,
        json!({"query": "mouse", "match": "exact", "pins": [draft["id"], gone["id"], lamp["id"]]}),
    )
    .await;
    assert_eq!(shop.titles("q=mouse").await, ["Gone", "Lamp", "Mouse"]);
    assert_eq!(shop.titles("q=mouse&brand=Lumen").await, ["Lamp"]);
    assert_eq!(shop.titles("q=mouse&price_max=200").await, ["Gone", "Mouse"]);
    let deleted = shop
        .admin_with(Method::DELETE, &path(&gone), Value::Null, &[("If-Match", "*")])
        .await;
    assert_eq!(deleted.status, 204);
    assert_eq!(shop.titles("q=mouse").await, ["Lamp", "Mouse"]);
    let shown = shop.admin(Method::GET, &at(&made), Value::Null).await.body;
    assert_eq!(shown["pins"], json!([draft["id"], lamp["id"]]));
    let staff = shop
        .admin(Method::GET, "/admin/products?q=mouse", Value::Null)
        .await
        .body;
    assert_eq!(
        (&staff["data"][0]["title"], &staff["total"]["value"]),
        (&json!("Secret"), &json!(3))
    );
}

#[actix_web::test]
async fn a_walk_through_pinned_boosted_and_buried_products_sees_each_once() {
    let titles: Vec<String> = (0..23)
        .map(|number| format!("Mouse {}", "big ".repeat(number % 4)))
        .collect();
    let (shop, ids) = shop_with(&titles.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let rule_body = json!({"query": "mouse", "match": "contains", "pins": ids[0..5], "boosts": ids[5..10],
        "buries": ids[10..15]});
    let made = rule(&shop, rule_body).await;
    let mut seen: Vec<Value> = Vec::new();
    let mut at_page = "/products?q=big+mouse&limit=3".to_owned();
    loop {
        let page = shop.get(&at_page).await.body;
        assert_eq!(
            page["total"]["value"],
            23 - titles[5..].iter().filter(|title| !title.contains("big")).count()
        );
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].clone()));
        let Some(cursor) = page["page"]["next_cursor"].as_str() else {
            break;
        };
        at_page = format!("/products?q=big+mouse&limit=3&cursor={cursor}");
    }
    assert_eq!(seen[..5], ids[..5]);
    let band = |id: &Value| match ids.iter().position(|known| known == id).unwrap() {
        0..5 => 0,
        5..10 => 1,
        10..15 => 3,
        _ => 2,
    };
    assert!(seen.is_sorted_by_key(band), "{seen:?}");
    let mut once = seen.clone();
    once.sort_by_key(Value::to_string);
    once.dedup();
    assert_eq!(once.len(), seen.len());
    // The order is another one from here on, and a cursor of the old one is refused.
    let first = shop.get("/products?q=big+mouse&limit=3").await.body;
    let cursor = first["page"]["next_cursor"].as_str().unwrap().to_owned();
    let changed = shop
        .edit(
            Method::PATCH,
            &format!("{RULES}/{}", made["id"].as_str().unwrap()),
            1,
            json!({"boosts": []}),
        )
        .await;
    assert_eq!(changed.status, 200);
    let refused = shop
        .get(&format!("/products?q=big+mouse&limit=3&cursor={cursor}"))
        .await;
    assert_eq!((refused.status.as_u16(), refused.refusal().1), (400, "cursor"));
}

#[actix_web::test]
async fn a_rule_counts_at_once_and_soon_everywhere() {
    let (shop, ids) = shop_with(&["Mouse", "Lamp"]).await;
    let other = shop.beside().await;
    assert_eq!(other.titles("q=mouse").await, ["Mouse"]);
    let made = rule(&shop, json!({"query": "mouse", "match": "exact", "pins": [ids[1]]})).await;
    assert_eq!(shop.titles("q=mouse").await, ["Lamp", "Mouse"]);
    eventually(async || other.titles("q=mouse").await == ["Lamp", "Mouse"]).await;
    // Whichever process it is taken back in.
    let gone = other.edit(Method::DELETE, &at(&made), 1, Value::Null).await;
    assert_eq!(gone.status, 204);
    assert_eq!(other.titles("q=mouse").await, ["Mouse"]);
    eventually(async || shop.titles("q=mouse").await == ["Mouse"]).await;
}

#[actix_web::test]
async fn a_pinned_product_that_is_deleted_spoils_no_cursor() {
    let (shop, ids) = shop_with(&["Mouse", "Mouse mat", "Lamp"]).await;
    rule(&shop, json!({"query": "mouse", "match": "exact", "pins": ids[2..]})).await;
    let first = shop.get("/products?q=mouse&limit=1").await.body;
    assert_eq!(first["data"][0]["title"], "Lamp");
    let route = format!("/admin/products/{}", ids[2].as_str().unwrap());
    let gone = shop
        .admin_with(Method::DELETE, &route, Value::Null, &[("If-Match", "*")])
        .await;
    assert_eq!(gone.status, 204);
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let next = format!("/products?q=mouse&limit=5&cursor={cursor}");
    // In a process that reads the rules only now, too.
    let other = shop.beside().await;
    for shop in [&shop, &other] {
        let rest = shop.get(&next).await;
        assert_eq!(rest.body["data"].as_array().map(Vec::len), Some(2), "{}", rest.body);
    }
    assert_eq!(
        shop.admin(Method::GET, RULES, Value::Null).await.body["data"][0]["pins"],
        json!([])
    );
}
