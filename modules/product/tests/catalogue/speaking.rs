//! Lists in other languages: what is searched, completed, corrected and sorted is what is read.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, product};

/// A product that is called something else in German.
async fn made(shop: &Shop, title: &str, german: Value) -> Value {
    let made = shop.create(product(title, 100, 1)).await;
    shop.translate("products", &made, "de", german).await;
    made
}

/// The titles of a list, told in German.
async fn german(shop: &Shop, query: &str) -> Vec<String> {
    shop.titles(&format!("{query}&locale=de")).await
}

#[actix_web::test]
async fn words_are_found_in_the_language_in_which_they_are_read() {
    let shop = Shop::speaking(&["de"]).await;
    made(&shop, "Books about trees", json!({"title": "Bücher über Bäume"})).await;
    made(
        &shop,
        "Street lamp",
        json!({"title": "Straßenlampe", "description": "Für draußen."}),
    )
    .await;
    for (query, expected) in [
        // Whatever their endings, accents and ways of writing.
        ("q=buch", "Bücher über Bäume"),
        ("q=B%C3%BCchern", "Bücher über Bäume"),
        ("q=baum", "Bücher über Bäume"),
        ("q=strassenlampen", "Straßenlampe"),
        ("q=STRA%C3%9FENLAMPE", "Straßenlampe"),
        ("q=draussen", "Straßenlampe"),
        ("q=b%C3%BCcher+baum", "Bücher über Bäume"),
        // Beginnings and slips.
        ("q=stra%C3%9Fenl", "Straßenlampe"),
        ("q=strassnelampe", "Straßenlampe"),
    ] {
        assert_eq!(german(&shop, query).await, [expected], "{query}");
    }
    for query in ["q=books", "q=tree", "q=lamp"] {
        assert_eq!(german(&shop, query).await, [""; 0], "{query}");
        assert_eq!(shop.titles(query).await.len(), 1, "{query}");
    }
    assert_eq!(shop.titles("q=draussen").await, [""; 0]);
    let slip = shop.get("/products?q=strassnelampe&locale=de").await.body;
    assert_eq!(slip["did_you_mean"], "strassenlampe");
    // What is only said in German corrects no English word.
    let slip = shop.get("/products?q=strassnelampe").await.body;
    assert_eq!((&slip["total"]["value"], slip.get("did_you_mean")), (&json!(0), None));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_is_not_translated_is_found_as_it_falls_back_field_by_field() {
    let shop = Shop::speaking(&["de", "de-AT"]).await;
    let mut mug = product("Mug", 100, 1);
    mug["description"] = json!("Keeps coffee warm.");
    let mug = shop.create(mug).await;
    shop.create(product("Wireless headphones", 100, 1)).await;
    shop.translate("products", &mug, "de", json!({"title": "Becher"})).await;
    assert_eq!(german(&shop, "q=becher").await, ["Becher"]);
    assert_eq!(german(&shop, "q=coffee").await, ["Becher"]);
    assert_eq!(german(&shop, "q=headphones").await, ["Wireless headphones"]);
    // In Austria as in Germany, unless it is said otherwise.
    assert_eq!(shop.titles("q=becher&locale=de-AT").await, ["Becher"]);
    shop.translate("products", &mug, "de-AT", json!({"title": "Häferl"}))
        .await;
    assert_eq!(shop.titles("q=becher&locale=de-AT").await, [""; 0]);
    assert_eq!(shop.titles("q=haferl&locale=de-AT").await, ["Häferl"]);
    assert_eq!(german(&shop, "q=becher").await, ["Becher"]);
    // What is said no longer falls back again.
    let path = format!("/admin/products/{}/translations/de", mug["id"].as_str().unwrap());
    let gone = shop
        .admin_with(Method::DELETE, &path, Value::Null, &[("If-Match", "*")])
        .await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    assert_eq!(german(&shop, "q=mug").await, ["Mug"]);
    assert_eq!(german(&shop, "q=becher").await, [""; 0]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn brands_tags_codes_and_attributes_are_found_in_every_language() {
    let shop = Shop::speaking(&["de", "pl"]).await;
    let mut thing = product("Mug", 100, 1);
    thing["brand"] = json!("Acme Potteries");
    thing["tags"] = json!(["camping gadgets"]);
    thing["attributes"] = json!({"material": "stainless steel", "dishwasher": true});
    thing["variants"][0]["sku"] = json!("ENAMEL");
    let thing = shop.create(thing).await;
    shop.translate("products", &thing, "de", json!({"title": "Becher"}))
        .await;
    for (locale, title) in [("de", "Becher"), ("pl", "Mug"), ("en", "Mug")] {
        for query in [
            "acme",
            "potteries",
            "gadget",
            "camping+gadgets",
            "stainless",
            "dishwasher",
            "enamel",
            "acme+steel",
        ] {
            let query = format!("q={query}&locale={locale}");
            assert_eq!(shop.titles(&query).await, [title], "{query}");
        }
        let slip = shop
            .get(&format!("/products?q=stainles+gadget&locale={locale}"))
            .await
            .body;
        assert_eq!(slip["data"][0]["title"], title, "{slip}");
        // What the filters go by is not translated.
        let query = format!("brand=Acme+Potteries&attr.material=stainless+steel&q={title}&locale={locale}");
        assert_eq!(shop.titles(&query).await, [title], "{query}");
    }
}

#[actix_web::test]
async fn titles_are_in_order_in_the_language_in_which_they_are_read_page_by_page() {
    let shop = Shop::speaking(&["de"]).await;
    for (title, german) in [
        ("Apple", "Xylophon"),
        ("Brush", "Amsel"),
        ("Clock", "Mond"),
        ("Drill", "Berg"),
    ] {
        made(&shop, title, json!({"title": german})).await;
    }
    shop.create(product("Nail", 100, 1)).await;
    let expected = ["Amsel", "Berg", "Mond", "Nail", "Xylophon"];
    assert_eq!(german(&shop, "sort=title").await, expected);
    assert_eq!(
        shop.titles("sort=title").await,
        ["Apple", "Brush", "Clock", "Drill", "Nail"]
    );
    let mut walked = Vec::new();
    let mut path = "/products?sort=-title&locale=de&limit=2".to_owned();
    loop {
        let page = shop.get(&path).await.body;
        let rows = page["data"].as_array().unwrap().iter();
        walked.extend(rows.map(|row| row["title"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["page"]["next_cursor"].as_str() else {
            break;
        };
        let other = shop
            .get(&format!("/products?sort=-title&limit=2&cursor={cursor}"))
            .await;
        assert_eq!(other.refusal(), (400, "cursor", "invalid_cursor"));
        path = format!("/products?sort=-title&locale=de&limit=2&cursor={cursor}");
    }
    walked.reverse();
    assert_eq!(walked, expected);
}

#[actix_web::test]
async fn suggestions_are_what_is_called_so_in_the_language() {
    let shop = Shop::speaking(&["de", "de-CH"]).await;
    let kitchen = shop.category("Kitchen", None).await;
    shop.category("Books", None).await;
    shop.translate(
        "categories",
        &kitchen,
        "de",
        json!({"name": "Küche", "handle": "kueche"}),
    )
    .await;
    let mut knife = product("Kitchen knife", 100, 1);
    knife["category_id"] = kitchen["id"].clone();
    let knife = shop.create(knife).await;
    shop.translate("products", &knife, "de", json!({"title": "Küchenmesser"}))
        .await;
    let suggest = async |typed: &str, locale: &str| {
        let path = format!("/products/suggest?q={typed}&locale={locale}");
        let body = shop.get(&path).await.body;
        let names = |field: &str, name: &str| -> Vec<String> {
            let rows = body[field].as_array().unwrap().iter();
            rows.map(|row| row[name].as_str().unwrap().to_owned()).collect()
        };
        let queries: Vec<String> = serde_json::from_value(body["queries"].clone()).unwrap();
        (names("products", "title"), names("categories", "name"), queries)
    };
    for locale in ["de", "de-CH"] {
        let (products, categories, queries) = suggest("k%C3%BCch", locale).await;
        assert_eq!(
            (products, categories),
            (vec!["Küchenmesser".to_owned()], vec!["Küche".to_owned()])
        );
        assert_eq!(queries, ["küche", "küchenmesser"]);
        assert_eq!(suggest("kitchen", locale).await, (vec![], vec![], vec![]));
        assert_eq!(suggest("book", locale).await.1, ["Books"]);
    }
    let (products, categories, _) = suggest("kitch", "en").await;
    assert_eq!(
        (products, categories),
        (vec!["Kitchen knife".to_owned()], vec!["Kitchen".to_owned()])
    );
    assert_eq!(suggest("k%C3%BCch", "en").await, (vec![], vec![], vec![]));
}

#[actix_web::test]
async fn products_are_found_by_what_their_categories_are_called_in_the_language() {
    let shop = Shop::speaking(&["de"]).await;
    let other = shop.beside().await;
    let house = shop.category("House", None).await;
    let lamps = shop.category("Lamps", Some(&house)).await;
    let mut thing = product("Model 7", 100, 1);
    thing["category_id"] = lamps["id"].clone();
    shop.create(thing).await;
    shop.translate("categories", &lamps, "de", json!({"name": "Leuchten"}))
        .await;
    assert_eq!(german(&shop, "q=leuchte").await, ["Model 7"]);
    assert_eq!(shop.titles("q=leuchte").await, [""; 0]);
    // Also by the ways that lead to them, and in other processes.
    shop.translate("categories", &house, "de", json!({"name": "Haushalt"}))
        .await;
    assert_eq!(german(&shop, "q=haushalt").await, ["Model 7"]);
    eventually(async || german(&other, "q=haushalt+leuchten").await == ["Model 7"]).await;
    // A translation of something else tells of no product.
    let before = shop.changes().await.len();
    shop.translate(
        "categories",
        &house,
        "de",
        json!({"name": "Haushalt", "handle": "haushalt"}),
    )
    .await;
    assert_eq!(shop.changes().await.len(), before + 1);
    let path = format!("/admin/categories/{}/translations/de", lamps["id"].as_str().unwrap());
    let gone = shop
        .admin_with(Method::DELETE, &path, Value::Null, &[("If-Match", "*")])
        .await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    assert_eq!(german(&shop, "q=leuchte").await, [""; 0]);
    assert_eq!(german(&shop, "q=lamps").await, ["Model 7"]);
    eventually(async || german(&other, "q=lamps").await == ["Model 7"]).await;
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn translations_of_bulk_requests_are_found_too() {
    let shop = Shop::speaking(&["de"]).await;
    let made = shop.create(product("Mug", 100, 1)).await;
    let operations = json!([
        {"op": "update", "id": made["id"], "product": {}, "translations": {"de": {"title": "Becher"}}},
        {"op": "create", "product": product("Bowl", 100, 1), "translations": {"de": {"title": "Schale"}}},
    ]);
    let path = "/admin/products/bulk";
    let answer = shop.admin(Method::POST, path, json!({"operations": operations})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(german(&shop, "q=becher").await, ["Becher"]);
    assert_eq!(german(&shop, "q=schalen").await, ["Schale"]);
}

#[actix_web::test]
async fn the_language_of_the_shop_decides_how_its_own_words_are_read() {
    let shop = Shop::open_with(|settings| settings.shop.locale = "de".parse().unwrap()).await;
    shop.create(product("Bücher", 100, 1)).await;
    shop.create(product("Running shoes", 100, 1)).await;
    assert_eq!(shop.titles("q=buch").await, ["Bücher"]);
    shop.stop().await;
    // The same catalogue in another language is another index.
    let english = shop
        .beside_with(|settings| {
            settings.shop.locale = "en".parse().unwrap();
            settings.shop.locales = vec!["en".parse().unwrap(), "de".parse().unwrap()];
        })
        .await;
    assert_eq!(english.titles("q=run").await, ["Running shoes"]);
    assert_eq!(german(&english, "q=buch").await, ["Bücher"]);
}
