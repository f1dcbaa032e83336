//! `bodega verify` and the search index: what is changed behind its back is found, and nothing else.

use std::time::{Duration, Instant};

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use kernel::id::{ProductId, ReservationId};
use kernel::module::{Finding, Module as _};
use product_api::Demand;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, path, product, variant_id};

fn meddle(shop: &Shop, sql: &str) {
    shop.database.connect().unwrap().batch_execute(sql).unwrap();
}

/// What is found of the index: subjects and details.
async fn found(shop: &Shop) -> Vec<(String, String)> {
    let findings = shop.module.verify().await.unwrap().into_iter();
    let of_index = findings.filter(|finding| finding.rule == "search_index_equals_products");
    of_index
        .map(|Finding { subject, detail, .. }| (subject, detail))
        .collect()
}

/// Waits until this is what is found: not before the index has read the events of what was done just now, which are held back
/// while other tests have transactions open.
async fn comes_to(shop: &Shop, expected: &[(String, String)]) {
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until && found(shop).await != expected {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(found(shop).await, expected);
}

/// Waits until the indexes of these processes have read what all events until now tell of: of a sale nothing else tells.
async fn read_all_events(shops: &[&Shop]) {
    let last = shops[0].create(product("Last one", 100, 1)).await;
    let count = async |shop: &Shop, count: i64| {
        let path = "/products?q=last+one&in_stock=true";
        eventually(async || shop.get(path).await.body["total"]["value"] == count).await;
    };
    for shop in shops {
        count(shop, 1).await;
    }
    let demand = Demand {
        variant: variant_id(&last, 0),
        quantity: 1,
    };
    let api = shops[0].api();
    api.reserve(ReservationId::generate(), vec![demand]).await.unwrap();
    for shop in shops {
        count(shop, 0).await;
    }
}

fn finding(product: &Value, detail: &str) -> (String, String) {
    (product["id"].as_str().unwrap().to_owned(), detail.to_owned())
}

#[actix_web::test]
async fn each_kind_of_change_that_nobody_tells_of_is_found() {
    let shop = Shop::open_with(|settings| {
        settings.shop.currencies = vec!["EUR".parse().unwrap()];
        settings.shop.locales = vec!["en".parse().unwrap(), "de".parse().unwrap()];
    })
    .await;
    let mut mug = product("Mug", 100, 5);
    mug["variants"][0]["prices"] = json!([{"price": {"amount": 90, "currency": "EUR"}}]);
    let mug = shop.create(mug).await;
    shop.translate("products", &mug, "de", json!({"title": "Becher"})).await;
    read_all_events(&[&shop]).await;
    shop.assert_in_order().await;

    let variant = variant_id(&mug, 0).uuid();
    let id = mug["id"].as_str().unwrap().parse::<ProductId>().unwrap().uuid();
    let other = "index 0 has it as it is not any more";
    for (there, back) in [
        (
            format!("UPDATE products.products SET title = 'Jug' WHERE id = '{id}'"),
            format!("UPDATE products.products SET title = 'Mug' WHERE id = '{id}'"),
        ),
        (
            format!("UPDATE products.products SET status = 'draft' WHERE id = '{id}'"),
            format!("UPDATE products.products SET status = 'active' WHERE id = '{id}'"),
        ),
        (
            format!("UPDATE products.products SET price_min = 1 WHERE id = '{id}'"),
            format!("UPDATE products.products SET price_min = 100 WHERE id = '{id}'"),
        ),
        (
            format!("UPDATE products.offers SET price_minor = 1 WHERE variant_id = '{variant}'"),
            format!("UPDATE products.offers SET price_minor = 90 WHERE variant_id = '{variant}'"),
        ),
        (
            format!("UPDATE products.stock SET reserved = 5 WHERE variant_id = '{variant}'"),
            format!("UPDATE products.stock SET reserved = 0 WHERE variant_id = '{variant}'"),
        ),
        (
            r#"UPDATE products.product_translations SET texts = '{"title": "Tasse"}'"#.to_owned(),
            r#"UPDATE products.product_translations SET texts = '{"title": "Becher"}'"#.to_owned(),
        ),
        (
            format!(r#"UPDATE products.products SET attributes = '{{"a": 1}}' WHERE id = '{id}'"#),
            format!("UPDATE products.products SET attributes = '{{}}' WHERE id = '{id}'"),
        ),
    ] {
        meddle(&shop, &there);
        comes_to(&shop, &[finding(&mug, other)]).await;
        meddle(&shop, &back);
        shop.assert_in_order().await;
    }
    meddle(
        &shop,
        &format!("UPDATE products.products SET deleted_at = now(), status = 'archived' WHERE id = '{id}'"),
    );
    let gone = "index 0 has it, although there is no such product";
    comes_to(&shop, &[finding(&mug, gone)]).await;
}

#[actix_web::test]
async fn a_product_that_an_index_does_not_have_is_found_by_the_number_of_the_index() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let mug = shop.create(product("Mug", 100, 5)).await;
    let id = mug["id"].as_str().unwrap().parse::<ProductId>().unwrap().uuid();
    // As if the product had come by no request.
    let deleted = shop
        .admin_with(Method::DELETE, &path(&mug), Value::Null, &[("If-Match", "*")])
        .await;
    assert_eq!(deleted.status, 204);
    read_all_events(&[&shop, &other]).await;
    meddle(
        &shop,
        &format!("UPDATE products.products SET deleted_at = NULL WHERE id = '{id}'"),
    );
    let expected = [0, 1].map(|number| finding(&mug, &format!("index {number} does not have it")));
    comes_to(&shop, &expected).await;
}

#[actix_web::test]
async fn a_database_that_is_restored_while_it_is_served_is_followed_as_it_is_then() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 100, 5)).await;
    read_all_events(&[&shop]).await;
    let id = mug["id"].as_str().unwrap().parse::<ProductId>().unwrap().uuid();
    let newest = "SELECT id FROM products.outbox ORDER BY transaction_id DESC, sequence DESC LIMIT 1";
    meddle(
        &shop,
        &format!(
            "DELETE FROM products.outbox WHERE id = ({newest}); \
             UPDATE products.products SET title = 'Jug' WHERE id = '{id}'"
        ),
    );
    eventually(async || shop.titles("q=jug").await == ["Jug"]).await;
    comes_to(&shop, &[]).await;
}

#[actix_web::test]
async fn what_an_index_has_not_read_yet_is_no_finding_nor_is_one_that_is_not_there() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 100, 5)).await;
    shop.stop().await;
    // Nobody keeps the index any more, and the events tell of all of it.
    let rename = json!({"title": "Cup"});
    assert_eq!(shop.edit(Method::PATCH, &path(&made), 1, rename).await.status, 200);
    shop.adjust(variant_id(&made, 0), None, -5).await;
    shop.create(product("Bowl", 100, 5)).await;
    shop.collection(json!({"title": "All", "rule": {"match": "all", "conditions": [{"price": {"max": 100}}]}}))
        .await;
    shop.assert_in_order().await;
    // Settings with which the index is not used.
    let other = shop
        .beside_with(|settings| settings.shop.currencies = vec!["EUR".parse().unwrap()])
        .await;
    other.assert_in_order().await;
    other.stop().await;
    std::fs::remove_dir_all(&shop.files).unwrap();
    shop.assert_in_order().await;
}
