//! Product files.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use actix_web::http::Method;
use futures_util::future::{join, join3};
use kernel::Fault;
use product::{ImportError, ImportFormat};
use serde_json::{Value, json};

use crate::support::{Shop, path, product, usd};

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
    let source = Cursor::new(&b"name,price\na,1\n"[..]);
    let refused = shop.module.import(source, ImportFormat::Auto, false, |_| ()).await;
    assert!(matches!(refused, Err(ImportError::NotProducts(_))));
}

/// IN-11
#[actix_web::test]
async fn a_variant_stays_the_same_whatever_the_order_of_its_options_and_whatever_they_are_called() {
    let shop = Shop::open().await;
    let variant = |size: &str, colour: &str| json!({"sku": format!("{size}{colour}"), "options": {"Size": size, "Colour": colour}, "price": usd(100), "stock": 5});
    let made = shop
        .create(json!({"title": "Shirt", "variants": [variant("S", "Red"), variant("M", "Red"), variant("S", "Blue")]}))
        .await;
    let ids = |product: &Value| {
        let variants = product["variants"].as_array().unwrap().iter();
        let mut ids: Vec<(String, String)> = variants
            .map(|variant| (variant["sku"].to_string(), variant["id"].to_string()))
            .collect();
        ids.sort();
        ids
    };
    let row = |names: [&str; 2]| {
        let variant =
            |size: &str, colour: &str| json!({"options": {names[0]: colour, names[1]: size}, "price_minor": 100});
        json!({"handle": "shirt", "title": "Shirt", "options": [{"name": names[0], "values": ["Blue", "Red"]},
            {"name": names[1], "values": ["M", "S"]}], "variants": [variant("S", "Blue"), variant("M", "Red"), variant("S", "Red")]})
    };
    for names in [["Colour", "Size"], ["Color", "Size"], ["Color", "Fit"]] {
        let report = shop.import(&row(names).to_string(), ImportFormat::Auto, false).await;
        assert_eq!((report.updated, report.errors), (1, vec![]), "{names:?}");
        let after = shop.get("/products/shirt").await.body;
        assert_eq!(after["options"][0]["name"], names[0]);
        assert_eq!(ids(&after), ids(&made), "{names:?}");
    }
    let sheet = "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant Price\n\
        shirt,Shirt,Fit,S,Color,Red,1.00\nshirt,,,M,,Red,1.00\nshirt,,,S,,Blue,1.00\n";
    shop.import(sheet, ImportFormat::Auto, false).await;
    assert_eq!(ids(&shop.get("/products/shirt").await.body), ids(&made));
    shop.assert_in_order().await;
}

/// IN-11
#[actix_web::test]
async fn variants_of_a_product_change_their_values_and_skus_with_each_other() {
    let shop = Shop::open().await;
    let option = |name: &str| json!({"name": name, "values": ["30", "32"]});
    let variant = |waist: &str, length: &str| json!({"sku": format!("{waist}/{length}"), "options": {"Waist": waist, "Length": length}, "price": usd(100)});
    let jeans = json!({"title": "Jeans", "options": [option("Waist"), option("Length")],
        "variants": [variant("30", "32"), variant("32", "30")]});
    let made = shop.create(jeans).await;
    let edit = json!({"options": [option("Length"), option("Waist")]});
    let edited = shop.edit(Method::PATCH, &path(&made), 1, edit).await;
    assert_eq!(edited.status, 200, "{}", edited.body);
    let row = |skus: [&str; 2]| {
        let variant = |waist: &str, length: &str, sku: &str| json!({"options": {"Waist": waist, "Length": length}, "sku": sku, "price_minor": 100});
        json!({"handle": "jeans", "title": "Jeans", "options": [option("Waist"), option("Length")],
            "variants": [variant("30", "32", skus[0]), variant("32", "30", skus[1])]})
        .to_string()
    };
    for skus in [["30/32", "32/30"], ["32/30", "30/32"]] {
        let report = shop.import(&row(skus), ImportFormat::Auto, false).await;
        assert_eq!((report.updated, report.errors), (1, vec![]), "{skus:?}");
        let after = shop.get("/products/jeans").await.body;
        for (index, sku) in skus.iter().enumerate() {
            let (before, after) = (&made["variants"][index], &after["variants"][index]);
            assert_eq!((&after["id"], &after["options"]), (&before["id"], &before["options"]));
            assert_eq!(after["sku"], *sku);
        }
    }
    shop.assert_in_order().await;
}

/// INV-10
#[actix_web::test]
async fn a_file_that_was_cut_short_is_gone_on_with_when_it_is_given_again() {
    let shop = Shop::open().await;
    let line = |number: usize| json!({"id": number.to_string(), "title": "Thing", "price_minor": 100}).to_string();
    let mut lines: Vec<String> = (0..1_000).map(line).collect();
    lines.insert(1, "not json".to_owned());
    let text = lines.join("\n");
    let breaks_off = BreaksOff {
        file: Cursor::new(text.clone().into_bytes()),
        left: u64::MAX,
    };
    let cut_short = shop.module.import(breaks_off, ImportFormat::Auto, false, |_| ()).await;
    assert!(matches!(cut_short, Err(ImportError::Fault(_))), "{cut_short:?}");
    let done = shop.export().await.lines().count();
    assert!((1..1_000).contains(&done), "{done}");
    let other = shop
        .import(&lines[900..950].join("\n"), ImportFormat::Auto, false)
        .await;
    assert_eq!(
        (other.created, other.unchanged),
        (50, 0),
        "another file is another import"
    );
    // What was done is not done again.
    let first = shop.get("/products/thing").await.body;
    let edit = json!({"title": "Edited"});
    let edited = shop
        .admin_with(Method::PATCH, &path(&first), edit, &[("If-Match", "*")])
        .await;
    assert_eq!(edited.status, 200);
    let report = shop.import(&text, ImportFormat::Auto, false).await;
    assert_eq!((report.created, report.unchanged, report.skipped), (950, 50, 1));
    assert_eq!(report.errors[0].line, 2);
    assert_eq!(shop.get("/products/thing").await.body["title"], "Edited");
    // It has ended: now it is another one.
    let again = shop.import(&text, ImportFormat::Auto, false).await;
    assert_eq!((again.created, again.updated, again.unchanged), (0, 1, 999));
    shop.assert_in_order().await;
}

/// A file whose second reading breaks off half-way, as if the process had been killed.
struct BreaksOff {
    file: Cursor<Vec<u8>>,
    left: u64,
}

impl Read for BreaksOff {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for BreaksOff {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(Fault::unavailable("it breaks off")));
        }
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let rest = self.file.fill_buf()?;
        Ok(&rest[..rest.len().min(left)])
    }

    fn consume(&mut self, count: usize) {
        self.file.consume(count);
        self.left -= count as u64;
    }
}

impl Seek for BreaksOff {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.left = self.file.get_ref().len() as u64 / 2;
        self.file.seek(to)
    }
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
    let source = Cursor::new(file);
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
