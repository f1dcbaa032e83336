//! The command line: what it prints where, and how it ends.

use std::fs;

use crate::support::{StoreProcess, bodega, bodega_with_input};

#[tokio::test]
async fn help_and_version_go_to_stdout_and_end_well() {
    let help = bodega(&["--help"], &[]).await;
    assert_eq!(help.code, 0);
    for command in [
        "serve", "migrate", "import", "export", "user", "verify", "config", "openapi", "health",
    ] {
        assert!(help.stdout.contains(command), "{}", help.stdout);
        assert_eq!(bodega(&[command, "--help"], &[]).await.code, 0, "{command}");
    }
    let version = bodega(&["--version"], &[]).await;
    assert_eq!(
        (version.code, version.stdout.trim()),
        (0, concat!("bodega ", env!("CARGO_PKG_VERSION")))
    );
}

#[tokio::test]
async fn being_called_wrongly_ends_with_two_and_says_so_on_stderr() {
    for arguments in [&["sell"][..], &["serve", "--bogus"], &["import"], &[]] {
        let outcome = bodega(arguments, &[]).await;
        assert_eq!(outcome.code, 2, "{outcome:?}");
        assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_unknown_setting_stops_every_command_with_one_line_that_names_it() {
    for arguments in [&["serve"][..], &["config", "check"], &["migrate"]] {
        let outcome = bodega(arguments, &[("server.publick", "x")]).await;
        assert_eq!(outcome.code, 1, "{outcome:?}");
        assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
        assert!(outcome.stderr.contains("BODEGA__SERVER__PUBLICK"), "{outcome:?}");
    }
}

#[tokio::test]
async fn the_settings_in_force_are_printed_without_their_secrets() {
    let settings = [
        ("keys.secret", "canary"),
        ("database.url", "postgres://u:canary@localhost/x"),
        ("shop.name", "Mine"),
    ];
    for arguments in [&["config", "print"][..], &["--json", "config", "print"]] {
        let outcome = bodega(arguments, &settings).await;
        assert_eq!(outcome.code, 0, "{outcome:?}");
        assert!(outcome.stdout.contains("Mine"), "{outcome:?}");
        assert!(
            !outcome.stdout.contains("canary") && !outcome.stderr.contains("canary"),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn weak_keys_and_missing_keys_are_found_before_a_store_starts() {
    let own_database = ("database.url", "postgres:///shop?host=/nonexistent");
    let missing = bodega(&["config", "check"], &[own_database]).await;
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("keys.token is not set"), "{missing:?}");
    let missing = bodega(&["serve"], &[own_database]).await;
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("keys.token is not set"), "{missing:?}");
}

#[tokio::test]
async fn plain_text_to_another_host_must_be_asked_for() {
    let outcome = bodega(&["serve"], &[("database.url", "postgres://u:p@db.example/shop")]).await;
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("sslmode=disable"), "{outcome:?}");
}

#[tokio::test]
async fn the_document_is_printed_without_any_database() {
    let outcome = bodega(&["openapi"], &[("database.url", "postgres:///shop?host=/nonexistent")]).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let document: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/api/v1/me"]["get"].is_object());
    assert!(outcome.stderr.is_empty(), "{outcome:?}");
}

#[tokio::test]
async fn migrating_twice_does_nothing_the_second_time() {
    let store = StoreProcess::start().await;
    let again = store.command(&["--json", "migrate"]).await;
    assert_eq!((again.code, again.stdout.trim()), (0, "{\"ran\":[]}"));
    let told = store.command(&["migrate"]).await;
    assert_eq!((told.code, told.stdout.trim()), (0, "the database is up to date"));
}

#[tokio::test]
async fn an_admin_is_made_with_a_password_from_stdin_or_a_generated_one_that_is_shown_once() {
    let store = StoreProcess::start().await;
    let admin = store.admin().await;
    assert_eq!(admin.get("/me").await.expect(200)["roles"][0], "admin");
    let made = store
        .command(&["--json", "user", "create-admin", "boss@example.com", "--generate"])
        .await;
    let made: serde_json::Value = serde_json::from_str(&made.stdout).unwrap();
    let body = serde_json::json!({"email": "boss@example.com", "password": made["password"]});
    store.anonymous().post("/auth/login", body).await.expect(200);
}

#[tokio::test]
async fn a_bad_password_or_address_makes_no_admin() {
    let store = StoreProcess::start().await;
    for (email, password) in [
        ("boss@example.com", "short"),
        ("boss@example.com", ""),
        ("not an address", "whatever it is"),
    ] {
        let refused = store
            .command_with_input(&["user", "create-admin", email], password)
            .await;
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stdout.is_empty() && !refused.stderr.is_empty(), "{refused:?}");
    }
}

#[tokio::test]
async fn a_store_of_nobody_has_its_books_in_order() {
    let store = StoreProcess::start().await;
    let outcome = store.command(&["verify"]).await;
    assert_eq!((outcome.code, outcome.stdout.trim()), (0, "the books are in order"));
}

#[tokio::test]
async fn a_key_file_that_everybody_can_read_stops_the_store() {
    let store = StoreProcess::start().await;
    let file = store.data_dir().join("keys/secret");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = store.command(&["verify"]).await;
    assert_eq!(outcome.code, 1);
    assert!(outcome.stderr.contains("can be read by everybody"), "{outcome:?}");
}

#[tokio::test]
async fn a_password_is_not_taken_from_the_command_line() {
    let outcome = bodega_with_input(&["user", "create-admin", "a@example.com", "--password", "x"], &[], "").await;
    assert_eq!(outcome.code, 2, "{outcome:?}");
}
