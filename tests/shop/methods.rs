//! HEAD, OPTIONS and wrong methods, for every route that the document knows.

use reqwest::Method;
use serde_json::Value;

use super::support::Store;

/// The paths of the document, each with its methods; parameters are filled in with something that is nothing.
async fn routes(store: &Store) -> Vec<(String, Vec<String>)> {
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap().clone();
    let filled = |path: &str| {
        let segments = path
            .split('/')
            .map(|segment| if segment.starts_with('{') { "x" } else { segment });
        format!("/{}", segments.collect::<Vec<_>>().join("/"))
    };
    let methods = |item: &Value| {
        item.as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect()
    };
    paths.iter().map(|(path, item)| (filled(path), methods(item))).collect()
}

fn list(header: &str) -> Vec<&str> {
    header.split(", ").collect()
}

#[tokio::test]
async fn options_tells_what_a_resource_knows() {
    let store = Store::start().await;
    for (path, methods) in routes(&store).await {
        let answer = store.anonymous().send(Method::OPTIONS, &path, None).await;
        let allow = answer.header("allow").to_owned();
        assert_eq!((answer.status, answer.text.as_str()), (204, ""), "{path}");
        for method in &methods {
            assert!(
                list(&allow).contains(&method.as_str()),
                "{path} allows {allow}, not {method}"
            );
        }
        assert!(list(&allow).contains(&"OPTIONS"), "{path}");
        assert_eq!(list(&allow).contains(&"HEAD"), list(&allow).contains(&"GET"), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_a_resource_does_not_know_is_405_and_told_which_it_knows() {
    let store = Store::start().await;
    for (path, _) in routes(&store).await {
        let allow = store
            .anonymous()
            .send(Method::OPTIONS, &path, None)
            .await
            .header("allow")
            .to_owned();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            if list(&allow).contains(&method) {
                continue;
            }
            let answer = store.anonymous().send(method.parse().unwrap(), &path, None).await;
            assert_eq!(answer.header("allow"), allow, "{method} {path}: {}", answer.status);
            answer.problem(405, "method_not_allowed");
        }
    }
}

#[tokio::test]
async fn head_answers_as_get_does_without_a_body() {
    let store = Store::start().await;
    let customer = store.customer().await;
    for path in ["//.well-known/jwks.json", "/openapi.json", "/me", "//docs/", "/nowhere"] {
        let get = customer.get(path).await;
        let head = customer.send(Method::HEAD, path, None).await;
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        for name in ["content-type", "cache-control", "vary", "etag"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
    let refused = customer.send(Method::HEAD, "/auth/login", None).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST, OPTIONS"));
}

#[tokio::test]
async fn a_header_or_a_parameter_does_not_change_the_method() {
    let store = Store::start().await;
    let customer = store.customer().await;
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        customer.with(name, "DELETE").get("/me").await.expect(200);
    }
    customer.get("/me").await.expect(200);
}
