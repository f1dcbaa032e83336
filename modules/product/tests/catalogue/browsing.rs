//! What visitors see.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, path, product, sizes, usd};

#[actix_web::test]
async fn a_product_has_one_shape_in_lists_and_details() {
    let shop = Shop::open().await;
    let tops = shop.category("Tops", None).await;
    let made = shop
        .create(json!({"title": "Varsity Top", "brand": "Ours", "category_id": tops["id"], "tags": ["new"],
            "attributes": {"colour": "Black", "cores": 8, "touchscreen": true},
            "images": [{"url": "https://img.example/1.jpg", "alt": "Front"}],
            "variants": [{"sku": "VT-S", "options": {"Size": "S"}, "price": usd(6000), "stock": 12},
                         {"sku": "VT-M", "options": {"Size": "M"}, "price": usd(6500), "compare_at_price": usd(7000)}]}))
        .await;
    let detail = shop.get("/products/varsity-top").await;
    let by_id = shop.get(&format!("/products/{}", made["id"].as_str().unwrap())).await;
    let list = shop.get("/products?brand=Ours").await;
    assert_eq!(detail.body, by_id.body);
    assert_eq!(detail.body, list.body["data"][0]);
    let product = detail.body;
    let expected = json!({"id": made["id"], "handle": "varsity-top", "title": "Varsity Top", "description": "",
        "brand": "Ours", "status": "active",
        "category": {"id": tops["id"], "handle": "tops", "name": "Tops", "path": ["Tops"]}, "tags": ["new"],
        "attributes": {"colour": "Black", "cores": 8, "touchscreen": true},
        "images": [{"url": "https://img.example/1.jpg", "alt": "Front"}],
        "options": [{"name": "Size", "values": ["S", "M"]}],
        "variants": [
            {"id": made["variants"][0]["id"], "sku": "VT-S", "barcode": null, "title": "S", "options": {"Size": "S"},
             "price": usd(6000), "compare_at_price": null, "in_stock": true, "available": 12,
             "weight_grams": 0},
            {"id": made["variants"][1]["id"], "sku": "VT-M", "barcode": null, "title": "M", "options": {"Size": "M"},
             "price": usd(6500), "compare_at_price": usd(7000), "in_stock": false, "available": 0,
             "weight_grams": 0}],
        "price_range": {"min": usd(6000), "max": usd(6500)}, "in_stock": true,
        "seo": {"title": null, "description": null}, "created_at": made["created_at"], "updated_at": made["updated_at"]});
    assert_eq!(product, expected);
}

#[actix_web::test]
async fn filters_are_alternatives_within_a_field_and_narrow_each_other() {
    let shop = Shop::open().await;
    let home = shop.category("Home", None).await;
    let lamps = shop.category("Lamps", Some(&home)).await;
    let described = |title: &str, brand: &str, category: &Value, attributes: Value, price: i64, stock: i64| {
        json!({"title": title, "brand": brand, "category_id": category["id"], "attributes": attributes, "tags": [title],
            "variants": [{"sku": format!("SKU {title}"), "price": usd(price), "stock": stock}]})
    };
    shop.create(described(
        "Sofa",
        "Wood & Co",
        &home,
        json!({"seats": 3, "colour": "Red"}),
        50_000,
        1,
    ))
    .await;
    shop.create(described(
        "Lamp",
        "Bright",
        &lamps,
        json!({"colour": "Red", "dimmable": true}),
        2_000,
        0,
    ))
    .await;
    shop.create(described("Bulb", "Bright", &lamps, json!({"colour": "8"}), 500, 7))
        .await;
    let cases = [
        ("category=home&sort=title", &["Bulb", "Lamp", "Sofa"][..]),
        ("category=lamps&sort=-title", &["Lamp", "Bulb"]),
        ("category=nothing", &[]),
        ("brand=Bright&brand=Wood+%26+Co&sort=price", &["Bulb", "Lamp", "Sofa"]),
        ("brand=Bright&in_stock=true", &["Bulb"]),
        ("in_stock=false", &["Lamp"]),
        ("tag=Sofa&tag=Lamp&sort=-price", &["Sofa", "Lamp"]),
        ("price_min=500&price_max=2000&sort=-price", &["Lamp", "Bulb"]),
        ("attr.colour=Red&sort=title", &["Lamp", "Sofa"]),
        ("attr.colour=Red&attr.colour=8&sort=title", &["Bulb", "Lamp", "Sofa"]),
        ("attr.colour=Red&attr.seats=3", &["Sofa"]),
        ("attr.dimmable=true", &["Lamp"]),
        ("attr.seats=4", &[]),
        ("q=sku+sofa", &["Sofa"]),
        ("q=SKU%20LAMP", &["Lamp", "Bulb"]),
        ("q=bright+lamps&sort=title", &["Bulb", "Lamp"]),
        ("q=%25", &[]),
        ("q=%27%3A*%20%26%20%21%28%5C", &[]),
    ];
    for (query, expected) in cases {
        assert_eq!(shop.titles(query).await, expected, "{query}");
    }
    let id = lamps["id"].as_str().unwrap();
    assert_eq!(
        shop.titles(&format!("category={id}&sort=title")).await,
        ["Bulb", "Lamp"]
    );
}

#[actix_web::test]
async fn facets_count_what_the_filter_would_find() {
    let shop = Shop::open().await;
    let home = shop.category("Home", None).await;
    let lamps = shop.category("Lamps", Some(&home)).await;
    for (title, brand, category, price) in [
        ("A", "X", &home, 500),
        ("B", "X", &lamps, 1500),
        ("C", "Y", &lamps, 1600),
        ("D", "Y", &lamps, 99_000),
    ] {
        let attributes = json!({"colour": if brand == "X" { "Red" } else { "Blue" }, "size": price});
        shop.create(
            json!({"title": title, "brand": brand, "category_id": category["id"], "attributes": attributes,
            "variants": [{"price": usd(price)}]}),
        )
        .await;
    }
    let list = shop
        .get("/products?brand=X&facets=brand,category,price,attr.colour,attr.none")
        .await
        .body;
    let facets = &list["facets"];
    assert_eq!(
        facets["brand"],
        json!([{"value": "X", "count": 2}, {"value": "Y", "count": 2}])
    );
    let categories =
        json!([{"value": "home", "label": "Home", "count": 2}, {"value": "lamps", "label": "Lamps", "count": 1}]);
    assert_eq!(facets["category"], categories);
    assert_eq!(facets["attr.colour"], json!([{"value": "Red", "count": 2}]));
    assert_eq!(facets["attr.none"], json!([]));
    assert_eq!(
        (&facets["price"]["min"], &facets["price"]["max"]),
        (&usd(500), &usd(1500))
    );
    let all = shop.get("/products?facets=price").await.body;
    for bucket in all["facets"]["price"]["buckets"].as_array().unwrap() {
        let (min, max) = (&bucket["min"]["amount"], &bucket["max"]["amount"]);
        let found = shop.titles(&format!("price_min={min}&price_max={max}")).await;
        assert_eq!(bucket["count"], found.len(), "{bucket}");
    }
}

/// IN-08
#[actix_web::test]
async fn pages_have_every_product_once_in_every_order() {
    let shop = Shop::open().await;
    for number in 0..23 {
        let mut thing = product(&format!("Thing {}", number % 7), 100 * (number % 5), 1);
        thing["handle"] = json!(format!("thing-{number}"));
        thing["released_on"] = json!(format!("2026-01-{:02}", 1 + number % 3));
        shop.create(thing).await;
    }
    for order in [
        "sort=newest",
        "sort=price",
        "sort=-price",
        "sort=title",
        "sort=-title",
        "q=thing",
    ] {
        let mut handles = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = shop.get(&format!("/products?{order}&limit=4{cursor}")).await.body;
            let rows = page["data"].as_array().unwrap().iter();
            handles.extend(rows.map(|row| row["handle"].as_str().unwrap().to_owned()));
            assert_eq!(page["total"], json!({"value": 23, "exact": true}));
            match page["page"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(handles.len(), 23, "{order}");
        handles.sort();
        handles.dedup();
        assert_eq!(handles.len(), 23, "{order}");
    }
    let newest = shop.get("/products?limit=1").await.body;
    let cursor = newest["page"]["next_cursor"].as_str().unwrap();
    for foreign in ["sort=price", "brand=X", "q=thing"] {
        let refused = shop.get(&format!("/products?{foreign}&cursor={cursor}")).await;
        assert_eq!(refused.refusal(), (400, "cursor", "invalid_cursor"), "{foreign}");
    }
}

#[actix_web::test]
async fn an_answer_is_sent_again_only_when_something_shown_has_changed() {
    let shop = Shop::open().await;
    let made = shop.create(sizes("Shirt", &[("S", 900, 3)])).await;
    // Of edits the gateway hears, of sales nobody does.
    for (path, seconds) in [
        ("/products/shirt", 5),
        ("/products", 5),
        ("/categories", 60),
        ("/products/suggest?q=shi", 60),
    ] {
        let first = shop.get(path).await;
        assert_eq!(first.status, 200);
        let control = first.header("cache-control");
        assert!(
            control.starts_with(&format!("public, max-age={seconds},")),
            "{path}: {control}"
        );
        let again = shop.get_again(path, first.header("etag")).await;
        assert_eq!((again.status.as_u16(), &again.body), (304, &Value::Null), "{path}");
        assert_eq!(again.header("etag"), first.header("etag"));
    }
    let before = shop.get("/products/shirt").await;
    let adjustment = json!({"variant_id": made["variants"][0]["id"], "delta": -1, "reason": "broken"});
    assert_eq!(
        shop.admin(Method::POST, "/admin/stock/adjustments", adjustment)
            .await
            .status,
        201
    );
    let after = shop.get_again("/products/shirt", before.header("etag")).await;
    assert_eq!(
        (after.status.as_u16(), &after.body["variants"][0]["available"]),
        (200, &json!(2))
    );
    // The price is edited, the stock is not.
    let version = shop.admin(Method::GET, &path(&made), Value::Null).await;
    assert_eq!(version.header("etag"), "\"1\"");
}

#[actix_web::test]
async fn only_active_products_are_public() {
    let shop = Shop::open().await;
    for status in ["active", "draft", "archived"] {
        let mut thing = product(status, 100, 1);
        thing["status"] = json!(status);
        let made = shop.create(thing).await;
        let expected = if status == "active" { 200 } else { 404 };
        assert_eq!(shop.get(&format!("/products/{status}")).await.status, expected);
        assert_eq!(
            shop.get(&format!("/products/{}", made["id"].as_str().unwrap()))
                .await
                .status,
            expected
        );
    }
    assert_eq!(shop.titles("").await, ["active"]);
    let all = shop
        .admin(Method::GET, "/admin/products?sort=title", Value::Null)
        .await
        .body;
    assert_eq!(all["total"]["value"], 3);
    let drafts = shop
        .admin(Method::GET, "/admin/products?status=draft", Value::Null)
        .await
        .body;
    assert_eq!(drafts["data"][0]["title"], "draft");
    assert_eq!(
        shop.get("/products?status=draft").await.refusal(),
        (400, "status", "unknown_parameter")
    );
}

#[actix_web::test]
async fn suggestions_complete_words() {
    let shop = Shop::open().await;
    let mut laptop = product("Gaming Laptop 15", 90_000, 1);
    laptop["brand"] = json!("Lapis");
    shop.create(laptop).await;
    shop.category("Laptop bags", None).await;
    let found = shop.get("/products/suggest?q=Lap").await.body;
    assert_eq!(found["queries"], json!(["lapis", "laptop bags", "laptop"]));
    assert_eq!(found["products"][0]["title"], "Gaming Laptop 15");
    assert_eq!(found["categories"][0]["handle"], "laptop-bags");
    assert_eq!(
        shop.get("/products/suggest?q=%27%20%3A*").await.body["products"],
        json!([])
    );
    assert_eq!(shop.get("/products/suggest").await.refusal(), (400, "q", "required"));
}
