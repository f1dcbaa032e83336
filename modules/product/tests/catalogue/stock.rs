//! Stock: set aside, sold, given back, corrected.

use actix_web::http::Method;
use database::Failure;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use kernel::Fault;
use kernel::id::{ReservationId, RestockId, VariantId};
use product_api::{Demand, ProductError};
use serde_json::{Value, json};

use crate::support::{Shop, path, product, sizes, variant_id};

fn demand(variant: VariantId, quantity: i64) -> Demand {
    Demand { variant, quantity }
}

async fn level(shop: &Shop, variant: VariantId) -> (i64, i64) {
    let level = shop
        .admin(Method::GET, &format!("/admin/stock/{variant}"), Value::Null)
        .await
        .body;
    (level["on_hand"].as_i64().unwrap(), level["reserved"].as_i64().unwrap())
}

#[actix_web::test]
async fn each_step_of_a_reservation_happens_once() {
    let shop = Shop::open().await;
    let api = shop.api();
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let order = ReservationId::generate();
    for _ in 0..2 {
        // Demands for one variant are summed.
        api.reserve(order, vec![demand(mug, 3), demand(mug, 4)]).await.unwrap();
        assert_eq!(level(&shop, mug).await, (10, 7));
    }
    for _ in 0..2 {
        api.commit(order).await.unwrap();
        assert_eq!(level(&shop, mug).await, (3, 0));
        // A repeat that comes late finds the sale made.
        api.reserve(order, vec![demand(mug, 7)]).await.unwrap();
    }
    for _ in 0..2 {
        api.release(order).await.unwrap();
        assert_eq!(level(&shop, mug).await, (10, 0));
    }
    for refused in [api.commit(order).await, api.reserve(order, vec![demand(mug, 1)]).await] {
        assert!(matches!(refused, Err(ProductError::NotFound(_))), "{refused:?}");
    }
    assert_eq!(level(&shop, mug).await, (10, 0));
    assert_eq!(api.reservations(None, 10).await.unwrap(), []);
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn what_comes_back_of_an_order_comes_back_once_and_never_more_than_was_sold() {
    let shop = Shop::open().await;
    let api = shop.api();
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let order = ReservationId::generate();
    let refused = api.restock(order, RestockId::generate(), vec![demand(mug, 1)]).await;
    assert!(matches!(refused, Err(ProductError::NotFound(_))), "{refused:?}");
    api.reserve(order, vec![demand(mug, 7)]).await.unwrap();
    let early = api.restock(order, RestockId::generate(), vec![demand(mug, 1)]).await;
    assert!(matches!(early, Err(ProductError::NotFound(_))), "{early:?}");
    api.commit(order).await.unwrap();
    let first = RestockId::generate();
    let twins = join_all((0..10).map(|_| api.restock(order, first, vec![demand(mug, 2), demand(mug, 1)]))).await;
    assert!(twins.iter().all(Result::is_ok), "{twins:?}");
    assert_eq!(level(&shop, mug).await, (6, 0));
    let too_many = api.restock(order, RestockId::generate(), vec![demand(mug, 5)]).await;
    assert!(matches!(too_many, Err(ProductError::Invalid(_))), "{too_many:?}");
    // Of many that race for the last four, as many come back as were sold.
    let racing = join_all((0..6).map(|_| api.restock(order, RestockId::generate(), vec![demand(mug, 1)]))).await;
    assert_eq!(racing.iter().filter(|outcome| outcome.is_ok()).count(), 4);
    assert_eq!(level(&shop, mug).await, (10, 0));
    shop.assert_in_order().await;
    // Whatever came back before does not come back with the rest.
    let other = ReservationId::generate();
    api.reserve(other, vec![demand(mug, 5)]).await.unwrap();
    api.commit(other).await.unwrap();
    api.restock(other, RestockId::generate(), vec![demand(mug, 2)])
        .await
        .unwrap();
    api.release(other).await.unwrap();
    assert_eq!(level(&shop, mug).await, (10, 0));
    // All of it is back: there is nothing left to do.
    api.restock(other, RestockId::generate(), vec![demand(mug, 3)])
        .await
        .unwrap();
    assert_eq!(level(&shop, mug).await, (10, 0));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_reservation_released_before_it_is_made_is_never_made() {
    let shop = Shop::open().await;
    let api = shop.api();
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let order = ReservationId::generate();
    api.release(order).await.unwrap();
    assert!(matches!(
        api.reserve(order, vec![demand(mug, 1)]).await,
        Err(ProductError::NotFound(_))
    ));
    assert!(matches!(
        api.commit(ReservationId::generate()).await,
        Err(ProductError::NotFound(_))
    ));
    assert_eq!(level(&shop, mug).await, (10, 0));
}

#[actix_web::test]
async fn all_of_an_order_is_reserved_or_nothing() {
    let shop = Shop::open().await;
    let api = shop.api();
    let shirt = shop.create(sizes("Shirt", &[("S", 900, 5), ("M", 900, 1)])).await;
    let (small, medium) = (variant_id(&shirt, 0), variant_id(&shirt, 1));
    let unknown = VariantId::generate();
    let order = ReservationId::generate();
    let refused = api
        .reserve(order, vec![demand(small, 2), demand(medium, 2), demand(unknown, 1)])
        .await;
    let Err(ProductError::InsufficientStock(mut short)) = refused else {
        panic!("{refused:?}")
    };
    short.sort_by_key(|line| line.requested);
    let short: Vec<(VariantId, i64, i64)> = short
        .into_iter()
        .map(|line| (line.variant_id, line.requested, line.available))
        .collect();
    assert_eq!(short, [(unknown, 1, 0), (medium, 2, 1)]);
    assert_eq!(
        (level(&shop, small).await, level(&shop, medium).await),
        ((5, 0), (1, 0))
    );
    // The same order may try again with less.
    api.reserve(order, vec![demand(small, 2)]).await.unwrap();
    for quantity in [0, -1, i64::MAX] {
        let refused = api
            .reserve(ReservationId::generate(), vec![demand(small, quantity)])
            .await;
        assert!(matches!(refused, Err(ProductError::Invalid(_))), "{quantity}");
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_hundred_buyers_get_exactly_the_last_ten() {
    let shop = Shop::open().await;
    let api = shop.api();
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    let attempts = (0..100).map(|_| {
        let api = api.clone();
        async move {
            let order = ReservationId::generate();
            let reserved = api.reserve(order, vec![demand(mug, 1)]).await;
            match reserved {
                Ok(()) => api.commit(order).await.map(|()| true),
                Err(ProductError::InsufficientStock(_)) => Ok(false),
                Err(error) => Err(error),
            }
        }
    });
    let outcomes: Vec<bool> = join_all(attempts).await.into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(outcomes.iter().filter(|sold| **sold).count(), 10);
    assert_eq!(level(&shop, mug).await, (0, 0));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn orders_that_cross_neither_block_each_other_nor_lose_stock() {
    let shop = Shop::open().await;
    let api = shop.api();
    let shirt = shop
        .create(sizes("Shirt", &[("S", 900, 1000), ("M", 900, 1000), ("L", 900, 1000)]))
        .await;
    let ids = [variant_id(&shirt, 0), variant_id(&shirt, 1), variant_id(&shirt, 2)];
    // Twice each, at the same time: every step is repeated while the first of its kind is still running.
    let steps = (0..200_usize).map(|number| {
        let api = api.clone();
        let order = ReservationId::from(uuid::Uuid::from_u128((number as u128 / 2) + 1));
        let mut demands: Vec<Demand> = ids.iter().map(|id| demand(*id, 1)).collect();
        demands.rotate_left(number % 3);
        if number % 2 == 0 {
            demands.reverse();
        }
        async move {
            api.reserve(order, demands).await?;
            match number / 2 % 4 {
                0 => api.commit(order).await,
                1 => api.release(order).await,
                2 => {
                    api.commit(order).await?;
                    // The twin may have released it already, and then this finds nothing to commit.
                    api.release(order).await
                }
                _ => Ok(()),
            }
        }
    });
    let refused: Vec<ProductError> = join_all(steps).await.into_iter().filter_map(Result::err).collect();
    let expected = |error: &ProductError| matches!(error, ProductError::NotFound(_));
    assert!(refused.iter().all(expected), "{refused:?}");
    for id in ids {
        assert_eq!(level(&shop, id).await, (975, 25));
    }
    shop.assert_in_order().await;
}

/// INV-11
#[actix_web::test]
async fn what_is_promised_cannot_be_taken_away() {
    let shop = Shop::open().await;
    let api = shop.api();
    let made = shop.create(product("Mug", 900, 10)).await;
    let mug = variant_id(&made, 0);
    let order = ReservationId::generate();
    api.reserve(order, vec![demand(mug, 8)]).await.unwrap();
    let adjust = |delta: i64| json!({"variant_id": mug, "delta": delta, "reason": "counted"});
    let refused = shop.admin(Method::POST, "/admin/stock/adjustments", adjust(-3)).await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["code"]),
        (409, &json!("insufficient_stock"))
    );
    assert_eq!(refused.body["lines"][0]["available"], 2);
    let adjusted = shop.admin(Method::POST, "/admin/stock/adjustments", adjust(-2)).await;
    assert_eq!((adjusted.status.as_u16(), &adjusted.body["on_hand"]), (201, &json!(8)));
    assert_eq!(adjusted.body["movements"][0]["reason"], "counted");
    // A file says 0, but 8 are promised.
    let file = r#"{"handle":"mug","title":"Mug","price_minor":900,"stock":0}"#;
    let refused = shop.import(file, product::ImportFormat::Auto, false).await;
    assert_eq!(refused.errors[0].code, "insufficient_stock");
    assert_eq!(level(&shop, mug).await, (8, 8));
    // Neither does a deleted product break its orders.
    assert_eq!(
        shop.edit(Method::DELETE, &path(&made), 1, Value::Null).await.status,
        204
    );
    let late = api.reserve(ReservationId::generate(), vec![demand(mug, 1)]).await;
    assert!(matches!(late, Err(ProductError::InsufficientStock(_))));
    api.commit(order).await.unwrap();
    assert_eq!(level(&shop, mug).await, (0, 0));
    let quote = api
        .quote(vec![mug, VariantId::generate()], "USD".parse().unwrap(), None, None)
        .await
        .unwrap();
    assert_eq!(
        (quote.len(), quote[0].on_sale, quote[0].title.as_str()),
        (1, false, "Mug")
    );
    shop.assert_in_order().await;
}

/// INV-11
#[actix_web::test]
async fn what_a_deleted_product_has_promised_is_delivered_or_given_back() {
    let shop = Shop::open().await;
    let api = shop.api();
    for by in ["delete", "bulk", "variant", "import"] {
        let mut shirt = sizes(&format!("Shirt by {by}"), &[("S", 900, 10), ("M", 900, 10)]);
        shirt["handle"] = json!(by);
        let made = shop.create(shirt).await;
        let small = variant_id(&made, 0);
        let reserve = async || {
            let order = ReservationId::generate();
            api.reserve(order, vec![demand(small, 3)]).await.unwrap();
            order
        };
        let (kept, given_back) = (reserve().await, reserve().await);
        let any = [("If-Match", "*")];
        let gone = match by {
            "delete" => shop.admin_with(Method::DELETE, &path(&made), Value::Null, &any).await,
            "bulk" => {
                let operations = json!({"operations": [{"op": "delete", "id": made["id"]}]});
                shop.admin(Method::POST, "/admin/products/bulk", operations).await
            }
            "variant" => {
                let path = format!("/admin/variants/{small}");
                shop.admin_with(Method::DELETE, &path, Value::Null, &any).await
            }
            _ => {
                let row = json!({"handle": by, "title": "Shirt", "variants": [{"options": {"Size": "M"}, "price_minor": 900}]});
                let report = shop.import(&row.to_string(), product::ImportFormat::Auto, false).await;
                assert_eq!((report.updated, report.errors), (1, vec![]), "{by}");
                shop.get("/products").await
            }
        };
        assert!(gone.status.is_success(), "{by}: {}", gone.body);
        let late = api.reserve(ReservationId::generate(), vec![demand(small, 1)]).await;
        assert!(matches!(late, Err(ProductError::InsufficientStock(_))), "{by}");
        assert_eq!(level(&shop, small).await, (10, 6), "{by}");
        api.commit(kept).await.unwrap();
        api.release(given_back).await.unwrap();
        assert_eq!(level(&shop, small).await, (7, 0), "{by}");
        // What was delivered may come back, too.
        api.release(kept).await.unwrap();
        assert_eq!(level(&shop, small).await, (10, 0), "{by}");
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn the_ledger_can_only_grow_and_verification_sees_what_is_wrong() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 10)).await, 0);
    for change in [
        "UPDATE products.stock_movements SET delta = 5",
        "DELETE FROM products.stock_movements",
        "TRUNCATE products.stock_movements",
    ] {
        let done = shop
            .database
            .run(move |connection| Ok::<_, Failure<Fault>>(connection.batch_execute(change)?))
            .await;
        assert!(done.is_err(), "{change}");
    }
    let forge =
        "UPDATE products.stock SET on_hand = 11; UPDATE products.products SET price_max = 1, category_path = '{x}'";
    shop.database
        .run(move |connection| Ok::<_, Failure<Fault>>(connection.batch_execute(forge)?))
        .await
        .unwrap();
    let findings = kernel::module::Module::verify(&shop.module).await.unwrap();
    let rules = findings.iter().map(|finding| finding.rule);
    // Whether the index has read of the product yet, and therefore differs now, is as it happens.
    let rules: Vec<&str> = rules.filter(|rule| *rule != "search_index_equals_products").collect();
    assert_eq!(
        rules,
        [
            "stock_equals_movements",
            "prices_equal_variants",
            "products_know_their_category"
        ]
    );
    assert_eq!(findings[0].subject, mug.to_string());
}
