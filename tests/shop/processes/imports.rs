//! `bodega import` and `bodega export`: files in and out of the catalogue.

use serde_json::{Value, json};

use crate::support::{Outcome, StoreProcess};

/// Two products and, between them, a row that is none.
fn file(store: &StoreProcess) -> String {
    let product = |id: &str, price: i64| {
        json!({"id": id, "handle": id, "title": "A thing", "description": "", "brand": "Ours", "category": "Things > Small",
            "price_minor": price, "currency": "USD", "stock": 5})
    };
    let text = format!(
        "{}\n{{\"id\": 1}}\n{}\n",
        product("first", 1000),
        product("second", 2000)
    );
    let path = store.data_dir().join("products.ndjson");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn report(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|_| panic!("{outcome:?}"))
}

async fn count(store: &StoreProcess) -> Value {
    store.anonymous().get("/products").await.expect(200)["data"]
        .as_array()
        .unwrap()
        .len()
        .into()
}

#[tokio::test]
async fn good_rows_are_imported_and_bad_ones_reported_by_line_and_reason() {
    let store = StoreProcess::start().await;
    let file = file(&store);
    let tried = store.command(&["--json", "import", &file, "--dry-run"]).await;
    assert_eq!(
        (report(&tried)["created"].clone(), tried.code),
        (json!(2), 1),
        "{tried:?}"
    );
    assert_eq!(count(&store).await, 0);

    let done = store.command(&["--json", "import", &file]).await;
    assert_eq!(done.code, 1, "{done:?}");
    let told = report(&done);
    assert_eq!((told["created"].clone(), told["updated"].clone()), (json!(2), json!(0)));
    assert_eq!(told["skipped"][0]["line"], 2);
    assert!(!told["skipped"][0]["reason"].as_str().unwrap().is_empty());

    let again = report(&store.command(&["--json", "import", &file]).await);
    assert_eq!(
        (again["created"].clone(), again["unchanged"].clone()),
        (json!(0), json!(2))
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn what_is_exported_can_be_imported_again() {
    let store = StoreProcess::start().await;
    let file = file(&store);
    store.command(&["import", &file]).await;
    let exported = store.command(&["export"]).await;
    assert_eq!((exported.code, exported.stdout.lines().count()), (0, 2), "{exported:?}");
    let again = store
        .command_with_input(&["--json", "import", "-", "--format", "ndjson"], &exported.stdout)
        .await;
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(report(&again)["unchanged"], 2);
}

#[tokio::test]
async fn a_file_that_is_not_there_or_no_product_file_changes_nothing() {
    let store = StoreProcess::start().await;
    let nowhere = store.command(&["import", "/nowhere.ndjson"]).await;
    assert_eq!(nowhere.code, 1);
    assert!(nowhere.stderr.contains("/nowhere.ndjson"), "{nowhere:?}");
    let wrong = store.command_with_input(&["import", "-"], "what is this\n").await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert_eq!(count(&store).await, 0);
}
