//! Whatever goes wrong, the answer is a problem (RFC 9457) with a 4xx, and nothing has changed.

use reqwest::Method;
use serde_json::json;

use super::support::{PASSWORD, Response, Store, address, variant};

async fn post_text(store: &Store, path: &str, media_type: &str, body: impl Into<String>) -> Response {
    store
        .anonymous()
        .send_text(Method::POST, path, Some((media_type, body.into())))
        .await
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let store = Store::start().await;
    for path in [
        "//",
        "//api",
        "/",
        "/nowhere",
        "/me/",
        "/me/nothing",
        "//admin",
        "//api/v2/me",
    ] {
        store.anonymous().get(path).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn broken_json_is_400_and_says_where() {
    let store = Store::start().await;
    for body in [
        "",
        "{",
        "{\"email\": }",
        "nul",
        "{\"email\": 1e999}",
        "{\"email\": \"a@b.example\", \"password\": \"whatever it is\"} {}",
        "\"lone \\ud800\"",
        "NaN",
    ] {
        post_text(&store, "/auth/login", "application/json", body)
            .await
            .problem(400, "invalid_json");
    }
    let deep = format!("{{\"email\": {}", "[".repeat(10_000));
    let answer = post_text(&store, "/auth/login", "application/json", deep).await;
    assert!(matches!(answer.status, 400 | 422), "{}", answer.text);
    answer.assert_sound_problem();
}

#[tokio::test]
async fn what_is_no_http_is_400_and_ends_the_connection() {
    let store = Store::start().await;
    for bytes in [
        "nonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n",
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ] {
        // The answer is actix-http's own and has no body: see the gateway's README.
        let answer = store.raw(bytes).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer:?}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{bytes:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_400() {
    let store = Store::start().await;
    let head =
        "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n";
    let answer = store.raw([head.as_bytes(), b"{\"email\":\"\xff\xfe\"}"].concat()).await;
    assert!(
        answer.starts_with("HTTP/1.1 400") && answer.contains("invalid_json"),
        "{answer}"
    );
}

#[tokio::test]
async fn another_media_type_is_415() {
    let store = Store::start().await;
    let body = json!({"email": "a@example.com", "password": PASSWORD}).to_string();
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "multipart/form-data",
        "",
    ] {
        let answer = post_text(&store, "/auth/login", media_type, body.clone()).await;
        answer.problem(415, "unsupported_media_type");
    }
    let packed = store.anonymous().with("Content-Encoding", "gzip");
    packed
        .post("/auth/login", json!({}))
        .await
        .problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413() {
    let store = Store::with([("limits.body_bytes", "1000")]).await;
    let body = json!({"email": "a@example.com", "password": "x".repeat(1000)});
    store
        .anonymous()
        .post("/auth/login", body)
        .await
        .problem(413, "payload_too_large");
}

#[tokio::test]
async fn a_body_that_is_announced_as_too_large_is_413_before_it_comes() {
    let store = Store::start().await;
    let admin = store.admin().await;
    let token = admin.sign_in()["access_token"].as_str().unwrap();
    for (path, media_type, length) in [
        ("auth/login", "application/json", "1048577"),
        ("auth/login", "application/json", "18446744073709551615"),
        ("admin/imports", "text/csv", "536870913"),
    ] {
        // Nothing but the head is sent: who waits for the body learns that it never came.
        let head = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {media_type}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        let answer = store.raw(head).await;
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.contains("payload_too_large"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn unknown_fields_wrong_types_and_duplicates_are_422_and_named() {
    let store = Store::start().await;
    for (body, field) in [
        (
            json!({"email": "a@example.com", "password": PASSWORD, "role": "admin"}),
            "/role",
        ),
        (
            json!({"email": "a@example.com", "password": PASSWORD, "is_admin": true}),
            "/is_admin",
        ),
        (json!({"email": "a@example.com", "password": 12345678}), "/password"),
        (json!({"email": null, "password": PASSWORD}), "/email"),
        (json!({"email": "a@example.com"}), "/password"),
        (json!({"email": "nobody", "password": PASSWORD}), "/email"),
    ] {
        let answer = store.anonymous().post("/auth/register", body).await;
        assert_eq!(answer.wrong_fields(), [field]);
    }
    for body in [
        "[]",
        "[\"a@example.com\", \"whatever it is\", null]",
        "\"text\"",
        "1",
        "null",
    ] {
        let answer = post_text(&store, "/auth/register", "application/json", body).await;
        assert_eq!(answer.status, 422, "{body}: {}", answer.text);
    }
    let twice = "{\"email\": \"a@example.com\", \"email\": \"b@example.com\", \"password\": \"whatever it is\"}";
    let answer = post_text(&store, "/auth/register", "application/json", twice).await;
    assert_eq!(answer.wrong_fields(), ["/email"]);
    let body = json!({"email": "a@example.com", "password": PASSWORD});
    store.anonymous().post("/auth/register", body).await.expect(201);
}

#[tokio::test]
async fn all_fields_that_are_wrong_are_named_at_once() {
    let store = Store::start().await;
    let (anonymous, admin) = (store.anonymous(), store.admin().await);
    let body = json!({"email": "nobody", "password": 1, "name": "A\nda", "role": "admin", "is_admin": true});
    let mut wrong = anonymous.post("/auth/register", body).await.wrong_fields();
    wrong.sort();
    assert_eq!(wrong, ["/email", "/is_admin", "/name", "/password", "/role"]);
    assert_eq!(
        anonymous.post("/auth/register", json!({})).await.wrong_fields(),
        ["/email", "/password"]
    );
    let product = json!({"handle": "No Handle", "tags": ["", "fine", 5], "variants": [
        {"sku": "A", "price": {"amount": "1", "currency": "XXA"}},
        {"price": {"amount": 1, "currency": "USD"}},
        {"price": {"amount": 1, "currency": "USD"}, "stock": 1.5, "colour": "red"},
    ]});
    let answer = admin.post("/admin/products", product).await;
    let mut wrong = answer.wrong_fields();
    wrong.sort();
    let expected = [
        "/handle",
        "/tags/0",
        "/tags/2",
        "/title",
        "/variants/0/price/amount",
        "/variants/0/price/currency",
        "/variants/2/colour",
        "/variants/2/stock",
    ];
    assert_eq!(wrong, expected);
    // What need not be there is not asked for.
    let cart = anonymous.post("/carts", json!({"currency": "nothing"})).await;
    assert_eq!(cart.wrong_fields(), ["/currency"]);
    let mut everything = serde_json::Map::new();
    everything.extend((0..1000).map(|number| (format!("unknown{number}"), json!(1))));
    let answer = anonymous.post("/carts", everything.into()).await;
    assert_eq!(answer.wrong_fields().len(), 20);
}

#[tokio::test]
async fn a_nul_is_refused_wherever_text_is_taken() {
    let store = Store::start().await;
    let body = json!({"email": "a\0@example.com", "password": PASSWORD});
    assert_eq!(
        store.anonymous().post("/auth/register", body).await.wrong_fields(),
        ["/email"]
    );
    let body = json!({"email": "a@example.com", "password": "correct horse\0 battery"});
    assert_eq!(
        store.anonymous().post("/auth/register", body).await.wrong_fields(),
        ["/password"]
    );
    let body = json!({"email": "a@example.com", "password": PASSWORD, "name": "A\0da"});
    assert_eq!(
        store.anonymous().post("/auth/register", body).await.wrong_fields(),
        ["/name"]
    );
    let admin = store.admin().await;
    assert_eq!(admin.get("/admin/users?limit=%00").await.status, 400);
}

#[tokio::test]
async fn a_line_break_is_refused_where_one_line_is_meant() {
    let store = Store::start().await;
    let (customer, admin) = (store.customer().await, store.admin().await);
    let two_lines = "one\r\ntwo";
    let renamed = customer.patch("/me", json!({"name": two_lines})).await;
    assert_eq!(renamed.wrong_fields(), ["/name"]);
    for field in ["name", "line1", "city", "postal_code", "phone"] {
        let mut given = address();
        given[field] = two_lines.into();
        let refused = customer.post("/me/addresses", given).await;
        assert_eq!(refused.wrong_fields(), [format!("/{field}")]);
    }
    let product = admin.product(100, 1).await;
    let path = format!("/admin/products/{}", product["id"].as_str().unwrap());
    let editor = admin.with("If-Match", "*");
    for (change, pointer) in [
        (json!({"title": two_lines}), "/title"),
        (json!({"brand": two_lines}), "/brand"),
        (json!({"tags": ["fine", two_lines]}), "/tags/1"),
        (
            json!({"options": [{"name": two_lines, "values": []}]}),
            "/options/0/name",
        ),
        (
            json!({"options": [{"name": "Size", "values": [two_lines]}]}),
            "/options/0/values/0",
        ),
    ] {
        assert_eq!(editor.patch(&path, change).await.wrong_fields(), [pointer]);
    }
    let variant = format!("/admin/variants/{}", variant(&product));
    let labelled = editor.patch(&variant, json!({"sku": two_lines})).await;
    assert_eq!(labelled.wrong_fields(), ["/sku"]);
    let category = admin.post("/admin/categories", json!({"name": two_lines})).await;
    assert_eq!(category.wrong_fields(), ["/name"]);
    // A description has as many lines as it likes.
    let described = editor.patch(&path, json!({"description": two_lines})).await;
    assert_eq!(described.expect(200)["description"], two_lines);
}

#[tokio::test]
async fn unknown_repeated_and_wrong_query_parameters_are_400() {
    let store = Store::start().await;
    let admin = store.admin().await;
    for query in [
        "limit=0",
        "limit=-1",
        "limit=101",
        "limit=1e9",
        "limit=NaN",
        "limit=1&limit=2",
        "limit[]=1",
        "page=2",
        "cursor=tampered",
    ] {
        admin
            .get(&format!("/admin/users?{query}"))
            .await
            .problem(400, "invalid_query");
    }
    let answer = admin.get("/admin/users?limit=%ff").await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    answer.assert_sound_problem();
}

#[tokio::test]
async fn a_well_formed_request_id_comes_back_and_any_other_is_replaced() {
    let store = Store::start().await;
    let given = store.anonymous().with("X-Request-Id", "abc.DEF_1-2").get("/me").await;
    assert_eq!(given.header("x-request-id"), "abc.DEF_1-2");
    assert_eq!(given.json["request_id"], "abc.DEF_1-2");
    for bad in ["with space", "<script>", &"x".repeat(129)] {
        let made = store.anonymous().with("X-Request-Id", bad).get("/me").await;
        assert_ne!(made.header("x-request-id"), bad);
        assert!(!made.header("x-request-id").is_empty());
    }
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(
        store
            .anonymous()
            .with("traceparent", trace)
            .get("/me")
            .await
            .header("traceparent"),
        trace
    );
    assert_eq!(store.anonymous().get("/me").await.header("traceparent").len(), 55);
}

#[tokio::test]
async fn no_answer_tells_what_it_is_made_with() {
    let store = Store::start().await;
    for path in ["/me", "/openapi.json", "/nowhere"] {
        let answer = store.anonymous().get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(!answer.headers.contains_key("server") && !answer.headers.contains_key("x-powered-by"));
    }
}

#[tokio::test]
async fn what_has_to_do_with_somebody_is_kept_by_no_cache() {
    let store = Store::start().await;
    let customer = store.customer().await;
    for path in ["/me", "/me/addresses", "/me/sessions"] {
        let answer = customer.get(path).await;
        let cache = answer.header("cache-control");
        assert!(
            cache.contains("no-store") && !cache.contains("public"),
            "{path}: {cache}"
        );
    }
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_can_read_that() {
    let store = Store::start().await;
    let raw = |encoding: &str| {
        format!(
            "GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {encoding}\r\nConnection: close\r\n\r\n"
        )
    };
    for (wanted, header) in [("br", "content-encoding: br"), ("gzip", "content-encoding: gzip")] {
        let answer = store.raw(raw(wanted)).await.to_lowercase();
        assert!(
            answer.contains(header) && answer.contains("vary: accept-encoding"),
            "{}",
            &answer[..500]
        );
    }
    let plain = store.raw(raw("identity")).await.to_lowercase();
    assert!(
        !plain.contains("content-encoding") && plain.contains("vary: accept-encoding"),
        "{}",
        &plain[..500]
    );
    let problem = store
        .raw("GET /nowhere HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n")
        .await;
    assert!(problem.contains("\"code\":\"not_found\""), "{problem}");
}
