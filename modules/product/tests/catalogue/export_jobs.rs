//! Exports in the background: watched, downloaded, removed, and gone on with elsewhere.

use std::collections::HashSet;

use actix_web::http::Method;
use chrono::TimeDelta;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::exporting;
use crate::support::{Response, Shop};

/// Of each export the first page of a hundred products is written, and what follows does `$what`.
const AFTER_THE_FIRST_PAGE: &str = "CREATE FUNCTION products.disturb() RETURNS trigger LANGUAGE plpgsql AS $$ \
    BEGIN $what; RETURN NEW; END $$; CREATE TRIGGER disturbed AFTER INSERT ON products.export_chunks \
    FOR EACH ROW WHEN (NEW.start > 0) EXECUTE FUNCTION products.disturb()";

fn disturb(shop: &Shop, what: &str) {
    shop.change(&AFTER_THE_FIRST_PAGE.replace("$what", what));
}

/// A shop with so many products.
async fn filled(count: usize) -> Shop {
    let shop = Shop::open().await;
    let line = |number: usize| json!({"id": number.to_string(), "title": "Thing", "price_minor": number}).to_string();
    let lines: Vec<String> = (0..count).map(line).collect();
    shop.import(&lines.join("\n"), ImportFormat::Auto, false).await;
    shop
}

async fn begin(shop: &Shop, format: &str) -> Value {
    let begun = shop
        .admin(Method::POST, "/admin/exports", json!({"format": format}))
        .await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    assert_eq!(begun.header("location"), format!("/api/v1{}", path(&begun.body)));
    assert_eq!(
        (&begun.body["state"], &begun.body["format"]),
        (&json!("queued"), &json!(format))
    );
    begun.body
}

async fn ended(shop: &Shop, job: &Value) -> Value {
    shop.job_when("exports", job, |job| !job["finished_at"].is_null()).await
}

async fn now(shop: &Shop, job: &Value) -> Value {
    shop.job_when("exports", job, |_| true).await
}

/// The file, or a part of it.
async fn download(shop: &Shop, job: &Value, headers: &[(&str, &str)]) -> Response {
    let path = format!("{}/file", path(job));
    shop.admin_with(Method::GET, &path, Value::Null, headers).await
}

fn path(job: &Value) -> String {
    format!("/admin/exports/{}", job["id"].as_str().unwrap())
}

/// How many lines a file has, and how many products.
fn counted(file: &Response) -> (usize, usize) {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].to_string();
    let ids: HashSet<String> = file.text.lines().map(id).collect();
    (file.text.lines().count(), ids.len())
}

#[actix_web::test]
async fn a_file_that_was_made_in_the_background_and_is_imported_changes_nothing() {
    let shop = exporting::shop().await;
    let _work = shop.work();
    let before = shop.export().await;
    let count = before.lines().count();
    for (format, media_type, name) in [
        ("ndjson", "application/x-ndjson", "products.ndjson"),
        ("shopify", "text/csv; charset=utf-8", "products.csv"),
    ] {
        let job = ended(&shop, &begin(&shop, format).await).await;
        assert_eq!(job["state"], "succeeded", "{job}");
        assert_eq!(
            (&job["products_done"], &job["products_total"]),
            (&json!(count), &json!(count))
        );
        let file = download(&shop, &job, &[]).await;
        assert_eq!(
            (file.status.as_u16(), job["bytes"].as_u64()),
            (200, Some(file.text.len() as u64))
        );
        assert_eq!(file.header("content-type"), media_type);
        assert_eq!(
            file.header("content-disposition"),
            format!("attachment; filename=\"{name}\"")
        );
        assert_eq!(file.header("cache-control"), "private, no-store");
        let report = shop.import(&file.text, ImportFormat::Auto, false).await;
        assert_eq!(
            (report.unchanged, report.updated, report.created, report.errors),
            (count as u64, 0, 0, vec![]),
            "{format}"
        );
    }
    assert_eq!(shop.export().await, before);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn an_empty_catalogue_makes_a_file_without_products() {
    let shop = Shop::open().await;
    let _work = shop.work();
    for (format, lines) in [("ndjson", 0), ("shopify", 1)] {
        let job = ended(&shop, &begin(&shop, format).await).await;
        assert_eq!(
            (&job["state"], &job["products_total"]),
            (&json!("succeeded"), &json!(0))
        );
        let file = download(&shop, &job, &[]).await;
        assert_eq!((file.status.as_u16(), file.text.lines().count()), (200, lines));
    }
}

#[actix_web::test]
async fn a_file_is_downloaded_in_any_parts() {
    let shop = filled(250).await;
    let _work = shop.work();
    let job = ended(&shop, &begin(&shop, "ndjson").await).await;
    let whole = download(&shop, &job, &[]).await;
    let (tag, length) = (whole.header("etag").to_owned(), whole.text.len());
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(counted(&whole), (250, 250));
    // Pages of a hundred products are some thousands of bytes: some parts have an end of one, some are within it.
    let mut text = String::new();
    while text.len() < length {
        let range = format!("bytes={}-{}", text.len(), text.len() + 4_999);
        let part = download(&shop, &job, &[("Range", &range), ("If-Range", &tag)]).await;
        let last = length.min(text.len() + 5_000) - 1;
        let told = format!("bytes {}-{last}/{length}", text.len());
        assert_eq!(
            (part.status.as_u16(), part.header("content-range")),
            (206, told.as_str())
        );
        text.push_str(&part.text);
    }
    assert!(text == whole.text);
    let half = length / 2;
    let rest = download(&shop, &job, &[("Range", &format!("bytes={half}-"))]).await;
    assert!(rest.text == whole.text[half..]);
    let end = download(&shop, &job, &[("Range", "bytes=-10")]).await;
    assert_eq!(end.text, whole.text[length - 10..]);
    let beyond = download(&shop, &job, &[("Range", &format!("bytes={length}-"))]).await;
    assert_eq!(
        (beyond.status.as_u16(), &beyond.body["code"]),
        (416, &json!("range_not_satisfiable"))
    );
    assert_eq!(beyond.header("content-range"), format!("bytes */{length}"));
    for headers in [
        [("Range", "bytes=0-9"), ("If-Range", "\"another\"")],
        [("Range", "bytes=0-9,20-29"), ("If-Range", &tag)],
    ] {
        let all = download(&shop, &job, &headers).await;
        assert_eq!((all.status.as_u16(), all.text.len()), (200, length), "{headers:?}");
    }
    let known = download(&shop, &job, &[("If-None-Match", &tag), ("Range", "bytes=0-9")]).await;
    assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
}

/// INV-10
#[actix_web::test]
async fn an_export_whose_process_is_gone_is_gone_on_with_by_another_product_by_product() {
    let shop = filled(230).await;
    for format in ["ndjson", "shopify"] {
        disturb(&shop, "RAISE EXCEPTION 'the process is gone'");
        let job = begin(&shop, format).await;
        let work = shop.beside().await.work();
        let left = shop.job_when("exports", &job, |job| job["products_done"] == 100).await;
        work.stop().await;
        assert_eq!(
            (&left["state"], &left["products_total"]),
            (&json!("running"), &json!(230)),
            "{left}"
        );
        let refused = download(&shop, &job, &[]).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (409, &json!("not_finished"))
        );
        shop.change("DROP FUNCTION products.disturb CASCADE; UPDATE products.exports SET leased_until = '-infinity'");
        let other = shop.beside().await;
        let work = other.work();
        let ended = ended(&shop, &job).await;
        work.stop().await;
        assert_eq!(
            (&ended["state"], &ended["products_done"]),
            (&json!("succeeded"), &json!(230)),
            "{ended}"
        );
        let file = download(&shop, &job, &[]).await;
        let whole = shop
            .admin(
                Method::GET,
                &format!("/admin/products/export?format={format}"),
                Value::Null,
            )
            .await;
        assert!(file.text == whole.text, "{format}");
    }
}

#[actix_web::test]
async fn whoever_has_lost_an_export_writes_no_more_of_it() {
    let shop = filled(330).await;
    disturb(
        &shop,
        "UPDATE products.exports SET holder = gen_random_uuid(), leased_until = clock_timestamp() + interval '1 hour'",
    );
    let job = begin(&shop, "ndjson").await;
    let work = shop.work();
    shop.job_when("exports", &job, |job| job["products_done"] == 200).await;
    work.stop().await;
    let later = now(&shop, &job).await;
    assert_eq!(
        (&later["state"], &later["products_done"]),
        (&json!("running"), &json!(200)),
        "{later}"
    );
}

#[actix_web::test]
async fn several_processes_make_each_export_once() {
    let shop = filled(200).await;
    let mut jobs = Vec::new();
    for _ in 0..3 {
        jobs.push(begin(&shop, "ndjson").await);
    }
    let other = shop.beside().await;
    let _work = (shop.work(), other.work());
    for job in &jobs {
        let ended = ended(&shop, job).await;
        assert_eq!(
            (&ended["state"], &ended["products_done"]),
            (&json!("succeeded"), &json!(200)),
            "{ended}"
        );
        assert_eq!(counted(&download(&shop, job, &[]).await), (200, 200));
    }
    let list = shop
        .admin(Method::GET, "/admin/exports?limit=2", Value::Null)
        .await
        .body;
    assert_eq!(list["data"][0]["id"], jobs[2]["id"]);
    let cursor = list["page"]["next_cursor"].as_str().unwrap();
    let rest = format!("/admin/exports?cursor={cursor}");
    let rest = shop.admin(Method::GET, &rest, Value::Null).await.body;
    assert_eq!(
        (&rest["data"][0]["id"], &rest["page"]["has_more"]),
        (&jobs[0]["id"], &json!(false))
    );
}

#[actix_web::test]
async fn an_export_that_nobody_gets_on_with_fails_in_the_end_and_has_no_file() {
    let shop = filled(1).await;
    let job = begin(&shop, "ndjson").await;
    shop.change("UPDATE products.exports SET attempts = 10");
    let _work = shop.work();
    let ended = ended(&shop, &job).await;
    assert_eq!(
        (&ended["state"], &ended["failure"]["code"]),
        (&json!("failed"), &json!("stuck"))
    );
    assert_eq!(download(&shop, &job, &[]).await.status, 404);
}

#[actix_web::test]
async fn an_export_that_is_removed_is_gone_with_its_file_and_holds_up_no_other() {
    let shop = filled(130).await;
    disturb(&shop, "RAISE EXCEPTION 'the process is gone'");
    let job = begin(&shop, "ndjson").await;
    let _work = shop.work();
    shop.job_when("exports", &job, |job| job["products_done"] == 100).await;
    let removed = shop.admin(Method::DELETE, &path(&job), Value::Null).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    for (method, path) in [
        (Method::GET, path(&job)),
        (Method::GET, format!("{}/file", path(&job))),
        (Method::DELETE, path(&job)),
    ] {
        assert_eq!(shop.admin(method, &path, Value::Null).await.status, 404, "{path}");
    }
    shop.change("DROP FUNCTION products.disturb CASCADE");
    let next = begin(&shop, "ndjson").await;
    assert_eq!(ended(&shop, &next).await["products_done"], 130);
    let removed = shop.admin(Method::DELETE, &path(&next), Value::Null).await;
    assert_eq!(removed.status, 204, "{}", removed.body);
    assert_eq!(download(&shop, &next, &[]).await.status, 404);
}

#[actix_web::test]
async fn files_are_kept_for_seven_days() {
    let shop = filled(1).await;
    let job = begin(&shop, "ndjson").await;
    shop.run_jobs().await;
    for (days, status) in [(6, 200), (2, 404)] {
        shop.context.clock.advance(TimeDelta::days(days));
        shop.run_jobs().await;
        assert_eq!(download(&shop, &job, &[]).await.status, status);
    }
    assert_eq!(shop.admin(Method::GET, &path(&job), Value::Null).await.status, 404);
}

/// LOAD-16
#[actix_web::test]
async fn no_more_than_five_exports_wait() {
    let shop = Shop::open().await;
    let first = begin(&shop, "ndjson").await;
    for _ in 1..5 {
        begin(&shop, "shopify").await;
    }
    let another = json!({"format": "ndjson"});
    let refused = shop.admin(Method::POST, "/admin/exports", another).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    shop.admin(Method::DELETE, &path(&first), Value::Null).await;
    begin(&shop, "ndjson").await;
}

#[actix_web::test]
async fn exports_in_the_background_are_for_staff_and_in_known_formats() {
    let shop = Shop::open().await;
    let job = path(&begin(&shop, "ndjson").await);
    for (method, path) in [
        (Method::POST, "/admin/exports"),
        (Method::GET, "/admin/exports"),
        (Method::GET, &job),
        (Method::GET, &format!("{job}/file")),
        (Method::DELETE, &job),
    ] {
        assert_eq!(shop.customer(method.clone(), path).await.status, 403, "{method} {path}");
    }
    assert_eq!(shop.get(&format!("{job}/file")).await.status, 401);
    for (body, field, code) in [
        (json!({"format": "xml"}), "/format", "unknown_value"),
        (json!({}), "/format", "required"),
        (
            json!({"format": "ndjson", "status": "active"}),
            "/status",
            "unknown_field",
        ),
    ] {
        let refused = shop.admin(Method::POST, "/admin/exports", body).await;
        assert_eq!(refused.refusal(), (422, field, code), "{}", refused.body);
    }
    let key = [("Idempotency-Key", "once")];
    let (mut first, body) = (None, json!({"format": "ndjson"}));
    for _ in 0..2 {
        let begun = shop
            .admin_with(Method::POST, "/admin/exports", body.clone(), &key)
            .await;
        assert_eq!(begun.status, 202, "{}", begun.body);
        assert_eq!(*first.get_or_insert(begun.body["id"].clone()), begun.body["id"]);
    }
}
