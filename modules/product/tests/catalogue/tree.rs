//! The tree of categories, whatever is done to it.

use actix_web::http::Method;
use database::Failure;
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use futures_util::future::join;
use kernel::Fault;
use product::ImportFormat;
use serde_json::{Value, json};

use crate::support::{Shop, product};

fn at(category: &Value) -> String {
    format!("/admin/categories/{}", category["id"].as_str().unwrap())
}

/// A chain of categories, each below the one before.
async fn chain(shop: &Shop, name: &str, count: usize) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    for number in 0..count {
        let category = shop.category(&format!("{name} {number}"), made.last()).await;
        made.push(category);
    }
    made
}

#[actix_web::test]
async fn a_subtree_is_not_moved_deeper_than_the_tree_may_be() {
    let shop = Shop::open().await;
    let (left, right) = (chain(&shop, "Left", 8).await, chain(&shop, "Right", 3).await);
    let move_right = async |below: &Value| {
        let body = json!({"parent_id": below["id"]});
        let any = [("If-Match", "*")];
        shop.admin_with(Method::PATCH, &at(&right[0]), body, &any).await
    };
    assert_eq!(move_right(&left[7]).await.refusal(), (422, "/parent_id", "too_deep"));
    let tree = shop.get("/categories").await.body;
    assert_eq!(tree["data"].as_array().unwrap().len(), 2);
    let moved = move_right(&left[6]).await;
    assert_eq!((moved.status.as_u16(), &moved.body["version"]), (200, &json!(2)));
    let eleventh = json!({"name": "Too deep", "parent_id": right[2]["id"]});
    let refused = shop.admin(Method::POST, "/admin/categories", eleventh).await;
    assert_eq!(refused.refusal(), (422, "/parent_id", "too_deep"));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn two_moves_at_the_same_time_make_no_circle() {
    let shop = Shop::open().await;
    for number in 0..8 {
        let left = shop.category(&format!("Left {number}"), None).await;
        let right = shop.category(&format!("Right {number}"), None).await;
        let below = |parent: &Value| json!({"parent_id": parent["id"]});
        let (first, second) = join(
            shop.edit(Method::PATCH, &at(&left), 1, below(&right)),
            shop.edit(Method::PATCH, &at(&right), 1, below(&left)),
        )
        .await;
        let mut statuses = [first.status.as_u16(), second.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 422]);
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_category_lists_what_is_anywhere_below_it_and_nothing_else() {
    let shop = Shop::open().await;
    let home = chain(&shop, "Home", 3).await;
    let garden = shop.category("Garden", None).await;
    for (title, category) in [
        ("Top", &home[0]),
        ("Middle", &home[1]),
        ("Bottom", &home[2]),
        ("Rake", &garden),
    ] {
        let mut thing = product(title, 900, 1);
        thing["category_id"] = category["id"].clone();
        shop.create(thing).await;
    }
    let listed = async |handle: &str| shop.titles(&format!("category={handle}&sort=title")).await;
    assert_eq!(listed("home-0").await, ["Bottom", "Middle", "Top"]);
    assert_eq!(listed("home-1").await, ["Bottom", "Middle"]);
    let moved = shop
        .edit(Method::PATCH, &at(&home[1]), 1, json!({"parent_id": garden["id"]}))
        .await;
    assert_eq!(moved.body["path"], json!(["Garden", "Home 1"]));
    assert_eq!(listed("home-0").await, ["Top"]);
    assert_eq!(listed("garden").await, ["Bottom", "Middle", "Rake"]);
    let bottom = shop.get("/products/bottom").await.body;
    assert_eq!(bottom["category"]["path"], json!(["Garden", "Home 1", "Home 2"]));
    for below in [&home[1], &home[2]] {
        let circle = shop
            .edit(Method::PATCH, &at(&garden), 1, json!({"parent_id": below["id"]}))
            .await;
        assert_eq!(circle.refusal(), (422, "/parent_id", "circle"));
    }
    let itself = shop
        .edit(Method::PATCH, &at(&garden), 1, json!({"parent_id": garden["id"]}))
        .await;
    assert_eq!(itself.refusal(), (422, "/parent_id", "circle"));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_name_is_kept_as_a_path_in_a_file_tells_it() {
    let shop = Shop::open().await;
    let shoes = shop.category(" Shoes ", None).await;
    assert_eq!(shoes["name"], "Shoes");
    for name in ["A >", "> A", ">", "A > B"] {
        let refused = shop
            .admin(Method::POST, "/admin/categories", json!({"name": name}))
            .await;
        assert_eq!(refused.refusal(), (422, "/name", "invalid_name"), "{name}");
        let refused = shop.edit(Method::PATCH, &at(&shoes), 1, json!({"name": name})).await;
        assert_eq!(refused.refusal(), (422, "/name", "invalid_name"), "{name}");
    }
    let renamed = shop
        .edit(Method::PATCH, &at(&shoes), 1, json!({"name": "Boots "}))
        .await;
    assert_eq!(renamed.body["name"], "Boots");
    let mut boot = product("Boot", 900, 1);
    boot["category_id"] = shoes["id"].clone();
    shop.create(boot).await;
    let report = shop.import(&shop.export().await, ImportFormat::Ndjson, false).await;
    assert_eq!((report.unchanged, report.updated), (1, 0), "{report:?}");
    assert_eq!(shop.get("/categories").await.body["data"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn names_of_before_lose_what_is_too_much_and_stay_different() {
    const MIGRATION: &str = include_str!("../../../../migrations/product/2026-11-28-000020_category_names/up.sql");
    let shop = Shop::open().await;
    let first = shop.category("Shoes", None).await;
    let second = shop.category("1", None).await;
    let below = shop.category("2", Some(&second)).await;
    let nameless = shop.category("Arrow", Some(&below)).await;
    let mut arrow = product("Arrow", 900, 1);
    arrow["category_id"] = nameless["id"].clone();
    shop.create(arrow).await;
    let migrate = |connection: &mut PgConnection| {
        let spoil = "SET LOCAL search_path = products; \
            ALTER TABLE categories DROP CONSTRAINT categories_name; \
            UPDATE categories SET name = 'Shoes\u{a0}', path[1] = 'Shoes\u{a0}' WHERE name = '1'; \
            UPDATE categories SET name = '> Old >', path = ARRAY['Shoes\u{a0}', '> Old >'] WHERE name = '2'; \
            UPDATE categories SET name = '>', path = ARRAY['Shoes\u{a0}', '> Old >', '>'] WHERE name = 'Arrow'; \
            UPDATE products SET category_path = ARRAY['Shoes\u{a0}', '> Old >', '>'];";
        connection.batch_execute(spoil)?;
        Ok::<_, Failure<Fault>>(connection.batch_execute(MIGRATION)?)
    };
    shop.database.transaction(migrate).await.unwrap();
    for (category, wanted) in [
        (&first, json!(["Shoes"])),
        (&second, json!(["Shoes 2"])),
        (&below, json!(["Shoes 2", "Old"])),
        (&nameless, json!(["Shoes 2", "Old", "arrow"])),
    ] {
        let path = format!("/categories/{}", category["id"].as_str().unwrap());
        assert_eq!(shop.get(&path).await.body["path"], wanted);
    }
    assert!(shop.export().await.contains(r#""category":"Shoes 2 > Old > arrow""#));
}
