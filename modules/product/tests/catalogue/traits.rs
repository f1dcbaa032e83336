//! Tax classes, weights, and what has to be shipped: in requests, in files, and as carts are told.

use actix_web::http::Method;
use kernel::Money;
use kernel::id::VariantId;
use product::{ExportFormat, ImportFormat, ImportReport};
use product_api::{TaxClass, Traits};
use serde_json::{Value, json};

use crate::support::{Response, Shop, path, product, usd, variant_id};

const HEAVIEST: i64 = 10_000_000;

/// A product with one variant.
fn mug(product: Value, variant: Value) -> Value {
    let mut made = json!({"title": "Mug", "variants": [{"price": usd(900), "stock": 5}]});
    let into = |object: &mut Value, more: Value| object.as_object_mut().unwrap().extend(fields(more));
    into(&mut made, product);
    into(&mut made["variants"][0], variant);
    made
}

fn fields(object: Value) -> serde_json::Map<String, Value> {
    let Value::Object(fields) = object else {
        panic!("{object}")
    };
    fields
}

fn of_variant(product: &Value) -> String {
    format!("/admin/variants/{}", variant_id(product, 0))
}

/// What staff see: the class, and of each variant its weight and whether it is shipped.
async fn seen(shop: &Shop, product: &Value) -> (String, Vec<(i64, bool)>) {
    let answer = shop.admin(Method::GET, &path(product), Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    seen_in(&answer.body)
}

fn seen_in(product: &Value) -> (String, Vec<(i64, bool)>) {
    let of = |variant: &Value| {
        (
            variant["weight_grams"].as_i64().unwrap(),
            variant["requires_shipping"].as_bool().unwrap(),
        )
    };
    let variants = product["variants"].as_array().unwrap().iter();
    (
        product["tax_class"].as_str().unwrap().to_owned(),
        variants.map(of).collect(),
    )
}

fn what(class: &str, variants: &[(i64, bool)]) -> (String, Vec<(i64, bool)>) {
    (class.to_owned(), variants.to_vec())
}

async fn traits(shop: &Shop, variant: VariantId) -> Traits {
    let usd = "USD".parse().unwrap();
    let quotes = shop.api().quote(vec![variant], usd, None, None).await;
    quotes.unwrap().remove(0).traits
}

async fn import_lines(shop: &Shop, lines: &[Value]) -> ImportReport {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    shop.import(&lines.join("\n"), ImportFormat::Ndjson, false).await
}

fn mistakes(report: &ImportReport) -> Vec<(u64, &str, &str)> {
    let told = report.errors.iter();
    told.map(|error| (error.line, error.pointer.as_str(), error.code.as_str()))
        .collect()
}

/// A file with the columns of Shopify's that matter here, under their former names.
async fn import_sheet(shop: &Shop, rows: &[&str]) -> ImportReport {
    let head = "Handle,Title,Option1 Name,Option1 Value,Variant Price,Variant Taxable,Variant Tax Code,Variant Grams,\
        Variant Weight Unit,Variant Requires Shipping,Image Src";
    let file = format!("{head}\n{}\n", rows.join("\n"));
    shop.import(&file, ImportFormat::ShopifyCsv, false).await
}

#[actix_web::test]
async fn a_product_is_taxed_as_usual_weighs_nothing_and_is_shipped_unless_somebody_says_so() {
    let shop = Shop::open().await;
    let plain = shop.create(product("Plain", 900, 5)).await;
    assert_eq!(seen_in(&plain), what("standard", &[(0, true)]));
    let made = mug(
        json!({"tax_class": "reduced_2-a"}),
        json!({"weight_grams": 350, "requires_shipping": false}),
    );
    let made = shop.create(made).await;
    assert_eq!(seen_in(&made), what("reduced_2-a", &[(350, false)]));

    let edited = shop
        .edit(Method::PATCH, &path(&made), 1, json!({"tax_class": "exempt"}))
        .await;
    assert_eq!((edited.status.as_u16(), edited.header("etag")), (200, "\"2\""));
    assert_eq!(seen_in(&edited.body), what("exempt", &[(350, false)]));
    let weight = json!({"weight_grams": HEAVIEST, "requires_shipping": true});
    let edited = shop.edit(Method::PATCH, &of_variant(&made), 2, weight).await;
    assert_eq!(
        (edited.status.as_u16(), &edited.body["weight_grams"]),
        (200, &json!(HEAVIEST)),
        "{}",
        edited.body
    );
    // What a patch does not name stays.
    let price = json!({"price": usd(950)});
    assert_eq!(shop.edit(Method::PATCH, &of_variant(&made), 3, price).await.status, 200);
    let title = json!({"title": "Cup"});
    assert_eq!(shop.edit(Method::PATCH, &path(&made), 4, title).await.status, 200);
    assert_eq!(seen(&shop, &made).await, what("exempt", &[(HEAVIEST, true)]));
    let list = shop.admin(Method::GET, "/admin/products?q=cup", Value::Null).await;
    assert_eq!(seen_in(&list.body["data"][0]), what("exempt", &[(HEAVIEST, true)]));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_variant_that_is_added_later_has_a_weight_of_its_own() {
    let shop = Shop::open().await;
    let shirt = json!({"title": "Shirt", "options": [{"name": "Size", "values": ["S", "M", "L"]}],
        "variants": [{"options": {"Size": "S"}, "price": usd(900), "weight_grams": 180}]});
    let shirt = shop.create(shirt).await;
    let add = async |variant: Value| {
        let route = format!("{}/variants", path(&shirt));
        shop.admin(Method::POST, &route, variant).await
    };
    let large = json!({"options": {"Size": "L"}, "price": usd(900), "weight_grams": 220, "requires_shipping": false});
    let large = add(large).await;
    assert_eq!(
        (
            large.status.as_u16(),
            &large.body["weight_grams"],
            &large.body["requires_shipping"]
        ),
        (201, &json!(220), &json!(false)),
        "{}",
        large.body
    );
    let bare = add(json!({"options": {"Size": "M"}, "price": usd(900)})).await;
    assert_eq!(bare.status, 201, "{}", bare.body);
    assert_eq!(
        seen(&shop, &shirt).await,
        what("standard", &[(180, true), (220, false), (0, true)])
    );
    let heavy = json!({"options": {"Size": "M"}, "price": usd(900), "weight_grams": HEAVIEST + 1});
    assert_eq!(add(heavy).await.refusal(), (422, "/weight_grams", "out_of_range"));
}

#[actix_web::test]
async fn everybody_sees_what_one_weighs_and_staff_alone_how_it_is_taxed_and_whether_it_is_shipped() {
    let shop = Shop::open().await;
    let made = mug(json!({"tax_class": "reduced"}), json!({"weight_grams": 350}));
    shop.create(made).await;
    let detail = shop.get("/products/mug").await.body;
    let list = shop.get("/products?q=mug").await.body;
    for shown in [&detail, &list["data"][0]] {
        assert_eq!(shown["variants"][0]["weight_grams"], 350);
        let told = fields(shown.clone());
        assert!(!told.contains_key("tax_class"), "{shown}");
        assert!(
            !fields(shown["variants"][0].clone()).contains_key("requires_shipping"),
            "{shown}"
        );
    }
}

#[actix_web::test]
async fn what_is_no_class_and_no_weight_is_refused_and_nothing_is_changed() {
    let shop = Shop::open().await;
    let made = mug(json!({"tax_class": "books"}), json!({"weight_grams": 350}));
    let made = shop.create(made).await;
    let too_long = "x".repeat(51);
    for class in ["", "Reduced", "a b", "é", "a/b", too_long.as_str()] {
        let refused = (422, "/tax_class", "invalid_tax_class");
        let product = mug(json!({"tax_class": class, "handle": "other"}), json!({}));
        let new = shop.admin(Method::POST, "/admin/products", product).await;
        assert_eq!(new.refusal(), refused, "{class:?}");
        let edit = shop
            .edit(Method::PATCH, &path(&made), 1, json!({"tax_class": class}))
            .await;
        assert_eq!(edit.refusal(), refused, "{class:?}");
    }
    let null = shop
        .edit(Method::PATCH, &path(&made), 1, json!({"tax_class": null}))
        .await;
    assert_eq!(
        (null.status.as_u16(), null.refusal().1),
        (422, "/tax_class"),
        "{}",
        null.body
    );

    let wrong = [
        (json!({"weight_grams": -1}), "weight_grams", "out_of_range"),
        (json!({"weight_grams": HEAVIEST + 1}), "weight_grams", "out_of_range"),
        (json!({"weight_grams": 1.5}), "weight_grams", "invalid_type"),
        (json!({"weight_grams": "1"}), "weight_grams", "invalid_type"),
        (json!({"weight_grams": null}), "weight_grams", "invalid_type"),
        (json!({"requires_shipping": 1}), "requires_shipping", "invalid_type"),
        (
            json!({"requires_shipping": "true"}),
            "requires_shipping",
            "invalid_type",
        ),
        (json!({"requires_shipping": null}), "requires_shipping", "invalid_type"),
        (json!({"weight_ounces": 1}), "weight_ounces", "unknown_field"),
        (json!({"tax_class": "books"}), "tax_class", "unknown_field"),
    ];
    for (variant, field, code) in wrong {
        let edit = shop.edit(Method::PATCH, &of_variant(&made), 1, variant.clone()).await;
        assert_eq!(edit.refusal(), (422, format!("/{field}").as_str(), code), "{variant}");
        let new = mug(json!({"handle": "other"}), variant.clone());
        let new = shop.admin(Method::POST, "/admin/products", new).await;
        let pointer = format!("/variants/0/{field}");
        assert_eq!(new.refusal(), (422, pointer.as_str(), code), "{variant}");
    }
    for product in [
        json!({"tax": "books"}),
        json!({"weight_grams": 1}),
        json!({"requires_shipping": true}),
    ] {
        let edit = shop.edit(Method::PATCH, &path(&made), 1, product.clone()).await;
        assert_eq!(
            (edit.status.as_u16(), edit.refusal().2),
            (422, "unknown_field"),
            "{product}"
        );
    }
    assert_eq!(seen(&shop, &made).await, what("books", &[(350, true)]));
    assert_eq!(shop.get("/products/other").await.status, 404);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn many_products_get_classes_and_weights_in_one_request() {
    let shop = Shop::open().await;
    let old = shop.create(product("Old", 900, 5)).await;
    let operations = json!({"operations": [
        {"op": "create", "product": mug(json!({"tax_class": "books"}), json!({"weight_grams": 350, "requires_shipping": false}))},
        {"op": "update", "id": old["id"], "product": {"tax_class": "none"}},
        {"op": "create", "product": mug(json!({"tax_class": "No"}), json!({}))},
        {"op": "create", "product": mug(json!({}), json!({"weight_grams": -1}))},
    ]});
    let answer = shop.admin(Method::POST, "/admin/products/bulk", operations).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let results = answer.body["results"].as_array().unwrap();
    let refused = |index: usize| {
        let error = &results[index]["problem"]["errors"][0];
        (
            results[index]["status"].as_u64().unwrap(),
            error["pointer"].as_str().unwrap(),
        )
    };
    assert_eq!(results[0]["status"], 201);
    assert_eq!(refused(2), (422, "/product/tax_class"));
    assert_eq!(refused(3), (422, "/product/variants/0/weight_grams"));
    assert_eq!(seen(&shop, &results[0]).await, what("books", &[(350, false)]));
    assert_eq!(seen(&shop, &old).await, what("none", &[(0, true)]));
}

/// A shop with classes and weights of all kinds.
async fn stocked() -> Shop {
    let shop = Shop::open().await;
    let shirt = |size: &str, weight: i64, requires_shipping: bool| {
        json!({"options": {"Size": size}, "price": usd(900), "weight_grams": weight,
            "requires_shipping": requires_shipping})
    };
    let shirt = json!({"title": "Shirt", "tax_class": "clothes",
        "variants": [shirt("S", 180, true), shirt("M", 0, false), shirt("L", HEAVIEST, true)],
        "images": [{"url": "https://img.example/1.jpg"}, {"url": "https://img.example/2.jpg"},
            {"url": "https://img.example/3.jpg"}, {"url": "https://img.example/4.jpg"}]});
    shop.create(shirt).await;
    shop.create(mug(json!({"title": "Plain"}), json!({}))).await;
    shop.create(mug(
        json!({"title": "Free", "tax_class": "none"}),
        json!({"weight_grams": 1}),
    ))
    .await;
    shop.create(mug(
        json!({"title": "Odd", "tax_class": "-_-"}),
        json!({"requires_shipping": false}),
    ))
    .await;
    shop
}

#[actix_web::test]
async fn classes_and_weights_go_out_and_come_in_again_in_both_forms() {
    let shop = stocked().await;
    let before = shop.export().await;
    for format in [ExportFormat::Ndjson, ExportFormat::ShopifyCsv] {
        let name = if format == ExportFormat::Ndjson {
            "ndjson"
        } else {
            "shopify"
        };
        let route = format!("/admin/products/export?format={name}");
        let file = shop.admin(Method::GET, &route, Value::Null).await.text;
        let again = shop.import(&file, ImportFormat::Auto, false).await;
        assert_eq!((again.unchanged, again.updated, again.errors), (4, 0, vec![]), "{name}");

        let other = Shop::open().await;
        // What is elsewhere otherwise becomes what it is here, also where that is the usual.
        let plain = mug(
            json!({"title": "Plain", "tax_class": "books"}),
            json!({"weight_grams": 7, "requires_shipping": false}),
        );
        other.create(plain).await;
        let made = other.import(&file, ImportFormat::Auto, false).await;
        assert_eq!((made.created, made.updated, made.errors), (3, 1, vec![]), "{name}");
        for handle in ["shirt", "plain", "free", "odd"] {
            let id = async |shop: &Shop| shop.get(&format!("/products/{handle}")).await.body;
            let (here, there) = (id(&shop).await, id(&other).await);
            assert_eq!(seen(&shop, &here).await, seen(&other, &there).await, "{name}: {handle}");
        }
        other.assert_in_order().await;
    }
    assert_eq!(shop.export().await, before);
}

#[actix_web::test]
async fn a_line_may_have_the_weight_of_its_one_variant_and_leaves_alone_what_it_does_not_say() {
    let shop = Shop::open().await;
    let line = |more: Value| {
        let mut line = json!({"handle": "mug", "title": "Mug", "price_minor": 900});
        line.as_object_mut().unwrap().extend(fields(more));
        line
    };
    let report = import_lines(
        &shop,
        &[line(
            json!({"tax_class": "books", "weight_grams": 350, "requires_shipping": false}),
        )],
    )
    .await;
    assert_eq!((report.created, report.errors), (1, vec![]));
    let mug = shop.get("/products/mug").await.body;
    assert_eq!(seen(&shop, &mug).await, what("books", &[(350, false)]));
    let report = import_lines(&shop, &[line(json!({}))]).await;
    assert_eq!((report.unchanged, report.updated), (1, 0));
    let report = import_lines(&shop, &[line(json!({"weight_grams": 351}))]).await;
    assert_eq!((report.unchanged, report.updated), (0, 1));
    assert_eq!(seen(&shop, &mug).await, what("books", &[(351, false)]));
    let wrong = [
        (json!({"tax_class": "Books"}), "/tax_class", "invalid_tax_class"),
        (json!({"weight_grams": -1}), "/variants/0/weight_grams", "out_of_range"),
        (
            json!({"weight_grams": HEAVIEST + 1}),
            "/variants/0/weight_grams",
            "out_of_range",
        ),
        (json!({"weight_grams": 1.5}), "/weight_grams", "invalid_type"),
        (
            json!({"requires_shipping": "yes"}),
            "/requires_shipping",
            "invalid_type",
        ),
    ];
    for (more, pointer, code) in wrong {
        let report = import_lines(&shop, &[line(more.clone())]).await;
        assert_eq!(mistakes(&report), [(1, pointer, code)], "{more}");
    }
    assert_eq!(seen(&shop, &mug).await, what("books", &[(351, false)]));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn shopifys_first_variant_says_how_its_product_is_taxed_and_each_what_it_weighs() {
    let shop = Shop::open().await;
    let report = import_sheet(
        &shop,
        &[
            "image-first,Image first,Size,,,,,,,,https://img.example/1.jpg",
            "image-first,,,S,9,true,PC040100,28.3495,oz,true,",
            "image-first,,,M,9,false,,0.5,kg,FALSE,https://img.example/2.jpg",
            "plain,Plain,Title,Default Title,9,true,,0,kg,true,",
            "free,Free,Title,Default Title,9,FALSE,no code,,,,",
            "silent,Silent,Title,Default Title,9,,,,,,",
        ],
    )
    .await;
    assert_eq!((report.created, &report.errors), (4, &vec![]));
    let told = async |handle: &str| {
        let product = shop.get(&format!("/products/{handle}")).await.body;
        seen(&shop, &product).await
    };
    assert_eq!(told("image-first").await, what("pc040100", &[(28, true), (1, false)]));
    assert_eq!(told("plain").await, what("standard", &[(0, true)]));
    assert_eq!(told("free").await, what("none", &[(0, true)]));
    assert_eq!(told("silent").await, what("standard", &[(0, true)]));

    // That something is taxed makes it so, and does not say how: whoever has decided on a class keeps it.
    let row = |handle: &str, cells: &str| format!("{handle},Again,Title,Default Title,9,{cells},");
    let rows = [
        row("free", "true,,,,"),
        row("plain", ",books,5,g,false"),
        row("silent", "true,,,,"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    assert_eq!(import_sheet(&shop, &rows).await.errors, vec![]);
    assert_eq!(told("free").await, what("standard", &[(0, true)]));
    assert_eq!(told("plain").await, what("books", &[(5, false)]));
    let rows = [row("plain", "true,,,,")];
    import_sheet(&shop, &[&rows[0]]).await;
    assert_eq!(told("plain").await, what("books", &[(5, false)]));

    let rows = [
        row("plain", "perhaps,,,,"),
        row("free", ",a b,,,"),
        row("silent", ",,-1,,"),
        row("other", ",,10000001,,"),
        row("more", ",,,,1"),
    ];
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let report = import_sheet(&shop, &rows).await;
    assert_eq!(
        mistakes(&report),
        [
            (2, "/Charge tax", "unknown_value"),
            (3, "/Tax code", "invalid_tax_class"),
            (4, "/Weight value (grams)", "invalid_type"),
            (5, "/Weight value (grams)", "out_of_range"),
            (6, "/Requires shipping", "unknown_value"),
        ]
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn shopify_is_told_in_grams_and_whether_there_is_tax() {
    let shop = stocked().await;
    let route = "/admin/products/export?format=shopify";
    let file = shop.admin(Method::GET, route, Value::Null).await.text;
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let columns = [
        "URL handle",
        "Charge tax",
        "Tax code",
        "Weight value (grams)",
        "Weight unit for display",
        "Requires shipping",
    ];
    let columns = columns.map(|name| headers.iter().position(|header| header == name).unwrap());
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        columns.map(|column| record[column].to_owned()).join(",")
    });
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            "shirt,TRUE,clothes,180,g,TRUE",
            "shirt,TRUE,clothes,0,g,FALSE",
            "shirt,TRUE,clothes,10000000,g,TRUE",
            "shirt,,,,,",
            "plain,TRUE,standard,0,g,TRUE",
            "free,FALSE,,1,g,TRUE",
            "odd,TRUE,'-_-,0,g,FALSE",
        ]
    );
}

#[actix_web::test]
async fn carts_are_told_what_promotions_shipping_and_taxes_go_by() {
    let shop = Shop::open().await;
    let home = shop.category("Home", None).await;
    let kitchen = shop.category("Kitchen", Some(&home)).await;
    let mugs = shop.category("Mugs", Some(&kitchen)).await;
    let made = mug(
        json!({"tax_class": "reduced", "tags": ["b", "a"], "category_id": mugs["id"]}),
        json!({"weight_grams": 350, "requires_shipping": false}),
    );
    let made = shop.create(made).await;
    let plain = shop.create(product("Plain", 900, 5)).await;
    assert_eq!(traits(&shop, variant_id(&plain, 0)).await, Traits::default());

    let by_rule = shop
        .collection(json!({"title": "Ours", "rule": {"match": "all", "conditions": [{"tag": ["a"]}]}}))
        .await;
    let by_hand = shop.collection(json!({"title": "Chosen", "published": false})).await;
    let chosen = format!("/admin/collections/{}/products", by_hand["id"].as_str().unwrap());
    let chosen = shop
        .edit(Method::PUT, &chosen, 1, json!({"product_ids": [made["id"]]}))
        .await;
    assert_eq!(chosen.status, 200, "{}", chosen.body);

    let id = |thing: &Value| thing["id"].as_str().unwrap().to_owned();
    let quoted = traits(&shop, variant_id(&made, 0)).await;
    let expected = Traits {
        categories: [&home, &kitchen, &mugs]
            .map(|category| id(category).parse().unwrap())
            .into(),
        collections: [&by_rule, &by_hand]
            .map(|collection| id(collection).parse().unwrap())
            .into(),
        tags: vec!["b".to_owned(), "a".to_owned()],
        tax_class: TaxClass::parse("reduced").unwrap(),
        weight_grams: 350,
        requires_shipping: false,
    };
    assert_eq!(quoted, expected);

    // What becomes of any of it is told from then on.
    let kitchen_path = format!("/admin/categories/{}", id(&kitchen));
    let moved = shop
        .edit(Method::PATCH, &kitchen_path, 1, json!({"parent_id": null}))
        .await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    let edits = json!({"tags": ["c"], "tax_class": "books"});
    assert_eq!(
        shop.admin_with(Method::PATCH, &path(&made), edits, &[("If-Match", "*")])
            .await
            .status,
        200
    );
    assert_eq!(
        traits(&shop, variant_id(&made, 0)).await,
        Traits {
            categories: [&kitchen, &mugs].map(|category| id(category).parse().unwrap()).into(),
            collections: vec![id(&by_hand).parse().unwrap()],
            tags: vec!["c".to_owned()],
            tax_class: TaxClass::parse("books").unwrap(),
            ..expected
        }
    );
}

#[actix_web::test]
async fn carts_are_told_the_traits_of_many_variants_whoever_asks() {
    let shop = Shop::speaking(&["de"]).await;
    let light = shop
        .create(mug(json!({"title": "Light"}), json!({"weight_grams": 1})))
        .await;
    let heavy = shop
        .create(mug(json!({"title": "Heavy"}), json!({"weight_grams": 2})))
        .await;
    shop.translate("products", &heavy, "de", json!({"title": "Schwer"}))
        .await;
    let variants = vec![variant_id(&heavy, 0), variant_id(&light, 0)];
    let group = Some(kernel::id::CustomerGroupId::generate());
    for (locale, group) in [(None, None), (Some("de"), None), (None, group), (Some("de"), group)] {
        let locale = locale.map(|tag: &str| tag.parse().unwrap());
        let quotes = shop
            .api()
            .quote(variants.clone(), "USD".parse().unwrap(), locale, group)
            .await;
        let quotes = quotes.unwrap();
        let told: Vec<i64> = quotes.iter().map(|quote| quote.traits.weight_grams).collect();
        assert_eq!(told, [2, 1]);
        assert_eq!(quotes[0].unit_price(1), Some(Money::new(900, "USD".parse().unwrap())));
    }
}

#[actix_web::test]
async fn a_bundle_weighs_what_is_said_of_it_and_not_what_its_components_do() {
    let shop = Shop::open().await;
    let tea = shop
        .create(mug(json!({"title": "Tea"}), json!({"weight_grams": 100})))
        .await;
    let gift = json!({"title": "Gift", "variants": [{"price": usd(2500), "weight_grams": 640}]});
    let gift = shop.create(gift).await;
    let compose = async |bundle: &Value| -> Response {
        let route = format!("{}/components", of_variant(bundle));
        let body = json!({"components": [{"variant_id": variant_id(&tea, 0), "quantity": 2}]});
        shop.edit(Method::PUT, &route, 1, body).await
    };
    assert_eq!(compose(&gift).await.status, 200);
    assert_eq!(traits(&shop, variant_id(&gift, 0)).await.weight_grams, 640);
    let voucher = json!({"title": "Voucher", "variants": [{"price": usd(2500), "requires_shipping": false}]});
    let voucher = shop.create(voucher).await;
    assert_eq!(compose(&voucher).await.status, 200);
    let told = traits(&shop, variant_id(&voucher, 0)).await;
    assert_eq!((told.weight_grams, told.requires_shipping), (0, false));
    assert_eq!(
        shop.get("/products/gift").await.body["variants"][0]["weight_grams"],
        640
    );

    // Also where a file makes it.
    let line = json!({"handle": "box", "title": "Box", "price_minor": 1, "weight_grams": 7, "requires_shipping": false,
        "components": [{"handle": "tea", "quantity": 1}]});
    assert_eq!(import_lines(&shop, &[line]).await.errors, vec![]);
    let made = shop.get("/products/box").await.body;
    assert_eq!(seen(&shop, &made).await, what("standard", &[(7, false)]));
    shop.assert_in_order().await;
}
