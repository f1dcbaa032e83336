//! Images in a bucket: the same as on a disk, and what happens while the bucket is away.

use std::net::TcpListener;

use actix_web::http::Method;
use futures_util::future::join;
use image::ImageFormat;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::bucket::Bucket;
use super::samples::picture;
use super::{JPEG, download, files, images, local, upload};
use crate::support::{Response, Shop, path, product};

/// A shop that keeps its images in a bucket, and a product of it.
async fn shop_with(bucket: &Bucket) -> (Shop, Value) {
    let shop = Shop::open_with(|settings| bucket.be_used(settings)).await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    (shop, mug)
}

async fn try_upload(shop: &Shop, product: &Value) -> Response {
    shop.upload_image(&images(product), picture(400, 300, ImageFormat::Jpeg), &JPEG)
        .await
}

fn is_unavailable(answer: &Response) -> bool {
    (answer.status.as_u16(), &answer.body["code"]) == (503, &json!("unavailable"))
}

/// The last parts of these addresses, in their order.
fn names(urls: &[Value]) -> Vec<String> {
    let name = |url: &Value| url.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut names: Vec<String> = urls.iter().map(name).collect();
    names.sort_unstable();
    names
}

#[actix_web::test]
async fn an_image_in_a_bucket_is_shown_in_all_its_sizes_for_ever() {
    let bucket = Bucket::open().await;
    let (shop, mug) = shop_with(&bucket).await;
    let mug = upload(&shop, &mug, picture(700, 350, ImageFormat::Jpeg)).await;
    let urls = files(&mug);
    assert_eq!(urls.len(), 3);
    assert_eq!(bucket.files(), names(&urls));
    assert!(!shop.folder.path().join("media").exists());
    for url in &urls {
        let (status, headers, content) = shop.download(local(url)).await;
        assert_eq!(status, 200);
        assert_eq!(headers.get("content-type").unwrap(), "image/jpeg");
        assert_eq!(
            headers.get("cache-control").unwrap(),
            "public, max-age=31536000, immutable"
        );
        assert!(image::load_from_memory(&content).is_ok());
    }
    let unknown = urls[0].as_str().unwrap().replace("/media/", "/media/f");
    for unknown in [unknown, local(&urls[0]).replace("320x160", "321x160")] {
        assert_eq!(shop.download(&unknown).await.0, 404);
    }
}

#[actix_web::test]
async fn files_leave_a_bucket_a_day_after_nobody_shows_them_even_if_it_is_away_meanwhile() {
    let mut bucket = Bucket::open().await;
    let (shop, mug) = shop_with(&bucket).await;
    let mug = upload(&shop, &mug, picture(400, 300, ImageFormat::Jpeg)).await;
    shop.edit(Method::PATCH, &path(&mug), 2, json!({"images": []})).await;
    shop.context.clock.advance(chrono::Duration::hours(25));
    bucket.stop().await;
    shop.run_jobs().await;
    assert_eq!(bucket.files().len(), 2);
    bucket.start().await;
    // It is about to go: nobody can begin to show it.
    let put_back = json!({"images": [{"url": mug["images"][0]["url"]}]});
    let refused = shop.edit(Method::PATCH, &path(&mug), 3, put_back).await;
    assert_eq!(refused.refusal(), (422, "/images/0/url", "unknown_image"));
    shop.run_jobs().await;
    assert_eq!(bucket.files(), Vec::<String>::new());
    assert_eq!(shop.download(local(&mug["images"][0]["url"])).await.0, 404);
}

#[actix_web::test]
async fn while_the_bucket_is_away_nothing_is_uploaded_and_nothing_changes() {
    let mut bucket = Bucket::open().await;
    let (shop, mug) = shop_with(&bucket).await;
    bucket.stop().await;
    let refused = try_upload(&shop, &mug).await;
    assert!(is_unavailable(&refused), "{} {}", refused.status, refused.body);
    let unchanged = shop.admin(Method::GET, &path(&mug), Value::Null).await.body;
    assert_eq!(unchanged, mug);
    bucket.start().await;
    assert_eq!(bucket.files(), Vec::<String>::new());
    let answer = try_upload(&shop, &mug).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    download(&shop, &answer.body["images"][0]["url"]).await;
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn while_the_bucket_is_away_files_are_not_missing_but_unavailable() {
    let mut bucket = Bucket::open().await;
    let (shop, mug) = shop_with(&bucket).await;
    let mug = upload(&shop, &mug, picture(400, 300, ImageFormat::Jpeg)).await;
    let url = local(&mug["images"][0]["url"]);
    bucket.stop().await;
    let away = shop.get(url).await;
    assert!(is_unavailable(&away), "{} {}", away.status, away.body);
    assert_eq!(away.header("cache-control"), "private, no-store");
    bucket.start().await;
    assert_eq!(shop.download(url).await.0, 200);
}

#[actix_web::test]
async fn a_bucket_that_never_answers_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bucket = Bucket::open().await;
    let shop = Shop::open_with(|settings| {
        bucket.be_used(settings);
        settings.media.s3.endpoint = format!("http://{}", silent.local_addr().unwrap());
    })
    .await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let file = format!("/media/{}-400x300.jpg", "0f".repeat(20));
    let (uploaded, downloaded) = join(try_upload(&shop, &mug), shop.get(&file)).await;
    assert!(is_unavailable(&uploaded), "{}", uploaded.body);
    assert!(is_unavailable(&downloaded), "{}", downloaded.body);
}

#[actix_web::test]
async fn a_bucket_with_too_much_to_do_is_asked_once_more() {
    let bucket = Bucket::open().await;
    let (shop, mug) = shop_with(&bucket).await;
    bucket.overload(1);
    let mug = upload(&shop, &mug, picture(40, 30, ImageFormat::Jpeg)).await;
    bucket.overload(1);
    download(&shop, &mug["images"][0]["url"]).await;
}

#[actix_web::test]
async fn a_bucket_that_does_not_know_us_takes_nothing() {
    let bucket = Bucket::open().await;
    let shop = Shop::open_with(|settings| {
        bucket.be_used(settings);
        settings.media.s3.secret_key = SecretString::from("another");
    })
    .await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let refused = try_upload(&shop, &mug).await;
    assert!(is_unavailable(&refused), "{} {}", refused.status, refused.body);
    assert_eq!(bucket.files(), Vec::<String>::new());
}
