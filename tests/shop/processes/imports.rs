//! `bodega import` and `bodega export`: files in and out of the catalogue.

use std::collections::HashSet;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Admin, Outcome, StoreProcess, eventually};

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

/// How many products there are in a large file.
const COUNT: usize = 8_000;

/// A file whose import takes a while.
fn large_file() -> String {
    let line = |number: usize| {
        let id = number.to_string();
        json!({"id": id, "title": "A thing", "category": "Things", "sku": id, "price_minor": 100, "stock": 3})
            .to_string()
    };
    let lines: Vec<String> = (0..COUNT).map(line).collect();
    lines.join("\n")
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
    assert_eq!(told["skipped"], 1);
    assert_eq!(
        (&told["errors"][0]["line"], &told["errors"][0]["code"]),
        (&json!(2), &json!("invalid_type"))
    );
    assert!(!told["errors"][0]["detail"].as_str().unwrap().is_empty());

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
    for (format, lines) in [("ndjson", 2), ("shopify", 3)] {
        let exported = store.command(&["export", "--format", format]).await;
        assert_eq!(
            (exported.code, exported.stdout.lines().count()),
            (0, lines),
            "{exported:?}"
        );
        let again = store
            .command_with_input(&["--json", "import", "-", "--format", format], &exported.stdout)
            .await;
        assert_eq!(again.code, 0, "{again:?}");
        assert_eq!(report(&again)["unchanged"], 2);
    }
}

/// Begins an import of many products; answers the path of the job.
async fn upload_many(admin: &Admin) -> String {
    let body = Some(("application/x-ndjson", large_file()));
    let job = admin.send_text(Method::POST, "/admin/imports", body).await.expect(202);
    format!("/admin/imports/{}", job["id"].as_str().unwrap())
}

/// The import or export at `path`, once it has ended.
async fn ended(admin: &Admin, path: &str) -> Value {
    let ask = || async { admin.get(path).await.expect(200) };
    eventually(ask, |job| !job["finished_at"].is_null()).await
}

/// INV-10
#[tokio::test]
async fn an_import_goes_on_after_the_store_was_killed_and_takes_every_row_once() {
    let mut store = StoreProcess::start().await;
    let admin = store.admin().await;
    let path = upload_many(&admin).await;
    let ask = || async { admin.get(&path).await.expect(200) };
    eventually(ask, |job| job["rows_done"].as_u64() > Some(0)).await;
    store.kill();
    store.start_again().await;
    let admin = store.admin().await;
    let left = admin.get(&path).await.expect(200);
    assert_eq!(left["state"], "running", "it was killed half-way: {left}");
    let ended = ended(&admin, &path).await;
    assert_eq!(
        (&ended["state"], &ended["created"]),
        (&json!("succeeded"), &json!(COUNT)),
        "{ended}"
    );
    // Lists show so many products by and by.
    let visitor = store.anonymous();
    let list = || async { visitor.get("/products").await.expect(200) };
    eventually(list, |list| list["total"]["value"] == COUNT).await;
    assert_eq!(store.findings().await, [""; 0]);
}

/// INV-10
#[tokio::test]
async fn an_export_goes_on_after_the_store_was_killed_and_has_every_product_once() {
    let mut store = StoreProcess::start().await;
    let admin = store.admin().await;
    let path = upload_many(&admin).await;
    ended(&admin, &path).await;
    let wanted = json!({"format": "ndjson"});
    let job = admin.post("/admin/exports", wanted).await.expect(202);
    let path = format!("/admin/exports/{}", job["id"].as_str().unwrap());
    let ask = || async { admin.get(&path).await.expect(200) };
    eventually(ask, |job| job["products_done"].as_u64() > Some(0)).await;
    store.kill();
    store.start_again().await;
    let admin = store.admin().await;
    let left = admin.get(&path).await.expect(200);
    assert_eq!(left["state"], "running", "it was killed half-way: {left}");
    let ended = ended(&admin, &path).await;
    assert_eq!(
        (&ended["state"], &ended["products_done"], &ended["products_total"]),
        (&json!("succeeded"), &json!(COUNT), &json!(COUNT)),
        "{ended}"
    );
    let file = admin.get(&format!("{path}/file")).await;
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].to_string();
    let ids: HashSet<String> = file.text.lines().map(id).collect();
    assert_eq!((file.text.lines().count(), ids.len()), (COUNT, COUNT));
    assert_eq!(ended["bytes"], file.text.len());
}

/// INV-10
#[tokio::test]
async fn an_import_by_command_goes_on_after_it_was_killed_when_the_same_file_is_given_again() {
    let store = StoreProcess::start().await;
    let admin = store.admin().await;
    let file = store.data_dir().join("large.ndjson");
    std::fs::write(&file, large_file()).unwrap();
    let arguments = ["--json", "import", file.to_str().unwrap()];
    let mut import = store.begin(&arguments);
    let ask = || async { admin.get("/admin/imports").await.expect(200)["data"][0].clone() };
    eventually(ask, |import| import["rows_done"].as_u64() > Some(0)).await;
    import.kill().unwrap();
    import.wait().unwrap();
    let left = ask().await;
    assert_eq!(left["state"], "running", "it was killed half-way: {left}");
    let outcome = store.command(&arguments).await;
    assert_eq!(
        (outcome.code, report(&outcome)["created"].clone()),
        (0, json!(COUNT)),
        "{outcome:?}"
    );
    let ended = ask().await;
    assert_eq!(
        (&ended["id"], &ended["state"], &ended["rows_done"]),
        (&left["id"], &json!("succeeded"), &json!(COUNT))
    );
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn an_export_is_packed_for_whoever_takes_that_and_can_be_uploaded_again() {
    let store = StoreProcess::start().await;
    let file = file(&store);
    store.command(&["import", &file]).await;
    let admin = store.admin().await;
    let path = "/admin/products/export?format=shopify";
    let plain = admin.get(path).await;
    assert_eq!((plain.status, plain.text.lines().count()), (200, 3), "{}", plain.text);
    assert!(plain.header("content-disposition").contains("products.csv"));
    let packed = admin.with("Accept-Encoding", "br").get(path).await;
    assert_eq!((packed.status, packed.header("content-encoding")), (200, "br"));
    let body = Some(("text/csv", plain.text.clone()));
    let job = admin.send_text(Method::POST, "/admin/imports", body).await.expect(202);
    let path = format!("/admin/imports/{}", job["id"].as_str().unwrap());
    let ended = ended(&admin, &path).await;
    assert_eq!(
        (&ended["unchanged"], &ended["skipped"]),
        (&json!(2), &json!(0)),
        "{ended}"
    );
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
