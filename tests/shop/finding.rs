//! What visitors find, in their language and their currency.

use serde_json::{Value, json};

use super::support::{Store, eventually, unique};

fn money(amount: i64, currency: &str) -> Value {
    json!({"amount": amount, "currency": currency})
}

#[tokio::test]
async fn who_reads_german_and_pays_in_euros_finds_by_german_words_and_prices_in_euros() {
    let store = Store::with([("shop.locales", "en,de"), ("shop.currencies", "EUR")]).await;
    let (admin, visitor) = (store.admin().await, store.anonymous());
    for (title, german, dollars, euros, weight) in [
        ("Mug", "Becher", 1000, 300, 0.25),
        ("Measuring cups", "Messbecher", 500, 900, 0.5),
    ] {
        let variant = json!({"price": money(dollars, "USD"), "stock": 5, "prices": [{"price": money(euros, "EUR")}]});
        let product = json!({"title": title, "handle": unique("thing"), "attributes": {"weight": weight},
            "variants": [variant]});
        let made = admin.post("/admin/products", product).await.expect(201);
        let path = format!("/admin/products/{}/translations/de", made["id"].as_str().unwrap());
        let editor = admin.with("If-Match", "\"1\"");
        editor.put(&path, json!({"title": german})).await.expect(200);
    }
    let finds = async |path: &str, titles: &[&str]| {
        let shown = |list: &Value| -> Vec<String> {
            let rows = list["data"].as_array().unwrap().iter();
            rows.map(|row| row["title"].as_str().unwrap().to_owned()).collect()
        };
        eventually(
            || async { visitor.get(path).await.expect(200) },
            |list| shown(list) == titles,
        )
        .await;
    };
    finds("/products?locale=de&q=becher", &["Becher"]).await;
    finds("/products?locale=de&q=messbechern", &["Messbecher"]).await;
    finds("/products?q=becher", &[]).await;
    finds(
        "/products?locale=de&currency=EUR&sort=-price",
        &["Messbecher", "Becher"],
    )
    .await;
    finds("/products?locale=de&currency=EUR&price_max=300", &["Becher"]).await;
    finds("/products?sort=-price", &["Mug", "Measuring cups"]).await;
    finds("/products?locale=de&attr.weight=0.3..0.5", &["Messbecher"]).await;
    // Each process has an index of its own, which follows within a second.
    let counted = async || {
        let path = "/products?currency=EUR&facets=price,attr.weight:ranges";
        visitor.get(path).await.expect(200)
    };
    let list = eventually(counted, |list| list["total"]["value"] == 2).await;
    assert_eq!(list["facets"]["price"]["max"], money(900, "EUR"));
    assert_eq!(list["facets"]["attr.weight:ranges"]["max"], 0.5);
    assert_eq!(store.findings().await, [""; 0]);
}
