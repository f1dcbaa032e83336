//! Questions that nobody asks who wants to find something, and what they may cost.

use std::collections::BTreeMap;

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl as _};
use futures_util::future::join_all;
use kernel::Fault;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Response, Shop, eventually, path, product, variant_id};

/// The tables that grow with a shop, and how many rows were read of each by going through all of it.
type Scans = BTreeMap<String, i64>;

#[derive(QueryableByName)]
struct Scanned {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    rows: i64,
}

/// What is an address in a query.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Imports so many products, each with a word of its own and one that all have.
async fn fill(shop: &Shop, count: usize) {
    let line = |number: usize| {
        let title = format!(
            "Thing no{number}x of {} and {}",
            "abcdefgh".repeat(1 + number % 4),
            number % 97
        );
        json!({"id": number.to_string(), "title": title, "sku": format!("S-{number}"), "price_minor": 100 + number % 89,
            "brand": format!("Brand {}", number % 13), "category": format!("All > Some {}", number % 11), "stock": number % 3,
            "tags": [format!("tag {}", number % 17)], "attributes": {"size": number % 5}})
        .to_string()
    };
    let lines: Vec<String> = (0..count).map(line).collect();
    let mut there = 0;
    for lines in lines.chunks(1_000) {
        let report = shop.import(&lines.join("\n"), ImportFormat::Ndjson, false).await;
        assert_eq!(report.errors, vec![]);
        there += lines.len();
        eventually(async || shop.get("/products?limit=1").await.body["total"]["value"] == there).await;
    }
}

fn titles(list: &Value) -> Vec<&str> {
    let products = list["data"].as_array().unwrap().iter();
    products.map(|product| product["title"].as_str().unwrap()).collect()
}

/// IN-03
#[actix_web::test]
async fn signs_that_mean_something_elsewhere_mean_nothing_in_a_question() {
    let shop = Shop::open().await;
    for title in ["Plain thing", "100% wool", "Under_score", "Back\\slash"] {
        shop.create(product(title, 100, 1)).await;
    }
    for (question, found) in [
        ("100%", vec!["100% wool"]),
        ("pl%n", vec![]),
        ("pl_in", vec![]),
        ("under_score", vec!["Under_score"]),
        ("back\\slash", vec!["Back\\slash"]),
        ("plain & !thing", vec!["Plain thing"]),
        ("plain:* | thing", vec!["Plain thing"]),
        ("\"thing plain\"", vec!["Plain thing"]),
        ("+plain -thing", vec!["Plain thing"]),
    ] {
        let list = shop.get(&format!("/products?q={}", escaped(question))).await.body;
        assert_eq!(titles(&list), found, "{question}");
        assert!(list["relaxed"].is_null(), "{question}");
    }
    // Of these there are words that nothing has.
    for (question, found) in [
        ("title:wool", "100% wool"),
        ("wool'; DROP TABLE products; --", "100% wool"),
        ("plain thing^9~2", "Plain thing"),
    ] {
        let list = shop.get(&format!("/products?q={}", escaped(question))).await.body;
        assert_eq!(titles(&list), [found], "{question}");
        assert_eq!(list["relaxed"], true, "{question}");
    }
    // What has no word at all is a question all the same, and an answer.
    for sign in [
        "%", "_", "\\", "*", "\"", ":*", "!", "()", "[a TO b]", "&&", "||", "\u{301}", "?", "\u{202e}",
    ] {
        for path in ["/products?q=", "/products/suggest?q=", "/collections?q="] {
            let answer = shop.get(&format!("{path}{}", escaped(sign))).await;
            assert!(
                matches!(answer.status.as_u16(), 200 | 400),
                "{path}{sign}: {}",
                answer.text
            );
        }
    }
    let long = escaped(&"x ".repeat(5_000));
    let refused = shop.get(&format!("/products?q={long}")).await;
    assert_eq!(refused.refusal(), (400, "q", "too_long"));
    let refused = shop.get(&format!("/products/suggest?q={long}")).await;
    assert_eq!(refused.refusal(), (400, "q", "too_long"));
    let nul = shop.get("/products?q=a%00b").await;
    assert_eq!(nul.refusal(), (400, "q", "invalid_character"));
}

/// IN-04
#[actix_web::test]
async fn the_worst_questions_are_answered_or_given_up_in_time() {
    let shop = Shop::open().await;
    fill(&shop, 3_000).await;
    let beginnings: Vec<String> = ('a'..='p').map(String::from).collect();
    let slips: Vec<String> = (0..16).map(|number| format!("abcdefghabcx{}", number % 10)).collect();
    let numbers: Vec<String> = (0..16).map(|number| format!("no{number}")).collect();
    for question in [
        "%a".repeat(100),
        "a*".repeat(100),
        beginnings.join(" "),
        slips.join(" ")[..200].to_owned(),
        numbers.join(" "),
        "abcdefgh".repeat(25),
        "thing ".repeat(16),
        "a-1-b-2-c-3 ".repeat(16),
        "e\u{301}".repeat(100),
    ] {
        for query in [
            "sort=relevance&limit=100",
            "sort=price&facets=brand,category,price,attr.size",
            "in_stock=true",
        ] {
            let answer = shop.get(&format!("/products?q={}&{query}", escaped(&question))).await;
            assert!(
                matches!(answer.status.as_u16(), 200 | 503),
                "{question}: {}",
                answer.text
            );
        }
    }
}

/// How many rows of the tables that grow were read so far by going through all of one. What connections have not told yet
/// they tell as they end.
async fn scanned(shop: &Shop) -> Scans {
    const END: &str = "SELECT pid::text AS name, pg_terminate_backend(pid)::int::bigint AS rows FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    const LEFT: &str =
        "SELECT pid::text AS name, 1::bigint AS rows FROM pg_stat_activity WHERE datname = current_database()";
    const ROWS: &str = "SELECT relname::text AS name, seq_tup_read AS rows FROM pg_stat_user_tables \
        WHERE schemaname = 'products' AND relname IN ('products', 'variants', 'stock', 'stock_movements')";
    let ended = rows(shop, END).await.unwrap();
    // Whoever meets a connection that has ended is told that the shop is busy, and it is gone from the pool.
    let are_gone = async || {
        let left = join_all((0..20).map(|_| rows(shop, LEFT))).await;
        let is_gone =
            |left: Result<Scans, Fault>| left.is_ok_and(|left| ended.keys().all(|one| !left.contains_key(one)));
        left.into_iter().all(is_gone)
    };
    eventually(are_gone).await;
    rows(shop, ROWS).await.unwrap()
}

async fn rows(shop: &Shop, sql: &'static str) -> Result<Scans, Fault> {
    let read = move |connection: &mut PgConnection| Ok(diesel::sql_query(sql).load::<Scanned>(connection)?);
    let rows: Result<Vec<Scanned>, Fault> = shop.database.run(read).await;
    Ok(rows?.into_iter().map(|row| (row.name, row.rows)).collect())
}

/// IN-09
#[actix_web::test]
async fn no_list_goes_through_a_whole_table() {
    let shop = Shop::open().await;
    fill(&shop, 11_000).await;
    let made = shop.create(product("Mug", 900, 5)).await;
    let (mug, id) = (variant_id(&made, 0), made["id"].as_str().unwrap());
    let rule = json!({"match": "all", "conditions": [{"tag": ["tag 3"]}]});
    shop.collection(json!({"title": "Some", "rule": rule})).await;
    shop.stop().await;
    // What autovacuum does within a minute, and what a test cannot wait for.
    shop.database.connect().unwrap().batch_execute("ANALYZE").unwrap();
    let before = scanned(&shop).await;
    let filters = [
        "q=thing",
        "category=some-3",
        "brand=Brand+3",
        "tag=tag+3",
        "price_min=120&price_max=130",
        "in_stock=true",
        "attr.size=3",
    ];
    let orders = ["newest", "price", "-price", "title", "-title"];
    for order in orders {
        for filter in filters {
            let page = shop
                .get(&format!("/products?{filter}&sort={order}&facets=brand,category,price"))
                .await;
            assert_eq!(page.status, 200, "{}", page.text);
            let cursor = page.body["page"]["next_cursor"].as_str().unwrap();
            let next = shop
                .get(&format!("/products?{filter}&sort={order}&cursor={cursor}"))
                .await;
            assert_eq!(next.status, 200, "{}", next.text);
        }
    }
    for read in [
        "/products/mug".to_owned(),
        "/products/mug/related".to_owned(),
        "/products/suggest?q=th".to_owned(),
        "/collections/some/products".to_owned(),
        "/categories".to_owned(),
    ] {
        let answer = shop.get(&read).await;
        assert_eq!(answer.status, 200, "{read}: {}", answer.text);
    }
    let own = shop.customer(Method::GET, &format!("/products/{id}/prices")).await;
    assert_eq!(own.status, 200, "{}", own.text);
    for read in [
        "/admin/products?status=active".to_owned(),
        format!("/admin/products/{id}"),
        format!("/admin/stock/{mug}"),
        "/admin/stock/transfers".to_owned(),
        format!("/admin/products/{id}/related"),
        format!("/admin/variants/{mug}/price-history"),
        "/admin/imports".to_owned(),
    ] {
        let answer: Response = shop.admin(Method::GET, &read, Value::Null).await;
        assert_eq!(answer.status, 200, "{read}: {}", answer.text);
    }
    let edited = shop
        .edit(Method::PATCH, &path(&made), 1, json!({"title": "Large mug"}))
        .await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    assert_eq!(scanned(&shop).await, before);
    // What no index has, nobody can ask for.
    for (unknown, parameter, code) in [
        ("sort=stock", "sort", "unknown_value"),
        ("sort=id;--", "sort", "unknown_value"),
        ("sort=-relevance", "sort", "unknown_value"),
        ("order=desc", "order", "unknown_parameter"),
        ("description=thing", "description", "unknown_parameter"),
    ] {
        assert_eq!(
            shop.get(&format!("/products?{unknown}")).await.refusal(),
            (400, parameter, code),
            "{unknown}"
        );
    }
}
