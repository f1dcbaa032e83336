//! A catalogue of some size: what is asked of it costs what is asked for, not what there is; and whoever walks through
//! it misses nothing, though others change it meanwhile.

use std::collections::HashMap;

use database::connection::{Limits, connect};
use diesel::connection::SimpleConnection;
use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Admin, Caller, Shop, Store, Topology, eventually, manual, runtime, variant};

/// More rows than these are never read to the end by a request.
const LARGE: usize = 10_000;

const COLOURS: [&str; 3] = ["red", "green", "blue"];

/// What reads or writes the whole catalogue on purpose, by its nature.
const OF_EVERYTHING: [&str; 2] = ["/admin/orders/export", "/admin/products/export"];

#[tokio::test]
async fn no_request_reads_a_table_of_more_than_ten_thousand_rows_to_its_end() {
    const COUNT: usize = LARGE + 2_000;
    let mut store = Store::spread(Topology::One, []).await;
    let admin = store.admin().await;
    import(&admin, COUNT).await;
    let ids = things(&store, &admin).await;
    let mut observer = observer(&store);
    // The server counts what a connection has read when the connection ends, at the latest: what follows is done by another
    // process, so that nothing of what was before is counted.
    store.stop_process_of("product").await;
    // What autovacuum does within a minute, and what a test cannot wait for.
    observer.batch_execute("ANALYZE; SELECT pg_stat_reset()").unwrap();
    let counted = store.start_beside([("run", "gateway,user,product,cart,order")]).await;
    let shop = Shop::at(vec![counted.public().unwrap()], vec![counted.management()]);
    let admin = Admin::signed_in(&shop, admin.email()).await;

    let document = shop.anonymous().get("/openapi.json").await.expect(200);
    for (template, item) in document["paths"].as_object().unwrap() {
        let template = template.strip_prefix("/api/v1").unwrap_or("//.well-known/jwks.json");
        // A stream does not end by itself, and begins with a ticket.
        if item["get"].is_null() || OF_EVERYTHING.contains(&template) || template.ends_with("/stream") {
            continue;
        }
        let path = filled(template, &ids);
        let answer = admin.get(&path).await;
        assert!(matches!(answer.status, 200 | 304 | 404), "{path}: {}", answer.text);
    }
    let (category, brand) = ("/products?category=shelf-7", "/products?brand=Brand+3");
    for list in ["/products?", "/admin/products?", category, brand] {
        for rest in [
            "",
            "&sort=price",
            "&sort=-price",
            "&sort=title",
            "&in_stock=true&facets=brand,price,attr.colour",
        ] {
            let path = format!("{list}{rest}");
            let page = admin.get(&path).await.expect(200);
            let Some(cursor) = page["page"]["next_cursor"].as_str() else {
                continue;
            };
            admin.get(&format!("{path}&cursor={cursor}")).await.expect(200);
        }
    }
    for rest in [
        "q=thing",
        "q=thing+7",
        "price_min=100&price_max=200",
        "attr.colour=red",
        "tag=tag-4",
        "q=T-4711",
    ] {
        admin.get(&format!("/products?{rest}")).await.expect(200);
    }
    sell_and_edit(&shop, &admin, &ids).await;
    runtime::run(counted.stop()).await;

    let read: Vec<Reading> = sql_query(
        "SELECT stat.schemaname || '.' || stat.relname AS name, stat.seq_scan AS scans \
         FROM pg_stat_user_tables stat JOIN pg_class class ON class.oid = stat.relid \
         WHERE class.reltuples > $1",
    )
    .bind::<BigInt, _>(i64::try_from(LARGE).unwrap())
    .load(&mut observer)
    .unwrap();
    let names: Vec<&str> = read.iter().map(|table| table.name.as_str()).collect();
    for large in [
        "products.products",
        "products.variants",
        "products.stock",
        "products.stock_movements",
    ] {
        assert!(names.contains(&large), "{names:?}");
    }
    let scanned: Vec<&Reading> = read.iter().filter(|table| table.scans > 0).collect();
    assert!(scanned.is_empty(), "{scanned:?}");
    // To go through all of an index is no better. The search reads all products once, by their ids, as others read all events;
    // jobs look what is due meanwhile.
    let through: Vec<Reading> = sql_query(
        "SELECT schemaname || '.' || indexrelname AS name, idx_tup_read AS scans FROM pg_stat_user_indexes \
         WHERE schemaname = 'products' AND relname IN ('products', 'variants', 'stock', 'stock_movements') \
         AND idx_tup_read > CASE indexrelname WHEN 'products_pkey' THEN $1 ELSE 0 END + $2",
    )
    .bind::<BigInt, _>(i64::try_from(COUNT).unwrap())
    .bind::<BigInt, _>(i64::try_from(LARGE).unwrap())
    .load(&mut observer)
    .unwrap();
    assert!(through.is_empty(), "{through:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_through_the_catalogue_sees_what_does_not_change_once_while_others_change() {
    const COUNT: usize = 1_200;
    let store = Store::spread(Topology::One, []).await;
    let admin = store.admin().await;
    import(&admin, COUNT).await;
    let restless = ids(&admin, (0..COUNT).step_by(3)).await;
    let mut changes = 0;
    for sort in ["newest", "price", "-price", "title", "relevance&q=thing"] {
        // A sign-in does not last as long as all of the walk may take.
        let admin = store.admin().await;
        let visitor = store.anonymous();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut path = format!("/products?limit=100&sort={sort}");
        let mut round = 0;
        loop {
            let disturbed = disturb(&admin, &restless, sort, round);
            let (page, changed) = tokio::join!(visitor.get(&path), disturbed);
            changes += changed;
            let page = page.expect(200);
            for row in page["data"].as_array().unwrap() {
                *seen.entry(row["handle"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            let Some(cursor) = page["page"]["next_cursor"].as_str() else {
                break;
            };
            path = format!("/products?limit=100&sort={sort}&cursor={cursor}");
            round += 1;
        }
        // Every third product is changed by somebody.
        for number in (0..COUNT).filter(|number| number % 3 != 0) {
            let times = seen.get(&format!("thing-{number}")).copied().unwrap_or_default();
            assert_eq!(times, 1, "thing-{number} by {sort}");
        }
    }
    assert!(changes > 200, "{changes}");
}

/// The ids of products by their numbers.
async fn ids(admin: &Admin, numbers: impl Iterator<Item = usize>) -> Vec<String> {
    let mut ids = Vec::new();
    for number in numbers {
        ids.push(id(&admin.get(&format!("/products/thing-{number}")).await.expect(200)));
    }
    ids
}

/// Changes some of `products` in each way that moves them in a list, and adds one; answers how many changes it made.
async fn disturb(admin: &Admin, products: &[String], sort: &str, round: usize) -> usize {
    const CHANGES: usize = 4;
    for step in 0..CHANGES {
        let path = format!(
            "/admin/products/{}",
            products[(round * 31 + step * 97) % products.len()]
        );
        let product = admin.get(&path).await.expect(200);
        let change = match step {
            0 => json!({"title": format!("Another thing now, {sort} {round}")}),
            1 => json!({"status": if product["status"] == "active" { "draft" } else { "active" }}),
            2 => json!({"description": format!("The thing of round {round}")}),
            _ => json!({"brand": format!("Brand {round}")}),
        };
        edit(admin, &path, change).await;
        let price = json!({"variant_id": variant(&product), "price": {"amount": 100 + round * 50, "currency": "USD"}});
        let priced = admin.post("/admin/prices/bulk", json!({"prices": [price]})).await;
        assert_eq!(priced.expect(200)["results"][0]["status"], 200);
    }
    admin.product(500, 1).await;
    CHANGES
}

/// A row of what PostgreSQL counts.
#[derive(Debug, QueryableByName)]
struct Reading {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    scans: i64,
}

fn observer(store: &Store) -> PgConnection {
    connect(&store.database_url().to_owned().into(), &Limits::default()).unwrap()
}

/// Fills the catalogue with `count` products in forty categories, of thirty brands.
async fn import(admin: &Admin, count: usize) {
    let line = |number: usize| {
        json!({"id": number.to_string(), "handle": format!("thing-{number}"), "title": format!("Thing {number}"),
            "description": "It does what it should.", "brand": format!("Brand {}", number % 30),
            "category": format!("Room {} > Shelf {}", number % 5, number % 40), "sku": format!("T-{number}"),
            "price_minor": 100 + (number * 7919) % 100_000, "stock": 3 + number % 50,
            "tags": [format!("tag-{}", number % 12)],
            "attributes": {"colour": COLOURS[number % 3], "weight": number % 900}})
        .to_string()
    };
    let file: Vec<String> = (0..count).map(line).collect();
    let body = Some(("application/x-ndjson", file.join("\n")));
    let job = admin.send_text(Method::POST, "/admin/imports", body).await.expect(202);
    let path = format!("/admin/imports/{}", job["id"].as_str().unwrap());
    let ask = || async { admin.get(&path).await.expect(200) };
    let ended = eventually(ask, |job| !job["finished_at"].is_null()).await;
    assert_eq!(ended["created"], count, "{ended}");
    let all = || async { admin.get("/products?limit=1").await.expect(200) };
    eventually(all, |list| list["total"]["value"] == count).await;
}

/// One of each thing that has a page of its own: what its paths have in front of the id, and the id.
async fn things(store: &Store, admin: &Admin) -> HashMap<&'static str, String> {
    let product = admin.get("/products/thing-7").await.expect(200);
    let related = json!({"related": [{"kind": "cross_sell", "product_id": id(&admin.get("/products/thing-9").await.expect(200))}]});
    let path = format!("/admin/products/{}/related", id(&product));
    admin.with("If-Match", "\"1\"").put(&path, related).await.expect(200);
    let by_hand = admin
        .post("/admin/collections", json!({"title": "Ours"}))
        .await
        .expect(201);
    let rule = json!({"match": "all", "conditions": [{"tag": ["tag-4"]}, {"price": {"max": 50_000}}]});
    let by_rule = json!({"title": "Cheap", "rule": rule});
    admin.post("/admin/collections", by_rule).await.expect(201);
    let kind = admin
        .post("/admin/product-types", json!({"name": "Thing", "attributes": []}))
        .await
        .expect(201);
    let synonyms = json!({"terms": ["thing", "object"]});
    let synonyms = admin.post("/admin/search/synonyms", synonyms).await.expect(201);
    let rule = json!({"query": "thing", "match": "contains", "pins": [id(&product)]});
    let rule = admin.post("/admin/search/rules", rule).await.expect(201);
    let group = admin
        .post("/admin/customer-groups", json!({"name": "Gold"}))
        .await
        .expect(201);
    let sale = json!({"name": "Sale", "currency": "USD", "status": "active"});
    let sale = admin.post("/admin/price-lists", sale).await.expect(201);
    let reduced = json!({"variant_id": variant(&product), "price": {"amount": 1, "currency": "USD"}});
    let path = format!("/admin/price-lists/{}/prices", id(&sale));
    admin.post(&path, json!({"prices": [reduced]})).await.expect(200);
    let terms = json!({"action": {"kind": "percentage", "percent": "10"}});
    let promotion = json!({"name": "Sale", "needs_code": true, "terms": terms});
    let promotion = admin.post("/admin/promotions", promotion).await.expect(201);
    let card = json!({"amount": {"amount": 100, "currency": "USD"}});
    let card = admin.post("/admin/gift-cards", card).await.expect(201);
    let cart = store.anonymous().ready_cart(&[(variant(&product), 1)]).await;
    let order = cart.buy(manual()).await.expect(201);
    let imports = admin.get("/admin/imports").await.expect(200);
    let wanted = json!({"format": "ndjson"});
    let export = id(&admin.post("/admin/exports", wanted).await.expect(202));
    let path = format!("/admin/exports/{export}");
    let ask = || async { admin.get(&path).await.expect(200) };
    eventually(ask, |job| !job["finished_at"].is_null()).await;
    let users = admin.get("/admin/users").await.expect(200);
    let locations = admin.get("/admin/locations").await.expect(200);
    HashMap::from([
        ("products", id(&product)),
        ("variants", variant(&product).to_owned()),
        ("stock", variant(&product).to_owned()),
        ("categories", id(&product["category"])),
        ("collections", id(&by_hand)),
        ("product-types", id(&kind)),
        ("customer-groups", id(&group)),
        ("synonyms", id(&synonyms)),
        ("rules", id(&rule)),
        ("price-lists", id(&sale)),
        ("promotions", id(&promotion)),
        ("gift-cards", id(&card)),
        ("locations", id(&locations["data"][0])),
        ("imports", id(&imports["data"][0])),
        ("exports", export),
        ("users", id(&users["data"][0])),
        ("carts", cart.id.clone()),
        ("orders", id(&order)),
        // Of these there are few, whatever the size of the catalogue.
        ("addresses", "address_none".to_owned()),
        ("authentications", "none".to_owned()),
        ("documents", "document_none".to_owned()),
        ("draft-orders", "draft_none".to_owned()),
        ("payment-events", "event_none".to_owned()),
        ("webhook-deliveries", "delivery_none".to_owned()),
        ("webhook-endpoints", "webhook_none".to_owned()),
        ("media", "none".to_owned()),
        ("shared-carts", "none".to_owned()),
        ("zones", "none".to_owned()),
    ])
}

fn id(thing: &Value) -> String {
    thing["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id: {thing}"))
        .to_owned()
}

/// A path of the document with something that is there in the place of each parameter.
fn filled(template: &str, ids: &HashMap<&'static str, String>) -> String {
    let mut before = "";
    let mut path = String::new();
    for segment in template.split('/') {
        let part = match segment.starts_with('{') {
            true => ids
                .get(before)
                .unwrap_or_else(|| panic!("{template}: of which {before}?")),
            false => segment,
        };
        path.push('/');
        path.push_str(part);
        before = segment;
    }
    match template {
        "/products/suggest" => format!("{template}?q=thin"),
        template if template.starts_with("//") => template.to_owned(),
        _ => path[1..].to_owned(),
    }
}

/// What changes single things: an order, an edit of each kind, stock, prices in bulk, a small file.
async fn sell_and_edit(shop: &Shop, admin: &Admin, ids: &HashMap<&'static str, String>) {
    let product = admin.get("/products/thing-12").await.expect(200);
    let cart = shop.anonymous().ready_cart(&[(variant(&product), 2)]).await;
    cart.buy(manual()).await.expect(201);
    edit(
        admin,
        &format!("/admin/products/{}", id(&product)),
        json!({"title": "Other", "tags": ["tag-4"]}),
    )
    .await;
    let stock = json!({"variant_id": variant(&product), "delta": 5, "reason": "found"});
    admin.post("/admin/stock/adjustments", stock).await.expect(201);
    let price = json!({"variant_id": variant(&product), "price": {"amount": 900, "currency": "USD"}});
    admin
        .post("/admin/prices/bulk", json!({"prices": [price]}))
        .await
        .expect(200);
    let made = admin.product(700, 4).await;
    let variants = json!({"op": "update", "id": made["id"], "product": {"status": "draft"}});
    admin
        .post("/admin/products/bulk", json!({"operations": [variants]}))
        .await
        .expect(200);
    let path = format!("/admin/products/{}", id(&made));
    admin.with("If-Match", "*").delete(&path).await.expect(204);
    let by_hand = format!("/admin/collections/{}", ids["collections"]);
    edit(admin, &by_hand, json!({"title": "Also ours"})).await;
    let row = json!({"id": "12", "handle": "thing-12", "title": "Thing 12", "category": "Room 1 > Shelf 3", "sku": "T-12",
        "price_minor": 300, "stock": 9});
    let body = Some(("application/x-ndjson", row.to_string()));
    let job = admin.send_text(Method::POST, "/admin/imports", body).await.expect(202);
    let path = format!("/admin/imports/{}", id(&job));
    let ask = || async { admin.get(&path).await.expect(200) };
    let ended = eventually(ask, |job| !job["finished_at"].is_null()).await;
    assert_eq!(ended["updated"], 1, "{ended}");
}

/// Changes a resource, whatever its version.
async fn edit(admin: &Admin, path: &str, change: Value) {
    let now = admin.get(path).await.expect(200);
    let caller: Caller = admin.with("If-Match", format!("\"{}\"", now["version"]));
    caller.patch(path, change).await.expect(200);
}
