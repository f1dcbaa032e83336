//! What a search has found is marked, and what it shows where it has found nothing.

use actix_web::http::Method;
use serde_json::{Value, json};

use crate::support::{Shop, product};

fn described(title: &str, description: &str) -> Value {
    let mut made = product(title, 100, 1);
    made["description"] = json!(description);
    made
}

#[actix_web::test]
async fn what_was_searched_for_is_marked_in_titles_and_descriptions() {
    let shop = Shop::open().await;
    let filler = "Nothing to see here. ".repeat(40);
    let text = format!("{filler}For men's <b>running</b> & hiking shoes. {filler}");
    shop.create(described("Running shoe \"Fast\"", &text)).await;
    let list = shop.get("/products?q=shoes+men&highlight=true").await.body;
    let marked = &list["data"][0]["highlights"];
    assert_eq!(marked["title"], "Running <mark>shoe</mark> &quot;Fast&quot;");
    let description = marked["description"].as_str().unwrap();
    assert!(
        description.contains("For <mark>men&#39;s</mark> &lt;b&gt;running&lt;/b&gt; &amp; hiking <mark>shoes</mark>."),
        "{description}"
    );
    assert!(
        description.starts_with('…') && description.ends_with('…'),
        "{description}"
    );
    // Beginnings, slips and what staff have said.
    for (query, title) in [
        ("run", "<mark>Running</mark> shoe"),
        ("runing", "<mark>Running</mark> shoe"),
        ("sneaker", "Running <mark>shoe</mark>"),
    ] {
        let synonyms = json!({"terms": ["shoe"], "one_way_from": "sneaker"});
        shop.admin(Method::POST, "/admin/search/synonyms", synonyms).await;
        let list = shop.get(&format!("/products?q={query}&highlight=true")).await.body;
        let marked = list["data"][0]["highlights"]["title"].as_str().unwrap();
        assert!(marked.starts_with(title), "{query}: {marked}");
    }
    let staff = shop
        .admin(Method::GET, "/admin/products?q=fast&highlight=true", Value::Null)
        .await
        .body;
    let marked = &staff["data"][0]["highlights"]["title"];
    assert_eq!(marked, "Running shoe &quot;<mark>Fast</mark>&quot;");
}

#[actix_web::test]
async fn nothing_is_marked_unless_it_is_asked_for_with_a_search() {
    let shop = Shop::open().await;
    shop.create(product("Shoe", 100, 1)).await;
    for query in ["q=shoe", "q=shoe&highlight=false", ""] {
        let list = shop.get(&format!("/products?{query}")).await.body;
        assert_eq!(list["data"][0].get("highlights"), None, "{query}");
    }
    for query in ["highlight=true", "q=+&highlight=true", "q=shoe&highlight=yes"] {
        let refused = shop.get(&format!("/products?{query}")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.refusal().1),
            (400, "highlight"),
            "{query}"
        );
    }
}

#[actix_web::test]
async fn texts_are_marked_in_the_language_that_is_shown() {
    let shop = Shop::speaking(&["de"]).await;
    let made = shop.create(described("Camera", "A camera.")).await;
    let texts = json!({"title": "Kamera (camera)", "description": "Eine Kamera für Camera-Freunde"});
    shop.translate("products", &made, "de", texts).await;
    let list = shop.get("/products?q=camera&highlight=true&locale=de").await.body;
    assert_eq!(
        list["data"][0]["highlights"],
        json!({"title": "Kamera (<mark>camera</mark>)", "description": "Eine Kamera für <mark>Camera</mark>-Freunde"})
    );
}
