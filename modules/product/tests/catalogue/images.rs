//! Images that staff upload.

mod bucket;
mod in_a_bucket;
mod keeping;
mod samples;

use actix_web::http::Method;
use actix_web::web::Bytes;
use image::{DynamicImage, GenericImageView, ImageFormat};
use serde_json::{Value, json};

use crate::support::{Shop, path, product};
use samples::{animation, gif_that_claims, photograph, photograph_that_says, picture, png_that_claims, transparent};

const JPEG: [(&str, &str); 1] = [("Content-Type", "image/jpeg")];

/// Where the images of a product are sent to.
fn images(product: &Value) -> String {
    format!("{}/images", path(product))
}

/// Uploads an image that is taken.
async fn upload(shop: &Shop, product: &Value, content: Vec<u8>) -> Value {
    let answer = shop.upload_image(&images(product), content, &JPEG).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body
}

/// Where the routes of the module have a file, whose address is one of the whole shop.
fn local(url: &Value) -> &str {
    url.as_str().unwrap().strip_prefix("/api/v1").unwrap()
}

/// A file that is there, and the picture in it.
async fn download(shop: &Shop, url: &Value) -> (Bytes, DynamicImage) {
    let (status, _, content) = shop.download(local(url)).await;
    assert_eq!(status, 200, "{url}");
    let picture = image::load_from_memory(&content).unwrap();
    (content, picture)
}

/// The addresses of all files of a product's first image.
fn files(product: &Value) -> Vec<Value> {
    let image = &product["images"][0];
    let sizes = image["sizes"].as_array().unwrap().iter();
    sizes.chain([image]).map(|file| file["url"].clone()).collect()
}

#[actix_web::test]
async fn an_uploaded_image_is_shown_in_sizes_that_are_never_larger() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let path = format!("{}?alt=a%20mug", images(&mug));
    let answer = shop
        .upload_image(&path, picture(700, 350, ImageFormat::Jpeg), &JPEG)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!((answer.header("etag"), &answer.body["version"]), ("\"2\"", &json!(2)));
    assert_eq!(
        answer.header("location"),
        format!("/api/v1{}", crate::support::path(&mug))
    );

    let shown = shop.get("/products/mug").await.body;
    let image = &shown["images"][0];
    assert_eq!(*image, answer.body["images"][0]);
    assert_eq!(
        (&image["alt"], &image["width"], &image["height"]),
        (&json!("a mug"), &json!(700), &json!(350))
    );
    let sizes: Vec<(u64, u64)> = image["sizes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|size| (size["width"].as_u64().unwrap(), size["height"].as_u64().unwrap()))
        .collect();
    assert_eq!(sizes, [(320, 160), (640, 320)]);
    for file in image["sizes"].as_array().unwrap().iter().chain([image]) {
        let (_, picture) = download(&shop, &file["url"]).await;
        let size = (u64::from(picture.width()), u64::from(picture.height()));
        assert_eq!(
            size,
            (file["width"].as_u64().unwrap(), file["height"].as_u64().unwrap())
        );
    }
    let list = shop.get("/products").await.body;
    assert_eq!(list["data"][0]["images"], shown["images"]);
    let suggested = shop.get("/products/suggest?q=mug").await.body;
    assert_eq!(suggested["products"][0]["image_url"], image["url"]);
}

/// IN-12
#[actix_web::test]
async fn a_file_is_kept_by_whoever_has_it_and_does_nothing_but_be_seen() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let mug = upload(&shop, &mug, picture(40, 30, ImageFormat::Jpeg)).await;
    let url = local(&mug["images"][0]["url"]);
    let (status, headers, content) = shop.download(url).await;
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    assert_eq!(status, 200);
    assert_eq!(header("content-type"), "image/jpeg");
    assert_eq!(header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert!(!content.is_empty());
    let again = shop.get_again(url, header("etag")).await;
    assert_eq!(again.status, 304);
    assert_eq!(again.header("cache-control"), "public, max-age=31536000, immutable");
}

#[actix_web::test]
async fn only_names_of_files_lead_anywhere() {
    let shop = Shop::open().await;
    std::fs::write(shop.folder.path().join("secret"), "secret").unwrap();
    let mug = shop.create(product("Mug", 900, 3)).await;
    let mug = upload(&shop, &mug, picture(400, 300, ImageFormat::Jpeg)).await;
    let url = local(&mug["images"][0]["url"]).to_owned();
    assert_eq!(shop.download(&url).await.0, 200);
    for unknown in [
        url.replace("400x300", "401x300"),
        url.replace("400x300", "0400x300"),
        url.replace(".jpg", ".png"),
        url.replace(".jpg", ".jpg%00"),
        url.to_uppercase().replace("/MEDIA/", "/media/"),
        "/media/..%2fsecret".to_owned(),
        "/media/%2e%2e%2fsecret".to_owned(),
        "/media/secret".to_owned(),
    ] {
        let status = shop.download(&unknown).await.0;
        assert!([400, 404].contains(&status.as_u16()), "{unknown}: {status}");
    }
}

#[actix_web::test]
async fn each_kind_becomes_one_that_every_browser_knows() {
    let shop = Shop::open().await;
    for (content, encoding) in [
        (picture(30, 20, ImageFormat::Jpeg), ImageFormat::Jpeg),
        (picture(30, 20, ImageFormat::Png), ImageFormat::Png),
        (picture(30, 20, ImageFormat::WebP), ImageFormat::Jpeg),
        (transparent(30, 20, ImageFormat::WebP), ImageFormat::Png),
        (transparent(30, 20, ImageFormat::Png), ImageFormat::Png),
    ] {
        let mug = shop.create(product("Mug", 900, 3)).await;
        let mug = upload(&shop, &mug, content).await;
        let (content, picture) = download(&shop, &mug["images"][0]["url"]).await;
        assert_eq!(image::guess_format(&content).unwrap(), encoding);
        assert_eq!(picture.dimensions(), (30, 20));
    }
}

/// IN-12
#[actix_web::test]
async fn a_photograph_is_turned_upright_and_does_not_say_where_it_was_taken() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let sent = photograph(400, 200);
    assert!(sent.windows(3).any(|bytes| bytes == b"GPS"));
    let mug = upload(&shop, &mug, sent).await;
    for url in files(&mug) {
        let (content, _) = download(&shop, &url).await;
        assert!(!content.windows(3).any(|bytes| bytes == b"GPS"));
        assert!(!content.windows(4).any(|bytes| bytes == b"Exif"));
    }
    let (_, picture) = download(&shop, &mug["images"][0]["url"]).await;
    assert_eq!(picture.dimensions(), (200, 400));
    // Turned clockwise, what was on the left is at the top.
    let (top, bottom) = (picture.get_pixel(100, 50), picture.get_pixel(100, 350));
    assert!(
        top.0[0] > 200 && top.0[2] < 60 && bottom.0[2] > 200 && bottom.0[0] < 60,
        "{top:?} {bottom:?}"
    );
}

/// IN-12
#[actix_web::test]
async fn what_a_camera_says_is_believed_only_where_it_makes_sense() {
    let shop = Shop::open().await;
    // Orientation, a short: how many there are, and which.
    let oriented = |count: u32, value: u16| {
        let field = [
            b"\x12\x01\x03\0",
            &count.to_le_bytes()[..],
            &value.to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        [b"II*\0\x08\0\0\0\x01\0".as_slice(), &field, &[0; 4]].concat()
    };
    // A directory that goes on with itself, one with more fields than there are bytes, one that is far outside.
    let circle = [b"II*\0\x08\0\0\0\0\0".as_slice(), &8_u32.to_le_bytes()].concat();
    let crowd = [b"II*\0\x08\0\0\0\xff\xff".as_slice(), &[0x12; 600]].concat();
    let outside = [b"MM\0*".as_slice(), &u32::MAX.to_be_bytes()].concat();
    let full = vec![b'I'; 65_000];
    let many: Vec<&[u8]> = vec![&full; 10];
    let (turned, upright) = ((20, 40), (40, 20));
    for (number, (exif, size)) in [
        (vec![oriented(1, 6).as_slice()], turned),
        (vec![&oriented(1, 1)], upright),
        (vec![&oriented(1, 9)], upright),
        (vec![&oriented(1, u16::MAX)], upright),
        (vec![&oriented(u32::MAX, 7)], upright),
        (vec![&circle], upright),
        (vec![&crowd], upright),
        (vec![&outside], upright),
        (vec![b""], upright),
        (many, upright),
    ]
    .into_iter()
    .enumerate()
    {
        let mug = shop.create(product("Mug", 900, 3)).await;
        let mug = upload(&shop, &mug, photograph_that_says(40, 20, &exif)).await;
        let (content, picture) = download(&shop, &mug["images"][0]["url"]).await;
        assert_eq!(picture.dimensions(), size, "{number}");
        assert!(content.len() < 10_000, "{number}: nothing but pixels is kept");
    }
}

/// IN-12
#[actix_web::test]
async fn what_hides_behind_an_image_is_left_out() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let mut sent = picture(60, 60, ImageFormat::Png);
    sent.extend_from_slice(b"PK\x03\x04<html><script>alert(1)</script>");
    let mug = upload(&shop, &mug, sent).await;
    let (content, _) = download(&shop, &mug["images"][0]["url"]).await;
    for hidden in [&b"PK\x03\x04"[..], b"<html", b"<script"] {
        assert!(!content.windows(hidden.len()).any(|bytes| bytes == hidden));
    }
}

/// IN-12
#[actix_web::test]
async fn of_an_animation_the_first_frame_is_shown() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let mug = upload(&shop, &mug, animation(10_000)).await;
    let (content, picture) = download(&shop, &mug["images"][0]["url"]).await;
    assert_eq!(image::guess_format(&content).unwrap(), ImageFormat::Png);
    assert_eq!(picture.get_pixel(3, 3).0, [0, 255, 0, 255]);
}

/// IN-12
#[actix_web::test]
async fn what_is_no_good_is_refused_by_what_it_is_and_not_by_what_it_is_called() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let svg = br#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"#;
    let half = |content: Vec<u8>| content[..content.len() / 2].to_vec();
    let bmp = [b"BM".as_slice(), &[0; 100]].concat();
    let cases = [
        ("unsupported_image", svg.to_vec()),
        ("unsupported_image", b"<html><script>alert(1)</script>".to_vec()),
        ("unsupported_image", Vec::new()),
        ("unsupported_image", bmp),
        ("image_too_large", png_that_claims(50_000, 50_000)),
        ("image_too_large", png_that_claims(16_385, 1)),
        ("image_too_large", png_that_claims(9_000, 9_000)),
        ("image_too_large", gif_that_claims(65_535, 65_535)),
        ("unreadable_image", png_that_claims(4_000, 4_000)),
        ("unreadable_image", half(picture(300, 200, ImageFormat::Jpeg))),
        ("unreadable_image", half(picture(300, 200, ImageFormat::Png))),
        ("unreadable_image", half(picture(300, 200, ImageFormat::WebP))),
        ("unreadable_image", half(animation(1))),
        // Its first letters are a size to whoever takes it for a GIF.
        ("image_too_large", b"GIF89a/*<script>alert(1)</script>*/".to_vec()),
    ];
    for (number, (code, content)) in cases.into_iter().enumerate() {
        let refused = shop.upload_image(&images(&mug), content, &JPEG).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (422, &json!(code)),
            "{number}: {}",
            refused.body
        );
    }
    let larger = shop.upload_image(&images(&mug), vec![0; (1 << 20) + 1], &JPEG).await;
    assert_eq!(
        (larger.status.as_u16(), &larger.body["code"]),
        (413, &json!("payload_too_large"))
    );
    let json = shop
        .upload_image(&images(&mug), b"{}".to_vec(), &[("Content-Type", "application/json")])
        .await;
    assert_eq!(
        (json.status.as_u16(), &json.body["code"]),
        (415, &json!("unsupported_media_type"))
    );
    let wrong = format!("{}?alt=a%0Ab", images(&mug));
    assert_eq!(
        shop.upload_image(&wrong, picture(9, 9, ImageFormat::Png), &JPEG)
            .await
            .status,
        400
    );
    let after = shop.admin(Method::GET, &path(&mug), Value::Null).await.body;
    assert_eq!((&after["version"], &after["images"]), (&json!(1), &json!([])));
    assert!(!shop.folder.path().join("media").exists());
}

#[actix_web::test]
async fn an_upload_is_an_edit_of_the_product() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    let send = async |headers: &[(&str, &str)]| {
        let headers = [&JPEG, headers].concat();
        shop.upload_image(&images(&mug), picture(50, 40, ImageFormat::Jpeg), &headers)
            .await
    };
    let stale = send(&[("If-Match", "\"7\"")]).await;
    assert_eq!(
        (stale.status.as_u16(), &stale.body["code"]),
        (412, &json!("precondition_failed"))
    );
    let first = send(&[("If-Match", "\"1\""), ("Idempotency-Key", "a")]).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let again = send(&[("If-Match", "\"1\""), ("Idempotency-Key", "a")]).await;
    assert_eq!(
        (again.status.as_u16(), again.header("idempotent-replayed")),
        (201, "true")
    );
    assert_eq!(again.body, first.body);
    let other = shop
        .upload_image(
            &images(&mug),
            picture(51, 40, ImageFormat::Jpeg),
            &[JPEG[0], ("Idempotency-Key", "a")],
        )
        .await;
    assert_eq!(other.body["code"], "idempotency_key_reused");
    // What the product has already is not there twice.
    assert_eq!(send(&[]).await.body["images"].as_array().unwrap().len(), 1);
    let gone = shop.create(product("Cup", 900, 3)).await;
    shop.edit(Method::DELETE, &path(&gone), 1, Value::Null).await;
    assert_eq!(
        shop.upload_image(&images(&gone), picture(9, 9, ImageFormat::Png), &JPEG)
            .await
            .status,
        404
    );
    assert_eq!(shop.customer(Method::POST, &images(&mug)).await.status, 403);
}

#[actix_web::test]
async fn images_are_put_in_order_renamed_and_removed_by_the_patch_of_the_product() {
    let shop = Shop::open().await;
    let mug = shop.create(product("Mug", 900, 3)).await;
    upload(&shop, &mug, picture(50, 40, ImageFormat::Jpeg)).await;
    let mug = upload(&shop, &mug, picture(400, 40, ImageFormat::Jpeg)).await;
    let url = |index: usize| mug["images"][index]["url"].clone();
    let patch = async |version: i64, images: Value| {
        shop.edit(Method::PATCH, &path(&mug), version, json!({"images": images}))
            .await
    };
    let link = json!({"url": "https://img.example/1.jpg", "alt": null});
    let turned = patch(3, json!([{"url": url(1), "alt": "front"}, link, {"url": url(0)}])).await;
    assert_eq!(turned.status, 200, "{}", turned.body);
    assert_eq!(turned.body["images"][0]["alt"], "front");
    assert_eq!(turned.body["images"][0]["sizes"], mug["images"][1]["sizes"]);
    assert_eq!(turned.body["images"][1], link);
    assert_eq!(turned.body["images"][2]["width"], 50);

    let size = mug["images"][1]["sizes"][0]["url"].clone();
    for (images, pointer, code) in [
        (json!([{"url": size}]), "/images/0/url", "unknown_image"),
        (
            json!([{"url": url(0)}, {"url": url(0).as_str().unwrap().replace("50x40", "60x40")}]),
            "/images/1/url",
            "unknown_image",
        ),
        (json!([{"url": "/api/v1/media/../x"}]), "/images/0/url", "invalid_url"),
        (
            json!([{"url": url(0), "sizes": []}]),
            "/images/0/sizes",
            "unknown_field",
        ),
        (json!([{"url": url(0), "width": 1}]), "/images/0/width", "unknown_field"),
    ] {
        assert_eq!(patch(4, images).await.refusal(), (422, pointer, code));
    }
    let emptied = patch(4, json!([])).await;
    assert_eq!((emptied.status.as_u16(), &emptied.body["images"]), (200, &json!([])));
    // Until it is removed, an image can be put back.
    let back = patch(5, json!([{"url": url(0)}])).await;
    assert_eq!(
        (back.status.as_u16(), &back.body["images"][0]["width"]),
        (200, &json!(50))
    );
    shop.assert_in_order().await;
}
