//! Many at the same moment, over several locations.

use actix_web::http::Method;
use futures_util::future::{join, join_all};
use kernel::id::{ReservationId, VariantId};
use product_api::{Demand, ProductError};
use serde_json::{Value, json};

use crate::support::{Shop, product, sizes, variant_id};

/// Reserves and sells; false where there is too little.
async fn buy(shop: &Shop, lines: Vec<(VariantId, i64)>) -> Result<bool, ProductError> {
    let order = ReservationId::generate();
    let demand = |(variant, quantity): &(VariantId, i64)| Demand {
        variant: *variant,
        quantity: *quantity,
    };
    match shop.api().reserve(order, lines.iter().map(demand).collect()).await {
        Ok(()) => shop.api().commit(order).await.map(|()| true),
        Err(ProductError::InsufficientStock(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn sold(outcomes: impl Iterator<Item = impl Future<Output = Result<bool, ProductError>>>) -> usize {
    let outcomes: Vec<bool> = join_all(outcomes).await.into_iter().collect::<Result<_, _>>().unwrap();
    outcomes.into_iter().filter(|sold| *sold).count()
}

async fn level(shop: &Shop, variant: VariantId) -> Value {
    let path = format!("/admin/stock/{variant}");
    shop.admin(Method::GET, &path, Value::Null).await.body
}

#[actix_web::test]
async fn a_hundred_buyers_get_exactly_the_last_ten_that_lie_in_three_places() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 4)).await, 0);
    for (name, stock) in [("Store", 3), ("Depot", 3)] {
        let location = shop.location(name, stock).await;
        shop.adjust(mug, Some(&location), i64::from(stock)).await;
    }
    assert_eq!(sold((0..100).map(|_| buy(&shop, vec![(mug, 1)]))).await, 10);
    assert_eq!(level(&shop, mug).await["on_hand"], 0);
    assert_eq!(
        shop.lines_crossed().await,
        [("stock.out".to_owned(), 0)],
        "once, whoever took the last one"
    );
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn orders_that_are_split_and_cross_sell_all_there_is() {
    let shop = Shop::open().await;
    let shirt = shop
        .create(sizes("Shirt", &[("S", 900, 30), ("M", 900, 30), ("L", 900, 30)]))
        .await;
    let ids = [0, 1, 2].map(|index| variant_id(&shirt, index));
    for name in ["Store", "Depot"] {
        let location = shop.location(name, 1).await;
        for id in ids {
            shop.adjust(id, Some(&location), 35).await;
        }
    }
    let orders: Vec<[(VariantId, i64); 3]> = (0..60)
        .map(|number| {
            let mut lines = ids.map(|id| (id, 2));
            lines.rotate_left(number % 3);
            lines
        })
        .collect();
    assert_eq!(sold(orders.iter().map(|lines| buy(&shop, lines.to_vec()))).await, 50);
    for id in ids {
        assert_eq!(level(&shop, id).await["on_hand"], 0);
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn transfers_and_orders_at_the_same_moment_lose_and_double_nothing() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 40)).await, 0);
    let cup = variant_id(&shop.create(product("Cup", 900, 40)).await, 0);
    let (default, store) = (shop.default_location().await, shop.location("Store", 1).await);
    let transfers = (0..20_usize).map(|number| {
        let (from, to) = if number % 3 == 2 { (&store, &default) } else { (&default, &store) };
        let mut lines = [(mug, 3), (cup, 2)];
        lines.rotate_left(number % 2);
        let line = |(variant, quantity): (VariantId, i64)| json!({"variant_id": variant, "quantity": quantity});
        let body = json!({"from_location_id": from["id"], "to_location_id": to["id"], "reason": "moved", "lines": lines.map(line)});
        let shop = &shop;
        async move { shop.admin(Method::POST, "/admin/stock/transfers", body).await }
    });
    let orders = (0..60).map(|number| {
        let lines = if number % 2 == 0 {
            [(mug, 1), (cup, 1)]
        } else {
            [(cup, 1), (mug, 1)]
        };
        let shop = &shop;
        async move { buy(shop, lines.to_vec()).await }
    });
    let (moved, bought) = join(join_all(transfers), sold(orders)).await;
    for answer in &moved {
        assert!(matches!(answer.status.as_u16(), 201 | 409), "{}", answer.body);
    }
    assert_eq!(bought, 40, "what is moved is never out of sight");
    assert_eq!(level(&shop, mug).await["on_hand"], 0);
    shop.assert_in_order().await;
}

/// INV-09
#[actix_web::test]
async fn counts_and_orders_at_the_same_moment_lose_no_sale() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 1000)).await, 0);
    let default = shop.default_location().await;
    // Each says that one more was found than the books had a moment ago.
    let counts = (0..40).map(|_| {
        let (shop, default) = (&shop, &default);
        async move {
            let seen = level(shop, mug).await["on_hand"].as_i64().unwrap();
            let body = json!({"location_id": default["id"], "reason": "found",
                "lines": [{"variant_id": mug, "counted": seen + 1, "expected_on_hand": seen}]});
            shop.admin(Method::POST, "/admin/stock/counts", body).await
        }
    });
    let orders = (0..60).map(|_| buy(&shop, vec![(mug, 1)]));
    let (counted, bought) = join(join_all(counts), sold(orders)).await;
    let booked = counted.iter().filter(|answer| answer.status == 201).count();
    for answer in counted.iter().filter(|answer| answer.status != 201) {
        assert_eq!(answer.body["code"], "stock_changed", "{}", answer.body);
    }
    assert_eq!(bought, 60);
    let left = level(&shop, mug).await["on_hand"].as_i64().unwrap();
    assert_eq!(left, 1000 - 60 + i64::try_from(booked).unwrap());
    shop.assert_in_order().await;
}

/// INV-11
#[actix_web::test]
async fn a_backorder_limit_holds_against_a_hundred_buyers_while_it_is_changed() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 5)).await, 0);
    let path = format!("/admin/stock/{mug}");
    let toggle = async {
        for limit in [20, 3, 20, 3] {
            let body = json!({"backorder_limit": limit});
            let changed = shop.admin_with(Method::PATCH, &path, body, &[("If-Match", "*")]).await;
            assert_eq!(changed.status, 200, "{}", changed.body);
        }
    };
    let ((), bought) = join(toggle, sold((0..100).map(|_| buy(&shop, vec![(mug, 1)])))).await;
    assert!((5..=25).contains(&bought), "{bought}");
    // Whoever comes now meets the limit as it was left.
    let more = sold((0..20).map(|_| buy(&shop, vec![(mug, 1)]))).await;
    assert_eq!(bought + more, bought.max(8));
    shop.assert_in_order().await;
}

/// Makes a variant consist of others.
async fn compose(shop: &Shop, bundle: VariantId, components: &[(VariantId, i64)]) {
    let component = |(id, quantity): &(VariantId, i64)| json!({"variant_id": id, "quantity": quantity});
    let body = json!({"components": components.iter().map(component).collect::<Vec<_>>()});
    let path = format!("/admin/variants/{bundle}/components");
    let composed = shop.admin_with(Method::PUT, &path, body, &[("If-Match", "*")]).await;
    assert_eq!(composed.status, 200, "{}", composed.body);
}

/// A hundred buy a bundle of two mugs and a cup, or a mug, or both.
async fn bundles_and_their_components(shop: Shop) {
    let mug = variant_id(&shop.create(product("Mug", 900, 60)).await, 0);
    let cup = variant_id(&shop.create(product("Cup", 900, 100)).await, 0);
    let gift = variant_id(&shop.create(product("Gift", 2500, 0)).await, 0);
    compose(&shop, gift, &[(mug, 2), (cup, 1)]).await;
    let orders: Vec<Vec<(VariantId, i64)>> = (0..100)
        .map(|number| match number % 3 {
            0 => vec![(gift, 1)],
            1 => vec![(mug, 1)],
            _ => vec![(mug, 1), (gift, 1), (cup, 1)],
        })
        .collect();
    let outcomes = join_all(orders.iter().map(|lines| buy(&shop, lines.clone()))).await;
    let sold = |kind: usize| {
        let of_kind = outcomes.iter().enumerate().filter(|(number, _)| number % 3 == kind);
        of_kind.filter(|(_, sold)| *sold.as_ref().unwrap()).count() as i64
    };
    let left = |level: &Value| level["on_hand"].as_i64().unwrap();
    let (mugs, cups) = (left(&level(&shop, mug).await), left(&level(&shop, cup).await));
    assert_eq!(mugs, 60 - sold(0) * 2 - sold(1) - sold(2) * 3);
    assert_eq!(cups, 100 - sold(0) - sold(2) * 2);
    assert_eq!(mugs, 0, "some would have had one more");
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_hundred_buyers_of_a_bundle_and_its_components_never_get_more_than_there_is() {
    bundles_and_their_components(Shop::open().await).await;
}

#[actix_web::test]
async fn nor_do_they_where_several_locations_serve_orders() {
    let shop = Shop::open().await;
    shop.location("Store", 1).await;
    bundles_and_their_components(shop).await;
}

#[actix_web::test]
async fn a_bundle_that_is_edited_while_it_is_sold_corrupts_no_order() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 300)).await, 0);
    let cup = variant_id(&shop.create(product("Cup", 900, 300)).await, 0);
    let gift = variant_id(&shop.create(product("Gift", 2500, 0)).await, 0);
    compose(&shop, gift, &[(mug, 2)]).await;
    let edits = async {
        for number in 0..12 {
            match number % 3 {
                0 => compose(&shop, gift, &[(cup, 3)]).await,
                1 => compose(&shop, gift, &[]).await,
                _ => compose(&shop, gift, &[(cup, 1), (mug, 1)]).await,
            }
        }
    };
    let ((), outcomes) = join(edits, join_all((0..60).map(|_| buy(&shop, vec![(gift, 1)])))).await;
    let outcomes: Vec<bool> = outcomes.into_iter().collect::<Result<_, _>>().unwrap();
    assert!(outcomes.contains(&true));
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_variant_becomes_a_bundle_or_gets_terms_but_never_both_or_neither() {
    let shop = Shop::open().await;
    let mug = variant_id(&shop.create(product("Mug", 900, 60)).await, 0);
    let mut gifts = Vec::new();
    for number in 0..40 {
        let made = shop.create(product(&format!("Gift {number}"), 2500, 0)).await;
        gifts.push(variant_id(&made, 0));
    }
    let components = json!({"components": [{"variant_id": mug, "quantity": 1}]});
    let terms = json!({"backorder_limit": 3});
    let any = [("If-Match", "*")];
    let race = async |gift: &VariantId| {
        let (parts, stock) = (
            format!("/admin/variants/{gift}/components"),
            format!("/admin/stock/{gift}"),
        );
        join(
            shop.admin_with(Method::PUT, &parts, components.clone(), &any),
            shop.admin_with(Method::PATCH, &stock, terms.clone(), &any),
        )
        .await
    };
    for (composed, sold_beyond) in join_all(gifts.iter().map(race)).await {
        match (composed.status.as_u16(), sold_beyond.status.as_u16()) {
            (200, 422) => assert_eq!(sold_beyond.refusal(), (422, "", "is_bundle")),
            (409, 200) => assert_eq!(composed.body["code"], "has_stock"),
            other => panic!("{other:?}: {} {}", composed.body, sold_beyond.body),
        }
    }
    shop.assert_in_order().await;
}

#[actix_web::test]
async fn a_variant_becomes_a_bundle_or_gets_stock_at_a_new_place_but_never_both_or_neither() {
    let shop = Shop::open().await;
    let store = shop.location("Store", 1).await;
    let mug = variant_id(&shop.create(product("Mug", 900, 60)).await, 0);
    let mut gifts = Vec::new();
    for number in 0..40 {
        let made = shop.create(product(&format!("Gift {number}"), 2500, 0)).await;
        gifts.push(variant_id(&made, 0));
    }
    let components = json!({"components": [{"variant_id": mug, "quantity": 1}]});
    let race = async |gift: &VariantId| {
        let parts = format!("/admin/variants/{gift}/components");
        let found = json!({"variant_id": gift, "location_id": store["id"], "delta": 2, "reason": "found"});
        join(
            shop.admin_with(Method::PUT, &parts, components.clone(), &[("If-Match", "*")]),
            shop.admin(Method::POST, "/admin/stock/adjustments", found),
        )
        .await
    };
    for (composed, adjusted) in join_all(gifts.iter().map(race)).await {
        match (composed.status.as_u16(), adjusted.status.as_u16()) {
            (200, 422) => assert_eq!(adjusted.refusal(), (422, "/variant_id", "is_bundle")),
            (409, 201) => assert_eq!(composed.body["code"], "has_stock"),
            other => panic!("{other:?}: {} {}", composed.body, adjusted.body),
        }
    }
    shop.assert_in_order().await;
}
