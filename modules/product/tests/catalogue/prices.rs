//! Prices in further currencies and by quantity, sales, prices of groups of customers, and what prices were before.

use actix_web::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use futures_util::future::join;
use kernel::id::CustomerGroupId;
use kernel::{Currency, Money};
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, path, product, sizes, usd, variant_id};

fn eur(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

fn text(time: DateTime<Utc>) -> Value {
    json!(time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// A mug for 10 dollars, 9 euros, and from ten on 8 dollars and 7 euros.
fn mug() -> Value {
    json!({"title": "Mug", "variants": [{"price": usd(1000), "stock": 5, "prices": [
        {"price": eur(900)}, {"min_quantity": 10, "price": usd(800)}, {"min_quantity": 10, "price": eur(700)},
    ]}]})
}

/// What is shown of the first variant.
async fn shown(shop: &Shop, path: &str) -> Value {
    let response = shop.get(path).await;
    assert_eq!(response.status, 200, "{path}: {}", response.body);
    response.body["variants"][0].clone()
}

/// What so many cost, each, as carts are told.
async fn quoted(
    shop: &Shop,
    product: &Value,
    currency: &str,
    group: Option<CustomerGroupId>,
    quantity: i64,
) -> Option<i64> {
    let currency: Currency = currency.parse().unwrap();
    let quotes = shop
        .api()
        .quote(vec![variant_id(product, 0)], currency, None, group)
        .await;
    let price = quotes.unwrap()[0].unit_price(quantity);
    assert!(price.is_none_or(|price| price == Money::new(price.amount, currency)));
    price.map(|price| price.amount)
}

#[actix_web::test]
async fn a_variant_has_prices_in_each_currency_of_the_shop_and_from_larger_quantities_on() {
    let shop = Shop::open_selling_in("EUR,JPY").await;
    let made = shop.create(mug()).await;
    let written = &made["variants"][0];
    assert_eq!((&written["price"], &written["current_price"]), (&usd(1000), &usd(1000)));
    assert_eq!(written["prices"].as_array().unwrap().len(), 3);

    let own = shown(&shop, "/products/mug").await;
    assert_eq!(
        (&own["price"], &own["price_tiers"]),
        (&usd(1000), &json!([{"min_quantity": 10, "price": usd(800)}]))
    );
    assert_eq!(own["prices"], Value::Null);
    assert_eq!(shown(&shop, "/products/mug?currency=USD").await, own);
    let other = shown(&shop, "/products/mug?currency=EUR").await;
    assert_eq!(
        (&other["price"], &other["price_tiers"]),
        (&eur(900), &json!([{"min_quantity": 10, "price": eur(700)}]))
    );
    let unsold = shop.get("/products/mug?currency=JPY").await.body;
    assert_eq!(
        (&unsold["variants"][0]["price"], &unsold["price_range"]),
        (&Value::Null, &Value::Null)
    );
    for list in ["/products?currency=EUR", "/products?q=mug&currency=EUR"] {
        let row = &shop.get(list).await.body["data"][0];
        assert_eq!(row["price_range"], json!({"min": eur(900), "max": eur(900)}), "{list}");
        assert_eq!(row["variants"][0]["price"], eur(900), "{list}");
    }

    for (currency, quantity, price) in [
        ("USD", 1, Some(1000)),
        ("USD", 9, Some(1000)),
        ("USD", 10, Some(800)),
        ("USD", 999, Some(800)),
        ("EUR", 9, Some(900)),
        ("EUR", 11, Some(700)),
        ("JPY", 1, None),
    ] {
        assert_eq!(
            quoted(&shop, &made, currency, None, quantity).await,
            price,
            "{quantity} in {currency}"
        );
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn nothing_is_sold_in_a_currency_that_the_shop_has_given_up() {
    let shop = Shop::open_selling_in("EUR").await;
    let made = shop.create(mug()).await;
    let gold = CustomerGroupId::generate();
    let list = json!({"name": "Gold", "currency": "EUR", "status": "active", "customer_group_id": gold});
    let list = shop.price_list(list).await;
    shop.put_on(&list, json!([{"variant_id": variant_id(&made, 0), "price": eur(600)}]))
        .await;
    assert_eq!(quoted(&shop, &made, "EUR", Some(gold), 1).await, Some(600));
    let later = shop.beside_with(|settings| settings.shop.currencies.clear()).await;
    for group in [None, Some(gold)] {
        assert_eq!(quoted(&later, &made, "EUR", group, 1).await, None);
        assert_eq!(quoted(&later, &made, "USD", group, 1).await, Some(1000));
    }
    // What was written is kept, for the shop that takes the currency up again.
    let again = later
        .beside_with(|settings| settings.shop.currencies = vec!["EUR".parse().unwrap()])
        .await;
    assert_eq!(quoted(&again, &made, "EUR", None, 10).await, Some(700));
}

#[actix_web::test]
async fn currencies_that_the_shop_does_not_sell_in_are_refused() {
    let shop = Shop::open_selling_in("EUR").await;
    shop.create(mug()).await;
    shop.collection(json!({"title": "All", "published": true})).await;
    for list in [
        "/products",
        "/products/mug",
        "/products/mug/related",
        "/collections/all/products",
    ] {
        let refused = shop.get(&format!("{list}?currency=JPY")).await;
        assert_eq!(refused.refusal(), (400, "currency", "unsupported_currency"), "{list}");
        let refused = shop.get(&format!("{list}?currency=eur")).await;
        assert_eq!(refused.refusal(), (400, "currency", "unknown_currency"), "{list}");
        assert_eq!(shop.get(&format!("{list}?currency=EUR")).await.status, 200, "{list}");
    }
}

#[actix_web::test]
async fn wrong_further_prices_are_refused_and_leave_everything_as_it_was() {
    let shop = Shop::open_selling_in("EUR").await;
    let made = shop.create(mug()).await;
    let variant = format!("/admin/variants/{}", made["variants"][0]["id"].as_str().unwrap());
    for (prices, pointer, code) in [
        (json!([{"price": usd(1)}]), "/prices", "duplicate"),
        (json!([{"price": eur(1)}, {"price": eur(2)}]), "/prices", "duplicate"),
        (json!([{"price": eur(1), "min_quantity": 5}]), "/prices", "required"),
        (
            json!([{"price": eur(1), "min_quantity": 0}]),
            "/prices/0/min_quantity",
            "out_of_range",
        ),
        (json!([{"price": eur(-1)}]), "/prices/0/price/amount", "out_of_range"),
        (
            json!([{"price": {"amount": 1, "currency": "JPY"}}]),
            "/prices/0/price/currency",
            "unsupported_currency",
        ),
        (
            json!([{"price": eur(1), "compare_at_price": usd(2)}]),
            "/prices/0/compare_at_price/currency",
            "unsupported_currency",
        ),
        (json!([{"price": eur(1), "tier": 2}]), "/prices/0/tier", "unknown_field"),
    ] {
        let refused = shop.edit(Method::PATCH, &variant, 1, json!({"prices": prices})).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{prices}");
    }
    assert_eq!(shop.admin(Method::GET, &path(&made), Value::Null).await.body, made);
    // What is not said stays, `null` takes all away.
    let kept = shop
        .edit(Method::PATCH, &variant, 1, json!({"price": {"amount": 1100}}))
        .await
        .body;
    assert_eq!(kept["prices"], made["variants"][0]["prices"]);
    assert_eq!(quoted(&shop, &made, "EUR", None, 10).await, Some(700));
    let gone = shop
        .edit(Method::PATCH, &variant, 2, json!({"prices": null}))
        .await
        .body;
    assert_eq!(gone["prices"], json!([]));
    assert_eq!(quoted(&shop, &made, "EUR", None, 1).await, None);
    assert_eq!(quoted(&shop, &made, "USD", None, 10).await, Some(1100));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn prices_in_bulk_are_of_any_currency_and_quantity() {
    let shop = Shop::open_selling_in("EUR").await;
    let made = shop.create(product("Mug", 1000, 5)).await;
    let id = variant_id(&made, 0);
    let prices = json!([
        {"variant_id": id, "price": usd(1100), "compare_at_price": usd(1300)},
        {"variant_id": id, "price": eur(700), "min_quantity": 10},
        {"variant_id": id, "price": eur(900)},
        {"variant_id": id, "price": eur(700), "min_quantity": 10},
        {"variant_id": id, "price": usd(700), "min_quantity": 10},
        {"variant_id": id, "price": eur(950)},
        {"variant_id": id, "price": {"amount": 1, "currency": "JPY"}},
    ]);
    let answer = shop
        .admin(Method::POST, "/admin/prices/bulk", json!({"prices": prices}))
        .await
        .body;
    let results = answer["results"].as_array().unwrap();
    let told: Vec<(u64, &str)> = results
        .iter()
        .map(|result| {
            let code = result["problem"]["errors"][0]["code"].as_str().unwrap_or_default();
            (result["status"].as_u64().unwrap(), code)
        })
        .collect();
    // A step needs a price of one, which comes later; by then its place has been taken.
    assert_eq!(
        told,
        [
            (200, ""),
            (422, "required"),
            (200, ""),
            (422, "duplicate"),
            (200, ""),
            (422, "duplicate"),
            (422, "unsupported_currency")
        ]
    );
    assert_eq!(results[0]["version"], 2);
    let own = shown(&shop, "/products/mug").await;
    assert_eq!((&own["price"], &own["compare_at_price"]), (&usd(1100), &usd(1300)));
    assert_eq!(quoted(&shop, &made, "EUR", None, 10).await, Some(900));
    assert_eq!(quoted(&shop, &made, "USD", None, 10).await, Some(700));
}

#[actix_web::test]
async fn a_sale_holds_between_its_ends_for_visitors_lists_collections_and_carts_alike() {
    let shop = Shop::open_selling_in("EUR").await;
    let now = shop.context.clock.now();
    let made = shop.create(mug()).await;
    let cheap = json!({"title": "Cheap", "published": true,
        "rule": {"match": "all", "conditions": [{"price": {"max": 900}}]}});
    shop.collection(cheap).await;
    let list = json!({"name": "Summer", "currency": "USD", "status": "active",
        "starts_at": text(now + TimeDelta::hours(1)), "ends_at": text(now + TimeDelta::hours(2))});
    let list = shop.price_list(list).await;
    shop.put_on(&list, json!([{"variant_id": variant_id(&made, 0), "price": usd(850)}]))
        .await;
    let before = shown(&shop, "/products/mug").await;
    assert_eq!(before["price"], usd(1000));

    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    let during = shown(&shop, "/products/mug").await;
    assert_eq!((&during["price"], &during["compare_at_price"]), (&usd(850), &usd(1000)));
    assert_eq!(during["lowest_price_30_days"], usd(1000));
    assert_eq!(during["price_tiers"], json!([{"min_quantity": 10, "price": usd(800)}]));
    assert_eq!(quoted(&shop, &made, "USD", None, 1).await, Some(850));
    assert_eq!(shown(&shop, "/products/mug?currency=EUR").await["price"], eur(900));
    eventually(async || shop.titles("price_max=900").await == ["Mug"]).await;
    assert_eq!(shop.titles("collection=cheap").await, ["Mug"]);
    let seen = shop.admin(Method::GET, &path(&made), Value::Null).await;
    assert_eq!(seen.header("etag"), "\"1\"");
    let variant = &seen.body["variants"][0];
    assert_eq!((&variant["price"], &variant["current_price"]), (&usd(1000), &usd(850)));
    shop.assert_in_order().await;

    // An edit in the middle of the sale changes what was written, and the sale goes on.
    let patch = json!({"price": {"amount": 1200}});
    let id = format!("/admin/variants/{}", made["variants"][0]["id"].as_str().unwrap());
    assert_eq!(shop.edit(Method::PATCH, &id, 1, patch).await.status, 200);
    let edited = shown(&shop, "/products/mug").await;
    assert_eq!((&edited["price"], &edited["compare_at_price"]), (&usd(850), &usd(1200)));
    assert_eq!(edited["lowest_price_30_days"], usd(1000));
    assert_eq!(shop.titles("collection=cheap").await, ["Mug"]);
    shop.assert_in_order().await;

    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    let after = shown(&shop, "/products/mug").await;
    assert_eq!(
        (&after["price"], &after["compare_at_price"]),
        (&usd(1200), &Value::Null)
    );
    assert_eq!(after.get("lowest_price_30_days"), None);
    assert_eq!(quoted(&shop, &made, "USD", None, 1).await, Some(1200));
    eventually(async || shop.titles("collection=cheap").await.is_empty()).await;
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_list_is_edited_at_a_version_and_what_is_offered_follows() {
    let shop = Shop::open_selling_in("EUR").await;
    let made = shop.create(mug()).await;
    let id = variant_id(&made, 0);
    shop.context.clock.advance(TimeDelta::minutes(1));
    let list = shop.price_list(json!({"name": "Sale", "currency": "EUR"})).await;
    let uri = format!("/admin/price-lists/{}", list["id"].as_str().unwrap());
    assert_eq!((&list["status"], &list["version"]), (&json!("draft"), &json!(1)));
    shop.put_on(
        &list,
        json!([{"variant_id": id, "price": eur(500), "compare_at_price": eur(950)}]),
    )
    .await;
    assert_eq!(quoted(&shop, &made, "EUR", None, 1).await, Some(900));

    let patch = json!({"status": "active"});
    assert_eq!(shop.admin(Method::PATCH, &uri, patch.clone()).await.status, 428);
    assert_eq!(shop.edit(Method::PATCH, &uri, 7, patch.clone()).await.status, 412);
    assert_eq!(shop.edit(Method::PATCH, &uri, 1, patch).await.body["version"], 2);
    let prices = json!({"prices": [{"variant_id": id, "price": eur(1)}]});
    let late = shop.edit(Method::POST, &format!("{uri}/prices"), 1, prices).await;
    assert_eq!((late.status.as_u16(), &late.body["version"]), (412, &json!(2)));
    shop.run_jobs().await;
    assert_eq!(quoted(&shop, &made, "EUR", None, 1).await, Some(500));
    assert_eq!(quoted(&shop, &made, "EUR", None, 10).await, Some(500));
    let other = shown(&shop, "/products/mug?currency=EUR").await;
    assert_eq!(
        (&other["compare_at_price"], &other["lowest_price_30_days"]),
        (&eur(950), &eur(900))
    );
    assert_eq!(other.get("price_tiers"), None);
    assert_eq!(quoted(&shop, &made, "USD", None, 1).await, Some(1000));

    // A price that is put on a list that holds is offered at once, and is no longer when it is taken off.
    shop.put_on(
        &list,
        json!([{"variant_id": id, "price": eur(600)}, {"variant_id": id, "min_quantity": 5, "price": eur(400)}]),
    )
    .await;
    assert_eq!(quoted(&shop, &made, "EUR", None, 1).await, Some(600));
    assert_eq!(quoted(&shop, &made, "EUR", None, 5).await, Some(400));
    let page = shop
        .admin(Method::GET, &format!("{uri}/prices?limit=1"), Value::Null)
        .await
        .body;
    assert_eq!(page["data"][0]["price"], eur(600));
    let next = page["page"]["next_cursor"].as_str().unwrap();
    let page = shop
        .admin(Method::GET, &format!("{uri}/prices?limit=1&cursor={next}"), Value::Null)
        .await
        .body;
    assert_eq!(
        (&page["data"][0]["min_quantity"], &page["page"]["has_more"]),
        (&json!(5), &json!(false))
    );
    shop.put_on(&list, json!([{"variant_id": id, "min_quantity": 5, "price": null}]))
        .await;
    assert_eq!(quoted(&shop, &made, "EUR", None, 5).await, Some(600));

    let tag = [("If-Match", "\"1\"")];
    assert_eq!(
        shop.admin_with(Method::DELETE, &uri, Value::Null, &tag).await.status,
        412
    );
    assert_eq!(shop.admin(Method::DELETE, &uri, Value::Null).await.status, 204);
    assert_eq!(shop.admin(Method::GET, &uri, Value::Null).await.status, 404);
    shop.run_jobs().await;
    assert_eq!(quoted(&shop, &made, "EUR", None, 1).await, Some(900));
    assert_eq!(shown(&shop, "/products/mug?currency=EUR").await["price"], eur(900));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn each_price_on_a_list_has_its_own_result() {
    let shop = Shop::open_selling_in("EUR").await;
    let made = shop.create(mug()).await;
    let id = variant_id(&made, 0);
    let list = shop
        .price_list(json!({"name": "Sale", "currency": "USD", "status": "active"}))
        .await;
    let uri = format!("/admin/price-lists/{}/prices", list["id"].as_str().unwrap());
    let prices = json!([
        {"variant_id": id, "price": usd(500)},
        {"variant_id": id, "price": usd(400)},
        {"variant_id": kernel::id::VariantId::generate(), "price": usd(500)},
        {"variant_id": id, "price": eur(500), "min_quantity": 2},
        {"variant_id": id, "min_quantity": 3},
        {"variant_id": id, "min_quantity": 4, "price": null, "compare_at_price": usd(1)},
        7,
        {"variant_id": id, "min_quantity": 5, "price": null},
    ]);
    let answer = shop.admin(Method::POST, &uri, json!({"prices": prices})).await;
    let results = answer.body["results"].as_array().unwrap();
    let told: Vec<(u64, &str, &str)> = results
        .iter()
        .map(|result| {
            let problem = &result["problem"];
            let error = &problem["errors"][0];
            let code = error["code"].as_str().or(problem["code"].as_str()).unwrap_or_default();
            (
                result["status"].as_u64().unwrap(),
                error["pointer"].as_str().unwrap_or_default(),
                code,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (200, "", ""),
            (422, "/variant_id", "duplicate"),
            (404, "", "not_found"),
            (422, "/price/currency", "unsupported_currency"),
            (422, "/price", "required"),
            (422, "/compare_at_price", "not_allowed"),
            (422, "", "invalid_type"),
            (204, "", ""),
        ]
    );
    assert_eq!(quoted(&shop, &made, "USD", None, 3).await, Some(500));
    let none = shop.admin(Method::POST, &uri, json!({"prices": []})).await;
    assert_eq!(none.refusal(), (422, "/prices", "required"));
    let many = vec![json!({"variant_id": id, "price": usd(1)}); 251];
    let many = shop.admin(Method::POST, &uri, json!({"prices": many})).await;
    assert_eq!(many.refusal(), (422, "/prices", "too_many"));
    for (wrong, pointer, code) in [
        (json!({"name": "", "currency": "USD"}), "/name", "too_short"),
        (
            json!({"name": "Sale", "currency": "JPY"}),
            "/currency",
            "unsupported_currency",
        ),
        (
            json!({"name": "Sale", "currency": "USD", "priority": 1}),
            "/priority",
            "unknown_field",
        ),
        (
            json!({"name": "Sale", "currency": "USD", "starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-02T00:00:00Z"}),
            "/ends_at",
            "out_of_range",
        ),
        (
            // A leap second is the first of the next minute.
            json!({"name": "Sale", "currency": "USD", "starts_at": "2026-12-31T23:59:60Z", "ends_at": "2027-01-01T00:00:00Z"}),
            "/ends_at",
            "out_of_range",
        ),
        (
            json!({"name": "Sale", "currency": "USD", "starts_at": "9999-12-31T23:59:60Z"}),
            "/starts_at",
            "out_of_range",
        ),
    ] {
        let refused = shop.admin(Method::POST, "/admin/price-lists", wrong.clone()).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{wrong}");
    }
    assert_eq!(shop.customer(Method::GET, "/admin/price-lists").await.status, 403);
}

#[actix_web::test]
async fn a_list_has_at_most_twenty_prices_of_a_variant() {
    let shop = Shop::open_selling_in("EUR").await;
    let made = shop.create(mug()).await;
    let id = variant_id(&made, 0);
    let list = json!({"name": "Sale", "currency": "USD", "status": "active"});
    let list = shop.price_list(list).await;
    let uri = format!("/admin/price-lists/{}/prices", list["id"].as_str().unwrap());
    let put = async |from: i64, count: i64| {
        let price = |min_quantity| json!({"variant_id": id, "min_quantity": min_quantity, "price": usd(900)});
        let prices: Vec<Value> = (from..from + count).map(price).collect();
        shop.admin(Method::POST, &uri, json!({"prices": prices})).await.body["results"].clone()
    };
    let count = async || {
        let page = shop
            .admin(Method::GET, &format!("{uri}?limit=100"), Value::Null)
            .await
            .body;
        page["data"].as_array().unwrap().len()
    };
    // Two who come at the same moment get no more than one would.
    join(put(1, 15), put(101, 15)).await;
    assert_eq!(count().await, 20);
    let refused = put(200, 1).await[0].clone();
    let error = &refused["problem"]["errors"][0];
    assert_eq!(
        (&refused["status"], &refused["min_quantity"]),
        (&json!(422), &json!(200))
    );
    assert_eq!(
        (&error["pointer"], &error["code"]),
        (&json!("/min_quantity"), &json!("too_many"))
    );
    // Those that are there can be changed and taken off, and make room for the ones that come after them.
    let one = json!({"variant_id": id, "min_quantity": 1, "price": usd(700)});
    let off = json!({"variant_id": id, "min_quantity": 101, "price": null});
    let new = |min_quantity| json!({"variant_id": id, "min_quantity": min_quantity, "price": usd(600)});
    let prices = json!([new(300), one, off, new(301), new(302)]);
    let answer = shop.admin(Method::POST, &uri, json!({"prices": prices})).await.body;
    let results = answer["results"].as_array().unwrap().iter();
    let told: Vec<&Value> = results.map(|result| &result["status"]).collect();
    assert_eq!(told, [422, 200, 204, 200, 422]);
    assert_eq!(count().await, 20);
    assert_eq!(quoted(&shop, &made, "USD", None, 301).await, Some(600));
}

#[actix_web::test]
async fn what_is_on_lists_that_are_over_is_not_read_any_more() {
    let shop = Shop::open_selling_in("EUR").await;
    let now = shop.context.clock.now();
    let made = shop.create(mug()).await;
    let id = variant_id(&made, 0);
    let gold = CustomerGroupId::generate();
    for group in [json!(null), json!(gold)] {
        let list = json!({"name": "Over", "currency": "USD", "status": "active", "customer_group_id": group,
            "ends_at": text(now + TimeDelta::hours(1))});
        let list = shop.price_list(list).await;
        shop.put_on(&list, json!([{"variant_id": id, "price": usd(500)}])).await;
    }
    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    // Whoever read them now could not make anything of it.
    let spoil = "UPDATE products.price_lists SET currency = 'ZZZ'";
    shop.database.connect().unwrap().batch_execute(spoil).unwrap();
    assert_eq!(quoted(&shop, &made, "USD", Some(gold), 1).await, Some(1000));
    let edited = shop
        .edit(
            Method::PATCH,
            &format!("/admin/variants/{id}"),
            1,
            json!({"price": {"amount": 1100}}),
        )
        .await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    assert_eq!(quoted(&shop, &made, "USD", Some(gold), 1).await, Some(1100));
}

#[actix_web::test]
async fn a_group_pays_its_own_prices_and_nobody_else_is_shown_them() {
    let shop = Shop::open_selling_in("EUR").await;
    let now = shop.context.clock.now();
    let made = shop.create(mug()).await;
    let (gold, silver) = (CustomerGroupId::generate(), CustomerGroupId::generate());
    let list = json!({"name": "Gold", "currency": "USD", "status": "active", "customer_group_id": gold,
        "ends_at": text(now + TimeDelta::hours(1))});
    let list = shop.price_list(list).await;
    let id = variant_id(&made, 0);
    shop.put_on(
        &list,
        json!([{"variant_id": id, "price": usd(900)}, {"variant_id": id, "min_quantity": 20, "price": usd(600)}]),
    )
    .await;
    for (group, quantity, price) in [
        (Some(gold), 1, 900),
        (Some(gold), 10, 800),
        (Some(gold), 20, 600),
        (Some(silver), 1, 1000),
        (Some(silver), 20, 800),
        (None, 20, 800),
    ] {
        assert_eq!(
            quoted(&shop, &made, "USD", group, quantity).await,
            Some(price),
            "{group:?} {quantity}"
        );
    }
    assert_eq!(quoted(&shop, &made, "EUR", Some(gold), 1).await, Some(900));
    assert_eq!(shown(&shop, "/products/mug").await["price"], usd(1000));

    let own = shop.member(Some(gold), "/products/mug/prices").await;
    assert_eq!(own.header("cache-control"), "private, no-store");
    let tiers = json!([{"min_quantity": 10, "price": usd(800)}, {"min_quantity": 20, "price": usd(600)}]);
    assert_eq!(
        own.body,
        json!({"currency": "USD", "data": [{"variant_id": id, "price": usd(900), "price_tiers": tiers}]})
    );
    assert_eq!(
        shop.member(None, "/products/mug/prices").await.body["data"][0]["price"],
        usd(1000)
    );
    assert_eq!(
        shop.member(None, "/products/mug/prices?currency=EUR").await.body["data"][0]["price"],
        eur(900)
    );
    assert_eq!(shop.get("/products/mug/prices").await.status, 401);
    assert_eq!(shop.member(Some(gold), "/products/cup/prices").await.status, 404);

    shop.context.clock.advance(TimeDelta::hours(1));
    assert_eq!(quoted(&shop, &made, "USD", Some(gold), 1).await, Some(1000));
}

#[actix_web::test]
async fn a_group_list_that_becomes_one_for_everybody_is_offered_and_the_other_way_round() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 1000, 5)).await;
    let gold = CustomerGroupId::generate();
    let list = json!({"name": "Gold", "currency": "USD", "status": "active", "customer_group_id": gold});
    let list = shop.price_list(list).await;
    let uri = format!("/admin/price-lists/{}", list["id"].as_str().unwrap());
    shop.put_on(&list, json!([{"variant_id": variant_id(&made, 0), "price": usd(900)}]))
        .await;
    assert_eq!(quoted(&shop, &made, "USD", None, 1).await, Some(1000));
    shop.edit(Method::PATCH, &uri, 1, json!({"customer_group_id": null}))
        .await;
    shop.run_jobs().await;
    assert_eq!(quoted(&shop, &made, "USD", None, 1).await, Some(900));
    shop.edit(Method::PATCH, &uri, 2, json!({"customer_group_id": gold}))
        .await;
    shop.run_jobs().await;
    assert_eq!(quoted(&shop, &made, "USD", None, 1).await, Some(1000));
    assert_eq!(quoted(&shop, &made, "USD", Some(gold), 1).await, Some(900));
}

#[actix_web::test]
async fn a_large_list_is_carried_over_in_pieces_by_whichever_replica_comes() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    let labels: Vec<String> = (0..100).map(|number| format!("S{number}")).collect();
    let all: Vec<(&str, i64, i64)> = labels.iter().map(|label| (label.as_str(), 1000, 1)).collect();
    let list =
        json!({"name": "Sale", "currency": "USD", "status": "active", "starts_at": text(now + TimeDelta::hours(1))});
    let list = shop.price_list(list).await;
    for number in 0..6 {
        let made = shop.create(sizes(&format!("Shirt {number}"), &all)).await;
        let price = |index| json!({"variant_id": variant_id(&made, index), "price": usd(500)});
        shop.put_on(&list, json!((0..100).map(price).collect::<Vec<_>>())).await;
    }
    assert_eq!(shop.titles("price_max=999").await.len(), 0);
    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    let replica = shop.beside().await;
    for _ in 0..4 {
        replica.run_jobs().await;
    }
    eventually(async || shop.titles("price_max=500").await.len() == 6).await;
    assert_eq!(shop.get("/products/shirt-3").await.body["price_range"]["max"], usd(500));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn further_prices_are_exported_and_imported_as_they_were() {
    let shop = Shop::open_selling_in("EUR").await;
    shop.create(mug()).await;
    let file = shop.export().await;
    assert!(
        file.contains(r#""prices":[{"currency":"EUR","min_quantity":1,"price_minor":900}"#),
        "{file}"
    );
    let report = shop.import(&file, ImportFormat::Ndjson, false).await;
    assert_eq!((report.unchanged, report.updated), (1, 0), "{report:?}");
    let other = Shop::open_selling_in("EUR").await;
    let report = other.import(&file, ImportFormat::Ndjson, false).await;
    assert_eq!(report.created, 1);
    assert_eq!(other.export().await, file);
    assert_eq!(shown(&other, "/products/mug?currency=EUR").await["price"], eur(900));
    // What a file does not say stays.
    let csv = shop
        .admin(Method::GET, "/admin/products/export?format=shopify", Value::Null)
        .await
        .text;
    let report = shop.import(&csv, ImportFormat::ShopifyCsv, false).await;
    assert_eq!((report.unchanged, report.updated), (1, 0), "{report:?}");
    // Another shop does not sell in euros.
    let report = Shop::open().await.import(&file, ImportFormat::Ndjson, false).await;
    let errors = report
        .errors
        .iter()
        .map(|error| (error.pointer.as_str(), error.code.as_str()));
    let errors: Vec<_> = errors.collect();
    assert_eq!(
        errors[0],
        ("/variants/0/prices/0/price/currency", "unsupported_currency")
    );
}

#[actix_web::test]
async fn of_an_edit_and_a_list_at_the_same_moment_the_second_sees_the_first() {
    let shop = Shop::open_selling_in("EUR").await;
    let made = shop.create(mug()).await;
    let id = variant_id(&made, 0);
    let variant = format!("/admin/variants/{id}");
    let list = shop
        .price_list(json!({"name": "Sale", "currency": "USD", "status": "active"}))
        .await;
    for round in 0..10 {
        let (written, listed) = (1000 + round, 900 + round * 2 % 7);
        let any = [("If-Match", "*")];
        let edit = shop.admin_with(Method::PATCH, &variant, json!({"price": {"amount": written}}), &any);
        let put = shop.put_on(&list, json!([{"variant_id": id, "price": usd(listed)}]));
        let (edited, ()) = join(edit, put).await;
        assert_eq!(edited.status, 200, "{}", edited.body);
        let own = shown(&shop, "/products/mug").await;
        assert_eq!((&own["price"], &own["compare_at_price"]), (&usd(listed), &usd(written)));
        shop.assert_in_order().await;
    }
}
