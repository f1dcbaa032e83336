//! The search and its index.

use std::fs;

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
    assert_eq!(shop.titles("q=xps+headphones").await, Vec::<String>::new());
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

#[actix_web::test]
async fn an_index_whose_files_are_deleted_is_made_anew_without_a_gap() {
    let shop = Shop::open().await;
    shop.create(product("Survivor", 100, 1)).await;
    for entry in fs::read_dir(shop.files.join("0")).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            fs::remove_dir_all(entry).unwrap();
        }
    }
    for number in 0..20 {
        shop.create(product(&format!("Newcomer {number}"), 100, 1)).await;
        assert!(shop.titles("q=survivor").await.contains(&"Survivor".to_owned()));
    }
    eventually(async || shop.titles("q=newcomer&limit=100").await.len() == 20).await;
    assert_eq!(shop.titles("limit=100").await.len(), 21);
}

#[actix_web::test]
async fn a_damaged_or_foreign_index_is_not_used() {
    let shop = Shop::open().await;
    shop.create(product("Survivor", 100, 1)).await;
    shop.stop().await;
    let folder = shop.files.join("0");
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap().path();
        if entry.is_dir() {
            for file in fs::read_dir(entry).unwrap() {
                let file = file.unwrap().path();
                if file.extension().is_some_and(|kind| kind != "json" && kind != "lock") {
                    let mut bytes = fs::read(&file).unwrap();
                    bytes.iter_mut().step_by(3).for_each(|byte| *byte ^= 0x55);
                    fs::write(&file, bytes).unwrap();
                }
            }
        }
    }
    let again = shop.beside().await;
    assert_eq!(again.titles("q=survivor").await, ["Survivor"]);
    again.stop().await;
    // Of another catalogue.
    let mut connection = shop.database.connect().unwrap();
    connection
        .batch_execute(
            "UPDATE products.search_catalogue SET identity = gen_random_uuid(); \
             UPDATE products.products SET title = 'Successor'",
        )
        .unwrap();
    let other = shop.beside().await;
    assert_eq!(other.titles("q=successor").await, ["Successor"]);
}

#[actix_web::test]
async fn a_process_goes_on_with_the_index_that_it_left() {
    let shop = Shop::open().await;
    shop.create(product("Before", 100, 1)).await;
    shop.stop().await;
    let indexes = |shop: &Shop| -> Vec<_> {
        let entries = fs::read_dir(shop.files.join("0")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    };
    let left = indexes(&shop);
    assert_eq!(left.len(), 1);
    shop.create(product("Meanwhile", 100, 1)).await;
    let again = shop.beside().await;
    assert_eq!(indexes(&again), left);
    eventually(async || again.titles("q=meanwhile").await == ["Meanwhile"]).await;
    assert_eq!(again.titles("q=before").await, ["Before"]);
}

#[actix_web::test]
async fn two_processes_with_one_data_directory_have_an_index_each() {
    let shop = Shop::open().await;
    let _other = shop.beside().await;
    assert!(shop.files.join("0").is_dir() && shop.files.join("1").is_dir());
}

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
        loop {
            let page = shop.get(&format!("/products?{order}&limit=7{cursor}")).await.body;
            let rows = page["data"].as_array().unwrap().iter();
            let titles = rows.map(|row| row["title"].as_str().unwrap().to_owned());
            seen.extend(titles.filter(|title| title.starts_with("Steady")));
            round += 1;
            let moving = format!("Moving {} {round}", order.len());
            shop.create(product(&moving, 100 + round, 1)).await;
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
async fn a_product_that_cannot_be_indexed_holds_up_no_other() {
    let shop = Shop::open().await;
    let broken = shop.create(product("Broken", 100, 1)).await;
    let mut connection = shop.database.connect().unwrap();
    connection
        .batch_execute("UPDATE products.products SET attributes = '[]'")
        .unwrap();
    let adjustment = json!({"variant_id": broken["variants"][0]["id"], "delta": 1, "reason": "found"});
    let adjusted = shop.admin(Method::POST, "/admin/stock/adjustments", adjustment).await;
    assert_eq!(adjusted.status, 201);
    shop.create(product("Whole", 100, 1)).await;
    eventually(async || shop.titles("").await == ["Whole"]).await;
    let parked: i64 = diesel::sql_query("SELECT count(*) AS count FROM products.search_parked")
        .get_result::<Counted>(&mut connection)
        .unwrap()
        .count;
    assert_eq!(parked, 1);
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}
