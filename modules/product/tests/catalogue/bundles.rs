//! Variants that consist of others: edited as a part of their product, sold from the stock of their components.

use actix_web::http::Method;
use database::Failure;
use diesel::PgConnection;
use diesel::connection::SimpleConnection as _;
use kernel::id::{ReservationId, VariantId};
use kernel::module::Module as _;
use kernel::{Currency, Fault};
use product_api::{Demand, ProductError, Shortage};
use serde_json::{Value, json};

use crate::support::{Response, Shop, eventually, path, product, sizes, usd, variant_id};

/// Decides what a variant consists of, whatever the version of its product.
async fn compose(shop: &Shop, bundle: VariantId, components: &[(VariantId, i64)]) -> Response {
    let component = |(id, quantity): &(VariantId, i64)| json!({"variant_id": id, "quantity": quantity});
    let body = json!({"components": components.iter().map(component).collect::<Vec<_>>()});
    let path = format!("/admin/variants/{bundle}/components");
    shop.admin_with(Method::PUT, &path, body, &[("If-Match", "*")]).await
}

/// A product whose one variant consists of these.
async fn bundle(shop: &Shop, title: &str, components: &[(VariantId, i64)]) -> (Value, VariantId) {
    let made = shop.create(product(title, 2500, 0)).await;
    let id = variant_id(&made, 0);
    let composed = compose(shop, id, components).await;
    assert_eq!(composed.status, 200, "{}", composed.body);
    (made, id)
}

async fn one(shop: &Shop, title: &str, stock: i64) -> VariantId {
    variant_id(&shop.create(product(title, 900, stock)).await, 0)
}

async fn reserve(shop: &Shop, lines: &[(VariantId, i64)]) -> Result<ReservationId, ProductError> {
    let order = ReservationId::generate();
    let demand = |(variant, quantity): &(VariantId, i64)| Demand {
        variant: *variant,
        quantity: *quantity,
    };
    let demands = lines.iter().map(demand).collect();
    shop.api().reserve(order, demands).await.map(|()| order)
}

/// On hand and reserved.
async fn level(shop: &Shop, variant: VariantId) -> (i64, i64) {
    let path = format!("/admin/stock/{variant}");
    let body = shop.admin(Method::GET, &path, Value::Null).await.body;
    (body["on_hand"].as_i64().unwrap(), body["reserved"].as_i64().unwrap())
}

async fn shown(shop: &Shop, product: &Value) -> Value {
    let id = product["id"].as_str().unwrap();
    shop.get(&format!("/products/{id}")).await.body["variants"][0].clone()
}

async fn quoted(shop: &Shop, variant: VariantId) -> i64 {
    let currency: Currency = "USD".parse().unwrap();
    shop.api().quote(vec![variant], currency, None, None).await.unwrap()[0].available
}

async fn terms(shop: &Shop, variant: VariantId, body: Value) -> Response {
    let path = format!("/admin/stock/{variant}");
    shop.admin_with(Method::PATCH, &path, body, &[("If-Match", "*")]).await
}

fn short(variant_id: VariantId, requested: i64, available: i64) -> ProductError {
    ProductError::InsufficientStock(vec![Shortage {
        variant_id,
        requested,
        available,
    }])
}

#[actix_web::test]
async fn a_bundle_is_edited_as_a_part_of_its_product_and_shown_with_what_it_consists_of() {
    let shop = Shop::open().await;
    let shirt = shop.create(sizes("Shirt", &[("S", 900, 4), ("M", 900, 9)])).await;
    let (medium, mug) = (variant_id(&shirt, 1), one(&shop, "Mug", 7).await);
    let made = shop.create(product("Gift", 2500, 0)).await;
    let gift = variant_id(&made, 0);
    let route = format!("/admin/variants/{gift}/components");
    let body = json!({"components": [{"variant_id": mug, "quantity": 2}, {"variant_id": medium, "quantity": 1}]});
    assert_eq!(shop.admin(Method::PUT, &route, body.clone()).await.status, 428);
    assert_eq!(shop.edit(Method::PUT, &route, 7, body.clone()).await.status, 412);
    let edited = shop.edit(Method::PUT, &route, 1, body).await;
    assert_eq!(
        (edited.status.as_u16(), edited.header("etag")),
        (200, "\"2\""),
        "{}",
        edited.body
    );
    let expected = json!([
        {"variant_id": mug, "product_handle": "mug", "title": "Mug", "variant_title": "Default", "quantity": 2},
        {"variant_id": medium, "product_handle": "shirt", "title": "Shirt", "variant_title": "M", "quantity": 1},
    ]);
    assert_eq!(edited.body["components"], expected);
    let seen = shop.admin(Method::GET, &path(&made), Value::Null).await.body;
    assert_eq!(
        (&seen["version"], &seen["variants"][0]["components"]),
        (&json!(2), &expected)
    );
    let seen = shown(&shop, &made).await;
    assert_eq!((&seen["components"], &seen["available"]), (&expected, &json!(3)));
    assert_eq!(shown(&shop, &shirt).await.get("components"), None);
    assert_eq!(
        shop.admin(Method::GET, &format!("/admin/stock/{gift}"), Value::Null)
            .await
            .body["sellable"],
        3
    );
    // All of it each time; with none it is an ordinary variant again, which may have stock.
    compose(&shop, gift, &[(medium, 3)]).await;
    assert_eq!(shown(&shop, &made).await["available"], 3);
    let cleared = compose(&shop, gift, &[]).await;
    assert_eq!((cleared.status.as_u16(), cleared.body.get("components")), (200, None));
    shop.adjust(gift, None, 5).await;
    assert_eq!(shown(&shop, &made).await["available"], 5);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn components_that_cannot_be_are_refused_and_change_nothing() {
    let shop = Shop::open().await;
    let (mug, cup) = (one(&shop, "Mug", 7).await, one(&shop, "Cup", 7).await);
    let (_, gift) = bundle(&shop, "Gift", &[(mug, 1)]).await;
    let (_, other) = bundle(&shop, "Other", &[(cup, 1)]).await;
    for (components, pointer, code) in [
        (
            vec![(VariantId::generate(), 1)],
            "/components/0/variant_id",
            "not_found",
        ),
        (vec![(cup, 1), (other, 1)], "/components/1/variant_id", "is_bundle"),
        (vec![(gift, 1)], "/components/0/variant_id", "self_reference"),
        (vec![(cup, 1), (cup, 2)], "/components/1/variant_id", "duplicate"),
        (vec![(cup, 0)], "/components/0/quantity", "out_of_range"),
        (vec![(cup, 1001)], "/components/0/quantity", "out_of_range"),
        (vec![(cup, 1); 21], "/components", "too_many"),
    ] {
        let refused = compose(&shop, gift, &components).await;
        assert_eq!(refused.refusal(), (422, pointer, code), "{}", refused.body);
    }
    let nested = compose(&shop, mug, &[(cup, 1)]).await;
    assert_eq!(
        (nested.status.as_u16(), &nested.body["code"]),
        (409, &json!("in_use")),
        "it is a component"
    );
    assert_eq!(compose(&shop, VariantId::generate(), &[(cup, 1)]).await.status, 404);
    let path = format!("/admin/variants/{gift}/components");
    let unknown = json!({"components": [], "kind": "fixed"});
    let refused = shop.admin_with(Method::PUT, &path, unknown, &[("If-Match", "*")]).await;
    assert_eq!(refused.refusal(), (422, "/kind", "unknown_field"));
    assert_eq!(shop.customer(Method::PUT, &path).await.status, 403);
    assert_eq!(quoted(&shop, gift).await, 7);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_variant_becomes_a_bundle_only_without_stock_promises_and_terms_and_then_gets_none() {
    let shop = Shop::open().await;
    let mug = one(&shop, "Mug", 7).await;
    let made = shop.create(product("Gift", 2500, 1)).await;
    let gift = variant_id(&made, 0);
    let refused = |answer: &Response| (answer.status.as_u16(), answer.body["code"].as_str().unwrap().to_owned());
    let has_stock = (409, "has_stock".to_owned());
    assert_eq!(refused(&compose(&shop, gift, &[(mug, 1)]).await), has_stock);
    let order = reserve(&shop, &[(gift, 1)]).await.unwrap();
    assert_eq!(refused(&compose(&shop, gift, &[(mug, 1)]).await), has_stock);
    shop.api().commit(order).await.unwrap();
    let sold = compose(&shop, gift, &[(mug, 1)]).await;
    assert_eq!(refused(&sold), has_stock, "the order may give it back");
    shop.api().release(order).await.unwrap();
    shop.adjust(gift, None, -1).await;
    terms(&shop, gift, json!({"backorder_limit": 2})).await;
    assert_eq!(refused(&compose(&shop, gift, &[(mug, 1)]).await), has_stock);
    terms(&shop, gift, json!({"backorder_limit": 0})).await;
    assert_eq!(compose(&shop, gift, &[(mug, 1)]).await.status, 200);
    // From here on its books stay empty.
    let (default, store) = (shop.default_location().await, shop.location("Store", 1).await);
    for location in [&default, &store] {
        let adjustment = json!({"variant_id": gift, "location_id": location["id"], "delta": 1, "reason": "found"});
        let answer = shop.admin(Method::POST, "/admin/stock/adjustments", adjustment).await;
        assert_eq!(answer.refusal(), (422, "/variant_id", "is_bundle"));
    }
    let lines = json!([{"variant_id": gift, "counted": 3, "expected_on_hand": 0}]);
    let count = json!({"location_id": default["id"], "reason": "found", "lines": lines});
    let answer = shop.admin(Method::POST, "/admin/stock/counts", count).await;
    assert_eq!(answer.refusal(), (422, "/lines/0/variant_id", "is_bundle"));
    let lines = json!([{"variant_id": gift, "quantity": 1}]);
    let transfer =
        json!({"from_location_id": default["id"], "to_location_id": store["id"], "reason": "moved", "lines": lines});
    let answer = shop.admin(Method::POST, "/admin/stock/transfers", transfer).await;
    assert_eq!(answer.refusal(), (422, "/lines/0/variant_id", "is_bundle"));
    assert_eq!(
        terms(&shop, gift, json!({"backorder_limit": 2})).await.refusal(),
        (422, "", "is_bundle")
    );
    assert_eq!(level(&shop, gift).await, (0, 0));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_bundle_is_there_as_often_as_its_scarcest_component() {
    let shop = Shop::open().await;
    let (mug, cup) = (one(&shop, "Mug", 7).await, one(&shop, "Cup", 2).await);
    let (made, gift) = bundle(&shop, "Gift", &[(mug, 3), (cup, 1)]).await;
    assert_eq!(
        (
            shown(&shop, &made).await["available"].clone(),
            quoted(&shop, gift).await
        ),
        (json!(2), 2)
    );
    assert_eq!(shop.titles("in_stock=true&sort=title").await, ["Cup", "Gift", "Mug"]);
    // Sold by itself, a component is missing in the bundle at once.
    let order = reserve(&shop, &[(mug, 5)]).await.unwrap();
    let seen = shown(&shop, &made).await;
    assert_eq!((&seen["available"], &seen["in_stock"]), (&json!(0), &json!(false)));
    assert_eq!(quoted(&shop, gift).await, 0);
    // What sales empty is found among what cannot be bought within a second.
    eventually(async || shop.titles("in_stock=false").await == ["Gift"]).await;
    shop.api().release(order).await.unwrap();
    assert_eq!(quoted(&shop, gift).await, 2);
    // What may be sold of a component beyond its stock may be sold in the bundle.
    terms(&shop, cup, json!({"backorder_limit": 10})).await;
    reserve(&shop, &[(cup, 2)]).await.unwrap();
    let seen = shown(&shop, &made).await;
    assert_eq!(
        (&seen["available"], &seen["in_stock"], &seen["backorder"]),
        (&json!(0), &json!(true), &json!(true))
    );
    assert_eq!(quoted(&shop, gift).await, 2);
    let ships_on = (shop.context.clock.now() + chrono::TimeDelta::days(9)).date_naive();
    terms(&shop, cup, json!({"preorder": {"ships_on": ships_on, "limit": 1}})).await;
    let seen = shown(&shop, &made).await;
    assert_eq!(
        (&seen["preorder"]["ships_on"], quoted(&shop, gift).await),
        (&json!(ships_on), 1)
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_bundle_is_not_sold_while_it_or_a_component_is_off_sale() {
    let shop = Shop::open().await;
    let made = shop.create(product("Mug", 900, 7)).await;
    let mug = variant_id(&made, 0);
    let (gift_product, gift) = bundle(&shop, "Gift", &[(mug, 1)]).await;
    for product in [&made, &gift_product] {
        for (status, is_sold) in [("draft", false), ("active", true)] {
            let body = json!({"status": status});
            let edited = shop
                .admin_with(Method::PATCH, &path(product), body, &[("If-Match", "*")])
                .await;
            assert_eq!(edited.status, 200, "{}", edited.body);
            let order = reserve(&shop, &[(gift, 1)]).await;
            match is_sold {
                true => shop.api().release(order.unwrap()).await.unwrap(),
                false => assert_eq!(order.unwrap_err(), short(gift, 1, 0)),
            }
        }
    }
    assert_eq!(level(&shop, mug).await, (7, 0));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_a_component_is_called_that_is_not_on_sale_is_told_to_staff_alone() {
    let shop = Shop::open().await;
    let secret = shop.create(sizes("Secret", &[("S", 900, 4)])).await;
    let (hidden, mug) = (variant_id(&secret, 0), one(&shop, "Mug", 7).await);
    let (made, _) = bundle(&shop, "Gift", &[(mug, 1), (hidden, 2)]).await;
    let named = |handle: Value, title: Value, variant: Value| {
        json!([
            {"variant_id": mug, "product_handle": "mug", "title": "Mug", "variant_title": "Default", "quantity": 1},
            {"variant_id": hidden, "product_handle": handle, "title": title, "variant_title": variant, "quantity": 2},
        ])
    };
    let all = named(json!("secret"), json!("Secret"), json!("S"));
    assert_eq!(shown(&shop, &made).await["components"], all);
    for status in ["draft", "archived"] {
        let edit = json!({"status": status});
        let any = [("If-Match", "*")];
        let edited = shop.admin_with(Method::PATCH, &path(&secret), edit, &any).await;
        assert_eq!(edited.status, 200, "{}", edited.body);
        let seen = shown(&shop, &made).await;
        assert_eq!(seen["components"], named(Value::Null, Value::Null, Value::Null));
        assert_eq!(seen["available"], 0);
        let list = shop.get("/products").await.text;
        assert!(!list.contains("ecret"), "{list}");
        let staff = shop.admin(Method::GET, &path(&made), Value::Null).await.body;
        assert_eq!(staff["variants"][0]["components"], all);
    }
}

/// In a shop with one location and with several, which orders are served from by different statements.
async fn takes_components(shop: Shop) {
    let (mug, cup) = (one(&shop, "Mug", 10).await, one(&shop, "Cup", 9).await);
    let (_, gift) = bundle(&shop, "Gift", &[(mug, 2), (cup, 1)]).await;
    // Two lines of the bundle, and one of its component: 2 * 3 + 4 mugs.
    assert_eq!(
        reserve(&shop, &[(gift, 1), (mug, 5), (gift, 2)]).await.unwrap_err(),
        match gift < mug {
            true => short(mug, 5, 4),
            false => short(gift, 3, 2),
        },
        "together they are too many, and nothing is taken"
    );
    assert_eq!((level(&shop, mug).await, level(&shop, cup).await), ((10, 0), (9, 0)));
    let order = reserve(&shop, &[(gift, 1), (mug, 4), (gift, 2)]).await.unwrap();
    assert_eq!((level(&shop, mug).await, level(&shop, cup).await), ((10, 10), (9, 3)));
    assert_eq!(
        reserve(&shop, &[(gift, 1)]).await.unwrap_err(),
        short(gift, 1, 0),
        "told of what was ordered"
    );
    // What it is made of from now on does not matter to those who have it already.
    assert_eq!(compose(&shop, gift, &[(cup, 4)]).await.status, 200);
    shop.api().commit(order).await.unwrap();
    assert_eq!((level(&shop, mug).await, level(&shop, cup).await), ((0, 0), (6, 0)));
    let other = reserve(&shop, &[(gift, 1)]).await.unwrap();
    assert_eq!(level(&shop, cup).await, (6, 4));
    assert_eq!(compose(&shop, gift, &[]).await.status, 200);
    shop.api().release(order).await.unwrap();
    shop.api().release(other).await.unwrap();
    assert_eq!((level(&shop, mug).await, level(&shop, cup).await), ((10, 0), (9, 0)));
    assert_eq!(
        reserve(&shop, &[(gift, 1)]).await.unwrap_err(),
        short(gift, 1, 0),
        "no bundle, and no stock"
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn an_order_takes_the_components_of_its_bundles_and_gives_back_what_it_took() {
    takes_components(Shop::open().await).await;
}

#[actix_web::test]
async fn an_order_that_several_locations_can_serve_takes_components_too() {
    let shop = Shop::open().await;
    shop.location("Store", 1).await;
    takes_components(shop).await;
}

#[actix_web::test]
async fn components_come_from_where_they_lie() {
    let shop = Shop::open().await;
    let (mug, cup) = (one(&shop, "Mug", 1).await, one(&shop, "Cup", 0).await);
    let store = shop.location("Store", 1).await;
    shop.adjust(mug, Some(&store), 3).await;
    shop.adjust(cup, Some(&store), 2).await;
    let (made, gift) = bundle(&shop, "Gift", &[(mug, 2), (cup, 1)]).await;
    assert_eq!(shown(&shop, &made).await["available"], 2);
    reserve(&shop, &[(gift, 1)]).await.unwrap();
    let seen = shop
        .admin(Method::GET, &format!("/admin/stock/{mug}"), Value::Null)
        .await
        .body;
    assert_eq!(
        seen["locations"][0]["reserved"], 0,
        "one location can serve it all: {seen}"
    );
    reserve(&shop, &[(gift, 1)]).await.unwrap();
    assert_eq!((level(&shop, mug).await, level(&shop, cup).await), ((4, 4), (2, 2)));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_a_bundle_consists_of_is_not_deleted_while_the_bundle_is_there() {
    let shop = Shop::open().await;
    let shirt = shop.create(sizes("Shirt", &[("S", 900, 4), ("M", 900, 9)])).await;
    let small = variant_id(&shirt, 0);
    let (gift_product, gift) = bundle(&shop, "Gift", &[(small, 1)]).await;
    let any = [("If-Match", "*")];
    let variant = format!("/admin/variants/{small}");
    for route in [&path(&shirt), &variant] {
        let refused = shop.admin_with(Method::DELETE, route, Value::Null, &any).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["code"]),
            (409, &json!("in_use")),
            "{route}"
        );
    }
    let delete = |product: &Value| json!({"op": "delete", "id": product["id"]});
    let bulk =
        |operations: Vec<Value>| shop.admin(Method::POST, "/admin/products/bulk", json!({"operations": operations}));
    let answer = bulk(vec![delete(&shirt)]).await.body;
    let result = &answer["results"][0];
    assert_eq!(
        (&result["status"], &result["problem"]["code"]),
        (&json!(409), &json!("in_use")),
        "{answer}"
    );
    // An import leaves out the product whose variant it would remove.
    let row =
        json!({"handle": "shirt", "title": "Shirt", "variants": [{"options": {"Size": "M"}, "price_minor": 900}]});
    let report = shop
        .import(&row.to_string(), product::ImportFormat::Ndjson, false)
        .await;
    assert_eq!(
        (report.skipped, report.errors[0].code.as_str()),
        (1, "in_use"),
        "{report:?}"
    );
    let row = json!({"handle": "gift", "title": "Gift", "price_minor": 2500, "stock": 3});
    let report = shop
        .import(&row.to_string(), product::ImportFormat::Ndjson, false)
        .await;
    assert_eq!(
        (report.skipped, report.errors[0].code.as_str()),
        (1, "is_bundle"),
        "{report:?}"
    );
    shop.assert_in_order().await;
    let order = reserve(&shop, &[(gift, 2)]).await.unwrap();
    let answer = bulk(vec![delete(&gift_product), delete(&shirt)]).await.body;
    assert_eq!(
        (&answer["results"][0]["status"], &answer["results"][1]["status"]),
        (&json!(204), &json!(204)),
        "{answer}"
    );
    assert_eq!(reserve(&shop, &[(gift, 1)]).await.unwrap_err(), short(gift, 1, 0));
    shop.api().commit(order).await.unwrap();
    assert_eq!(level(&shop, small).await, (2, 0));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_product_can_have_a_bundle_beside_its_components_and_goes_with_both() {
    let shop = Shop::open().await;
    let pack = shop.create(sizes("Soap", &[("One", 300, 12), ("Pack", 800, 0)])).await;
    let [single, three] = [0, 1].map(|index| variant_id(&pack, index));
    assert_eq!(compose(&shop, three, &[(single, 3)]).await.status, 200);
    reserve(&shop, &[(three, 2), (single, 1)]).await.unwrap();
    assert_eq!(level(&shop, single).await, (12, 7));
    // Prices and options are edited as ever, and the file that an export makes changes nothing.
    let edit = json!({"price": usd(700)});
    let route = format!("/admin/variants/{three}");
    let edited = shop.admin_with(Method::PATCH, &route, edit, &[("If-Match", "*")]).await;
    assert_eq!(
        (edited.status.as_u16(), &edited.body["components"][0]["quantity"]),
        (200, &json!(3))
    );
    let report = shop
        .import(&shop.export().await, product::ImportFormat::Ndjson, false)
        .await;
    assert_eq!((report.unchanged, report.errors.len()), (1, 0), "{report:?}");
    let gone = shop
        .admin_with(Method::DELETE, &path(&pack), Value::Null, &[("If-Match", "*")])
        .await;
    assert_eq!(gone.status, 204, "{}", gone.body);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn the_books_tell_of_a_bundle_that_consists_of_nothing() {
    let shop = Shop::open().await;
    let mug = one(&shop, "Mug", 7).await;
    let (_, gift) = bundle(&shop, "Gift", &[(mug, 1)]).await;
    let forge = |connection: &mut PgConnection| {
        Ok::<_, Failure<Fault>>(connection.batch_execute("DELETE FROM products.bundle_components")?)
    };
    shop.database.run(forge).await.unwrap();
    let mut findings = shop.module.verify().await.unwrap();
    // Nor is the index told of it.
    findings.retain(|finding| finding.rule != "search_index_equals_products");
    let [finding] = findings.as_slice() else {
        panic!("{findings:?}")
    };
    assert_eq!(
        (finding.rule, finding.subject.as_str()),
        ("bundles_have_components", gift.to_string().as_str())
    );
}
