//! How long the files of images are there.

use std::io::ErrorKind;
use std::net::TcpListener;

use actix_web::http::Method;
use database::Failure;
use diesel::{PgConnection, RunQueryDsl};
use futures_util::future::{join, join_all};
use image::ImageFormat;
use kernel::Fault;
use kernel::module::Module as _;
use product::ImportFormat;
use serde_json::{Value, json};

use super::samples::picture;
use super::{files, local, upload};
use crate::support::{Response, Shop, path, product};

async fn is_there(shop: &Shop, url: &Value) -> bool {
    shop.download(local(url)).await.0 == 200
}

#[actix_web::test]
async fn the_same_image_from_many_at_once_is_the_same_files() {
    let shop = Shop::open().await;
    let mugs = join_all((0..8).map(|number| shop.create(product(&format!("Mug {number}"), 900, 3)))).await;
    let shared = &mugs[0];
    let own = mugs
        .iter()
        .map(|mug| upload(&shop, mug, picture(340, 40, ImageFormat::Jpeg)));
    let all = join_all(own).await;
    assert!(all.iter().all(|mug| mug["images"] == all[0]["images"]));
    let same = join_all((0..8).map(|_| upload(&shop, shared, picture(340, 40, ImageFormat::Jpeg)))).await;
    assert!(same.iter().all(|mug| mug["images"] == all[0]["images"]));
    let files = std::fs::read_dir(shop.folder.path().join("media")).unwrap().count();
    assert_eq!(files, 2);
}

#[actix_web::test]
async fn files_go_a_day_after_the_last_product_has_ceased_to_show_them() {
    let shop = Shop::open().await;
    let (mug, cup) = join(shop.create(product("Mug", 900, 3)), shop.create(product("Cup", 900, 3))).await;
    let content = || picture(400, 300, ImageFormat::Jpeg);
    let first = upload(&shop, &mug, content()).await;
    upload(&shop, &cup, content()).await;
    let all_there = async || {
        let there = join_all(files(&first).iter().map(|url| is_there(&shop, url)).collect::<Vec<_>>()).await;
        assert!(there.iter().all(|file| *file == there[0]), "{there:?}");
        there[0]
    };
    shop.edit(Method::PATCH, &path(&mug), 2, json!({"images": []})).await;
    shop.context.clock.advance(chrono::Duration::days(3));
    shop.run_jobs().await;
    assert!(all_there().await);
    assert_eq!(shop.edit(Method::DELETE, &path(&cup), 2, Value::Null).await.status, 204);
    shop.context.clock.advance(chrono::Duration::hours(23));
    shop.run_jobs().await;
    assert!(all_there().await);
    shop.context.clock.advance(chrono::Duration::hours(2));
    shop.run_jobs().await;
    assert!(!all_there().await);
    assert_eq!(std::fs::read_dir(shop.folder.path().join("media")).unwrap().count(), 0);
    // It is unknown from now on, until it is uploaded anew.
    let put_back = json!({"images": [{"url": first["images"][0]["url"]}]});
    let refused = shop.edit(Method::PATCH, &path(&mug), 3, put_back).await;
    assert_eq!(refused.refusal(), (422, "/images/0/url", "unknown_image"));
    assert_eq!(upload(&shop, &mug, content()).await["images"], first["images"]);
    assert!(all_there().await);
}

#[actix_web::test]
async fn an_image_that_comes_back_while_it_is_being_removed_has_its_files() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let content = || picture(330, 30, ImageFormat::Jpeg);
    for _ in 0..15 {
        let shown = upload(&shop, &mug, content()).await;
        let any = [("If-Match", "*")];
        let emptied = shop
            .admin_with(Method::PATCH, &path(&mug), json!({"images": []}), &any)
            .await;
        assert_eq!(emptied.status, 200);
        shop.context.clock.advance(chrono::Duration::days(2));
        let put_back = json!({"images": [{"url": shown["images"][0]["url"]}]});
        let (_, (back, put_back)) = join(
            shop.run_jobs(),
            join(
                upload(&shop, &mug, content()),
                shop.admin_with(Method::PATCH, &path(&mug), put_back, &any),
            ),
        )
        .await;
        assert!([200, 422].contains(&put_back.status.as_u16()), "{}", put_back.body);
        shop.run_jobs().await;
        for url in files(&back) {
            assert!(is_there(&shop, &url).await, "{url}");
        }
    }
}

#[actix_web::test]
async fn an_import_takes_images_that_the_shop_has_and_no_others() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let mug = upload(&shop, &mug, picture(340, 40, ImageFormat::Jpeg)).await;
    let line = |handle: &str, url: &str| {
        json!({"handle": handle, "title": handle, "price_minor": 1, "images": [{"url": url}]}).to_string()
    };
    let known = mug["images"][0]["url"].as_str().unwrap();
    let file = [line("cup", known), line("jug", &known.replace("340x40", "341x40"))].join("\n");
    let report = shop.import(&file, ImportFormat::Ndjson, false).await;
    assert_eq!((report.created, report.skipped), (1, 1));
    let error = &report.errors[0];
    assert_eq!(
        (error.line, error.pointer.as_str(), error.code.as_str()),
        (2, "/images/0/url", "unknown_image")
    );
    let cup = shop.get("/products/cup").await.body;
    assert_eq!(cup["images"], mug["images"]);
    // What is imported counts as shown.
    shop.edit(Method::DELETE, &path(&mug), 2, Value::Null).await;
    shop.context.clock.advance(chrono::Duration::days(3));
    shop.run_jobs().await;
    assert!(is_there(&shop, &mug["images"][0]["url"]).await);
}

#[actix_web::test]
async fn operations_in_bulk_show_and_let_go_of_images_like_single_ones() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let mug = upload(&shop, &mug, picture(340, 40, ImageFormat::Jpeg)).await;
    let known = mug["images"][0]["url"].as_str().unwrap();
    let cup = |url: &str| {
        let mut cup = product("Cup", 900, 3);
        cup["handle"] = json!("cup");
        cup["images"] = json!([{"url": url}]);
        json!({"op": "create", "product": cup})
    };
    let operations = json!({"operations": [
        cup(&known.replace("340x40", "341x40")),
        cup(known),
        {"op": "delete", "id": mug["id"]},
    ]});
    let answer = shop.admin(Method::POST, "/admin/products/bulk", operations).await;
    let results = &answer.body["results"];
    let error = &results[0]["problem"]["errors"][0];
    assert_eq!(
        (&error["pointer"], &error["code"]),
        (&json!("/product/images/0/url"), &json!("unknown_image"))
    );
    assert_eq!(
        (&results[1]["status"], &results[2]["status"]),
        (&json!(201), &json!(204))
    );
    // The one that is left shows it still.
    shop.context.clock.advance(chrono::Duration::days(3));
    shop.run_jobs().await;
    assert!(is_there(&shop, &mug["images"][0]["url"]).await);
    let gone = json!({"operations": [{"op": "delete", "id": results[1]["id"]}]});
    shop.admin(Method::POST, "/admin/products/bulk", gone).await;
    shop.context.clock.advance(chrono::Duration::hours(23));
    shop.run_jobs().await;
    assert!(is_there(&shop, &mug["images"][0]["url"]).await);
    shop.context.clock.advance(chrono::Duration::hours(2));
    shop.run_jobs().await;
    assert!(!is_there(&shop, &mug["images"][0]["url"]).await);
    shop.assert_in_order().await;
}

/// IN-17
#[actix_web::test]
async fn links_to_elsewhere_are_never_followed() {
    let shop = Shop::open().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}/secret.jpg", elsewhere.local_addr().unwrap());
    let mut mug = product("Mug", 900, 3);
    mug["images"] = json!([{"url": url}]);
    let mug = shop.create(mug).await;
    shop.edit(
        Method::PATCH,
        &path(&mug),
        1,
        json!({"images": [{"url": url, "alt": "a"}]}),
    )
    .await;
    upload(&shop, &mug, picture(9, 9, ImageFormat::Png)).await;
    let line = json!({"handle": "cup", "title": "Cup", "price_minor": 1, "image_url": url}).to_string();
    assert_eq!(shop.import(&line, ImportFormat::Ndjson, false).await.created, 1);
    let sheet = format!("Handle,Title,Variant Price,Image Src\njug,Jug,1,{url}\n");
    assert_eq!(shop.import(&sheet, ImportFormat::ShopifyCsv, false).await.created, 1);
    for name in [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/x.jpg",
        "//127.0.0.1/x.jpg",
        "data:image/png;base64,AA",
    ] {
        let body = json!({"title": "Other", "images": [{"url": name}]});
        let refused = shop.admin(Method::POST, "/admin/products", body).await;
        assert_eq!(refused.refusal(), (422, "/images/0/url", "invalid_url"), "{name}");
    }
    for path in [
        "/products",
        "/products/mug",
        "/products/cup",
        "/products/jug",
        "/products/suggest?q=mug",
    ] {
        let shown: Response = shop.get(path).await;
        assert_eq!(shown.status, 200);
    }
    shop.run_jobs().await;
    assert_eq!(elsewhere.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[actix_web::test]
async fn an_image_that_nothing_keeps_is_found() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let mug = upload(&shop, &mug, picture(9, 9, ImageFormat::Png)).await;
    shop.assert_in_order().await;
    let forget = |connection: &mut PgConnection| {
        let forgotten = diesel::sql_query("DELETE FROM products.media_references").execute(connection)?;
        Ok::<_, Failure<Fault>>(forgotten)
    };
    assert_eq!(shop.database.run(forget).await.unwrap(), 1);
    let findings = shop.module.verify().await.unwrap();
    assert_eq!(findings.len(), 1);
    let found = format!("{:?}", findings[0]);
    assert!(
        found.contains(mug["id"].as_str().unwrap()) && found.contains("shown_images_are_kept"),
        "{found}"
    );
}
