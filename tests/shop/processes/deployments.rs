//! What is run where: modules that are elsewhere, processes that start at once, and the health of one from outside.

use futures_util::future::join_all;

use crate::support::{StoreProcess, bodega, unique};

/// Addresses for a process that asks nobody yet.
const NOWHERE: [(&str, &str); 4] = [
    ("upstream.user", "http://127.0.0.1:9"),
    ("upstream.product", "http://127.0.0.1:9"),
    ("upstream.cart", "http://127.0.0.1:9"),
    ("upstream.order", "http://127.0.0.1:9"),
];

#[tokio::test]
async fn a_command_for_a_module_that_runs_elsewhere_says_so_in_one_line() {
    let gateway = [("run", "gateway")];
    for (arguments, module) in [
        (&["import", "products.ndjson"][..], "`product`"),
        (&["export"], "`product`"),
        (&["user", "create-admin", "ada@example.com", "--generate"], "`user`"),
        (&["migrate"], "no module with a database"),
        (&["verify"], "no module with a database"),
    ] {
        let outcome = bodega(arguments, &gateway).await;
        assert_eq!(outcome.code, 1, "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        assert!(outcome.stderr.contains(module), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_sibling_that_is_nowhere_is_found_before_a_start() {
    let outcome = bodega(&["config", "check"], &[("run", "cart")]).await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains("upstream.product"), "{outcome:?}");
    let cart = [&[("run", "cart")][..], &NOWHERE].concat();
    assert_eq!(bodega(&["config", "check"], &cart).await.code, 0);
}

#[tokio::test]
async fn a_process_tells_its_routes_without_knowing_where_its_siblings_are() {
    let outcome = bodega(&["openapi"], &[("run", "cart")]).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert!(outcome.stdout.contains("/api/v1/carts"), "{outcome:?}");
    assert!(!outcome.stdout.contains("/api/v1/orders"), "{outcome:?}");
}

#[tokio::test]
async fn a_store_is_asked_for_its_health_at_the_address_in_its_settings() {
    let store = StoreProcess::start().await;
    let address = store.management_address().to_string();
    let there = [("server.management", address.as_str())];
    for arguments in [&["health"][..], &["health", "--live"]] {
        let outcome = bodega(arguments, &there).await;
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, "ok\n"), "{outcome:?}");
    }
    let machine = bodega(&["--json", "health"], &there).await;
    assert!(machine.stdout.contains("\"ready\":true"), "{machine:?}");
    drop(store);
    let outcome = bodega(&["health"], &there).await;
    assert_eq!(outcome.code, 1, "{outcome:?}");
    assert!(outcome.stderr.contains(&address), "{outcome:?}");
}

#[tokio::test]
async fn four_processes_that_make_one_data_directory_at_once_agree_on_database_schemas_and_keys() {
    let folder = std::env::temp_dir().join(unique("bodega-first"));
    // A new directory with the rights that root's PostgreSQL needs is for the store to make.
    let data_dir = folder.to_str().unwrap();
    let arguments = ["--data-dir", data_dir, "migrate"];
    let starts = ["user", "product", "cart", "order"].map(|module| {
        let settings = [&[("run", module)][..], &NOWHERE].concat();
        async move { bodega(&arguments, &settings).await }
    });
    for outcome in join_all(starts).await {
        assert_eq!(outcome.code, 0, "{outcome:?}");
        assert!(outcome.stdout.contains("000001"), "{outcome:?}");
    }
    let verified = bodega(&["--data-dir", data_dir, "verify"], &[]).await;
    assert_eq!(verified.code, 0, "{verified:?}");
    assert_eq!(std::fs::read_dir(folder.join("keys")).unwrap().count(), 3);
    std::fs::remove_dir_all(folder).unwrap();
}
