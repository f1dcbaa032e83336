//! Carts that are left behind, and those of whom nobody may know anything any more.

use actix_web::http::Method;
use cart_api::CartLeft;
use chrono::Duration;
use kernel::event::Position;
use kernel::id::UserId;
use kernel::module::Module as _;
use serde_json::Value;

use crate::buying::run_jobs_until;
use crate::support::{As, Shop, items_path, line};

/// The carts that were told of, in the order in which they were.
async fn told(shop: &Shop) -> Vec<String> {
    let events = shop.module.feed().read(Position::default(), 100).await.unwrap();
    let left = events.iter().filter_map(|(_, event)| event.payload::<CartLeft>());
    left.map(|left| left.unwrap().cart.to_string()).collect()
}

fn id(cart: &Value) -> String {
    cart["id"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn others_are_told_once_of_each_state_in_which_a_cart_is_left() {
    let shop = Shop::open().await;
    let shirt = shop.catalogue.sell(1000, 50);
    let user = UserId::generate();
    let first = shop.user_cart(user, &[(shirt, 1)]).await;
    let (nobodys, _) = shop.guest_cart(&[(shirt, 1)]).await;
    let empty = shop.user_cart(user, &[]).await;
    shop.clock.advance(Duration::hours(2));
    run_jobs_until(&shop, async || told(&shop).await.contains(&id(&first))).await;
    let second = shop.user_cart(user, &[(shirt, 2)]).await;
    shop.clock.advance(Duration::hours(2));
    run_jobs_until(&shop, async || told(&shop).await.contains(&id(&second))).await;
    assert_eq!(told(&shop).await, [id(&first), id(&second)]);

    let touched = shop
        .send(&As::User(user), Method::POST, &items_path(&first), Some(line(shirt, 1)))
        .await;
    assert_eq!(touched.status, 201);
    shop.clock.advance(Duration::hours(2));
    run_jobs_until(&shop, async || told(&shop).await.len() >= 3).await;
    let told = told(&shop).await;
    assert_eq!(told, [id(&first), id(&second), id(&first)]);
    assert!(!told.contains(&id(&nobodys)) && !told.contains(&id(&empty)));
}
