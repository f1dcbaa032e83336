//! The API about itself.

use serde_json::Value;

use super::support::Store;

#[tokio::test]
async fn the_document_describes_every_operation_and_its_refusals() {
    let store = Store::start().await;
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for scheme in ["bearer", "cart_secret", "order_secret"] {
        assert!(
            document["components"]["securitySchemes"][scheme].is_object(),
            "{scheme}"
        );
    }
    let mut ids = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{method} {path}");
            let id = operation["operationId"]
                .as_str()
                .unwrap_or_else(|| panic!("{name} has no id"));
            assert!(!ids.contains(&id.to_owned()), "{id} is there twice");
            ids.push(id.to_owned());
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{name} is not described"
            );
            assert!(operation["tags"].is_array(), "{name} has no tag");
            assert_refusals(&name, operation);
        }
    }
}

fn assert_refusals(name: &str, operation: &Value) {
    let responses = operation["responses"].as_object().unwrap();
    for status in ["400", "429", "500", "503"] {
        assert!(responses.contains_key(status), "{name} says nothing of {status}");
    }
    assert!(
        responses.keys().any(|status| status.starts_with('2')),
        "{name} never succeeds"
    );
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let store = Store::start().await;
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                open.extend(members.values());
            }
            Value::Array(values) => open.extend(values),
            _ => (),
        }
    }
}

#[tokio::test]
async fn the_docs_come_from_the_store_alone() {
    let store = Store::start().await;
    let entry = store.anonymous().get("//docs").await;
    assert_eq!((entry.status, entry.header("location")), (307, "/docs/"));
    let page = store.anonymous().get("//docs/").await;
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    let page = page.text;
    assert!(
        !page.contains("http://") && !page.contains("https://") && !page.contains("\"//"),
        "{page}"
    );
    let links = page
        .split(['"'])
        .filter(|text| text.ends_with(".js") || text.ends_with(".css") || text.ends_with(".png"));
    let mut found = 0;
    for link in links {
        let file = store
            .anonymous()
            .get(&format!("//docs/{}", link.trim_start_matches("./")))
            .await;
        assert_eq!(file.status, 200, "{link}");
        found += 1;
    }
    assert!(found >= 4, "{page}");
    let script = store.anonymous().get("//docs/swagger-initializer.js").await.text;
    assert!(script.contains("/api/v1/openapi.json"), "{script}");
    assert!(!script.contains("petstore"), "{script}");
}

#[tokio::test]
async fn the_keys_of_access_tokens_are_public() {
    let store = Store::start().await;
    let well_known = store.anonymous().get("//.well-known/jwks.json").await;
    assert!(well_known.header("cache-control").starts_with("public"));
    let keys = well_known.expect(200);
    assert_eq!(keys["keys"][0]["kty"], "OKP");
    assert!(keys["keys"][0].get("d").is_none());
    assert_eq!(
        store.anonymous().get("/auth/jwks").await.expect(200)["keys"],
        keys["keys"]
    );
}
