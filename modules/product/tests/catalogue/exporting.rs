//! The catalogue as a file, and back.

use actix_web::http::Method;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, path, product, usd};

async fn export(shop: &Shop, format: &str) -> String {
    let path = format!("/admin/products/export?format={format}");
    let answer = shop.admin(Method::GET, &path, Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// A shop with the demo catalogue and products that are hard to write down.
pub(crate) async fn shop() -> Shop {
    let shop = Shop::open().await;
    shop.module.import_demo().await.unwrap();
    let variant = |size: &str, colour: &str, sku: &str, barcode: &str| {
        json!({"sku": sku, "barcode": barcode, "options": {"Size": size, "Colour": colour}, "price": usd(1999),
            "compare_at_price": usd(2999), "stock": 7, "title": format!("In {colour}")})
    };
    let hard = json!({
        "title": "=HYPERLINK(\"http://evil.example\")", "handle": "-minus", "status": "draft", "brand": "+49 & sons",
        "description": "  Line one,\n\tline \"two\"\r\n<b>& three</b>  ", "tags": ["@home", "'=quoted"],
        "external_id": "x-1", "released_on": "2020-02-29", "attributes": {"cores": 8, "new": true, "text": "=1"},
        "seo": {"title": "=For search", "description": "Two\nlines"}, "publish_at": "2090-01-01T00:00:00Z",
        "images": [{"url": "https://img.example/1.jpg", "alt": "-"}, {"url": "https://img.example/1.jpg", "alt": ""},
            {"url": "https://img.example/2.jpg"}, {"url": "https://img.example/2.jpg"}, {"url": "https://img.example/3.jpg"}],
        "options": [{"name": "Size", "values": ["XL", "S", "M"]}, {"name": "Colour", "values": ["Red", "-Blue"]}],
        "variants": [variant("M", "-Blue", "'0123", "0123"), variant("S", "Red", "=1", "'x"), variant("S", "-Blue", "-9", "''1")],
    });
    shop.create(hard).await;
    let mut tags = product("Tags", 0, 0);
    tags["tags"] = json!(["one, two", "three"]);
    tags["status"] = json!("archived");
    shop.create(tags).await;
    shop.create(json!({"title": "Nothing to buy yet", "variants": []}))
        .await;
    shop
}

#[actix_web::test]
async fn a_catalogue_that_is_exported_and_imported_has_not_changed() {
    let shop = shop().await;
    let before = export(&shop, "ndjson").await;
    let count = before.lines().count() as u64;
    for format in ["ndjson", "shopify"] {
        let file = export(&shop, format).await;
        let report = shop.import(&file, ImportFormat::Auto, false).await;
        assert_eq!(
            (report.unchanged, report.updated, report.created, report.errors),
            (count, 0, 0, vec![]),
            "{format}"
        );
    }
    assert_eq!(export(&shop, "ndjson").await, before);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_shopify_file_makes_the_same_products_elsewhere_as_far_as_it_can_carry_them() {
    let shop = shop().await;
    let file = export(&shop, "shopify").await;
    let other = Shop::open().await;
    let report = other.import(&file, ImportFormat::Auto, false).await;
    // A new product needs something to buy.
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    assert_eq!((report.errors[0].pointer.as_str(), report.skipped), ("/variants", 1));
    let hard = async |shop: &Shop| {
        let list = shop
            .admin(Method::GET, "/admin/products?status=draft", Value::Null)
            .await;
        list.body["data"][0].clone()
    };
    let (here, there) = (hard(&shop).await, hard(&other).await);
    for field in ["handle", "title", "description", "brand", "status", "tags", "seo"] {
        assert_eq!(here[field], there[field], "{field}");
    }
    let codes = |product: &Value| {
        let variants = product["variants"].as_array().unwrap().iter();
        let codes = variants.map(|variant| json!([variant["sku"], variant["barcode"], variant["options"]]));
        codes.collect::<Vec<_>>()
    };
    assert_eq!(codes(&here), codes(&there));
    other.assert_in_order().await;
}

/// IN-10
#[actix_web::test]
async fn no_cell_of_a_spreadsheet_is_a_formula() {
    let shop = shop().await;
    let file = export(&shop, "shopify").await;
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let headers = reader.headers().unwrap().clone();
    assert_eq!(
        (&headers[0], &headers[1], &headers[16]),
        ("Title", "URL handle", "Price")
    );
    let mut guarded = 0;
    for record in reader.records() {
        for cell in &record.unwrap() {
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']), "{cell}");
            guarded += usize::from(cell.starts_with('\''));
        }
    }
    assert!(guarded > 8, "{guarded}");
}

#[actix_web::test]
async fn an_export_has_every_product_once_over_many_pages() {
    let shop = Shop::open().await;
    let lines: Vec<String> = (0..430)
        .map(|number| json!({"id": number.to_string(), "title": "Thing", "price_minor": 1}).to_string())
        .collect();
    shop.import(&lines.join("\n"), ImportFormat::Auto, false).await;
    let gone = shop.get("/products/thing").await.body;
    shop.admin_with(Method::DELETE, &path(&gone), Value::Null, &[("If-Match", "*")])
        .await;
    let file = export(&shop, "ndjson").await;
    let ids: std::collections::HashSet<String> = file
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string())
        .collect();
    assert_eq!((file.lines().count(), ids.len()), (429, 429));
}

#[actix_web::test]
async fn exports_are_for_staff_and_in_known_formats() {
    let shop = Shop::open().await;
    assert_eq!(shop.get("/admin/products/export").await.status, 401);
    assert_eq!(shop.customer(Method::GET, "/admin/products/export").await.status, 403);
    let wrong = shop
        .admin(Method::GET, "/admin/products/export?format=xml", Value::Null)
        .await;
    assert_eq!(wrong.refusal(), (400, "format", "unknown_value"));
    let empty = shop.admin(Method::GET, "/admin/products/export", Value::Null).await;
    assert_eq!((empty.status.as_u16(), empty.text.as_str()), (200, ""));
    assert_eq!(empty.header("content-type"), "application/x-ndjson");
}
