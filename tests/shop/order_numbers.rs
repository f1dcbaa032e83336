//! How orders are numbered, as the shop chooses.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::Value;

use super::support::{Admin, ReadyCart, Shop, Store, eventually, manual, runtime, sandbox, unique, variant};

/// The numbers behind the prefix, in their order.
pub(crate) fn counted(orders: &[Value], prefix: &str) -> Vec<u64> {
    let number = |order: &Value| {
        let number = order["number"].as_str().unwrap();
        number.strip_prefix(prefix).unwrap().parse().unwrap()
    };
    let mut numbers: Vec<u64> = orders.iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

async fn carts(shop: &Shop, product: &Value, count: usize) -> Vec<ReadyCart> {
    let (anonymous, lines) = (shop.anonymous(), [(variant(product), 1)]);
    join_all((0..count).map(|_| anonymous.ready_cart(&lines))).await
}

#[tokio::test]
async fn numbers_without_gaps_are_given_to_orders_that_can_be_seen_and_to_no_others() {
    let store = Store::with([("order.numbers", "gap_free"), ("order.number_prefix", "B-")]).await;
    let admin = store.admin().await;
    // Of thirty carts twenty find something to buy; some of these wait for their payment, or are declined at first.
    let product = admin.product(1000, 20).await;
    let carts = carts(&store, &product, 30).await;
    let answers = join_all(carts.iter().enumerate().map(|(index, cart)| async move {
        let payment = match index % 4 {
            0 => sandbox("tok_ok"),
            1 => sandbox("tok_requires_action"),
            2 => sandbox("tok_declined"),
            _ => manual(),
        };
        let key = unique("order");
        let first = cart.buyer.once(&key).post("/orders", cart.order(payment.clone())).await;
        let again = cart.buyer.once(&key).post("/orders", cart.order(payment)).await;
        assert_eq!(
            (first.status, &first.json["number"]),
            (again.status, &again.json["number"])
        );
        first
    }))
    .await;
    let refused = answers
        .iter()
        .filter(|answer| answer.json["code"] == "insufficient_stock");
    assert_eq!(refused.count(), 10);
    for answer in answers.iter().filter(|answer| matches!(answer.status, 201 | 202)) {
        let path = format!("/admin/orders/{}", answer.json["id"].as_str().unwrap());
        assert_eq!(admin.get(&path).await.expect(200)["number"], answer.json["number"]);
    }
    let page = admin.get("/admin/orders?limit=100").await.expect(200);
    let orders = page["data"].as_array().unwrap();
    assert_eq!(counted(orders, "B-"), (1001..=1020).collect::<Vec<u64>>());
    // A payment that never comes takes no number away.
    store.clock().advance(chrono::TimeDelta::minutes(16));
    let admin = Admin::signed_in(&store, admin.email()).await;
    let all_ended = || async { admin.get("/admin/orders?status=pending_payment").await.expect(200) };
    eventually(all_ended, |page| page["data"].as_array().unwrap().is_empty()).await;
    let last = admin.product(1000, 1).await;
    let last = store.anonymous().ready_cart(&[(variant(&last), 1)]).await;
    assert_eq!(last.buy(manual()).await.expect(201)["number"], "B-1021");
    assert_eq!(store.findings().await, [""; 0]);
}

#[tokio::test]
async fn random_numbers_tell_nobody_how_much_the_shop_sells() {
    let store = Store::with([("order.numbers", "random"), ("order.number_prefix", "A")]).await;
    let product = store.admin().await.product(1000, 100).await;
    let carts = carts(&store, &product, 24).await;
    let orders: Vec<Value> = join_all(carts.iter().map(|cart| cart.buy(manual())))
        .await
        .into_iter()
        .map(|answer| answer.expect(201))
        .collect();
    let numbers: HashSet<&str> = orders.iter().map(|order| order["number"].as_str().unwrap()).collect();
    assert_eq!(numbers.len(), orders.len());
    assert!(
        numbers.iter().all(|number| {
            let digits = number.strip_prefix('A').unwrap();
            digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit())
        }),
        "{numbers:?}"
    );
}

#[tokio::test]
async fn a_shop_may_change_its_mind_about_numbers() {
    let store = Store::with([("order.numbers", "sequence")]).await;
    let product = store.admin().await.product(1000, 100).await;
    let buy = async |shop: &Shop| {
        let cart = shop.anonymous().ready_cart(&[(variant(&product), 1)]).await;
        cart.buy(manual()).await.expect(201)["number"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (buy(&store).await, buy(&store).await),
        ("1001".to_owned(), "1002".to_owned())
    );
    let run = ("run", "gateway,user,product,cart,order");
    let gap_free = store.start_beside([run, ("order.numbers", "gap_free")]).await;
    let other = Shop::at(vec![gap_free.public().unwrap()], vec![gap_free.management()]);
    let mut numbers = vec![buy(&other).await, buy(&other).await, buy(&other).await];
    assert_eq!(numbers, ["1003", "1004", "1005"]);
    // Both ways at once, as while processes with other settings are put in place.
    for _ in 0..3 {
        numbers.extend([buy(&store).await, buy(&other).await]);
    }
    let random = store.start_beside([run, ("order.numbers", "random")]).await;
    let third = Shop::at(vec![random.public().unwrap()], vec![random.management()]);
    numbers.extend([buy(&third).await, buy(&store).await, buy(&other).await]);
    let distinct: HashSet<&String> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len(), "{numbers:?}");
    drop((other, third));
    runtime::run(gap_free.stop()).await;
    runtime::run(random.stop()).await;
    assert_eq!(store.findings().await, [""; 0]);
}
