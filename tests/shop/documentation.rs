//! The API about itself.

use serde_json::{Value, json};

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
    for (name, operation) in operations(&document) {
        let id = operation["operationId"]
            .as_str()
            .unwrap_or_else(|| panic!("{name} has no id"));
        assert!(!ids.contains(&id), "{id} is there twice");
        ids.push(id);
        assert!(
            operation["summary"].is_string() || operation["description"].is_string(),
            "{name} is not described"
        );
        assert!(operation["tags"].is_array(), "{name} has no tag");
        assert_refusals(&name, operation);
    }
}

#[tokio::test]
async fn every_refusal_of_the_document_is_a_problem() {
    let store = Store::start().await;
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    for (name, operation) in operations(&document) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            assert!(response["description"].is_string(), "{name} does not describe {status}");
            if status.starts_with(['4', '5']) {
                let types: Vec<&String> = response["content"].as_object().unwrap().keys().collect();
                assert_eq!(types, ["application/problem+json"], "{name} {status}");
            }
        }
    }
}

#[tokio::test]
async fn the_document_says_what_an_operation_needs() {
    let store = Store::start().await;
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    for (name, operation) in operations(&document) {
        let parameters: Vec<&str> = operation["parameters"].as_array().map_or(Vec::new(), |parameters| {
            parameters
                .iter()
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect()
        });
        let has = |status: &str| operation["responses"].get(status).is_some();
        if name.contains("/admin/") {
            assert_eq!(operation["security"], json!([{"bearer": []}]), "{name}");
            assert!(has("401") && has("403"), "{name} is not for everybody");
        }
        if parameters.contains(&"Idempotency-Key") {
            assert!(has("409"), "{name} says nothing of a key whose request is running");
        }
        if parameters.contains(&"If-Match") {
            assert!(has("412"), "{name} says nothing of another version");
        }
        if operation["requestBody"].is_object() {
            assert!(
                has("413") && has("415") && has("422"),
                "{name} says nothing of bodies that are refused"
            );
        }
    }
}

#[tokio::test]
async fn operations_are_named_by_a_verb_and_a_resource() {
    const VERBS: &str = "add answer approve cancel capture create delete deliver end explain find get list merge move pay \
                         place read receive refresh refund reject remove replay request retry save share show suggest \
                         undo update void";
    let store = Store::start().await;
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    for (name, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap();
        let (verb, resource) = id.split_once('_').unwrap_or((id, ""));
        let is_known = VERBS.split_whitespace().any(|known| known == verb);
        let is_plain = |character: char| character.is_ascii_lowercase() || character == '_';
        assert!(
            is_known && !resource.is_empty() && resource.chars().all(is_plain),
            "{name}: {id}"
        );
    }
}

#[tokio::test]
async fn what_a_guest_or_a_refusal_is_told_besides_is_described() {
    let store = Store::start().await;
    let document = store.anonymous().get("/openapi.json").await.expect(200);
    for (schema, members) in [
        ("PlacedOrder", &["secret"] as &[_]),
        ("CreatedCart", &["secret"]),
        (
            "OrderProblem",
            &[
                "order_id",
                "secret",
                "decline_code",
                "lines",
                "old",
                "new",
                "problems",
                "order_status",
                "cart_status",
            ],
        ),
        ("CartNotOpen", &["order_id", "cart_status"]),
        ("NotEnoughStock", &["lines"]),
        ("Problem", &["errors", "version"]),
    ] {
        let text = document["components"]["schemas"][schema].to_string();
        for member in members {
            assert!(
                text.contains(&format!("\"{member}\":")),
                "{schema} has no {member}: {text}"
            );
        }
    }
}

/// The operations, each with its method and path.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
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
