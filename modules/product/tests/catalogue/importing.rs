//! Product files.

use actix_web::http::Method;
use futures_util::future::{join, join3};
use product::{ImportError, ImportFormat};
use serde_json::{Value, json};

use crate::support::{Shop, path, product};

const FILE: &str = concat!(
    r#"{"id":"1","handle":"cyan","title":"Cyan ink","brand":"HP","category":"Printing > Ink","sku":"IC-1","barcode":"088","price_minor":12595,"currency":"USD","stock":174,"released_on":"2006-07-01","image_url":"http://img.example/1.jpg","attributes":{"z":1,"a":"x"}}"#,
    "\n",
    r#"{"id":"2","title":"Cyan ink","category":"Printing > Toner","variants":[{"options":{"Size":"S"},"price_minor":100,"stock":1},{"options":{"Size":"L"},"price_minor":200}]}"#,
    "\n",
    r#"{"id":"3","handle":"bad","title":"Bad","price_minor":-1}"#,
    "\nnot json\n",
    r#"{"id":"1","handle":"again","title":"Again","price_minor":1}"#,
    "\n",
    r#"{"id":"4","handle":"nul","title":"a\u0000","price_minor":1}"#,
    "\n",
    r#"{"id":"5","handle":"stolen","title":"Stolen","sku":"IC-1","price_minor":1}"#,
    "\n",
);

/// IN-11
#[actix_web::test]
async fn a_file_is_imported_once_and_updated_from_then_on() {
    let shop = Shop::open().await;
    let tried = shop.import(FILE, ImportFormat::Auto, true).await;
    assert!(shop.module.is_empty().await.unwrap());
    let first = shop.import(FILE, ImportFormat::Auto, false).await;
    assert_eq!(tried, first);
    assert_eq!((first.created, first.updated, first.unchanged), (2, 0, 0));
    let told: Vec<(u64, &str, &str)> = first
        .errors
        .iter()
        .map(|error| (error.line, error.pointer.as_str(), error.code.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "/variants/0/price/amount", "out_of_range"),
            (4, "", "invalid_json"),
            (5, "/id", "duplicate"),
            (6, "/title", "invalid_character"),
            (7, "/variants/0/sku", "duplicate"),
        ]
    );
    assert_eq!(first.skipped, 5);
    let again = shop.import(FILE, ImportFormat::Ndjson, false).await;
    assert_eq!((again.created, again.updated, again.unchanged), (0, 0, 2));

    let cyan = shop.get("/products/cyan").await.body;
    assert_eq!(cyan["category"]["path"], json!(["Printing", "Ink"]));
    assert_eq!(cyan["variants"][0]["available"], 174);
    assert_eq!(
        serde_json::to_string(&cyan["images"]).unwrap(),
        r#"[{"alt":null,"url":"http://img.example/1.jpg"}]"#
    );
    let second = shop.get("/products/cyan-ink").await.body;
    assert_eq!(second["options"], json!([{"name": "Size", "values": ["S", "L"]}]));

    let changed = FILE
        .replace(r#""stock":174"#, r#""stock":5"#)
        .replace(r#""price_minor":200"#, r#""price_minor":250"#);
    let report = shop.import(&changed, ImportFormat::Auto, false).await;
    assert_eq!((report.created, report.updated, report.unchanged), (0, 2, 0));
    let after = shop.get("/products/cyan").await.body;
    assert_eq!(
        (&after["variants"][0]["available"], &after["id"]),
        (&json!(5), &cyan["id"])
    );
    assert_eq!(
        shop.get("/products/cyan-ink").await.body["price_range"]["max"]["amount"],
        250
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_file_leaves_alone_what_it_does_not_say() {
    let shop = Shop::open().await;
    let mut mug = product("Mug", 900, 5);
    mug["brand"] = json!("Ours");
    mug["tags"] = json!(["nice"]);
    let mug = shop.create(mug).await;
    let report = shop
        .import(
            r#"{"id":"m","handle":"mug","title":"Mug","price_minor":950}"#,
            ImportFormat::Auto,
            false,
        )
        .await;
    assert_eq!((report.created, report.updated), (0, 1));
    let after = shop.admin(Method::GET, &path(&mug), Value::Null).await.body;
    assert_eq!(
        (&after["id"], &after["brand"], &after["tags"]),
        (&mug["id"], &json!("Ours"), &json!(["nice"]))
    );
    assert_eq!((&after["external_id"], &after["version"]), (&json!("m"), &json!(2)));
    assert_eq!(after["variants"][0]["available"], 5);
    // The id is what it is known by now: the handle can change, and cannot be taken by another.
    let renamed = shop
        .import(
            r#"{"id":"m","handle":"cup","title":"Cup","price_minor":950}"#,
            ImportFormat::Auto,
            false,
        )
        .await;
    assert_eq!(renamed.updated, 1);
    let taken = shop
        .import(
            r#"{"id":"other","handle":"cup","title":"Cup","price_minor":950}"#,
            ImportFormat::Auto,
            false,
        )
        .await;
    assert_eq!(
        (
            taken.created,
            taken.errors[0].pointer.as_str(),
            taken.errors[0].code.as_str()
        ),
        (0, "/handle", "already_taken")
    );
}

#[actix_web::test]
async fn what_is_exported_can_be_imported() {
    let shop = Shop::open().await;
    assert!(
        shop.module
            .import_demo()
            .await
            .unwrap()
            .is_some_and(|report| report.skipped == 0)
    );
    assert!(shop.module.import_demo().await.unwrap().is_none());
    let text = shop.export().await;
    let count = text.lines().count() as u64;
    assert!(count >= 60);
    let same = shop.import(&text, ImportFormat::Auto, false).await;
    assert_eq!((same.created, same.updated, same.unchanged), (0, 0, count));
    let other = Shop::open().await;
    let moved = other.import(&text, ImportFormat::Auto, false).await;
    assert_eq!((moved.created, moved.errors), (count, vec![]));
    other.assert_in_order().await;
}

/// IN-11
#[actix_web::test]
async fn shopifys_files_are_understood() {
    let shop = Shop::open().await;
    let file = "\u{feff}Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant Inventory Qty,Variant Price,Image Src,Image Position,SEO Title,SEO Description\r\n\
        ring,Ring,<p>Fine</p>,Us,Rings,\"Gold, Gem\",true,Size,S,2,42.99,https://img.example/1.jpg,1,A gold ring,\r\n\
        ring,,,,,,,,M,1,43.00,,,,\r\n\
        ring,,,,,,,,,,,https://img.example/2.jpg,2,,\r\n\
        sofa,Sofa,,Us,,,false,Title,Default Title,1,300,,,,\r\n";
    let report = shop.import(file, ImportFormat::Auto, false).await;
    assert_eq!((report.created, report.errors), (2, vec![]));
    let ring = shop.get("/products/ring").await.body;
    assert_eq!(
        (&ring["description"], &ring["tags"]),
        (&json!("Fine"), &json!(["Gold", "Gem"]))
    );
    assert_eq!(ring["seo"], json!({"title": "A gold ring", "description": null}));
    assert_eq!(ring["images"].as_array().unwrap().len(), 2);
    assert_eq!(ring["price_range"]["max"]["amount"], 4300);
    assert_eq!(shop.get("/products/sofa").await.status, 404);
    let again = shop.import(file, ImportFormat::ShopifyCsv, false).await;
    assert_eq!((again.updated, again.unchanged), (0, 2));
    let source = Box::new(&b"name,price\na,1\n"[..]);
    let refused = shop.module.import(source, ImportFormat::Auto, false, |_| ()).await;
    assert!(matches!(refused, Err(ImportError::NotProducts(_))));
}

#[actix_web::test]
async fn imports_and_edits_of_the_same_things_go_on_beside_each_other() {
    let shop = Shop::open().await;
    let line = |number: i64, price: i64| {
        let category = format!("Root > Branch {} > Leaf {}", number % 3, number % 7);
        json!({"id": number.to_string(), "title": format!("Thing {number}"), "category": category, "stock": price,
            "price_minor": price})
        .to_string()
    };
    let file = |price: i64| {
        (0..600)
            .map(|number| line(number, price))
            .collect::<Vec<_>>()
            .join("\n")
    };
    shop.import(&file(1), ImportFormat::Auto, false).await;
    let branch = shop.get("/categories/branch-1").await.body;
    let rename = async {
        for version in 1..=10 {
            let path = format!("/admin/categories/{}", branch["id"].as_str().unwrap());
            let body = json!({"name": format!("Branch {version}!")});
            assert_eq!(shop.edit(Method::PATCH, &path, version, body).await.status, 200);
        }
    };
    let edit = async {
        for version in 1..=20 {
            let product = shop.get("/products/thing-1").await.body;
            let any = [("If-Match", "*")];
            let body = json!({"description": format!("Text {version}")});
            assert_eq!(
                shop.admin_with(Method::PATCH, &path(&product), body, &any).await.status,
                200
            );
        }
    };
    let (two, three) = (file(2), file(3));
    let imports = join(
        shop.import(&two, ImportFormat::Auto, false),
        shop.import(&three, ImportFormat::Auto, false),
    );
    let ((second, third), (), ()) = join3(imports, rename, edit).await;
    for report in [second, third] {
        assert_eq!((report.created, report.errors), (0, vec![]));
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_dry_run_tells_what_a_real_run_does_where_rows_depend_on_each_other() {
    let shop = Shop::open().await;
    let line = |value: Value| value.to_string();
    let first: Vec<String> = (0..3)
        .map(|number| {
            let (id, sku) = (format!("p{number}"), format!("S{number}"));
            line(json!({"id": id, "handle": id, "title": "Old", "sku": sku, "price_minor": 1}))
        })
        .collect();
    shop.import(&first.join("\n"), ImportFormat::Auto, false).await;
    let filler = (0..300).map(|number| line(json!({"id": format!("f{number}"), "title": "Mug", "price_minor": 1})));
    let mut lines = vec![
        line(json!({"id": "p0", "handle": "moved", "title": "Old", "sku": "S0-new", "price_minor": 1})),
        line(json!({"id": "p1", "title": "Old", "price_minor": 1})),
        // The same product by its other name.
        line(json!({"handle": "p1", "title": "Again", "price_minor": 2})),
    ];
    lines.extend(filler);
    lines.extend([
        // What the first row has left behind is free.
        line(json!({"id": "new-1", "handle": "p0", "title": "New", "price_minor": 1})),
        line(json!({"id": "new-2", "title": "New", "sku": "S0", "price_minor": 1})),
        // What others still have is not.
        line(json!({"id": "new-3", "title": "New", "sku": "S2", "price_minor": 1})),
        // What was made from a title is somebody's by now.
        line(json!({"id": "new-4", "handle": "mug-2", "title": "New", "price_minor": 1})),
        line(json!({"handle": "p1", "title": "And again", "price_minor": 3})),
    ]);
    let text = lines.join("\n");
    let tried = shop.import(&text, ImportFormat::Auto, true).await;
    let done = shop.import(&text, ImportFormat::Auto, false).await;
    assert_eq!(tried, done);
    let told: Vec<(u64, &str)> = done
        .errors
        .iter()
        .map(|error| (error.line, error.code.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "duplicate"),
            (306, "already_taken"),
            (307, "duplicate"),
            (308, "duplicate")
        ]
    );
    assert_eq!((done.created, done.updated, done.unchanged), (302, 1, 1));
    shop.assert_in_order().await;
}

/// IN-11
#[actix_web::test]
async fn a_wrong_row_takes_its_whole_product_along_and_nothing_else() {
    let shop = Shop::open().await;
    let mut file = b"Title,URL handle,Vendor,Option1 name,Option1 value,Price\r\n\
        First,first,,,,1\r\n\
        Caf\xe9,second,,Size,S,1\r\n\
        ,second,,,M,2\r\n\
        \"=1+1\",third,\"A \"\"quoted\"\", name\",,,1\r\n\
        Fourth,fourth,,Size,S,1\r\n\
        ,fourth,,,M,two\r\n\
        First,first,,,,2\r\n"
        .to_vec();
    for number in 0..1_001 {
        let title = if number == 0 { "Fifth" } else { "" };
        file.extend(format!("{title},fifth,,Size,{number},1\n").bytes());
    }
    let source = Box::new(std::io::Cursor::new(file));
    let report = shop
        .module
        .import(source, ImportFormat::Auto, false, |_| ())
        .await
        .unwrap();
    let told: Vec<(u64, &str, &str)> = report
        .errors
        .iter()
        .map(|error| (error.line, error.pointer.as_str(), error.code.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "", "invalid_encoding"),
            (7, "/Price", "invalid_amount"),
            (8, "/handle", "duplicate"),
            (1009, "", "too_many_rows"),
        ]
    );
    assert_eq!((report.created, report.skipped), (2, 4));
    let third = shop.get("/products/third").await.body;
    assert_eq!(
        (&third["title"], &third["brand"]),
        (&json!("=1+1"), &json!("A \"quoted\", name"))
    );
    assert_eq!(shop.get("/products/second").await.status, 404);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn variants_exchange_their_skus_and_keep_their_values_in_whatever_order_a_file_has_its_options() {
    let shop = Shop::open().await;
    let file = |names: [&str; 2], skus: [&str; 3]| {
        let options = names.map(|name| json!({"name": name, "values": ["Red", "Blue"]}));
        let variant = |(front, back, sku): (&str, &str, &str)| json!({"options": {"Front": front, "Back": back}, "sku": sku, "price_minor": 900, "stock": 1});
        let [one, two, three] = skus;
        let variants = [("Red", "Blue", one), ("Blue", "Red", two), ("Red", "Red", three)].map(variant);
        json!({"handle": "cap", "title": "Cap", "options": options, "variants": variants}).to_string()
    };
    let imported = async |file: &str| {
        for dry_run in [true, false] {
            let report = shop.import(file, ImportFormat::Ndjson, dry_run).await;
            assert_eq!(
                (report.created + report.updated, &report.errors),
                (1, &vec![]),
                "{dry_run}"
            );
        }
        shop.get("/products/cap").await.body["variants"].clone()
    };
    let before = imported(&file(["Front", "Back"], ["A", "B", "C"])).await;
    let after = imported(&file(["Back", "Front"], ["B", "C", "A"])).await;
    for (index, sku) in ["B", "C", "A"].iter().enumerate() {
        assert_eq!(
            (&after[index]["id"], &after[index]["options"], &after[index]["sku"]),
            (&before[index]["id"], &before[index]["options"], &json!(sku))
        );
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn products_exchange_their_skus_in_a_file_unless_one_of_them_keeps_its_own() {
    let shop = Shop::open().await;
    let row = |handle: &str, sku: Value, price: i64| {
        json!({"handle": handle, "title": handle, "sku": sku, "price_minor": price, "stock": 1}).to_string()
    };
    let imported = async |rows: [String; 2]| {
        let file = rows.join("\n");
        let tried = shop.import(&file, ImportFormat::Ndjson, true).await;
        let done = shop.import(&file, ImportFormat::Ndjson, false).await;
        assert_eq!(tried, done);
        let errors = done
            .errors
            .iter()
            .map(|error| (error.line, error.pointer.clone(), error.code.clone()));
        (done.created + done.updated, errors.collect::<Vec<_>>())
    };
    let skus = async || {
        let mut skus = Vec::new();
        for handle in ["mug", "cup"] {
            let product = shop.get(&format!("/products/{handle}")).await.body;
            skus.push(product["variants"][0]["sku"].as_str().unwrap().to_owned());
        }
        skus
    };
    let taken = |line: u64| vec![(line, "/variants/0/sku".to_owned(), "already_taken".to_owned())];
    assert_eq!(
        imported([row("mug", json!("A"), 1), row("cup", json!("B"), 1)]).await,
        (2, vec![])
    );
    assert_eq!(
        imported([row("mug", json!("B"), 1), row("cup", json!("A"), 1)]).await,
        (2, vec![])
    );
    assert_eq!(skus().await, ["B", "A"]);
    // A row without a SKU leaves the one that there is, and one that is wrong leaves everything.
    assert_eq!(
        imported([row("mug", json!("A"), 2), row("cup", Value::Null, 2)]).await,
        (1, taken(1))
    );
    let wrong = (2, "/variants/0/price/amount".to_owned(), "out_of_range".to_owned());
    let told = imported([row("mug", json!("A"), 3), row("cup", json!("B"), -1)]).await;
    assert_eq!(told, (0, [taken(1), vec![wrong]].concat()));
    assert_eq!(skus().await, ["B", "A"]);
    shop.assert_in_order().await;
}
