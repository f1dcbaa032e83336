//! What visitors see in their language.

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Shop, product, sizes, usd, variant_id};

/// A shop that speaks German too, with a shirt in a category below another one.
async fn boutique() -> (Shop, Value) {
    let shop = Shop::speaking(&["de", "de-AT", "fr"]).await;
    let clothes = shop.category("Clothes", None).await;
    let shirts = shop.category("Shirts", Some(&clothes)).await;
    let mut shirt = sizes("Shirt", &[("Small", 1000, 1), ("Large", 1200, 0)]);
    shirt["description"] = json!("Soft");
    shirt["category_id"] = shirts["id"].clone();
    shirt["images"] =
        json!([{"url": "https://images.example/1.jpg", "alt": "A shirt"}, {"url": "https://images.example/2.jpg"}]);
    shirt["seo"] = json!({"title": "Buy a shirt", "description": "Shirts"});
    let shirt = shop.create(shirt).await;
    let german = json!({"title": "Hemd", "handle": "hemd", "description": "Weich", "seo": {"title": "Hemd kaufen"},
        "options": {"Size": {"name": "Größe", "values": {"Small": "Klein", "Large": "Groß"}}},
        "images": {"https://images.example/1.jpg": "Ein Hemd"}});
    shop.translate("products", &shirt, "de", german).await;
    shop.translate("products", &shirt, "de-AT", json!({"title": "Hemad"}))
        .await;
    shop.translate(
        "categories",
        &clothes,
        "de",
        json!({"name": "Kleidung", "handle": "kleidung"}),
    )
    .await;
    shop.translate(
        "categories",
        &shirts,
        "de",
        json!({"name": "Hemden", "handle": "hemden"}),
    )
    .await;
    (shop, shirt)
}

#[actix_web::test]
async fn a_detail_is_told_in_the_language_that_is_asked_for() {
    let (shop, _) = boutique().await;
    let shown = shop.get("/products/shirt?locale=de").await;
    assert_eq!((shown.status.as_u16(), shown.header("content-language")), (200, "de"));
    let body = &shown.body;
    assert_eq!((&body["title"], &body["handle"]), (&json!("Hemd"), &json!("hemd")));
    assert_eq!(body["description"], "Weich");
    assert_eq!(body["seo"], json!({"title": "Hemd kaufen", "description": "Shirts"}));
    assert_eq!(body["options"], json!([{"name": "Größe", "values": ["Klein", "Groß"]}]));
    assert_eq!(body["variants"][1]["title"], "Groß");
    assert_eq!(body["variants"][1]["options"], json!({"Größe": "Groß"}));
    assert_eq!(body["images"][0]["alt"], "Ein Hemd");
    assert_eq!(body["category"]["name"], "Hemden");
    assert_eq!(body["category"]["handle"], "hemden");
    assert_eq!(body["category"]["path"], json!(["Kleidung", "Hemden"]));
}

#[actix_web::test]
async fn without_a_language_or_in_the_shops_own_everything_is_as_it_was_written() {
    let (shop, _) = boutique().await;
    let plain = shop.get("/products/shirt").await;
    assert_eq!(
        (&plain.body["title"], plain.header("content-language")),
        (&json!("Shirt"), "en")
    );
    assert_eq!(plain.body["variants"][0]["options"], json!({"Size": "Small"}));
    let own = shop.get("/products/shirt?locale=en").await;
    assert_eq!((&own.body, own.header("etag")), (&plain.body, plain.header("etag")));
    assert_eq!(
        shop.get_again("/products/shirt?locale=en", plain.header("etag"))
            .await
            .status,
        304
    );
    assert_eq!(
        shop.get_again("/products/shirt?locale=de", plain.header("etag"))
            .await
            .status,
        200
    );
}

#[actix_web::test]
async fn what_is_not_said_falls_back_to_the_language_without_its_region_and_then_to_the_shops() {
    let (shop, _) = boutique().await;
    let austrian = shop.get("/products/shirt?locale=de-at").await;
    assert_eq!(
        (&austrian.body["title"], austrian.header("content-language")),
        (&json!("Hemad"), "de-AT")
    );
    assert_eq!(
        (&austrian.body["handle"], &austrian.body["description"]),
        (&json!("hemd"), &json!("Weich"))
    );
    assert_eq!(austrian.body["category"]["path"], json!(["Kleidung", "Hemden"]));
    let french = shop.get("/products/shirt?locale=fr").await;
    assert_eq!(
        (&french.body["title"], french.header("content-language")),
        (&json!("Shirt"), "fr")
    );
    assert_eq!(french.body["category"]["path"], json!(["Clothes", "Shirts"]));
}

#[actix_web::test]
async fn a_page_is_found_by_its_handle_in_whatever_language_and_names_all_of_them() {
    let (shop, shirt) = boutique().await;
    let expected = json!([
        {"locale": "en", "handle": "shirt"}, {"locale": "de", "handle": "hemd"},
        {"locale": "de-AT", "handle": "hemd"}, {"locale": "fr", "handle": "shirt"},
    ]);
    for address in ["shirt", "hemd", "hemd?locale=fr", "shirt?locale=de"] {
        let shown = shop.get(&format!("/products/{address}")).await.body;
        assert_eq!(
            (&shown["id"], &shown["alternates"]),
            (&shirt["id"], &expected),
            "{address}"
        );
    }
    assert_eq!(shop.get("/products/hemd/related?locale=de").await.status, 200);
    assert_eq!(shop.get("/products/hose").await.status, 404);
    let category = shop.get("/categories/hemden?locale=de").await.body;
    assert_eq!(
        (&category["name"], &category["path"]),
        (&json!("Hemden"), &json!(["Kleidung", "Hemden"]))
    );
    assert_eq!(category["alternates"][1], json!({"locale": "de", "handle": "hemden"}));
    assert_eq!(shop.get("/categories/hemden").await.body["name"], "Shirts");
    // A shop of one language has nothing to tell.
    let other = Shop::open().await;
    other.create(product("Mug", 1, 1)).await;
    assert!(other.get("/products/mug").await.body.get("alternates").is_none());
    // A draft is found by none of its handles.
    let path = format!("/admin/products/{}", shirt["id"].as_str().unwrap());
    assert_eq!(
        shop.edit(Method::PATCH, &path, 3, json!({"status": "draft"}))
            .await
            .status,
        200
    );
    assert_eq!(shop.get("/products/hemd").await.status, 404);
}

#[actix_web::test]
async fn what_is_hidden_does_not_hide_the_page_of_another_with_the_same_handle() {
    let shop = Shop::speaking(&["de", "fr"]).await;
    let draft = json!({"title": "Draft", "status": "draft", "variants": [{"price": usd(1)}]});
    let draft = shop.create(draft).await;
    shop.translate("products", &draft, "de", json!({"handle": "schuh"}))
        .await;
    let shoe = shop.create(product("Shoe", 1, 1)).await;
    shop.translate("products", &shoe, "fr", json!({"handle": "schuh"}))
        .await;
    for query in ["", "?locale=de", "?locale=fr"] {
        let found = shop.get(&format!("/products/schuh{query}")).await;
        assert_eq!(found.body["id"], shoe["id"], "{query}: {}", found.body);
    }
    let hidden = shop.collection(json!({"title": "Soon", "published": false})).await;
    shop.translate("collections", &hidden, "de", json!({"handle": "neu"}))
        .await;
    let news = shop.collection(json!({"title": "News", "published": true})).await;
    shop.translate("collections", &news, "fr", json!({"handle": "neu"}))
        .await;
    let found = shop.get("/collections/neu?locale=de").await;
    assert_eq!(found.body["id"], news["id"], "{}", found.body);
}

#[actix_web::test]
async fn lists_facets_the_tree_and_suggestions_are_told_in_the_language() {
    let (shop, _) = boutique().await;
    shop.create(product("Mug", 900, 1)).await;
    let list = shop.get("/products?sort=title&locale=de&facets=category").await;
    assert_eq!(list.header("content-language"), "de");
    let titles: Vec<&str> = list.body["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["Hemd", "Mug"]);
    assert_eq!(list.body["data"][0]["category"]["path"], json!(["Kleidung", "Hemden"]));
    let labels: Vec<&Value> = list.body["facets"]["category"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| &value["label"])
        .collect();
    assert_eq!(labels, ["Kleidung", "Hemden"]);
    // A filter takes the handles of the language, and the shop's own.
    for category in ["kleidung", "clothes", "hemden"] {
        let list = shop.get(&format!("/products?category={category}&locale=de")).await.body;
        assert_eq!(list["total"]["value"], 1, "{category}");
    }
    assert_eq!(
        shop.get("/products?category=kleidung&locale=fr").await.body["total"]["value"],
        0
    );

    let tree = shop.get("/categories?locale=de").await;
    assert_eq!(tree.body["data"][0]["name"], "Kleidung");
    assert_eq!(
        tree.body["data"][0]["children"][0]["path"],
        json!(["Kleidung", "Hemden"])
    );
    assert_eq!(shop.get("/categories").await.body["data"][0]["name"], "Clothes");

    let suggested = shop.get("/products/suggest?q=hem&locale=de").await;
    assert_eq!(suggested.body["products"][0]["title"], "Hemd");
    assert_eq!(suggested.body["products"][0]["handle"], "hemd");
    assert_eq!(suggested.body["categories"][0]["path"], json!(["Kleidung", "Hemden"]));
}

#[actix_web::test]
async fn collections_are_told_in_the_language_with_their_products() {
    let (shop, shirt) = boutique().await;
    let sale = shop.collection(json!({"title": "Sale", "description": "Cheap"})).await;
    let path = format!("/admin/collections/{}/products", sale["id"].as_str().unwrap());
    let chosen = shop
        .edit(Method::PUT, &path, 1, json!({"product_ids": [shirt["id"]]}))
        .await;
    assert_eq!(chosen.status, 200, "{}", chosen.body);
    shop.translate(
        "collections",
        &sale,
        "de",
        json!({"title": "Ausverkauf", "handle": "ausverkauf"}),
    )
    .await;
    let shown = shop.get("/collections/ausverkauf?locale=de").await.body;
    assert_eq!(
        (&shown["title"], &shown["description"]),
        (&json!("Ausverkauf"), &json!("Cheap"))
    );
    assert_eq!(shown["alternates"][1], json!({"locale": "de", "handle": "ausverkauf"}));
    assert_eq!(
        shop.get("/collections?locale=de").await.body["data"][0]["title"],
        "Ausverkauf"
    );
    assert_eq!(shop.get("/collections").await.body["data"][0]["title"], "Sale");
    let products = shop.get("/collections/ausverkauf/products?locale=de").await.body;
    assert_eq!(products["data"][0]["title"], "Hemd");
    let list = shop.get("/products?collection=ausverkauf&locale=de").await.body;
    assert_eq!(list["total"]["value"], 1);
}

#[actix_web::test]
async fn a_language_that_the_shop_does_not_speak_is_refused_everywhere() {
    let (shop, _) = boutique().await;
    for path in [
        "/products?",
        "/products/shirt?",
        "/products/shirt/related?",
        "/products/suggest?q=a&",
        "/categories?",
        "/categories/shirts?",
        "/collections?",
        "/collections/none?",
        "/collections/none/products?",
    ] {
        for (locale, code) in [
            ("es", "unknown_locale"),
            ("de_DE", "invalid_locale"),
            ("", "invalid_locale"),
        ] {
            let refused = shop.get(&format!("{path}locale={locale}")).await;
            assert_eq!(
                refused.refusal(),
                (400, "locale", code),
                "{path}{locale}: {}",
                refused.body
            );
            assert_eq!(refused.body["code"], "invalid_query");
        }
        let twice = shop.get(&format!("{path}locale=de&locale=fr")).await;
        assert_eq!(twice.refusal(), (400, "locale", "duplicate_parameter"));
    }
}

#[actix_web::test]
async fn a_quote_is_told_in_the_language_that_is_asked_for() {
    let (shop, shirt) = boutique().await;
    let variants = vec![variant_id(&shirt, 1)];
    let told = async |locale: Option<&str>| {
        let locale = locale.map(|tag| tag.parse().unwrap());
        let api = shop.api();
        let quote = api
            .quote(variants.clone(), "USD".parse().unwrap(), locale, None)
            .await
            .unwrap()
            .remove(0);
        (quote.title, quote.variant_title)
    };
    let pair = |title: &str, variant: &str| (title.to_owned(), variant.to_owned());
    assert_eq!(told(None).await, pair("Shirt", "Large"));
    assert_eq!(told(Some("en")).await, pair("Shirt", "Large"));
    assert_eq!(told(Some("de")).await, pair("Hemd", "Groß"));
    assert_eq!(told(Some("de-AT")).await, pair("Hemad", "Groß"));
    assert_eq!(told(Some("fr")).await, pair("Shirt", "Large"));
    // A language that the shop does not speak is no reason not to sell.
    assert_eq!(told(Some("es")).await, pair("Shirt", "Large"));
    // Those who ask at the same moment each get their own.
    let many = join_all(["de", "en", "de-AT", "de"].map(|locale| told(Some(locale)))).await;
    let titles: Vec<&str> = many.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(titles, ["Hemd", "Shirt", "Hemad", "Hemd"]);
}
