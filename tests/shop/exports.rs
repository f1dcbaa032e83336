//! Exports in the background, downloaded through the gateway.

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{Store, eventually};

#[tokio::test]
async fn a_file_comes_through_the_gateway_as_it_is_whole_and_in_parts() {
    let store = Store::start().await;
    let admin = store.admin().await;
    for _ in 0..12 {
        admin.product(900, 3).await;
    }
    let begun = admin
        .once("export")
        .post("/admin/exports", json!({"format": "ndjson"}))
        .await;
    let path = begun.header("location").replace("/api/v1", "");
    assert_eq!(begun.status, 202, "{}", begun.text);
    let ask = || async { admin.get(&path).await.expect(200) };
    let job: Value = eventually(ask, |job| !job["finished_at"].is_null()).await;
    assert_eq!(
        (&job["state"], &job["products_done"]),
        (&json!("succeeded"), &json!(12)),
        "{job}"
    );
    let path = format!("{path}/file");
    let length = job["bytes"].to_string();
    // Packed on its way, it would have no length, and its parts would not go together.
    let client = admin.with("Accept-Encoding", "br, gzip");
    let whole = client.get(&path).await;
    assert_eq!((whole.status, whole.text.lines().count()), (200, 12), "{}", whole.text);
    let tag = whole.header("etag");
    for (name, value) in [
        ("content-length", length.as_str()),
        ("content-encoding", ""),
        ("content-type", "application/x-ndjson"),
        ("content-disposition", "attachment; filename=\"products.ndjson\""),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-store"),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    let half = whole.text.len() / 2;
    let goes_on = client.with("Range", format!("bytes={half}-")).with("If-Range", tag);
    let rest = goes_on.get(&path).await;
    assert_eq!((rest.status, rest.text.as_str()), (206, &whole.text[half..]));
    let told = format!("bytes {half}-{}/{length}", whole.text.len() - 1);
    assert_eq!(
        (rest.header("content-range"), rest.header("content-encoding")),
        (told.as_str(), "")
    );
    let head = goes_on.send(Method::HEAD, &path, None).await;
    assert_eq!((head.status, head.header("content-length")), (200, length.as_str()));
    let beyond = admin.with("Range", format!("bytes={length}-")).get(&path).await;
    assert_eq!(beyond.header("content-range"), format!("bytes */{length}"));
    beyond.problem(416, "range_not_satisfiable");
    assert_eq!(store.anonymous().get(&path).await.status, 401);
    assert_eq!(store.customer().await.get(&path).await.status, 403);
    assert_eq!(admin.delete(&path.replace("/file", "")).await.status, 204);
    admin.get(&path).await.problem(404, "not_found");
}
