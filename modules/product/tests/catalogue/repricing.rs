//! Price lists that are large, fail, or come across edits while they are carried over.

use actix_web::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use futures_util::future::join;
use kernel::module::Module as _;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, product, sizes, usd, variant_id};

fn text(time: DateTime<Utc>) -> Value {
    json!(time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
}

/// Does something to the database that the shop itself never does.
fn meddle(shop: &Shop, sql: &str) {
    shop.database.connect().unwrap().batch_execute(sql).unwrap();
}

/// Has every write of the price of a variant fail that has this SKU.
fn curse(shop: &Shop, sku: &str) {
    let sql = format!(
        "CREATE FUNCTION products.curse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'cursed'; END $$; \
         CREATE TRIGGER curse BEFORE UPDATE OF price_minor ON products.variants FOR EACH ROW WHEN (NEW.sku = '{sku}') \
         EXECUTE FUNCTION products.curse()"
    );
    meddle(shop, &sql);
}

fn lift_the_curse(shop: &Shop) {
    meddle(
        shop,
        "DROP TRIGGER curse ON products.variants; DROP FUNCTION products.curse()",
    );
}

/// A list that everybody is offered from `starts_at` on.
async fn sale(shop: &Shop, name: &str, starts_at: DateTime<Utc>, ends_at: Option<DateTime<Utc>>) -> Value {
    let list = json!({"name": name, "currency": "USD", "status": "active", "starts_at": text(starts_at),
        "ends_at": ends_at.map(text)});
    shop.price_list(list).await
}

/// So many products with a hundred variants each, for 10 dollars and on the list for 5.
async fn fill(shop: &Shop, list: &Value, products: usize) {
    let labels: Vec<String> = (0..100).map(|number| format!("S{number}")).collect();
    let all: Vec<(&str, i64, i64)> = labels.iter().map(|label| (label.as_str(), 1000, 1)).collect();
    for number in 0..products {
        let made = shop.create(sizes(&format!("Shirt {number}"), &all)).await;
        let price = |index| json!({"variant_id": variant_id(&made, index), "price": usd(500)});
        shop.put_on(list, json!((0..100).map(price).collect::<Vec<_>>())).await;
    }
}

/// How many variants of those products cost 5 dollars.
async fn reduced(shop: &Shop, products: usize) -> usize {
    let mut count = 0;
    for number in 0..products {
        let shown = shop.get(&format!("/products/shirt-{number}")).await.body;
        let variants = shown["variants"].as_array().unwrap().iter();
        count += variants.filter(|variant| variant["price"] == usd(500)).count();
    }
    count
}

async fn price_of(shop: &Shop, handle: &str) -> Value {
    let shown = shop.get(&format!("/products/{handle}")).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    shown.body["variants"][0]["price"].clone()
}

#[actix_web::test]
async fn a_list_that_fails_holds_up_no_other_and_is_tried_again() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    let cursed = shop.create(sizes("Cursed", &[("S", 1000, 1)])).await;
    let mug = shop.create(product("Mug", 1000, 1)).await;
    for (made, start) in [(&cursed, 60), (&mug, 61)] {
        let list = sale(&shop, "Sale", now + TimeDelta::minutes(start), None).await;
        shop.put_on(&list, json!([{"variant_id": variant_id(made, 0), "price": usd(500)}]))
            .await;
    }
    curse(&shop, "Cursed-S");
    shop.context.clock.advance(TimeDelta::hours(2));
    shop.run_jobs().await;
    shop.run_jobs().await;
    assert_eq!(price_of(&shop, "mug").await, usd(500));
    assert_eq!(price_of(&shop, "cursed").await, usd(1000));
    lift_the_curse(&shop);
    shop.context.clock.advance(TimeDelta::seconds(10));
    shop.run_jobs().await;
    assert_eq!(price_of(&shop, "cursed").await, usd(500));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_large_list_holds_up_no_other() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    let large = sale(&shop, "Large", now + TimeDelta::hours(1), None).await;
    fill(&shop, &large, 6).await;
    let mug = shop.create(product("Mug", 1000, 1)).await;
    let small = sale(&shop, "Small", now + TimeDelta::hours(2), None).await;
    shop.put_on(&small, json!([{"variant_id": variant_id(&mug, 0), "price": usd(700)}]))
        .await;
    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    assert_eq!(reduced(&shop, 6).await, 250);
    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    assert_eq!(price_of(&shop, "mug").await, usd(700));
    shop.run_jobs().await;
    shop.run_jobs().await;
    assert_eq!(reduced(&shop, 6).await, 600);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_list_that_is_only_renamed_is_not_carried_over_again() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    let list = sale(&shop, "Large", now + TimeDelta::hours(1), None).await;
    fill(&shop, &list, 6).await;
    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    let uri = format!("/admin/price-lists/{}", list["id"].as_str().unwrap());
    let renamed = shop.edit(Method::PATCH, &uri, 1, json!({"name": "Larger"})).await;
    assert_eq!(
        (renamed.status.as_u16(), &renamed.body["name"]),
        (200, &json!("Larger"))
    );
    // Staff who edit a list wake the job, which therefore goes two rounds here.
    shop.run_jobs().await;
    assert_eq!(reduced(&shop, 6).await, 600);
}

#[actix_web::test]
async fn a_list_that_is_deleted_goes_with_its_prices_piece_by_piece() {
    let shop = Shop::open().await;
    let list = sale(&shop, "Sale", shop.context.clock.now(), None).await;
    fill(&shop, &list, 6).await;
    let uri = format!("/admin/price-lists/{}", list["id"].as_str().unwrap());
    assert_eq!(shop.admin(Method::DELETE, &uri, Value::Null).await.status, 204);
    // Staff who delete a list wake the job, which therefore goes two rounds at first.
    for left in [100, 0] {
        shop.run_jobs().await;
        assert_eq!(reduced(&shop, 6).await, left);
        assert_eq!(count(&shop, "SELECT count(*) AS count FROM products.list_prices"), left);
    }
    assert_eq!(count(&shop, "SELECT count(*) AS count FROM products.price_lists"), 0);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn an_end_of_the_window_that_comes_while_a_list_is_put_off_is_not_missed() {
    let shop = Shop::open().await;
    let start = shop.context.clock.now() + TimeDelta::hours(1);
    let list = sale(&shop, "Short", start, Some(start + TimeDelta::seconds(5))).await;
    fill(&shop, &list, 3).await;
    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    assert_eq!(reduced(&shop, 3).await, 250);
    curse(&shop, "Shirt 2-S99");
    shop.run_jobs().await;
    assert_eq!(reduced(&shop, 3).await, 250);
    lift_the_curse(&shop);
    shop.context.clock.advance(TimeDelta::seconds(10));
    for _ in 0..3 {
        shop.run_jobs().await;
    }
    assert_eq!(reduced(&shop, 3).await, 0);
    shop.assert_in_order().await;
}

/// 500 collections, each by a rule of 20 conditions with 100 alternatives each, but for the last one, which is about prices.
async fn make_collections(shop: &Shop) {
    let tags = |condition: usize| (0..100).map(move |number| format!("tag-{condition}-{number}"));
    let tags = |condition| json!({"tag": tags(condition).collect::<Vec<_>>()});
    let mut conditions: Vec<Value> = (0..19).map(tags).collect();
    conditions.push(json!({"price": {"max": 700}}));
    let rule = json!({"match": "any", "conditions": conditions});
    shop.collection(json!({"title": "Chosen 1", "rule": rule})).await;
    let copies = "INSERT INTO products.collections \
        (id, handle, title, description, published, rule, created_at, updated_at) \
        SELECT gen_random_uuid(), 'chosen-' || number, title, description, published, rule, created_at, updated_at \
        FROM products.collections, generate_series(2, 500) AS number";
    meddle(shop, copies);
}

/// So many products for 10 dollars, each with what `further` says of it.
async fn bring_in(shop: &Shop, count: usize, further: impl Fn(usize) -> Value) {
    let line = |number: usize| {
        let mut line =
            json!({"handle": format!("mug-{number}"), "title": format!("Mug {number}"), "price_minor": 1000});
        for (name, value) in further(number).as_object().unwrap() {
            line[name] = value.clone();
        }
        line.to_string()
    };
    let lines: Vec<String> = (0..count).map(line).collect();
    let report = shop.import(&lines.join("\n"), ImportFormat::Ndjson, false).await;
    assert_eq!(
        report.created,
        u64::try_from(count).unwrap(),
        "{:?}",
        report.errors.first()
    );
}

/// What collections have how many products.
async fn sizes_of_collections(shop: &Shop) -> Vec<i64> {
    let list = shop
        .admin(Method::GET, "/admin/collections?limit=100", Value::Null)
        .await
        .body;
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["product_count"].as_i64().unwrap()).collect()
}

#[actix_web::test]
async fn a_list_is_carried_over_with_as_many_and_as_large_rules_of_collections_as_there_may_be() {
    let shop = Shop::open().await;
    bring_in(&shop, 250, |_| json!({"tags": ["one", "another"]})).await;
    let now = shop.context.clock.now();
    sale(
        &shop,
        "Sale",
        now + TimeDelta::hours(1),
        Some(now + TimeDelta::hours(2)),
    )
    .await;
    let put = "INSERT INTO products.list_prices (price_list_id, variant_id, min_quantity, price_minor) \
        SELECT list.id, variant.id, 1, 500 FROM products.price_lists AS list, products.variants AS variant";
    meddle(&shop, put);
    make_collections(&shop).await;
    assert_eq!(sizes_of_collections(&shop).await, vec![0; 100]);
    shop.context.clock.advance(TimeDelta::hours(1));
    shop.run_jobs().await;
    assert_eq!(price_of(&shop, "mug-249").await, usd(500));
    assert_eq!(sizes_of_collections(&shop).await, vec![250; 100]);
    shop.context.clock.advance(TimeDelta::hours(1));
    // The first of these rounds only finds that the list had come to its end.
    shop.run_jobs().await;
    shop.run_jobs().await;
    assert_eq!(price_of(&shop, "mug-249").await, usd(1000));
    assert_eq!(sizes_of_collections(&shop).await, vec![0; 100]);
}

#[actix_web::test]
async fn collections_follow_prices_of_lists_whatever_their_rules_are_about() {
    let shop = Shop::open().await;
    let tags = ["red", "blue"];
    bring_in(
        &shop,
        20,
        |number| json!({"tags": [tags[number % 2]], "price_minor": 900 + 40 * number}),
    )
    .await;
    for (number, condition) in [
        json!([{"price": {"max": 800}}]),
        json!([{"price": {"min": 1000}}]),
        json!([{"price": {"min": 700, "max": 900}}]),
        json!([{"price": {"max": 1000}}, {"tag": ["red"]}]),
        json!([{"price": {"min": 600}}, {"price": {"max": 1200}}]),
        json!([{"tag": ["blue"]}]),
    ]
    .into_iter()
    .enumerate()
    {
        for quantifier in ["all", "any"] {
            let rule = json!({"match": quantifier, "conditions": condition});
            shop.collection(json!({"title": format!("{quantifier} of {number}"), "rule": rule}))
                .await;
        }
    }
    let before = sizes_of_collections(&shop).await;
    let start = shop.context.clock.now();
    for (hour, price) in [(1, 500), (2, 750), (3, 950), (4, 1100)] {
        let end = start + TimeDelta::minutes(60 * hour + 50);
        sale(
            &shop,
            &format!("Sale {hour}"),
            start + TimeDelta::hours(hour),
            Some(end),
        )
        .await;
        // Each of two products is on it.
        let put = format!(
            "INSERT INTO products.list_prices (price_list_id, variant_id, min_quantity, price_minor) \
             SELECT list.id, variant.id, 1, {price} FROM products.price_lists AS list, products.variants AS variant \
             JOIN products.products AS product ON product.id = variant.product_id \
             WHERE list.name = 'Sale {hour}' AND right(product.handle, 1)::integer % 4 < 2"
        );
        meddle(&shop, &put);
    }
    let mut seen = vec![before.clone()];
    for minutes in [60, 50, 10, 50, 10, 50, 10, 50] {
        shop.context.clock.advance(TimeDelta::minutes(minutes));
        shop.run_jobs().await;
        shop.assert_in_order().await;
        seen.push(sizes_of_collections(&shop).await);
    }
    assert_eq!(seen.last(), Some(&before));
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() > 3, "{seen:?}");
}

#[actix_web::test]
async fn who_began_before_a_sale_ended_and_writes_afterwards_does_not_bring_it_back() {
    let shop = Shop::open().await;
    let now = shop.context.clock.now();
    let mug = shop.create(product("Mug", 1000, 1)).await;
    let id = variant_id(&mug, 0);
    let over = sale(&shop, "Over", now, Some(now + TimeDelta::hours(1))).await;
    shop.put_on(&over, json!([{"variant_id": id, "price": usd(500)}])).await;
    let other = sale(&shop, "Other", now, None).await;
    assert_eq!(price_of(&shop, "mug").await, usd(500));

    // Somebody else has the other list, so that a price on it waits, which has looked at the clock already.
    let mut holder = shop.database.connect().unwrap();
    let hold = "BEGIN; SELECT FROM products.price_lists WHERE name = 'Other' FOR UPDATE";
    holder.batch_execute(hold).unwrap();
    let prices = json!([{"variant_id": id, "price": usd(800)}]);
    let put = shop.put_on(&other, prices);
    let meanwhile = async {
        eventually(async || is_anybody_waiting(&shop)).await;
        shop.context.clock.advance(TimeDelta::hours(2));
        shop.run_jobs().await;
        assert_eq!(price_of(&shop, "mug").await, usd(1000));
        holder.batch_execute("COMMIT").unwrap();
    };
    join(put, meanwhile).await;
    assert_eq!(price_of(&shop, "mug").await, usd(800));
    shop.assert_in_order().await;
}

/// Whether a transaction of this shop waits for a row.
fn is_anybody_waiting(shop: &Shop) -> bool {
    const SQL: &str = "SELECT count(*) AS count FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    count(shop, SQL) > 0
}

/// What a query counts.
fn count(shop: &Shop, sql: &str) -> usize {
    let mut connection = shop.database.connect().unwrap();
    let counted: Count = diesel::sql_query(sql).get_result(&mut connection).unwrap();
    usize::try_from(counted.count).unwrap()
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

#[actix_web::test]
async fn a_price_of_a_list_that_does_not_hold_for_everybody_is_out_of_order() {
    for change in [
        "UPDATE products.price_lists SET ends_at = starts_at + interval '1 hour'",
        "UPDATE products.price_lists SET starts_at = starts_at + interval '3 hours'",
        "UPDATE products.price_lists SET status = 'draft'",
        "UPDATE products.price_lists SET customer_group_id = gen_random_uuid()",
        "UPDATE products.price_lists SET deleted_at = created_at",
    ] {
        let shop = Shop::open_selling_in("EUR").await;
        let euros = json!([{"price": {"amount": 900, "currency": "EUR"}}]);
        let mug = json!({"title": "Mug", "variants": [{"price": usd(1000), "stock": 1, "prices": euros}]});
        let mug = shop.create(mug).await;
        let now = shop.context.clock.now();
        for currency in ["USD", "EUR"] {
            let list = json!({"name": "Sale", "currency": currency, "status": "active", "starts_at": text(now)});
            let list = shop.price_list(list).await;
            let price = json!({"amount": 500, "currency": currency});
            shop.put_on(&list, json!([{"variant_id": variant_id(&mug, 0), "price": price}]))
                .await;
        }
        shop.context.clock.advance(TimeDelta::hours(2));
        shop.assert_in_order().await;
        meddle(&shop, change);
        let findings = shop.module.verify().await.unwrap();
        let broken: Vec<&str> = findings.iter().map(|finding| finding.rule).collect();
        assert_eq!(broken, ["prices_have_a_source", "offers_have_a_source"], "{change}");
    }
}

#[actix_web::test]
async fn what_prices_were_is_forgotten_after_ninety_days_but_for_the_newest_of_each_currency() {
    let shop = Shop::open_selling_in("EUR").await;
    let euros = |amount: i64| json!([{"price": {"amount": amount, "currency": "EUR"}}]);
    let mug = json!({"title": "Mug", "variants": [{"price": usd(1000), "stock": 1, "prices": euros(900)}]});
    let mug = shop.create(mug).await;
    let variant = format!("/admin/variants/{}", variant_id(&mug, 0));
    let edit = async |change: Value| {
        let edited = shop
            .admin_with(Method::PATCH, &variant, change, &[("If-Match", "*")])
            .await;
        assert_eq!(edited.status, 200, "{}", edited.body);
    };
    let kept = |currency: &str| {
        let sql = format!("SELECT count(*) AS count FROM products.price_history WHERE currency = '{currency}'");
        count(&shop, &sql)
    };
    for (amount, further) in [(900, 800), (950, 850), (980, 850)] {
        shop.context.clock.advance(TimeDelta::days(1));
        edit(json!({"price": {"amount": amount}, "prices": euros(further)})).await;
    }
    assert_eq!((kept("USD"), kept("EUR")), (3, 2));
    shop.context.clock.advance(TimeDelta::days(88));
    shop.run_jobs().await;
    assert_eq!((kept("USD"), kept("EUR")), (2, 1), "the first ended ninety days ago");
    shop.context.clock.advance(TimeDelta::days(10));
    shop.run_jobs().await;
    assert_eq!((kept("USD"), kept("EUR")), (1, 1));
    // The newest goes when there is a newer one.
    edit(json!({"price": {"amount": 990}})).await;
    shop.run_jobs().await;
    assert_eq!((kept("USD"), kept("EUR")), (1, 1));
    shop.context.clock.advance(TimeDelta::days(1));
    edit(json!({"price": {"amount": 800}, "compare_at_price": usd(990)})).await;
    let shown = shop.get("/products/mug").await.body;
    assert_eq!(shown["variants"][0]["lowest_price_30_days"], usd(980));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_prices_were_is_forgotten_piece_by_piece() {
    let shop = Shop::open().await;
    shop.create(product("Mug", 1000, 1)).await;
    let past = "INSERT INTO products.price_history (variant_id, currency, price_minor, held_from, held_until, is_newest) \
        SELECT id, 'USD', 1, '2020-01-01', '2020-01-01'::timestamptz + number * interval '1 hour', number = 2500 \
        FROM products.variants, generate_series(1, 2500) AS number";
    meddle(&shop, past);
    for left in [1500, 500, 1, 1] {
        shop.run_jobs().await;
        assert_eq!(
            count(&shop, "SELECT count(*) AS count FROM products.price_history"),
            left
        );
    }
}
