//! What variants have cost, as staff read it.

use actix_web::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::support::{Response, Shop, usd, variant_id};

fn euros(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

async fn history(shop: &Shop, variant: &Value, query: &str) -> Response {
    let path = format!(
        "/admin/variants/{}/price-history?{query}",
        variant["id"].as_str().unwrap()
    );
    shop.admin(Method::GET, &path, Value::Null).await
}

/// The amounts of a page.
fn amounts(page: &Response) -> Vec<i64> {
    assert_eq!(page.status, 200, "{}", page.text);
    let rows = page.body["data"].as_array().unwrap().iter();
    rows.map(|row| row["price"]["amount"].as_i64().unwrap()).collect()
}

async fn edit(shop: &Shop, variant: &Value, change: Value) {
    let path = format!("/admin/variants/{}", variant["id"].as_str().unwrap());
    let edited = shop
        .admin_with(Method::PATCH, &path, change, &[("If-Match", "*")])
        .await;
    assert_eq!(edited.status, 200, "{}", edited.body);
}

#[actix_web::test]
async fn what_was_charged_is_told_newest_first_whoever_changed_it() {
    let shop = Shop::open_selling_in("EUR").await;
    let further = json!([{"price": euros(900)}]);
    let mug = json!({"title": "Mug", "variants": [{"price": usd(1000), "stock": 1, "prices": further}]});
    let mug = shop.create(mug).await;
    let variant = &mug["variants"][0];
    let first = history(&shop, variant, "").await;
    assert_eq!(amounts(&first), [1000]);
    assert_eq!(first.header("cache-control"), "private, no-store");
    let begun = first.body["data"][0]["starts_at"].clone();
    assert_eq!(
        first.body["data"][0],
        json!({"price": usd(1000), "starts_at": begun, "ends_at": null})
    );

    shop.context.clock.advance(TimeDelta::days(1));
    edit(&shop, variant, json!({"price": {"amount": 1200}, "sku": "M-1"})).await;
    // What is no price is no part of it.
    shop.context.clock.advance(TimeDelta::days(1));
    edit(&shop, variant, json!({"compare_at_price": usd(1500)})).await;
    let sale = json!({"name": "Sale", "currency": "USD", "status": "active"});
    let sale = shop.price_list(sale).await;
    shop.put_on(&sale, json!([{"variant_id": variant_id(&mug, 0), "price": usd(800)}]))
        .await;
    let page = history(&shop, variant, "").await;
    assert_eq!(amounts(&page), [800, 1200, 1000]);
    let rows = page.body["data"].as_array().unwrap();
    assert_eq!((&rows[0]["ends_at"], &rows[2]["starts_at"]), (&Value::Null, &begun));
    for pair in rows.windows(2) {
        assert_eq!(pair[0]["starts_at"], pair[1]["ends_at"], "one begins as the other ends");
    }
    // Each currency by itself; what is not sold any more in one has no price now.
    assert_eq!(amounts(&history(&shop, variant, "currency=EUR").await), [900]);
    edit(&shop, variant, json!({"prices": null})).await;
    let page = history(&shop, variant, "currency=EUR").await;
    assert_eq!(
        (amounts(&page), page.body["data"][0]["ends_at"].is_string()),
        (vec![900], true)
    );
    assert_eq!(amounts(&history(&shop, variant, "").await), [800, 1200, 1000]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn the_history_is_read_page_by_page() {
    let shop = Shop::open_selling_in("EUR").await;
    let mug = shop
        .create(json!({"title": "Mug", "variants": [{"price": usd(100), "stock": 1}]}))
        .await;
    let variant = &mug["variants"][0];
    for amount in 101..110 {
        shop.context.clock.advance(TimeDelta::hours(1));
        edit(&shop, variant, json!({"price": {"amount": amount}})).await;
    }
    let all: Vec<i64> = (100..110).rev().collect();
    for limit in [1, 3, 9, 10, 100] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = history(&shop, variant, &format!("limit={limit}{cursor}")).await;
            seen.extend(amounts(&page));
            match page.body["page"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, all, "{limit}");
    }
    let page = history(&shop, variant, "limit=1").await.body;
    let cursor = page["page"]["next_cursor"].as_str().unwrap();
    let foreign = history(&shop, variant, &format!("currency=EUR&cursor={cursor}")).await;
    assert_eq!(foreign.refusal(), (400, "cursor", "invalid_cursor"));
}

#[actix_web::test]
async fn the_history_is_for_staff_and_of_variants_that_are_there() {
    let shop = Shop::open().await;
    let mug = shop
        .create(json!({"title": "Mug", "variants": [{"price": usd(100), "stock": 1}]}))
        .await;
    let variant = &mug["variants"][0];
    let path = format!("/admin/variants/{}/price-history", variant["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.status, 401);
    assert_eq!(shop.customer(Method::GET, &path).await.status, 403);
    for (query, parameter, code) in [
        ("currency=EUR", "currency", "unsupported_currency"),
        ("currency=euro", "currency", "unknown_currency"),
        ("limit=0", "limit", "out_of_range"),
        ("sort=price", "sort", "unknown_parameter"),
    ] {
        assert_eq!(
            history(&shop, variant, query).await.refusal(),
            (400, parameter, code),
            "{query}"
        );
    }
    let gone = shop
        .admin_with(
            Method::DELETE,
            &crate::support::path(&mug),
            Value::Null,
            &[("If-Match", "*")],
        )
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(history(&shop, variant, "").await.status, 404);
    let unknown = json!({"id": "variant_01h2xcejqtf2nbrexx3vqjhp41"});
    assert_eq!(history(&shop, &unknown, "").await.status, 404);
}
