//! Collections that are filled by rules.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::http::Method;
use chrono::TimeDelta;
use database::{Failure, Statement};
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use futures_util::future::join;
use kernel::Fault;
use kernel::id::CollectionId;
use product::ImportFormat;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Shop, path, product, usd};

fn at(collection: &Value) -> String {
    format!("/admin/collections/{}", collection["id"].as_str().unwrap())
}

/// A collection of this rule.
async fn ruled(shop: &Shop, title: &str, quantifier: &str, conditions: Value) -> Value {
    let rule = json!({"match": quantifier, "conditions": conditions});
    shop.collection(json!({"title": title, "rule": rule})).await
}

#[actix_web::test]
async fn a_collection_follows_its_rule_when_products_are_edited() {
    let shop = Shop::open().await;
    let mut mug = product("Mug", 900, 1);
    mug["brand"] = json!("Ours");
    let mug = shop.create(mug).await;
    let conditions = json!([{"brand": ["Ours"]}, {"price": {"max": 1000}}]);
    let cheap = ruled(&shop, "Our cheap things", "all", conditions).await;
    assert_eq!(
        (&cheap["product_count"], &cheap["product_ids"]),
        (&json!(1), &Value::Null)
    );
    let shown = async || shop.titles("collection=our-cheap-things&sort=title").await;
    assert_eq!(shown().await, ["Mug"]);
    let mut cup = product("Cup", 5000, 1);
    cup["brand"] = json!("Ours");
    let cup = shop.create(cup).await;
    assert_eq!(shown().await, ["Mug"]);
    // The price of a variant is a fact about its product.
    let variant = format!("/admin/variants/{}", cup["variants"][0]["id"].as_str().unwrap());
    shop.edit(Method::PATCH, &variant, 1, json!({"price": {"amount": 1000}}))
        .await;
    assert_eq!(shown().await, ["Cup", "Mug"]);
    shop.edit(Method::PATCH, &path(&mug), 1, json!({"brand": "Theirs"}))
        .await;
    assert_eq!(shown().await, ["Cup"]);
    let file = r#"{"handle":"mug","title":"Mug","brand":"Ours","price_minor":1}"#;
    shop.import(file, ImportFormat::Auto, false).await;
    assert_eq!(shown().await, ["Cup", "Mug"]);
    shop.edit(Method::DELETE, &path(&cup), 2, Value::Null).await;
    assert_eq!(shown().await, ["Mug"]);
    let other = json!({"rule": {"match": "any", "conditions": [{"brand": ["Theirs"]}]}});
    assert_eq!(
        shop.edit(Method::PATCH, &at(&cheap), 1, other).await.body["product_count"],
        0
    );
    assert!(shown().await.is_empty());
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_collection_follows_a_category_that_is_moved() {
    let shop = Shop::open().await;
    let home = shop.category("Home", None).await;
    let garden = shop.category("Garden", None).await;
    let lamps = shop.category("Lamps", Some(&home)).await;
    let desk = shop.category("Desk lamps", Some(&lamps)).await;
    let mut lamp = product("Lamp", 900, 1);
    lamp["category_id"] = desk["id"].clone();
    shop.create(lamp).await;
    ruled(&shop, "For home", "all", json!([{"category": [home["id"]]}])).await;
    ruled(&shop, "For the garden", "all", json!([{"category": [garden["id"]]}])).await;
    assert_eq!(shop.titles("collection=for-home").await, ["Lamp"]);
    assert_eq!(shop.titles("category=home").await, ["Lamp"]);
    let lamps_at = format!("/admin/categories/{}", lamps["id"].as_str().unwrap());
    let moved = shop
        .edit(Method::PATCH, &lamps_at, 1, json!({"parent_id": garden["id"]}))
        .await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    assert!(shop.titles("collection=for-home").await.is_empty());
    assert!(shop.titles("category=home").await.is_empty());
    assert_eq!(shop.titles("collection=for-the-garden").await, ["Lamp"]);
    assert_eq!(shop.titles("category=garden").await, ["Lamp"]);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_is_new_grows_old_by_itself() {
    let shop = Shop::open().await;
    let today = shop.context.clock.now().date_naive();
    for (title, age) in [("Today", 0), ("Yesterday", 1), ("Tomorrow", -1)] {
        let mut thing = product(title, 900, 1);
        thing["released_on"] = json!(today - TimeDelta::days(age));
        shop.create(thing).await;
    }
    let new = ruled(&shop, "New", "all", json!([{"released_within_days": 2}])).await;
    let shown = async || shop.titles("collection=new&sort=title").await;
    assert_eq!(shown().await, ["Today", "Yesterday"]);
    shop.run_jobs().await;
    assert_eq!(shown().await, ["Today", "Yesterday"]);
    shop.context.clock.advance(TimeDelta::days(1));
    shop.run_jobs().await;
    assert_eq!(shown().await, ["Today", "Tomorrow"]);
    // Nobody has edited the collection.
    assert_eq!(
        shop.admin(Method::GET, &at(&new), Value::Null).await.header("etag"),
        "\"1\""
    );
    shop.context.clock.advance(TimeDelta::days(9));
    shop.run_jobs().await;
    assert!(shown().await.is_empty());
}

#[actix_web::test]
async fn a_rule_is_tried_without_changing_anything() {
    let shop = Shop::open().await;
    for price in [100, 200, 300] {
        shop.create(product(&format!("Thing {price}"), price, 1)).await;
    }
    let cheap = ruled(&shop, "Cheap", "all", json!([{"price": {"max": 100}}])).await;
    let preview = format!("{}/preview", at(&cheap));
    let rule = json!({"rule": {"match": "all", "conditions": [{"price": {"min": 150, "max": 300}}]}});
    let tried = shop.admin(Method::POST, &preview, rule).await;
    assert_eq!((tried.status.as_u16(), &tried.body), (200, &json!({"matching": 2})));
    assert_eq!(shop.titles("collection=cheap").await, ["Thing 100"]);
    for (conditions, pointer, code) in [
        (json!([]), "/rule/conditions", "required"),
        (json!([{"colour": ["Red"]}]), "/rule/conditions/0", "unknown_value"),
        (json!([{"brand": []}]), "/rule/conditions/0/brand", "required"),
        (
            json!([{"price": {"min": -1}}]),
            "/rule/conditions/0/price/min",
            "out_of_range",
        ),
        (
            json!([{"price": {"least": 1}}]),
            "/rule/conditions/0/price/least",
            "unknown_field",
        ),
    ] {
        let rule = json!({"rule": {"match": "all", "conditions": conditions}});
        let refused = shop.admin(Method::POST, &preview, rule).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
    let nowhere = "/admin/collections/collection_01h2xcejqtf2nbrexx3vqjhp41/preview";
    let rule = json!({"rule": {"match": "all", "conditions": [{"price": {"min": 1}}]}});
    assert_eq!(shop.admin(Method::POST, nowhere, rule).await.status, 404);
}

#[actix_web::test]
async fn a_rule_that_changes_while_products_are_written_misses_none() {
    let shop = Shop::open().await;
    let row = |number: usize, price: usize| {
        json!({"id": number.to_string(), "title": format!("Thing {number}"), "price_minor": price}).to_string()
    };
    let file = |price: usize| (0..600).map(|number| row(number, price)).collect::<Vec<_>>().join("\n");
    shop.import(&file(100), ImportFormat::Auto, false).await;
    let cheap = ruled(&shop, "Cheap", "all", json!([{"price": {"max": 150}}])).await;
    let edit = async {
        for version in 1..=10 {
            let rule = json!({"match": "all", "conditions": [{"price": {"max": 150 + version % 2 * 100}}]});
            let edited = shop
                .edit(Method::PATCH, &at(&cheap), version, json!({"rule": rule}))
                .await;
            assert_eq!(edited.status, 200, "{}", edited.body);
        }
    };
    let write = async {
        for price in [200, 100, 200] {
            let report = shop.import(&file(price), ImportFormat::Auto, false).await;
            assert_eq!(report.errors, vec![]);
        }
    };
    join(edit, write).await;
    shop.assert_in_order().await;
    assert!(shop.titles("collection=cheap&limit=1").await.is_empty());
}

/// Values that products have and rules ask for; few, so that they meet.
fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => prop::sample::select(vec![
            json!(0),
            json!(-0.0),
            json!(1),
            json!(1.0),
            json!(1.5),
            json!(0.1),
            json!(-7),
            json!(1e300),
            json!(5e-324),
            json!(9_007_199_254_740_993_i64),
            json!(9_007_199_254_740_992_i64),
            json!(u64::MAX),
            json!(true),
            json!(false),
            json!("1"),
            json!("true"),
            json!("Red"),
            json!("réd \"'?\\"),
            json!(""),
        ]),
        1 => any::<i64>().prop_map(|number| json!(number)),
        1 => any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| json!(number)),
    ]
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["A", "a", "B?", "C'\"", "%"])
}

/// A product as a file has it: its number is for its name.
fn row() -> impl Strategy<Value = Value> {
    let attributes = prop::collection::btree_map(prop::sample::select(vec!["x?", "y\"'"]), value(), 0..3);
    let category = prop::option::of(prop::sample::select(vec![
        "Root",
        "Root > Left",
        "Root > Right",
        "Other",
    ]));
    (
        prop::option::of(word()),
        prop::collection::btree_set(word(), 0..3),
        attributes,
        category,
        prop::collection::vec(0_i64..6, 1..3),
        0_i64..12,
    )
        .prop_map(|(brand, tags, attributes, category, prices, age)| {
            let variant =
                |(index, price): (usize, &i64)| json!({"options": {"No": index.to_string()}, "price_minor": price});
            json!({"brand": brand, "tags": tags, "attributes": attributes, "category": category, "age": age,
                "variants": prices.iter().enumerate().map(variant).collect::<Vec<_>>()})
        })
}

/// A condition. Categories are named by the index in the list of them.
fn condition() -> impl Strategy<Value = Value> {
    let words = || prop::collection::btree_set(word(), 1..3);
    let attribute = (
        prop::sample::select(vec!["x?", "y\"'"]),
        prop::sample::select(vec!["equals", "greater", "less"]),
        value(),
    )
        .prop_map(|(name, operator, value)| {
            let operator = if value.is_number() { operator } else { "equals" };
            json!({"attribute": {"name": name, "operator": operator, "value": value}})
        });
    prop_oneof![
        1 => words().prop_map(|brands| json!({"brand": brands})),
        1 => words().prop_map(|tags| json!({"tag": tags})),
        1 => (0_usize..4).prop_map(|index| json!({"category": index})),
        6 => attribute,
        1 => (0_i64..6).prop_map(|min| json!({"price": {"min": min}})),
        1 => (0_i64..3, 0_i64..3).prop_map(|(min, more)| json!({"price": {"min": min, "max": min + more}})),
        1 => (1_u32..12).prop_map(|days| json!({"released_within_days": days})),
    ]
}

#[actix_web::test]
async fn what_is_decided_when_a_product_is_written_is_what_the_database_decides_for_all() {
    let shop = Shop::open().await;
    let mut runner = TestRunner::deterministic();
    let mut generate = |strategy: &dyn Fn(&mut TestRunner) -> Value| strategy(&mut runner);
    let today = shop.context.clock.now().date_naive();
    let rows: Vec<Value> = (0..120)
        .map(|number| {
            let mut row = generate(&|runner| row().new_tree(runner).unwrap().current());
            let age = row.as_object_mut().unwrap().remove("age").unwrap().as_i64().unwrap();
            row["released_on"] = json!(today - TimeDelta::days(age - 2));
            row["title"] = json!(format!("Thing {number}"));
            row["id"] = json!(number.to_string());
            row
        })
        .collect();
    // The categories have to be there before the rules that name them.
    let mut categories = Vec::new();
    let root = shop.category("Root", None).await;
    for (name, parent) in [("Left", Some(&root)), ("Right", Some(&root)), ("Other", None)] {
        categories.push(shop.category(name, parent).await["id"].clone());
    }
    categories.push(root["id"].clone());
    let rules: Vec<Value> = (0..100)
        .map(|number| {
            let conditions = (0..1 + number / 2 % 3).map(|_| {
                let mut condition = generate(&|runner| condition().new_tree(runner).unwrap().current());
                if let Some(index) = condition["category"].as_u64() {
                    condition["category"] = json!([categories[usize::try_from(index).unwrap()]]);
                }
                condition
            });
            let conditions: Vec<Value> = conditions.collect();
            json!({"match": if number % 2 == 0 { "all" } else { "any" }, "conditions": conditions})
        })
        .collect();
    let mut before = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let collection = json!({"title": format!("Before {number}"), "rule": rule});
        before.push(shop.collection(collection).await);
    }
    let file: Vec<String> = rows.iter().map(Value::to_string).collect();
    let report = shop.import(&file.join("\n"), ImportFormat::Auto, false).await;
    assert_eq!((report.created, report.errors), (120, vec![]));

    let mut after = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let collection = json!({"title": format!("After {number}"), "rule": rule});
        after.push(shop.collection(collection).await);
    }
    let members = members(&shop).await;
    let (mut none, mut some) = (0, 0);
    for (number, rule) in rules.iter().enumerate() {
        let of = |collection: &Value| {
            let id: CollectionId = collection["id"].as_str().unwrap().parse().unwrap();
            members.get(&id.uuid()).cloned().unwrap_or_default()
        };
        let written = of(&before[number]);
        assert_eq!(written, of(&after[number]), "{rule}");
        if written.is_empty() { none += 1 } else { some += 1 }
    }
    assert!(none > 5 && some > 30, "rules that say nothing: {none}, {some}");
    shop.assert_in_order().await;
}

#[derive(QueryableByName)]
struct Member {
    #[diesel(sql_type = SqlUuid)]
    collection_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    product_id: Uuid,
}

/// What belongs to each collection.
async fn members(shop: &Shop) -> BTreeMap<Uuid, BTreeSet<Uuid>> {
    const SQL: &str = "SELECT collection_id, product_id FROM @.collection_products";
    let all = |connection: &mut PgConnection| {
        let rows: Vec<Member> = Statement::new("products", SQL, []).load(connection)?;
        Ok::<_, Failure<Fault>>(rows)
    };
    let mut members: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
    for Member {
        collection_id,
        product_id,
    } in shop.database.run(all).await.unwrap()
    {
        members.entry(collection_id).or_default().insert(product_id);
    }
    members
}

#[actix_web::test]
async fn a_rule_about_types_follows_the_products_of_the_type() {
    let shop = Shop::open().await;
    let cups = shop
        .admin(Method::POST, "/admin/product-types", json!({"name": "Cups"}))
        .await
        .body;
    ruled(&shop, "All cups", "all", json!([{"product_type": [cups["id"]]}])).await;
    let mut mug = json!({"title": "Mug", "variants": [{"price": usd(5)}]});
    mug["product_type_id"] = cups["id"].clone();
    let mug = shop.create(mug).await;
    assert_eq!(shop.titles("collection=all-cups").await, ["Mug"]);
    shop.edit(Method::PATCH, &path(&mug), 1, json!({"product_type_id": null}))
        .await;
    assert!(shop.titles("collection=all-cups").await.is_empty());
    shop.assert_in_order().await;
}
