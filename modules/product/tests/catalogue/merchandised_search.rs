//! What staff say of the search: synonyms and stop words.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Response, Shop, eventually, product};

const SYNONYMS: &str = "/admin/search/synonyms";
const STOP_WORDS: &str = "/admin/search/stop-words";

async fn synonyms(shop: &Shop, body: Value) -> Value {
    let made = shop.admin(Method::POST, SYNONYMS, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

async fn stop_words(shop: &Shop, words: &[&str]) -> Response {
    let version = shop.admin(Method::GET, STOP_WORDS, Value::Null).await.body["version"].clone();
    shop.edit(
        Method::PUT,
        STOP_WORDS,
        version.as_i64().unwrap(),
        json!({"words": words}),
    )
    .await
}

fn at(group: &Value) -> String {
    format!("{SYNONYMS}/{}", group["id"].as_str().unwrap())
}

async fn shop_with(titles: &[&str]) -> Shop {
    let shop = Shop::open().await;
    for title in titles {
        shop.create(product(title, 100, 1)).await;
    }
    shop
}

#[actix_web::test]
async fn a_group_of_synonyms_is_made_changed_listed_and_removed() {
    let shop = Shop::open().await;
    let first = synonyms(&shop, json!({"terms": ["tv", "television"]})).await;
    let second = synonyms(&shop, json!({"terms": ["tablet"], "one_way_from": "iPad"})).await;
    assert_eq!((&first["one_way_from"], &first["version"]), (&Value::Null, &json!(1)));
    let page = shop
        .admin(Method::GET, &format!("{SYNONYMS}?limit=1"), Value::Null)
        .await
        .body;
    assert_eq!(page["data"], json!([first]));
    let next = page["page"]["next_cursor"].as_str().unwrap();
    let page = shop
        .admin(Method::GET, &format!("{SYNONYMS}?limit=1&cursor={next}"), Value::Null)
        .await
        .body;
    assert_eq!(
        (&page["data"], &page["page"]["has_more"]),
        (&json!([second]), &json!(false))
    );
    let missing = shop
        .admin(Method::PATCH, &at(&first), json!({"terms": ["a", "b"]}))
        .await;
    assert_eq!(missing.status, 428);
    let patch = json!({"terms": ["telly", "television", "tv"]});
    let changed = shop.edit(Method::PATCH, &at(&first), 1, patch.clone()).await;
    assert_eq!((changed.status.as_u16(), changed.header("etag")), (200, "\"2\""));
    assert_eq!(changed.body["terms"], patch["terms"]);
    assert_eq!(shop.edit(Method::PATCH, &at(&first), 1, patch).await.status, 412);
    let widened = shop
        .edit(Method::PATCH, &at(&second), 1, json!({"one_way_from": null}))
        .await;
    assert_eq!(widened.refusal(), (422, "/terms", "too_few"));
    assert_eq!(
        shop.edit(Method::DELETE, &at(&second), 1, Value::Null).await.status,
        204
    );
    assert_eq!(shop.admin(Method::GET, &at(&second), Value::Null).await.status, 404);
    for path in [SYNONYMS, STOP_WORDS] {
        assert_eq!(shop.get(path).await.status, 401);
        assert_eq!(shop.customer(Method::GET, path).await.status, 403);
    }
}

#[actix_web::test]
async fn synonyms_that_make_no_sense_are_refused() {
    let shop = Shop::open().await;
    for (body, pointer, code) in [
        (json!({"terms": ["tv"]}), "/terms", "too_few"),
        (json!({"terms": ["tv", "%&"]}), "/terms/1", "no_word"),
        (json!({"terms": ["shoe", "Shoes"]}), "/terms/1", "duplicate"),
        (json!({"terms": ["tv", ""]}), "/terms/1", "too_short"),
        (json!({"terms": ["tv", "x".repeat(81)]}), "/terms/1", "too_long"),
        (json!({"terms": ["tv", "telly"], "way": 1}), "/way", "unknown_field"),
        (
            json!({"terms": ["shoe"], "one_way_from": "SHOES"}),
            "/terms/0",
            "duplicate",
        ),
    ] {
        let refused = shop.admin(Method::POST, SYNONYMS, body).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
    let many: Vec<String> = (0..21).map(|number| format!("term {number}")).collect();
    let refused = shop.admin(Method::POST, SYNONYMS, json!({"terms": many})).await;
    assert_eq!(refused.refusal(), (422, "/terms", "too_many"));
}

#[actix_web::test]
async fn a_shop_has_a_thousand_groups_of_synonyms_at_most() {
    let shop = Shop::open().await;
    let mut connection = shop.database.connect().unwrap();
    let fill = "INSERT INTO products.search_synonyms (id, terms, created_at, updated_at) \
        SELECT gen_random_uuid(), ARRAY['a' || number, 'b' || number], now(), now() FROM generate_series(1, 1000) AS number";
    diesel::connection::SimpleConnection::batch_execute(&mut connection, fill).unwrap();
    let refused = shop
        .admin(Method::POST, SYNONYMS, json!({"terms": ["tv", "telly"]}))
        .await;
    assert_eq!(refused.refusal(), (422, "", "too_many"));
}

#[actix_web::test]
async fn who_searches_for_a_word_finds_its_synonyms_behind_it() {
    let shop = shop_with(&["Flat TV", "Flat television", "Flat telly", "Flat screen"]).await;
    assert_eq!(shop.titles("q=tv").await, ["Flat TV"]);
    let group = synonyms(&shop, json!({"terms": ["TV", "Télévision", "telly"]})).await;
    let found = shop.titles("q=tv").await;
    assert_eq!((found.len(), found[0].as_str()), (3, "Flat TV"));
    assert_eq!(shop.titles("q=flat+telly").await[0], "Flat telly");
    assert_eq!(shop.titles("q=flat+telly").await.len(), 3);
    let gone = shop.edit(Method::DELETE, &at(&group), 1, Value::Null).await;
    assert_eq!(gone.status, 204);
    assert_eq!(shop.titles("q=tv").await, ["Flat TV"]);
}

#[actix_web::test]
async fn a_rare_synonym_does_not_come_before_the_word_itself() {
    let shop = Shop::open().await;
    for number in 0..40 {
        shop.create(product(&format!("TV number {number}"), 100, 1)).await;
    }
    shop.create(product("Television number 41", 100, 1)).await;
    synonyms(&shop, json!({"terms": ["tv", "television"]})).await;
    let found = shop.titles("q=tv+number&limit=100").await;
    assert_eq!((found.len(), found[40].as_str()), (41, "Television number 41"));
}

#[actix_web::test]
async fn a_one_way_synonym_is_not_found_the_other_way_round() {
    let shop = shop_with(&["iPad", "Tablet", "Slate"]).await;
    synonyms(&shop, json!({"terms": ["tablet"], "one_way_from": "ipad"})).await;
    // Nor is what a synonym has for a synonym.
    synonyms(&shop, json!({"terms": ["slate"], "one_way_from": "tablet"})).await;
    assert_eq!(shop.titles("q=ipad").await, ["iPad", "Tablet"]);
    assert_eq!(shop.titles("q=tablet").await, ["Tablet", "Slate"]);
    assert_eq!(shop.titles("q=slate").await, ["Slate"]);
}

#[actix_web::test]
async fn several_words_are_synonyms_anywhere_in_a_question() {
    let shop = shop_with(&[
        "Red USB stick",
        "Red flash drive",
        "Red pendrive",
        "Red stick",
        "Blue drive",
    ])
    .await;
    synonyms(&shop, json!({"terms": ["USB stick", "flash drive", "pendrive"]})).await;
    for query in ["usb+stick", "red+usb+sticks", "usb+stick+red"] {
        let mut found = shop.titles(&format!("q={query}")).await;
        assert_eq!(found[0], "Red USB stick", "{query}");
        found.retain(|title| title != "Red stick");
        assert_eq!(found.len(), 3, "{query}: {found:?}");
    }
    assert_eq!(
        shop.titles("q=pendrive").await,
        ["Red pendrive", "Red flash drive", "Red USB stick"]
    );
    assert_eq!(shop.titles("q=flash+drive").await[0], "Red flash drive");
    assert_eq!(shop.titles("q=blue+drive").await, ["Blue drive"]);
}

#[actix_web::test]
async fn a_known_synonym_is_no_slip() {
    let shop = shop_with(&["Belly bag", "Television"]).await;
    assert_eq!(shop.get("/products?q=telly").await.body["did_you_mean"], "belly");
    synonyms(&shop, json!({"terms": ["telly", "television"]})).await;
    let found = shop.get("/products?q=telly").await.body;
    assert_eq!(found.get("did_you_mean"), None, "{found}");
    assert_eq!(shop.titles("q=telly").await, ["Television"]);
    let slip = shop.get("/products?q=telly+bellly").await.body;
    assert_eq!(slip["did_you_mean"], "telly belly");
}

#[actix_web::test]
async fn stop_words_are_not_required_unless_there_is_nothing_else() {
    let shop = shop_with(&["Red shoes", "Cape for the rain"]).await;
    assert_eq!(shop.get("/products?q=for+shoes").await.body["relaxed"], true);
    let written = stop_words(&shop, &["Für", "FOR", "the"]).await;
    assert_eq!(written.status, 200, "{}", written.body);
    assert_eq!(written.body, json!({"words": ["fur", "for", "the"], "version": 2}));
    assert_eq!(written.header("etag"), "\"2\"");
    assert_eq!(shop.titles("q=for+shoes").await, ["Red shoes"]);
    assert_eq!(shop.titles("q=the+shoes+for").await, ["Red shoes"]);
    assert_eq!(shop.titles("q=for+the").await, ["Cape for the rain"]);
    assert_eq!(
        shop.get("/products?q=shoes+f%C3%BCr").await.body.get("did_you_mean"),
        None
    );
    let late = shop.edit(Method::PUT, STOP_WORDS, 1, json!({"words": []})).await;
    assert_eq!(late.status, 412);
    for (words, pointer, code) in [
        (json!(["a", "b c"]), "/words/1", "too_many_words"),
        (json!(["a", "A"]), "/words/1", "duplicate"),
        (json!(["!"]), "/words/0", "no_word"),
        (json!(vec!["a"; 501]), "/words", "too_many"),
    ] {
        let refused = shop.edit(Method::PUT, STOP_WORDS, 2, json!({"words": words})).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
}

#[actix_web::test]
async fn settings_count_at_once_and_soon_everywhere_also_where_facets_were_counted() {
    let shop = shop_with(&["TV", "Television"]).await;
    let other = shop.beside().await;
    let counted = async |shop: &Shop| {
        let list = shop.get("/products?q=tv&facets=price").await.body;
        let buckets = list["facets"]["price"]["buckets"].as_array().unwrap().iter();
        let count: i64 = buckets.map(|bucket| bucket["count"].as_i64().unwrap()).sum();
        (list["total"]["value"].as_i64().unwrap(), count)
    };
    assert_eq!((counted(&shop).await, counted(&other).await), ((1, 1), (1, 1)));
    synonyms(&shop, json!({"terms": ["tv", "television"]})).await;
    assert_eq!(counted(&shop).await, (2, 2));
    eventually(async || counted(&other).await == (2, 2)).await;
    // A process that begins now knows them from its first list on.
    assert_eq!(counted(&shop.beside().await).await, (2, 2));
}

#[actix_web::test]
async fn a_cursor_does_not_go_on_in_another_order() {
    let shop = shop_with(&["TV one", "TV two", "TV three", "Television"]).await;
    let first = shop.get("/products?q=tv&limit=2").await.body;
    let plain = first["page"]["next_cursor"].as_str().unwrap();
    let other = shop.get("/products?q=three&limit=1").await.body;
    assert_eq!(other["page"]["has_more"], false);
    synonyms(&shop, json!({"terms": ["two", "2nd"]})).await;
    assert_eq!(shop.titles(&format!("q=tv&limit=2&cursor={plain}")).await.len(), 1);
    synonyms(&shop, json!({"terms": ["tv", "television"]})).await;
    let refused = shop.get(&format!("/products?q=tv&limit=2&cursor={plain}")).await;
    assert_eq!(refused.refusal().1, "cursor", "{}", refused.body);
    let first = shop.get("/products?q=tv&limit=2").await.body;
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let rest = shop.titles(&format!("q=tv&limit=2&cursor={cursor}")).await;
    assert_eq!(rest.last().map(String::as_str), Some("Television"));
}
