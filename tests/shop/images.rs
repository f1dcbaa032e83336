//! Images of products, through the gateway.

use std::io::Cursor;

use futures_util::future::select_all;
use image::{ImageFormat, Rgb, RgbImage};
use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Admin, Response, Store, Topology, eventually};

/// An image that nothing makes smaller: more than the gateway reads before it passes a body on.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let image = RgbImage::from_fn(360, 200, |_, _| Rgb([byte(), byte(), byte()]));
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::Png).unwrap();
    file.into_inner()
}

/// The path of a product's images, from the root of the store.
fn images(product: &Value) -> String {
    format!("/api/v1/admin/products/{}/images", product["id"].as_str().unwrap())
}

fn token(admin: &Admin) -> String {
    admin.sign_in()["access_token"].as_str().unwrap().to_owned()
}

async fn upload(store: &Store, admin: &Admin, product: &Value, content: Vec<u8>) -> Response {
    let address = format!("http://{}{}", store.address(), images(product));
    let request = store.client.post(address).bearer_auth(token(admin));
    let sent = request.header("content-type", "image/png").body(content).send().await;
    Response::of(sent.unwrap()).await
}

#[tokio::test]
async fn an_image_goes_through_the_gateway_and_is_kept_by_clients_alone() {
    let store = Store::with([("gateway.cache_bytes", "33554432")]).await;
    let admin = store.admin().await;
    let product = admin.product(900, 3).await;
    let content = noise();
    assert!(content.len() > 128 << 10);
    let product = upload(&store, &admin, &product, content).await.expect(201);
    let image = &product["images"][0];
    for file in [image, &image["sizes"][0]] {
        let path = format!("/{}", file["url"].as_str().unwrap());
        let visitor = store.anonymous().with("Accept-Encoding", "br, gzip");
        let mut tags = Vec::new();
        for method in [Method::GET, Method::GET, Method::HEAD] {
            let answer = visitor.send(method.clone(), &path, None).await;
            assert_eq!(
                (answer.status, answer.header("content-type")),
                (200, "image/png"),
                "{path}"
            );
            assert_eq!(answer.header("content-encoding"), "");
            assert_eq!(answer.header("cache-status"), "");
            assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert!(
                answer
                    .header("content-security-policy")
                    .starts_with("default-src 'none'")
            );
            assert_eq!(answer.text.is_empty(), method == Method::HEAD);
            tags.push(answer.header("etag").to_owned());
        }
        assert!(
            tags.iter().all(|tag| tag.starts_with('"') && *tag == tags[0]),
            "{tags:?}"
        );
        let again = visitor.with("If-None-Match", &tags[0]).get(&path).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
    }
    let handle = product["handle"].as_str().unwrap();
    let shown = store.anonymous().get(&format!("/products/{handle}")).await.expect(200);
    assert_eq!(shown["images"], product["images"]);
    store
        .anonymous()
        .get("/media/nothing.png")
        .await
        .problem(404, "not_found");
    assert_eq!(store.findings().await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_finds_too_many_uploads_is_told_to_come_back() {
    let store = Store::spread(Topology::One, [("limits.body_timeout", "60s")]).await;
    let admin = store.admin().await;
    let product = admin.product(900, 3).await;
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {}\r\nContent-Type: image/png\r\n\
         Content-Length: 1000000\r\n\r\npart",
        images(&product),
        token(&admin)
    );
    // Ten are waited for; whichever comes last is refused, and is the only one to get an answer.
    let mut unfinished = Vec::new();
    for _ in 0..11 {
        let mut wire = TcpStream::connect(store.address()).await.unwrap();
        wire.write_all(head.as_bytes()).await.unwrap();
        unfinished.push(wire);
    }
    let answers = unfinished.iter_mut().map(|wire| {
        Box::pin(async move {
            let mut answer = vec![0; 4096];
            let length = wire.read(&mut answer).await.unwrap();
            String::from_utf8_lossy(&answer[..length]).to_lowercase()
        })
    });
    let (answer, _, others) = select_all(answers).await;
    assert!(
        answer.starts_with("http/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"),
        "{answer}"
    );
    drop(others);
    drop(unfinished);
    // Their places are free as soon as the shop has noticed.
    let again = || async { upload(&store, &admin, &product, noise()).await.json };
    eventually(again, |answer| answer["images"].is_array()).await;
}
