//! Imports of uploaded files in the background: watched, cancelled, and gone on with elsewhere.

use std::sync::mpsc;
use std::time::Duration;

use actix_web::http::Method;
use database::Failure;
use diesel::PgConnection;
use diesel::connection::SimpleConnection;
use product::ImportFormat;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::support::{Shop, product};

/// A file of as many products, each with a wrong line after it.
fn file(count: usize) -> String {
    let row = |number: usize| {
        let line = json!({"id": number.to_string(), "handle": format!("thing-{number}"), "title": "Thing", "stock": 2,
            "category": format!("Things > {}", number % 5), "sku": format!("T-{number}"), "price_minor": 100});
        format!("{line}\n{{\"id\":\"{number}\"}}\n")
    };
    (0..count).map(row).collect()
}

/// An import of `text` that a process has begun, which is gone after more than so many rows: whoever looks may go on with it.
async fn left_half_way(shop: &Shop, text: &str, query: &str, rows: u64) -> Value {
    let job = shop.upload(text, query).await;
    // A process that did not take the upload: nothing wakes it to a last round.
    let work = shop.beside().await.work();
    shop.import_when(&job, |job| job["rows_done"].as_u64() > Some(rows))
        .await;
    // Between two rounds nothing moves: it is as if the process were gone.
    work.stop().await;
    let left = shop.import_when(&job, |_| true).await;
    assert_eq!(left["state"], "running", "it must be stopped half-way: {left}");
    shop.change("UPDATE products.imports SET leased_until = '-infinity' WHERE state = 'running'");
    left
}

async fn errors(shop: &Shop, job: &Value) -> Vec<Value> {
    let path = format!("/admin/imports/{}/errors", job["id"].as_str().unwrap());
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shop
            .admin(Method::GET, &format!("{path}?limit=100{cursor}"), Value::Null)
            .await;
        assert_eq!(page.status, 200, "{}", page.body);
        all.extend(page.body["data"].as_array().unwrap().clone());
        match page.body["page"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn counts(job: &Value) -> [u64; 5] {
    ["rows_done", "created", "updated", "unchanged", "skipped"].map(|name| job[name].as_u64().unwrap())
}

#[actix_web::test]
async fn an_uploaded_file_is_imported_in_the_background_and_told_of_row_by_row() {
    let shop = Shop::open().await;
    let text = file(150);
    let begun = shop.upload(&text, "").await;
    assert_eq!((&begun["state"], &begun["bytes_done"]), (&json!("queued"), &json!(0)));
    let _work = shop.work();
    let ended = shop.ended(&begun).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(counts(&ended), [300, 150, 0, 0, 150]);
    assert_eq!(
        (&ended["bytes_done"], &ended["bytes_total"]),
        (&json!(text.len()), &json!(text.len()))
    );
    // Of these the id is there twice, and the title is missing: what cannot be read comes first.
    let errors = errors(&shop, &ended).await;
    assert_eq!((errors.len(), &ended["errors_total"]), (150, &json!(150)));
    assert_eq!(
        (&errors[0]["line"], &errors[0]["pointer"], &errors[0]["code"]),
        (&json!(2), &json!("/title"), &json!("required"))
    );
    assert_eq!(errors[149]["line"], 300);
    let xml = [("Content-Type", "application/xml")];
    let refused = shop
        .admin_with(Method::POST, "/admin/imports", json!("<a/>"), &xml)
        .await;
    assert_eq!(refused.status, 415);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn imports_are_listed_newest_first_and_run_in_the_order_of_their_uploads() {
    let shop = Shop::open().await;
    let mut jobs = Vec::new();
    for price in 1..=3 {
        let line = json!({"id": "1", "handle": "one", "title": "One", "price_minor": price});
        jobs.push(shop.upload(&line.to_string(), "").await);
    }
    let page = shop
        .admin(Method::GET, "/admin/imports?limit=2", Value::Null)
        .await
        .body;
    assert_eq!(page["data"][0]["id"], jobs[2]["id"]);
    let cursor = page["page"]["next_cursor"].as_str().unwrap();
    let rest = shop
        .admin(Method::GET, &format!("/admin/imports?cursor={cursor}"), Value::Null)
        .await
        .body;
    assert_eq!(
        (&rest["data"][0]["id"], &rest["page"]["has_more"]),
        (&jobs[0]["id"], &json!(false))
    );
    // Two processes, and still one after the other.
    let other = shop.beside().await;
    let _work = (shop.work(), other.work());
    for job in &jobs {
        assert_eq!(shop.ended(job).await["state"], "succeeded");
    }
    assert_eq!(shop.get("/products/one").await.body["price_range"]["min"]["amount"], 3);
}

#[actix_web::test]
async fn no_more_than_twenty_imports_wait() {
    let shop = Shop::open().await;
    for _ in 0..20 {
        shop.upload("", "").await;
    }
    let ndjson = [("Content-Type", "application/x-ndjson")];
    let refused = shop
        .admin_with(Method::POST, "/admin/imports", json!(""), &ndjson)
        .await;
    assert_eq!(refused.status, 503, "{}", refused.body);
}

#[actix_web::test]
async fn a_cancelled_import_adds_nothing_from_then_on() {
    let shop = Shop::open().await;
    let job = shop.upload(&file(8_000), "").await;
    let path = format!("/admin/imports/{}/cancel", job["id"].as_str().unwrap());
    let _work = shop.work();
    shop.import_when(&job, |job| job["created"].as_u64() > Some(0)).await;
    let cancelled = shop.admin(Method::POST, &path, Value::Null).await;
    assert_eq!(
        (cancelled.status.as_u16(), &cancelled.body["state"]),
        (200, &json!("cancelled"))
    );
    let products = stored(&shop).await;
    assert_eq!(cancelled.body["created"], products);
    // Whoever was at it is free for the next, and has left nothing behind.
    let next = shop.upload(r#"{"id":"n","title":"Next","price_minor":1}"#, "").await;
    assert_eq!(shop.ended(&next).await["created"], 1);
    assert_eq!(stored(&shop).await, products + 1);
    let again = shop.admin(Method::POST, &path, Value::Null).await;
    assert_eq!(
        (again.status.as_u16(), &again.body["code"]),
        (409, &json!("already_ended"))
    );
    shop.assert_in_order().await;
}

/// INV-10
#[actix_web::test]
async fn an_import_whose_process_is_gone_is_gone_on_with_by_another_row_by_row() {
    let shop = Shop::open().await;
    shop.create(product("Kept", 1, 1)).await;
    for query in ["?dry_run=true", ""] {
        let job = left_half_way(&shop, &file(9_000), query, 0).await;
        let other = shop.beside().await;
        let _work = other.work();
        let ended = shop.ended(&job).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
        assert_eq!(counts(&ended), [18_000, 9_000, 0, 0, 9_000]);
        assert_eq!(errors(&shop, &ended).await.len(), 9_000);
    }
    assert_eq!(stored(&shop).await, 9_001);
    let again = shop.import(&file(9_000), ImportFormat::Auto, false).await;
    assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 9_000));
    shop.assert_in_order().await;
}

/// INV-10
#[actix_web::test]
async fn bundles_wait_for_the_other_rows_though_another_process_goes_on_with_the_file() {
    let shop = Shop::open().await;
    let bundle = |number: usize| {
        let components = json!([{"sku": format!("T-{}", number % 1_000), "quantity": 1}]);
        let line = json!({"id": format!("b{number}"), "title": "Bundle", "price_minor": 100, "components": components});
        format!("{line}\n")
    };
    let text: String = (0..4_000).map(bundle).chain([file(1_000)]).collect();
    let job = left_half_way(&shop, &text, "", 2_000).await;
    assert_eq!(job["skipped"], 1_000, "{job}");
    let other = shop.beside().await;
    let _work = other.work();
    let ended = shop.ended(&job).await;
    assert_eq!(counts(&ended), [6_000, 5_000, 0, 0, 1_000], "{ended}");
    let again = shop.import(&text, ImportFormat::Auto, false).await;
    assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 5_000));
    shop.assert_in_order().await;
}

/// INV-10
#[actix_web::test]
async fn a_dry_run_that_another_process_goes_on_with_tells_what_a_real_run_does() {
    let shop = Shop::open().await;
    // Wrong in what shows only when the row is written; nobody can be made of it then.
    let gone = json!({"id": "gone", "title": "Gone", "sku": "GONE", "price_minor": 1, "product_type": "nowhere"});
    let bundle = json!({"id": "b", "title": "Box", "price_minor": 1, "components": [{"sku": "GONE", "quantity": 1}]});
    let text = format!("{gone}\n{}{bundle}\n", file(9_000));
    let mut told = Vec::new();
    for query in ["?dry_run=true", ""] {
        let job = left_half_way(&shop, &text, query, 0).await;
        let other = shop.beside().await;
        let _work = other.work();
        let ended = shop.ended(&job).await;
        assert_eq!(ended["skipped"], 9_002, "{ended}");
        let errors = errors(&shop, &ended).await;
        told.push([errors[0].clone(), errors[errors.len() - 1].clone()]);
    }
    assert_eq!(told[0], told[1]);
    let codes: Vec<&Value> = told[0].iter().map(|error| &error["code"]).collect();
    assert_eq!(codes, ["not_found", "not_found"]);
}

#[actix_web::test]
async fn whoever_has_lost_an_import_writes_no_more_of_it() {
    let shop = Shop::open().await;
    let job = shop.upload(&file(6_000), "").await;
    let work = shop.work();
    shop.import_when(&job, |job| job["rows_done"].as_u64() > Some(0)).await;
    shop.change(
        "UPDATE products.imports SET holder = gen_random_uuid(), leased_until = clock_timestamp() + interval '1 hour'",
    );
    let lost = shop.import_when(&job, |_| true).await;
    work.stop().await;
    let later = shop.import_when(&job, |_| true).await;
    assert_eq!(later["state"], "running", "it must be lost half-way: {later}");
    assert_eq!(counts(&lost), counts(&later));
    assert_eq!(lost["created"], stored(&shop).await);
}

#[actix_web::test]
async fn an_import_that_nobody_gets_on_with_fails_in_the_end() {
    let shop = Shop::open().await;
    let job = shop.upload(&file(1), "").await;
    shop.change("UPDATE products.imports SET attempts = 10");
    let _work = shop.work();
    let ended = shop.ended(&job).await;
    assert_eq!(
        (&ended["state"], &ended["failure"]["code"]),
        (&json!("failed"), &json!("stuck"))
    );
    assert_eq!(shop.get("/products").await.body["total"]["value"], 0);
}

#[actix_web::test]
async fn an_import_has_ended_before_the_tables_are_tidied() {
    let shop = Shop::open().await;
    let (leave, left) = mpsc::channel::<()>();
    let (held, is_held) = oneshot::channel();
    // It can be written, but not be vacuumed.
    let hold = move |connection: &mut PgConnection| {
        connection.batch_execute(
            "SET LOCAL idle_in_transaction_session_timeout = 0; LOCK TABLE products.stock IN SHARE UPDATE EXCLUSIVE MODE",
        )?;
        let _ = held.send(());
        Ok::<_, Failure<kernel::Fault>>(left.recv().is_err())
    };
    let holding = actix_web::rt::spawn({
        let database = shop.database.clone();
        async move { database.transaction(hold).await }
    });
    is_held.await.unwrap();
    let job = shop.upload(&file(600), "").await;
    let work = shop.work();
    // Whoever tidies gives up after half a minute.
    let ended = timeout(Duration::from_secs(20), shop.ended(&job)).await;
    assert_eq!(ended.unwrap()["state"], "succeeded");
    drop(leave);
    assert!(holding.await.unwrap().unwrap());
    work.stop().await;
}

/// IN-11
#[actix_web::test]
async fn a_file_as_large_as_an_export_is_taken() {
    let shop = Shop::open().await;
    let begun = shop.upload(&"\n".repeat(65 << 20), "").await;
    assert_eq!(begun["bytes_total"], 65 << 20);
}

/// IN-11
#[actix_web::test]
async fn a_file_that_is_none_fails_as_a_whole_and_says_why() {
    let shop = Shop::open().await;
    let _work = shop.work();
    let head = "Title,URL handle,Price\r\n";
    let endless = format!("{head}A,a,1\r\nB,b,2\r\nC,c,\"1\r\n{}", "x,y,z\n".repeat(300_000));
    let blank = format!(
        "{}\n{}",
        r#"{"id":"1","title":"One","price_minor":1}"#,
        "\n".repeat(1 << 21)
    );
    for (text, code, created) in [
        ("name,price\na,1\n", "not_a_product_file", 0),
        (endless.as_str(), "row_too_long", 1),
        (blank.as_str(), "blank_lines", 1),
    ] {
        let job = shop.upload(text, "").await;
        let ended = shop.ended(&job).await;
        assert_eq!(
            (&ended["state"], &ended["failure"]["code"], &ended["created"]),
            (&json!("failed"), &json!(code), &json!(created)),
            "{ended}"
        );
    }
    let packed = [("Content-Type", "application/gzip")];
    let body = Value::String("\u{1f}\u{8b}".to_owned());
    let begun = shop.admin_with(Method::POST, "/admin/imports", body, &packed).await;
    assert_eq!(shop.ended(&begun.body).await["state"], "failed");
}

/// IN-11
#[actix_web::test]
async fn ten_thousand_mistakes_are_kept_and_more_are_counted() {
    let shop = Shop::open().await;
    let _work = shop.work();
    let good = r#"{"id":"1","title":"One","price_minor":1}"#;
    let text = format!("{good}\n{}", "no\n".repeat(10_500));
    let job = shop.upload(&text, "").await;
    let ended = shop.ended(&job).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    assert_eq!(counts(&ended), [10_501, 1, 0, 0, 10_500]);
    assert_eq!(ended["errors_total"], 10_500);
    assert_eq!(errors(&shop, &ended).await.len(), 10_000);
}

/// How many products there are; lists show what is imported by and by.
async fn stored(shop: &Shop) -> usize {
    shop.export().await.lines().count()
}
