//! What product files do to stock: beside sales that go on, and where more was sold than there was.

use actix_web::http::Method;
use kernel::id::{ReservationId, VariantId};
use product::{ImportFormat, ImportReport};
use product_api::Demand;
use serde_json::{Value, json};

use crate::support::{Shop, product, variant_id};

async fn sell(shop: &Shop, variant: VariantId, quantity: i64) {
    let order = ReservationId::generate();
    let api = shop.api();
    api.reserve(order, vec![Demand { variant, quantity }]).await.unwrap();
    api.commit(order).await.unwrap();
}

async fn on_hand(shop: &Shop, variant: VariantId) -> i64 {
    let path = format!("/admin/stock/{variant}");
    shop.admin(Method::GET, &path, Value::Null).await.body["on_hand"]
        .as_i64()
        .unwrap()
}

async fn export(shop: &Shop, format: &str) -> String {
    let path = format!("/admin/products/export?format={format}");
    shop.admin(Method::GET, &path, Value::Null).await.text
}

/// What an import says, which its dry run says too.
async fn import(shop: &Shop, file: &str) -> ImportReport {
    let tried = shop.import(file, ImportFormat::Auto, true).await;
    let done = shop.import(file, ImportFormat::Auto, false).await;
    assert_eq!(tried, done, "a dry run tells what is done");
    done
}

fn mistakes(report: &ImportReport) -> Vec<(&str, &str)> {
    let told = report.errors.iter();
    told.map(|error| (error.pointer.as_str(), error.code.as_str()))
        .collect()
}

/// A shop with a mug of which there were ten, and its file in a form.
async fn shop_with_a_mug(format: &str) -> (Shop, VariantId, String) {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let file = export(&shop, format).await;
    (shop, mug, file)
}

/// INV-11
#[actix_web::test]
async fn a_file_does_not_bring_back_what_was_sold_since_it_was_written() {
    for format in ["ndjson", "shopify"] {
        let (shop, mug, file) = shop_with_a_mug(format).await;
        sell(&shop, mug, 4).await;
        let edited = file.replace("Mug", "Cup");
        let report = import(&shop, &edited).await;
        assert_eq!((report.updated, report.errors), (1, vec![]), "{format}");
        assert_eq!(on_hand(&shop, mug).await, 6, "{format}");
        assert_eq!(shop.get("/products/mug").await.body["title"], "Cup");
        shop.assert_in_order().await;
    }
}

/// INV-11
#[actix_web::test]
async fn a_figure_that_was_changed_in_a_file_counts_where_there_is_what_the_file_saw() {
    for (format, ten, twelve) in [
        ("ndjson", r#""stock":10,"#, r#""stock":12,"#),
        ("shopify", ",10,DENY", ",12,DENY"),
    ] {
        let (shop, mug, file) = shop_with_a_mug(format).await;
        let edited = file.replace(ten, twelve);
        assert_ne!(file, edited);
        for (updated, unchanged) in [(1, 0), (0, 1)] {
            let report = shop.import(&edited, ImportFormat::Auto, false).await;
            assert_eq!(
                (report.updated, report.unchanged, report.errors),
                (updated, unchanged, vec![])
            );
            assert_eq!(on_hand(&shop, mug).await, 12, "{format}: once, however often it comes");
        }
        sell(&shop, mug, 4).await;
        let refused = import(&shop, &edited.replace("Mug", "Cup")).await;
        assert_eq!(mistakes(&refused), [("/variants/0/stock", "stock_changed")], "{format}");
        assert_eq!((refused.skipped, refused.updated), (1, 0));
        assert_eq!(shop.get("/products/mug").await.body["title"], "Mug");
        assert_eq!(on_hand(&shop, mug).await, 8, "{format}");
        shop.assert_in_order().await;
    }
}

/// INV-11
#[actix_web::test]
async fn what_was_sold_beyond_the_stock_is_still_owed_after_a_file() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 2)).await, 0);
    let path = format!("/admin/stock/{mug}");
    let terms = json!({"backorder_limit": 10});
    assert_eq!(shop.edit(Method::PATCH, &path, 1, terms).await.status, 200);
    sell(&shop, mug, 5).await;
    for format in ["ndjson", "shopify"] {
        let file = export(&shop, format).await;
        let same = import(&shop, &file).await;
        assert_eq!((same.unchanged, same.errors), (1, vec![]), "{format}: {file}");
        assert_eq!(on_hand(&shop, mug).await, -3, "{format}");
        // Elsewhere nothing was sold.
        let other = Shop::open().await;
        assert_eq!(other.import(&file, ImportFormat::Auto, false).await.created, 1);
        assert_eq!(other.get("/products/mug").await.body["variants"][0]["available"], 0);
    }
    let line = |stock: i64| json!({"handle": "mug", "title": "Mug", "price_minor": 900, "stock": stock});
    let mut seen = line(-4);
    seen["stock_seen"] = json!(-3);
    let refused = import(&shop, &seen.to_string()).await;
    assert_eq!(mistakes(&refused), [("/variants/0/stock", "insufficient_stock")]);
    assert_eq!(on_hand(&shop, mug).await, -3);
    // Eight were delivered: three of them are somebody's already.
    assert_eq!(import(&shop, &line(5).to_string()).await.updated, 1);
    assert_eq!(on_hand(&shop, mug).await, 5);
    // It can still be edited while more was sold than there was.
    sell(&shop, mug, 6).await;
    let made = shop.get("/products/mug").await.body;
    let edit = json!({"description": "Blue"});
    let edited = shop
        .admin_with(Method::PATCH, &crate::support::path(&made), edit, &[("If-Match", "*")])
        .await;
    assert_eq!((edited.status.as_u16(), on_hand(&shop, mug).await), (200, -1));
    shop.assert_in_order().await;
}

/// INV-11
#[actix_web::test]
async fn what_another_shop_has_sold_beyond_its_stock_is_sold_out_here_however_often_it_says_so() {
    let shop = Shop::open().await;
    let sheet = |quantity: i64| format!("Handle,Title,Variant Price,Variant Inventory Qty\nmug,Mug,9.00,{quantity}\n");
    let first = shop.import(&sheet(-2), ImportFormat::Auto, false).await;
    assert_eq!((first.created, first.errors), (1, vec![]));
    let mug = variant_id(&shop.get("/products/mug").await.body, 0);
    for (quantity, updated, left) in [(-2, 0, 0), (5, 1, 5), (-2, 1, 0), (-3, 0, 0)] {
        let report = import(&shop, &sheet(quantity)).await;
        assert_eq!((report.updated, report.errors), (updated, vec![]), "{quantity}");
        assert_eq!(on_hand(&shop, mug).await, left, "{quantity}");
    }
    shop.assert_in_order().await;
}

/// INV-11
#[actix_web::test]
async fn a_file_that_wants_to_take_what_is_promised_is_told_so_each_time() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let demand = Demand {
        variant: mug,
        quantity: 8,
    };
    shop.api()
        .reserve(ReservationId::generate(), vec![demand])
        .await
        .unwrap();
    let line = |handle: &str, stock: i64| {
        json!({"handle": handle, "title": "Mug", "price_minor": 950, "stock": stock}).to_string()
    };
    let file = format!("{}\n{}", line("mug", 3), line("cup", 3));
    for (created, unchanged) in [(1, 0), (0, 1)] {
        let tried = shop.import(&file, ImportFormat::Auto, true).await;
        let told = shop.import(&file, ImportFormat::Auto, false).await;
        assert_eq!(tried, told);
        assert_eq!((told.created, told.unchanged, told.updated), (created, unchanged, 0));
        assert_eq!(mistakes(&told), [("/variants/0/stock", "insufficient_stock")]);
        let detail = &told.errors[0].detail;
        assert!(
            ["3", "8", "10"].iter().all(|figure| detail.contains(figure)),
            "{detail}"
        );
        assert_eq!(on_hand(&shop, mug).await, 10);
    }
    shop.assert_in_order().await;
}
