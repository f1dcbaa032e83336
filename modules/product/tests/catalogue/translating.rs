//! What staff say in other languages.

use actix_web::http::Method;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Shop, path, product};

fn translations(product: &Value) -> String {
    format!("{}/translations", path(product))
}

async fn mug(shop: &Shop) -> Value {
    shop.create(product("Mug", 900, 5)).await
}

#[actix_web::test]
async fn a_translation_is_an_edit_of_its_product() {
    let shop = Shop::speaking(&["de", "pt-BR"]).await;
    let mug = mug(&shop).await;
    let all = translations(&mug);
    let empty = shop.admin(Method::GET, &all, Value::Null).await;
    assert_eq!(empty.body["translations"], json!({}));
    assert_eq!(
        (empty.body["version"].as_i64(), empty.header("etag")),
        (Some(1), "\"1\"")
    );

    let german = json!({"title": "Becher", "handle": "becher", "seo": {"title": "Becher kaufen", "description": null}});
    let one = format!("{all}/de");
    assert_eq!(shop.admin(Method::PUT, &one, german.clone()).await.status, 428);
    assert_eq!(shop.edit(Method::PUT, &one, 7, german.clone()).await.status, 412);
    let said = shop.edit(Method::PUT, &one, 1, german.clone()).await;
    assert_eq!(
        (said.status.as_u16(), said.header("etag")),
        (200, "\"2\""),
        "{}",
        said.body
    );
    assert_eq!(said.body["translations"], json!({"de": german}));
    assert_eq!(
        shop.admin(Method::GET, &path(&mug), Value::Null).await.body["version"],
        2
    );

    // A tag in another case is the same tag; a translation is said as a whole.
    let shorter = shop
        .edit(Method::PUT, &format!("{all}/DE"), 2, json!({"title": "Tasse"}))
        .await;
    assert_eq!(shorter.body["translations"], json!({"de": {"title": "Tasse"}}));

    let gone = shop.edit(Method::DELETE, &one, 3, Value::Null).await;
    assert_eq!((gone.status.as_u16(), gone.header("etag")), (204, "\"4\""));
    assert_eq!(shop.edit(Method::DELETE, &one, 4, Value::Null).await.status, 404);
    assert_eq!(
        shop.admin(Method::GET, &all, Value::Null).await.body["translations"],
        json!({})
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_cannot_be_said_is_refused_and_changes_nothing() {
    let shop = Shop::speaking(&["de"]).await;
    let mug = mug(&shop).await;
    let put = async |locale: &str, body: Value| {
        let path = format!("{}/{locale}", translations(&mug));
        shop.edit(Method::PUT, &path, 1, body).await
    };
    let title = || json!({"title": "Becher"});
    assert_eq!(put("fr", title()).await.refusal(), (422, "locale", "unknown_locale"));
    assert_eq!(put("en", title()).await.refusal(), (422, "locale", "base_locale"));
    assert_eq!(put("deutsch", title()).await.status, 404);
    assert_eq!(put("de", json!({})).await.refusal(), (422, "", "required"));
    assert_eq!(
        put("de", json!({"title": ""})).await.refusal(),
        (422, "/title", "too_short")
    );
    assert_eq!(
        put("de", json!({"handle": "Ä"})).await.refusal(),
        (422, "/handle", "invalid_handle")
    );
    assert_eq!(
        put("de", json!({"brand": "x"})).await.refusal(),
        (422, "/brand", "unknown_field")
    );
    let long = "x".repeat(201);
    assert_eq!(
        put("de", json!({"seo": {"title": long}})).await.refusal(),
        (422, "/seo/title", "too_long")
    );
    let all = shop.admin(Method::GET, &translations(&mug), Value::Null).await.body;
    assert_eq!((&all["version"], &all["translations"]), (&json!(1), &json!({})));
    let customer = shop.customer(Method::GET, &translations(&mug)).await;
    assert_eq!(customer.status, 403);
    let unknown = format!("/admin/products/{}/translations", kernel::id::ProductId::generate());
    assert_eq!(shop.admin(Method::GET, &unknown, Value::Null).await.status, 404);
}

#[actix_web::test]
async fn a_handle_of_a_language_belongs_to_one_product_and_is_nobody_elses_own() {
    let shop = Shop::speaking(&["de", "fr"]).await;
    let (mug, cup) = (mug(&shop).await, shop.create(product("Cup", 500, 5)).await);
    let put = async |of: &Value, version: i64, locale: &str, handle: &str| {
        let path = format!("{}/{locale}", translations(of));
        shop.edit(Method::PUT, &path, version, json!({"handle": handle})).await
    };
    assert_eq!(put(&mug, 1, "de", "becher").await.status, 200);
    let taken = put(&cup, 1, "de", "becher").await;
    assert_eq!(
        (taken.status.as_u16(), &taken.body["code"]),
        (409, &json!("already_taken"))
    );
    // The own handle of another one, and the other way round; one's own is free.
    assert_eq!(put(&cup, 1, "de", "mug").await.status, 409);
    assert_eq!(put(&cup, 1, "de", "cup").await.status, 200);
    let patch = shop
        .edit(Method::PATCH, &path(&cup), 2, json!({"handle": "becher"}))
        .await;
    assert_eq!(patch.body["code"], "already_taken");
    let new = json!({"title": "Beaker", "handle": "becher"});
    assert_eq!(shop.admin(Method::POST, "/admin/products", new).await.status, 409);
    // Another language may have the same word for another thing.
    assert_eq!(put(&cup, 2, "fr", "becher").await.status, 200);
    // A handle that is made from a title goes around it.
    let beaker = shop.create(product("Becher", 700, 1)).await;
    assert_eq!(beaker["handle"], "becher-2");
    // What is deleted gives its handles away.
    assert_eq!(shop.edit(Method::DELETE, &path(&mug), 2, Value::Null).await.status, 204);
    assert_eq!(put(&cup, 3, "de", "becher").await.status, 200);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn of_many_who_want_a_handle_at_once_one_gets_it() {
    let shop = Shop::speaking(&["de"]).await;
    let mut made = Vec::new();
    for number in 0..4 {
        made.push(shop.create(product(&format!("Thing {number}"), 900, 1)).await);
    }
    let wish = async |number: usize| {
        let thing = &made[number];
        match number % 2 {
            0 => {
                let path = format!("{}/de", translations(thing));
                shop.edit(Method::PUT, &path, 1, json!({"handle": "ding"})).await
            }
            _ => {
                shop.edit(Method::PATCH, &path(thing), 1, json!({"handle": "ding"}))
                    .await
            }
        }
    };
    let answers = join_all((0..4).map(wish)).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 200).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|status| **status == 409).count(),
        3,
        "{statuses:?}"
    );
    assert_eq!(shop.get("/products/ding").await.status, 200);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn categories_and_collections_are_translated_in_the_same_way() {
    let shop = Shop::speaking(&["de"]).await;
    let books = shop.category("Books", None).await;
    let toys = shop.category("Toys", None).await;
    let sale = shop.collection(json!({"title": "Sale"})).await;
    let spring = shop.collection(json!({"title": "Spring"})).await;
    assert_eq!(
        shop.translate(
            "categories",
            &books,
            "de",
            json!({"name": "Bücher", "handle": "buecher"})
        )
        .await,
        2
    );
    assert_eq!(
        shop.translate(
            "collections",
            &sale,
            "de",
            json!({"title": "Ausverkauf", "handle": "ausverkauf"})
        )
        .await,
        2
    );
    for (things, other, texts) in [
        ("categories", &toys, json!({"handle": "buecher"})),
        ("categories", &toys, json!({"handle": "books"})),
        ("collections", &spring, json!({"handle": "ausverkauf"})),
        ("collections", &spring, json!({"handle": "sale"})),
    ] {
        let path = format!("/admin/{things}/{}/translations/de", other["id"].as_str().unwrap());
        let refused = shop.edit(Method::PUT, &path, 1, texts).await;
        assert_eq!(refused.body["code"], "already_taken", "{things}: {}", refused.body);
    }
    for (things, name) in [("categories", "name"), ("collections", "title")] {
        let taken = if things == "categories" {
            "buecher"
        } else {
            "ausverkauf"
        };
        let new = json!({name: "Other", "handle": taken});
        let refused = shop.admin(Method::POST, &format!("/admin/{things}"), new).await;
        assert_eq!(refused.body["code"], "already_taken", "{things}: {}", refused.body);
    }
    for (things, thing) in [("categories", &books), ("collections", &sale)] {
        let all = format!("/admin/{things}/{}/translations", thing["id"].as_str().unwrap());
        let said = shop.admin(Method::GET, &all, Value::Null).await;
        assert_eq!(
            (said.body["translations"]["de"].is_object(), said.header("etag")),
            (true, "\"2\"")
        );
        assert_eq!(
            shop.edit(Method::DELETE, &format!("{all}/de"), 1, Value::Null)
                .await
                .status,
            412
        );
        assert_eq!(
            shop.edit(Method::DELETE, &format!("{all}/de"), 2, Value::Null)
                .await
                .status,
            204
        );
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn who_keeps_answers_hears_of_every_translation() {
    let shop = Shop::speaking(&["de"]).await;
    let mug = mug(&shop).await;
    let books = shop.category("Books", None).await;
    let sale = shop.collection(json!({"title": "Sale"})).await;
    let before = shop.changes().await.len();
    shop.translate("products", &mug, "de", json!({"title": "Becher"})).await;
    shop.translate("categories", &books, "de", json!({"name": "Bücher"}))
        .await;
    shop.translate("collections", &sale, "de", json!({"title": "Ausverkauf"}))
        .await;
    let path = format!("{}/de", translations(&mug));
    assert_eq!(shop.admin(Method::DELETE, &path, Value::Null).await.status, 204);
    let told = shop.changes().await.split_off(before);
    let subject = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
    let expected = [
        ("product.changed".to_owned(), subject(&mug)),
        ("category.changed".to_owned(), subject(&books)),
        ("collection.changed".to_owned(), subject(&sale)),
        ("product.changed".to_owned(), subject(&mug)),
    ];
    assert_eq!(told, expected);
}

#[actix_web::test]
async fn in_bulk_products_are_translated_with_their_other_changes() {
    let shop = Shop::speaking(&["de", "fr"]).await;
    let (mug, cup) = (mug(&shop).await, shop.create(product("Cup", 500, 5)).await);
    let german = |texts: Value| json!({"de": texts});
    let operations = json!([
        {"op": "create", "product": {"title": "Bowl"}, "translations": german(json!({"title": "Schale", "handle": "schale"}))},
        {"op": "update", "id": mug["id"], "product": {}, "translations": german(json!({"title": "Becher", "handle": "becher"}))},
        {"op": "update", "id": cup["id"], "product": {"title": "Cups"}, "translations": german(json!({"handle": "becher"}))},
        {"op": "create", "product": {"title": "Plate"}, "translations": {"es": {"title": "Plato"}}},
        {"op": "create", "product": {"title": "Pot"}, "translations": german(json!({"handle": "cup"}))},
        {"op": "create", "product": {"title": "Jar", "handle": "becher"}},
    ]);
    let path = "/admin/products/bulk";
    let answer = shop.admin(Method::POST, path, json!({"operations": operations})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let results = answer.body["results"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|result| (result["status"].as_u64().unwrap(), result["version"].as_i64()))
        .collect();
    assert_eq!(
        told,
        [
            (201, Some(1)),
            (200, Some(2)),
            (409, None),
            (422, None),
            (409, None),
            (409, None)
        ]
    );
    assert_eq!(results[3]["problem"]["errors"][0]["pointer"], "/translations/es");
    assert_eq!(shop.get("/products/schale?locale=de").await.body["title"], "Schale");
    let said = shop.admin(Method::GET, &translations(&mug), Value::Null).await;
    assert_eq!(
        (said.header("etag"), &said.body["translations"]["de"]["title"]),
        ("\"2\"", &json!("Becher"))
    );
    // What is said already changes nothing.
    let again = json!({"operations": [{"op": "update", "id": mug["id"], "product": {}, "translations": german(json!({"title": "Becher", "handle": "becher"}))}]});
    let answer = shop.admin(Method::POST, path, again).await;
    assert_eq!(answer.body["results"][0]["version"], 2);
    let back = json!({"operations": [{"op": "update", "id": mug["id"], "product": {}, "translations": {"de": null}}]});
    assert_eq!(
        shop.admin(Method::POST, path, back).await.body["results"][0]["version"],
        3
    );
    let said = shop.admin(Method::GET, &translations(&mug), Value::Null).await;
    assert_eq!(said.body["translations"], json!({}));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn files_carry_translations_and_a_round_trip_changes_nothing() {
    let shop = Shop::speaking(&["de", "fr"]).await;
    let line = |number: usize, translations: Value| {
        let mut line =
            json!({"handle": format!("thing-{number}"), "title": format!("Thing {number}"), "price_minor": 100});
        if !translations.is_null() {
            line["translations"] = translations;
        }
        line.to_string()
    };
    let file = [
        line(1, json!({"de": {"title": "Ding", "handle": "ding", "options": {"Size": {"name": "Größe"}}}, "fr": {"title": "Chose"}})),
        line(2, Value::Null),
        line(3, json!({"es": {"title": "Cosa"}, "de": {}})),
        line(4, json!({"de": {"handle": "ding"}})),
        line(5, json!({"de": {"handle": "thing-2"}})),
    ]
    .join("\n");
    let report = shop.import(&file, product::ImportFormat::Auto, false).await;
    assert_eq!((report.created, report.skipped), (2, 3), "{:?}", report.errors);
    let told: Vec<_> = report
        .errors
        .iter()
        .map(|error| (error.line, error.pointer.as_str(), error.code.as_str()))
        .collect();
    let expected = [
        (3, "/translations/de", "required"),
        (3, "/translations/es", "unknown_locale"),
        (4, "/translations", "already_taken"),
        (5, "/translations", "already_taken"),
    ];
    assert_eq!(told, expected);
    assert_eq!(shop.get("/products/ding?locale=fr").await.body["title"], "Chose");

    let exported = shop.export().await;
    let again = shop.import(&exported, product::ImportFormat::Auto, false).await;
    assert_eq!((again.unchanged, again.updated), (2, 0), "{:?}", again.errors);
    assert_eq!(shop.export().await, exported);

    // What a file does not say stays; `null` takes it back.
    let file = [line(1, json!({"fr": null})), line(2, json!({"fr": {"title": "Deux"}}))].join("\n");
    let report = shop.import(&file, product::ImportFormat::Auto, false).await;
    assert_eq!((report.updated, report.unchanged), (2, 0), "{:?}", report.errors);
    let shown = shop.get("/products/thing-1?locale=de").await.body;
    assert_eq!((&shown["title"], &shown["handle"]), (&json!("Ding"), &json!("ding")));
    assert_eq!(shop.get("/products/thing-1?locale=fr").await.body["title"], "Thing 1");
    assert_eq!(shop.get("/products/thing-2?locale=fr").await.body["title"], "Deux");
    shop.assert_in_order().await;
}
