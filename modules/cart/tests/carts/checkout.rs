//! What orders do to carts, through the module's trait.

use std::sync::Arc;

use actix_web::http::Method;
use cart_api::{CartApi, CartError, ClaimedCart, Freeze, FrozenCart, Overrides};
use futures_util::future::join_all;
use kernel::Money;
use kernel::id::{CartId, OrderId, UserId, VariantId};
use kernel::identity::Holder;
use kernel::module::Module;
use kernel::text::Email;
use serde_json::{Value, json};

use crate::support::{As, Shop, address, items_path, line, path, usd};

/// A ready guest's cart of 2 shirts at 1000 and everything to order it.
struct Ready {
    shop: Shop,
    carts: Arc<dyn CartApi>,
    cart: Value,
    guest: As,
    shirt: VariantId,
    request: Freeze,
}

impl Ready {
    async fn new() -> Self {
        let shop = Shop::open().await;
        let shirt = shop.catalogue.sell(1000, 5);
        let (cart, guest) = shop.guest_cart(&[(shirt, 2)]).await;
        let request = Freeze {
            cart: id(&cart),
            order: OrderId::generate(),
            holder: holder(&guest),
            version: 1,
            expected_total: Money::new(2000, usd()),
            overrides: Overrides {
                email: Some(Email::parse("ada@example.com").unwrap()),
                shipping_address: Some(serde_json::from_value(address()).unwrap()),
                ..Overrides::default()
            },
        };
        let carts = shop.module.service();
        Self {
            shop,
            carts,
            cart,
            guest,
            shirt,
            request,
        }
    }

    async fn freeze(&self, edit: impl FnOnce(&mut Freeze)) -> Result<FrozenCart, CartError> {
        let mut request = self.request.clone();
        edit(&mut request);
        self.carts.freeze(request).await
    }

    async fn read(&self) -> Value {
        self.shop.read(&self.guest, &self.cart).await
    }
}

fn id(cart: &Value) -> CartId {
    cart["id"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn holder(who: &As) -> Holder {
    match who {
        As::Stranger | As::Staff => Holder::default(),
        As::Guest(secret) => Holder {
            user: None,
            group: None,
            secret: Some(secret.clone()),
        },
        As::User(user) => Holder {
            user: Some(*user),
            group: None,
            secret: None,
        },
    }
}

#[actix_web::test]
async fn an_order_locks_the_cart_and_gets_the_same_snapshot_again() {
    let ready = Ready::new().await;
    let frozen = ready.freeze(|_| ()).await.unwrap();
    assert_eq!((frozen.version, frozen.email.as_str()), (2, "ada@example.com"));
    assert_eq!(frozen.totals.total, Money::new(2000, usd()));
    assert_eq!((frozen.lines.len(), frozen.lines[0].quantity), (1, 2));
    ready.shop.catalogue.set_price(ready.shirt, 1);
    assert_eq!(ready.freeze(|_| ()).await, Ok(frozen.clone()));
    let other = ready.freeze(|request| request.order = OrderId::generate()).await;
    assert_eq!(other, Err(CartError::InCheckout(ready.request.order)));
    let seen = ready.read().await;
    assert_eq!((&seen["status"], &seen["version"]), (&json!("checkout"), &json!(2)));
    assert_eq!(seen["order_id"], ready.request.order.to_string());
    assert_eq!(
        (&seen["email"], &seen["totals"]["total"]["amount"]),
        (&json!("ada@example.com"), &json!(2000))
    );
    for (method, path, body) in [
        (Method::POST, items_path(&ready.cart), Some(line(ready.shirt, 1))),
        (Method::PATCH, path(&ready.cart), Some(json!({"email": null}))),
        (Method::DELETE, path(&ready.cart), None),
    ] {
        let refused = ready.shop.send(&ready.guest, method, &path, body).await;
        assert_eq!(refused.refusal().1, "cart_in_checkout");
        assert_eq!(refused.body["order_id"], ready.request.order.to_string());
    }
    assert!(ready.shop.module.verify().await.unwrap().is_empty());
}

#[actix_web::test]
async fn freezes_at_the_same_time_lock_the_cart_for_one_order() {
    let ready = Ready::new().await;
    let orders: Vec<OrderId> = (0..10).map(|_| OrderId::generate()).collect();
    // Each order asks twice, as after a lost answer.
    let freezes = orders
        .iter()
        .chain(&orders)
        .map(|order| ready.freeze(|request| request.order = *order));
    let answers = join_all(freezes).await;
    let won: Vec<&FrozenCart> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert!((1..=2).contains(&won.len()), "{answers:?}");
    assert!(won.iter().all(|frozen| *frozen == won[0]));
    assert_eq!(ready.read().await["version"], 2);
}

#[actix_web::test]
async fn an_order_is_refused_what_the_buyer_was_not_shown() {
    let ready = Ready::new().await;
    assert_eq!(
        ready.freeze(|request| request.version = 7).await,
        Err(CartError::Changed(1))
    );
    let cheap = Money::new(1, usd());
    let real = Money::new(2000, usd());
    let answer = ready.freeze(|request| request.expected_total = cheap).await;
    assert_eq!(answer, Err(CartError::PriceChanged { old: cheap, new: real }));
    let euro = Money::new(2000, "EUR".parse().unwrap());
    let answer = ready.freeze(|request| request.expected_total = euro).await;
    assert_eq!(answer, Err(CartError::PriceChanged { old: euro, new: real }));
    ready.shop.catalogue.set_price(ready.shirt, 1500);
    let answer = ready.freeze(|_| ()).await;
    assert_eq!(
        answer,
        Err(CartError::PriceChanged {
            old: real,
            new: Money::new(3000, usd())
        })
    );
    for holder in [
        Holder::default(),
        holder(&As::Guest("x".to_owned())),
        holder(&As::User(UserId::generate())),
    ] {
        let answer = ready.freeze(|request| request.holder = holder).await;
        assert_eq!(answer, Err(CartError::NotFound("cart".to_owned())));
    }
    let untouched = ready.read().await;
    assert_eq!(
        (&untouched["status"], &untouched["email"]),
        (&json!("open"), &Value::Null)
    );
}

#[actix_web::test]
async fn an_incomplete_cart_is_not_ordered_and_short_stock_is_left_to_the_reservation() {
    let ready = Ready::new().await;
    let Err(CartError::NotReady(problems)) = ready.freeze(|request| request.overrides = Overrides::default()).await
    else {
        panic!("frozen without an address");
    };
    let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["email_required", "shipping_address_required"]);
    ready.shop.catalogue.edit(ready.shirt, |quote| quote.on_sale = false);
    assert!(matches!(ready.freeze(|_| ()).await, Err(CartError::NotReady(_))));
    ready.shop.catalogue.edit(ready.shirt, |quote| {
        quote.on_sale = true;
        quote.available = 0;
    });
    assert!(ready.freeze(|_| ()).await.is_ok());
}

#[actix_web::test]
async fn a_users_confirmation_goes_to_the_account_by_default() {
    let ready = Ready::new().await;
    let user = UserId::generate();
    let cart = ready.shop.user_cart(user, &[(ready.shirt, 2)]).await;
    let frozen = ready.freeze(|request| {
        request.cart = id(&cart);
        request.holder = holder(&As::User(user));
        request.overrides.email = None;
    });
    let frozen = frozen.await.unwrap();
    assert_eq!(
        (frozen.email.as_str(), frozen.user),
        ("account@example.com", Some(user))
    );
}

#[actix_web::test]
async fn a_cart_given_back_is_open_again_and_its_dead_order_cannot_take_it() {
    let ready = Ready::new().await;
    let (cart, order) = (ready.request.cart, ready.request.order);
    ready.freeze(|_| ()).await.unwrap();
    ready.carts.unfreeze(cart, OrderId::generate()).await.unwrap();
    assert_eq!(ready.read().await["status"], "checkout", "another order has no say");
    for _ in 0..2 {
        ready.carts.unfreeze(cart, order).await.unwrap();
        let seen = ready.read().await;
        assert_eq!(
            (&seen["status"], &seen["version"], &seen["order_id"]),
            (&json!("open"), &json!(3), &Value::Null)
        );
    }
    assert_eq!(
        ready.freeze(|request| request.version = 3).await,
        Err(CartError::Changed(3))
    );
    let next = OrderId::generate();
    let frozen = ready.freeze(|request| {
        request.order = next;
        request.version = 3;
    });
    assert_eq!(frozen.await.unwrap().version, 4);
    assert!(ready.shop.module.verify().await.unwrap().is_empty());
}

#[actix_web::test]
async fn a_freeze_that_arrives_after_its_order_has_died_is_refused() {
    let ready = Ready::new().await;
    ready
        .carts
        .unfreeze(ready.request.cart, ready.request.order)
        .await
        .unwrap();
    assert_eq!(ready.read().await["version"], 1);
    assert_eq!(ready.freeze(|_| ()).await, Err(CartError::Changed(1)));
    assert!(
        ready
            .freeze(|request| request.order = OrderId::generate())
            .await
            .is_ok()
    );
    ready
        .carts
        .unfreeze(CartId::generate(), OrderId::generate())
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_placed_order_closes_its_cart() {
    let ready = Ready::new().await;
    let (cart, order) = (ready.request.cart, ready.request.order);
    assert!(
        ready.carts.complete(cart, order).await.is_err(),
        "nothing to complete yet"
    );
    let frozen = ready.freeze(|_| ()).await.unwrap();
    assert!(
        ready.carts.complete(cart, OrderId::generate()).await.is_err(),
        "another order has no say"
    );
    let claim = |completed| ClaimedCart { cart, order, completed };
    assert_eq!(ready.carts.claimed(None, 10).await.unwrap(), [claim(false)]);
    ready.carts.complete(cart, order).await.unwrap();
    ready.carts.complete(cart, order).await.unwrap();
    assert_eq!(ready.carts.claimed(None, 10).await.unwrap(), [claim(true)]);
    assert_eq!(ready.carts.claimed(Some(cart), 10).await.unwrap(), []);
    ready.shop.clock.advance(chrono::Duration::days(365));
    let seen = ready.read().await;
    assert_eq!((&seen["status"], &seen["version"]), (&json!("completed"), &json!(3)));
    assert_eq!(ready.freeze(|_| ()).await, Ok(frozen));
    let other = ready.freeze(|request| request.order = OrderId::generate()).await;
    assert_eq!(other, Err(CartError::Completed(order)));
    let refused = ready
        .shop
        .send(
            &ready.guest,
            Method::POST,
            &items_path(&ready.cart),
            Some(line(ready.shirt, 1)),
        )
        .await;
    assert_eq!(refused.refusal().1, "cart_completed");
}

#[actix_web::test]
async fn an_order_cancelled_after_it_was_placed_gives_its_cart_back() {
    let ready = Ready::new().await;
    let (cart, order) = (ready.request.cart, ready.request.order);
    ready.freeze(|_| ()).await.unwrap();
    ready.carts.complete(cart, order).await.unwrap();
    ready.carts.unfreeze(cart, order).await.unwrap();
    ready.carts.unfreeze(cart, order).await.unwrap();
    let seen = ready.read().await;
    assert_eq!((&seen["status"], &seen["order_id"]), (&json!("open"), &json!(null)));
    assert!(
        ready.carts.complete(cart, order).await.is_err(),
        "news of the order that arrive late change nothing"
    );
    assert!(ready.freeze(|_| ()).await.is_err(), "the dead order does not come back");
    assert_eq!(ready.carts.claimed(None, 10).await.unwrap(), []);
}

#[actix_web::test]
async fn a_cart_changed_while_it_is_ordered_is_either_ordered_or_changed() {
    let ready = Ready::new().await;
    for round in 1..=10 {
        let version = ready.read().await["version"].as_i64().unwrap();
        let expected_total = Money::new(1000 * (1 + round), usd());
        let order = OrderId::generate();
        let freeze = ready.freeze(|request| {
            (request.order, request.version, request.expected_total) = (order, version, expected_total);
        });
        let items = items_path(&ready.cart);
        let add = ready
            .shop
            .send(&ready.guest, Method::POST, &items, Some(line(ready.shirt, 1)));
        let (frozen, added) = tokio::join!(freeze, add);
        assert!(frozen.is_ok() != added.status.is_success(), "{frozen:?} {}", added.body);
        ready.carts.unfreeze(ready.request.cart, order).await.unwrap();
        if frozen.is_ok() {
            let again = ready
                .shop
                .send(&ready.guest, Method::POST, &items, Some(line(ready.shirt, 1)))
                .await;
            assert_eq!(again.status, 201);
        }
    }
}
