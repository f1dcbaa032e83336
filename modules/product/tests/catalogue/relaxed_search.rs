//! What a search shows where no product has all that it requires.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, product};

#[actix_web::test]
async fn where_no_product_has_all_words_those_are_shown_that_have_one() {
    let shop = Shop::open().await;
    for title in ["USB cable", "Gadget", "USB hub", "Lamp"] {
        shop.create(product(title, 100, 1)).await;
    }
    let found = shop.get("/products?q=usb+gadget&facets=price").await.body;
    assert_eq!((&found["relaxed"], &found["total"]["value"]), (&json!(true), &json!(3)));
    assert_eq!(found.get("did_you_mean"), None);
    assert_eq!(found["facets"]["price"]["buckets"][0]["count"], 3);
    for query in ["q=usb+hub", "q=usb", "q=unobtainium", "q=unobtainium+kryptonite", ""] {
        let found = shop.get(&format!("/products?{query}")).await.body;
        assert_eq!(found.get("relaxed"), None, "{query}: {found}");
    }
    // Filters hold as ever.
    let none = shop.get("/products?q=usb+gadget&price_max=50").await.body;
    assert_eq!((none.get("relaxed"), &none["total"]["value"]), (None, &json!(0)));
    let by_title = shop.titles("q=usb+gadget&sort=title").await;
    assert_eq!(by_title, ["Gadget", "USB cable", "USB hub"]);
    // A slip is told as before.
    let slip = shop.get("/products?q=usb+gagdet").await.body;
    assert_eq!(
        (&slip["relaxed"], &slip["did_you_mean"]),
        (&json!(true), &json!("usb gadget"))
    );
}

#[actix_web::test]
async fn a_relaxed_list_stays_relaxed_to_its_end() {
    let shop = Shop::open().await;
    for number in 0..5 {
        shop.create(product(&format!("USB thing {number}"), 100, 1)).await;
    }
    shop.create(product("Gadget", 100, 1)).await;
    let path = "/products?q=usb+gadget&limit=2";
    let mut page = shop.get(path).await.body;
    let mut seen = 0;
    loop {
        assert_eq!((&page["relaxed"], &page["total"]["value"]), (&json!(true), &json!(6)));
        seen += page["data"].as_array().unwrap().len();
        let Some(cursor) = page["page"]["next_cursor"].as_str() else {
            break;
        };
        let next = format!("{path}&cursor={cursor}");
        page = shop.get(&next).await.body;
    }
    assert_eq!(seen, 6);
    // Also where there is something now that has all words.
    let first = shop.get(path).await.body;
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    shop.create(product("USB gadget", 100, 1)).await;
    let next = shop.get(&format!("{path}&cursor={cursor}")).await.body;
    assert_eq!((&next["relaxed"], &next["total"]["value"]), (&json!(true), &json!(7)));
    let anew = shop.get(path).await.body;
    assert_eq!((anew.get("relaxed"), &anew["total"]["value"]), (None, &json!(1)));
}

#[actix_web::test]
async fn what_was_not_found_as_it_was_asked_for_is_noted() {
    let shop = Shop::open().await;
    for title in ["USB cable", "Gadget"] {
        shop.create(product(title, 100, 1)).await;
    }
    for query in ["usb+gadget", "usb+cable"] {
        shop.get(&format!("/products?q={query}")).await;
    }
    shop.run_jobs().await;
    let misses = shop.admin(Method::GET, "/admin/search/misses", Value::Null).await.body;
    let rows = misses["data"].as_array().unwrap().iter();
    let noted: Vec<&str> = rows.map(|row| row["query"].as_str().unwrap()).collect();
    assert_eq!(noted, ["usb gadget"]);
}
