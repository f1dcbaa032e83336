//! Attributes that are numbers: filtered by ranges, and counted by them.

use serde_json::{Value, json};

use crate::support::{Shop, product};

/// A shop with a thing for each of these weights.
async fn weighing(weights: &[Value]) -> Shop {
    let shop = Shop::open().await;
    for (number, weight) in weights.iter().enumerate() {
        let mut thing = product(&format!("Thing {number}"), 100, 1);
        thing["attributes"] = json!({"weight": weight, "size": weights.len() - number});
        shop.create(thing).await;
    }
    shop
}

/// The places of the things that a list shows.
async fn found(shop: &Shop, query: &str) -> Vec<usize> {
    let titles = shop.titles(&format!("{query}&sort=title")).await.into_iter();
    titles.map(|title| title["Thing ".len()..].parse().unwrap()).collect()
}

#[actix_web::test]
async fn numbers_are_found_from_one_to_another_both_included() {
    let shop = weighing(&[
        json!(-3),
        json!(0),
        json!(0.25),
        json!(2),
        json!(10),
        json!(1500),
        json!("2"),
        json!(true),
    ])
    .await;
    for (query, expected) in [
        ("attr.weight=0..2", &[1, 2, 3][..]),
        ("attr.weight=0.25..10.0", &[2, 3, 4]),
        ("attr.weight=2..", &[3, 4, 5]),
        ("attr.weight=..0", &[0, 1]),
        ("attr.weight=-5..-0.5", &[0]),
        ("attr.weight=-0..0", &[1]),
        ("attr.weight=11..1499", &[]),
        ("attr.weight=2..1", &[]),
        // A value as ever, and alternatives of both kinds.
        ("attr.weight=2", &[3, 6]),
        ("attr.weight=true&attr.weight=1000..&attr.weight=..-1", &[0, 5, 7]),
        // Another attribute narrows.
        ("attr.weight=0..&attr.size=6..7", &[1, 2]),
        ("attr.height=0..", &[]),
    ] {
        assert_eq!(found(&shop, query).await, expected, "{query}");
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_text_that_looks_like_a_range_is_found_as_that_text() {
    let shop = weighing(&[json!("1..3"), json!(2), json!(".."), json!("1e1..")]).await;
    assert_eq!(found(&shop, "attr.weight=1..3").await, [0, 1]);
    assert_eq!(found(&shop, "attr.weight=..").await, [2]);
    assert_eq!(found(&shop, "attr.weight=1e1..").await, [3]);
}

#[actix_web::test]
async fn what_is_counted_by_ranges_is_what_those_ranges_find() {
    let weights = [0.5, 0.75, 0.75, 1.5, 3.0, 12.25, 40.0, 40.5];
    let shop = weighing(&weights.map(|weight| json!(weight))).await;
    let list = shop
        .get("/products?facets=attr.weight:ranges,attr.weight,attr.none:ranges")
        .await
        .body;
    let facet = &list["facets"]["attr.weight:ranges"];
    assert_eq!((&facet["min"], &facet["max"]), (&json!(0.5), &json!(40.5)));
    assert_eq!(list["facets"]["attr.none:ranges"], Value::Null);
    // The values are told as ever.
    assert_eq!(list["facets"]["attr.weight"][0], json!({"value": 0.75, "count": 2}));
    let mut counted = 0;
    for bucket in facet["buckets"].as_array().unwrap() {
        let range = format!("attr.weight={}..{}", bucket["min"], bucket["max"]);
        let products = found(&shop, &range).await;
        assert_eq!(json!(products.len()), bucket["count"], "{bucket}");
        counted += products.len();
    }
    assert_eq!(counted, weights.len(), "{facet}");
}

#[actix_web::test]
async fn ranges_are_counted_without_their_own_filter_and_with_all_others() {
    let shop = weighing(&[1, 2, 3, 40].map(|weight| json!(weight))).await;
    let path = "/products?facets=attr.weight:ranges,attr.weight,attr.size&attr.weight=1..2&attr.size=2..";
    let list = shop.get(path).await.body;
    assert_eq!(list["total"]["value"], 2);
    let facets = &list["facets"];
    // Of sizes 4, 3, 2 and 1 the last is not asked for.
    assert_eq!(
        (
            &facets["attr.weight:ranges"]["min"],
            &facets["attr.weight:ranges"]["max"]
        ),
        (&json!(1), &json!(3))
    );
    assert_eq!(facets["attr.weight"].as_array().unwrap().len(), 3);
    assert_eq!(facets["attr.size"].as_array().unwrap().len(), 2);
    let refused = shop.get("/products?facets=brand:ranges").await;
    assert_eq!(refused.refusal(), (400, "facets", "unknown_value"));
}
