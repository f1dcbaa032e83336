//! The lowest price of the 30 days before a reduction, which is told beside it.

use chrono::TimeDelta;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, product, usd, variant_id};

/// What is shown of the first variant.
async fn shown(shop: &Shop, path: &str) -> Value {
    let response = shop.get(path).await;
    assert_eq!(response.status, 200, "{path}: {}", response.body);
    response.body["variants"][0].clone()
}

#[actix_web::test]
async fn the_lowest_price_of_thirty_days_is_what_it_was_before_the_reduction_whoever_made_it() {
    let shop = Shop::open_selling_in("EUR").await;
    let line = |price: i64, compare: Option<i64>, euros: i64| {
        let line = json!({"id": "1", "title": "Mug", "price_minor": price, "compare_at_price_minor": compare,
            "prices": [{"currency": "EUR", "price_minor": euros}]});
        line.to_string()
    };
    let imported = async |price, compare, euros| {
        let report = shop
            .import(&line(price, compare, euros), ImportFormat::Ndjson, false)
            .await;
        assert_eq!(report.skipped, 0, "{report:?}");
        shown(&shop, "/products/mug").await
    };
    imported(1000, None, 900).await;
    shop.context.clock.advance(TimeDelta::days(40));
    imported(800, None, 900).await;
    shop.context.clock.advance(TimeDelta::days(2));
    imported(1000, None, 900).await;
    shop.context.clock.advance(TimeDelta::days(10));
    // Twelve days ago it had cost 8.
    let reduced = imported(900, Some(1000), 900).await;
    assert_eq!(reduced["lowest_price_30_days"], usd(800));
    // The reduction becomes a larger one: what was lowest before it began stays.
    shop.context.clock.advance(TimeDelta::days(5));
    let further = imported(700, Some(1000), 900).await;
    assert_eq!(further["lowest_price_30_days"], usd(800));
    shop.context.clock.advance(TimeDelta::days(35));
    let over = imported(1000, None, 900).await;
    assert_eq!(over.get("lowest_price_30_days"), None);
    shop.context.clock.advance(TimeDelta::days(31));
    // By now nothing but the price itself is less than thirty days old; euros have a past of their own.
    let again = imported(600, Some(1000), 850).await;
    assert_eq!(again["lowest_price_30_days"], usd(1000));
    assert_eq!(
        shown(&shop, "/products/mug?currency=EUR")
            .await
            .get("lowest_price_30_days"),
        None
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_price_without_a_past_has_no_lowest_price() {
    let shop = Shop::open().await;
    let mut new = product("Mug", 800, 5);
    new["variants"][0]["compare_at_price"] = usd(1000);
    shop.create(new).await;
    let own = shown(&shop, "/products/mug").await;
    assert_eq!(
        (&own["compare_at_price"], own.get("lowest_price_30_days")),
        (&usd(1000), None)
    );
}

#[actix_web::test]
async fn a_sale_that_follows_a_better_one_by_the_clock_is_told_with_the_price_of_that() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 1000, 5)).await;
    let day = |number: i64| shop.context.clock.now() + TimeDelta::days(number);
    for (name, price, from) in [("Black Friday", 600, 40), ("Advent", 900, 50)] {
        let list = json!({"name": name, "currency": "USD", "status": "active",
            "starts_at": day(from), "ends_at": day(from + 10)});
        let list = shop.price_list(list).await;
        let price = json!([{"variant_id": variant_id(&made, 0), "price": usd(price)}]);
        shop.put_on(&list, price).await;
    }
    for (days, price, lowest) in [(40, 600, usd(1000)), (10, 900, usd(600)), (10, 1000, Value::Null)] {
        shop.context.clock.advance(TimeDelta::days(days));
        shop.run_jobs().await;
        let seen = shown(&shop, "/products/mug").await;
        assert_eq!((&seen["price"], &seen["lowest_price_30_days"]), (&usd(price), &lowest));
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_was_new_with_a_price_before_has_a_lowest_price_in_its_first_sale() {
    let shop = Shop::open().await;
    let line = json!({"handle": "mug", "title": "Mug", "price_minor": 800, "compare_at_price_minor": 1000});
    shop.import(&line.to_string(), ImportFormat::Ndjson, false).await;
    shop.context.clock.advance(TimeDelta::days(100));
    let made = shop.get("/products/mug").await.body;
    // An edit that changes no price is no reduction.
    let renamed =
        json!({"handle": "mug", "title": "Mug", "sku": "M-1", "price_minor": 800, "compare_at_price_minor": 1000});
    shop.import(&renamed.to_string(), ImportFormat::Ndjson, false).await;
    assert_eq!(shown(&shop, "/products/mug").await.get("lowest_price_30_days"), None);
    let sale = shop
        .price_list(json!({"name": "Sale", "currency": "USD", "status": "active"}))
        .await;
    let price = json!([{"variant_id": variant_id(&made, 0), "price": usd(600)}]);
    shop.put_on(&sale, price).await;
    let seen = shown(&shop, "/products/mug").await;
    assert_eq!((&seen["price"], &seen["lowest_price_30_days"]), (&usd(600), &usd(800)));
    shop.assert_in_order().await;
}
