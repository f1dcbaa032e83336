//! `in_stock` of lists: what is counted follows what can be bought, in every process.

use actix_web::http::Method;
use chrono::TimeDelta;
use kernel::id::{ReservationId, VariantId};
use product_api::Demand;
use serde_json::{Value, json};

use crate::support::{Shop, eventually, product, variant_id};

/// A product with this title and stock; answers its one variant.
async fn made(shop: &Shop, title: &str, stock: i64) -> VariantId {
    variant_id(&shop.create(product(title, 900, stock)).await, 0)
}

async fn take(shop: &Shop, variant: VariantId, quantity: i64) -> ReservationId {
    let order = ReservationId::generate();
    shop.api()
        .reserve(order, vec![Demand { variant, quantity }])
        .await
        .unwrap();
    order
}

async fn terms(shop: &Shop, variant: VariantId, terms: Value) {
    let path = format!("/admin/stock/{variant}");
    let answer = shop.admin_with(Method::PATCH, &path, terms, &[("If-Match", "*")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Waits until both processes count so many products that can be bought, of `all`.
async fn count(shops: [&Shop; 2], in_stock: i64, all: i64) {
    for shop in shops {
        eventually(async || {
            let total = async |query: &str| {
                let list = shop.get(&format!("/products?{query}&facets=brand")).await.body;
                list["total"]["value"].as_i64().unwrap()
            };
            (total("in_stock=true").await, total("in_stock=false").await) == (in_stock, all - in_stock)
        })
        .await;
    }
}

#[actix_web::test]
async fn a_sale_of_the_last_one_and_its_return_are_counted_in_every_process() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let (mug, _cup) = (made(&shop, "Mug", 2).await, made(&shop, "Cup", 0).await);
    count([&shop, &other], 1, 2).await;
    let order = take(&shop, mug, 2).await;
    count([&shop, &other], 0, 2).await;
    shop.api().release(order).await.unwrap();
    count([&shop, &other], 1, 2).await;
    other.adjust(mug, None, -2).await;
    count([&shop, &other], 0, 2).await;
}

#[actix_web::test]
async fn what_is_sold_beyond_its_stock_can_be_bought_until_its_limit_is_reached() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let mug = made(&shop, "Mug", 1).await;
    terms(&shop, mug, json!({"backorder_limit": 2})).await;
    take(&shop, mug, 1).await;
    count([&shop, &other], 1, 1).await;
    let last = take(&shop, mug, 2).await;
    count([&shop, &other], 0, 1).await;
    shop.api().release(last).await.unwrap();
    count([&shop, &other], 1, 1).await;
    terms(&other, mug, json!({"backorder_limit": 0})).await;
    count([&shop, &other], 0, 1).await;
}

#[actix_web::test]
async fn what_was_sold_before_its_day_is_no_longer_when_the_day_has_come() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let lamp = made(&shop, "Lamp", 0).await;
    let ships_on = (shop.context.clock.now() + TimeDelta::days(2)).date_naive();
    terms(&shop, lamp, json!({"preorder": {"ships_on": ships_on, "limit": 3}})).await;
    count([&shop, &other], 1, 1).await;
    shop.context.clock.advance(TimeDelta::days(2));
    count([&shop, &other], 0, 1).await;
}

#[actix_web::test]
async fn a_bundle_goes_with_too_few_of_a_component_and_comes_back_with_enough() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let (mug, gift) = (made(&shop, "Mug", 5).await, made(&shop, "Gift", 0).await);
    let path = format!("/admin/variants/{gift}/components");
    let components = json!({"components": [{"variant_id": mug, "quantity": 3}]});
    let composed = shop
        .admin_with(Method::PUT, &path, components, &[("If-Match", "*")])
        .await;
    assert_eq!(composed.status, 200, "{}", composed.body);
    count([&shop, &other], 2, 2).await;
    let order = take(&shop, mug, 3).await;
    count([&shop, &other], 1, 2).await;
    shop.api().release(order).await.unwrap();
    count([&shop, &other], 2, 2).await;
    take(&other, gift, 1).await;
    count([&shop, &other], 1, 2).await;
}

#[actix_web::test]
async fn stock_of_a_location_is_counted_while_orders_are_served_from_there() {
    let shop = Shop::open().await;
    let other = shop.beside().await;
    let mug = made(&shop, "Mug", 0).await;
    let store = shop.location("Store", 1).await;
    shop.adjust(mug, Some(&store), 4).await;
    count([&shop, &other], 1, 1).await;
    let path = format!("/admin/locations/{}", store["id"].as_str().unwrap());
    for (sells, in_stock) in [(false, 0), (true, 1)] {
        let change = json!({"fulfils_online": sells});
        let edited = shop
            .admin_with(Method::PATCH, &path, change, &[("If-Match", "*")])
            .await;
        assert_eq!(edited.status, 200, "{}", edited.body);
        count([&shop, &other], in_stock, 1).await;
    }
}
