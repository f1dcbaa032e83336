//! The search and its index.

use actix_web::http::Method;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, path, product};

#[actix_web::test]
async fn words_are_found_whatever_their_form() {
    let shop = Shop::open().await;
    for title in [
        "Dell XPS 13 Notebook",
        "Logitech MX518 Mouse",
        "Café Crème Grinder",
        "Wireless Headphones",
    ] {
        shop.create(product(title, 100, 1)).await;
    }
    for (query, expected) in [
        ("q=xps-13", "Dell XPS 13 Notebook"),
        ("q=xps13", "Dell XPS 13 Notebook"),
        ("q=MX+518", "Logitech MX518 Mouse"),
        ("q=mx518", "Logitech MX518 Mouse"),
        ("q=cafe+creme", "Café Crème Grinder"),
        ("q=HEADPHONE", "Wireless Headphones"),
        ("q=headph", "Wireless Headphones"),
        ("q=haedphones", "Wireless Headphones"),
        ("q=wirelss+headphnoes", "Wireless Headphones"),
    ] {
        assert_eq!(shop.titles(query).await, [expected], "{query}");
    }
    // No product has both: those are shown that have one of them.
    let relaxed = shop.get("/products?q=xps+headphones").await.body;
    assert_eq!(
        (&relaxed["relaxed"], &relaxed["total"]["value"]),
        (&json!(true), &json!(2))
    );
}

#[actix_web::test]
async fn a_slip_is_told_and_what_was_written_comes_first() {
    let shop = Shop::open().await;
    for title in ["Keyboard", "Keyboards of the world", "Kezboard"] {
        shop.create(product(title, 100, 1)).await;
    }
    let exact = shop.get("/products?q=kezboard").await.body;
    assert_eq!(exact["data"][0]["title"], "Kezboard");
    assert_eq!(exact.get("did_you_mean"), None);
    let slip = shop.get("/products?q=keyborad").await.body;
    assert_eq!(slip["did_you_mean"], "keyboard");
    assert_eq!(slip["data"][0]["title"], "Keyboard");
}

#[actix_web::test]
async fn words_of_products_that_nobody_may_see_are_not_told_and_correct_nothing() {
    let shop = Shop::open().await;
    shop.create(product("Keyboard", 100, 1)).await;
    let gone = shop.create(product("Zephyrous glove", 100, 1)).await;
    let mut hidden = product("Zephyrix headset", 100, 1);
    hidden["status"] = json!("draft");
    shop.create(hidden).await;
    let mut old = product("Keybord", 100, 1);
    old["status"] = json!("archived");
    shop.create(old).await;
    let answer = shop
        .admin_with(Method::DELETE, &path(&gone), Value::Null, &[("If-Match", "*")])
        .await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    for typed in ["zephyrox", "zephyrousx", "zephyri", "headzet"] {
        let found = shop.get(&format!("/products?q={typed}")).await.body;
        let seen = (&found["total"]["value"], found.get("did_you_mean"));
        assert_eq!(seen, (&json!(0), None), "{typed}");
    }
    let found = shop.get("/products?q=keybord").await.body;
    assert_eq!(
        (&found["did_you_mean"], &found["data"][0]["title"]),
        (&json!("keyboard"), &json!("Keyboard"))
    );
    // Staff see drafts, and are helped to find them.
    let found = shop.admin(Method::GET, "/admin/products?q=zephyrox", Value::Null).await;
    assert_eq!(found.body["did_you_mean"], "zephyrix");
}

#[actix_web::test]
async fn a_word_that_is_known_in_another_form_is_no_slip() {
    let shop = Shop::open().await;
    for title in ["Van", "Fans"] {
        shop.create(product(title, 100, 1)).await;
    }
    let found = shop.get("/products?q=vans").await.body;
    assert_eq!(found.get("did_you_mean"), None);
    assert_eq!(found["data"][0]["title"], "Van");
}

#[actix_web::test]
async fn a_slip_in_a_word_that_only_descriptions_have_is_understood() {
    let shop = Shop::open().await;
    let mut thing = product("Music player", 100, 1);
    thing["description"] = json!("Comes with earbuds.");
    shop.create(thing).await;
    let found = shop.get("/products?q=eabruds").await.body;
    assert_eq!(found["did_you_mean"], "earbuds");
    assert_eq!(found["data"][0]["title"], "Music player");
}

#[actix_web::test]
async fn words_in_a_row_come_before_the_same_words_apart() {
    let shop = Shop::open().await;
    let together = "Portable pack of forty hours, a USB battery for long days outside";
    for title in [together, "USB charger without battery"] {
        shop.create(product(title, 100, 1)).await;
    }
    assert_eq!(shop.titles("q=usb+battery").await[0], together);
    assert_eq!(shop.titles("q=battery+usb").await[0], "USB charger without battery");
}

#[actix_web::test]
async fn what_a_thing_is_beats_what_is_for_it() {
    let shop = Shop::open().await;
    let printing = shop.category("Printing", None).await;
    let printers = shop.category("Printers", Some(&printing)).await;
    let toner = shop.category("Toner cartridges", Some(&printing)).await;
    for (title, category) in [
        ("Printer toner cartridge for every laser printer", &toner),
        ("LaserJet 1100 A4", &printers),
        ("Office laser printer", &printers),
    ] {
        let mut thing = product(title, 100, 1);
        thing["category_id"] = category["id"].clone();
        shop.create(thing).await;
    }
    let found = shop.titles("q=printer").await;
    assert_eq!((found.len(), found[0].as_str()), (3, "Office laser printer"));
}

/// IN-03
#[actix_web::test]
async fn a_question_is_taken_literally() {
    let shop = Shop::open().await;
    shop.create(product("Plain thing", 100, 1)).await;
    for query in [
        "q=title:plain*",
        "q=-plain+OR+thing",
        "q=%22plain%20thing%22",
        "q=(((plain",
    ] {
        let answer = shop.get(&format!("/products?{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
    }
    assert_eq!(shop.titles("q=%22plain+thing%22").await, ["Plain thing"]);
    let long = "x".repeat(201);
    assert_eq!(shop.get(&format!("/products?q={long}")).await.status, 400);
    let many = "word+".repeat(40);
    assert_eq!(shop.get(&format!("/products?q={many}")).await.status, 200);
}

#[actix_web::test]
async fn a_write_can_be_found_when_it_is_answered_and_soon_everywhere() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let made = shop.create(product("First name", 100, 1)).await;
    assert_eq!(shop.titles("q=first").await, ["First name"]);
    eventually(async || other.titles("q=first").await == ["First name"]).await;
    let renamed = shop
        .edit(Method::PATCH, &path(&made), 1, json!({"title": "Second"}))
        .await;
    assert_eq!(renamed.status, 200);
    assert_eq!(shop.titles("q=first").await, Vec::<String>::new());
    assert_eq!(shop.titles("q=second").await, ["Second"]);
    eventually(async || other.titles("q=second").await == ["Second"]).await;
    let tag = renamed.header("etag").to_owned();
    let gone = shop
        .admin_with(Method::DELETE, &path(&made), Value::Null, &[("If-Match", &tag)])
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(shop.titles("").await, Vec::<String>::new());
    eventually(async || other.get("/products").await.body["total"]["value"] == 0).await;
}

#[actix_web::test]
async fn which_products_a_collection_has_is_known_at_once_and_soon_everywhere() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let mut made = Vec::new();
    for number in 0..3 {
        made.push(shop.create(product(&format!("Thing {number}"), 100 + number, 1)).await);
    }
    let by_hand = shop.collection(json!({"title": "By hand"})).await;
    let at = format!("/admin/collections/{}", by_hand["id"].as_str().unwrap());
    let chosen = format!("{at}/products");
    let list = "collection=by-hand&sort=title";
    let told = async |expected: &[&str]| {
        assert_eq!(shop.titles(list).await, expected);
        eventually(async || other.titles(list).await == expected).await;
    };
    for (version, which, expected) in [(1, [0, 2], ["Thing 0", "Thing 2"]), (2, [1, 2], ["Thing 1", "Thing 2"])] {
        let ids: Vec<&Value> = which.iter().map(|index| &made[*index]["id"]).collect();
        let answer = shop
            .edit(Method::PUT, &chosen, version, json!({"product_ids": ids}))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        told(&expected).await;
    }
    let gone = shop.edit(Method::DELETE, &at, 3, Value::Null).await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    // One of the same name has nothing of it.
    shop.collection(json!({"title": "By hand"})).await;
    told(&[]).await;
    let rule = json!({"match": "all", "conditions": [{"price": {"max": 101}}]});
    let by_rule = shop.collection(json!({"title": "By rule", "rule": rule})).await;
    let list = "collection=by-rule&sort=title";
    assert_eq!(shop.titles(list).await, ["Thing 0", "Thing 1"]);
    eventually(async || other.titles(list).await == ["Thing 0", "Thing 1"]).await;
    let at = format!("/admin/collections/{}", by_rule["id"].as_str().unwrap());
    let rule = json!({"rule": {"match": "all", "conditions": [{"price": {"min": 101}}]}});
    assert_eq!(shop.edit(Method::PATCH, &at, 1, rule).await.status, 200);
    assert_eq!(shop.titles(list).await, ["Thing 1", "Thing 2"]);
    eventually(async || other.titles(list).await == ["Thing 1", "Thing 2"]).await;
}

#[actix_web::test]
async fn what_is_sold_out_is_known_at_once() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(shop.create(product(&format!("Thing {number}"), 100, 1)).await["variants"][0]["id"].clone());
    }
    assert_eq!(shop.titles("in_stock=true").await.len(), 5);
    let adjustment = json!({"variant_id": ids[2], "delta": -1, "reason": "broken"});
    let adjusted = shop.admin(Method::POST, "/admin/stock/adjustments", adjustment).await;
    assert_eq!(adjusted.status, 201);
    let left = ["Thing 0", "Thing 1", "Thing 3", "Thing 4"];
    assert_eq!(shop.titles("in_stock=true&sort=title").await, left);
    assert_eq!(shop.titles("in_stock=false").await, ["Thing 2"]);
    // Pages are filled up, and go on where they ended.
    let first = shop.get("/products?in_stock=true&sort=title&limit=3").await.body;
    assert_eq!(first["data"].as_array().unwrap().len(), 3);
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let rest = shop
        .titles(&format!("in_stock=true&sort=title&limit=3&cursor={cursor}"))
        .await;
    assert_eq!(rest, ["Thing 4"]);
    // What another process sells is not shown either, whatever was known a moment ago.
    let mut connection = shop.database.connect().unwrap();
    let sold = "UPDATE products.stock SET reserved = on_hand WHERE on_hand > 0";
    connection.batch_execute(sold).unwrap();
    let page = shop.get("/products?in_stock=true").await.body;
    assert_eq!(page["data"], json!([]));
}

/// IN-08
#[actix_web::test]
async fn a_walk_shows_each_product_once_while_others_change() {
    let shop = Shop::open().await;
    let lines: Vec<String> = (0..60)
        .map(|number| {
            json!({"id": number.to_string(), "title": format!("Steady thing {number}"), "sku": format!("S{number}"),
                "price_minor": 100 + number % 7, "currency": "USD", "stock": 1})
            .to_string()
        })
        .collect();
    let report = shop.import(&lines.join("\n"), ImportFormat::Ndjson, false).await;
    assert_eq!(report.created, 60);
    for order in ["sort=newest", "sort=price", "sort=-title", "q=steady"] {
        let mut seen: Vec<String> = Vec::new();
        let mut cursor = String::new();
        let mut round = 0;
        let mut moved: Option<Value> = None;
        loop {
            let page = shop.get(&format!("/products?{order}&limit=7{cursor}")).await.body;
            let rows = page["data"].as_array().unwrap().iter();
            let titles = rows.map(|row| row["title"].as_str().unwrap().to_owned());
            seen.extend(titles.filter(|title| title.starts_with("Steady")));
            round += 1;
            // Others come, go, and change their places.
            let moving = format!("Moving {} {round}", order.len());
            let made = shop.create(product(&moving, 100 + round, 1)).await;
            let any = [("If-Match", "*")];
            if let Some(before) = moved.replace(made) {
                let variant = format!("/admin/variants/{}", before["variants"][0]["id"].as_str().unwrap());
                let (route, method, edit) = match round % 3 {
                    0 => (path(&before), Method::DELETE, Value::Null),
                    1 => (path(&before), Method::PATCH, json!({"title": format!("Also {moving}")})),
                    _ => (variant, Method::PATCH, json!({"price": {"amount": 200 - round}})),
                };
                let answer = shop.admin_with(method, &route, edit, &any).await;
                assert!(answer.status.is_success(), "{}", answer.body);
            }
            match page["page"]["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen.len(), 60, "{order}");
        seen.dedup();
        assert_eq!(seen.len(), 60, "{order}");
    }
}

#[actix_web::test]
async fn a_product_that_cannot_be_indexed_holds_up_no_other_until_it_can() {
    let shop = Shop::open().await;
    let mut broken = Vec::new();
    for number in 0..3 {
        broken.push(shop.create(product(&format!("Broken {number}"), 100, 1)).await);
    }
    let mut connection = shop.database.connect().unwrap();
    let damage = "UPDATE products.products SET attributes = '[]'";
    connection.batch_execute(damage).unwrap();
    for product in &broken {
        let adjustment = json!({"variant_id": product["variants"][0]["id"], "delta": 1, "reason": "found"});
        let adjusted = shop.admin(Method::POST, "/admin/stock/adjustments", adjustment).await;
        assert_eq!(adjusted.status, 201);
    }
    shop.create(product("Whole", 100, 1)).await;
    eventually(async || shop.titles("").await == ["Whole"]).await;
    let parked = async |query: &str| {
        let answer = shop
            .admin(Method::GET, &format!("/admin/search/parked{query}"), Value::Null)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let first = parked("?limit=2").await;
    let row = &first["data"][0];
    assert_eq!(
        (&row["product_id"], &row["title"]),
        (&broken[0]["id"], &json!("Broken 0"))
    );
    assert!(row["reason"].as_str().unwrap().contains("attributes"), "{row}");
    assert!(row["parked_at"].as_str().unwrap().ends_with('Z'), "{row}");
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    let rest = parked(&format!("?limit=2&cursor={cursor}")).await;
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    // What is still broken stays where it is, since when it was.
    let retry = format!("/admin/search/parked/{}/retry", broken[0]["id"].as_str().unwrap());
    shop.context.clock.advance(chrono::TimeDelta::hours(1));
    let answer = shop.admin(Method::POST, &retry, Value::Null).await;
    assert_eq!((answer.status.as_u16(), &answer.body), (202, row));
    assert_eq!(&parked("").await["data"][0], row);
    connection
        .batch_execute("UPDATE products.products SET attributes = '{}' WHERE title = 'Broken 0'")
        .unwrap();
    assert_eq!(shop.admin(Method::POST, &retry, Value::Null).await.status, 202);
    assert_eq!(shop.titles("sort=title").await, ["Broken 0", "Whole"]);
    assert_eq!(parked("").await["data"].as_array().unwrap().len(), 2);
    assert_eq!(shop.admin(Method::POST, &retry, Value::Null).await.status, 404);
    assert_eq!(shop.customer(Method::GET, "/admin/search/parked").await.status, 403);
    // Nobody waits for a product that is gone.
    connection
        .batch_execute("UPDATE products.products SET attributes = '{}' WHERE title = 'Broken 1'")
        .unwrap();
    let gone = shop.edit(Method::DELETE, &path(&broken[1]), 1, Value::Null).await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    assert_eq!(parked("").await["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn searches_that_find_nothing_are_counted_without_what_may_tell_of_a_person() {
    let shop = Shop::open().await;
    shop.create(product("Lamp", 100, 1)).await;
    for query in [
        "q=Unobtainium",
        "q=%20unobtainium%20",
        "q=Phlogiston",
        "q=lamp",
        // Narrowed by more than words.
        "q=aether&price_max=5",
        "q=lamp&in_stock=false",
        "q=jo%40example.com",
        "q=%2B49+170+1234567",
    ] {
        assert_eq!(shop.get(&format!("/products?{query}")).await.status, 200, "{query}");
    }
    shop.run_jobs().await;
    shop.context.clock.advance(chrono::TimeDelta::days(1));
    shop.get("/products?q=phlogiston").await;
    shop.get("/products?q=phlogiston").await;
    shop.run_jobs().await;
    let misses = async |query: &str| {
        let answer = shop
            .admin(Method::GET, &format!("/admin/search/misses{query}"), Value::Null)
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let counted = |page: &Value| -> Vec<(String, i64)> {
        let rows = page["data"].as_array().unwrap().iter();
        rows.map(|row| {
            (
                row["query"].as_str().unwrap().to_owned(),
                row["count"].as_i64().unwrap(),
            )
        })
        .collect()
    };
    let all = [("phlogiston".to_owned(), 3), ("unobtainium".to_owned(), 2)];
    assert_eq!(counted(&misses("").await), all);
    let first = misses("?limit=1").await;
    assert_eq!(counted(&first), all[..1]);
    let cursor = first["page"]["next_cursor"].as_str().unwrap();
    assert_eq!(counted(&misses(&format!("?limit=1&cursor={cursor}")).await), all[1..]);
    assert_eq!(counted(&misses("?days=1").await), [("phlogiston".to_owned(), 2)]);
    assert_eq!(
        shop.admin(Method::GET, "/admin/search/misses?days=31", Value::Null)
            .await
            .status,
        400
    );
    assert_eq!(shop.customer(Method::GET, "/admin/search/misses").await.status, 403);
    // A month later nothing of it is known.
    shop.context.clock.advance(chrono::TimeDelta::days(31));
    shop.get("/products?q=orgone").await;
    shop.run_jobs().await;
    assert_eq!(counted(&misses("").await), [("orgone".to_owned(), 1)]);
    let mut connection = shop.database.connect().unwrap();
    let kept: i64 = diesel::sql_query("SELECT count(*) AS count FROM products.search_misses")
        .get_result::<Counted>(&mut connection)
        .unwrap()
        .count;
    assert_eq!(kept, 1);
}

#[actix_web::test]
async fn a_day_has_a_limited_number_of_searches_and_goes_on_counting_those_it_has() {
    let shop = Shop::open().await;
    let mut connection = shop.database.connect().unwrap();
    shop.get("/products?q=known").await;
    shop.run_jobs().await;
    connection
        .batch_execute(
            "INSERT INTO products.search_misses (day, query, count, last_seen_at) \
             SELECT day, 'filler ' || number, 1, last_seen_at FROM products.search_misses, generate_series(1, 1999) AS number",
        )
        .unwrap();
    for query in ["known", "new"] {
        shop.get(&format!("/products?q={query}")).await;
    }
    shop.run_jobs().await;
    let page = shop.admin(Method::GET, "/admin/search/misses", Value::Null).await.body;
    assert_eq!(
        (&page["data"][0]["query"], &page["data"][0]["count"]),
        (&json!("known"), &json!(2))
    );
    let kept: i64 = diesel::sql_query("SELECT count(*) AS count FROM products.search_misses")
        .get_result::<Counted>(&mut connection)
        .unwrap()
        .count;
    assert_eq!(kept, 2_000);
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}
