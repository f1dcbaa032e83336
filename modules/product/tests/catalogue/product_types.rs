//! Product types: what products of a kind have to say about themselves.

use actix_web::http::Method;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, path, product};

/// A type of this name with these attributes.
async fn create(shop: &Shop, name: &str, attributes: Value) -> Value {
    let body = json!({"name": name, "attributes": attributes});
    let made = shop.admin(Method::POST, "/admin/product-types", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

fn at(product_type: &Value) -> String {
    format!("/admin/product-types/{}", product_type["id"].as_str().unwrap())
}

fn of(title: &str, product_type: &Value, attributes: Value) -> Value {
    let mut made = product(title, 900, 1);
    made["product_type_id"] = product_type["id"].clone();
    made["attributes"] = attributes;
    made
}

#[actix_web::test]
async fn a_product_type_is_made_changed_listed_and_removed() {
    let shop = Shop::open().await;
    let cups = create(
        &shop,
        "Cups",
        json!([{"name": "volume", "kind": "number", "unit": "ml"}]),
    )
    .await;
    let plates = create(&shop, "Plates", json!([])).await;
    assert_eq!(
        (&cups["handle"], &cups["attributes"][0]["required"]),
        (&json!("cups"), &json!(false))
    );
    let first = shop
        .admin(Method::GET, "/admin/product-types?limit=1", Value::Null)
        .await
        .body;
    assert_eq!(first["data"], json!([cups]));
    let next = first["page"]["next_cursor"].as_str().unwrap();
    let path = format!("/admin/product-types?limit=1&cursor={next}");
    let second = shop.admin(Method::GET, &path, Value::Null).await.body;
    assert_eq!(
        (&second["data"], &second["page"]["has_more"]),
        (&json!([plates]), &json!(false))
    );

    let taken = shop
        .edit(Method::PATCH, &at(&cups), 1, json!({"handle": "plates"}))
        .await;
    assert_eq!(
        (taken.status.as_u16(), &taken.body["code"]),
        (409, &json!("already_taken"))
    );
    let missing = shop.admin(Method::PATCH, &at(&cups), json!({"name": "Mugs"})).await;
    assert_eq!(missing.status, 428);
    let changed = shop.edit(Method::PATCH, &at(&cups), 1, json!({"name": "Mugs"})).await;
    assert_eq!(
        (&changed.body["name"], changed.header("etag")),
        (&json!("Mugs"), "\"2\"")
    );
    let late = shop.edit(Method::PATCH, &at(&cups), 1, json!({"name": "Cups"})).await;
    assert_eq!(late.status, 412);
    assert_eq!(shop.edit(Method::DELETE, &at(&cups), 2, Value::Null).await.status, 204);
    assert_eq!(shop.admin(Method::GET, &at(&cups), Value::Null).await.status, 404);
    assert_eq!(shop.customer(Method::GET, "/admin/product-types").await.status, 403);
}

#[actix_web::test]
async fn definitions_that_make_no_sense_are_refused() {
    let shop = Shop::open().await;
    for (attributes, pointer, code) in [
        (
            json!([{"name": "a", "kind": "enum"}]),
            "/attributes/0/values",
            "required",
        ),
        (
            json!([{"name": "a", "kind": "colour"}]),
            "/attributes/0/kind",
            "unknown_value",
        ),
        (json!([{"name": "a"}]), "/attributes/0/kind", "required"),
        (
            json!([{"name": "a", "kind": "text", "unit": "m"}]),
            "/attributes/0/unit",
            "not_allowed",
        ),
        (
            json!([{"name": "a", "kind": "text", "size": 1}]),
            "/attributes/0/size",
            "unknown_field",
        ),
    ] {
        let body = json!({"name": "Cups", "attributes": attributes});
        let refused = shop.admin(Method::POST, "/admin/product-types", body).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
}

#[actix_web::test]
async fn a_product_satisfies_its_type_whenever_it_is_written() {
    let shop = Shop::open().await;
    let cups = create(
        &shop,
        "Cups",
        json!([{"name": "volume", "kind": "number", "required": true},
               {"name": "colour", "kind": "enum", "values": ["Red", "Blue"]}]),
    )
    .await;
    for (attributes, pointer, code) in [
        (json!({}), "/attributes/volume", "required"),
        (json!({"volume": "300"}), "/attributes/volume", "wrong_kind"),
        (
            json!({"volume": 300, "colour": "Green"}),
            "/attributes/colour",
            "unknown_value",
        ),
    ] {
        let refused = shop
            .admin(Method::POST, "/admin/products", of("Cup", &cups, attributes))
            .await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
    let made = shop
        .create(of("Cup", &cups, json!({"volume": 300, "glazed": true})))
        .await;
    assert_eq!(made["product_type_id"], cups["id"]);
    let patch = async |version: i64, body: Value| shop.edit(Method::PATCH, &path(&made), version, body).await;
    let refused = patch(1, json!({"attributes": {"volume": null}})).await;
    assert_eq!(refused.refusal(), (422, "/attributes/volume", "required"));
    let unknown = patch(1, json!({"product_type_id": "type_01h2xcejqtf2nbrexx3vqjhp41"})).await;
    assert_eq!(unknown.refusal(), (422, "/product_type_id", "not_found"));
    // Without a type, anything goes.
    let freed = patch(1, json!({"product_type_id": null, "attributes": {"volume": null}})).await;
    assert_eq!(
        (freed.status.as_u16(), &freed.body["version"]),
        (200, &json!(2)),
        "{}",
        freed.body
    );
}

#[actix_web::test]
async fn a_file_names_types_by_their_handles_and_rows_that_do_not_satisfy_them_are_left_out() {
    let shop = Shop::open().await;
    let cups = create(
        &shop,
        "Cups",
        json!([{"name": "volume", "kind": "number", "required": true}]),
    )
    .await;
    let row = |handle: &str, product_type: &str, attributes: Value| {
        json!({"handle": handle, "title": handle, "price_minor": 100, "product_type": product_type,
            "attributes": attributes, "seo": {"title": "For search"}, "publish_at": "2030-01-01T00:00:00Z"})
        .to_string()
    };
    let file = [
        row("good", "cups", json!({"volume": 5})),
        row("bad", "cups", json!({"volume": "5"})),
        row("unknown", "plates", json!({})),
    ]
    .join("\n");
    let report = shop.import(&file, ImportFormat::Auto, false).await;
    assert_eq!(report.created, 1);
    let told: Vec<(u64, &str, &str)> = report
        .errors
        .iter()
        .map(|error| (error.line, error.pointer.as_str(), error.code.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (2, "/attributes/volume", "wrong_kind"),
            (3, "/product_type", "not_found")
        ]
    );
    let good = shop.get("/products/good").await.body;
    assert_eq!(good["seo"], json!({"title": "For search", "description": null}));
    // What has a type keeps it, and has to satisfy it, where the file does not name one.
    let again = r#"{"handle":"good","title":"good","price_minor":100,"attributes":{}}"#;
    let report = shop.import(again, ImportFormat::Auto, false).await;
    assert_eq!((report.updated, report.skipped), (0, 1));

    let exported = shop.export().await;
    let line: Value = serde_json::from_str(exported.trim()).unwrap();
    assert_eq!(
        (&line["product_type"], &line["seo"]["title"], &line["publish_at"]),
        (&json!("cups"), &json!("For search"), &json!("2030-01-01T00:00:00Z"))
    );
    let report = shop.import(&exported, ImportFormat::Auto, false).await;
    assert_eq!((report.unchanged, report.errors), (1, vec![]));
    assert_eq!(
        shop.edit(Method::DELETE, &at(&cups), 1, Value::Null).await.body["code"],
        "in_use"
    );
}

#[actix_web::test]
async fn a_changed_type_touches_no_product_and_tells_which_ones_violate_it() {
    let shop = Shop::open().await;
    let cups = create(&shop, "Cups", json!([])).await;
    let mut made = Vec::new();
    for number in 0..7 {
        let attributes = if number % 3 == 0 {
            json!({"volume": number})
        } else {
            json!({})
        };
        made.push(shop.create(of(&format!("Cup {number}"), &cups, attributes)).await);
    }
    let violations = format!("{}/violations", at(&cups));
    let none = shop.admin(Method::GET, &violations, Value::Null).await.body;
    assert_eq!((&none["data"], &none["page"]["has_more"]), (&json!([]), &json!(false)));
    let stricter = json!({"attributes": [{"name": "volume", "kind": "number", "required": true}]});
    assert_eq!(shop.edit(Method::PATCH, &at(&cups), 1, stricter).await.status, 200);
    assert_eq!(
        shop.admin(Method::GET, &path(&made[1]), Value::Null)
            .await
            .header("etag"),
        "\"1\""
    );

    let mut found = Vec::new();
    let mut page = shop
        .admin(Method::GET, &format!("{violations}?limit=2"), Value::Null)
        .await
        .body;
    loop {
        for violation in page["data"].as_array().unwrap() {
            assert_eq!(violation["errors"][0]["code"], "required");
            found.push(violation["title"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["page"]["next_cursor"].as_str() else {
            break;
        };
        let next = format!("{violations}?limit=2&cursor={cursor}");
        page = shop.admin(Method::GET, &next, Value::Null).await.body;
    }
    assert_eq!(found, ["Cup 1", "Cup 2", "Cup 4", "Cup 5"]);
    // Its price can be changed all the same, its description cannot.
    let variant = format!("/admin/variants/{}", made[1]["variants"][0]["id"].as_str().unwrap());
    let cheaper = shop
        .edit(Method::PATCH, &variant, 1, json!({"price": {"amount": 5}}))
        .await;
    assert_eq!(cheaper.status, 200);
    let refused = shop
        .edit(Method::PATCH, &path(&made[1]), 2, json!({"description": "x"}))
        .await;
    assert_eq!(refused.refusal(), (422, "/attributes/volume", "required"));

    assert_eq!(
        shop.edit(Method::DELETE, &at(&cups), 2, Value::Null).await.body["code"],
        "in_use"
    );
    for (index, product) in made.iter().enumerate() {
        let version = if index == 1 { 2 } else { 1 };
        assert_eq!(
            shop.edit(Method::DELETE, &path(product), version, Value::Null)
                .await
                .status,
            204
        );
    }
    assert_eq!(shop.edit(Method::DELETE, &at(&cups), 2, Value::Null).await.status, 204);
}
