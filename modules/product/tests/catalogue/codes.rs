//! What variants and products are known by in the books of others.

use actix_web::http::Method;
use database::Failure;
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use kernel::Fault;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, path, product};

/// The same word: once with a letter that has its accent, once with a letter and an accent.
const COMPOSED: &str = "Caf\u{e9}-1";
const DECOMPOSED: &str = "Cafe\u{301}-1";

fn coded(title: &str, sku: &str, external_id: &str) -> Value {
    let mut thing = product(title, 100, 1);
    thing["variants"][0]["sku"] = json!(sku);
    thing["variants"][0]["barcode"] = json!(sku);
    thing["external_id"] = json!(external_id);
    thing
}

/// IN-20
#[actix_web::test]
async fn a_code_belongs_to_one_thing_however_it_is_typed() {
    let shop = Shop::open().await;
    let made = shop.create(coded("One", DECOMPOSED, DECOMPOSED)).await;
    assert_eq!(made["variants"][0]["sku"], COMPOSED);
    assert_eq!(
        (&made["variants"][0]["barcode"], &made["external_id"]),
        (&json!(COMPOSED), &json!(COMPOSED))
    );
    for (sku, id) in [(COMPOSED, "x"), (DECOMPOSED, "x"), ("x", COMPOSED), ("x", DECOMPOSED)] {
        let refused = shop.admin(Method::POST, "/admin/products", coded("Two", sku, id)).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (409, &json!("already_taken")),
            "{}",
            refused.body
        );
    }
    let other = shop.create(coded("Three", "THREE", "three")).await;
    let edit = json!({"sku": DECOMPOSED});
    let variant = format!("/admin/variants/{}", other["variants"][0]["id"].as_str().unwrap());
    assert_eq!(shop.edit(Method::PATCH, &variant, 1, edit).await.status, 409);
    let edit = json!({"external_id": DECOMPOSED});
    assert_eq!(shop.edit(Method::PATCH, &path(&other), 1, edit).await.status, 409);
    let twins = json!({"title": "Twins", "variants": [
        {"sku": format!("{COMPOSED}-2"), "options": {"Size": "S"}, "price": {"amount": 1, "currency": "USD"}},
        {"sku": format!("{DECOMPOSED}-2"), "options": {"Size": "M"}, "price": {"amount": 1, "currency": "USD"}}]});
    let refused = shop.admin(Method::POST, "/admin/products", twins).await;
    assert_eq!(refused.refusal(), (422, "/variants/1/sku", "duplicate_sku"));
    // All else counts: another case is another code.
    shop.create(coded("Four", &COMPOSED.to_uppercase(), &COMPOSED.to_lowercase()))
        .await;
    shop.assert_in_order().await;
}

/// IN-20
#[actix_web::test]
async fn a_file_finds_products_by_their_codes_however_it_is_typed() {
    let shop = Shop::open().await;
    shop.create(coded("One", COMPOSED, COMPOSED)).await;
    let row = |id: &str, sku: &str| {
        json!({"id": id, "handle": "one", "title": "One", "sku": sku, "barcode": sku, "price_minor": 100, "stock": 1})
            .to_string()
    };
    let same = shop
        .import(&row(DECOMPOSED, DECOMPOSED), ImportFormat::Ndjson, false)
        .await;
    assert_eq!((same.unchanged, same.errors), (1, vec![]));
    let sheet =
        format!("Handle,Title,Variant Price,Variant SKU,Variant Barcode\none,One,1.00,{DECOMPOSED},'{DECOMPOSED}\n");
    let same = shop.import(&sheet, ImportFormat::ShopifyCsv, false).await;
    assert_eq!((same.unchanged, same.errors), (1, vec![]));
    let second = json!({"id": "two", "handle": "two", "title": "Two", "sku": DECOMPOSED, "price_minor": 1}).to_string();
    let twice = shop
        .import(
            &format!("{}\n{second}", row(COMPOSED, COMPOSED)),
            ImportFormat::Ndjson,
            false,
        )
        .await;
    assert_eq!(twice.errors[0].code, "duplicate", "{twice:?}");
    let taken = shop.import(&second, ImportFormat::Ndjson, false).await;
    assert_eq!(
        (taken.errors[0].pointer.as_str(), taken.errors[0].code.as_str()),
        ("/variants/0/sku", "already_taken")
    );
}

#[actix_web::test]
async fn what_was_written_before_gets_the_one_spelling_unless_another_has_it() {
    const MIGRATION: &str = include_str!("../../../../migrations/product/2026-11-28-000003_codes/up.sql");
    let shop = Shop::open().await;
    shop.create(coded("Alone", "1", "1")).await;
    shop.create(coded("Twin", "2", "2")).await;
    shop.create(coded("Other", COMPOSED, COMPOSED)).await;
    let migrate = |connection: &mut PgConnection| {
        let spell = format!(
            "SET LOCAL search_path = products; \
             UPDATE variants SET sku = 'o\u{308}', barcode = 'o\u{308}' WHERE sku = '1'; \
             UPDATE products SET external_id = 'o\u{308}' WHERE external_id = '1'; \
             UPDATE variants SET sku = '{DECOMPOSED}' WHERE sku = '2'; \
             UPDATE products SET external_id = '{DECOMPOSED}' WHERE external_id = '2';"
        );
        connection.batch_execute(&spell)?;
        Ok::<_, Failure<Fault>>(connection.batch_execute(MIGRATION)?)
    };
    shop.database.transaction(migrate).await.unwrap();
    for (handle, code, barcode) in [
        ("alone", "\u{f6}", "\u{f6}"),
        ("twin", DECOMPOSED, "2"),
        ("other", COMPOSED, COMPOSED),
    ] {
        let public = shop.get(&format!("/products/{handle}")).await.body;
        let seen = shop.admin(Method::GET, &path(&public), Value::Null).await.body;
        let variant = &seen["variants"][0];
        assert_eq!(
            (&variant["sku"], &variant["barcode"], &seen["external_id"]),
            (&json!(code), &json!(barcode), &json!(code)),
            "{handle}"
        );
    }
}

/// IN-20
#[actix_web::test]
async fn a_handle_has_one_spelling() {
    let shop = Shop::open().await;
    shop.create(product("Istanbul", 100, 1)).await;
    for other in [
        "Istanbul",
        "\u{130}stanbul",
        "\u{131}stanbul",
        "\u{456}stanbul",
        "istanbu\u{2113}",
        "istanbul\u{301}",
        "istanbul ",
        "istanbul\0",
    ] {
        let mut thing = product("Other", 100, 1);
        thing["handle"] = json!(other);
        let refused = shop.admin(Method::POST, "/admin/products", thing).await;
        assert_eq!(refused.refusal(), (422, "/handle", "invalid_handle"), "{other}");
        let row = json!({"handle": other, "title": "Other", "price_minor": 1}).to_string();
        let report = shop.import(&row, ImportFormat::Ndjson, false).await;
        assert_eq!(
            (report.created, report.errors[0].code.as_str()),
            (0, "invalid_handle"),
            "{other}"
        );
    }
    // Of titles that become the same handle each gets one of its own.
    for (title, handle) in [("\u{130}stanbul", "istanbul-2"), ("ISTANBUL", "istanbul-3")] {
        assert_eq!(shop.create(product(title, 100, 1)).await["handle"], handle);
    }
}

/// IN-20
#[actix_web::test]
async fn white_space_around_codes_and_options_is_nobodys() {
    let shop = Shop::open().await;
    let mut shirt = coded("Shirt", " S-1 ", "shirt ");
    shirt["options"] = json!([{"name": " Size", "values": ["S ", "M"]}]);
    shirt["variants"][0]["options"] = json!({"Size ": " S"});
    let made = shop.create(shirt).await;
    assert_eq!(made["options"], json!([{"name": "Size", "values": ["S", "M"]}]));
    let variant = &made["variants"][0];
    assert_eq!(
        json!([
            variant["options"],
            variant["sku"],
            variant["barcode"],
            made["external_id"]
        ]),
        json!([{"Size": "S"}, "S-1", "S-1", "shirt"])
    );
    let twice = json!({"title": "Twice", "variants": [
        {"options": {"Size": "S", "Size ": "M"}, "price": {"amount": 1, "currency": "USD"}}]});
    let refused = shop.admin(Method::POST, "/admin/products", twice).await;
    assert_eq!((refused.status.as_u16(), refused.refusal().2), (422, "duplicate_field"));
    let row = json!({"id": " shirt", "handle": "shirt", "title": "Shirt", "variants": [
        {"options": {"Size ": "S "}, "sku": "S-1 ", "barcode": " S-1", "price_minor": 100}]});
    let sheet =
        "Handle,Title,Option1 Name,Option1 Value,Variant Price,Variant SKU\nshirt,Shirt,' Size,' S,1.00,' S-1\n";
    for file in [row.to_string(), sheet.to_owned()] {
        let report = shop.import(&file, ImportFormat::Auto, false).await;
        assert_eq!((report.unchanged, report.errors), (1, vec![]), "{file}");
    }
    let after = shop.admin(Method::GET, &path(&made), Value::Null).await.body;
    assert_eq!(after["variants"][0]["id"], variant["id"]);
    shop.assert_in_order().await;
}
