//! Lists that go by prices in a further currency.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, path, variant_id};

fn eur(amount: i64) -> Value {
    json!({"amount": amount, "currency": "EUR"})
}

/// A product that costs `dollars`, and perhaps so many euros.
fn thing(title: &str, dollars: i64, euros: Option<i64>) -> Value {
    let prices: Vec<Value> = euros.iter().map(|amount| json!({"price": eur(*amount)})).collect();
    let price = json!({"amount": dollars, "currency": "USD"});
    json!({"title": title, "variants": [{"sku": title, "price": price, "prices": prices, "stock": 1}]})
}

/// A shop that sells in euros what is cheap in dollars for much, and one thing in dollars only.
async fn shop() -> Shop {
    let shop = Shop::open_selling_in("EUR").await;
    for (title, dollars, euros) in [
        ("Apple", 100, Some(900)),
        ("Brush", 200, Some(700)),
        ("Clock", 300, None),
        ("Drill", 400, Some(300)),
    ] {
        shop.create(thing(title, dollars, euros)).await;
    }
    shop
}

/// The titles of all pages of a list, two at a time.
async fn walked(shop: &Shop, query: &str) -> Vec<String> {
    let mut titles = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = shop.get(&format!("/products?{query}&limit=2{cursor}")).await;
        assert_eq!(page.status, 200, "{query}: {}", page.body);
        let rows = page.body["data"].as_array().unwrap().iter();
        titles.extend(rows.map(|row| row["title"].as_str().unwrap().to_owned()));
        match page.body["page"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return titles,
        }
    }
}

#[actix_web::test]
async fn a_list_is_filtered_by_the_prices_that_it_shows() {
    let shop = shop().await;
    for (query, expected) in [
        ("currency=EUR&price_min=700&sort=title", &["Apple", "Brush"][..]),
        ("currency=EUR&price_max=700&sort=title", &["Brush", "Drill"]),
        ("currency=EUR&price_min=301&price_max=899&sort=title", &["Brush"]),
        ("currency=EUR&price_min=0&sort=title", &["Apple", "Brush", "Drill"]),
        ("currency=USD&price_max=300&sort=title", &["Apple", "Brush", "Clock"]),
        ("price_min=300&sort=title", &["Clock", "Drill"]),
        // Where prices do not matter, what is not sold in the currency is shown too, without one.
        ("currency=EUR&sort=title", &["Apple", "Brush", "Clock", "Drill"]),
    ] {
        assert_eq!(shop.titles(query).await, expected, "{query}");
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_has_no_price_in_the_currency_comes_last_in_both_directions_page_by_page() {
    let shop = shop().await;
    for title in ["Extra", "Flask"] {
        shop.create(thing(title, 50, None)).await;
    }
    let (cheapest, dearest) = (
        walked(&shop, "currency=EUR&sort=price").await,
        walked(&shop, "currency=EUR&sort=-price").await,
    );
    assert_eq!(cheapest[..3], ["Drill", "Brush", "Apple"]);
    assert_eq!(dearest[..3], ["Apple", "Brush", "Drill"]);
    for mut list in [cheapest, dearest] {
        let mut last = list.split_off(3);
        last.sort_unstable();
        assert_eq!(last, ["Clock", "Extra", "Flask"]);
    }
    assert_eq!(walked(&shop, "sort=-price").await[..3], ["Drill", "Clock", "Brush"]);
}

#[actix_web::test]
async fn a_cursor_belongs_to_a_currency_where_prices_decide_and_to_all_where_they_do_not() {
    let shop = shop().await;
    let next = async |query: &str| {
        let page = shop.get(&format!("/products?{query}&limit=1")).await.body;
        page["page"]["next_cursor"].as_str().unwrap().to_owned()
    };
    let dollars = next("sort=price").await;
    let other = shop
        .get(&format!("/products?sort=price&currency=EUR&cursor={dollars}"))
        .await;
    assert_eq!(other.refusal(), (400, "cursor", "invalid_cursor"), "{}", other.body);
    // What is counted besides changes nothing about the list.
    let counted = next("sort=title&currency=EUR&facets=brand,price").await;
    let goes_on = shop
        .get(&format!("/products?sort=title&currency=EUR&cursor={counted}"))
        .await;
    assert_eq!(goes_on.body["data"][0]["title"], "Brush");
    let by_title = next("sort=title").await;
    let goes_on = shop
        .get(&format!("/products?sort=title&currency=EUR&cursor={by_title}"))
        .await;
    assert_eq!(goes_on.body["data"][0]["title"], "Brush");
}

#[actix_web::test]
async fn prices_are_counted_in_the_currency_whatever_their_own_filter() {
    let shop = shop().await;
    let path = "/products?currency=EUR&facets=price,brand&price_min=800";
    let list = shop.get(path).await.body;
    assert_eq!(list["total"]["value"], 1);
    let facet = &list["facets"]["price"];
    assert_eq!((&facet["min"], &facet["max"]), (&eur(300), &eur(900)));
    let buckets = facet["buckets"].as_array().unwrap();
    assert!(
        buckets.iter().all(|bucket| bucket["min"]["currency"] == "EUR"),
        "{facet}"
    );
    let counted: i64 = buckets.iter().map(|bucket| bucket["count"].as_i64().unwrap()).sum();
    assert_eq!(counted, 3, "{facet}");
    for bucket in buckets {
        let (min, max) = (&bucket["min"]["amount"], &bucket["max"]["amount"]);
        let found = shop
            .get(&format!("/products?currency=EUR&price_min={min}&price_max={max}"))
            .await;
        assert_eq!(found.body["total"]["value"], bucket["count"], "{bucket}");
    }
    let in_dollars = shop.get("/products?facets=price").await.body;
    assert_eq!(in_dollars["facets"]["price"]["min"]["currency"], "USD");
    // Nothing is sold for yen, as nobody has said for how much.
    let yen = shop
        .beside_with(|settings| settings.shop.currencies.push("JPY".parse().unwrap()))
        .await;
    let list = yen.get("/products?currency=JPY&facets=price").await.body;
    assert_eq!(
        (&list["total"]["value"], &list["facets"]["price"]),
        (&json!(4), &Value::Null)
    );
}

#[actix_web::test]
async fn lists_follow_every_change_of_a_price_in_a_further_currency() {
    let shop = shop().await;
    let cheap = async || shop.titles("currency=EUR&price_max=500&sort=title").await;
    assert_eq!(cheap().await, ["Drill"]);
    let made = shop.create(thing("Globe", 100, Some(450))).await;
    assert_eq!(cheap().await, ["Drill", "Globe"]);

    // By an edit, which may take the price back.
    let variant = format!("/admin/variants/{}", variant_id(&made, 0));
    let patch = json!({"prices": [{"price": eur(600)}]});
    assert_eq!(shop.edit(Method::PATCH, &variant, 1, patch).await.status, 200);
    assert_eq!(cheap().await, ["Drill"]);
    assert_eq!(
        shop.edit(Method::PATCH, &variant, 2, json!({"prices": []}))
            .await
            .status,
        200
    );
    assert_eq!(shop.titles("currency=EUR&price_min=0&q=globe").await, [""; 0]);

    // In bulk.
    let bulk = json!({"prices": [{"variant_id": variant_id(&made, 0), "price": eur(400)}]});
    assert_eq!(shop.admin(Method::POST, "/admin/prices/bulk", bulk).await.status, 200);
    assert_eq!(cheap().await, ["Drill", "Globe"]);

    // By a price list, and by its end.
    let list = shop
        .price_list(json!({"name": "Sale", "currency": "EUR", "status": "active"}))
        .await;
    shop.put_on(&list, json!([{"variant_id": variant_id(&made, 0), "price": eur(100)}]))
        .await;
    let lowest = async || shop.titles("currency=EUR&price_max=100").await;
    eventually(async || lowest().await == ["Globe"]).await;
    let list = format!("/admin/price-lists/{}", list["id"].as_str().unwrap());
    assert_eq!(
        shop.admin_with(Method::DELETE, &list, Value::Null, &[("If-Match", "*")])
            .await
            .status,
        204
    );
    shop.run_jobs().await;
    eventually(async || lowest().await.is_empty()).await;
    assert_eq!(cheap().await, ["Drill", "Globe"]);

    assert_eq!(
        shop.admin_with(Method::DELETE, &path(&made), Value::Null, &[("If-Match", "*")])
            .await
            .status,
        204
    );
    assert_eq!(cheap().await, ["Drill"]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_shop_that_takes_up_a_currency_makes_its_index_anew() {
    let shop = Shop::open_selling_in("EUR").await;
    let mut made = thing("Apple", 100, Some(900));
    made["variants"][0]["prices"] = json!([{"price": eur(900)}]);
    shop.create(made).await;
    shop.stop().await;
    let folder = |shop: &Shop| -> Vec<_> {
        let slot = std::fs::read_dir(shop.files.join("0")).unwrap();
        let entries = slot.map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_dir()).collect()
    };
    let before = folder(&shop);
    let same = shop.beside().await;
    assert_eq!(folder(&same), before);
    same.stop().await;
    let other = shop.beside_with(|settings| settings.shop.currencies.clear()).await;
    assert_ne!(folder(&other), before);
    assert_eq!(other.titles("price_min=100").await, ["Apple"]);
    assert_eq!(other.get("/products?currency=EUR&price_min=1").await.status, 400);
    other.stop().await;
    let again = shop.beside().await;
    assert_eq!(again.titles("currency=EUR&price_min=900").await, ["Apple"]);
}
