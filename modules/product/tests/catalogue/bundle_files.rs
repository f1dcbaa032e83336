//! Bundles in product files: what they consist of goes out and comes in again.

use actix_web::http::Method;
use product::{ImportFormat, ImportReport};
use serde_json::{Value, json};

use crate::support::{Response, Shop, path, product, sizes, variant_id};

/// A line of a product with one variant, which has a SKU of the same name.
fn line(name: &str) -> Value {
    json!({"id": name, "handle": name, "title": name, "sku": name, "price_minor": 900, "stock": 6})
}

/// The same of a bundle.
fn bundle(name: &str, components: &[(&str, i64)]) -> Value {
    let component = |(sku, quantity): &(&str, i64)| json!({"sku": sku, "quantity": quantity});
    let mut bundle = line(name);
    bundle["stock"] = json!(0);
    bundle["components"] = components.iter().map(component).collect();
    bundle
}

async fn import(shop: &Shop, lines: &[Value]) -> ImportReport {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    shop.import(&lines.join("\n"), ImportFormat::Ndjson, false).await
}

/// What an import says, which its dry run says too.
async fn import_as_tried(shop: &Shop, lines: &[Value]) -> ImportReport {
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    let tried = shop.import(&text.join("\n"), ImportFormat::Ndjson, true).await;
    let done = import(shop, lines).await;
    assert_eq!(tried, done, "a dry run tells what is done");
    done
}

fn mistakes(report: &ImportReport) -> Vec<(u64, &str, &str)> {
    let told = report.errors.iter();
    told.map(|error| (error.line, error.pointer.as_str(), error.code.as_str()))
        .collect()
}

/// The titles and quantities of what the first variant of a product consists of.
async fn parts(shop: &Shop, handle: &str) -> Vec<(String, i64)> {
    let shown = shop.get(&format!("/products/{handle}")).await;
    assert_eq!(shown.status, 200, "{handle}");
    let components = shown.body["variants"][0]["components"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let part = |part: &Value| {
        (
            part["title"].as_str().unwrap().to_owned(),
            part["quantity"].as_i64().unwrap(),
        )
    };
    components.iter().map(part).collect()
}

async fn compose(shop: &Shop, bundle: &Value, components: Value) -> Response {
    let path = format!("/admin/variants/{bundle}/components").replace('"', "");
    shop.admin_with(
        Method::PUT,
        &path,
        json!({"components": components}),
        &[("If-Match", "*")],
    )
    .await
}

/// The lines of an export, in an order of their own.
async fn exported(shop: &Shop) -> Vec<String> {
    let mut lines: Vec<String> = shop.export().await.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[actix_web::test]
async fn bundles_go_out_and_come_in_again_as_they_were() {
    let shop = Shop::open().await;
    let mut shirt = sizes("Shirt", &[("S", 900, 4), ("M", 900, 9)]);
    shirt["variants"][1]["sku"] = json!("SHIRT-M");
    let shirt = shop.create(shirt).await;
    let mut soap = sizes("Soap", &[("Pack", 800, 0), ("One", 300, 12)]);
    soap["variants"][1]["sku"] = json!("SOAP");
    let soap = shop.create(soap).await;
    let gift = shop.create(product("Gift", 2500, 0)).await;
    let whole = json!([{"variant_id": soap["variants"][1]["id"], "quantity": 2}, {"variant_id": shirt["variants"][1]["id"], "quantity": 1}]);
    assert_eq!(compose(&shop, &gift["variants"][0]["id"], whole).await.status, 200);
    let three = json!([{"variant_id": soap["variants"][1]["id"], "quantity": 3}]);
    assert_eq!(compose(&shop, &soap["variants"][0]["id"], three).await.status, 200);

    let before = exported(&shop).await;
    assert!(
        before
            .iter()
            .any(|line| line.contains(r#""components":[{"sku":"SOAP","quantity":2},{"sku":"SHIRT-M","quantity":1}]"#))
    );
    for format in ["ndjson", "shopify"] {
        let file = shop
            .admin(
                Method::GET,
                &format!("/admin/products/export?format={format}"),
                Value::Null,
            )
            .await
            .text;
        let report = shop.import(&file, ImportFormat::Auto, false).await;
        assert_eq!(
            (report.unchanged, report.updated, report.errors),
            (3, 0, vec![]),
            "{format}"
        );
    }
    assert_eq!(exported(&shop).await, before);

    let other = Shop::open().await;
    let report = other.import(&shop.export().await, ImportFormat::Auto, false).await;
    assert_eq!((report.created, report.errors), (3, vec![]));
    assert_eq!(exported(&other).await, before);
    assert_eq!(
        parts(&other, "gift").await,
        [("Soap".to_owned(), 2), ("Shirt".to_owned(), 1)]
    );
    assert_eq!(other.get("/products/gift").await.body["variants"][0]["available"], 6);
    let report = other.import(&shop.export().await, ImportFormat::Auto, false).await;
    assert_eq!((report.unchanged, report.errors), (3, vec![]));
    shop.assert_in_order().await;
    other.assert_in_order().await;
}

#[actix_web::test]
async fn components_without_a_sku_go_out_and_come_in_by_their_product_and_options() {
    let shop = Shop::open().await;
    let mut shirt = sizes("Shirt", &[("S", 900, 4), ("M", 900, 9)]);
    for variant in shirt["variants"].as_array_mut().unwrap() {
        variant["sku"] = Value::Null;
    }
    let shirt = shop.create(shirt).await;
    let gift = shop.create(product("Gift", 2500, 0)).await;
    let tea = shop.create(product("Tea", 500, 6)).await;
    let whole = json!([{"variant_id": shirt["variants"][1]["id"], "quantity": 1}, {"variant_id": tea["variants"][0]["id"], "quantity": 2}]);
    assert_eq!(compose(&shop, &gift["variants"][0]["id"], whole).await.status, 200);
    let before = exported(&shop).await;
    let named =
        r#""components":[{"handle":"shirt","options":{"Size":"M"},"quantity":1},{"handle":"tea","quantity":2}]"#;
    assert!(before.iter().any(|line| line.contains(named)), "{before:?}");
    let other = Shop::open().await;
    let file = shop.export().await;
    let tried = other.import(&file, ImportFormat::Auto, true).await;
    let done = other.import(&file, ImportFormat::Auto, false).await;
    assert_eq!((done.created, &done.errors), (3, &vec![]));
    assert_eq!(tried, done);
    assert_eq!(exported(&other).await, before);
    assert_eq!(
        parts(&other, "gift").await,
        [("Shirt".to_owned(), 1), ("Tea".to_owned(), 2)]
    );
    for shop in [&shop, &other] {
        let again = shop.import(&file, ImportFormat::Auto, false).await;
        assert_eq!((again.unchanged, again.errors), (3, vec![]));
        shop.assert_in_order().await;
    }
}

#[actix_web::test]
async fn a_component_that_is_named_wrongly_leaves_out_its_bundle() {
    let shop = Shop::open().await;
    let shirt =
        json!({"handle": "shirt", "title": "Shirt", "variants": [{"options": {"Size": "M"}, "price_minor": 900}]});
    let bundle = |name: &str, components: Value| json!({"handle": name, "title": name, "price_minor": 5, "components": components});
    let part = |options: Value| json!({"handle": "shirt", "options": options, "quantity": 1});
    let report = import_as_tried(
        &shop,
        &[
            shirt,
            line("mug"),
            bundle(
                "good",
                json!([part(json!({"Size": "M"})), {"handle": "mug", "quantity": 1}]),
            ),
            bundle("a", json!([part(json!({"Size": "L"}))])),
            bundle("b", json!([{"handle": "shirt", "quantity": 1}])),
            bundle("c", json!([{"handle": "nowhere", "quantity": 1}])),
            bundle("d", json!([{"quantity": 1}])),
            bundle("e", json!([{"sku": "mug", "handle": "mug", "quantity": 1}])),
            bundle(
                "f",
                json!([{"sku": "mug", "quantity": 1}, {"handle": "mug", "quantity": 1}]),
            ),
            bundle(
                "g",
                json!([{"handle": "mug", "quantity": 1}, {"handle": "mug", "quantity": 1}]),
            ),
            bundle("h", json!([{"handle": "good", "quantity": 1}])),
        ],
    )
    .await;
    let of = |index: usize, field: &str| format!("/variants/0/components/{index}/{field}");
    let (sku, handle, second) = (of(0, "sku"), of(0, "handle"), of(1, "handle"));
    assert_eq!(
        mistakes(&report),
        [
            (4, handle.as_str(), "not_found"),
            (5, handle.as_str(), "not_found"),
            (6, handle.as_str(), "not_found"),
            (7, sku.as_str(), "required"),
            (8, sku.as_str(), "exclusive"),
            (9, second.as_str(), "duplicate"),
            (10, second.as_str(), "duplicate"),
            (11, handle.as_str(), "is_bundle"),
        ]
    );
    assert_eq!(report.created, 3);
    assert_eq!(
        parts(&shop, "good").await,
        [("Shirt".to_owned(), 1), ("mug".to_owned(), 1)]
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_bundle_may_stand_anywhere_in_a_file() {
    let shop = Shop::open().await;
    // Soaps with packs of themselves and of the next soap, and kits of soaps: all in the wrong order, over many batches.
    let soap = |number: usize| {
        let pack = json!([{"sku": format!("soap-{number}"), "quantity": 2}, {"sku": format!("soap-{}", number + 1), "quantity": 1}]);
        json!({"id": format!("s{number}"), "handle": format!("soap-{number}"), "title": "Soap", "variants": [
            {"options": {"Size": "Pack"}, "price_minor": 5, "components": pack},
            {"options": {"Size": "One"}, "price_minor": 2, "sku": format!("soap-{number}"), "stock": 8}]})
    };
    let mut lines: Vec<Value> = (0..300)
        .map(|number| {
            bundle(
                &format!("kit-{number}"),
                &[(&format!("soap-{}", 599 - number), 1), ("box", 1)],
            )
        })
        .collect();
    lines.extend((0..600).map(soap));
    lines.extend((0..300).map(|number| line(&format!("filler-{number}"))));
    lines.extend([line("soap-600"), line("box")]);
    let report = import_as_tried(&shop, &lines).await;
    assert_eq!((report.created, report.errors), (1_202, vec![]));
    assert_eq!(
        parts(&shop, "kit-0").await,
        [("Soap".to_owned(), 1), ("box".to_owned(), 1)]
    );
    assert_eq!(
        parts(&shop, "soap-0").await,
        [("Soap".to_owned(), 2), ("Soap".to_owned(), 1)]
    );
    assert_eq!(shop.get("/products/soap-9").await.body["variants"][0]["available"], 4);
    let report = import_as_tried(&shop, &lines).await;
    assert_eq!((report.unchanged, report.errors), (1_202, vec![]));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_row_with_wrong_components_is_left_out_and_told_why() {
    let shop = Shop::open().await;
    let there = [line("mug"), line("cup"), bundle("gift", &[("mug", 1)]), line("plain")];
    assert_eq!(import(&shop, &there).await.created, 4);
    let sold = shop.create(product("Sold beyond", 900, 0)).await;
    let terms = format!("/admin/stock/{}", variant_id(&sold, 0));
    let answer = shop
        .admin_with(
            Method::PATCH,
            &terms,
            json!({"backorder_limit": 3}),
            &[("If-Match", "*")],
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let many: Vec<String> = (0..21).map(|number| format!("sku-{number}")).collect();
    let many: Vec<(&str, i64)> = many.iter().map(|sku| (sku.as_str(), 1)).collect();
    let mut stocked = bundle("set", &[("mug", 1)]);
    stocked["stock"] = json!(3);
    let mut unsaid = bundle("plain", &[("mug", 1)]);
    unsaid.as_object_mut().unwrap().remove("stock");
    let mut of_kind = bundle("set", &[("mug", 1)]);
    of_kind["components"][0]["kind"] = json!("fixed");
    let mut beyond = bundle("sold-beyond", &[("mug", 1)]);
    beyond["id"] = Value::Null;
    for (wrong, pointer, code) in [
        (
            bundle("set", &[("mug", 1), ("nothing", 1)]),
            "/variants/0/components/1/sku",
            "not_found",
        ),
        (
            bundle("set", &[("gift", 1)]),
            "/variants/0/components/0/sku",
            "is_bundle",
        ),
        (
            bundle("set", &[("other", 1)]),
            "/variants/0/components/0/sku",
            "is_bundle",
        ),
        (
            bundle("set", &[("left-out", 1)]),
            "/variants/0/components/0/sku",
            "not_found",
        ),
        (
            bundle("set", &[("set", 1)]),
            "/variants/0/components/0/sku",
            "self_reference",
        ),
        (
            bundle("set", &[("mug", 1), ("mug", 2)]),
            "/variants/0/components/1/sku",
            "duplicate",
        ),
        (
            bundle("set", &[("mug", 0)]),
            "/variants/0/components/0/quantity",
            "out_of_range",
        ),
        (
            bundle("set", &[("mug", 1001)]),
            "/variants/0/components/0/quantity",
            "out_of_range",
        ),
        (bundle("set", &many), "/variants/0/components", "too_many"),
        (bundle("mug", &[("cup", 1)]), "/variants/0/components", "in_use"),
        (stocked, "/variants/0/stock", "is_bundle"),
        (unsaid, "/variants/0/components", "has_stock"),
        (beyond, "/variants/0/components", "has_stock"),
        (of_kind, "/components/0/kind", "unknown_field"),
        (bundle("set", &[("", 1)]), "/components/0/sku", "too_short"),
    ] {
        // Beside a good bundle, and a row that is wrong although its SKU is not.
        let mut left_out = line("left-out");
        left_out["product_type"] = json!("nothing");
        let lines = [bundle("other", &[("cup", 2)]), wrong, left_out];
        let report = import_as_tried(&shop, &lines).await;
        let (told, line) = (
            (report.created, report.updated, report.unchanged),
            (3, "/product_type", "not_found"),
        );
        assert_eq!(mistakes(&report), [(2, pointer, code), line]);
        assert!(matches!(told, (1, 0, 0) | (0, 0, 1)), "{told:?}");
    }
    assert_eq!(parts(&shop, "other").await, [("cup".to_owned(), 2)]);
    assert_eq!(shop.get("/products/set").await.status, 404);
    assert_eq!(shop.get("/products/plain").await.body["variants"][0]["available"], 6);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn products_that_need_each_other_come_in_together_whatever_is_wrong_beside_them() {
    let shop = Shop::open().await;
    let soap = |name: &str, other: &str| {
        json!({"handle": name, "title": name, "variants": [
            {"options": {"Size": "Pack"}, "price_minor": 5, "components": [{"sku": other, "quantity": 2}]},
            {"options": {"Size": "One"}, "price_minor": 2, "sku": name, "stock": 8}]})
    };
    // The last one is good by itself, but wants something of one that is left out.
    let lines = [
        soap("olive", "laurel"),
        bundle("set", &[("nothing", 1), ("olive", 1), ("none", 1)]),
        soap("laurel", "olive"),
        soap("wrong", "nowhere"),
        soap("late", "wrong"),
    ];
    let report = import_as_tried(&shop, &lines).await;
    let part = |index: usize| format!("/variants/0/components/{index}/sku");
    assert_eq!(
        mistakes(&report),
        [
            (2, part(0).as_str(), "not_found"),
            (2, part(2).as_str(), "not_found"),
            (4, part(0).as_str(), "not_found"),
            (5, part(0).as_str(), "not_found"),
        ]
    );
    assert_eq!((report.created, report.skipped), (2, 3));
    assert_eq!(parts(&shop, "olive").await, [("laurel".to_owned(), 2)]);
    assert_eq!(parts(&shop, "laurel").await, [("olive".to_owned(), 2)]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_file_changes_what_bundles_consist_of_and_leaves_alone_what_it_does_not_say() {
    let shop = Shop::open().await;
    let there = [line("mug"), line("cup"), bundle("gift", &[("mug", 1)]), line("plain")];
    assert_eq!(import(&shop, &there).await.created, 4);
    let gift = async || shop.get("/products/gift").await.body;
    let version = async || shop.admin(Method::GET, &path(&gift().await), Value::Null).await.body["version"].clone();
    let begun = version().await;
    let mut silent = bundle("gift", &[]);
    silent.as_object_mut().unwrap().remove("components");
    let report = import_as_tried(&shop, &[silent]).await;
    assert_eq!((report.unchanged, version().await), (1, begun));
    // Others, in another order; what was a component and is none any more can become a bundle in the same file.
    let mut plain = bundle("plain", &[("cup", 1)]);
    plain["stock"] = json!(0);
    let report = import_as_tried(&shop, &[bundle("gift", &[("cup", 2), ("mug", 1)]), plain]).await;
    assert_eq!((report.updated, report.errors), (2, vec![]));
    assert_eq!(
        parts(&shop, "gift").await,
        [("cup".to_owned(), 2), ("mug".to_owned(), 1)]
    );
    assert_eq!(gift().await["variants"][0]["available"], 3);
    assert_eq!(
        shop.titles("in_stock=true&sort=title").await,
        ["cup", "gift", "mug", "plain"]
    );
    let mut swapped = bundle("mug", &[("cup", 1)]);
    swapped["stock"] = json!(0);
    let report = import_as_tried(&shop, &[swapped, bundle("gift", &[("cup", 1)])]).await;
    assert_eq!((report.updated, report.errors), (2, vec![]));
    assert_eq!(parts(&shop, "mug").await, [("cup".to_owned(), 1)]);
    // With none it is an ordinary variant again, which may have stock at once.
    let mut dissolved = bundle("gift", &[]);
    dissolved["stock"] = json!(5);
    let report = import_as_tried(&shop, &[dissolved]).await;
    assert_eq!((report.updated, report.errors), (1, vec![]));
    let shown = gift().await;
    assert_eq!(
        (
            shown["variants"][0].get("components"),
            &shown["variants"][0]["available"]
        ),
        (None, &json!(5))
    );
    // In one file two rows cannot have it both ways.
    let report = import_as_tried(
        &shop,
        &[
            bundle("a", &[("cup", 1)]),
            bundle("b", &[("a", 1)]),
            bundle("c", &[("mug", 1)]),
        ],
    )
    .await;
    assert_eq!(
        mistakes(&report),
        [
            (2, "/variants/0/components/0/sku", "is_bundle"),
            (3, "/variants/0/components/0/sku", "is_bundle")
        ]
    );
    shop.assert_in_order().await;
}
